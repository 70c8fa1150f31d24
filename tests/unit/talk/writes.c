// SPDX-License-Identifier: Apache-2.0
// What goes out in one write: a group of commands, and a body with its dot and the next envelope.
// Bodies are written from where they lie.
#include "unit/talk/talk_test.h"

enum { WRITES_MAX = 16, PARTS_MAX = 64, TEXT_BYTES = 512 * 1024 };

// A stream that answers from a text and notes what is written.
struct recorder {
    struct io_stream stream;
    struct view answers;
    struct {
        size_t begin, len;
        int n_parts;
        const void *parts[PARTS_MAX];
    } writes[WRITES_MAX];
    size_t n_writes;
    char *text;
    size_t len;
    size_t limit; // bytes after which writes fail
    size_t sip;   // bytes that one write gets rid of before its deadline; zero: all
};

static struct io_result recorder_read(struct io_stream *stream, void *out, size_t size,
                                      io_time deadline) {
    struct recorder *self = CONTAINER_OF(stream, struct recorder, stream);
    if (self->answers.len == 0)
        return (struct io_result){IO_EOF, 0, -1, -1, 0};
    // One reply a read, as servers send them.
    size_t n = size_min(size, view_find_char(self->answers, '\n') + 1);
    memcpy(out, self->answers.ptr, n);
    self->answers = view_skip(self->answers, n);
    return (struct io_result){IO_OK, 0, -1, -1, n};
}

static struct io_result recorder_write(struct io_stream *stream, const struct iovec *parts,
                                       int n_parts, io_time deadline) {
    struct recorder *self = CONTAINER_OF(stream, struct recorder, stream);
    struct io_result result = {IO_OK, 0, -1, -1, 0};
    if (self->sip) {
        result.bytes = size_min(self->sip, parts[0].iov_len);
        result.status = result.bytes < parts[0].iov_len || n_parts > 1 ? IO_TIMEOUT : IO_OK;
        self->len += result.bytes;
        return result;
    }
    assert_true(self->n_writes < WRITES_MAX && n_parts < PARTS_MAX);
    self->writes[self->n_writes].begin = self->len;
    self->writes[self->n_writes].n_parts = n_parts;
    for (int i = 0; i < n_parts; i++) {
        size_t n = size_min(parts[i].iov_len, self->limit - self->len);
        memcpy(self->text + self->len, parts[i].iov_base, n);
        self->writes[self->n_writes].parts[i] = parts[i].iov_base;
        self->len += n;
        result.bytes += n;
        if (n < parts[i].iov_len)
            result = (struct io_result){IO_ERROR, ECONNRESET, -1, -1, result.bytes};
    }
    self->writes[self->n_writes].len = self->len - self->writes[self->n_writes].begin;
    self->n_writes++;
    return result;
}

static void recorder_close(struct io_stream *stream) {
}

static const struct io_stream_ops recorder_ops = {
    .read = recorder_read, .write = recorder_write, .close = recorder_close};

static struct talk *talk_to(struct recorder *self, const char *answers) {
    *self = (struct recorder){.stream.ops = &recorder_ops,
                              .answers = view_of(answers),
                              .text = mem_alloc(TEXT_BYTES),
                              .limit = TEXT_BYTES};
    struct talk *talk = talk_for_test();
    talk_adopt(talk, &self->stream);
    assert_kind(talk_greeting(talk), OK);
    assert_kind(talk_ehlo(talk), OK);
    return talk;
}

static void part(struct talk *talk, struct recorder *self) {
    talk_destroy(talk);
    free(self->text);
}

static struct view written(const struct recorder *self, size_t nth) {
    assert_true(nth < self->n_writes);
    return view_from(self->text + self->writes[nth].begin, self->writes[nth].len);
}

#define OPENING "220 mx\r\n250-mx\r\n250 PIPELINING\r\n"
#define ACCEPTED "250 ok\r\n250 ok\r\n354 go\r\n"
#define ENVELOPE "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"

static void send_envelope(struct talk *talk) {
    const struct talk_mail mail = {.sender = VIEW("a@b")};
    const struct talk_rcpt rcpt = {.address = VIEW("c@d")};
    talk_send_mail(talk, &mail);
    talk_send_rcpt(talk, &rcpt);
    talk_send_data(talk);
}

