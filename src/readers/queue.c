// SPDX-License-Identifier: Apache-2.0
// Queue listings: which system wrote one, and its sum by cause. A listing may hold a million lines,
// and nearly all of them repeat a reason that was read before.
#include "readers/queue.h"
#include "mail/mail.h"

struct view reader_queue_word(enum reader_queue_system system) {
    static const struct view words[READER_QUEUE_SYSTEM_COUNT] = {
        [READER_QUEUE_NONE] = {"none", 4},
        [READER_QUEUE_POSTFIX_JSON] = {"postqueue -j", 12},
        [READER_QUEUE_POSTFIX] = {"Postfix mailq", 13},
        [READER_QUEUE_SENDMAIL] = {"Sendmail mailq", 14},
        [READER_QUEUE_EXIM] = {"exim -bp", 8},
        [READER_QUEUE_OPENSMTPD] = {"smtpctl show queue", 18},
        [READER_QUEUE_EXCHANGE_LIST] = {"Get-Queue", 9},
        [READER_QUEUE_EXCHANGE_TABLE] = {"Get-Queue", 9},
        [READER_QUEUE_EXCHANGE_JSON] = {"Get-Queue", 9},
        [READER_QUEUE_EXCHANGE_CSV] = {"Get-Queue", 9}};
    ASSERT((unsigned)system < READER_QUEUE_SYSTEM_COUNT);
    return words[system];
}

// --- Which system --------------------------------------------------------------------------------
static bool holds(struct view text, const char *wanted) {
    return view_find(text, view_of(wanted)) < text.len;
}

// "25h  2.9K 1uAbCd-000123-4X <a@b>": age, size, id.
static bool is_exim_line(struct view line) {
    struct view rest = view_trim(line), age = VIEW_NONE, size = VIEW_NONE, id = VIEW_NONE;
    view_split(&rest, ' ', &age);
    rest = view_trim(rest);
    view_split(&rest, ' ', &size);
    rest = view_trim(rest);
    view_split(&rest, ' ', &id);
    size_t dash = view_find_char(id, '-');
    bool is_id = (id.len == 16 || id.len == 23) && dash == 6;
    return is_id && age.len >= 2 && ascii_is_digit(age.ptr[0]) &&
           strchr("smhdw", age.ptr[age.len - 1]) && ascii_is_digit(size.ptr[0]);
}

// "77d1a1b5a9ee0d4b|inet4|mta|...".
static bool is_opensmtpd_line(struct view line) {
    size_t len = 0;
    while (len < line.len && len < 17 &&
           (ascii_is_digit(line.ptr[len]) || (line.ptr[len] >= 'a' && line.ptr[len] <= 'f')))
        len++;
    return len == 16 && line.len > 17 && line.ptr[16] == '|' &&
           (holds(line, "|mta|") || holds(line, "|mda|") || holds(line, "|bounce|"));
}

static enum reader_queue_system detect_line(struct view line) {
    if (holds(line, "Queue ID-") && holds(line, "Sender/Recipient"))
        return READER_QUEUE_POSTFIX;
    // An empty queue: Postfix says so of itself, Sendmail of its folder.
    if (view_equals(line, VIEW("Mail queue is empty")))
        return READER_QUEUE_POSTFIX;
    if (view_starts_with(line, VIEW("/")) && view_ends_with_nocase(line, VIEW(" is empty")))
        return READER_QUEUE_SENDMAIL;
    if (holds(line, "-Q-ID-") || holds(line, "Q-Time"))
        return READER_QUEUE_SENDMAIL;
    if (is_exim_line(line))
        return READER_QUEUE_EXIM;
    if (is_opensmtpd_line(line))
        return READER_QUEUE_OPENSMTPD;
    if (view_starts_with(line, VIEW("Identity ")) && holds(line, "MessageCount"))
        return READER_QUEUE_EXCHANGE_TABLE;
    if (holds(line, "\"MessageCount\"") && holds(line, ",") && !holds(line, ":"))
        return READER_QUEUE_EXCHANGE_CSV;
    return READER_QUEUE_NONE;
}

