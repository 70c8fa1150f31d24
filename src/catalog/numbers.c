// SPDX-License-Identifier: Apache-2.0
// Numbers that systems, resolvers and TLS libraries give, with their names and, where a number
// alone decides, their causes.
#include "catalog/catalog_internal.h"

#include <string.h>

// --- errno -------------------------------------------------------------------------------------
struct view number_errno_name(int sys_errno) {
    const char *name = strerrorname_np(sys_errno);
    return name ? view_of(name) : VIEW("unknown error");
}

struct view number_errno_words(int sys_errno) {
    if (sys_errno == 0) // of somebody's log: that it failed is all that is told
        return VIEW("no reason was told");
    const char *words = strerrordesc_np(sys_errno);
    return words ? view_of(words) : VIEW("unknown error");
}

// --- DNS ---------------------------------------------------------------------------------------
struct view number_rcode_name(int rcode) {
    static const struct view names[] = {TEXT("NOERROR"),  TEXT("FORMERR"), TEXT("SERVFAIL"),
                                        TEXT("NXDOMAIN"), TEXT("NOTIMP"),  TEXT("REFUSED")};
    return rcode >= 0 && rcode < (int)ARRAY_LEN(names) ? names[rcode] : VIEW("an unusual rcode");
}

struct view number_ede_words(int code) {
    static const struct view words[] = {
        TEXT("other error"),
        TEXT("unsupported DNSKEY algorithm"),
        TEXT("unsupported DS digest type"),
        TEXT("stale answer"),
        TEXT("forged answer"),
        TEXT("DNSSEC indeterminate"),
        TEXT("DNSSEC bogus"),
        TEXT("signature expired"),
        TEXT("signature not yet valid"),
        TEXT("DNSKEY missing"),
        TEXT("RRSIGs missing"),
        TEXT("no zone key bit set"),
        TEXT("NSEC missing"),
        TEXT("cached error"),
        TEXT("not ready"),
        TEXT("blocked"),
        TEXT("censored"),
        TEXT("filtered"),
        TEXT("prohibited"),
        TEXT("stale NXDOMAIN answer"),
        TEXT("not authoritative"),
        TEXT("not supported"),
        TEXT("no reachable authority"),
        TEXT("network error"),
        TEXT("invalid data"),
    };
    return code >= 0 && code < (int)ARRAY_LEN(words) ? words[code] : VIEW_NONE;
}

// --- ICMP --------------------------------------------------------------------------------------
// Destination unreachable is type 3 in ICMP (RFC 792, RFC 1812 5.2.7.1) and type 1 in ICMPv6
// (RFC 4443 3.1); the numbers of the two families do not meet.
static const struct icmp_row {
    int type, code;
    bool is_prohibited;
    struct view words;
} icmp_rows[] = {
    {3, 0, false, TEXT("ICMP network unreachable")},
    {3, 1, false, TEXT("ICMP host unreachable")},
    {3, 2, false, TEXT("ICMP protocol unreachable")},
    {3, 3, false, TEXT("ICMP port unreachable")},
    {3, 4, false, TEXT("ICMP fragmentation needed")},
    {3, 6, false, TEXT("ICMP network unknown")},
    {3, 7, false, TEXT("ICMP host unknown")},
    {3, 9, true, TEXT("ICMP network administratively prohibited")},
    {3, 10, true, TEXT("ICMP host administratively prohibited")},
    {3, 13, true, TEXT("ICMP communication administratively prohibited")},
    {11, 0, false, TEXT("ICMP time to live exceeded")},
    {1, 0, false, TEXT("ICMPv6 no route to destination")},
    {1, 1, true, TEXT("ICMPv6 communication administratively prohibited")},
    {1, 3, false, TEXT("ICMPv6 address unreachable")},
    {1, 4, false, TEXT("ICMPv6 port unreachable")},
    {1, 5, true, TEXT("ICMPv6 source address failed policy")},
    {1, 6, true, TEXT("ICMPv6 reject route")},
    {2, 0, false, TEXT("ICMPv6 packet too big")},
};

