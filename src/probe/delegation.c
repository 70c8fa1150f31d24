// SPDX-License-Identifier: Apache-2.0
// A zone from above: which servers and keys the zone above names, against those that the zone has;
// whether its signatures hold; and whether its servers answer over UDP and TCP alike.
#include "base/units.h"
#include "probe/zone_internal.h"

// Speaks for the zone.
static const struct probe_server *first_well(const struct probe_zone *zone) {
    for (size_t i = 0; i < zone->n_servers; i++)
        if (zone->servers[i].told.is_authoritative && probe_has_spoken(&zone->servers[i].told))
            return &zone->servers[i];
    return NULL;
}

// --- The zone above ---------------------------------------------------------------------------
static bool has_name(const struct view *names, size_t n, struct view name) {
    for (size_t i = 0; i < n; i++)
        if (view_equals_nocase(names[i], name))
            return true;
    return false;
}

static bool is_asked(const struct probe_zone *zone, struct view name) {
    for (size_t i = 0; i < zone->n_servers; i++)
        if (view_equals_nocase(zone->servers[i].name, name))
            return true;
    return false;
}

IO_WAITS static struct dns_server_answer servers_above(struct probe_zone *zone) {
    struct view name = zone->name;
    struct dns_server_answer answer;
    do {
        name = view_skip(name, view_find_char(name, '.') + 1);
        answer = probe_ask(zone->probe, &(struct probe_asked){&zone->resolver, name, DNS_SERVER_NS,
                                                              PROBE_UNCHECKED});
    } while (answer.n_names == 0 && name.len > 0 && probe_has_spoken(&answer));
    return answer;
}

// RFC 1034 4.2.1: the zone above repeats the names of the zone's servers, and often they differ.
void probe_look_above(struct probe_zone *zone) {
    enum { TRIED_MAX = 2 };
    if (zone->name.len == 0)
        return;
    struct dns_server_answer above = servers_above(zone);
    for (size_t i = 0; i < size_min(above.n_names, TRIED_MAX); i++) {
        struct address address;
        if (!probe_address_of(zone, above.names[i], &address))
            continue;
        struct dns_server_answer answer =
            probe_ask(zone->probe, &(struct probe_asked){&address, zone->name, DNS_SERVER_NS});
        if (!probe_has_spoken(&answer))
            continue;
        zone->parent = (struct probe_server){.name = above.names[i], .address = address};
        if (answer.is_referral)
            zone->above = answer;
        break;
    }
    for (size_t i = 0; i < size_min(zone->above.n_names, PROBE_NAMES_TRIED_MAX); i++)
        if (!is_asked(zone, zone->above.names[i]))
            probe_add_named(zone, zone->above.names[i]);
}

static struct view list_of(struct probe *probe, const struct view *names, size_t n) {
    struct view list = VIEW_NONE;
    for (size_t i = 0; i < n; i++)
        list = arena_printf(probe->arena, "%.*s%s%.*s", VIEW_ARG(list), i ? ", " : "",
                            VIEW_ARG(names[i]));
    return list;
}

static struct probe_step *add_step(struct probe *probe, const char *name, bool is_well) {
    struct fact fact = fact_make(FACT_STAGE_DNS, FACT_KIND_OK);
    fact.at_ms = io_wall_ms();
    struct probe_step *step = probe_experiment_step(probe, name, &fact);
    step->state = is_well ? PROBE_WELL : PROBE_WARNING;
    return step;
}

