// SPDX-License-Identifier: Apache-2.0
// postrider why: where a message, an address or a domain stands, and what would free it.
#include "cmd/cmd.h"
#include "cmd/queue_print.h"

#include <stdio.h>

static const char help[] =
    "usage: postrider why ID|ADDRESS|DOMAIN [-c FILE] [--cursor C] [--json]\n\n"
    "Says in which state mail is, since when, what binds it, when the next attempt is, when it\n"
    "expires, how the last attempts ended, whose fault that is and what to do.\n\n"
    "  -c, --config FILE  of the relay to ask\n"
    "      --cursor C     goes on where an answer with many messages ended\n"
    "      --json         for programs (docs/json.md)\n"
    "Exit status: 0 found, 1 nothing is known of it, 2 wrong use\n";

int cmd_why(int argc, char **argv) {
    struct cmd_client client = {0};
    const char *cursor = NULL;
    bool wants_help = false;
    const struct cmd_option options[] = {{"config", 'c', &client.config_path, NULL},
                                         {"json", 0, NULL, &client.is_json},
                                         {"cursor", 0, &cursor, NULL},
                                         {"help", 'h', NULL, &wants_help},
                                         {NULL, 0, NULL, NULL}};
    int n = cmd_parse("why", argc, argv, options);
    if (n != 1 || wants_help) {
        fputs(help, wants_help ? stdout : stderr);
        return wants_help ? CMD_WELL : CMD_WRONG_USE;
    }
    json_t *request = json_pack("{s:s, s:s}", "do", "why", "text", argv[0]);
    if (cursor)
        json_object_set_new(request, "cursor", json_string(cursor));
    json_t *result = cmd_ask(&client, request);
    if (!result)
        return CMD_FAULT;
    if (client.is_json)
        cmd_print_json(result);
    else
        why_print(result, argv[0]);
    bool is_known = cmd_number(result, "matches") > 0 ||
                    json_array_size(json_object_get(result, "messages")) > 0 ||
                    json_array_size(json_object_get(result, "lanes")) > 0 ||
                    json_array_size(json_object_get(result, "attempts")) > 0;
    json_decref(result);
    return is_known ? CMD_WELL : CMD_FAULT;
}
