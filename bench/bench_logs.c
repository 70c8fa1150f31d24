// SPDX-License-Identifier: Apache-2.0
// bench_logs [LINES [FILE]]: how many lines of a Postfix log are read in a second on one core, from
// bytes in memory to entries, with their share of failures from none to all. A FILE is read instead
// where one is given. memchr over the same bytes is the bound of what memory gives. First a log of
// ten times as many lines is made and read piece by piece, to see what the reader itself needs.
#include "base/rng.h"
#include "readers/readers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 << 10, ROUNDS = 3 };

static const int64_t now_ms = 1780000000000;

struct tally {
    uint64_t n_entries, n_causes[CAUSE_COUNT];
};

static void count(const struct reader_entry *entry, void *arg) {
    struct tally *tally = arg;
    tally->n_entries++;
    tally->n_causes[entry->cause]++;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// --- A log --------------------------------------------------------------------------------------
struct maker {
    struct buffer out;
    struct rng rng;
    uint64_t n_lines, n_messages;
    int64_t second;
};

static void line(struct maker *maker, const char *program, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void line(struct maker *maker, const char *program, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    int64_t s = maker->second;
    buffer_printf(&maker->out, "May %2d %02d:%02d:%02d mail01 postfix/%s[%u]: %s\n",
                  (int)(s / 86400 % 28) + 1, (int)(s / 3600 % 24), (int)(s / 60 % 60),
                  (int)(s % 60), program, 1000 + (unsigned)rng_below(&maker->rng, 64), text);
    if (++maker->n_lines % 97 == 0)
        maker->second++;
}

// The words of failures: those that repeat, and those that hold addresses and numbers of their own.
static void fail(struct maker *maker, const char *id, const char *rcpt, unsigned domain) {
    unsigned host = domain % 7;
    const char *status = "deferred";
    char words[512], dsn[] = "4.4.1";
    unsigned long long odd = rng_next(&maker->rng);
    switch (rng_below(&maker->rng, 8)) {
    case 0:
        snprintf(words, sizeof(words),
                 "connect to mx%u.d%u.example[192.0.2.%u]:25: Connection "
                 "timed out",
                 host, domain, domain % 250);
        break;
    case 1:
        snprintf(words, sizeof(words),
                 "connect to mx%u.d%u.example[192.0.2.%u]:25: Connection "
                 "refused",
                 host, domain, domain % 250);
        break;
    case 2:
        snprintf(words, sizeof(words),
                 "delivery temporarily suspended: connect to mx%u.d%u.example"
                 "[192.0.2.%u]:25: Connection timed out",
                 host, domain, domain % 250);
        break;
    case 3:
        snprintf(words, sizeof(words),
                 "host mx%u.d%u.example[192.0.2.%u] said: 450 4.2.0 <%s>: "
                 "Recipient address rejected: Greylisted, see http://x.example/ (in reply to RCPT "
                 "TO command)",
                 host, domain, domain % 250, rcpt);
        break;
    case 4:
        status = "bounced";
        snprintf(words, sizeof(words),
                 "host mx%u.d%u.example[192.0.2.%u] said: 550 5.1.1 <%s>: "
                 "Recipient address rejected: User unknown (in reply to RCPT TO command)",
                 host, domain, domain % 250, rcpt);
        break;
    case 5:
        snprintf(words, sizeof(words),
                 "host gmail-smtp-in.l.google.com[142.250.27.%u] said: "
                 "421-4.7.28 Gmail has detected an unusual rate of mail. To protect our users from "
                 "spam, mail has been temporarily rate limited. %llx-%llx - gsmtp (in reply to end "
                 "of DATA command)",
                 domain % 250, odd >> 20, odd & 0xfffff);
        break;
    case 6:
        snprintf(words, sizeof(words),
                 "lost connection with mx%u.d%u.example[192.0.2.%u] while "
                 "sending end of data -- message may be sent more than once",
                 host, domain, domain % 250);
        break;
    default:
        snprintf(words, sizeof(words),
                 "Host or domain name not found. Name service error for "
                 "name=d%u.example type=MX: Host not found, try again",
                 domain);
        break;
    }
    line(maker, "smtp",
         "%s: to=<%s>, relay=none, delay=%u.%u, delays=0.1/0/30/0, dsn=%s, "
         "status=%s (%s)",
         id, rcpt, domain, host, dsn, status, words);
}

// `fail_percent` of the lines are failures.
static void message(struct maker *maker, unsigned fail_percent) {
    char id[32], rcpt[128];
    unsigned domain = (unsigned)rng_below(&maker->rng, 2000);
    uint64_t n = ++maker->n_messages, failures = 0, begin = maker->n_lines;
    snprintf(id, sizeof(id), "4X%08" PRIX64 "zQw", n * 2654435761u % 0xffffffff);
    snprintf(rcpt, sizeof(rcpt), "user%" PRIu64 "@d%u.example", n, domain);
    line(maker, "smtpd", "connect from client%u.example[198.51.100.%u]", domain, domain % 250);
    line(maker, "smtpd", "%s: client=client%u.example[198.51.100.%u]", id, domain, domain % 250);
    line(maker, "cleanup", "%s: message-id=<%" PRIx64 ".%u@client.example>", id, n * 77777777,
         domain);
    line(maker, "qmgr",
         "%s: from=<news+%" PRIu64 "@sender.example>, size=12345, nrcpt=1 (queue "
         "active)",
         id, n % 5000);
    while (rng_below(&maker->rng, 100) < fail_percent ||
           (failures && failures * 100 < fail_percent * (maker->n_lines - begin + 3))) {
        fail(maker, id, rcpt, domain);
        failures++;
        line(maker, "qmgr",
             "%s: from=<news+%" PRIu64 "@sender.example>, size=12345, nrcpt=1 "
             "(queue active)",
             id, n % 5000);
    }
    line(maker, "smtp",
         "%s: to=<%s>, relay=mx%u.d%u.example[192.0.2.%u]:25, delay=1.2, "
         "delays=0.1/0.01/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as %" PRIX64 ")",
         id, rcpt, domain % 7, domain, domain % 250, rng_next(&maker->rng) >> 24);
    line(maker, "qmgr", "%s: removed", id);
    line(maker, "smtpd",
         "disconnect from client%u.example[198.51.100.%u] ehlo=1 mail=1 rcpt=1 "
         "data=1 quit=1 commands=5",
         domain, domain % 250);
}

// --- Measuring ----------------------------------------------------------------------------------
static void read_once(struct view bytes, struct tally *tally, struct reader_log_totals *totals) {
    struct reader_log_options options = {.now_ms = now_ms, .on_entry = count, .arg = tally};
    struct reader_log *log = reader_log_create(&options);
    reader_log_file(log, VIEW("mail.log"));
    for (size_t at = 0; at < bytes.len; at += PIECE_BYTES)
        reader_log_feed(log, view_take(view_skip(bytes, at), PIECE_BYTES));
    reader_log_end(log);
    *totals = *reader_log_totals(log);
    reader_log_destroy(log);
}

static void measure(const char *name, struct view bytes) {
    double best = 1e9;
    struct reader_log_totals totals = {0};
    struct tally tally = {0};
    for (int i = 0; i < ROUNDS; i++) {
        tally = (struct tally){0};
        double begin = seconds_now();
        read_once(bytes, &tally, &totals);
        double took = seconds_now() - begin;
        best = took < best ? took : best;
    }
    printf("%-28s %10.0f lines/s %7.0f MB/s  %" PRIu64 " lines, %" PRIu64 " entries, %" PRIu64
           " delivered, %" PRIu64 " unread\n",
           name, (double)totals.n_lines / best, (double)bytes.len / best / 1e6, totals.n_lines,
           tally.n_entries, tally.n_causes[CAUSE_NONE], totals.n_unread);
}

static void measure_memchr(struct view bytes) {
    double begin = seconds_now();
    uint64_t n = 0;
    for (struct view rest = bytes; rest.len; n++)
        rest = view_skip(rest, view_find_char(rest, '\n') + 1);
    double took = seconds_now() - begin;
    printf("%-28s %10.0f lines/s %7.0f MB/s\n", "memchr for each line", (double)n / took,
           (double)bytes.len / took / 1e6);
}

static bool load(const char *path, struct buffer *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    while (fd >= 0 && n > 0) {
        char *room = buffer_reserve(out, 1 << 20);
        n = room ? read(fd, room, 1 << 20) : 0;
        buffer_advance(out, n > 0 ? (size_t)n : 0);
    }
    return fd >= 0 && close(fd) == 0;
}

// What the reader needs for a log of any length: none of it is kept here.
static void measure_memory(uint64_t n_lines) {
    struct maker maker = {0};
    struct tally tally = {0};
    struct rusage usage;
    struct reader_log_options options = {.now_ms = now_ms, .on_entry = count, .arg = &tally};
    struct reader_log *log = reader_log_create(&options);
    buffer_init(&maker.out, 16 << 20);
    rng_init(&maker.rng, 7);
    while (maker.n_lines < n_lines) {
        message(&maker, 12);
        if (maker.out.len < PIECE_BYTES)
            continue;
        reader_log_feed(log, buffer_view(&maker.out));
        buffer_clear(&maker.out);
    }
    reader_log_destroy(log);
    buffer_finish(&maker.out);
    getrusage(RUSAGE_SELF, &usage);
    printf("%" PRIu64 " lines, one after another: at most %ld MB in use\n", n_lines,
           usage.ru_maxrss / 1024);
}

int main(int argc, char **argv) {
    static const unsigned shares[] = {0, 5, 12, 20, 45};
    uint64_t n_lines = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    if (argc <= 2)
        measure_memory(10 * n_lines);
    for (size_t i = 0; i < (argc > 2 ? 1 : ARRAY_LEN(shares)); i++) {
        struct maker maker = {0};
        char name[64];
        buffer_init(&maker.out, SIZE_MAX / 4);
        rng_init(&maker.rng, 7);
        if (argc > 2 && !load(argv[2], &maker.out))
            return 1;
        while (argc <= 2 && maker.n_lines < n_lines)
            message(&maker, shares[i]);
        snprintf(name, sizeof(name), "Postfix, %u %% failures", shares[i]);
        measure(argc > 2 ? argv[2] : name, buffer_view(&maker.out));
        if (i == 0)
            measure_memchr(buffer_view(&maker.out));
        buffer_finish(&maker.out);
    }
    return 0;
}
