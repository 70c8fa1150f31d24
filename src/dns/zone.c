// SPDX-License-Identifier: Apache-2.0
#include "dns/zone.h"

#include "base/hash.h"
#include "dns/message_internal.h"

#include <stdlib.h>

enum { ALIASES_MAX = 8, NEGATIVE_TTL_S = 300, SILENCE_MS_MAX = 120 * 1000 };

struct entry {
    struct entry *next;
    unsigned type;
    uint32_t ttl_s;
    unsigned preference;    // MX
    char *host;             // MX, CNAME; the words of TXT
    struct address address; // A, AAAA
    struct dns_tlsa tlsa;
};

struct fault {
    struct fault *next;
    unsigned type; // zero: of every type
    enum fact_dns status;
};

struct owner {
    struct hash_node node;
    char *name;
    bool is_secure;
    struct entry *entries; // in the order in which they were added
    struct fault *faults;
};

struct zone {
    struct dns_resolver seam;
    int64_t latency_ms;
    struct hash_table owners;
    bool is_dead;
    uint64_t n_questions;
};

static struct zone *zone_of(struct dns_resolver *seam) {
    return CONTAINER_OF(seam, struct zone, seam);
}

// --- The table --------------------------------------------------------------------------------

static struct owner *find_owner(struct zone *zone, struct view name) {
    struct hash_node *node = hash_table_first(&zone->owners, view_hash_nocase(name));
    for (; node; node = hash_table_next(node)) {
        struct owner *owner = CONTAINER_OF(node, struct owner, node);
        if (view_equals_nocase(view_of(owner->name), name))
            return owner;
    }
    return NULL;
}

static struct owner *need_owner(struct dns_resolver *seam, const char *name) {
    struct zone *zone = zone_of(seam);
    struct owner *owner = find_owner(zone, view_of(name));
    if (owner)
        return owner;
    owner = mem_alloc_zero(sizeof(*owner));
    owner->name = mem_copy_string(name);
    hash_table_insert(&zone->owners, &owner->node, view_hash_nocase(view_of(name)));
    return owner;
}

static struct entry *add_entry(struct dns_resolver *seam, const char *name, unsigned type,
                               uint32_t ttl_s) {
    struct owner *owner = need_owner(seam, name);
    struct entry **end = &owner->entries;
    while (*end)
        end = &(*end)->next;
    *end = mem_alloc_zero(sizeof(**end));
    (*end)->type = type;
    (*end)->ttl_s = ttl_s;
    return *end;
}

void dns_zone_add_mx(struct dns_resolver *zone, const char *name, unsigned preference,
                     const char *host, uint32_t ttl_s) {
    struct entry *entry = add_entry(zone, name, DNS_TYPE_MX, ttl_s);
    entry->preference = preference;
    entry->host = mem_copy_string(host);
}

void dns_zone_add_address(struct dns_resolver *zone, const char *name, const char *address,
                          uint32_t ttl_s) {
    struct address parsed;
    bool is_address = address_parse(view_of(address), &parsed);
    ASSERT(is_address);
    unsigned type = parsed.family == ADDRESS_IPV4 ? DNS_TYPE_A : DNS_TYPE_AAAA;
    add_entry(zone, name, type, ttl_s)->address = parsed;
}

void dns_zone_add_alias(struct dns_resolver *zone, const char *name, const char *target,
                        uint32_t ttl_s) {
    add_entry(zone, name, DNS_TYPE_CNAME, ttl_s)->host = mem_copy_string(target);
}

void dns_zone_add_text(struct dns_resolver *zone, const char *name, const char *text,
                       uint32_t ttl_s) {
    add_entry(zone, name, DNS_TYPE_TXT, ttl_s)->host = mem_copy_string(text);
}

void dns_zone_add_tlsa(struct dns_resolver *zone, const char *name, const struct dns_tlsa *record,
                       uint32_t ttl_s) {
    add_entry(zone, name, DNS_TYPE_TLSA, ttl_s)->tlsa = *record;
}

static void set_fault(struct owner *owner, unsigned type, enum fact_dns status) {
    struct fault **at = &owner->faults;
    while (*at && (*at)->type != type)
        at = &(*at)->next;
    if (!*at) {
        *at = mem_alloc_zero(sizeof(**at));
        (*at)->type = type;
    }
    (*at)->status = status;
}

void dns_zone_fail(struct dns_resolver *zone, const char *name, enum fact_dns status) {
    set_fault(need_owner(zone, name), 0, status);
}

