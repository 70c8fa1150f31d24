# SPDX-License-Identifier: Apache-2.0
"""postrider explain, as people call it."""
import json
import os
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["POSTRIDER"]
MAILS = os.path.join(os.path.dirname(__file__), "..", "unit", "readers", "bounces")


def explain(*arguments, stdin=""):
    return subprocess.run([PROGRAM, "explain", *arguments], input=stdin, capture_output=True, text=True,
                          timeout=60)


def mail(name):
    return os.path.join(MAILS, name + ".eml")


class Explain(unittest.TestCase):
    def test_a_line_with_and_without_quotes(self):
        quoted = explain("450 4.4.318 Connection was closed abruptly (SuspiciousRemoteServerError)")
        bare = explain("450", "4.4.318", "Connection", "was", "closed", "abruptly",
                       "(SuspiciousRemoteServerError)")
        self.assertEqual((quoted.returncode, quoted.stderr), (0, ""))
        self.assertEqual(quoted.stdout, bare.stdout)
        self.assertIn("Connection was closed abruptly", quoted.stdout)
        self.assertIn("weak evidence", quoted.stdout)
        self.assertIn("What decides", quoted.stdout)

    def test_every_mail_as_json(self):
        names = sorted(name for name in os.listdir(MAILS) if name.endswith(".eml"))
        done = explain("--json", "--sisimai-names", *(os.path.join(MAILS, name) for name in names))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        files = {os.path.basename(answer["file"]) for answer in answers}
        self.assertEqual(files, set(names))
        kinds = {os.path.basename(answer["file"]): answer["kind"] for answer in answers}
        self.assertEqual(kinds["vacation.eml"], "auto-reply")
        self.assertEqual(kinds["feedback.eml"], "feedback")
        self.assertEqual(kinds["exim-delay.eml"], "delay")
        self.assertEqual(kinds["ordinary.eml"], "other")
        for answer in answers:
            for recipient in answer["recipients"]:
                self.assertEqual(recipient["schema"], 1)
                self.assertTrue(recipient["sisimai"])
                self.assertTrue(recipient["summary"])

    def test_a_folder_a_mailbox_and_standard_input(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "cur"))
            os.makedirs(os.path.join(folder, "new"))
            os.makedirs(os.path.join(folder, "tmp"))
            for part, name in (("cur", "qmail"), ("new", "yahoo"), ("tmp", "gmx")):
                with open(mail(name), "rb") as source, open(os.path.join(folder, part, name), "wb") as copy:
                    copy.write(source.read())
            answers = [json.loads(line) for line in explain("--json", folder).stdout.splitlines()]
            self.assertEqual([os.path.basename(answer["file"]) for answer in answers], ["yahoo", "qmail"])
        self.assertEqual(len(explain("--json", mail("mailbox")).stdout.splitlines()), 2)
        with open(mail("qmail"), encoding="utf-8") as handle:
            self.assertIn("bounce", explain("-", stdin=handle.read()).stdout)

    def test_a_large_mailbox_is_read_mail_by_mail(self):
        with open(mail("yahoo"), encoding="utf-8") as handle:
            text = handle.read()
        attachment = ("0123456789abcdef" * 4 + "\n") * 4000
        with tempfile.NamedTemporaryFile("w", suffix=".mbox") as mailbox:
            for _ in range(60):
                mailbox.write("From MAILER-DAEMON Tue May 12 10:42:00 2026\n" + text + "\n" + attachment + "\n")
            mailbox.flush()
            answers = [json.loads(line) for line in explain("--json", mailbox.name).stdout.splitlines()]
        self.assertEqual(len(answers), 60)
        self.assertEqual({answer["recipients"][0]["recipient"] for answer in answers}, {"oskar@dest.example"})

    def test_a_bounce_copied_without_its_header(self):
        with open(mail("qmail"), encoding="utf-8") as handle:
            body = handle.read().split("\n\n", 1)[1]
        answer = json.loads(explain("--json", "-", stdin=body).stdout)
        self.assertEqual(answer["kind"], "bounce")
        self.assertEqual(len(answer["recipients"]), 4)

    def test_lines_of_a_log(self):
        line = ("May 12 10:42:0%d mx postfix/smtp[1]: A%d: to=<bob%d@dest.example>, status=deferred "
                "(connect to mx1.dest.example[192.0.2.25]:25: Connection timed out)\n")
        text = "".join(line % (i, i, i) for i in range(5)) + "May 12 10:42:07 mx cron: nothing\n"
        done = explain("-", stdin=text)
        self.assertEqual(done.returncode, 0)
        self.assertIn("6 lines, 5 with a failure, 1 different ones told above", done.stdout)

    def test_a_queue(self):
        text = ("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
                "4F2abc12345     1234 Tue May 12 10:41:58  anna@sender.example\n"
                "(host mx1.dest.example[192.0.2.25] said: 554 5.7.1 blocked using zen.spamhaus.org)\n"
                "                                         bob@dest.example\n")
        self.assertTrue(explain("-", stdin=text).stdout.startswith("-: 1 message, 1 cause, 1 is yours\n"))
        answer = json.loads(explain("--json", "-", stdin=text).stdout)
        self.assertEqual((answer["kind"], answer["recipients"]), ("queue", []))
        self.assertEqual(answer["queue"]["causes"][0]["cause"], "dnsbl")

    def test_redaction_leaves_no_name(self):
        for name in ("postfix-user-unknown", "exchange-online", "qmail", "domino"):
            for options in ((), ("--json",)):
                shown = explain("--redact", *options, mail(name)).stdout
                self.assertNotIn("Offer 4711", shown)
                for person in ("anna", "bob", "carol", "zoe", "ulf", "vera", "gert"):
                    self.assertNotIn(person + "@", shown)
                    self.assertNotIn(" " + person + " ", shown)
                self.assertIn("user1@", shown)

    def test_sides_and_letter(self):
        text = "connect to mx1.dest.example[192.0.2.25]:25: Connection refused"
        sender, receiver = explain("--i-am", "sender", text), explain("--i-am=receiver", text)
        self.assertIn("1. Sender:", sender.stdout)
        self.assertIn("1. Receiver:", receiver.stdout)
        self.assertIn("this is yours to put right", receiver.stdout)
        self.assertIn("Subject: Mail from us to mx1.dest.example fails", explain("--letter", text).stdout)

    def test_causes(self):
        self.assertIn("conn-refused", explain("--list").stdout)
        self.assertIn("Proved by", explain("conn-refused").stdout)

    def test_wrong_use_and_what_is_not_understood(self):
        self.assertEqual(explain("--i-am", "somebody", "x").returncode, 2)
        self.assertEqual(explain("--no-such-option").returncode, 2)
        self.assertEqual(explain("--help").returncode, 0)
        missing = explain("/nowhere/bounce.eml", mail("qmail"))
        self.assertEqual(missing.returncode, 1)
        self.assertIn("there is no such file", missing.stderr)
        self.assertIn("ulf@dest.example", missing.stdout)
        self.assertEqual(explain("this is no mail error at all").returncode, 1)
        nothing = explain("-", stdin="")
        self.assertEqual(nothing.returncode, 1)
        self.assertIn("it is empty", nothing.stderr)


if __name__ == "__main__":
    unittest.main()
