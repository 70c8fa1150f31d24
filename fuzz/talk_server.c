// SPDX-License-Identifier: Apache-2.0
// A whole conversation with a server that says anything. The first bytes choose what the client
// does and how large the pieces are in which it reads; the rest is what the server says, in clear
// text and then in the frames of the TLS double.
#include "io/sim.h"
#include "talk/talk.h"

#include <stdlib.h>

enum { CHOICE_PIPELINE = 1, CHOICE_STARTTLS = 2, CHOICE_AUTH = 4, CHOICE_TWICE = 8 };

struct server {
    struct io_stream stream;
    struct view says;
    size_t piece;
    size_t takes; // bytes until writes fail
};

static struct io_result server_read(struct io_stream *stream, void *out, size_t size,
                                    io_time deadline) {
    struct server *server = CONTAINER_OF(stream, struct server, stream);
    size_t n = size_min(size_min(size, server->piece), server->says.len);
    if (n == 0)
        return (struct io_result){IO_EOF, 0, -1, -1, 0};
    memcpy(out, server->says.ptr, n);
    server->says = view_skip(server->says, n);
    return (struct io_result){IO_OK, 0, -1, -1, n};
}

static struct io_result server_write(struct io_stream *stream, const struct iovec *parts,
                                     int n_parts, io_time deadline) {
    struct server *server = CONTAINER_OF(stream, struct server, stream);
    struct io_result result = {IO_OK, 0, -1, -1, 0};
    for (int i = 0; i < n_parts; i++)
        result.bytes += parts[i].iov_len;
    if (result.bytes > server->takes)
        result = (struct io_result){IO_ERROR, 104 /* ECONNRESET */, -1, -1, server->takes};
    server->takes -= result.bytes;
    return result;
}

static void server_close(struct io_stream *stream) {
}

static const struct io_stream_ops server_ops = {
    .read = server_read, .write = server_write, .close = server_close};

static struct fact let_pass(bool is_server, const struct tls_policy *policy, void *arg) {
    return fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
}

// What must hold of every fact, whatever the server does.
static bool went_well(const struct talk *talk, const struct fact *fact, enum fact_stage stage) {
    // Its text is readable to the end.
    if (view_hash(fact->text) == 1)
        return false;
    if (fact->stage != stage && !(stage == FACT_STAGE_DOT && fact->stage == FACT_STAGE_BODY))
        abort();
    if (fact->kind == FACT_KIND_REPLY && (fact->reply_code < 400 || fact->reply_code > 599))
        abort();
    if (fact->text.len > FACT_TEXT_BYTES_MAX)
        abort();
    if (fact->kind != FACT_KIND_OK && fact->kind != FACT_KIND_REPLY &&
        fact->kind != FACT_KIND_DEMAND && fact->kind != FACT_KIND_LOCAL && talk_is_open(talk))
        abort();
    return fact_is_ok(fact);
}

static bool step(struct talk *talk, struct fact fact, enum fact_stage stage) {
    return went_well(talk, &fact, stage);
}

static bool transact(struct talk *talk, unsigned choices) {
    const struct talk_mail mail = {.sender = VIEW("ann@a.example"), .size = 9, .has_8bit = true};
    const struct talk_rcpt rcpt = {.address = VIEW("bob@b.example"), .notify = MAIL_NOTIFY_FAILURE};
    bool is_grouped = choices & CHOICE_PIPELINE;
    talk_send_mail(talk, &mail);
    if (!is_grouped && !step(talk, talk_read_mail(talk), FACT_STAGE_MAIL))
        return false;
    talk_send_rcpt(talk, &rcpt);
    if (!is_grouped && !step(talk, talk_read_rcpt(talk), FACT_STAGE_RCPT))
        return false;
    talk_send_data(talk);
    if (is_grouped) {
        step(talk, talk_read_mail(talk), FACT_STAGE_MAIL);
        step(talk, talk_read_rcpt(talk), FACT_STAGE_RCPT);
    }
    if (!step(talk, talk_read_data(talk), FACT_STAGE_DATA) ||
        !step(talk, talk_send_body(talk, VIEW(".a\r\n\xe4\n")), FACT_STAGE_BODY))
        return false;
    talk_send_dot(talk);
    return step(talk, talk_read_dot(talk), FACT_STAGE_DOT);
}

static bool introduce(struct talk *talk, unsigned choices) {
    const struct tls_policy policy = {.check = TLS_CHECK_CHAIN};
    if (!step(talk, talk_greeting(talk), FACT_STAGE_GREETING) ||
        !step(talk, talk_ehlo(talk), FACT_STAGE_EHLO))
        return false;
    if (!(choices & CHOICE_STARTTLS))
        return true;
    struct fact fact = talk_starttls(talk, NULL, &policy);
    if (!step(talk, fact, fact.stage) || !step(talk, talk_ehlo(talk), FACT_STAGE_EHLO))
        return false;
    return !(choices & CHOICE_AUTH) ||
           step(talk, talk_auth(talk, VIEW("tim"), VIEW("secret")), FACT_STAGE_AUTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct sim *sim;
    if (size < 3)
        return -1;
    if (!sim)
        sim = sim_create(1);
    struct server server = {.stream.ops = &server_ops,
                            .says = view_from(data + 3, size - 3),
                            .piece = data[1] ? data[1] : 4096,
                            .takes = data[2] ? (size_t)data[2] * 4 : SIZE_MAX};
    struct talk_options options = {.helo = VIEW("relay.example"), .deadline = IO_NEVER};
    unsigned choices = data[0];
    talk_timeouts_default(&options.timeouts);
    tls_double_install(let_pass, NULL);
    struct talk *talk = talk_create(&options);
    talk_adopt(talk, &server.stream);
    if (introduce(talk, choices)) {
        transact(talk, choices);
        if (choices & CHOICE_TWICE)
            transact(talk, choices);
    }
    talk_quit(talk);
    talk_destroy(talk);
    return 0;
}
