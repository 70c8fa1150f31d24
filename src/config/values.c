// SPDX-License-Identifier: Apache-2.0
// Readers and writers of single values. A reader that finds a mistake says what was meant and
// leaves the default in place, so that the checks that follow do not complain a second time.
#include "config/keys.h"

#include "base/units.h"

#include <stdio.h>

static void *field_of(void *object, const struct config_key *key) {
    return (char *)object + key->offset;
}

static const void *field_of_const(const void *object, const struct config_key *key) {
    return (const char *)object + key->offset;
}

const struct config_value *config_value_single(struct config_reader *reader,
                                               const struct config_node *node) {
    if (node->is_section)
        config_problem(reader->problems, node->line, "%s is a key and no section: %s = \"...\"",
                       node->name, node->name);
    else if (node->is_list)
        config_problem(reader->problems, node->line, "%s takes one value, not a list", node->name);
    else
        return node->values;
    return NULL;
}

void config_write_quoted(struct buffer *out, const char *text) {
    buffer_append_char(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, *text);
    }
    buffer_append_char(out, '"');
}

// --- Words ------------------------------------------------------------------------------------

static void fail_word(struct config_reader *reader, const struct config_value *value,
                      const char *name, const struct config_word *words) {
    const char *known[16];
    size_t n_known = 0;
    struct buffer list;
    buffer_init(&list, 512);
    for (; words[n_known].word; n_known++) {
        ASSERT(n_known < ARRAY_LEN(known));
        known[n_known] = words[n_known].word;
        buffer_printf(&list, "%s%s", n_known ? ", " : "", words[n_known].word);
    }
    const char *closest = config_closest(value->text, known, n_known);
    if (closest)
        config_problem(reader->problems, value->line,
                       "%s = \"%s\": did you mean %s? It is one of %s", name, value->text, closest,
                       buffer_string(&list));
    else
        config_problem(reader->problems, value->line, "%s = \"%s\": it is one of %s", name,
                       value->text, buffer_string(&list));
    buffer_finish(&list);
}

static bool is_known_word(struct config_reader *reader, const struct config_value *value,
                          const struct config_key *key) {
    for (const struct config_word *each = key->words; each->word; each++)
        if (strcmp(each->word, value->text) == 0)
            return true;
    fail_word(reader, value, key->name, key->words);
    return false;
}

// --- Texts ------------------------------------------------------------------------------------

static void keep_text(struct config_reader *reader, const struct config_key *key, void *object,
                      struct view text) {
    const char *copy = arena_copy(reader->arena, text).ptr;
    if (copy)
        memcpy(field_of(object, key), &copy, sizeof(copy));
}

static void write_text(struct buffer *out, const struct config_key *key, const void *object) {
    const char *text;
    memcpy(&text, field_of_const(object, key), sizeof(text));
    if (text)
        config_write_quoted(out, text);
}

void config_read_text(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    const struct config_value *value = config_value_single(reader, node);
    if (!value)
        return;
    struct view text = view_of(value->text);
    if (text.len == 0)
        config_problem(reader->problems, value->line, "%s is empty: leave the line out instead",
                       key->name);
    else if (text.len > (size_t)key->max)
        config_problem(reader->problems, value->line, "%s is longer than %lld bytes", key->name,
                       (long long)key->max);
    else if (!key->words || is_known_word(reader, value, key))
        keep_text(reader, key, object, text);
}

void config_write_text(struct buffer *out, const struct config_key *key, const void *object) {
    write_text(out, key, object);
}

void config_read_mail(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    const struct config_value *value = config_value_single(reader, node);
    if (value && config_is_mail_address(view_of(value->text)))
        keep_text(reader, key, object, view_of(value->text));
    else if (value)
        config_problem(reader->problems, value->line,
                       "%s = \"%s\" is no mail address: write it as user@example.org", key->name,
                       value->text);
}

void config_write_mail(struct buffer *out, const struct config_key *key, const void *object) {
    write_text(out, key, object);
}

static void keep_name(struct config_reader *reader, const struct config_key *key, void *object,
                      struct view text) {
    const char *copy = config_copy_name(reader->arena, text);
    if (copy)
        memcpy(field_of(object, key), &copy, sizeof(copy));
}

// RFC 5321 4.1.1.1: the client names itself by a fully qualified domain name.
static void read_fqdn(struct config_reader *reader, const struct config_value *value,
                      const struct config_key *key, void *object) {
    struct view text = view_of(value->text);
    struct address address;
    if (address_parse(text, &address))
        config_problem(reader->problems, value->line,
                       "%s = \"%s\" is an address: a full host name such as mail.example.org was "
                       "expected",
                       key->name, value->text);
    else if (!config_is_strict_host_name(text))
        config_problem(reader->problems, value->line,
                       "%s = \"%s\" is no host name: letters, digits and hyphens in labels with "
                       "dots between, such as mail.example.org",
                       key->name, value->text);
    else if (view_find_char(text, '.') == text.len)
        config_problem(reader->problems, value->line,
                       "%s = \"%s\" is not a full name: write it with its domain, such as "
                       "%s.example.org",
                       key->name, value->text, value->text);
    else
        keep_name(reader, key, object, text);
}

