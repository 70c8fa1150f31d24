// SPDX-License-Identifier: Apache-2.0
// What waiting costs: a switch between fibers, an event, a sleep, a byte there and back over
// loopback within one loop and between two, a mailbox between two threads, a call in the pool.
#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static int64_t n_rounds = 1000000;

struct start {
    int64_t wall_us, cpu_us;
};

// Of all threads of the process.
static int64_t cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static struct start start_now(void) {
    return (struct start){io_now_us(), cpu_us()};
}

static void report(const char *what, struct start start, int64_t n) {
    double wall = (double)(io_now_us() - start.wall_us), cpu = (double)(cpu_us() - start.cpu_us);
    printf("%-40s %10.1f ns, %10.1f ns of processors\n", what, wall * 1000 / (double)n,
           cpu * 1000 / (double)n);
}

static void yield_all(void *arg) {
    for (int64_t i = 0; i < n_rounds; i++)
        io_yield();
}

static void bench_yield(int n_fibers) {
    char what[64];
    struct io_group group;
    io_group_init(&group);
    for (int i = 0; i < n_fibers; i++)
        io_group_spawn(&group, "yield", yield_all, NULL);
    struct start start = start_now();
    io_group_wait(&group, IO_NEVER);
    snprintf(what, sizeof(what), "switch among %d fibers", n_fibers);
    report(what, start, n_rounds * n_fibers);
}

struct pair {
    struct io_event ping, pong;
};

static void pong(void *arg) {
    struct pair *pair = arg;
    for (int64_t i = 0; i < n_rounds; i++) {
        io_event_wait(&pair->ping, io_after(300000));
        io_event_clear(&pair->ping);
        io_event_set(&pair->pong);
    }
}

static void bench_event(void) {
    struct pair pair;
    io_event_init(&pair.ping);
    io_event_init(&pair.pong);
    io_spawn("pong", pong, &pair);
    struct start start = start_now();
    for (int64_t i = 0; i < n_rounds; i++) {
        io_event_set(&pair.ping);
        io_event_wait(&pair.pong, io_after(300000));
        io_event_clear(&pair.pong);
    }
    report("event wait with a deadline", start, 2 * n_rounds);
}

static void nothing(void *arg) {
}

static void bench_spawn(void) {
    struct start start = start_now();
    for (int64_t i = 0; i < n_rounds; i++) {
        io_spawn("nothing", nothing, NULL);
        io_yield();
    }
    report("spawn, run and end", start, n_rounds);
}

static void echo(void *arg) {
    struct io_stream *stream = arg;
    char bytes[4096];
    struct io_result got;
    while (io_is_ok(got = io_read(stream, bytes, sizeof(bytes), io_after(300000))))
        io_write(stream, bytes, got.bytes, io_after(300000));
    io_close(stream);
}

static void serve(void *arg) {
    struct io_stream *stream;
    while (io_is_ok(io_accept(arg, IO_NEVER, &stream)))
        io_spawn("echo", echo, stream);
    io_listener_close(arg);
}

struct client {
    struct address where;
    int64_t n;
};

static void call(void *arg) {
    struct client *client = arg;
    struct io_stream *stream;
    char bytes[4096];
    if (!io_is_ok(io_connect(&client->where, NULL, io_after(5000), &stream)))
        return;
    for (int64_t i = 0; i < client->n; i++) {
        io_write(stream, "NOOP\r\n", 6, io_after(300000));
        io_read(stream, bytes, sizeof(bytes), io_after(300000));
    }
    io_close(stream);
}

static void bench_echo(struct io_loop *server, int n_clients) {
    struct address any = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};
    struct error error;
    char what[64];
    struct io_group group;
    struct io_listener *listener = io_listen(&any, false, &error);
    struct client client = {io_listener_address(listener), n_rounds / 10 / n_clients};
    struct io_fiber *local = server ? NULL : io_spawn("serve", serve, listener);
    if (server)
        io_spawn_on(server, "serve", serve, listener);
    io_group_init(&group);
    struct start start = start_now();
    for (int i = 0; i < n_clients; i++)
        io_group_spawn(&group, "call", call, &client);
    io_group_wait(&group, IO_NEVER);
    snprintf(what, sizeof(what), "line and answer, %d clients, %s", n_clients,
             server ? "two loops" : "one loop");
    report(what, start, client.n * n_clients);
    if (local)
        io_cancel(local);
}

struct letter {
    struct io_mail mail;
    struct io_mailbox *back;
};

static struct io_mailbox *requests;

static void answer(void *arg) {
    struct io_mail *mail;
    requests = io_mailbox_create(io_loop_current());
    io_event_set(arg);
    while ((mail = io_mailbox_take_all(requests, IO_NEVER)))
        while (mail) {
            struct io_mail *next = mail->next;
            io_mailbox_post(CONTAINER_OF(mail, struct letter, mail)->back, mail);
            mail = next;
        }
    io_mailbox_destroy(requests);
}

static void start_answering(void *arg) {
    static struct io_event unused;
    io_event_init(&unused);
    io_spawn("answer", answer, &unused);
}

static void bench_mailbox(struct io_loop *other, int n_letters) {
    struct letter *letters = calloc((size_t)n_letters, sizeof(*letters));
    struct io_mailbox *back = io_mailbox_create(io_loop_current());
    char what[64];
    int64_t n = n_rounds / 10, n_left = n;
    struct start start = start_now();
    for (int i = 0; i < n_letters; i++) {
        letters[i].back = back;
        io_mailbox_post(requests, &letters[i].mail);
    }
    for (int n_out = n_letters; n_out > 0;) {
        struct io_mail *mail = io_mailbox_take_all(back, IO_NEVER);
        while (mail) {
            struct io_mail *next = mail->next;
            if (--n_left > n_letters)
                io_mailbox_post(requests, mail);
            else
                n_out--;
            mail = next;
        }
    }
    snprintf(what, sizeof(what), "letter and answer, %d under way", n_letters);
    report(what, start, n);
    io_mailbox_destroy(back);
    free(letters);
}

static void bench_offload(void) {
    int64_t n = n_rounds / 50;
    struct start start = start_now();
    for (int64_t i = 0; i < n; i++)
        io_offload(nothing, NULL);
    report("call in the pool", start, n);
}

static void bench_clock(void) {
    struct start start = start_now();
    int64_t sum = 0;
    for (int64_t i = 0; i < n_rounds; i++)
        sum += io_now();
    report(sum ? "io_now" : "", start, n_rounds);
}

static void run(void *arg) {
    struct error error;
    struct io_loop *other =
        io_loop_start_thread(&(struct io_loop_options){.name = "other"}, &error);
    bench_clock();
    bench_yield(2);
    bench_yield(1000);
    bench_event();
    bench_spawn();
    bench_echo(NULL, 1);
    bench_echo(NULL, 100);
    bench_echo(other, 1);
    bench_echo(other, 100);
    io_loop_post(other, start_answering, NULL);
    io_sleep(io_after(50));
    bench_mailbox(other, 1);
    bench_mailbox(other, 100);
    bench_offload();
    io_mailbox_wake(requests);
    io_loop_join_thread(other);
}

int main(int argc, char **argv) {
    struct error error;
    if (argc > 1)
        n_rounds = strtoll(argv[1], NULL, 10);
    struct io_loop *loop = io_loop_create(&(struct io_loop_options){.name = "bench"}, &error);
    io_spawn("bench", run, NULL);
    io_loop_run(loop);
    io_loop_destroy(loop);
    return 0;
}
