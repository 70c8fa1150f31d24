// SPDX-License-Identifier: Apache-2.0
// Bytes through an encrypted stream, by OpenSSL and by the double: whole, cut, forged, aborted.
#include "dialogue/authority.h"
#include "tls/context_internal.h"
#include "unit/io/io_test.h"

enum { LARGE_BYTES = 1 << 20 };

static struct authority *authority;
static struct tls_context *server_context, *client_context;

static int prepare(void **state) {
    const struct authority_order order = {.names = {"mx.example.org"}};
    authority = authority_create();
    server_context = authority_server(authority, &order);
    client_context = authority_client(authority);
    return 0;
}

static int clean_up(void **state) {
    tls_context_unref(server_context);
    tls_context_unref(client_context);
    authority_destroy(authority);
    return 0;
}

static void serve(void *arg) {
    struct ends *ends = arg;
    struct tls_session session;
    struct fact fact = tls_server_start(server_context, &ends->far, io_after(5000), &session);
    assert_int_equal(fact.kind, FACT_KIND_OK);
}

static struct ends encrypted_ends(void) {
    const struct tls_policy policy = {.check = TLS_CHECK_CHAIN};
    struct tls_session session;
    struct ends ends = ends_open();
    struct io_group group;
    io_group_init(&group);
    io_group_spawn(&group, "server", serve, &ends);
    struct fact fact =
        tls_client_start(client_context, &ends.near, &policy, io_after(5000), &session);
    assert_int_equal(fact.kind, FACT_KIND_OK);
    assert_ok(io_group_wait(&group, io_after(5000)));
    return ends;
}

// --- Whole ------------------------------------------------------------------------------------
static void echo_all(void *arg) {
    struct ends *ends = arg;
    static char bytes[8192];
    for (;;) {
        struct io_result result = io_read(ends->far, bytes, sizeof(bytes), io_after(5000));
        if (!io_is_ok(result))
            return;
        assert_ok(io_write(ends->far, bytes, result.bytes, io_after(5000)));
    }
}

static void write_large(void *arg) {
    void **pair = arg;
    char *bytes = pair[1];
    // Runs of every kind: small ones together, large ones alone, empty ones.
    struct iovec parts[] = {{bytes, 1},           {bytes + 1, 99},
                            {bytes + 100, 0},     {bytes + 100, 20000},
                            {bytes + 20100, 300}, {bytes + 20400, LARGE_BYTES - 20400}};
    struct io_result result = io_writev(pair[0], parts, ARRAY_LEN(parts), io_after(20000));
    assert_ok(result);
    assert_int_equal(result.bytes, LARGE_BYTES);
}

// One fiber reads what another one has written and an echo returns: both directions at once.
static void bytes_come_whole(void *arg) {
    struct ends ends = encrypted_ends();
    char *sent = mem_alloc(LARGE_BYTES), *back = mem_alloc(LARGE_BYTES);
    void *pair[2] = {ends.near, sent};
    struct io_group group;
    for (size_t i = 0; i < LARGE_BYTES; i++)
        sent[i] = (char)(i * 7 + (i >> 9));
    io_group_init(&group);
    struct io_fiber *echo = io_group_spawn(&group, "echo", echo_all, &ends);
    io_group_spawn(&group, "write", write_large, pair);
    assert_ok(read_all(ends.near, back, LARGE_BYTES));
    assert_memory_equal(sent, back, LARGE_BYTES);
    io_cancel(echo);
    assert_ok(io_group_wait(&group, io_after(5000)));
    ends_close(&ends);
    free(sent);
    free(back);
}

static void both_ways_of_closing_are_an_end(void *arg) {
    for (int is_polite = 0; is_polite < 2; is_polite++) {
        struct ends ends = encrypted_ends();
        char byte;
        assert_ok(io_write(ends.far, "x", 1, io_after(5000)));
        if (!is_polite) { // without close_notify, as a truncation would look
            struct io_stream *below = tls_stream_below(ends.far);
            assert_ptr_not_equal(below, ends.far);
            if (io_stream_descriptor(below) < 0)
                ends.far->ops->set_abort(ends.far);
            else
                assert_int_equal(shutdown(io_stream_descriptor(below), SHUT_WR), 0);
        }
        assert_ok(io_read(ends.near, &byte, 1, io_after(5000)));
        assert_int_equal(byte, 'x');
        io_close(ends.far);
        struct io_result result = io_read(ends.near, &byte, 1, io_after(5000));
        assert_true(result.status == IO_EOF || result.sys_errno == ECONNRESET);
        io_close(ends.near);
    }
}

