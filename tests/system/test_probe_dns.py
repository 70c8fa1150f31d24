# SPDX-License-Identifier: Apache-2.0
"""What the probe finds in the DNS beyond the resolver's cache: a root, name servers and a resolver of our own.

Everything runs in a network namespace of its own (port 53, addresses of the internet on the loopback device); where that
is not permitted, or nsd or unbound is missing, it is skipped.
"""
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from harness import PROGRAM, wait_for

INSIDE = "POSTRIDER_TEST_NAMESPACE"
ROOT, ONE, TWO, RESOLVER, HOST = "127.0.0.4", "127.0.0.2", "127.0.0.3", "127.0.0.1", "45.2.1.1"
BOTH = ("ns1", "ns2")
SOA = "@ 60 SOA ns.test. h.test. {serial} 3600 900 86400 60\n"


def missing():
    for program in ("nsd", "unbound"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin"):
            return f"{program} is not installed"
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "network namespaces are not permitted here"


class Servers:
    def __init__(self, folder):
        self.folder, self.processes = folder, {}

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as handle:
            handle.write(text)
        return path

    def nsd(self, address, zones):
        """Serves {zone: text} on the address; a second call replaces the first."""
        self.stop(address)
        own = os.path.join(self.folder, address)
        os.makedirs(own, exist_ok=True)
        lines = [f'server:\n ip-address: {address}\n username: ""\n database: ""\n zonesdir: "{own}"\n'
                 f' logfile: "{own}/log"\n pidfile: "{own}/pid"\n xfrdfile: "{own}/xfrd"\n zonelistfile: "{own}/list"\n'
                 f' xfrdir: "{own}"\n server-count: 1\nremote-control:\n control-enable: no\n']
        for number, (zone, text) in enumerate(zones.items()):
            path = self.write(f"{address}/zone{number}", text)
            lines.append(f'zone:\n name: "{zone}"\n zonefile: "{path}"\n')
        conf = self.write(f"{address}/conf", "".join(lines))
        self.start(address, ["/usr/sbin/nsd", "-d", "-c", conf])

    def unbound(self):
        hints = self.write("hints", f". 3600 NS ns.root.\nns.root. 3600 A {ROOT}\n")
        conf = self.write("unbound.conf", f"""server:
 interface: {RESOLVER}\n username: ""\n chroot: ""\n directory: "{self.folder}"\n pidfile: "{self.folder}/unbound.pid"
 use-syslog: no\n root-hints: "{hints}"\n module-config: "iterator"\n do-not-query-localhost: no\n do-ip6: no
remote-control:\n control-enable: no\n""")
        self.start(RESOLVER, ["/usr/sbin/unbound", "-d", "-c", conf])

    def start(self, address, command):
        self.processes[address] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_for(lambda: answers(address), 10):
            raise AssertionError(f"{command[0]} does not answer on {address}")

    def stop(self, address):
        process = self.processes.pop(address, None)
        if process:
            process.terminate()
            process.wait()

    def stop_all(self):
        for address in list(self.processes):
            self.stop(address)


def answers(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.2)
        try:
            asker.sendto(bytes((0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1)), (address, 53))
            return bool(asker.recv(512))
        except OSError:
            return False


def zone(mx, serial=1, names=("ns1",)):
    servers = "".join(f"@ 3600 NS {name}\n" for name in names)
    return (SOA.format(serial=serial) + servers +
            f"ns1 A {ONE}\nns2 A {TWO}\n@ 3600 MX 10 {mx}\n{mx} 3600 A {HOST}\n")


def root(*domains):
    text = f". 3600 SOA ns.root. h.root. 1 3600 900 86400 60\n. 3600 NS ns.root.\nns.root. A {ROOT}\n"
    for domain, names in domains:
        for number, address in enumerate(names, 1):
            text += f"{domain}. 3600 NS ns{number}.{domain}.\nns{number}.{domain}. 3600 A {address}\n"
    return text


def probe(target, *arguments):
    done = subprocess.run([PROGRAM, "probe", "--json", "--timeout", "4s", "--resolver", RESOLVER, target, *arguments],
                          capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout)


class Registry(http.server.BaseHTTPRequestHandler):
    """Knows of one domain that it is on hold."""

    def do_GET(self):
        is_known = self.path == "/domain/gone.example"
        body = json.dumps({"objectClassName": "domain", "status": ["server hold"]}).encode()
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@unittest.skipUnless(os.environ.get(INSIDE), "runs in a namespace of its own")
class Inside(unittest.TestCase):
    def setUp(self):
        for command in ("ip link set lo up", f"ip address add {HOST}/32 dev lo"):
            subprocess.run(command.split(), check=False, capture_output=True)
        self.folder = tempfile.mkdtemp(prefix="postrider-dns-")
        self.servers = Servers(self.folder)
        self.servers.nsd(ROOT, {".": root(("split.example", (ONE, TWO)), ("stale.example", (ONE,)),
                                          ("lame.example", (ONE, TWO)), ("gone.example", (TWO,)),
                                          ("well.example", (ONE,)))})
        self.servers.nsd(TWO, {"split.example": zone("other", 2, BOTH)})
        self.servers.nsd(ONE, {"split.example": zone("mx", 1, BOTH), "lame.example": zone("mx", 1, BOTH),
                               "stale.example": zone("mx"), "well.example": zone("mx")})
        self.servers.unbound()

    def tearDown(self):
        self.servers.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def test_registration(self):
        registry = http.server.ThreadingHTTPServer((HOST, 0), Registry)
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        base = f"--rdap=http://{HOST}:{registry.server_port}/"
        answer = probe("gone.example", base)
        self.assertEqual((answer["cause"], answer["blame"]), ("dns-expired", "destination"), answer["summary"])
        answer = probe("mail.gone.example", base)  # the registry knows the shorter name alone
        self.assertEqual(answer["cause"], "dns-expired", answer["summary"])
        answer = probe("unheard-of.example", base)
        self.assertEqual(answer["cause"], "dns-nxdomain", answer["summary"])
        self.assertTrue(any("knows no" in line for line in answer["evidence"]), answer["evidence"])
        registry.shutdown()
        registry.server_close()

    @staticmethod
    def named(answer):
        """The cause, and what is told beside it: which server the resolver asked decides which is which."""
        return [answer["cause"]] + [item["cause"] for item in answer["warnings"]]

    def test_all(self):
        answer = probe("well.example")
        self.assertEqual(answer["cause"], "conn-refused", answer["evidence"])
        self.assertTrue(any("say the same" in line for line in answer["ruled_out"]), answer["ruled_out"])
        answer = probe("split.example")
        self.assertIn("dns-split-auth", self.named(answer))
        answer = probe("lame.example", "--deep")
        self.assertIn("dns-split-auth", self.named(answer))
        answer = probe("gone.example")
        self.assertEqual((answer["cause"], answer["blame"]), ("dns-servfail", "destination"))
        self.assertTrue(any("speaks for the zone" in line for line in answer["evidence"]), answer["evidence"])
        answer = probe("nowhere.example")
        self.assertEqual((answer["cause"], answer["confidence"]), ("dns-nxdomain", 0.98))
        # One of two that has stopped.
        self.servers.stop(TWO)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((TWO, 53))
            answer = probe("lame.example", "--deep")
        self.assertIn("dns-timeout", self.named(answer), answer["warnings"])
        # The resolver holds the old MX for an hour.
        probe("stale.example")
        self.servers.nsd(ONE, {"stale.example": zone("moved", 9), "well.example": zone("mx")})
        answer = probe("stale.example")
        self.assertEqual((answer["cause"], answer["blame"]), ("dns-stale", "nobody"), answer["summary"])
        self.assertTrue(any("moved.stale.example" in line for line in answer["evidence"]), answer["evidence"])


@unittest.skipIf(os.environ.get(INSIDE), "this is the inside")
class Outside(unittest.TestCase):
    def test_in_a_namespace(self):
        why = missing()
        if why:
            self.skipTest(why)
        done = subprocess.run(["unshare", "-n", sys.executable, "-m", "unittest", "test_probe_dns.Inside"],
                              env=dict(os.environ, **{INSIDE: "1"}), cwd=os.path.dirname(os.path.abspath(__file__)),
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])


if __name__ == "__main__":
    unittest.main()
