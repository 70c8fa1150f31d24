// SPDX-License-Identifier: Apache-2.0
// Reading a record (RFC 8461 3.1) and a policy (3.2).
#include "sts/sts.h"

enum { ID_BYTES_MAX = 32, MAX_AGE_S_MAX = 31557600 };

static const struct view mode_words[] = {VIEW("none"), VIEW("testing"), VIEW("enforce")};

struct view sts_mode_word(enum sts_mode mode) {
    ASSERT((unsigned)mode < ARRAY_LEN(mode_words));
    return mode_words[mode];
}

// --- The record -------------------------------------------------------------------------------
static bool is_id(struct view text) {
    if (text.len == 0 || text.len > ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_alpha(text.ptr[i]) && !ascii_is_digit(text.ptr[i]))
            return false;
    return true;
}

bool sts_record_parse(struct view text, struct view *id) {
    struct view field;
    *id = VIEW_NONE;
    if (!view_split(&text, ';', &field) || !view_equals(view_trim(field), VIEW("v=STSv1")))
        return false;
    while (view_split(&text, ';', &field)) {
        field = view_trim(field);
        if (view_starts_with(field, VIEW("id=")) && id->len == 0)
            *id = view_skip(field, 3);
    }
    return is_id(*id);
}

// --- The policy -------------------------------------------------------------------------------
struct reading {
    struct sts_policy *policy;
    struct error *error;
    unsigned line;
    bool has_version, has_mode, has_max_age;
};

static bool is_host_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
}

static bool is_pattern(struct view text) {
    struct view name = view_starts_with(text, VIEW("*.")) ? view_skip(text, 2) : text;
    for (size_t i = 0; i < name.len; i++)
        if (!is_host_char(name.ptr[i]))
            return false;
    return name.len > 0 && name.len <= 253 && name.ptr[0] != '.';
}

static bool read_mode(struct reading *reading, struct view value) {
    for (size_t i = 0; i < ARRAY_LEN(mode_words); i++)
        if (view_equals(value, mode_words[i])) {
            reading->policy->mode = (enum sts_mode)i;
            return true;
        }
    return error_set(reading->error, "line %u: the mode is none, testing or enforce, not \"%.*s\"",
                     reading->line, VIEW_ARG(view_take(value, 40)));
}

static bool read_max_age(struct reading *reading, struct view value) {
    if (view_to_u64(value, &reading->policy->max_age_s) &&
        reading->policy->max_age_s <= MAX_AGE_S_MAX)
        return true;
    return error_set(reading->error, "line %u: max_age is a number of seconds up to %d",
                     reading->line, MAX_AGE_S_MAX);
}

static bool read_mx(struct reading *reading, struct view value) {
    struct sts_policy *policy = reading->policy;
    if (!is_pattern(value))
        return error_set(reading->error, "line %u: mx is a host name or *.DOMAIN, not \"%.*s\"",
                         reading->line, VIEW_ARG(view_take(value, 60)));
    if (policy->n_mx < STS_MX_MAX)
        policy->mx[policy->n_mx++] = value;
    return true;
}

// RFC 8461 3.2: of a key that stands twice the first counts, except for mx; others are passed over.
static bool read_field(struct reading *reading, struct view key, struct view value) {
    if (view_equals(key, VIEW("version")) && !reading->has_version) {
        reading->has_version = true;
        return view_equals(value, VIEW("STSv1")) ||
               error_set(reading->error, "line %u: the version is not STSv1", reading->line);
    }
    if (view_equals(key, VIEW("mode")) && !reading->has_mode) {
        reading->has_mode = true;
        return read_mode(reading, value);
    }
    if (view_equals(key, VIEW("max_age")) && !reading->has_max_age) {
        reading->has_max_age = true;
        return read_max_age(reading, value);
    }
    return !view_equals(key, VIEW("mx")) || read_mx(reading, value);
}

static bool is_whole(const struct reading *reading) {
    const char *missing = !reading->has_version   ? "version"
                          : !reading->has_mode    ? "mode"
                          : !reading->has_max_age ? "max_age"
                          : reading->policy->n_mx == 0 && reading->policy->mode != STS_MODE_NONE
                              ? "mx"
                              : NULL;
    return !missing || error_set(reading->error, "it has no line \"%s:\"", missing);
}

bool sts_policy_parse(struct view text, struct sts_policy *policy, struct error *error) {
    struct reading reading = {.policy = policy, .error = error};
    struct view line;
    *policy = (struct sts_policy){0};
    while (view_split(&text, '\n', &line)) {
        size_t colon = view_find_char(line, ':');
        reading.line++;
        if (view_trim(line).len == 0)
            continue;
        if (colon == line.len)
            return error_set(error, "line %u is no \"key: value\"", reading.line);
        if (!read_field(&reading, view_trim(view_take(line, colon)),
                        view_trim(view_skip(line, colon + 1))))
            return false;
    }
    return is_whole(&reading);
}

// RFC 8461 4.1: the asterisk stands for exactly one label.
static bool matches(struct view pattern, struct view host) {
    if (!view_starts_with(pattern, VIEW("*.")))
        return view_equals_nocase(pattern, host);
    size_t dot = view_find_char(host, '.');
    return dot > 0 && dot < host.len &&
           view_equals_nocase(view_skip(pattern, 2), view_skip(host, dot + 1));
}

bool sts_policy_allows(const struct sts_policy *policy, struct view host) {
    for (size_t i = 0; i < policy->n_mx; i++)
        if (matches(policy->mx[i], host))
            return true;
    return false;
}
