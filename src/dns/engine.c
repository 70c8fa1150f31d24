// SPDX-License-Identifier: Apache-2.0
// One libunbound context and the questions it works on.
//
// Rules
//  1. libunbound runs on the thread's own stack, never on a fiber's: a fiber leaves its question in
//     `waiting`, and a timer that is due at once hands it over from outside of all fibers.
//  2. A question lives on the heap, so that a late result meets memory that is still ours. Its
//  fiber
//     frees it when it is done or was canceled within libunbound; where that fails, the question is
//     abandoned, and freed after its result has come.
//  3. The result may come before ub_resolve_event returns, so the question is whole before the
//  call.
#include "dns/resolver_internal.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

enum { SETUP_STACK_BYTES = 1 << 20, PACKET_BYTES_MAX = 65535 };

struct dns_engine {
    struct ub_ctx *ctx;
    struct ub_event_base *base;
    unsigned refs;         // the owner and each question; all of one loop
    struct list waiting;   // questions to hand over
    struct list abandoned; // whose results came when nobody waited any more
    struct io_timer submit;
};

struct dns_question {
    struct list node; // in `waiting` or `abandoned`
    struct dns_engine *engine;
    char name[DNS_NAME_BYTES_MAX + 1];
    unsigned type;
    struct io_event done;
    bool is_abandoned; // its fiber went on without the result
    int async_id;
    struct dns_result result;
};

// --- Life -------------------------------------------------------------------------------------

void dns_engine_release(struct dns_engine *engine) {
    if (!engine)
        return;
    ASSERT(engine->refs > 0);
    if (--engine->refs > 0)
        return;
    ASSERT(list_is_empty(&engine->waiting) && list_is_empty(&engine->abandoned));
    io_timer_stop(&engine->submit);
    if (engine->ctx)
        ub_ctx_delete(engine->ctx);
    dns_event_base_destroy(engine->base);
    free(engine);
}

static void question_free(struct dns_question *question) {
    ASSERT(!list_is_linked(&question->node));
    dns_engine_release(question->engine);
    free(question);
}

// --- Settings ---------------------------------------------------------------------------------

struct setup {
    struct ub_ctx *ctx;
    const struct dns_engine_options *options;
    struct error *error;
    bool is_well;
};

static bool is_loopback_asked(const struct dns_engine_options *options) {
    bool is_asked = options->stub_zone && address_is_loopback(&options->stub);
    for (size_t i = 0; i < options->servers.n; i++)
        is_asked = is_asked || address_is_loopback(&options->servers.list[i]);
    return is_asked;
}

// "192.0.2.1@53", as libunbound writes an address with a port.
static void format_server(const struct address *address, char *out, size_t size) {
    char text[ADDRESS_TEXT_SIZE];
    address_format(address, text, sizeof(text));
    snprintf(out, size, "%s@%u", text, (unsigned)address->port);
}

static bool set_option(struct setup *setup, const char *name, const char *value) {
    int status = ub_ctx_set_option(setup->ctx, name, value);
    if (status == 0)
        return true;
    return error_set(setup->error, "libunbound refuses %s %s: %s", name, value,
                     ub_strerror(status));
}

static bool set_options(struct setup *setup) {
    // A resolver on this machine is the usual case; libunbound does not ask one by itself.
    const char *skip_localhost = is_loopback_asked(setup->options) ? "no" : "yes";
    return set_option(setup, "do-not-query-localhost:", skip_localhost) &&
           // Reverse zones of private networks are the resolver's business.
           set_option(setup, "unblock-lan-zones:", "yes") &&
           set_option(setup, "insecure-lan-zones:", "yes") &&
           // A server that was down is asked again at once, not after a quarter of an hour.
           set_option(setup, "infra-keep-probing:", "yes") &&
           set_option(setup, "infra-host-ttl:", "60") &&
           // Routes live for an hour at most; mended domains are to be seen soon.
           set_option(setup, "cache-max-ttl:", "3600") &&
           set_option(setup, "cache-max-negative-ttl:", "300");
}