void probe_read_delegation(struct probe_zone *zone) {
    struct probe *probe = zone->probe;
    const struct dns_server_answer *above = &zone->above;
    const struct probe_server *well = first_well(zone);
    if (!well || above->n_names == 0 || above->n_names == DNS_SERVER_NAMES_MAX)
        return;
    struct dns_server_answer own =
        probe_ask(probe, &(struct probe_asked){&well->address, zone->name, DNS_SERVER_NS});
    if (!own.is_authoritative || own.n_names == 0 || own.n_names == DNS_SERVER_NAMES_MAX)
        return;
    bool is_same = own.n_names == above->n_names;
    for (size_t i = 0; i < above->n_names; i++)
        is_same = is_same && has_name(own.names, own.n_names, above->names[i]);
    struct view theirs = list_of(probe, above->names, above->n_names);
    struct view ours = list_of(probe, own.names, own.n_names);
    probe_sign_set(probe, SIGN_DELEGATION_DIFFERS, !is_same,
                   "the zone above sends resolvers of %.*s to %.*s, the zone itself names %.*s",
                   VIEW_ARG(zone->name), VIEW_ARG(theirs), VIEW_ARG(ours));
    probe_step_words(probe, add_step(probe, "delegation", is_same),
                     is_same ? "%.*s: above and inside %.*s%.*s" : "%.*s: above %.*s; inside %.*s",
                     VIEW_ARG(zone->name), VIEW_ARG(theirs), VIEW_ARG(is_same ? VIEW_NONE : ours));
}

// --- UDP and TCP ------------------------------------------------------------------------------
static void note(struct probe *probe, struct view *list, const struct probe_server *server) {
    *list = arena_printf(probe->arena, "%.*s%s%.*s", VIEW_ARG(*list), list->len ? ", " : "",
                         VIEW_ARG(server->name));
}

// RFC 7766 5: a server answers over both; what does not fit into a datagram is asked for over TCP.
void probe_read_transport(struct probe_zone *zone) {
    struct probe *probe = zone->probe;
    struct view lost = VIEW_NONE, udp_alone = VIEW_NONE, tcp_alone = VIEW_NONE;
    bool all_lost = zone->n_servers > 0;
    for (size_t i = 0; i < zone->n_servers; i++) {
        const struct probe_server *server = &zone->servers[i];
        bool has_told = probe_has_spoken(&server->told), has_tcp = probe_has_spoken(&server->tcp);
        bool is_lost = server->told.was_truncated && !has_told;
        all_lost = all_lost && is_lost;
        if (is_lost)
            note(probe, &lost, server);
        if (server->tcp.fact.kind != FACT_KIND_NONE && has_told && !has_tcp &&
            server->told.is_authoritative)
            note(probe, &udp_alone, server);
        if (!is_lost && !has_told && has_tcp)
            note(probe, &tcp_alone, server);
    }
    probe_sign_set(probe, SIGN_TRUNCATED_LOST, all_lost,
                   "the answer of %.*s does not fit into a datagram, and over TCP none comes",
                   VIEW_ARG(lost));
    probe_sign_set(probe, SIGN_UDP_ALONE, udp_alone.len > 0 || (lost.len > 0 && !all_lost),
                   "%.*s answers over UDP and not over TCP: what does not fit into a datagram is "
                   "lost",
                   VIEW_ARG(udp_alone.len ? udp_alone : lost));
    probe_sign_set(probe, SIGN_TCP_ALONE, tcp_alone.len > 0,
                   "%.*s answers over TCP and not over UDP, by which resolvers ask",
                   VIEW_ARG(tcp_alone));
}

// --- Keys and signatures ----------------------------------------------------------------------
static bool vouches(const struct dns_signer *ds, const struct dns_server_answer *keys) {
    for (size_t i = 0; i < keys->n_signers; i++) {
        const struct dns_signer *key = &keys->signers[i];
        if (key->key_tag == ds->key_tag && key->algorithm == ds->algorithm &&
            key->digest_type == ds->digest_type && view_equals(key->digest, ds->digest))
            return true;
    }
    return false;
}

static struct view tags_of(struct probe *probe, const struct dns_server_answer *answer) {
    struct view list = VIEW_NONE;
    for (size_t i = 0; i < answer->n_signers; i++) {
        bool is_repeated = false;
        for (size_t k = 0; k < i; k++)
            is_repeated |= answer->signers[k].key_tag == answer->signers[i].key_tag;
        if (!is_repeated)
            list = arena_printf(probe->arena, "%.*s%s%u", VIEW_ARG(list), list.len ? ", " : "",
                                answer->signers[i].key_tag);
    }
    return list.len ? list : VIEW("none");
}

