// SPDX-License-Identifier: Apache-2.0
// What stands around and beside the words: Exchange's fields in braces, wrappers of proxies, and
// the server that is named.
#include "base/units.h"
#include "mail/mail.h"
#include "readers/words.h"

// --- Exchange ------------------------------------------------------------------------------------
// The value of "{LED=...};": up to the brace before the next field, or to the end.
static struct view exchange_field(struct view text, struct view mark) {
    size_t at = view_find(text, mark);
    if (at == text.len)
        return VIEW_NONE;
    struct view value = view_skip(text, at + mark.len);
    size_t end = size_min(view_find(value, VIEW("};")), view_find(value, VIEW("}]")));
    if (end == value.len && value.len && value.ptr[value.len - 1] == '}')
        end--;
    return view_trim(view_take(value, end));
}

// "5/12/2026 10:42:00 AM": the order of day and month depends on the server's language, so only a
// date that can be read in one way is taken.
static int64_t exchange_time(struct view text) {
    struct view part, day = text, clock;
    uint64_t n[6] = {0};
    int64_t at_ms;
    if (!view_split(&day, ' ', &clock))
        return 0;
    struct view date = clock;
    clock = day;
    for (int i = 0; i < 3; i++)
        if (!view_split(&date, '/', &part) || !view_to_u64(part, &n[i]))
            return 0;
    struct view numbers = view_take(clock, view_find_char(clock, ' '));
    for (int i = 3; i < 6; i++)
        if (!view_split(&numbers, ':', &part) || !view_to_u64(part, &n[i]))
            return 0;
    if (n[0] <= 12 && n[1] <= 12 && n[0] != n[1])
        return 0;
    bool is_pm = view_find_nocase(clock, VIEW("pm")) < clock.len;
    bool is_am = view_find_nocase(clock, VIEW("am")) < clock.len;
    int hour = (int)(n[3] % 12) + (is_pm ? 12 : 0);
    struct units_civil civil = {.year = (int)(n[2] % 10000),
                                .month = (int)(n[0] > 12 ? n[1] : n[0]),
                                .day = (int)(n[0] > 12 ? n[0] : n[1]),
                                .hour = is_pm || is_am ? hour : (int)(n[3] % 100),
                                .minute = (int)(n[4] % 100),
                                .second = (int)(n[5] % 100)};
    return units_from_civil(&civil, &at_ms) ? at_ms : 0;
}

static struct view between(struct view text, struct view from, struct view to) {
    struct view rest = view_skip(text, view_find(text, from) + from.len);
    size_t end = view_find(rest, to);
    return end < rest.len ? view_take(rest, end) : VIEW_NONE;
}

static void take_host(struct view name, struct view address, struct reader_words *words) {
    words->host = view_trim(name);
    if (!address_parse_port(address, &words->peer))
        (void)address_parse(view_trim(address), &words->peer);
}

static struct view unwrap_exchange(struct view text, struct reader_words *words) {
    struct view detail = exchange_field(text, VIEW("LED="));
    if (detail.len == 0)
        return text;
    take_host(exchange_field(text, VIEW("FQDN=")), exchange_field(text, VIEW("IP=")), words);
    words->at_ms = exchange_time(exchange_field(text, VIEW("LRT=")));
    return detail;
}

// "450 4.7.0 Proxy session setup failed on Frontend with '...'": what counts is inside the quotes.
static struct view unwrap_proxy(struct view text) {
    size_t at = view_find_nocase(text, VIEW("proxy session setup failed on frontend with '"));
    struct view rest = view_skip(text, at + 45);
    size_t end = view_find_last_char(rest, '\'');
    return at < text.len && end < rest.len ? view_take(rest, end) : text;
}

// Sendmail: "(reason: 550 5.1.1 ... User unknown)" on a line of its own.
static struct view unwrap_reason(struct view text) {
    struct view line = view_take(text, view_find_char(text, '\n'));
    size_t close = view_find_last_char(line, ')');
    bool is_reason = view_starts_with_nocase(line, VIEW("(reason: ")) && close < line.len;
    return is_reason ? view_take(view_skip(line, 9), close - 9) : text;
}

