// SPDX-License-Identifier: Apache-2.0
// What other systems wrote about their mail, as facts: bounces, delay notices, error lines and
// queue listings. The readers conclude nothing of their own: they find what is said, keep it apart
// from what follows from it, and leave the meaning to the catalogue.
//
// A failure is always read from its words by one function, reader_words_read, whether it stands in
// a bounce, on a command line, in a queue or in a log: the same text gives the same cause. No I/O;
// all views point into the text that was given or into the caller's arena.
#ifndef READERS_READERS_H
#define READERS_READERS_H

#include "catalog/catalog.h"

// --- Words --------------------------------------------------------------------------------------
// What one system says about one failure: Postfix "host h[a] said: 450 4.2.0 ... (in reply to RCPT
// TO command)", Exim "defer (-18) H=h [a]: ...", Sendmail "Deferred: ...", Exchange
// "[{LED=...};...]", a Diagnostic-Code, a Winsock or errno number.
struct reader_words {
    struct fact fact;     // FACT_KIND_NONE: the words are not known
    struct view text;     // the failure itself, without what was put around it
    struct view code;     // the reply code as it stands there, "550"; empty: none is said
    struct view enhanced; // the enhanced code as it stands there; empty: none is said
    struct view host;     // the server that it is about, as named; may be empty
    struct address peer;  // its address, where one is named
    int64_t at_ms;        // of the attempt, where the words hold it (LRT); zero: not said
    enum cause told;      // by Postrider's own line, which knew more; CAUSE_NONE: none is told
    bool is_suppression;  // repeats an earlier failure: nothing was tried
};
// False where the words mean nothing known; `text`, `code` and `enhanced` are filled all the same.
bool reader_words_read(struct view text, struct reader_words *words);
// The cause: by the rules of a local file, as it was told, or from the words and who said them.
enum cause reader_words_cause(const struct reader_words *words);

// --- Readings -----------------------------------------------------------------------------------
enum reader_kind {
    READER_OTHER, // nothing about a delivery
    READER_BOUNCE,
    READER_DELAY,
    READER_AUTO_REPLY,
    READER_FEEDBACK, // a complaint or an authentication report (RFC 5965)
    READER_LINE,
    READER_QUEUE,
    READER_KIND_COUNT
};
struct view reader_kind_word(enum reader_kind kind); // "auto-reply"

enum reader_action { // RFC 3464 2.3.3
    READER_ACTION_UNSAID,
    READER_ACTION_FAILED,
    READER_ACTION_DELAYED,
    READER_ACTION_DELIVERED,
    READER_ACTION_RELAYED,
    READER_ACTION_EXPANDED,
    READER_ACTION_COUNT
};
struct view reader_action_word(enum reader_action action); // empty for UNSAID

struct reader_recipient {
    struct view address;       // as reported, without brackets; empty: not said
    struct view original;      // Original-Recipient or "expanded from", where it differs
    enum reader_action action; // as reported
    struct view status;        // the Status field as reported, "5.1.1"; empty: none
    struct reader_words words; // what was said about it
    struct view evidence;      // where that stands: "Diagnostic-Code of the delivery report"
    int64_t first_attempt_ms, last_attempt_ms, retry_until_ms; // zero: not said
};

enum { READER_RECIPIENTS_MAX = 1000, READER_TEXT_BYTES_MAX = 256 << 10 };

struct reader_reading {
    enum reader_kind kind;
    struct view reporting_server; // who wrote it
    struct view message_id;       // of the mail that it is about
    struct view subject, sender;  // of that mail
    struct reader_recipient *recipients;
    size_t n_recipients;
    bool is_cut; // there were more recipients than are kept
};

// A message as it stands in a file: CRLF, LF or CR ends its lines. Always fills `reading`; what is
// no report becomes READER_OTHER without recipients.
void reader_mail_read(struct view message, struct arena *arena, struct reader_reading *reading);
// The next message of a mailbox file ("From " lines between empty lines), taken off `rest`; a file
// with a single message, with or without such a line, gives that one. False at the end.
bool reader_mailbox_take(struct view *rest, struct view *message);
// One line: a bare error, or a line of a log.
void reader_line_read(struct view line, struct arena *arena, struct reader_reading *reading);

