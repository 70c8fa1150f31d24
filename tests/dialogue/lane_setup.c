// SPDX-License-Identifier: Apache-2.0
// From the settings of a script to a route, a connector and messages.
#include "dialogue/fake_spool.h"
#include "dialogue/lane.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void lane_complain(const struct lane *lane, unsigned line, const char *what,
                             struct view about) {
    fprintf(stderr, "%s:%u: %s: %.*s\n", play_name(lane->play), line, what, VIEW_ARG(about));
    exit(2);
}

bool lane_take_word(struct view *rest, struct view *word) {
    *rest = view_trim(*rest);
    return rest->len > 0 && (view_split(rest, ' ', word), word->len > 0);
}

bool lane_option(struct view words, const char *key, struct view *value) {
    struct view word;
    while (lane_take_word(&words, &word)) {
        size_t equals = view_find_char(word, '=');
        if (!view_equals(view_take(word, equals), view_of(key)))
            continue;
        *value = view_skip(word, equals + 1);
        return true;
    }
    return false;
}

static uint64_t option_number(struct view words, const char *key, uint64_t otherwise) {
    struct view value;
    uint64_t number = otherwise;
    if (lane_option(words, key, &value))
        view_to_u64(value, &number);
    return number;
}

static const char *option_text(struct lane *lane, struct view words, const char *key) {
    struct view value;
    return lane_option(words, key, &value) ? arena_copy(&lane->arena, value).ptr : NULL;
}

// --- Connector --------------------------------------------------------------------------------
static enum config_tls parse_tls(const struct lane *lane, struct view word) {
    static const char *const words[] = {"none", "opportunistic", "required", "ca", "domain"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (view_equals(word, view_of(words[i])))
            return (enum config_tls)i;
    lane_complain(lane, 0, "unknown demand", word);
}

static void read_connector(struct lane *lane) {
    struct view words = VIEW_NONE, value;
    struct config_connector *connector = &lane->connector;
    static struct config_smart_host smart_host = {.name = "smart"};
    play_setting(lane->play, "connector", 0, &words, NULL);
    *connector = (struct config_connector){.name = "test", .tls = CONFIG_TLS_OPPORTUNISTIC};
    connector->tls_fallback = !lane_option(words, "fallback", &value);
    if (lane_option(words, "tls", &value))
        connector->tls = parse_tls(lane, value);
    if (lane_option(words, "tls_min", &value))
        connector->tls_min = view_equals(value, VIEW("1.3")) ? 0x0304 : 0x0303;
    connector->tls_domain = option_text(lane, words, "tls_domain");
    connector->helo = option_text(lane, words, "helo");
    connector->username = option_text(lane, words, "username");
    connector->password = option_text(lane, words, "password");
    connector->max_messages_per_connection = (unsigned)option_number(words, "max_messages", 0);
    connector->connect_timeout_ms = (int64_t)option_number(words, "connect_timeout", 0);
    connector->greeting_timeout_ms = (int64_t)option_number(words, "greeting_timeout", 0);
    if (lane_option(words, "smart", &value)) {
        connector->smart_hosts = &smart_host;
        connector->n_smart_hosts = 1;
    }
}

// --- Route ------------------------------------------------------------------------------------
// One that the script does not speak for is listening, and nobody may come to it.
static struct lane_peer *find_peer(struct lane *lane, struct view name) {
    for (size_t i = 0; i < lane->n_peers; i++)
        if (view_equals(lane->peers[i].name, name))
            return &lane->peers[i];
    ASSERT(lane->n_peers < LANE_PEERS_MAX);
    struct lane_peer *peer = &lane->peers[lane->n_peers++];
    *peer = (struct lane_peer){.lane = lane, .name = name};
    return peer;
}

static struct io_listener *listen_at(const char *where) {
    struct address address;
    struct error error;
    bool is_address = address_parse(view_of(where), &address);
    ASSERT(is_address);
    struct io_listener *listener = io_listen(&address, false, &error);
    ASSERT(listener != NULL);
    return listener;
}

static struct address nobody(void) {
    struct io_listener *listener = listen_at("127.0.0.9");
    struct address address = io_listener_address(listener);
    io_listener_close(listener);
    return address;
}

static struct address peer_address(struct lane *lane, struct view word) {
    if (view_equals(word, VIEW("refused")))
        return nobody();
    bool is_ipv6 = view_ends_with_nocase(word, VIEW("/6"));
    struct view name = is_ipv6 ? view_take(word, word.len - 2) : word;
    struct lane_peer *peer = find_peer(lane, name);
    if (!peer->listener) {
        char where[32];
        snprintf(where, sizeof(where), "127.0.0.%zu", 10 + (size_t)(peer - lane->peers));
        peer->listener = listen_at(is_ipv6 ? "::1" : where);
        peer->address = io_listener_address(peer->listener);
    }
    return peer->address;
}

static void read_hosts(struct lane *lane) {
    struct view words, word;
    for (size_t i = 0; play_setting(lane->play, "host", i, &words, NULL); i++) {
        struct route_host *host = &lane->hosts[lane->route.n_hosts++];
        ASSERT(lane->route.n_hosts <= LANE_HOSTS_MAX);
        lane_take_word(&words, &host->name);
        host->preference = (unsigned)i;
        host->addresses = lane->addresses[i];
        host->is_named_by_operator = lane->connector.n_smart_hosts > 0;
        host->fact = fact_make(FACT_STAGE_DNS, FACT_KIND_OK);
        while (lane_take_word(&words, &word))
            host->addresses[host->n_addresses++] = peer_address(lane, word);
    }
}

static void read_net(struct lane *lane) {
    struct view words, word;
    for (size_t i = 0; lane->sim && play_setting(lane->play, "net", i, &words, NULL); i++) {
        struct view value;
        lane_take_word(&words, &word);
        struct address address = peer_address(lane, word);
        int64_t latency = (int64_t)option_number(words, "latency", 0);
        struct sim_net_rule rule = {.latency_ms_min = latency, .latency_ms_max = latency};
        rule.drop_connect = lane_option(words, "drop", &value) ? 10000 : 0;
        rule.unreachable = lane_option(words, "unreachable", &value) ? 10000 : 0;
        rule.chunk_max = option_number(words, "chunk", 0);
        sim_net_rule(lane->sim, &address, &rule);
    }
}

static void read_route(struct lane *lane) {
    struct view domain = VIEW("b.example"), words = VIEW_NONE, avoid;
    play_setting(lane->play, "domain", 0, &domain, NULL);
    lane->route.connector = &lane->connector;
    lane->route.domain = domain;
    lane->route.site = VIEW("site");
    lane->route.fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_OK);
    lane->route.hosts = lane->hosts;
    read_hosts(lane);
    read_net(lane);
    play_setting(lane->play, "job", 0, &words, NULL);
    lane->job = (struct deliver_job){.route = &lane->route,
                                     .tls = lane->client_tls,
                                     .memory = lane->memory,
                                     .hostname = VIEW("relay.example"),
                                     .round_deadline = io_after(600000)};
    lane->job.may_fall_back = lane_option(words, "may_fall_back", &avoid);
    if (lane_option(words, "avoid", &avoid))
        lane->job.avoid = peer_address(lane, avoid);
}

