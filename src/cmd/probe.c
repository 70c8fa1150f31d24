// SPDX-License-Identifier: Apache-2.0
// postrider probe: tests the road to a target and explains what it finds.
#include "cmd/probe.h"
#include "cmd/cmd.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct dns_resolver *create_resolver(struct probe_run *run) {
    const struct config *config = run->call.options.config;
    struct dns_options options = {.servers = config->resolver_servers,
                                  .n_servers = config->n_resolver_servers,
                                  .trust_anchor = config->trust_anchor};
    if (run->resolver.family != ADDRESS_NONE) {
        options.servers = &run->resolver;
        options.n_servers = 1;
    }
    return dns_resolver_create(&options, &run->error);
}

// A recipient beside the target; its domain does not decide the way.
static bool add_recipient(struct probe_one *one) {
    const struct config *config = one->call->options.config;
    struct view rcpt = one->call->rcpt;
    struct probe_target other;
    if (rcpt.len == 0)
        return true;
    if (view_find_char(rcpt, '@') == rcpt.len ||
        !probe_target_parse(rcpt, config, &one->arena, &other, &one->error) ||
        other.kind != PROBE_ADDRESS)
        return error_set(&one->error, "the recipient is no mail address: \"%.*s\"", VIEW_ARG(rcpt));
    one->target.recipient = other.recipient;
    return true;
}

void probe_one_run(struct probe_one *one) {
    const struct probe_options *options = &one->call->options;
    arena_init(&one->arena, PROBE_ARENA_BYTES_MAX);
    if (!probe_target_parse(view_of(one->text), options->config, &one->arena, &one->target,
                            &one->error) ||
        !add_recipient(one))
        return;
    probe_run(options, &one->target, &one->arena, &one->result);
    one->is_done = true;
    if (one->call->baseline)
        probe_baseline_use(one->call, one);
}

void probe_one_finish(struct probe_one *one) {
    if (one->is_done)
        probe_result_finish(&one->result);
    arena_finish(&one->arena);
}

void probe_paint_init(struct probe_paint *paint) {
    *paint = (struct probe_paint){.of_state = {cmd_colour(CMD_GREEN), cmd_colour(CMD_YELLOW),
                                               cmd_colour(CMD_RED), cmd_colour(CMD_DIM)},
                                  .bold = cmd_colour(CMD_BOLD),
                                  .plain = cmd_colour(CMD_PLAIN)};
}

static void print_result(const struct probe_one *one) {
    struct buffer out;
    struct json_writer json;
    struct probe_paint paint;
    buffer_init(&out, 1 << 20);
    probe_paint_init(&paint);
    if (one->call->is_json) {
        json_begin(&json, &out);
        probe_write_json(&one->result, &json);
        buffer_append_char(&out, '\n');
    } else {
        probe_write_text(&one->result, &paint, &out);
    }
    fwrite(out.ptr, 1, out.len, stdout);
    buffer_finish(&out);
}

// On a terminal alone, and beside what is printed.
static void count_down(void *arg, int64_t left_ms) {
    long long left_s = (long long)((left_ms + 999) / 1000);
    fprintf(stderr, "\r\033[K");
    if (left_ms > 0)
        fprintf(stderr, "deferred; trying the same again in %lld:%02lld", left_s / 60, left_s % 60);
    fflush(stderr);
}

static void announce(void *arg, const char *words) {
    fprintf(stderr, "postrider probe: %s\n", words);
}

static void run_single(struct probe_run *run) {
    struct probe_one *one = mem_alloc_zero(sizeof(*one));
    run->call.options.watch.announces = announce;
    if (isatty(STDERR_FILENO))
        run->call.options.watch.counts_down = count_down;
    one->call = &run->call;
    one->text = run->list.texts[0];
    probe_one_run(one);
    if (one->is_done) {
        print_result(one);
        run->totals.n_fault = probe_found_fault(&one->result);
    } else {
        fprintf(stderr, "postrider probe: %s\n", one->error.text);
        run->totals.n_wrong = 1;
    }
    probe_one_finish(one);
    free(one);
}

static void probe(void *arg) {
    struct probe_run *run = arg;
    run->call.options.resolver = create_resolver(run);
    if (!run->call.options.resolver)
        return;
    if (run->list.n == 1 && !run->arguments->file)
        run_single(run);
    else
        probe_many_run(&run->call, &run->list, &run->totals);
    dns_resolver_destroy(run->call.options.resolver);
    run->is_done = true;
}

// A lack of permission is told among the steps; a file that cannot be written is wrong use.
static bool start_capture(struct probe_run *run) {
    struct probe_options *options = &run->call.options;
    bool is_forbidden = false;
    if (!run->arguments->pcap)
        return true;
    options->capture = capture_start(run->arguments->pcap, &is_forbidden, &run->capture_error);
    if (options->capture)
        return true;
    options->capture_problem = run->capture_error.text;
    return is_forbidden || error_set(&run->error, "%s", run->capture_error.text);
}

static bool stop_capture(struct probe_run *run) {
    struct capture *capture = run->call.options.capture;
    run->call.options.capture = NULL;
    return !capture || capture_stop(capture, &run->error);
}

static bool run_loop(struct probe_run *run) {
    const struct io_loop_options loop_options = {.name = "probe"};
    const char *ca = run->arguments->ca;
    struct tls_context_options tls = {.ca_file = ca ? ca : run->call.options.config->tls_ca_file};
    run->call.options.tls = tls_context_create(&tls, &run->error);
    if (!run->call.options.tls)
        return false;
    struct io_loop *loop = io_loop_create(&loop_options, &run->error);
    if (loop) {
        io_spawn("probe", probe, run);
        io_loop_run(loop);
        io_loop_destroy(loop);
    }
    tls_context_unref(run->call.options.tls);
    if (run->call.has_news &&
        !probe_baseline_save(run->call.baseline, run->arguments->baseline, &run->error))
        return false;
    return run->is_done;
}

static bool run_and_capture(struct probe_run *run) {
    if (!start_capture(run))
        return false;
    bool is_done = run_loop(run);
    return stop_capture(run) && is_done;
}

static int run_probe(struct probe_run *run, int n, char **targets) {
    int status = CMD_WRONG_USE;
    arena_init(&run->arena, 1 << 20);
    for (int i = 0; i < n; i++)
        probe_list_add(&run->list, targets[i]);
    if (probe_arguments_use(run) && run_and_capture(run))
        status = run->totals.n_wrong ? CMD_WRONG_USE : run->totals.n_fault ? CMD_FAULT : CMD_WELL;
    else
        fprintf(stderr, "postrider probe: %s\n", run->error.text);
    json_decref(run->call.baseline);
    config_unref(run->call.options.config);
    probe_list_finish(&run->list);
    arena_finish(&run->arena);
    buffer_finish(&run->message);
    return status;
}

int cmd_probe(int argc, char **argv) {
    struct probe_arguments arguments = {.config = getenv("POSTRIDER_CONFIG")};
    int n = probe_arguments_parse(&arguments, argc, argv);
    if (n < 0 || (n == 0 && !arguments.file && !arguments.mail_to) || arguments.wants_help) {
        probe_arguments_help(arguments.wants_help ? stdout : stderr);
        return arguments.wants_help ? CMD_WELL : CMD_WRONG_USE;
    }
    struct probe_run run = {.arguments = &arguments};
    log_set_level(LOG_LEVEL_ERROR);
    return run_probe(&run, n, argv);
}
