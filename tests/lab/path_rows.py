# SPDX-License-Identifier: Apache-2.0
"""Devices and lines in between."""
from builders import box, far_router, redirected, round_and_round, small_link, smtp
from scenario import Scenario as Row

STOPS = {"probe": None}
PROBE_STOPS = "without --mail-to the probe ends before DATA"
PACKETS = ("--pcap", "{folder}/packets.pcap")
V6 = ("{d}. MX 10 {mx}.", "{mx}. AAAA {a6}")
FAR = "one attempt does not count hops"
EICAR = "X-Test: EICAR-STANDARD-ANTIVIRUS-TEST-FILE\r\n"

ROWS = [
    Row("pmtu-black-hole", "large packets vanish and nobody says so", "silent-body", "unknown",
        [(smtp, {}), (small_link, {})], body_bytes=200000, haste=40,
        instead=dict(STOPS), because="one attempt shows a stall; smaller segments prove the cause"),
    Row("reset-at-offset", "a device resets after 20 kB of every message", "reset-body", "unknown",
        [(smtp, {}), (box, {"kind": "offset"})], body_bytes=3000000,
        instead=dict(STOPS) | {"explain": ("closed-body", "unknown")}, because="one attempt shows a reset alone"),
    Row("answered-by-firewall", "a firewall answers for the server and resets", "injected-verdict", "path",
        [(smtp, {}), (box, {"kind": "content"})], head=EICAR, instead=dict(STOPS), because=PROBE_STOPS),
    Row("reads-packets", "a device takes packets for commands, and resets at RCPT", "reset-mail", "unknown",
        [(smtp, {}), (box, {"kind": "packets"})], target="rcpt@{d}",
        instead={"probe": ("inspecting-firewall", "path"), "explain": ("closed-mail", "unknown")},
        because="one attempt writes each command in one piece"),
    Row("silent-device", "a device swallows the rest of the message", "silent-dot", "unknown",
        [(smtp, {}), (box, {"kind": "one-way", "offset": 100})], haste=120,
        instead=dict(STOPS), because=PROBE_STOPS),
    Row("far-and-well", "nothing; a host behind four routers", "none", "nobody", [(smtp, {})], routers=3, warns=()),
    Row("far-and-looked-at", "nothing; a host behind four routers, every experiment", "none", "nobody",
        [(smtp, {})], routers=3, warns=(), probe_arguments=("--deep",)),
    Row("swallowed-on-the-way", "the third of four routers drops port 25", "conn-timeout", "unknown",
        [(smtp, {}), (far_router, {"rule": "tcp dport 25 drop"})], routers=3,
        instead={"probe": ("path-filtered", "path")}, because=FAR),
    Row("swallowed-on-the-way-v6", "the third of four routers drops port 25, on IPv6", "conn-timeout", "unknown",
        [(smtp, {}), (far_router, {"rule": "tcp dport 25 drop"})], routers=3, zone=V6,
        instead={"probe": ("path-filtered", "path")}, because=FAR),
    Row("swallowed-at-the-end", "the last of four routers drops port 25", "conn-timeout", "unknown",
        [(smtp, {}), (far_router, {"rule": "tcp dport 25 drop", "router": 3})], routers=3),
    Row("refused-on-the-way", "the second of four routers answers for the host with a reset", "conn-refused",
        "destination", [(smtp, {}), (far_router, {"rule": "tcp dport 25 reject with tcp reset", "router": 1})],
        routers=3, instead={"probe": ("path-filtered", "path")}, because=FAR),
    Row("prohibited-on-the-way", "the second of four routers says prohibited", "conn-prohibited", "path",
        [(smtp, {}), (far_router, {"rule": "tcp dport 25 reject with icmp type admin-prohibited", "router": 1})],
        routers=3, instead={"explain": ("host-unreachable", "path")}, because="Postfix says \"No route to host\""),
    Row("round-and-round", "two routers send our packets to each other", "host-unreachable", "path",
        [(round_and_round, {})], routers=3),
    Row("redirected", "our provider answers calls to port 25 itself, and takes the mail", "none", "nobody",
        [(smtp, {}), (redirected, {})], routers=3, warns=("transparent-redirect",)),
    Row("redirected-and-refused", "our provider answers calls to port 25 itself, and takes nothing", "greeting-5xx",
        "policy", [(smtp, {}), (redirected, {"script": {"connect": "554 proxy.provider.example no"}})], routers=3,
        instead={"probe": ("transparent-redirect", "local"), "explain": None},
        because="one attempt does not count hops; Postfix calls from elsewhere"),
    Row("redirected-v6", "our provider answers calls to port 25 itself, on IPv6", "none", "nobody",
        [(smtp, {}), (redirected, {"family": 6})], routers=3, zone=V6, warns=("transparent-redirect",)),
    Row("redirected-further-on", "the second of four routers answers calls to port 25 itself", "none", "nobody",
        [(smtp, {}), (redirected, {"router": 1})], routers=3, warns=("transparent-redirect",)),
    Row("packets-and-well", "nothing; the packets are looked at", "none", "nobody", [(smtp, {"tls": "good"})],
        routers=3, warns=(), probe_arguments=PACKETS),
    Row("packets-of-small-segments", "a router lowers the MSS; nothing is wrong", "none", "nobody",
        [(smtp, {}), (far_router, {"rule": "tcp flags syn tcp option maxseg size set 536"})],
        routers=3, warns=(), probe_arguments=PACKETS),
    Row("reset-by-device", "the second of four routers resets the session at EHLO", "reset-ehlo", "unknown",
        [(smtp, {}), (far_router, {"rule": "tcp dport 25 meta length > 60 reject with tcp reset", "router": 1})],
        routers=3, probe_arguments=PACKETS,
        instead={"probe": ("inspecting-firewall", "path"), "explain": ("closed-ehlo", "unknown")},
        because="the packets tell who sent the reset; Postfix says \"lost connection\" for an end and for a reset"),
    Row("reset-by-server", "the server resets the session at EHLO", "reset-ehlo", "unknown",
        [(smtp, {"script": {"ehlo": "!reset"}})], routers=3, probe_arguments=PACKETS,
        instead={"explain": ("closed-ehlo", "unknown")}, because="Postfix says \"lost connection\" for both"),
    Row("lossy-line", "every second packet with words is lost once", "none", "nobody",
        [(smtp, {}), (far_router, {"rule": "tcp dport 25 tcp flags & psh == psh numgen inc mod 2 == 0 drop"})],
        target="rcpt@{d}", routers=3, warns=("lossy-path",), probe_arguments=PACKETS),
    Row("lossy-calls", "the first packet of every call is lost", "none", "nobody",
        [(smtp, {}), (far_router, {"rule": "tcp dport 25 tcp flags & (syn | ack) == syn ip ttl > 32 "
                                           "numgen inc mod 2 == 0 drop"})],
        routers=3, warns=("lossy-path",), probe_arguments=(*PACKETS, "--deep")),
]
