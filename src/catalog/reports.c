// SPDX-License-Identifier: Apache-2.0
// Other systems' statements about their own failures, read as facts, so that they meet the same
// causes as ours. A reply that such a statement quotes wins over the words around it.
#include "catalog/dialect.h"

#include <errno.h>
#include <pthread.h>

static const struct {
    struct view pattern;
    enum fact_kind kind;
    int number;
} reports[] = {
#define REPORT(pattern_, kind_, number_) {TEXT(pattern_), FACT_KIND_##kind_, number_},
#define PHASE(pattern_, stage_)
#include "catalog/reports.inc"
#undef PHASE
#undef REPORT
};

static const struct {
    struct view pattern;
    enum fact_stage stage;
} phases[] = {
#define REPORT(pattern_, kind_, number_)
#define PHASE(pattern_, stage_) {TEXT(pattern_), FACT_STAGE_##stage_},
#include "catalog/reports.inc"
#undef PHASE
#undef REPORT
};

static struct view pattern_of_report(size_t index) {
    return reports[index].pattern;
}

static struct view pattern_of_phase(size_t index) {
    return phases[index].pattern;
}

static struct pattern_index reports_index, phases_index;

static void build(void) {
    pattern_index_build(&reports_index, pattern_of_report, ARRAY_LEN(reports));
    pattern_index_build(&phases_index, pattern_of_phase, ARRAY_LEN(phases));
}

static void build_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, build);
}

static enum fact_stage phase_of(struct view plain) {
    struct pattern_hits hits;
    size_t at = 0, row = 0;
    pattern_index_search(&phases_index, plain, &hits);
    while (pattern_hits_next(&hits, ARRAY_LEN(phases), &at, &row))
        if (pattern_matches(phases[row].pattern, plain))
            return phases[row].stage;
    return FACT_STAGE_UNKNOWN;
}

// "450 4.2.0 words" or "450-words" at the start of `text`.
static bool take_reply(struct view text, struct fact *fact) {
    uint64_t code = 0;
    text = view_trim(text);
    if (text.len < 3 || !view_to_u64(view_take(text, 3), &code) || code < 400 || code > 599)
        return false;
    if (text.len > 3 && text.ptr[3] != ' ' && text.ptr[3] != '-')
        return false;
    struct enhanced enhanced;
    fact->kind = FACT_KIND_REPLY;
    fact->reply_code = (int)code;
    fact->text = view_skip(text, 4);
    if (enhanced_of_fact(fact, &enhanced)) {
        fact->enhanced[0] = enhanced.class;
        fact->enhanced[1] = enhanced.subject;
        fact->enhanced[2] = enhanced.detail;
    }
    return true;
}

// The words in front of a quoted reply, as Postfix, Exim and Sendmail write them.
static const struct view quote_marks[] = {TEXT("said: "),
                                          TEXT("refused to talk to me: "),
                                          TEXT("responded with: \""),
                                          TEXT("deferred: "),
                                          TEXT("]: "),
                                          TEXT(">: ")};
// Exchange puts the inner error behind the outer one; its own words about sockets come first.
static const struct view inner_marks[] = {TEXT(" -> ")};

static bool find_quoted_reply(struct view words, const struct view *marks, size_t count,
                              struct fact *fact) {
    for (size_t i = 0; i < count; i++) {
        size_t at = view_find_nocase(words, marks[i]);
        if (at < words.len && take_reply(view_skip(words, at + marks[i].len), fact))
            return true;
    }
    return false;
}

static void set_number(struct fact *fact, int number) {
    switch (fact->kind) {
    case FACT_KIND_ERRNO: fact->sys_errno = number; break;
    case FACT_KIND_CERT: fact->x509_verify = number; break;
    case FACT_KIND_TLS:
        fact->tls_alert = number;
        fact->tls_alert_from_peer = number >= 0;
        break;
    default: fact->detail = number; break;
    }
}

