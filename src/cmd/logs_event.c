// SPDX-License-Identifier: Apache-2.0
// What a reader found in a log becomes an event for insight, and the lines of the one message that
// is asked for become its story.
#include "cmd/logs.h"

#include "base/units.h"

#include <stdlib.h>

struct story_entry {
    struct reader_recipient recipient; // words and address owned by `bytes`
    enum reader_entry_kind kind;
    enum outcome outcome;
    enum cause cause;
    int64_t at_ms;
    struct view file, queue_id, host;
    uint64_t line_number;
};

struct logs_story {
    struct arena arena;
    struct story_entry *entries;
    size_t n, size, n_more;
};

struct logs_story *logs_story_create(void) {
    struct logs_story *story = mem_alloc_zero(sizeof(*story));
    arena_init(&story->arena, 32 << 20);
    return story;
}

void logs_story_destroy(struct logs_story *story) {
    if (!story)
        return;
    arena_finish(&story->arena);
    free(story->entries);
    free(story);
}

// --- Which ones ----------------------------------------------------------------------------------
static bool concerns_domain(const struct reader_entry *entry, struct view wanted) {
    struct view domain = entry->domain;
    if (view_find_char(wanted, '@') < wanted.len)
        return view_equals_nocase(entry->recipient, wanted);
    if (view_equals_nocase(domain, wanted))
        return true;
    return domain.len > wanted.len && domain.ptr[domain.len - wanted.len - 1] == '.' &&
           view_ends_with_nocase(domain, wanted);
}

static bool is_asked_for(const struct logs_question *question, const struct reader_entry *entry) {
    if (question->domain.len && !concerns_domain(entry, question->domain))
        return false;
    // What was delivered has no cause and is no part of the answer for one.
    return question->cause == CAUSE_NONE || entry->cause == question->cause;
}

static bool is_in_time(const struct logs_question *question, int64_t at_ms) {
    return (question->since_ms == 0 || at_ms >= question->since_ms) &&
           (question->until_ms == 0 || at_ms < question->until_ms);
}

