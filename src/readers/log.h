// SPDX-License-Identifier: Apache-2.0
// The parts of reading logs. Private to this folder.
//
// The way of a line: log.c cuts it off, log_head.c takes its time and its program off and finds the
// system, that system's file (log_postfix.c ...) says what it tells, log_entry.c puts together what
// is known of the message (log_follow.c) and the meaning of the words (log_words.c).
// Nothing is allocated for a line, and every table has its size from the start.
#ifndef READERS_LOG_H
#define READERS_LOG_H

#include "readers/readers.h"

enum {
    LOG_LINE_BYTES_MAX = 256 << 10, // of longer lines nothing is read
    LOG_FOLLOWED_MAX = 200000,      // messages, where the caller does not say
    LOG_JUMP_MS = 60 * 1000         // a clock that goes back by more has jumped
};

// What a line turned out to be.
enum log_told { LOG_TOLD_NOISE, LOG_TOLD_DELIVERY, LOG_TOLD_INBOUND, LOG_TOLD_UNREAD };

// A line with its head taken off.
struct log_line {
    struct view whole;
    struct view host; // of the syslog, that wrote it; may be empty
    struct view tag;  // "postfix/smtp"
    struct view pid;  // digits; may be empty
    struct view text; // behind "tag[pid]: "
    int64_t at_ms;
};

static inline bool log_starts(struct view text, struct view with) {
    return text.len >= with.len && memcmp(text.ptr, with.ptr, with.len) == 0;
}
#define LOG_STARTS(text, literal) log_starts(text, VIEW(literal))
static inline bool log_has(struct view text, struct view part) {
    return text.ptr && part.len <= text.len &&
           memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}
#define LOG_HAS(text, literal) log_has(text, VIEW(literal))

// "3F2A1B4C5D: " at the start, as Postfix and Sendmail write the id of a queue.
bool reader_log_id_take(struct view *text, struct view *id);
// What stands behind `key` (" relay=\"") up to `end`; empty where it does not stand there.
struct view reader_log_field(struct view text, struct view key, char end);

// --- Times --------------------------------------------------------------------------------------
// Lines of the same second share the work: the text of the last one is kept.
struct log_clock {
    int64_t now_ms;
    int32_t zone_minutes;
    int year; // the newest that a line may have; zero: not computed yet
    char text[20];
    size_t text_len;
    int64_t text_ms;
};
// "May  2 10:42:00", "2026-05-02T10:42:00.123+02:00", "2026-05-02 10:42:00.123 +0200" at the start
// of `text`. Returns its length; zero where there is no time.
size_t reader_log_time_take(struct log_clock *clock, struct view text, int64_t *at_ms);

// --- Ages ---------------------------------------------------------------------------------------
// "1.5", "11s", "1d2h3m4s", "00:30:03", "4+00:30:03": how long a message has been there.
bool reader_log_delay_read(struct view text, int64_t *delay_ms);
// Zero where the message cannot have arrived then.
int64_t reader_log_arrival_bound(int64_t arrived_ms, int64_t at_ms);
// The arrival of an entry whose message was not seen coming in. What says nothing changes nothing.
void reader_log_entry_delay(struct view delay, struct reader_entry *entry);
// When the message with this id of Exim's came in; zero: no such id.
int64_t reader_log_exim_id_ms(struct view id);

// --- Messages -----------------------------------------------------------------------------------
// The latest messages, found by the host and the id of a queue. The one that was not heard of for
// the longest time makes room.
enum { LOG_FOLLOWED_TEXT_MAX = 184, LOG_FOLLOWED_DOMAIN_MAX = 64 };

struct log_followed {
    uint64_t hash;
    uint64_t message; // the number that entries carry
    int64_t arrived_ms;
    uint32_t next, newer, older; // indices; zero: none
    uint32_t cause;              // of its last attempt
    uint8_t sender_at, sender_len, id_at, id_len, domain_len, text_len;
    bool has_sender;
    char domain[LOG_FOLLOWED_DOMAIN_MAX]; // of its last failure
    char text[LOG_FOLLOWED_TEXT_MAX];
};

struct log_follow {
    struct log_followed *all; // index zero is not used
    uint32_t *slots;
    size_t n_slots;
    uint32_t n_max, n_used, free, newest, oldest;
};

