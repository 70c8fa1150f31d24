// SPDX-License-Identifier: Apache-2.0
// Which causes belong together, and how much of each nobody wonders about.
#include "insight/insight_internal.h"

// The first cause of a row names the family.
enum { ROW_MAX = 18 };
static const enum cause rows[][ROW_MAX] = {
    {CAUSE_DNS_SERVFAIL, CAUSE_DNS_REFUSED, CAUSE_DNS_TIMEOUT, CAUSE_DNS_TRUNCATED,
     CAUSE_DNSSEC_BOGUS, CAUSE_DNS_MALFORMED, CAUSE_DNS_STALE, CAUSE_DNS_SPLIT_AUTH,
     CAUSE_DNS_DELEGATION, CAUSE_LOCAL_RESOLVER, CAUSE_DANE_LOOKUP},
    {CAUSE_CONN_FAILED, CAUSE_CONN_TIMEOUT, CAUSE_CONN_REFUSED, CAUSE_HOST_UNREACHABLE,
     CAUSE_NET_UNREACHABLE, CAUSE_CONN_PROHIBITED, CAUSE_CONN_RESET, CAUSE_EGRESS_BLOCKED,
     CAUSE_ACL_BY_SOURCE, CAUSE_PORT_FILTERED, CAUSE_PATH_FILTERED, CAUSE_V6_ONLY_BROKEN,
     CAUSE_ONE_MX_BROKEN, CAUSE_LOCAL_NETWORK, CAUSE_LOCAL_FIREWALL, CAUSE_LOCAL_PORTS,
     CAUSE_HOSTS_DEAD},
    {CAUSE_CLOSED_SESSION, CAUSE_RESET_SESSION, CAUSE_SILENT_SESSION, CAUSE_ACCEPT_THEN_CLOSE,
     CAUSE_RESET_GREETING, CAUSE_CLOSED_GREETING, CAUSE_GREETING_TIMEOUT, CAUSE_GREETING_UNFINISHED,
     CAUSE_SERVER_TIMEOUT, CAUSE_PMTU_BLACKHOLE, CAUSE_WINDOW_FIREWALL, CAUSE_IDLE_STATE,
     CAUSE_LOSSY_PATH, CAUSE_PATH_LOST, CAUSE_DATA_RESET_AT_OFFSET, CAUSE_AV_RESET, CAUSE_DOT_SPLIT,
     CAUSE_CONTENT_SCAN_SLOW},
    {CAUSE_TLS_HANDSHAKE, CAUSE_TLS_VERSION, CAUSE_TLS_CIPHER, CAUSE_TLS_STREAM_BROKEN,
     CAUSE_TLS_CLEAR_ANSWER, CAUSE_TLS_SERVER_ERROR, CAUSE_TLS_NAME_UNKNOWN, CAUSE_TLS_HELLO_SIZE,
     CAUSE_TLS_INTOLERANT, CAUSE_STARTTLS_REFUSED},
    {CAUSE_CERT_INVALID, CAUSE_CERT_EXPIRED, CAUSE_CERT_NOT_YET_VALID, CAUSE_CERT_NAME,
     CAUSE_CERT_UNTRUSTED, CAUSE_CERT_SELF_SIGNED, CAUSE_CERT_NO_INTERMEDIATE, CAUSE_CERT_REVOKED,
     CAUSE_CERT_WEAK},
    {CAUSE_OVERLOAD, CAUSE_GREETING_4XX, CAUSE_RESOURCE_FULL, CAUSE_SERVER_CLOSING,
     CAUSE_NOT_ACCEPTING, CAUSE_EHLO_DEFERRED},
    {CAUSE_THROTTLE, CAUSE_TOO_MANY_CONNECTIONS},
    {CAUSE_DNSBL, CAUSE_REPUTATION, CAUSE_CLIENT_REFUSED, CAUSE_GREETING_5XX,
     CAUSE_SUSPENDED_SENDER_HOST},
};