static bool set_servers(struct setup *setup) {
    char text[ADDRESS_TEXT_SIZE + 8];
    const struct dns_engine_options *options = setup->options;
    for (size_t i = 0; i < options->servers.n; i++) {
        format_server(&options->servers.list[i], text, sizeof(text));
        int status = ub_ctx_set_fwd(setup->ctx, text);
        if (status != 0)
            return error_set(setup->error, "the resolver %s cannot be used: %s", text,
                             ub_strerror(status));
    }
    if (!options->stub_zone)
        return true;
    format_server(&options->stub, text, sizeof(text));
    int status = ub_ctx_set_stub(setup->ctx, options->stub_zone, text, 0);
    return status == 0 ||
           error_set(setup->error, "the stub %s cannot be used: %s", text, ub_strerror(status));
}

static bool set_anchor(struct setup *setup) {
    const char *path = setup->options->trust_anchor;
    if (!path)
        return true;
    int status = ub_ctx_add_ta_file(setup->ctx, path);
    return status == 0 || error_set(setup->error, "the trust anchor %s cannot be used: %s", path,
                                    ub_strerror(status));
}

// The last call reads the files and ends the time of settings. Names below "test" are refused by
// libunbound itself, although laboratories give them to their own servers (RFC 6761 6.2 lets them).
static bool finish_settings(struct setup *setup) {
    int status = ub_ctx_zone_remove(setup->ctx, "test.");
    return status == 0 ||
           error_set(setup->error, "libunbound cannot start: %s%s", ub_strerror(status),
                     setup->options->trust_anchor ? " (is the trust anchor a file of DS or DNSKEY "
                                                    "records?)"
                                                  : "");
}

static void *run_setup(void *arg) {
    struct setup *setup = arg;
    // Nothing on standard error: what it says without being asked is no line of our log.
    ub_ctx_debugout(setup->ctx, NULL);
    setup->is_well =
        set_options(setup) && set_servers(setup) && set_anchor(setup) && finish_settings(setup);
    return NULL;
}

// Reading trust anchors takes 64 KB of stack, which a fiber may not have: a thread of its own does
// it, for the milliseconds that takes.
static bool set_up(struct setup *setup) {
    pthread_attr_t attributes;
    pthread_t thread;
    int status = pthread_attr_init(&attributes);
    ASSERT(status == 0);
    status = pthread_attr_setstacksize(&attributes, SETUP_STACK_BYTES);
    ASSERT(status == 0);
    status = pthread_create(&thread, &attributes, run_setup, setup);
    pthread_attr_destroy(&attributes);
    if (status != 0)
        return error_set_errno(setup->error, status, "no thread for libunbound");
    pthread_join(thread, NULL);
    return setup->is_well;
}

static void submit_waiting(void *arg);

struct dns_engine *dns_engine_create(const struct dns_engine_options *options,
                                     struct error *error) {
    struct dns_engine *engine = mem_alloc_zero(sizeof(*engine));
    engine->refs = 1;
    engine->base = dns_event_base_create();
    list_init(&engine->waiting);
    list_init(&engine->abandoned);
    io_timer_init(&engine->submit, submit_waiting, engine);
    if (options->trust_anchor && access(options->trust_anchor, R_OK) != 0) {
        error_set(error, "the trust anchor %s cannot be read", options->trust_anchor);
        dns_engine_release(engine);
        return NULL;
    }
    engine->ctx = ub_ctx_create_ub_event(engine->base);
    struct setup setup = {.ctx = engine->ctx, .options = options, .error = error};
    if (!engine->ctx)
        error_set(error, "libunbound cannot make a context");
    if (engine->ctx && set_up(&setup))
        return engine;
    dns_engine_release(engine);
    return NULL;
}

