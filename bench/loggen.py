#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a log of Postfix or Exim with known incidents, and the truth about them.

Usage: bench/loggen.py [--format postfix|exim] [--nasty] [--seed N] [--messages N] [--hours H] [--destinations N]
                        LOG TRUTH

A day of a relay is played from a seed: messages arrive, are tried, put off, tried again as Postfix does it, and a few
things go wrong for a while: one destination, one hoster with many, or our own side. Around them stands what every log
is full of: greylisting, unknown recipients, full mailboxes, odd failures that pass with the next try, lost connections
that take several messages with them, mistyped domains that never answer, inbound rejects, lines of other programs.
--nasty adds what makes it hard: several instances and hosts, a night over New Year, a load at midnight, a destination
that is always half broken and one that slowly gets worse (both may be told or not), one sender's bad list, two
incidents at once at one destination, one that is there from the first line and one that lasts to the last.
TRUTH is JSON: one object an incident, with the time of its first failed line.
"""
import argparse
import heapq
import json
import random
import time

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
SHORT = "0123456789ABCDEF"
LONG = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
BACKOFF_MIN, BACKOFF_MAX = 300, 4000

# What Postfix writes, by cause: (dsn, delays' stage, words). {h} host, {a} address, {d} domain, {r} recipient.
WORDS = {
    "conn-timeout": ("4.4.1", "connect to {h}[{a}]:25: Connection timed out"),
    "conn-refused": ("4.4.1", "connect to {h}[{a}]:25: Connection refused"),
    "host-unreachable": ("4.4.1", "connect to {h}[{a}]:25: No route to host"),
    "net-unreachable": ("4.4.1", "connect to {h}[{a}]:25: Network is unreachable"),
    "dns-servfail": ("4.4.3", "Host or domain name not found. Name service error for name={d} type=MX: "
                              "Host not found, try again"),
    "closed-rcpt": ("4.4.2", "lost connection with {h}[{a}] while sending RCPT TO"),
    "silent-body": ("4.4.2", "conversation with {h}[{a}] timed out while sending message body"),
    "accept-then-close": ("4.4.2", "lost connection with {h}[{a}] while receiving the initial server greeting"),
    "tls-handshake": ("4.7.5", "Cannot start TLS: handshake failure"),
    "starttls-missing": ("4.7.4", "TLS is required, but was not offered by host {h}[{a}]"),
    "throttle": ("4.7.0", "host {h}[{a}] said: 421 4.7.0 Too many messages from your IP, rate limited, try again "
                          "later (in reply to MAIL FROM command)"),
    "overload": ("4.3.2", "host {h}[{a}] said: 451 4.3.2 System overloaded, please try again later "
                          "(in reply to RCPT TO command)"),
    "rcpt-greylist": ("4.2.0", "host {h}[{a}] said: 450 4.2.0 <{r}>: Recipient address rejected: Greylisted, see "
                               "http://postgrey.example/help/{d}.html (in reply to RCPT TO command)"),
    "resource-full": ("4.3.1", "host {h}[{a}] said: 452 4.3.1 Insufficient system storage "
                               "(in reply to MAIL FROM command)"),
    "dnsbl": ("4.7.1", "host {h}[{a}] said: 450 4.7.1 Service unavailable; Client host [198.51.100.7] blocked using "
                       "zen.spamhaus.org (in reply to RCPT TO command)"),
    "user-unknown": ("5.1.1", "host {h}[{a}] said: 550 5.1.1 <{r}>: Recipient address rejected: User unknown in "
                              "virtual mailbox table (in reply to RCPT TO command)"),
    "mailbox-full": ("4.2.2", "host {h}[{a}] said: 452 4.2.2 <{r}>: Mailbox full (in reply to RCPT TO command)"),
    "content-spam": ("5.7.1", "host {h}[{a}] said: 554 5.7.1 Message rejected as spam "
                              "(in reply to end of DATA command)"),
}
PERMANENT = {"user-unknown", "content-spam"}
BEFORE_HOST = {"dns-servfail"}
CONNECT = {"conn-timeout", "conn-refused", "host-unreachable", "net-unreachable", "dns-servfail"}
# Failures that pass with the next try.
ODD = ["conn-timeout", "conn-timeout", "closed-rcpt", "silent-body", "overload", "accept-then-close",
       "tls-handshake", "dns-servfail", "conn-refused", "throttle", "resource-full"]
OUTAGES = ["conn-timeout", "conn-refused", "host-unreachable", "closed-rcpt", "silent-body",
           "accept-then-close", "tls-handshake", "starttls-missing", "dns-servfail", "overload", "resource-full"]


# The same in the words of Exim: what stands behind "defer" or "**".
EXIM = {
    "conn-timeout": "defer (110): Connection timed out",
    "conn-refused": "defer (111): Connection refused",
    "host-unreachable": "defer (113): No route to host",
    "net-unreachable": "defer (101): Network is unreachable",
    "dns-servfail": "defer (-1): host lookup did not complete",
    "closed-rcpt": "defer (-18) H={h} [{a}]: Remote host closed connection in response to RCPT TO:<{r}>",
    "silent-body": "defer (110): Connection timed out H={h} [{a}]: SMTP timeout after sending data block (40960 bytes "
                   "written)",
    "accept-then-close": "defer (-18) H={h} [{a}]: Remote host closed connection in response to initial connection",
    "tls-handshake": "defer (-37) H={h} [{a}]: TLS session: (SSL_connect): error:0A000410:SSL routines::sslv3 alert "
                     "handshake failure",
    "starttls-missing": "defer (-38) H={h} [{a}]: a TLS session is required, but the server did not offer TLS support",
}


class Destination:
    def __init__(self, rng, number, hoster):
        self.domain = f"{rng.choice(['acme', 'north', 'blue', 'city', 'data', 'green'])}{number}." + \
                      rng.choice(["example", "test", "com.au", "co.uk"])
        self.hoster = hoster
        base = hoster or self.domain
        n_hosts = rng.choice([1, 1, 2, 2, 3])
        self.hosts = [f"mx{i + 1}.{base}" for i in range(n_hosts)]
        self.address = f"192.0.{rng.randrange(2, 250)}.{rng.randrange(1, 255)}"
        self.weight = 0.0
        self.greylists = rng.random() < 0.15
        self.passed = set()
        self.people = [f"user{i}" for i in range(rng.randrange(5, 200))]
        self.full = set(rng.sample(self.people, max(1, len(self.people) // 60))) if rng.random() < 0.3 else set()
        self.odd_share = rng.choice([0.0, 0.001, 0.003, 0.01, 0.02])
        self.dead_until = -1.0
        self.troubles = []
        self.is_dead = False


class Trouble:
    def __init__(self, kind, name, domains, cause, begin, end, share):
        self.kind, self.name, self.domains, self.cause = kind, name, domains, cause
        self.begin, self.end, self.share = begin, end, share
        self.is_doubtful = False  # nobody can say whether it is one
        self.first, self.last, self.line = None, None, None
        self.messages, self.hit = set(), set()

    def truth(self, base, is_exim):
        # What a person would call one: more where every failure has an everyday explanation, or most mail gets through.
        least = 10 if self.cause == "user-unknown" else 4 if self.share == 1.0 else 8
        is_seen = len(self.messages) >= least and self.last - self.first >= 300
        if self.kind == "everything":
            is_seen = len(self.hit) >= 8
        kind, name = self.kind, self.name
        if kind == "site" and len(self.hit) == 1:  # nobody can see more of it
            kind, name = "destination", min(self.hit)
        # Exim says less of a name server, and more of a handshake.
        cause = {"dns-servfail": "dns-timeout", "tls-handshake": "tls-cipher"}.get(self.cause, self.cause) \
            if is_exim else self.cause
        return {"kind": kind, "name": name, "domains": sorted(self.domains), "cause": cause,
                "begin": base + self.begin, "end": base + self.end, "share": self.share,
                "first": base + self.first if self.first is not None else None,
                "line": self.line, "messages": len(self.messages), "must": bool(is_seen and self.first is not None and not self.is_doubtful)}


class Play:
    def __init__(self, arguments):
        self.rng = random.Random(arguments.seed)
        self.arguments = arguments
        self.span = arguments.hours * 3600.0
        self.is_exim = arguments.format == "exim"
        self.is_3339 = self.is_exim or arguments.seed % 2 == 0
        self.alphabet, self.id_len = (LONG, 13) if arguments.seed % 3 == 0 else (SHORT, 10)
        today = int(time.time()) // 86400 * 86400
        self.base = 1778544000 if self.is_3339 else today - 10 * 86400
        self.lines, self.heap, self.order = [], [], 0
        self.troubles = []
        self.n_messages = 0
        self.is_nasty = arguments.nasty
        if self.is_nasty:
            self.base = 1767139200  # 2025-12-31, so that midnight is New Year

    # --- What exists ---------------------------------------------------------------------------------
    def build(self):
        rng = self.rng
        hosters = [f"hoster{i}.net" for i in range(4)]
        self.destinations = []
        for i in range(self.arguments.destinations):
            hoster = rng.choice(hosters) if rng.random() < 0.25 else None
            destination = Destination(rng, i, hoster)
            destination.weight = 1.0 / (i + 1) ** 0.8
            self.destinations.append(destination)
        self.typos = []
        for i in range(self.arguments.destinations // 8):
            typo = Destination(rng, 90000 + i, None)
            typo.is_dead = True
            self.typos.append(typo)
        self.senders = [f"sender{i}@our.example" for i in range(80)]
        if self.is_nasty:
            self.plan_nasty()
        self.plan_troubles(hosters)

    def plan_nasty(self):
        """A destination each, so that nothing hides behind another."""
        rng, span = self.rng, self.span
        always, drifts, twice, first, last = self.destinations[3:8]
        self.drifts = drifts
        for destination in (always, drifts, twice, first, last):
            destination.odd_share, destination.greylists, destination.hoster = 0.002, False, None
            destination.hosts = [f"mx1.{destination.domain}"]
        middle = rng.uniform(0.3, 0.6) * span
        rows = [(always, "overload", 0, span, 0.5, True), (drifts, "closed-rcpt", 0, span, 0.4, True),
                (twice, "overload", middle, middle + 7200, 0.45, False),
                (twice, "tls-handshake", middle + 900, middle + 9000, 0.6, False),
                (first, "conn-refused", 0, 5400, 1.0, False), (last, "silent-body", span - 9000, span, 1.0, False)]
        for destination, cause, begin, end, share, is_doubtful in rows:
            trouble = Trouble("destination", destination.domain, [destination.domain], cause, begin, end, share)
            trouble.is_doubtful = is_doubtful
            self.troubles.append(trouble)
            destination.troubles.append(trouble)

    def nasty_load(self):
        """Letters at midnight, to everybody at once; and a list of people who left long ago."""
        rng = self.rng
        for _ in range(self.arguments.messages // 8):
            self.new_message(86400 + rng.uniform(0, 240), rng.choice(self.destinations))["sender"] = "news@our.example"
        at = rng.uniform(0.2, 0.8) * self.span
        for i in range(120):
            message = self.new_message(at + i * 2, rng.choice(self.destinations))
            message["sender"] = "sales@our.example"
            message["people"] = [f"gone{i}@{message['to'].domain}"]

    def span_of_trouble(self):
        length = self.rng.choice([900, 1800, 3600, 7200, 4 * 3600])
        begin = self.rng.uniform(0.1, 0.8) * self.span
        return begin, min(begin + length, self.span)

    def add_trouble(self, kind, name, members, cause, share):
        begin, end = self.span_of_trouble()
        for other in self.troubles:  # no two at the same place, and none beside one of everything
            is_near = begin < other.end + 3 * 3600 and other.begin < end + 3 * 3600
            if is_near and (other.kind == "everything" or kind == "everything" or
                            set(other.domains) & {d.domain for d in members}):
                return
        trouble = Trouble(kind, name, [d.domain for d in members], cause, begin, end, share)
        self.troubles.append(trouble)
        for destination in members:
            destination.troubles.append(trouble)

    def plan_troubles(self, hosters):
        rng = self.rng
        big = self.destinations[:max(10, len(self.destinations) // 3)]
        if rng.random() < 0.5:
            self.add_trouble("everything", "", self.destinations,
                             rng.choice(["conn-timeout", "net-unreachable", "dns-servfail"]), 1.0)
        if rng.random() < 0.3:
            some = rng.sample(self.destinations, len(self.destinations) // 4)
            self.add_trouble("everything", "", some, "dnsbl", 1.0)
        if rng.random() < 0.6:
            hoster = rng.choice(hosters)
            members = [d for d in self.destinations if d.hoster == hoster]
            cause = rng.choice(["conn-timeout", "conn-refused", "closed-rcpt", "overload"])
            self.add_trouble("site", hoster, members, cause, 1.0)
        for _ in range(rng.randrange(2, 6)):
            destination = rng.choice(big)
            self.add_trouble("destination", destination.domain, [destination], rng.choice(OUTAGES), 1.0)
        for _ in range(rng.randrange(0, 3)):
            destination = rng.choice(self.destinations[:12])
            self.add_trouble("destination", destination.domain, [destination], "throttle", rng.choice([0.4, 0.7]))
        if rng.random() < 0.4:
            destination = rng.choice(self.destinations[:15])
            self.add_trouble("destination", destination.domain, [destination], "user-unknown", 1.0)

    # --- Exim --------------------------------------------------------------------------------------------
    def exim_stamp(self, at):
        return time.strftime("%Y-%m-%d %H:%M:%S ", time.gmtime(self.base + at))

    def exim_words(self, cause, destination, host, recipient):
        words = EXIM.get(cause)
        if words:
            return words.format(h=host, a=destination.address, d=destination.domain, r=recipient)
        said = WORDS[cause][1].format(h=host, a=destination.address, d=destination.domain, r=recipient)
        reply, _, place = said.partition(" said: ")[2].partition(" (in reply to ")
        if "MAIL FROM" in place:
            number, after = -45, "MAIL FROM:<sender@our.example>"
        elif "end of DATA" in place:
            number, after = -46, "end of data"
        else:
            number, after = -44, f"RCPT TO:<{recipient}>"
        text = f"H={host} [{destination.address}]: SMTP error from remote mail server after {after}: {reply}"
        return text if cause in PERMANENT else f"defer ({number}) {text}"

    def exim_delivery(self, at, message, recipient, result):
        destination = message["to"]
        host = self.rng.choice(destination.hosts)
        way = f"{message['id']} {{}} {recipient} R=dnslookup T=remote_smtp "
        if result is None:
            return self.say(at, way.format("=>") + f'H={host} [{destination.address}] C="250 2.0.0 Ok: queued" '
                                                   f"QT={at - message['at']:.0f}s DT=0s")
        cause, is_suspended = result
        if is_suspended:
            return self.say(at, way.format("==") + "defer (-53): retry time not reached for any host")
        return self.say(at, way.format("**" if cause in PERMANENT else "==") +
                        self.exim_words(cause, destination, host, recipient))

    # --- Lines -----------------------------------------------------------------------------------------
    def stamp(self, at):
        if self.is_exim:
            return self.exim_stamp(at)
        whole = self.base + at
        parts = time.gmtime(whole)
        if self.is_3339:
            return time.strftime("%Y-%m-%dT%H:%M:%S", parts) + f".{int(whole * 1000) % 1000:03d}000+00:00 "
        return f"{MONTHS[parts.tm_mon - 1]} {parts.tm_mday:2d} {time.strftime('%H:%M:%S', parts)} "

    def machine(self, text):
        """The host of the syslog; of several instances and hosts by the id of the message."""
        return "" if self.is_exim else "relay2 " if self.is_nasty and text.split(": ")[1][-1:] in "13579BDFbdfhj" else \
            "relay "

    def instance(self, text):
        """"postfix-out" for half of what relay2 does."""
        if self.is_exim or not self.is_nasty or not text.startswith("postfix/"):
            return text
        return text if text.split(": ")[1][-2:-1] in "02468ACEacegi" else "postfix-out" + text[7:]

    def say(self, at, text):
        text = self.instance(text)
        self.order += 1
        self.lines.append((at, self.order, text))
        return self.order

    def new_id(self):
        if self.is_exim:
            return "-".join("".join(self.rng.choice(LONG) for _ in range(n)) for n in (6, 6, 2))
        return "".join(self.rng.choice(self.alphabet) for _ in range(self.id_len))

    def arrive(self, at, message):
        rng = self.rng
        if self.is_exim:
            self.say(at, f"{message['id']} <= {message['sender']} H=app.our.example [10.0.0.3] P=esmtp "
                         f"S={rng.randrange(800, 90000)} id={message['id']}@our.example")
            return
        client = f"app{rng.randrange(5)}.our.example[10.0.0.{rng.randrange(1, 20)}]"
        pid = rng.randrange(1000, 30000)
        self.say(at, f"postfix/smtpd[{pid}]: connect from {client}")
        self.say(at + 0.01, f"postfix/smtpd[{pid}]: {message['id']}: client={client}")
        self.say(at + 0.02, f"postfix/cleanup[{pid + 1}]: {message['id']}: message-id=<{message['id']}@our.example>")
        self.say(at + 0.03, f"postfix/qmgr[812]: {message['id']}: from=<{message['sender']}>, "
                            f"size={rng.randrange(800, 90000)}, nrcpt={len(message['people'])} (queue active)")
        self.say(at + 0.04, f"postfix/smtpd[{pid}]: disconnect from {client} ehlo=1 mail=1 rcpt=1 data=1 quit=1")

    def delivery(self, at, message, recipient, result):
        if self.is_exim:
            return self.exim_delivery(at, message, recipient, result)
        destination = message["to"]
        delay = at - message["at"]
        host = self.rng.choice(destination.hosts)
        program = "smtp"
        if result is None:
            status, dsn = "sent", "2.0.0"
            words = f"250 2.0.0 Ok: queued as {self.new_id()}"
            relay = f"{host}[{destination.address}]:25"
        else:
            cause, is_suspended = result
            dsn, words = WORDS[cause]
            words = words.format(h=host, a=destination.address, d=destination.domain, r=recipient)
            status = "bounced" if cause in PERMANENT else "deferred"
            relay = "none" if cause in CONNECT else f"{host}[{destination.address}]:25"
            if is_suspended:
                words, relay, program = "delivery temporarily suspended: " + words, "none", "error"
        return self.say(at, f"postfix/{program}[{self.rng.randrange(1000, 30000)}]: {message['id']}: to=<{recipient}>, "
                            f"relay={relay}, delay={delay:.2f}, delays={max(delay - 0.3, 0):.2f}/0.01/0.1/0.19, "
                            f"dsn={dsn}, status={status} ({words})")

    # --- What happens to a message ---------------------------------------------------------------------
    def outcome(self, at, message, recipient):
        """None: delivered; else the cause and its trouble."""
        rng, destination = self.rng, message["to"]
        if destination.is_dead:
            return "conn-timeout", None
        for trouble in destination.troubles:
            share = trouble.share * at / self.span if self.is_nasty and destination is self.drifts else trouble.share
            if trouble.begin <= at < trouble.end and rng.random() < share:
                return trouble.cause, trouble
        person = recipient.split("@")[0]
        if destination.greylists and (message["sender"], recipient) not in destination.passed:
            if at - message["at"] < 240:
                return "rcpt-greylist", None
            destination.passed.add((message["sender"], recipient))
        if person in destination.full:
            return "mailbox-full", None
        if person.startswith("gone"):
            return "user-unknown", None
        if message["is_large"]:
            return "silent-body", None
        if rng.random() < destination.odd_share:
            return rng.choice(ODD), None
        if rng.random() < 0.001:
            return "content-spam", None
        return None

    def attempt(self, at, message):
        destination, left = message["to"], []
        for recipient in message["people"]:
            result = self.outcome(at, message, recipient)
            if result is None:
                self.delivery(at, message, recipient, None)
                continue
            cause, trouble = result
            # A site that did not answer is not tried again for a minute.
            is_suspended = cause in CONNECT and at < destination.dead_until
            if cause in CONNECT and not is_suspended:
                destination.dead_until = at + 60
            line = self.delivery(at, message, recipient, (cause, is_suspended))
            if trouble and not is_suspended:
                if trouble.first is None:
                    trouble.first, trouble.line = at, line
                trouble.last = at
                trouble.messages.add(message["id"])
                trouble.hit.add(destination.domain)
            if cause not in PERMANENT:
                left.append(recipient)
        message["people"] = left
        if not left:
            self.say(at + 0.01, f"{message['id']} Completed" if self.is_exim else
                     f"postfix/qmgr[812]: {message['id']}: removed")
            return
        message["tries"] += 1
        wait = min(BACKOFF_MAX, max(BACKOFF_MIN, (at - message["at"])))
        self.push(at + wait + self.rng.uniform(0, 300), message)

    def push(self, at, message):
        if at < self.span:
            self.order += 1
            heapq.heappush(self.heap, (at, self.order, message))

    def new_message(self, at, destination):
        rng = self.rng
        n = rng.choice([1, 1, 1, 1, 2, 3])
        people = {rng.choice(destination.people) for _ in range(n)}
        if rng.random() < 0.015:
            people = {f"gone{rng.randrange(50)}"}
        message = {"id": self.new_id(), "at": at, "to": destination, "sender": rng.choice(self.senders), "tries": 0,
                   "people": [f"{p}@{destination.domain}" for p in sorted(people)],
                   "is_large": rng.random() < 0.0005}
        self.n_messages += 1
        self.push(at, message)
        return message

    def arrivals(self):
        rng = self.rng
        weights = [d.weight for d in self.destinations]
        made, at = 0, 0.0
        chosen = rng.choices(self.destinations, weights, k=self.arguments.messages)
        times = sorted(self.span * (rng.random() if rng.random() < 0.5 else rng.betavariate(4, 4))
                       for _ in range(self.arguments.messages))
        for at, destination in zip(times, chosen):
            self.new_message(at, destination)
            made += 1
        for typo in self.typos:
            for _ in range(rng.choice([1, 1, 2])):
                self.new_message(rng.random() * self.span * 0.8, typo)
        for _ in range(self.arguments.messages // 2000):  # one person writes to many who are gone
            destination, at = rng.choice(self.destinations), rng.random() * self.span
            for i in range(rng.randrange(3, 7)):
                message = self.new_message(at + i * 40, destination)
                message["people"] = [f"gone{i}@{destination.domain}"]

    def lost_connections(self):
        """A connection is lost, and what waited behind it with it."""
        rng = self.rng
        for _ in range(self.arguments.messages // 1500):
            destination, at = rng.choice(self.destinations), rng.random() * self.span
            if any(t.begin - 1800 < at < t.end + 1800 for t in destination.troubles):
                continue
            for _ in range(rng.randrange(2, 9)):
                message = self.new_message(at, destination)
                self.heap.remove((at, self.order, message))
                self.arrive(at - 5, message)
                for recipient in message["people"]:
                    self.delivery(at, message, recipient, ("closed-rcpt", False))
                message["tries"] = 1
                self.push(at + BACKOFF_MIN + rng.uniform(0, 300), message)
        heapq.heapify(self.heap)

    def noise(self):
        rng = self.rng
        for _ in range(self.arguments.messages // 3):
            at = rng.random() * self.span
            self.say(at, "H=(x) [203.0.113.9] F=<a@b.example> rejected RCPT <user1@our.example>: relay not permitted"
                     if self.is_exim else rng.choice([
                "postfix/smtpd[991]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 450 4.7.1 Client host rejected: "
                "cannot find your hostname; from=<a@b.example> to=<user1@our.example> proto=ESMTP helo=<x>",
                "postfix/anvil[77]: statistics: max connection rate 2/60s for (smtp:10.0.0.3) at May 12 10:00:00",
                "dovecot: imap(user): Logged out in=120 out=4000", "CRON[5512]: (root) CMD (test -x /etc/cron.daily)",
                "postfix/smtpd[991]: lost connection after AUTH from unknown[203.0.113.77]",
                "postfix/smtpd[991]: warning: hostname x.example does not resolve to address 203.0.113.5",
                f"postfix/local[55]: {self.new_id()}: to=<root@our.example>, relay=local, delay=0.1, "
                "delays=0.1/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)"]))

    def run(self):
        self.build()
        self.arrivals()
        if self.is_nasty:
            self.nasty_load()
        self.lost_connections()
        self.noise()
        while self.heap:
            at, _, message = heapq.heappop(self.heap)
            if message["tries"] == 0:
                self.arrive(at, message)
                at += 0.3
            self.attempt(at, message)
        self.lines.sort()

    def write(self):
        numbers = {}
        with open(self.arguments.log, "w", encoding="utf-8") as log:
            for number, (at, order, text) in enumerate(self.lines, 1):
                numbers[order] = number
                log.write(self.stamp(at) + self.machine(text) + text + "\n")
        truth = [trouble.truth(self.base, self.is_exim) for trouble in self.troubles]
        for one in truth:
            one["line"] = numbers.get(one["line"])
        with open(self.arguments.truth, "w", encoding="utf-8") as out:
            json.dump({"seed": self.arguments.seed, "lines": len(self.lines), "messages": self.n_messages,
                       "dead": sorted(t.domain for t in self.typos), "incidents": truth}, out, indent=1)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--format", choices=["postfix", "exim"], default="postfix")
    parser.add_argument("--nasty", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--messages", type=int, default=8000)
    parser.add_argument("--hours", type=float, default=30)
    parser.add_argument("--destinations", type=int, default=250)
    parser.add_argument("log")
    parser.add_argument("truth")
    play = Play(parser.parse_args(argv))
    play.run()
    play.write()


if __name__ == "__main__":
    main()
