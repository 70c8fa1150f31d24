# SPDX-License-Identifier: Apache-2.0
"""A certification authority for a test, made with the openssl command."""
import os
import subprocess

CONFIG = """
[ca]
default_ca = authority
[authority]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


class Authority:
    """Writes NAME.pem and NAME.key below `folder`; `path` is the authority's own certificate."""

    def __init__(self, folder, name="Authority of a test"):
        self.folder = folder
        self.path = os.path.join(folder, "authority.pem")
        self.key = os.path.join(folder, "authority.key")
        self.config = os.path.join(folder, "openssl.cnf")
        with open(self.config, "w", encoding="ascii") as handle:
            handle.write(CONFIG.format(folder=folder))
        open(os.path.join(folder, "index"), "w", encoding="ascii").close()
        self._make_self_signed(self.path, self.key, name,
                               "basicConstraints=critical,CA:TRUE")

    @staticmethod
    def _run(*arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (arguments, done.stderr)

    EC_KEY = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")

    def _make_self_signed(self, path, key, name, extension):
        self._run("req", "-x509", "-config", self.config, "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                  "-addext", extension, "-out", path, "-keyout", key)

    def _paths(self, name):
        return os.path.join(self.folder, name + ".pem"), os.path.join(self.folder, name + ".key")

    def self_signed(self, name, host):
        path, key = self._paths(name)
        self._make_self_signed(path, key, host, f"subjectAltName=DNS:{host}")
        return path, key

    def issue(self, name, host, start=None, end=None, key_kind=EC_KEY, digest="sha256", issuer_url=None):
        """Signed by the authority for `host`; `start` and `end` are written as 20200101000000Z."""
        path, key = self._paths(name)
        request = os.path.join(self.folder, name + ".csr")
        place = ("-addext", f"authorityInfoAccess=caIssuers;URI:{issuer_url}") if issuer_url else ()
        self._run("req", "-new", "-config", self.config, "-newkey", *key_kind, "-nodes", "-subj", f"/CN={host}",
                  "-addext", f"subjectAltName=DNS:{host}", *place, "-out", request, "-keyout", key)
        dates = ["-startdate", start, "-enddate", end] if start else ["-days", "30"]
        self._run("ca", "-batch", "-config", self.config, "-cert", self.path, "-keyfile", self.key,
                  "-notext", "-md", digest, "-in", request, "-out", path, *dates)
        return path, key