enum cause family_of(enum cause cause) {
    ASSERT((unsigned)cause < CAUSE_COUNT);
    for (size_t r = 0; r < ARRAY_LEN(rows); r++)
        for (size_t i = 0; i < ROW_MAX && rows[r][i] != CAUSE_NONE; i++)
            if (rows[r][i] == cause)
                return rows[r][0];
    // A session that broke has a cause for each step and each way to break.
    struct view id = cause_info(cause)->id;
    if (view_starts_with(id, VIEW("closed-")) || view_starts_with(id, VIEW("reset-")) ||
        view_starts_with(id, VIEW("silent-")))
        return CAUSE_CLOSED_SESSION;
    return cause;
}

// The road itself: DNS, connection, session, TLS.
static const struct family_traits road = {.score_min = 8,
                                          .floor = 0.01,
                                          .n_messages_min = 3,
                                          .everything_share = 0.3,
                                          .retries_count = true};
// Answers that are about us: block lists, names, authentication.
static const struct family_traits standing = {.score_min = 8,
                                              .floor = 0.02,
                                              .n_messages_min = 3,
                                              .n_recipients_min = 2,
                                              .everything_share = 0.03,
                                              .retries_count = true};
// Answers of a server about itself.
static const struct family_traits server = {.score_min = 8,
                                            .floor = 0.02,
                                            .n_messages_min = 3,
                                            .n_recipients_min = 2,
                                            .retries_count = true};
// Answers that may be one mailbox's or one message's.
static const struct family_traits general = {
    .score_min = 8, .floor = 0.04, .n_messages_min = 5, .n_recipients_min = 4};
// One address that is wrong, one mailbox that is full: every day.
static const struct family_traits everyday = {.score_min = 14,
                                              .floor = 0.15,
                                              .n_messages_min = 10,
                                              .n_recipients_min = 8,
                                              .n_senders_min = 2,
                                              .n_successes_min = 5};
// Refused at first on purpose: an alarm only where it goes on and on.
static const struct family_traits greylist = {.score_min = 8,
                                              .floor = 0.02,
                                              .n_messages_min = 3,
                                              .n_recipients_min = 2,
                                              .age_ms_min = 100 * MINUTE_MS};
static const struct family_traits local = {.score_min = 8,
                                           .floor = 0.01,
                                           .n_messages_min = 3,
                                           .everything_share = 0.1,
                                           .retries_count = true};

static const struct family_traits *traits_of_blame(enum blame blame) {
    switch (blame) {
    case BLAME_LOCAL: return &local;
    case BLAME_SENDER: return &standing;
    case BLAME_PATH:
    case BLAME_DESTINATION: return &server;
    case BLAME_RECIPIENT: return &everyday;
    case BLAME_UNKNOWN:
    case BLAME_POLICY:
    case BLAME_NOBODY:
    case BLAME_COUNT: break;
    }
    return &general;
}

const struct family_traits *family_traits(enum cause family) {
    switch (family) {
    case CAUSE_DNS_SERVFAIL:
    case CAUSE_CONN_FAILED:
    case CAUSE_CLOSED_SESSION:
    case CAUSE_TLS_HANDSHAKE:
    case CAUSE_CERT_INVALID:
    case CAUSE_STARTTLS_MISSING: return &road;
    case CAUSE_DNSBL: return &standing;
    case CAUSE_OVERLOAD:
    case CAUSE_THROTTLE: return &server;
    case CAUSE_RCPT_GREYLIST: return &greylist;
    case CAUSE_MAILBOX_BUSY:
    case CAUSE_RECIPIENT_RESTRICTED:
    case CAUSE_TOO_MANY_RECIPIENTS:
    case CAUSE_SPLIT_BY_DOMAIN:
    case CAUSE_SIZE_LIMIT:
    case CAUSE_CONTENT_ATTACHMENT:
    case CAUSE_RCPT_REFUSED: return &everyday;
    case CAUSE_CONTENT_SPAM:
    case CAUSE_CONTENT_VIRUS:
    case CAUSE_CONTENT_FORMAT:
    case CAUSE_SENDER_REJECTED:
    case CAUSE_SENDER_DOMAIN:
    case CAUSE_QUOTA_SENDER: return &general;
    default: return traits_of_blame(cause_info(family)->blame);
    }
}
