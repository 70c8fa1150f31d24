// SPDX-License-Identifier: Apache-2.0
// What is of the inside: addresses of private networks, names that only the own network knows.
// A server that the internet can reach has a name with a dot, so one without is of the inside
// wherever servers are named, and everywhere where it is built like a machine's name.
#include "readers/redact.h"

// --- Addresses -----------------------------------------------------------------------------------
// Addresses of the reader's own network; those for documentation and of the internet stay.
bool redact_is_inside_address(struct view word) {
    static const char *const networks[] = {"10.0.0.0/8",
                                           "172.16.0.0/12",
                                           "192.168.0.0/16",
                                           "100.64.0.0/10",
                                           "fc00::/7",
                                           "169.254.0.0/16",
                                           "fe80::/10",
                                           "127.0.0.0/8",
                                           "fec0::/10",
                                           "::ffff:10.0.0.0/104",
                                           "::ffff:172.16.0.0/108",
                                           "::ffff:192.168.0.0/112"};
    struct address address;
    if (!address_parse(word, &address))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
        struct network network;
        if (network_parse(view_of(networks[i]), &network) && network_contains(&network, &address))
            return true;
    }
    return false;
}

// An IPv6 address has colons, which end words.
size_t redact_ipv6_len(const struct redact_spot *spot, bool *is_inside) {
    struct view text = redact_rest(spot);
    size_t len = 0;
    bool has_colon = false;
    while (len < text.len && len < 45 &&
           (ascii_is_digit(text.ptr[len]) ||
            (text.ptr[len] && strchr("abcdefABCDEF:.", text.ptr[len])))) {
        has_colon = has_colon || text.ptr[len] == ':';
        len++;
    }
    for (; has_colon && len > 2; len--) { // "fd00::1: timed out"
        struct address address;
        if (!address_parse(view_take(text, len), &address))
            continue;
        *is_inside = redact_is_inside_address(view_take(text, len));
        return address.family == ADDRESS_IPV6 || *is_inside ? len : 0;
    }
    return 0;
}

// Four numbers with "." or "-" between them from `at` on.
static bool take_quad(struct view word, size_t at, unsigned numbers[4]) {
    for (size_t n = 0; n < 4; n++) {
        size_t begin = at;
        numbers[n] = 0;
        while (at < word.len && at - begin < 4 && ascii_is_digit(word.ptr[at]))
            numbers[n] = numbers[n] * 10 + (unsigned)(word.ptr[at++] - '0');
        if (at == begin || numbers[n] > 255)
            return false;
        if (n < 3 && (at == word.len || !strchr("-.", word.ptr[at])))
            return false;
        at += n < 3;
    }
    return true;
}

static bool is_private(unsigned first, unsigned second) {
    return first == 10 || (first == 172 && second >= 16 && second < 32) ||
           (first == 192 && second == 168) || (first == 100 && second >= 64 && second < 128) ||
           (first == 169 && second == 254);
}

// "ip-10-0-0-5", "client-10.0.0.5", "5.0.0.10.in-addr.arpa": an address inside a name.
static bool holds_inside_address(struct view word) {
    bool is_reversed = view_ends_with_nocase(word, VIEW(".in-addr.arpa"));
    unsigned numbers[4];
    for (size_t at = 0; at + 7 <= word.len; at++) {
        bool is_begin = ascii_is_digit(word.ptr[at]) &&
                        (at == 0 || (!ascii_is_digit(word.ptr[at - 1]) && word.ptr[at - 1] != '.'));
        if (is_begin && take_quad(word, at, numbers) &&
            is_private(numbers[is_reversed ? 3 : 0], numbers[is_reversed ? 2 : 1]))
            return true;
    }
    return false;
}

// --- Names with dots -----------------------------------------------------------------------------
// RFC 6762 and the names that companies use inside, at the end or further in
// ("ex1.ad.example.org").
static bool is_inside_domain(struct view word) {
    static const struct view labels[] = {{"local", 5},        {"lan", 3},  {"internal", 8},
                                         {"intranet", 8},     {"corp", 4}, {"intra", 5},
                                         {"ad", 2},           {"int", 3},  {"intern", 6},
                                         {"localdomain", 11}, {"priv", 4}, {"private", 7}};
    static const struct view ends[] = {{"ad", 2}, {"int", 3}}; // of countries and treaties
    struct view rest = word, label;
    bool is_first = true;
    while (view_split(&rest, '.', &label)) {
        bool is_last = rest.ptr == NULL;
        for (size_t i = 0; !is_first && i < ARRAY_LEN(labels); i++)
            if (view_equals_nocase(label, labels[i]) &&
                !(is_last &&
                  (view_equals_nocase(label, ends[0]) || view_equals_nocase(label, ends[1]))))
                return true;
        is_first = false;
    }
    return view_ends_with_nocase(word, VIEW(".home.arpa"));
}

// --- Names without a dot -------------------------------------------------------------------------
static bool is_host_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

