// SPDX-License-Identifier: Apache-2.0
// postrider reload and postrider status: one question each.
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

static const char reload_help[] = "usage: postrider reload [-c FILE] [--json]\n\n"
                                  "The running relay reads its configuration again. Sessions go "
                                  "on; a broken file changes nothing.\n\n"
                                  "  -c, --config FILE  of the relay to ask\n"
                                  "      --json         for programs (docs/json.md)\n"
                                  "Exit status: 0 done, 1 refused, 2 wrong use\n";

static const char status_help[] = "usage: postrider status [-c FILE] [--json]\n\n"
                                  "Counters of the running relay.\n\n"
                                  "  -c, --config FILE  of the relay to ask\n"
                                  "      --json         for programs (docs/json.md)\n"
                                  "Exit status: 0 answered, 1 no relay answers, 2 wrong use\n";

// The arguments that both take. -1: go on; else the exit status.
static int parse(const char *command, const char *help, int argc, char **argv,
                 struct cmd_client *client) {
    bool wants_help = false;
    const struct cmd_option options[] = {{"config", 'c', &client->config_path, NULL},
                                         {"json", 0, NULL, &client->is_json},
                                         {"help", 'h', NULL, &wants_help},
                                         {NULL, 0, NULL, NULL}};
    int n = cmd_parse(command, argc, argv, options);
    if (n == 0 && !wants_help)
        return -1;
    fputs(help, wants_help ? stdout : stderr);
    return wants_help ? CMD_WELL : CMD_WRONG_USE;
}

int cmd_reload(int argc, char **argv) {
    struct cmd_client client = {0};
    int status = parse("reload", reload_help, argc, argv, &client);
    if (status >= 0)
        return status;
    json_t *result = cmd_ask(&client, json_pack("{s:s}", "do", "reload"));
    if (!result)
        return CMD_FAULT;
    if (client.is_json) {
        cmd_print_json(result);
    } else {
        puts("The configuration was read again.");
        if (*cmd_string(result, "restart_needed_for"))
            printf("These keys take effect at the next start: %s\n",
                   cmd_string(result, "restart_needed_for"));
    }
    json_decref(result);
    return CMD_WELL;
}

static void print_members(const json_t *object, const char *prefix) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (strcmp(key, "schema") == 0 || json_is_null(value))
            continue;
        if (json_is_object(value)) {
            print_members(value, key);
            continue;
        }
        printf("%s%s%-*s ", prefix, *prefix ? "." : "", (int)(28 - strlen(prefix)), key);
        if (json_is_string(value))
            cmd_print_text(json_string_value(value));
        else if (json_is_boolean(value))
            fputs(json_is_true(value) ? "yes" : "no", stdout);
        else
            printf("%lld", (long long)json_integer_value(value));
        putchar('\n');
    }
}

int cmd_status(int argc, char **argv) {
    struct cmd_client client = {0};
    int status = parse("status", status_help, argc, argv, &client);
    if (status >= 0)
        return status;
    json_t *result = cmd_ask(&client, json_pack("{s:s}", "do", "status"));
    if (!result)
        return CMD_FAULT;
    if (client.is_json)
        cmd_print_json(result);
    else
        print_members(result, "");
    json_decref(result);
    return CMD_WELL;
}
