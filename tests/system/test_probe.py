# SPDX-License-Identifier: Apache-2.0
"""postrider probe against servers that are well and servers that are not."""
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from certificates import Authority
from harness import PROGRAM, Relay, Sink, free_port, smart_host, wait_for


def probe(*arguments):
    """Exit status and the answer."""
    done = subprocess.run([PROGRAM, "probe", "--json", "--timeout", "2s", *arguments], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), (arguments, done.stderr)
    return done.returncode, json.loads(done.stdout)


def step(answer, name):
    return next(item for item in answer["steps"] if item["step"] == name)


class Well(unittest.TestCase):
    def test_plain(self):
        with Sink() as sink:
            status, answer = probe(f"127.0.0.1:{sink.port}")
        self.assertEqual((status, answer["well"], answer["cause"], answer["stage"]), (0, True, "none", "done"))
        self.assertLessEqual(answer["round_trips"], 12)
        self.assertEqual((answer["warnings"], answer["letter"], sink.messages), ([], None, []))
        self.assertIn("PIPELINING", step(answer, "ehlo")["seen"])

    def test_recipient_leaves_no_mail(self):
        with Sink() as sink, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "c")
            with open(path, "w", encoding="ascii") as handle:
                handle.write('hostname = "relay.test"\npostmaster = "postmaster@relay.test"\n' +
                             smart_host(sink.port))
            status, answer = probe("box@example.net", "-c", path)
        self.assertEqual((status, answer["target_kind"]), (0, "address"))
        self.assertEqual([step(answer, name)["state"] for name in ("mail", "rcpt", "rset", "quit")], ["ok"] * 4)
        self.assertLessEqual(answer["round_trips"], 12)
        self.assertEqual(sink.messages, [])

    def test_certificate_is_a_warning(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            expired = authority.issue("old", "localhost", "20200101000000Z", "20210101000000Z")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*expired)
            with Sink(tls=context) as sink:
                status, answer = probe(f"localhost:{sink.port}", "--ca", authority.path)
                self.assertEqual((status, answer["cause"]), (0, "none"))
                self.assertIn("cert-expired", [item["cause"] for item in answer["warnings"]])
                self.assertLessEqual(answer["round_trips"], 12)
                status, answer = probe(f"localhost:{sink.port}", "--ca", authority.path, "--tls", "domain")
                self.assertEqual((status, answer["cause"], answer["stage"]), (1, "cert-expired", "tls"))


class Faults(unittest.TestCase):
    # script of the server, arguments, cause, stage
    CASES = [
        ({"connect": "silent"}, (), "greeting-timeout", "greeting"),
        ({"connect": "close"}, (), "accept-then-close", "greeting"),
        ({"connect": "554 no"}, (), "greeting-5xx", "greeting"),
        ({"connect": "421 busy"}, (), "greeting-4xx", "greeting"),
        ({"connect": "SSH-2.0-OpenSSH_9.2"}, (), "not-smtp", "greeting"),
        ({"ehlo": "close"}, (), "closed-ehlo", "ehlo"),
        ({"ehlo": "silent"}, (), "silent-ehlo", "ehlo"),
        ({}, ("--tls", "required"), "starttls-missing", "starttls"),
    ]

    def test_by_stage(self):
        for script, arguments, cause, stage in self.CASES:
            with self.subTest(script=script, arguments=arguments), Sink(script) as sink:
                status, answer = probe(f"127.0.0.1:{sink.port}", *arguments)
                self.assertEqual((status, answer["cause"], answer["stage"]), (1, cause, stage), answer["summary"])
                self.assertTrue(answer["evidence"])
                self.assertTrue(answer["remedies"])

    def test_reset_before_the_greeting(self):
        with Sink({"connect": "reset"}) as sink:
            status, answer = probe(f"127.0.0.1:{sink.port}")
        # The reset may be there before the connection is known to stand.
        self.assertIn((status, answer["cause"]), ((1, "reset-greeting"), (1, "conn-reset")))

    def test_refused(self):
        status, answer = probe(f"127.0.0.1:{free_port()}")
        self.assertEqual((status, answer["cause"], answer["code"]), (1, "conn-refused", "450 4.4.316"))
        self.assertTrue(answer["letter"].startswith("Subject: "))

    def test_dead_resolver_is_ours(self):
        status, answer = probe("example.net", "--resolver", f"127.0.0.1:{free_port()}")
        self.assertEqual((status, answer["cause"], answer["blame"]), (1, "local-resolver", "local"))

    def test_same_cause_as_the_relay(self):
        for script in ({"rcpt": "550 5.1.1 no such user"}, {"rcpt": "450 4.2.0 Greylisted, try again"},
                       {"mail": "421 4.7.0 slow down"}, {"mail": "close"}, {"ehlo": "reset"}):
            with self.subTest(script=script), Sink(script) as sink:
                with Relay(smart_host(sink.port)) as relay:
                    relay.send(recipients=("box@example.net",))
                    told = wait_for(lambda r=relay: r.ask("why", "example.net")["attempts"])[0]
                    _, answer = probe("box@example.net", "-c", relay.config_path)
                cause = told["results"][0]["cause"] if told["results"] else told["cause"]
                self.assertEqual(answer["cause"], cause)


