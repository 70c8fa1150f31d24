# SPDX-License-Identifier: Apache-2.0
"""A full disk, a damaged spool, a stop under load: nothing acknowledged is lost, and it is said."""
import glob
import os
import random
import shutil
import smtplib
import subprocess
import tempfile
import threading
import time
import unittest

from harness import Relay, Sink, free_port, smart_host, wait_for


def try_send(relay, message, recipient):
    """True when it was acknowledged, else the refusal."""
    with smtplib.SMTP("127.0.0.1", relay.port, "client.test", timeout=30) as session:
        session.ehlo("client.test")
        for command in ("MAIL FROM:<a@example.org>", f"RCPT TO:<{recipient}>"):
            code, text = session.docmd(command)
            if code != 250:
                return code, text.decode()
        code, text = session.data(message)
        return True if code == 250 else (code, text.decode())


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="postrider-full-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "tmpfs", self.folder],
                              capture_output=True, check=False)
        if done.returncode:
            os.rmdir(self.folder)
            self.skipTest("a small file system needs root")

    def tearDown(self):
        subprocess.run(["umount", "-l", self.folder], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def test_refuses_then_recovers(self):
        port = free_port()
        relay = Relay(smart_host(port), folder=self.folder)
        relay.start()
        try:
            ballast = os.path.join(self.folder, "ballast")
            free = os.statvfs(self.folder)
            with open(ballast, "wb") as handle:
                os.posix_fallocate(handle.fileno(), 0, free.f_bavail * free.f_frsize - (12 << 20))
            message = b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 14000
            acknowledged = 0
            refusal = None
            for i in range(40):
                answer = try_send(relay, message, f"r{i}@example.net")
                if answer is not True:
                    refusal = answer
                    break
                acknowledged += 1
            self.assertIsNotNone(refusal, "the disk never filled")
            self.assertEqual(refusal[0], 452, refusal)
            self.assertIn("4.3.1", refusal[1])
            status = relay.ask("status")
            self.assertFalse(status["spool"]["accepts"])
            # What was acknowledged leaves all the same: settlements have their reserve.
            with Sink(port=port) as sink:
                relay.run("queue", "retry", "--all", "--yes")
                self.assertTrue(wait_for(lambda: len(sink.messages) >= acknowledged and relay.settled(), 30),
                                f"{len(sink.messages)} of {acknowledged}\n{relay.log()[-2000:]}")
                os.unlink(ballast)
                self.assertTrue(wait_for(lambda: try_send(relay, message, "again@example.net") is True, 30, 1),
                                relay.log()[-2000:])
                self.assertTrue(wait_for(lambda: len(sink.messages) >= acknowledged + 1, 20))
            self.assertEqual(relay.stop(), 0)
        finally:
            relay.kill()


class DamagedSpool(unittest.TestCase):
    COUNT = 60

    def test_the_rest_runs_on(self):
        port = free_port()
        relay = Relay(smart_host(port))
        with relay:
            relay.own_folder = False
            for i in range(self.COUNT):
                relay.send(b"Subject: %d\r\n\r\n" % i + b"z" * 900 + b"\r\n", recipients=(f"r{i}@example.net",))
        segments = glob.glob(os.path.join(relay.data, "*.segment"))
        self.assertTrue(segments)
        largest = max(segments, key=os.path.getsize)
        chance = random.Random(5)
        with open(largest, "r+b") as handle:
            size = os.path.getsize(largest)
            for _ in range(3):
                handle.seek(8192 + chance.randrange(min(size - 8192, 60000)))
                handle.write(b"\xde\xad\xbe\xef")
        relay.own_folder = True
        with Sink(port=port) as sink, relay:
            relay.run("queue", "retry", "--all", "--yes")
            wait_for(lambda: len(sink.messages) >= self.COUNT - 3, 20)
            self.assertGreaterEqual(len(sink.messages), self.COUNT - 3)
            for _, _, body in sink.messages:
                self.assertIn(b"z" * 900, body)
            left = relay.ask("queue", "list")["recipients"]
            self.assertEqual(len(left), self.COUNT - len(sink.messages))
            for item in left:
                self.assertEqual(item["verdict"]["blame"], "local", item)
                self.assertRegex(relay.log(), rf"{item['id']}: the stored message is damaged")


class StopUnderLoad(unittest.TestCase):
    def test_sigterm_loses_nothing(self):
        with Sink() as sink:
            relay = Relay(smart_host(sink.port))
            relay.start()
            acknowledged, lock, is_over = set(), threading.Lock(), threading.Event()

            def submit(worker):
                n = 0
                while not is_over.is_set():
                    name = f"w{worker}n{n}@example.net"
                    n += 1
                    try:
                        if try_send(relay, b"Subject: x\r\n\r\nx\r\n", name) is True:
                            with lock:
                                acknowledged.add(name)
                    except (OSError, smtplib.SMTPException):
                        time.sleep(0.05)
            workers = [threading.Thread(target=submit, args=(i,)) for i in range(8)]
            for worker in workers:
                worker.start()
            try:
                for _ in range(3):
                    time.sleep(1)
                    self.assertEqual(relay.stop(), 0)
                    relay.start()
                is_over.set()
                for worker in workers:
                    worker.join(60)
                self.assertTrue(wait_for(relay.settled, 30))
                self.assertEqual(relay.stop(), 0)
            finally:
                is_over.set()
                relay.kill()
                shutil.rmtree(relay.folder, ignore_errors=True)
            arrived = [recipients[0] for _, recipients, _ in sink.messages]
            self.assertEqual(acknowledged - set(arrived), set())
            self.assertEqual(len(arrived), len(set(arrived)), "an orderly stop sends nothing twice")
            self.assertGreater(len(acknowledged), 8)


if __name__ == "__main__":
    unittest.main()
