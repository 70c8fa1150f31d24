// SPDX-License-Identifier: Apache-2.0
// One request: its JSON becomes a question or an action of relay, its answer becomes JSON again.
#include "control/request_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { IDS_MAX = 4096 };

struct request {
    json_t *root;
    struct spool_id *ids;
    size_t n_ids;
};

static struct view text_of(const json_t *root, const char *key) {
    const json_t *value = json_object_get(root, key);
    return json_is_string(value) ? view_from(json_string_value(value), json_string_length(value))
                                 : VIEW_NONE;
}

static bool flag_of(const json_t *root, const char *key) {
    return json_is_true(json_object_get(root, key));
}

static uint64_t number_of(const json_t *root, const char *key) {
    const json_t *value = json_object_get(root, key);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    return number > 0 ? (uint64_t)number : 0;
}

static void refuse(struct buffer *out, struct view text) {
    struct json_writer json;
    json_begin(&json, out);
    json_object_begin(&json);
    json_put_int(&json, "v", CONTROL_VERSION);
    json_put_bool(&json, "ok", false);
    json_put_string(&json, "error", text);
    json_object_end(&json);
}

static void refuse_text(struct buffer *out, const char *text) {
    refuse(out, view_of(text));
}

// The answer's frame around `result`, which is JSON already.
static void accept_result(struct buffer *out, struct view result) {
    buffer_printf(out, "{\"v\":%d,\"ok\":true,\"result\":", CONTROL_VERSION);
    buffer_append_view(out, result);
    buffer_append_char(out, '}');
}

static bool read_ids(struct request *request, struct buffer *out) {
    const json_t *ids = json_object_get(request->root, "ids");
    size_t n = json_array_size(ids);
    if (n > IDS_MAX) {
        refuse_text(out, "too many ids in one request (at most 4096)");
        return false;
    }
    request->ids = n ? mem_alloc_zero(n * sizeof(*request->ids)) : NULL;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(ids, i);
        struct view text = json_is_string(id) ? view_of(json_string_value(id)) : VIEW_NONE;
        if (!spool_id_parse(text, &request->ids[i])) {
            struct buffer words;
            buffer_init(&words, 256);
            buffer_printf(&words, "\"%.*s\" is no message id", VIEW_ARG(view_take(text, 100)));
            refuse(out, buffer_view(&words));
            buffer_finish(&words);
            return false;
        }
    }
    request->n_ids = n;
    return true;
}

static struct relay_selector selector_of(const struct request *request) {
    const json_t *root = request->root;
    return (struct relay_selector){.ids = request->ids,
                                   .n_ids = request->n_ids,
                                   .domain = text_of(root, "domain"),
                                   .connector = text_of(root, "connector"),
                                   .sender = text_of(root, "sender"),
                                   .cause = text_of(root, "cause"),
                                   .all = flag_of(root, "all"),
                                   .held_only = flag_of(root, "held")};
}

// --- Questions --------------------------------------------------------------------------------
static const struct {
    const char *name;
    enum relay_question question;
} questions[] = {{"lanes", RELAY_QUESTION_LANES},
                 {"list", RELAY_QUESTION_LIST},
                 {"show", RELAY_QUESTION_SHOW},
                 {"why", RELAY_QUESTION_WHY}};

IO_WAITS static void answer_question(const struct control_options *options,
                                     const struct request *request, enum relay_question question,
                                     struct buffer *out) {
    const struct relay_ask ask = {.question = question,
                                  .selector = selector_of(request),
                                  .text = text_of(request->root, "text"),
                                  .cursor = text_of(request->root, "cursor"),
                                  .limit = size_min(number_of(request->root, "limit"), 10000),
                                  .with_ages = flag_of(request->root, "ages")};
    struct error error = {0};
    struct buffer result;
    buffer_init(&result, CONTROL_ANSWER_BYTES_MAX - 4096);
    bool is_known = relay_answer(options->relay, &ask, &result, &error);
    if (result.overflow)
        refuse_text(out, "the answer is too large: name less, or page with a limit");
    else if (!is_known && result.len == 0)
        refuse_text(out, error.text[0] ? error.text : "nothing is known of that");
    else
        accept_result(out, buffer_view(&result));
    buffer_finish(&result);
}

// The relay's counters, with the members that the program adds.
IO_WAITS static void answer_status(const struct control_options *options, struct buffer *out) {
    const struct relay_ask ask = {.question = RELAY_QUESTION_STATUS};
    struct error error = {0};
    struct buffer result, more;
    struct json_writer json;
    buffer_init(&result, 256 << 10);
    buffer_init(&more, 64 << 10);
    if (relay_answer(options->relay, &ask, &result, &error) && result.len > 1) {
        json_begin(&json, &more);
        json_object_begin(&json);
        options->status(options->arg, &json);
        json_object_end(&json);
        result.len--; // its last brace: the members of `more` follow
        buffer_append_char(&result, ',');
        buffer_append_view(&result, view_skip(buffer_view(&more), 1));
        accept_result(out, buffer_view(&result));
    } else {
        refuse_text(out, error.text);
    }
    buffer_finish(&more);
    buffer_finish(&result);
}

// --- Actions ----------------------------------------------------------------------------------
static const struct {
    const char *name;
    enum relay_action action;
} actions[] = {{"hold", RELAY_ACTION_HOLD},
               {"release", RELAY_ACTION_RELEASE},
               {"retry", RELAY_ACTION_RETRY},
               {"remove", RELAY_ACTION_REMOVE}};

