// SPDX-License-Identifier: Apache-2.0
// Reading the dialects. Replies come from strangers, so the work per reply has a bound: the text is
// cut, a pattern is searched once from left to right, and most patterns are not searched at all.
#include "catalog/dialect.h"

static const struct dialect dialects[] = {
#define ANY_CODE                                                                                   \
    { 0, 999 }
#define TEMP                                                                                       \
    { 400, 499 }
#define PERM                                                                                       \
    { 500, 599 }
#define ONLY(code)                                                                                 \
    { code, code }
#define FROM_TO(lowest, highest)                                                                   \
    { lowest, highest }
#define SAYS(speaker_, codes_, enhanced_, pattern_, cause_)                                        \
    {SPEAKER_##speaker_, codes_, TEXT(enhanced_), TEXT(pattern_), CAUSE_##cause_},
#include "catalog/dialects.inc"
#undef SAYS
};

static const struct {
    enum speaker speaker;
    struct view host_end, mark;
} speakers[] = {
#define SPEAKER(name, host_end_, mark_) {SPEAKER_##name, TEXT(host_end_), TEXT(mark_)},
#include "catalog/dialects/speakers.inc"
#undef SPEAKER
};

size_t dialect_count(void) {
    return ARRAY_LEN(dialects);
}

const struct dialect *dialect_at(size_t index) {
    ASSERT(index < ARRAY_LEN(dialects));
    return &dialects[index];
}

struct view speaker_word(enum speaker speaker) {
    static const struct view words[SPEAKER_COUNT] = {
        [SPEAKER_ANY] = TEXT(""),
        [SPEAKER_GMAIL] = TEXT("Gmail"),
        [SPEAKER_MICROSOFT] = TEXT("Microsoft"),
        [SPEAKER_YAHOO] = TEXT("Yahoo"),
        [SPEAKER_APPLE] = TEXT("Apple"),
        [SPEAKER_MIMECAST] = TEXT("Mimecast"),
        [SPEAKER_BARRACUDA] = TEXT("Barracuda"),
        [SPEAKER_PROOFPOINT] = TEXT("Proofpoint"),
        [SPEAKER_RACKSPACE] = TEXT("Rackspace"),
        [SPEAKER_CISCO] = TEXT("Cisco"),
        [SPEAKER_ORANGE] = TEXT("Orange"),
        [SPEAKER_QQ] = TEXT("QQ Mail"),
    };
    ASSERT((unsigned)speaker < SPEAKER_COUNT);
    return words[speaker];
}

// --- Plain text --------------------------------------------------------------------------------
static bool is_space(char c) {
    return (unsigned char)c <= ' ' || c == 0x7f;
}

static struct view take_token(struct view *rest, bool *starts_line) {
    size_t at = 0, len = 0;
    while (at < rest->len && is_space(rest->ptr[at]))
        *starts_line |= rest->ptr[at++] == '\n';
    *rest = view_skip(*rest, at);
    while (len < rest->len && !is_space(rest->ptr[len]))
        len++;
    struct view token = view_take(*rest, len);
    *rest = view_skip(*rest, len);
    return token;
}

static bool is_reply_code(struct view token) {
    return token.len >= 3 && token.ptr[0] >= '2' && token.ptr[0] <= '5' &&
           ascii_is_digit(token.ptr[1]) && ascii_is_digit(token.ptr[2]);
}

static bool is_enhanced_code(struct view token) {
    struct enhanced enhanced;
    size_t len = 0;
    return enhanced_parse(token, &enhanced, &len) && len == token.len;
}

// "550-5.7.26" begins each line of a long reply, also where somebody put the lines together.
static bool is_line_code(struct view token, bool starts_line) {
    if (is_reply_code(token) && token.len > 4 && token.ptr[3] == '-')
        return is_enhanced_code(view_skip(token, 4));
    return starts_line && (is_enhanced_code(token) || (is_reply_code(token) && token.len <= 4));
}

static void put_token(struct plain_text *plain, struct view token) {
    if (plain->len && plain->len < sizeof(plain->bytes))
        plain->bytes[plain->len++] = ' ';
    for (size_t i = 0; i < token.len && plain->len < sizeof(plain->bytes); i++)
        plain->bytes[plain->len++] = ascii_lower(token.ptr[i]);
}

void plain_text_from(struct view text, struct plain_text *plain) {
    struct view rest = view_take(text, sizeof(plain->bytes));
    bool starts_line = true;
    plain->len = 0;
    while (rest.len) {
        struct view token = take_token(&rest, &starts_line);
        if (token.len == 0 || is_line_code(token, starts_line))
            continue; // what follows a code at the start may be the other code
        // Names of people are theirs to choose and say nothing about the cause.
        put_token(plain, view_find_char(token, '@') < token.len ? VIEW("@") : token);
        starts_line = false;
    }
}

// --- Patterns ----------------------------------------------------------------------------------
static unsigned triple_hash(const char *at) {
    unsigned hash = (unsigned char)at[0] * 961U + (unsigned char)at[1] * 31U + (unsigned char)at[2];
    return (hash * 2654435761U) >> 20; // 12 bits
}

void triples_of(struct view text, struct triples *triples) {
    *triples = (struct triples){{0}};
    for (size_t i = 0; i + 3 <= text.len; i++) {
        unsigned hash = triple_hash(text.ptr + i);
        triples->bits[hash / 64] |= 1ULL << (hash % 64);
    }
}

static bool has_triple(const struct triples *triples, const char *at) {
    unsigned hash = triple_hash(at);
    return triples->bits[hash / 64] >> (hash % 64) & 1;
}

static bool may_contain(const struct triples *triples, struct view part) {
    return part.len < 3 ||
           (has_triple(triples, part.ptr) && has_triple(triples, part.ptr + part.len - 3) &&
            has_triple(triples, part.ptr + (part.len - 3) / 2));
}

bool pattern_matches(struct view pattern, struct view text, const struct triples *triples) {
    struct view part;
    while (view_split(&pattern, '*', &part)) {
        if (part.len == 0)
            continue;
        if (!may_contain(triples, part))
            return false;
        // The leftmost place is as good as any: what follows has the more room.
        size_t at = view_find(text, part);
        if (at == text.len)
            return false;
        text = view_skip(text, at + part.len);
    }
    return true;
}

// "*.7.606-649": class or any, subject, detail or range of details. The table is ours, so a pattern
// that cannot be read is a mistake of ours.
static bool enhanced_matches(struct view pattern, const struct enhanced *enhanced) {
    struct view class, subject, lowest, rest = pattern;
    uint64_t subject_number = 0, from = 0, to = 0;
    if (pattern.len == 0)
        return true;
    if (enhanced->class == 0)
        return false;
    bool well = view_split(&rest, '.', &class) && view_split(&rest, '.', &subject) &&
                view_split(&rest, '-', &lowest) && view_to_u64(subject, &subject_number) &&
                view_to_u64(lowest, &from) && view_to_u64(rest.ptr ? rest : lowest, &to);
    ASSERT(well);
    bool class_fits = class.ptr[0] == '*' || class.ptr[0] - '0' == enhanced->class;
    return class_fits && (int)subject_number == enhanced->subject &&
           enhanced->detail >= (int)from && enhanced->detail <= (int)to;
}

// What was told without its code is judged by words, and by the class of the enhanced code.
static bool code_fits(const struct dialect *row, const struct said *said) {
    if (said->code)
        return said->code >= row->codes.from && said->code <= row->codes.to;
    int class = said->enhanced.class;
    bool says_more = row->pattern.len || row->enhanced.len;
    bool needs_code = row->codes.to - row->codes.from < 99;
    return says_more && !needs_code &&
           (class == 0 || (class >= row->codes.from / 100 && class <= row->codes.to / 100));
}

static bool row_holds(const struct dialect *row, const struct said *said,
                      const struct triples *triples) {
    // Most rows end here: the first letters of the pattern are nowhere in the text.
    if (row->pattern.len && !has_triple(triples, row->pattern.ptr))
        return false;
    if (row->speaker != SPEAKER_ANY && row->speaker != said->speaker)
        return false;
    if (!code_fits(row, said))
        return false;
    if (said->words_only && row->pattern.len == 0 && row->speaker == SPEAKER_ANY)
        return false;
    return enhanced_matches(row->enhanced, &said->enhanced) &&
           pattern_matches(row->pattern, said->text, triples);
}

const struct dialect *dialect_find(const struct said *said) {
    struct triples triples;
    triples_of(said->text, &triples);
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (row_holds(&dialects[i], said, &triples))
            return &dialects[i];
    return NULL;
}

enum speaker speaker_of(struct view host, struct view text, struct view greeting) {
    struct triples in_text, in_greeting;
    host = view_ends_with_nocase(host, VIEW(".")) ? view_take(host, host.len - 1) : host;
    for (size_t i = 0; i < ARRAY_LEN(speakers); i++)
        if (view_ends_with_nocase(host, speakers[i].host_end))
            return speakers[i].speaker;
    triples_of(text, &in_text);
    triples_of(greeting, &in_greeting);
    for (size_t i = 0; i < ARRAY_LEN(speakers); i++)
        if (pattern_matches(speakers[i].mark, text, &in_text) ||
            (greeting.len && pattern_matches(speakers[i].mark, greeting, &in_greeting)))
            return speakers[i].speaker;
    return SPEAKER_ANY;
}
