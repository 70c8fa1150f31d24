// SPDX-License-Identifier: Apache-2.0
// postrider logs: what broke, since when, for whom and whose it is, out of the logs of mail
// servers. No daemon, no root, no network. A system is found by what stands in its lines.
#include "cmd/logs.h"

#include "base/units.h"
#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "usage: postrider logs [OPTIONS] FILE... | -\n\n"
    "Reads the logs of mail servers (Postfix, Exim, Sendmail, OpenSMTPD, Exchange message "
    "tracking\n"
    "and SMTP send logs, Symantec Messaging Gateway, Postrider; journalctl -o json on standard\n"
    "input) and tells the incidents in them: which destination, which cause, since when, how many\n"
    "messages, whose fault, what to do. Files may be packed with gzip, xz or zstd, and be named "
    "in\n"
    "any order.\n\n"
    "      --since TIME, --until TIME  2026-05-12, \"2026-05-12 10:42\", 2026-05-12T10:42:00Z, or "
    "2h "
    "(ago)\n"
    "      --domain DOMAIN  of recipients, with what is below it; or one address\n"
    "      --cause CAUSE    an id of postrider explain --list\n"
    "      --message ID     the story of one message: a queue id or a Message-ID\n"
    "      --zone +HH:MM    of times that say none, here and in the logs (default: this "
    "machine's)\n"
    "      --i-am SIDE      sender or receiver: your part of the advice comes first\n"
    "      --rules FILE     wordings of your own, asked first (man postrider-rules)\n"
    "      --redact         masks people, file names and what is inside\n"
    "      --json           one object (docs/json.md)\n"
    "Exit status: 0 nothing wrong, 1 incidents were found or something was not read, 2 wrong use\n";

// --- Times ---------------------------------------------------------------------------------------
static int32_t machine_zone_minutes(int64_t now_ms) {
    struct tm local;
    time_t now = (time_t)(now_ms / 1000);
    return localtime_r(&now, &local) ? (int32_t)(local.tm_gmtoff / 60) : 0;
}

static bool parse_zone(const char *text, int32_t *minutes) {
    unsigned hours, rest;
    char sign, end;
    if (sscanf(text, "%c%2u:%2u%c", &sign, &hours, &rest, &end) != 3 &&
        sscanf(text, "%c%2u%2u%c", &sign, &hours, &rest, &end) != 3)
        return false;
    if ((sign != '+' && sign != '-') || hours > 14 || rest > 59)
        return false;
    *minutes = (int32_t)(hours * 60 + rest) * (sign == '-' ? -1 : 1);
    return true;
}

// "2026-05-12", "2026-05-12 10:42", "2026-05-12T10:42:30".
static bool parse_civil(const char *text, int32_t zone_minutes, int64_t *at_ms) {
    struct units_civil civil = {0};
    char between = ' ', end;
    int n = sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%c", &civil.year, &civil.month, &civil.day,
                   &between, &civil.hour, &civil.minute, &civil.second, &end);
    if ((n != 3 && n != 6 && n != 7) || (between != ' ' && between != 'T'))
        return false;
    if (!units_from_civil(&civil, at_ms))
        return false;
    *at_ms -= (int64_t)zone_minutes * 60 * 1000;
    return true;
}

static bool parse_time(const struct logs *logs, const char *option, const char *text,
                       int64_t *at_ms) {
    int64_t ago_ms;
    if (!text)
        return true;
    if (units_parse_time(view_of(text), at_ms) || parse_civil(text, logs->zone_minutes, at_ms))
        return true;
    if (units_parse_duration(view_of(text), &ago_ms)) {
        *at_ms = logs->now_ms - ago_ms;
        return true;
    }
    fprintf(stderr, "postrider logs: --%s: \"%s\" is no time (2026-05-12, 2h)\n", option, text);
    return false;
}

// --- Options -------------------------------------------------------------------------------------
struct arguments {
    const char *since, *until, *domain, *cause, *message, *zone, *rules, *side;
    bool wants_help, wants_masks;
};

static bool set_question(struct logs *logs, const struct arguments *arguments) {
    struct logs_question *question = &logs->question;
    if (arguments->zone && !parse_zone(arguments->zone, &logs->zone_minutes)) {
        fprintf(stderr, "postrider logs: --zone: \"%s\" is no zone (+02:00)\n", arguments->zone);
        return false;
    }
    if (arguments->cause && !cause_from_id(view_of(arguments->cause), &question->cause)) {
        fprintf(stderr, "postrider logs: --cause: there is no \"%s\" (postrider explain --list)\n",
                arguments->cause);
        return false;
    }
    if (arguments->side && !cmd_parse_side(arguments->side, &logs->show.side)) {
        fprintf(stderr, "postrider logs: --i-am: sender or receiver, not \"%s\"\n",
                arguments->side);
        return false;
    }
    logs->show.zone_minutes = logs->zone_minutes;
    question->domain = view_of(arguments->domain);
    question->message = view_of(arguments->message);
    return parse_time(logs, "since", arguments->since, &question->since_ms) &&
           parse_time(logs, "until", arguments->until, &question->until_ms);
}

