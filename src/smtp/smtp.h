// SPDX-License-Identifier: Apache-2.0
// The grammar of SMTP (RFC 5321) without I/O: commands, replies, EHLO, addresses, and the framing
// of DATA. Used by the server, the client, the probe and the readers: the same bytes mean the same
// everywhere. Everything parses untrusted bytes; views point into the caller's buffer.
#ifndef SMTP_SMTP_H
#define SMTP_SMTP_H

#include "base/address.h"
#include "base/arena.h"
#include "base/buffer.h"

// RFC 5321 4.5.3.1, and room for the parameters of extensions.
enum {
    SMTP_COMMAND_BYTES_MAX = 2048,
    SMTP_REPLY_LINE_BYTES_MAX = 2048, // 512 by the RFC, more in the wild
    SMTP_REPLY_LINES_MAX = 128,
    SMTP_REPLY_TEXT_BYTES_MAX = 4096, // kept of all lines together
    SMTP_LOCAL_PART_BYTES_MAX = 255,  // 64 by the RFC; senders with VERP and SRS pass it every day
    SMTP_DOMAIN_BYTES_MAX = 255,
    SMTP_PATH_BYTES_MAX = 1024 // generous: long source routes and UTF-8 exist
};

// --- Lines --------------------------------------------------------------------------------------
enum smtp_line {
    SMTP_LINE_MORE,
    SMTP_LINE_READY,
    SMTP_LINE_BARE,
    SMTP_LINE_TOO_LONG,
    SMTP_LINE_NUL
};
// A line of `bytes` that ends with CRLF: `line` without it, `used` with it. A bare CR or LF, a NUL
// or more than `max` bytes without an end are told as such, with `used` to skip (zero: wait for
// more). READY, BARE and NUL are told of a whole line: `used` ends behind its LF. So does TOO_LONG
// where the LF is there; otherwise the line goes on, and what follows up to the next LF belongs to
// it.
enum smtp_line smtp_line_take(struct view bytes, size_t max, struct view *line, size_t *used);

// --- Commands -----------------------------------------------------------------------------------
#define SMTP_VERBS(X)                                                                              \
    X(HELO)                                                                                        \
    X(EHLO) X(MAIL) X(RCPT) X(DATA) X(BDAT) X(RSET) X(NOOP) X(QUIT) X(VRFY) X(EXPN) X(HELP)        \
        X(STARTTLS) X(AUTH) X(ETRN) X(LHLO)
enum smtp_verb {
    SMTP_VERB_UNKNOWN,
#define X(name) SMTP_VERB_##name,
    SMTP_VERBS(X)
#undef X
};

struct smtp_command {
    enum smtp_verb verb;
    struct view verb_text;
    struct view rest; // behind the verb, trimmed
};
struct smtp_command smtp_command_parse(struct view line);

// A reverse-path or forward-path (RFC 5321 4.1.2) with its parameters.
struct smtp_path {
    struct view address; // without <>, source route and trailing dot dropped; empty: <>
    // For a literal: the address alone as address_parse reads it, without brackets and "IPv6:".
    struct view local_part, domain;
    bool is_literal; // user@[192.0.2.1]
    bool has_utf8;   // RFC 6531
};
struct smtp_mail_params {
    bool has_size;
    uint64_t size; // RFC 1870
    bool has_body;
    bool body_8bitmime, body_binarymime; // RFC 6152, RFC 3030
    bool smtputf8, requiretls;
    bool has_ret, ret_full;  // RFC 3461
    struct view envid, auth; // still in xtext
};
struct smtp_rcpt_params {
    bool has_notify;
    unsigned notify; // bits as in mail_notify: never 1, success 2, failure 4, delay 8
    struct view orcpt;
};
// Why a path or a parameter is refused, as the reply should say it.
enum smtp_syntax {
    SMTP_SYNTAX_OK,
    SMTP_SYNTAX_PATH,      // 501 5.1.7 or 5.1.3
    SMTP_SYNTAX_PARAMETER, // 501 5.5.4: known parameter, bad value
    SMTP_SYNTAX_UNKNOWN,   // 555 5.5.4: parameter that is not recognised
    SMTP_SYNTAX_TOO_LONG   // 501
};
// `rest` is what stands behind "MAIL" ("FROM:<...> SIZE=..."); a space after the colon is accepted.
enum smtp_syntax smtp_mail_parse(struct view rest, struct smtp_path *path,
                                 struct smtp_mail_params *params);
