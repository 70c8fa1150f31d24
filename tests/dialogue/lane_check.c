// SPDX-License-Identifier: Apache-2.0
// Holds what a script expects against what came.
#include "dialogue/lane.h"

#include <errno.h>
#include <stdio.h>

struct look {
    const struct lane *lane;
    unsigned line;
    struct view words; // of the expectation, what is left of it
    char *why;
    size_t size;
};

static bool differ(const struct look *look, const char *what, struct view wanted, long long got) {
    snprintf(look->why, look->size, "%s:%u: expected %s %.*s, got %lld",
             play_name(look->lane->play), look->line, what, VIEW_ARG(wanted), got);
    return false;
}

static bool differ_word(const struct look *look, const char *what, struct view wanted,
                        struct view got) {
    snprintf(look->why, look->size, "%s:%u: expected %s %.*s, got \"%.*s\"",
             play_name(look->lane->play), look->line, what, VIEW_ARG(wanted), VIEW_ARG(got));
    return false;
}

static const struct {
    const char *name;
    unsigned flag;
} flag_words[] = {{"dot_sent", FACT_FLAG_DOT_SENT},
                  {"tls", FACT_FLAG_TLS},
                  {"reused", FACT_FLAG_REUSED},
                  {"pipelined", FACT_FLAG_PIPELINED},
                  {"downgraded", FACT_FLAG_TLS_DOWNGRADED},
                  {"8bit_undeclared", FACT_FLAG_8BIT_UNDECLARED},
                  {"clear_dropped", FACT_FLAG_CLEAR_DROPPED}};

static bool check_flags(const struct look *look, const struct fact *fact) {
    struct view words, word;
    if (!lane_option(look->words, "flags", &words))
        return true;
    unsigned wanted = 0;
    struct view rest = words;
    while (view_split(&rest, ',', &word))
        for (size_t i = 0; i < ARRAY_LEN(flag_words); i++)
            if (view_equals(word, view_of(flag_words[i].name)))
                wanted |= flag_words[i].flag;
    unsigned flags = fact->flags & ~(unsigned)FACT_FLAG_TCP_KNOWN; // of real sockets alone
    return flags == wanted || differ(look, "flags", words, flags);
}

static bool check_number(const struct look *look, const char *key, long long got) {
    struct view value;
    uint64_t wanted = 0;
    if (!lane_option(look->words, key, &value))
        return true;
    view_to_u64(value, &wanted);
    return (long long)wanted == got || differ(look, key, value, got);
}

static int errno_of(struct view word) {
    if (view_equals(word, VIEW("ECONNRESET")))
        return ECONNRESET;
    return view_equals(word, VIEW("ECONNREFUSED")) ? ECONNREFUSED : 0;
}

// "STAGE KIND key=value..."
static bool check_fact(struct look *look, const struct fact *fact) {
    struct view word, text;
    lane_take_word(&look->words, &word);
    if (!view_equals(word, fact_stage_word(fact->stage)))
        return differ_word(look, "stage", word, fact_stage_word(fact->stage));
    lane_take_word(&look->words, &word);
    if (!view_equals(word, fact_kind_word(fact->kind)))
        return differ_word(look, "kind", word, fact_kind_word(fact->kind));
    if (lane_option(look->words, "errno", &word) && errno_of(word) != fact->sys_errno)
        return differ(look, "errno", word, fact->sys_errno);
    if (lane_option(look->words, "text", &text) && !play_matches(text, fact->text))
        return differ_word(look, "text", text, fact->text);
    return check_number(look, "code", fact->reply_code) &&
           check_number(look, "detail", fact->detail) &&
           check_number(look, "verify", fact->x509_verify) &&
           check_number(look, "limit", fact->limit_ms) &&
           check_number(look, "alert", fact->tls_alert) && check_flags(look, fact);
}

static size_t take_number(struct look *look) {
    struct view word = VIEW_NONE;
    uint64_t number = 0;
    if (!lane_take_word(&look->words, &word) || !view_to_u64(word, &number))
        lane_complain(look->lane, look->line, "a number is missing before", look->words);
    return number;
}

static bool check_item(struct look *look) {
    const struct lane *lane = look->lane;
    struct view word;
    size_t item = take_number(look);
    lane_take_word(&look->words, &word); // "rcpt"
    size_t rcpt = take_number(look);
    if (item == 0 || item > lane->n_items || rcpt == 0 || rcpt > lane->items[item - 1]->n_rcpts)
        lane_complain(lane, look->line, "no such recipient", word);
    if (!lane->is_settled[item - 1] && item <= lane->n_given)
        return differ_word(look, "item", VIEW("settled"), VIEW("it was not"));
    return check_fact(look, &lane->items[item - 1]->results[rcpt - 1]);
}

static bool check_report(struct look *look) {
    static const char *const words[] = {"done", "failed", "lost", "canceled"};
    const struct deliver_report *report = &look->lane->report;
    struct view word;
    lane_take_word(&look->words, &word);
    if (!view_equals(word, view_of(words[report->end])))
        return differ_word(look, "end", word, view_of(words[report->end]));
    if (look->words.len == 0)
        return true;
    return check_fact(look, &report->fact) && check_number(look, "success", report->any_success);
}

static struct view peer_name(const struct lane *lane, const struct address *address) {
    for (size_t i = 0; i < lane->n_peers; i++)
        if (address_equals_port(&lane->peers[i].address, address))
            return lane->peers[i].name;
    return VIEW("refused");
}

static bool check_word(const struct look *look, const char *key, const char *got) {
    struct view value;
    return !lane_option(look->words, key, &value) || play_matches(value, view_of(got)) ||
           differ_word(look, key, value, view_of(got));
}

static bool check_attempt(struct look *look) {
    const struct lane *lane = look->lane;
    struct view word;
    size_t number = take_number(look);
    if (number == 0 || number > lane->n_attempts)
        return differ(look, "attempt", look->words, (long long)lane->n_attempts);
    const struct lane_attempt *attempt = &lane->attempts[number - 1];
    lane_take_word(&look->words, &word);
    struct view peer = peer_name(lane, &attempt->attempt.peer);
    if (!view_equals(word, peer))
        return differ_word(look, "peer", word, peer);
    return check_fact(look, &attempt->attempt.fact) &&
           check_number(look, "results", (long long)attempt->attempt.n_results) &&
           check_number(look, "tls_verify", attempt->attempt.tls_verify) &&
           check_word(look, "host", attempt->host) && check_word(look, "helo", attempt->helo) &&
           check_word(look, "tls", attempt->tls) && check_word(look, "domain", attempt->domain) &&
           check_word(look, "greeting", attempt->greeting);
}

static bool check_line(struct look *look) {
    struct view word;
    lane_take_word(&look->words, &word);
    if (view_equals(word, VIEW("item")))
        return check_item(look);
    if (view_equals(word, VIEW("report")))
        return check_report(look);
    if (view_equals(word, VIEW("attempt")))
        return check_attempt(look);
    if (!view_equals(word, VIEW("attempts")))
        lane_complain(look->lane, look->line, "unknown expectation", word);
    size_t wanted = take_number(look);
    return wanted == look->lane->n_attempts ||
           differ(look, "attempts", word, (long long)look->lane->n_attempts);
}

bool lane_check_expectations(const struct lane *lane, char *why, size_t size) {
    struct look look = {.lane = lane, .why = why, .size = size};
    for (size_t i = 0; play_setting(lane->play, "expect", i, &look.words, &look.line); i++)
        if (!check_line(&look))
            return false;
    return true;
}