static const struct icmp_row *icmp_find(int type, int code) {
    for (size_t i = 0; i < ARRAY_LEN(icmp_rows); i++)
        if (icmp_rows[i].type == type && icmp_rows[i].code == code)
            return &icmp_rows[i];
    return NULL;
}

struct view number_icmp_words(int type, int code) {
    const struct icmp_row *row = icmp_find(type, code);
    return row ? row->words : VIEW_NONE;
}

bool number_icmp_is_prohibited(int type, int code) {
    const struct icmp_row *row = icmp_find(type, code);
    return row && row->is_prohibited;
}

// --- TLS ---------------------------------------------------------------------------------------
struct view number_tls_version(int version) {
    switch (version) {
    case 0x0300: return VIEW("SSL 3");
    case 0x0301: return VIEW("TLS 1.0");
    case 0x0302: return VIEW("TLS 1.1");
    case 0x0303: return VIEW("TLS 1.2");
    case 0x0304: return VIEW("TLS 1.3");
    default: return VIEW("an unknown TLS version");
    }
}

// An alert means one thing when the server sends it and may mean another when we do: what a server
// says about certificates concerns ours.
static const struct {
    int alert;
    struct view name;
    enum cause from_server, from_us;
} alert_rows[] = {
    {0, TEXT("close_notify"), CAUSE_TLS_HANDSHAKE, CAUSE_TLS_HANDSHAKE},
    {10, TEXT("unexpected_message"), CAUSE_TLS_STREAM_BROKEN, CAUSE_TLS_STREAM_BROKEN},
    {20, TEXT("bad_record_mac"), CAUSE_TLS_STREAM_BROKEN, CAUSE_TLS_STREAM_BROKEN},
    {22, TEXT("record_overflow"), CAUSE_TLS_STREAM_BROKEN, CAUSE_TLS_STREAM_BROKEN},
    {40, TEXT("handshake_failure"), CAUSE_TLS_CIPHER, CAUSE_TLS_CIPHER},
    {42, TEXT("bad_certificate"), CAUSE_TLS_CLIENT_CERT, CAUSE_CERT_INVALID},
    {43, TEXT("unsupported_certificate"), CAUSE_TLS_CLIENT_CERT, CAUSE_CERT_INVALID},
    {44, TEXT("certificate_revoked"), CAUSE_TLS_CLIENT_CERT, CAUSE_CERT_REVOKED},
    {45, TEXT("certificate_expired"), CAUSE_TLS_CLIENT_CERT, CAUSE_CERT_EXPIRED},
    {46, TEXT("certificate_unknown"), CAUSE_TLS_CLIENT_CERT, CAUSE_CERT_INVALID},
    {47, TEXT("illegal_parameter"), CAUSE_TLS_STREAM_BROKEN, CAUSE_TLS_STREAM_BROKEN},
    {48, TEXT("unknown_ca"), CAUSE_TLS_CLIENT_CERT, CAUSE_CERT_UNTRUSTED},
    {49, TEXT("access_denied"), CAUSE_TLS_CLIENT_CERT, CAUSE_TLS_HANDSHAKE},
    {50, TEXT("decode_error"), CAUSE_TLS_STREAM_BROKEN, CAUSE_TLS_STREAM_BROKEN},
    {51, TEXT("decrypt_error"), CAUSE_TLS_STREAM_BROKEN, CAUSE_TLS_STREAM_BROKEN},
    {70, TEXT("protocol_version"), CAUSE_TLS_VERSION, CAUSE_TLS_VERSION},
    {71, TEXT("insufficient_security"), CAUSE_TLS_CIPHER, CAUSE_TLS_CIPHER},
    {80, TEXT("internal_error"), CAUSE_TLS_SERVER_ERROR, CAUSE_TLS_HANDSHAKE},
    {86, TEXT("inappropriate_fallback"), CAUSE_TLS_VERSION, CAUSE_TLS_VERSION},
    {90, TEXT("user_canceled"), CAUSE_TLS_HANDSHAKE, CAUSE_TLS_HANDSHAKE},
    {109, TEXT("missing_extension"), CAUSE_TLS_HANDSHAKE, CAUSE_TLS_HANDSHAKE},
    {110, TEXT("unsupported_extension"), CAUSE_TLS_STREAM_BROKEN, CAUSE_TLS_STREAM_BROKEN},
    {112, TEXT("unrecognized_name"), CAUSE_TLS_NAME_UNKNOWN, CAUSE_TLS_HANDSHAKE},
    {113, TEXT("bad_certificate_status_response"), CAUSE_TLS_HANDSHAKE, CAUSE_CERT_INVALID},
    {116, TEXT("certificate_required"), CAUSE_TLS_CLIENT_CERT, CAUSE_TLS_HANDSHAKE},
    {120, TEXT("no_application_protocol"), CAUSE_TLS_HANDSHAKE, CAUSE_TLS_HANDSHAKE},
};

