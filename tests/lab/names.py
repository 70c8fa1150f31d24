# SPDX-License-Identifier: Apache-2.0
"""The names of the laboratory: a root of its own, signed, below it `example.` (unsigned) and `secure.`
(signed), the reverse zones, and a resolver that validates from that root."""
import ipaddress
import os
import socket
import subprocess
import time

import world

NSD = """
server:
  ip-address: {address}
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd"
  zonelistfile: "{folder}/zones.list"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""

UNBOUND = """
server:
  interface: {v4}
  interface: {v6}
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  logfile: "{folder}/unbound.log"
  root-hints: "{folder}/hints"
  trust-anchor-file: "{anchor}"
  do-not-query-localhost: no
  ede: yes
  num-threads: 1
  {more}
remote-control:
  control-enable: no
"""

HEAD = """$ORIGIN {zone}
$TTL {ttl}
@ SOA ns.lab.example. hostmaster.lab.example. 1 3600 600 86400 3600
@ NS ns.lab.example.
"""


def absolute(line, owner):
    """`line` with @ for `owner`: names in it that end in no dot are below `owner`."""
    return line.replace("@@", owner)


class ZoneServer:
    """nsd with one zone, in a scenario's receiving namespace."""

    def __init__(self, site, addresses, lines):
        folder = os.path.join(site.folder, "nsd")
        os.makedirs(folder)
        conf = NSD.format(address=addresses[0], folder=folder)
        for more in addresses[1:]:
            conf = conf.replace("  username", f"  ip-address: {more}\n  username")
        with open(os.path.join(folder, "zone"), "w", encoding="ascii") as handle:
            handle.write(f"$ORIGIN {site.domain}.\n$TTL 3600\n" + "\n".join(lines) + "\n")
        conf += f'zone:\n  name: "{site.domain}."\n  zonefile: "{folder}/zone"\n'
        with open(os.path.join(folder, "conf"), "w", encoding="ascii") as handle:
            handle.write(conf)
        with world.inside(site.them), open(os.path.join(folder, "out"), "ab") as log:
            self.process = subprocess.Popen(["nsd", "-c", os.path.join(folder, "conf"), "-d"], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
            for _ in range(100):
                if Names.answers(addresses[0]):
                    return
                time.sleep(0.05)
        raise RuntimeError("a name server of the laboratory does not answer")

    def close(self):
        self.process.terminate()
        self.process.wait()


class Names:
    """Zones are added first; `start` signs what is to be signed and starts the servers."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "dns")
        os.makedirs(self.folder)
        self.anchor = os.path.join(self.folder, "anchor")
        self.records = {".": [], "example.": [], "secure.": [], "arpa.": []}
        self.signed, self.processes = {}, []
        self.add("example.", f"ns.lab A {world.ROOT_SERVER}")
        for zone in ("example.", "secure.", "arpa."):
            self.add(".", f"{zone} NS ns.lab.example.")
        self.add(".", f"ns.lab.example. A {world.ROOT_SERVER}")

    def add(self, zone, *lines):
        self.records.setdefault(zone, []).extend(lines)

    def add_reverse(self, address, name):
        owner = ipaddress.ip_address(address).reverse_pointer
        self.add("arpa.", f"{owner}. PTR {name}")

    def _path(self, zone):
        return os.path.join(self.folder, "zone-" + zone.strip(".").replace(".", "-"))

    def _write(self, zone, ttl=3600):
        with open(self._path(zone), "w", encoding="ascii") as handle:
            handle.write(HEAD.format(zone=zone, ttl=ttl) + "\n".join(self.records[zone]) + "\n")

    def sign(self, zone, parent, start=None, end=None, is_bogus=False):
        """A zone below a signed one, whose DS goes into the parent. Dates are YYYYMMDD."""
        self._write(zone)
        keys = [self._key(zone, flag) for flag in ("-k", None)]
        dates = (["-i", start] if start else []) + (["-e", end] if end else [])
        path = self._path(zone)
        world.run("ldns-signzone", *dates, "-f", path + ".signed", path, *keys)
        with open(keys[0] + ".ds", encoding="ascii") as handle:
            record = handle.read().strip()
        if is_bogus:  # the parent vouches for a key that the child does not have
            digest = record.split()[-1]
            record = record.replace(digest, ("0" if digest[0] != "0" else "1") + digest[1:])
        if parent:
            self.add(parent, record)
        self.signed[zone] = path + ".signed"
        return record

    def _key(self, zone, flag):
        done = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", *([flag] if flag else []), zone],
                              cwd=self.folder, capture_output=True, text=True, check=True)
        return os.path.join(self.folder, done.stdout.strip())

    def start(self):
        self.sign("secure.", ".")
        with open(self.anchor, "w", encoding="ascii") as handle:
            handle.write(self.sign(".", None) + "\n")
        conf = NSD.format(address=world.ROOT_SERVER, folder=self.folder)
        for zone in self.records:
            if zone not in self.signed:
                self._write(zone)
            conf += f'zone:\n  name: "{zone}"\n  zonefile: "{self.signed.get(zone, self._path(zone))}"\n'
        with open(os.path.join(self.folder, "hints"), "w", encoding="ascii") as handle:
            handle.write(f". 3600 NS ns.lab.example.\nns.lab.example. 3600 A {world.ROOT_SERVER}\n")
        self._start("nsd", conf, "-d")
        self.start_resolver(world.RESOLVER, world.RESOLVER6)

    def start_resolver(self, v4, v6, more=""):
        self._start("unbound", UNBOUND.format(v4=v4, v6=v6, folder=self.folder, anchor=self.anchor, more=more), "-d")
        for _ in range(100):
            if b"IN" in self.ask(v4):
                return
            time.sleep(0.1)
        raise RuntimeError("the resolver of the laboratory does not answer: " + self.log())

    @staticmethod
    def answers(server):
        """Whether anything comes back, also a refusal."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.settimeout(0.5)
            try:
                asked.sendto(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\0\0\6\0\1", (server, 53))
                return bool(asked.recv(4096))
            except OSError:
                return False

    @staticmethod
    def ask(server):
        # one question by hand: SOA of the root
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.settimeout(1)
            try:
                asked.sendto(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\0\0\6\0\1", (server, 53))
                answer = asked.recv(4096)
                return b"IN" if answer[3] & 15 == 0 and answer[7] else b""
            except OSError:
                return b""

    def _start(self, program, conf, *arguments):
        path = os.path.join(self.folder, program + f"{len(self.processes)}.conf")
        with open(path, "w", encoding="ascii") as handle:
            handle.write(conf)
        log = open(os.path.join(self.folder, program + ".out"), "ab")
        self.processes.append(subprocess.Popen([program, "-c", path, *arguments], stdout=log, stderr=log,
                                               stdin=subprocess.DEVNULL))

    def log(self):
        text = ""
        for name in ("nsd.out", "unbound.out", "unbound.log"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as handle:
                    text += handle.read()[-1500:]
        return text

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
