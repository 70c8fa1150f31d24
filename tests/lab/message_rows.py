# SPDX-License-Identifier: Apache-2.0
"""Messages that do not pass: what the probe finds out with --mail-to, beside what one attempt shows."""
import re
import time

from builders import box, letter, small_link, smtp
from scenario import Scenario as Row

PROBE_ALONE = {"relay": None, "explain": None}
ONE_ATTEMPT = "one attempt shows a break; experiments tell its cause"
MAIL = ("--mail-to", "rcpt@{d}")
LETTER = MAIL + ("--message", "{folder}/letter")
CHUNKING = {"extensions": ("PIPELINING", "8BITMIME", "CHUNKING", "SIZE 10485760")}
EICAR = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE\r\n"


def mailed(name, what, cause, blame, broken, arguments=MAIL, **more):
    """A row for the probe alone, which sends a message."""
    more.setdefault("because", ONE_ATTEMPT)
    return Row(name, what, cause, blame, broken, probe_arguments=arguments, instead=dict(PROBE_ALONE), **more)


def slow_scan(_, body):
    return "!silent" if len(body) > 3000 else None


def resets_once(session, line):
    """The first message breaks, the next ones pass."""
    is_first = not session.server.__dict__.get("has_reset")
    session.server.has_reset = True
    return "!reset" if is_first else None


def greylist(text, seconds, verb="rcpt"):
    """A greylist that lets a triplet pass after so many seconds."""
    def answer(session, _):
        seen = session.server.__dict__.setdefault("triplets", {})
        first = seen.setdefault((session.peer, session.sender), time.monotonic())
        return None if time.monotonic() - first >= seconds else text
    return (smtp, {"script": {verb: answer}})


def size_of(line):
    """Of a MAIL command, as RFC 1870 has it."""
    found = re.search(r"SIZE=(\d+)", line)
    return int(found.group(1)) if found else 0


def then_unknown(session, _):
    session.server.tries = session.server.__dict__.get("tries", 0) + 1
    return "450 4.2.0 try later" if session.server.tries == 1 else "550 5.1.1 no such user here"


def waited(name, what, cause, blame, broken, wait="5s", **more):
    more.setdefault("target", "rcpt@{d}")
    return Row(name, what, cause, blame, broken, probe_arguments=("--wait", wait), instead=dict(PROBE_ALONE),
               because="one attempt shows a deferral; only time tells what it was", **more)


LIMITS = MAIL + ("--limits",)
LONG_SIZE = ("PIPELINING", "8BITMIME", "SIZE 10485760")


def header_above(limit, reply):
    return lambda _, body: reply if body.find(b"\r\n\r\n") > limit else None


