// SPDX-License-Identifier: Apache-2.0
// Files over HTTP and HTTPS from a server on loopback: what is an answer, and what each failure is
// called.
#include "fetch/fetch.h"
#include "dialogue/authority_group.h"
#include "unit/io/io_test.h"

// --- URLs -------------------------------------------------------------------------------------
static void urls(void **state) {
    static const struct {
        const char *url, *host;
        unsigned port;
        bool is_https, is_address;
    } table[] = {
        {"https://mta-sts.example.org/.well-known/mta-sts.txt", "mta-sts.example.org", 443, true,
         false},
        {"http://example.org", "example.org", 80, false, false},
        {"http://127.0.0.1:8080/x?y#z", "127.0.0.1", 8080, false, true},
        {"https://[2001:db8::1]/", "2001:db8::1", 443, true, true},
    };
    static const char *const wrong[] = {"",
                                        "example.org",
                                        "ftp://example.org/",
                                        "file:///etc/passwd",
                                        "http://",
                                        "http://a:b@example.org",
                                        "https://example.org:99999/",
                                        "http://exa mple.org/"};
    struct fetch_where where;
    struct error error;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_true(fetch_where_parse(view_of(table[i].url), &where, &error));
        assert_string_equal(where.host, table[i].host);
        assert_int_equal(where.port, table[i].port);
        assert_int_equal(where.is_https, table[i].is_https);
        assert_int_equal(where.address.family != ADDRESS_NONE, table[i].is_address);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        error.text[0] = '\0';
        assert_false(fetch_where_parse(view_of(wrong[i]), &where, &error));
        assert_true(error.text[0] != '\0');
    }
}

// --- Fetches ----------------------------------------------------------------------------------
struct scene {
    const char *reply; // NULL: silence
    bool is_https;
    const struct authority_order *order;
    const char *begin, *path; // of the URL, around the port
    size_t bytes_max;
    int64_t limit_ms;
    bool is_dead;  // nobody listens
    bool is_hasty; // does not wait for the request
    struct io_listener *listener;
    char request[1024];
    struct fetch_answer answer;
};

static void serve(void *arg) {
    struct scene *scene = arg;
    struct io_stream *stream = NULL;
    struct tls_session session;
    size_t n = 0;
    if (io_accept(scene->listener, io_after(5000), &stream).status != IO_OK)
        return;
    if (scene->is_https) {
        struct tls_context *context = authority_server(authority, scene->order);
        tls_server_start(context, &stream, io_after(5000), &session);
        tls_context_unref(context);
    }
    while (stream && !scene->is_hasty && n < sizeof(scene->request) - 1 &&
           !strstr(scene->request, "\r\n\r\n")) {
        struct io_result result =
            io_read(stream, scene->request + n, sizeof(scene->request) - 1 - n, io_after(5000));
        if (result.status != IO_OK)
            break;
        n += result.bytes;
    }
    if (stream && scene->reply)
        io_write(stream, scene->reply, strlen(scene->reply), io_after(5000));
    else if (stream)
        io_sleep(io_after(scene->limit_ms * 2));
    io_close(stream);
}

static void fetch_from(struct scene *scene, const struct address *address) {
    char url[256];
    struct fetch_where where;
    struct error error;
    snprintf(url, sizeof(url), "%s:%u%s", scene->begin, (unsigned)address->port, scene->path);
    assert_true(fetch_where_parse(view_of(url), &where, &error));
    const struct fetch_request request = {.where = &where,
                                          .addresses = address,
                                          .n_addresses = 1,
                                          .ca_file = authority_file(authority),
                                          .accept = "text/plain",
                                          .bytes_max = scene->bytes_max,
                                          .deadline = io_after(scene->limit_ms)};
    fetch_get(&request, &scene->answer);
}

static void play(void *arg) {
    struct scene *scene = arg;
    struct error error;
    struct address address;
    struct io_group group;
    assert_true(address_parse(VIEW("127.0.0.1"), &address));
    scene->listener = io_listen(&address, false, &error);
    assert_non_null(scene->listener);
    address = io_listener_address(scene->listener);
    io_group_init(&group);
    if (scene->is_dead)
        io_listener_close(scene->listener);
    else
        io_group_spawn(&group, "server", serve, scene);
    fetch_from(scene, &address);
    if (!scene->is_dead) {
        assert_ok(io_group_wait(&group, io_after(10000)));
        io_listener_close(scene->listener);
    }
}

