// SPDX-License-Identifier: Apache-2.0
#include "dialogue/lane.h"

#include "dialogue/fake_spool.h"

#include <stdio.h>
#include <stdlib.h>

enum { PEER_PATIENCE = 6000 }; // times 10 ms

// --- Peers ------------------------------------------------------------------------------------
struct connection {
    struct lane_peer *peer;
    struct io_stream *stream;
    size_t number;
};

static void play_connection(void *arg) {
    struct connection *connection = arg;
    struct lane_peer *peer = connection->peer;
    struct play_part part = {.play = peer->lane->play,
                             .peer = peer->name,
                             .connection = connection->number,
                             .role = 'S',
                             .tls = peer->lane->server_tls};
    char why[512];
    if (!play_run(&part, connection->stream, why, sizeof(why)) && !peer->has_failed) {
        peer->has_failed = true;
        snprintf(peer->why, sizeof(peer->why), "%s", why);
    }
    peer->n_playing--;
    free(connection);
}

static void listen_as_peer(void *arg) {
    struct lane_peer *peer = arg;
    struct io_stream *stream;
    while (io_is_ok(io_accept(peer->listener, IO_NEVER, &stream))) {
        struct connection *connection = mem_alloc(sizeof(*connection));
        *connection = (struct connection){peer, stream, peer->n_accepted++};
        peer->n_playing++;
        io_spawn("connection", play_connection, connection);
    }
}

// --- Hooks ------------------------------------------------------------------------------------
static struct deliver_item *next_item(void *arg, enum deliver_ask ask) {
    struct lane *lane = arg;
    if (lane->n_given == lane->n_items || (lane->is_lazy && ask == DELIVER_ASK_NOW))
        return NULL;
    return lane->items[lane->n_given++];
}

static void note_settled(void *arg, struct deliver_item *item) {
    struct lane *lane = arg;
    ASSERT(item->id.lo > 0 && item->id.lo <= lane->n_items && !lane->is_settled[item->id.lo - 1]);
    lane->is_settled[item->id.lo - 1] = true;
    lane->n_settled++;
}

static void note_attempt(void *arg, const struct attempt *attempt) {
    struct lane *lane = arg;
    ASSERT(lane->n_attempts < LANE_ATTEMPTS_MAX);
    struct lane_attempt *copy = &lane->attempts[lane->n_attempts++];
    copy->attempt = *attempt;
    view_copy_string(attempt->fact.text, copy->text, sizeof(copy->text));
    view_copy_string(attempt->host, copy->host, sizeof(copy->host));
    view_copy_string(attempt->helo, copy->helo, sizeof(copy->helo));
    view_copy_string(attempt->greeting, copy->greeting, sizeof(copy->greeting));
    view_copy_string(attempt->tls, copy->tls, sizeof(copy->tls));
    view_copy_string(attempt->domain, copy->domain, sizeof(copy->domain));
    copy->attempt.fact.text = view_of(copy->text);
    for (size_t i = 0; i < attempt->n_results; i++)
        ASSERT(attempt->results[i].recipient.len && attempt->results[i].message_id.len);
}

// --- Life -------------------------------------------------------------------------------------
static void make_tls(struct lane *lane) {
    struct view name = VIEW("mx.b.example");
    char text[128];
    play_setting(lane->play, "certificate", 0, &name, NULL);
    view_copy_string(name, text, sizeof(text));
    struct authority_order order = {.names = {text}};
    lane->server_tls = authority_server(lane->authority, &order);
    lane->client_tls = authority_client(lane->authority);
}

struct lane *lane_create(struct play *play, struct sim *sim, struct authority *authority) {
    struct lane *lane = mem_alloc_zero(sizeof(*lane));
    struct view names[LANE_PEERS_MAX];
    lane->play = play;
    lane->sim = sim;
    lane->authority = authority;
    lane->memory = deliver_memory_create();
    arena_init(&lane->arena, 1 << 20);
    arena_init(&lane->report_arena, 1 << 20);
    io_group_init(&lane->group);
    make_tls(lane);
    lane->n_peers = play_peers(play, names, LANE_PEERS_MAX);
    for (size_t i = 0; i < lane->n_peers; i++)
        lane->peers[i] = (struct lane_peer){.lane = lane, .name = names[i]};
    lane_read_settings(lane);
    for (size_t i = 0; i < lane->n_peers; i++)
        if (lane->peers[i].listener)
            io_group_spawn(&lane->group, "peer", listen_as_peer, &lane->peers[i]);
    lane->job.hooks = (struct deliver_hooks){next_item, note_settled, note_attempt, lane};
    return lane;
}

void lane_run(struct lane *lane) {
    deliver_session(&lane->job, &lane->report_arena, &lane->report);
    ASSERT(lane->n_settled == lane->n_given);
}

static bool check_peer(struct lane_peer *peer, char *why, size_t size) {
    for (int i = 0; peer->n_playing > 0 && i < PEER_PATIENCE; i++)
        io_sleep(io_after(10));
    size_t wanted = play_connections(peer->lane->play, peer->name);
    if (peer->has_failed) {
        snprintf(why, size, "%s", peer->why);
        return false;
    }
    if (peer->n_playing == 0 && (!peer->listener || peer->n_accepted == wanted))
        return true;
    snprintf(why, size, "%s: peer %.*s had %zu of %zu connections, %zu still open",
             play_name(peer->lane->play), VIEW_ARG(peer->name), peer->n_accepted, wanted,
             peer->n_playing);
    return false;
}

bool lane_check(struct lane *lane, char *why, size_t size) {
    for (size_t i = 0; i < lane->n_peers; i++)
        if (!check_peer(&lane->peers[i], why, size))
            return false;
    return lane_check_expectations(lane, why, size);
}

static void free_item(struct deliver_item *item) {
    for (size_t i = 0; i < item->n_rcpts; i++)
        free(item->result_texts[i]);
    spool_body_unref(item->body);
    arena_finish(item->arena);
    free(item->arena);
    free(item);
}

void lane_destroy(struct lane *lane) {
    io_group_cancel(&lane->group);
    io_group_wait(&lane->group, io_after(5000));
    for (size_t i = 0; i < lane->n_peers; i++)
        if (lane->peers[i].listener)
            io_listener_close(lane->peers[i].listener);
    for (size_t i = 0; i < lane->n_items; i++)
        free_item(lane->items[i]);
    tls_context_unref(lane->server_tls);
    tls_context_unref(lane->client_tls);
    deliver_memory_destroy(lane->memory);
    arena_finish(&lane->arena);
    arena_finish(&lane->report_arena);
    free(lane);
}
