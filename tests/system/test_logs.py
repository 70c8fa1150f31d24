# SPDX-License-Identifier: Apache-2.0
"""postrider logs, as people call it; and how well it finds known incidents."""
import gzip
import json
import lzma
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ["POSTRIDER"]
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))
import logscore  # noqa: E402


def logs(*arguments, stdin=b""):
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([PROGRAM, "logs", "--zone", "+00:00", *arguments], input=stdin, capture_output=True,
                          timeout=60)
    done.stdout, done.stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    return done


def answer(*arguments, stdin=b""):
    return json.loads(logs("--json", *arguments, stdin=stdin).stdout)


def stamp(minute):
    return f"2026-05-12T{8 + minute // 60:02d}:{minute % 60:02d}:00.000000+00:00"


def delivery(minute, number, domain="contoso.com", failure=None):
    head = f"{stamp(minute)} mx postfix/smtp[{number}]: 4F{number:06X}"
    if failure:
        return (f"{head}: to=<user{number}@{domain}>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred "
                f"({failure})\n")
    return (f"{head}: to=<user{number}@{domain}>, relay=mx.{domain}[192.0.2.25]:25, delay=1, delays=1/0/0/0, "
            "dsn=2.0.0, status=sent (250 2.0.0 Ok)\n")


TIMEOUT = "connect to mx.contoso.com[192.0.2.25]:25: Connection timed out"


def outage(first=60, last=120, end=200, failure=TIMEOUT):
    """Mail flows, then nothing gets through for an hour, then it flows again."""
    lines = [delivery(minute, 1000 + minute) for minute in range(first)]
    lines += [delivery(minute, 1000 + minute, failure=failure) for minute in range(first, last)]
    lines += [delivery(minute, 1000 + minute) for minute in range(last, end)]
    return lines


