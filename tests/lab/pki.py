# SPDX-License-Identifier: Apache-2.0
"""The laboratory's certificates: a known authority, one that nobody knows, and servers' certificates."""
import hashlib
import os
import ssl
import subprocess
import threading

import certificates


class Pki:
    def __init__(self, folder):
        self.folder, self.lock = os.path.join(folder, "pki"), threading.Lock()
        self.made = {}
        os.makedirs(os.path.join(self.folder, "unknown"))
        os.makedirs(os.path.join(self.folder, "below"))
        os.makedirs(os.path.join(self.folder, "device"))
        self.authority = certificates.Authority(self.folder)
        self.unknown = certificates.Authority(os.path.join(self.folder, "unknown"))
        self.device = certificates.Authority(os.path.join(self.folder, "device"), "FG100F/O=Fortinet")
        self.intermediate = self._make_intermediate()
        self.path = self.authority.path

    def _make_intermediate(self):
        """An authority below the known one."""
        below = certificates.Authority(os.path.join(self.folder, "below"))
        request = os.path.join(below.folder, "request")
        below._run("req", "-new", "-config", below.config, "-key", below.key, "-subj", "/CN=Intermediate",
                   "-addext", "basicConstraints=critical,CA:TRUE", "-out", request)
        below._run("ca", "-batch", "-config", self.authority.config, "-cert", self.authority.path, "-keyfile",
                   self.authority.key, "-notext", "-in", request, "-out", below.path, "-days", "30")
        return below

    def make(self, kind, host):
        """(certificate file, key file) of a kind: good, expired, future, name, self, unknown, no-intermediate,
        weak (a short key), sha1, device (of one that reads along), issuer-told and unknown-told (where the issuer's
        certificate is). The same each time."""
        with self.lock:
            if (kind, host) not in self.made:
                self.made[kind, host] = self._make(kind, host)
            return self.made[kind, host]

    def tlsa(self, kind, host):
        """A TLSA record of the server's key (RFC 6698 2.1: 3 1 1)."""
        done = subprocess.run(["openssl", "x509", "-in", self.make(kind, host)[0], "-pubkey", "-noout"],
                              capture_output=True, text=True, check=True)
        return "3 1 1 " + hashlib.sha256(ssl.PEM_cert_to_DER_cert(
            done.stdout.replace("PUBLIC KEY", "CERTIFICATE"))).hexdigest()

    def tlsa_of_authority(self):
        """The same of the intermediate authority (2 0 1)."""
        with open(self.intermediate.path, encoding="ascii") as handle:
            return "2 0 1 " + hashlib.sha256(ssl.PEM_cert_to_DER_cert(handle.read())).hexdigest()

    def _make(self, kind, host):
        label = f"{kind}-{host}"
        if kind == "self":
            return self.authority.self_signed(label, host)
        if kind == "expired":
            return self.authority.issue(label, host, "20200101000000Z", "20210101000000Z")
        if kind == "future":
            return self.authority.issue(label, host, "20400101000000Z", "20410101000000Z")
        if kind == "name":
            return self.authority.issue(label, "other.invalid-name.example")
        if kind == "unknown":
            return self.unknown.issue(label, host)
        told = f"http://{host}/issuer"
        if kind == "weak":
            return self.authority.issue(label, host, key_kind=("rsa:1024",))
        if kind == "sha1":
            return self.authority.issue(label, host, digest="sha1")
        if kind == "device":
            return self.device.issue(label, host)
        if kind == "issuer-told":
            return self.intermediate.issue(label, host, issuer_url=told)
        if kind == "unknown-told":
            return self.unknown.issue(label, host, issuer_url=told)
        if kind in ("no-intermediate", "intermediate"):
            path, key = self.intermediate.issue(label, host)
            if kind == "intermediate":
                with open(path, "a", encoding="ascii") as out, open(self.intermediate.path,
                                                                    encoding="ascii") as chain:
                    out.write(chain.read())
            return path, key
        return self.authority.issue(label, host)

    def context(self, kind, host, highest=None, ciphers=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if kind in ("weak", "sha1"):
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(*self.make(kind, host))
        if highest and highest < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("ALL:@SECLEVEL=0")
        if ciphers:
            context.set_ciphers(ciphers)
        context.minimum_version = highest or ssl.TLSVersion.TLSv1_2
        if highest:
            context.maximum_version = highest
        return context

    def issuer(self, which):
        """The certificate of an authority, "intermediate" or "unknown", as bytes (DER)."""
        with open(getattr(self, which).path, encoding="ascii") as handle:
            return ssl.PEM_cert_to_DER_cert(handle.read())

    @staticmethod
    def hash_folder(path, folder):
        """`path` in a folder as OpenSSL wants it."""
        os.makedirs(folder, exist_ok=True)
        done = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", path], capture_output=True,
                              text=True, check=True)
        os.symlink(path, os.path.join(folder, done.stdout.strip() + ".0"))
