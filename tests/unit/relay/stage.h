// SPDX-License-Identifier: Apache-2.0
// A small stage in the simulator: the relay as a process, two mail servers for "one.test" and
// "two.test", one for the sender's domain "home.test", and a script that plays.
#ifndef TEST_RELAY_STAGE_H
#define TEST_RELAY_STAGE_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include "base/log.h"
#include "sim/client.h"
#include "sim/node.h"
#include "sim/receiver.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
enum { STAGE_ONE, STAGE_TWO, STAGE_HOME, STAGE_RECEIVERS };

static const char stage_config[] =
    "hostname = \"relay.test\"\n"
    "accept_from = { \"0.0.0.0/0\" }\n"
    "retry { first = \"5m\" factor = 2 longest = \"1h\" expire = \"1d\" warn = \"4h\" }\n"
    "connector \"rest\" { domains = \"*\" }\n";

struct stage {
    struct sim *sim;
    struct book book;
    struct node node;
    struct receiver receivers[STAGE_RECEIVERS];
    void (*script)(struct stage *stage);
    char mail[64 << 10]; // the last that "home.test" got
    unsigned n_mails;
    char mail_from[256];
    bool is_over;
    struct buffer answer;
};

static inline struct address stage_address(const char *text, uint16_t port) {
    struct address address;
    bool is_good = address_parse(view_of(text), &address);
    ASSERT(is_good);
    address.port = port;
    return address;
}

static inline void stage_fill_zone(struct dns_resolver *zone, void *arg) {
    static const char *const domains[] = {"one.test", "two.test", "home.test"};
    struct stage *stage = arg;
    for (int i = 0; i < STAGE_RECEIVERS; i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_format(&stage->receivers[i].address, text, sizeof text);
        dns_zone_add_address(zone, stage->receivers[i].name, text, 300);
        dns_zone_add_mx(zone, domains[i], 10, stage->receivers[i].name, 300);
    }
    dns_zone_add_mx(zone, "too.one.test", 10, stage->receivers[STAGE_ONE].name, 300);
    dns_zone_add_mx(zone, "null.test", 0, "", 300);
}

static inline void stage_took(void *arg, struct view from, struct view to, struct view message) {
    struct stage *stage = arg;
    view_copy_string(message, stage->mail, sizeof stage->mail);
    view_copy_string(from, stage->mail_from, sizeof stage->mail_from);
    stage->n_mails++;
}

static inline void stage_run_script(void *arg) {
    struct stage *stage = arg;
    node_start(&stage->node);
    io_sleep(io_after(1000));
    stage->script(stage);
    node_stop(&stage->node);
    stage->is_over = true;
    sim_stop(stage->sim);
}

static inline void stage_play(void (*script)(struct stage *stage)) {
    static const char *const names[] = {"mx.one.test", "mx.two.test", "mx.home.test"};
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->sim = sim_create(1);
    stage->script = script;
    struct sim_net_rule usual = {.latency_ms_min = 1, .latency_ms_max = 5};
    sim_net_default(stage->sim, &usual);
    for (int i = 0; i < STAGE_RECEIVERS; i++) {
        char text[ADDRESS_TEXT_SIZE];
        snprintf(text, sizeof text, "44.0.0.%d", i + 1);
        stage->receivers[i] = (struct receiver){.sim = stage->sim,
                                                .book = &stage->book,
                                                .address = stage_address(text, 25),
                                                .name = names[i],
                                                .pipelines = true};
        receiver_start(&stage->receivers[i]);
    }
    stage->receivers[STAGE_HOME].on_mail = stage_took;
    stage->receivers[STAGE_HOME].arg = stage;
    node_init(&stage->node, stage->sim);
    stage->node.address = stage_address("10.0.0.1", 25);
    stage->node.config_text = stage_config;
    stage->node.fill_zone = stage_fill_zone;
    stage->node.arg = stage;
    buffer_init(&stage->answer, 1 << 20);
    io_spawn("script", stage_run_script, stage);
    sim_run(stage->sim, IO_NEVER);
    assert_true(stage->is_over);
    book_close(&stage->book, true);
    sim_destroy(stage->sim);
    buffer_finish(&stage->answer);
    free(stage);
}

