// SPDX-License-Identifier: Apache-2.0
// Readers and writers of lists and of addresses. A list key also takes one value without braces.
#include "config/keys.h"

#include "base/units.h"

#include <stdio.h>

// An array for all values of the node, or NULL with a problem. An empty list is one.
static void *make_array(struct config_reader *reader, const struct config_node *node,
                        size_t item_bytes) {
    if (node->is_section)
        config_problem(reader->problems, node->line,
                       "%s is a list and no section: %s = { \"...\" }", node->name, node->name);
    else if (node->n_values == 0)
        config_problem(reader->problems, node->line, "%s is empty: leave the line out instead",
                       node->name);
    else if (node->n_values > CONFIG_LIST_MAX)
        config_problem(reader->problems, node->line, "%s has more than %d values", node->name,
                       CONFIG_LIST_MAX);
    else
        return arena_alloc(reader->arena, node->n_values * item_bytes);
    return NULL;
}

static void begin_item(struct buffer *out, size_t i) {
    buffer_append_view(out, i ? VIEW(", ") : VIEW("{ "));
}

static void end_list(struct buffer *out, size_t n) {
    if (n)
        buffer_append_view(out, VIEW(" }"));
}

// --- accept_from ------------------------------------------------------------------------------

// The network that was meant where host bits are set; false for anything else.
static bool clear_host_bits(struct view text, char *out, size_t size) {
    size_t slash = view_find_char(text, '/');
    struct address address;
    uint64_t prefix = 0;
    char base[ADDRESS_TEXT_SIZE];
    if (!address_parse(view_take(text, slash), &address) ||
        !view_to_u64(view_skip(text, slash + 1), &prefix) ||
        prefix > (address.family == ADDRESS_IPV4 ? 32 : 128))
        return false;
    for (size_t bit = prefix; bit < 128; bit++)
        address.bytes[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
    address_format(&address, base, sizeof(base));
    snprintf(out, size, "%s/%u", base, (unsigned)prefix);
    return true;
}

void config_read_accept_from(struct config_reader *reader, const struct config_node *node,
                             const struct config_key *key, void *object) {
    struct config *config = object;
    struct network *networks = make_array(reader, node, sizeof(*networks));
    if (!networks)
        return;
    config->accept_from = networks;
    config->n_accept_from = 0;
    for (const struct config_value *value = node->values; value; value = value->next) {
        char meant[ADDRESS_TEXT_SIZE + 8];
        if (network_parse(view_of(value->text), &networks[config->n_accept_from]))
            config->n_accept_from++;
        else if (clear_host_bits(view_of(value->text), meant, sizeof(meant)))
            config_problem(reader->problems, value->line,
                           "accept_from: \"%s\" has bits beyond its prefix: did you mean %s?",
                           value->text, meant);
        else
            config_problem(reader->problems, value->line,
                           "accept_from: \"%s\" is no network: write it as 10.0.0.0/8, "
                           "2001:db8::/32 or 192.0.2.1",
                           value->text);
    }
}

void config_write_accept_from(struct buffer *out, const struct config_key *key,
                              const void *object) {
    const struct config *config = object;
    for (size_t i = 0; i < config->n_accept_from; i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_format(&config->accept_from[i].base, text, sizeof(text));
        begin_item(out, i);
        buffer_printf(out, "\"%s/%u\"", text, config->accept_from[i].prefix_bits);
    }
    end_list(out, config->n_accept_from);
}

// --- Addresses --------------------------------------------------------------------------------

// An address with a port that is not zero.
static bool parse_with_port(struct view text, struct address *address) {
    return address_parse_port(text, address) && address->port != 0;
}

void config_read_listen_address(struct config_reader *reader, const struct config_node *node,
                                const struct config_key *key, void *object) {
    struct config_listener *listener = object;
    const struct config_value *value = config_value_single(reader, node);
    struct address address;
    if (!value)
        return;
    struct view text = view_of(value->text);
    if (parse_with_port(text, &address))
        listener->address = address;
    else if (address_parse_port(text, &address))
        config_problem(reader->problems, value->line,
                       "address = \"%s\": port 0 cannot be listened on; 25 and 2525 are usual",
                       value->text);
    else if (address_parse(text, &address))
        config_problem(reader->problems, value->line,
                       "address = \"%s\" has no port: did you mean %s%s%s:25?", value->text,
                       address.family == ADDRESS_IPV6 ? "[" : "", value->text,
                       address.family == ADDRESS_IPV6 ? "]" : "");
    else
        config_problem(reader->problems, value->line,
                       "address = \"%s\" is no address with a port: write it as 127.0.0.1:2525, "
                       "0.0.0.0:25 or [::]:25",
                       value->text);
}

void config_write_listen_address(struct buffer *out, const struct config_key *key,
                                 const void *object) {
    const struct config_listener *listener = object;
    char text[ADDRESS_TEXT_SIZE];
    address_format_port(&listener->address, text, sizeof(text));
    config_write_quoted(out, text);
}

void config_read_resolver_servers(struct config_reader *reader, const struct config_node *node,
                                  const struct config_key *key, void *object) {
    struct config *config = object;
    struct address *servers = make_array(reader, node, sizeof(*servers));
    if (!servers)
        return;
    config->resolver_servers = servers;
    config->n_resolver_servers = 0;
    for (const struct config_value *value = node->values; value; value = value->next) {
        struct address *server = &servers[config->n_resolver_servers];
        bool is_plain = address_parse(view_of(value->text), server);
        if (is_plain)
            server->port = 53;
        if (is_plain || parse_with_port(view_of(value->text), server))
            config->n_resolver_servers++;
        else
            config_problem(reader->problems, value->line,
                           "servers: \"%s\" is no address: write it as 127.0.0.1, 127.0.0.1:5353 "
                           "or [::1]:53",
                           value->text);
    }
}

void config_write_resolver_servers(struct buffer *out, const struct config_key *key,
                                   const void *object) {
    const struct config *config = object;
    for (size_t i = 0; i < config->n_resolver_servers; i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_format_port(&config->resolver_servers[i], text, sizeof(text));
        begin_item(out, i);
        config_write_quoted(out, text);
    }
    end_list(out, config->n_resolver_servers);
}

void config_read_sources(struct config_reader *reader, const struct config_node *node,
                         const struct config_key *key, void *object) {
    struct config_connector *connector = object;
    struct address *sources = make_array(reader, node, sizeof(*sources));
    if (!sources)
        return;
    connector->sources = sources;
    connector->n_sources = 0;
    for (const struct config_value *value = node->values; value; value = value->next) {
        struct address *source = &sources[connector->n_sources];
        if (address_parse(view_of(value->text), source) && !address_is_unspecified(source))
            connector->n_sources++;
        else
            config_problem(reader->problems, value->line,
                           "source: \"%s\" is no address of this machine: write it without a port, "
                           "such as 192.0.2.10 or 2001:db8::10",
                           value->text);
    }
}

void config_write_sources(struct buffer *out, const struct config_key *key, const void *object) {
    const struct config_connector *connector = object;
    for (size_t i = 0; i < connector->n_sources; i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_format(&connector->sources[i], text, sizeof(text));
        begin_item(out, i);
        config_write_quoted(out, text);
    }
    end_list(out, connector->n_sources);
}

// --- domains ----------------------------------------------------------------------------------

static void fail_domain(struct config_reader *reader, const struct config_value *value) {
    struct view text = view_of(value->text);
    size_t at = view_find_char(text, '@');
    if (at < text.len && config_is_host_name(view_skip(text, at + 1)))
        config_problem(reader->problems, value->line,
                       "domains: \"%s\" is an address: did you mean %s?", value->text,
                       value->text + at + 1);
    else if (text.len > 1 && text.ptr[0] == '.' && config_is_host_name(view_skip(text, 1)))
        config_problem(reader->problems, value->line, "domains: \"%s\": did you mean *%s?",
                       value->text, value->text);
    else if (view_find_char(text, '*') < text.len)
        config_problem(reader->problems, value->line,
                       "domains: \"%s\": a star stands alone or before the first dot, such as "
                       "*.contoso.com",
                       value->text);
    else
        config_problem(reader->problems, value->line,
                       "domains: \"%s\" is no domain name: contoso.com, *.contoso.com or * was "
                       "expected (names with other letters in their xn-- form)",
                       value->text);
}

static bool is_domain_pattern(struct view text) {
    if (view_equals(text, VIEW("*")))
        return true;
    return config_is_host_name(view_skip(text, view_starts_with(text, VIEW("*.")) ? 2 : 0));
}

static void add_domain(struct config_reader *reader, struct config_connector *connector,
                       const struct config_value *value) {
    const struct config_connector *other = NULL;
    struct view text = view_of(value->text);
    if (text.len > 1 && text.ptr[text.len - 1] == '.')
        text.len--; // "contoso.com." is the same name
    if (!is_domain_pattern(text)) {
        fail_domain(reader, value);
        return;
    }
    const char *name = config_copy_name(reader->arena, text);
    struct config_domain *domain = arena_alloc(reader->arena, sizeof(*domain));
    if (!name || !domain)
        return;
    domain->is_wildcard = name[0] == '*';
    domain->name = view_skip(view_of(name), domain->is_wildcard ? 2 : 0);
    domain->connector = connector;
    if (config_domain_add(reader->config, domain, &other))
        connector->domains[connector->n_domains++] = name;
    else if (other == connector)
        config_problem(reader->problems, value->line, "domains: \"%s\" stands here twice", name);
    else
        config_problem(reader->problems, value->line,
                       "domains: \"%s\" belongs to connector \"%s\" already: one domain has one "
                       "way",
                       name, other->name);
}

void config_read_domains(struct config_reader *reader, const struct config_node *node,
                         const struct config_key *key, void *object) {
    struct config_connector *connector = object;
    const char **domains = make_array(reader, node, sizeof(*domains));
    if (!domains)
        return;
    connector->domains = domains;
    for (const struct config_value *value = node->values; value; value = value->next)
        add_domain(reader, connector, value);
}

void config_write_domains(struct buffer *out, const struct config_key *key, const void *object) {
    const struct config_connector *connector = object;
    for (size_t i = 0; i < connector->n_domains; i++) {
        begin_item(out, i);
        config_write_quoted(out, connector->domains[i]);
    }
    end_list(out, connector->n_domains);
}

// --- smart_hosts ------------------------------------------------------------------------------

static bool parse_port(struct view text, uint16_t *port) {
    uint64_t number = 0;
    if (!view_to_u64(text, &number) || number == 0 || number > 65535)
        return false;
    *port = (uint16_t)number;
    return true;
}

// "host", "host:port", "[host]", "[host]:port", where host is a name or an address; an IPv6 address
// needs the brackets. The port stays zero where none is given.
static bool parse_smart_host(struct config_reader *reader, struct view text,
                             struct config_smart_host *host) {
    struct view name = text, rest = VIEW_NONE;
    if (text.len && text.ptr[0] == '[') {
        size_t close = view_find_char(text, ']');
        name = view_take(view_skip(text, 1), close - 1);
        rest = view_skip(text, close + 1);
        if (close == text.len)
            return false;
    } else if (view_find_char(text, ':') < text.len) {
        name = view_take(text, view_find_char(text, ':'));
        rest = view_skip(text, name.len);
    }
    if (rest.len && (rest.ptr[0] != ':' || !parse_port(view_skip(rest, 1), &host->port)))
        return false;
    if (view_starts_with_nocase(name, VIEW("IPv6:")))
        name = view_skip(name, 5);
    if (address_parse(name, &host->address))
        return !address_is_unspecified(&host->address);
    host->address = (struct address){0};
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!config_is_host_name(name))
        return false;
    host->name = config_copy_name(reader->arena, name);
    return host->name != NULL;
}