// --- Queues -------------------------------------------------------------------------------------
// A queue listing, summed up by cause. What several recipients of one message wait for is counted
// for each cause once.
enum reader_queue_system {
    READER_QUEUE_NONE,
    READER_QUEUE_POSTFIX_JSON,  // postqueue -j
    READER_QUEUE_POSTFIX,       // mailq, postqueue -p
    READER_QUEUE_SENDMAIL,      // mailq
    READER_QUEUE_EXIM,          // exim -bp: says no reasons
    READER_QUEUE_OPENSMTPD,     // smtpctl show queue
    READER_QUEUE_EXCHANGE_LIST, // Get-Queue | Format-List
    READER_QUEUE_EXCHANGE_TABLE,
    READER_QUEUE_EXCHANGE_JSON,
    READER_QUEUE_EXCHANGE_CSV,
    READER_QUEUE_SYSTEM_COUNT
};
struct view reader_queue_word(enum reader_queue_system system); // "postqueue -j"
// What a text is by its beginning; NONE when it is no listing.
enum reader_queue_system reader_queue_detect(struct view text);

enum { READER_QUEUE_CAUSES_MAX = 64, READER_QUEUE_DESTINATIONS_MAX = 32 };

struct reader_queue_cause {
    enum cause cause;
    bool is_waiting; // no failure is told: the messages wait for their first attempt, or are held
    uint64_t n_messages, n_recipients;
    int64_t oldest_ms;              // arrival; zero: not said
    struct reader_recipient sample; // one of them; texts in the arena
    struct {
        struct view name; // domain of the recipients, or Exchange's next hop
        uint64_t n_messages;
    } destinations[READER_QUEUE_DESTINATIONS_MAX]; // most messages first
    size_t n_destinations;
    uint64_t n_elsewhere; // messages for destinations that are not listed
};

struct reader_queue {
    enum reader_queue_system system;
    uint64_t n_messages, n_recipients, n_frozen, n_unread; // lines that could not be read
    int64_t oldest_ms;
    struct reader_queue_cause causes[READER_QUEUE_CAUSES_MAX]; // what to do first comes first
    size_t n_causes;
};
// `now_ms` turns ages and dates without a year into times; zero leaves them out.
void reader_queue_read(struct view text, int64_t now_ms, struct arena *arena,
                       struct reader_queue *queue);

// --- Logs ---------------------------------------------------------------------------------------
// What the lines of mail logs tell of deliveries, one entry a recipient and line, in the order of
// the lines. A line's system is found by its content, so one file may hold several. Memory is
// bounded whatever the log's length: of messages only the latest are followed.
enum reader_log_system {
    READER_LOG_NONE,
    READER_LOG_POSTFIX,
    READER_LOG_EXIM,
    READER_LOG_SENDMAIL,
    READER_LOG_OPENSMTPD,
    READER_LOG_EXCHANGE_TRACKING,
    READER_LOG_EXCHANGE_SEND,
    READER_LOG_SYMANTEC,
    READER_LOG_POSTRIDER,
    READER_LOG_SYSTEM_COUNT
};
struct view reader_log_word(enum reader_log_system system); // "postfix"

enum reader_entry_kind {
    READER_ENTRY_ATTEMPT,    // a delivery was tried: `outcome` says how it ended
    READER_ENTRY_SUPPRESSED, // repeats an earlier failure; nothing was tried
    READER_ENTRY_EXPIRED,    // given up: its time was over; `cause` is that of the last attempt
    READER_ENTRY_KIND_COUNT
};

// Views live until the callback returns.
struct reader_entry {
    enum reader_entry_kind kind;
    enum reader_log_system system;
    enum outcome outcome;
    enum cause cause;                 // CAUSE_NONE where it was delivered
    const struct reader_words *words; // behind the cause; NULL where it was delivered
    int64_t at_ms;
    int64_t arrived_ms; // of the message; zero: not known
    uint64_t message;   // the same for all lines of one message, other ids used again or not
    struct view queue_id, message_id; // as they stand there; may be empty
    struct view sender;               // where the log told it before; may be empty
    struct view recipient, domain;    // domain in lower case; empty where it is not said
    struct view host;                 // server that was tried; may be empty
    struct address peer;
    struct view line; // the proof
    struct view file;
    uint64_t line_number;
};

