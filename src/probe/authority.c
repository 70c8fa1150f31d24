// SPDX-License-Identifier: Apache-2.0
// The DNS beyond our resolver's cache: who speaks for the domain, what each of them says, and what
// our resolver holds instead. Finds stale caches, servers that disagree or do not know the zone,
// and answers that are kept back because their signatures are wrong.
#include "probe/zone_internal.h"

// --- Questions --------------------------------------------------------------------------------
struct dns_server_answer probe_ask(const struct probe *probe, const struct probe_asked *asked) {
    struct dns_server_answer answer;
    struct dns_server_question question = {
        .server = *asked->server,
        .name = asked->name,
        .type = asked->type,
        .wants_recursion = asked->how != PROBE_AS_AUTHORITY,
        .checking_disabled = asked->how == PROBE_UNCHECKED,
        .wants_dnssec = asked->wants_dnssec,
        .over_tcp = asked->over_tcp,
        .deadline = int64_min(io_after(probe_limit_ms(probe, PROBE_QUESTION_MS)), probe->deadline)};
    dns_ask_server(&question, probe->arena, &answer);
    return answer;
}

// Speaks for the zone, whatever it says.
static bool is_well(const struct dns_server_answer *answer) {
    return answer->is_authoritative &&
           (fact_is_ok(&answer->fact) || probe_says(answer, FACT_DNS_NODATA) ||
            probe_says(answer, FACT_DNS_NXDOMAIN) || probe_says(answer, FACT_DNS_LOOP));
}

static bool has_records(const struct dns_server_answer *answer) {
    return fact_is_ok(&answer->fact) && answer->n_records + answer->n_addresses > 0;
}

// --- Who speaks for the domain ----------------------------------------------------------------
struct probe_server *probe_add_server(struct probe_zone *zone, struct view name,
                                      const struct address *address) {
    if (zone->n_servers == PROBE_SERVERS_MAX)
        return NULL;
    struct probe_server *server = &zone->servers[zone->n_servers++];
    *server = (struct probe_server){
        .zone = zone, .probe = zone->probe, .name = name, .address = *address};
    server->address.port = PROBE_DNS_PORT;
    return server;
}

bool probe_address_of(struct probe_zone *zone, struct view name, struct address *address) {
    struct probe *probe = zone->probe;
    for (enum address_family family = ADDRESS_IPV4; family <= ADDRESS_IPV6; family++) {
        io_time deadline =
            int64_min(io_after(probe_limit_ms(probe, PROBE_QUESTION_MS)), probe->deadline);
        struct dns_address_answer answer = {.family = family};
        dns_addresses(probe->options->resolver, name, deadline, probe->arena, &answer);
        if (answer.n_addresses == 0)
            continue;
        *address = answer.addresses[0];
        address->port = PROBE_DNS_PORT;
        return true;
    }
    return false;
}

void probe_add_named(struct probe_zone *zone, struct view name) {
    struct address address;
    if (probe_address_of(zone, name, &address))
        probe_add_server(zone, name, &address);
}

// The servers of `answer`: by their names, or where these lead nowhere, by the glue beside them.
IO_WAITS static void take_servers(struct probe_zone *zone, const struct dns_server_answer *answer) {
    zone->n_servers = 0;
    for (size_t i = 0; i < size_min(answer->n_names, PROBE_NAMES_TRIED_MAX); i++)
        probe_add_named(zone, answer->names[i]);
    for (size_t i = 0; zone->n_servers == 0 && answer->is_referral && i < answer->n_addresses; i++)
        probe_add_server(zone, answer->names[0], &answer->addresses[i]);
}

// The closest zone above that our resolver can name the servers of; of these, one says whether the
// domain is a zone of its own (RFC 1034 4.2.1).
IO_WAITS static bool find_servers(struct probe_zone *zone) {
    struct view name = zone->domain;
    struct dns_server_answer answer;
    for (;;) {
        answer = probe_ask(zone->probe, &(struct probe_asked){&zone->resolver, name, DNS_SERVER_NS,
                                                              PROBE_UNCHECKED});
        if ((fact_is_ok(&answer.fact) && answer.n_names > 0) || name.len == 0)
            break;
        name = view_skip(name, view_find_char(name, '.') + 1);
    }
    if (answer.n_names == 0)
        return false;
    take_servers(zone, &answer);
    zone->name = name;
    bool is_own_zone = view_equals(name, zone->domain);
    for (size_t i = 0; !is_own_zone && i < zone->n_servers; i++) {
        struct probe_server above = zone->servers[i];
        answer = probe_ask(zone->probe,
                           &(struct probe_asked){&above.address, zone->domain, DNS_SERVER_NS});
        if (answer.is_referral) {
            take_servers(zone, &answer);
            zone->name = zone->domain;
        }
        if (probe_has_spoken(&answer))
            break;
    }
    return zone->n_servers > 0;
}

