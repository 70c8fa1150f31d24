// SPDX-License-Identifier: Apache-2.0
// Block lists, asked for our address as a receiver does (RFC 5782). A list says that it cannot be
// asked from here in a way that looks like a listing; and one that is gone may answer anything:
// each answer is checked with the list's own test entries.
#include "probe/identity_internal.h"

#include <stdio.h>

enum { LOOKUP_MS = 5 * 1000, LISTS_MAX = PROBE_BLOCK_LISTS_MAX + 1, ARENA_BYTES_MAX = 256 << 10 };

enum standing {
    STANDING_UNKNOWN,
    STANDING_LISTED,
    STANDING_CLEAN,
    STANDING_REFUSED,
    STANDING_DEAD
};

struct asked_list {
    struct probe *probe;
    struct view name;
    struct address source;
    bool is_named; // by the reply
    enum standing standing;
    struct address code; // 127.0.0.x
};

// --- Which lists ------------------------------------------------------------------------------
// What replies call a list, and where it is asked.
static const struct {
    struct view word, list;
} known[] = {{VIEW("spamhaus"), VIEW("zen.spamhaus.org")},
             {VIEW("spamcop"), VIEW("bl.spamcop.net")},
             {VIEW("barracudacentral"), VIEW("b.barracudacentral.org")},
             {VIEW("uceprotect"), VIEW("dnsbl-1.uceprotect.net")},
             {VIEW("psbl"), VIEW("psbl.surriel.com")},
             {VIEW("mailspike"), VIEW("bl.mailspike.net")},
             {VIEW("abuseat"), VIEW("zen.spamhaus.org")}};

static bool is_host_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.';
}

// The host name that begins at `text`; empty: it is none, or an address.
static struct view host_at(struct view text) {
    size_t len = 0;
    while (len < text.len && is_host_char(text.ptr[len]))
        len++;
    while (len > 0 && text.ptr[len - 1] == '.')
        len--;
    struct view host = view_take(text, len);
    struct address address;
    bool is_name = view_find_char(host, '.') < host.len && !address_parse(host, &address);
    return is_name && host.len <= 200 ? host : VIEW_NONE;
}

// "blocked using zen.spamhaus.org", "listed by bl.example.net".
static struct view named_list(struct view reply) {
    static const struct view phrases[] = {VIEW("blocked using "), VIEW("blocked by "),
                                          VIEW("listed by "),     VIEW("listed in "),
                                          VIEW("listed at "),     VIEW("listed on ")};
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
        size_t at = view_find_nocase(reply, phrases[i]);
        struct view host = host_at(view_skip(reply, at + phrases[i].len));
        if (at < reply.len && host.len)
            return host;
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (view_find_nocase(reply, known[i].word) < reply.len)
            return known[i].list;
    return VIEW_NONE;
}

static size_t choose_lists(struct probe *probe, const struct address *source,
                           struct asked_list *lists) {
    const struct probe_options *options = probe->options;
    struct view named = VIEW_NONE;
    size_t n = 0;
    if (options->n_block_lists == 0)
        return 0;
    if (probe->result->attempt.fact.kind == FACT_KIND_REPLY)
        named = named_list(probe->result->attempt.fact.text);
    if (named.len)
        lists[n++] = (struct asked_list){.probe = probe, .name = named, .is_named = true};
    for (size_t i = 0; i < options->n_block_lists; i++)
        if (!view_equals_nocase(options->block_lists[i], named))
            lists[n++] = (struct asked_list){.probe = probe, .name = options->block_lists[i]};
    for (size_t i = 0; i < n; i++)
        lists[i].source = *source;
    return n;
}

// --- Asking -----------------------------------------------------------------------------------
static bool is_in_127(const struct address *address) {
    return address->family == ADDRESS_IPV4 && address->bytes[0] == 127;
}

// Spamhaus and others: 127.255.255.x means that they do not serve this resolver.
static bool is_refusal(const struct address *address) {
    return is_in_127(address) && address->bytes[1] == 255 && address->bytes[2] == 255;
}

IO_WAITS static enum standing ask(struct asked_list *list, const struct address *about,
                                  struct arena *arena) {
    char labels[DNS_REVERSED_SIZE];
    struct dns_address_answer answer = {.family = ADDRESS_IPV4};
    dns_reversed(about, labels);
    struct view name = arena_printf(arena, "%s.%.*s", labels, VIEW_ARG(list->name));
    dns_addresses(list->probe->options->resolver, name,
                  int64_min(io_after(LOOKUP_MS), list->probe->deadline), arena, &answer);
    const struct fact *fact = &answer.answer.fact;
    if (!fact_is_ok(fact))
        return fact->kind == FACT_KIND_DNS && fact->detail == FACT_DNS_NXDOMAIN ? STANDING_CLEAN
                                                                                : STANDING_UNKNOWN;
    list->code = answer.addresses[0];
    if (is_refusal(&list->code))
        return STANDING_REFUSED;
    return is_in_127(&list->code) ? STANDING_LISTED : STANDING_DEAD;
}

