// SPDX-License-Identifier: Apache-2.0
// The keys of the configuration as tables: one line names a key, says how its value is read and
// written, where it is kept and what its bounds are. Reading, config_write, the comparison for
// restarts and "did you mean" are all driven by these tables.
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/config.h"
#include "config/syntax.h"

#include "base/hash.h"

enum {
    CONFIG_ARENA_BYTES_MAX = 256 << 20,
    CONFIG_LIST_MAX = 100000,
    CONFIG_CONNECTORS_MAX = 10000,
    CONFIG_NAME_BYTES_MAX = 253
};

// One line of the index behind config_connector_for: "contoso.com" or, as a wildcard, what follows
// "*." ("*" alone: the empty name).
struct config_domain {
    struct hash_node node;
    struct view name;
    bool is_wildcard;
    const struct config_connector *connector;
};

struct config_storage {
    struct arena arena;
    struct hash_table domains;
};

struct config_reader {
    struct config *config;
    struct arena *arena; // of the configuration
    struct config_problems *problems;
};

struct config_word {
    const char *word;
    int value;
};

struct config_key {
    const char *name;
    // Puts the value into `object` (struct config, config_connector, ...) or says what is wrong.
    void (*read)(struct config_reader *reader, const struct config_node *node,
                 const struct config_key *key, void *object);
    // Appends the value as it stands after "=", or nothing where it is not set.
    void (*write)(struct buffer *out, const struct config_key *key, const void *object);
    size_t offset;
    int64_t min, max;
    const struct config_word *words; // for keys that take one of some words; ends with NULL
};

struct config_section {
    const char *name;
    const struct config_key *keys;
    size_t n_keys;
    const struct config_section *const *sections; // within this one; ends with NULL, may be NULL
    bool has_title;                               // and may be repeated, each with its own
    bool is_late;                                 // needs what the others say: read after them
    // `parent` is the object of the section around it.
    void (*read)(struct config_reader *reader, const struct config_node *node, void *parent);
};

extern const struct config_section config_root_section, config_retry_section,
    config_resolver_section, config_tls_section, config_listen_section, config_connector_section;

// keys.c
const struct config_key *config_key_find(const struct config_section *section, const char *name);
// Reads what `section` knows of the children of `node` into `object`; the rest are problems.
void config_section_read(struct config_reader *reader, const struct config_node *node,
                         const struct config_section *section, void *object);

// values.c: the one value of the node, or NULL with a problem.
const struct config_value *config_value_single(struct config_reader *reader,
                                               const struct config_node *node);
#define CONFIG_VALUE_KIND(kind)                                                                    \
    void config_read_##kind(struct config_reader *reader, const struct config_node *node,          \
                            const struct config_key *key, void *object);                           \
    void config_write_##kind(struct buffer *out, const struct config_key *key, const void *object);
CONFIG_VALUE_KIND(text)     // const char *, printable; `max` bytes
CONFIG_VALUE_KIND(mail)     // const char *, "user@domain"
CONFIG_VALUE_KIND(fqdn)     // const char *, a full host name of letters, digits and hyphens
CONFIG_VALUE_KIND(helo)     // the same, or "[192.0.2.1]"
CONFIG_VALUE_KIND(domain)   // const char *, a domain name, or "*." and one
CONFIG_VALUE_KIND(duration) // int64_t, milliseconds
CONFIG_VALUE_KIND(size)     // uint64_t, bytes
CONFIG_VALUE_KIND(count)    // unsigned
CONFIG_VALUE_KIND(port)     // uint16_t
CONFIG_VALUE_KIND(factor)   // double, three digits behind the point
CONFIG_VALUE_KIND(flag)     // bool
CONFIG_VALUE_KIND(word)     // int: one of `words`
// lists.c: these know their object.
CONFIG_VALUE_KIND(accept_from)
CONFIG_VALUE_KIND(resolver_servers)
CONFIG_VALUE_KIND(listen_address)
CONFIG_VALUE_KIND(domains)
CONFIG_VALUE_KIND(smart_hosts)
CONFIG_VALUE_KIND(sources)
CONFIG_VALUE_KIND(rate)

void config_write_quoted(struct buffer *out, const char *text);

// names.c
bool config_is_host_name(struct view name);        // labels of letters, digits, "-" and "_"
bool config_is_strict_host_name(struct view name); // RFC 5321 4.1.2: no "_"
bool config_is_mail_address(struct view text);
// A lower-case copy without a trailing dot; NULL when the arena is full.
const char *config_copy_name(struct arena *arena, struct view name);
// The word of `words` that is closest to `wrong`, or NULL when none is close.
const char *config_closest(const char *wrong, const char *const *words, size_t n_words);
// "FQDN of this machine" as far as it can be told without asking the DNS.
const char *config_machine_name(struct arena *arena);

// connector.c
void config_connector_read(struct config_reader *reader, const struct config_node *node,
                           void *parent);
void config_connector_add_default(struct config_reader *reader);
// False when another connector has it already: then `*other` says which.
bool config_domain_add(struct config *config, struct config_domain *domain,
                       const struct config_connector **other);

// load.c: the same as config_load for text in memory, for tests and fuzzing.
struct config *config_load_text(struct view text, const char *path, struct buffer *problems);

#endif
