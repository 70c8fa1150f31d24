// SPDX-License-Identifier: Apache-2.0
// Plays the dialogues of a folder against serve/: over loopback, and over the simulator with the
// bytes cut into pieces of many sizes. The answers must be the same. Usage:
// dialogue_server FOLDER [PART OF A NAME]
//
// A section is a connection from the address that it names, one after the other. Settings that hold
// from the start:
//     max_recipients: 2           also max_message_size, max_sessions, max_sessions_per_client
//     tls: starttls               with a certificate; "gone": offered, and the certificate is lost
//     accept_from: 127.0.0.1/32   instead of the default
//     refuse: a.example No way    routing refuses that domain
//     sync: 500                   the disk takes up to so many milliseconds (simulator)
//     only: sim                   (what waits for minutes, and faults of the disk) or loopback
//     whole: yes                  not to be played in pieces
// and such that happen where they stand:
//     kept: from=<> to=<x@y> *    the newest message that the server accepted
//     B: line                     its body line by line, complete; blanks around are not compared
//     messages: 2                 so many were accepted so far
//     disk: full                  or broken, or well
//     crowd: 127.0.0.2 3          so many more clients come from there and stay
//     stop: 30s                   the program is asked to end, with that deadline
#include "dialogue/authority.h"
#include "dialogue/bed.h"
#include "dialogue/play.h"
#include "unit/io/io_test.h"

#include "base/log.h"
#include "base/units.h"

#include <dirent.h>

enum { SCRIPTS_MAX = 100, VARIANTS = 7, CROWD_MAX = 50, PEERS_MAX = 20 };

static struct authority *authority;
static struct tls_context *server_tls, *client_tls;

struct run {
    char path[512];
    char name[600];
    bool on_loopback;
    size_t chunk_max;

    struct play *play;
    struct bed *bed;
    struct io_group stopping;
    io_time stop_deadline;
    struct io_stream *crowd[CROWD_MAX];
    size_t n_crowd;
    char *body; // of the newest message, and what is left to compare
    struct view body_left;
    bool compares_body;
    char why[1024]; // the script was left there; empty: it was not
};

static bool complain(char *why, size_t size, const char *what, struct view about) {
    snprintf(why, size, "%s %.*s", what, VIEW_ARG(about));
    return false;
}

// --- Messages ------------------------------------------------------------------------------------
static bool end_body(struct run *run, char *why, size_t size) {
    bool is_complete = !run->compares_body || run->body_left.len == 0;
    run->compares_body = false;
    return is_complete || complain(why, size, "the body has more:", run->body_left);
}

static bool expect_kept(struct run *run, struct view pattern, char *why, size_t size) {
    const struct bed_message *message = run->bed->newest;
    size_t len = 0;
    if (!message || !play_matches(pattern, view_of(message->envelope)))
        return complain(why, size, "was kept:", message ? view_of(message->envelope) : VIEW_NONE);
    free(run->body);
    run->body = bed_read_body(message, &len);
    run->body_left = view_from(run->body, len);
    return true;
}

static bool expect_body_line(struct run *run, struct view pattern, char *why, size_t size) {
    size_t end = view_find(run->body_left, VIEW("\r\n"));
    struct view line = view_trim(view_take(run->body_left, end));
    run->compares_body = true;
    if (end == run->body_left.len)
        return complain(why, size, "the body is over", VIEW_NONE);
    run->body_left = view_skip(run->body_left, end + 2);
    return play_matches(pattern, line) || complain(why, size, "got", line);
}

static bool expect_messages(struct run *run, struct view value, char *why, size_t size) {
    uint64_t wanted = 0;
    if (view_to_u64(value, &wanted) && wanted == run->bed->n_messages)
        return true;
    snprintf(why, size, "there are %u", run->bed->n_messages);
    return false;
}

// --- Circumstances -------------------------------------------------------------------------------
static bool set_disk(struct run *run, struct view state, char *why, size_t size) {
    struct sim_disk_rule rule = {0};
    if (view_equals(state, VIEW("full")))
        rule.bytes_total = 1;
    else if (view_equals(state, VIEW("broken")))
        rule.sync_error = rule.write_error = 10000;
    else if (!view_equals(state, VIEW("well")))
        return complain(why, size, "not a state of the disk:", state);
    sim_disk_rule(run->bed->sim, &rule);
    io_sleep(io_after(60000)); // until the spool has looked
    return true;
}