// RFC 4034 5, RFC 8624 3.3: one DS that fits a key of the zone is enough.
static void compare_keys(struct probe_zone *zone, const struct dns_server_answer *ds,
                         const struct dns_server_answer *keys) {
    struct probe *probe = zone->probe;
    bool is_match = false;
    for (size_t i = 0; i < ds->n_signers; i++)
        is_match = is_match || vouches(&ds->signers[i], keys);
    struct view above = tags_of(probe, ds), own = tags_of(probe, keys);
    probe_sign_set(probe, SIGN_DS_MISMATCH, !is_match,
                   "the zone above vouches for key %.*s of %.*s (DS), the zone has key %.*s: no "
                   "digest fits",
                   VIEW_ARG(above), VIEW_ARG(zone->name), VIEW_ARG(own));
    probe_step_words(probe, add_step(probe, "ds", is_match), "%.*s: DS for key %.*s, keys %.*s%s",
                     VIEW_ARG(zone->name), VIEW_ARG(above), VIEW_ARG(own),
                     is_match ? "" : ", and none fits");
}

// RFC 4035 5.3.1: a signature holds from its inception to its expiration.
static void check_dates(struct probe_zone *zone, const struct dns_server_answer *answer) {
    struct probe *probe = zone->probe;
    char from[UNITS_TIME_SIZE] = "?", until[UNITS_TIME_SIZE] = "?";
    int64_t now_s = io_wall_ms() / 1000;
    bool is_signed = answer->signed_until_s > 0;
    bool is_over = is_signed && answer->signed_until_s < now_s;
    bool is_early = is_signed && answer->signed_from_s > now_s;
    if (is_signed) {
        units_format_time(answer->signed_from_s * 1000, from, sizeof(from));
        units_format_time(answer->signed_until_s * 1000, until, sizeof(until));
    }
    probe_sign_set(
        probe, SIGN_SIGNATURES_MISSING, !is_signed,
        "the answers of %.*s carry no signature, though the zone above vouches for a key",
        VIEW_ARG(zone->name));
    probe_sign_set(probe, SIGN_SIGNATURES_EXPIRED, is_over, "the signatures of %.*s ran out on %s",
                   VIEW_ARG(zone->name), until);
    probe_sign_set(probe, SIGN_SIGNATURES_EARLY, is_early, "the signatures of %.*s begin on %s",
                   VIEW_ARG(zone->name), from);
    struct probe_step *step = add_step(probe, "signatures", is_signed && !is_over && !is_early);
    if (is_signed)
        probe_step_words(probe, step, "%.*s: from %s until %s", VIEW_ARG(zone->name), from, until);
    else
        probe_step_words(probe, step, "%.*s: none", VIEW_ARG(zone->name));
}

void probe_read_signatures(struct probe_zone *zone) {
    struct probe *probe = zone->probe;
    const struct probe_server *well = first_well(zone);
    if (!well || zone->parent.name.len == 0)
        return;
    struct dns_server_answer ds =
        probe_ask(probe, &(struct probe_asked){&zone->parent.address, zone->name, DNS_SERVER_DS});
    if (ds.n_signers == 0)
        return; // nobody is told that the zone is signed
    struct dns_server_answer keys =
        probe_ask(probe, &(struct probe_asked){&well->address, zone->name, DNS_SERVER_DNSKEY,
                                               .wants_dnssec = true});
    struct dns_server_answer answer =
        probe_ask(probe, &(struct probe_asked){&well->address, zone->domain, zone->type,
                                               .wants_dnssec = true});
    if (!probe_has_spoken(&keys) || !probe_has_spoken(&answer))
        return;
    compare_keys(zone, &ds, &keys);
    check_dates(zone, &answer);
}
