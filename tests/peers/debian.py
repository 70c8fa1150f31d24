# SPDX-License-Identifier: Apache-2.0
"""Programs from Debian's packages, unpacked beside the build and never installed."""
import glob
import os
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(TOP, "build-peers")


def unpack(name, program, packages):
    """Downloads and unpacks `packages` once below build-peers/NAME; returns that folder."""
    root = os.path.join(PEERS, name)
    if os.path.exists(os.path.join(root, program)):
        return root
    os.makedirs(PEERS, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="postrider-peer-") as folder:
        os.chmod(folder, 0o777)
        subprocess.run(["apt-get", "-qq", "download", *packages], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = [glob.glob(os.path.join(folder, package + "_*.deb"))[0] for package in packages]
        for path in reversed(found):  # the program last: where it is, all is there
            subprocess.run(["dpkg", "-x", path, root], check=True)
    return root


def unavailable(name, program, packages):
    """Why the program cannot run here, or None."""
    if os.geteuid() != 0:
        return f"{name} starts as root only"
    try:
        root = unpack(name, program, packages)
    except (subprocess.CalledProcessError, IndexError, OSError) as problem:
        return f"Debian's {packages[0]} package cannot be had: {problem}"
    linked = subprocess.run(["ldd", os.path.join(root, program)], capture_output=True, text=True,
                            check=False, env=dict(os.environ, LD_LIBRARY_PATH=libraries(root)))
    missing = [line.split()[0] for line in linked.stdout.splitlines() if "not found" in line]
    return f"{name} lacks {', '.join(missing)}" if missing else None


def no_namespaces():
    """Why a program cannot be given its own view of files, or None."""
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return f"mount namespaces are not allowed here: {done.stderr.strip()}" if done.returncode else None


def libraries(root):
    found = glob.glob(os.path.join(root, "usr/lib/*-linux-gnu"))
    return ":".join(found + [os.path.join(root, "usr/lib/postfix")])


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"220 "
    except OSError:
        return False


class Namespaced:
    """A daemon that needs accounts and folders which this machine has not: it sees its own.

    `accounts` are lines for passwd, `script` the shell commands that end with `exec DAEMON`.
    """

    def __init__(self, root, folder, port):
        self.root, self.folder, self.port = root, folder, port
        self.process = None
        os.chmod(folder, 0o755)
        self.mail = os.path.join(folder, "mail")
        os.makedirs(self.mail)
        os.chmod(self.mail, 0o777)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as handle:
            handle.write(text)
        os.chmod(path, 0o644)
        return path

    def add_accounts(self, accounts):
        """Writes passwd and group; returns the commands that put them in place."""
        for name, number in (("passwd", "{0}:x:{1}:{1}::{2}:/bin/sh\n"), ("group", "{0}:x:{1}:\n")):
            with open("/etc/" + name, encoding="utf-8") as handle:
                lines = [line for line in handle if line.split(":")[0] not in accounts]
            self.write(name, "".join(lines) + "".join(number.format(account, uid, self.mail)
                                                      for account, uid in accounts.items()))
        return "".join(f"mount --bind {self.folder}/{name} /etc/{name}\n" for name in ("passwd", "group"))

    def start(self, script):
        path = self.write("start", "set -e\n" + script)
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", path], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, LD_LIBRARY_PATH=libraries(self.root)), start_new_session=True)
        for _ in range(100):
            if self.process.poll() is None and answers(self.port):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        raise RuntimeError("it does not start: " + self.log()[-2000:])

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as handle:
            return handle.read()

    def delivered(self):
        return sorted(glob.glob(os.path.join(self.mail, "box", "new", "*")))

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