enum reader_queue_system reader_queue_detect(struct view text) {
    struct view head = view_take(text, 16 << 10), rest = head, line;
    if (holds(head, "\"queue_id\"") && holds(head, "\"recipients\""))
        return READER_QUEUE_POSTFIX_JSON;
    if (holds(head, "\"MessageCount\":") && holds(head, "\"NextHopDomain\":"))
        return READER_QUEUE_EXCHANGE_JSON;
    while (view_split(&rest, '\n', &line)) {
        enum reader_queue_system system = detect_line(view_trim(line));
        if (system != READER_QUEUE_NONE)
            return system;
    }
    if (holds(head, "MessageCount ") && holds(head, "NextHopDomain ") && holds(head, " : "))
        return READER_QUEUE_EXCHANGE_LIST;
    return READER_QUEUE_NONE;
}

// --- Summing up ----------------------------------------------------------------------------------
void queue_message(struct queue_builder *builder, int64_t arrived_ms) {
    struct reader_queue *queue = builder->queue;
    builder->message++;
    queue->n_messages++;
    if (arrived_ms && (queue->oldest_ms == 0 || arrived_ms < queue->oldest_ms))
        queue->oldest_ms = arrived_ms;
}

static void keep_sample(struct queue_builder *builder, const struct queue_entry *entry,
                        struct reader_queue_cause *into) {
    struct reader_recipient *sample = &into->sample;
    sample->address = arena_copy(builder->arena, entry->recipient);
    sample->action = READER_ACTION_DELAYED;
    sample->evidence = VIEW("queue listing");
    // The texts of the words must outlive the listing's own buffers.
    (void)reader_words_read(arena_copy(builder->arena, entry->reason), &sample->words);
}

// The group of a cause; the last one takes what no longer fits.
static size_t group_of(struct queue_builder *builder, const struct queue_entry *entry) {
    struct reader_queue *queue = builder->queue;
    struct reader_words words;
    bool is_waiting = entry->reason.len == 0;
    (void)reader_words_read(entry->reason, &words);
    enum cause cause = reader_words_cause(&words);
    for (size_t i = 0; i < queue->n_causes; i++)
        if (queue->causes[i].cause == cause && queue->causes[i].is_waiting == is_waiting)
            return i;
    if (queue->n_causes == READER_QUEUE_CAUSES_MAX)
        return READER_QUEUE_CAUSES_MAX - 1;
    struct reader_queue_cause *group = &queue->causes[queue->n_causes];
    *group = (struct reader_queue_cause){.cause = cause, .is_waiting = is_waiting};
    keep_sample(builder, entry, group);
    return queue->n_causes++;
}

static size_t find_group(struct queue_builder *builder, const struct queue_entry *entry) {
    uint64_t hash = view_hash(entry->reason) | 1;
    size_t slot = (size_t)(hash >> 32) % QUEUE_MEMORY_SLOTS;
    if (builder->memory[slot].hash == hash)
        return builder->memory[slot].cause;
    size_t group = group_of(builder, entry);
    builder->memory[slot].hash = hash;
    builder->memory[slot].cause = group;
    return group;
}

static void count_destination(struct queue_builder *builder, size_t index, struct view name,
                              uint64_t n_messages) {
    struct reader_queue_cause *group = &builder->queue->causes[index];
    uint64_t *marks = builder->marks[index].at_destination;
    size_t i = 0;
    while (i < group->n_destinations && !view_equals_nocase(group->destinations[i].name, name))
        i++;
    if (i == READER_QUEUE_DESTINATIONS_MAX) {
        group->n_elsewhere += n_messages;
        return;
    }
    if (i == group->n_destinations) {
        group->destinations[i].name = arena_copy(builder->arena, name);
        group->destinations[i].n_messages = 0;
        group->n_destinations++;
    }
    if (marks[i] != builder->message)
        group->destinations[i].n_messages += n_messages;
    marks[i] = builder->message;
}