IO_WAITS static void perform(const struct control_options *options, const struct request *request,
                             enum relay_action action, const struct request_peer *peer,
                             struct buffer *out) {
    const struct relay_act act = {.action = action,
                                  .selector = selector_of(request),
                                  .who = peer->who,
                                  .reason = text_of(request->root, "reason"),
                                  .dry_run = flag_of(request->root, "dry_run"),
                                  .expect_max = number_of(request->root, "expect_max")};
    struct relay_outcome outcome = {0};
    struct error error = {0};
    if (!relay_perform(options->relay, &act, &outcome, &error)) {
        refuse_text(out, error.text);
        return;
    }
    struct buffer result;
    struct json_writer json;
    buffer_init(&result, 4096);
    json_begin(&json, &result);
    json_object_begin(&json);
    json_put_int(&json, "schema", 1);
    json_put_int(&json, "matched", (int64_t)outcome.n_matched);
    json_put_int(&json, "messages", (int64_t)outcome.n_messages);
    json_put_int(&json, "done", (int64_t)outcome.n_done);
    json_put_int(&json, "in_flight", (int64_t)outcome.n_in_flight);
    json_put_bool(&json, "refused", outcome.is_refused);
    json_put_bool(&json, "dry_run", act.dry_run);
    json_object_end(&json);
    accept_result(out, buffer_view(&result));
    buffer_finish(&result);
}

static void audit(const struct control_options *options, const struct request_peer *peer,
                  const char *action, bool is_done) {
    char key[64];
    snprintf(key, sizeof(key), "control-%lld-%llx", (long long)io_wall_ms(),
             (unsigned long long)io_random_u64());
    const struct ledger_audit line = {.key = view_of(key),
                                      .kind = LEDGER_AUDIT_OPERATOR,
                                      .at_ms = io_wall_ms(),
                                      .who = peer->who,
                                      .action = view_of(action),
                                      .detail = is_done ? VIEW("{\"done\":true}")
                                                        : VIEW("{\"done\":false}")};
    ledger_audit(options->ledger, &line, NULL, NULL);
}

IO_WAITS static void reload(const struct control_options *options, const struct request_peer *peer,
                            struct buffer *out) {
    struct buffer text, result;
    buffer_init(&text, 64 << 10);
    bool is_done = options->reload(options->arg, &text);
    audit(options, peer, "reload", is_done);
    if (!is_done) {
        refuse(out, buffer_view(&text));
        buffer_finish(&text);
        return;
    }
    struct json_writer json;
    buffer_init(&result, 64 << 10);
    json_begin(&json, &result);
    json_object_begin(&json);
    json_put_int(&json, "schema", 1);
    json_put_string(&json, "restart_needed_for", buffer_view(&text));
    json_object_end(&json);
    accept_result(out, buffer_view(&result));
    buffer_finish(&result);
    buffer_finish(&text);
}

static void trust_clock(const struct control_options *options, const struct request_peer *peer,
                        struct buffer *out) {
    struct error error = {0};
    if (relay_trust_clock(options->relay, peer->who, &error))
        accept_result(out, VIEW("{\"schema\":1}"));
    else
        refuse_text(out, error.text);
}

// True when it was an action (answered, or refused for want of permission).
IO_WAITS static bool try_action(const struct control_options *options,
                                const struct request *request, const struct request_peer *peer,
                                struct buffer *out) {
    struct view name = text_of(request->root, "do");
    bool is_reload = view_equals(name, VIEW("reload"));
    bool is_clock = view_equals(name, VIEW("trust-clock"));
    size_t i = 0;
    while (i < ARRAY_LEN(actions) && !view_equals(name, view_of(actions[i].name)))
        i++;
    if (!is_reload && !is_clock && i == ARRAY_LEN(actions))
        return false;
    if (!peer->may_act)
        refuse_text(out,
                    "you may look but not act: only root and the user that runs the relay act");
    else if (is_reload)
        reload(options, peer, out);
    else if (is_clock)
        trust_clock(options, peer, out);
    else
        perform(options, request, actions[i].action, peer, out);
    return true;
}

IO_WAITS static void dispatch(const struct control_options *options, struct request *request,
                              const struct request_peer *peer, struct buffer *out) {
    const json_t *version = json_object_get(request->root, "v");
    struct view name = text_of(request->root, "do");
    if (json_integer_value(version) != CONTROL_VERSION) {
        refuse_text(out, "this relay speaks version 1 of the control protocol: use the postrider "
                         "command of the same release");
        return;
    }
    if (!read_ids(request, out) || try_action(options, request, peer, out))
        return;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        if (view_equals(name, view_of(questions[i].name))) {
            answer_question(options, request, questions[i].question, out);
            return;
        }
    if (view_equals(name, VIEW("status")))
        answer_status(options, out);
    else
        refuse_text(out, "unknown request");
}

void request_answer(const struct control_options *options, const struct request_peer *peer,
                    struct view line, struct buffer *out) {
    struct request request = {0};
    json_error_t problem;
    request.root = json_loadb(line.ptr ? line.ptr : "", line.len, JSON_REJECT_DUPLICATES, &problem);
    if (json_is_object(request.root))
        dispatch(options, &request, peer, out);
    else
        refuse_text(out, "a request is one JSON object on one line");
    json_decref(request.root);
    free(request.ids);
}