void dns_zone_fail_mx(struct dns_resolver *zone, const char *name, enum fact_dns status) {
    set_fault(need_owner(zone, name), DNS_TYPE_MX, status);
}

void dns_zone_fail_addresses(struct dns_resolver *zone, const char *name,
                             enum address_family family, enum fact_dns status) {
    unsigned type = family == ADDRESS_IPV4 ? DNS_TYPE_A : DNS_TYPE_AAAA;
    set_fault(need_owner(zone, name), type, status);
}

void dns_zone_set_secure(struct dns_resolver *zone, const char *name, bool is_secure) {
    need_owner(zone, name)->is_secure = is_secure;
}

void dns_zone_set_dead(struct dns_resolver *zone, bool is_dead) {
    zone_of(zone)->is_dead = is_dead;
}

uint64_t dns_zone_questions(struct dns_resolver *zone) {
    return zone_of(zone)->n_questions;
}

static void free_owner(struct owner *owner) {
    while (owner->entries) {
        struct entry *entry = owner->entries;
        owner->entries = entry->next;
        free(entry->host);
        free(entry);
    }
    while (owner->faults) {
        struct fault *fault = owner->faults;
        owner->faults = fault->next;
        free(fault);
    }
    free(owner->name);
    free(owner);
}

void dns_zone_remove(struct dns_resolver *seam, const char *name) {
    struct zone *zone = zone_of(seam);
    struct owner *owner = find_owner(zone, view_of(name));
    if (!owner)
        return;
    hash_table_remove(&zone->owners, &owner->node);
    free_owner(owner);
}

// --- Answers ----------------------------------------------------------------------------------

static enum fact_dns fault_of(const struct owner *owner, unsigned type) {
    for (const struct fault *fault = owner->faults; fault; fault = fault->next)
        if ((fault->type == 0 || fault->type == type) && fault->status != FACT_DNS_OK)
            return fault->status;
    return FACT_DNS_OK;
}

static const struct entry *find_entry(const struct owner *owner, unsigned type) {
    for (const struct entry *entry = owner->entries; entry; entry = entry->next)
        if (entry->type == type)
            return entry;
    return NULL;
}

static int rcode_of(enum fact_dns status) {
    switch (status) {
    case FACT_DNS_NXDOMAIN: return 3;
    case FACT_DNS_SERVFAIL:
    case FACT_DNS_BOGUS:
    case FACT_DNS_LOOP: return 2;
    case FACT_DNS_REFUSED: return 5;
    case FACT_DNS_TIMEOUT: return -1;
    case FACT_DNS_MALFORMED: return 1;
    default: return 0;
    }
}

// Waits as a network would; false when the question has ended already.
static bool wait_for_answer(struct zone *zone, io_time deadline, struct fact *fact) {
    zone->n_questions++;
    io_time due = io_after(zone->latency_ms);
    struct io_result result = io_sleep(due < deadline ? due : deadline);
    if (result.status == IO_CANCELED)
        *fact = fact_make(FACT_STAGE_DNS, FACT_KIND_CANCELED);
    else if (due > deadline)
        fact->detail = FACT_DNS_TIMEOUT;
    return result.status != IO_CANCELED && due <= deadline;
}

// The owner at the end of the chain of aliases, or NULL; fact->detail says how it ended.
static const struct owner *follow(struct zone *zone, struct view name, unsigned type,
                                  struct arena *arena, struct dns_answer *answer) {
    answer->fact.detail = FACT_DNS_LOOP;
    for (int hop = 0; hop < ALIASES_MAX; hop++) {
        const struct owner *owner = find_owner(zone, name);
        enum fact_dns fault = owner ? fault_of(owner, type) : FACT_DNS_NXDOMAIN;
        const struct entry *alias = owner ? find_entry(owner, DNS_TYPE_CNAME) : NULL;
        if (fault != FACT_DNS_OK || !alias) {
            answer->fact.detail = (int)fault;
            return fault == FACT_DNS_OK ? owner : NULL;
        }
        name = view_of(alias->host);
        answer->via_cname = true;
        answer->canonical = arena_copy(arena, name);
        answer->ttl_s = alias->ttl_s < answer->ttl_s ? alias->ttl_s : answer->ttl_s;
    }
    return NULL;
}

struct question {
    struct dns_resolver *seam;
    struct view name;
    unsigned type;
    io_time deadline;
    struct arena *arena;
};

