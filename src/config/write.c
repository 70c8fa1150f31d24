// SPDX-License-Identifier: Apache-2.0
// Snapshots as text: the whole of one, and where two differ in what only a restart can change.
#include "config/keys.h"

enum { VALUE_BYTES_MAX = 64 << 20 };

static void write_keys(struct buffer *out, const struct config_section *section, const void *object,
                       const char *indent) {
    for (size_t i = 0; i < section->n_keys; i++) {
        struct buffer value;
        buffer_init(&value, VALUE_BYTES_MAX);
        section->keys[i].write(&value, &section->keys[i], object);
        if (value.len) {
            buffer_printf(out, "%s%s = ", indent, section->keys[i].name);
            buffer_append_view(out, buffer_view(&value));
            buffer_append_char(out, '\n');
        }
        buffer_finish(&value);
    }
}

static void write_section(struct buffer *out, const struct config_section *section,
                          const char *title, const void *object) {
    struct buffer keys;
    buffer_init(&keys, VALUE_BYTES_MAX);
    write_keys(&keys, section, object, "  ");
    if (keys.len) {
        buffer_printf(out, "%s%s%s%s {\n", section->name, title ? " \"" : "", title ? title : "",
                      title ? "\"" : "");
        buffer_append_view(out, buffer_view(&keys));
        buffer_append_view(out, VIEW("}\n"));
    }
    buffer_finish(&keys);
}

static void write_connector(struct buffer *out, const struct config_connector *connector) {
    buffer_printf(out, "connector \"%s\" {\n", connector->name);
    write_keys(out, &config_connector_section, connector, "  ");
    buffer_append_view(out, VIEW("  retry {\n"));
    write_keys(out, &config_retry_section, &connector->retry, "    ");
    buffer_append_view(out, VIEW("  }\n}\n"));
}

void config_write(const struct config *config, struct buffer *out) {
    write_keys(out, &config_root_section, config, "");
    for (size_t i = 0; i < config->n_listeners; i++)
        write_section(out, &config_listen_section, config->listeners[i].name,
                      &config->listeners[i]);
    write_section(out, &config_resolver_section, NULL, config);
    write_section(out, &config_tls_section, NULL, config);
    write_section(out, &config_retry_section, NULL, &config->retry);
    for (size_t i = 0; i < config->n_connectors; i++)
        write_connector(out, &config->connectors[i]);
}

// --- Restart ----------------------------------------------------------------------------------

static bool differs(const struct config_section *section, const char *name, const struct config *a,
                    const struct config *b) {
    const struct config_key *key = config_key_find(section, name);
    struct buffer text_a, text_b;
    ASSERT(key != NULL);
    buffer_init(&text_a, VALUE_BYTES_MAX);
    buffer_init(&text_b, VALUE_BYTES_MAX);
    key->write(&text_a, key, a);
    key->write(&text_b, key, b);
    bool is_different = !view_equals(buffer_view(&text_a), buffer_view(&text_b));
    buffer_finish(&text_a);
    buffer_finish(&text_b);
    return is_different;
}

// The data directory is locked, privileges are dropped and the resolvers are made once, at start.
void config_restart_needed(const struct config *running, const struct config *wanted,
                           struct buffer *out) {
    static const struct {
        const struct config_section *section;
        const char *key, *shown;
    } fixed[] = {{&config_root_section, "data", "data"},
                 {&config_root_section, "user", "user"},
                 {&config_resolver_section, "servers", "resolver.servers"},
                 {&config_resolver_section, "trust_anchor", "resolver.trust_anchor"}};
    const char *separator = out->len ? ", " : "";
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (differs(fixed[i].section, fixed[i].key, running, wanted)) {
            buffer_printf(out, "%s%s", separator, fixed[i].shown);
            separator = ", ";
        }
}
