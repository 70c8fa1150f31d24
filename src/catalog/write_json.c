// SPDX-License-Identifier: Apache-2.0
// The one JSON form of verdicts and attempts (docs/json.md).
#include "catalog/catalog_internal.h"

static void put_address(struct json_writer *json, const char *key, const struct address *address) {
    char text[ADDRESS_TEXT_SIZE];
    bool known = address->family == ADDRESS_IPV4 || address->family == ADDRESS_IPV6;
    size_t len = known ? address_format(address, text, sizeof(text)) : 0;
    json_put_string(json, key, view_from(text, len));
}

static void put_fraction(struct json_writer *json, const char *key, double value) {
    json_key(json, key);
    json_add_fraction(json, value);
}

static void put_lines(struct json_writer *json, const char *key, const struct view *lines,
                      size_t count) {
    json_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < count; i++)
        json_add_string(json, lines[i]);
    json_array_end(json);
}

static void put_server(struct json_writer *json, struct view name, const struct address *address) {
    json_key(json, "server");
    json_object_begin(json);
    json_put_string(json, "name", name);
    put_address(json, "address", address);
    if (address->port)
        json_put_int(json, "port", address->port);
    else
        json_put_null(json, "port");
    json_object_end(json);
}

static void put_source(struct json_writer *json, const struct address *address, struct view helo) {
    json_key(json, "source");
    json_object_begin(json);
    put_address(json, "address", address);
    json_put_string(json, "helo", helo);
    json_object_end(json);
}

static void put_candidates(struct json_writer *json, const struct verdict *verdict) {
    json_key(json, "candidates");
    json_array_begin(json);
    for (size_t i = 0; i < verdict->n_candidates; i++) {
        const struct candidate *candidate = &verdict->candidates[i];
        json_object_begin(json);
        json_put_string(json, "cause", cause_info(candidate->cause)->id);
        json_put_string(json, "blame", blame_word(candidate->blame));
        put_fraction(json, "confidence", candidate->confidence);
        json_put_string(json, "decide_by", candidate->decide_by);
        json_object_end(json);
    }
    json_array_end(json);
}

static void put_warnings(struct json_writer *json, const struct verdict *verdict) {
    json_key(json, "warnings");
    json_array_begin(json);
    for (size_t i = 0; i < verdict->n_warnings; i++) {
        json_object_begin(json);
        json_put_string(json, "cause", cause_info(verdict->warnings[i].cause)->id);
        json_put_string(json, "summary", verdict->warnings[i].summary);
        json_object_end(json);
    }
    json_array_end(json);
}

static void put_remedies(struct json_writer *json, const struct verdict *verdict) {
    json_key(json, "remedies");
    json_array_begin(json);
    for (size_t i = 0; i < verdict->n_remedies; i++) {
        const struct remedy *remedy = &verdict->remedies[i];
        json_object_begin(json);
        json_put_string(json, "who", remedy_who_word(remedy->who));
        json_put_string(json, "do", remedy->what);
        json_put_string(json, "verify", remedy->verify);
        json_put_string(json, "action", remedy->action);
        json_object_end(json);
    }
    json_array_end(json);
}

static void put_reported(struct json_writer *json, const struct verdict *verdict) {
    json_key(json, "reported");
    if (verdict->reported_code.len == 0 && verdict->reported_enhanced.len == 0 &&
        verdict->reported_text.len == 0) {
        json_add_null(json);
        return;
    }
    json_object_begin(json);
    json_put_string(json, "code", verdict->reported_code);
    json_put_string(json, "enhanced", verdict->reported_enhanced);
    json_put_string(json, "text", verdict->reported_text);
    json_object_end(json);
}

void verdict_write_json_members(const struct verdict *verdict, struct json_writer *json) {
    json_put_int(json, "schema", 1);
    json_put_string(json, "outcome", outcome_word(verdict->outcome));
    json_put_string(json, "stage", fact_stage_word(verdict->stage));
    json_put_string(json, "cause", cause_info(verdict->cause)->id);
    json_put_string(json, "code", verdict->code);
    json_put_string(json, "code_from", verdict->code_is_ours ? VIEW("postrider") : VIEW("remote"));
    json_put_string(json, "enhanced", verdict->enhanced);
    json_put_string(json, "tlsrpt", verdict->tlsrpt);
    json_put_string(json, "blame", blame_word(verdict->blame));
    put_fraction(json, "confidence", verdict->confidence);
    put_server(json, verdict->server_name, &verdict->server);
    put_source(json, &verdict->source, verdict->helo);
    json_put_time(json, "at", verdict->at_ms);
    json_put_int(json, "elapsed_ms", verdict->elapsed_ms);
    json_put_int(json, "bytes_sent", verdict->bytes_sent);
    json_put_bool(json, "may_be_delivered", verdict->may_be_delivered);
    json_put_string(json, "summary", verdict->summary);
    put_lines(json, "evidence", verdict->evidence, verdict->n_evidence);
    put_lines(json, "ruled_out", verdict->ruled_out, verdict->n_ruled_out);
    put_candidates(json, verdict);
    put_warnings(json, verdict);
    put_remedies(json, verdict);
    put_reported(json, verdict);
}