static struct question begin(struct dns_resolver *seam, struct view name, unsigned type,
                             io_time deadline, struct arena *arena) {
    deadline = int64_min(deadline, io_after(SILENCE_MS_MAX));
    return (struct question){seam, name, type, deadline, arena};
}

// The owner whose entries answer, or NULL with the fact set.
static const struct owner *look_up(const struct question *question, struct dns_answer *answer) {
    struct zone *zone = zone_of(question->seam);
    const struct owner *owner = NULL;
    io_time begun = io_now();
    *answer = (struct dns_answer){.ttl_s = UINT32_MAX};
    answer->fact = fact_make(FACT_STAGE_DNS, FACT_KIND_DNS);
    bool is_answered = wait_for_answer(zone, question->deadline, &answer->fact);
    if (is_answered && zone->is_dead) {
        answer->fact.kind = FACT_KIND_LOCAL;
        answer->fact.detail = FACT_LOCAL_RESOLVER;
    } else if (is_answered) {
        owner = follow(zone, question->name, question->type, question->arena, answer);
        if (owner && !find_entry(owner, question->type)) {
            answer->fact.detail = FACT_DNS_NODATA;
            owner = NULL;
        }
    }
    // A server that says nothing takes all the time there is.
    if (is_answered && answer->fact.kind == FACT_KIND_DNS &&
        answer->fact.detail == FACT_DNS_TIMEOUT &&
        io_sleep(question->deadline).status == IO_CANCELED)
        answer->fact.kind = FACT_KIND_CANCELED;
    if (answer->fact.kind == FACT_KIND_DNS)
        answer->fact.dns_rcode = rcode_of((enum fact_dns)answer->fact.detail);
    if (owner)
        answer->fact.kind = FACT_KIND_OK;
    else
        answer->ttl_s = NEGATIVE_TTL_S;
    answer->is_secure = owner && owner->is_secure;
    answer->fact.elapsed_ms = io_now() - begun;
    answer->fact.at_ms = io_wall_ms();
    answer->fact.text = arena_copy(question->arena, question->name);
    return owner;
}

static void note_ttl(const struct entry *entry, struct dns_answer *answer) {
    if (entry->ttl_s < answer->ttl_s)
        answer->ttl_s = entry->ttl_s;
}

static void insert_mx(struct dns_mx_answer *answer, struct dns_mx mx) {
    size_t at = answer->n_records++;
    while (at > 0 && (answer->records[at - 1].preference > mx.preference ||
                      (answer->records[at - 1].preference == mx.preference &&
                       view_compare(answer->records[at - 1].name, mx.name) > 0))) {
        answer->records[at] = answer->records[at - 1];
        at--;
    }
    answer->records[at] = mx;
}

static void zone_mx(struct dns_resolver *seam, struct view name, io_time deadline,
                    struct arena *arena, struct dns_mx_answer *answer) {
    struct question question = begin(seam, name, DNS_TYPE_MX, deadline, arena);
    const struct owner *owner = look_up(&question, &answer->answer);
    if (!owner)
        return;
    answer->records = arena_alloc(arena, DNS_MX_MAX * sizeof(*answer->records));
    ASSERT(answer->records != NULL);
    for (const struct entry *entry = owner->entries; entry; entry = entry->next)
        if (entry->type == DNS_TYPE_MX && answer->n_records < DNS_MX_MAX) {
            struct view host = arena_copy(arena, view_of(entry->host));
            insert_mx(answer, (struct dns_mx){entry->preference, host});
            note_ttl(entry, &answer->answer);
        }
}

static void zone_addresses(struct dns_resolver *seam, struct view name, io_time deadline,
                           struct arena *arena, struct dns_address_answer *answer) {
    unsigned type = answer->family == ADDRESS_IPV4 ? DNS_TYPE_A : DNS_TYPE_AAAA;
    struct question question = begin(seam, name, type, deadline, arena);
    const struct owner *owner = look_up(&question, &answer->answer);
    if (!owner)
        return;
    answer->addresses = arena_alloc(arena, DNS_ADDRESSES_MAX * sizeof(*answer->addresses));
    ASSERT(answer->addresses != NULL);
    for (const struct entry *entry = owner->entries; entry; entry = entry->next)
        if (entry->type == type && answer->n_addresses < DNS_ADDRESSES_MAX) {
            answer->addresses[answer->n_addresses++] = entry->address;
            note_ttl(entry, &answer->answer);
        }
}

