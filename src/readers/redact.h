// SPDX-License-Identifier: Apache-2.0
// The parts of redaction. Private to this folder.
//
// A text is walked once: at each place the rules are asked, in their order, whether something that
// tells of people or of the inside begins there. A rule sees the whole text, as what stands before
// and behind a word decides what it is.
#ifndef READERS_REDACT_H
#define READERS_REDACT_H

#include "readers/readers.h"

enum { REDACT_NAMES_MAX = 4096, REDACT_HOSTS_MAX = 1024, REDACT_SUBJECTS_MAX = 64 };
enum { REDACT_NAME_BYTES_MIN = 3 };

struct reader_redaction {
    struct arena arena;
    struct view names[REDACT_NAMES_MAX]; // local parts; user1 is the first
    size_t n_names;
    struct view hosts[REDACT_HOSTS_MAX]; // names of servers that have no dot
    size_t n_hosts;
    struct view subjects[REDACT_SUBJECTS_MAX];
    size_t n_subjects;
};

// A place in a text. What begins at `at` ends before `end` at the latest.
struct redact_spot {
    struct view text;
    size_t at, end;
};
static inline struct view redact_before(const struct redact_spot *spot) {
    return view_take(spot->text, spot->at);
}
static inline struct view redact_rest(const struct redact_spot *spot) {
    return view_skip(view_take(spot->text, spot->end), spot->at);
}

// What words are made of: letters, digits, "-_.+" and all that is no ASCII.
bool redact_is_word_char(char c);
// Whether a word may begin here.
bool redact_is_word_begin(const struct redact_spot *spot);
struct view redact_word(const struct redact_spot *spot); // empty: none stands here
// Whether the text before the place ends with one of these; letters of both cases are the same.
bool redact_follows(const struct redact_spot *spot, const struct view *marks, size_t n);

// --- People (redact_people.c) -------------------------------------------------------------------
void redact_learn_people(struct reader_redaction *redaction, struct view text);
void redact_put_mask(struct reader_redaction *redaction, struct view name, struct buffer *out);
bool redact_is_person(const struct reader_redaction *redaction, struct view word);
bool redact_is_part_of_person(const struct reader_redaction *redaction, struct view word);
// Lengths of what begins here; zero: nothing of the kind.
size_t redact_display_name_len(const struct redact_spot *spot);
size_t redact_directory_name_len(const struct redact_spot *spot);
size_t redact_account_len(const struct redact_spot *spot); // "FIRM\jane"
size_t redact_user_field_len(const struct redact_spot *spot);
size_t redact_subject_len(const struct reader_redaction *redaction, const struct redact_spot *spot);

// --- The inside (redact_inside.c) ---------------------------------------------------------------
void redact_learn_hosts(struct reader_redaction *redaction, struct view text);
bool redact_is_inside_address(struct view word);
// Of a name with or without dots, wherever it stands.
bool redact_is_inside_host(const struct reader_redaction *redaction, struct view word);
// A name without a dot in a place where servers are named.
bool redact_is_host_place(const struct redact_spot *spot, struct view word);
size_t redact_ipv6_len(const struct redact_spot *spot, bool *is_inside);

#endif
