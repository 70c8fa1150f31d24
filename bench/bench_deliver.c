// SPDX-License-Identifier: Apache-2.0
// What a delivery costs without queue and disk: sessions on one loop that hand out the same message
// over and over, to the sink (bench/sink.c) or any server.
//
// bench_deliver ADDRESS:PORT MESSAGES BYTES SESSIONS
#include "deliver/deliver.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static struct {
    uint64_t n_left, n_done, n_failed;
    char *body;
    size_t body_bytes;
    struct route route;
    struct deliver_memory *memory;
    struct tls_context *tls;
} bench;

// --- Bodies instead of the spool's ------------------------------------------------------------
enum spool_status spool_body_open(struct spool *spool, struct spool_id id,
                                  struct spool_body **body) {
    *body = (struct spool_body *)(void *)bench.body;
    return SPOOL_OK;
}

enum spool_status spool_body_read(struct spool_body *body, uint64_t offset, size_t max,
                                  char *scratch, struct view *piece) {
    *piece = view_take(view_skip(view_from(bench.body, bench.body_bytes), offset), max);
    return SPOOL_OK;
}

uint64_t spool_body_size(const struct spool_body *body) {
    return bench.body_bytes;
}

void spool_body_unref(struct spool_body *body) {
}

size_t spool_id_format(struct spool_id id, char out[SPOOL_ID_TEXT_SIZE]) {
    return (size_t)snprintf(out, SPOOL_ID_TEXT_SIZE, "%llX", (unsigned long long)id.lo);
}

// --- Work ---------------------------------------------------------------------------------------
static struct deliver_item *next(void *arg, enum deliver_ask ask) {
    static struct mail_recipient recipient = {.address = VIEW("bob@b.example")};
    static struct mail_envelope envelope = {
        .sender = VIEW("ann@a.example"), .recipients = &recipient, .n_recipients = 1};
    static uint32_t index;
    if (bench.n_left == 0)
        return NULL;
    envelope.size_bytes = bench.body_bytes;
    struct deliver_item *item = mem_alloc_zero(sizeof(*item) + sizeof(struct fact));
    item->id.lo = bench.n_left--;
    item->envelope = &envelope;
    item->rcpt_indices = &index;
    item->n_rcpts = 1;
    item->results = (struct fact *)(item + 1);
    item->result_texts = mem_alloc_zero(sizeof(char *));
    return item;
}

static void settled(void *arg, struct deliver_item *item) {
    if (fact_is_ok(&item->results[0]))
        bench.n_done++;
    else
        bench.n_failed++;
    free(item->result_texts[0]);
    free(item->result_texts);
    free(item);
}

static void run_session(void *arg) {
    struct deliver_job job = {.route = &bench.route,
                              .memory = bench.memory,
                              .tls = bench.tls,
                              .hostname = VIEW("bench.example"),
                              .round_deadline = io_after(600000),
                              .hooks = {.next = next, .settled = settled}};
    struct deliver_report report;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    deliver_session(&job, &arena, &report);
    if (report.end != DELIVER_END_DONE)
        fprintf(stderr, "a session ended early: stage %d, kind %d\n", (int)report.fact.stage,
                (int)report.fact.kind);
    arena_finish(&arena);
}

static double cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void make_body(size_t size) {
    bench.body = mem_alloc(size);
    bench.body_bytes = size;
    for (size_t i = 0; i < size; i++)
        bench.body[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : 'x';
}

static bool read_number(const char *text, uint64_t *number) {
    return view_to_u64(view_of(text), number) && *number > 0;
}

int main(int argc, char **argv) {
    static struct address address;
    static struct config_connector connector = {.name = "bench", .tls = CONFIG_TLS_OPPORTUNISTIC};
    static struct route_host host = {.name = VIEW("sink"), .addresses = &address, .n_addresses = 1};
    uint64_t n_messages = 0, n_bytes = 0, n_sessions = 0;
    struct error error;
    struct io_loop_options options = {.name = "bench"};
    struct tls_context_options tls = {.ca_file = NULL};
    if (argc != 5 || !address_parse_port(view_of(argv[1]), &address) ||
        !read_number(argv[2], &n_messages) || !read_number(argv[3], &n_bytes) ||
        !read_number(argv[4], &n_sessions)) {
        fprintf(stderr, "usage: bench_deliver ADDRESS:PORT MESSAGES BYTES SESSIONS\n");
        return 2;
    }
    struct io_loop *loop = io_loop_create(&options, &error);
    make_body(n_bytes);
    bench.n_left = n_messages;
    bench.memory = deliver_memory_create();
    bench.tls = tls_context_create(&tls, &error);
    bench.route = (struct route){.connector = &connector,
                                 .domain = VIEW("b.example"),
                                 .fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_OK),
                                 .hosts = &host,
                                 .n_hosts = 1};
    double wall = (double)io_now_us(), cpu = cpu_us();
    for (uint64_t i = 0; i < n_sessions; i++)
        io_spawn("session", run_session, NULL);
    io_loop_run(loop);
    wall = (double)io_now_us() - wall;
    cpu = cpu_us() - cpu;
    printf("%llu delivered, %llu not; %.0f messages/s, %.1f us of processor each\n",
           (unsigned long long)bench.n_done, (unsigned long long)bench.n_failed,
           (double)bench.n_done * 1e6 / wall, cpu / (double)n_messages);
    io_loop_destroy(loop);
    deliver_memory_destroy(bench.memory);
    tls_context_unref(bench.tls);
    free(bench.body);
    return bench.n_failed != 0;
}