void config_read_smart_hosts(struct config_reader *reader, const struct config_node *node,
                             const struct config_key *key, void *object) {
    struct config_connector *connector = object;
    struct config_smart_host *hosts = make_array(reader, node, sizeof(*hosts));
    if (!hosts)
        return;
    connector->smart_hosts = hosts;
    connector->n_smart_hosts = 0;
    for (const struct config_value *value = node->values; value; value = value->next) {
        struct config_smart_host *host = &hosts[connector->n_smart_hosts];
        struct address address;
        *host = (struct config_smart_host){0};
        if (parse_smart_host(reader, view_of(value->text), host))
            connector->n_smart_hosts++;
        else if (address_parse(view_of(value->text), &address) && address.family == ADDRESS_IPV6)
            config_problem(reader->problems, value->line,
                           "smart_hosts: \"%s\": an IPv6 address stands in brackets: [%s]:25",
                           value->text, value->text);
        else
            config_problem(reader->problems, value->line,
                           "smart_hosts: \"%s\" is no host: write it as mx.contoso.net, "
                           "mx.contoso.net:587, [192.0.2.1]:25 or [2001:db8::1]:25",
                           value->text);
    }
}

void config_write_smart_hosts(struct buffer *out, const struct config_key *key,
                              const void *object) {
    const struct config_connector *connector = object;
    for (size_t i = 0; i < connector->n_smart_hosts; i++) {
        const struct config_smart_host *host = &connector->smart_hosts[i];
        char text[ADDRESS_TEXT_SIZE];
        address_format(&host->address, text, sizeof(text));
        begin_item(out, i);
        if (host->name)
            buffer_printf(out, "\"%s:%u\"", host->name, (unsigned)host->port);
        else
            buffer_printf(out, "\"[%s]:%u\"", text, (unsigned)host->port);
    }
    end_list(out, connector->n_smart_hosts);
}

