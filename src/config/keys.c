// SPDX-License-Identifier: Apache-2.0
#include "config/keys.h"

#include "base/units.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * 1000, HOUR_MS = 60 * 60 * 1000, DAY_MS = 24 * HOUR_MS };

#define KEY(key, kind, object, field, ...)                                                         \
    {                                                                                              \
        .name = key, .read = config_read_##kind, .write = config_write_##kind,                     \
        .offset = offsetof(struct object, field), __VA_ARGS__                                      \
    }
#define SECTION_KEYS(table) .keys = table, .n_keys = ARRAY_LEN(table)

static const struct config_word tls_words[] = {
    {"none", CONFIG_TLS_NONE},         {"opportunistic", CONFIG_TLS_OPPORTUNISTIC},
    {"required", CONFIG_TLS_REQUIRED}, {"ca", CONFIG_TLS_CA},
    {"domain", CONFIG_TLS_DOMAIN},     {NULL, 0}};
static const struct config_word tls_min_words[] = {
    {"1.0", 0x0301}, {"1.1", 0x0302}, {"1.2", 0x0303}, {"1.3", 0x0304}, {NULL, 0}};
static const struct config_word listen_tls_words[] = {
    {"none", CONFIG_LISTEN_TLS_NONE}, {"starttls", CONFIG_LISTEN_TLS_STARTTLS}, {NULL, 0}};
static const struct config_word owner_words[] = {{"us", 0}, {"partner", 1}, {NULL, 0}};

struct view config_tls_word(enum config_tls tls) {
    for (const struct config_word *each = tls_words; each->word; each++)
        if (each->value == (int)tls)
            return view_of(each->word);
    return VIEW("unknown");
}

static const struct config_key root_keys[] = {
    KEY("hostname", fqdn, config, hostname),
    KEY("data", text, config, data, .max = 1024),
    KEY("postmaster", mail, config, postmaster),
    KEY("user", text, config, user, .max = 64),
    KEY("accept_from", accept_from, config, accept_from),
    // RFC 5321 4.5.3.1.7: at least 64K octets; 4.5.3.1.8: at least 100 recipients.
    KEY("max_message_size", size, config, max_message_size, .min = 64 << 10, .max = 1 << 30),
    KEY("max_recipients", count, config, max_recipients, .min = 100, .max = 10000),
    KEY("max_sessions", count, config, max_sessions, .min = 1, .max = 100000),
    KEY("max_sessions_per_client", count, config, max_sessions_per_client, .min = 1, .max = 100000),
    KEY("max_deliveries", count, config, max_deliveries, .min = 1, .max = 100000),
};

static const struct config_key resolver_keys[] = {
    KEY("servers", resolver_servers, config, resolver_servers),
    KEY("trust_anchor", text, config, trust_anchor, .max = 1024),
};

static const struct config_key tls_keys[] = {
    KEY("certificate", text, config, tls_certificate, .max = 1024),
    KEY("key", text, config, tls_key, .max = 1024),
    KEY("ca_file", text, config, tls_ca_file, .max = 1024),
};

static const struct config_key listen_keys[] = {
    KEY("address", listen_address, config_listener, address),
    KEY("tls", word, config_listener, tls, .words = listen_tls_words),
};

static const struct config_key retry_keys[] = {
    KEY("first", duration, config_retry, first_ms, .min = SECOND_MS, .max = DAY_MS),
    KEY("factor", factor, config_retry, factor, .min = 1, .max = 10),
    KEY("longest", duration, config_retry, longest_ms, .min = SECOND_MS, .max = DAY_MS),
    KEY("expire", duration, config_retry, expire_ms, .min = SECOND_MS, .max = 30LL * DAY_MS),
    KEY("expire_max", duration, config_retry, expire_max_ms, .min = SECOND_MS,
        .max = 30LL * DAY_MS),
    KEY("hold_expire", duration, config_retry, hold_expire_ms, .min = SECOND_MS,
        .max = 90LL * DAY_MS),
    KEY("warn", duration, config_retry, warn_ms, .min = 0, .max = 30LL * DAY_MS),
};

