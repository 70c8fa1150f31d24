// SPDX-License-Identifier: Apache-2.0
#include "dialogue/bed.h"

#include "base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 3600 * 1000 };

// --- The server's hooks --------------------------------------------------------------------------
static char *describe(const struct mail_envelope *envelope) {
    struct buffer out;
    buffer_init(&out, 1 << 20);
    buffer_printf(&out, "from=<%.*s> to=", VIEW_ARG(envelope->sender));
    for (size_t i = 0; i < envelope->n_recipients; i++)
        buffer_printf(&out, "%s<%.*s>", i ? "," : "", VIEW_ARG(envelope->recipients[i].address));
    buffer_printf(&out, " helo=%.*s", VIEW_ARG(envelope->client_name));
    if (envelope->body == MAIL_BODY_8BITMIME)
        buffer_printf(&out, " body=8bitmime");
    if (envelope->has_8bit)
        buffer_printf(&out, " 8bit");
    if (envelope->tls.len)
        buffer_printf(&out, " tls=%.*s", VIEW_ARG(envelope->tls));
    char *text = mem_copy_string(buffer_string(&out));
    buffer_finish(&out);
    return text;
}

static void take_message(void *arg, struct spool_id id, const struct mail_envelope *envelope,
                         struct spool_body *body) {
    struct bed *bed = arg;
    ASSERT(spool_body_size(body) == envelope->size_bytes);
    ASSERT(view_equals(envelope->listener, VIEW("test")));
    bed->n_messages++;
    if (bed->forgets)
        return;
    struct bed_message *message = mem_alloc_zero(sizeof(*message));
    message->id = id;
    message->body = spool_body_ref(body);
    message->envelope = describe(envelope);
    view_copy_string(envelope->message_id, message->message_id, sizeof(message->message_id));
    message->next = bed->newest;
    bed->newest = message;
}

static bool refuses(void *arg, struct view domain, struct view *reason) {
    struct bed *bed = arg;
    if (!bed->refused_domain[0] || !view_equals_nocase(domain, view_of(bed->refused_domain)))
        return false;
    *reason = view_of(bed->refusal);
    return true;
}

static struct config *config_of(void *arg) {
    return config_ref(((struct bed *)arg)->config);
}

static struct tls_context *tls_of(void *arg) {
    struct bed *bed = arg;
    return bed->tls ? tls_context_ref(bed->tls) : NULL;
}

// --- Life ----------------------------------------------------------------------------------------
static void ignore_entry(const struct spool_entry *entry, void *arg) {
}

static void open_spool(struct bed *bed) {
    struct error error = {0};
    struct spool_recovery recovery;
    struct spool_options options = {
        .path = "/spool", .segment_bytes = 512 << 10, .floor_free_bytes = 1 << 20};
    if (!bed->sim) {
        snprintf(bed->folder, sizeof(bed->folder), "/tmp/bed-XXXXXX");
        options.path = mkdtemp(bed->folder);
        ASSERT(options.path != NULL);
    }
    bed->spool = spool_open(&options, ignore_entry, NULL, &recovery, &error);
    ASSERT(bed->spool != NULL);
}

static void open_server(struct bed *bed) {
    struct error error = {0};
    open_spool(bed);
    bed->limits = serve_limits_create();
    struct serve_options options = {.spool = bed->spool,
                                    .hooks = {take_message, refuses, bed},
                                    .config = config_of,
                                    .tls = tls_of,
                                    .config_arg = bed};
    bed->serve = serve_create(&options, bed->limits);
    struct io_listener *listener = io_listen(&bed->address, false, &error);
    ASSERT(listener != NULL);
    bed->address = io_listener_address(listener);
    serve_listen(bed->serve, listener, "test");
}

