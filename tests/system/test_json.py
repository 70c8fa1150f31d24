# SPDX-License-Identifier: Apache-2.0
"""docs/json.md is true: it names every member that a command prints, and its examples have them all."""
import json
import os
import re
import subprocess
import unittest

from harness import TOP, Relay, Sink, free_port, wait_for

SHARED = {"verdict": "the verdict (schema 1)", "attempts": "the attempt", "lanes": "the lane",
          "recipients": "the recipient", "messages": "the recipient", "binding": "the recipient"}


def sections():
    with open(os.path.join(TOP, "docs", "json.md"), encoding="utf-8") as handle:
        parts = re.split(r"^## (.*)$", handle.read(), flags=re.M)
    return dict(zip((title.lower() for title in parts[1::2]), parts[2::2]))


def examples(text):
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, flags=re.S)]


def words(text):
    return set(re.findall(r"`([a-z0-9_]+)`", re.sub(r"```.*?```", "", text, flags=re.S)))


def first_column(text):
    rows = re.findall(r"^\| (`.*?) \|", text, flags=re.M)
    return {word for row in rows for word in re.findall(r"`([a-z0-9_]+)`", row)}


def members_of(value):
    if isinstance(value, list):
        return set().union(*map(members_of, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(members_of, value.values()))


class Json(unittest.TestCase):
    def setUp(self):
        self.sections = sections()
        self.seen = {}

    def check_members(self, value, title):
        """Every member is named in its section; verdicts, lanes and their like have their own."""
        if isinstance(value, list):
            for item in value:
                self.check_members(item, title)
        if not isinstance(value, dict):
            return
        self.seen.setdefault(title, set()).update(value)
        known = words(self.sections[title])
        for key, part in value.items():
            self.assertIn(key, known, f"{title} does not name `{key}`")
            self.check_members(part, SHARED.get(key, title) if not isinstance(part, int) else title)

    def check(self, answer, title):
        self.check_members(answer, title)
        example = examples(self.sections[title])[-1]
        self.assertEqual(set(example), set(answer), title)

    def test_page_is_true(self):
        with Sink({"rcpt": lambda line: "450 4.2.0 Greylisted" if "late" in line else None}) as sink:
            config = (f'connector "gone" {{ domains = {{ "contoso.com" }} smart_hosts = {{ "127.0.0.1:{free_port()}" }} }}\n'
                      f'connector "late" {{ domains = {{ "*" }} smart_hosts = {{ "127.0.0.1:{sink.port}" }} }}\n')
            with Relay(config) as relay:
                gone = relay.send(recipients=("somebody@contoso.com",))
                late = relay.send(recipients=("late@fabrikam.com", "fine@fabrikam.com"))
                wait_for(lambda: relay.ask("queue")["lanes"][0].get("verdict"))
                wait_for(lambda: len(relay.ask("why", "fine@fabrikam.com")["attempts"]) == 1)
                self.check(relay.ask("queue"), "postrider queue")
                self.check_members(relay.ask("queue", "--age"), "postrider queue")
                self.check(relay.ask("queue", "list"), "postrider queue list")
                self.check(relay.ask("queue", "show", late), "postrider queue show")
                self.check(relay.ask("why", "fabrikam.com"), "postrider why")
                self.check(relay.ask("why", gone), "postrider why")
                self.check(relay.ask("queue", "hold", gone), "postrider queue retry, hold, release, remove")
                self.check_members(relay.ask("queue", "list"), "postrider queue list")
                self.check(relay.ask("status"), "postrider status")
                self.check(relay.ask("check"), "postrider check")
                self.check(relay.ask("reload"), "postrider reload")
                unknown = relay.ask("queue", "show", gone[:-1] + "99")
                self.assertIs(unknown["is_known"], False)
        self.check_that_all_were_seen()

    def test_explain_is_true(self):
        """One input of each kind; a recipient and a cause have the verdict's members and their own."""
        mails = os.path.join(TOP, "tests", "unit", "readers", "bounces")
        queues = os.path.join(TOP, "fuzz", "seeds", "readers_queue")
        own = self.sections["postrider explain"]
        known = words(own) | words(self.sections["the verdict (schema 1)"])
        inputs = [os.path.join(folder, name) for folder in (mails, queues) for name in sorted(os.listdir(folder))
                  if name.endswith(".eml") or folder == queues]
        done = subprocess.run([os.environ["POSTRIDER"], "explain", "--json", "--sisimai-names", "--letter", *inputs],
                              capture_output=True, text=True, timeout=60)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        seen = set()
        for answer in answers:
            seen |= members_of(answer)
        self.assertEqual(seen - known, set())
        self.assertEqual(first_column(own) - seen, set())
        self.assertEqual({answer["kind"] for answer in answers},
                         {"bounce", "delay", "auto-reply", "feedback", "queue", "other"})
        line = json.loads(subprocess.run([os.environ["POSTRIDER"], "explain", "--json", "connection refused"],
                                         capture_output=True, text=True, timeout=60).stdout)
        self.assertEqual(set(line), set(examples(own)[-1]))

    def check_that_all_were_seen(self):
        """What a table lists in its first column is really printed."""
        rare = {"errno", "icmp_type", "icmp_code", "icmp_from", "dns_rcode", "dns_ede", "tls_alert", "x509_verify",
                "limit_ms", "bytes_sent", "bytes_received", "reply_code",
                "tcp_unacked_bytes", "tcp_retransmits", "tcp_segment_bytes"}
        for title, seen in self.seen.items():
            self.assertEqual(first_column(self.sections[title]) - seen - rare, set(), title)


if __name__ == "__main__":
    unittest.main()
