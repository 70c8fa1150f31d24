// SPDX-License-Identifier: Apache-2.0
// The messages whose end was not read yet.
//
//   - `all` is one array; its entries are found through `slots` and chained by `next`
//   - an entry is either on the list from `newest` to `oldest`, or free (chained by `newer`), or
//     beyond `n_used`
//   - a full array gives up the oldest: what was not heard of for the longest time
#include "readers/log.h"

#include <stdlib.h>

uint64_t reader_log_hash(struct view bytes, uint64_t seed) {
    const uint64_t odd = 0x9e3779b97f4a7c15U;
    uint64_t hash = seed ^ (bytes.len * odd), word = 0;
    while (bytes.len >= sizeof(word)) {
        memcpy(&word, bytes.ptr, sizeof(word));
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32;
        bytes = view_from(bytes.ptr + sizeof(word), bytes.len - sizeof(word));
    }
    word = 0;
    for (size_t i = 0; i < bytes.len; i++)
        word = word << 8 | (unsigned char)bytes.ptr[i];
    hash = (hash ^ word) * odd;
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9U;
    return hash ^ hash >> 32;
}

void reader_log_follow_init(struct log_follow *follow, size_t n_max) {
    ASSERT(n_max > 0);
    n_max = size_min(n_max, 16 << 20);
    *follow = (struct log_follow){.n_max = (uint32_t)n_max, .n_slots = 16};
    while (follow->n_slots < n_max)
        follow->n_slots *= 2;
    follow->all = mem_alloc_zero((n_max + 1) * sizeof(*follow->all));
    follow->slots = mem_alloc_zero(follow->n_slots * sizeof(*follow->slots));
}

void reader_log_follow_finish(struct log_follow *follow) {
    free(follow->all);
    free(follow->slots);
    *follow = (struct log_follow){0};
}

// --- The list -----------------------------------------------------------------------------------
static void unlink_age(struct log_follow *follow, uint32_t index) {
    struct log_followed *message = &follow->all[index];
    if (message->newer)
        follow->all[message->newer].older = message->older;
    else
        follow->newest = message->older;
    if (message->older)
        follow->all[message->older].newer = message->newer;
    else
        follow->oldest = message->newer;
}

static void link_newest(struct log_follow *follow, uint32_t index) {
    struct log_followed *message = &follow->all[index];
    message->newer = 0;
    message->older = follow->newest;
    if (follow->newest)
        follow->all[follow->newest].newer = index;
    else
        follow->oldest = index;
    follow->newest = index;
}

// --- The table ----------------------------------------------------------------------------------
static uint32_t *slot_of(struct log_follow *follow, uint64_t hash) {
    return &follow->slots[hash & (follow->n_slots - 1)];
}

static uint32_t find(struct log_follow *follow, uint64_t hash) {
    uint32_t index = *slot_of(follow, hash);
    while (index && follow->all[index].hash != hash)
        index = follow->all[index].next;
    return index;
}

static void give_up(struct log_follow *follow, uint32_t index) {
    uint32_t *at = slot_of(follow, follow->all[index].hash);
    while (*at != index)
        at = &follow->all[*at].next;
    *at = follow->all[index].next;
    unlink_age(follow, index);
    follow->all[index].newer = follow->free;
    follow->free = index;
}

static uint32_t take_free(struct log_follow *follow) {
    if (!follow->free && follow->n_used < follow->n_max)
        return ++follow->n_used;
    if (!follow->free)
        give_up(follow, follow->oldest);
    uint32_t index = follow->free;
    follow->free = follow->all[index].newer;
    return index;
}

static struct log_followed *add(struct log_follow *follow, uint64_t hash) {
    uint32_t index = take_free(follow), *slot = slot_of(follow, hash);
    struct log_followed *message = &follow->all[index];
    ASSERT(index > 0 && index <= follow->n_max);
    memset(message, 0, offsetof(struct log_followed, domain)); // the texts have lengths
    message->hash = message->message = hash;
    message->next = *slot;
    *slot = index;
    link_newest(follow, index);
    return message;
}

struct log_followed *reader_log_follow_find(struct log_follow *follow, uint64_t hash) {
    uint32_t index = find(follow, hash);
    if (!index)
        return NULL;
    if (index != follow->newest) {
        unlink_age(follow, index);
        link_newest(follow, index);
    }
    return &follow->all[index];
}

struct log_followed *reader_log_follow_get(struct log_follow *follow, uint64_t hash) {
    struct log_followed *message = reader_log_follow_find(follow, hash);
    return message ? message : add(follow, hash);
}

struct log_followed *reader_log_follow_start(struct log_follow *follow, uint64_t hash,
                                             int64_t at_ms) {
    reader_log_follow_end(follow, hash);
    struct log_followed *message = add(follow, hash);
    message->arrived_ms = at_ms;
    // Another message with the same id has another number.
    message->message = reader_log_hash(view_from(&at_ms, sizeof(at_ms)), hash);
    return message;
}

void reader_log_follow_end(struct log_follow *follow, uint64_t hash) {
    uint32_t index = find(follow, hash);
    if (index)
        give_up(follow, index);
}

// --- What is known of one -----------------------------------------------------------------------
static bool set_text(struct log_followed *message, struct view text, uint8_t *at, uint8_t *len) {
    if (*len == text.len && memcmp(message->text + *at, text.ptr, text.len) == 0)
        return true;
    if (*len || text.len > (size_t)(LOG_FOLLOWED_TEXT_MAX - message->text_len))
        return false;
    memcpy(message->text + message->text_len, text.ptr, text.len);
    *at = message->text_len;
    *len = (uint8_t)text.len;
    message->text_len = (uint8_t)(message->text_len + text.len);
    return true;
}

void reader_log_followed_set_sender(struct log_followed *message, struct view sender) {
    message->has_sender = true;
    if (sender.len)
        (void)set_text(message, sender, &message->sender_at, &message->sender_len);
}

void reader_log_followed_set_id(struct log_followed *message, struct view message_id) {
    message_id = reader_log_bare(message_id);
    if (message_id.len)
        (void)set_text(message, message_id, &message->id_at, &message->id_len);
}

struct view reader_log_followed_sender(const struct log_followed *message) {
    return view_from(message->text + message->sender_at, message->sender_len);
}

struct view reader_log_followed_id(const struct log_followed *message) {
    return view_from(message->text + message->id_at, message->id_len);
}
