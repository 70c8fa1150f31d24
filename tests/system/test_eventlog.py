# SPDX-License-Identifier: Apache-2.0
"""The event log of deliveries, in the form that the log reader knows (src/readers/log_postrider.c)."""
import re
import socket
import unittest

from harness import Relay, Sink, smart_host, wait_for


def lines_of(relay):
    return [line for line in relay.log().splitlines() if " info deliver: " in line]


class EventLog(unittest.TestCase):
    def test_each_recipient_and_attempt_is_a_line(self):
        def refuse(line):
            if "late@" in line:
                return "450 4.2.0 Greylisted, come back later"
            return "550 5.1.1 no such user" if "bad@" in line else None

        with Sink({"rcpt": refuse}) as sink, Relay(smart_host(sink.port)) as relay:
            ident = relay.send(recipients=("good@example.net", "late@example.net", "bad@example.net"))
            self.assertTrue(wait_for(lambda: len(lines_of(relay)) >= 3), relay.log()[-3000:])
            told = {re.search(r"to=<(\w+)@", line)[1]: line for line in lines_of(relay) if ident in line}
            server = f" server=[127.0.0.1]:{sink.port} connector="
            for line in told.values():
                self.assertRegex(line, rf"^\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ info deliver: {ident}: to=<")
                self.assertIn(server, line)
            self.assertRegex(told["good"], r" outcome=delivered: 250 ")
            self.assertRegex(told["late"], r" outcome=deferred cause=rcpt-greylist: 450 4\.2\.0 Greylisted")
            self.assertRegex(told["bad"], r" outcome=bounced cause=user-unknown: 550 5\.1\.1 no such user")

    def test_a_server_that_takes_nothing_is_one_line(self):
        with socket.socket() as taken:  # bound, and never listening
            taken.bind(("127.0.0.1", 0))
            with Relay(smart_host(taken.getsockname()[1])) as relay:
                self.look(relay)

    def look(self, relay):
        relay.send()
        self.assertTrue(wait_for(lambda: lines_of(relay)), relay.log()[-3000:])
        self.assertRegex(lines_of(relay)[0], r" info deliver: -: domain=\S+ server=\[127\.0\.0\.1\]"
                                             r":\d+ connector=\S+ outcome=deferred cause=conn-refused: ")


if __name__ == "__main__":
    unittest.main()
