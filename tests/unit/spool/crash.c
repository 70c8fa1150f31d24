// SPDX-License-Identifier: Apache-2.0
// Kills and power cuts at random disk operations, in the simulator. A model remembers what was
// acknowledged; after each start the store must hold that: acknowledged messages with the right
// marks, states and bodies, settled ones gone, notes right, and what was not acknowledged wholly
// there or not at all. A seed that fails is printed; SPOOL_SEED=n runs that one alone, and
// SPOOL_SEEDS=n so many.
#include "unit/spool/spool_test.h"

enum {
    MODEL_MESSAGES_MAX = 900,
    MODEL_RCPTS_MAX = 6,
    MODEL_NOTES = 6,
    CYCLES = 7,
    SEEDS = 150,
    PRODUCERS = 3,
    WORKERS = 4
};

// What is known of one thing: the value that was acknowledged, and one that may have come after it.
struct fact_of {
    int acked;
    int pending; // -1: none
};

struct model_rcpt {
    struct fact_of settled; // 0 or 1
    struct fact_of state;   // number of the state; 0: none
};

struct model_message {
    struct spool_id id;
    uint32_t n_rcpts;
    uint64_t size;
    bool is_long_lived; // never settled
    bool is_busy;       // a fiber works on it
    enum { UNSURE, THERE, GONE } state;
    struct model_rcpt rcpts[MODEL_RCPTS_MAX];
};

struct model {
    struct sim *sim;
    uint64_t seed;
    struct model_message messages[MODEL_MESSAGES_MAX];
    size_t n_messages, n_messages_max;
    struct fact_of notes[MODEL_NOTES];
    int n_values; // every state and note value is another number
    struct spool *spool;
    struct seen *seen;
    struct sim_process *process;
    bool has_faults; // the disk of this cycle fails or fills
    bool closes;     // this cycle ends in order
    bool is_over;
    size_t n_fibers;
    uint64_t n_checked, n_killed, n_torn, n_cleaned, n_refused;
};

static struct model *model;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "seed %llu: ", (unsigned long long)model->seed);                       \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, " (%s:%d)\n", __FILE__, __LINE__);                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static uint64_t below(uint64_t limit) {
    return sim_random_below(model->sim, limit);
}

static const char *name_of(const struct model_message *message) {
    static char text[SPOOL_ID_TEXT_SIZE];
    spool_id_format(message->id, text);
    return text;
}

static bool may_be(const struct fact_of *fact, int value) {
    return fact->acked == value || (fact->pending >= 0 && fact->pending == value);
}

static void adopt(struct fact_of *fact, int value) {
    *fact = (struct fact_of){value, -1};
}

static void acknowledge(struct fact_of *fact) {
    if (fact->pending >= 0)
        fact->acked = fact->pending;
    fact->pending = -1;
}

// --- The check after a start ---------------------------------------------------------------------
static int value_of(const char *text) {
    return (int)strtol(text, NULL, 10);
}

static bool must_be_there(const struct model_message *message) {
    if (message->state != THERE)
        return false;
    for (uint32_t i = 0; i < message->n_rcpts; i++)
        if (message->rcpts[i].settled.acked == 0 && message->rcpts[i].settled.pending < 0)
            return true;
    return false;
}

static bool may_be_there(const struct model_message *message) {
    if (message->state == GONE)
        return false;
    for (uint32_t i = 0; i < message->n_rcpts; i++)
        if (message->rcpts[i].settled.acked == 0)
            return true;
    return false;
}

static void check_message(struct model_message *message, const struct seen_message *seen) {
    CHECK(seen->n_rcpts == message->n_rcpts && seen->body_bytes == message->size,
          "%s came back otherwise", name_of(message));
    for (uint32_t i = 0; i < message->n_rcpts; i++) {
        struct model_rcpt *rcpt = &message->rcpts[i];
        int settled = (int)(seen->settled >> i & 1), state = value_of(seen->states[i]);
        CHECK(may_be(&rcpt->settled, settled), "%s: recipient %u is settled: %d", name_of(message),
              i, settled);
        CHECK(settled || may_be(&rcpt->state, state), "%s: recipient %u has state %d, not %d or %d",
              name_of(message), i, state, rcpt->state.acked, rcpt->state.pending);
        adopt(&rcpt->settled, settled);
        if (!settled)
            adopt(&rcpt->state, state);
    }
    message->state = THERE;
}

