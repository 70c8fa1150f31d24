// SPDX-License-Identifier: Apache-2.0
// What the ledger costs: the caller's time for an attempt, the writer's processor time for a
// recipient, the bytes on disk, and how long `why` takes with millions of recipients stored.
//
//   bench_ledger [recipients in thousands, default 3000] [directory, default ./bench-ledger]
#include "ledger/ledger.h"

#include "base/log.h"
#include "base/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { N_QUERIES = 400, N_DOMAINS = 2000 };

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct run {
    const char *directory;
    unsigned n_recipients;
    struct ledger *ledger;
    struct rng rng;
    unsigned next;
    double caller_s;
};

// --- Filling -------------------------------------------------------------------------------------

static struct fact delivered(void) {
    struct fact fact = fact_make(FACT_STAGE_DOT, FACT_KIND_OK);
    fact.reply_code = 250;
    fact.elapsed_ms = 3;
    fact.bytes_sent = 4096;
    fact.at_ms = io_wall_ms();
    fact.text = VIEW("2.0.0 Ok: queued as 4XkPqT2z9Jz1r");
    return fact;
}

struct names {
    char message[32], recipient[64], domain[32], site[48];
};

static void name(const struct run *run, unsigned n, struct names *names) {
    unsigned domain = n / 100 % N_DOMAINS;
    snprintf(names->message, sizeof(names->message), "01J%012XK", n);
    snprintf(names->domain, sizeof(names->domain), "customer-%u.example", domain);
    snprintf(names->site, sizeof(names->site), "mx.customer-%u.example", domain);
    snprintf(names->recipient, sizeof(names->recipient), "firstname.lastname%u@%s", n,
             names->domain);
}

// One attempt with `n_results` deliveries; one in a thousand recipients is refused.
static void store(struct run *run, unsigned n_results) {
    static struct names names[100];
    static struct attempt_result results[100];
    for (unsigned i = 0; i < n_results; i++, run->next++) {
        name(run, run->next, &names[i]);
        results[i] = (struct attempt_result){.message_id = view_of(names[i].message),
                                             .recipient = view_of(names[i].recipient),
                                             .fact = delivered()};
        if (run->next % 1000 == 0)
            results[i].fact.kind = FACT_KIND_REPLY;
    }
    struct attempt attempt = {.at_ms = io_wall_ms(),
                              .elapsed_ms = 40,
                              .connector = VIEW("internet"),
                              .domain = view_of(names[0].domain),
                              .site = view_of(names[0].site),
                              .host = view_of(names[0].site),
                              .helo = VIEW("relay.example.net"),
                              .greeting = VIEW("mx.customer.example ESMTP ready"),
                              .tls = VIEW("TLSv1.3 TLS_AES_256_GCM_SHA384"),
                              .fact = delivered(),
                              .results = results,
                              .n_results = n_results};
    double before = seconds(CLOCK_THREAD_CPUTIME_ID);
    ledger_attempt(run->ledger, &attempt);
    run->caller_s += seconds(CLOCK_THREAD_CPUTIME_ID) - before;
}

static IO_WAITS void drain(struct run *run, uint64_t queued_bytes) {
    while (ledger_counts(run->ledger).queued_bytes > queued_bytes)
        io_sleep(io_after(1));
}

static IO_WAITS void fill(struct run *run, unsigned n_results, unsigned n_recipients) {
    unsigned end = run->next + n_recipients, first = run->next;
    double process = seconds(CLOCK_PROCESS_CPUTIME_ID), own = seconds(CLOCK_THREAD_CPUTIME_ID);
    run->caller_s = 0;
    while (run->next < end) {
        store(run, n_results);
        drain(run, 4 << 20);
    }
    drain(run, 0);
    double n = run->next - first;
    double writer =
        seconds(CLOCK_PROCESS_CPUTIME_ID) - process - (seconds(CLOCK_THREAD_CPUTIME_ID) - own);
    printf("%3u recipients an attempt: caller %.2f us an attempt, %.2f us a recipient; "
           "writer %.2f us a recipient (%.1f %% of a core at 10,000/s)\n",
           n_results, run->caller_s / (n / n_results) * 1e6, run->caller_s / n * 1e6,
           writer / n * 1e6, writer / n * 1e6);
}

