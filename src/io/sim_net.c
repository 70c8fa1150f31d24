// SPDX-License-Identifier: Apache-2.0
// Simulated connections. Each write is cut into pieces; a piece is a packet, a timer that fires
// when it arrives. Packets of one direction arrive in the order in which they were sent. What Linux
// does is done here: bytes that came before a reset can still be read, and a close with unread
// bytes sends RST instead of FIN.
#include "io/sim_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum packet_kind {
    PACKET_DATA,
    PACKET_DATA_LAST, // a part of the data, then something on the road closes both ways
    PACKET_FIN,
    PACKET_RST,
    PACKET_RST_BOTH
};

struct packet {
    struct list node; // among the unread
    struct io_timer arrival;
    struct sim_end *to;
    enum packet_kind kind;
    size_t len; // as it was sent
    size_t offset;
    size_t n_bytes; // of them here
    unsigned char bytes[];
};

static struct sim_end *end_of(struct io_stream *stream) {
    ASSERT(stream->ops == &sim_stream_ops);
    return CONTAINER_OF(stream, struct sim_end, stream);
}

static struct sim_end *other_end(const struct sim_end *end) {
    struct sim_end *ends = end->connection->ends;
    return end == &ends[0] ? &ends[1] : &ends[0];
}

static void init_end(struct sim_end *end, struct sim_connection *connection) {
    end->stream.ops = &sim_stream_ops;
    end->connection = connection;
    list_init(&end->pending);
    list_init(&end->readers);
    list_init(&end->writers);
    list_init(&end->unread);
}

struct sim_connection *sim_connection_create(struct sim *sim, const struct sim_net_rule *rule) {
    struct sim_connection *connection = mem_alloc_zero(sizeof(*connection));
    connection->sim = sim;
    connection->rule = *rule;
    init_end(&connection->ends[0], connection);
    init_end(&connection->ends[1], connection);
    list_init(&connection->node);
    list_append(&sim->connections, &connection->node);
    return connection;
}

static void drop_unread(struct sim_end *end) {
    struct list *node;
    while ((node = list_pop(&end->unread)))
        free(CONTAINER_OF(node, struct packet, node));
    end->n_unread = 0;
}

static void free_if_done(struct sim_connection *connection) {
    if (!connection->ends[0].is_closed || !connection->ends[1].is_closed ||
        connection->n_packets > 0)
        return;
    list_remove(&connection->node);
    free(connection);
}

// --- Packets ----------------------------------------------------------------------------------

static void send_packet(struct sim_end *from, enum packet_kind kind, const void *bytes, size_t len);

static void wake_end(struct sim_end *end) {
    fiber_wake_all(&end->readers);
    fiber_wake_all(&end->writers);
}

static void take_reset(struct sim_end *end) {
    if (!end->sys_errno)
        end->sys_errno = ECONNRESET;
    wake_end(end);
}

static void take_data(struct packet *packet) {
    struct sim_end *to = packet->to, *from = other_end(to);
    ASSERT(from->n_in_flight >= packet->len);
    from->n_in_flight -= packet->len;
    fiber_wake_all(&from->writers);
    bool is_gone = to->is_closed || to->connection->is_closed_between;
    if (is_gone || to->sys_errno) {
        if (is_gone)
            send_packet(to, PACKET_RST, NULL, 0);
        free(packet);
        return;
    }
    to->n_unread += packet->n_bytes;
    if (packet->n_bytes > 0)
        list_append(&to->unread, &packet->node);
    bool is_last = packet->kind == PACKET_DATA_LAST;
    if (packet->n_bytes == 0)
        free(packet);
    if (is_last) {
        to->connection->is_closed_between = true;
        to->is_eof = from->is_eof = true;
        wake_end(from);
    }
    wake_end(to);
}

static void take_signal(struct packet *packet) {
    struct sim_end *to = packet->to;
    switch (packet->kind) {
    case PACKET_FIN: to->is_eof = true; break;
    case PACKET_RST_BOTH:
        take_reset(other_end(to));
        take_reset(to);
        break;
    default: take_reset(to); break;
    }
    wake_end(to);
    free(packet);
}

static void arrive(void *arg) {
    struct packet *packet = arg;
    struct sim_connection *connection = packet->to->connection;
    sim_trace(connection->sim, packet->kind, packet->len);
    connection->n_packets--;
    if (connection->is_cut)
        free(packet);
    else if (packet->kind == PACKET_DATA || packet->kind == PACKET_DATA_LAST)
        take_data(packet);
    else
        take_signal(packet);
    free_if_done(connection);
}

