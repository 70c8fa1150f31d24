// SPDX-License-Identifier: Apache-2.0
// postrider explain: what an error line, a bounce or a queue listing means. No daemon, no root, no
// network. What an input is, is seen by its content.
#include "cmd/explain.h"

#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: postrider explain [OPTIONS] [TEXT | FILE | FOLDER | CAUSE | -]...\n\n"
    "Says what a mail error means, whose fault it is and what to do. TEXT is an error as you see "
    "it\n"
    "(\"450 4.4.318 Connection was closed abruptly\"), a line of a log, a code or a number. FILE "
    "holds\n"
    "bounces (one mail or a mailbox), error lines, or a queue: postqueue -j, mailq, exim -bp,\n"
    "smtpctl show queue, Get-Queue. FOLDER is a Maildir or holds such files. CAUSE is an id of "
    "--list.\n"
    "Without arguments, and for -, it reads standard input.\n\n"
    "      --i-am SIDE      sender or receiver: your part of the advice comes first\n"
    "      --letter         with a text to send to the other side\n"
    "      --redact         masks people, subjects and inside addresses\n"
    "      --sisimai-names  with the reason as Sisimai names it\n"
    "      --rules FILE     wordings of your own, asked first (man postrider-rules)\n"
    "      --list           all causes\n"
    "      --json           one object a line and input (docs/json.md)\n"
    "Exit status: 0 explained, 1 something was not understood or not read, 2 wrong use\n";

// --- Output --------------------------------------------------------------------------------------
void explain_flush(struct explain *explain) {
    struct buffer masked;
    if (explain->out.overflow) {
        fputs("postrider explain: the answer is too long and was cut\n", stderr);
        explain->has_failed = true;
    }
    if (!explain->redaction) {
        fwrite(explain->out.ptr, 1, explain->out.len, stdout);
        buffer_clear(&explain->out);
        return;
    }
    buffer_init(&masked, 2 * EXPLAIN_ANSWER_BYTES_MAX);
    if (explain->is_json)
        reader_redact_json(explain->redaction, buffer_view(&explain->out), &masked);
    else
        reader_redact(explain->redaction, buffer_view(&explain->out), &masked);
    fwrite(masked.ptr, 1, masked.len, stdout);
    buffer_finish(&masked);
    buffer_clear(&explain->out);
}

// Answers for people stand apart by an empty line.
static void separate(struct explain *explain) {
    if (explain->n_answers++ > 0 && !explain->is_json)
        buffer_append_char(&explain->out, '\n');
}

static bool is_understood(const struct reader_reading *reading) {
    if (reading->kind == READER_OTHER)
        return false;
    for (size_t i = 0; i < reading->n_recipients; i++)
        if (reader_words_cause(&reading->recipients[i].words) == CAUSE_UNKNOWN)
            return false;
    return true;
}

// What no "@" or bracket shows to be somebody's.
static void add_names(struct reader_redaction *redaction, const struct reader_reading *reading) {
    reader_redaction_add_subject(redaction, reading->subject);
    reader_redaction_add_host(redaction, reading->reporting_server);
    reader_redaction_add_person(redaction, reading->sender);
    for (size_t i = 0; i < reading->n_recipients; i++) {
        reader_redaction_add_host(redaction, reading->recipients[i].words.host);
        reader_redaction_add_person(redaction, reading->recipients[i].address);
    }
}

void explain_answer(struct explain *explain, const struct reader_reading *reading) {
    separate(explain);
    explain->has_failed = explain->has_failed || !is_understood(reading);
    if (explain->redaction)
        add_names(explain->redaction, reading);
    if (explain->is_json)
        reader_write_json(reading, &explain->show, &explain->out);
    else
        reader_write_text(reading, &explain->show, &explain->out);
    explain_flush(explain);
}

void explain_queue(struct explain *explain, struct view text) {
    struct arena arena;
    struct reader_queue *queue = mem_alloc_zero(sizeof(*queue));
    arena_init(&arena, EXPLAIN_ARENA_BYTES_MAX);
    reader_queue_read(text, io_wall_ms(), &arena, queue);
    for (size_t i = 0; explain->redaction && i < queue->n_causes; i++) {
        reader_redaction_add_host(explain->redaction, queue->causes[i].sample.words.host);
        reader_redaction_add_person(explain->redaction, queue->causes[i].sample.address);
        for (size_t j = 0; j < queue->causes[i].n_destinations; j++)
            reader_redaction_add_host(explain->redaction, queue->causes[i].destinations[j].name);
    }
    separate(explain);
    if (explain->is_json)
        reader_queue_write_json(queue, &explain->show, &explain->out);
    else
        reader_queue_write_text(queue, &explain->show, &explain->out);
    explain_flush(explain);
    arena_finish(&arena);
    free(queue);
}

