# SPDX-License-Identifier: Apache-2.0
"""What `make install` puts where, and that the documents fit the program."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import PROGRAM, TOP, Relay, free_port, smart_host

COMMANDS = ("serve", "queue", "why", "status", "check", "reload")
UNITS_MS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}


def read(*parts):
    with open(os.path.join(TOP, *parts), encoding="utf-8") as handle:
        return handle.read()


def plain(value):
    """A value of the configuration, so that 24h and 1d are the same."""
    value = value.strip().strip('"')
    duration = re.fullmatch(r"(\d+)(ms|s|m|h|d)", value)
    if duration:
        return int(duration.group(1)) * UNITS_MS[duration.group(2)]
    return re.sub(r"\s+", " ", value)


class Install(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="postrider-install-")

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def installed(self):
        return {os.path.relpath(os.path.join(folder, name), self.folder)
                for folder, _, names in os.walk(self.folder) for name in names}

    def test_files(self):
        build = os.path.dirname(PROGRAM)
        if not shutil.which("meson") or not os.path.exists(os.path.join(build, "build.ninja")):
            self.skipTest("the program stands in no build folder")
        done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", self.folder],
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        files = {re.sub(r"^usr/(local/)?", "", path) for path in self.installed()}
        self.assertEqual(files, {
            "bin/postrider", "share/man/man1/postrider.1", "share/man/man5/postrider.conf.5",
            "share/man/man5/postrider-rules.5",
            "share/man/man7/postrider-causes.7", "lib/systemd/system/postrider.service",
            "share/doc/postrider/configuration.md", "share/doc/postrider/json.md", "share/doc/postrider/probe.md",
            "share/doc/postrider/causes.md", "share/doc/postrider/logs.md",
            "share/doc/postrider/examples/postrider.conf"})
        unit = next(path for path in self.installed() if path.endswith(".service"))
        with open(os.path.join(self.folder, unit), encoding="utf-8") as handle:
            text = handle.read()
        self.assertNotIn("@", re.sub(r"^#.*$", "", text, flags=re.M))
        self.assertRegex(text, r"(?m)^ExecStart=/usr/(local/)?bin/postrider serve -c /etc/postrider/postrider\.conf$")


class Documents(unittest.TestCase):
    def show(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            return subprocess.run([PROGRAM, "check", "--show", "-c", handle.name], capture_output=True,
                                  text=True, timeout=60, check=False)

    def test_examples_of_configuration_load(self):
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as password:
            password.write("secret\n")
            password.flush()
            os.chmod(password.name, 0o600)
            manual = re.findall(r"\.Bd -literal.*?\n(.*?)\.Ed", read("man", "postrider.conf.5"), flags=re.S)
            blocks = re.findall(r"```\n(.*?)```", read("docs", "configuration.md"), flags=re.S)
            blocks += re.findall(r"```\n(.*?)```", read("README.md"), flags=re.S)
            blocks = [block for block in blocks + manual if "domains =" in block]
            blocks.append(read("packaging", "postrider.conf"))
            self.assertGreaterEqual(len(blocks), 5)
            for block in blocks:
                text = block.replace("/etc/postrider/provider.password", password.name)
                done = self.show(text)
                self.assertEqual(done.returncode, 0, done.stderr + text)
                self.assertEqual(done.stderr, "", text)

    def test_keys_and_defaults(self):
        keys = set(re.findall(r'KEY\("(\w+)"', read("src", "config", "keys.c")))
        page, manual = read("docs", "configuration.md"), read("man", "postrider.conf.5")
        listed = re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|", page, flags=re.M)
        names = {name for cell, _ in listed for name in re.findall(r"`(\w+)`", cell)}
        self.assertEqual(keys - names, set())
        in_manual = {word for line in re.findall(r"^\.It Cm (.*)$", manual, flags=re.M)
                     for word in line.split()}
        self.assertEqual(keys - in_manual, set())
        shown = dict(re.findall(r"^\s*(\w+) = (.*)$", self.show("").stdout, flags=re.M))
        compared = 0
        for cell, default in listed:
            name = cell.strip("`")
            written = re.match(r'`([^`]+)`(;|$)', default.strip())
            if written and name in shown and name not in ("tls",):
                self.assertEqual(plain(written.group(1)), plain(shown[name]), name)
                compared += 1
        self.assertGreaterEqual(compared, 15)

    def test_options_are_in_the_manual(self):
        manual = read("man", "postrider.1")
        for command in COMMANDS:
            done = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 0)
            self.assertIn("Exit status:", done.stdout, command)
            for option in set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", done.stdout)) - {"config"}:
                self.assertRegex(manual, rf"Fl -{option}\b", f"{command} --{option}")

    def test_first_steps_of_the_page(self):
        """The commands of README.md, with ports and folders of the test."""
        block = next(block for block in re.findall(r"```\n(.*?)```", read("README.md"), flags=re.S)
                     if "swaks" in block)
        self.assertIn("postrider why somebody@contoso.com -c first.conf", block)
        with Relay(smart_host(free_port())) as relay:
            done = subprocess.run(["swaks", "--server", f"127.0.0.1:{relay.port}", "--from", "you@example.org",
                                   "--to", "somebody@contoso.com"], capture_output=True, timeout=60,
                                  check=False) if shutil.which("swaks") else None
            if done is None:
                self.skipTest("swaks is not installed")
            self.assertEqual(done.returncode, 0)
            self.assertIn("somebody@contoso.com", relay.run("why", "somebody@contoso.com").stdout)


if __name__ == "__main__":
    unittest.main()