static void zone_texts(struct dns_resolver *seam, struct view name, io_time deadline,
                       struct arena *arena, struct dns_text_answer *answer) {
    struct question question = begin(seam, name, DNS_TYPE_TXT, deadline, arena);
    const struct owner *owner = look_up(&question, &answer->answer);
    if (!owner)
        return;
    answer->texts = arena_alloc(arena, DNS_TEXTS_MAX * sizeof(*answer->texts));
    ASSERT(answer->texts != NULL);
    for (const struct entry *entry = owner->entries; entry; entry = entry->next)
        if (entry->type == DNS_TYPE_TXT && answer->n_texts < DNS_TEXTS_MAX) {
            answer->texts[answer->n_texts++] = arena_copy(arena, view_of(entry->host));
            note_ttl(entry, &answer->answer);
        }
}

static void zone_tlsa(struct dns_resolver *seam, struct view name, io_time deadline,
                      struct arena *arena, struct dns_tlsa_answer *answer) {
    struct question question = begin(seam, name, DNS_TYPE_TLSA, deadline, arena);
    const struct owner *owner = look_up(&question, &answer->answer);
    if (!owner)
        return;
    answer->records = arena_alloc(arena, DNS_TLSA_MAX * sizeof(*answer->records));
    ASSERT(answer->records != NULL);
    for (const struct entry *entry = owner->entries; entry; entry = entry->next)
        if (entry->type == DNS_TYPE_TLSA && answer->n_records < DNS_TLSA_MAX) {
            answer->records[answer->n_records++] = entry->tlsa;
            note_ttl(entry, &answer->answer);
        }
}

struct reverse {
    const struct address *address;
    struct arena *arena;
    struct dns_name_answer *answer;
};

static void collect_name(struct hash_node *node, void *arg) {
    const struct owner *owner = CONTAINER_OF(node, struct owner, node);
    struct reverse *reverse = arg;
    for (const struct entry *entry = owner->entries; entry; entry = entry->next)
        if (address_equals(&entry->address, reverse->address) &&
            reverse->answer->n_names < DNS_NAMES_MAX)
            reverse->answer->names[reverse->answer->n_names++] =
                arena_copy(reverse->arena, view_of(owner->name));
}

// Every name with that address; PTR records need not be added.
static void zone_names(struct dns_resolver *seam, const struct address *address, io_time deadline,
                       struct arena *arena, struct dns_name_answer *answer) {
    char name[DNS_REVERSE_SIZE];
    dns_reverse_name(address, name);
    struct question question = begin(seam, view_of(name), DNS_TYPE_PTR, deadline, arena);
    struct reverse reverse = {address, arena, answer};
    look_up(&question, &answer->answer);
    if (answer->answer.fact.kind != FACT_KIND_DNS ||
        answer->answer.fact.detail != FACT_DNS_NXDOMAIN)
        return;
    answer->names = arena_alloc(arena, DNS_NAMES_MAX * sizeof(*answer->names));
    ASSERT(answer->names != NULL);
    hash_table_each(&zone_of(seam)->owners, collect_name, &reverse);
    if (answer->n_names > 0) {
        answer->answer.fact.kind = FACT_KIND_OK;
        answer->answer.fact.detail = FACT_DNS_OK;
        answer->answer.fact.dns_rcode = 0;
    }
}

// --- Life -------------------------------------------------------------------------------------

static void free_node(struct hash_node *node, void *arg) {
    struct zone *zone = arg;
    hash_table_remove(&zone->owners, node);
    free_owner(CONTAINER_OF(node, struct owner, node));
}

static void zone_destroy(struct dns_resolver *seam) {
    struct zone *zone = zone_of(seam);
    hash_table_each(&zone->owners, free_node, zone);
    hash_table_finish(&zone->owners);
    free(zone);
}

struct dns_resolver *dns_zone_create(int64_t latency_ms) {
    static const struct dns_ops ops = {.mx = zone_mx,
                                       .addresses = zone_addresses,
                                       .names = zone_names,
                                       .texts = zone_texts,
                                       .tlsa = zone_tlsa,
                                       .destroy = zone_destroy};
    struct zone *zone = mem_alloc_zero(sizeof(*zone));
    ASSERT(latency_ms >= 0);
    zone->seam.ops = &ops;
    zone->latency_ms = latency_ms;
    hash_table_init(&zone->owners);
    return &zone->seam;
}
