# SPDX-License-Identifier: Apache-2.0
"""A real OpenSMTPD that keeps every message it gets."""
import os

import debian

PACKAGES = ["opensmtpd", "libevent-2.1-7"]
PROGRAM = "usr/sbin/smtpd"
ACCOUNTS = {"opensmtpd": 64101, "opensmtpq": 64102, "box": 64103}

CONFIG = """
smtp max-message-size 104857600
listen on 127.0.0.1 port {port} hostname opensmtpd.test
table boxes {{ "@" = box }}
action "box" maildir "{mail}/box" virtual <boxes>
match from any for any action "box"
"""

# Its paths are built in; in its namespace they are empty folders of its own.
SCRIPT = """
for folder in /var/spool /var/lib /var/mail /run /usr/libexec; do
    [ -d $folder ] || mkdir -p $folder
    mount -t tmpfs -o mode=755 none $folder
done
mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty /usr/libexec/opensmtpd
chmod 711 /var/spool/smtpd
cp {root}/usr/libexec/opensmtpd/* /usr/libexec/opensmtpd/
exec {root}/{program} -d -f {path}
"""


def available():
    return debian.unavailable("opensmtpd", PROGRAM, PACKAGES) or debian.no_namespaces()


class OpenSmtpd(debian.Namespaced):
    def __init__(self, folder, port):
        super().__init__(debian.unpack("opensmtpd", PROGRAM, PACKAGES), folder, port)

    def run(self):
        path = self.write("conf", CONFIG.format(port=self.port, mail=self.mail))
        return self.start(self.add_accounts(ACCOUNTS) +
                          SCRIPT.format(root=self.root, program=PROGRAM, path=path))
