# SPDX-License-Identifier: Apache-2.0
"""What receivers say, and what it means."""
from builders import real, smtp
from scenario import Scenario as Row

ASKED = "rcpt@{d}"
STOPS = {"probe": None}
PROBE_STOPS = "without --mail-to the probe ends before DATA"


def says(name, step, reply, cause, blame, **more):
    """A server that answers so at a step."""
    if step in ("data", "dot"):
        more.setdefault("instead", dict(STOPS))
        more.setdefault("because", PROBE_STOPS)
    return Row(name, f"{step.upper()}: {reply}", cause, blame, [(smtp, {"script": {step: reply}})],
               target=ASKED, **more)


ROWS = [
    says("greylist-postgrey", "rcpt", "450 4.2.0 <rcpt@{d}>: Recipient address rejected: Greylisted, see "
         "http://postgrey.schweikert.ch/help/{d}.html", "rcpt-greylist", "nobody"),
    says("greylist-milter", "rcpt", "451 4.7.1 Greylisting in action, please come back in 00:05:00",
         "rcpt-greylist", "nobody"),
    says("greylist-postscreen", "rcpt", "450 4.3.2 Service currently unavailable", "rcpt-greylist", "nobody"),
    says("throttle", "mail", "451 4.7.1 Message rate limit exceeded, try again later", "throttle", "sender"),
    says("throttle-gmail", "dot", "421-4.7.28 [{us}      15] Our system has detected an unusual rate of\r\n"
         "421-4.7.28 unsolicited mail originating from your IP address. To protect our\r\n"
         "421-4.7.28 users from spam, mail sent from your IP address has been temporarily\r\n"
         "421-4.7.28 rate limited. Please visit https://support.google.com/mail/?p=UnsolicitedRateLimitError\r\n"
         "421 4.7.28 to review our Bulk Email Senders Guidelines. a1-20020a - gsmtp", "throttle", "sender"),
    says("dnsbl", "rcpt", "554 5.7.1 Service unavailable; Client host [{us}] blocked using zen.spamhaus.org; "
         "https://www.spamhaus.org/query/ip/{us}", "dnsbl", "sender"),
    says("ptr-demanded", "rcpt", "450 4.7.1 Client host rejected: cannot find your reverse hostname, [{us}]",
         "ptr-missing", "sender"),
    says("sender-domain", "mail", "450 4.1.8 <sender@lab.example>: Sender address rejected: Domain not found",
         "mail-from-deferred", "sender"),
    says("sender-refused", "mail", "550 5.1.8 Bad sender", "sender-rejected", "sender",
         instead={tool: [("sender-rejected", "sender"), ("mail-from-deferred", "sender"), ("mail-refused", "policy")]
                  for tool in ("relay", "probe", "explain")}),
    says("spf", "rcpt", "550 5.7.23 SPF check failed: {us} is not allowed to send mail from lab.example",
         "spf-fail", "sender"),
    says("dmarc", "dot", "550 5.7.26 Rejected due to DMARC policy of lab.example", "dmarc-fail", "sender"),
    says("user-unknown", "rcpt", "550 5.1.1 <rcpt@{d}>: Recipient address rejected: User unknown in virtual mailbox "
         "table", "user-unknown", "recipient"),
    says("mailbox-full", "rcpt", "452 4.2.2 The email account that you tried to reach is over quota",
         "mailbox-full", "recipient"),
    says("mailbox-full-5", "dot", "552 5.2.2 Mailbox full", "mailbox-full", "recipient"),
    says("mailbox-disabled", "rcpt", "550 5.2.1 This account has been disabled", "mailbox-disabled", "recipient"),
    says("relay-denied", "rcpt", "554 5.7.1 <rcpt@{d}>: Relay access denied", "relay-denied", "policy"),
    says("size-said", "dot", "552 5.3.4 Message size exceeds fixed limit", "size-limit", "policy"),
    Row("size-announced", "the server announces a small SIZE", "size-limit", "policy",
        [(smtp, {"extensions": ("SIZE 5000", "8BITMIME")})], body_bytes=20000,
        instead=dict(STOPS), because=PROBE_STOPS),
    Row("too-many-recipients", "five recipients at most", "too-many-recipients", "policy",
        [(smtp, {"script": {"rcpt": lambda session, _: "452 4.5.3 Too many recipients"
                            if len(session.recipients) >= 5 else None}})],
        recipients=8, watch="rcpt7", until_delivered=False,
        instead=dict(STOPS) | {"relay": [("too-many-recipients", "policy"), ("none", "nobody")],
                               "explain": [("too-many-recipients", "policy"), ("none", "nobody")]},
        because="who splits the message never hears of it"),
    says("resource-full", "mail", "452 4.3.1 Insufficient system resources", "resource-full", "destination"),
    says("disk-full", "data", "452 4.3.1 Insufficient system storage", "resource-full", "destination"),
    says("receiver-fault", "dot", "451 4.3.0 Error: queue file write error", "receiver-fault", "destination"),
    says("spam", "dot", "550 5.7.1 Message rejected as spam by Content Filtering.", "content-spam", "sender"),
    says("virus", "dot", "554 5.7.1 Message contains a virus: Eicar-Signature", "content-virus", "sender"),
    says("attachment", "dot", "552 5.7.0 This message was blocked because its content presents a potential security "
         "issue: attachment type not allowed", "content-attachment", "policy"),
    says("policy", "rcpt", "550 5.7.1 Message rejected due to local policy", "policy-refused", "policy"),
    says("exchange-busy", "mail", "451 4.7.500 Server busy. Please try again later from [{us}]. (AS761)",
         "throttle", "sender"),
    says("exchange-banned", "rcpt", "550 5.7.606 Access denied, banned sending IP [{us}]. To request removal from this "
         "list please visit https://sender.office.com/", "reputation-554", "sender"),
    says("yahoo-tss04", "mail", "421 4.7.0 [TSS04] Messages from {us} temporarily deferred due to unexpected volume "
         "or user complaints", "throttle", "sender",
         instead={tool: [("throttle", "sender"), ("reputation-554", "sender")]
                  for tool in ("relay", "probe", "explain")}),
    says("tls-demanded", "mail", "530 5.7.0 Must issue a STARTTLS command first", "tls-required", "policy"),
    says("loop-found", "dot", "554 5.4.6 Error: too many hops", "loop", "policy"),
    says("mailbox-busy", "rcpt", "450 4.2.0 Mailbox busy, try again later", "mailbox-busy", "destination"),
    says("recipient-moved", "rcpt", "551 5.1.6 User has moved; please try <other@lab.example>", "mailbox-moved",
         "recipient"),
    says("recipient-rate", "rcpt", "450 4.2.1 The user you are trying to contact is receiving mail too quickly. "
         "Please resend your message at a later time.", "recipient-rate", "recipient"),
    says("helo-at-rcpt", "rcpt", "504 5.5.2 <relay>: Helo command rejected: need fully-qualified hostname",
         "ehlo-name-rejected", "sender"),
    says("dkim", "dot", "550 5.7.20 No passing DKIM signature found", "dkim-fail", "sender"),
    says("overload", "data", "451 4.3.2 System overloaded, try again later", "overload", "destination"),
    says("format", "dot", "550 5.6.0 Message has duplicate header fields, RFC 5322", "content-format", "sender"),
    says("gmail-reputation", "dot", "421-4.7.0 [{us}      15] Our system has detected that this message is\r\n"
         "421-4.7.0 suspicious due to the very low reputation of the sending IP address.\r\n"
         "421 4.7.0 To protect our users, the message has been deferred. a1-20020a - gsmtp",
         "reputation-554", "sender"),
    says("exchange-full", "rcpt", "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded",
         "recipient-rate", "recipient"),
    says("mimecast-greylist", "rcpt", "451 Internal resources are temporarily unavailable - https://community.mimecast"
         ".com/docs/DOC-1369#451 [abc]", "rcpt-greylist", "nobody"),
    says("spamd-greylist", "data", "451 Temporary failure, please try again later.", "rcpt-greylist", "nobody"),
    says("rcpt-no-words", "rcpt", "450 not now", "rcpt-deferred", "unknown"),
    says("rcpt-no-words-5", "rcpt", "550 no", "rcpt-refused", "policy",
         instead={tool: [("rcpt-refused", "policy"), ("user-unknown", "recipient")]
                  for tool in ("relay", "probe", "explain")}),
    Row("real-postfix-unknown", "a real Postfix does not know the user", "user-unknown", "recipient",
        [(real, {"which": "postfix", "settings": {"virtual_mailbox_maps": "inline:{{nobody=x/}}"}})],
        target=ASKED),
    Row("real-postfix-size", "a real Postfix with a small limit", "size-limit", "policy",
        [(real, {"which": "postfix", "settings": {"message_size_limit": "5000"}})], body_bytes=20000,
        instead=dict(STOPS), because=PROBE_STOPS),
    Row("real-postfix-relay", "a real Postfix that is not the domain's", "relay-denied", "policy",
        [(real, {"which": "postfix", "settings": {"virtual_mailbox_domains": "", "relay_domains": "",
                                                   "mynetworks": "127.0.0.1"}})], target=ASKED),
]
