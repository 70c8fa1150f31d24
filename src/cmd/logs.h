// SPDX-License-Identifier: Apache-2.0
// The parts of postrider logs.
#ifndef CMD_LOGS_H
#define CMD_LOGS_H

#include "cmd/cmd.h"
#include "insight/insight.h"
#include "readers/readers.h"

enum {
    LOGS_BLOCK_BYTES = 256 << 10,
    LOGS_PEEK_BYTES_MAX = 1 << 20,    // read to find out when a file begins
    LOGS_MEMORY_BYTES_MAX = 96 << 20, // that unpacking one file may take
    LOGS_FILES_MAX = 4096,
    LOGS_PROBLEMS_MAX = 200, // that are told one by one in JSON
    LOGS_STORY_MAX = 10000,  // lines told of one message
    LOGS_ANSWER_BYTES_MAX = 64 << 20
};

// --- Unpacking (logs_unpack.c) ------------------------------------------------------------------
// A file as it is, or out of gzip, xz or zstd, told by its first bytes.
struct logs_source;
// Takes the descriptor. `name` is kept.
struct logs_source *logs_source_create(int fd, const char *name);
void logs_source_destroy(struct logs_source *source);
// The next bytes, valid until the next call; empty at the end. False: `error` says what is wrong
// with the file; what came before is good.
bool logs_source_read(struct logs_source *source, struct view *bytes, struct error *error);
bool logs_source_is_packed(const struct logs_source *source);
uint64_t logs_source_taken_bytes(const struct logs_source *source); // of the file itself

// --- What is asked ------------------------------------------------------------------------------
struct logs_question {
    int64_t since_ms, until_ms; // zero: no bound
    struct view domain;         // or an address; lower case
    enum cause cause;           // CAUSE_NONE: any
    struct view message;        // queue id or Message-ID
};

struct logs_problem {
    char *file, *what;
};

struct logs_file {
    const char *path;
    int64_t first_ms;    // of its first delivery; INT64_MAX: not known
    uint64_t size_bytes; // when it was looked at
    size_t order;        // on the command line
    char mask[32];       // its name where that must not be seen
};

struct logs {
    struct logs_question question;
    struct insight_show show;
    struct insight *insight;
    struct reader_log *reader;
    struct reader_redaction *redaction; // NULL: nothing is masked
    struct buffer out;
    bool is_json;
    bool is_incomplete; // something could not be read
    struct logs_file *files;
    size_t n_files, n_files_read;
    struct logs_problem problems[LOGS_PROBLEMS_MAX];
    size_t n_problems;
    struct logs_story *story; // of the message that is asked for; NULL: none is
    struct {
        bool is_shown;
        uint64_t done_bytes, all_bytes;
        int64_t begun_ms, shown_ms;
    } progress;
    int64_t now_ms;
    int32_t zone_minutes;
};

// Says it on standard error and keeps it for the answer.
void logs_problem(struct logs *logs, const char *file, const char *what);
// Says it, but the file was read as far as it goes.
void logs_remark(struct logs *logs, const char *file, const char *what);

// --- Files (logs_input.c) -----------------------------------------------------------------------
// Reads all of `paths` in the order of their times; "-" is standard input and comes last.
void logs_read_all(struct logs *logs, int n, char **paths);

// --- Events and stories (logs_event.c) ----------------------------------------------------------
void logs_on_entry(const struct reader_entry *entry, void *logs);
struct logs_story *logs_story_create(void);
void logs_story_destroy(struct logs_story *story);
// False: the message was not found.
bool logs_story_write(const struct logs *logs, struct buffer *out);

#endif
