// SPDX-License-Identifier: Apache-2.0
// Any bytes as a queue listing, and as a line: the sums agree, and both ways of showing it end.
#include "readers/readers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void read_queue(struct view text, struct arena *arena, struct buffer *out) {
    struct reader_queue *queue = mem_alloc_zero(sizeof(*queue));
    struct reader_show show = {.sisimai_names = true, .letter = true};
    reader_queue_read(text, 1767225600000, arena, queue);
    ASSERT(queue->n_causes <= READER_QUEUE_CAUSES_MAX);
    for (size_t i = 0; i < queue->n_causes; i++)
        ASSERT(queue->causes[i].n_messages <= queue->n_messages);
    reader_queue_write_json(queue, &show, out);
    reader_queue_write_text(queue, &show, out);
    free(queue);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct view text = view_from(bytes, len);
    struct arena arena;
    struct buffer out;
    struct reader_reading reading;
    arena_init(&arena, 64 << 20);
    buffer_init(&out, 16 << 20);
    if (reader_queue_detect(text) != READER_QUEUE_NONE)
        read_queue(text, &arena, &out);
    reader_line_read(view_take(text, 4096), &arena, &reading);
    ASSERT(reading.n_recipients == 1);
    buffer_finish(&out);
    arena_finish(&arena);
    return 0;
}
