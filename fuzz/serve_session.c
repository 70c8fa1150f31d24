// SPDX-License-Identifier: Apache-2.0
// A whole session with a client that says anything, twice: in one write, and in pieces of a size
// that the input chooses. The replies are the same, each is a reply, and what was kept is what was
// said to be kept.
#include "dialogue/bed.h"

#include "base/log.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { REPLIES_BYTES_MAX = 4 << 20, SILENCE_MS = 3000, INPUT_BYTES_MAX = 16 << 10 };

struct talk {
    struct view said;
    struct io_stream *stream;
    struct buffer replies;
    unsigned n_queued;
};

static void say(void *arg) {
    struct talk *talk = arg;
    io_write(talk->stream, talk->said.ptr, talk->said.len, io_after(60000));
}

static void listen_to(struct talk *talk) {
    char bytes[4096];
    struct io_result result;
    do {
        result = io_read(talk->stream, bytes, sizeof(bytes), io_after(SILENCE_MS));
        buffer_append(&talk->replies, bytes, result.bytes);
    } while (io_is_ok(result));
    ASSERT(!talk->replies.overflow);
}

// RFC 5321 4.2, and 4.5.3.1.5 for the length.
static void check_line(struct view line) {
    ASSERT(line.len >= 6 && line.len <= 512);
    ASSERT(line.ptr[0] >= '2' && line.ptr[0] <= '5' && (line.ptr[3] == ' ' || line.ptr[3] == '-'));
    for (size_t i = 0; i + 2 < line.len; i++)
        ASSERT(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
}

// The ids of messages differ from run to run: "queued as" is where a line is cut.
static void check_replies(struct talk *talk) {
    struct buffer cut;
    struct view rest = buffer_view(&talk->replies);
    buffer_init(&cut, REPLIES_BYTES_MAX);
    while (rest.len) {
        size_t end = view_find(rest, VIEW("\r\n"));
        ASSERT(end < rest.len);
        struct view line = view_take(rest, end + 2);
        check_line(line);
        size_t id = view_find(line, VIEW("queued as "));
        talk->n_queued += id < line.len;
        buffer_append_view(&cut, view_take(line, id));
        rest = view_skip(rest, line.len);
    }
    buffer_finish(&talk->replies);
    talk->replies = cut;
}

static void check_kept(const struct bed *bed, struct talk *talk) {
    ASSERT(bed->n_messages == talk->n_queued);
    for (struct bed_message *message = bed->newest; message; message = message->next) {
        size_t len = 0;
        char *body = bed_read_body(message, &len);
        struct view kept = view_from(body, len);
        for (size_t at = 0; (at += view_find_char(view_skip(kept, at), '\n')) < len; at++)
            ASSERT(at > 0 && body[at - 1] == '\r');
        bed_behind_received(body);
        free(body);
    }
}

static void prepare(struct bed *bed, void *arg) {
    bed->config->max_message_size = 2000;
    bed->config->max_recipients = 5;
    view_copy_string(VIEW("gone.example"), bed->refused_domain, sizeof(bed->refused_domain));
    view_copy_string(VIEW("no connector"), bed->refusal, sizeof(bed->refusal));
}

static void converse(struct bed *bed, void *arg) {
    struct talk *talk = arg;
    struct io_group saying;
    talk->stream = bed_connect(bed, NULL);
    buffer_init(&talk->replies, REPLIES_BYTES_MAX);
    io_group_init(&saying);
    io_group_spawn(&saying, "say", say, talk);
    listen_to(talk);
    io_group_cancel(&saying);
    io_group_wait(&saying, IO_NEVER);
    io_close(talk->stream);
    check_replies(talk);
    check_kept(bed, talk);
}

static void run(struct talk *talk, size_t chunk_max) {
    struct bed_options options = {
        .chunk_max = chunk_max, .prepare = prepare, .body = converse, .arg = talk};
    bed_run(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct view input = view_take(view_from(bytes, len), INPUT_BYTES_MAX);
    struct talk whole = {.said = view_skip(input, 1)}, cut = {.said = view_skip(input, 1)};
    if (len == 0)
        return 0;
    log_set_level(LOG_LEVEL_ERROR);
    run(&whole, 0);
    run(&cut, 1 + bytes[0]);
    ASSERT(view_equals(buffer_view(&whole.replies), buffer_view(&cut.replies)));
    buffer_finish(&whole.replies);
    buffer_finish(&cut.replies);
    return 0;
}
