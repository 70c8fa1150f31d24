#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The laboratory: an internet in network namespaces, broken in one way after another, and what the relay,
the probe and explain say about each. Usage: run.py [--program FILE] [--only NAME,...] [--quick] [--json]"""
import argparse
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TOOLS = ("relay", "probe", "explain")


def arguments():
    parser = argparse.ArgumentParser(description="Breaks an internet of its own and asks Postrider why.")
    parser.add_argument("--program", default=os.path.join(TOP, "build-test", "postrider"))
    parser.add_argument("--only", default="", help="names of scenarios, or their beginnings, with commas")
    parser.add_argument("--tools", default="", help="relay, probe, explain: those that are asked; with commas")
    parser.add_argument("--quick", action="store_true", help="the part that takes less than a minute")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true", help="names the scenarios")
    parser.add_argument("--verbose", action="store_true", help="shows evidence of what is wrong")
    parser.add_argument("--many", type=int, help="instead: one probe of so many healthy destinations, with figures")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--folder", help=argparse.SUPPRESS)  # within the namespaces
    return parser.parse_args()


def chosen(options):
    import scenarios
    rows = [row for row in scenarios.ROWS if row.name in scenarios.QUICK or not options.quick]
    names = [name for name in options.only.split(",") if name]
    if names:
        rows = [row for row in rows if any(row.name == name or (name.endswith("*") and row.name.startswith(name[:-1]))
                                           for name in names)]
    return rows


def outside(options):
    """Starts the laboratory in namespaces that end with it, and removes the folder that they were seen in."""
    import world
    why = world.lacking()
    if why or not os.path.exists(options.program):
        print("the laboratory is skipped: " + (why or f"{options.program} is not built"))
        return 0 if why else 1
    import exim
    import opensmtpd
    import postfix
    for peer in (postfix, exim, opensmtpd):
        peer.available()  # unpacked now: within the namespaces there is no way to Debian
    folder = tempfile.mkdtemp(prefix="postrider-lab-")
    child = subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                              "--propagation", "private", sys.executable, os.path.abspath(__file__),
                              *sys.argv[1:], "--folder", folder])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: child.kill())
    try:
        code = child.wait()
        return code if code >= 0 else 128 - code
    finally:
        os.rmdir(folder)


class Lab:
    """Everything that the scenarios share."""

    def __init__(self, folder, program):
        os.environ["POSTRIDER"] = os.path.abspath(program)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "postrider-lab", folder], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
        os.makedirs("/run/netns")
        import names
        import pki
        import server
        import tools
        import world
        self.tools, self.folder = tools, folder
        self.internet = world.Internet()
        self.names, self.pki = names.Names(folder), pki.Pki(folder)
        self.haste = os.path.join(folder, "haste.so")
        world.run("cc", "-O1", "-shared", "-fPIC", "-o", self.haste, os.path.join(HERE, "haste.c"))
        with open(os.path.join(folder, "resolv.conf"), "w", encoding="ascii") as handle:
            handle.write(f"nameserver {world.RESOLVER}\noptions edns0 trust-ad\n")
        world.run("mount", "--bind", os.path.join(folder, "resolv.conf"), "/etc/resolv.conf")
        self.names.add("example.", "lab MX 10 notices.lab", f"notices.lab A {world.NOTICES[0]}")
        self.notices = server.Server(world.NOTICES, name="notices.lab.example")
        self.sender = None

    def prepare(self, rows, wants_postfix):
        import postfix
        import place
        sites = [place.Site(self, number, row) for number, row in enumerate(rows, 1)]
        for site in sites:
            site.add_names(self.names)
        self.names.start()
        if wants_postfix and not postfix.available():
            self.sender = self.tools.PostfixSender(self, sites)
        return sites


def examine(lab, site, asked):
    row, result, began = site.row, {}, time.monotonic()
    try:
        site.build()
        for tool in asked:
            if row.expected(tool) is None or (tool == "explain" and not lab.sender and not row.words):
                continue
            answer = getattr(lab.tools, "ask_" + tool)(site)
            answer["is_right"] = row.accepts(tool, answer)
            result[tool] = answer
    except Exception:  # one scenario that cannot be built is one wrong row
        result["error"] = traceback.format_exc()
    finally:
        site.remove()
    return dict(name=row.name, what=row.what, cause=row.cause, blame=row.blame, found=result,
                seconds=round(time.monotonic() - began, 1))


def cell(result, tool, row, asked):
    answer = result["found"].get(tool)
    if not answer:
        return "-" if tool in asked or row.expected(tool) is None else ""
    words = answer["cause"] if answer["cause"] == "none" else f"{answer['cause']} {answer.get('blame', '')}"
    return ("" if answer["is_right"] else "WRONG ") + words


def is_wrong(result):
    return "error" in result["found"] or not all(a["is_right"] for a in result["found"].values())


def show(result, row, asked, verbose):
    columns = [f"{cell(result, tool, row, asked):38.38}" for tool in asked]
    print(f"{'WRONG' if is_wrong(result) else 'right'} {row.name:28.28} {row.cause + ' ' + row.blame:34.34} "
          + " ".join(columns) + f" {result['seconds']:5.1f} s", flush=True)
    if is_wrong(result) and verbose:
        print(json.dumps(result["found"], indent=1).replace("\\n", "\n"))


def totals(results, rows, asked):
    numbers = {"scenarios": len(rows), "controls": sum(row.cause == "none" for row in rows),
               "right": sum(not is_wrong(result) for result in results)}
    for tool in asked:
        answers = [result["found"][tool] for result in results if tool in result["found"]]
        numbers[tool] = {"asked": len(answers), "right": sum(answer["is_right"] for answer in answers)}
    return numbers


def many(options):
    """So many healthy destinations at once: on 200 hosts, and half of them on one host."""
    import builders
    import place
    import scenario
    import world
    hosts = range(5, 205)
    row = scenario.Scenario("many", "nothing", "none", "nobody", [], zone=(
        "*.one.{d}. MX 10 {mx}.", "{mx}. A {a}", *(f"h{n}.{{d}}. A 45.2.{{n}}.{n}" for n in hosts),
        *(f"d{n}.{{d}}. MX 10 h{hosts[n % len(hosts)]}.{{d}}." for n in range(options.many))))
    lab = Lab(options.folder, options.program)
    site = place.Site(lab, 1, row)
    site.add_names(lab.names)
    lab.names.start()
    site.build()
    world.run("ip", "-n", site.them, "-batch", "-", text="".join(f"address add 45.2.1.{n}/24 dev eth0\n" for n in hosts))
    builders.smtp(site, ["0.0.0.0"])
    base = lab.tools.probe_many(site, [f"d0.{site.domain}"])[1]
    is_well = True
    for what, names in (("on 200 hosts", [f"d{n}.{site.domain}" for n in range(options.many)]),
                        ("on one host", [f"d{n}.one.{site.domain}" for n in range(options.many // 2)])):
        seconds, memory, n_well = lab.tools.probe_many(site, names)
        print(f"{len(names)} targets {what}: {n_well} well, {seconds:.1f} s, {memory / 2**20:.1f} MB, "
              f"{(memory - base) / 1024 / len(names):.1f} KB a target above the first")
        is_well = is_well and n_well == len(names)
    return 0 if is_well else 1


def inside(options):
    if options.many:
        return many(options)
    rows = chosen(options)
    lab = Lab(options.folder, options.program)
    asked = [tool for tool in TOOLS if tool in (options.tools.split(",") if options.tools else TOOLS)]
    if "probe" in asked and not lab.tools.has_probe():
        asked.remove("probe")
        print("the probe is skipped: this program has no command `probe`", file=sys.stderr)
    sites, results = lab.prepare(rows, "explain" in asked), []
    if "explain" in asked and not lab.sender:
        print("Postfix cannot run here: explain is asked only where words are written down", file=sys.stderr)
    if not options.json:
        print(f"{'':5} {'scenario':28} {'expected':34} " + " ".join(f"{tool:38}" for tool in asked))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        waiting = {pool.submit(examine, lab, site, asked): site.row for site in sites}
        for done in concurrent.futures.as_completed(waiting):
            results.append(done.result())
            if not options.json:
                show(results[-1], waiting[done], asked, options.verbose)
    numbers = totals(results, rows, asked)
    if options.json:
        print(json.dumps({"results": results, "totals": numbers}, indent=1))
    else:
        print(f"{numbers['right']} of {numbers['scenarios']} scenarios right ({numbers['controls']} controls); "
              + ", ".join(f"{tool} {numbers[tool]['right']}/{numbers[tool]['asked']}" for tool in asked))
    return 0 if numbers["right"] == len(rows) else 1


def main():
    sys.path[:0] = [HERE, os.path.join(TOP, "tests", "system"), os.path.join(TOP, "tests", "peers")]
    options = arguments()
    if options.list:
        for row in chosen(options):
            print(f"{row.name:28} {row.cause:24} {row.blame:12} {row.what}")
        return 0
    if not options.folder:
        return outside(options)
    began = time.monotonic()
    code = inside(options)
    if not options.json:
        print(f"{time.monotonic() - began:.0f} s", flush=True)
    sys.stdout.flush()
    os._exit(code)  # the namespaces take everything else with them


if __name__ == "__main__":
    sys.exit(main())