// --- Messages ---------------------------------------------------------------------------------
static struct spool_body *make_body(struct lane *lane, struct view words) {
    struct view value, text = VIEW("Subject: hi\r\n");
    uint64_t large = option_number(words, "large", 0);
    if (lane_option(words, "body", &value))
        text = value;
    if (large) {
        char *bytes = mem_alloc(large);
        for (uint64_t i = 0; i < large; i++)
            bytes[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
        struct spool_body *body =
            fake_body(view_from(bytes, large), !lane_option(words, "disk", &value),
                      option_number(words, "damaged", UINT64_MAX));
        free(bytes);
        return body;
    }
    return fake_body(text, !lane_option(words, "disk", &value),
                     option_number(words, "damaged", UINT64_MAX));
}

static void read_envelope(struct deliver_item *item, struct view words) {
    struct mail_envelope *envelope = item->envelope;
    struct view word, rest = words;
    lane_take_word(&rest, &word);
    envelope->sender = view_equals(word, VIEW("<>")) ? VIEW_NONE : word;
    envelope->recipients = arena_alloc(item->arena, LANE_RCPTS_MAX * sizeof(struct mail_recipient));
    while (lane_take_word(&rest, &word)) {
        bool is_many = view_starts_with(word, VIEW("many="));
        uint64_t n = 1;
        if (is_many)
            view_to_u64(view_skip(word, 5), &n);
        else if (view_find_char(word, '@') == word.len)
            continue;
        for (uint64_t i = 0; i < n; i++)
            envelope->recipients[envelope->n_recipients++].address =
                is_many ? arena_printf(item->arena, "u%llu@b.example", (unsigned long long)i)
                        : word;
        ASSERT(envelope->n_recipients <= LANE_RCPTS_MAX);
    }
}

static void read_flags(struct deliver_item *item, struct view words) {
    struct mail_envelope *envelope = item->envelope;
    struct view value;
    envelope->has_8bit = lane_option(words, "8bit", &value);
    envelope->smtputf8 = lane_option(words, "utf8", &value);
    envelope->requiretls = lane_option(words, "requiretls", &value);
    if (lane_option(words, "dsn", &value)) {
        envelope->ret = MAIL_RET_HDRS;
        envelope->envid = VIEW("env1");
        envelope->recipients[0].notify = MAIL_NOTIFY_FAILURE;
    }
}

static struct deliver_item *make_item(struct lane *lane, struct view words, size_t number) {
    struct deliver_item *item = mem_alloc_zero(sizeof(*item));
    struct view value;
    item->id.lo = number;
    item->arena = mem_alloc(sizeof(struct arena));
    arena_init(item->arena, 1 << 20);
    item->envelope = arena_alloc(item->arena, sizeof(struct mail_envelope));
    read_envelope(item, words);
    read_flags(item, words);
    item->n_rcpts = item->envelope->n_recipients;
    item->rcpt_indices = arena_alloc(item->arena, item->n_rcpts * sizeof(uint32_t));
    item->results = arena_alloc(item->arena, item->n_rcpts * sizeof(struct fact));
    item->result_texts = arena_alloc(item->arena, item->n_rcpts * sizeof(char *));
    for (size_t i = 0; i < item->n_rcpts; i++)
        item->rcpt_indices[i] = (uint32_t)i;
    if (!lane_option(words, "missing", &value))
        item->body = make_body(lane, words);
    item->envelope->size_bytes = item->body ? spool_body_size(item->body) : 1;
    item->envelope->size_bytes = option_number(words, "size", item->envelope->size_bytes);
    return item;
}

void lane_read_settings(struct lane *lane) {
    struct view words;
    read_connector(lane);
    read_route(lane);
    for (size_t i = 0; play_setting(lane->play, "message", i, &words, NULL); i++) {
        ASSERT(i < LANE_ITEMS_MAX);
        lane->items[lane->n_items++] = make_item(lane, words, i + 1);
    }
    lane->is_lazy = play_setting(lane->play, "lazy", 0, &words, NULL);
}