// --- Arguments -----------------------------------------------------------------------------------
static bool exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

static bool explain_cause(struct explain *explain, struct view word) {
    enum cause cause;
    if (!cause_from_id(word, &cause) || cause == CAUSE_NONE)
        return false;
    separate(explain);
    cause_write_text(cause, &explain->out);
    explain_flush(explain);
    return true;
}

static void explain_text(struct explain *explain, struct view text) {
    explain->show.file = VIEW_NONE;
    if (!explain_cause(explain, view_trim(text)))
        explain_bytes(explain, text);
}

// Words without quotes are one text.
static void explain_words(struct explain *explain, int n, char **words) {
    struct buffer text;
    buffer_init(&text, EXPLAIN_TEXT_BYTES_MAX);
    for (int i = 0; i < n; i++) {
        if (i > 0)
            buffer_append_char(&text, ' ');
        buffer_append_view(&text, view_of(words[i]));
    }
    explain_text(explain, buffer_view(&text));
    buffer_finish(&text);
}

static void explain_arguments(struct explain *explain, int n, char **arguments) {
    bool has_path = n == 0;
    for (int i = 0; i < n; i++)
        has_path =
            has_path || exists(arguments[i]) || view_equals(view_of(arguments[i]), VIEW("-"));
    if (!has_path && n > 1) {
        explain_words(explain, n, arguments);
        return;
    }
    if (n == 0)
        explain_path(explain, "-");
    for (int i = 0; i < n; i++) {
        bool is_path = exists(arguments[i]) || view_equals(view_of(arguments[i]), VIEW("-"));
        if (is_path)
            explain_path(explain, arguments[i]);
        else if (has_path && view_find_char(view_of(arguments[i]), '/') < strlen(arguments[i]))
            explain_fail(explain, arguments[i], "there is no such file");
        else
            explain_text(explain, view_of(arguments[i]));
    }
}

void explain_fail(struct explain *explain, const char *what, const char *why) {
    fprintf(stderr, "postrider explain: %s: %s\n", what, why);
    explain->has_failed = true;
}

static int print_list(struct explain *explain) {
    catalog_write_list(&explain->out);
    explain_flush(explain);
    return CMD_WELL;
}

int cmd_explain(int argc, char **argv) {
    struct explain explain = {0};
    const char *side = NULL;
    const char *rules_path = NULL;
    struct rules *rules = NULL;
    bool wants_help = false, wants_list = false, wants_masks = false;
    const struct cmd_option options[] = {{"i-am", 0, &side, NULL},
                                         {"letter", 0, NULL, &explain.show.letter},
                                         {"redact", 0, NULL, &wants_masks},
                                         {"sisimai-names", 0, NULL, &explain.show.sisimai_names},
                                         {"list", 0, NULL, &wants_list},
                                         {"json", 0, NULL, &explain.is_json},
                                         {"rules", 0, &rules_path, NULL},
                                         {"help", 'h', NULL, &wants_help},
                                         {NULL, 0, NULL, NULL}};
    int n = cmd_parse("explain", argc, argv, options);
    bool is_well = n >= 0 && (!side || cmd_parse_side(side, &explain.show.side));
    bool has_input = n > 0 || wants_list || !isatty(STDIN_FILENO);
    if (!is_well || wants_help || !has_input) {
        fputs(help, wants_help ? stdout : stderr);
        return wants_help ? CMD_WELL : CMD_WRONG_USE;
    }
    if (!cmd_rules_begin("explain", rules_path, &rules))
        return CMD_WRONG_USE;
    buffer_init(&explain.out, EXPLAIN_ANSWER_BYTES_MAX);
    explain.redaction = wants_masks ? reader_redaction_create() : NULL;
    if (wants_list)
        print_list(&explain);
    else
        explain_arguments(&explain, n, argv);
    reader_redaction_destroy(explain.redaction);
    buffer_finish(&explain.out);
    cmd_rules_end(rules);
    return explain.has_failed ? CMD_FAULT : CMD_WELL;
}