// --- max_rate ---------------------------------------------------------------------------------

static const struct {
    int64_t ms;
    const char *unit;
} periods[] = {{1, "ms"},      {1000, "s"},     {60000, "m"},
               {3600000, "h"}, {86400000, "d"}, {604800000, "w"}};

void config_read_rate(struct config_reader *reader, const struct config_node *node,
                      const struct config_key *key, void *object) {
    struct config_connector *connector = object;
    const struct config_value *value = config_value_single(reader, node);
    uint64_t events = 0;
    int64_t period_ms = 0;
    if (!value)
        return;
    if (units_parse_rate(view_of(value->text), &events, &period_ms) && events <= 1000000000) {
        connector->rate_events = events;
        connector->rate_period_ms = period_ms;
        return;
    }
    config_problem(reader->problems, value->line,
                   "%s = \"%s\" is no rate: write it as 5/s, 100/m, 2000/h or 50000/d (messages)",
                   key->name, value->text);
}

void config_write_rate(struct buffer *out, const struct config_key *key, const void *object) {
    const struct config_connector *connector = object;
    for (size_t i = 0; connector->rate_events && i < ARRAY_LEN(periods); i++)
        if (periods[i].ms == connector->rate_period_ms)
            buffer_printf(out, "\"%llu/%s\"", (unsigned long long)connector->rate_events,
                          periods[i].unit);
}