void reader_log_follow_init(struct log_follow *follow, size_t n_max);
void reader_log_follow_finish(struct log_follow *follow);
// NULL where it is not followed.
struct log_followed *reader_log_follow_find(struct log_follow *follow, uint64_t hash);
// The same, or one whose arrival was not seen.
struct log_followed *reader_log_follow_get(struct log_follow *follow, uint64_t hash);
// A message that begins here, also where its id was in use before.
struct log_followed *reader_log_follow_start(struct log_follow *follow, uint64_t hash,
                                             int64_t at_ms);
void reader_log_follow_end(struct log_follow *follow, uint64_t hash);
// What does not fit is left out.
void reader_log_followed_set_sender(struct log_followed *message, struct view sender);
void reader_log_followed_set_id(struct log_followed *message, struct view message_id);
struct view reader_log_followed_sender(const struct log_followed *message);
struct view reader_log_followed_id(const struct log_followed *message);
// Of bytes that no stranger chooses: ids of queues, names of hosts.
uint64_t reader_log_hash(struct view bytes, uint64_t seed);
// Without the "<" and ">" around an address or a Message-ID.
struct view reader_log_bare(struct view path);

// --- Words --------------------------------------------------------------------------------------
// The same words come back thousands of times: what reader_words_read found is kept.
struct log_words {
    struct reader_words words;
    enum cause cause;
    uint64_t hash;
    size_t len;
    char *text;
};
struct log_words_cache;
struct log_words_cache *reader_log_words_create(void);
void reader_log_words_destroy(struct log_words_cache *cache);
// Lives until the next call.
const struct log_words *reader_log_words(struct log_words_cache *cache, struct view text);

// --- Warnings -----------------------------------------------------------------------------------
// The server that was spoken of last, before the line that tells how the attempt ended: by a
// process of Postfix, about a message of Exim's.
enum { LOG_WARNINGS = 256, LOG_WARNING_HOST_MAX = 128 };

struct log_warning {
    uint64_t process; // hash of host and pid; zero: none
    uint64_t message; // key of the one that it is for; zero: not known yet
    int64_t at_ms;
    struct address peer;
    size_t host_len;
    char host[LOG_WARNING_HOST_MAX];
};
// `server` as in reader_log_entry_host.
void reader_log_warning_note(struct reader_log *log, uint64_t process, int64_t at_ms,
                             struct view server);
// Fills in the server of an entry that names none. What was said is over when the process names
// another server or goes on to another message.
void reader_log_warning_use(struct reader_log *log, uint64_t process, uint64_t message,
                            struct reader_entry *entry);

// --- Sessions of OpenSMTPD ----------------------------------------------------------------------
enum { LOG_ROUTES = 32, LOG_ROUTE_HOST_MAX = 128, LOG_ROUTE_REASON_MAX = 256 };

struct log_route {
    uint64_t session; // hash; zero: none
    int64_t at_ms;    // of its error
    bool is_calling;  // no connection stood yet
    struct address peer;
    size_t host_len, reason_len;
    char host[LOG_ROUTE_HOST_MAX], reason[LOG_ROUTE_REASON_MAX];
};

// --- Exchange -----------------------------------------------------------------------------------
// The columns that are read, found by the names in "#Fields:".
#define LOG_COLUMNS(X)                                                                             \
    X(SERVER_IP, "server-ip")                                                                      \
    X(SERVER_HOSTNAME, "server-hostname")                                                          \
    X(SOURCE_CONTEXT, "source-context")                                                            \
    X(EVENT_ID, "event-id")                                                                        \
    X(INTERNAL_ID, "internal-message-id")                                                          \
    X(MESSAGE_ID, "message-id")                                                                    \
    X(RECIPIENTS, "recipient-address")                                                             \
    X(STATUS, "recipient-status")                                                                  \
    X(SENDER, "sender-address")                                                                    \
    X(INFO, "message-info")                                                                        \
    X(SESSION, "session-id")                                                                       \
    X(REMOTE, "remote-endpoint")                                                                   \
    X(EVENT, "event")                                                                              \
    X(DATA, "data")                                                                                \
    X(CONTEXT, "context")