static void silence_and_cancel_are_told(void *arg) {
    struct ends ends = encrypted_ends();
    char byte;
    assert_int_equal(io_read(ends.near, &byte, 1, io_after(20)).status, IO_TIMEOUT);
    assert_ok(io_write(ends.far, "y", 1, io_after(5000)));
    assert_ok(io_read(ends.near, &byte, 1, io_after(5000)));
    io_cancel(io_fiber_current());
    assert_int_equal(io_read(ends.near, &byte, 1, io_after(20)).status, IO_CANCELED);
    io_cancel_clear();
    ends_close(&ends);
}

// --- Broken -----------------------------------------------------------------------------------
static void a_forged_record_is_noticed(void *arg) {
    struct ends ends = encrypted_ends();
    char byte;
    assert_int_equal(tls_stream_failure(ends.near, FACT_STAGE_EHLO).kind, FACT_KIND_NONE);
    assert_ok(io_write(tls_stream_below(ends.far), "\x17\x03\x03\x00\x14 no secret of ours..", 25,
                       io_after(5000)));
    struct io_result result = io_read(ends.near, &byte, 1, io_after(5000));
    assert_int_equal(result.status, IO_ERROR);
    assert_int_equal(result.sys_errno, EPROTO);
    struct fact fact = tls_stream_failure(ends.near, FACT_STAGE_EHLO);
    assert_int_equal(fact.kind, FACT_KIND_TLS);
    assert_int_equal(fact.stage, FACT_STAGE_EHLO);
    assert_int_equal(fact.tls_alert, SSL_AD_BAD_RECORD_MAC);
    assert_false(fact.tls_alert_from_peer);
    // It stays broken, both ways.
    assert_int_equal(io_read(ends.near, &byte, 1, io_after(5000)).sys_errno, EPROTO);
    assert_int_equal(io_write(ends.near, "z", 1, io_after(5000)).sys_errno, EPROTO);
    ends_close(&ends);
}

// A TLS 1.3 server that wants a client certificate says so after the client's handshake is done.
static void demand_certificate(void *arg) {
    struct ends *ends = arg;
    struct tls_session session;
    struct fact fact = tls_server_start(server_context, &ends->far, io_after(5000), &session);
    assert_int_equal(fact.kind, FACT_KIND_TLS);
    assert_false(fact.tls_alert_from_peer);
}