struct reader_log_totals {
    uint64_t n_lines, n_bytes;
    uint64_t n_deliveries[READER_LOG_SYSTEM_COUNT]; // lines that told of one
    uint64_t n_inbound;                             // rejects of mail that came in: no deliveries
    uint64_t n_unread; // lines of a known system that could not be read: cut, damaged
    uint64_t n_long, n_nul, n_clock_jumps;
    uint64_t n_other; // of no system that is known, or noise
};

struct reader_log_options {
    int64_t now_ms;       // the year of lines without one is the latest that is not after it
    int32_t zone_minutes; // east of UTC, for times without a zone
    size_t followed_max;  // messages that are followed at once; zero: 200,000
    void (*on_entry)(const struct reader_entry *entry, void *arg);
    void *arg;
};
struct reader_log;
struct reader_log *reader_log_create(const struct reader_log_options *options);
void reader_log_destroy(struct reader_log *log); // NULL is accepted
// Bytes of a log in any pieces; an unfinished line waits for the rest of it.
void reader_log_feed(struct reader_log *log, struct view bytes);
// The next bytes are of another file: an unfinished line ends, what a header said is forgotten.
// `file` is kept as a view.
void reader_log_file(struct reader_log *log, struct view file);
void reader_log_end(struct reader_log *log);
const struct reader_log_totals *reader_log_totals(const struct reader_log *log);

// --- Meaning ------------------------------------------------------------------------------------
// The enhanced code as reported: the reply's own before the Status field.
struct view reader_reported_enhanced(const struct reader_recipient *recipient);
// The meaning, composed in `arena`.
void reader_verdict(const struct reader_recipient *recipient, struct arena *arena,
                    struct verdict *verdict);
// The name that Sisimai gives to such a reason: "userunknown".
struct view reader_sisimai_name(const struct reader_reading *reading,
                                const struct reader_recipient *recipient);
// The name of a cause alone; empty for none.
struct view reader_sisimai_default(enum cause cause);

// --- For people and programs --------------------------------------------------------------------
enum reader_side { READER_SIDE_UNSAID, READER_SIDE_SENDER, READER_SIDE_RECEIVER };
void reader_order_advice(enum reader_side side, struct verdict *verdict);
// What the reader of the advice should do about it, in a few words; may be empty.
struct view reader_turn(enum blame blame, enum reader_side side);

struct reader_show {
    struct view file;      // what was read, as the user named it; empty: a text
    enum reader_side side; // who reads the advice: what is theirs comes first
    bool sisimai_names;
    bool letter; // with a text to send to the other side
};
// One object of docs/json.md in one line.
void reader_write_json(const struct reader_reading *reading, const struct reader_show *show,
                       struct buffer *out);
void reader_queue_write_json(const struct reader_queue *queue, const struct reader_show *show,
                             struct buffer *out);
// Lines end with LF, no colour. Recipients with the same story are told together.
void reader_write_text(const struct reader_reading *reading, const struct reader_show *show,
                       struct buffer *out);
void reader_queue_write_text(const struct reader_queue *queue, const struct reader_show *show,
                             struct buffer *out);

// Masks people so that an answer can be shown to others: local parts become "user1", inside
// addresses and host names are hidden, the subjects that were added disappear. The same name gets
// the same mask.
struct reader_redaction;
struct reader_redaction *reader_redaction_create(void);
void reader_redaction_destroy(struct reader_redaction *redaction);
void reader_redaction_add_subject(struct reader_redaction *redaction, struct view subject);
// A server that the answer names: hidden everywhere where its name has no dot.
void reader_redaction_add_host(struct reader_redaction *redaction, struct view host);
void reader_redaction_add_person(struct reader_redaction *redaction, struct view address);
void reader_redact(struct reader_redaction *redaction, struct view text, struct buffer *out);
// The same for an answer in JSON, whose strings are masked one by one.
void reader_redact_json(struct reader_redaction *redaction, struct view json, struct buffer *out);

#endif