static void send_packet(struct sim_end *from, enum packet_kind kind, const void *bytes,
                        size_t len) {
    struct sim_connection *connection = from->connection;
    struct sim *sim = connection->sim;
    if (from->is_silenced || connection->is_cut)
        return;
    struct packet *packet = mem_alloc_zero(sizeof(*packet) + len);
    list_init(&packet->node);
    packet->to = other_end(from);
    packet->kind = kind;
    packet->len = packet->n_bytes = len;
    if (len > 0)
        memcpy(packet->bytes, bytes, len);
    if (kind == PACKET_DATA_LAST)
        packet->n_bytes = (size_t)sim_random_below(sim, len + 1);
    const struct sim_net_rule *rule = &connection->rule;
    int64_t latency_ms = sim_random_between(sim, rule->latency_ms_min, rule->latency_ms_max);
    from->last_arrival = int64_max(from->last_arrival, sim->now + latency_ms);
    connection->n_packets++;
    io_timer_init(&packet->arrival, arrive, packet);
    timer_set_home(&packet->arrival, sim->loop, from->last_arrival);
}

// --- Streams ----------------------------------------------------------------------------------

// With chunks each read gives the rest of one, as segments would come.
static size_t take_unread(struct sim_end *end, unsigned char *out, size_t size) {
    size_t got = 0;
    while (got < size && !list_is_empty(&end->unread)) {
        struct packet *packet = CONTAINER_OF(end->unread.next, struct packet, node);
        size_t len = size_min(size - got, packet->n_bytes - packet->offset);
        memcpy(out + got, packet->bytes + packet->offset, len);
        got += len;
        packet->offset += len;
        if (packet->offset == packet->n_bytes) {
            list_remove(&packet->node);
            free(packet);
        }
        if (end->connection->rule.chunk_max > 0)
            break;
    }
    end->n_unread -= got;
    fiber_wake_all(&other_end(end)->writers);
    return got;
}

static struct io_result sim_read(struct io_stream *stream, void *out, size_t size,
                                 io_time deadline) {
    struct sim_end *end = end_of(stream);
    ASSERT(list_is_empty(&end->readers) && !end->is_closed);
    enum io_status status = fiber_enter_wait();
    while (status == IO_OK) {
        if (end->n_unread > 0) {
            size_t got = take_unread(end, out, size);
            fiber_spend(io_this_loop);
            return result_moved(IO_OK, got);
        }
        // As Linux: behind a FIN there is nothing more to read, also when a reset came after it.
        if (end->is_eof)
            return result_of(IO_EOF);
        if (end->sys_errno)
            return result_errno(end->sys_errno);
        status = fiber_wait(&end->readers, deadline, "read");
    }
    return result_of(status);
}

static size_t room(const struct sim_end *end) {
    size_t used = end->n_in_flight + other_end(end)->n_unread;
    return used < SIM_WINDOW_BYTES ? SIM_WINDOW_BYTES - used : 0;
}

// One piece on its way, with what the rule does to it.
static void send_piece(struct sim_end *end, const unsigned char *bytes, size_t len) {
    struct sim *sim = end->connection->sim;
    const struct sim_net_rule *rule = &end->connection->rule;
    if (sim_chance(sim, rule->half_open))
        end->is_silenced = true;
    if (sim_chance(sim, rule->reset))
        send_packet(end, PACKET_RST_BOTH, NULL, 0);
    end->n_in_flight += len; // for ever, where it is lost: nobody acknowledges it
    send_packet(end, sim_chance(sim, rule->close) ? PACKET_DATA_LAST : PACKET_DATA, bytes, len);
}

static size_t send_some(struct sim_end *end, const struct iovec *part, size_t offset) {
    size_t chunk_max = end->connection->rule.chunk_max;
    size_t len = size_min(part->iov_len - offset, size_min(room(end), SIM_PIECE_BYTES_MAX));
    if (chunk_max > 0)
        len = size_min(len, 1 + (size_t)sim_random_below(end->connection->sim, chunk_max));
    if (len > 0)
        send_piece(end, (const unsigned char *)part->iov_base + offset, len);
    return len;
}

static struct io_result write_part(struct sim_end *end, const struct iovec *part,
                                   io_time deadline) {
    size_t done = 0;
    while (done < part->iov_len) {
        // As Linux: a reset that answers a write behind the peer's FIN is a broken pipe.
        if (end->sys_errno)
            return (struct io_result){IO_ERROR, end->is_eof ? EPIPE : end->sys_errno, -1, -1, done};
        size_t sent = send_some(end, part, done);
        done += sent;
        if (sent > 0)
            continue;
        enum io_status status = fiber_wait(&end->writers, deadline, "write");
        if (status != IO_OK)
            return result_moved(status, done);
    }
    return result_moved(IO_OK, done);
}

