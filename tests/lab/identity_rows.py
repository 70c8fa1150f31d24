# SPDX-License-Identifier: Apache-2.0
"""Who we are for the receiver: names of our address and our EHLO name, SPF, block lists, our certificate. What a
reply says is looked up, and what is wrong is said also where mail passes."""
from builders import our_network, own_certificate, smtp
from reply_rows import ASKED, says
from scenario import ONE_MX, Scenario as Row

LIST = "bl.{d}"
# Its test entry, as RFC 5782 5 has it.
WORKS = ("2.0.0.127." + LIST + ". A 127.0.0.2",)
LISTED = WORKS + ("{su}." + LIST + ". A 127.0.0.4",)
REFUSES = ("*." + LIST + ". A 127.255.255.254",)
ALL = ("*." + LIST + ". A 127.0.0.2",)
ASK_LIST = ("--blocklists", LIST)

NAMELESS = {"commands": ["addr add {net}.9/24 dev eth0"]}
FROM_NAMELESS = 'source = {{ "{net}.9" }}'
BLOCKED = "554 5.7.1 Service unavailable; Client host [{us}] blocked using " + LIST

OWN = 'certificate = "{folder}/own.pem"  key = "{folder}/own.key"'

ROWS = [
    Row("ptr-lacking", "our address has no reverse name, and the server wants one", "ptr-missing", "sender",
        [(our_network, NAMELESS),
         (smtp, {"script": {"rcpt": "450 4.7.1 Client host rejected: cannot find your reverse hostname"}})],
        connector=FROM_NAMELESS, target=ASKED, sure=0.98),
    Row("ptr-lacking-unlooked-at", "our address has no reverse name, and nobody minds", "none", "nobody",
        [(our_network, NAMELESS), (smtp, {})], connector=FROM_NAMELESS, warns=("ptr-missing",)),
    says("ptr-is-there", "rcpt", "450 4.7.1 Client host rejected: cannot find your reverse hostname, [{us}]",
         "ptr-missing", "sender", sure=0.6),
    Row("helo-short", "our EHLO name has no dot, and nobody minds", "none", "nobody", [(smtp, {})],
        probe_arguments=("--helo", "relay"), warns=("ehlo-name-rejected",)),
    Row("helo-nowhere", "our EHLO name does not resolve, and the server says so", "ehlo-name-rejected", "sender",
        [(smtp, {"script": {"rcpt": "450 4.7.1 <x>: Helo command rejected: Host not found"}})],
        connector='helo = "nowhere.{d}"', target=ASKED, sure=0.95,
        instead={"explain": None}, because="Postfix greets with its own name"),
    Row("own-certificate-expired", "our listener's certificate has expired", "none", "nobody",
        [(smtp, {}), (own_certificate, {"kind": "expired"})], tls=OWN, warns=("local-tls",)),
    Row("own-certificate-well", "our listener's certificate is good", "none", "nobody",
        [(smtp, {}), (own_certificate, {"kind": "good"})], tls=OWN, warns=()),
    says("listed", "rcpt", BLOCKED, "dnsbl", "sender", zone=ONE_MX + LISTED, probe_arguments=ASK_LIST, sure=0.98),
    says("listed-no-more", "rcpt", BLOCKED, "dnsbl", "sender", zone=ONE_MX + WORKS, probe_arguments=ASK_LIST,
         sure=0.6),
    says("list-refuses-us", "rcpt", BLOCKED, "dnsbl", "sender", zone=ONE_MX + REFUSES, probe_arguments=ASK_LIST,
         sure=0.9),
    Row("listed-unlooked-at", "a list has us, and nobody minds", "none", "nobody", [(smtp, {})],
        zone=ONE_MX + LISTED, probe_arguments=ASK_LIST + ("--deep",), warns=("dnsbl",)),
    Row("list-is-dead", "a list that has everybody says nothing", "none", "nobody", [(smtp, {})],
        zone=ONE_MX + ALL, probe_arguments=ASK_LIST + ("--deep",), warns=()),
    says("spf-forbids", "rcpt", "550 5.7.23 SPF check failed: {us} is not allowed to send mail from {d}", "spf-fail",
         "sender", sender="sender@{d}", zone=ONE_MX + ('{d}. TXT "v=spf1 ip4:45.9.9.9 -all"',),
         probe_arguments=("--sender", "sender@{d}"), sure=0.98),
    says("spf-allows", "rcpt", "550 5.7.23 SPF check failed: {us} is not allowed to send mail from {d}", "spf-fail",
         "sender", sender="sender@{d}", zone=ONE_MX + ('{d}. TXT "v=spf1 include:spf.{d} -all"',
                                                       'spf.{d}. TXT "v=spf1 ip4:{net}.0/24 ?all"'),
         probe_arguments=("--sender", "sender@{d}"), sure=0.6),
    Row("spf-broken-unlooked-at", "our SPF record cannot be read, and nobody minds", "none", "nobody", [(smtp, {})],
        sender="sender@{d}", zone=ONE_MX + ('{d}. TXT "v=spf1 ip:{us} -all"',),
        probe_arguments=("--sender", "sender@{d}", "--deep", "--blocklists", "none"), warns=("spf-fail",)),
    says("sender-lost", "mail", "450 4.1.8 <sender@gone.{d}>: Sender address rejected: Domain not found",
         "mail-from-deferred", "sender", sender="sender@gone.{d}", probe_arguments=("--sender", "sender@gone.{d}"),
         sure=0.98),
]
