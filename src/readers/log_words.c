// SPDX-License-Identifier: Apache-2.0
// What failures mean, kept for the words that come back: those of a host that is down are the same
// in every line. Only equal words share a meaning, so a log and `explain` never differ.
#include "readers/log.h"

#include <stdlib.h>

enum { CACHE_SETS = 2048, CACHE_WAYS = 2, CACHE_TEXT_MAX = 1024 };

struct log_words_cache {
    struct log_words rows[CACHE_SETS][CACHE_WAYS]; // the one used last comes first
    struct log_words apart;                        // of words that are too long to be kept
};

struct log_words_cache *reader_log_words_create(void) {
    return mem_alloc_zero(sizeof(struct log_words_cache));
}

void reader_log_words_destroy(struct log_words_cache *cache) {
    for (size_t i = 0; cache && i < CACHE_SETS; i++)
        for (size_t way = 0; way < CACHE_WAYS; way++)
            free(cache->rows[i][way].text);
    free(cache);
}

static void read_words(struct log_words *row, struct view text) {
    (void)reader_words_read(text, &row->words);
    row->cause = reader_words_cause(&row->words);
}

static bool is_row(const struct log_words *row, uint64_t hash, struct view text) {
    return row->hash == hash && row->len == text.len && row->text &&
           memcmp(row->text, text.ptr, text.len) == 0;
}

const struct log_words *reader_log_words(struct log_words_cache *cache, struct view text) {
    if (text.len > CACHE_TEXT_MAX || text.len == 0) {
        read_words(&cache->apart, text);
        return &cache->apart;
    }
    uint64_t hash = reader_log_hash(text, 0);
    struct log_words *set = cache->rows[hash % CACHE_SETS];
    if (is_row(&set[0], hash, text))
        return &set[0];
    struct log_words row = set[1];
    set[1] = set[0];
    if (!is_row(&row, hash, text)) {
        if (!row.text)
            row.text = mem_alloc(CACHE_TEXT_MAX);
        memcpy(row.text, text.ptr, text.len);
        row.hash = hash;
        row.len = text.len;
        read_words(&row, view_from(row.text, row.len));
    }
    set[0] = row;
    return &set[0];
}
