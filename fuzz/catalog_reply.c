// SPDX-License-Identifier: Apache-2.0
// The catalogue with hostile input: the same bytes as a stored fact, as a server's reply at every
// step, and as the words of another mail system; each through judgement, verdict, JSON, text and
// letter.
#include "catalog/catalog.h"

#include <stdlib.h>

enum { ARENA_BYTES = 1 << 16, OUT_BYTES = 1 << 18 };

// Whatever came in, what goes to a terminal holds no control characters.
static void check_output(const struct buffer *out) {
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->ptr[i] < ' ' && out->ptr[i] != '\n')
            abort();
}

static void judge(const struct fact *fact, struct view host, bool is_expired) {
    struct attempt attempt = {.host = host, .greeting = fact->text, .helo = host, .fact = *fact};
    struct attempt_result result = {.recipient = host, .fact = *fact};
    struct arena arena;
    struct buffer out;
    struct json_writer json;
    struct verdict verdict;
    attempt.results = &result;
    attempt.n_results = 1;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&out, OUT_BYTES);
    verdict_of_fact(fact, &attempt, is_expired, &arena, &verdict);
    if ((fact->kind == FACT_KIND_OK) != (verdict.cause == CAUSE_NONE))
        abort();
    if (fact_allows_next_host(fact) && (fact->flags & FACT_FLAG_DOT_SENT))
        abort();
    verdict_write_text(&verdict, &out);
    verdict_write_letter(&verdict, &out);
    check_output(&out);
    buffer_clear(&out);
    json_begin(&json, &out);
    verdict_write_json(&verdict, &json);
    check_output(&out);
    buffer_clear(&out);
    json_begin(&json, &out);
    attempt_write_json(&attempt, &json);
    check_output(&out);
    buffer_finish(&out);
    arena_finish(&arena);
}

static void as_stored_fact(struct view input) {
    struct fact fact, again;
    struct buffer out;
    if (!fact_decode(input, &fact))
        return;
    judge(&fact, VIEW("mx.example.net"), false);
    buffer_init(&out, OUT_BYTES);
    fact_encode(&fact, &out);
    if (!fact_decode(buffer_view(&out), &again) || again.kind != fact.kind ||
        cause_of(&again) != cause_of(&fact))
        abort();
    buffer_finish(&out);
}

// The first bytes choose code, stage and host, the rest is the text.
static void as_reply(struct view input) {
    static const struct view hosts[] = {{"", 0}, {"mx.google.com", 13}, {"x.mail.outlook.com", 18}};
    if (input.len < 4)
        return;
    const unsigned char *bytes = (const unsigned char *)input.ptr;
    struct fact fact = fact_make((enum fact_stage)(bytes[0] % FACT_STAGE_COUNT), FACT_KIND_REPLY);
    fact.reply_code = 400 + bytes[1] % 200;
    fact.text = view_skip(input, 4);
    judge(&fact, hosts[bytes[2] % ARRAY_LEN(hosts)], bytes[3] & 1);
}

static void as_words(struct view input) {
    struct fact fact;
    if (fact_of_words(input, &fact))
        judge(&fact, view_take(input, 64), false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct view input = view_from(data, size);
    as_stored_fact(input);
    as_reply(input);
    as_words(input);
    return 0;
}