class Experiments(unittest.TestCase):
    def test_hidden_starttls(self):
        masked = {"connect": "220 " + "*" * 30, "ehlo": "250-x\r\n250-XXXXXXXA\r\n250 XXXB",
                  "xqzt": '500 5.5.1 unrecognized: "XXXX"', "starttls": "220 go"}
        with Sink(masked) as sink:
            status, answer = probe(f"127.0.0.1:{sink.port}", "--tls", "required")
            self.assertEqual((status, answer["cause"], answer["blame"]), (1, "starttls-stripped", "path"))
            warnings = {item["cause"] for item in answer["warnings"]}
            self.assertLessEqual({"masked-banner", "masked-ehlo", "verb-rewrite"}, warnings)
            # What opportunistic TLS does not mind is a warning.
            status, answer = probe(f"127.0.0.1:{sink.port}")
            self.assertEqual((status, answer["cause"]), (0, "none"))
            self.assertIn("masked-ehlo", [item["cause"] for item in answer["warnings"]])

    def test_starttls_that_is_not_there(self):
        with Sink({"starttls": "500 5.5.1 what?", "xqzt": "500 5.5.1 no XQZT here"}) as sink:
            _, answer = probe(f"127.0.0.1:{sink.port}", "--tls", "required")
        self.assertEqual(answer["cause"], "starttls-missing")

    def test_masked_keywords_where_it_breaks(self):
        with Sink({"ehlo": "250-x\r\n250-XXXXXXXA\r\n250 XXXB", "mail": "close"}) as sink, \
             tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "c")
            with open(path, "w", encoding="ascii") as handle:
                handle.write('hostname = "relay.test"\n' + smart_host(sink.port))
            _, answer = probe("box@example.net", "-c", path)
        self.assertEqual((answer["cause"], answer["stage"]), ("masked-ehlo", "mail"))

    def test_pipelining(self):
        """A device that loses the second command of a group."""
        with PipelineBreaker() as server, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "c")
            with open(path, "w", encoding="ascii") as handle:
                handle.write('hostname = "relay.test"\n' + smart_host(server.port))
            _, answer = probe("box@example.net", "-c", path)
        self.assertEqual((answer["cause"], answer["blame"]), ("pipeline-break", "path"), answer["summary"])

    def test_ours_or_theirs(self):
        dead = free_port()
        with Sink() as sink:
            _, answer = probe(f"127.0.0.1:{dead}", "--control", f"127.0.0.1:{sink.port}")
            self.assertEqual(answer["cause"], "conn-refused")
            self.assertTrue(any("our own way out works" in line for line in answer["ruled_out"]))
        _, answer = probe(f"127.0.0.1:{dead}", "--control", f"127.0.0.1:{free_port()},127.0.0.1:{free_port()}")
        self.assertEqual((answer["cause"], answer["blame"]), ("egress-blocked", "local"))

    def test_deep_finds_nothing_where_nothing_is(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*authority.issue("good", "localhost"))
            with Sink(tls=context) as sink:
                status, answer = probe(f"localhost:{sink.port}", "--ca", authority.path, "--deep")
        self.assertEqual((status, answer["cause"]), (0, "none"))
        names = [item["step"] for item in answer["steps"]]
        self.assertLessEqual({"verb", "tls-1.3", "tls-1.2", "tls-1.1", "tls-1.0"}, set(names))

    def test_modern_tls_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*authority.issue("good", "localhost"))
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers("ALL:@SECLEVEL=0")
            with Sink(tls=context) as sink:
                _, answer = probe(f"localhost:{sink.port}", "--ca", authority.path, "--tls", "required")
        self.assertIn(answer["cause"], ("tls-version", "tls-below-min"))


