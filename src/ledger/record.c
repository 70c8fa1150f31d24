// SPDX-License-Identifier: Apache-2.0
#include "ledger/record.h"

#include "base/codec.h"
#include "mail/mail.h"

// A stored result: a byte of flags, the recipient's index as a varint, then message id, recipient
// and fact, each behind its length. The id is left out where it is that of the result before.
enum result_flag { RESULT_SAME_MESSAGE = 1 << 0, RESULT_FAILED = 1 << 1 };
enum { RESULT_FLAGS_KNOWN = RESULT_SAME_MESSAGE | RESULT_FAILED };

static void put_view(struct buffer *out, struct view view) {
    codec_put_varint(out, view.len);
    buffer_append_view(out, view);
}

static bool take_view(struct view *rest, struct view *view) {
    uint64_t len = 0;
    struct view at = *rest;
    if (!codec_get_varint(&at, &len) || len > at.len)
        return false;
    *view = view_take(at, len);
    *rest = view_skip(at, len);
    return true;
}

bool ledger_result_next(struct view *rest, struct ledger_result *result) {
    struct view at = *rest;
    if (at.len == 0)
        return false;
    unsigned flags = (unsigned char)at.ptr[0];
    uint64_t index = 0;
    at = view_skip(at, 1);
    if (flags & ~(unsigned)RESULT_FLAGS_KNOWN || !codec_get_varint(&at, &index) ||
        index > UINT32_MAX)
        return false;
    if (!(flags & RESULT_SAME_MESSAGE) && !take_view(&at, &result->message_id))
        return false;
    if (!take_view(&at, &result->recipient) || !take_view(&at, &result->fact))
        return false;
    result->rcpt_index = (uint32_t)index;
    result->is_failure = flags & RESULT_FAILED;
    *rest = at;
    return true;
}

struct encoding {
    struct buffer results;
    struct buffer fact; // of the result being written
    struct view last_message;
    uint32_t n_results, n_folded, n_dropped;
    enum cause cause;
};

static void encode_result(struct encoding *encoding, const struct attempt_result *result) {
    bool failed = ledger_fact_failed(&result->fact);
    bool is_same =
        encoding->n_results > 0 && view_equals(encoding->last_message, result->message_id);
    buffer_clear(&encoding->fact);
    fact_encode(&result->fact, &encoding->fact);
    size_t need = 32 + result->message_id.len + result->recipient.len + encoding->fact.len;
    if (encoding->results.len + need > LEDGER_RESULTS_BYTES_MAX) {
        encoding->n_dropped += failed;
        encoding->n_folded += !failed;
        return;
    }
    unsigned flags = (is_same ? RESULT_SAME_MESSAGE : 0U) | (failed ? RESULT_FAILED : 0U);
    buffer_append_char(&encoding->results, (char)flags);
    codec_put_varint(&encoding->results, result->rcpt_index);
    if (!is_same)
        put_view(&encoding->results, result->message_id);
    put_view(&encoding->results, result->recipient);
    put_view(&encoding->results, buffer_view(&encoding->fact));
    encoding->last_message = result->message_id;
    encoding->n_results++;
    if (failed && encoding->cause == CAUSE_NONE)
        encoding->cause = cause_of(&result->fact);
}

static void encode_results(struct encoding *encoding, const struct attempt *attempt,
                           bool keep_successes) {
    for (size_t i = 0; i < attempt->n_results; i++) {
        const struct attempt_result *result = &attempt->results[i];
        if (keep_successes || ledger_fact_failed(&result->fact))
            encode_result(encoding, result);
        else
            encoding->n_folded++;
    }
    ASSERT(!encoding->results.overflow);
}

static struct view move(char **at, struct view view) {
    struct view moved = view_from(*at, view.len);
    if (view.len)
        memcpy(*at, view.ptr, view.len);
    *at += view.len;
    return moved;
}

static struct ledger_record *assemble(const struct attempt *attempt, struct encoding *encoding,
                                      struct view fact) {
    struct view results = buffer_view(&encoding->results);
    size_t size = sizeof(struct ledger_record) + attempt->connector.len + attempt->domain.len +
                  attempt->site.len + attempt->host.len + attempt->helo.len +
                  attempt->greeting.len + attempt->tls.len + fact.len + results.len;
    struct ledger_record *record = mem_alloc(size);
    char *at = (char *)(record + 1);
    *record = (struct ledger_record){.size = size,
                                     .at_ms = attempt->at_ms,
                                     .elapsed_ms = attempt->elapsed_ms,
                                     .peer = attempt->peer,
                                     .source = attempt->source,
                                     .tls_verify = attempt->tls_verify,
                                     .cause = encoding->cause,
                                     .n_results = encoding->n_results,
                                     .n_folded = attempt->n_folded + encoding->n_folded,
                                     .n_dropped = encoding->n_dropped};
    record->connector = move(&at, attempt->connector);
    record->domain = move(&at, attempt->domain);
    record->site = move(&at, attempt->site);
    record->host = move(&at, attempt->host);
    record->helo = move(&at, attempt->helo);
    record->greeting = move(&at, attempt->greeting);
    record->tls = move(&at, attempt->tls);
    record->fact = move(&at, fact);
    record->results = move(&at, results);
    ASSERT(at == (char *)record + size);
    return record;
}

