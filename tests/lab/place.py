# SPDX-License-Identifier: Apache-2.0
"""One scenario's own place in the laboratory: its sender's and its receiver's namespace, its domain."""
import contextlib
import os
import shutil

import world


class Tlsa:
    """`{tlsa:KIND}` in a row's zone: the record of that certificate; `{tlsa:authority}` of who issued it."""

    def __init__(self, site):
        self.site = site

    def __format__(self, kind):
        pki = self.site.lab.pki
        return pki.tlsa_of_authority() if kind == "authority" else pki.tlsa(kind, self.site.mx)


class Site:
    def __init__(self, lab, number, row):
        self.lab, self.number, self.row = lab, number, row
        self.us, self.them = f"us{number}", f"them{number}"
        self.network, theirs = world.network(1, number), world.network(2, number)
        self.our_address, self.our_address6 = f"{self.network}.2", f"2a0f:1:{number}::2"
        self.addresses = [f"{theirs}.{n}" for n in (2, 3, 4)]
        self.addresses6 = [f"2a0f:2:{number}::{n}" for n in (2, 3, 4)]
        self.address, self.address6 = self.addresses[0], self.addresses6[0]
        self.router = f"{theirs}.1"
        self.domain = f"{row.name}.{'secure' if row.secure else 'example'}"
        self.mx = "mx." + self.domain
        self.folder = os.path.join(lab.folder, "sites", row.name)
        self.things, self.servers, self.routers = [], [], []
        self.resolver = world.RESOLVER

    def fill(self, text):
        """Names of this place in a text of the row."""
        return text.format(d=self.domain, mx=self.mx, a=self.address, b=self.addresses[1], c=self.addresses[2],
                           a6=self.address6, b6=self.addresses6[1], us=self.our_address, us6=self.our_address6,
                           su=".".join(reversed(self.our_address.split("."))), n=self.number, net=self.network,
                           tlsa=Tlsa(self), folder=self.folder, ca=self.lab.pki.path)

    def add_names(self, names):
        parent = "secure." if self.row.secure else "example."
        zone = f"{self.domain}." if self.row.signing else parent
        for line in self.row.zone:
            names.add(zone, self.fill(line))
        for line in self.row.own_zone:
            names.add(f"{self.domain}.", self.fill(line))
        if self.row.signing:
            names.sign(zone, parent, **{k: v for k, v in self.row.signing.items() if k != "how"})
            names.add(parent, f"{zone} NS ns.lab.example.")
        for n in (2, 3, 4):
            for kind, address in (("A", f"{self.network}.{n}"), ("AAAA", f"2a0f:1:{self.number}::{n}")):
                names.add("example.", f"us{self.number} {kind} {address}")
                names.add_reverse(address, f"us{self.number}.example.")

    @property
    def helo(self):
        return f"us{self.number}.example"

    def build(self):
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        self.lab.internet.add_leaf(self.us, self.number, 1)
        if self.row.routers:
            self.routers = [f"r{n}-{self.number}" for n in range(1, self.row.routers + 1)]
            self.lab.internet.add_road(self.routers, self.them, self.number)
        else:
            self.lab.internet.add_leaf(self.them, self.number, 2)
        for builder, arguments in self.row.broken:
            builder(self, **arguments)

    def keep(self, thing):
        """Something with close() or stop() that ends with the scenario."""
        self.things.append(thing)
        return thing

    @property
    def messages(self):
        return [message for server in self.servers for message in getattr(server, "messages", ())]

    def remove(self):
        for thing in reversed(self.things):
            with contextlib.suppress(Exception):
                getattr(thing, "close", getattr(thing, "stop", None))()
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in (self.us, *self.routers, self.them):
            self.lab.internet.remove_leaf(name)
