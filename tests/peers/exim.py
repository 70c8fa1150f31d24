# SPDX-License-Identifier: Apache-2.0
"""A real Exim that keeps every message it gets."""
import os
import shutil

import debian

PACKAGES = ["exim4-daemon-light", "libidn12"]
PROGRAM = "usr/sbin/exim4"
ACCOUNT, UID = "Debian-exim", 64100  # the name is built into Debian's program

CONFIG = """
exim_path = {program}
keep_environment = LD_LIBRARY_PATH
deliver_drop_privilege = true
primary_hostname = exim.test
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
pid_file_path = {folder}/spool/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts =
message_size_limit = 100M
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
box:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {mail}/box
  maildir_format
  create_directory
  envelope_to_add
  user = {account}
  group = {account}
"""


def available():
    return debian.unavailable("exim", PROGRAM, PACKAGES) or debian.no_namespaces()


class Exim(debian.Namespaced):
    def __init__(self, folder, port):
        super().__init__(debian.unpack("exim", PROGRAM, PACKAGES), folder, port)
        # Without its setuid bit: else its own children would not find the libraries beside it.
        self.program = os.path.join(folder, "exim4")
        shutil.copy(os.path.join(self.root, PROGRAM), self.program)
        os.chmod(self.program, 0o755)
        os.makedirs(os.path.join(folder, "spool"))
        os.chown(os.path.join(folder, "spool"), UID, UID)

    def run(self):
        path = self.write("conf", CONFIG.format(program=self.program, folder=self.folder, port=self.port,
                                                mail=self.mail, account=ACCOUNT))
        return self.start(self.add_accounts({ACCOUNT: UID}) + f"exec {self.program} -C {path} -bdf\n")

    def log(self):
        text = super().log()
        path = os.path.join(self.folder, "spool", "mainlog")
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as handle:
                text += handle.read()
        return text
