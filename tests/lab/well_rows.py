# SPDX-License-Identifier: Apache-2.0
"""Controls: nothing is wrong, or nothing that stops mail. Nobody may raise an alarm."""
from builders import (V1_1, box, our_network, real, router_drops, smtp)
from scenario import BOTH, Scenario as Row

TWO_MX = ("{d}. MX 10 mx1.{d}.", "mx1.{d}. A {a}", "{d}. MX 20 mx2.{d}.", "mx2.{d}. A {b}")


def greylists_once(session, _):
    """The first attempt of a triplet is deferred; the server remembers."""
    seen = session.server.__dict__.setdefault("triplets", set())
    key = (session.peer, session.sender)
    if key in seen:
        return None
    seen.add(key)
    return "450 4.2.0 Greylisted, please come back in 1 second"


def counts_calls(session, _):
    """A few calls are taken; then the caller is told to go away for a while."""
    return "421 4.7.0 Too many connections from you" if session.server.sessions > 3 else None


ROWS = [
    Row("healthy-plain", "nothing; no TLS", "none", "nobody", warns=(), broken=[(smtp, {})]),
    Row("healthy-tls", "nothing; a good certificate", "none", "nobody", warns=(),
        broken=[(smtp, {"tls": "good"})]),
    Row("healthy-domain-tls", "nothing; TLS demanded and verified", "none", "nobody", warns=(),
        broken=[(smtp, {"tls": "good"})], connector='tls = "domain"', postfix_tls="secure match={mx}"),
    Row("healthy-intermediate", "nothing; a chain of three", "none", "nobody", warns=(),
        broken=[(smtp, {"tls": "intermediate"})], connector='tls = "domain"', postfix_tls="secure match={mx}"),
    Row("healthy-deep", "nothing; every experiment is made", "none", "nobody", warns=(), probe_arguments=("--deep",),
        broken=[(smtp, {"tls": "good"})], connector='tls = "domain"', postfix_tls="secure match={mx}"),
    Row("calls-counted", "the server takes three calls and no more, and every experiment is made", "none", "nobody",
        warns=(), probe_arguments=("--deep",), broken=[(smtp, {"tls": "good", "script": {"connect": counts_calls}})],
        instead={"relay": None, "explain": None}, because="they call once"),
    Row("healthy-postfix", "nothing; a real Postfix", "none", "nobody", warns=(),
        broken=[(real, {"which": "postfix"})]),
    Row("healthy-exim", "nothing; a real Exim", "none", "nobody", warns=(), broken=[(real, {"which": "exim"})]),
    Row("healthy-opensmtpd", "nothing; a real OpenSMTPD", "none", "nobody", warns=(),
        broken=[(real, {"which": "opensmtpd"})]),
    Row("healthy-secure", "nothing; a signed domain", "none", "nobody", warns=(), broken=[(smtp, {})], secure=True),
    Row("healthy-implicit-mx", "no MX record, the domain has an address", "none", "nobody", warns=(),
        broken=[(smtp, {})],
        zone=("{d}. A {a}",)),
    Row("healthy-both", "nothing; IPv4 and IPv6", "none", "nobody", warns=(), broken=[(smtp, {})], zone=BOTH),
    Row("v6-only", "the host has IPv6 alone", "none", "nobody", warns=(), broken=[(smtp, {})],
        zone=("{d}. MX 10 {mx}.", "{mx}. AAAA {a6}")),
    Row("v6-dead-v4-well", "packets to its IPv6 address are dropped, IPv4 works", "none", "nobody",
        warns=("v6-only-broken",),
        broken=[(smtp, {}), (router_drops, {"what": "ip6 daddr {a6} tcp dport 25"})], zone=BOTH, patience=30),
    Row("v6-lacking-here", "this machine has no IPv6; IPv4 works", "none", "nobody",
        [(smtp, {}), (our_network, {"commands": ["-6 route del default"]})], zone=BOTH),
    Row("one-mx-refused", "the first MX refuses, the second is well", "none", "nobody", warns=("one-mx-broken",),
        broken=[(smtp, {"addresses": ["{b}"]})], zone=TWO_MX),
    Row("one-mx-silent", "the first MX does not answer, the second is well", "none", "nobody",
        warns=("one-mx-broken",),
        broken=[(smtp, {"addresses": ["{b}"]}), (router_drops, {})], zone=TWO_MX),
    Row("one-mx-busy", "the first MX says 421, the second is well", "none", "nobody", warns=("one-mx-broken",),
        broken=[(smtp, {"addresses": ["{a}"], "script": {"connect": "421 4.3.2 all server ports are busy"}}),
         (smtp, {"addresses": ["{b}"]})], zone=TWO_MX),
    Row("slow-but-well", "every answer takes a second", "none", "nobody", [(smtp, {"slow": 0.8})]),
    Row("expired-unlooked-at", "an expired certificate that nobody demands to be good", "none", "nobody",
        warns=("cert-expired",),
        broken=[(smtp, {"tls": "expired"})]),
    Row("teaser", "a greeting of several lines", "none", "nobody", warns=(),
        broken=[(smtp, {"script": {"connect": "220-{mx} ESMTP\r\n220-wait for it\r\n220 {mx} ESMTP"}})]),
    Row("helo-only", "EHLO is refused, HELO works", "none", "nobody", warns=(),
        broken=[(smtp, {"script": {"ehlo": "502 5.5.1 command not implemented"}})]),
    Row("masked-but-passing", "a firewall masks greeting and EHLO, and mail passes", "none", "nobody",
        warns=("masked-banner", "masked-ehlo"),
        broken=[(smtp, {"tls": "good"}), (box, {"kind": "asa"})]),
    Row("old-tls-only", "TLS 1.1 at most, and no demand", "none", "nobody", warns=("tls-outdated",),
        broken=[(smtp, {"tls": "good", "highest": V1_1})], until_delivered=True, retry="1s",
        instead={"explain": None}, because="Debian's OpenSSL settings decide what Postfix may speak"),
    Row("broken-tls-then-clear", "the handshake fails and nothing is demanded: goes in clear", "none", "nobody",
        [(smtp, {"tls": "good", "script": {"tls": "!reset"}})], until_delivered=True, retry="1s",
        instead={"explain": ("tls-handshake", "unknown")}, warns=("tls-downgraded", "reset-tls"),
        because="Postfix's first attempt is what its log shows"),
    Row("greylisted-once", "greylisting, then success", "none", "nobody",
        [(smtp, {"script": {"rcpt": greylists_once}})], until_delivered=True, retry="2s",
        instead={"explain": ("rcpt-greylist", "nobody"), "probe": None},
        because="Postfix's first attempt is what its log shows"),
]