void verdict_write_json(const struct verdict *verdict, struct json_writer *json) {
    json_object_begin(json);
    verdict_write_json_members(verdict, json);
    json_object_end(json);
}

// --- Facts and attempts ------------------------------------------------------------------------
static void put_known(struct json_writer *json, const char *key, int64_t value, int64_t nothing) {
    if (value != nothing)
        json_put_int(json, key, value);
}

void fact_write_json_numbers(const struct fact *fact, struct json_writer *json) {
    put_known(json, "errno", fact->sys_errno, 0);
    put_known(json, "icmp_type", fact->icmp_type, -1);
    put_known(json, "icmp_code", fact->icmp_code, -1);
    struct address from = fact_icmp_from(fact);
    if (from.family != ADDRESS_NONE) {
        char router[ADDRESS_TEXT_SIZE];
        size_t len = address_format(&from, router, sizeof(router));
        json_put_string(json, "icmp_from", view_from(router, len));
    }
    put_known(json, "dns_rcode", fact->dns_rcode, -1);
    put_known(json, "dns_ede", fact->dns_ede, -1);
    put_known(json, "tls_alert", fact->tls_alert, -1);
    put_known(json, "x509_verify", fact->x509_verify, 0);
    put_known(json, "reply_code", fact->reply_code, 0);
    put_known(json, "bytes_sent", fact->bytes_sent, 0);
    put_known(json, "bytes_received", fact->bytes_received, 0);
    if (fact->flags & FACT_FLAG_TCP_KNOWN) {
        json_put_int(json, "tcp_unacked_bytes", fact->tcp_unacked_bytes);
        json_put_int(json, "tcp_retransmits", fact->tcp_retransmits);
        json_put_int(json, "tcp_segment_bytes", fact->tcp_segment_bytes);
    }
}

static void put_fact(struct json_writer *json, const struct fact *fact,
                     const struct attempt *attempt) {
    json_put_string(json, "stage", fact_stage_word(fact->stage));
    json_put_string(json, "kind", fact_kind_word(fact->kind));
    enum cause cause = cause_of_attempt(fact, attempt);
    json_put_string(json, "cause", cause_info(cause)->id);
    json_put_string(json, "blame", blame_word(verdict_blame_of(fact, attempt, cause)));
    fact_write_json_numbers(fact, json);
    json_put_int(json, "elapsed_ms", fact->elapsed_ms);
    put_known(json, "limit_ms", fact->limit_ms, 0);
    json_put_bool(json, "may_be_delivered", fact_may_be_delivered(fact));
    json_put_string(json, "text", fact->text);
}

static void put_results(struct json_writer *json, const struct attempt *attempt) {
    json_key(json, "results");
    json_array_begin(json);
    for (size_t i = 0; i < attempt->n_results; i++) {
        const struct attempt_result *result = &attempt->results[i];
        json_object_begin(json);
        json_put_string(json, "message", result->message_id);
        json_put_int(json, "rcpt_index", result->rcpt_index);
        json_put_string(json, "recipient", result->recipient);
        put_fact(json, &result->fact, attempt);
        json_object_end(json);
    }
    json_array_end(json);
    json_put_int(json, "folded", attempt->n_folded);
}

void attempt_write_json(const struct attempt *attempt, struct json_writer *json) {
    json_object_begin(json);
    json_put_int(json, "id", attempt->id);
    json_put_time(json, "at", attempt->at_ms);
    json_put_string(json, "connector", attempt->connector);
    json_put_string(json, "domain", attempt->domain);
    json_put_string(json, "site", attempt->site);
    put_server(json, attempt->host, &attempt->peer);
    put_source(json, &attempt->source, attempt->helo);
    json_put_string(json, "greeting", attempt->greeting);
    json_put_string(json, "tls", attempt->tls);
    json_put_int(json, "tls_verify", attempt->tls_verify);
    json_put_int(json, "attempt_ms", attempt->elapsed_ms);
    put_fact(json, &attempt->fact, attempt);
    put_results(json, attempt);
    json_object_end(json);
}
