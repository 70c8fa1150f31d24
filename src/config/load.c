// SPDX-License-Identifier: Apache-2.0
// From a file to a snapshot: text, then the tree of its sections, then the keys, then what is still
// open gets its default. The tree and the problems live in an arena of their own and go at the end.
#include "config/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_uint_fast64_t generations;

static const struct config_retry retry_defaults = {.first_ms = 60 * 1000LL,
                                                   .factor = 2,
                                                   .longest_ms = 30 * 60 * 1000LL,
                                                   .expire_ms = 24 * 3600 * 1000LL,
                                                   .expire_max_ms = 5 * 24 * 3600 * 1000LL,
                                                   .hold_expire_ms = 7 * 24 * 3600 * 1000LL,
                                                   .warn_ms = 4 * 3600 * 1000LL};

static struct config *make_config(const char *path) {
    struct config *config = mem_alloc_zero(sizeof(*config));
    struct config_storage *storage = mem_alloc_zero(sizeof(*storage));
    arena_init(&storage->arena, CONFIG_ARENA_BYTES_MAX);
    hash_table_init(&storage->domains);
    atomic_init(&config->refs, 1);
    config->storage = storage;
    config->path = path ? arena_copy(&storage->arena, view_of(path)).ptr : NULL;
    config->data = "./postrider-data";
    config->max_message_size = 50ULL << 20;
    config->max_recipients = 1000;
    config->max_sessions = 2000;
    config->max_sessions_per_client = 200;
    config->max_deliveries = 1000;
    config->retry = retry_defaults;
    return config;
}

static void make_arrays(struct config_reader *reader, const struct config_node *root) {
    struct config *config = reader->config;
    size_t n_listeners = 0, n_connectors = 0;
    for (const struct config_node *node = root->children; node; node = node->next) {
        n_listeners += strcmp(node->name, "listen") == 0;
        n_connectors += strcmp(node->name, "connector") == 0;
        if (n_connectors == CONFIG_CONNECTORS_MAX + 1 && strcmp(node->name, "connector") == 0)
            config_problem(reader->problems, node->line, "there are more than %d connectors",
                           CONFIG_CONNECTORS_MAX);
    }
    n_connectors = size_min(n_connectors, CONFIG_CONNECTORS_MAX);
    config->listeners = arena_alloc(reader->arena, n_listeners * sizeof(*config->listeners));
    config->connectors = arena_alloc(reader->arena, n_connectors * sizeof(*config->connectors));
    ASSERT(config->listeners != NULL && config->connectors != NULL);
}

static void add_default_listener(struct config *config, struct arena *arena) {
    struct config_listener *listener = arena_alloc(arena, sizeof(*listener));
    ASSERT(listener != NULL);
    *listener = (struct config_listener){.name = "local",
                                         .tls = config->tls_certificate ? CONFIG_LISTEN_TLS_STARTTLS
                                                                        : CONFIG_LISTEN_TLS_NONE};
    bool is_address = address_parse_port(VIEW("127.0.0.1:2525"), &listener->address);
    ASSERT(is_address);
    config->listeners = listener;
    config->n_listeners = 1;
}

static void add_default_clients(struct config *config, struct arena *arena) {
    struct network *networks = arena_alloc(arena, 2 * sizeof(*networks));
    ASSERT(networks != NULL);
    bool are_networks = network_parse(VIEW("127.0.0.0/8"), &networks[0]) &&
                        network_parse(VIEW("::1"), &networks[1]);
    ASSERT(are_networks);
    config->accept_from = networks;
    config->n_accept_from = 2;
}

// What the file left open and what depends on other keys.
static void finish_config(struct config_reader *reader) {
    struct config *config = reader->config;
    if (!config->hostname)
        config->hostname = config_machine_name(reader->arena);
    if (!config->postmaster)
        config->postmaster = arena_printf(reader->arena, "postmaster@%s", config->hostname).ptr;
    if (config->n_listeners == 0)
        add_default_listener(config, reader->arena);
    if (config->n_accept_from == 0)
        add_default_clients(config, reader->arena);
    if (config->n_connectors == 0)
        config_connector_add_default(reader);
    config->generation = atomic_fetch_add(&generations, 1) + 1;
    ASSERT(config->hostname && config->postmaster && config->n_connectors > 0);
}

struct config *config_load_text(struct view text, const char *path, struct buffer *problems) {
    struct arena scratch;
    struct config_node root;
    arena_init(&scratch, CONFIG_ARENA_BYTES_MAX);
    struct config *config = make_config(path);
    struct config_problems found = {.arena = &scratch};
    struct config_reader reader = {config, &config->storage->arena, &found};
    bool is_whole = config_syntax_read(text, &scratch, &found, &root);
    make_arrays(&reader, &root);
    config_section_read(&reader, &root, &config_root_section, config);
    if (is_whole && found.count == 0) {
        finish_config(&reader);
    } else {
        ASSERT(found.count > 0);
        config_problems_print(&found, path ? path : "(defaults)", problems);
        config_unref(config);
        config = NULL;
    }
    arena_finish(&scratch);
    return config;
}

// False with errno; EFBIG for a file beyond its maximum.
static bool read_file(const char *path, struct buffer *text) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = descriptor < 0 ? -1 : 1;
    while (got > 0) {
        char *room = buffer_reserve(text, 64 << 10);
        if (!room) {
            errno = EFBIG;
            got = -1;
            break;
        }
        got = read(descriptor, room, 64 << 10);
        if (got > 0)
            buffer_advance(text, (size_t)got);
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    int saved = errno;
    if (descriptor >= 0)
        close(descriptor);
    errno = saved;
    return got == 0;
}

struct config *config_load(const char *path, struct buffer *problems) {
    struct buffer text;
    struct config *config = NULL;
    if (!path)
        return config_load_text(VIEW(""), NULL, problems);
    buffer_init(&text, CONFIG_FILE_BYTES_MAX);
    if (read_file(path, &text))
        config = config_load_text(buffer_view(&text), path, problems);
    else
        buffer_printf(problems, "%s: cannot be read: %s\n", path, strerrordesc_np(errno));
    buffer_finish(&text);
    return config;
}