enum smtp_syntax smtp_rcpt_parse(struct view rest, struct smtp_path *path,
                                 struct smtp_rcpt_params *params);
// "user@example.org" or "<user@example.org>" as people and configurations write it.
bool smtp_address_parse(struct view text, struct smtp_path *path);
// A host name by RFC 1123 (letters, digits, hyphen, underscore tolerated; no all-numeric top
// label).
bool smtp_domain_is_valid(struct view domain);
// EHLO argument: a domain or an address literal. What is neither is accepted with is_valid false.
struct smtp_helo {
    struct view name;
    bool is_literal, is_valid;
};
struct smtp_helo smtp_helo_parse(struct view rest);

// --- Replies ------------------------------------------------------------------------------------
// Fed line by line; text lines are joined with LF. Codes that differ between lines are garbled; the
// line that is no reply stands at the end of the text as it came.
enum smtp_reply_state { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_GARBLED };
struct smtp_reply {
    int code;
    int enhanced[3]; // of the last line that has one; all zero: none
    unsigned n_lines;
    bool was_cut;       // more text came than was kept
    struct buffer text; // without codes and enhanced codes; first line first
};
void smtp_reply_init(struct smtp_reply *reply);
void smtp_reply_finish(struct smtp_reply *reply);
void smtp_reply_clear(struct smtp_reply *reply); // for the next one, keeps the memory
enum smtp_reply_state smtp_reply_feed(struct smtp_reply *reply, struct view line);
// "5.1.1" at the start of a text: fills `enhanced`, returns its length (with the space behind it).
size_t smtp_enhanced_parse(struct view text, int enhanced[3]);

// What an EHLO reply offers.
struct smtp_extensions {
    bool pipelining, size, eightbitmime, smtputf8, enhanced_status, starttls, dsn, chunking,
        binarymime, requiretls, limits;
    uint64_t size_max;                     // zero with `size`: no limit said
    unsigned auth;                         // enum smtp_auth
    uint64_t limit_rcptmax, limit_mailmax; // RFC 9422; zero: none
    struct view name;                      // of the greeting line
    unsigned n_keywords;
    unsigned n_masked; // keywords overwritten by an inspecting firewall (XXXA)
};
enum smtp_auth {
    SMTP_AUTH_PLAIN = 1 << 0,
    SMTP_AUTH_LOGIN = 1 << 1,
    SMTP_AUTH_CRAM_MD5 = 1 << 2,
    SMTP_AUTH_XOAUTH2 = 1 << 3,
    SMTP_AUTH_OTHER = 1 << 4
};
// `text` as smtp_reply keeps it: the greeting line first. `name` points into it.
void smtp_extensions_parse(struct view text, struct smtp_extensions *extensions);

// --- The body ------------------------------------------------------------------------------------
// Reads what follows 354 until CRLF . CRLF (RFC 5321 4.5.2), unstuffs, and refuses a bare CR or LF:
// a message cannot be smuggled in.
enum smtp_data_event {
    SMTP_DATA_MORE, // all of the input was used
    SMTP_DATA_END   // the final dot; the rest of the input is the next command
};
struct smtp_data_reader {
    unsigned state;
    bool has_8bit, has_nul;
    bool saw_bare_cr, saw_bare_lf; // reading goes on to the end, the message is refused there
    uint64_t n_bytes;              // unstuffed
    size_t line_len;               // of the line that is being read, unstuffed
    size_t line_len_max;           // of the lines that ended, without their CRLF
};
void smtp_data_reader_init(struct smtp_data_reader *reader);
// Uses `input` and appends unstuffed bytes with `emit` (any number of pieces). Returns MORE or END;
// `used` says how much was consumed.
enum smtp_data_event smtp_data_read(struct smtp_data_reader *reader, struct view input,
                                    size_t *used, void (*emit)(struct view piece, void *arg),
                                    void *arg);

// Writes the body: doubles dots at line starts, turns a stray CR or LF into CRLF so that nothing
// can be smuggled out, and adds the CRLF that the last line lacks.
struct smtp_data_writer {
    unsigned state;
    uint64_t n_fixed; // stray CR or LF that were turned into CRLF
};
void smtp_data_writer_init(struct smtp_data_writer *writer);
void smtp_data_write(struct smtp_data_writer *writer, struct view body,
                     void (*emit)(struct view piece, void *arg), void *arg);
// ".\r\n", with the CRLF before it where it is missing.
struct view smtp_data_end(struct smtp_data_writer *writer);

#endif
