// SPDX-License-Identifier: Apache-2.0
// SMTP replies inside prose. Three digits are a reply only where something says so: they stand at
// the start or behind a sign that introduces a quotation, or an enhanced code of the same class
// follows. Numbers of ports, lines, years and message ids are none.
#include "readers/words.h"

enum { REPLIES_MAX = 64 }; // lines of one quoted reply, and what it quotes

static bool is_letter_or_digit(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

// Length of "5.1.1" at the start of `text`, when it ends there; zero: none.
static size_t enhanced_len(struct view text) {
    size_t at = 0;
    for (int part = 0; part < 3; part++) {
        size_t digits = 0;
        while (at < text.len && ascii_is_digit(text.ptr[at]) && digits < 4) {
            at++;
            digits++;
        }
        if (digits == 0 || digits > 3 || (part == 0 && digits > 1))
            return 0;
        if (part < 2 && (at >= text.len || text.ptr[at++] != '.'))
            return 0;
    }
    bool is_class = text.ptr[0] == '2' || text.ptr[0] == '4' || text.ptr[0] == '5';
    bool goes_on = at < text.len &&
                   (is_letter_or_digit(text.ptr[at]) ||
                    (text.ptr[at] == '.' && at + 1 < text.len && ascii_is_digit(text.ptr[at + 1])));
    return is_class && !goes_on ? at : 0;
}

// --- Candidates ----------------------------------------------------------------------------------
struct candidate_reply {
    size_t at;            // of the code
    struct view enhanced; // or empty
    size_t text_at;
    char lead;      // the sign before it, blanks left out; '\n' at the start of a line
    bool is_quoted; // the sign introduces a quotation
};

static bool is_code_at(struct view text, size_t at) {
    const char *p = text.ptr + at;
    // A reply of success counts where nothing else stands before it.
    bool is_success = text.len - at >= 3 && at == 0 && p[0] == '2' && p[1] == '5';
    bool is_class = text.len - at >= 3 && (p[0] == '4' || p[0] == '5' || is_success);
    if (!is_class || p[1] < '0' || p[1] > '7' || !ascii_is_digit(p[2]) ||
        (is_success && p[2] > '3'))
        return false;
    if (at > 0 && (is_letter_or_digit(p[-1]) || strchr(".-/_%+@", p[-1])))
        return false;
    return text.len - at == 3 || strchr(" -:;,\t\r\n'=", p[3]);
}

// Skips what may stand between the code and its text: "550-", "550: ", "550 #", "ERROR_CODE :".
static size_t skip_separators(struct view text, size_t at) {
    struct view zoho = VIEW(", ERROR_CODE :");
    if (view_starts_with(view_skip(text, at), zoho))
        at += zoho.len;
    while (at < text.len && strchr(" -:;\t#'", text.ptr[at]))
        at++;
    return at;
}

static char lead_of(struct view text, size_t at) {
    while (at > 0 && (text.ptr[at - 1] == ' ' || text.ptr[at - 1] == '\t'))
        at--;
    // The marks of a quoted session stand for the start of the line.
    bool is_mark = at >= 3 && (memcmp(text.ptr + at - 3, "<<<", 3) == 0 ||
                               memcmp(text.ptr + at - 3, ">>>", 3) == 0);
    return at == 0 || is_mark ? '\n' : text.ptr[at - 1];
}

// Sendmail: "554 <user@example.org>... 550 Host unknown".
static bool follows_dots(struct view text, size_t at) {
    return at >= 4 && memcmp(text.ptr + at - 4, "... ", 4) == 0;
}

// "Remote host said 550 ...", "returned 550 ...": verbs that quote without a sign.
static bool has_quoting_verb(struct view text, size_t at) {
    static const struct view verbs[] = {{"said", 4},     {"error", 5},  {"returned", 8},
                                        {"with", 4},     {"code", 4},   {"responded", 9},
                                        {"response", 8}, {"status", 6}, {"reply", 5}};
    struct view before = view_trim(view_take(text, at));
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (view_ends_with_nocase(before, verbs[i]))
            return true;
    return false;
}

static bool read_candidate(struct view text, size_t at, struct candidate_reply *found) {
    size_t next = skip_separators(text, at + 3);
    size_t len = enhanced_len(view_skip(text, next));
    bool is_touching = at > 0 && !strchr(" \t", text.ptr[at - 1]);
    *found = (struct candidate_reply){.at = at, .text_at = next, .lead = lead_of(text, at)};
    if (len) { // Exchange: "550 4.4.7"
        found->enhanced = view_take(view_skip(text, next), len);
        found->text_at = next + len;
    }
    found->is_quoted = found->lead == '\n' || (found->lead && strchr(":>", found->lead)) ||
                       (found->lead && strchr("'\"([{<;,=#", found->lead) && is_touching) ||
                       has_quoting_verb(text, at) || follows_dots(text, at);
    // "php#554" and "id=550": part of an address of the web.
    if (is_touching && (found->lead == '#' || found->lead == '=') && at > 1 && !found->enhanced.len)
        found->is_quoted = found->lead == '#' && strchr(" \t\n(<", text.ptr[at - 2]);
    return found->is_quoted || found->enhanced.len > 0;
}

// The lines of one reply repeat its code: "550-5.1.1 first line", "550 5.1.1 last line", also where
// somebody has put them on one line.
static bool continues(struct view text, const struct candidate_reply *first,
                      const struct candidate_reply *next) {
    if (memcmp(text.ptr + first->at, text.ptr + next->at, 3) != 0)
        return false;
    bool is_joint = next->at > 0 && strchr(" \t\n", text.ptr[next->at - 1]) && next->lead != ':' &&
                    next->lead != '>' && next->lead != '<';
    return is_joint && (next->enhanced.len == 0 || view_equals(first->enhanced, next->enhanced));
}

// "550 550 5.1.1 user unknown": the second one is what the server said.
static bool follows_at_once(const struct candidate_reply *first,
                            const struct candidate_reply *next) {
    return next->at == first->text_at;
}

// --- The text of a reply -------------------------------------------------------------------------
// Exchange: "[Message=451 5.7.3 ...]" holds what the server said.
static bool is_message_field(struct view words, size_t at) {
    static const struct view mark = {"[Message=", 9};
    return at >= mark.len && memcmp(words.ptr + at - mark.len, mark.ptr, mark.len) == 0;
}

static const char *closer_of(char lead) {
    switch (lead) {
    case '\'': return "'";
    case '"': return "\"";
    case '[': return "]";
    case '(': return ")";
    case '{': return "}";
    case '<': return ">";
    default: return NULL;
    }
}

// Where a reply that was quoted in brackets ends; brackets inside count. Without the closing one it
// goes to the end.
static size_t quoted_len(struct view text, char lead) {
    const char *closer = closer_of(lead);
    size_t depth = 0;
    if (!closer)
        return text.len;
    if (closer[0] == lead) {
        size_t last = view_find_last_char(text, lead);
        return last;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == lead)
            depth++;
        else if (text.ptr[i] == closer[0] && depth-- == 0)
            return i;
    }
    return text.len;
}

