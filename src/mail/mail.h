// SPDX-License-Identifier: Apache-2.0
// Mail without I/O: the envelope that is stored with a message, the header fields that a relay
// looks at or adds, and the notices that it writes (RFC 3461-3464).
#ifndef MAIL_MAIL_H
#define MAIL_MAIL_H

#include "base/address.h"
#include "base/arena.h"
#include "base/fact.h"

// --- Envelope ---------------------------------------------------------------------------------
// Stored tag-length-value from format 1; unknown tags are kept (`unknown`) and written again.
enum mail_body_type { MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME };

enum mail_notify { // RFC 3461 4.1, as a set; zero: not said
    MAIL_NOTIFY_NEVER = 1 << 0,
    MAIL_NOTIFY_SUCCESS = 1 << 1,
    MAIL_NOTIFY_FAILURE = 1 << 2,
    MAIL_NOTIFY_DELAY = 1 << 3
};

enum mail_ret { MAIL_RET_UNSAID, MAIL_RET_FULL, MAIL_RET_HDRS };

struct mail_recipient {
    struct view address; // "user@example.org", without angle brackets, as received
    struct view orcpt;   // RFC 3461 4.2, still encoded; empty: none
    unsigned notify;     // enum mail_notify
    struct view unknown; // fields of later versions
};

struct mail_envelope {
    struct view sender; // empty: <>
    struct mail_recipient *recipients;
    size_t n_recipients;
    int64_t arrived_ms;       // wall clock
    uint64_t size_bytes;      // of the body as stored
    enum mail_body_type body; // as declared
    bool has_8bit;            // the body holds bytes above 127
    bool smtputf8;
    bool requiretls;
    enum mail_ret ret;
    struct view envid;
    struct view auth_identity;
    struct view client_name;       // EHLO name as given
    struct address client;         // as seen
    struct address client_proxied; // as told by the PROXY protocol
    struct view listener;
    struct view tls;        // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: clear text
    unsigned n_received;    // Received fields that it came with
    struct view message_id; // of the header, cut to 250 bytes, for people who search
    bool is_notice;         // our own NDR or warning
    struct view unknown;
};

enum { MAIL_RECIPIENTS_MAX = 10000, MAIL_ENVELOPE_BYTES_MAX = 8 << 20 };

void mail_envelope_encode(const struct mail_envelope *envelope, struct buffer *out);
// Views point into `bytes`; the recipients array is taken from `arena`. False: damaged or too
// large.
bool mail_envelope_decode(struct view bytes, struct arena *arena, struct mail_envelope *envelope);
// The part behind the last "@", without a trailing dot; empty for a bare local part. RFC
// 5321 4.1.2.
struct view mail_address_domain(struct view address);
// The address with a lower-case domain, for comparing.
struct view mail_address_canonical(struct view address, struct arena *arena);

// --- What a relay reads of a header -------------------------------------------------------------
// Fed with the message as it arrives, in pieces of any size, until the empty line. Cheap: one pass.
struct mail_header_scan {
    unsigned n_received;
    bool is_done; // the empty line was seen
    bool has_message_id, has_date, has_from;
    bool is_auto_submitted; // RFC 3834, other than "no"
    char message_id[256];   // NUL-terminated, cut
    size_t n_fields;
    size_t header_bytes;
    // private: the line being read, and the field that it belongs to
    size_t line_len;
    size_t message_id_len;
    unsigned field;
    bool is_named;
    char line[64]; // the first bytes, which hold the name
};
void mail_header_scan_init(struct mail_header_scan *scan);
void mail_header_scan_feed(struct mail_header_scan *scan, struct view bytes);

// A field by name in a complete header, unfolded into `arena`; false when absent. The n-th, from 0.
bool mail_header_find(struct view header, struct view name, size_t nth, struct arena *arena,
                      struct view *value);
// Bytes up to and including the empty line; `message.len` when there is none.
size_t mail_header_len(struct view message);

