# SPDX-License-Identifier: Apache-2.0
"""The three that must find the cause of each fault: the relay, the probe, and explain."""
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests", "system"), os.path.join(TOP, "tests", "peers")]

import harness  # noqa: E402
import postfix  # noqa: E402
import world  # noqa: E402

CONFIG = """
resolver {{ servers = {{ "{resolver}" }}  trust_anchor = "{anchor}" }}
tls {{ ca_file = "{ca}" {tls} }}
connector "lab" {{
  domains = {{ "*" }}  connect_timeout = "3s"  greeting_timeout = "3s"
  retry {{ first = "{first}" }}
  {more}
}}
"""


class Relay(harness.Relay):
    """The relay in a scenario's namespace, with clocks that may run faster."""

    def __init__(self, site):
        self.site, row = site, site.row
        folder = os.path.join(site.folder, "relay")
        os.makedirs(folder)
        text = CONFIG.format(resolver=site.resolver, anchor=site.lab.names.anchor, ca=site.lab.pki.path,
                             first=row.retry, more=site.fill(row.connector), tls=site.fill(row.tls))
        super().__init__(text + site.fill(row.config), folder)

    def configure(self, config, hostname="relay.test"):
        super().configure(config, self.site.helo)

    def start(self, wait=True):
        environment = dict(os.environ)
        if self.site.row.haste > 1:
            environment.update(LD_PRELOAD=self.site.lab.haste, HASTE=str(self.site.row.haste))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([harness.PROGRAM, "serve", "-c", self.config_path], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, env=environment)
        if not harness.wait_for(self.answers, 20):
            self.kill()
            raise AssertionError("the relay does not answer:\n" + self.log())
        return self

    def stop(self, seconds=40):
        """A stalled session is not waited for: the lab is after the verdict alone."""
        self.kill()
        return 0


def found(verdict, **more):
    keys = ("cause", "blame", "stage", "code", "confidence", "summary", "evidence", "candidates", "warnings",
            "limits")
    return {key: verdict[key] for key in keys if key in verdict} | more


def newest_result(attempts, recipient):
    """How the newest attempt of a recipient that is no longer queued ended."""
    for attempt in attempts:
        for result in attempt["results"]:
            if result["recipient"] == recipient:
                return result
    return attempts[0] if attempts else None


def look(relay, row, recipient):
    answer = relay.ask("why", recipient)
    if answer["messages"]:
        verdict = answer["messages"][0]["verdict"]
        return found(verdict) if verdict and not row.until_delivered else None
    result = newest_result(answer["attempts"], recipient)
    return found(result) if result else None


def ask_relay(site):
    row = site.row
    recipient = f"rcpt@{site.domain}"
    with world.inside(site.us), Relay(site) as relay:
        others = [f"rcpt{n}@{site.domain}" for n in range(1, row.recipients)]
        relay.send(row.message(), sender=site.fill(row.sender), recipients=(recipient, *others))
        answer = harness.wait_for(lambda: look(relay, row, row.watch and f"{row.watch}@{site.domain}" or recipient),
                                  row.patience, 0.15)
        if answer:
            return answer
        return {"cause": "(no verdict)", "blame": "", "log": relay.log()[-1500:],
                "why": str(relay.ask("why", recipient))[:1500]}


