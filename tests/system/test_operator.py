# SPDX-License-Identifier: Apache-2.0
"""What operators do: queue commands, reload, stop and start again."""
import os
import unittest

from harness import PROGRAM, Relay, Sink, free_port, smart_host, wait_for


def waiting(relay):
    return wait_for(lambda: any(lane.get("verdict") for lane in relay.ask("queue")["lanes"]))


class QueueCommands(unittest.TestCase):
    def test_hold_release_remove(self):
        port = free_port()
        with Relay(smart_host(port)) as relay:
            first = relay.send(recipients=("a@contoso.com",))
            relay.send(recipients=("b@contoso.com", "c@fabrikam.com"))
            waiting(relay)
            listed = relay.ask("queue", "list")["recipients"]
            self.assertEqual(len(listed), 3)
            self.assertEqual({item["recipient"] for item in listed},
                             {"a@contoso.com", "b@contoso.com", "c@fabrikam.com"})
            # more than one id needs --yes
            refused = relay.run("queue", "hold", "--domain", "contoso.com")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("--yes", refused.stdout + refused.stderr)
            dry = relay.ask("queue", "hold", "--domain", "contoso.com", "--dry-run")
            self.assertEqual((dry["matched"], dry["done"]), (2, 0))
            held = relay.ask("queue", "hold", "--domain", "contoso.com", "--yes", "--reason", "test")
            self.assertEqual(held["done"], 2)
            states = {item["recipient"]: item["state"] for item in relay.ask("queue", "list")["recipients"]}
            self.assertEqual(states["a@contoso.com"], "held")
            self.assertNotEqual(states["c@fabrikam.com"], "held")
            with Sink(port=port) as sink:
                relay.run("queue", "retry", "--all", "--yes")
                self.assertTrue(wait_for(lambda: len(sink.messages) == 1))
                self.assertEqual(sink.messages[0][1], ["c@fabrikam.com"])
                self.assertEqual(relay.ask("queue", "release", first)["done"], 1)
                self.assertTrue(wait_for(lambda: len(sink.messages) == 2))
                self.assertEqual(sink.messages[1][1], ["a@contoso.com"])
                removed = relay.ask("queue", "remove", "--domain", "contoso.com", "--yes")
                self.assertEqual(removed["done"], 1)
                self.assertTrue(wait_for(relay.settled))
                self.assertEqual(len(sink.messages), 2)

    def test_hold_survives_a_restart(self):
        port = free_port()
        relay = Relay(smart_host(port))
        with relay:
            relay.own_folder = False
            relay.send(recipients=("a@contoso.com",))
            waiting(relay)
            relay.ask("queue", "hold", "--all", "--yes")
        with Sink(port=port) as sink:
            relay.own_folder = True
            with relay:
                self.assertFalse(wait_for(lambda: sink.messages, 2))
                self.assertEqual(relay.ask("queue", "list")["recipients"][0]["state"], "held")
                relay.ask("queue", "release", "--all", "--yes")
                relay.ask("queue", "retry", "--all", "--yes")  # the lane backs off still
                self.assertTrue(wait_for(lambda: sink.messages))

    def test_wrong_use(self):
        with Relay(smart_host(free_port())) as relay:
            for arguments in (("queue", "fly"), ("queue", "hold"), ("queue", "--what"), ("why",)):
                self.assertEqual(relay.run(*arguments).returncode, 2, arguments)
            done = relay.run("queue", "show", "NOSUCHID")
            self.assertEqual(done.returncode, 1)


class Restart(unittest.TestCase):
    def test_why_is_right_after_a_restart_without_ledger(self):
        port = free_port()
        relay = Relay(smart_host(port))
        with relay:
            relay.own_folder = False
            ident = relay.send()
            waiting(relay)
        for name in os.listdir(relay.data):
            if name.startswith("ledger"):
                os.unlink(os.path.join(relay.data, name))
        relay.own_folder = True
        with relay:
            message = relay.ask("why", ident)["messages"][0]
            self.assertEqual(message["verdict"]["cause"], "conn-refused")
            self.assertEqual(message["verdict"]["server"]["port"], port)

    def test_second_instance_is_refused(self):
        with Relay(smart_host(free_port())) as relay:
            second = Relay(smart_host(free_port()), folder=relay.folder)
            second.start(wait=False)
            self.assertEqual(second.process.wait(20), 1)
            self.assertRegex(relay.log(), r"(?i)another|in use|already")
            self.assertTrue(relay.answers())


class Reload(unittest.TestCase):
    def test_broken_file_keeps_the_old_one(self):
        with Sink() as sink, Relay(smart_host(sink.port)) as relay:
            relay.configure('connector "x" { domains = { "*" }  smart_hots = { "127.0.0.1:1" } }\n')
            done = relay.run("reload")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"postrider\.conf:\d+: .*smart_hots.*smart_hosts")
            relay.send()
            self.assertTrue(wait_for(lambda: len(sink.messages) == 1))

    def test_fixed_smart_host_frees_the_mail(self):
        with Sink() as sink, Relay(smart_host(free_port())) as relay:
            for i in range(20):
                relay.send(recipients=(f"r{i}@d{i}.example",))
            waiting(relay)
            relay.configure(smart_host(sink.port))
            self.assertEqual(relay.run("reload").returncode, 0)
            self.assertTrue(wait_for(lambda: len(sink.messages) == 20, 20), relay.log()[-2000:])

    def test_new_listener(self):
        with Sink() as sink, Relay(smart_host(sink.port)) as relay:
            old = relay.port
            relay.port = free_port()
            relay.configure(smart_host(sink.port))
            relay.run("reload")
            self.assertTrue(wait_for(relay.answers))
            relay.send()
            self.assertTrue(wait_for(lambda: sink.messages))
            relay.port = old
            self.assertFalse(relay.answers())


class Configuration(unittest.TestCase):
    def check(self, text, pattern):
        relay = Relay(text)
        relay.start(wait=False)
        try:
            self.assertEqual(relay.process.wait(20), 1)
            self.assertRegex(relay.log(), pattern)
        finally:
            relay.kill()
        done = relay.run("check")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, pattern)

    def test_messages(self):
        self.check('connector "x" { domains = { "*" }\n', r"postrider\.conf:\d+: ")
        self.check('retry { first = "1 minute" }\n', r"postrider\.conf:\d+: .*1 minute")
        self.check('nonsense = 1\n', r"postrider\.conf:\d+: .*nonsense")

    def test_check_prints_json(self):
        relay = Relay(smart_host(free_port()))
        answer = relay.ask("check")
        self.assertEqual(answer["schema"], 1)
        self.assertIn("data", {item["area"] for item in answer["checks"]})

    def test_help(self):
        import subprocess
        for arguments in (["--help"], ["serve", "--help"], ["queue", "--help"], ["why", "--help"],
                          ["check", "--help"], ["reload", "--help"], ["status", "--help"]):
            done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, arguments)
            self.assertIn("postrider", done.stdout)


if __name__ == "__main__":
    unittest.main()
