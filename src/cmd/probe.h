// SPDX-License-Identifier: Apache-2.0
// Shared by the files of `postrider probe`.
//
//   probe.c           the run, one target
//   probe_arguments.c the options
//   probe_many.c      many targets at the same time
//   probe_baseline.c  what another day showed
//   probe_message.c   the operator's own message
#ifndef CMD_PROBE_H
#define CMD_PROBE_H

#include "cmd/daemon.h"
#include "probe/probe.h"

#include <jansson.h>
#include <stdio.h>

enum { PROBE_CONCURRENCY = 20, PROBE_CONCURRENCY_MAX = 1000 };
// Targets that talk with one address at the same time.
enum { PROBE_SESSIONS_AT_ADDRESS_MAX = 2 };

// What the other side of a run shares: options, loop, resolver.
struct probe_call {
    struct probe_options options;
    struct view rcpt; // of --rcpt or --mail-to; empty: none
    bool is_json;
    unsigned concurrency;
    json_t *baseline; // NULL: none
    bool has_news;    // for the baseline's file
};

// One target, from its words to its answer.
struct probe_one {
    struct probe_call *call;
    const char *text;
    struct arena arena;
    struct probe_target target;
    struct probe_result result;
    struct error error; // why there is no result
    bool is_done;
};
IO_WAITS void probe_one_run(struct probe_one *one);
void probe_one_finish(struct probe_one *one);
void probe_paint_init(struct probe_paint *paint);

struct probe_list {
    char **texts;
    size_t n, size;
};
// Lines of a file ("-": standard input); empty ones and those that begin with "#" are left out.
bool probe_list_read(struct probe_list *list, const char *path, struct error *error);
void probe_list_add(struct probe_list *list, const char *text);
void probe_list_finish(struct probe_list *list);

struct probe_totals {
    size_t n_well, n_fault, n_wrong;
};
// Prints each answer when it is there, and the totals for people. Runs in a fiber.
IO_WAITS void probe_many_run(struct probe_call *call, const struct probe_list *list,
                             struct probe_totals *totals);

// The options as they were given.
struct probe_arguments {
    const char *config, *from, *helo, *sender, *port, *tls, *ca, *resolver, *timeout, *controls,
        *rcpt, *mail_to, *message, *wait, *file, *concurrency, *baseline, *pcap, *block_lists;
    const char *rdap; // a base URL; NULL: the usual one, where asks_rdap
    bool is_json, is_deep, asks_rdap, finds_limits, wants_help;
};

// The number of targets that are left in `argv`; negative: wrong use, said already.
int probe_arguments_parse(struct probe_arguments *arguments, int argc, char **argv);
void probe_arguments_help(FILE *out);

struct probe_run {
    const struct probe_arguments *arguments;
    struct probe_call call;
    struct address resolver; // NONE: as configured
    struct probe_list list;
    struct probe_totals totals;
    struct address own[DAEMON_OWN_MAX]; // our listeners
    struct arena arena;
    struct buffer message; // of --message
    struct error error;    // why nothing was probed
    struct error capture_error;
    bool is_done;
};

// Turns the words into the call; false: `error` says which one is wrong.
bool probe_arguments_use(struct probe_run *run);

// The message of --message into `out`: every line ends with CRLF (RFC 5321 2.3.8).
bool probe_message_read(const char *path, struct buffer *out, struct error *error);

// The file, or an empty baseline where there is none yet. NULL: it cannot be read.
json_t *probe_baseline_load(const char *path, struct error *error);
// Puts what has changed into the result, or the facts of a new target into the baseline.
void probe_baseline_use(struct probe_call *call, struct probe_one *one);
bool probe_baseline_save(const json_t *baseline, const char *path, struct error *error);

#endif
