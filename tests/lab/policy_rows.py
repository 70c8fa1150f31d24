# SPDX-License-Identifier: Apache-2.0
"""What a domain publishes about its certificates: DANE in the signed DNS."""
from builders import smtp
from scenario import ONE_MX, Scenario as Row

RECORD = "_25._tcp.{mx}. TLSA "
WRONG = RECORD + "3 1 1 " + "ab" * 32
DANE = {"probe_arguments": ("--tls", "dane")}
ONLY_ASKED = "the relay demands no DANE, nor does this Postfix"


def demanded(name, what, cause, blame, broken, zone):
    """Only a sender that demands DANE meets it."""
    return Row(name, what, "none", "nobody", broken, zone=ONE_MX + zone, secure=True, **DANE,
               instead={"probe": (cause, blame)}, because=ONLY_ASKED)


ROWS = [
    Row("dane-matches", "a certificate that its own TLSA record vouches for", "none", "nobody",
        [(smtp, {"tls": "self"})], zone=ONE_MX + (RECORD + "{tlsa:self}",), secure=True, **DANE, warns=()),
    Row("dane-authority-matches", "a TLSA record of the authority", "none", "nobody",
        [(smtp, {"tls": "intermediate"})], zone=ONE_MX + (RECORD + "{tlsa:authority}",), secure=True, **DANE, warns=()),
    Row("dane-one-of-two", "the key was changed, and both records stand", "none", "nobody",
        [(smtp, {"tls": "good"})], zone=ONE_MX + (RECORD + "{tlsa:good}", WRONG), secure=True, **DANE, warns=()),
    Row("dane-unsigned", "a wrong TLSA record that nobody signed", "none", "nobody",
        [(smtp, {"tls": "good"})], zone=ONE_MX + (WRONG,), warns=()),
    Row("dane-fails-unlooked-at", "a wrong TLSA record, and nobody minds", "none", "nobody",
        [(smtp, {"tls": "good"})], zone=ONE_MX + (WRONG,), secure=True, warns=("dane-fail",)),
    Row("dane-without-tls", "a TLSA record, and no STARTTLS", "none", "nobody",
        [(smtp, {})], zone=ONE_MX + (WRONG,), secure=True, warns=("dane-fail",)),
    Row("dane-lookup-unlooked-at", "the name server of the TLSA records is dead, and nobody minds", "none", "nobody",
        [(smtp, {"tls": "good"})], zone=ONE_MX + ("_tcp.{mx}. NS dead.{d}.", "dead.{d}. A {c}"), secure=True,
        warns=("dane-lookup",)),
    demanded("dane-fails", "a wrong TLSA record", "dane-fail", "destination", [(smtp, {"tls": "good"})], (WRONG,)),
    demanded("dane-lacking", "DANE is demanded, and there is no record", "dane-required", "policy",
             [(smtp, {"tls": "good"})], ()),
    demanded("dane-lookup", "DANE is demanded, and the records cannot be looked up", "dane-lookup", "destination",
             [(smtp, {"tls": "good"})], ("_tcp.{mx}. NS dead.{d}.", "dead.{d}. A {c}")),
]
