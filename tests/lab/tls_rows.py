# SPDX-License-Identifier: Apache-2.0
"""STARTTLS, handshakes and certificates, where encryption is demanded."""
from builders import V1_1, V1_2, box, smtp
from scenario import Scenario as Row

REQUIRED = {"connector": 'tls = "required"', "postfix_tls": "encrypt"}
DOMAIN = {"connector": 'tls = "domain"', "postfix_tls": "secure match={mx}"}
UNVERIFIED = "Postfix says \"Server certificate not verified\" and no more"
HANDSHAKE = "Postfix says \"Cannot start TLS: handshake failure\" and no more"


def certificate(kind, cause, what, postfix_says=None):
    return Row(f"cert-{kind}", what, cause, "destination", [(smtp, {"tls": kind})],
               instead={"explain": postfix_says or [("cert-invalid", "destination"), ("cert-untrusted", "destination"),
                                                    (cause, "destination")]},
               because=UNVERIFIED, **DOMAIN)


ROWS = [
    Row("starttls-missing", "STARTTLS is demanded and not offered", "starttls-missing", "policy", [(smtp, {})], **REQUIRED),
    Row("starttls-later", "STARTTLS is offered and deferred", "starttls-refused", "destination",
        [(smtp, {"tls": "good", "script": {"starttls": "454 4.7.0 TLS not available due to local problem"}})],
        instead={tool: [("starttls-refused", "destination"), ("tls-server-error", "destination")]
                 for tool in ("relay", "probe", "explain")}, **REQUIRED),
    Row("starttls-stripped", "a device takes STARTTLS out of the answer", "starttls-missing", "policy",
        [(smtp, {"tls": "good"}), (box, {"kind": "strip"})],
        instead={"probe": ("starttls-stripped", "path")},
        because="only who sends STARTTLS though it is not offered can tell", **REQUIRED),
    Row("starttls-masked", "an inspecting firewall hides STARTTLS", "starttls-stripped", "path",
        [(smtp, {"tls": "good"}), (box, {"kind": "asa"})],
        instead={"probe": [("starttls-stripped", "path"), ("masked-ehlo", "path"), ("masked-banner", "path")],
                 "explain": ("starttls-missing", "policy")},
        because="Postfix does not tell the greeting", **REQUIRED),
    Row("tls-clear-text", "an answer in clear within the handshake", "tls-clear-answer", "unknown",
        [(smtp, {"tls": "good", "script": {"tls": "500 5.5.1 command unrecognized"}})],
        instead={"explain": [("tls-handshake", "unknown"), ("tls-clear-answer", "unknown")]}, because=HANDSHAKE,
        **REQUIRED),
    Row("tls-too-old", "TLS 1.1 at most, and 1.2 is demanded", "tls-version", "destination",
        [(smtp, {"tls": "good", "highest": V1_1})],
        instead={"explain": [("tls-handshake", "unknown"), ("tls-version", "destination")]}, because=HANDSHAKE,
        connector='tls = "required"', postfix_tls="encrypt protocols=>=TLSv1.2"),
    Row("tls-no-cipher", "no cipher in common", "tls-cipher", "destination",
        [(smtp, {"tls": "good", "highest": V1_2, "ciphers": "aNULL:@SECLEVEL=0"})],
        instead={"explain": [("tls-handshake", "unknown"), ("tls-cipher", "destination")]}, because=HANDSHAKE,
        connector='tls = "required"', postfix_tls="encrypt exclude=aNULL"),
    Row("tls-client-certificate", "the server wants a certificate of ours", "tls-client-cert", "sender",
        [(smtp, {"tls": "good", "wants_certificate": True})],
        instead={"explain": [("closed-ehlo", "unknown"), ("tls-client-cert", "sender")]},
        because="with TLS 1.3 the refusal comes after the handshake: Postfix sees a lost connection", **REQUIRED),
    certificate("expired", "cert-expired", "an expired certificate"),
    certificate("future", "cert-not-yet-valid", "a certificate that is not valid yet"),
    certificate("name", "cert-name", "a certificate for another name"),
    certificate("self", "cert-self-signed", "a certificate that vouches for itself"),
    Row("cert-unknown", "a certificate of an unknown authority", "cert-untrusted", "destination",
        [(smtp, {"tls": "unknown"})],
        instead={"probe": [("cert-no-intermediate", "destination"), ("cert-untrusted", "destination")],
                 "explain": ("cert-invalid", "destination")},
        because="a lone certificate of an unknown issuer looks the same, unless the issuer can be fetched", **DOMAIN),
    Row("cert-no-intermediate", "the intermediate certificate is missing", "cert-no-intermediate", "destination",
        [(smtp, {"tls": "no-intermediate"})],
        instead={tool: [("cert-no-intermediate", "destination"), ("cert-untrusted", "destination")]
                 for tool in ("relay", "probe")} | {"explain": ("cert-invalid", "destination")},
        because="a lone certificate of an unknown issuer looks the same, unless the issuer can be fetched", **DOMAIN),
    Row("tls-injected", "words in clear right behind the answer to STARTTLS", "none", "nobody",
        warns=("tls-injection-suspect",),
        broken=[(smtp, {"tls": "good", "script": {"starttls": "220 2.0.0 go on\r\n250 2.1.0 injected"}})]),
]
