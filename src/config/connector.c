// SPDX-License-Identifier: Apache-2.0
// Connectors: what their keys mean together, and the index from domain to connector.
#include "config/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWORD_BYTES_MAX = 1024 };

// --- Index ------------------------------------------------------------------------------------

static uint64_t hash_of(struct view name, bool is_wildcard) {
    return hash_u64(view_hash(name) + is_wildcard);
}

static const struct config_domain *find_domain(const struct config *config, struct view name,
                                               bool is_wildcard) {
    struct hash_node *node =
        hash_table_first(&config->storage->domains, hash_of(name, is_wildcard));
    for (; node; node = hash_table_next(node)) {
        const struct config_domain *domain = CONTAINER_OF(node, struct config_domain, node);
        if (domain->is_wildcard == is_wildcard && view_equals(domain->name, name))
            return domain;
    }
    return NULL;
}

bool config_domain_add(struct config *config, struct config_domain *domain,
                       const struct config_connector **other) {
    const struct config_domain *known = find_domain(config, domain->name, domain->is_wildcard);
    if (known) {
        *other = known->connector;
        return false;
    }
    hash_table_insert(&config->storage->domains, &domain->node,
                      hash_of(domain->name, domain->is_wildcard));
    return true;
}

const struct config_connector *config_connector_for(const struct config *config,
                                                    struct view domain) {
    char text[CONFIG_NAME_BYTES_MAX + 3];
    const struct config_domain *found = NULL;
    bool is_literal = domain.len > 0 && domain.ptr[0] == '[';
    if (domain.len > 1 && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    if (domain.len < sizeof(text) && !is_literal) {
        for (size_t i = 0; i < domain.len; i++)
            text[i] = ascii_lower(domain.ptr[i]);
        struct view rest = view_from(text, domain.len);
        found = find_domain(config, rest, false);
        // Label by label from the left: the first hit is the longest suffix.
        while (!found && view_find_char(rest, '.') < rest.len) {
            rest = view_skip(rest, view_find_char(rest, '.') + 1);
            found = rest.len ? find_domain(config, rest, true) : NULL;
        }
    }
    if (!found)
        found = find_domain(config, VIEW(""), true);
    return found ? found->connector : NULL;
}

// --- The password -----------------------------------------------------------------------------

// The first line of an open file; false with errno when it cannot be read.
static bool read_first_line(int descriptor, char *out, size_t size) {
    size_t len = 0;
    while (len < size - 1) {
        ssize_t got = read(descriptor, out + len, size - 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    out[len] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

// Readable by nobody but its owner, else a secret of another server lies open on this machine.
static bool check_password_file(struct config_reader *reader, unsigned line,
                                struct config_connector *connector, int descriptor) {
    const char *path = connector->password_file;
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        config_problem(reader->problems, line, "password_file: %s is no regular file", path);
        return false;
    }
    if (status.st_mode & (S_IRWXG | S_IRWXO)) {
        config_problem(reader->problems, line,
                       "password_file: others may read %s (mode %04o): chmod 600 %s", path,
                       (unsigned)status.st_mode & 07777, path);
        return false;
    }
    connector->password_changed_ns =
        (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    return true;
}

static void read_password(struct config_reader *reader, unsigned line,
                          struct config_connector *connector) {
    char text[PASSWORD_BYTES_MAX + 2] = "";
    const char *path = connector->password_file;
    // Not blocking: a FIFO of that name must not stop the start.
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0) {
        config_problem(reader->problems, line, "password_file: %s cannot be read: %s", path,
                       strerrordesc_np(errno));
        return;
    }
    if (check_password_file(reader, line, connector, descriptor)) {
        if (!read_first_line(descriptor, text, sizeof(text)))
            config_problem(reader->problems, line, "password_file: %s cannot be read: %s", path,
                           strerrordesc_np(errno));
        else if (text[0] == '\0' || strlen(text) > PASSWORD_BYTES_MAX)
            config_problem(reader->problems, line,
                           "password_file: the first line of %s must hold the password, at most %d "
                           "bytes",
                           path, PASSWORD_BYTES_MAX);
        else
            connector->password = arena_copy(reader->arena, view_of(text)).ptr;
    }
    explicit_bzero(text, sizeof(text));
    close(descriptor);
}

// --- Checks -----------------------------------------------------------------------------------

static void check_login(struct config_reader *reader, const struct config_node *node,
                        struct config_connector *connector) {
    if (!connector->username && !connector->password_file)
        return;
    if (!connector->password_file)
        config_problem(reader->problems, config_node_line(node, "username"),
                       "username is set without password_file");
    else if (!connector->username)
        config_problem(reader->problems, config_node_line(node, "password_file"),
                       "password_file is set without username");
    else
        read_password(reader, config_node_line(node, "password_file"), connector);
    // RFC 4954 4: credentials only over a channel whose other end is known.
    if (connector->username && connector->tls != CONFIG_TLS_CA &&
        connector->tls != CONFIG_TLS_DOMAIN)
        config_problem(reader->problems, config_node_line(node, "tls"),
                       "tls = \"%s\" would show the password to whoever answers: with username it "
                       "is \"domain\" (the default) or \"ca\"",
                       config_tls_word(connector->tls).ptr);
    if (connector->username && !config_node_find(node, "smart_hosts"))
        config_problem(reader->problems, config_node_line(node, "username"),
                       "username needs smart_hosts: a password does not go to whatever server the "
                       "MX of a domain names");
}

static void finish_tls(struct config_connector *connector, const struct config_node *node) {
    connector->tls_is_set = config_node_find(node, "tls") != NULL;
    if (!connector->tls_is_set && connector->username)
        connector->tls = CONFIG_TLS_DOMAIN;
    if (connector->tls_min == 0)
        connector->tls_min = connector->tls >= CONFIG_TLS_REQUIRED ? 0x0303 : 0x0301;
    if (connector->tls != CONFIG_TLS_OPPORTUNISTIC)
        connector->tls_fallback = false; // there is nothing it could fall back to
}

static void finish_hosts(struct config_connector *connector) {
    for (size_t i = 0; i < connector->n_smart_hosts; i++) {
        struct config_smart_host *host = &connector->smart_hosts[i];
        if (host->port == 0)
            host->port = connector->port;
        if (host->address.family != ADDRESS_NONE)
            host->address.port = host->port;
    }
}

static void check_connector(struct config_reader *reader, const struct config_node *node,
                            struct config_connector *connector) {
    if (!config_node_find(node, "domains"))
        config_problem(
            reader->problems, node->line,
            "connector \"%s\" has no domains: domains = { \"contoso.com\" }, or \"*\" for "
            "all that no other connector takes",
            connector->name);
    if (connector->tls_domain && connector->tls != CONFIG_TLS_DOMAIN)
        config_problem(reader->problems, config_node_line(node, "tls_domain"),
                       "tls_domain is looked at with tls = \"domain\" only, and tls is \"%s\"",
                       config_tls_word(connector->tls).ptr);
    check_login(reader, node, connector);
}

static void set_defaults(const struct config *config, struct config_connector *connector,
                         const char *name) {
    *connector = (struct config_connector){.name = name,
                                           .port = 25,
                                           .tls = CONFIG_TLS_OPPORTUNISTIC,
                                           .tls_fallback = true,
                                           .max_connections = 20,
                                           .max_messages_per_connection = 100,
                                           .connect_timeout_ms = 30 * 1000,
                                           .greeting_timeout_ms = 5 * 60 * 1000,
                                           .retry = config->retry};
}

void config_connector_read(struct config_reader *reader, const struct config_node *node,
                           void *parent) {
    struct config *config = parent;
    if (config->n_connectors == CONFIG_CONNECTORS_MAX)
        return;
    struct config_connector *connector = &config->connectors[config->n_connectors];
    set_defaults(config, connector, arena_copy(reader->arena, view_of(node->title)).ptr);
    config_section_read(reader, node, &config_connector_section, connector);
    finish_tls(connector, node);
    finish_hosts(connector);
    check_connector(reader, node, connector);
    config->n_connectors++;
}

void config_connector_add_default(struct config_reader *reader) {
    struct config *config = reader->config;
    static const struct config_node empty = {.name = "connector", .is_section = true};
    static const char *everything[] = {"*"};
    const struct config_connector *other = NULL;
    struct config_connector *connector = arena_alloc(reader->arena, sizeof(*connector));
    struct config_domain *domain = arena_alloc(reader->arena, sizeof(*domain));
    if (!connector || !domain)
        return;
    ASSERT(config->n_connectors == 0);
    set_defaults(config, connector, "everyone");
    finish_tls(connector, &empty);
    connector->domains = everything;
    connector->n_domains = 1;
    *domain = (struct config_domain){.name = VIEW(""), .is_wildcard = true, .connector = connector};
    bool is_added = config_domain_add(config, domain, &other);
    ASSERT(is_added);
    config->connectors = connector;
    config->n_connectors = 1;
}