// The name that was asked for, where the words give it.
static struct view name_in(struct view words) {
    static const struct view marks[] = {TEXT("name="), TEXT("lookup of "), TEXT("any host named ")};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        size_t at = view_find_nocase(words, marks[i]);
        if (at == words.len)
            continue;
        struct view name = view_skip(words, at + marks[i].len);
        return view_take(name, size_min(view_find_char(name, ' '), view_find_char(name, ')')));
    }
    // RFC 7672 2.2: the question for the mail port's certificate.
    bool is_tlsa = view_find_nocase(words, VIEW("tlsa")) < words.len;
    return is_tlsa ? VIEW("_25._tcp.") : VIEW_NONE;
}

// Without a stated step, some failures still belong to one.
static enum fact_stage usual_stage(const struct fact *fact) {
    bool reset = fact->sys_errno == ECONNRESET || fact->sys_errno == EPIPE ||
                 fact->sys_errno == ECONNABORTED;
    switch (fact->kind) {
    case FACT_KIND_ERRNO: return reset ? FACT_STAGE_UNKNOWN : FACT_STAGE_CONNECT;
    case FACT_KIND_DNS: return FACT_STAGE_DNS;
    case FACT_KIND_ROUTE: return FACT_STAGE_ROUTE;
    case FACT_KIND_TLS:
    case FACT_KIND_CERT: return FACT_STAGE_TLS;
    case FACT_KIND_DEMAND:
        return fact->detail == FACT_DEMAND_AUTH_MECHANISM ? FACT_STAGE_AUTH : FACT_STAGE_STARTTLS;
    default: return FACT_STAGE_UNKNOWN;
    }
}

static bool is_about_connection(const struct fact *fact) {
    return fact->kind == FACT_KIND_ERRNO || fact->kind == FACT_KIND_CLOSED ||
           fact->kind == FACT_KIND_SILENT || fact->kind == FACT_KIND_REPLY;
}

static void set_stage(struct fact *fact, enum fact_stage phase) {
    fact->stage = is_about_connection(fact) ? phase : FACT_STAGE_UNKNOWN;
    if (fact->stage == FACT_STAGE_UNKNOWN)
        fact->stage = usual_stage(fact);
    if (fact->stage == FACT_STAGE_DOT && fact->kind != FACT_KIND_REPLY)
        fact->flags |= FACT_FLAG_DOT_SENT;
}

static bool find_report(struct view words, struct view text, struct fact *fact) {
    struct pattern_hits hits;
    size_t at = 0, row = 0;
    pattern_index_search(&reports_index, text, &hits);
    while (pattern_hits_next(&hits, ARRAY_LEN(reports), &at, &row))
        if (pattern_matches(reports[row].pattern, text)) {
            fact->kind = reports[row].kind;
            set_number(fact, reports[row].number);
            fact->text = fact->kind == FACT_KIND_DNS ? name_in(words) : words;
            return true;
        }
    return false;
}

static enum fact_stage phase_in(struct view text) {
    if (view_find(text, VIEW("refused to talk to me")) < text.len)
        return FACT_STAGE_GREETING;
    return phase_of(text);
}

enum fact_stage fact_stage_of_words(struct view words) {
    struct plain_text plain;
    build_once();
    words = view_take(words, 4 * FACT_TEXT_BYTES_MAX);
    plain_text_from(words, &plain);
    return phase_in(plain_text_view(&plain));
}

bool fact_of_words(struct view words, struct fact *fact) {
    struct plain_text plain;
    build_once();
    *fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE);
    words = view_take(words, 4 * FACT_TEXT_BYTES_MAX);
    plain_text_from(words, &plain);
    struct view text = plain_text_view(&plain);
    enum fact_stage phase = phase_in(text);
    if (!find_quoted_reply(words, quote_marks, ARRAY_LEN(quote_marks), fact) &&
        !find_report(words, text, fact) &&
        !find_quoted_reply(words, inner_marks, ARRAY_LEN(inner_marks), fact) &&
        !take_reply(words, fact))
        return false;
    set_stage(fact, phase);
    return true;
}