static void run_scene(struct scene *scene) {
    if (scene->bytes_max == 0)
        scene->bytes_max = 1000;
    if (scene->limit_ms == 0)
        scene->limit_ms = 5000;
    struct error error;
    const struct io_loop_options options = {.name = "fetch"};
    struct io_loop *loop = io_loop_create(&options, &error);
    assert_non_null(loop);
    io_spawn("play", play, scene);
    io_loop_run(loop);
    io_loop_destroy(loop);
}

static const struct authority_order good = {.names = {"mta-sts.example.org"}},
                                    other_name = {.names = {"www.example.org"}},
                                    old = {.names = {"mta-sts.example.org"},
                                           .days_from = -60,
                                           .days_to = -1};
#define POLICY .is_https = true, .begin = "https://mta-sts.example.org", .path = "/policy"
#define PLAIN .begin = "http://plain.example.org", .path = "/a"
static const char well[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=us-ascii\r\n"
                           "Content-Length: 9\r\n\r\nversion: ";

static void answers(void **state) {
    struct scene scene = {.reply = well, POLICY, .order = &good};
    run_scene(&scene);
    assert_int_equal(scene.answer.failure, FETCH_WELL);
    assert_int_equal(scene.answer.status, 200);
    assert_string_equal(scene.answer.content_type, "text/plain; charset=us-ascii");
    assert_string_equal(buffer_string(&scene.answer.body), "version: ");
    assert_non_null(strstr(scene.request, "GET /policy HTTP/1.1\r\n"));
    assert_non_null(strstr(scene.request, "Host: mta-sts.example.org:"));
    assert_non_null(strstr(scene.request, "Accept: text/plain\r\n"));
    fetch_answer_finish(&scene.answer);
}

// Where a redirect leads is told and not followed: the caller asks its own resolver for the host.
static void a_redirect(void **state) {
    struct scene scene = {.reply = "HTTP/1.1 302 Found\r\nLocation: /there\r\n"
                                   "Content-Length: 0\r\n\r\n",
                          PLAIN};
    run_scene(&scene);
    assert_int_equal(scene.answer.failure, FETCH_WELL);
    assert_int_equal(scene.answer.status, 302);
    assert_non_null(strstr(scene.answer.location, "http://plain.example.org:"));
    assert_non_null(strstr(scene.answer.location, "/there"));
    fetch_answer_finish(&scene.answer);
}

static void failures(void **state) {
    static const char long_body[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                                    "0123456789012345678901234567890123456789";
    const struct {
        struct scene scene;
        enum fetch_failure failure;
    } table[] = {
        {{.is_dead = true, PLAIN}, FETCH_CONNECT},
        {{.reply = NULL, PLAIN, .limit_ms = 200}, FETCH_TIMEOUT},
        {{.reply = well, POLICY, .order = &other_name}, FETCH_CERT},
        {{.reply = well, POLICY, .order = &old}, FETCH_CERT},
        {{.reply = well, .is_hasty = true, .begin = "https://plain.example.org", .path = "/"},
         FETCH_TLS},
        {{.reply = long_body, PLAIN, .bytes_max = 20}, FETCH_TOO_LARGE},
        {{.reply = well, PLAIN, .bytes_max = 5}, FETCH_TOO_LARGE},
        {{.reply = "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nshort", PLAIN}, FETCH_BROKEN},
        {{.reply = "220 mx.example.org ESMTP\r\n", PLAIN}, FETCH_BROKEN},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct scene scene = table[i].scene;
        run_scene(&scene);
        if (scene.answer.failure != table[i].failure)
            fail_msg("row %zu: %d (%s)", i, (int)scene.answer.failure, scene.answer.error.text);
        assert_true(scene.answer.error.text[0] != '\0');
        fetch_answer_finish(&scene.answer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(urls), cmocka_unit_test(answers),
                                       cmocka_unit_test(a_redirect), cmocka_unit_test(failures)};
    return cmocka_run_group_tests(tests, make_authority, drop_authority);
}