// --- What each of them says -------------------------------------------------------------------
// What does not fit into the 512 bytes of old often fits into the datagrams of today (RFC
// 6891 6.2).
IO_WAITS static void ask_for_larger(struct probe_server *server) {
    const struct probe_zone *zone = server->zone;
    struct dns_server_answer larger =
        probe_ask(server->probe, &(struct probe_asked){&server->address, zone->domain, zone->type,
                                                       .wants_dnssec = true});
    if (probe_has_spoken(&larger))
        server->told = larger;
}

static void interview(void *arg) {
    struct probe_server *server = arg;
    const struct probe_zone *zone = server->zone;
    struct probe_asked asked = {&server->address, zone->domain, zone->type};
    server->told = probe_ask(server->probe, &asked);
    if (server->told.was_truncated && !probe_has_spoken(&server->told))
        ask_for_larger(server);
    asked.name = zone->name;
    asked.type = DNS_SERVER_SOA;
    if (probe_has_spoken(&server->told))
        server->soa = probe_ask(server->probe, &asked);
    asked.over_tcp = true;
    server->tcp = probe_ask(server->probe, &asked);
}

IO_WAITS static void interview_all(struct probe_zone *zone) {
    struct io_group group;
    io_group_init(&group);
    for (size_t i = 0; i < zone->n_servers; i++)
        io_group_spawn(&group, "probe-authority", interview, &zone->servers[i]);
    probe_wait_all(&group);
}

// "10 mx1.example.org, 20 mx2.example.org", or what is said instead.
static struct view words_of(struct probe *probe, const struct dns_server_answer *answer) {
    struct view words = VIEW_NONE;
    if (!fact_is_ok(&answer->fact))
        return answer->fact.kind == FACT_KIND_DNS
                   ? fact_dns_word((enum fact_dns)answer->fact.detail)
                   : fact_describe(&answer->fact, probe->arena);
    for (size_t i = 0; i < answer->n_records; i++)
        words = arena_printf(
            probe->arena, "%.*s%s%u %.*s", VIEW_ARG(words), i ? ", " : "",
            answer->records[i].preference,
            VIEW_ARG(answer->records[i].name.len ? answer->records[i].name : VIEW(".")));
    for (size_t i = 0; i < answer->n_addresses && !answer->is_referral; i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_format(&answer->addresses[i], text, sizeof(text));
        words =
            arena_printf(probe->arena, "%.*s%s%s", VIEW_ARG(words), words.len ? ", " : "", text);
    }
    return words.len ? words : VIEW("no record of that type");
}

static void record(struct probe_zone *zone) {
    for (size_t i = 0; i < zone->n_servers; i++) {
        const struct probe_server *server = &zone->servers[i];
        struct probe *probe = zone->probe;
        struct view words = words_of(probe, &server->told);
        bool is_lame = probe_has_spoken(&server->told) && !is_well(&server->told);
        struct probe_step *step = probe_experiment_step(probe, "authority", &server->told.fact);
        step->state = is_well(&server->told) ? PROBE_WELL : PROBE_WARNING;
        step->host = server->name;
        step->peer = server->address;
        probe_step_words(probe, step, "%.*s: %.*s%s", VIEW_ARG(server->name), VIEW_ARG(words),
                         is_lame ? ", and does not speak for the zone" : "");
        if (server->told.was_truncated && !probe_has_spoken(&server->told))
            probe_step_words(probe, step, "%.*s: too large for a datagram, and over TCP %.*s",
                             VIEW_ARG(server->name), VIEW_ARG(words));
        if (server->soa.serial)
            probe_step_words(probe, step, "%.*s, serial %u", VIEW_ARG(step->words),
                             server->soa.serial);
    }
}

// --- What that means --------------------------------------------------------------------------
static bool has_address(const struct dns_server_answer *answer, const struct address *wanted) {
    for (size_t i = 0; i < answer->n_addresses; i++)
        if (address_equals(&answer->addresses[i], wanted))
            return true;
    return false;
}