void config_read_fqdn(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    const struct config_value *value = config_value_single(reader, node);
    if (value)
        read_fqdn(reader, value, key, object);
}

void config_write_fqdn(struct buffer *out, const struct config_key *key, const void *object) {
    write_text(out, key, object);
}

// RFC 5321 4.1.3: "[192.0.2.1]" or "[IPv6:2001:db8::1]".
static bool is_address_literal(struct view text) {
    struct address address;
    if (text.len < 3 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    text = view_from(text.ptr + 1, text.len - 2);
    bool is_tagged = view_starts_with_nocase(text, VIEW("IPv6:"));
    return address_parse(view_skip(text, is_tagged ? 5 : 0), &address) &&
           (address.family == ADDRESS_IPV6) == is_tagged;
}

void config_read_helo(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    const struct config_value *value = config_value_single(reader, node);
    if (value && is_address_literal(view_of(value->text)))
        keep_text(reader, key, object, view_of(value->text));
    else if (value)
        read_fqdn(reader, value, key, object);
}

void config_write_helo(struct buffer *out, const struct config_key *key, const void *object) {
    write_text(out, key, object);
}

void config_read_domain(struct config_reader *reader, const struct config_node *node,
                        const struct config_key *key, void *object) {
    const struct config_value *value = config_value_single(reader, node);
    if (!value)
        return;
    struct view text = view_of(value->text);
    if (config_is_host_name(view_skip(text, view_starts_with(text, VIEW("*.")) ? 2 : 0)))
        keep_name(reader, key, object, text);
    else
        config_problem(
            reader->problems, value->line,
            "%s = \"%s\" is no name: mx.contoso.com, or *.contoso.com for any name below, "
            "was expected",
            key->name, value->text);
}

void config_write_domain(struct buffer *out, const struct config_key *key, const void *object) {
    write_text(out, key, object);
}

// --- Numbers ----------------------------------------------------------------------------------

static void format_duration(int64_t ms, char *out, size_t size) {
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    if (ms == 0) {
        snprintf(out, size, "0");
        return;
    }
    while (ms % units[i].ms != 0)
        i++;
    snprintf(out, size, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
}

void config_read_duration(struct config_reader *reader, const struct config_node *node,
                          const struct config_key *key, void *object) {
    const struct config_value *value = config_value_single(reader, node);
    int64_t ms = 0;
    uint64_t number = 0;
    char least[32], most[32];
    if (!value)
        return;
    format_duration(key->min, least, sizeof(least));
    format_duration(key->max, most, sizeof(most));
    if (view_to_u64(view_of(value->text), &number) && number > 0)
        config_problem(reader->problems, value->line,
                       "%s = \"%s\" has no unit: did you mean %ss, %sm or %sh?", key->name,
                       value->text, value->text, value->text, value->text);
    else if (!units_parse_duration(view_of(value->text), &ms))
        config_problem(reader->problems, value->line,
                       "%s = \"%s\" is no duration: write it as 30s, 5m, 4h, 1h30m or 5d",
                       key->name, value->text);
    else if (ms < key->min || ms > key->max)
        config_problem(reader->problems, value->line, "%s = \"%s\" is too %s: from %s to %s",
                       key->name, value->text, ms < key->min ? "short" : "long", least, most);
    else
        memcpy(field_of(object, key), &ms, sizeof(ms));
}

void config_write_duration(struct buffer *out, const struct config_key *key, const void *object) {
    int64_t ms;
    char text[32];
    memcpy(&ms, field_of_const(object, key), sizeof(ms));
    format_duration(ms, text, sizeof(text));
    config_write_quoted(out, text);
}

static void format_size(uint64_t bytes, char *out, size_t size) {
    static const char *const units[] = {"", "K", "M", "G"};
    size_t i = 0;
    while (bytes && bytes % 1024 == 0 && i + 1 < ARRAY_LEN(units)) {
        bytes /= 1024;
        i++;
    }
    snprintf(out, size, "%llu%s", (unsigned long long)bytes, units[i]);
}

void config_read_size(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    const struct config_value *value = config_value_single(reader, node);
    uint64_t bytes = 0;
    char least[32], most[32];
    if (!value)
        return;
    format_size((uint64_t)key->min, least, sizeof(least));
    format_size((uint64_t)key->max, most, sizeof(most));
    if (!units_parse_size(view_of(value->text), &bytes))
        config_problem(reader->problems, value->line,
                       "%s = \"%s\" is no size: write it as 512K, 50M or 1G", key->name,
                       value->text);
    else if (bytes < (uint64_t)key->min || bytes > (uint64_t)key->max)
        config_problem(reader->problems, value->line, "%s = \"%s\" is too %s: from %s to %s",
                       key->name, value->text, bytes < (uint64_t)key->min ? "small" : "large",
                       least, most);
    else
        memcpy(field_of(object, key), &bytes, sizeof(bytes));
}

void config_write_size(struct buffer *out, const struct config_key *key, const void *object) {
    uint64_t bytes;
    char text[32];
    memcpy(&bytes, field_of_const(object, key), sizeof(bytes));
    format_size(bytes, text, sizeof(text));
    config_write_quoted(out, text);
}

static bool read_number(struct config_reader *reader, const struct config_node *node,
                        const struct config_key *key, uint64_t *number) {
    const struct config_value *value = config_value_single(reader, node);
    if (!value)
        return false;
    if (view_to_u64(view_of(value->text), number) && *number >= (uint64_t)key->min &&
        *number <= (uint64_t)key->max)
        return true;
    config_problem(reader->problems, value->line,
                   "%s = \"%s\": a number from %lld to %lld was expected", key->name, value->text,
                   (long long)key->min, (long long)key->max);
    return false;
}

void config_read_count(struct config_reader *reader, const struct config_node *node,
                       const struct config_key *key, void *object) {
    uint64_t number = 0;
    if (!read_number(reader, node, key, &number))
        return;
    unsigned count = (unsigned)number;
    memcpy(field_of(object, key), &count, sizeof(count));
}

void config_write_count(struct buffer *out, const struct config_key *key, const void *object) {
    unsigned count;
    memcpy(&count, field_of_const(object, key), sizeof(count));
    buffer_printf(out, "%u", count);
}

void config_read_port(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    uint64_t number = 0;
    if (!read_number(reader, node, key, &number))
        return;
    uint16_t port = (uint16_t)number;
    memcpy(field_of(object, key), &port, sizeof(port));
}

void config_write_port(struct buffer *out, const struct config_key *key, const void *object) {
    uint16_t port;
    memcpy(&port, field_of_const(object, key), sizeof(port));
    buffer_printf(out, "%u", (unsigned)port);
}

// "2", "1.5": not strtod, whose decimal point depends on the locale.
static bool parse_thousandths(struct view text, uint64_t *thousandths) {
    struct view whole = text, part = VIEW_NONE;
    uint64_t number = 0, fraction = 0;
    view_split(&whole, '.', &part);
    if (part.len > 6 || !view_to_u64(part, &number))
        return false;
    *thousandths = number * 1000;
    if (part.len == text.len)
        return true;
    uint64_t unit = whole.len == 1 ? 100 : whole.len == 2 ? 10 : 1;
    if (whole.len > 3 || !view_to_u64(whole, &fraction))
        return false;
    *thousandths += fraction * unit;
    return true;
}

void config_read_factor(struct config_reader *reader, const struct config_node *node,
                        const struct config_key *key, void *object) {
    const struct config_value *value = config_value_single(reader, node);
    uint64_t thousandths = 0;
    if (!value)
        return;
    if (!parse_thousandths(view_of(value->text), &thousandths) ||
        thousandths < (uint64_t)key->min * 1000 || thousandths > (uint64_t)key->max * 1000) {
        config_problem(reader->problems, value->line,
                       "%s = \"%s\": a number such as 2 or 1.5 was expected, from %lld to %lld",
                       key->name, value->text, (long long)key->min, (long long)key->max);
        return;
    }
    double factor = (double)thousandths / 1000.0;
    memcpy(field_of(object, key), &factor, sizeof(factor));
}

void config_write_factor(struct buffer *out, const struct config_key *key, const void *object) {
    double factor;
    memcpy(&factor, field_of_const(object, key), sizeof(factor));
    unsigned thousandths = (unsigned)(factor * 1000.0 + 0.5);
    if (thousandths % 1000 == 0)
        buffer_printf(out, "%u", thousandths / 1000);
    else
        buffer_printf(out, "%u.%03u", thousandths / 1000, thousandths % 1000);
}

// --- Choices ----------------------------------------------------------------------------------

static const struct config_word flag_words[] = {{"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0},
                                                {"on", 1},   {"off", 0},   {NULL, 0}};

static bool read_word(struct config_reader *reader, const struct config_node *node,
                      const struct config_word *words, int *number) {
    const struct config_value *value = config_value_single(reader, node);
    if (!value)
        return false;
    for (const struct config_word *each = words; each->word; each++)
        if (view_equals_nocase(view_of(each->word), view_of(value->text))) {
            *number = each->value;
            return true;
        }
    fail_word(reader, value, node->name, words);
    return false;
}

void config_read_flag(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    int number = 0;
    if (!read_word(reader, node, flag_words, &number))
        return;
    bool flag = number != 0;
    memcpy(field_of(object, key), &flag, sizeof(flag));
}

void config_write_flag(struct buffer *out, const struct config_key *key, const void *object) {
    bool flag;
    memcpy(&flag, field_of_const(object, key), sizeof(flag));
    buffer_append_view(out, flag ? VIEW("true") : VIEW("false"));
}

void config_read_word(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    int number = 0;
    if (read_word(reader, node, key->words, &number))
        memcpy(field_of(object, key), &number, sizeof(number));
}

void config_write_word(struct buffer *out, const struct config_key *key, const void *object) {
    int number;
    memcpy(&number, field_of_const(object, key), sizeof(number));
    for (const struct config_word *each = key->words; each->word; each++)
        if (each->value == number) {
            config_write_quoted(out, each->word);
            return;
        }
}
