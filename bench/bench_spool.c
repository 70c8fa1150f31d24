// SPDX-License-Identifier: Apache-2.0
// Closed loop on the spool: N producers, each commits one message after the other and waits until
// it is durable; 95 % are settled about a second later, 5 % stay. Prints messages a second, the
// latency of a commit, what was written for what was stored, and how long a start takes afterwards.
//
//   bench_spool [-d DIR] [-p PRODUCERS] [-b BODY_BYTES] [-s SECONDS] [-k PERCENT_KEPT]
//   bench_spool -r MESSAGES [-d DIR] [-b BODY_BYTES]    fills, then times starts (see -c)
//   bench_spool -o [-c] [-d DIR]                         times a start on what is there
//   -c: with -r, throws the index of every segment away and drops the page cache (as root)
#include "spool/spool.h"

#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PRODUCERS_MAX = 2000, SAMPLES_MAX = 1 << 20, SETTLE_AFTER_MS = 1000, PENDING_MAX = 1 << 20 };

struct bench {
    struct spool *spool;
    const char *path;
    unsigned n_producers, seconds, kept_percent;
    uint64_t body_bytes, fill;
    bool is_cold, is_open_only;
    io_time end;
    uint64_t n_committed, n_settled;
    uint32_t *samples_us;
    size_t n_samples;
    struct {
        struct spool_id id;
        io_time due;
    } * pending;
    size_t pending_first, n_pending;
    unsigned n_running;
    char *body;
};

static struct bench bench = {.path = "/tmp/bench-spool",
                             .n_producers = 50,
                             .seconds = 4,
                             .kept_percent = 5,
                             .body_bytes = 4096};

static void put(struct spool_id id) {
    struct mail_recipient rcpt = {.address = VIEW("recipient@destination.example.org")};
    struct mail_envelope envelope = {.sender = VIEW("somebody@sender.example.com"),
                                     .recipients = &rcpt,
                                     .n_recipients = 1,
                                     .arrived_ms = io_wall_ms(),
                                     .size_bytes = bench.body_bytes,
                                     .client_name = VIEW("client.example.com")};
    struct spool_body *body = spool_body_create(bench.spool, NULL);
    struct spool_tx *tx = spool_tx_create(bench.spool);
    ASSERT(spool_body_append(body, view_from(bench.body, bench.body_bytes), IO_NEVER) == SPOOL_OK);
    spool_tx_add(tx, id, &envelope, body);
    ASSERT(spool_commit(tx) == SPOOL_OK);
    spool_body_unref(body);
}

static void settle_later(struct spool_id id) {
    if ((id.lo * 7919) % 100 < bench.kept_percent || bench.n_pending == PENDING_MAX)
        return;
    size_t at = (bench.pending_first + bench.n_pending++) % PENDING_MAX;
    bench.pending[at].id = id;
    bench.pending[at].due = io_after(SETTLE_AFTER_MS);
}

static void producer(void *arg) {
    while (bench.fill ? bench.n_committed < bench.fill : io_now() < bench.end) {
        struct spool_id id = spool_id_next(bench.spool);
        bench.n_committed++;
        int64_t began = io_now_us();
        put(id);
        if (bench.n_samples < SAMPLES_MAX)
            bench.samples_us[bench.n_samples++] = (uint32_t)(io_now_us() - began);
        if (!bench.fill)
            settle_later(id);
    }
    bench.n_running--;
}

// What is due goes as one transaction, as results of many deliveries would.
static void settler(void *arg) {
    while (bench.n_running > 0) {
        struct spool_tx *tx = spool_tx_create(bench.spool);
        size_t n = 0;
        for (; n < 500 && bench.n_pending > 0 && bench.pending[bench.pending_first].due <= io_now();
             n++, bench.n_pending--) {
            spool_tx_settle(tx, bench.pending[bench.pending_first].id, 0);
            bench.pending_first = (bench.pending_first + 1) % PENDING_MAX;
        }
        bench.n_settled += n;
        if (n)
            spool_commit(tx);
        else
            spool_tx_destroy(tx);
        if (n < 500)
            io_sleep(io_after(5));
    }
}

