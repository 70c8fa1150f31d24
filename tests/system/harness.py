# SPDX-License-Identifier: Apache-2.0
"""A relay under test: its own folder, its own ports, the real program."""
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
PROGRAM = os.path.abspath(os.environ.get("POSTRIDER", os.path.join(TOP, "build-test", "postrider")))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds=10, step=0.05):
    """The first true value of condition(), or its last one after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


class Relay:
    """`postrider serve` with a configuration; used as a context."""

    def __init__(self, config="", folder=None, arguments=()):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="postrider-test-")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.data = os.path.join(self.folder, "data")
        self.config_path = os.path.join(self.folder, "postrider.conf")
        self.log_path = os.path.join(self.folder, "log")
        self.arguments = list(arguments)
        self.process = None
        self.configure(config)

    def configure(self, config, hostname="relay.test"):
        text = (f'hostname = "{hostname}"\ndata = "{self.data}"\npostmaster = "postmaster@{hostname}"\n'
                f'listen "test" {{ address = "127.0.0.1:{self.port}" }}\n')
        with open(self.config_path, "w", encoding="utf-8") as handle:
            handle.write(text + config)

    def start(self, wait=True):
        self.log_file = open(self.log_path, "ab")
        self.process = subprocess.Popen([PROGRAM, "serve", "-c", self.config_path, *self.arguments],
                                        stdout=self.log_file, stderr=self.log_file,
                                        stdin=subprocess.DEVNULL, cwd=self.folder)
        if wait and not wait_for(self.answers, 20):
            self.kill()
            raise AssertionError("the relay does not answer:\n" + self.log())
        return self

    def answers(self):
        if self.process.poll() is not None:
            return False
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                connection.settimeout(2)
                return connection.recv(3) == b"220"
        except OSError:
            return False

    def stop(self, seconds=40):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("the relay did not stop:\n" + self.log()[-3000:]) from None
        return self.process.returncode if self.process else None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        try:
            code = self.stop()
            assert code == 0, f"exit status {code}:\n{self.log()[-3000:]}"
        finally:
            self.kill()
            if self.own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as handle:
                return handle.read()
        except OSError:
            return ""

    def run(self, *arguments):
        return subprocess.run([PROGRAM, *arguments, "-c", self.config_path], capture_output=True,
                              text=True, timeout=60, check=False)

    def ask(self, *arguments):
        """The JSON that a command prints."""
        done = self.run(*arguments, "--json")
        assert done.stdout, f"{arguments}: {done.stderr}"
        return json.loads(done.stdout)

    def send(self, message=b"Subject: test\r\n\r\nhello\r\n", sender="sender@example.org",
             recipients=("rcpt@example.net",), options=()):
        """Hands a message in; returns the queue id of the 250."""
        with smtplib.SMTP("127.0.0.1", self.port, "client.test", timeout=30) as session:
            session.ehlo("client.test")
            code, text = session.docmd(f"MAIL FROM:<{sender}> {' '.join(options)}".strip())
            assert code == 250, (code, text)
            for recipient in recipients:
                code, text = session.docmd(f"RCPT TO:<{recipient}>")
                assert code == 250, (code, text)
            code, text = session.data(message)
            assert code == 250, (code, text)
            return text.decode().split()[-1]

    def settled(self):
        return self.ask("status")["queue"]["recipients"] == 0


class Sink:
    """An SMTP server of our own that keeps what it gets and can be told to misbehave.

    `script` maps a verb ("connect", "ehlo", "mail", "rcpt", "data", "dot") to a reply text, to "close",
    "reset" or "silent", or to a function of the line that returns one of these or None. `tls` is an
    ssl context: STARTTLS is offered, and the extensions only after it.
    """

    def __init__(self, script=None, port=0, extensions=("PIPELINING", "8BITMIME", "SIZE 104857600"),
                 tls=None):
        self.script = script or {}
        self.tls = tls
        self.extensions = extensions
        self.messages = []
        self.sessions = 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        self.is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.is_open = False
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while self.is_open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _scripted(self, verb, argument):
        what = self.script.get(verb)
        return what(argument) if callable(what) else what

    @staticmethod
    def _act(connection, what):
        """Answers; false when the session ends."""
        if what == "silent":
            time.sleep(3600)
        if what == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if what in ("close", "reset"):
            connection.close()
            return False
        connection.sendall(what.encode() + b"\r\n")
        return True

    def _serve(self, connection):
        try:
            self._dialogue(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def _dialogue(self, connection):
        if not self._act(connection, self._scripted("connect", "") or "220 sink.test ESMTP"):
            return
        reader = connection.makefile("rb")
        sender, recipients = None, []
        may_encrypt = self.tls is not None
        while True:
            line = reader.readline()
            if not line:
                return
            text = line.decode("utf-8", "replace").strip()
            verb = text.split(" ")[0].split(":")[0].lower()
            usual = "250 ok"
            if verb == "ehlo":
                offered = ("STARTTLS",) if may_encrypt else self.extensions
                usual = "\r\n".join(["250-sink.test"] + [f"250-{e}" for e in offered] + ["250 HELP"])
            if verb == "starttls" and may_encrypt:
                connection.sendall(b"220 go on\r\n")
                connection = self.tls.wrap_socket(connection, server_side=True)
                reader, may_encrypt = connection.makefile("rb"), False
                continue
            if verb == "data":
                usual = "354 go on" if recipients else "554 no recipients"
            if verb == "quit":
                usual = "221 bye"
            answer = self._scripted(verb, text)
            if not self._act(connection, answer or usual):
                return
            refused = answer is not None and answer[:1] in "45"
            if verb == "mail":
                sender, recipients = text[10:].split(">")[0].strip("<"), []
            elif verb == "rcpt" and not refused:
                recipients.append(text[8:].split(">")[0].strip("<"))
            elif verb == "data" and not refused and recipients:
                body = b""
                while True:
                    piece = reader.readline()
                    if not piece:
                        return
                    if piece == b".\r\n":
                        break
                    body += piece[1:] if piece.startswith(b".") else piece
                answer = self._scripted("dot", body)
                if answer is None or answer[:1] == "2":
                    self.messages.append((sender, recipients, body))
                if not self._act(connection, answer or "250 taken"):
                    return


def smart_host(port, more="", domains='"*"'):
    return (f'connector "test" {{ domains = {{ {domains} }}  smart_hosts = {{ "127.0.0.1:{port}" }} {more} }}\n')


def report_and_exit(result):
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad - len(result.skipped)} passed, {bad} failed, {len(result.skipped)} skipped")
    sys.exit(1 if bad else 0)