// --- What scripts do ----------------------------------------------------------------------------

static inline void stage_pass(int64_t ms) {
    io_sleep(io_after(ms));
}

// Sends one message to up to two recipients; returns its number in the book. It must be taken.
static inline unsigned stage_send(struct stage *stage, const char *sender, const char *to,
                                  const char *also_to) {
    unsigned number = book_open(&stage->book, sender[0] != '\0');
    book_add_rcpt(&stage->book, number, to);
    if (also_to != NULL)
        book_add_rcpt(&stage->book, number, also_to);
    struct client_mail mail = {.number = number, .sender = sender, .body_bytes = 500};
    assert_true(client_send(&stage->book, &stage->node.address, &mail));
    return number;
}

static inline const struct book_rcpt *stage_rcpt(const struct stage *stage, unsigned number,
                                                 size_t i) {
    return &stage->book.messages[number].rcpts[i];
}

static inline void stage_restart(struct stage *stage) {
    node_stop(&stage->node);
    node_start(&stage->node);
    stage_pass(1000);
    assert_true(stage->node.is_up);
}

static inline void stage_unplug(struct stage *stage, int receiver, bool is_refused) {
    struct sim_net_rule rule = {.latency_ms_min = 1, .latency_ms_max = 5};
    rule.refuse = is_refused ? 10000 : 0;
    sim_net_rule(stage->sim, &stage->receivers[receiver].address, &rule);
}

// The answer as JSON, to be freed with json_decref; `is_good` must be what relay_answer says.
static inline json_t *stage_ask(struct stage *stage, const struct relay_ask *ask, bool is_good) {
    struct error error;
    buffer_clear(&stage->answer);
    assert_int_equal(relay_answer(stage->node.relay, ask, &stage->answer, &error), is_good);
    json_error_t problem;
    json_t *json = json_loadb(stage->answer.ptr, stage->answer.len, 0, &problem);
    if (json == NULL)
        fail_msg("%s in %.*s", problem.text, (int)stage->answer.len, stage->answer.ptr);
    return json;
}

static inline json_t *stage_why(struct stage *stage, const char *text) {
    struct relay_ask ask = {.question = RELAY_QUESTION_WHY, .text = view_of(text)};
    return stage_ask(stage, &ask, true);
}

// "messages.0.binding.kind" of an answer.
static inline json_t *stage_at(json_t *json, const char *path) {
    struct view rest = view_of(path), part;
    while (json != NULL && view_split(&rest, '.', &part)) {
        uint64_t index;
        char key[64];
        view_copy_string(part, key, sizeof key);
        json = view_to_u64(part, &index) ? json_array_get(json, index) : json_object_get(json, key);
    }
    return json;
}

static inline const char *stage_text(json_t *json, const char *path) {
    const char *text = json_string_value(stage_at(json, path));
    return text != NULL ? text : "";
}

static inline struct relay_outcome stage_act(struct stage *stage, enum relay_action action,
                                             const char *domain) {
    struct relay_act act = {.action = action,
                            .selector = {.domain = view_of(domain)},
                            .who = VIEW("uid 0 (root)"),
                            .reason = VIEW("a test")};
    struct relay_outcome outcome;
    struct error error;
    assert_true(relay_perform(stage->node.relay, &act, &outcome, &error));
    return outcome;
}

static inline struct relay_counts stage_counts(struct stage *stage) {
    stage_pass(2000); // counts are a moment old
    struct relay_ask ask = {.question = RELAY_QUESTION_STATUS};
    json_decref(stage_ask(stage, &ask, true));
    return relay_counts(stage->node.relay);
}

#endif
