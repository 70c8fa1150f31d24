// SPDX-License-Identifier: Apache-2.0
// What taking mail costs: serve and spool with nobody behind them, fed by bench/source; and what a
// session that waits keeps in memory.
//
//   bench_serve [messages] [sessions] [bytes]     default 60000 20 4096
//   bench_serve idle [sessions] [CERTIFICATE]     default 1000; with a PEM file (chain and key):
//   TLS
#include "serve/serve.h"

#include "base/log.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *source; // the program
    const char *certificate;
    unsigned long messages, sessions, bytes;
    bool is_idle;

    char folder[64];
    struct config *config;
    struct tls_context *tls;
    struct spool *spool;
    struct serve_limits *limits;
    struct serve *serve;
    struct address address;
} bench = {.messages = 60000, .sessions = 20, .bytes = 4096};

_Noreturn static void fail(const char *what) {
    fprintf(stderr, "bench_serve: %s\n", what);
    exit(1);
}

// --- The server ----------------------------------------------------------------------------------
static void drop(void *arg, struct spool_id id, const struct mail_envelope *envelope,
                 struct spool_body *body) {
}

static bool refuses_nothing(void *arg, struct view domain, struct view *reason) {
    return false;
}

static struct config *config_of(void *arg) {
    return config_ref(bench.config);
}

static struct tls_context *tls_of(void *arg) {
    return bench.tls ? tls_context_ref(bench.tls) : NULL;
}

static void ignore_entry(const struct spool_entry *entry, void *arg) {
}

static void ignore_line(enum log_level level, struct view line, void *arg) {
}

static void make_config(void) {
    struct buffer problems;
    struct error error;
    buffer_init(&problems, 4096);
    bench.config = config_load(NULL, &problems);
    buffer_finish(&problems);
    bench.config->hostname = "relay.example.net";
    bench.config->listeners[0].name = "bench";
    bench.config->max_sessions = bench.config->max_sessions_per_client = 100000;
    if (!bench.certificate)
        return;
    const struct tls_context_options options = {.certificate = bench.certificate,
                                                .key = bench.certificate};
    bench.config->listeners[0].tls = CONFIG_LISTEN_TLS_STARTTLS;
    bench.tls = tls_context_create(&options, &error);
    if (!bench.tls)
        fail(error.text);
}

static IO_WAITS void start(void) {
    struct error error;
    struct spool_recovery recovery;
    snprintf(bench.folder, sizeof(bench.folder), "./bench-serve-XXXXXX");
    if (!mkdtemp(bench.folder))
        fail("cannot make a folder here");
    const struct spool_options spool = {.path = bench.folder};
    bench.spool = spool_open(&spool, ignore_entry, NULL, &recovery, &error);
    if (!bench.spool)
        fail(error.text);
    const struct serve_options options = {.spool = bench.spool,
                                          .hooks = {drop, refuses_nothing, NULL},
                                          .config = config_of,
                                          .tls = tls_of};
    bench.limits = serve_limits_create();
    bench.serve = serve_create(&options, bench.limits);
    struct io_listener *listener = io_listen(&bench.address, false, &error);
    bench.address = io_listener_address(listener);
    serve_listen(bench.serve, listener, "bench");
}

