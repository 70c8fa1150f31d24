# SPDX-License-Identifier: Apache-2.0
"""The way to the server: routes, connections, greetings."""
from builders import no_route, router_drops, router_rejects, smtp
from scenario import Scenario as Row

LOST = "Postfix says \"lost connection\" for an end and for a reset"

ROWS = [
    Row("healthy-plain", "nothing; no TLS", "none", "nobody", [(smtp, {})], is_quick=True),
    Row("healthy-tls", "nothing; a good certificate", "none", "nobody", [(smtp, {"tls": "good"})], is_quick=True),
    Row("conn-refused", "nothing listens", "conn-refused", "destination", is_quick=True),
    Row("conn-dropped", "a filter drops our packets", "conn-timeout", "unknown", [(smtp, {}), (router_drops, {})],
        is_quick=True),
    Row("rejected-by-reset", "a filter answers with a reset", "conn-refused", "destination",
        [(smtp, {}), (router_rejects, {"how": "tcp reset"})]),
    Row("host-unreachable", "the router says host unreachable", "host-unreachable", "path",
        [(no_route, {"kind": "unreachable"})]),
    Row("admin-prohibited", "the router says administratively prohibited", "conn-prohibited", "path",
        [(no_route, {"kind": "prohibit"})],
        instead={"explain": ("host-unreachable", "path")},
        because="Postfix says \"No route to host\" for both"),
    Row("greeting-closed", "accepts and closes", "accept-then-close", "unknown",
        [(smtp, {"script": {"connect": "!close"}})]),
    Row("greeting-reset", "accepts and resets", "reset-greeting", "unknown",
        [(smtp, {"script": {"connect": "!reset"}})], instead={"explain": ("accept-then-close", "unknown")},
        because=LOST),
    Row("greeting-silent", "accepts and says nothing", "greeting-timeout", "unknown",
        [(smtp, {"script": {"connect": "!silent"}})], is_quick=True),
    Row("ehlo-silent", "no answer to EHLO", "silent-ehlo", "unknown",
        [(smtp, {"script": {"ehlo": "!silent"}})], haste=60),
    Row("mail-reset", "resets at MAIL", "reset-mail", "unknown", [(smtp, {"script": {"mail": "!reset"}})],
        instead={"explain": ("closed-mail", "unknown")}, because=LOST),
    Row("rcpt-greylist", "greylisting", "rcpt-greylist", "nobody",
        [(smtp, {"script": {"rcpt": "450 4.2.0 Greylisted, see http://postgrey.schweikert.ch/help/lab.html"}})],
        is_quick=True),
    Row("rcpt-unknown", "no such user", "user-unknown", "recipient",
        [(smtp, {"script": {"rcpt": "550 5.1.1 <rcpt@lab>: Recipient address rejected: User unknown"}})],
        is_quick=True),
    Row("dns-nxdomain", "the domain does not exist", "dns-nxdomain", "recipient", zone=(), is_quick=True),
    Row("dns-nodata", "the domain has neither MX nor address", "dns-nodata", "recipient",
        zone=("{d}. TXT nothing",), is_quick=True),
    Row("null-mx", "the domain takes no mail", "null-mx", "recipient", zone=("{d}. MX 0 .",)),
    Row("mx-dangling", "the MX host has no address", "mx-no-address", "destination", zone=("{d}. MX 10 {mx}.",)),
]
