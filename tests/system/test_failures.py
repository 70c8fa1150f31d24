# SPDX-License-Identifier: Apache-2.0
"""Each failure of a destination has its own cause, and mail that cannot be delivered comes back once."""
import email
import unittest

from harness import Relay, Sink, free_port, smart_host, wait_for

QUICK = 'connect_timeout = "2s"  greeting_timeout = "2s"'


def verdict_of(relay, recipient="rcpt@example.net", seconds=20):
    def look():
        messages = relay.ask("why", recipient).get("messages") or [{}]
        return messages[0].get("verdict")
    return wait_for(look, seconds) or {}


class Causes(unittest.TestCase):
    ROWS = [  # script, stage, code, what the cause must hold
        ({"connect": "close"}, "greeting", "450 4.4.318", "clos"),
        ({"connect": "reset"}, ("connect", "greeting"), "450 4.4.318", "reset"),
        ({"connect": "silent"}, "greeting", "450 4.4.318", "greeting-timeout"),
        ({"connect": "421 4.3.2 too busy"}, "greeting", "450 4.4.317", "overload"),
        ({"connect": "554 5.7.1 no"}, "greeting", "450 4.4.317", "greet"),
        ({"connect": "hello there"}, "greeting", None, ""),
        ({"ehlo": "close"}, "ehlo", "450 4.4.318", "ehlo"),
        ({"mail": "reset"}, "mail", "450 4.4.318", "mail"),
        ({"rcpt": "450 4.2.0 Greylisted, see http://postgrey.schweikert.ch/"}, "rcpt", "450 4.2.0", "greylist"),
        ({"rcpt": "452 4.2.2 mailbox full"}, "rcpt", "452 4.2.2", "mailbox-full"),
        ({"data": "close"}, "data", "450 4.4.318", "data"),
        ({"dot": "451 4.3.0 try later"}, "dot", "451 4.3.0", ""),
        ({"dot": "close"}, "dot", "450 4.4.318", "dot"),
    ]

    def test_each(self):
        for script, stage, code, cause in self.ROWS:
            with self.subTest(script=script), Sink(script) as sink, \
                    Relay(smart_host(sink.port, QUICK)) as relay:
                relay.send()
                verdict = verdict_of(relay)
                self.assertIn(verdict.get("stage"), stage if isinstance(stage, tuple) else (stage,), verdict)
                self.assertIn(cause, verdict["cause"])
                if code:
                    self.assertEqual(verdict["code"], code)
                self.assertEqual(verdict["outcome"], "temporary-failure")
                self.assertEqual(verdict["may_be_delivered"], script.get("dot") == "close")

    def test_tls_demand_unmet(self):
        with Sink() as sink, Relay(smart_host(sink.port, 'tls = "required"')) as relay:
            relay.send()
            verdict = verdict_of(relay)
            self.assertEqual(verdict["code"], "450 4.4.317")
            self.assertEqual(verdict["enhanced"], "4.7.4")
            self.assertEqual(sink.messages, [])


class Notices(unittest.TestCase):
    def test_refused_recipient_comes_back_once(self):
        script = {"rcpt": lambda line: "550 5.1.1 no such user" if "bad@" in line else None}
        with Sink(script) as sink, Relay(smart_host(sink.port)) as relay:
            relay.send(b"Subject: secret plans\r\nMessage-ID: <m1@example.org>\r\n\r\nthe body\r\n",
                       recipients=("bad@example.net", "good@example.net"))
            self.assertTrue(wait_for(lambda: len(sink.messages) == 2 and relay.settled()), relay.log()[-3000:])
            notice = next(m for m in sink.messages if m[0] == "")
            self.assertEqual(notice[1], ["sender@example.org"])
            report = email.message_from_bytes(notice[2])
            self.assertEqual(report.get_content_type(), "multipart/report")
            self.assertEqual(report["Auto-Submitted"], "auto-replied")
            parts = [part.get_content_type() for part in report.walk()]
            self.assertIn("message/delivery-status", parts)
            self.assertIn("text/rfc822-headers", parts)
            self.assertNotIn(b"the body", notice[2])
            status = next(p for p in report.walk() if p.get_content_type() == "message/delivery-status")
            fields = status.get_payload()[1]
            self.assertEqual(fields["Action"], "failed")
            self.assertEqual(fields["Status"], "5.1.1")
            self.assertIn("bad@example.net", fields["Final-Recipient"])
            self.assertTrue(fields["Diagnostic-Code"].startswith("smtp; 550 5.1.1 no such user"))

    def test_no_notice_for_the_null_sender(self):
        with Sink({"rcpt": "550 5.1.1 no such user"}) as sink, Relay(smart_host(sink.port)) as relay:
            relay.send(sender="")
            self.assertTrue(wait_for(relay.settled))
            self.assertFalse(wait_for(lambda: sink.messages, 1))

    def test_expired_mail_says_the_last_cause(self):
        script = {"rcpt": lambda line: "450 4.2.0 Greylisted" if "rcpt@" in line else None}
        retry = 'retry { first = "1s" factor = 1 longest = "1s" expire = "3s" expire_max = "10s" }\n'
        with Sink(script) as sink, Relay(retry + smart_host(sink.port)) as relay:
            relay.send()
            self.assertTrue(wait_for(lambda: sink.messages, 30), relay.log()[-3000:])
            sender, recipients, body = sink.messages[0]
            self.assertEqual((sender, recipients), ("", ["sender@example.org"]))
            report = email.message_from_bytes(body)
            status = next(p for p in report.walk() if p.get_content_type() == "message/delivery-status")
            self.assertEqual(status.get_payload()[1]["Status"], "4.4.7")
            self.assertIn(b"Greylisted", body)


class BadInput(unittest.TestCase):
    def test_garbage_on_the_port(self):
        import os
        import socket
        with Relay(smart_host(free_port())) as relay:
            for payload in (os.urandom(20000), b"\0" * 5000, b"A" * 300000, b"EHLO\n" * 3, b"\r\n" * 5000,
                            b"MAIL FROM:<" + b"a" * 100000 + b">\r\n"):
                with socket.create_connection(("127.0.0.1", relay.port), 5) as connection:
                    connection.settimeout(5)
                    try:
                        connection.sendall(payload)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65536):
                            pass
                    except OSError:
                        pass
            relay.send()

    def test_smuggling_is_refused(self):
        import socket
        with Sink() as sink, Relay(smart_host(sink.port)) as relay:
            for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"):
                with socket.create_connection(("127.0.0.1", relay.port), 5) as connection:
                    connection.settimeout(5)
                    stream = connection.makefile("rwb")
                    stream.readline()
                    for line in (b"HELO x.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA"):
                        stream.write(line + b"\r\n")
                        stream.flush()
                        stream.readline()
                    stream.write(b"Subject: x\r\n\r\none" + end + b"MAIL FROM:<evil@b.test>\r\n"
                                 b"RCPT TO:<c@d.test>\r\nDATA\r\ntwo\r\n.\r\n")
                    stream.flush()
                    answer = stream.readline()
                    self.assertEqual(answer[:1], b"5", (end, answer))
            self.assertFalse(wait_for(lambda: sink.messages, 1))


if __name__ == "__main__":
    unittest.main()