static IO_WAITS void stop(void) {
    char path[512];
    struct dirent *entry;
    serve_stop(bench.serve, io_after(5000));
    serve_destroy(bench.serve);
    serve_limits_destroy(bench.limits);
    spool_close(bench.spool);
    DIR *folder = opendir(bench.folder);
    while (folder && (entry = readdir(folder))) {
        snprintf(path, sizeof(path), "%s/%s", bench.folder, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(bench.folder);
}

static IO_WAITS void wait_for(pid_t child) {
    int status;
    while (waitpid(child, &status, WNOHANG) == 0)
        io_sleep(io_after(5));
}

// --- Load ----------------------------------------------------------------------------------------
static pid_t start_source(void) {
    char port[16], messages[24], sessions[24], bytes[24];
    pid_t child = fork();
    if (child != 0)
        return child;
    snprintf(port, sizeof(port), "%u", bench.address.port);
    snprintf(messages, sizeof(messages), "%lu", bench.messages);
    snprintf(sessions, sizeof(sessions), "%lu", bench.sessions);
    snprintf(bytes, sizeof(bytes), "%lu", bench.bytes);
    execl(bench.source, "source", "--port", port, "--messages", messages, "--sessions", sessions,
          "--size", bytes, (char *)NULL);
    _exit(127);
}

struct usage {
    double wall, user, system;
};

static struct usage usage_now(int who) {
    struct rusage usage;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(who, &usage);
    return (struct usage){
        (double)now.tv_sec + (double)now.tv_nsec * 1e-9,
        (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6,
        (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6,
    };
}

static void print_usage(const char *what, struct usage begin, struct usage end, double n) {
    double user = (end.user - begin.user) / n * 1e6, system = (end.system - begin.system) / n * 1e6;
    printf("%-14s %6.1f us a message (%.1f user, %.1f system)\n", what, user + system, user,
           system);
}

static IO_WAITS void load(void) {
    struct usage whole = usage_now(RUSAGE_SELF), own = usage_now(RUSAGE_THREAD);
    wait_for(start_source());
    struct usage whole_end = usage_now(RUSAGE_SELF), own_end = usage_now(RUSAGE_THREAD);
    double n = (double)serve_counts(bench.serve).messages;
    struct spool_health health = spool_health(bench.spool);
    printf("%.0f messages, %.0f/s, %.1f messages a sync\n", n, n / (whole_end.wall - whole.wall),
           n / (double)health.syncs);
    print_usage("serve", own, own_end, n);
    print_usage("with the spool", whole, whole_end, n);
}

// --- Idle ----------------------------------------------------------------------------------------
static IO_WAITS bool read_reply(struct io_stream *stream) {
    char bytes[1024];
    struct io_result result = io_read(stream, bytes, sizeof(bytes), io_after(60000));
    return io_is_ok(result) && bytes[0] == '2';
}

static IO_WAITS bool ask(struct io_stream *stream, struct view line) {
    return io_is_ok(io_write(stream, line.ptr, line.len, io_after(60000))) && read_reply(stream);
}

static IO_WAITS void open_client(struct tls_context *tls) {
    const struct tls_policy policy = {.check = TLS_CHECK_NONE};
    struct tls_session session;
    struct io_stream *stream;
    io_connect(&bench.address, NULL, io_after(60000), &stream);
    bool is_well = stream && read_reply(stream) && ask(stream, VIEW("EHLO client.example\r\n"));
    if (is_well && tls && ask(stream, VIEW("STARTTLS\r\n"))) {
        tls_client_start(tls, &stream, &policy, io_after(60000), &session);
        is_well = stream && ask(stream, VIEW("EHLO client.example\r\n"));
    }
    if (!is_well)
        fail("a client could not come in");
}

// In a process of its own, so that the server's memory is counted alone; ends by its parent's hand.
static void open_clients(void *arg) {
    struct error error;
    struct tls_context *tls = NULL;
    if (bench.certificate)
        tls = tls_context_create(&(struct tls_context_options){0}, &error);
    for (unsigned long i = 0; i < bench.sessions; i++)
        open_client(tls);
    io_sleep(IO_NEVER);
}

static pid_t start_clients(void) {
    char port[16], sessions[24];
    pid_t child = fork();
    if (child != 0)
        return child;
    snprintf(port, sizeof(port), "%u", bench.address.port);
    snprintf(sessions, sizeof(sessions), "%lu", bench.sessions);
    execl("/proc/self/exe", "bench_serve", "clients", sessions, port, bench.certificate, NULL);
    _exit(127);
}

static double resident_kb(void) {
    char line[256];
    double kb = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, "Rss:", 4) == 0)
            kb = strtod(line + 4, NULL);
    if (file)
        fclose(file);
    return kb;
}

static IO_WAITS void idle(void) {
    double before = resident_kb();
    pid_t clients = start_clients();
    double peak = before;
    while (serve_counts(bench.serve).sessions_now < bench.sessions) {
        io_sleep(io_after(20));
        peak = resident_kb() > peak ? resident_kb() : peak;
    }
    io_sleep(io_after(3000)); // until all rest
    printf("%lu sessions%s: %.1f KB each at rest (%.1f KB at the most before)\n", bench.sessions,
           bench.certificate ? " with TLS" : "", (resident_kb() - before) / (double)bench.sessions,
           (peak - before) / (double)bench.sessions);
    kill(clients, SIGKILL);
    wait_for(clients);
}

static void serve(void *arg) {
    start();
    if (bench.is_idle)
        idle();
    else
        load();
    stop();
}

// --- Start ---------------------------------------------------------------------------------------
static unsigned long number(int argc, char **argv, int at, unsigned long otherwise) {
    return argc > at ? strtoul(argv[at], NULL, 10) : otherwise;
}

static void run(void (*body)(void *arg)) {
    struct error error;
    struct io_loop_options options = {.name = "serve"};
    struct io_loop *loop = io_loop_create(&options, &error);
    if (!loop)
        fail(error.text);
    io_spawn("bench", body, NULL);
    io_loop_run(loop);
    io_loop_destroy(loop);
}

int main(int argc, char **argv) {
    char source[1024];
    const char *slash = strrchr(argv[0], '/');
    bool is_client = argc > 1 && strcmp(argv[1], "clients") == 0;
    bench.is_idle = argc > 1 && strcmp(argv[1], "idle") == 0;
    snprintf(source, sizeof(source), "%.*ssource", slash ? (int)(slash - argv[0] + 1) : 0, argv[0]);
    bench.source = source;
    if (is_client || bench.is_idle) {
        bench.sessions = number(argc, argv, 2, 1000);
        bench.certificate = argc > 3 + is_client ? argv[3 + is_client] : NULL;
    } else {
        bench.messages = number(argc, argv, 1, bench.messages);
        bench.sessions = number(argc, argv, 2, bench.sessions);
        bench.bytes = number(argc, argv, 3, bench.bytes);
    }
    address_parse_port(VIEW("127.0.0.1:0"), &bench.address);
    bench.address.port = (uint16_t)(is_client ? number(argc, argv, 3, 0) : 0);
    log_set_sink(ignore_line, NULL);
    if (!is_client)
        make_config();
    run(is_client ? open_clients : serve);
    tls_context_unref(bench.tls);
    config_unref(bench.config);
    return 0;
}
