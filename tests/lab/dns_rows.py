# SPDX-License-Identifier: Apache-2.0
"""Names and routes: what the DNS does not say, says wrongly, or cannot say."""
from builders import name_server, own_resolver, router_drops, smtp
from dns_server import NXDOMAIN, REFUSED, SERVFAIL
from scenario import Scenario as Row

DELEGATED = ("{d}. NS ns.{d}.", "ns.{d}. A {c}")
ELSEWHERE = {"explain": None}
OWN = "Postfix here has a resolver that works"
RESOLVER_SAYS = "a resolver tells SERVFAIL and no more"

ROWS = [
    Row("dns-nxdomain", "the domain does not exist", "dns-nxdomain", "recipient", zone=(), is_quick=True),
    Row("dns-nodata", "the domain has neither MX nor address", "dns-nodata", "recipient",
        zone=("{d}. TXT nothing",), is_quick=True),
    Row("null-mx", "the domain takes no mail", "null-mx", "recipient", zone=("{d}. MX 0 .",), is_quick=True),
    Row("mx-dangling", "the MX host does not exist", "mx-no-address", "destination", zone=("{d}. MX 10 {mx}.",)),
    Row("mx-without-address", "the MX host exists and has no address", "mx-no-address", "destination",
        zone=("{d}. MX 10 {mx}.", "{mx}. TXT nothing")),
    Row("mx-private", "the MX host has a private address", "mx-private", "destination",
        zone=("{d}. MX 10 {mx}.", "{mx}. A 192.168.7.7"), instead={"explain": None},
        because="Postfix calls the address, and tells what comes of it"),
    Row("mx-loopback", "the MX host is 127.0.0.1", "mx-private", "destination",
        zone=("{d}. MX 10 {mx}.", "{mx}. A 127.0.0.1"),
        instead={"explain": None}, because="Postfix calls itself"),
    Row("mx-is-address", "an address stands where the MX host's name should", "mx-broken", "destination",
        zone=("{d}. MX 10 45.2.3.4.",), instead={"explain": None},
        because="Postfix calls the address, and tells what comes of it"),
    Row("mx-cname-loop", "the MX host is an alias of itself", "dns-loop", "destination",
        zone=("{d}. MX 10 {mx}.", "{mx}. CNAME a.{mx}.", "a.{mx}. CNAME {mx}."),
        instead={tool: [("dns-loop", "destination"), ("dns-servfail", "destination")]
                 for tool in ("relay", "probe", "explain")},
        because=RESOLVER_SAYS),
    Row("dns-servfail", "the name server fails", "dns-servfail", "destination",
        [(name_server, {"how": SERVFAIL})], zone=DELEGATED, is_quick=True),
    Row("dns-refused", "the name server refuses", "dns-servfail", "destination",
        [(name_server, {"how": REFUSED})], zone=DELEGATED,
        instead={"probe": [("dns-refused", "destination"), ("dns-servfail", "destination")]}, because=RESOLVER_SAYS),
    Row("dns-lame", "the name server knows nothing of the zone", "dns-servfail", "destination",
        [(name_server, {"how": "lame"})], zone=DELEGATED,
        instead={"probe": [("dns-split-auth", "destination"), ("dns-servfail", "destination")]},
        because=RESOLVER_SAYS),
    Row("dns-garbage", "the name server answers with rubbish", "dns-servfail", "destination",
        [(name_server, {"how": "garbage"})], zone=DELEGATED,
        instead={"probe": [("dns-malformed", "destination"), ("dns-servfail", "destination")]},
        because=RESOLVER_SAYS, patience=60),
    Row("dns-silent", "the name server does not answer", "dns-timeout", "destination",
        [(router_drops, {"what": "ip daddr {c} udp dport 53"}), (router_drops, {"what": "ip daddr {c} tcp dport 53"})],
        zone=DELEGATED, patience=90,
        instead={tool: [("dns-timeout", "destination"), ("dns-servfail", "destination")]
                 for tool in ("relay", "probe", "explain")}, because=RESOLVER_SAYS),
    Row("dns-not-listening", "no name server runs there", "dns-servfail", "destination", zone=DELEGATED, patience=60,
        instead={tool: [("dns-timeout", "destination"), ("dns-servfail", "destination")]
                 for tool in ("relay", "probe", "explain")}, because=RESOLVER_SAYS),
    Row("mx-host-servfail", "the MX host's own zone fails", "dns-servfail", "destination",
        [(name_server, {"how": SERVFAIL})], zone=("{d}. MX 10 mx.sub.{d}.", "sub.{d}. NS ns.{d}.", "ns.{d}. A {c}")),
    Row("dnssec-bogus", "the parent vouches for another key", "dnssec-bogus", "destination", [(smtp, {})],
        secure=True, signing={"is_bogus": True},
        instead={"explain": ("dns-servfail", "destination")}, because="Postfix says \"try again\" for both"),
    Row("dnssec-expired", "the signatures ran out", "dnssec-bogus", "destination", [(smtp, {})], secure=True,
        signing={"start": "20200101", "end": "20200201"},
        instead={"explain": ("dns-servfail", "destination")}, because="Postfix says \"try again\" for both"),
    Row("dnssec-well", "a signed zone of its own", "none", "nobody", [(smtp, {})], secure=True,
        signing={"how": "well"}),
    Row("resolver-not-there", "our resolver's address does not answer", "local-resolver", "local",
        [(own_resolver, {"address": "45.9.9.9"})], instead=ELSEWHERE, because=OWN, patience=60),
    Row("resolver-not-running", "no resolver runs at our resolver's address", "local-resolver", "local",
        [(own_resolver, {"address": "{b}"})], instead=ELSEWHERE, because=OWN, patience=60),
    Row("resolver-refuses", "our resolver refuses everything", "local-resolver", "local",
        [(own_resolver, {"address": "{b}", "how": REFUSED})], instead=ELSEWHERE, because=OWN, patience=60),
    Row("resolver-fails", "our resolver fails for everything", "local-resolver", "local",
        [(own_resolver, {"address": "{b}", "how": SERVFAIL})], instead=ELSEWHERE, because=OWN, patience=60),
    Row("resolver-denies", "our resolver denies everything", "local-resolver", "local",
        [(own_resolver, {"address": "{b}", "how": NXDOMAIN})], instead=ELSEWHERE, because=OWN, patience=60),
    Row("resolver-silent", "our resolver's port is filtered", "local-resolver", "local",
        [(own_resolver, {"address": "{b}"}), (router_drops, {"what": "ip daddr {b} meta l4proto udp"}),
         (router_drops, {"what": "ip daddr {b} meta l4proto tcp"})], instead=ELSEWHERE, because=OWN, patience=60),
    Row("smart-host-unknown", "the smart host's name does not exist", "mx-no-address", "destination", zone=(),
        connector='smart_hosts = {{ "relay.{d}" }}', postfix_transport="smtp:[relay.{d}]"),
    Row("short-lived-records", "the MX lives for a minute, and EHLO is not answered for five", "silent-ehlo", "unknown",
        [(smtp, {"script": {"ehlo": "!silent"}})], zone=("{d}. 60 MX 10 {mx}.", "{mx}. 60 A {a}"), haste=60),
]