static void check_messages(void) {
    size_t n_known = 0;
    for (size_t i = 0; i < model->n_messages; i++) {
        struct model_message *message = &model->messages[i];
        bool is_there = has_seen(model->seen, message->id);
        message->is_busy = false;
        n_known += is_there;
        CHECK(is_there || !must_be_there(message), "%s is lost", name_of(message));
        CHECK(!is_there || may_be_there(message), "%s came back from the dead", name_of(message));
        if (is_there)
            check_message(message, seen_of(model->seen, message->id));
        else
            message->state = GONE;
    }
    CHECK(n_known == model->seen->n, "messages that nobody made");
    CHECK(model->seen->recovery.lost_messages == 0, "a start reports lost messages");
    CHECK(model->seen->recovery.damaged_records == 0, "a start reports damage");
    model->n_checked += n_known;
}

static void check_note(struct view key, struct view value, void *arg) {
    int *found = arg;
    char text[32];
    view_copy_string(value, text, sizeof(text));
    found[key.ptr[0] - 'a'] = value_of(text);
}

static void check_notes(void) {
    int found[MODEL_NOTES] = {0};
    spool_notes_each(model->spool, check_note, found);
    for (int i = 0; i < MODEL_NOTES; i++) {
        CHECK(may_be(&model->notes[i], found[i]), "note %c is %d, not %d or %d", 'a' + i, found[i],
              model->notes[i].acked, model->notes[i].pending);
        adopt(&model->notes[i], found[i]);
    }
}

static void check_bodies(unsigned one_of) {
    for (size_t i = 0; i < model->n_messages; i++) {
        const struct model_message *message = &model->messages[i];
        if (!must_be_there(message) || message->is_busy || below(one_of) != 0)
            continue;
        CHECK(stored_body_matches(model->spool, message->id, message->size), "%s: the body differs",
              name_of(message));
    }
}

// --- Work ----------------------------------------------------------------------------------------
static uint64_t random_size(void) {
    switch (below(40)) {
    case 0: return below(700000);
    case 1: return below(70000);
    case 2: return 0;
    default: return below(6000);
    }
}

static struct model_message *new_message(struct spool_id id) {
    if (model->n_messages == MODEL_MESSAGES_MAX)
        return NULL;
    struct model_message *message = &model->messages[model->n_messages++];
    *message =
        (struct model_message){.id = id,
                               .n_rcpts = below(3) ? 1 : 1 + (uint32_t)below(MODEL_RCPTS_MAX),
                               .size = random_size(),
                               .is_long_lived = below(8) == 0,
                               .is_busy = true};
    for (uint32_t i = 0; i < MODEL_RCPTS_MAX; i++)
        message->rcpts[i].settled.pending = message->rcpts[i].state.pending = -1;
    return message;
}

static bool is_known(struct spool_id id) {
    for (size_t i = 0; i < model->n_messages; i++)
        if (spool_id_equals(model->messages[i].id, id))
            return true;
    return false;
}

// None where the same notice was tried before: what became of that one is another question.
static struct model_message *new_notice(struct spool_id origin, uint32_t rcpt) {
    struct spool_id id = spool_id_derive(origin, &rcpt, 1, 1);
    bool is_notice = (origin.hi & (1U << 31)) != 0;
    return is_notice || is_known(id) ? NULL : new_message(id);
}

static bool add_to(struct spool_tx *tx, struct model_message *message) {
    struct spool_body *body = make_body(model->spool, NULL, message->id.lo, message->size);
    if (body)
        add_message(tx, message->id, message->n_rcpts, body);
    spool_body_unref(body);
    return body != NULL;
}