static bool names_stdin_twice(int n, char **paths) {
    int n_stdin = 0;
    for (int i = 0; i < n; i++)
        n_stdin += view_equals(view_of(paths[i]), VIEW("-"));
    return n_stdin > 1;
}

// --- The answer ----------------------------------------------------------------------------------
static void put_systems(const struct reader_log_totals *totals, struct json_writer *json) {
    json_key(json, "deliveries");
    json_object_begin(json);
    for (int i = READER_LOG_POSTFIX; i < READER_LOG_SYSTEM_COUNT; i++)
        if (totals->n_deliveries[i])
            json_put_int(json, reader_log_word((enum reader_log_system)i).ptr,
                         (int64_t)totals->n_deliveries[i]);
    json_object_end(json);
}

static void put_read_json(const struct logs *logs, struct json_writer *json) {
    const struct reader_log_totals *totals = reader_log_totals(logs->reader);
    json_key(json, "read");
    json_object_begin(json);
    json_put_int(json, "files", (int64_t)logs->n_files_read);
    json_put_int(json, "lines", (int64_t)totals->n_lines);
    json_put_int(json, "bytes", (int64_t)totals->n_bytes);
    put_systems(totals, json);
    json_put_int(json, "inbound", (int64_t)totals->n_inbound);
    json_put_int(json, "other", (int64_t)totals->n_other);
    json_put_int(json, "unread", (int64_t)totals->n_unread);
    json_put_int(json, "long", (int64_t)totals->n_long);
    json_put_int(json, "with_nul", (int64_t)totals->n_nul);
    json_put_int(json, "clock_jumps", (int64_t)totals->n_clock_jumps);
    json_put_bool(json, "complete", !logs->is_incomplete);
    json_key(json, "problems");
    json_array_begin(json);
    for (size_t i = 0; i < logs->n_problems; i++) {
        json_object_begin(json);
        json_put_string(json, "file", view_of(logs->problems[i].file));
        json_put_string(json, "what", view_of(logs->problems[i].what));
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}

static void write_json(struct logs *logs, const struct insight_report *report) {
    struct json_writer json;
    json_begin(&json, &logs->out);
    json_object_begin(&json);
    insight_write_json_members(report, &logs->show, &json);
    put_read_json(logs, &json);
    json_object_end(&json);
    buffer_append_char(&logs->out, '\n');
}

static void put_odd(struct buffer *out, uint64_t n, const char *one, const char *many) {
    if (n == 0)
        return;
    buffer_append_view(out, VIEW("; "));
    units_put_counted(out, n, one, many);
}

static void write_text(struct logs *logs, const struct insight_report *report) {
    const struct reader_log_totals *totals = reader_log_totals(logs->reader);
    insight_write_text(report, &logs->show, &logs->out);
    struct buffer *out = &logs->out;
    buffer_append_view(out, VIEW("\nRead: "));
    units_put_counted(out, logs->n_files_read, "file", "files");
    buffer_append_view(out, VIEW(", "));
    units_put_counted(out, totals->n_lines, "line", "lines");
    for (int i = READER_LOG_POSTFIX; i < READER_LOG_SYSTEM_COUNT; i++)
        if (totals->n_deliveries[i]) {
            buffer_append_view(out, VIEW(", "));
            units_put_counted(out, totals->n_deliveries[i], "try of ", "tries of ");
            buffer_append_view(out, reader_log_word((enum reader_log_system)i));
        }
    put_odd(&logs->out, totals->n_unread, "line could not be read", "lines could not be read");
    put_odd(&logs->out, totals->n_long, "line was too long", "lines were too long");
    put_odd(&logs->out, totals->n_nul, "line with NUL bytes", "lines with NUL bytes");
    put_odd(&logs->out, totals->n_clock_jumps, "jump of the clock", "jumps of the clock");
    put_odd(&logs->out, logs->n_problems, "remark about a file on standard error",
            "remarks about files on standard error");
    buffer_append_char(&logs->out, '\n');
}

static void flush(struct logs *logs) {
    struct buffer masked;
    if (logs->out.overflow) {
        fputs("postrider logs: the answer is too long and was cut\n", stderr);
        logs->is_incomplete = true;
    }
    if (!logs->redaction) {
        fwrite(logs->out.ptr, 1, logs->out.len, stdout);
        return;
    }
    buffer_init(&masked, 2 * (size_t)LOGS_ANSWER_BYTES_MAX);
    if (logs->is_json)
        reader_redact_json(logs->redaction, buffer_view(&logs->out), &masked);
    else
        reader_redact(logs->redaction, buffer_view(&logs->out), &masked);
    fwrite(masked.ptr, 1, masked.len, stdout);
    buffer_finish(&masked);
}

// What no "@" or bracket shows to be of the inside.
static void add_names(struct reader_redaction *redaction, const struct insight_report *report) {
    const struct {
        const struct insight_incident *all;
        size_t n;
    } lists[] = {{report->incidents, report->n_incidents}, {report->late, report->n_late}};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (size_t j = 0; j < lists[i].n; j++) {
            reader_redaction_add_host(redaction, lists[i].all[j].name);
            reader_redaction_add_host(redaction, lists[i].all[j].proof.host);
        }
    for (size_t i = 0; i < report->n_destinations; i++)
        reader_redaction_add_host(redaction, report->destinations[i].name);
}

static int answer(struct logs *logs) {
    const struct insight_report *report = insight_report(logs->insight);
    if (logs->redaction)
        add_names(logs->redaction, report);
    const struct insight_tally *totals = &report->totals;
    uint64_t n = totals->n_delivered + totals->n_deferred + totals->n_bounced +
                 totals->n_suppressed + totals->n_expired;
    bool is_found = n > 0;
    if (logs->story)
        is_found = logs_story_write(logs, &logs->out);
    else if (logs->is_json)
        write_json(logs, report);
    else
        write_text(logs, report);
    flush(logs);
    if (!is_found && !logs->is_json)
        fputs(logs->story ? "postrider logs: the message was not found\n"
                          : "postrider logs: no deliveries were found\n",
              stderr);
    bool has_trouble = !logs->story && report->n_incidents + report->n_late > 0;
    return has_trouble || logs->is_incomplete || !is_found ? CMD_FAULT : CMD_WELL;
}

static int run(struct logs *logs, int n, char **paths) {
    struct reader_log_options options = {.now_ms = logs->now_ms,
                                         .zone_minutes = logs->zone_minutes,
                                         .on_entry = logs_on_entry,
                                         .arg = logs};
    buffer_init(&logs->out, LOGS_ANSWER_BYTES_MAX);
    logs->insight = insight_create(&(struct insight_options){0});
    logs->reader = reader_log_create(&options);
    logs->story = logs->question.message.len ? logs_story_create() : NULL;
    logs->progress.is_shown = isatty(STDERR_FILENO);
    logs_read_all(logs, n, paths);
    int status = answer(logs);
    for (size_t i = 0; i < logs->n_problems; i++) {
        free(logs->problems[i].file);
        free(logs->problems[i].what);
    }
    logs_story_destroy(logs->story);
    reader_log_destroy(logs->reader);
    insight_destroy(logs->insight);
    reader_redaction_destroy(logs->redaction);
    buffer_finish(&logs->out);
    free(logs->files);
    return status;
}

int cmd_logs(int argc, char **argv) {
    struct logs *logs = mem_alloc_zero(sizeof(*logs));
    struct arguments arguments = {0};
    const struct cmd_option options[] = {
        {"since", 0, &arguments.since, NULL},        {"until", 0, &arguments.until, NULL},
        {"domain", 0, &arguments.domain, NULL},      {"cause", 0, &arguments.cause, NULL},
        {"message", 0, &arguments.message, NULL},    {"zone", 0, &arguments.zone, NULL},
        {"rules", 0, &arguments.rules, NULL},        {"i-am", 0, &arguments.side, NULL},
        {"redact", 0, NULL, &arguments.wants_masks}, {"json", 0, NULL, &logs->is_json},
        {"help", 'h', NULL, &arguments.wants_help},  {NULL, 0, NULL, NULL}};
    int n = cmd_parse("logs", argc, argv, options), status = CMD_WRONG_USE;
    struct rules *rules = NULL;
    logs->now_ms = io_wall_ms();
    logs->zone_minutes = machine_zone_minutes(logs->now_ms);
    if (arguments.wants_help) {
        fputs(help, stdout);
        status = CMD_WELL;
    } else if (n == 0 || (n > 0 && names_stdin_twice(n, argv))) {
        fputs(n ? "postrider logs: \"-\" can be read once\n" : help, stderr);
    } else if (n > 0 && set_question(logs, &arguments) &&
               cmd_rules_begin("logs", arguments.rules, &rules)) {
        logs->redaction = arguments.wants_masks ? reader_redaction_create() : NULL;
        status = run(logs, n, argv);
        cmd_rules_end(rules);
    }
    free(logs);
    return status;
}