static const struct config_key connector_keys[] = {
    KEY("domains", domains, config_connector, domains),
    KEY("smart_hosts", smart_hosts, config_connector, smart_hosts),
    KEY("port", port, config_connector, port, .min = 1, .max = 65535),
    KEY("tls", word, config_connector, tls, .words = tls_words),
    KEY("tls_domain", domain, config_connector, tls_domain),
    KEY("tls_min", word, config_connector, tls_min, .words = tls_min_words),
    KEY("tls_fallback", flag, config_connector, tls_fallback),
    KEY("source", sources, config_connector, sources),
    KEY("helo", helo, config_connector, helo),
    KEY("username", text, config_connector, username, .max = 255),
    KEY("password_file", text, config_connector, password_file, .max = 1024),
    KEY("max_connections", count, config_connector, max_connections, .min = 1, .max = 10000),
    KEY("max_messages_per_connection", count, config_connector, max_messages_per_connection,
        .min = 1, .max = 1000000),
    KEY("max_rate", rate, config_connector, rate_events),
    KEY("owner", text, config_connector, owner, .max = 64, .words = owner_words),
    KEY("contact", text, config_connector, contact, .max = 255),
    KEY("connect_timeout", duration, config_connector, connect_timeout_ms, .min = SECOND_MS,
        .max = 10LL * MINUTE_MS),
    KEY("greeting_timeout", duration, config_connector, greeting_timeout_ms, .min = SECOND_MS,
        .max = 60LL * MINUTE_MS),
};

// --- Sections ---------------------------------------------------------------------------------

static unsigned line_of(const struct config_node *node, const char *a, const char *b) {
    const struct config_node *first = config_node_find(node, a);
    return first ? first->line : config_node_line(node, b);
}

// What the section leaves out follows what it says: a short life needs no warning and no long wait,
// a long one is not cut by a bound that nobody set here.
static void fit_defaults(const struct config_node *node, struct config_retry *retry) {
    if (retry->warn_ms >= retry->expire_ms && !config_node_find(node, "warn"))
        retry->warn_ms = 0;
    if (retry->longest_ms > retry->expire_ms && !config_node_find(node, "longest"))
        retry->longest_ms = int64_max(retry->expire_ms, retry->first_ms);
    if (retry->longest_ms < retry->first_ms && !config_node_find(node, "longest"))
        retry->longest_ms = retry->first_ms;
    if (retry->expire_max_ms < retry->expire_ms && !config_node_find(node, "expire_max"))
        retry->expire_max_ms = retry->expire_ms;
}

static void check_retry(struct config_reader *reader, const struct config_node *node,
                        struct config_retry *retry) {
    fit_defaults(node, retry);
    if (retry->longest_ms < retry->first_ms)
        config_problem(reader->problems, line_of(node, "longest", "first"),
                       "longest must not be shorter than first");
    if (retry->expire_ms < retry->longest_ms)
        config_problem(reader->problems, line_of(node, "expire", "longest"),
                       "expire must not be shorter than longest: mail would bounce before its "
                       "second attempt");
    if (retry->expire_max_ms < retry->expire_ms)
        config_problem(reader->problems, line_of(node, "expire_max", "expire"),
                       "expire_max must not be shorter than expire");
    if (retry->warn_ms >= retry->expire_ms)
        config_problem(reader->problems, line_of(node, "warn", "expire"),
                       "warn must be shorter than expire, or 0 for no warning");
}

static void read_root_retry(struct config_reader *reader, const struct config_node *node,
                            void *parent) {
    struct config *config = parent;
    config_section_read(reader, node, &config_retry_section, &config->retry);
    check_retry(reader, node, &config->retry);
}

static void read_connector_retry(struct config_reader *reader, const struct config_node *node,
                                 void *parent) {
    struct config_connector *connector = parent;
    config_section_read(reader, node, &config_retry_section, &connector->retry);
    check_retry(reader, node, &connector->retry);
}

static void read_resolver(struct config_reader *reader, const struct config_node *node,
                          void *parent) {
    config_section_read(reader, node, &config_resolver_section, parent);
}

static void read_tls(struct config_reader *reader, const struct config_node *node, void *parent) {
    struct config *config = parent;
    config_section_read(reader, node, &config_tls_section, config);
    if (config->tls_certificate && !config_node_find(node, "key"))
        config_problem(reader->problems, config_node_line(node, "certificate"),
                       "certificate is set without key: name the file with its private key");
    if (config->tls_key && !config_node_find(node, "certificate"))
        config_problem(reader->problems, config_node_line(node, "key"),
                       "key is set without certificate: name the file with the certificate chain");
}