// A refusal that leaves the question open whether it is there.
static bool is_done(enum spool_status status) {
    CHECK(status == SPOOL_OK || model->has_faults, "commit says %d on a disk without faults",
          status);
    model->n_refused += status != SPOOL_OK;
    return status == SPOOL_OK;
}

static void produce(void) {
    if (model->n_messages >= model->n_messages_max)
        return; // some are left for each life
    struct model_message *message = new_message(spool_id_next(model->spool));
    if (!message)
        return;
    struct spool_tx *tx = spool_tx_create(model->spool);
    if (!add_to(tx, message)) {
        CHECK(model->has_faults, "a body is refused");
        spool_tx_destroy(tx);
        message->state = GONE;
        return;
    }
    if (below(3) == 0) {
        char text[16];
        snprintf(text, sizeof(text), "%d", ++model->n_values);
        message->rcpts[0].state.pending = model->n_values;
        spool_tx_update(tx, message->id, 0, view_of(text));
    }
    if (!is_done(spool_commit(tx)))
        return;
    message->state = THERE;
    message->is_busy = false;
    acknowledge(&message->rcpts[0].state);
}

static struct model_message *choose_message(void) {
    for (int i = 0; i < 20 && model->n_messages > 0; i++) {
        struct model_message *message = &model->messages[below(model->n_messages)];
        if (message->state == THERE && !message->is_busy && may_be_there(message))
            return message;
    }
    return NULL;
}

// Some recipients settle, others get a new state, and sometimes a notice is born: all as one.
static void work_on(struct model_message *message) {
    struct spool_tx *tx = spool_tx_create(model->spool);
    struct model_message *notice = NULL;
    uint32_t first = MODEL_RCPTS_MAX;
    message->is_busy = true;
    for (uint32_t i = 0; i < message->n_rcpts; i++) {
        struct model_rcpt *rcpt = &message->rcpts[i];
        char text[16];
        if (rcpt->settled.acked || below(3) == 0)
            continue;
        if (!message->is_long_lived && below(2)) {
            rcpt->settled.pending = 1;
            spool_tx_settle(tx, message->id, i);
            first = first == MODEL_RCPTS_MAX ? i : first;
            continue;
        }
        snprintf(text, sizeof(text), "%d", ++model->n_values);
        rcpt->state.pending = model->n_values;
        spool_tx_update(tx, message->id, i, view_of(text));
    }
    if (first < MODEL_RCPTS_MAX && below(6) == 0) {
        notice = new_notice(message->id, first);
        if (notice && !add_to(tx, notice))
            notice->state = GONE;
    }
    if (!is_done(spool_commit(tx)))
        return;
    for (uint32_t i = 0; i < message->n_rcpts; i++) {
        acknowledge(&message->rcpts[i].settled);
        acknowledge(&message->rcpts[i].state);
    }
    message->is_busy = false;
    if (notice && notice->state == UNSURE) {
        notice->state = THERE;
        notice->is_busy = false;
    }
}

static void set_note(void) {
    int note = (int)below(MODEL_NOTES), value = below(4) ? ++model->n_values : 0;
    char key[2] = {(char)('a' + note), 0}, text[16] = "";
    if (model->notes[note].pending >= 0)
        return;
    if (value)
        snprintf(text, sizeof(text), "%d", value);
    model->notes[note].pending = value;
    if (is_done(put_note(model->spool, key, text)))
        acknowledge(&model->notes[note]);
}

static void producer_main(void *arg) {
    while (!model->is_over) {
        produce();
        io_sleep(io_after((int64_t)below(8)));
    }
    model->n_fibers--;
}

static void worker_main(void *arg) {
    while (!model->is_over) {
        struct model_message *message = below(8) ? choose_message() : NULL;
        if (message)
            work_on(message);
        else
            set_note();
        if (below(20) == 0)
            check_bodies(30);
        io_sleep(io_after((int64_t)below(10)));
    }
    model->n_fibers--;
}