class Logs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="logs-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, pack=None):
        data = text.encode() if isinstance(text, str) else text
        with open(self.path(name), "wb") as out:
            out.write(pack(data) if pack else data)
        return self.path(name)

    def test_an_outage_is_told(self):
        path = self.write("mail.log", "".join(outage()))
        done = logs(path)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertTrue(done.stdout.startswith("1 incident, none going on"))
        self.assertIn("1. contoso.com: Connection timed out (over)", done.stdout)
        self.assertIn(path + ":61", done.stdout)
        self.assertIn("What to do", done.stdout)
        told = answer(path)
        incident = told["incidents"][0]
        self.assertEqual(incident["extent"], {"kind": "destination", "names": ["contoso.com"],
                                              "destinations": ["contoso.com"], "n_destinations": 1})
        self.assertEqual((incident["onset"], incident["last_seen"], incident["end"]),
                         ("2026-05-12T09:00:00Z", "2026-05-12T09:59:00Z", "2026-05-12T10:00:00Z"))
        self.assertEqual((incident["schema"], incident["cause"], incident["messages"], incident["attempts"]),
                         (1, "conn-timeout", 60, 60))
        self.assertEqual(incident["proof"]["first_line"], 61)
        self.assertEqual((told["totals"]["delivered"], told["totals"]["deferred"]), (140, 60))
        self.assertEqual(told["read"]["deliveries"], {"postfix": 200})
        self.assertTrue(told["read"]["complete"])

    def test_sides_and_zones(self):
        path = self.write("mail.log", "".join(outage(failure="connect to mx.contoso.com[192.0.2.25]:25: "
                                                             "Connection refused")))
        sender, receiver = logs("--i-am", "sender", path).stdout, logs("--i-am=receiver", path).stdout
        self.assertIn("1. Sender:", sender)
        self.assertIn("1. Receiver:", receiver)
        self.assertIn("this is yours to put right", receiver)
        who = [answer("--i-am", side, path)["incidents"][0]["remedies"][0]["who"] for side in ("sender", "receiver")]
        self.assertEqual(who, ["sending-side", "receiving-side"])
        self.assertEqual(logs("--i-am", "nobody", path).returncode, 2)
        done = subprocess.run([PROGRAM, "logs", "--zone", "+02:00", path], capture_output=True, text=True, timeout=60)
        self.assertIn("2026-05-12T11:00:00+02:00 to 2026-05-12T12:00:00+02:00", done.stdout)

    def test_nothing_wrong(self):
        done = logs(self.write("mail.log", "".join(delivery(minute, minute) for minute in range(100))))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("No incidents"))

    def test_rotated_and_packed_in_any_order(self):
        lines = outage()
        paths = [self.write("mail.log", "".join(lines[150:])),
                 self.write("mail.log.2.gz", "".join(lines[50:100]), gzip.compress),
                 self.write("mail.log.1.xz", "".join(lines[100:150]), lzma.compress),
                 self.write("mail.log.3", "".join(lines[:50]))]
        if shutil.which("zstd"):
            subprocess.run(["zstd", "-q", "--rm", paths[3]], check=True)
            paths[3] += ".zst"
        told = answer(*paths)
        self.assertEqual(len(told["incidents"]), 1)
        self.assertEqual(told["incidents"][0]["messages"], 60)
        self.assertEqual(told["incidents"][0]["proof"]["first_file"], paths[1])
        self.assertEqual(told["incidents"][0]["proof"]["first_line"], 11)
        self.assertEqual(told["read"]["clock_jumps"], 0)
        self.assertEqual(told["read"]["files"], 4)

    def test_standard_input(self):
        self.assertEqual(len(answer("-", stdin="".join(outage()))["incidents"]), 1)
        self.assertEqual(len(answer("-", stdin=gzip.compress("".join(outage()).encode()))["incidents"]), 1)
        self.assertEqual(logs("-", "-").returncode, 2)
        empty = logs("-")
        self.assertEqual(empty.returncode, 1)
        self.assertIn("no deliveries were found", empty.stderr)

    def test_a_pipe_as_a_file(self):
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        for wait in ("sleep 0.3", "true"):  # the writer comes late, or soon
            with subprocess.Popen(["timeout", "20", "sh", "-c", f"{wait}; exec cat > '{pipe}'"],
                                  stdin=subprocess.PIPE) as writer:
                writer.stdin.write("".join(outage()).encode())
                writer.stdin.close()
                self.assertEqual(len(answer(pipe)["incidents"]), 1, wait)

    def test_what_cannot_be_read_is_said_and_the_rest_is_read(self):
        good = self.write("mail.log", "".join(outage()))
        packed = gzip.compress("".join(outage()).encode())
        cases = [(self.path("missing"), "No such file"), (self.folder, "is a folder"),
                 (self.write("cut.gz", packed[:len(packed) // 2]), "ends in the middle of its packed data"),
                 (self.write("broken.gz", packed[:20] + b"\xff" * 40 + packed[60:]), "gzip data is damaged"),
                 (self.write("cut.xz", lzma.compress(b"x" * 5000)[:60]), "xz data is damaged|ends in the middle"),
                 (self.write("core", b"\0\1\2\3" * 1000), "is no text"),
                 (self.write("system.journal", b"LPKSHHRH" + b"\0" * 200), "journalctl -o json")]
        for path, what in cases:
            done = logs("--json", path, good)
            told = json.loads(done.stdout)
            self.assertEqual(done.returncode, 1, path)
            self.assertRegex(done.stderr, what)
            self.assertIn(path, done.stderr)
            self.assertGreaterEqual(len(told["incidents"]), 1)
            self.assertFalse(told["read"]["complete"])
            self.assertEqual(told["read"]["problems"][0]["file"], path)
        if os.getuid() != 0:
            os.chmod(good, 0)
            self.assertIn("Permission denied", logs(good).stderr)

    def test_an_empty_file_is_no_fault(self):
        good = self.write("mail.log", "".join(delivery(minute, minute) for minute in range(100)))
        done = logs(self.write("empty.log", ""), good)
        self.assertEqual(done.returncode, 0)
        self.assertIn("empty.log: is empty", done.stderr)

    def test_damaged_lines(self):
        lines = outage()
        lines[10] = lines[10][:40] + "\n"
        lines[20] = lines[20].replace("relay", "re\0lay")
        lines.insert(30, "x" * (1 << 20) + "\n")
        told = answer(self.write("mail.log", "".join(lines)[:-30]))
        self.assertEqual(len(told["incidents"]), 1)
        self.assertEqual((told["read"]["long"], told["read"]["with_nul"]), (1, 1))

    def test_a_file_that_shrinks(self):
        path = self.write("mail.log", "".join(outage()) * 400)
        with subprocess.Popen([PROGRAM, "logs", "--json", path, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as program:
            # It is at standard input when all files were read; until then nobody can tell how far it is.
            os.truncate(path, 1000)
            out, err = program.communicate(b"", timeout=60)
        told = json.loads(out)
        self.assertTrue(told["read"]["lines"] == 80000 or b"became shorter while it was read" in err or
                        told["read"]["lines"] < 10, err)

    def test_questions(self):
        other = "connect to mx.fabrikam.com[192.0.2.26]:25: Connection refused"
        lines = outage() + [delivery(minute, 5000 + minute, "fabrikam.com", other) for minute in range(30, 50)]
        path = self.write("mail.log", "".join(sorted(lines)))
        self.assertEqual(len(answer(path)["incidents"]), 2)
        told = answer("--domain", "FABRIKAM.com", path)
        self.assertEqual([one["extent"]["names"] for one in told["incidents"]], [["fabrikam.com"]])
        self.assertEqual((told["totals"]["delivered"], told["totals"]["deferred"]), (0, 20))
        told = answer("--cause", "conn-timeout", path)
        self.assertEqual([one["extent"]["names"] for one in told["incidents"]], [["contoso.com"]])
        told = answer("--since", "2026-05-12 09:30", "--until", "2026-05-12T09:40:00Z", path)
        self.assertEqual(told["totals"]["deferred"], 10)
        self.assertEqual(answer("--domain", "user1070@contoso.com", path)["totals"]["deferred"], 1)
        for wrong in (["--cause", "no-such-cause"], ["--since", "soon"], ["--zone", "here"], ["--nothing"]):
            self.assertEqual(logs(*wrong, path).returncode, 2, wrong)
        self.assertEqual(logs().returncode, 2)
        self.assertEqual(logs("--help").returncode, 0)

    def test_rules_of_a_local_file(self):
        rules = self.write("rules", 'rule resource-full code=4xx "no gerbils left"\n'
                                    'rule throttle code=4xx host=.partner.example "calm down"\n')
        said = "451 4.7.1 Sorry, no gerbils left"
        at_host = "451 4.7.1 Please calm down now"
        exim = "2026-05-12 08:00:00 1tXyZ0-000000-1A == a@contoso.com R=dnslookup T=remote_smtp defer (-45) " \
               "H={h} [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@contoso.com>: {w}"
        gone = "2026-05-12 08:00:00 1tXyZ0-000000-1A ** a@contoso.com R=dnslookup T=remote_smtp H={h} [192.0.2.1]: " \
               "SMTP error from remote mail server after RCPT TO:<a@contoso.com>: {w}"
        sendmail = "May 12 08:00:00 mx sendmail[7]: 54CAbCdE001234: to=<a@contoso.com>, delay=00:00:01, " \
                   "mailer=esmtp, relay={h}. [192.0.2.1], dsn=4.7.1, reply={w}, stat=Deferred: {w}"
        opensmtpd = "May 12 08:00:00 mx smtpd[7]: 00ab mta delivery evpid=0123456789abcdef from=<b@our.example> " \
                    'to=<a@contoso.com> rcpt=<-> source="10.0.0.1" relay="192.0.2.1 ({h})" delay=0s ' \
                    'result="TempFail" stat="{w}"'
        postfix = "May 12 08:00:00 mx postfix/smtp[7]: 4F000001: to=<a@contoso.com>, relay={h}[192.0.2.1]:25, delay=1, " \
                  "delays=1/0/0/0, dsn=4.7.1, status=deferred (host {h}[192.0.2.1] said: {w} (in reply to RCPT TO command))"
        own = "2026-05-12T08:00:00.000Z info deliver: 00001: to=<a@contoso.com> server={h}[192.0.2.1]:25 connector=c " \
              "outcome=deferred cause=rcpt-deferred: {w}"
        for form in (exim, gone, sendmail, opensmtpd, postfix, own):
            for host, words, cause in (("mx.contoso.com", said, "resource-full"),
                                       ("mx1.partner.example", at_host, "throttle"),
                                       ("mx.contoso.com", at_host, None)):
                line = form.format(h=host, w=words)
                path = self.write("one.log", line + "\n")
                with_rules = [one["cause"] for one in answer("--rules", rules, path)["causes"]]
                without = [one["cause"] for one in answer(path)["causes"]]
                if cause:
                    self.assertEqual(with_rules, [cause], line)
                self.assertEqual(with_rules == without, cause is None, line)
                if form is own:
                    continue
                for options, told in ((["--rules", rules], with_rules), ([], without)):
                    shown = subprocess.run([PROGRAM, "explain", "--json", *options, line], capture_output=True,
                                           timeout=60, check=False)
                    recipient = json.loads(shown.stdout)["recipients"][0]
                    self.assertEqual([recipient["cause"]], told, line)
        lines = outage(failure=f"host mx.contoso.com[192.0.2.25] said: {said} (in reply to RCPT TO command)")
        incident = answer("--rules", rules, self.write("mail.log", "".join(lines)))["incidents"][0]
        self.assertEqual(incident["cause"], "resource-full")
        self.assertEqual(logs("--rules", self.path("nowhere"), path).returncode, 2)
        broken = logs("--rules", self.write("broken", "rule nothing\n"), path)
        self.assertEqual(broken.returncode, 2)
        self.assertIn("broken:1:", broken.stderr)

    def test_the_story_of_a_message(self):
        lines = [delivery(0, 7, failure=TIMEOUT), delivery(3, 8), delivery(10, 7, failure=TIMEOUT), delivery(30, 7)]
        path = self.write("mail.log", "".join(lines))
        done = logs("--message", "4F000007", path)
        self.assertEqual(done.returncode, 0)
        self.assertIn("Message 4F000007: 3 events", done.stdout)
        self.assertIn("Connection timed out", done.stdout)
        told = answer("--message", "4F000007", path)
        self.assertEqual([one["event"] for one in told["events"]],
                         ["temporary-failure", "temporary-failure", "delivered"])
        self.assertEqual(told["events"][1]["line"], 3)
        self.assertEqual(logs("--message", "4F000009", path).returncode, 1)

    def test_redaction(self):
        words = "host mx.contoso.com[192.0.2.25] said: 452 4.2.2 <jane.doe@contoso.com>: Mailbox full (in reply to RCPT)"
        path = self.write("mail.log", "".join(outage(failure=words.replace("452 4.2.2", "451 4.3.0"))))
        for options in ((), ("--json",)):
            shown = logs("--redact", *options, path).stdout
            self.assertNotIn("jane.doe", shown)
            self.assertIn("contoso.com", shown)
        folder = self.path("jdoe-pc")
        os.mkdir(folder)
        hub = [line.replace(" mx postfix", " hermes postfix").replace("mx.contoso.com[192.0.2.25]", "hermes[10.1.2.3]")
               for line in outage(failure=words.replace("452 4.2.2", "451 4.3.0") + " says hermes")]
        path = self.write("jdoe-pc/mailgw01.log", "".join(hub))
        for options in ((), ("--json",), ("--message", "4F000442"), ("--message", "4F000442", "--json")):
            done = logs("--redact", *options, path, self.path("jdoe-pc/missing"))
            for secret in ("jdoe", "hermes", "mailgw01", "10.1.2.3", "jane.doe", "missing"):
                self.assertNotIn(secret, done.stdout, options)
            self.assertIn("missing", done.stderr)
            self.assertIn("contoso.com", done.stdout)
            if "--json" in options:
                json.loads(done.stdout)

    def test_progress_on_a_terminal_only(self):
        path = self.write("mail.log", "".join(outage()) * 2000)
        ours, theirs = pty.openpty()
        with subprocess.Popen([PROGRAM, "logs", path], stdout=subprocess.DEVNULL, stderr=theirs) as program:
            program.wait(60)
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 4096):
                seen += part
        except OSError:
            pass
        os.close(ours)
        self.assertTrue(seen == b"" or b"%" in seen)
        self.assertEqual(logs(path).stderr, "")

    def test_known_incidents_are_found(self):
        score = logscore.Score()
        for seed in (201, 202, 203, 204, 205, 206, 207):
            nasty = ["--nasty"] if seed > 205 else []
            known, told = logscore.run_seed(PROGRAM, seed, ["--messages", "5000", "--destinations", "200", *nasty])
            score.add(seed, known["incidents"], told["incidents"], set(known["dead"]))
        self.assertGreaterEqual(score.known, 5)
        self.assertTrue(score.is_good(), "\n".join(score.notes))


if __name__ == "__main__":
    unittest.main()