static void a_late_alert_is_the_fact(void *arg) {
    const struct tls_policy policy = {.check = TLS_CHECK_NONE};
    struct tls_session session;
    struct ends ends = ends_open();
    struct io_group group;
    char byte;
    SSL_CTX_set_verify(server_context->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    io_group_init(&group);
    io_group_spawn(&group, "server", demand_certificate, &ends);
    struct fact fact =
        tls_client_start(client_context, &ends.near, &policy, io_after(5000), &session);
    assert_int_equal(fact.kind, FACT_KIND_OK);
    assert_int_equal(io_read(ends.near, &byte, 1, io_after(5000)).sys_errno, EPROTO);
    fact = tls_stream_failure(ends.near, FACT_STAGE_EHLO);
    assert_int_equal(fact.tls_alert, 116); // certificate_required
    assert_true(fact.tls_alert_from_peer);
    assert_ok(io_group_wait(&group, io_after(5000)));
    SSL_CTX_set_verify(server_context->ssl, SSL_VERIFY_NONE, NULL);
    io_close(ends.near);
}

// What a failed write counts is what the peer can have read: whole records.
static void a_write_that_stops_counts_whole_records(void *arg) {
    struct ends ends = encrypted_ends();
    char *bytes = mem_alloc_zero(16 * LARGE_BYTES);
    struct io_result result = io_write(ends.near, bytes, 16 * LARGE_BYTES, io_after(100));
    assert_int_equal(result.status, IO_TIMEOUT);
    assert_true(result.bytes < 16 * LARGE_BYTES);
    assert_int_equal(result.bytes % 16384, 0);
    free(bytes);
    ends_close(&ends);
}

static void a_reset_is_told(void *arg) {
    struct ends ends = encrypted_ends();
    char byte;
    ends.far->ops->set_abort(ends.far);
    io_close(ends.far);
    struct io_result result = io_read(ends.near, &byte, 1, io_after(5000));
    assert_int_equal(result.status, IO_ERROR);
    assert_int_equal(result.sys_errno, ECONNRESET);
    io_close(ends.near);
}

// --- The double -------------------------------------------------------------------------------
struct double_case {
    struct fact client, server;
    struct ends ends;
    struct fact client_fact, server_fact;
    unsigned n_asked;
};

static struct fact decide(bool is_server, const struct tls_policy *policy, void *arg) {
    struct double_case *self = arg;
    assert_int_equal(is_server, policy == NULL);
    self->n_asked++;
    return is_server ? self->server : self->client;
}

static void serve_double(void *arg) {
    struct double_case *self = arg;
    struct tls_session session;
    self->server_fact = tls_server_start(NULL, &self->ends.far, io_after(1000), &session);
}

static void try_double(struct double_case *self) {
    const struct tls_policy policy = {.check = TLS_CHECK_CHAIN};
    struct tls_session session;
    struct io_group group;
    self->ends = ends_open();
    tls_double_install(decide, self);
    io_group_init(&group);
    io_group_spawn(&group, "server", serve_double, self);
    self->client_fact = tls_client_start(NULL, &self->ends.near, &policy, io_after(1000), &session);
    assert_ok(io_group_wait(&group, io_after(5000)));
    tls_double_install(NULL, NULL);
}

static void the_double_carries_bytes(void *arg) {
    struct double_case self = {.client = fact_make(FACT_STAGE_TLS, FACT_KIND_OK),
                               .server = fact_make(FACT_STAGE_TLS, FACT_KIND_OK)};
    char bytes[64];
    try_double(&self);
    assert_int_equal(self.client_fact.kind, FACT_KIND_OK);
    assert_int_equal(self.server_fact.kind, FACT_KIND_OK);
    assert_int_equal(self.n_asked, 2);
    assert_ok(io_write(self.ends.near, "EHLO a\r\n", 8, io_after(1000)));
    assert_ok(io_write(self.ends.near, "NOOP\r\n", 6, io_after(1000)));
    assert_ok(read_all(self.ends.far, bytes, 14));
    assert_memory_equal(bytes, "EHLO a\r\nNOOP\r\n", 14);
    io_close(self.ends.near);
    assert_int_equal(io_read(self.ends.far, bytes, sizeof(bytes), io_after(1000)).status, IO_EOF);
    io_close(self.ends.far);
}

static void the_double_fails_as_told(void *arg) {
    struct double_case self = {.client = fact_make(FACT_STAGE_TLS, FACT_KIND_CERT),
                               .server = fact_make(FACT_STAGE_TLS, FACT_KIND_OK)};
    char byte;
    self.client.x509_verify = 10;
    try_double(&self);
    assert_int_equal(self.client_fact.kind, FACT_KIND_CERT);
    assert_int_equal(self.client_fact.x509_verify, 10);
    assert_int_equal(io_read(self.ends.far, &byte, 1, io_after(1000)).sys_errno, EPROTO);
    io_close(self.ends.far);

    self = (struct double_case){.client = fact_make(FACT_STAGE_TLS, FACT_KIND_OK),
                                .server = fact_make(FACT_STAGE_TLS, FACT_KIND_TLS)};
    self.server.tls_alert = 80;
    try_double(&self);
    assert_int_equal(self.server_fact.tls_alert, 80);
    assert_int_equal(self.client_fact.tls_alert, 80);
    assert_true(self.client_fact.tls_alert_from_peer);
}

// A transport that takes so many bytes and no more.
struct narrow {
    struct io_stream stream;
    struct view says;
    size_t takes;
};

static struct io_result narrow_read(struct io_stream *stream, void *out, size_t size,
                                    io_time deadline) {
    struct narrow *narrow = CONTAINER_OF(stream, struct narrow, stream);
    size_t n = size_min(size, narrow->says.len);
    memcpy(out, narrow->says.ptr, n);
    narrow->says = view_skip(narrow->says, n);
    return (struct io_result){n ? IO_OK : IO_EOF, 0, -1, -1, n};
}

static struct io_result narrow_write(struct io_stream *stream, const struct iovec *parts,
                                     int n_parts, io_time deadline) {
    struct narrow *narrow = CONTAINER_OF(stream, struct narrow, stream);
    assert_int_equal(n_parts, 1);
    size_t n = size_min(parts[0].iov_len, narrow->takes);
    narrow->takes -= n;
    return (struct io_result){n < parts[0].iov_len ? IO_ERROR : IO_OK, ECONNRESET, -1, -1, n};
}

static void narrow_close(struct io_stream *stream) {
}

static const struct io_stream_ops narrow_ops = {
    .read = narrow_read, .write = narrow_write, .close = narrow_close};

static struct fact let_pass(bool is_server, const struct tls_policy *policy, void *arg) {
    return fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
}

// Records have five bytes of head here. A record that was cut cannot be read by the peer.
static void cut_records_do_not_count(void *arg) {
    static char bytes[100000];
    static const struct {
        size_t takes, counted;
    } rows[] = {{0, 0},
                {5 + 16383, 0},
                {5 + 16384, 16384},
                {2 * (5 + 16384) + 4, 2 * 16384},
                {4 * (5 + 16384) + 9, 4 * 16384}};
    const struct tls_policy policy = {.check = TLS_CHECK_NONE};
    struct tls_session session;
    tls_double_install(let_pass, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct narrow narrow = {.stream.ops = &narrow_ops,
                                .says = VIEW("\x16\x03\x7f\x00\x05hello"),
                                .takes = SIZE_MAX};
        struct io_stream *stream = &narrow.stream;
        struct fact fact = tls_client_start(NULL, &stream, &policy, io_after(1000), &session);
        assert_int_equal(fact.kind, FACT_KIND_OK);
        narrow.takes = rows[i].takes;
        struct io_result result = io_write(stream, bytes, sizeof(bytes), io_after(1000));
        assert_int_equal(result.sys_errno, ECONNRESET);
        assert_int_equal(result.bytes, rows[i].counted);
        io_close(stream);
    }
    tls_double_install(NULL, NULL);
}

// --- Contexts ---------------------------------------------------------------------------------
static void a_context_says_what_is_wrong(void **state) {
    const struct authority_order order = {.names = {"mx.example.org"}};
    const char *one = authority_issue(authority, &order);
    const char *other = authority_issue(authority, &order);
    const struct authority_order rsa = {.names = {"mx.example.org"}, .key = AUTHORITY_KEY_RSA};
    const char *of_other_kind = authority_issue(authority, &rsa);
    const char *ca = authority_file(authority);
    const struct {
        struct tls_context_options options;
        const char *words, *file;
    } rows[] = {
        {{.certificate = "/nowhere/mx.pem"}, "No such file", "/nowhere/mx.pem"},
        {{.certificate = one, .key = "/nowhere/key.pem"}, "No such file", "/nowhere/key.pem"},
        {{.certificate = one, .key = other}, "does not belong", other},
        {{.certificate = one, .key = of_other_kind}, "does not belong", of_other_kind},
        {{.certificate = ca}, "private key", ca},
        {{.ca_file = "/nowhere/ca.pem"}, "No such file", "/nowhere/ca.pem"},
        {{.ca_file = "/dev/null"}, "certificate authorities", "/dev/null"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error error = {.text = ""};
        assert_null(tls_context_create(&rows[i].options, &error));
        assert_non_null(strstr(error.text, rows[i].words));
        assert_non_null(strstr(error.text, rows[i].file));
    }
    tls_context_unref(NULL);
    struct tls_context *again = tls_context_ref(client_context);
    tls_context_unref(again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(bytes_come_whole),
        ON_BOTH(both_ways_of_closing_are_an_end),
        ON_BOTH(silence_and_cancel_are_told),
        ON_BOTH(a_forged_record_is_noticed),
        ON_BOTH(a_late_alert_is_the_fact),
        ON_BOTH(a_write_that_stops_counts_whole_records),
        ON_BOTH(a_reset_is_told),
        ON_BOTH(the_double_carries_bytes),
        ON_BOTH(the_double_fails_as_told),
        ON_SIM(cut_records_do_not_count),
        cmocka_unit_test(a_context_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