static void stop_server(void *arg) {
    struct run *run = arg;
    serve_stop(run->bed->serve, run->stop_deadline);
    run->bed->is_stopped = true;
}

static bool begin_stop(struct run *run, struct view value, char *why, size_t size) {
    int64_t ms = 0;
    if (!units_parse_duration(value, &ms))
        return complain(why, size, "not a duration:", value);
    run->stop_deadline = io_after(ms);
    io_group_spawn(&run->stopping, "stop", stop_server, run);
    io_yield();
    return true;
}

static bool gather_crowd(struct run *run, struct view value, char *why, size_t size) {
    struct view source, number;
    uint64_t n = 0;
    char text[64];
    view_split(&value, ' ', &source);
    if (!view_split(&value, ' ', &number) || !view_to_u64(number, &n))
        return complain(why, size, "ADDRESS NUMBER, not", value);
    view_copy_string(source, text, sizeof(text));
    for (; n > 0 && run->n_crowd < CROWD_MAX; n--) {
        struct io_stream *stream = bed_connect(run->bed, text);
        char greeting[512];
        io_read(stream, greeting, sizeof(greeting), io_after(5000));
        run->crowd[run->n_crowd++] = stream;
    }
    return true;
}

static bool on_setting(void *arg, struct view name, struct view value, char *why, size_t size) {
    struct run *run = arg;
    if (view_equals(name, VIEW("B")))
        return expect_body_line(run, value, why, size);
    if (!end_body(run, why, size))
        return false;
    if (view_equals(name, VIEW("kept")))
        return expect_kept(run, value, why, size);
    if (view_equals(name, VIEW("messages")))
        return expect_messages(run, value, why, size);
    if (view_equals(name, VIEW("disk")))
        return set_disk(run, value, why, size);
    if (view_equals(name, VIEW("crowd")))
        return gather_crowd(run, value, why, size);
    if (view_equals(name, VIEW("stop")))
        return begin_stop(run, value, why, size);
    return true;
}

// --- From the start ------------------------------------------------------------------------------
static bool setting(const struct run *run, const char *name, struct view *value) {
    return play_setting(run->play, name, 0, value, NULL);
}

static void set_number(const struct run *run, const char *name, unsigned *number) {
    struct view value;
    uint64_t wanted = 0;
    if (setting(run, name, &value) && view_to_u64(value, &wanted))
        *number = (unsigned)wanted;
}

static void set_tls(struct run *run, struct bed *bed, struct view value) {
    bed->config->listeners[0].tls = CONFIG_LISTEN_TLS_STARTTLS;
    if (!view_equals(value, VIEW("gone")))
        return;
    tls_context_unref(bed->tls);
    bed->tls = NULL;
}

static void prepare(struct bed *bed, void *arg) {
    struct run *run = arg;
    struct config *config = bed->config;
    struct view value, domain;
    unsigned max_message_size = 0;
    static struct network network;
    run->bed = bed;
    set_number(run, "max_recipients", &config->max_recipients);
    set_number(run, "max_sessions", &config->max_sessions);
    set_number(run, "max_sessions_per_client", &config->max_sessions_per_client);
    set_number(run, "max_message_size", &max_message_size);
    if (max_message_size)
        config->max_message_size = max_message_size;
    if (setting(run, "tls", &value))
        set_tls(run, bed, value);
    if (setting(run, "accept_from", &value) && network_parse(value, &network)) {
        config->accept_from = &network;
        config->n_accept_from = 1;
    }
    if (setting(run, "refuse", &value) && view_split(&value, ' ', &domain)) {
        view_copy_string(domain, bed->refused_domain, sizeof(bed->refused_domain));
        view_copy_string(value, bed->refusal, sizeof(bed->refusal));
    }
}

