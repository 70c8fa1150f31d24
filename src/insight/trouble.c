// SPDX-License-Identifier: Apache-2.0
// An incident while it is followed: what it hits, how far, and when it is over. It is over when
// successes have gone on: at least ten minutes, and so many that they would hardly follow each
// other by chance where so large a share fails.
#include "insight/insight_internal.h"

#include <math.h>
#include <stdlib.h>

static const double RUN_UNLIKELY = 5.5; // a run of successes that happens once in 250 times

void trouble_destroy(struct trouble *trouble) {
    if (!trouble)
        return;
    list_remove(&trouble->node);
    count_finish(&trouble->messages);
    count_finish(&trouble->recipients);
    count_finish(&trouble->senders);
    count_finish(&trouble->domains);
    for (size_t i = 0; i < ARRAY_LEN(trouble->causes); i++)
        proof_finish(&trouble->causes[i].proof);
    for (size_t i = 0; i < trouble->n_names; i++)
        view_disown(&trouble->names[i].name);
    view_disown(&trouble->name);
    view_disown(&trouble->host);
    free(trouble->points);
    free(trouble);
}

// Whether `a` is worth less than `b` where there is room for one of them.
static bool is_lesser(const struct trouble *a, const struct trouble *b) {
    if ((a->end_ms == 0) != (b->end_ms == 0))
        return a->end_ms != 0;
    return count_get(&a->messages) < count_get(&b->messages);
}

// Only what is over and can be gone on with by nobody may be dropped; the series forget it.
static void drop_least(struct insight *insight) {
    struct trouble *least = NULL;
    LIST_FOR_EACH (node, &insight->troubles) {
        struct trouble *trouble = CONTAINER_OF(node, struct trouble, node);
        if (trouble->end_ms && (!least || is_lesser(trouble, least)))
            least = trouble;
    }
    if (!least)
        return;
    LIST_FOR_EACH (node, &insight->series) {
        struct series *series = CONTAINER_OF(node, struct series, node);
        if (series->closed == least)
            series->closed = NULL;
    }
    trouble_destroy(least);
    insight->n_troubles--;
    insight->n_troubles_dropped++;
}

struct trouble *trouble_create(struct insight *insight, enum scope scope, enum cause family) {
    if (insight->n_troubles >= TROUBLES_MAX)
        drop_least(insight);
    if (insight->n_troubles >= 2 * TROUBLES_MAX) {
        insight->n_troubles_dropped++;
        return NULL;
    }
    struct trouble *trouble = mem_alloc_zero(sizeof(*trouble));
    trouble->scope = scope;
    trouble->family = family;
    list_init(&trouble->node);
    list_append(&insight->troubles, &trouble->node);
    insight->n_troubles++;
    return trouble;
}

void trouble_name(struct trouble *trouble, struct view name) {
    uint64_t hash = view_hash(name);
    if (name.len == 0)
        return;
    count_add(&trouble->domains, hash);
    for (size_t i = 0; i < trouble->n_names; i++)
        if (trouble->names[i].hash == hash)
            return;
    if (trouble->n_names == INSIGHT_NAMES_MAX)
        return;
    trouble->names[trouble->n_names].hash = hash;
    trouble->names[trouble->n_names++].name = view_own(view_take(name, HOST_BYTES_MAX));
}

static void note_cause(struct trouble *trouble, const struct insight_event *event) {
    for (size_t i = 0; i < trouble->n_causes; i++)
        if (trouble->causes[i].cause == event->cause) {
            trouble->causes[i].n++;
            return;
        }
    if (trouble->n_causes == ARRAY_LEN(trouble->causes))
        return;
    struct trouble_cause *cause = &trouble->causes[trouble->n_causes++];
    cause->cause = event->cause;
    cause->n = 1;
    proof_set(&cause->proof, event);
}

static void note_host(struct trouble *trouble, struct view host) {
    if (host.len == 0)
        return;
    uint64_t hash = view_hash_nocase(host);
    if (trouble->host_hash == 0) {
        trouble->host_hash = hash;
        trouble->host = view_own(view_take(host, HOST_BYTES_MAX));
    }
    trouble->has_hosts = trouble->has_hosts || trouble->host_hash != hash;
}

static void note_age(struct trouble *trouble, const struct insight_event *event) {
    if (event->arrived_ms == 0)
        return;
    if (trouble->oldest_ms == 0 || event->arrived_ms < trouble->oldest_ms)
        trouble->oldest_ms = event->arrived_ms;
    trouble->longest_wait_ms =
        int64_max(trouble->longest_wait_ms, event->at_ms - event->arrived_ms);
}

// A failed attempt, or what followed from one.
void trouble_add(struct trouble *trouble, const struct insight_event *event) {
    bool is_attempt = event->kind == INSIGHT_ATTEMPT;
    ASSERT(event->cause != CAUSE_NONE);
    count_add(&trouble->messages, event->message);
    count_add(&trouble->recipients, event->recipient);
    count_add(&trouble->senders, event->sender);
    trouble_name(trouble, event->domain);
    note_host(trouble, event->host);
    note_age(trouble, event);
    trouble->n_asked += !event->is_context;
    trouble->last_seen_ms = int64_max(trouble->last_seen_ms, event->at_ms);
    trouble->n_suppressed += event->kind == INSIGHT_SUPPRESSED;
    trouble->n_expired += event->kind == INSIGHT_EXPIRED;
    if (!is_attempt)
        return;
    note_cause(trouble, event);
    trouble->n_attempts++;
    trouble->n_unnamed += event->message == 0;
    trouble->n_bounced += event->outcome == OUTCOME_PERMANENT_FAILURE;
    trouble->last_failure_ms = int64_max(trouble->last_failure_ms, event->at_ms);
    trouble->n_successes += trouble->n_successes_after;
    trouble->n_successes_after = 0;
    trouble->first_success_ms = 0;
}