static void read_envelope(struct talk *talk) {
    assert_kind(talk_read_mail(talk), OK);
    assert_kind(talk_read_rcpt(talk), OK);
    assert_kind(talk_read_data(talk), OK);
}

static void a_group_is_one_write(void *arg) {
    struct recorder self;
    struct talk *talk = talk_to(&self, OPENING ACCEPTED "250 done\r\n" ACCEPTED "250 done\r\n");
    static char body[4096];
    memset(body, 'x', sizeof(body));
    memcpy(body + sizeof(body) - 2, "\r\n", 2);
    send_envelope(talk);
    read_envelope(talk);
    assert_int_equal(self.n_writes, 2); // EHLO, the group
    assert_true(view_equals(written(&self, 1), VIEW(ENVELOPE)));

    assert_kind(talk_send_body(talk, view_from(body, sizeof(body))), OK);
    talk_send_dot(talk);
    send_envelope(talk);
    assert_int_equal(self.n_writes, 2); // nothing goes out before a reply is awaited
    assert_kind(talk_read_dot(talk), OK);
    read_envelope(talk);
    assert_int_equal(self.n_writes, 3);
    assert_int_equal(self.writes[2].n_parts, 2);
    assert_ptr_equal(self.writes[2].parts[0], body); // not copied
    assert_true(view_equals(view_skip(written(&self, 2), sizeof(body)), VIEW(".\r\n" ENVELOPE)));
    part(talk, &self);
}

static void a_large_body_is_written_in_blocks(void *arg) {
    struct recorder self;
    struct talk *talk = talk_to(&self, OPENING ACCEPTED "250 done\r\n");
    enum { BODY_BYTES = 300 * 1024 };
    char *body = mem_alloc(BODY_BYTES);
    memset(body, 'y', BODY_BYTES);
    memcpy(body + BODY_BYTES - 2, "\r\n", 2);
    send_envelope(talk);
    read_envelope(talk);
    assert_kind(talk_send_body(talk, view_from(body, BODY_BYTES)), OK);
    talk_send_dot(talk);
    assert_kind(talk_read_dot(talk), OK);
    assert_int_equal(talk_body_bytes(talk), BODY_BYTES + 3);
    assert_int_equal(self.n_writes, 5); // 128 K, 128 K, the rest with the dot
    assert_ptr_equal(self.writes[4].parts[0], body + 256 * 1024);
    assert_memory_equal(written(&self, 2).ptr, body, BODY_BYTES);
    free(body);
    part(talk, &self);
}

// Lines of dots make many short runs; they are copied, and nothing is lost in between.
static void a_body_of_dots_is_whole(void *arg) {
    struct recorder self;
    struct talk *talk = talk_to(&self, OPENING ACCEPTED "250 done\r\n");
    enum { LINES = 20000 };
    char *body = mem_alloc(LINES * 3);
    for (size_t i = 0; i < LINES; i++)
        memcpy(body + i * 3, ".\r\n", 3);
    send_envelope(talk);
    read_envelope(talk);
    assert_kind(talk_send_body(talk, view_from(body, LINES * 3)), OK);
    talk_send_dot(talk);
    assert_kind(talk_read_dot(talk), OK);
    struct view sent = written(&self, 2);
    assert_int_equal(sent.len, LINES * 4 + 3);
    for (size_t i = 0; i < LINES; i++)
        assert_memory_equal(sent.ptr + i * 4, "..\r\n", 4);
    free(body);
    part(talk, &self);
}

// Long and short runs mixed beyond what one vector holds.
static void many_runs_keep_their_order(void *arg) {
    struct recorder self;
    struct talk *talk = talk_to(&self, OPENING ACCEPTED "250 done\r\n");
    enum { RUNS = 100, RUN = 1000 };
    static char body[RUNS * RUN];
    for (size_t i = 0; i < RUNS; i++) {
        memset(body + i * RUN, (int)('a' + i % 26), RUN);
        memcpy(body + i * RUN, ".", 1);
        memcpy(body + i * RUN + RUN - 2, "\r\n", 2);
    }
    send_envelope(talk);
    read_envelope(talk);
    assert_kind(talk_send_body(talk, view_from(body, sizeof(body))), OK);
    talk_send_dot(talk);
    assert_kind(talk_read_dot(talk), OK);
    struct view sent = written(&self, 2);
    assert_int_equal(sent.len, sizeof(body) + RUNS + 3);
    for (size_t i = 0; i < RUNS; i++) {
        assert_int_equal(sent.ptr[i * (RUN + 1)], '.');
        assert_memory_equal(sent.ptr + i * (RUN + 1) + 1, body + i * RUN, RUN);
    }
    part(talk, &self);
}

