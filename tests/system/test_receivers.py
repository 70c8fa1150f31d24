# SPDX-License-Identifier: Apache-2.0
"""What other mail servers receive from us, byte for byte. Postfix is in test_first_mile."""
import re
import shutil
import tempfile
import unittest

import exim
import opensmtpd
from harness import Relay, free_port, smart_host, wait_for
from test_first_mile import MESSAGES


class Receivers(unittest.TestCase):
    def deliver_all(self, make, recipient_field):
        folder = tempfile.mkdtemp(prefix="postrider-receiver-")
        receiver = make(folder, free_port()).run()
        try:
            with Relay(smart_host(receiver.port)) as relay:
                for name, message in MESSAGES.items():
                    relay.send(message, recipients=(f"{name}@example.net",), options=("BODY=8BITMIME",))
                self.assertTrue(wait_for(lambda: len(receiver.delivered()) == len(MESSAGES), 60),
                                receiver.log()[-3000:] + relay.log()[-2000:])
                self.assertTrue(wait_for(relay.settled))
            self.compare(receiver, recipient_field)
        finally:
            receiver.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def compare(self, receiver, recipient_field):
        seen = set()
        for path in receiver.delivered():
            with open(path, "rb") as handle:
                got = handle.read().replace(b"\r\n", b"\n")
            name = re.search(recipient_field + rb": (\w+)@", got).group(1).decode()
            seen.add(name)
            # The store writes LF and puts its own fields before ours; missing ones may be added.
            ours = got[got.index(b"Received: from client.test"):]
            head, _, body = ours.partition(b"\n\n")
            wanted_head, _, wanted_body = MESSAGES[name].replace(b"\r\n", b"\n").partition(b"\n\n")
            self.assertEqual(body, wanted_body, name)
            for line in wanted_head.split(b"\n"):
                self.assertIn(line, head.split(b"\n"), name)
        self.assertEqual(seen, set(MESSAGES))

    @unittest.skipIf(exim.available(), exim.available())
    def test_exim(self):
        self.deliver_all(exim.Exim, rb"Envelope-to")

    @unittest.skipIf(opensmtpd.available(), opensmtpd.available())
    def test_opensmtpd(self):
        self.deliver_all(opensmtpd.OpenSmtpd, rb"Delivered-To")


if __name__ == "__main__":
    unittest.main()