struct view number_alert_name(int alert) {
    for (size_t i = 0; i < ARRAY_LEN(alert_rows); i++)
        if (alert_rows[i].alert == alert)
            return alert_rows[i].name;
    return VIEW("unknown alert");
}

enum cause number_alert_cause(int alert, bool from_peer) {
    for (size_t i = 0; i < ARRAY_LEN(alert_rows); i++)
        if (alert_rows[i].alert == alert)
            return from_peer ? alert_rows[i].from_server : alert_rows[i].from_us;
    return CAUSE_TLS_HANDSHAKE;
}

// The numbers of OpenSSL 3's x509_vfy.h; a test holds the two together.
static const struct {
    int error;
    enum cause cause;
    struct view words;
} verify_rows[] = {
    {2, CAUSE_CERT_NO_INTERMEDIATE, TEXT("an issuer in the chain is missing")},
    {7, CAUSE_CERT_INVALID, TEXT("a signature in the chain is wrong")},
    {9, CAUSE_CERT_NOT_YET_VALID, TEXT("the certificate is not valid yet")},
    {10, CAUSE_CERT_EXPIRED, TEXT("the certificate has expired")},
    {18, CAUSE_CERT_SELF_SIGNED, TEXT("the certificate is self-signed")},
    {19, CAUSE_CERT_UNTRUSTED, TEXT("the chain ends at a root that is not trusted")},
    {20, CAUSE_CERT_UNTRUSTED, TEXT("the issuer is not known here")},
    {21, CAUSE_CERT_NO_INTERMEDIATE, TEXT("the server sent its own certificate only")},
    {22, CAUSE_CERT_INVALID, TEXT("the chain is too long")},
    {23, CAUSE_CERT_REVOKED, TEXT("the certificate was revoked")},
    {24, CAUSE_CERT_INVALID, TEXT("an issuer has no public key")},
    {26, CAUSE_CERT_INVALID, TEXT("the certificate is not meant for servers")},
    {27, CAUSE_CERT_UNTRUSTED, TEXT("the certificate is not trusted")},
    {28, CAUSE_CERT_UNTRUSTED, TEXT("the certificate is rejected by the trust store")},
    {62, CAUSE_CERT_NAME, TEXT("the certificate does not carry the host name")},
    {64, CAUSE_CERT_NAME, TEXT("the certificate does not carry the address")},
    {65, CAUSE_DANE_FAIL, TEXT("no TLSA record matches the certificate")},
    {66, CAUSE_CERT_WEAK, TEXT("the certificate's key is too short")},
    {67, CAUSE_CERT_WEAK, TEXT("an issuer's key is too short")},
    {68, CAUSE_CERT_WEAK, TEXT("an issuer's signature uses a digest that is too weak")},
    {79, CAUSE_CERT_INVALID, TEXT("an issuer may not sign certificates")},
};

struct view number_verify_words(int error) {
    for (size_t i = 0; i < ARRAY_LEN(verify_rows); i++)
        if (verify_rows[i].error == error)
            return verify_rows[i].words;
    return VIEW("the chain did not verify");
}

enum cause number_verify_cause(int error) {
    for (size_t i = 0; i < ARRAY_LEN(verify_rows); i++)
        if (verify_rows[i].error == error)
            return verify_rows[i].cause;
    return CAUSE_CERT_INVALID;
}