// What reporting systems write behind the server's words.
static size_t reply_len(struct view text) {
    static const struct view tails[] = {
        {"(in reply to", 12},     {"\nGiving up on", 13},     {"I'm not going to try again", 26},
        {"[RCPT_TO]", 9},         {"[MAIL_FROM]", 11},        {"\n[DATA]", 7},
        {"\nSTEP:", 6},           {"\n  Remote system:", 17}, {" ##", 3},
        {"} [LastAttempted", 16}, {" [LastAttempted", 15},    {"\n\n", 2}};
    size_t len = text.len;
    for (size_t i = 0; i < ARRAY_LEN(tails); i++)
        len = size_min(len, view_find(view_take(text, len), tails[i]));
    return len;
}

// Below a reply may stand another one, of another command: a line that begins with a code while the
// line before was the last of its reply (RFC 5321 4.2.1: no hyphen behind the code).
static size_t until_next_reply(struct view words, const struct candidate_reply *from) {
    struct view text = view_skip(words, from->text_at);
    bool goes_on = from->at + 3 < words.len && words.ptr[from->at + 3] == '-';
    for (size_t at = view_find_char(text, '\n'); at < text.len;) {
        size_t code_at = from->text_at + at + 1;
        while (code_at < words.len && (words.ptr[code_at] == ' ' || words.ptr[code_at] == '<'))
            code_at++;
        if (code_at < words.len && is_code_at(words, code_at)) {
            if (!goes_on || memcmp(words.ptr + code_at, words.ptr + from->at, 3) != 0)
                return at;
            goes_on = code_at + 3 < words.len && words.ptr[code_at + 3] == '-';
        }
        at += 1 + view_find_char(view_skip(text, at + 1), '\n');
    }
    return text.len;
}

