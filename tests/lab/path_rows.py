# SPDX-License-Identifier: Apache-2.0
"""Devices and lines in between."""
from builders import box, small_link, smtp
from scenario import Scenario as Row

STOPS = {"probe": None}
PROBE_STOPS = "without --mail-to the probe ends before DATA"
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
    Row("silent-device", "a device swallows the rest of the message", "silent-dot", "unknown",
        [(smtp, {}), (box, {"kind": "one-way", "offset": 100})], haste=120,
        instead=dict(STOPS), because=PROBE_STOPS),
]