// RFC 5321 4.5.3.2.5: the limit is for each chunk. Who takes a little each time is slow, not gone.
static void a_slow_peer_is_waited_for(void *arg) {
    struct recorder self;
    struct talk *talk = talk_to(&self, OPENING ACCEPTED "250 done\r\n");
    static char body[100000];
    memset(body, 'z', sizeof(body));
    send_envelope(talk);
    read_envelope(talk);
    self.sip = 1000;
    assert_kind(talk_send_body(talk, view_from(body, sizeof(body))), OK);
    talk_send_dot(talk);
    assert_kind(talk_read_dot(talk), OK);
    assert_int_equal(self.len, strlen("EHLO relay.example\r\n" ENVELOPE) + sizeof(body) + 5);
    part(talk, &self);

    talk = talk_to(&self, OPENING ACCEPTED);
    send_envelope(talk);
    read_envelope(talk);
    self.sip = 1000;
    talk_set_deadline(talk, io_now()); // but not for ever
    assert_kind(talk_send_body(talk, view_from(body, sizeof(body))), OK);
    struct fact fact = talk_flush(talk, FACT_STAGE_BODY);
    assert_kind(fact, SILENT);
    assert_int_equal(fact.bytes_sent, 1000);
    part(talk, &self);
}

// Where exactly a write stopped decides whether the message may have been delivered.
static void the_dot_is_sent_with_its_last_byte(void *arg) {
    static const struct view body = {"Subject: hi\r\n", 13};
    size_t before = strlen("EHLO relay.example\r\n" ENVELOPE) + body.len;
    for (size_t extra = 0; extra <= 4; extra++) {
        struct recorder self;
        struct talk *talk = talk_to(&self, OPENING ACCEPTED);
        send_envelope(talk);
        read_envelope(talk);
        self.limit = before + extra;
        assert_kind(talk_send_body(talk, body), OK);
        talk_send_dot(talk);
        send_envelope(talk); // what is behind the dot makes the write fail later
        struct fact fact = talk_read_dot(talk);
        assert_int_equal(fact.stage, extra < 3 ? FACT_STAGE_BODY : FACT_STAGE_DOT);
        assert_int_equal(!!(fact.flags & FACT_FLAG_DOT_SENT), extra >= 3);
        assert_int_equal(fact.bytes_sent, body.len + size_min(extra, 3));
        assert_false(talk_is_open(talk));
        part(talk, &self);
    }
}

// The dot went out, the envelope behind it did not: the reply to the dot still counts.
static void the_reply_to_a_sent_dot_counts(void *arg) {
    struct recorder self;
    struct talk *talk = talk_to(&self, OPENING ACCEPTED "250 taken\r\n");
    send_envelope(talk);
    read_envelope(talk);
    self.limit = strlen("EHLO relay.example\r\n" ENVELOPE "x\r\n.\r\nMAIL");
    assert_kind(talk_send_body(talk, VIEW("x\r\n")), OK);
    talk_send_dot(talk);
    send_envelope(talk);
    struct fact fact = talk_read_dot(talk);
    assert_kind(fact, OK);
    assert_text(fact, "taken");
    assert_false(talk_is_open(talk));
    fact = talk_read_mail(talk);
    assert_kind(fact, ERRNO);
    assert_int_equal(fact.stage, FACT_STAGE_MAIL);
    assert_false(fact.flags & FACT_FLAG_DOT_SENT);
    part(talk, &self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_SIM(a_group_is_one_write),           ON_SIM(a_large_body_is_written_in_blocks),
        ON_SIM(a_body_of_dots_is_whole),        ON_SIM(many_runs_keep_their_order),
        ON_SIM(a_slow_peer_is_waited_for),      ON_SIM(the_dot_is_sent_with_its_last_byte),
        ON_SIM(the_reply_to_a_sent_dot_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
