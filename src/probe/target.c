// SPDX-License-Identifier: Apache-2.0
// What is meant: a connector by its name, an address, a host with or without a port, a domain.
#include "probe/probe_internal.h"

struct view probe_kind_word(enum probe_kind kind) {
    static const char *const words[] = {"domain", "address", "host", "connector"};
    ASSERT((unsigned)kind < ARRAY_LEN(words));
    return view_of(words[kind]);
}

static bool parse_connector(struct probe_target *target, const struct config *config,
                            struct error *error) {
    target->kind = PROBE_CONNECTOR;
    target->connector = config_connector_named(config, target->text);
    if (target->connector->n_smart_hosts > 0)
        return true;
    return error_set(error,
                     "connector \"%.*s\" delivers to the MX of each domain: name a domain instead",
                     VIEW_ARG(target->text));
}

static bool parse_recipient(struct probe_target *target, struct arena *arena, struct error *error) {
    struct smtp_path path;
    target->kind = PROBE_ADDRESS;
    if (!smtp_address_parse(target->text, &path) || path.domain.len == 0 || path.has_utf8)
        return error_set(error, "\"%.*s\" is no mail address", VIEW_ARG(target->text));
    // As SMTP says it, without the angle brackets.
    struct view plain = target->text;
    if (plain.ptr[0] == '<')
        plain = view_take(view_skip(plain, 1), plain.len - 2);
    target->recipient = arena_copy(arena, plain);
    size_t at = view_find_last_char(plain, '@');
    target->domain = arena_copy(arena, view_skip(plain, at + 1));
    return true;
}

static bool parse_port(struct view text, uint16_t *port) {
    uint64_t number;
    if (!view_to_u64(text, &number) || number == 0 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

// "[192.0.2.1]", "[2001:db8::1]:587", "[IPv6:2001:db8::1]", "[mx.example.org]:25".
static bool parse_bracketed(struct probe_target *target, struct arena *arena, struct error *error) {
    size_t end = view_find_char(target->text, ']');
    struct view inside = view_take(view_skip(target->text, 1), end - 1);
    struct view rest = view_skip(target->text, end + 1);
    if (view_starts_with_nocase(inside, VIEW("IPv6:")))
        inside = view_skip(inside, 5);
    bool has_port = rest.len > 0;
    if (end == target->text.len || (has_port && rest.ptr[0] != ':') ||
        (has_port && !parse_port(view_skip(rest, 1), &target->port)))
        return error_set(error, "\"%.*s\" is no address in brackets with or without a port",
                         VIEW_ARG(target->text));
    if (address_parse(inside, &target->address))
        return true;
    target->host = arena_copy(arena, inside).ptr;
    return smtp_domain_is_valid(inside) ||
           error_set(error, "\"%.*s\" is no host name", VIEW_ARG(inside));
}

static bool parse_host(struct probe_target *target, struct arena *arena, struct error *error) {
    struct view text = target->text;
    size_t colon = view_find_last_char(text, ':');
    target->kind = PROBE_HOST;
    if (text.ptr[0] == '[')
        return parse_bracketed(target, arena, error);
    if (address_parse(text, &target->address))
        return true;
    if (address_parse_port(text, &target->address)) {
        target->port = target->address.port;
        return true;
    }
    struct view name = view_take(text, colon);
    if (colon == text.len || !parse_port(view_skip(text, colon + 1), &target->port) ||
        !smtp_domain_is_valid(name))
        return error_set(error, "\"%.*s\" is no domain, mail address, host:port or connector",
                         VIEW_ARG(text));
    target->host = arena_copy(arena, name).ptr;
    return true;
}

bool probe_target_parse(struct view text, const struct config *config, struct arena *arena,
                        struct probe_target *target, struct error *error) {
    enum { TARGET_BYTES_MAX = 512 };
    text = view_trim(text);
    *target = (struct probe_target){.kind = PROBE_DOMAIN};
    if (text.len == 0 || text.len > TARGET_BYTES_MAX || view_find_char(text, '\0') < text.len)
        return error_set(error, "a target has 1 to %d characters", TARGET_BYTES_MAX);
    target->text = arena_copy(arena, text);
    if (target->text.len == 0)
        return error_set(error, "out of memory for the target");
    if (config->path && config_connector_named(config, target->text))
        return parse_connector(target, config, error);
    if (view_find_char(text, '@') < text.len)
        return parse_recipient(target, arena, error);
    if (text.len > 1 && text.ptr[text.len - 1] == '.')
        text.len--; // the root's dot
    if (!smtp_domain_is_valid(text))
        return parse_host(target, arena, error);
    target->domain = arena_copy(arena, text);
    return true;
}