static void remove_folder(const struct bed *bed) {
    char path[512];
    struct dirent *entry;
    DIR *folder = opendir(bed->folder);
    ASSERT(folder != NULL);
    while ((entry = readdir(folder))) {
        snprintf(path, sizeof(path), "%s/%s", bed->folder, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(bed->folder);
}

static void close_server(struct bed *bed) {
    if (!bed->is_stopped)
        serve_stop(bed->serve, io_after(1000));
    ASSERT(serve_counts(bed->serve).sessions_now == 0);
    serve_destroy(bed->serve);
    serve_limits_destroy(bed->limits);
    while (bed->newest) {
        struct bed_message *message = bed->newest;
        bed->newest = message->next;
        spool_body_unref(message->body);
        free(message->envelope);
        free(message);
    }
    // Nothing that a session held may be held still.
    ASSERT(spool_health(bed->spool).memory_bytes == 0);
    spool_close(bed->spool);
    if (!bed->sim)
        remove_folder(bed);
}

static void run_all(void *arg) {
    struct bed *bed = arg;
    open_server(bed);
    bed->options->body(bed, bed->options->arg);
    bed->is_over = true;
    if (bed->sim)
        sim_disk_rule(bed->sim, &(struct sim_disk_rule){0});
    close_server(bed);
}

static struct fact always_well(bool is_server, const struct tls_policy *policy, void *arg) {
    return fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
}

static void make_config(struct bed *bed) {
    struct buffer problems;
    buffer_init(&problems, 4096);
    bed->config = config_load(NULL, &problems);
    ASSERT(bed->config && bed->config->n_listeners == 1);
    bed->config->hostname = "relay.example.net";
    bed->config->postmaster = "admin@example.net";
    bed->config->listeners[0].name = "test";
    buffer_finish(&problems);
}

static void run_in_sim(struct bed *bed) {
    const struct bed_options *options = bed->options;
    struct sim_net_rule net = {
        .latency_ms_min = 1, .latency_ms_max = 5, .chunk_max = options->chunk_max};
    struct sim_disk_rule disk = {.sync_ms_max = options->sync_ms_max};
    bed->sim = sim_create(options->seed + 1);
    sim_net_default(bed->sim, &net);
    if (options->chunk_max > 0)
        sim_shuffle(bed->sim, 2000);
    sim_disk_rule(bed->sim, &disk);
    tls_double_install(always_well, NULL);
    if (options->prepare)
        options->prepare(bed, options->arg);
    io_spawn("bed", run_all, bed);
    sim_run(bed->sim, IO_NEVER);
    ASSERT(bed->is_over && io_loop_counts(io_loop_current()).fibers_now == 0);
    sim_destroy(bed->sim);
    tls_double_install(NULL, NULL);
}

static void run_on_loopback(struct bed *bed) {
    const struct bed_options *options = bed->options;
    struct error error;
    struct io_loop_options loop_options = {.name = "test"};
    struct io_loop *loop = io_loop_create(&loop_options, &error);
    ASSERT(loop != NULL);
    if (options->prepare)
        options->prepare(bed, options->arg);
    io_spawn("bed", run_all, bed);
    io_loop_run(loop);
    ASSERT(bed->is_over);
    io_loop_destroy(loop);
}

void bed_run(const struct bed_options *options) {
    struct bed bed = {.options = options};
    bool is_address = address_parse_port(
        options->on_loopback ? VIEW("127.0.0.1:0") : VIEW("127.0.0.1:2525"), &bed.address);
    ASSERT(is_address);
    make_config(&bed);
    bed.tls = options->tls ? tls_context_ref(options->tls) : NULL;
    if (options->on_loopback)
        run_on_loopback(&bed);
    else
        run_in_sim(&bed);
    tls_context_unref(bed.tls);
    config_unref(bed.config);
}

// --- Messages ------------------------------------------------------------------------------------
char *bed_read_body(const struct bed_message *message, size_t *len) {
    size_t size = (size_t)spool_body_size(message->body);
    char *bytes = mem_alloc(size + 1);
    for (*len = 0; *len < size;) {
        struct view piece;
        enum spool_status status =
            spool_body_read(message->body, *len, size - *len, bytes + *len, &piece);
        ASSERT(status == SPOOL_OK && piece.len > 0);
        memmove(bytes + *len, piece.ptr, piece.len);
        *len += piece.len;
    }
    bytes[*len] = '\0';
    return bytes;
}

const char *bed_behind_received(const char *body) {
    // Its last line is the date; a blank behind that is the client's.
    const char *date = strstr(body, " +0000\r\n");
    ASSERT(strncmp(body, "Received: from ", 15) == 0 && date);
    return date + 8;
}

// --- Clients -------------------------------------------------------------------------------------
struct io_stream *bed_connect(struct bed *bed, const char *source) {
    struct io_connect_options options = {0};
    struct io_stream *stream = NULL;
    bool is_address = address_parse(view_of(source ? source : "127.0.0.1"), &options.source);
    ASSERT(is_address);
    struct io_result result = io_connect(&bed->address, &options, io_after(PATIENCE_MS), &stream);
    ASSERT(io_is_ok(result));
    return stream;
}

void bed_client_open(struct bed_client *client, struct bed *bed, const char *source) {
    *client = (struct bed_client){.bed = bed, .stream = bed_connect(bed, source)};
}

void bed_client_greet(struct bed_client *client, struct bed *bed) {
    bed_client_open(client, bed, NULL);
    bool is_greeted = strncmp(bed_read_reply(client), "220 ", 4) == 0;
    ASSERT(is_greeted);
    bool is_known = strncmp(bed_ask(client, "EHLO client.example"), "250 ", 4) == 0;
    ASSERT(is_known);
}

void bed_client_close(struct bed_client *client) {
    io_close(client->stream);
    client->stream = NULL;
}

bool bed_send(struct bed_client *client, struct view bytes) {
    return io_is_ok(io_write(client->stream, bytes.ptr, bytes.len, io_after(PATIENCE_MS)));
}

static bool take_line(struct bed_client *client) {
    char *end = memchr(client->input, '\n', client->len);
    if (!end)
        return false;
    size_t len = (size_t)(end - client->input);
    ASSERT(len > 0 && end[-1] == '\r'); // the server always sends CRLF
    memcpy(client->line, client->input, len - 1);
    client->line[len - 1] = '\0';
    client->len -= len + 1;
    memmove(client->input, end + 1, client->len);
    return true;
}

const char *bed_read_line(struct bed_client *client) {
    while (!take_line(client)) {
        ASSERT(client->len < sizeof(client->input));
        struct io_result result =
            io_read(client->stream, client->input + client->len,
                    sizeof(client->input) - client->len, io_after(PATIENCE_MS));
        if (!io_is_ok(result))
            return NULL;
        client->len += result.bytes;
    }
    return client->line;
}

const char *bed_read_reply(struct bed_client *client) {
    const char *line = bed_read_line(client);
    while (line && strlen(line) > 3 && line[3] == '-')
        line = bed_read_line(client);
    return line ? line : "closed";
}

const char *bed_ask(struct bed_client *client, const char *line) {
    struct iovec parts[2] = {{(void *)(uintptr_t)line, strlen(line)},
                             {(void *)(uintptr_t) "\r\n", 2}};
    if (!io_is_ok(io_writev(client->stream, parts, 2, io_after(PATIENCE_MS))))
        return "closed";
    return bed_read_reply(client);
}
