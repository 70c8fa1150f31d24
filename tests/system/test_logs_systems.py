# SPDX-License-Identifier: Apache-2.0
"""The same bad hour, written as each mail system writes it, is told in the same way."""
import datetime
import gzip
import json
import lzma
import os
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["POSTRIDER"]
BASE = datetime.datetime(2026, 5, 12, 8, 0, tzinfo=datetime.timezone.utc)
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TRACKING = ("#Software: Microsoft Exchange Server\n#Log-type: Message Tracking Log\n"
            "#Fields: date-time,server-ip,server-hostname,source-context,event-id,internal-message-id,message-id,"
            "recipient-address,recipient-status,sender-address,message-info\n")
SEND = ("#Software: Microsoft Exchange Server\n#Log-type: SMTP Send Protocol Log\n"
        "#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context\n")


def when(minute, form="%Y-%m-%dT%H:%M:%S"):
    return (BASE + datetime.timedelta(minutes=minute)).strftime(form)


def epoch(minute):
    return int((BASE + datetime.timedelta(minutes=minute)).timestamp())


def exim_id(number, minute):
    seconds, text = epoch(minute), ""
    while seconds:
        seconds, digit = divmod(seconds, 62)
        text = DIGITS[digit] + text
    return f"{text}-{number:06d}-1A"