static struct view unwrap_prefix(struct view text) {
    static const struct view prefixes[] = {
        {"delay reason: ", 14}, {"reason: ", 8}, {"(reason: ", 9}, {"diagnostic-code: ", 17}};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (view_starts_with_nocase(text, prefixes[i]))
            return view_trim(view_skip(text, prefixes[i].len));
    return text;
}

struct view reader_words_unwrap(struct view text, struct reader_words *words) {
    text = unwrap_exchange(text, words);
    if (view_find(text, VIEW("LastAttemptedServerName=")) < text.len)
        take_host(between(text, VIEW("LastAttemptedServerName="), VIEW("]")),
                  between(text, VIEW("LastAttemptedIP="), VIEW("]")), words);
    return unwrap_proxy(unwrap_prefix(unwrap_reason(text)));
}

// --- The server ----------------------------------------------------------------------------------
static bool is_host_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
}

static struct view host_before(struct view text, size_t end) {
    while (end > 0 && (text.ptr[end - 1] == ' ' || text.ptr[end - 1] == '.'))
        end--;
    size_t from = end;
    while (from > 0 && is_host_char(text.ptr[from - 1]))
        from--;
    struct view name = view_take(view_skip(text, from), end - from);
    return view_find_char(name, '.') < name.len ? name : VIEW_NONE;
}

// "name[192.0.2.1]", "name [192.0.2.1]:25", "name. [192.0.2.1]".
static bool find_bracketed(struct view text, struct reader_words *words) {
    for (size_t at = view_find_char(text, '['); at < text.len;) {
        struct view inside = view_skip(text, at + 1);
        inside = view_take(inside, view_find_char(inside, ']'));
        if (address_parse(inside, &words->peer)) {
            words->host = host_before(text, at);
            return true;
        }
        at += 1 + view_find_char(view_skip(text, at + 1), '[');
    }
    return false;
}

static struct view host_at(struct view text) {
    size_t len = 0;
    while (len < text.len && is_host_char(text.ptr[len]))
        len++;
    while (len && text.ptr[len - 1] == '.')
        len--;
    return view_take(text, len);
}

// Words that a name or an address follows without brackets.
static bool find_named(struct view text, struct reader_words *words) {
    static const struct view marks[] = {{"while talking to ", 17},
                                        {"host: ", 6},
                                        {"RCPT host ", 10},
                                        {"Connected to ", 13},
                                        {"SMTP Server <", 13},
                                        {"Giving up on ", 13},
                                        {"H=", 2},
                                        {"RCPT: <", 0},
                                        {"Mailer ", 7}};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        size_t at = marks[i].len ? view_find(text, marks[i]) : text.len;
        struct view name = host_at(view_skip(text, at + marks[i].len));
        if (at == text.len || view_find_char(name, '.') == name.len)
            continue;
        if (!address_parse(name, &words->peer))
            words->host = name;
        return true;
    }
    return false;
}

// Exchange: "mx1.example.org #<mx1.example.org #5.2.2 smtp;552 ...".
static bool find_before_hash(struct view text, struct reader_words *words) {
    size_t at = view_find(text, VIEW(" #"));
    if (at < text.len)
        words->host = host_before(text, at);
    return words->host.len > 0;
}

// qmail begins its sentence with the address: "192.0.2.1 does not like recipient."
static void find_leading_address(struct view text, struct reader_words *words) {
    struct view first = view_take(text, view_find_char(text, ' '));
    (void)address_parse(first, &words->peer);
}

void reader_host_find(struct view text, const char *reply, struct reader_words *words) {
    if (reply)
        text = view_take(text, (size_t)(reply - text.ptr));
    if (words->host.len || words->peer.family != ADDRESS_NONE)
        return;
    if (!find_bracketed(text, words) && !find_named(text, words) && !find_before_hash(text, words))
        find_leading_address(text, words);
}
