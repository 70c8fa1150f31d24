// SPDX-License-Identifier: Apache-2.0
// Reading the dialects. Replies come from strangers, so the work per reply has a bound: the text is
// cut, a pattern is searched once from left to right, and most patterns are not searched at all.
#include "catalog/dialect.h"

#include <pthread.h>

static const struct dialect dialects[] = {
#define ANY_CODE                                                                                   \
    { 0, 999 }
#define TEMP                                                                                       \
    { 400, 499 }
#define PERM                                                                                       \
    { 500, 599 }
#define CODED                                                                                      \
    { 400, 599 }
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
    if (token.len && plain->len && plain->len < sizeof(plain->bytes))
        plain->bytes[plain->len++] = ' ';
    for (size_t i = 0; i < token.len && plain->len < sizeof(plain->bytes); i++)
        plain->bytes[plain->len++] = ascii_lower(token.ptr[i]);
}

// Names of people are theirs to choose and say nothing about the cause; what is said of somebody
// without a blank between, as in "(user@example.org:blocked)", does.
static void put_word(struct plain_text *plain, struct view token) {
    size_t at = view_find_char(token, '@');
    if (at == token.len) {
        put_token(plain, token);
        return;
    }
    struct view host = view_skip(token, at);
    put_token(plain, VIEW("@"));
    put_token(plain, view_skip(host, view_find_char(host, ':') + 1));
}

void plain_text_from(struct view text, struct plain_text *plain) {
    struct view rest = view_take(text, sizeof(plain->bytes));
    bool starts_line = true;
    plain->len = 0;
    while (rest.len) {
        struct view token = take_token(&rest, &starts_line);
        if (token.len == 0 || is_line_code(token, starts_line))
            continue; // what follows a code at the start may be the other code
        put_word(plain, token);
        starts_line = false;
    }
}

// --- Rows ----------------------------------------------------------------------------------------
// "*.7.606-649": class or any, subject, detail or range of details. The table is ours, so a pattern
// that cannot be read is a mistake of ours.
bool enhanced_matches(struct view pattern, const struct enhanced *enhanced) {
    struct view class, subject, lowest, rest = pattern;
    uint64_t subject_number = 0, from = 0, to = 0;
    if (pattern.len == 0)
        return true;
    if (enhanced->class == 0 || (pattern.ptr[0] != '*' && pattern.ptr[0] - '0' != enhanced->class))
        return false;
    bool well = view_split(&rest, '.', &class) && view_split(&rest, '.', &subject) &&
                view_split(&rest, '-', &lowest) && view_to_u64(subject, &subject_number) &&
                view_to_u64(lowest, &from) && view_to_u64(rest.ptr ? rest : lowest, &to);
    ASSERT(well);
    return (int)subject_number == enhanced->subject && enhanced->detail >= (int)from &&
           enhanced->detail <= (int)to;
}

// What was told without its code is judged by words, and by the class of the enhanced code.
static bool code_fits(const struct dialect *row, const struct said *said) {
    if (said->code)
        return said->code >= row->codes.from && said->code <= row->codes.to;
    int class = said->enhanced.class;
    if (class == 0 && row->codes.from == 400 && row->codes.to == 599)
        return false;
    bool says_more = row->pattern.len || row->enhanced.len;
    bool needs_code = row->codes.to - row->codes.from < 99;
    return says_more && !needs_code &&
           (class == 0 || (class >= row->codes.from / 100 && class <= row->codes.to / 100));
}

static bool row_holds(const struct dialect *row, const struct said *said) {
    if (row->speaker != SPEAKER_ANY && row->speaker != said->speaker)
        return false;
    if (!code_fits(row, said))
        return false;
    if (said->words_only && row->pattern.len == 0 && row->speaker == SPEAKER_ANY)
        return false;
    return enhanced_matches(row->enhanced, &said->enhanced) &&
           pattern_matches(row->pattern, said->text);
}

static struct view pattern_of_row(size_t index) {
    return dialects[index].pattern;
}

static struct view mark_of_speaker(size_t index) {
    return speakers[index].mark;
}

static struct pattern_index rows_index, speakers_index;

static void build(void) {
    pattern_index_build(&rows_index, pattern_of_row, ARRAY_LEN(dialects));
    pattern_index_build(&speakers_index, mark_of_speaker, ARRAY_LEN(speakers));
}

static void build_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, build);
}

const struct dialect *dialect_find(const struct said *said) {
    struct pattern_hits hits;
    size_t at = 0, row = 0;
    build_once();
    pattern_index_search(&rows_index, said->text, &hits);
    while (pattern_hits_next(&hits, ARRAY_LEN(dialects), &at, &row))
        if (row_holds(&dialects[row], said))
            return &dialects[row];
    return NULL;
}

// --- Speakers ------------------------------------------------------------------------------------
// The first speaker with its mark in `text`; the number of speakers where there is none.
static size_t marked_speaker(struct view text) {
    struct pattern_hits hits;
    size_t at = 0, row = 0;
    if (text.len == 0)
        return ARRAY_LEN(speakers);
    pattern_index_search(&speakers_index, text, &hits);
    while (pattern_hits_next(&hits, ARRAY_LEN(speakers), &at, &row))
        if (pattern_matches(speakers[row].mark, text))
            return row;
    return ARRAY_LEN(speakers);
}

enum speaker speaker_of(struct view host, struct view text, struct view greeting) {
    host = view_ends_with_nocase(host, VIEW(".")) ? view_take(host, host.len - 1) : host;
    for (size_t i = 0; host.len && i < ARRAY_LEN(speakers); i++)
        if (view_ends_with_nocase(host, speakers[i].host_end))
            return speakers[i].speaker;
    build_once();
    size_t row = size_min(marked_speaker(text), marked_speaker(greeting));
    return row < ARRAY_LEN(speakers) ? speakers[row].speaker : SPEAKER_ANY;
}