// --- The script ----------------------------------------------------------------------------------
static bool play_connection(struct run *run, struct view peer, size_t nth) {
    char source[64];
    struct play_part part = {.play = run->play,
                             .peer = peer,
                             .connection = nth,
                             .role = 'C',
                             .tls = client_tls,
                             .patience_ms = 10000,
                             .gathers = true,
                             .on_setting = on_setting,
                             .arg = run};
    view_copy_string(peer.len ? peer : VIEW("127.0.0.1"), source, sizeof(source));
    struct io_stream *stream = bed_connect(run->bed, source);
    return play_run(&part, stream, run->why, sizeof(run->why)) &&
           end_body(run, run->why, sizeof(run->why));
}

static void play_script(struct bed *bed, void *arg) {
    struct run *run = arg;
    struct view peers[PEERS_MAX];
    size_t n_peers = play_peers(run->play, peers, PEERS_MAX);
    bool is_well = true;
    io_group_init(&run->stopping);
    for (size_t i = 0; i < n_peers; i++)
        for (size_t nth = 0; is_well && nth < play_connections(run->play, peers[i]); nth++)
            is_well = play_connection(run, peers[i], nth);
    ASSERT(is_well == (run->why[0] == '\0'));
    while (run->n_crowd > 0)
        io_close(run->crowd[--run->n_crowd]);
    free(run->body);
    run->body = NULL;
    io_group_wait(&run->stopping, IO_NEVER);
}

static bool runs_here(const struct run *run) {
    struct view value;
    if (setting(run, "only", &value))
        return view_equals(value, run->on_loopback ? VIEW("loopback") : VIEW("sim"));
    return run->chunk_max == 0 || !setting(run, "whole", &value);
}

static void run_file(void **state) {
    struct run *run = *state;
    unsigned sync_ms = 0;
    run->play = play_load(run->path);
    set_number(run, "sync", &sync_ms);
    struct bed_options options = {.on_loopback = run->on_loopback,
                                  .seed = run->chunk_max,
                                  .chunk_max = run->chunk_max,
                                  .sync_ms_max = sync_ms,
                                  .tls = server_tls,
                                  .prepare = prepare,
                                  .body = play_script,
                                  .arg = run};
    if (runs_here(run))
        bed_run(&options);
    play_free(run->play);
    if (run->why[0])
        fail_msg("%s", run->why);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static size_t add_variants(const char *folder, const char *name, struct run *runs,
                           struct CMUnitTest *tests) {
    static const size_t chunks[VARIANTS] = {0, 0, 1, 2, 3, 7, 100};
    for (size_t i = 0; i < VARIANTS; i++) {
        runs[i].on_loopback = i == 0;
        runs[i].chunk_max = chunks[i];
        snprintf(runs[i].path, sizeof(runs[i].path), "%s/%s", folder, name);
        snprintf(runs[i].name, sizeof(runs[i].name), "%s (%s, %zu)", name,
                 i == 0 ? "loopback" : "sim", chunks[i]);
        tests[i] = (struct CMUnitTest){runs[i].name, run_file, NULL, NULL, &runs[i]};
    }
    return VARIANTS;
}

static int run_group(const struct CMUnitTest *tests, size_t n) {
    const struct authority_order order = {.names = {"relay.example.net"}};
    authority = authority_create();
    server_tls = authority_server(authority, &order);
    client_tls = authority_client(authority);
    log_set_level(getenv("VERBOSE") ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
    int failed = _cmocka_run_group_tests("dialogues", tests, n, NULL, NULL);
    tls_context_unref(server_tls);
    tls_context_unref(client_tls);
    authority_destroy(authority);
    return failed;
}

int main(int argc, char **argv) {
    static struct run runs[SCRIPTS_MAX * VARIANTS];
    static struct CMUnitTest tests[SCRIPTS_MAX * VARIANTS];
    struct dirent **entries;
    size_t n = 0;
    int n_entries = argc > 1 ? scandir(argv[1], &entries, NULL, by_name) : 0;
    ASSERT(n_entries < SCRIPTS_MAX);
    for (int i = 0; i < n_entries; i++) {
        const char *name = entries[i]->d_name;
        if (strstr(name, ".txt") && (argc < 3 || strstr(name, argv[2])))
            n += add_variants(argv[1], name, &runs[n], &tests[n]);
        free(entries[i]);
    }
    if (n == 0)
        return 1;
    free(entries);
    return run_group(tests, n);
}
