// SPDX-License-Identifier: Apache-2.0
// The text of a record, term by term (RFC 7208 4.6.1, 12).
#include "spf/spf_internal.h"

#define VERSION "v=spf1"

enum takes {
    TAKES_NOTHING,
    TAKES_DOMAIN,
    TAKES_DOMAIN_MAYBE,
    TAKES_DOMAIN_AND_BITS,
    TAKES_NETWORK
};

static const struct {
    struct view name;
    enum takes takes;
} mechanisms[SPF_MECHANISM_COUNT] = {
    [SPF_ALL] = {VIEW("all"), TAKES_NOTHING},      [SPF_INCLUDE] = {VIEW("include"), TAKES_DOMAIN},
    [SPF_A] = {VIEW("a"), TAKES_DOMAIN_AND_BITS},  [SPF_MX] = {VIEW("mx"), TAKES_DOMAIN_AND_BITS},
    [SPF_PTR] = {VIEW("ptr"), TAKES_DOMAIN_MAYBE}, [SPF_IP4] = {VIEW("ip4"), TAKES_NETWORK},
    [SPF_IP6] = {VIEW("ip6"), TAKES_NETWORK},      [SPF_EXISTS] = {VIEW("exists"), TAKES_DOMAIN}};

bool spf_record_is(struct view text) {
    struct view rest = view_skip(text, sizeof(VERSION) - 1);
    return view_starts_with_nocase(text, VIEW(VERSION)) && (rest.len == 0 || rest.ptr[0] == ' ');
}

static enum spf_result take_qualifier(struct view *text) {
    static const enum spf_result results[] = {SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL};
    size_t at = text->len ? view_find_char(VIEW("+-~?"), text->ptr[0]) : ARRAY_LEN(results);
    if (at >= ARRAY_LEN(results))
        return SPF_PASS;
    *text = view_skip(*text, 1);
    return results[at];
}

// "/24" at the end of `text`, cut off. False: what stands behind the slash is too big.
static bool cut_bits(struct view *text, struct view slash, unsigned max, unsigned *bits) {
    uint64_t value = 0;
    size_t at = text->len;
    while (at > 0 && ascii_is_digit(text->ptr[at - 1]))
        at--;
    struct view before = view_take(*text, at), digits = view_skip(*text, at);
    if (digits.len == 0 || before.len < slash.len ||
        !view_equals(view_skip(before, before.len - slash.len), slash))
        return true;
    if (!view_to_u64(digits, &value) || value > max || (digits.len > 1 && digits.ptr[0] == '0'))
        return false;
    *bits = (unsigned)value;
    *text = view_take(before, before.len - slash.len);
    return true;
}

static bool read_network(struct view text, struct spf_term *term) {
    bool is_4 = term->mechanism == SPF_IP4;
    unsigned *bits = is_4 ? &term->bits4 : &term->bits6;
    return cut_bits(&text, VIEW("/"), is_4 ? 32 : 128, bits) &&
           view_find_char(text, '%') == text.len && address_parse(text, &term->network) &&
           // An IPv4 address in IPv6 notation is stored as IPv4: no network of IPv6.
           term->network.family == (is_4 ? ADDRESS_IPV4 : ADDRESS_IPV6);
}

static bool read_domain(struct view text, struct view *domain) {
    *domain = text;
    return text.len > 0 && spf_macro_is_well(text);
}

static bool read_argument(struct view text, bool has_colon, struct spf_term *term) {
    switch (mechanisms[term->mechanism].takes) {
    case TAKES_NOTHING: return !has_colon && text.len == 0;
    case TAKES_DOMAIN: return has_colon && read_domain(text, &term->domain);
    case TAKES_DOMAIN_MAYBE: return has_colon ? read_domain(text, &term->domain) : text.len == 0;
    case TAKES_DOMAIN_AND_BITS:
        // "a:example.org/24//64": the length for IPv6 stands last, behind two slashes.
        return cut_bits(&text, VIEW("//"), 128, &term->bits6) &&
               cut_bits(&text, VIEW("/"), 32, &term->bits4) &&
               (has_colon ? read_domain(text, &term->domain) : text.len == 0);
    case TAKES_NETWORK: return has_colon && read_network(text, term);
    }
    return false;
}

static bool read_mechanism(struct view text, struct spf_record *record) {
    struct spf_term term = {.text = text, .bits4 = 32, .bits6 = 128};
    term.qualifier = take_qualifier(&text);
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ':' && text.ptr[len] != '/')
        len++;
    struct view name = view_take(text, len), rest = view_skip(text, len);
    bool has_colon = rest.len > 0 && rest.ptr[0] == ':';
    for (enum spf_mechanism i = 0; i < SPF_MECHANISM_COUNT; i++) {
        if (!view_equals_nocase(name, mechanisms[i].name))
            continue;
        term.mechanism = i;
        if (record->n_terms == SPF_TERMS_MAX ||
            !read_argument(has_colon ? view_skip(rest, 1) : rest, has_colon, &term))
            return false;
        record->terms[record->n_terms++] = term;
        return true;
    }
    return false;
}

// RFC 7208 6: a name, "=", a macro string. Those that are not known are passed over.
static bool is_modifier(struct view text, size_t equals) {
    if (equals == text.len || !ascii_is_alpha(text.ptr[0]))
        return false;
    for (size_t i = 0; i < equals; i++)
        if (!ascii_is_alpha(text.ptr[i]) && !ascii_is_digit(text.ptr[i]) && text.ptr[i] != '-' &&
            text.ptr[i] != '_' && text.ptr[i] != '.')
            return false;
    return true;
}

static bool read_modifier(struct view text, size_t equals, struct spf_record *record,
                          bool *has_exp) {
    struct view name = view_take(text, equals), value = view_skip(text, equals + 1);
    bool is_redirect = view_equals_nocase(name, VIEW("redirect"));
    bool is_exp = view_equals_nocase(name, VIEW("exp"));
    if ((is_redirect && record->redirect.len) || (is_exp && *has_exp))
        return false; // RFC 7208 6: each at most once
    if (is_redirect)
        return read_domain(value, &record->redirect);
    *has_exp = *has_exp || is_exp;
    return spf_macro_is_well(value) && (!is_exp || value.len > 0);
}

bool spf_record_parse(struct view text, struct spf_record *record, struct view *wrong) {
    struct view rest = view_skip(text, sizeof(VERSION) - 1), term;
    bool has_exp = false;
    ASSERT(spf_record_is(text));
    *record = (struct spf_record){0};
    while (view_split(&rest, ' ', &term)) {
        size_t equals = view_find_char(term, '=');
        if (term.len == 0)
            continue;
        *wrong = term;
        if (is_modifier(term, equals) ? !read_modifier(term, equals, record, &has_exp)
                                      : !read_mechanism(term, record))
            return false;
    }
    return true;
}