// --- Questions --------------------------------------------------------------------------------

// RFC 8914 4.7 to 4.13, from the sentence that is all libunbound 1.17 gives. -1: another reason.
static int ede_of(const char *why_bogus) {
    static const struct {
        struct view words;
        int ede;
    } table[] = {{{"signature expired", 17}, 7}, {{"signature before inception", 26}, 8},
                 {{"no DNSKEY", 9}, 9},          {{"no keys have a DS", 17}, 9},
                 {{"no signatures", 13}, 10},    {{"missing NSEC", 12}, 12}};
    struct view text = view_of(why_bogus);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (view_find_nocase(text, table[i].words) < text.len)
            return table[i].ede;
    return text.len ? 6 : -1;
}

static void on_result(void *arg, int rcode, void *packet, int packet_len, int security,
                      char *why_bogus, int was_ratelimited) {
    struct dns_question *question = arg;
    struct dns_result *result = &question->result;
    if (question->is_abandoned) {
        // It may hold the last reference to the context that is calling us: freed by the timer.
        list_append(&question->engine->abandoned, &question->node);
        io_timer_set(&question->engine->submit, io_now());
        return;
    }
    result->rcode = rcode;
    result->security = security == 2 ? DNS_SECURE : security == 1 ? DNS_BOGUS : DNS_INSECURE;
    result->ede = result->security == DNS_BOGUS ? ede_of(why_bogus) : -1;
    if (packet && packet_len > 0)
        buffer_append(&result->packet, packet, (size_t)packet_len);
    io_event_set(&question->done);
}

static void submit(struct dns_question *question) {
    io_no_switch_begin();
    int status = ub_resolve_event(question->engine->ctx, question->name, (int)question->type, 1,
                                  question, on_result, &question->async_id);
    io_no_switch_end();
    if (status != 0) {
        question->result.error = status;
        io_event_set(&question->done);
    }
}

static void submit_waiting(void *arg) {
    struct dns_engine *engine = arg;
    struct list *node;
    engine->refs++; // the last abandoned question must not take it away meanwhile
    while ((node = list_pop(&engine->waiting)))
        submit(CONTAINER_OF(node, struct dns_question, node));
    while ((node = list_pop(&engine->abandoned)))
        question_free(CONTAINER_OF(node, struct dns_question, node));
    dns_engine_release(engine);
}

static struct dns_question *question_create(struct dns_engine *engine, struct view name,
                                            unsigned type) {
    struct dns_question *question = mem_alloc_zero(sizeof(*question));
    struct view text = name.len ? name : VIEW(".");
    bool is_whole = view_copy_string(text, question->name, sizeof(question->name));
    ASSERT(is_whole);
    question->engine = engine;
    engine->refs++;
    question->type = type;
    list_init(&question->node);
    io_event_init(&question->done);
    buffer_init(&question->result.packet, PACKET_BYTES_MAX);
    return question;
}

struct dns_question *dns_question_begin(struct dns_engine *engine, struct view name,
                                        unsigned type) {
    ASSERT(name.len == 0 || dns_name_is_askable(name));
    struct dns_question *question = question_create(engine, name, type);
    list_append(&engine->waiting, &question->node);
    io_timer_set(&engine->submit, io_now());
    return question;
}

struct io_result dns_question_wait(struct dns_question *question, io_time deadline) {
    struct io_result result = io_event_wait(&question->done, deadline);
    if (question->done.is_set)
        result.status = IO_OK;
    return result;
}

void dns_question_end(struct dns_question *question, struct dns_result *result) {
    *result = question->result; // with the memory of the packet
    if (!question->done.is_set) {
        if (list_is_linked(&question->node))
            list_remove(&question->node); // libunbound never saw it
        else
            question->is_abandoned = ub_cancel(question->engine->ctx, question->async_id) != 0;
    }
    if (!question->is_abandoned)
        question_free(question);
}