uint64_t trouble_share(const struct trouble *trouble, double *share) {
    uint64_t n = count_get(&trouble->messages);
    double failed = (double)(n + trouble->n_unnamed), whole = failed + (double)trouble->n_successes;
    *share = whole > 0 ? failed / whole : 0;
    return n;
}

bool trouble_succeeds(struct trouble *trouble, int64_t at_ms) {
    double share, wanted;
    if (trouble->n_successes_after++ == 0)
        trouble->first_success_ms = at_ms;
    if (at_ms - trouble->last_failure_ms < SETTLED_MS || trouble->n_successes_after < 3)
        return true;
    trouble_share(trouble, &share);
    wanted = share < 0.01 ? 300 : share > 0.9 ? 3 : RUN_UNLIKELY / -log(1 - share);
    if ((double)trouble->n_successes_after < wanted)
        return true;
    trouble->end_ms = trouble->first_success_ms;
    return false;
}

const struct trouble_cause *trouble_main_cause(const struct trouble *trouble) {
    const struct trouble_cause *most = &trouble->causes[0];
    for (size_t i = 1; i < trouble->n_causes; i++)
        if (trouble->causes[i].n > most->n)
            most = &trouble->causes[i];
    return most;
}

static void join_causes(struct trouble *trouble, const struct trouble *other) {
    for (size_t i = 0; i < other->n_causes; i++) {
        const struct trouble_cause *from = &other->causes[i];
        size_t at = 0;
        while (at < trouble->n_causes && trouble->causes[at].cause != from->cause)
            at++;
        if (at == ARRAY_LEN(trouble->causes))
            continue;
        if (at == trouble->n_causes) {
            trouble->n_causes++;
            trouble->causes[at].cause = from->cause;
            proof_copy(&trouble->causes[at].proof, &from->proof);
        }
        trouble->causes[at].n += from->n;
    }
}

static void join_times(struct trouble *trouble, const struct trouble *other) {
    if (other->onset_ms < trouble->onset_ms) {
        trouble->onset_ms = other->onset_ms;
        trouble->first_file = other->first_file;
        trouble->first_line = other->first_line;
        trouble->normal = other->normal;
        trouble->n_before = other->n_before;
    }
    if (other->last_failure_ms > trouble->last_failure_ms) {
        trouble->end_ms = other->end_ms;
        trouble->first_success_ms = other->first_success_ms;
    }
    trouble->last_failure_ms = int64_max(trouble->last_failure_ms, other->last_failure_ms);
    trouble->last_seen_ms = int64_max(trouble->last_seen_ms, other->last_seen_ms);
    trouble->longest_wait_ms = int64_max(trouble->longest_wait_ms, other->longest_wait_ms);
    if (other->oldest_ms && (trouble->oldest_ms == 0 || other->oldest_ms < trouble->oldest_ms))
        trouble->oldest_ms = other->oldest_ms;
}

struct trouble *trouble_copy(const struct trouble *trouble) {
    struct trouble *copy = mem_alloc(sizeof(*copy));
    *copy = *trouble;
    list_init(&copy->node);
    copy->messages = copy->recipients = copy->senders = copy->domains = (struct count){0};
    count_join(&copy->messages, &trouble->messages);
    count_join(&copy->recipients, &trouble->recipients);
    count_join(&copy->senders, &trouble->senders);
    count_join(&copy->domains, &trouble->domains);
    for (size_t i = 0; i < ARRAY_LEN(copy->causes); i++) {
        copy->causes[i].proof = (struct proof){0};
        proof_copy(&copy->causes[i].proof, &trouble->causes[i].proof);
    }
    for (size_t i = 0; i < copy->n_names; i++)
        copy->names[i].name = view_own(trouble->names[i].name);
    copy->name = view_own(trouble->name);
    copy->host = view_own(trouble->host);
    onset_settle(copy);
    copy->points = NULL;
    copy->n_points = 0;
    return copy;
}

static void join_extent(struct trouble *trouble, const struct trouble *other) {
    count_join(&trouble->messages, &other->messages);
    count_join(&trouble->recipients, &other->recipients);
    count_join(&trouble->senders, &other->senders);
    count_join(&trouble->domains, &other->domains);
    for (size_t i = 0; i < other->n_names; i++)
        trouble_name(trouble, other->names[i].name);
}

void trouble_take_in(struct trouble *trouble, const struct trouble *other) {
    join_extent(trouble, other);
    trouble->longest_wait_ms = int64_max(trouble->longest_wait_ms, other->longest_wait_ms);
    trouble->n_asked += other->n_asked;
}

// `other` was the same trouble: its counts come here.
void trouble_join(struct trouble *trouble, const struct trouble *other) {
    join_times(trouble, other);
    join_causes(trouble, other);
    join_extent(trouble, other);
    note_host(trouble, other->host);
    trouble->has_hosts = trouble->has_hosts || other->has_hosts;
    trouble->n_attempts += other->n_attempts;
    trouble->n_suppressed += other->n_suppressed;
    trouble->n_bounced += other->n_bounced;
    trouble->n_unnamed += other->n_unnamed;
    trouble->n_expired += other->n_expired;
    trouble->n_asked += other->n_asked;
    trouble->n_successes += other->n_successes;
}
