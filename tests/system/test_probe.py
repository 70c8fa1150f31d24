# SPDX-License-Identifier: Apache-2.0
"""postrider probe against servers that are well and servers that are not."""
import json
import os
import ssl
import subprocess
import tempfile
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
        ({"connect": "reset"}, (), "reset-greeting", "greeting"),
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


class WrongUse(unittest.TestCase):
    def test_all(self):
        for arguments in ((), ("a b",), ("x.test", "--tls", "some"), ("x.test", "--port", "0"),
                          ("x.test", "--timeout", "soon"), ("x.test", "--from", "here"),
                          ("x.test", "-c", "/nowhere/at/all"), ("x.test", "--helo", "a\r\nb")):
            with self.subTest(arguments=arguments):
                done = subprocess.run([PROGRAM, "probe", *arguments], capture_output=True, text=True, timeout=30,
                                      check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr)


if __name__ == "__main__":
    unittest.main()
