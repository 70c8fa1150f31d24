// SPDX-License-Identifier: Apache-2.0
// A delivery session to servers that say anything: two hosts, three messages, in the simulator. The
// input is what the connections hear, one after another, cut at 0xff.
#include "deliver/deliver.h"
#include "io/sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { ITEMS = 3, RCPTS = 3 };

// --- Bodies instead of the spool's ------------------------------------------------------------
static const struct view text = {".a\r\nb\nc", 8};

enum spool_status spool_body_open(struct spool *spool, struct spool_id id,
                                  struct spool_body **body) {
    *body = (struct spool_body *)(uintptr_t)&text;
    return id.lo == ITEMS ? SPOOL_NOT_FOUND : SPOOL_OK;
}

enum spool_status spool_body_read(struct spool_body *body, uint64_t offset, size_t max,
                                  char *scratch, struct view *piece) {
    *piece = view_skip(text, offset);
    return SPOOL_OK;
}

uint64_t spool_body_size(const struct spool_body *body) {
    return text.len;
}

void spool_body_unref(struct spool_body *body) {
}

size_t spool_id_format(struct spool_id id, char out[SPOOL_ID_TEXT_SIZE]) {
    return (size_t)snprintf(out, SPOOL_ID_TEXT_SIZE, "ID%llu", (unsigned long long)id.lo);
}

// --- The lane -----------------------------------------------------------------------------------
struct lane {
    struct view says;
    struct io_listener *listener;
    struct deliver_item items[ITEMS];
    struct mail_envelope envelopes[ITEMS];
    struct mail_recipient recipients[RCPTS];
    uint32_t indices[RCPTS];
    struct fact results[ITEMS][RCPTS];
    char *texts[ITEMS][RCPTS];
    unsigned n_given, n_settled, n_attempts;
    bool is_lazy;
};

static void answer(void *arg) {
    struct lane *lane = arg;
    struct io_stream *stream;
    char heard[4096];
    while (io_is_ok(io_accept(lane->listener, IO_NEVER, &stream))) {
        struct view part;
        if (view_split(&lane->says, '\xff', &part)) {
            io_write(stream, part.ptr, part.len, io_after(1000));
            while (io_is_ok(io_read(stream, heard, sizeof(heard), io_after(1000))))
                continue;
        }
        io_close(stream);
    }
}

static struct deliver_item *next(void *arg, enum deliver_ask ask) {
    struct lane *lane = arg;
    if (lane->n_given == ITEMS || (lane->is_lazy && ask == DELIVER_ASK_NOW))
        return NULL;
    return &lane->items[lane->n_given++];
}

static void settled(void *arg, struct deliver_item *item) {
    struct lane *lane = arg;
    lane->n_settled++;
    for (size_t i = 0; i < item->n_rcpts; i++) {
        const struct fact *fact = &item->results[i];
        // Delivered is only what a dot was answered for.
        if (fact_is_ok(fact) && (fact->stage != FACT_STAGE_DOT || fact->reply_code / 100 != 2 ||
                                 !(fact->flags & FACT_FLAG_DOT_SENT)))
            abort();
    }
}

static void attempted(void *arg, const struct attempt *attempt) {
    ((struct lane *)arg)->n_attempts++;
}

static void make_items(struct lane *lane) {
    static const char *const addresses[RCPTS] = {"a@b.example", "c@b.example",
                                                 "\xc3\xa4@b.example"};
    for (uint32_t i = 0; i < RCPTS; i++) {
        lane->recipients[i].address = view_of(addresses[i]);
        lane->indices[i] = i;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        lane->envelopes[i] = (struct mail_envelope){.sender = VIEW("ann@a.example"),
                                                    .recipients = lane->recipients,
                                                    .n_recipients = RCPTS,
                                                    .size_bytes = text.len,
                                                    .has_8bit = i == 1};
        lane->items[i] = (struct deliver_item){.id.lo = i + 1,
                                               .envelope = &lane->envelopes[i],
                                               .rcpt_indices = lane->indices,
                                               .n_rcpts = i == 0 ? 2 : RCPTS - i,
                                               .results = lane->results[i],
                                               .result_texts = lane->texts[i]};
    }
}

static struct fact let_pass(bool is_server, const struct tls_policy *policy, void *arg) {
    return fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
}

static void run(void *arg) {
    struct lane *lane = arg;
    struct error error;
    struct address address = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};
    struct config_connector connector = {.name = "fuzz", .tls = CONFIG_TLS_OPPORTUNISTIC};
    lane->listener = io_listen(&address, false, &error);
    address = io_listener_address(lane->listener);
    struct address other = address;
    struct route_host hosts[] = {{.name = VIEW("mx1"), .addresses = &address, .n_addresses = 1},
                                 {.name = VIEW("mx2"), .addresses = &other, .n_addresses = 1}};
    struct route route = {.connector = &connector,
                          .domain = VIEW("b.example"),
                          .fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_OK),
                          .hosts = hosts,
                          .n_hosts = 2};
    struct deliver_job job = {.route = &route,
                              .memory = deliver_memory_create(),
                              .hostname = VIEW("relay.example"),
                              .round_deadline = io_after(600000),
                              .may_fall_back = lane->is_lazy,
                              .hooks = {next, settled, attempted, lane}};
    struct deliver_report report;
    struct arena arena;
    struct io_fiber *server = io_spawn("server", answer, lane);
    connector.tls_fallback = true;
    arena_init(&arena, 1 << 20);
    deliver_session(&job, &arena, &report);
    if (lane->n_settled != lane->n_given || (report.end == DELIVER_END_DONE && !lane->n_attempts))
        abort();
    arena_finish(&arena);
    deliver_memory_destroy(job.memory);
    io_cancel(server);
    io_yield();
    io_listener_close(lane->listener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lane lane;
    if (size < 2)
        return -1;
    lane = (struct lane){.says = view_from(data + 1, size - 1), .is_lazy = data[0] & 1};
    make_items(&lane);
    struct sim *sim = sim_create(data[0]);
    struct sim_net_rule rule = {.chunk_max = data[0] & 2 ? 7 : 0};
    sim_net_default(sim, &rule);
    tls_double_install(let_pass, NULL);
    io_spawn("lane", run, &lane);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t k = 0; k < RCPTS; k++)
            free(lane.texts[i][k]);
    return 0;
}