static bool has_letter(struct view word) {
    for (size_t i = 0; i < word.len; i++)
        if (ascii_is_alpha(word.ptr[i]))
            return true;
    return false;
}

static bool is_short_name(struct view word) {
    for (size_t i = 0; i < word.len; i++)
        if (!is_host_char(word.ptr[i]))
            return false;
    return word.len > 0 && word.len < 64 && has_letter(word);
}

// "mailgw" of "mailgw01"; empty: no digits stand at the end, or too many for a machine's number.
static struct view stem_of(struct view label) {
    size_t len = label.len;
    while (len > 0 && ascii_is_digit(label.ptr[len - 1]))
        len--;
    bool has_number = len > 0 && len < label.len && label.len - len <= 3;
    return has_number ? view_take(label, len) : VIEW_NONE;
}

static bool all_letters(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_alpha(text.ptr[i]))
            return false;
    return text.len > 0;
}

// What machines that have to do with mail are called before their number.
static bool is_machine_stem(struct view stem) {
    static const struct view whole[] = {{"mx", 2},  {"ex", 2},  {"dc", 2},   {"gw", 2},  {"fw", 2},
                                        {"ns", 2},  {"lb", 2},  {"cas", 3},  {"mbx", 3}, {"mta", 3},
                                        {"app", 3}, {"web", 3}, {"node", 4}, {"vm", 2},  {"hub", 3},
                                        {"win", 3}, {"pc", 2},  {"esx", 3},  {"db", 2},  {"ms", 2},
                                        {"out", 3}, {"in", 2}};
    static const struct view parts[] = {{"mail", 4},  {"smtp", 4},   {"exch", 4},  {"edge", 4},
                                        {"relay", 5}, {"gate", 4},   {"srv", 3},   {"server", 6},
                                        {"svr", 3},   {"host", 4},   {"proxy", 5}, {"post", 4},
                                        {"print", 5}, {"backup", 6}, {"file", 4},  {"linux", 5},
                                        {"mgw", 3},   {"mailer", 6}, {"hub", 3},   {"mta", 3}};
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (view_equals_nocase(stem, whole[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (view_starts_with_nocase(stem, parts[i]) || view_ends_with_nocase(stem, parts[i]))
            return true;
    return false;
}

// First labels of words that are no machines: "SHA-256", "ECDHE-RSA-AES128", "ISO-8859-1".
static bool is_standard(struct view label) {
    static const struct view names[] = {
        {"utf", 3}, {"iso", 3},   {"sha", 3},   {"aes", 3},   {"rfc", 3},     {"cve", 3},
        {"tls", 3}, {"ecdhe", 5}, {"dhe", 3},   {"koi", 3},   {"windows", 7}, {"cp", 2},
        {"x", 1},   {"md", 2},    {"event", 5}, {"error", 5}, {"port", 4},    {"user", 4}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (view_equals_nocase(label, names[i]))
            return true;
    return false;
}

// "EXCH-HUB2", "NYC-MSG-01": capitals, a hyphen, a number.
static bool is_capital_name(struct view word) {
    struct view first = view_take(word, view_find_char(word, '-'));
    bool is_capital = first.len >= 2 && first.len < word.len && all_letters(first) &&
                      !is_standard(first) && ascii_is_digit(word.ptr[word.len - 1]);
    for (size_t i = 0; is_capital && i < word.len; i++)
        is_capital = !(word.ptr[i] >= 'a' && word.ptr[i] <= 'z');
    return is_capital;
}

// By its shape alone, wherever it stands.
static bool is_built_like_a_machine(struct view word) {
    static const struct view begins[] = {{"WIN-", 4}, {"DESKTOP-", 8}, {"LAPTOP-", 7}};
    if (!is_short_name(word))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        if (view_starts_with(word, begins[i]) && word.len >= begins[i].len + 5)
            return true;
    if (is_capital_name(word))
        return true;
    struct view rest = word, label;
    bool is_machine = false;
    while (view_split(&rest, '-', &label)) {
        struct view stem = stem_of(label);
        is_machine = is_machine || (all_letters(stem) && is_machine_stem(stem));
    }
    return is_machine;
}

// Names that say nothing, and words that a sentence needs.
static bool is_plain_word(struct view word) {
    static const struct view words[] = {
        {"localhost", 9}, {"unknown", 7}, {"none", 4},        {"local", 5},       {"mail", 4},
        {"smtp", 4},      {"server", 6},  {"relay", 5},       {"host", 4},        {"gateway", 7},
        {"exchange", 8},  {"postfix", 7}, {"exim", 4},        {"sendmail", 8},    {"mx", 2},
        {"dovecot", 7},   {"virtual", 7}, {"the", 3},         {"to", 2},          {"from", 4},
        {"with", 4},      {"and", 3},     {"or", 2},          {"is", 2},          {"name", 4},
        {"command", 7},   {"reply", 5},   {"answer", 6},      {"of", 2},          {"in", 2},
        {"starttls", 8},  {"auth", 4},    {"size", 4},        {"pipelining", 10}, {"rcpt", 4},
        {"data", 4},      {"quit", 4},    {"esmtp", 5},       {"dns", 3},         {"network", 7},
        {"by", 2},        {"at", 2},      {"for", 3},         {"tls", 3},         {"helo", 4},
        {"ehlo", 4},      {"null", 4},    {"connection", 10}, {"client", 6},      {"address", 7},
        {"greeting", 8},  {"message", 7}, {"recipient", 9},   {"sender", 6},      {"domain", 6}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (view_equals_nocase(word, words[i]))
            return true;
    return false;
}

bool redact_is_inside_host(const struct reader_redaction *redaction, struct view word) {
    if (view_find_char(word, '.') < word.len)
        return is_inside_domain(word) || holds_inside_address(word);
    if (holds_inside_address(word) || is_built_like_a_machine(word))
        return true;
    for (size_t i = 0; i < redaction->n_hosts; i++)
        if (view_equals_nocase(redaction->hosts[i], word))
            return true;
    return false;
}

// --- Places --------------------------------------------------------------------------------------
// "May 12 10:42:00 " or "2026-05-12T10:42:00Z " stands before it, "program[77]:" behind.
static bool is_syslog_host(const struct redact_spot *spot, struct view word) {
    struct view before = redact_before(spot);
    struct view behind = view_skip(spot->text, spot->at + word.len);
    if (before.len < 9 || before.ptr[before.len - 1] != ' ' || behind.len < 3 ||
        behind.ptr[0] != ' ')
        return false;
    before = view_take(before, before.len - 1);
    struct view time = view_skip(before, view_find_last_char(before, ' ') + 1);
    if (view_find_char(before, ' ') == before.len)
        time = before;
    size_t colon = view_find_char(time, ':');
    bool is_time = time.len >= 8 && colon >= 2 && colon + 3 < time.len &&
                   time.ptr[colon + 3] == ':' && ascii_is_digit(time.ptr[colon - 1]);
    struct view program = view_skip(behind, 1);
    program = view_take(program, view_find_char(program, ' '));
    return is_time && program.len > 1 && program.ptr[program.len - 1] == ':';
}

// "NAME[192.0.2.1]", "NAME [192.0.2.1]", "NAME ([192.0.2.1])", "NAME (HELO x)".
static bool is_before_address(const struct redact_spot *spot, struct view word) {
    struct view behind = view_skip(spot->text, spot->at + word.len);
    behind = view_skip(behind, view_starts_with(behind, VIEW(" ")));
    if (view_starts_with(behind, VIEW("(HELO")) || view_starts_with(behind, VIEW("(EHLO")) ||
        view_starts_with(behind, VIEW("(Microsoft SMTP")))
        return true;
    behind = view_skip(behind, view_starts_with(behind, VIEW("(")));
    if (!view_starts_with(behind, VIEW("[")))
        return false;
    struct view inside = view_take(view_skip(behind, 1), view_find_char(behind, ']') - 1);
    struct address address;
    if (view_starts_with_nocase(inside, VIEW("IPv6:")))
        inside = view_skip(inside, 5);
    return address_parse(inside, &address);
}

bool redact_is_host_place(const struct redact_spot *spot, struct view word) {
    static const struct view marks[] = {
        {"helo=<", 6}, {"helo=", 5},     {"helo ", 5},         {"ehlo ", 5},        {"dns;", 4},
        {"dns; ", 5},  {"hostname=", 9}, {"hostname>", 9},     {"servername=", 11}, {"server>", 7},
        {"fqdn=", 5},  {"server=", 7},   {"relay=", 6},        {"client=", 7},      {"host=", 5},
        {" h=", 3},    {"\\\\", 2},      {"workstation=", 12}, {"written by  ", 12}};
    if (is_syslog_host(spot, word))
        return true;
    if (!is_short_name(word) || is_plain_word(word))
        return false;
    return redact_follows(spot, marks, ARRAY_LEN(marks)) || is_before_address(spot, word);
}

// --- Learning ------------------------------------------------------------------------------------
void reader_redaction_add_host(struct reader_redaction *redaction, struct view host) {
    if (!is_short_name(host) || is_plain_word(host) || redaction->n_hosts == REDACT_HOSTS_MAX)
        return;
    for (size_t i = 0; i < redaction->n_hosts; i++)
        if (view_equals_nocase(redaction->hosts[i], host))
            return;
    redaction->hosts[redaction->n_hosts++] = arena_copy(&redaction->arena, host);
}

void redact_learn_hosts(struct reader_redaction *redaction, struct view text) {
    struct redact_spot spot = {.text = text, .end = text.len};
    while (spot.at < text.len) {
        struct view word = redact_is_word_begin(&spot) ? redact_word(&spot) : VIEW_NONE;
        if (word.len && redact_is_host_place(&spot, word))
            reader_redaction_add_host(redaction, word);
        spot.at += word.len ? word.len : 1;
    }
}