static void check_listener(struct config_reader *reader, const struct config_node *node,
                           const struct config_listener *listener) {
    const struct config *config = reader->config;
    if (!config_node_find(node, "address"))
        config_problem(reader->problems, node->line,
                       "listen \"%s\" has no address: address = \"127.0.0.1:2525\"", node->title);
    if (listener->tls == CONFIG_LISTEN_TLS_STARTTLS && !config->tls_certificate)
        config_problem(reader->problems, config_node_line(node, "tls"),
                       "listen \"%s\" offers STARTTLS, and there is no certificate for it: "
                       "tls { certificate = \"...\" key = \"...\" }",
                       node->title);
    for (const struct config_listener *each = config->listeners; each < listener; each++)
        if (listener->address.port && address_equals_port(&each->address, &listener->address))
            config_problem(reader->problems, config_node_line(node, "address"),
                           "listen \"%s\" has the address of listen \"%s\"", node->title,
                           each->name);
}

static void read_listen(struct config_reader *reader, const struct config_node *node,
                        void *parent) {
    struct config *config = parent;
    struct config_listener *listener = &config->listeners[config->n_listeners];
    listener->name = arena_copy(reader->arena, view_of(node->title)).ptr;
    // Whoever sets a certificate expects it to be offered.
    listener->tls = config->tls_certificate ? CONFIG_LISTEN_TLS_STARTTLS : CONFIG_LISTEN_TLS_NONE;
    config_section_read(reader, node, &config_listen_section, listener);
    check_listener(reader, node, listener);
    config->n_listeners++;
}

const struct config_section config_retry_section = {
    .name = "retry", SECTION_KEYS(retry_keys), .read = read_root_retry};
const struct config_section config_resolver_section = {
    .name = "resolver", SECTION_KEYS(resolver_keys), .read = read_resolver};
const struct config_section config_tls_section = {
    .name = "tls", SECTION_KEYS(tls_keys), .read = read_tls};
const struct config_section config_listen_section = {.name = "listen",
                                                     SECTION_KEYS(listen_keys),
                                                     .has_title = true,
                                                     .is_late = true,
                                                     .read = read_listen};
static const struct config_section connector_retry_section = {
    .name = "retry", SECTION_KEYS(retry_keys), .read = read_connector_retry};
static const struct config_section *const connector_sections[] = {&connector_retry_section, NULL};
const struct config_section config_connector_section = {.name = "connector",
                                                        SECTION_KEYS(connector_keys),
                                                        .sections = connector_sections,
                                                        .has_title = true,
                                                        .is_late = true,
                                                        .read = config_connector_read};
static const struct config_section *const root_sections[] = {
    &config_listen_section, &config_resolver_section,  &config_tls_section,
    &config_retry_section,  &config_connector_section, NULL};
const struct config_section config_root_section = {
    .name = "", SECTION_KEYS(root_keys), .sections = root_sections};

// --- Walking ----------------------------------------------------------------------------------