// --- What readers of other people's mail need ---------------------------------------------------
// Views into a header: the name as written, the value still folded.
struct mail_field {
    struct view name, value;
};
// Takes the next field off `rest`; false at the end of the header. Lines that begin no field are
// passed over, the "From " line of a mailbox file among them.
bool mail_field_take(struct view *rest, struct mail_field *field);
// A folded value in one line, trimmed. It comes back uncopied where nothing is folded.
struct view mail_unfold(struct view value, struct arena *arena);
// Unfolded, with its encoded words (RFC 2047) as UTF-8; what cannot be decoded stays as written.
struct view mail_field_text(struct view value, struct arena *arena);
// The address in "Name <user@example.org> (comment)", "rfc822; user@example.org" or a bare one,
// without brackets; empty when there is none.
struct view mail_address_find(struct view value);
// The date of a field (RFC 5322 3.3, the obsolete forms, and asctime's); false when it is none.
bool mail_date_parse(struct view text, int64_t *wall_ms);

// Minimal MIME (RFC 2045, RFC 2046): which parts a message has, and their text. Nothing is refused:
// where the structure is broken, what is there becomes a part of its own.
enum { MAIL_PARTS_MAX = 64, MAIL_PART_DEPTH_MAX = 8 };

struct mail_part {
    struct view header, body; // as they stand in the message
    struct view type;         // "text/plain" in small letters, by RFC 2045 5.2 where none is said
    struct view charset, report_type, name; // of the Content-Type; empty: not said
    struct view encoding;                   // Content-Transfer-Encoding as written
    bool is_typed;                          // the header has a Content-Type
    bool is_attachment;                     // Content-Disposition says so
    unsigned depth;                         // zero: the message itself
};

struct mail_parts {
    struct mail_part parts[MAIL_PARTS_MAX];
    size_t n;
    bool is_cut; // there were more parts, or deeper ones
};

// The parts in the order in which they stand, a multipart before what it holds. Messages inside
// (message/rfc822) are leaves: read their body in turn. Texts of the fields come from `arena`.
void mail_parts_read(struct view message, struct arena *arena, struct mail_parts *parts);
// The body decoded (base64, quoted-printable, uuencode) and as UTF-8 with LF line ends, cut at
// about `max` bytes. It may point into the message where nothing had to change.
struct view mail_part_text(const struct mail_part *part, size_t max, struct arena *arena);

// --- What a relay writes ------------------------------------------------------------------------
struct mail_received { // RFC 5321 4.4
    struct view client_name;
    struct address client;
    struct view hostname; // ours
    struct view protocol; // "ESMTP", "ESMTPS", "SMTP" (RFC 3848)
    struct view tls;
    struct view id;
    struct view recipient; // only with a single one, else empty
    int64_t at_ms;
};
// Ends with CRLF; lines under 998 bytes whatever the peer called itself; comments are escaped.
void mail_received_write(const struct mail_received *received, struct buffer *out);

enum mail_notice_kind { MAIL_NOTICE_FAILED, MAIL_NOTICE_DELAYED, MAIL_NOTICE_HELD };

struct mail_notice_recipient { // RFC 3464 2.3
    struct view recipient;
    struct view orcpt;
    struct view status; // registered: "4.4.7"
    struct view
        diagnostic_type;    // "smtp" only with a reply that was really received, else "x-postrider"
    struct view diagnostic; // the reply, or our words
    struct view remote_name; // host, or empty
    struct view remote_address;
    struct view cause;           // "450 4.4.316 conn-refused": X-Postrider-Cause
    struct view text;            // for people: what happened and what to do; lines end with LF
    int64_t last_attempt_ms;     // zero: none
    int64_t will_retry_until_ms; // for warnings
};

struct mail_notice { // RFC 3464, with the headers of the original only
    enum mail_notice_kind kind;
    struct view reporting_name; // our hostname
    struct view from;           // the postmaster
    struct view to;             // the sender of the original
    struct view envid;
    struct view original_id; // ours
    struct view notice_id;   // ours, for Message-ID
    int64_t arrived_ms;
    int64_t at_ms;
    struct view original_header; // complete or cut; may be empty
    const struct mail_notice_recipient *recipients;
    size_t n_recipients;
};
// A complete message: CRLF lines of at most 998 bytes, multipart/report, Auto-Submitted:
// auto-replied, for MAIL FROM:<>. Non-ASCII of the original's header makes that part 8bit or
// message/global-headers.
void mail_notice_write(const struct mail_notice *notice, struct buffer *out);

#endif
