// SPDX-License-Identifier: Apache-2.0
// A verdict that came as JSON becomes the catalogue's struct again, so that every command shows it
// in the catalogue's one way.
#include "cmd/cmd.h"

#include "base/units.h"
#include "catalog/catalog.h"

#include <stdio.h>
#include <stdlib.h>

static struct view text_of(const json_t *object, const char *key) {
    return view_of(cmd_string(object, key));
}

static enum cause cause_of_json(const json_t *object) {
    enum cause cause;
    return cause_from_id(text_of(object, "cause"), &cause) ? cause : CAUSE_UNKNOWN;
}

// An enum by its word; zero where the word is of a later version.
static int from_word(struct view word, int count, struct view (*word_of)(int value)) {
    for (int value = 0; value < count; value++)
        if (view_equals(word, word_of(value)))
            return value;
    return 0;
}
static struct view blame_of(int value) {
    return blame_word((enum blame)value);
}
static struct view outcome_of(int value) {
    return outcome_word((enum outcome)value);
}
static struct view who_of(int value) {
    return remedy_who_word((enum remedy_who)value);
}

static size_t read_lines(const json_t *list, struct view *lines) {
    size_t n = size_min(json_array_size(list), VERDICT_LINES_MAX);
    for (size_t i = 0; i < n; i++)
        lines[i] = view_of(json_string_value(json_array_get(list, i)));
    return n;
}

static void read_candidates(const json_t *root, struct verdict *verdict) {
    const json_t *list = json_object_get(root, "candidates");
    verdict->n_candidates = size_min(json_array_size(list), VERDICT_CANDIDATES_MAX);
    for (size_t i = 0; i < verdict->n_candidates; i++) {
        const json_t *item = json_array_get(list, i);
        verdict->candidates[i] = (struct candidate){
            .cause = cause_of_json(item),
            .blame = (enum blame)from_word(text_of(item, "blame"), BLAME_COUNT, blame_of),
            .confidence = json_number_value(json_object_get(item, "confidence")),
            .decide_by = text_of(item, "decide_by")};
    }
    list = json_object_get(root, "warnings");
    verdict->n_warnings = size_min(json_array_size(list), VERDICT_CANDIDATES_MAX);
    for (size_t i = 0; i < verdict->n_warnings; i++) {
        const json_t *item = json_array_get(list, i);
        verdict->warnings[i].cause = cause_of_json(item);
        verdict->warnings[i].summary = text_of(item, "summary");
    }
}

static void read_remedies(const json_t *list, struct verdict *verdict) {
    verdict->n_remedies = size_min(json_array_size(list), VERDICT_REMEDIES_MAX);
    for (size_t i = 0; i < verdict->n_remedies; i++) {
        const json_t *item = json_array_get(list, i);
        verdict->remedies[i] = (struct remedy){
            .who = (enum remedy_who)from_word(text_of(item, "who"), REMEDY_DNS_OWNER + 1, who_of),
            .what = text_of(item, "do"),
            .verify = text_of(item, "verify"),
            .action = text_of(item, "action")};
    }
}

static void read_numbers(const json_t *root, struct verdict *verdict) {
    const json_t *server = json_object_get(root, "server");
    const json_t *source = json_object_get(root, "source");
    if (address_parse(text_of(server, "address"), &verdict->server))
        verdict->server.port = (uint16_t)cmd_number(server, "port");
    address_parse(text_of(source, "address"), &verdict->source);
    verdict->helo = text_of(source, "helo");
    verdict->server_name = text_of(server, "name");
    verdict->confidence = json_number_value(json_object_get(root, "confidence"));
    verdict->elapsed_ms = cmd_number(root, "elapsed_ms");
    verdict->bytes_sent = cmd_number(root, "bytes_sent");
    verdict->may_be_delivered = json_is_true(json_object_get(root, "may_be_delivered"));
    units_parse_time(text_of(root, "at"), &verdict->at_ms);
}

static void read_verdict(const json_t *root, struct verdict *verdict) {
    const json_t *reported = json_object_get(root, "reported");
    *verdict = (struct verdict){
        .outcome = (enum outcome)from_word(text_of(root, "outcome"), OUTCOME_COUNT, outcome_of),
        .cause = cause_of_json(root),
        .code = text_of(root, "code"),
        .code_is_ours = view_equals(text_of(root, "code_from"), VIEW("postrider")),
        .enhanced = text_of(root, "enhanced"),
        .tlsrpt = text_of(root, "tlsrpt"),
        .blame = (enum blame)from_word(text_of(root, "blame"), BLAME_COUNT, blame_of),
        .summary = text_of(root, "summary"),
        .reported_code = text_of(reported, "code"),
        .reported_enhanced = text_of(reported, "enhanced"),
        .reported_text = text_of(reported, "text")};
    fact_stage_from_word(text_of(root, "stage"), &verdict->stage);
    verdict->n_evidence = read_lines(json_object_get(root, "evidence"), verdict->evidence);
    verdict->n_ruled_out = read_lines(json_object_get(root, "ruled_out"), verdict->ruled_out);
    read_numbers(root, verdict);
    read_candidates(root, verdict);
    read_remedies(json_object_get(root, "remedies"), verdict);
}

void cmd_print_verdict(const json_t *root, const char *indent) {
    struct verdict *verdict = mem_alloc_zero(sizeof(*verdict));
    struct buffer text;
    struct view line;
    buffer_init(&text, 256 << 10);
    read_verdict(root, verdict);
    verdict_write_text(verdict, &text);
    struct view rest = buffer_view(&text);
    for (bool is_first = true; view_split(&rest, '\n', &line); is_first = false) {
        if (line.len == 0 && rest.ptr == NULL)
            break;
        printf("%s%s%.*s%s\n", line.len ? indent : "", is_first ? cmd_colour(CMD_BOLD) : "",
               VIEW_ARG(line), is_first ? cmd_colour(CMD_PLAIN) : "");
    }
    buffer_finish(&text);
    free(verdict);
}