static struct io_result sim_write(struct io_stream *stream, const struct iovec *parts, int n_parts,
                                  io_time deadline) {
    struct sim_end *end = end_of(stream);
    ASSERT(list_is_empty(&end->writers) && !end->is_closed);
    struct io_result result = result_of(fiber_enter_wait());
    for (int i = 0; i < n_parts && result.status == IO_OK; i++) {
        struct io_result one = write_part(end, &parts[i], deadline);
        one.bytes += result.bytes;
        result = one;
    }
    if (result.status == IO_OK)
        fiber_spend(io_this_loop);
    return result;
}

static void close_end(struct sim_end *end, bool is_reset) {
    ASSERT(!end->is_closed);
    end->is_closed = true;
    list_remove(&end->pending);
    if (!end->sys_errno)
        send_packet(end, is_reset ? PACKET_RST : PACKET_FIN, NULL, 0);
    drop_unread(end);
    free_if_done(end->connection);
}

static void sim_close(struct io_stream *stream) {
    struct sim_end *end = end_of(stream);
    ASSERT(list_is_empty(&end->readers) && list_is_empty(&end->writers));
    close_end(end, end->is_abortive || end->n_unread > 0);
}

void sim_end_reset(struct sim_end *end) {
    close_end(end, true);
}

static void sim_set_abort(struct io_stream *stream) {
    end_of(stream)->is_abortive = true;
}

const struct io_stream_ops sim_stream_ops = {
    .read = sim_read,
    .write = sim_write,
    .close = sim_close,
    .set_abort = sim_set_abort,
};

// --- Faults -----------------------------------------------------------------------------------

void sim_net_cut(struct sim *sim, const struct address *address) {
    LIST_FOR_EACH (node, &sim->connections) {
        struct sim_connection *connection = CONTAINER_OF(node, struct sim_connection, node);
        for (int i = 0; i < 2; i++) {
            const struct address *local = &connection->ends[i].stream.local;
            if (address->port ? address_equals_port(local, address)
                              : address_equals(local, address))
                connection->is_cut = true;
        }
    }
}

static bool is_of(const struct io_loop *home, const struct sim_process *process) {
    return home && home->process == process;
}

static void kill_listener(struct sim_listener *listener) {
    listener->listener.ops->close(&listener->listener);
}

void sim_net_kill(struct sim *sim, const struct sim_process *process) {
    LIST_FOR_EACH_SAFE (node, following, &sim->listeners) {
        struct sim_listener *listener = CONTAINER_OF(node, struct sim_listener, node);
        if (is_of(listener->home, process))
            kill_listener(listener);
    }
    LIST_FOR_EACH_SAFE (node, following, &sim->connections) {
        struct sim_connection *connection = CONTAINER_OF(node, struct sim_connection, node);
        connection->n_packets++; // keeps it until both ends are seen
        for (int i = 0; i < 2; i++)
            if (is_of(connection->ends[i].home, process) && !connection->ends[i].is_closed)
                close_end(&connection->ends[i], true);
        connection->n_packets--;
        free_if_done(connection);
    }
}

// At the end of the run: what is in flight is found by its timer.
static void free_packets(struct io_loop *loop) {
    for (size_t i = 0; i < loop->timers.n_nodes;) {
        struct io_timer *timer = CONTAINER_OF(loop->timers.nodes[i], struct io_timer, node);
        if (timer->fire != arrive) {
            i++;
            continue;
        }
        heap_remove(&loop->timers, &timer->node);
        free(timer->arg);
        i = 0; // the heap has moved
    }
}

void sim_net_free(struct sim *sim) {
    free_packets(sim->loop);
    while (!list_is_empty(&sim->listeners))
        kill_listener(CONTAINER_OF(sim->listeners.next, struct sim_listener, node));
    free_packets(sim->loop); // the listeners' good-byes
    struct list *node;
    while ((node = list_pop(&sim->connections))) {
        struct sim_connection *connection = CONTAINER_OF(node, struct sim_connection, node);
        drop_unread(&connection->ends[0]);
        drop_unread(&connection->ends[1]);
        free(connection);
    }
    while ((node = list_pop(&sim->rules)))
        free(CONTAINER_OF(node, struct sim_rule, node));
}