// --- Asking --------------------------------------------------------------------------------------

static int compare_int64(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

enum question { BY_MESSAGE, BY_RECIPIENT, BY_NOBODY, BY_DOMAIN_FAILURES, BY_DOMAIN };

static struct ledger_query question_of(struct run *run, enum question question,
                                       struct names *names) {
    name(run, (unsigned)rng_below(&run->rng, run->next), names);
    switch (question) {
    case BY_MESSAGE: return (struct ledger_query){.message_id = view_of(names->message)};
    case BY_RECIPIENT: return (struct ledger_query){.recipient = view_of(names->recipient)};
    case BY_NOBODY: return (struct ledger_query){.recipient = VIEW("nobody@example.org")};
    case BY_DOMAIN_FAILURES:
        return (struct ledger_query){
            .domain = view_of(names->domain), .failures_only = true, .limit = 20};
    default: return (struct ledger_query){.domain = view_of(names->domain), .limit = 20};
    }
}

static IO_WAITS void measure(struct run *run, enum question question, const char *what) {
    static int64_t took_us[N_QUERIES];
    size_t n_answers = 0;
    for (int i = 0; i < N_QUERIES; i++) {
        struct names names;
        struct arena arena;
        struct attempt *attempts;
        size_t n_attempts;
        struct ledger_query query = question_of(run, question, &names);
        arena_init(&arena, 16 << 20);
        int64_t before = io_now_us();
        ledger_attempts(run->ledger, &query, &arena, &attempts, &n_attempts);
        took_us[i] = io_now_us() - before;
        n_answers += n_attempts;
        arena_finish(&arena);
    }
    qsort(took_us, N_QUERIES, sizeof(took_us[0]), compare_int64);
    printf("%-28s p50 %6.2f ms, p99 %6.2f ms, %.1f attempts\n", what,
           (double)took_us[N_QUERIES / 2] / 1000, (double)took_us[N_QUERIES * 99 / 100] / 1000,
           (double)n_answers / N_QUERIES);
}

static void forget_files(const char *directory) {
    static const char *const names[] = {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"};
    char path[512];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

static void body(void *arg) {
    struct run *run = arg;
    struct error error;
    struct ledger_options options = {.path = run->directory};
    forget_files(run->directory);
    run->ledger = ledger_open(&options, &error);
    if (!run->ledger) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    fill(run, 1, run->n_recipients / 10);
    fill(run, 10, run->n_recipients / 10);
    fill(run, 100, run->n_recipients - run->n_recipients / 5);
    io_sleep(io_after(1100));
    store(run, 1);
    drain(run, 0);
    printf("%u recipients stored, %.0f bytes each on disk\n", run->next,
           (double)ledger_counts(run->ledger).file_bytes / run->next);
    measure(run, BY_MESSAGE, "why MESSAGE");
    measure(run, BY_RECIPIENT, "why RECIPIENT");
    measure(run, BY_NOBODY, "why RECIPIENT (unknown)");
    measure(run, BY_DOMAIN, "why DOMAIN");
    measure(run, BY_DOMAIN_FAILURES, "why DOMAIN (failures)");
    double before = seconds(CLOCK_MONOTONIC);
    ledger_close(run->ledger);
    run->ledger = ledger_open(&options, &error);
    printf("close and open: %.0f ms\n", (seconds(CLOCK_MONOTONIC) - before) * 1000);
    ledger_close(run->ledger);
    forget_files(run->directory);
}

int main(int argc, char **argv) {
    struct error error;
    struct run run = {.directory = argc > 2 ? argv[2] : "bench-ledger",
                      .n_recipients =
                          1000U * (argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3000U)};
    struct io_loop_options options = {.name = "bench"};
    struct io_loop *loop = io_loop_create(&options, &error);
    rng_init(&run.rng, 1);
    log_set_level(LOG_LEVEL_WARNING);
    io_spawn("bench", body, &run);
    io_loop_run(loop);
    io_loop_destroy(loop);
    return 0;
}