def has_probe():
    done = subprocess.run([harness.PROGRAM, "probe", "--help"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "probe" in done.stdout


def write_probe_config(site):
    row, config = site.row, os.path.join(site.folder, "probe.conf")
    with open(config, "w", encoding="ascii") as handle:
        handle.write(f'hostname = "{site.helo}"\ndata = "{site.folder}/probe-data"\n' +
                     CONFIG.format(resolver=site.resolver, anchor=site.lab.names.anchor, ca=site.lab.pki.path,
                                   first="1m", more=site.fill(row.connector), tls=site.fill(row.tls)) + site.fill(row.config))
    return config


def ask_probe(site):
    row, config = site.row, write_probe_config(site)
    target = site.fill(row.target)
    command = [harness.PROGRAM, "probe", "--json", "-c", config, "--timeout", "4s",
               *(site.fill(word) for word in row.probe_arguments), target]
    with world.inside(site.us):
        started = time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            return {"cause": "(no end)", "blame": ""}
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return {"cause": "(no answer)", "blame": "", "error": done.stderr[-500:], "command": command}
    return found(answer.get("verdict", answer), seconds=round(time.monotonic() - started, 1))


def probe_many(site, names):
    """Healthy destinations in one run: (seconds, bytes of memory, how many are well)."""
    path = os.path.join(site.folder, "targets")
    with open(path, "w", encoding="ascii") as handle:
        handle.writelines(name + "\n" for name in names)
    command = [harness.PROGRAM, "probe", "--json", "--file", path, "--concurrency", str(len(names)), "-c",
               write_probe_config(site)]
    began = time.monotonic()
    with world.inside(site.us), open(os.path.join(site.folder, "answers"), "w+b") as out:
        done = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE)
        words = done.stderr.read()
        _, _, usage = os.wait4(done.pid, 0)
        out.seek(0)
        causes = [json.loads(line)["cause"] for line in out if line.strip()]
    if causes.count("none") != len(names):
        print(words.decode()[-500:], sorted(set(causes), key=str), file=sys.stderr)
    return time.monotonic() - began, usage.ru_maxrss * 1024, causes.count("none")


def explain_text(text, folder):
    path = os.path.join(folder, "words")
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text + "\n")
    done = subprocess.run([harness.PROGRAM, "explain", "--json", path], capture_output=True, text=True, check=False,
                          timeout=20)
    try:
        recipients = json.loads(done.stdout)["recipients"]
        return found(recipients[0], words=text) if recipients else {"cause": "(nothing said)", "words": text}
    except (ValueError, KeyError):
        return {"cause": "(no answer)", "blame": "", "error": done.stderr[-500:], "words": text}


def ask_explain(site):
    row = site.row
    if row.words:
        return explain_text(site.fill(row.words), site.folder)
    words = site.lab.sender.words(site)
    if words is None:
        return {"cause": "(no words)", "blame": "", "log": site.lab.sender.postfix.log()[-2000:]}
    if words == "sent":
        return {"cause": "none", "blame": "nobody"}
    return explain_text(words, site.folder)


class PostfixSender:
    """One real Postfix that sends to every scenario: its own words for the same fault."""

    NUMBER, SPACE = 0, "postfix"

    def __init__(self, lab, rows):
        self.folder = os.path.join(lab.folder, "postfix")
        lab.internet.add_leaf(self.SPACE, self.NUMBER, 1)
        os.makedirs(self.folder)
        transport, policy = [], []
        for site in rows:
            if site.row.postfix_transport:
                transport.append(f"{site.domain} {site.fill(site.row.postfix_transport)}\n")
            if site.row.postfix_tls:
                policy.append(f"{site.domain} {site.fill(site.row.postfix_tls)}\n")
        for name, lines in (("transport", transport), ("policy", policy)):
            with open(os.path.join(self.folder, name), "w", encoding="ascii") as handle:
                handle.writelines(lines)
        waits = ("connect", "helo", "mail", "rcpt", "data_init", "data_xfer", "data_done", "starttls", "rset", "quit")
        settings = {f"smtp_{name}_timeout": "4s" for name in waits}
        settings.update({"inet_protocols": "all", "smtp_tls_security_level": "may", "myhostname": "postfix.example",
                         "smtp_tls_CAfile": lab.pki.path, "transport_maps": f"texthash:{self.folder}/transport",
                         "smtp_tls_policy_maps": f"texthash:{self.folder}/policy",
                         "smtp_dns_support_level": "dnssec", "smtp_connection_cache_on_demand": "no",
                         "smtpd_recipient_limit": "2000", "default_destination_recipient_limit": "2000"})
        with world.inside(self.SPACE):
            world.sysctl("ipv4/tcp_wmem", "4096 16384 32768")
            self.postfix = postfix.Postfix(self.folder, 2525, settings).start()

    def words(self, site):
        """Postfix's line about this scenario's recipient, "sent", or None."""
        import smtplib
        row, recipient = site.row, f"rcpt@{site.domain}"
        with world.inside(self.SPACE):
            with smtplib.SMTP("127.0.0.1", 2525, "client.test", timeout=30) as session:
                session.sendmail(site.fill(row.sender),
                                 [recipient] + [f"rcpt{n}@{site.domain}" for n in range(1, row.recipients)],
                                 row.message())
        wanted = row.watch and f"{row.watch}@{site.domain}" or recipient
        pattern = re.compile(r"^.*to=<" + re.escape(wanted) + r">.*status=(deferred|bounced|sent).*$", re.M)
        line = harness.wait_for(lambda: pattern.search(self.postfix.log()), row.patience)
        if not line:
            return None
        return "sent" if line.group(1) == "sent" else line.group(0)

    def stop(self):
        self.postfix.stop()
