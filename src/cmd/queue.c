// SPDX-License-Identifier: Apache-2.0
// postrider queue: what waits, and what an operator does about it.
#include "cmd/cmd.h"
#include "cmd/queue_print.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: postrider queue [--age] [-c FILE] [--json]\n"
    "       postrider queue list [SELECTION] [--limit N] [--cursor C]\n"
    "       postrider queue show ID\n"
    "       postrider queue retry|hold|release|remove [ID...] [SELECTION] [--yes | --dry-run]\n"
    "                       [--reason TEXT]\n\n"
    "Without more: one line for each lane (connector and destination).\n\n"
    "SELECTION: everything that is said must hold\n"
    "      --domain D     recipients of this domain\n"
    "      --connector C  on the lanes of this connector\n"
    "      --sender A     from this address; \"<>\" for the empty one\n"
    "      --cause ID     whose last failure has this cause, such as conn-refused\n"
    "      --held         on hold\n"
    "      --all          every recipient\n\n"
    "      --age          the number of recipients by age\n"
    "      --limit N      shows at most N recipients (100; at most 1000)\n"
    "      --cursor C     goes on where a list ended\n"
    "  -y, --yes          acts without another question (needed beyond one id)\n"
    "      --dry-run      counts, changes nothing\n"
    "      --reason TEXT  is kept in the audit trail\n"
    "  -c, --config FILE  of the relay to ask\n"
    "      --json         for programs (docs/json.md)\n"
    "Exit status: 0 well, 1 nothing found or refused, 2 wrong use\n";

struct queue_options {
    struct cmd_client client;
    const char *domain, *connector, *sender, *cause, *limit, *cursor, *reason;
    bool held, all, age, yes, dry_run, wants_help;
};

static int parse(int argc, char **argv, struct queue_options *q) {
    const struct cmd_option options[] = {{"config", 'c', &q->client.config_path, NULL},
                                         {"json", 0, NULL, &q->client.is_json},
                                         {"domain", 0, &q->domain, NULL},
                                         {"connector", 0, &q->connector, NULL},
                                         {"sender", 0, &q->sender, NULL},
                                         {"cause", 0, &q->cause, NULL},
                                         {"limit", 0, &q->limit, NULL},
                                         {"cursor", 0, &q->cursor, NULL},
                                         {"reason", 0, &q->reason, NULL},
                                         {"held", 0, NULL, &q->held},
                                         {"all", 0, NULL, &q->all},
                                         {"age", 0, NULL, &q->age},
                                         {"yes", 'y', NULL, &q->yes},
                                         {"dry-run", 0, NULL, &q->dry_run},
                                         {"help", 'h', NULL, &q->wants_help},
                                         {NULL, 0, NULL, NULL}};
    return cmd_parse("queue", argc, argv, options);
}

static int wrong_use(const char *text) {
    fprintf(stderr, "postrider queue: %s\n\n%s", text, help);
    return CMD_WRONG_USE;
}

static void put(json_t *request, const char *key, const char *value) {
    if (value)
        json_object_set_new(request, key, json_string(value));
}

static bool has_selection(const struct queue_options *q) {
    return q->domain || q->connector || q->sender || q->cause || q->held || q->all;
}

static json_t *make_request(const char *what, const struct queue_options *q) {
    json_t *request = json_pack("{s:s}", "do", what);
    put(request, "domain", q->domain);
    put(request, "connector", q->connector);
    put(request, "sender", q->sender);
    put(request, "cause", q->cause);
    put(request, "cursor", q->cursor);
    put(request, "reason", q->reason);
    if (q->held)
        json_object_set_new(request, "held", json_true());
    if (q->all)
        json_object_set_new(request, "all", json_true());
    uint64_t limit;
    if (q->limit && view_to_u64(view_of(q->limit), &limit))
        json_object_set_new(request, "limit", json_integer((json_int_t)limit));
    return request;
}

// Asks, prints, and returns the exit status.
static int ask_and_print(const struct queue_options *q, json_t *request,
                         void (*print)(const json_t *result)) {
    json_t *result = cmd_ask(&q->client, request);
    if (!result)
        return CMD_FAULT;
    if (q->client.is_json)
        cmd_print_json(result);
    else
        print(result);
    json_decref(result);
    return CMD_WELL;
}

static int lanes(const struct queue_options *q) {
    json_t *request = json_pack("{s:s, s:b}", "do", "lanes", "ages", q->age ? 1 : 0);
    return ask_and_print(q, request, q->age ? queue_print_ages : queue_print_lanes);
}

