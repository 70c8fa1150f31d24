# SPDX-License-Identifier: Apache-2.0
"""What a domain publishes about its certificates: DANE in the signed DNS, MTA-STS over HTTPS."""
from builders import policy, smtp
from scenario import ONE_MX, Scenario as Row

RECORD = "_25._tcp.{mx}. TLSA "
WRONG = RECORD + "3 1 1 " + "ab" * 32
DANE = {"probe_arguments": ("--tls", "dane")}
ONLY_ASKED = "the relay demands no DANE, nor does this Postfix"


def demanded(name, what, cause, blame, broken, zone):
    """Only a sender that demands DANE meets it."""
    return Row(name, what, "none", "nobody", broken, zone=ONE_MX + zone, secure=True, **DANE,
               instead={"probe": (cause, blame)}, because=ONLY_ASKED)


STS = ONE_MX + ('_mta-sts.{d}. TXT "v=STSv1; id=20261122;"', "mta-sts.{d}. A {a}")
POLICY = "version: STSv1\nmode: enforce\nmx: {mx}\nmax_age: 604800\n"
DEEP = {"probe_arguments": ("--deep", "--blocklists", "none", "--ca", "{ca}")}


def sts(name, what, warns, text=POLICY, tls="good", **more):
    """With --deep the policy is fetched; nobody of ours delivers by it."""
    server = {"tls": tls} if tls else {}
    return Row(name, what, "none", "nobody", [(smtp, server), (policy, {"text": text, **more})], zone=STS, **DEEP,
               warns=warns)


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
    sts("sts-met", "an enforced MTA-STS policy that is met", ()),
    sts("sts-met-by-asterisk", "a policy that lists *.DOMAIN", (), text=POLICY.replace("{mx}", "*.{d}")),
    sts("sts-none", "a policy that demands nothing", (), tls=None, text="version: STSv1\nmode: none\nmax_age: 86400\n"),
    sts("sts-other-host", "the policy lists another host", ("sts-mx-mismatch",),
        text=POLICY.replace("{mx}", "old.{d}")),
    sts("sts-no-tls", "the policy wants TLS, the server has none", ("sts-fail",), tls=None),
    sts("sts-bad-certificate", "the policy wants a good certificate, the server's is of another name",
        ("sts-fail", "cert-name"), tls="name"),
    sts("sts-testing", "the same in a policy that tests", ("sts-fail", "cert-name"), tls="name",
        text=POLICY.replace("enforce", "testing")),
    sts("sts-not-found", "the policy's file is not there", ("sts-fetch",), status=404),
    sts("sts-redirect", "the policy's file is elsewhere", ("sts-fetch",), status=301, redirect="https://{d}/x"),
    Row("sts-web-certificate", "the web server's certificate is of another name", "none", "nobody",
        [(smtp, {"tls": "good"}), (policy, {"text": POLICY, "tls": "name"})], zone=STS, **DEEP, warns=("sts-fetch",)),
    sts("sts-unreadable", "the policy has a mode that there is not", ("sts-invalid",),
        text=POLICY.replace("enforce", "strict")),
    sts("sts-html", "a web page instead of the policy", ("sts-invalid",), text="<html>hello</html>\n",
        kind="text/html"),
    Row("sts-record-twice", "two MTA-STS records", "none", "nobody", [(smtp, {"tls": "good"})],
        zone=STS + ('_mta-sts.{d}. TXT "v=STSv1; id=2;"',), warns=("sts-invalid",)),
    Row("sts-shallow", "without --deep the policy is not fetched", "none", "nobody", [(smtp, {"tls": "good"})],
        zone=STS, warns=()),
]