static bool is_same_answer(const struct dns_server_answer *a, const struct dns_server_answer *b) {
    if (a->fact.kind != b->fact.kind || a->fact.detail != b->fact.detail ||
        a->n_records != b->n_records || a->n_addresses != b->n_addresses)
        return false;
    for (size_t i = 0; i < a->n_records; i++)
        if (a->records[i].preference != b->records[i].preference ||
            !view_equals(a->records[i].name, b->records[i].name))
            return false;
    for (size_t i = 0; i < a->n_addresses; i++)
        if (!has_address(b, &a->addresses[i]))
            return false;
    return true;
}

struct counts {
    size_t n_well, n_lame, n_silent;
    const struct probe_server *first,
        *other; // two that are well and disagree; `other` NULL: all agree
};

static struct counts count(const struct probe_zone *zone) {
    struct counts counts = {0};
    for (size_t i = 0; i < zone->n_servers; i++) {
        const struct probe_server *server = &zone->servers[i];
        bool is_silent = !probe_has_spoken(&server->told) && !server->told.was_truncated;
        counts.n_silent += is_silent;
        counts.n_lame += probe_has_spoken(&server->told) && !is_well(&server->told);
        if (!is_well(&server->told))
            continue;
        counts.n_well++;
        if (!counts.first)
            counts.first = server;
        else if (!is_same_answer(&counts.first->told, &server->told))
            counts.other = server;
    }
    return counts;
}

static void compare_servers(struct probe_zone *zone, const struct counts *counts) {
    struct probe *probe = zone->probe;
    size_t n = zone->n_servers;
    if (counts->other) {
        struct view one = words_of(probe, &counts->first->told);
        struct view two = words_of(probe, &counts->other->told);
        probe_sign_set(probe, SIGN_AUTHORITIES_DISAGREE, true, "%.*s says %.*s, %.*s says %.*s",
                       VIEW_ARG(counts->first->name), VIEW_ARG(one), VIEW_ARG(counts->other->name),
                       VIEW_ARG(two));
    } else {
        probe_sign_set(probe, SIGN_AUTHORITIES_DISAGREE, counts->n_well > 0 && counts->n_lame > 0,
                       "%zu of %zu name servers of %.*s do not speak for the zone", counts->n_lame,
                       n, VIEW_ARG(zone->name));
    }
    probe_sign_set(probe, SIGN_AUTHORITIES_LAME, counts->n_well == 0 && counts->n_lame > 0,
                   "none of %zu name servers of %.*s speaks for the zone", n, VIEW_ARG(zone->name));
    probe_sign_set(
        probe, SIGN_SOME_AUTHORITIES_SILENT, counts->n_silent > 0 && counts->n_silent < n,
        "%zu of %zu name servers of %.*s do not answer within %d s: look-ups are slow, or "
        "fail at times",
        counts->n_silent, n, VIEW_ARG(zone->name), PROBE_QUESTION_MS / 1000);
    probe_sign_set(probe, SIGN_AUTHORITIES_SILENT, counts->n_silent == n,
                   "none of %zu name servers of %.*s answers within %d s", n, VIEW_ARG(zone->name),
                   PROBE_QUESTION_MS / 1000);
    probe_sign_set(probe, SIGN_AUTHORITIES_WELL,
                   counts->n_well == n && !counts->other && has_records(&counts->first->told),
                   "all %zu name servers of %.*s give the same answer", n, VIEW_ARG(zone->name));
}

// A zone transfer that does not come through shows in the serials first (RFC 1982).
static void compare_serials(struct probe_zone *zone) {
    const struct probe_server *first = NULL, *other = NULL;
    for (size_t i = 0; i < zone->n_servers; i++) {
        const struct probe_server *server = &zone->servers[i];
        if (server->soa.serial == 0)
            continue;
        first = first ? first : server;
        other = server->soa.serial != first->soa.serial ? server : other;
    }
    if (other)
        probe_sign_set(zone->probe, SIGN_SERIALS_DIFFER, true,
                       "%.*s has serial %u of the zone, %.*s has %u", VIEW_ARG(first->name),
                       first->soa.serial, VIEW_ARG(other->name), other->soa.serial);
}

static void look_for_parking(struct probe_zone *zone) {
    for (size_t i = 0; i < zone->n_servers; i++)
        if (probe_is_parking(zone->servers[i].name))
            probe_sign_set(zone->probe, SIGN_PARKED, true,
                           "the name server %.*s belongs to a service that parks domains",
                           VIEW_ARG(zone->servers[i].name));
}