struct ledger_record *ledger_record_create(const struct attempt *attempt, bool keep_successes) {
    struct encoding encoding = {.cause = CAUSE_NONE};
    struct buffer fact;
    buffer_init(&fact, FACT_TEXT_BYTES_MAX + 1024);
    buffer_init(&encoding.fact, FACT_TEXT_BYTES_MAX + 1024);
    buffer_init(&encoding.results, LEDGER_RESULTS_BYTES_MAX);
    fact_encode(&attempt->fact, &fact);
    if (ledger_fact_failed(&attempt->fact))
        encoding.cause = cause_of(&attempt->fact);
    encode_results(&encoding, attempt, keep_successes);
    struct ledger_record *record = assemble(attempt, &encoding, buffer_view(&fact));
    buffer_finish(&encoding.results);
    buffer_finish(&encoding.fact);
    buffer_finish(&fact);
    return record;
}

// --- Answering a query --------------------------------------------------------------------------

static bool asks(struct view wanted) {
    return wanted.len > 0;
}

static bool names_match(const struct ledger_record *record, const struct ledger_query *query) {
    if (asks(query->connector) && !view_equals(record->connector, query->connector))
        return false;
    if (asks(query->site) && !view_equals_nocase(record->site, query->site))
        return false;
    if (query->since_ms && record->at_ms < query->since_ms)
        return false;
    return !query->until_ms || record->at_ms <= query->until_ms;
}

static bool result_matches(const struct ledger_result *result, const struct ledger_query *query) {
    if (query->failures_only && !result->is_failure)
        return false;
    if (asks(query->message_id) && !view_equals(result->message_id, query->message_id))
        return false;
    if (asks(query->recipient) && !view_equals_nocase(result->recipient, query->recipient))
        return false;
    return !asks(query->domain) ||
           view_equals_nocase(mail_address_domain(result->recipient), query->domain);
}

// How many results the query asks for; false where the stored bytes are damaged.
static bool count_results(const struct ledger_record *record, const struct ledger_query *query,
                          size_t *n) {
    struct view rest = record->results;
    struct ledger_result result = {0};
    *n = 0;
    while (ledger_result_next(&rest, &result))
        *n += result_matches(&result, query);
    return rest.len == 0;
}

// An attempt without a result that is asked for may still answer: the lane itself failed there.
static bool lane_answers(const struct ledger_record *record, const struct ledger_query *query,
                         const struct fact *fact) {
    if (asks(query->message_id) || asks(query->recipient))
        return false;
    if (asks(query->domain) && !view_equals_nocase(record->domain, query->domain))
        return false;
    return !query->failures_only || ledger_fact_failed(fact);
}

static bool copy_view(struct arena *arena, struct view from, struct view *to) {
    if (from.len == 0) {
        *to = VIEW_NONE;
        return true;
    }
    *to = arena_copy(arena, from);
    return to->ptr != NULL;
}

static bool copy_results(const struct ledger_record *record, const struct ledger_query *query,
                         struct arena *arena, struct attempt_result *out) {
    struct view rest = record->results;
    struct ledger_result result = {0};
    while (ledger_result_next(&rest, &result)) {
        if (!result_matches(&result, query))
            continue;
        if (!fact_decode(result.fact, &out->fact))
            out->fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE);
        out->rcpt_index = result.rcpt_index;
        if (!copy_view(arena, result.message_id, &out->message_id) ||
            !copy_view(arena, result.recipient, &out->recipient) ||
            !copy_view(arena, out->fact.text, &out->fact.text))
            return false;
        out++;
    }
    return true;
}

static bool copy_strings(const struct ledger_record *record, struct arena *arena,
                         struct attempt *attempt) {
    return copy_view(arena, record->connector, &attempt->connector) &&
           copy_view(arena, record->domain, &attempt->domain) &&
           copy_view(arena, record->site, &attempt->site) &&
           copy_view(arena, record->host, &attempt->host) &&
           copy_view(arena, record->helo, &attempt->helo) &&
           copy_view(arena, record->greeting, &attempt->greeting) &&
           copy_view(arena, record->tls, &attempt->tls) &&
           copy_view(arena, attempt->fact.text, &attempt->fact.text);
}

enum ledger_match ledger_record_match(const struct ledger_record *record,
                                      const struct ledger_query *query, struct arena *arena,
                                      struct attempt *attempt) {
    struct fact fact;
    size_t n_results = 0;
    if (!names_match(record, query))
        return LEDGER_NO_MATCH;
    if (!fact_decode(record->fact, &fact) && fact.kind != FACT_KIND_NONE)
        return LEDGER_MATCH_DAMAGED;
    if (!count_results(record, query, &n_results))
        return LEDGER_MATCH_DAMAGED;
    if (n_results == 0 && !lane_answers(record, query, &fact))
        return LEDGER_NO_MATCH;
    struct attempt_result *results = arena_alloc(arena, n_results * sizeof(*results));
    *attempt = (struct attempt){.id = record->id,
                                .at_ms = record->at_ms,
                                .elapsed_ms = record->elapsed_ms,
                                .peer = record->peer,
                                .source = record->source,
                                .tls_verify = record->tls_verify,
                                .fact = fact,
                                .results = results,
                                .n_results = n_results,
                                .n_folded = record->n_folded};
    bool has_room = results && copy_strings(record, arena, attempt) &&
                    copy_results(record, query, arena, results);
    return has_room ? LEDGER_MATCH : LEDGER_MATCH_NO_ROOM;
}