class PipelineBreaker:
    """Offers PIPELINING; what stands behind the first command of a packet is lost."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _serve(connection):
        with connection:
            connection.sendall(b"220 breaker.test\r\n")
            while packet := connection.recv(4096):
                is_ehlo = packet[:4].upper() == b"EHLO"
                connection.sendall(b"250-breaker.test\r\n250 PIPELINING\r\n" if is_ehlo else b"250 ok\r\n")


class Mail(unittest.TestCase):
    def test_delivered_once(self):
        with Sink() as sink:
            status, answer = probe(f"127.0.0.1:{sink.port}", "--mail-to", "box@example.net", "--sender",
                                   "me@example.org")
            self.assertEqual((status, answer["outcome"]), (0, "delivered"))
            self.assertEqual([step(answer, name)["state"] for name in ("data", "dot")], ["ok", "ok"])
            self.assertEqual(len(sink.messages), 1)
            sender, recipients, body = sink.messages[0]
        self.assertEqual((sender, recipients), ("me@example.org", ["box@example.net"]))
        self.assertIn(f"Message-ID: {answer['message_id']}".encode(), body)
        self.assertIn(b"Auto-Submitted: auto-generated", body)

    def test_faults(self):
        for script, cause, stage in (({"data": "554 5.7.1 no"}, None, "data"),
                                     ({"data": "close"}, "closed-data", "data"),
                                     ({"dot": "552 5.3.4 too big"}, "size-limit", "dot"),
                                     ({"dot": "close"}, "closed-dot", "dot"),
                                     ({"dot": "silent"}, "silent-dot", "dot")):
            with self.subTest(script=script), Sink(script) as sink:
                status, answer = probe(f"127.0.0.1:{sink.port}", "--mail-to", "box@example.net")
                self.assertEqual((status, answer["stage"]), (1, stage), answer["summary"])
                self.assertIn(answer["cause"], (cause or answer["cause"],))
                self.assertEqual(answer["may_be_delivered"], script.get("dot") in ("close", "silent"))
                self.assertLessEqual(answer["messages"], 6)

    def test_own_message(self):
        with tempfile.NamedTemporaryFile("w", suffix=".eml") as handle, Sink() as sink:
            handle.write("Subject: mine\n\n.dotted\nno end")
            handle.flush()
            status, answer = probe(f"127.0.0.1:{sink.port}", "--mail-to", "box@example.net", "--message", handle.name)
            self.assertEqual((status, answer["messages"], answer["message_id"]), (0, 1, None))
            self.assertEqual(sink.messages[0][2], b"Subject: mine\r\n\r\n.dotted\r\nno end\r\n")
        for arguments in (("--message", "/dev/null"), ("--mail-to", "box@example.net", "--message", "/dev/null"),
                          ("--mail-to", "box@example.net", "--message", "/nowhere"), ("--limits",), ("--wait", "5s"),
                          ("--wait", "soon")):
            done = subprocess.run([PROGRAM, "probe", "127.0.0.1:9", *arguments], capture_output=True, text=True,
                                  timeout=30, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done)

    def test_greylisting_is_proved(self):
        began = time.monotonic()

        def later(_):
            return "450 4.2.0 Greylisted, please come back in 1 second" if time.monotonic() - began < 1 else None
        with Sink({"rcpt": later}) as sink:
            _, answer = probe(f"127.0.0.1:{sink.port}", "--mail-to", "box@example.net", "--wait", "10s")
            self.assertEqual((answer["cause"], answer["blame"], answer["outcome"], answer["messages"]),
                             ("rcpt-greylist", "nobody", "delivered", 1))
            self.assertGreaterEqual(answer["confidence"], 0.98)
            self.assertEqual(len(sink.messages), 1)

    def test_limits(self):
        def header(body):
            return "552 5.3.4 header too large" if body.find(b"\r\n\r\n") > 20000 else None

        def rcpt(_):
            sink.n_rcpts += 1
            return "452 4.5.3 too many" if sink.n_rcpts > 150 else None

        def mail(line):
            sink.n_rcpts = 0
            size = re.search(r"SIZE=(\d+)", line)
            return "552 5.3.4 too large" if size and int(size.group(1)) > 200000 else None
        with Sink({"dot": header, "rcpt": rcpt, "mail": mail}, extensions=("PIPELINING", "SIZE 200000")) as sink:
            done = subprocess.run([PROGRAM, "probe", "--json", "--mail-to", "box@example.net", "--limits",
                                   f"127.0.0.1:{sink.port}"], capture_output=True, text=True, timeout=60, check=False)
            answer = json.loads(done.stdout)
            subjects = [re.search(rb"Subject: (.*)\r", body).group(1).decode() for _, _, body in sink.messages]
        self.assertIn("at most 38 connections and 18 messages to box@example.net", done.stderr)
        self.assertEqual((answer["cause"], answer["blame"]), ("size-limit", "policy"))  # 200,000 bytes are few
        found = {limit["what"]: limit for limit in answer["limits"]}
        self.assertEqual(sorted(found), ["body", "header", "header-line", "recipients", "size"])
        self.assertEqual((found["body"]["passes"], found["body"]["fails"]), (200000, None))
        self.assertEqual((found["recipients"]["passes"], found["recipients"]["fails"]), (150, 151))
        self.assertLessEqual(found["header"]["passes"], 20000)
        self.assertGreater(found["header"]["fails"] or 0, 20000, found)
        self.assertLessEqual(max(limit["tries"] for limit in answer["limits"]), 9)
        self.assertEqual(answer["messages"], len(subjects))
        self.assertEqual(len(subjects), len(set(subjects)))
        self.assertTrue(all("ladder" in subject for subject in subjects[1:]), subjects)

    def test_why_a_message_breaks(self):
        """By size: a short one passes, other words of the same length do not."""
        def breaks(body):
            return "reset" if len(body) > 3000 else None
        with Sink({"dot": breaks}) as sink:
            _, answer = probe(f"127.0.0.1:{sink.port}", "--mail-to", "box@example.net")
            self.assertEqual((answer["cause"], answer["blame"]), ("data-reset-at-offset", "path"))
            self.assertEqual(step(answer, "short")["state"], "ok")
            self.assertEqual(len(sink.messages), 1)


class Many(unittest.TestCase):
    def run_list(self, lines, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "list")
            with open(path, "w", encoding="utf-8") as handle:
                handle.write("\n".join(lines) + "\n")
            return subprocess.run([PROGRAM, "probe", "--timeout", "5s", "--file", path, *arguments],
                                  capture_output=True, text=True, timeout=60, check=False)

    def test_lines(self):
        dead = free_port()
        with Sink() as sink:
            good = f"127.0.0.1:{sink.port}"
            done = self.run_list(["# comment", "", good, f"127.0.0.1:{dead}", " " + good], "--json")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, 1)
        self.assertEqual(sorted(item["cause"] for item in answers), ["conn-refused", "none", "none"])

    def test_people(self):
        with Sink() as sink:
            done = self.run_list([f"127.0.0.1:{sink.port}"] * 3)
            self.assertEqual(done.returncode, 0)
            self.assertIn("3 targets: 3 well, 0 with a fault", done.stdout)
            done = self.run_list([f"127.0.0.1:{sink.port}", "what is this"], "--json")
        self.assertEqual(done.returncode, 2)
        self.assertIn("error", [key for line in done.stdout.splitlines() for key in json.loads(line)])

    def test_arguments_side_by_side(self):
        with Sink() as one, Sink({"connect": "554 no"}) as two:
            done = subprocess.run([PROGRAM, "probe", "--json", f"127.0.0.1:{one.port}", f"127.0.0.1:{two.port}"],
                                  capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stdout.splitlines()), 2)

    def test_two_hundred_at_once(self):
        with Sink() as sink:
            done = self.run_list([f"127.0.0.1:{sink.port}"] * 200, "--json", "--concurrency", "100")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual((done.returncode, len(answers)), (0, 200))
        self.assertTrue(all(item["well"] for item in answers))


class Baseline(unittest.TestCase):
    def test_what_has_changed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "baseline")
            with Sink() as sink:
                target = f"127.0.0.1:{sink.port}"
                _, answer = probe(target, "--baseline", path)
                self.assertEqual((answer["since"], answer["changes"]), (None, []))
                _, answer = probe(target, "--baseline", path)
                self.assertEqual(answer["changes"], [])
                self.assertTrue(answer["since"])
                sink.script, sink.extensions = {"connect": "220 " + "*" * 20}, ("SIZE 1000",)
                status, answer = probe(target, "--baseline", path)
            self.assertEqual(status, 0)
            changes = {item["what"]: item for item in answer["changes"]}
            self.assertEqual(set(changes), {"greeting", "ehlo"})
            self.assertEqual(changes["greeting"]["before"], "sink.test")
            self.assertIn("PIPELINING", changes["ehlo"]["before"])

    def test_not_a_baseline(self):
        with tempfile.NamedTemporaryFile("w") as handle:
            handle.write("[]")
            handle.flush()
            done = subprocess.run([PROGRAM, "probe", "x.test", "--baseline", handle.name], capture_output=True,
                                  text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 2)


class Crowd(unittest.TestCase):
    def test_many_targets_at_one_host(self):
        """However many targets run at once, one address has two visitors at most, and all have their turn."""
        lock, counts = threading.Lock(), {"now": 0, "most": 0, "all": 0}

        def comes(_):
            with lock:
                counts["now"] += 1
                counts["all"] += 1
                counts["most"] = max(counts["most"], counts["now"])
            time.sleep(0.01)

        def goes(_):
            with lock:
                counts["now"] -= 1

        with Sink({"connect": comes, "quit": goes}) as sink, tempfile.NamedTemporaryFile("w") as targets:
            targets.write(f"127.0.0.1:{sink.port}\n" * 100)
            targets.flush()
            # Two seconds for each answer: those that wait for their turn are not held to it.
            done = subprocess.run([PROGRAM, "probe", "--json", "--timeout", "2s", "--concurrency", "100", "--file",
                                   targets.name], capture_output=True, text=True, timeout=60, check=False)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual((done.returncode, len(answers), counts["all"]), (0, 100, 100))
        self.assertEqual(counts["most"], 2)
        self.assertLess(max(answer["run_ms"] for answer in answers), 500)


@unittest.skipUnless(os.geteuid() == 0, "packets are captured by root")
class Packets(unittest.TestCase):
    def test_headers_are_saved_and_read(self):
        with Sink() as sink, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "packets")
            status, answer = probe(f"127.0.0.1:{sink.port}", "--pcap", path, "--helo", "name.of.ours.example")
            with open(path, "rb") as handle:
                saved = handle.read()
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual((status, answer["cause"], step(answer, "packets")["state"]), (0, "none", "ok"))
        self.assertIn("SYN sent 1 time, answered", step(answer, "packets")["seen"])
        self.assertEqual(saved[:4], bytes.fromhex("d4c3b2a1"))
        self.assertGreater(len(saved), 1000)
        for words in (b"EHLO", b"QUIT", b"name.of.ours"):
            self.assertNotIn(words, saved)

    def test_not_permitted(self):
        with Sink() as sink, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "packets")
            done = subprocess.run(["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", PROGRAM, "probe",
                                   "--json", f"127.0.0.1:{sink.port}", "--pcap", path],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertFalse(os.path.exists(path))
        answer = json.loads(done.stdout)
        self.assertEqual((done.returncode, step(answer, "packets")["state"]), (0, "not-reached"))
        self.assertIn("CAP_NET_RAW", step(answer, "packets")["seen"])

    def test_file_that_cannot_be_written(self):
        done = subprocess.run([PROGRAM, "probe", "127.0.0.1:1", "--pcap", "/nowhere/at/all"], capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("/nowhere/at/all", done.stderr)


class Times(unittest.TestCase):
    @staticmethod
    def late(answer):
        def act(_):
            time.sleep(1.2)
            return answer
        return act

    def test_every_reply_late(self):
        script = {"connect": self.late(None), "ehlo": self.late(None), "mail": self.late(None),
                  "rcpt": self.late(None)}
        with Sink(script, extensions=("8BITMIME",)) as sink:
            status, answer = probe(f"127.0.0.1:{sink.port}", "--rcpt", "box@example.net", "--timeout", "5s")
        self.assertEqual((status, answer["cause"]), (0, "none"))
        self.assertIn("tarpit", [item["cause"] for item in answer["warnings"]])


class WrongUse(unittest.TestCase):
    def test_all(self):
        for arguments in ((), ("a b",), ("x.test", "--tls", "some"), ("x.test", "--port", "0"),
                          ("x.test", "--timeout", "soon"), ("x.test", "--from", "here"),
                          ("x.test", "-c", "/nowhere/at/all"), ("x.test", "--helo", "a\r\nb"),
                          ("x.test", "--rdap=ftp://x.test/"), ("x.test", "--rdap=")):
            with self.subTest(arguments=arguments):
                done = subprocess.run([PROGRAM, "probe", *arguments], capture_output=True, text=True, timeout=30,
                                      check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr)


if __name__ == "__main__":
    unittest.main()