static struct view bare_id(struct view id) {
    if (id.len > 1 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>')
        return view_from(id.ptr + 1, id.len - 2);
    return id;
}

static bool is_of_message(struct view wanted, const struct reader_entry *entry) {
    return view_equals(entry->queue_id, wanted) ||
           (entry->message_id.len && view_equals(bare_id(entry->message_id), bare_id(wanted)));
}

// --- The story -----------------------------------------------------------------------------------
static void copy_words(struct arena *arena, const struct reader_words *from,
                       struct reader_words *to) {
    *to = *from;
    to->text = arena_copy(arena, from->text);
    to->code = arena_copy(arena, from->code);
    to->enhanced = arena_copy(arena, from->enhanced);
    to->host = arena_copy(arena, from->host);
    to->fact.text = arena_copy(arena, from->fact.text);
}

static void tell(struct logs_story *story, const struct reader_entry *entry) {
    if (story->n == LOGS_STORY_MAX) {
        story->n_more++;
        return;
    }
    if (story->n == story->size) {
        story->size = story->size ? 2 * story->size : 16;
        story->entries = mem_realloc(story->entries, story->size * sizeof(*story->entries));
    }
    struct story_entry *told = &story->entries[story->n++];
    *told = (struct story_entry){.kind = entry->kind,
                                 .outcome = entry->outcome,
                                 .cause = entry->cause,
                                 .at_ms = entry->at_ms,
                                 .file = entry->file,
                                 .line_number = entry->line_number,
                                 .queue_id = arena_copy(&story->arena, entry->queue_id),
                                 .host = arena_copy(&story->arena, entry->host)};
    told->recipient.address = arena_copy(&story->arena, entry->recipient);
    told->recipient.last_attempt_ms = entry->at_ms;
    told->recipient.first_attempt_ms = entry->arrived_ms;
    told->recipient.action = entry->outcome == OUTCOME_DELIVERED           ? READER_ACTION_DELIVERED
                             : entry->outcome == OUTCOME_PERMANENT_FAILURE ? READER_ACTION_FAILED
                                                                           : READER_ACTION_DELAYED;
    if (entry->words)
        copy_words(&story->arena, entry->words, &told->recipient.words);
    told->recipient.evidence = arena_printf(&story->arena, "%.*s:%llu", VIEW_ARG(entry->file),
                                            (unsigned long long)entry->line_number);
}

// --- Events --------------------------------------------------------------------------------------
static enum insight_event_kind kind_of(enum reader_entry_kind kind) {
    return kind == READER_ENTRY_SUPPRESSED ? INSIGHT_SUPPRESSED
           : kind == READER_ENTRY_EXPIRED  ? INSIGHT_EXPIRED
                                           : INSIGHT_ATTEMPT;
}

void logs_on_entry(const struct reader_entry *entry, void *arg) {
    struct logs *logs = arg;
    const struct logs_question *question = &logs->question;
    bool has_failed = entry->outcome != OUTCOME_DELIVERED || entry->kind != READER_ENTRY_ATTEMPT;
    if (!is_in_time(question, entry->at_ms))
        return;
    if (logs->story && is_of_message(question->message, entry))
        tell(logs->story, entry);
    struct insight_event event = {.kind = kind_of(entry->kind),
                                  .outcome = entry->outcome,
                                  .cause = entry->cause,
                                  .at_ms = entry->at_ms,
                                  .arrived_ms = entry->arrived_ms,
                                  .message = entry->message,
                                  .domain = entry->domain,
                                  .host = entry->host,
                                  .file = entry->file,
                                  .line_number = entry->line_number,
                                  .is_context = !is_asked_for(question, entry)};
    if (has_failed) { // of what was delivered nobody asks who
        event.recipient = entry->recipient.len ? view_hash_nocase(entry->recipient) : 0;
        event.sender = entry->sender.len ? view_hash_nocase(entry->sender) : 0;
        event.peer = entry->peer;
        event.fact = entry->words ? &entry->words->fact : NULL;
        event.words = entry->words ? entry->words->text : VIEW_NONE;
    }
    insight_take(logs->insight, &event);
}

// --- Telling it ----------------------------------------------------------------------------------
static struct view kind_word(const struct story_entry *entry) {
    if (entry->kind == READER_ENTRY_SUPPRESSED)
        return VIEW("suppressed");
    if (entry->kind == READER_ENTRY_EXPIRED)
        return VIEW("expired");
    return outcome_word(entry->outcome);
}

static void put_entry_json(const struct story_entry *entry, struct json_writer *json) {
    struct verdict verdict;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    reader_verdict(&entry->recipient, &arena, &verdict);
    json_object_begin(json);
    json_put_string(json, "event", kind_word(entry));
    json_put_string(json, "queue_id", entry->queue_id);
    json_put_string(json, "recipient", entry->recipient.address);
    json_put_time(json, "arrived", entry->recipient.first_attempt_ms);
    json_put_string(json, "file", entry->file);
    json_put_int(json, "line", (int64_t)entry->line_number);
    verdict_write_json_members(&verdict, json);
    json_object_end(json);
    arena_finish(&arena);
}

static void put_entry(const struct logs *logs, const struct story_entry *entry,
                      struct buffer *out) {
    buffer_append_view(out, VIEW("  "));
    insight_put_time(entry->at_ms, logs->zone_minutes, out);
    buffer_printf(out, "  %-18.*s %.*s", VIEW_ARG(kind_word(entry)),
                  VIEW_ARG(entry->recipient.address));
    if (entry->cause != CAUSE_NONE)
        buffer_printf(out, "  %.*s", VIEW_ARG(cause_info(entry->cause)->id));
    buffer_printf(out, "  (%.*s)\n", VIEW_ARG(entry->recipient.evidence));
}

static const struct story_entry *last_failure(const struct logs_story *story) {
    for (size_t i = story->n; i-- > 0;)
        if (story->entries[i].kind == READER_ENTRY_ATTEMPT && story->entries[i].cause != CAUSE_NONE)
            return &story->entries[i];
    return NULL;
}

static void put_story_text(const struct logs *logs, struct buffer *out) {
    const struct logs_story *story = logs->story;
    const struct story_entry *failure = last_failure(story);
    struct verdict verdict;
    struct arena arena;
    buffer_printf(out, "Message %.*s: %zu %s\n", VIEW_ARG(logs->question.message), story->n,
                  story->n == 1 ? "event" : "events");
    for (size_t i = 0; i < story->n; i++)
        put_entry(logs, &story->entries[i], out);
    if (story->n_more)
        buffer_printf(out, "  and %zu more\n", story->n_more);
    if (!failure)
        return;
    arena_init(&arena, 1 << 20);
    reader_verdict(&failure->recipient, &arena, &verdict);
    buffer_append_view(out, VIEW("\nThe last failure:\n"));
    verdict_write_text(&verdict, out);
    arena_finish(&arena);
}

bool logs_story_write(const struct logs *logs, struct buffer *out) {
    const struct logs_story *story = logs->story;
    struct json_writer json;
    if (!logs->is_json) {
        put_story_text(logs, out);
        return story->n > 0;
    }
    json_begin(&json, out);
    json_object_begin(&json);
    json_put_string(&json, "message", logs->question.message);
    json_key(&json, "events");
    json_array_begin(&json);
    for (size_t i = 0; i < story->n; i++)
        put_entry_json(&story->entries[i], &json);
    json_array_end(&json);
    json_put_int(&json, "more", (int64_t)story->n_more);
    json_object_end(&json);
    buffer_append_char(out, '\n');
    return story->n > 0;
}
