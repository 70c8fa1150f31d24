// SPDX-License-Identifier: Apache-2.0
// What a moment ago is known of addresses, for all lanes and loops: that one is dead, that its TLS
// handshake failed, that a family has no way out of here. Entries of one kind live equally long,
// so the oldest is always the first to go. The mutex is held for a look-up, never across a wait.
#include "deliver/deliver_internal.h"

#include "base/hash.h"

#include <pthread.h>

enum note_kind { NOTE_DEAD, NOTE_TLS_FAILED, NOTE_KINDS };

struct note {
    struct hash_node node;
    struct list age;
    enum note_kind kind;
    struct address address;
    io_time until;
    struct fact fact; // without text
};

struct deliver_memory {
    pthread_mutex_t mutex;
    struct hash_table notes;
    struct list by_age[NOTE_KINDS];
    io_time unrouted_until[ADDRESS_UNIX + 1];
};

struct deliver_memory *deliver_memory_create(void) {
    struct deliver_memory *memory = mem_alloc_zero(sizeof(*memory));
    pthread_mutex_init(&memory->mutex, NULL);
    hash_table_init(&memory->notes);
    for (int kind = 0; kind < NOTE_KINDS; kind++)
        list_init(&memory->by_age[kind]);
    return memory;
}

static void drop(struct deliver_memory *memory, struct note *note) {
    hash_table_remove(&memory->notes, &note->node);
    list_remove(&note->age);
    free(note);
}

static void drop_all(struct deliver_memory *memory) {
    for (int kind = 0; kind < NOTE_KINDS; kind++)
        while (!list_is_empty(&memory->by_age[kind]))
            drop(memory, CONTAINER_OF(memory->by_age[kind].next, struct note, age));
    memset(memory->unrouted_until, 0, sizeof(memory->unrouted_until));
}

void deliver_memory_destroy(struct deliver_memory *memory) {
    if (!memory)
        return;
    drop_all(memory);
    hash_table_finish(&memory->notes);
    pthread_mutex_destroy(&memory->mutex);
    free(memory);
}

void deliver_memory_clear(struct deliver_memory *memory) {
    pthread_mutex_lock(&memory->mutex);
    drop_all(memory);
    pthread_mutex_unlock(&memory->mutex);
}

static uint64_t key_of(enum note_kind kind, const struct address *address) {
    return hash_u64(address_hash(address) ^ ((uint64_t)address->port << 8) ^ kind);
}

static struct note *find(struct deliver_memory *memory, enum note_kind kind,
                         const struct address *address) {
    struct hash_node *node = hash_table_first(&memory->notes, key_of(kind, address));
    for (; node; node = hash_table_next(node)) {
        struct note *note = CONTAINER_OF(node, struct note, node);
        if (note->kind == kind && address_equals_port(&note->address, address))
            return note;
    }
    return NULL;
}

static void drop_expired(struct deliver_memory *memory, enum note_kind kind, io_time now) {
    struct list *ages = &memory->by_age[kind];
    while (!list_is_empty(ages)) {
        struct note *oldest = CONTAINER_OF(ages->next, struct note, age);
        if (oldest->until > now && memory->notes.n_nodes < DELIVER_MEMORY_ENTRIES_MAX)
            return;
        drop(memory, oldest);
    }
}

static void write_note(struct deliver_memory *memory, enum note_kind kind,
                       const struct address *address, const struct fact *fact, int64_t life_ms) {
    struct note *note = find(memory, kind, address);
    if (note)
        drop(memory, note);
    drop_expired(memory, kind, io_now());
    note = mem_alloc_zero(sizeof(*note));
    note->kind = kind;
    note->address = *address;
    note->until = io_after(life_ms);
    note->fact = fact ? *fact : fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE);
    note->fact.text = VIEW_NONE;
    list_init(&note->age);
    list_append(&memory->by_age[kind], &note->age);
    hash_table_insert(&memory->notes, &note->node, key_of(kind, address));
}

static bool read_note(struct deliver_memory *memory, enum note_kind kind,
                      const struct address *address, struct fact *fact) {
    pthread_mutex_lock(&memory->mutex);
    struct note *note = find(memory, kind, address);
    bool holds = note && note->until > io_now();
    if (holds && fact)
        *fact = note->fact;
    pthread_mutex_unlock(&memory->mutex);
    return holds;
}

bool memory_is_dead(struct deliver_memory *memory, const struct address *address,
                    struct fact *fact) {
    return read_note(memory, NOTE_DEAD, address, fact);
}

void memory_note_dead(struct deliver_memory *memory, const struct address *address,
                      const struct fact *fact) {
    pthread_mutex_lock(&memory->mutex);
    write_note(memory, NOTE_DEAD, address, fact, DELIVER_DEAD_MS);
    pthread_mutex_unlock(&memory->mutex);
}

bool memory_tls_failed(struct deliver_memory *memory, const struct address *address) {
    return read_note(memory, NOTE_TLS_FAILED, address, NULL);
}

void memory_note_tls_failed(struct deliver_memory *memory, const struct address *address) {
    pthread_mutex_lock(&memory->mutex);
    write_note(memory, NOTE_TLS_FAILED, address, NULL, DELIVER_TLS_FAILED_MS);
    pthread_mutex_unlock(&memory->mutex);
}

bool memory_is_unrouted(struct deliver_memory *memory, enum address_family family) {
    pthread_mutex_lock(&memory->mutex);
    bool is_unrouted = memory->unrouted_until[family] > io_now();
    pthread_mutex_unlock(&memory->mutex);
    return is_unrouted;
}

void memory_note_unrouted(struct deliver_memory *memory, enum address_family family) {
    pthread_mutex_lock(&memory->mutex);
    memory->unrouted_until[family] = io_after(DELIVER_DEAD_MS);
    pthread_mutex_unlock(&memory->mutex);
}
