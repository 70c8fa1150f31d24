# SPDX-License-Identifier: Apache-2.0
"""What a newcomer does: a message that cannot leave is explained, another arrives byte for byte."""
import os
import re
import socket
import tempfile
import threading
import unittest

import postfix
from harness import Relay, Sink, free_port, smart_host, wait_for


class Refused(unittest.TestCase):
    def test_why_names_everything(self):
        port = free_port()
        with Relay(smart_host(port, 'owner = "partner"  contact = "postmaster@contoso.com"')) as relay:
            ident = relay.send(recipients=("somebody@contoso.com",))
            wait_for(lambda: relay.ask("queue")["lanes"][0].get("verdict"))
            answer = relay.ask("why", ident)
            message = answer["messages"][0]
            verdict = message["verdict"]
            self.assertEqual(message["id"], ident)
            self.assertEqual(verdict["stage"], "connect")
            self.assertEqual(verdict["cause"], "conn-refused")
            self.assertEqual(verdict["code"], "450 4.4.316")
            self.assertEqual(verdict["code_from"], "postrider")
            self.assertEqual(verdict["enhanced"], "4.4.1")
            self.assertEqual(verdict["outcome"], "temporary-failure")
            self.assertEqual(verdict["server"]["address"], "127.0.0.1")
            self.assertEqual(verdict["server"]["port"], port)
            self.assertIn(verdict["blame"], ("destination", "local"))
            self.assertTrue(verdict["evidence"])
            self.assertTrue(verdict["remedies"])
            self.assertRegex(message["next_attempt"], r"^\d{4}-.*Z$")
            self.assertRegex(message["expires_at"], r"^\d{4}-.*Z$")
            self.assertIn(message["binding"]["kind"], ("lane-backoff", "retry-time"))
            self.assertTrue(wait_for(lambda: relay.ask("why", ident)["messages"][0]["attempts"]))
            text = relay.run("why", "contoso.com").stdout
            for wanted in ("partner", "postmaster@contoso.com", "450 4.4.316", "127.0.0.1", "connect", "Next attempt", "Expires", "What to do"):
                self.assertIn(wanted, text)
            line = relay.run("queue").stdout
            self.assertIn("450 4.4.316", line)
            by_address = relay.ask("why", "somebody@contoso.com")
            self.assertEqual(by_address["messages"][0]["id"], ident)

    def test_nothing_known(self):
        with Relay(smart_host(free_port())) as relay:
            done = relay.run("why", "nowhere.example")
            self.assertEqual(done.returncode, 1)
            self.assertIn("nowhere.example", done.stdout + done.stderr)

    def test_ended_by_routing(self):
        with NameServer() as server, Relay(f'resolver {{ servers = {{ "127.0.0.1:{server.port}" }} }}\n') as relay:
            ident = relay.send(recipients=("box@gone.example",))
            answer = wait_for(lambda: (relay.ask("why", "box@gone.example") or {}).get("attempts") and
                              relay.ask("why", "box@gone.example"), 20)
            result = answer["attempts"][0]["results"][0]
            self.assertEqual((result["cause"], result["blame"], result["message"], result["stage"]),
                             ("dns-nxdomain", "recipient", ident, "dns"))
            verdict = answer["verdict"]
            self.assertEqual((verdict["cause"], verdict["blame"], verdict["outcome"]),
                             ("dns-nxdomain", "recipient", "permanent-failure"))
            done = relay.run("why", "box@gone.example")
            self.assertEqual(done.returncode, 0)
            self.assertIn("dns-nxdomain (recipient)", done.stdout)
            self.assertTrue(relay.ask("why", "gone.example")["attempts"])
            self.assertEqual(relay.ask("why", ident)["verdict"]["cause"], "dns-nxdomain")


class NameServer:
    """Says of every name that it does not exist."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def run(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            end = question.index(b"\0", 12) + 5
            flags = b"\x81\x80" if end == 17 else b"\x81\x83"  # the root is there
            self.socket.sendto(question[:2] + flags + b"\0\1\0\0\0\0\0\0" + question[12:end], peer)


MESSAGES = {
    "plain": b"From: a@example.org\r\nSubject: plain\r\n\r\nhello\r\n",
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nmiddle .\r\n...\r\n",
    "8bit": b"Subject: 8bit\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngr\xc3\xbc\xc3\x9fe \xff\xfe\r\n",
    "long": b"Subject: long\r\n\r\n" + b"x" * 900 + b"\r\n" + b"y" * 997 + b"\r\n",
    "empty": b"Subject: empty\r\n\r\n",
    "large": b"Subject: large\r\n\r\n" + b"".join(b"%08d 0123456789abcdefghijklmnopqrstuvwxyz\r\n" % i
                                                   for i in range(40000)),
}


@unittest.skipIf(postfix.available(), postfix.available())
class ByteForByte(unittest.TestCase):
    def test_real_postfix(self):
        folder = tempfile.mkdtemp(prefix="postrider-postfix-")
        receiver = postfix.Postfix(folder, free_port(), receiver=True).start()
        try:
            with Relay(smart_host(receiver.port)) as relay:
                for name, message in MESSAGES.items():
                    relay.send(message, recipients=(f"{name}@example.net",), options=("BODY=8BITMIME",))
                self.assertTrue(wait_for(lambda: len(receiver.delivered()) == len(MESSAGES), 30),
                                receiver.log()[-2000:] + relay.log()[-2000:])
                self.assertTrue(wait_for(relay.settled))
            self._compare(receiver)
        finally:
            receiver.stop()

    def _compare(self, receiver):
        seen = set()
        for path in receiver.delivered():
            with open(path, "rb") as handle:
                got = handle.read()
            name = re.search(rb"X-Original-To: (\w+)@", got).group(1).decode()
            seen.add(name)
            # Postfix's store writes LF, puts its own fields before ours, and adds those that miss.
            ours = got[got.index(b"Received: from client.test"):]
            head, _, body = ours.partition(b"\n\n")
            wanted_head, _, wanted_body = MESSAGES[name].replace(b"\r\n", b"\n").partition(b"\n\n")
            self.assertEqual(body, wanted_body, name)
            self.assertIn(wanted_head.split(b"\n")[0], head, name)
        self.assertEqual(seen, set(MESSAGES))


class ByteForByteSink(unittest.TestCase):
    def test_own_sink(self):
        with Sink() as sink, Relay(smart_host(sink.port)) as relay:
            for name, message in MESSAGES.items():
                relay.send(message, recipients=(f"{name}@example.net",))
            self.assertTrue(wait_for(lambda: len(sink.messages) == len(MESSAGES), 30), relay.log()[-2000:])
            for _, recipients, body in sink.messages:
                name = recipients[0].split("@")[0]
                self.assertTrue(body.endswith(MESSAGES[name]), name)
                added = body[:-len(MESSAGES[name])]
                self.assertTrue(added.startswith(b"Received: from client.test"), added)
                self.assertRegex(added.decode(), r"by relay\.test")


if __name__ == "__main__":
    unittest.main()