static void take_reply(struct view words, const struct candidate_reply *from,
                       struct reader_reply *reply) {
    struct view text = view_skip(words, from->text_at);
    text = view_take(text, until_next_reply(words, from));
    text = view_take(text, reply_len(text));
    bool is_touching = from->at > 0 && words.ptr[from->at - 1] == from->lead;
    if (is_message_field(words, from->at))
        text = view_take(text, quoted_len(text, '['));
    else if (is_touching)
        text = view_take(text, quoted_len(text, from->lead));
    *reply = (struct reader_reply){.code = view_take(view_skip(words, from->at), 3),
                                   .enhanced = from->enhanced,
                                   .text = view_trim(text),
                                   .around = words};
}

// --- All of them ---------------------------------------------------------------------------------
static bool next_candidate(struct view words, size_t *at, struct candidate_reply *found) {
    for (; *at + 3 <= words.len; (*at)++)
        if (is_code_at(words, *at) && read_candidate(words, *at, found)) {
            *at = found->at + 3;
            return true;
        }
    return false;
}

// An enhanced code in the middle of words: behind a sign or at the start of a line, never a part of
// an address or of a version.
static struct view enhanced_inside(struct view words) {
    for (size_t at = 0; at < words.len; at++) {
        char c = words.ptr[at];
        if (c != '2' && c != '4' && c != '5')
            continue;
        size_t len = enhanced_len(view_skip(words, at));
        if (len == 0)
            continue;
        size_t before = at;
        while (before > 0 && words.ptr[before - 1] == ' ')
            before--;
        if (before == 0 || strchr(":#(\n-[", words.ptr[before - 1]))
            return view_take(view_skip(words, at), len);
    }
    return VIEW_NONE;
}

// A code without an enhanced one takes it from the words behind it: "501 ... failed: 5.7.1 ...".
static void complete(struct reader_reply *reply) {
    struct view inside = reply->enhanced.len ? VIEW_NONE : enhanced_inside(reply->text);
    if (inside.len && inside.ptr[0] == reply->code.ptr[0])
        reply->enhanced = inside;
}

bool reader_replies_find(struct view words, struct reader_replies *replies) {
    struct candidate_reply outer, inner, next, last;
    size_t at = 0;
    if (!next_candidate(words, &at, &outer))
        return false;
    inner = last = outer;
    struct view extent = view_take(words, outer.text_at + until_next_reply(words, &outer));
    for (int i = 0; i < REPLIES_MAX && next_candidate(extent, &at, &next); i++) {
        bool is_inner = follows_at_once(&last, &next) ||
                        (!continues(words, &inner, &next) && next.is_quoted && next.lead != '\n' &&
                         (next.lead != '=' || is_message_field(words, next.at)));
        if (is_inner)
            inner = next;
        last = next;
    }
    take_reply(words, &outer, &replies->outer);
    take_reply(words, &inner, &replies->inner);
    replies->is_field = inner.at != outer.at && is_message_field(words, inner.at);
    complete(&replies->outer);
    complete(&replies->inner);
    return true;
}

struct view reader_enhanced_find(struct view words) {
    return enhanced_inside(words);
}