class Hour:
    """200 minutes, a message each; what goes to contoso.com fails from minute 61 to 119, with a retry each 15 minutes."""

    def __init__(self):
        self.lines = {name: [] for name in ("postfix", "exim", "sendmail", "opensmtpd", "exchange-tracking",
                                            "exchange-send", "symantec", "postrider", "journal")}
        waiting = []
        for minute in range(200):
            domain = "contoso.com" if minute % 2 else ("fabrikam.com", "one.example", "two.example")[minute % 3]
            waiting.append((minute, minute, domain))
            due = [one for one in waiting if one[0] <= minute]
            waiting = [one for one in waiting if one[0] > minute]
            for _, arrived, domain in due:
                if arrived == minute:
                    self.arrive(minute, domain)
                failed = domain == "contoso.com" and 60 <= minute < 120
                (self.fail if failed else self.deliver)(minute, arrived, domain)
                if failed:
                    waiting.append((minute + 15, arrived, domain))

    def say(self, system, line):
        self.lines[system].append(line + "\n")

    def postfix(self, minute, number, text):
        line = f"4F{number:06X}: to=<user{number}@{text}"
        self.say("postfix", f"{when(minute, '%b %d %H:%M:%S')} mx postfix/smtp[{number}]: {line}")
        self.say("journal", json.dumps({"__REALTIME_TIMESTAMP": str(epoch(minute) * 1000000), "_HOSTNAME": "mx",
                                        "SYSLOG_IDENTIFIER": "postfix/smtp", "_PID": str(number), "MESSAGE": line}))

    def arrive(self, minute, domain):
        number = 1000 + minute
        sender, stamp = f"s{number % 7}@our.example", when(minute, "%b %d %H:%M:%S")
        self.say("sendmail", f"{stamp} mx sm-mta[7]: 64C8001a{number:06d}: from=<{sender}>, size=12, class=0, nrcpts=1, "
                             f"msgid=<m{number}@our.example>, proto=ESMTP, relay=app [10.0.0.9]")
        self.say("exim", f"{when(minute, '%Y-%m-%d %H:%M:%S')} {exim_id(number, minute)} <= {sender} H=app [10.0.0.9] S=1")
        self.say("opensmtpd", f"{stamp} mx smtpd[1]: 00 smtp message msgid={number:08x} size=12 nrcpt=1 proto=ESMTP")
        self.say("exchange-tracking", f"{when(minute)}.000Z,10.0.0.10,EX1,,RECEIVE,{number},<m{number}@our.example>,"
                                      f"user{number}@{domain},,{sender},0cI:")
        self.say("symantec", f"{epoch(minute)}|id-{number}|ACCEPT|10.0.0.9:4321")
        self.say("symantec", f"{epoch(minute)}|id-{number}|SENDER|{sender}")
        self.say("postrider", f"{when(minute)}Z info serve: 1-{number}: from=<{sender}> rcpts=1 size=1 client=10.0.0.9")

    def fail(self, minute, arrived, domain):
        number, age, host = 1000 + arrived, minute - arrived, f"mx.{domain}"
        sender, stamp, ident = f"s{number % 7}@our.example", when(minute, "%b %d %H:%M:%S"), f"{number:06x}"
        self.postfix(minute, number, f"{domain}>, relay=none, delay={age * 60}, delays=1/0/0/0, dsn=4.4.1, "
                                     f"status=deferred (connect to {host}[192.0.2.25]:25: Connection timed out)")
        self.say("exim", f"{when(minute, '%Y-%m-%d %H:%M:%S')} {exim_id(number, arrived)} == user{number}@{domain} "
                         f"R=dnslookup T=remote_smtp defer (110) H={host} [192.0.2.25]: Connection timed out")
        self.say("sendmail", f"{stamp} mx sm-mta[7]: 64C8001a{number:06d}: to=<user{number}@{domain}>, "
                             f"delay=00:{age:02d}:00, mailer=esmtp, relay={host}. [192.0.2.25], dsn=4.0.0, "
                             f"stat=Deferred: Connection timed out with {host}.")
        self.say("opensmtpd", f"{stamp} mx smtpd[1]: {ident} mta connecting address=smtp://192.0.2.25:25 host={host}")
        self.say("opensmtpd", f"{stamp} mx smtpd[1]: {ident} mta error reason=Connection timeout")
        self.say("opensmtpd", f"{stamp} mx smtpd[1]: 00 mta delivery evpid={number:08x}00000001 from=<{sender}> "
                              f'to=<user{number}@{domain}> rcpt=<-> source="-" relay="{domain}" delay={age}m '
                              'result="TempFail" stat="Network error on destination MXs"')
        self.say("exchange-tracking", f"{when(minute)}.500Z,,EX1,,DEFER,{number},<m{number}@our.example>,"
                                      f'user{number}@{domain},"[{{LED=441 4.4.1 Error encountered while communicating with '
                                      'primary target IP address: ""Failed to connect. Winsock error code: 10060, Win32 '
                                      f'error code: 10060.""}};{{FQDN={host}}};{{IP=192.0.2.25}}]",{sender},')
        session = f"{minute}{number}"
        self.say("exchange-send", f"{when(minute)}.100Z,Internet,{session},0,,192.0.2.25:25,*,,attempting to connect")
        self.say("exchange-send", f'{when(minute)}.200Z,Internet,{session},1,,192.0.2.25:25,*,,"Failed to connect. Winsock '
                                  f'error code: 10060, Win32 error code: 10060, Destination domain: {domain}, Error '
                                  'Message: A connection attempt failed"')
        self.say("symantec", f"{epoch(minute)}|id-{number}|TRANS_FAILURE|192.0.2.25:25|450 4.4.1 [internal] Connection "
                             f"Timed Out|user{number}@{domain}|{epoch(minute)}")
        self.say("postrider", f"{when(minute)}Z info deliver: 1-{number}: to=<user{number}@{domain}> "
                              f"server={host}[192.0.2.25]:25 connector=mx outcome=deferred cause=conn-timeout: "
                              "Connection timed out")

    def deliver(self, minute, arrived, domain):
        number, age, host = 1000 + arrived, minute - arrived, f"mx.{domain}"
        sender, stamp = f"s{number % 7}@our.example", when(minute, "%b %d %H:%M:%S")
        self.postfix(minute, number, f"{domain}>, relay={host}[192.0.2.25]:25, delay={age * 60}, delays=1/0/0/0, dsn=2.0.0, "
                                     "status=sent (250 2.0.0 Ok)")
        self.say("exim", f"{when(minute, '%Y-%m-%d %H:%M:%S')} {exim_id(number, arrived)} => user{number}@{domain} "
                         f'R=dnslookup T=remote_smtp H={host} [192.0.2.25] C="250 ok"')
        self.say("sendmail", f"{stamp} mx sm-mta[7]: 64C8001a{number:06d}: to=<user{number}@{domain}>, "
                             f"delay=00:{age:02d}:00, mailer=esmtp, relay={host}. [192.0.2.25], dsn=2.0.0, stat=Sent (Ok)")
        self.say("opensmtpd", f"{stamp} mx smtpd[1]: 01 mta delivery evpid={number:08x}00000001 from=<{sender}> "
                              f'to=<user{number}@{domain}> rcpt=<-> source="-" relay="192.0.2.25 ({host})" delay={age}m '
                              'result="Ok" stat="250 2.0.0 Ok"')
        self.say("exchange-tracking", f"{when(minute)}.500Z,192.0.2.25,{host},,SENDEXTERNAL,{number},<m{number}@our.example>,"
                                      f"user{number}@{domain},250 ok,{sender},{when(arrived)}.000Z;LSRV=EX1")
        talk = [(">", f"MAIL FROM:<{sender}>"), (">", f"RCPT TO:<user{number}@{domain}>"), ("<", "250 ok"), ("<", "250 ok"),
                (">", "DATA"), ("<", "354 go"), ("<", "250 2.0.0 ok")]
        for i, (way, text) in enumerate(talk):
            self.say("exchange-send", f"{when(minute)}.{i:03d}Z,Internet,{minute}{number},{i},,192.0.2.25:25,{way},{text},")
        self.say("symantec", f"{epoch(minute)}|id-{number}|DELIVER|192.0.2.25:25|user{number}@{domain}")
        self.say("postrider", f"{when(minute)}Z info deliver: 1-{number}: to=<user{number}@{domain}> "
                              f"server={host}[192.0.2.25]:25 connector=mx outcome=delivered: 250 2.0.0 ok")

    def text(self, system):
        head = {"exchange-tracking": TRACKING, "exchange-send": SEND}.get(system, "")
        return head + "".join(self.lines[system])


