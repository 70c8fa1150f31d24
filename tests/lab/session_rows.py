# SPDX-License-Identifier: Apache-2.0
"""Sessions that break: each step cut, reset, stalled or answered with rubbish."""
from builders import secret, small_buffers, smtp
from scenario import Scenario as Row

LOST = "Postfix says \"lost connection\" for an end and for a reset"
REQUIRED = {"connector": 'tls = "required"', "postfix_tls": "encrypt"}
LOGIN = {"connector": 'smart_hosts = {{ "{mx}" }} tls = "domain" username = "me" '
                      'password_file = "{folder}/password"', "target": "lab"}
NO_SASL = {"instead": {"explain": None}, "because": "the unpacked Postfix has no SASL modules"}
BODY = {"body_bytes": 400000}
PROBE_STOPS = "without --mail-to the probe ends before DATA"


def at(stage, how):
    """One row: `how` is what is done at the step."""
    word = {"close": "closed", "reset": "reset", "silent": "silent"}[how]
    what = {"close": "closes", "reset": "resets", "silent": "does not answer"}[how]
    more, server, broken = {"instead": {}}, {}, []
    if stage in ("starttls", "tls"):
        more.update(REQUIRED)
        server["tls"] = "good"
    if stage == "auth":
        more.update(LOGIN)
        more.update({"instead": {"explain": None}, "because": NO_SASL["because"]})
        server.update(tls="good", login=("me", "right", "PLAIN LOGIN"))
        broken.append((secret, {}))
    if stage == "body":
        more.update(BODY)
        broken.append((small_buffers, {}))
    if how == "silent":
        more["haste"] = 120 if stage == "dot" else 60
    if how == "reset" and stage != "auth":
        more["instead"] = {"explain": (f"closed-{stage}", "unknown")}
        more["because"] = LOST
    if stage == "tls":
        more["instead"] = {"explain": ("tls-handshake", "unknown")}
        more["because"] = "Postfix says \"Cannot start TLS: handshake failure\" and no more"
    if stage in ("mail", "rcpt"):
        more["target"] = "rcpt@{d}"
    if stage in ("data", "body", "dot"):
        more["instead"] = dict(more["instead"], probe=None)
        more.setdefault("because", PROBE_STOPS)
    action = "!cut" if stage == "body" and how == "close" else "!" + how
    if action == "!cut":
        both = [("closed-body", "unknown"), ("reset-body", "unknown")]
        more.update(instead={"relay": both, "explain": both, "probe": None},
                    because="what was sent behind the end is answered with a reset")
    return Row(f"{stage}-{how}", f"{what} at {stage.upper()}", f"{word}-{stage}", "unknown",
               broken + [(smtp, dict(server, script={stage: action}))], **more)


STAGES = ("ehlo", "starttls", "tls", "auth", "mail", "rcpt", "data", "body", "dot")
ROWS = [at(stage, how) for stage in STAGES for how in ("close", "reset", "silent")]

ROWS += [
    Row("ehlo-421", "421 at EHLO", "server-closing", "destination",
        [(smtp, {"script": {"ehlo": "421 4.0.0 {mx} closing", "helo": "421 4.0.0 {mx} closing"}})],
        instead={tool: [("server-closing", "destination"), ("ehlo-deferred", "destination"),
                        ("greeting-4xx", "destination")] for tool in ("relay", "probe", "explain")},
        because="Postfix says \"refused to talk to me\" for the greeting and for EHLO"),
    Row("ehlo-refused", "EHLO and HELO are refused", "ehlo-refused", "unknown",
        [(smtp, {"script": {"ehlo": "500 5.5.1 no", "helo": "500 5.5.1 no"}})],
        instead={"explain": ("greeting-5xx", "policy")},
        because="Postfix says \"refused to talk to me\" for the greeting and for EHLO"),
    Row("ehlo-name", "our EHLO name is refused", "ehlo-name-rejected", "sender",
        [(smtp, {"script": {word: "504 5.5.2 <relay>: Helo command rejected: need fully-qualified hostname"
                            for word in ("ehlo", "helo")}})]),
    Row("ehlo-garbage", "rubbish after EHLO", "garbled-reply", "unknown",
        [(smtp, {"script": {"ehlo": "\x01\x02 what is this"}})],
        instead={"explain": None}, because="Postfix takes it for an answer of no code"),
    Row("mail-garbage", "rubbish after MAIL", "garbled-reply", "unknown",
        [(smtp, {"script": {"mail": "%%% internal error %%%"}})], target="rcpt@{d}",
        instead={"explain": None}, because="Postfix takes it for an answer of no code"),
    Row("mail-421", "421 at MAIL", "server-closing", "destination",
        [(smtp, {"script": {"mail": "421 4.3.2 {mx} Service not available, closing transmission channel"}})],
        target="rcpt@{d}",
        instead={tool: [("server-closing", "destination"), ("not-accepting", "destination")]
                 for tool in ("relay", "probe", "explain")}),
    Row("auth-wrong", "a wrong password", "auth-failed", "local",
        [(smtp, {"tls": "good", "login": ("me", "right", "PLAIN LOGIN")}), (secret, {"password": "wrong"})],
        words="Nov 21 10:00:00 relay postfix/smtp[99]: 4A5B6C7D8E: to=<rcpt@{d}>, relay={mx}[{a}]:25, delay=0.1, "
              "delays=0.1/0/0/0, dsn=4.7.8, status=deferred (SASL authentication failed; server {mx}[{a}] said: "
              "535 5.7.8 authentication failed)", **LOGIN),
    Row("auth-later", "the login server is down", "auth-deferred", "destination",
        [(smtp, {"tls": "good", "login": ("me", "right", "PLAIN"),
                 "script": {"auth": "454 4.7.0 Temporary authentication failure"}}), (secret, {})],
        words="Nov 21 10:00:00 relay postfix/smtp[99]: 4A5B6C7D8E: to=<rcpt@{d}>, relay={mx}[{a}]:25, delay=0.1, "
              "delays=0.1/0/0/0, dsn=4.7.0, status=deferred (SASL authentication failed; server {mx}[{a}] said: "
              "454 4.7.0 Temporary authentication failure)", **LOGIN),
    Row("auth-not-offered", "the server offers no login", "auth-missing", "policy",
        [(smtp, {"tls": "good"}), (secret, {})], **LOGIN, **NO_SASL),
    Row("auth-other-mechanism", "the server offers CRAM-MD5 alone", "auth-mechanism", "policy",
        [(smtp, {"tls": "good", "login": ("me", "right", "CRAM-MD5")}), (secret, {})],
        words="Nov 21 10:00:00 relay postfix/smtp[99]: 4A5B6C7D8E: to=<rcpt@{d}>, relay={mx}[{a}]:25, delay=0.1, "
              "delays=0.1/0/0/0, dsn=4.7.0, status=deferred (SASL authentication failed; cannot authenticate to "
              "server {mx}[{a}]: no mechanism available)", **LOGIN),
    Row("auth-demanded", "the server wants a login that we were not given", "auth-required", "local",
        [(smtp, {"script": {"mail": "530 5.7.0 Authentication required"}})], target="rcpt@{d}"),
    Row("auth-well", "a login that works", "none", "nobody",
        [(smtp, {"tls": "good", "login": ("me", "right", "PLAIN LOGIN")}), (secret, {})], **LOGIN, **NO_SASL),
]