// RFC 5782 5: 127.0.0.2 is on every list that works, 127.0.0.1 on none.
static void ask_list(void *arg) {
    struct asked_list *list = arg;
    static const struct address on = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 2}},
                                off = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    enum standing standing = ask(list, &list->source, &arena);
    struct address code = list->code;
    if (standing == STANDING_LISTED && ask(list, &off, &arena) == STANDING_LISTED)
        standing = STANDING_DEAD;
    if (standing == STANDING_CLEAN) {
        enum standing test = ask(list, &on, &arena);
        standing = test == STANDING_LISTED  ? STANDING_CLEAN
                   : test == STANDING_CLEAN ? STANDING_DEAD
                                            : test;
    }
    list->standing = standing;
    list->code = code;
    arena_finish(&arena);
}

IO_WAITS static void ask_all(struct asked_list *lists, size_t n) {
    struct io_group group;
    io_group_init(&group);
    for (size_t i = 0; i < n; i++)
        io_group_spawn(&group, "probe-list", ask_list, &lists[i]);
    probe_wait_all(&group);
}

// --- Telling ----------------------------------------------------------------------------------
// What Spamhaus means by a code (its return codes for ZEN).
static const char *meaning_of(const struct asked_list *list) {
    unsigned last = list->code.bytes[3];
    if (!view_ends_with_nocase(list->name, VIEW("spamhaus.org")))
        return "";
    switch (last) {
    case 2: return " (SBL: it sends spam or serves those who do)";
    case 3: return " (CSS: it sends spam, or looks as if it did)";
    case 4:
    case 5:
    case 6:
    case 7: return " (XBL: a machine behind it is hacked)";
    case 9: return " (DROP: the whole network is in bad hands)";
    case 10:
    case 11: return " (PBL: a range that should not send mail by itself, such as dial-up lines)";
    default: return "";
    }
}

static struct view describe(struct asked_list *list) {
    struct arena *arena = list->probe->arena;
    char source[ADDRESS_TEXT_SIZE], code[ADDRESS_TEXT_SIZE];
    address_format(&list->source, source, sizeof(source));
    address_format(&list->code, code, sizeof(code));
    switch (list->standing) {
    case STANDING_LISTED:
        return arena_printf(arena, "%.*s answers %s for %s%s", VIEW_ARG(list->name), code, source,
                            meaning_of(list));
    case STANDING_CLEAN:
        return arena_printf(arena, "%.*s does not have %s now", VIEW_ARG(list->name), source);
    case STANDING_REFUSED:
        return arena_printf(arena, "%.*s does not serve our resolver (%s): that is no listing",
                            VIEW_ARG(list->name), code);
    case STANDING_DEAD:
        return arena_printf(arena, "%.*s does not answer as a block list does; it says nothing",
                            VIEW_ARG(list->name));
    default: return arena_printf(arena, "%.*s does not answer", VIEW_ARG(list->name));
    }
}

static void tell(struct asked_list *list, struct view *listed, struct view *clean) {
    struct probe *probe = list->probe;
    struct probe_step *step = probe_machine_step(probe, "block-list", true);
    struct view words = describe(list);
    bool is_listed = list->standing == STANDING_LISTED, is_clean = list->standing == STANDING_CLEAN;
    step->state = is_listed ? PROBE_WARNING : is_clean ? PROBE_WELL : PROBE_NOT_REACHED;
    probe_step_words(probe, step, "%.*s", VIEW_ARG(words));
    struct view *list_of = is_listed ? listed : is_clean ? clean : NULL;
    if (list_of)
        *list_of = list_of->len ? arena_printf(probe->arena, "%.*s; %.*s", VIEW_ARG(*list_of),
                                               VIEW_ARG(words))
                                : words;
}

void probe_try_block_lists(struct probe *probe, const struct address *source) {
    struct asked_list lists[LISTS_MAX];
    struct view listed = VIEW_NONE, clean = VIEW_NONE;
    size_t n = choose_lists(probe, source, lists);
    if (n == 0)
        return;
    ask_all(lists, n);
    for (size_t i = 0; i < n; i++)
        tell(&lists[i], &listed, &clean);
    // Where the reply names a list, that one decides.
    bool has_name = lists[0].is_named;
    bool is_listed = has_name ? lists[0].standing == STANDING_LISTED : listed.len > 0;
    bool is_clean =
        has_name ? lists[0].standing == STANDING_CLEAN : listed.len == 0 && clean.len > 0;
    if (is_listed || is_clean) {
        probe_sign_set(probe, SIGN_LISTED, is_listed, "%.*s", VIEW_ARG(listed));
        probe_sign_set(probe, SIGN_NOT_LISTED, is_clean, "%.*s", VIEW_ARG(clean));
    }
    if (!is_listed && listed.len)
        probe_sign_set(probe, SIGN_LISTED_ELSEWHERE, true, "%.*s", VIEW_ARG(listed));
}
