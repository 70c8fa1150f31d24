// SPDX-License-Identifier: Apache-2.0
// A fact: what happened at one step, in numbers, made where it happened and never derived again
// from our own text. It holds no opinion: causes, codes, texts and remedies are views of it
// (catalog/). Facts are stored (spool, ledger), so stored numbers are never given a new meaning.
#ifndef BASE_FACT_H
#define BASE_FACT_H

#include "base/address.h"
#include "base/buffer.h"

// The stages of a delivery in the order of the road. The second column is the word in JSON.
#define FACT_STAGES(X)                                                                             \
    X(UNKNOWN, unknown)                                                                            \
    X(ROUTE, route)                                                                                \
    X(DNS, dns)                                                                                    \
    X(CONNECT, connect)                                                                            \
    X(GREETING, greeting)                                                                          \
    X(EHLO, ehlo)                                                                                  \
    X(STARTTLS, starttls)                                                                          \
    X(TLS, tls)                                                                                    \
    X(AUTH, auth)                                                                                  \
    X(MAIL, mail)                                                                                  \
    X(RCPT, rcpt)                                                                                  \
    X(DATA, data)                                                                                  \
    X(BODY, body)                                                                                  \
    X(DOT, dot)                                                                                    \
    X(QUIT, quit)                                                                                  \
    X(DONE, done)

enum fact_stage {
#define X(name, word) FACT_STAGE_##name,
    FACT_STAGES(X)
#undef X
        FACT_STAGE_COUNT
};

// How the step ended. `detail` and the fields named here carry the rest.
#define FACT_KINDS(X)                                                                              \
    X(NONE, none)         /* nothing happened yet                                           */     \
    X(OK, ok)             /* the step did what it should; reply_code where a reply said so  */     \
    X(ERRNO, errno)       /* a system call failed: sys_errno, icmp_type, icmp_code          */     \
    X(CLOSED, closed)     /* the peer closed in order (FIN, or TLS close_notify)            */     \
    X(SILENT, silent)     /* our deadline passed: limit_ms; we closed                       */     \
    X(REPLY, reply)       /* the peer refused: reply_code, enhanced, text                   */     \
    X(GARBLED, garbled)   /* bytes that are no SMTP reply; text holds the first of them     */     \
    X(DNS, dns)           /* detail: enum fact_dns; dns_rcode, dns_ede, text: the name      */     \
    X(TLS, tls)           /* detail: enum fact_tls; tls_alert, tls_alert_from_peer, text    */     \
    X(CERT, cert)         /* a certificate that we had to trust was not: x509_verify        */     \
    X(DEMAND, demand)     /* detail: enum fact_demand; the peer lacks what we require       */     \
    X(ROUTE, route)       /* detail: enum fact_route; routing itself says no                */     \
    X(LOCAL, local)       /* detail: enum fact_local; the fault is on this machine          */     \
    X(CANCELED, canceled) /* we stopped it: shutdown, operator                              */     \
    X(EXPIRED, expired)   /* the message's time was up                                      */

enum fact_kind {
#define X(name, word) FACT_KIND_##name,
    FACT_KINDS(X)
#undef X
        FACT_KIND_COUNT
};

enum fact_dns {
    FACT_DNS_OK,
    FACT_DNS_NXDOMAIN,
    FACT_DNS_NODATA,
    FACT_DNS_SERVFAIL,
    FACT_DNS_REFUSED,
    FACT_DNS_TIMEOUT,
    FACT_DNS_BOGUS,     // DNSSEC validation failed
    FACT_DNS_MALFORMED, // an answer that cannot be read, FORMERR, NOTIMP
    FACT_DNS_LOOP,      // CNAME chain without end
    FACT_DNS_COUNT
};

enum fact_demand {
    FACT_DEMAND_NONE,
    FACT_DEMAND_STARTTLS,    // TLS required, STARTTLS not offered
    FACT_DEMAND_TLS_VERSION, // negotiated below tls_min
    FACT_DEMAND_AUTH,        // credentials configured, no AUTH mechanism offered
    FACT_DEMAND_SIZE,        // message larger than the SIZE announced (RFC 1870)
    FACT_DEMAND_8BITMIME,    // 8-bit body, 8BITMIME not offered: a warning only
    FACT_DEMAND_SMTPUTF8,
    FACT_DEMAND_TLS_POLICY,     // a domain's policy is not met by the session it would reuse
    FACT_DEMAND_AUTH_MECHANISM, // credentials configured, only other mechanisms offered
    FACT_DEMAND_DANE,           // DANE required, no usable TLSA record
    FACT_DEMAND_COUNT
};

enum fact_route {
    FACT_ROUTE_NONE,
    FACT_ROUTE_NULL_MX,      // RFC 7505
    FACT_ROUTE_NO_CONNECTOR, // no connector takes this domain
    FACT_ROUTE_NO_ADDRESS,   // hosts, but none of them has an address
    FACT_ROUTE_MX_PRIVATE,   // every MX points to loopback, private or other addresses not of the
                             // internet
    FACT_ROUTE_MX_SELF,      // the best MX is this host
    FACT_ROUTE_MX_INVALID,   // MX names that are no host names (an address as text, empty label)
    FACT_ROUTE_LOOP,         // too many Received fields
    FACT_ROUTE_HOSTS_DEAD,   // every address failed a moment ago: not tried again yet
    FACT_ROUTE_COUNT
};