// --- One life of the process ---------------------------------------------------------------------
static void process_main(void *arg) {
    struct spool_options options = small_options();
    options.memory_bytes = 200 << 10; // now and then there is none left
    model->spool = open_with(&options, model->seen);
    CHECK(model->spool || model->has_faults, "cannot open: %s", model->seen->error.text);
    if (!model->spool)
        return;
    check_messages();
    check_notes();
    check_bodies(model->has_faults ? 1000 : 4);
    model->is_over = false;
    for (int i = 0; i < PRODUCERS; i++)
        io_spawn("producer", producer_main, NULL);
    for (int i = 0; i < WORKERS; i++)
        io_spawn("worker", worker_main, NULL);
    model->n_fibers = PRODUCERS + WORKERS;
    io_sleep(io_after(200 + (int64_t)below(6000)));
    if (!model->closes)
        return;
    model->is_over = true;
    while (model->n_fibers > 0)
        io_sleep(io_after(5));
    spool_close(model->spool);
}

static void set_disk(void) {
    struct sim_disk_rule rule = {.sync_ms_max = (int64_t)below(4)};
    if (model->has_faults) {
        rule.sync_error = below(3) ? 0 : (unsigned)below(100);
        rule.write_error = below(3) ? 0 : (unsigned)below(100);
        rule.bytes_total = below(2) ? (900 << 10) + below(4 << 20) : 0;
    }
    sim_disk_rule(model->sim, &rule);
}

// What a failed sync left in the page cache is no proof of anything: such a life ends with a cut.
static void run_life(bool is_last) {
    bool power_cut = below(2) != 0;
    model->has_faults = !is_last && below(4) == 0;
    model->closes = is_last || below(3) == 0;
    power_cut |= model->has_faults;
    set_disk();
    model->process = sim_process_start(model->sim, "relay", process_main, NULL);
    if (!model->closes && below(4))
        sim_process_kill_at_disk_op(model->process, 1 + below(below(2) ? 40 : 1500), power_cut);
    io_time until = io_after(20000);
    while (io_now() < until && sim_process_is_running(model->process))
        io_sleep(io_after(50));
    CHECK(!model->closes || model->has_faults || !sim_process_is_running(model->process),
          "a close does not end");
    model->n_killed += sim_process_is_running(model->process);
    sim_process_kill(model->process, power_cut);
}

static void controller_main(void *arg) {
    for (size_t cycle = 0; cycle < CYCLES; cycle++) {
        model->n_messages_max = MODEL_MESSAGES_MAX * (cycle + 1) / CYCLES;
        run_life(cycle == CYCLES - 1);
    }
}

static void run_seed(uint64_t seed) {
    snprintf(test_directory, sizeof(test_directory), "/spool");
    model = mem_alloc_zero(sizeof(*model));
    model->seen = make_seen();
    model->seed = seed;
    for (int i = 0; i < MODEL_NOTES; i++)
        model->notes[i].pending = -1;
    model->sim = sim_create(seed);
    io_spawn("controller", controller_main, NULL);
    sim_run(model->sim, IO_NEVER);
    sim_destroy(model->sim);
    if (getenv("SPOOL_VERBOSE"))
        printf("seed %llu: %zu messages, %llu checked, %llu refused\n", (unsigned long long)seed,
               model->n_messages, (unsigned long long)model->n_checked,
               (unsigned long long)model->n_refused);
    free(model->seen);
    free(model);
}

static void kills_lose_nothing(void **state) {
    const char *one = getenv("SPOOL_SEED"), *many = getenv("SPOOL_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t n = one ? 1 : many ? strtoull(many, NULL, 10) : SEEDS;
    log_set_level(one ? LOG_LEVEL_INFO : (enum log_level)(LOG_LEVEL_ERROR + 1));
    for (uint64_t seed = first; seed < first + n; seed++)
        run_seed(seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(kills_lose_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