class Systems(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="systems-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.hour = Hour()

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def answer(self, *paths):
        done = subprocess.run([PROGRAM, "logs", "--json", "--zone", "+00:00", *paths], capture_output=True, timeout=60,
                              check=False)
        self.assertEqual(done.stderr, b"")
        return json.loads(done.stdout)

    def check(self, told, system, n_messages):
        self.assertEqual(len(told["incidents"]), 1, system)
        incident = told["incidents"][0]
        self.assertEqual((incident["cause"], incident["extent"]["names"]), ("conn-timeout", ["contoso.com"]), system)
        # Many are estimated.
        self.assertAlmostEqual(incident["messages"], n_messages, delta=0 if n_messages <= 64 else n_messages // 10)
        self.assertEqual((incident["onset"], incident["last_seen"], incident["end"]),
                         ("2026-05-12T09:01:00Z", "2026-05-12T09:59:00Z", "2026-05-12T10:00:00Z"), system)
        self.assertEqual((incident["share"], incident["normal_share"]), (1, 0), system)
        if n_messages:
            self.assertEqual((incident["oldest"], incident["longest_wait_ms"] // 60000),
                             ("2026-05-12T09:01:00Z", 45), system)

    def test_one_story(self):
        for system in self.hour.lines:
            told = self.answer(self.write("mail.log", self.hour.text(system).encode()))
            self.check(told, system, 0 if system == "exchange-send" else 30)
            self.assertEqual(told["totals"]["delivered"], 200, system)

    def test_other_line_ends_and_packed(self):
        for system in ("postfix", "exchange-tracking", "exim"):
            data = self.hour.text(system).replace("\n", "\r\n").encode()
            self.check(self.answer(self.write("mail.log", data)), system, 30)
            for wide in ("utf-16-le", "utf-16-be"):
                self.check(self.answer(self.write("mail.log", ("\ufeff" + data.decode()).encode(wide))), system, 30)
            self.check(self.answer(self.write("mail.log.gz", gzip.compress(data))), system, 30)
            self.check(self.answer(self.write("mail.log.xz", lzma.compress(data))), system, 30)

    def test_all_at_once(self):
        paths = [self.write(f"{system}.log", self.hour.text(system).encode())
                 for system in self.hour.lines if system not in ("journal", "exchange-send")]
        self.check(self.answer(*paths), "all", 30 * len(paths))


if __name__ == "__main__":
    unittest.main()