enum log_column {
#define X(name, word) LOG_COLUMN_##name,
    LOG_COLUMNS(X)
#undef X
        LOG_COLUMN_COUNT
};
enum { LOG_CSV_FIELDS_MAX = 64 };

struct log_columns {
    enum reader_log_system system; // NONE: no header was read
    bool is_receive;               // mail that came in
    size_t n_fields;
    int at[LOG_COLUMN_COUNT]; // -1: there is none
};
struct log_row {
    struct view columns[LOG_COLUMN_COUNT];
};

// "#Fields: ..." and the other lines of a header.
void reader_log_columns_read(struct log_columns *columns, struct view line);
// A row begins with its time, "2026-05-12T10:42:00.123Z,".
enum log_told reader_log_row_read(struct reader_log *log, const struct log_line *line);
enum log_told reader_log_tracking_read(struct reader_log *log, const struct log_line *line,
                                       const struct log_row *row);
enum log_told reader_log_send_read(struct reader_log *log, const struct log_line *line,
                                   const struct log_row *row);

// The conversations of an SMTP send log, made when the first row is read.
struct log_sessions;
void reader_log_sessions_destroy(struct log_sessions *sessions);

// --- journald -----------------------------------------------------------------------------------
// A line of "journalctl -o json" as the line that a syslog would have written; `text` holds it.
bool reader_log_journal_read(struct buffer *text, struct view json, struct log_line *line);

// --- The reader ---------------------------------------------------------------------------------
struct reader_log {
    struct reader_log_options options;
    struct reader_log_totals totals;
    struct view file;
    struct buffer rest; // of a line whose end was not given yet
    bool is_skipping;   // the line is too long: up to its end
    bool has_nul;       // in the bytes that are read now
    struct log_clock clock;
    int64_t last_ms;     // of the line before, in this file
    uint64_t file_lines; // that were read before it
    struct log_follow follow;
    struct log_words_cache *words;
    struct log_warning warnings[LOG_WARNINGS];
    struct log_route routes[LOG_ROUTES]; // a ring
    size_t n_routes;
    char domain[256];         // of the entry that is made
    struct reader_words said; // the words of it, with the server that its line names
    struct log_columns columns;
    struct log_sessions *sessions;
    struct buffer copy; // of a line whose quotes or escapes had to be taken off
};

void reader_log_line_read(struct reader_log *log, struct view line);
// What a line says behind its head, by the program that wrote it.
enum log_told reader_log_postfix_read(struct reader_log *log, const struct log_line *line);
enum log_told reader_log_exim_read(struct reader_log *log, const struct log_line *line);
enum log_told reader_log_sendmail_read(struct reader_log *log, const struct log_line *line);
enum log_told reader_log_opensmtpd_read(struct reader_log *log, const struct log_line *line);
enum log_told reader_log_symantec_read(struct reader_log *log, const struct log_line *line);
enum log_told reader_log_postrider_read(struct reader_log *log, const struct log_line *line);
bool reader_log_symantec_is(struct view text); // "epoch|id|EVENT|..."

// The key of a message in `follow`.
uint64_t reader_log_key(struct reader_log *log, const struct log_line *line, struct view id);

// --- Entries ------------------------------------------------------------------------------------
// A reader begins an entry, says what it knows, and tells it.
void reader_log_entry_begin(struct reader_log *log, const struct log_line *line,
                            enum reader_log_system system, struct reader_entry *entry);
void reader_log_entry_recipient(struct reader_log *log, struct view address,
                                struct reader_entry *entry);
// "host[192.0.2.1]:25", "host [192.0.2.1]:25", "host. [192.0.2.1]", "192.0.2.1".
void reader_log_entry_host(struct view relay, struct reader_entry *entry);
void reader_log_entry_failed(struct reader_log *log, struct view words, enum outcome outcome,
                             struct reader_entry *entry);
// The time of message `id` was over; the line names no recipient.
void reader_log_entry_expired(struct reader_log *log, const struct log_line *line,
                              enum reader_log_system system, struct view id);
// `message` may be NULL. An expired one has the cause of its last attempt.
void reader_log_entry_tell(struct reader_log *log, struct log_followed *message,
                           struct reader_entry *entry);

#endif
