#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well postrider logs finds known incidents.

Usage: bench/logscore.py [--format postfix|exim] [--nasty] [--seeds FIRST-LAST] [--verbose] PROGRAM

For each seed a log is made (bench/loggen.py) and read; what is reported is held against the truth. Recall: known
incidents that were found. Precision: reported ones that are known (a second report of the same one is wrong). Cause:
found ones with the right cause. Onset: found ones whose beginning is within 60 s of the first failed line.
"""
import argparse
import calendar
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import loggen  # noqa: E402

ONSET_S_MAX = 60


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) if text else None


def names_of(reported):
    extent = reported["extent"]
    return set(extent["names"]) | set(extent["destinations"])


def is_match(reported, truth):
    onset, last = seconds(reported["onset"]), seconds(reported["last_seen"])
    if truth["first"] is None or onset > truth["end"] + 3600 or last < truth["begin"]:
        return False
    kind = reported["extent"]["kind"]
    if not truth["must"]:  # too little was seen of it for more than a part
        return kind == "everything" or bool(names_of(reported) & set(truth["domains"]))
    if truth["kind"] == "everything":
        return kind == "everything"
    if kind == "everything":
        return False
    if truth["kind"] == "site":
        return any(name.endswith(truth["name"]) for name in reported["extent"]["names"])
    return truth["name"] in names_of(reported) and kind == "destination"


class Score:
    def __init__(self):
        self.known = self.found = self.reported = self.right = self.cause = self.onset = 0
        self.errors, self.notes = [], []

    def add(self, seed, truths, incidents, dead):
        taken = {}
        self.known += sum(truth["must"] for truth in truths)
        for reported in incidents:
            self.reported += 1
            matches = [i for i, truth in enumerate(truths)
                       if is_match(reported, truth) and (i not in taken or not truth["must"])]
            # Of two at one place it is the one with its cause.
            match = next((i for i in matches if truths[i]["cause"] == reported["cause"]), matches[0] if matches else None)
            if match is None:
                is_dead = bool(names_of(reported) & dead)
                self.right += is_dead
                if not is_dead:
                    self.note(seed, "wrong", reported)
                continue
            taken[match] = reported
            self.right += 1
        for i, truth in enumerate(truths):
            if not truth["must"]:
                continue
            if i not in taken:
                self.note(seed, "missed", truth)
                continue
            self.judge(seed, truth, taken[i])

    def judge(self, seed, truth, reported):
        error = abs(seconds(reported["onset"]) - int(truth["first"]))
        self.found += 1
        self.cause += reported["cause"] == truth["cause"]
        self.errors.append(error)
        is_first = reported["proof"]["first_line"] == truth["line"]
        self.onset += error <= ONSET_S_MAX or is_first
        if reported["cause"] != truth["cause"]:
            self.note(seed, "cause", {"known": truth["cause"], "told": reported["cause"], "name": truth["name"]})
        if error > ONSET_S_MAX and not is_first:
            self.note(seed, f"onset {seconds(reported['onset']) - int(truth['first'])} s", truth)

    def note(self, seed, what, thing):
        keep = ("extent", "kind", "name", "cause", "onset", "last_seen", "end", "messages", "share", "first", "known",
                "told", "begin")
        self.notes.append(f"seed {seed}: {what}: " + json.dumps({k: thing[k] for k in keep if k in thing})[:400])

    def print(self):
        def part(n, of):
            return f"{n / of:.3f} ({n} of {of})" if of else "none"
        errors = sorted(self.errors)
        print(f"recall     {part(self.found, self.known)}")
        print(f"precision  {part(self.right, self.reported)}")
        print(f"cause      {part(self.cause, self.found)}")
        print(f"onset      {part(self.onset, self.found)} within {ONSET_S_MAX} s or at the first failed line")
        if errors:
            print(f"onset error, seconds: median {errors[len(errors) // 2]}, largest {errors[-1]}")

    def is_good(self):
        return (self.found >= 0.98 * self.known and self.right >= 0.95 * self.reported and
                self.onset >= 0.95 * self.found and self.cause >= 0.95 * self.found)


def run_seed(program, seed, options):
    with tempfile.TemporaryDirectory() as folder:
        log, truth = os.path.join(folder, "mail.log"), os.path.join(folder, "truth.json")
        loggen.main([*options, "--seed", str(seed), log, truth])
        done = subprocess.run([program, "logs", "--json", "--zone", "+00:00", log], capture_output=True, text=True,
                              timeout=600)
        with open(truth, encoding="utf-8") as handle:
            known = json.load(handle)
        if not done.stdout:
            raise SystemExit(f"seed {seed}: no answer: {done.stderr}")
        return known, json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", default="1-10")
    parser.add_argument("--format", default="postfix")
    parser.add_argument("--nasty", action="store_true")
    parser.add_argument("--messages", default="8000")
    parser.add_argument("--destinations", default="250")
    parser.add_argument("--hours", default="30")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("program")
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition("-")
    score = Score()
    options = ["--format", arguments.format, "--messages", arguments.messages,
               "--destinations", arguments.destinations, "--hours", arguments.hours]
    options += ["--nasty"] if arguments.nasty else []
    for seed in range(int(first), int(last or first) + 1):
        known, told = run_seed(arguments.program, seed, options)
        score.add(seed, known["incidents"], told["incidents"], set(known["dead"]))
    if arguments.verbose:
        print("\n".join(score.notes))
    score.print()
    return 0 if score.is_good() else 1


if __name__ == "__main__":
    sys.exit(main())
