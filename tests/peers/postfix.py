# SPDX-License-Identifier: Apache-2.0
"""A real Postfix from Debian's package, unpacked beside the build and never installed.

Needs root: Postfix starts as root by design. `available()` says why where it cannot run.
"""
import glob
import os
import shutil
import signal
import subprocess
import time

import debian

OWNER, DROP_GROUP = "daemon", "mail"  # accounts that every Debian has
PROGRAM, PACKAGES = "usr/sbin/postfix", ["postfix"]


def unpack():
    return debian.unpack("postfix", PROGRAM, PACKAGES)


def available():
    return debian.unavailable("postfix", PROGRAM, PACKAGES)


class Postfix:
    """One instance below `folder`, listening on 127.0.0.1:`port`, with main.cf lines `settings`.

    `more` maps further ports to main.cf lines that hold for them alone.
    """

    def __init__(self, folder, port, settings=None, processes=100, receiver=False, more=None):
        self.root = unpack()
        self.folder = folder
        self.port = port
        self.master = None
        for name in ("etc", "spool", "data", "mail"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        os.chmod(folder, 0o755)
        shutil.chown(os.path.join(folder, "data"), OWNER)
        os.makedirs(os.path.join(folder, "maildir"), exist_ok=True)
        os.chmod(os.path.join(folder, "maildir"), 0o777)
        self.more = more or {}
        self._write_configuration(settings or {}, processes, receiver)

    def _write_configuration(self, settings, processes, receiver):
        main = {
            "compatibility_level": "3.7",
            "queue_directory": f"{self.folder}/spool",
            "data_directory": f"{self.folder}/data",
            "command_directory": f"{self.root}/usr/sbin",
            "daemon_directory": f"{self.root}/usr/lib/postfix/sbin",
            "shlib_directory": f"{self.root}/usr/lib/postfix",
            "meta_directory": f"{self.folder}/etc",
            "mail_owner": OWNER,
            "setgid_group": DROP_GROUP,
            "default_privs": "nobody",
            "myhostname": "postfix.test",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "maillog_file": f"{self.folder}/mail/log",
            "maillog_file_prefixes": f"{self.folder}",
            "import_environment": f"LD_LIBRARY_PATH={self.root}/usr/lib/postfix "
                                  f"MAIL_CONFIG={self.folder}/etc MAIL_LOGTAG=postfix TZ=UTC",
            "message_size_limit": "104857600",
            "mailbox_size_limit": "0",
            "virtual_mailbox_limit": "0",
        }
        if receiver:
            main.update({
                "virtual_mailbox_domains": "static:all",
                "virtual_mailbox_base": f"{self.folder}/maildir",
                "virtual_mailbox_maps": "static:box/",
                "virtual_minimum_uid": "1",
                "virtual_uid_maps": "static:65534",
                "virtual_gid_maps": "static:65534",
            })
        main.update(settings)
        with open(f"{self.folder}/etc/main.cf", "w", encoding="ascii") as handle:
            handle.writelines(f"{key} = {value}\n" for key, value in main.items())
        rows = [
            f"127.0.0.1:{self.port} inet n - n - {processes} smtpd",
            "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
            "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
            f"smtp unix - - n - {processes} smtp", f"relay unix - - n - {processes} smtp",
            "error unix - - n - - error", "retry unix - - n - - error", "discard unix - - n - - discard",
            "local unix - n n - - local", "virtual unix - n n - - virtual",
            "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache",
            "tlsmgr unix - - n 1000? 1 tlsmgr", "proxymap unix - - n - - proxymap",
            "flush unix n - n 1000? 0 flush", "showq unix n - n - - showq",
            "pickup unix n - n 60 1 pickup", "postlog unix-dgram n - n - 1 postlogd",
        ]
        for port, lines in self.more.items():
            rows.append(f"127.0.0.1:{port} inet n - n - {processes} smtpd "
                        + " ".join(f"-o {key}={value}" for key, value in lines.items()))
        with open(f"{self.folder}/etc/master.cf", "w", encoding="ascii") as handle:
            handle.writelines(row + "\n" for row in rows)
        for name in ("dynamicmaps.cf", "postfix-files"):
            path = f"{self.folder}/etc/{name}"
            if not os.path.exists(path):
                open(path, "w", encoding="ascii").close()

    def start(self):
        environment = dict(os.environ, LD_LIBRARY_PATH=f"{self.root}/usr/lib/postfix",
                           MAIL_CONFIG=f"{self.folder}/etc", MAIL_LOGTAG="postfix")
        for name, owner, mode in (("active", OWNER, 0o700), ("bounce", OWNER, 0o700),
                                  ("corrupt", OWNER, 0o700), ("defer", OWNER, 0o700),
                                  ("deferred", OWNER, 0o700), ("flush", OWNER, 0o700),
                                  ("hold", OWNER, 0o700), ("incoming", OWNER, 0o700),
                                  ("private", OWNER, 0o700), ("saved", OWNER, 0o700),
                                  ("trace", OWNER, 0o700), ("maildrop", OWNER, 0o730),
                                  ("public", OWNER, 0o710), ("pid", "root", 0o755)):
            path = f"{self.folder}/spool/{name}"
            os.makedirs(path, exist_ok=True)
            shutil.chown(path, owner)
            os.chmod(path, mode)
        self.master = subprocess.Popen(
            [f"{self.root}/usr/lib/postfix/sbin/master", "-c", f"{self.folder}/etc", "-d"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(f"{self.folder}/mail/master", "wb"), start_new_session=True)
        for _ in range(100):
            if self.master.poll() is not None:
                raise RuntimeError(f"Postfix ended at once: {self.log()[-2000:]}")
            if debian.answers(self.port):
                return self
            time.sleep(0.1)
        raise RuntimeError(f"Postfix does not answer: {self.log()[-2000:]}")

    def log(self):
        text = ""
        for name in ("master", "log"):
            try:
                with open(f"{self.folder}/mail/{name}", encoding="utf-8", errors="replace") as handle:
                    text += handle.read()
            except OSError:
                pass
        return text

    def command(self, *arguments):
        environment = dict(os.environ, LD_LIBRARY_PATH=f"{self.root}/usr/lib/postfix",
                           MAIL_CONFIG=f"{self.folder}/etc")
        return subprocess.run([f"{self.root}/usr/sbin/{arguments[0]}", *arguments[1:]],
                              env=environment, capture_output=True, text=True, check=False)

    def delivered(self):
        """Paths of the messages in the receiver's mailbox."""
        return sorted(glob.glob(f"{self.folder}/maildir/box/new/*"))

    def pids(self):
        """The master and all that it started."""
        if not self.master:
            return []
        group = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, encoding="ascii", errors="replace") as handle:
                    fields = handle.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == self.master.pid:  # session
                group.append(int(path.split("/")[2]))
        return group

    def stop(self):
        if not self.master:
            return
        pids = self.pids()
        self.master.send_signal(signal.SIGTERM)
        try:
            self.master.wait(10)
        except subprocess.TimeoutExpired:
            self.master.kill()
            self.master.wait()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.master = None
