// SPDX-License-Identifier: Apache-2.0
// postrider check: what would go wrong, before anything starts. Changes nothing.
#include "cmd/check.h"

#include "cmd/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: postrider check [-c FILE] [--json] [--show] [--rules FILE]\n\n"
    "Looks at the configuration, the data directory, limits, listening addresses, certificate, "
    "DNS,\n"
    "names and smart hosts. Starts nothing and changes nothing.\n\n"
    "  -c, --config FILE  the configuration; without one, the embedded defaults\n"
    "      --show         prints the effective configuration (passwords left out) and ends\n"
    "      --rules FILE   tests a file of dialect rules instead (man postrider-rules)\n"
    "      --json         for programs (docs/json.md)\n"
    "Exit status: 0 no fault, 1 a fault, 2 wrong use\n";

struct check_result *check_add(struct check *check, enum check_status status, const char *area,
                               const char *format, ...) {
    size_t index = size_min(check->n_results, CHECK_RESULTS_MAX - 1);
    struct check_result *result = &check->results[index];
    check->n_results = index + 1;
    *result = (struct check_result){.status = status, .area = area};
    va_list args;
    va_start(args, format);
    vsnprintf(result->text, sizeof(result->text), format, args);
    va_end(args);
    return result;
}

void check_remedy(struct check_result *result, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(result->remedy, sizeof(result->remedy), format, args);
    va_end(args);
}

static const char *status_word(enum check_status status) {
    return status == CHECK_OK ? "ok" : status == CHECK_WARNING ? "warning" : "fault";
}

static size_t count(const struct check *check, enum check_status status) {
    size_t n = 0;
    for (size_t i = 0; i < check->n_results; i++)
        n += check->results[i].status == status;
    return n;
}

static void print_text(const struct check *check) {
    static const enum cmd_colour colours[] = {CMD_GREEN, CMD_YELLOW, CMD_RED};
    for (size_t i = 0; i < check->n_results; i++) {
        const struct check_result *result = &check->results[i];
        printf("%s%-8s%s %-12s ", cmd_colour(colours[result->status]), status_word(result->status),
               cmd_colour(CMD_PLAIN), result->area);
        cmd_print_text(result->text);
        putchar('\n');
        if (result->remedy[0]) {
            printf("%22s> ", "");
            cmd_print_text(result->remedy);
            putchar('\n');
        }
    }
    printf("%zu checks, %zu warnings, %zu faults\n", check->n_results, count(check, CHECK_WARNING),
           count(check, CHECK_FAULT));
}

static void print_json(const struct check *check) {
    json_t *list = json_array();
    for (size_t i = 0; i < check->n_results; i++) {
        const struct check_result *result = &check->results[i];
        json_t *item = json_pack("{s:s, s:s, s:s}", "area", result->area, "status",
                                 status_word(result->status), "text", result->text);
        if (result->remedy[0])
            json_object_set_new(item, "do", json_string(result->remedy));
        json_array_append_new(list, item);
    }
    json_t *root =
        json_pack("{s:i, s:o, s:i, s:i}", "schema", 1, "checks", list, "warnings",
                  (int)count(check, CHECK_WARNING), "faults", (int)count(check, CHECK_FAULT));
    cmd_print_json(root);
    json_decref(root);
}

static void ask_names(void *arg) {
    struct check *check = arg;
    struct error error = {0};
    const struct dns_options options = {.servers = check->config->resolver_servers,
                                        .n_servers = check->config->n_resolver_servers,
                                        .trust_anchor = check->config->trust_anchor};
    check->resolver = dns_resolver_create(&options, &error);
    if (!check->resolver) {
        check_add(check, CHECK_FAULT, "dns", "the resolver cannot be started: %s", error.text);
        return;
    }
    check_dns(check);
    check_names(check);
    check_connectors(check);
    dns_resolver_destroy(check->resolver);
}

static void run_checks(struct check *check) {
    struct error error = {0};
    const struct io_loop_options options = {.name = "check"};
    struct io_loop *loop = io_loop_create(&options, &error);
    if (!loop) {
        check_add(check, CHECK_FAULT, "limits", "%s", error.text);
        return;
    }
    check_data(check);
    check_limits(check);
    check_listeners(check);
    check_certificate(check);
    io_spawn("check", ask_names, check);
    io_loop_run(loop);
    io_loop_destroy(loop);
}

static int show(const struct config *config) {
    struct buffer text;
    buffer_init(&text, 1 << 20);
    config_write(config, &text);
    fputs(buffer_string(&text), stdout);
    buffer_finish(&text);
    return CMD_WELL;
}

static void add_problems(struct check *check, struct view problems) {
    struct view line;
    while (view_split(&problems, '\n', &line))
        if (line.len)
            check_add(check, check->config ? CHECK_WARNING : CHECK_FAULT, "config", "%.*s",
                      VIEW_ARG(line));
    if (check->config)
        check_add(check, CHECK_OK, "config", "%s: %zu connectors, %zu listeners",
                  check->config->path ? check->config->path : "embedded defaults",
                  check->config->n_connectors, check->config->n_listeners);
}

int cmd_check(int argc, char **argv) {
    const char *path = getenv("POSTRIDER_CONFIG");
    const char *rules = NULL;
    bool wants_help = false, is_json = false, wants_show = false;
    const struct cmd_option options[] = {
        {"config", 'c', &path, NULL},     {"json", 0, NULL, &is_json},
        {"rules", 0, &rules, NULL},       {"show", 0, NULL, &wants_show},
        {"help", 'h', NULL, &wants_help}, {NULL, 0, NULL, NULL}};
    int n = cmd_parse("check", argc, argv, options);
    if (n != 0 || wants_help) {
        fputs(help, wants_help ? stdout : stderr);
        return wants_help ? CMD_WELL : CMD_WRONG_USE;
    }
    struct check *check = mem_alloc_zero(sizeof(*check));
    struct buffer problems;
    buffer_init(&problems, 64 << 10);
    check->config = rules ? NULL : config_load(path, &problems);
    int status = CMD_WELL;
    if (check->config && wants_show) {
        status = show(check->config);
    } else {
        add_problems(check, buffer_view(&problems));
        if (check->config)
            run_checks(check);
        if (rules)
            check_rules(check, rules);
        (is_json ? print_json : print_text)(check);
        status = count(check, CHECK_FAULT) ? CMD_FAULT : CMD_WELL;
    }
    buffer_finish(&problems);
    config_unref(check->config);
    free(check);
    return status;
}
