// SPDX-License-Identifier: Apache-2.0
// Real names in sentences: who called whom, and who can do something about it.
#include "catalog/catalog_internal.h"

const struct cast cast_nobody = {
    .host = TEXT("the receiving server"),
    .endpoint = TEXT("the receiving server"),
    .address = TEXT("its address"),
    .port = TEXT("25"),
    .domain = TEXT("the domain"),
    .source = TEXT("our sending address"),
    .helo = TEXT("our EHLO name"),
    .admins = TEXT("the administrators of the receiving side"),
    .server = TEXT("HOST:25"),
    .target = TEXT("DOMAIN"),
};

const struct cast cast_generic = {
    .host = TEXT("HOST"),
    .endpoint = TEXT("HOST"),
    .address = TEXT("ADDRESS"),
    .port = TEXT("25"),
    .domain = TEXT("DOMAIN"),
    .source = TEXT("SOURCE"),
    .helo = TEXT("EHLO-NAME"),
    .admins = TEXT("the administrators of HOST"),
    .server = TEXT("HOST:25"),
    .target = TEXT("DOMAIN"),
};

static void put(struct view *into, struct view value, struct arena *arena) {
    struct view shown = printable(value, arena);
    if (shown.len)
        *into = shown;
}

static struct view address_words(const struct address *address, struct arena *arena) {
    char text[ADDRESS_TEXT_SIZE];
    if (address->family != ADDRESS_IPV4 && address->family != ADDRESS_IPV6)
        return VIEW_NONE;
    size_t len = address_format(address, text, sizeof(text));
    return arena_copy(arena, view_from(text, len));
}

// As command lines want it: an address of IPv6 stands in brackets, and no word is a description.
static void fill_server(const struct attempt *attempt, bool has_address, struct arena *arena,
                        struct cast *cast) {
    struct view port = cast->port;
    if (has_address) {
        bool is_v6 = attempt->peer.family == ADDRESS_IPV6;
        put(&cast->server,
            arena_printf(arena, is_v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", VIEW_ARG(cast->address),
                         VIEW_ARG(port)),
            arena);
    } else if (attempt->host.len)
        put(&cast->server, arena_printf(arena, "%.*s:%.*s", VIEW_ARG(cast->host), VIEW_ARG(port)),
            arena);
}

bool is_address_literal(struct view host) {
    return host.len > 0 && host.ptr[0] == '[';
}

static void fill_endpoint(const struct attempt *attempt, struct arena *arena, struct cast *cast) {
    bool has_address = attempt->peer.family == ADDRESS_IPV4 || attempt->peer.family == ADDRESS_IPV6;
    if (has_address)
        put(&cast->address, address_words(&attempt->peer, arena), arena);
    if (attempt->peer.port)
        put(&cast->port, arena_printf(arena, "%u", attempt->peer.port), arena);
    struct view endpoint = cast->host;
    if (attempt->host.len && has_address && !is_address_literal(attempt->host))
        endpoint = arena_printf(arena, "%.*s [%.*s]:%.*s", VIEW_ARG(cast->host),
                                VIEW_ARG(cast->address), VIEW_ARG(cast->port));
    else if (has_address)
        endpoint =
            arena_printf(arena, "[%.*s]:%.*s", VIEW_ARG(cast->address), VIEW_ARG(cast->port));
    put(&cast->endpoint, endpoint, arena);
    fill_server(attempt, has_address, arena, cast);
}

void cast_fill(const struct fact *fact, const struct attempt *attempt, struct arena *arena,
               struct cast *cast) {
    *cast = cast_nobody;
    struct view owner = VIEW_NONE;
    if (attempt) {
        put(&cast->domain, attempt->domain, arena);
        put(&cast->host, attempt->host, arena);
        put(&cast->helo, attempt->helo, arena);
        put(&cast->source, address_words(&attempt->source, arena), arena);
        fill_endpoint(attempt, arena, cast);
        owner = attempt->host.len ? cast->host : attempt->domain.len ? cast->domain : VIEW_NONE;
    }
    // The name that was asked for is closer to the fault than the recipients' domain.
    if (fact->kind == FACT_KIND_DNS && fact->text.len) {
        put(&cast->domain, fact->text, arena);
        owner = cast->domain;
    }
    if (owner.len)
        put(&cast->admins, arena_printf(arena, "the administrators of %.*s", VIEW_ARG(owner)),
            arena);
    if (attempt)
        put(&cast->target, attempt->domain, arena);
}

static bool find_name(const struct cast *cast, struct view name, struct view *value) {
    const struct {
        struct view name, value;
    } rows[] = {
        {VIEW("host"), cast->host},     {VIEW("address"), cast->address},
        {VIEW("port"), cast->port},     {VIEW("domain"), cast->domain},
        {VIEW("source"), cast->source}, {VIEW("helo"), cast->helo},
        {VIEW("admins"), cast->admins}, {VIEW("server"), cast->server},
        {VIEW("target"), cast->target},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_equals(name, rows[i].name)) {
            *value = rows[i].value;
            return true;
        }
    return false;
}

struct view cast_apply(const struct cast *cast, struct view pattern, struct arena *arena) {
    enum { SENTENCE_BYTES_MAX = 4096 };
    if (view_find_char(pattern, '{') == pattern.len)
        return pattern;
    struct buffer out;
    buffer_init(&out, SENTENCE_BYTES_MAX);
    while (pattern.len) {
        size_t open = view_find_char(pattern, '{');
        buffer_append_view(&out, view_take(pattern, open));
        pattern = view_skip(pattern, open);
        size_t close = view_find_char(pattern, '}');
        struct view value = VIEW_NONE;
        if (close < pattern.len && find_name(cast, view_skip(view_take(pattern, close), 1), &value))
            buffer_append_view(&out, value);
        else
            buffer_append_view(&out, view_take(pattern, close + 1));
        pattern = view_skip(pattern, close + 1);
    }
    struct view sentence = arena_copy(arena, buffer_view(&out));
    buffer_finish(&out);
    return sentence;
}

struct view stage_verb(enum fact_stage stage) {
    static const struct view verbs[FACT_STAGE_COUNT] = {
        [FACT_STAGE_UNKNOWN] = TEXT("the session"),
        [FACT_STAGE_ROUTE] = TEXT("routing"),
        [FACT_STAGE_DNS] = TEXT("the DNS question"),
        [FACT_STAGE_CONNECT] = TEXT("the connection"),
        [FACT_STAGE_GREETING] = TEXT("the connection"),
        [FACT_STAGE_EHLO] = TEXT("EHLO"),
        [FACT_STAGE_STARTTLS] = TEXT("STARTTLS"),
        [FACT_STAGE_TLS] = TEXT("the TLS handshake"),
        [FACT_STAGE_AUTH] = TEXT("AUTH"),
        [FACT_STAGE_MAIL] = TEXT("MAIL"),
        [FACT_STAGE_RCPT] = TEXT("RCPT"),
        [FACT_STAGE_DATA] = TEXT("DATA"),
        [FACT_STAGE_BODY] = TEXT("the message"),
        [FACT_STAGE_DOT] = TEXT("the final dot"),
        [FACT_STAGE_QUIT] = TEXT("QUIT"),
        [FACT_STAGE_DONE] = TEXT("the session"),
    };
    ASSERT((unsigned)stage < FACT_STAGE_COUNT);
    return verbs[stage];
}