void queue_add(struct queue_builder *builder, const struct queue_entry *entry) {
    size_t index = find_group(builder, entry);
    struct reader_queue_cause *group = &builder->queue->causes[index];
    uint64_t n_messages = entry->n_messages ? entry->n_messages : 1;
    struct view domain = mail_address_domain(entry->recipient);
    builder->queue->n_recipients += n_messages;
    group->n_recipients += n_messages;
    if (builder->marks[index].counted != builder->message)
        group->n_messages += n_messages;
    builder->marks[index].counted = builder->message;
    if (entry->arrived_ms && (group->oldest_ms == 0 || entry->arrived_ms < group->oldest_ms))
        group->oldest_ms = entry->arrived_ms;
    if (entry->destination.len || domain.len)
        count_destination(builder, index, entry->destination.len ? entry->destination : domain,
                          n_messages);
}

// --- What to do first ----------------------------------------------------------------------------
// Our own faults before those of others, what needs a person before what passes by itself.
static int urgency(const struct reader_queue_cause *group) {
    const struct cause_info *info = cause_info(group->cause);
    if (group->is_waiting)
        return 0;
    bool is_ours = info->blame == BLAME_LOCAL || info->blame == BLAME_SENDER;
    bool passes = info->retry == RETRY_LATER || info->retry == RETRY_SLOWER;
    return 1 + (is_ours ? 4 : 0) + (info->retry == RETRY_PERSON ? 2 : 0) + (passes ? 0 : 1);
}

static bool comes_before(const struct reader_queue_cause *a, const struct reader_queue_cause *b) {
    int urgency_a = urgency(a), urgency_b = urgency(b);
    return urgency_a != urgency_b ? urgency_a > urgency_b : a->n_messages > b->n_messages;
}

static void sort_destinations(struct reader_queue_cause *group) {
    for (size_t i = 1; i < group->n_destinations; i++)
        for (size_t k = i; k > 0; k--) {
            if (group->destinations[k - 1].n_messages >= group->destinations[k].n_messages)
                break;
            __typeof__(group->destinations[0]) moved = group->destinations[k];
            group->destinations[k] = group->destinations[k - 1];
            group->destinations[k - 1] = moved;
        }
}

static void sort_causes(struct reader_queue *queue) {
    for (size_t i = 1; i < queue->n_causes; i++)
        for (size_t k = i; k > 0 && comes_before(&queue->causes[k], &queue->causes[k - 1]); k--) {
            struct reader_queue_cause moved = queue->causes[k];
            queue->causes[k] = queue->causes[k - 1];
            queue->causes[k - 1] = moved;
        }
    for (size_t i = 0; i < queue->n_causes; i++)
        sort_destinations(&queue->causes[i]);
}

void reader_queue_read(struct view text, int64_t now_ms, struct arena *arena,
                       struct reader_queue *queue) {
    static void (*const readers[READER_QUEUE_SYSTEM_COUNT])(struct queue_builder *, struct view) = {
        [READER_QUEUE_POSTFIX_JSON] = queue_read_postfix_json,
        [READER_QUEUE_POSTFIX] = queue_read_mailq,
        [READER_QUEUE_SENDMAIL] = queue_read_mailq,
        [READER_QUEUE_EXIM] = queue_read_exim,
        [READER_QUEUE_OPENSMTPD] = queue_read_opensmtpd,
        [READER_QUEUE_EXCHANGE_LIST] = queue_read_exchange_list,
        [READER_QUEUE_EXCHANGE_TABLE] = queue_read_exchange_table,
        [READER_QUEUE_EXCHANGE_JSON] = queue_read_exchange_json,
        [READER_QUEUE_EXCHANGE_CSV] = queue_read_exchange_csv};
    *queue = (struct reader_queue){.system = reader_queue_detect(text)};
    struct queue_builder *builder = arena_alloc(arena, sizeof(*builder));
    if (!builder || queue->system == READER_QUEUE_NONE)
        return;
    builder->queue = queue;
    builder->arena = arena;
    builder->now_ms = now_ms;
    readers[queue->system](builder, text);
    sort_causes(queue);
}