static int compare_sample(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static double sample_ms(double part) {
    if (bench.n_samples == 0)
        return 0;
    return bench.samples_us[(size_t)((double)(bench.n_samples - 1) * part)] / 1000.0;
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

static long resident_kb(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// Pages handed to the disk by this process, as the kernel counts them.
static uint64_t written_bytes(void) {
    char line[64];
    unsigned long long bytes = 0;
    FILE *file = fopen("/proc/self/io", "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "write_bytes: %llu", &bytes) == 1)
            break;
    if (file)
        fclose(file);
    return bytes;
}

static void open_store(const char *what) {
    struct spool_options options = {.path = bench.path, .floor_free_bytes = 1 << 20};
    struct spool_recovery recovery;
    struct error error;
    long before = resident_kb();
    double cpu = cpu_seconds();
    bench.spool = spool_open(&options, NULL, NULL, &recovery, &error);
    if (!bench.spool) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    if (recovery.messages)
        printf("%s: %llu messages in %.2f s (CPU %.2f s), %.0f MB scanned, "
               "%.0f bytes of memory each\n",
               what, (unsigned long long)recovery.messages, (double)recovery.elapsed_ms / 1000,
               cpu_seconds() - cpu, (double)recovery.bytes_scanned / 1e6,
               (double)(resident_kb() - before) * 1024 / (double)recovery.messages);
}

static void remove_store(void) {
    DIR *directory = opendir(bench.path);
    char name[512];
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        snprintf(name, sizeof(name), "%s/%s", bench.path, entry->d_name);
        unlink(name);
    }
    if (directory)
        closedir(directory);
    rmdir(bench.path);
}

// Cuts the footers off, so that every segment has to be scanned.
static void drop_indexes(void) {
    DIR *directory = opendir(bench.path);
    char name[512];
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!strstr(entry->d_name, ".segment"))
            continue;
        snprintf(name, sizeof(name), "%s/%s", bench.path, entry->d_name);
        int file = open(name, O_RDWR | O_CLOEXEC);
        off_t size = lseek(file, 0, SEEK_END);
        if (size > 8192 && ftruncate(file, size - 1) != 0)
            perror(name);
        close(file);
    }
    closedir(directory);
}

static void drop_page_cache(void) {
    sync();
    int file = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "3", 1) != 1)
        perror("drop_caches");
    close(file);
}

static void run_producers(void) {
    bench.n_running = bench.n_producers;
    bench.end = io_after((int64_t)bench.seconds * 1000);
    struct io_group group;
    io_group_init(&group);
    io_group_spawn(&group, "settler", settler, NULL);
    for (unsigned i = 0; i < bench.n_producers; i++)
        io_group_spawn(&group, "producer", producer, NULL);
    io_group_wait(&group, IO_NEVER);
}

static void report(double seconds, double cpu, uint64_t written) {
    struct spool_health health = spool_health(bench.spool);
    double n = (double)bench.n_committed;
    qsort(bench.samples_us, bench.n_samples, sizeof(*bench.samples_us), compare_sample);
    printf("%u producers, %llu bytes: %.0f msg/s, p50 %.2f ms, p99 %.2f ms, max %.1f ms, "
           "%.1f us CPU/msg, log %.3fx, pages written %.3fx, %.1f msg/sync\n",
           bench.n_producers, (unsigned long long)bench.body_bytes, n / seconds, sample_ms(0.5),
           sample_ms(0.99), sample_ms(1), cpu * 1e6 / n,
           (double)health.bytes_written / (n * (double)bench.body_bytes),
           (double)written / (n * (double)bench.body_bytes), n / (double)health.syncs);
    printf("  %llu segments, %.0f MB of log, %.0f MB alive\n", (unsigned long long)health.segments,
           (double)health.log_bytes / 1e6, (double)health.live_bytes / 1e6);
}

static void bench_main(void *arg) {
    if (bench.is_open_only) {
        open_store("start");
        exit(0); // as a crash leaves it
    }
    remove_store();
    open_store("start");
    int64_t began = io_now_us();
    double cpu = cpu_seconds();
    uint64_t written = written_bytes();
    run_producers();
    report((double)(io_now_us() - began) / 1e6, cpu_seconds() - cpu, written_bytes() - written);
    spool_close(bench.spool);
    if (bench.is_cold)
        drop_page_cache();
    open_store(bench.is_cold ? "cold start with indexes" : "start with indexes");
    spool_close(bench.spool);
    if (bench.is_cold) {
        drop_indexes();
        drop_page_cache();
        open_store("cold start without indexes");
        spool_close(bench.spool);
    }
    if (!bench.fill)
        remove_store();
}

int main(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "d:p:b:s:k:r:co")) != -1)
        switch (option) {
        case 'd': bench.path = optarg; break;
        case 'p': bench.n_producers = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'b': bench.body_bytes = strtoull(optarg, NULL, 10); break;
        case 's': bench.seconds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'k': bench.kept_percent = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'r': bench.fill = strtoull(optarg, NULL, 10); break;
        case 'c': bench.is_cold = true; break;
        case 'o': bench.is_open_only = true; break;
        default: return 2;
        }
    ASSERT(bench.n_producers > 0 && bench.n_producers <= PRODUCERS_MAX);
    bench.samples_us = mem_alloc(SAMPLES_MAX * sizeof(*bench.samples_us));
    bench.pending = mem_alloc(PENDING_MAX * sizeof(*bench.pending));
    bench.body = mem_alloc_zero(bench.body_bytes + 1);
    memset(bench.body, 'x', bench.body_bytes);
    struct error error;
    struct io_loop_options options = {.name = "bench"};
    struct io_loop *loop = io_loop_create(&options, &error);
    ASSERT(loop);
    io_spawn("bench", bench_main, NULL);
    io_loop_run(loop);
    io_loop_destroy(loop);
    return 0;
}