static void look_for_loop(struct probe_zone *zone, const struct counts *counts) {
    if (counts->first)
        probe_sign_set(zone->probe, SIGN_ALIAS_LOOP,
                       probe_says(&counts->first->told, FACT_DNS_LOOP),
                       "%.*s answers for %.*s with aliases that lead back to themselves",
                       VIEW_ARG(counts->first->name), VIEW_ARG(zone->domain));
}

// What the cache holds against what the zone says now.
static void compare_cache(struct probe_zone *zone, const struct counts *counts) {
    struct probe *probe = zone->probe;
    if (counts->n_well == 0 || counts->other)
        return;
    const struct dns_server_answer *now = &counts->first->told, *held = &zone->held;
    bool is_answer = fact_is_ok(&held->fact) || probe_says(held, FACT_DNS_NODATA) ||
                     probe_says(held, FACT_DNS_NXDOMAIN);
    struct view ours = words_of(probe, held), theirs = words_of(probe, now);
    bool is_same = is_same_answer(held, now);
    if (!is_answer)
        return;
    probe_sign_set(probe, SIGN_CACHE_DIFFERS, !is_same,
                   "our resolver says %.*s and keeps that for %u s, the domain's own name servers "
                   "say %.*s",
                   VIEW_ARG(ours), held->ttl_s, VIEW_ARG(theirs));
    probe_sign_set(probe, SIGN_CACHE_IS_RIGHT, is_same,
                   "the domain's own name servers say the same as our resolver");
}

// RFC 4035 3.2.2: with CD the resolver gives what it would keep back for its signatures.
IO_WAITS static void look_behind_checks(struct probe_zone *zone) {
    struct probe *probe = zone->probe;
    if (!probe_says(&zone->held, FACT_DNS_SERVFAIL))
        return;
    struct dns_server_answer answer = probe_ask(
        probe, &(struct probe_asked){&zone->resolver, zone->domain, zone->type, PROBE_UNCHECKED});
    bool is_given = fact_is_ok(&answer.fact) || probe_says(&answer, FACT_DNS_NODATA) ||
                    probe_says(&answer, FACT_DNS_NXDOMAIN);
    struct probe_step *step = probe_experiment_step(probe, "dns-cd", &answer.fact);
    struct view words = words_of(probe, &answer);
    probe_step_words(probe, step, "with checking disabled: %.*s", VIEW_ARG(words));
    probe_sign_set(probe, SIGN_UNCHECKED_ANSWER, is_given,
                   "our resolver fails with SERVFAIL, and answers with checking disabled (CD=1): "
                   "%.*s",
                   VIEW_ARG(words));
}

// Where a host's name fails, it is that name whose servers are asked.
static void set_subject(struct probe_zone *zone, const struct fact *fact) {
    bool is_of_host = fact->kind == FACT_KIND_DNS ||
                      (fact->kind == FACT_KIND_ROUTE && fact->detail == FACT_ROUTE_NO_ADDRESS);
    if (!is_of_host || fact->text.len == 0 || view_equals_nocase(fact->text, zone->domain))
        return;
    zone->domain = fact->text;
    zone->type = DNS_SERVER_A;
}

void probe_try_authorities(struct probe *probe) {
    struct probe_zone *zone = arena_alloc(probe->arena, sizeof(*zone));
    if (!zone)
        return;
    *zone =
        (struct probe_zone){.probe = probe, .domain = probe->route->domain, .type = DNS_SERVER_MX};
    set_subject(zone, &probe->route->fact);
    if (dns_resolver_servers(probe->options->resolver, &zone->resolver, 1) == 0)
        return;
    zone->held = probe_ask(probe, &(struct probe_asked){&zone->resolver, zone->domain, zone->type,
                                                        PROBE_AS_CLIENT, .wants_dnssec = true});
    look_behind_checks(zone);
    probe_compare_resolvers(zone);
    if (!find_servers(zone))
        return;
    probe_look_above(zone);
    interview_all(zone);
    record(zone);
    struct counts counts = count(zone);
    compare_servers(zone, &counts);
    compare_cache(zone, &counts);
    look_for_loop(zone, &counts);
    compare_serials(zone);
    look_for_parking(zone);
    probe_read_transport(zone);
    probe_read_delegation(zone);
    probe_read_signatures(zone);
}