static int list(const struct queue_options *q) {
    json_t *request = make_request("list", q);
    if (!has_selection(q))
        json_object_set_new(request, "all", json_true());
    return ask_and_print(q, request, queue_print_list);
}

static int show(const struct queue_options *q, const char *id) {
    json_t *result = cmd_ask(&q->client, json_pack("{s:s, s:s}", "do", "show", "text", id));
    if (!result)
        return CMD_FAULT;
    bool is_known = json_is_true(json_object_get(result, "is_known"));
    if (q->client.is_json)
        cmd_print_json(result);
    else if (is_known)
        queue_print_show(result);
    else
        fprintf(stderr,
                "postrider: no message %s is queued (`postrider why %s` asks the history)\n", id,
                id);
    json_decref(result);
    return is_known ? CMD_WELL : CMD_FAULT;
}

// --- Actions ----------------------------------------------------------------------------------
static int report(const char *action, const struct queue_options *q, const json_t *result) {
    long long matched = cmd_number(result, "matched");
    if (q->client.is_json)
        cmd_print_json(result);
    else if (json_is_true(json_object_get(result, "refused")))
        fprintf(stderr,
                "%s would change %lld recipients of %lld messages. Nothing was changed: say --yes "
                "to do it, --dry-run to count only.\n",
                action, matched, (long long)cmd_number(result, "messages"));
    else if (q->dry_run)
        printf("%s would change %lld recipients of %lld messages.\n", action, matched,
               (long long)cmd_number(result, "messages"));
    else
        printf("%s: %lld of %lld recipients done.\n", action, (long long)cmd_number(result, "done"),
               matched);
    if (!q->client.is_json && cmd_number(result, "in_flight"))
        printf("%lld are being delivered right now: they follow if that fails.\n",
               (long long)cmd_number(result, "in_flight"));
    if (json_is_true(json_object_get(result, "refused")))
        return CMD_FAULT;
    return matched ? CMD_WELL : CMD_FAULT;
}

static int act(const char *action, int n_ids, char **ids, const struct queue_options *q) {
    if (n_ids == 0 && !has_selection(q))
        return wrong_use(
            "say which: ids, --domain, --connector, --sender, --cause, --held or --all");
    json_t *request = make_request(action, q);
    json_t *list_of_ids = json_array();
    for (int i = 0; i < n_ids; i++)
        json_array_append_new(list_of_ids, json_string(ids[i]));
    json_object_set_new(request, "ids", list_of_ids);
    if (q->dry_run)
        json_object_set_new(request, "dry_run", json_true());
    // One id is meant as it is said; more wait for --yes.
    else if (!q->yes && !(n_ids == 1 && !has_selection(q)))
        json_object_set_new(request, "expect_max", json_integer(1));
    json_t *result = cmd_ask(&q->client, request);
    if (!result)
        return CMD_FAULT;
    if (cmd_number(result, "matched") == 0 && !q->client.is_json)
        fputs("postrider: nothing in the queue matches.\n", stderr);
    int status = report(action, q, result);
    json_decref(result);
    return status;
}

static bool is_action(const char *name) {
    static const char *const names[] = {"retry", "hold", "release", "remove"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

int cmd_queue(int argc, char **argv) {
    struct queue_options q = {0};
    int n = parse(argc, argv, &q);
    if (q.wants_help) {
        fputs(help, stdout);
        return CMD_WELL;
    }
    if (n < 0)
        return CMD_WRONG_USE;
    uint64_t limit;
    if (q.limit && !view_to_u64(view_of(q.limit), &limit))
        return wrong_use("--limit takes a number");
    if (q.yes && q.dry_run)
        return wrong_use("--yes and --dry-run exclude each other");
    const char *what = n > 0 ? argv[0] : "";
    if (n == 0)
        return has_selection(&q) ? wrong_use("a selection goes with list or an action") : lanes(&q);
    if (strcmp(what, "list") == 0)
        return n == 1 ? list(&q) : wrong_use("list takes a selection, no ids");
    if (strcmp(what, "show") == 0)
        return n == 2 ? show(&q, argv[1]) : wrong_use("show takes one id");
    if (is_action(what))
        return act(what, n - 1, argv + 1, &q);
    fprintf(stderr, "postrider queue: there is no \"%s\"\n\n", what);
    fputs(help, stderr);
    return CMD_WRONG_USE;
}
