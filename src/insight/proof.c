// SPDX-License-Identifier: Apache-2.0
// Copies of what outlives its event.
#include "insight/insight_internal.h"

#include <stdlib.h>

struct view view_own(struct view view) {
    char *copy = mem_alloc(view.len + 1);
    if (view.len)
        memcpy(copy, view.ptr, view.len);
    copy[view.len] = '\0';
    return view_from(copy, view.len);
}

void view_disown(struct view *view) {
    free((void *)(uintptr_t)view->ptr);
    *view = VIEW_NONE;
}

static char *put(char *at, struct view from, struct view *to) {
    if (from.len)
        memcpy(at, from.ptr, from.len);
    *to = view_from(at, from.len);
    return at + from.len;
}

// `shown` holds views of somebody else; they come to live here.
static void keep(struct proof *proof, const struct insight_proof *shown) {
    struct view fact_text = view_take(shown->fact.text, INSIGHT_PROOF_BYTES_MAX);
    struct view words = view_take(shown->words, INSIGHT_PROOF_BYTES_MAX);
    struct view host = view_take(shown->host, HOST_BYTES_MAX);
    struct view file = shown->file;
    size_t size = fact_text.len + words.len + host.len + file.len;
    if (size > proof->size || !proof->bytes) {
        free(proof->bytes);
        proof->size = size + 64;
        proof->bytes = mem_alloc(proof->size);
    }
    char *at = proof->bytes;
    proof->shown = *shown;
    at = put(at, fact_text, &proof->shown.fact.text);
    at = put(at, words, &proof->shown.words);
    at = put(at, host, &proof->shown.host);
    at = put(at, file, &proof->shown.file);
    ASSERT((size_t)(at - proof->bytes) == size);
}

void proof_set(struct proof *proof, const struct insight_event *event) {
    struct insight_proof shown = {
        .fact = event->fact ? *event->fact : fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE),
        .cause = event->cause,
        .at_ms = event->at_ms,
        .peer = event->peer,
        .host = event->host,
        .words = event->words,
        .file = view_take(event->file, 4096),
        .line_number = event->line_number};
    keep(proof, &shown);
}

void proof_copy(struct proof *proof, const struct proof *from) {
    ASSERT(proof != from);
    if (from->bytes)
        keep(proof, &from->shown);
}

void proof_finish(struct proof *proof) {
    free(proof->bytes);
    *proof = (struct proof){0};
}