ROWS = [
    mailed("limits-none", "nothing; all ladders are climbed to their top", "none", "nobody", [(smtp, {})], LIMITS,
           warns=(), limits={"size": (10485761, None), "body": (10485760, None), "recipients": (210, None),
                             "header-line": (36864, None), "header": (294912, None)}),
    mailed("limits-rfc", "what RFC 5321 and 5322 ask for and no more: nothing is wrong with that", "none", "nobody",
           [(smtp, {}), (box, {"kind": "line", "limit": 998})], LIMITS, warns=(), limits={"header-line": (998, 999)}),
    mailed("limits-line", "a device resets at lines of more than 512 bytes", "header-line-limit", "path",
           [(smtp, {}), (box, {"kind": "line", "limit": 512})], LIMITS, limits={"header-line": (512, 513)},
           shows="such a limit is documented"),
    mailed("limits-header", "a device resets at headers of more than 20 kB", "header-total-limit", "path",
           [(smtp, {}), (box, {"kind": "header", "limit": 20000})], LIMITS, limits={"header": (20000, 20001)}),
    mailed("limits-header-said", "the server says that a header is too large", "header-total-limit", "policy",
           [(smtp, {"script": {"dot": header_above(16384, "552 5.3.4 Message header size exceeds fixed limit")}})],
           LIMITS, limits={"header": (16384, 16385)}),
    mailed("limits-header-high", "a header limit that ordinary mail does not meet", "none", "nobody",
           [(smtp, {"script": {"dot": header_above(65536, "552 5.3.4 Message header size exceeds fixed limit")}})],
           LIMITS, warns=(), limits={"header": (65536, 65537)}),
    mailed("limits-body", "a device resets after 100 kB of every message", "data-reset-at-offset", "path",
           [(smtp, {}), (box, {"kind": "offset", "offset": 100000})], LIMITS, limits={"body": (100000, 100001)}),
    mailed("limits-recipients", "50 recipients at most", "too-many-recipients", "policy",
           [(smtp, {"script": {"rcpt": lambda session, _: "452 4.5.3 Too many recipients"
                               if len(session.recipients) >= 50 else None}})], LIMITS, limits={"recipients": (50, 51)}),
    mailed("limits-recipients-cut", "a device resets at the 51st recipient", "too-many-recipients", "policy",
           [(smtp, {}), (box, {"kind": "rcpts", "limit": 50})], LIMITS, limits={"recipients": (50, 51)}),
    mailed("limits-recipients-100", "100 recipients, as RFC 5321 asks for at least", "none", "nobody",
           [(smtp, {}), (box, {"kind": "rcpts", "limit": 100})], LIMITS, warns=(), limits={"recipients": (100, 101)}),
    mailed("limits-size", "the server takes 500,000 bytes and says so", "size-limit", "policy",
           [(smtp, {"extensions": ("SIZE 500000", "PIPELINING"),
                    "script": {"mail": lambda _, line: "552 5.3.4 too large" if size_of(line) > 500000 else None}})],
           LIMITS, limits={"size": (500000, 500001)}),
    waited("wait-greylist", "a greylist that names its time", "rcpt-greylist", "nobody",
           [greylist("451 4.7.1 Greylisting in action, please come back in 00:00:02", 2)],
           shows="were accepted 3 s after"),
    waited("wait-greylist-unnamed", "a greylist that does not say that it is one", "rcpt-greylist", "nobody",
           [greylist("450 not now", 3)]),
    waited("wait-longer-than-we", "a greylist that takes longer than we wait", "rcpt-deferred", "unknown",
           [greylist("450 not now", 60)], wait="2s"),
    waited("wait-not-greylist", "deferred still after the time that the reply names", "rcpt-deferred", "unknown",
           [greylist("450 not now, in 1 second perhaps", 60)]),
    waited("wait-then-unknown", "deferred first, refused later", "user-unknown", "recipient",
           [(smtp, {"script": {"rcpt": then_unknown}})], wait="2s"),
    waited("wait-not-needed", "nothing is deferred", "none", "nobody", [(smtp, {})], warns=()),
    mailed("wait-mail", "a greylist at DATA, and a message", "rcpt-greylist", "nobody",
           [greylist("451 Temporary failure, please try again later.", 1, "data")], MAIL + ("--wait", "3s")),
    mailed("mail-healthy", "nothing; a message is delivered", "none", "nobody", [(smtp, {})], warns=()),
    mailed("mail-healthy-chunks", "nothing; by DATA and by BDAT", "none", "nobody", [(smtp, CHUNKING)],
           MAIL + ("--deep",), warns=()),
    mailed("mail-healthy-letter", "nothing; the operator's own message", "none", "nobody",
           [(letter, {}), (smtp, {})], LETTER, warns=()),
    mailed("mail-pmtu", "large packets vanish and nobody says so", "pmtu-blackhole", "path",
           [(smtp, {}), (small_link, {})], shows="were never acknowledged"),
    mailed("mail-pmtu-big", "the same with a long message", "pmtu-blackhole", "path",
           [(letter, {"n_bytes": 400000}), (smtp, {}), (small_link, {})], LETTER),
    Row("tls-pmtu", "large packets of the handshake vanish on their way to us", "pmtu-blackhole", "path",
        [(smtp, {"tls": "intermediate"}), (small_link, {"end": "us", "mtu": 700})], connector='tls = "required"',
        instead=dict(PROBE_ALONE), because=ONE_ATTEMPT),
    mailed("mail-reset-size", "a device resets after 20 kB of every message", "data-reset-at-offset", "path",
           [(letter, {}), (smtp, {}), (box, {"kind": "offset"})], LETTER),
    mailed("mail-reset-words", "a device resets when it reads a word", "av-reset", "path",
           [(letter, {"text": EICAR}), (smtp, {}), (box, {"kind": "content", "reply": b""})], LETTER),
    mailed("mail-closed-within", "the server closes in order within each long message", "data-reset-at-offset", "path",
           [(letter, {}), (smtp, {"script": {"body": "!close"}, "body_after": 20000})], LETTER),
    mailed("mail-reset-once", "the first message breaks, the next one passes", "reset-dot", "unknown",
           [(smtp, {"script": {"dot": resets_once}})]),
    mailed("mail-data-inspected", "a device resets DATA and lets BDAT pass", "inspecting-firewall", "path",
           [(smtp, CHUNKING), (box, {"kind": "data"})]),
    mailed("mail-dot-split", "a device misses a final dot that is not alone in its packet", "dot-split", "path",
           [(smtp, {}), (box, {"kind": "pix"})]),
    mailed("mail-scan-slow", "a scanner takes its time over long messages", "content-scan-slow", "destination",
           [(smtp, {"script": {"dot": slow_scan}})], MAIL + ("--timeout", "6s")),
    mailed("mail-dot-silent", "no answer to the final dot, whatever the message", "silent-dot", "unknown",
           [(smtp, {"script": {"dot": "!silent"}})], shows="acknowledged all"),
    mailed("mail-bdat-refused", "BDAT is offered and refused, DATA works", "none", "nobody",
           [(smtp, dict(CHUNKING, script={"bdat": "502 5.5.1 no such command"}))], MAIL + ("--deep",),
           warns=("chunking-mismatch",)),
    mailed("mail-bdat-breaks", "BDAT is reset, DATA works", "none", "nobody",
           [(smtp, dict(CHUNKING, script={"bdat": "!reset"}))], MAIL + ("--deep",), warns=("bdat-break",)),
    mailed("mail-too-large", "the server announces a smaller SIZE than the message", "size-limit", "policy",
           [(letter, {}), (smtp, {"extensions": ("SIZE 5000", "8BITMIME")})], LETTER),
]