const struct config_key *config_key_find(const struct config_section *section, const char *name) {
    for (size_t i = 0; i < section->n_keys; i++)
        if (strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    return NULL;
}

static const struct config_section *find_section(const struct config_section *section,
                                                 const char *name) {
    for (const struct config_section *const *at = section->sections; at && *at; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

// A closing brace was forgotten where a section of the file stands within another one.
static bool is_misplaced_section(const struct config_section *section,
                                 const struct config_node *node) {
    return node->is_section && section != &config_root_section &&
           find_section(&config_root_section, node->name) != NULL;
}

// The section whose key it would be, or NULL.
static const struct config_section *find_home(const struct config_section *section,
                                              const char *name) {
    if (section != &config_root_section && config_key_find(&config_root_section, name))
        return &config_root_section;
    for (const struct config_section *const *at = root_sections; *at; at++)
        if (*at != section && config_key_find(*at, name))
            return *at;
    return NULL;
}

static void fail_unknown(struct config_reader *reader, const struct config_node *node,
                         const struct config_section *section) {
    const char *known[32];
    size_t n_known = 0;
    const char *where = section->name[0] ? section->name : "the file";
    for (size_t i = 0; i < section->n_keys; i++)
        known[n_known++] = section->keys[i].name;
    for (const struct config_section *const *at = section->sections; at && *at; at++)
        known[n_known++] = (*at)->name;
    ASSERT(n_known <= ARRAY_LEN(known));
    const struct config_section *home = find_home(section, node->name);
    const char *closest = config_closest(node->name, known, n_known);
    if (is_misplaced_section(section, node))
        config_problem(reader->problems, node->line,
                       "%s cannot stand within %s: is the closing } of %s missing above?",
                       node->name, where, where);
    else if (home && home->name[0])
        config_problem(reader->problems, node->line, "%s is no key of %s; it belongs into %s%s { }",
                       node->name, where, home->name, home->has_title ? " \"NAME\"" : "");
    else if (home)
        config_problem(reader->problems, node->line,
                       "%s is no key of %s; it stands outside of all sections", node->name, where);
    else if (closest)
        config_problem(reader->problems, node->line, "%s is no key of %s: did you mean %s?",
                       node->name, where, closest);
    else
        config_problem(reader->problems, node->line, "%s is no key of %s that this version knows",
                       node->name, where);
}

static bool is_good_title(const char *title) {
    size_t len = strlen(title);
    for (size_t i = 0; i < len; i++)
        if (!ascii_is_alpha(title[i]) && !ascii_is_digit(title[i]) && !strchr("-_.", title[i]))
            return false;
    return len > 0 && len <= 64;
}

// The earlier section or key of the same name (and title), or NULL.
static const struct config_node *find_earlier(const struct config_node *parent,
                                              const struct config_node *node, bool has_title) {
    for (const struct config_node *each = parent->children; each != node; each = each->next)
        if (strcmp(each->name, node->name) == 0 &&
            (!has_title || (each->title && strcmp(each->title, node->title) == 0)))
            return each;
    return NULL;
}

static bool check_section(struct config_reader *reader, const struct config_node *parent,
                          const struct config_node *node, const struct config_section *section) {
    const char *name = section->name;
    if (!node->is_section) {
        config_problem(reader->problems, node->line, "%s is a section: %s%s { ... }", name, name,
                       section->has_title ? " \"NAME\"" : "");
        return false;
    }
    if (section->has_title && (!node->title || !is_good_title(node->title))) {
        config_problem(reader->problems, node->line,
                       "%s needs a name of letters, digits, \"-\", \"_\" and \".\" (at most 64): "
                       "%s \"NAME\" { ... }",
                       name, name);
        return false;
    }
    if (!section->has_title && node->title) {
        config_problem(reader->problems, node->line, "%s takes no name: %s { ... }", name, name);
        return false;
    }
    const struct config_node *earlier = find_earlier(parent, node, section->has_title);
    if (earlier)
        config_problem(reader->problems, node->line,
                       "%s%s%s%s stands here a second time, first in "
                       "line %u",
                       name, node->title ? " \"" : "", node->title ? node->title : "",
                       node->title ? "\"" : "", earlier->line);
    return earlier == NULL;
}

static void read_key(struct config_reader *reader, const struct config_node *parent,
                     const struct config_node *node, const struct config_key *key, void *object) {
    const struct config_node *earlier = find_earlier(parent, node, false);
    if (earlier)
        config_problem(reader->problems, node->line, "%s is set a second time, first in line %u",
                       key->name, earlier->line);
    else
        key->read(reader, node, key, object);
}

static void read_sections(struct config_reader *reader, const struct config_node *node,
                          const struct config_section *section, void *object, bool is_late) {
    for (const struct config_node *child = node->children; child; child = child->next) {
        const struct config_section *inner = find_section(section, child->name);
        if (inner && inner->is_late == is_late && !config_key_find(section, child->name) &&
            check_section(reader, node, child, inner))
            inner->read(reader, child, object);
    }
}

void config_section_read(struct config_reader *reader, const struct config_node *node,
                         const struct config_section *section, void *object) {
    for (const struct config_node *child = node->children; child; child = child->next) {
        const struct config_key *key = config_key_find(section, child->name);
        if (key)
            read_key(reader, node, child, key, object);
        else if (!find_section(section, child->name))
            fail_unknown(reader, child, section);
    }
    read_sections(reader, node, section, object, false);
    read_sections(reader, node, section, object, true);
}