// What the peer did instead of a handshake; an alert, where one was sent, says more.
enum fact_tls {
    FACT_TLS_HANDSHAKE,  // it failed by the rules of TLS; text: what OpenSSL says
    FACT_TLS_CLEAR_TEXT, // the peer's first bytes are no TLS; text: those bytes
    FACT_TLS_COUNT
};

enum fact_local {
    FACT_LOCAL_NONE,
    FACT_LOCAL_DESCRIPTORS,
    FACT_LOCAL_MEMORY,
    FACT_LOCAL_DISK,
    FACT_LOCAL_RESOLVER, // our resolver cannot be asked
    FACT_LOCAL_TLS,      // our own TLS set-up is broken
    FACT_LOCAL_SOURCE,   // the configured source address is not on this machine
    FACT_LOCAL_SPOOL,    // the message cannot be read from the spool
    FACT_LOCAL_CREDENTIALS,
    FACT_LOCAL_COUNT
};

enum fact_flag {
    FACT_FLAG_DOT_SENT = 1 << 0,        // the final dot left us: the message may be delivered
    FACT_FLAG_TLS = 1 << 1,             // the session was encrypted at this step
    FACT_FLAG_REUSED = 1 << 2,          // not the first transaction of its connection
    FACT_FLAG_PIPELINED = 1 << 3,       // the command was sent in a group
    FACT_FLAG_TLS_DOWNGRADED = 1 << 4,  // clear text after a failed handshake, as the demand allows
    FACT_FLAG_FIRST_BYTE = 1 << 5,      // at least one byte of the awaited reply had arrived
    FACT_FLAG_8BIT_UNDECLARED = 1 << 6, // 8-bit bytes went to a peer without 8BITMIME
    FACT_FLAG_CLEAR_DROPPED = 1 << 7,   // bytes in clear behind STARTTLS's 220 were dropped
    FACT_FLAG_CERT_WANTED = 1 << 8,     // the server asked for a certificate of ours; we sent none
    FACT_FLAG_TCP_KNOWN = 1 << 9,       // the kernel told the tcp_ numbers
    FACT_FLAG_STATUS_APART = 1 << 10    // `enhanced` stood beside the reply, in a report's Status
};

enum { FACT_TEXT_BYTES_MAX = 1024 }; // longer reply texts are cut where they are stored

struct fact {
    enum fact_stage stage;
    enum fact_kind kind;
    int detail;
    unsigned flags; // enum fact_flag
    int sys_errno;  // zero: none
    int icmp_type;  // -1: none seen
    int icmp_code;  // -1
    // The router that sent it, as an IPv6 address (RFC 4291 2.5.5.2); zero: not known.
    unsigned char icmp_from[16];
    int dns_rcode; // -1: no answer
    int dns_ede;   // RFC 8914 info code; -1: none
    int tls_alert; // RFC 8446 6; -1: none
    bool tls_alert_from_peer;
    int tls_version;    // wire number such as 0x0304; zero: none negotiated
    int x509_verify;    // OpenSSL X509_V_ERR_*; zero: none
    int reply_code;     // zero: none
    int enhanced[3];    // RFC 3463 class, subject, detail as received; all zero: none
    int64_t bytes_sent; // of this step; of the body for BODY and DOT
    int64_t bytes_received;
    int64_t elapsed_ms;    // of this step
    int64_t limit_ms;      // the deadline that was set; zero: none
    int64_t at_ms;         // wall clock when it ended
    int tcp_unacked_bytes; // written, and not acknowledged by the peer's system at the end
    int tcp_retransmits;   // segments that were sent again, in all the connection's life
    int tcp_segment_bytes; // largest that is sent
    struct view text;      // the peer's words or a name; belongs to whoever made the fact
};

// A fact with nothing known: numbers that have no zero meaning are -1.
struct fact fact_make(enum fact_stage stage, enum fact_kind kind);
static inline bool fact_is_ok(const struct fact *fact) {
    return fact->kind == FACT_KIND_OK;
}

// ADDRESS_NONE where it is not known.
struct address fact_icmp_from(const struct fact *fact);
void fact_set_icmp_from(struct fact *fact, const struct address *router);

struct view fact_stage_word(enum fact_stage stage);
bool fact_stage_from_word(struct view word, enum fact_stage *stage);
struct view fact_kind_word(enum fact_kind kind);
struct view fact_dns_word(enum fact_dns status);

// Tag-length-value, only what differs from fact_make. Unknown tags are skipped when read.
void fact_encode(const struct fact *fact, struct buffer *out);
// `fact->text` is a view into `bytes`. False when the bytes are no fact.
bool fact_decode(struct view bytes, struct fact *fact);

#endif
