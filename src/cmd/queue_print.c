// SPDX-License-Identifier: Apache-2.0
#include "cmd/queue_print.h"

#include <stdio.h>
#include <string.h>

enum { TIME_SIZE = 64, NAME_SIZE = 80 };

// --- Pieces -----------------------------------------------------------------------------------
static void print_cell(const char *text, int width) {
    char cut[NAME_SIZE];
    size_t len = strlen(text);
    if (len > (size_t)width)
        snprintf(cut, sizeof(cut), "%.*s~", width - 1, text);
    else
        snprintf(cut, sizeof(cut), "%s", text);
    cmd_print_text(cut);
    printf("%*s", width + 1 - (int)strlen(cut), "");
}

static void print_time_cell(const json_t *object, const char *key, int width) {
    char text[TIME_SIZE];
    cmd_relative_time(cmd_string(object, key), text, sizeof(text));
    printf("%-*s ", width, *text ? text : "-");
}

// "label  text", nothing where there is no text.
static void print_line(const char *label, const char *text) {
    if (!*text)
        return;
    printf("  %-13s ", label);
    cmd_print_text(text);
    putchar('\n');
}

static void print_time_line(const char *label, const json_t *object, const char *key) {
    char text[TIME_SIZE];
    const char *time = cmd_string(object, key);
    if (!*time)
        return;
    cmd_relative_time(time, text, sizeof(text));
    printf("  %-13s %s (%s)\n", label, time, text);
}

static enum cmd_colour state_colour(const char *state) {
    if (strcmp(state, "backing-off") == 0 || strcmp(state, "deferred") == 0)
        return CMD_RED;
    if (strcmp(state, "active") == 0 || strcmp(state, "in-flight") == 0)
        return CMD_GREEN;
    return strcmp(state, "held") == 0 ? CMD_YELLOW : CMD_PLAIN;
}

static void print_state(const json_t *object) {
    const char *state = cmd_string(object, "state");
    printf("%s%-11s%s ", cmd_colour(state_colour(state)), state, cmd_colour(CMD_PLAIN));
}

static void print_totals(const json_t *result) {
    const json_t *totals = json_object_get(result, "totals");
    printf(
        "%lld recipients of %lld messages: %lld ready, %lld deferred, %lld held, %lld in flight\n",
        (long long)cmd_number(totals, "recipients"), (long long)cmd_number(totals, "messages"),
        (long long)cmd_number(totals, "ready"), (long long)cmd_number(totals, "deferred"),
        (long long)cmd_number(totals, "held"), (long long)cmd_number(totals, "in_flight"));
    if (cmd_number(result, "left_out"))
        printf("%lld more lanes were left out\n", (long long)cmd_number(result, "left_out"));
}

// --- postrider queue ----------------------------------------------------------------------------
void queue_print_lanes(const json_t *result) {
    size_t index;
    json_t *lane;
    const json_t *lanes = json_object_get(result, "lanes");
    if (json_array_size(lanes))
        printf("%s%-12s %-28s %7s %-14s %-11s %-12s %-12s %s%s\n", cmd_colour(CMD_BOLD),
               "CONNECTOR", "DESTINATION", "WAITING", "OLDEST", "STATE", "NEXT", "EXPIRES",
               "STATUS", cmd_colour(CMD_PLAIN));
    json_array_foreach(lanes, index, lane) {
        print_cell(*cmd_string(lane, "connector") ? cmd_string(lane, "connector") : "-", 12);
        print_cell(cmd_string(lane, "destination"), 28);
        printf("%7lld ", (long long)cmd_number(lane, "waiting"));
        print_time_cell(lane, "oldest", 14);
        print_state(lane);
        print_time_cell(lane, "next_attempt", 12);
        print_time_cell(lane, "first_expiry", 12);
        cmd_print_text(cmd_string(lane, "status"));
        putchar('\n');
    }
    print_totals(result);
}

void queue_print_ages(const json_t *result) {
    size_t index, column;
    json_t *lane, *age;
    const json_t *lanes = json_object_get(result, "lanes");
    json_array_foreach(lanes, index, lane) {
        const json_t *ages = json_object_get(lane, "ages");
        if (index == 0) {
            printf("%s%-28s %7s", cmd_colour(CMD_BOLD), "DESTINATION", "WAITING");
            json_array_foreach(ages, column,
                               age) if (json_is_integer(json_object_get(age, "up_to_minutes")))
                printf(" %5lldm", (long long)cmd_number(age, "up_to_minutes"));
            else printf("  older%s\n", cmd_colour(CMD_PLAIN));
        }
        print_cell(cmd_string(lane, "destination"), 28);
        printf("%7lld", (long long)cmd_number(lane, "waiting"));
        json_array_foreach(ages, column, age)
            printf(" %6lld", (long long)cmd_number(age, "waiting"));
        putchar('\n');
    }
    print_totals(result);
}

// --- postrider queue list, show -----------------------------------------------------------------
static void print_recipient_row(const json_t *item) {
    print_cell(cmd_string(item, "id"), 18);
    print_cell(cmd_string(item, "recipient"), 32);
    print_state(item);
    print_time_cell(item, "queued_at", 14);
    print_time_cell(item, "next_attempt", 12);
    cmd_print_text(cmd_string(item, "status"));
    putchar('\n');
}

void queue_print_list(const json_t *result) {
    size_t index;
    json_t *item;
    const json_t *list = json_object_get(result, "recipients");
    if (json_array_size(list) == 0) {
        puts("Nothing in the queue matches.");
        return;
    }
    printf("%s%-18s %-32s %-11s %-14s %-12s %s%s\n", cmd_colour(CMD_BOLD), "ID", "RECIPIENT",
           "STATE", "QUEUED", "NEXT", "STATUS", cmd_colour(CMD_PLAIN));
    json_array_foreach(list, index, item) print_recipient_row(item);
    if (*cmd_string(result, "next"))
        printf("There are more: --cursor %s\n", cmd_string(result, "next"));
}

static void print_size(const json_t *message) {
    printf("  %-13s %lld bytes\n", "Size", (long long)cmd_number(message, "size"));
}

void queue_print_show(const json_t *result) {
    size_t index;
    json_t *item;
    printf("%sMessage %s%s\n", cmd_colour(CMD_BOLD), cmd_string(result, "id"),
           cmd_colour(CMD_PLAIN));
    const char *sender = cmd_string(result, "sender");
    print_line("From", *sender ? sender : "<> (a notice, or mail that wants no answer)");
    print_time_line("Queued", result, "queued_at");
    print_size(result);
    print_line("Message-ID", cmd_string(result, "message_id"));
    print_line("Client", cmd_string(result, "client"));
    print_line("EHLO name", cmd_string(result, "client_name"));
    print_line("Listener", cmd_string(result, "listener"));
    print_line("TLS", cmd_string(result, "tls"));
    json_array_foreach(json_object_get(result, "recipients"), index, item) {
        printf("\n");
        print_line("Recipient", cmd_string(item, "recipient"));
        print_line("State", cmd_string(item, "state"));
        print_line("Because", cmd_string(json_object_get(item, "binding"), "detail"));
        print_time_line("Next attempt", item, "next_attempt");
        print_time_line("Expires", item, "expires_at");
        print_line("Status", cmd_string(item, "status"));
    }
}

// --- postrider why -------------------------------------------------------------------------------
static bool is_same_verdict(const json_t *a, const json_t *b) {
    return strcmp(cmd_string(a, "cause"), cmd_string(b, "cause")) == 0 &&
           strcmp(cmd_string(a, "at"), cmd_string(b, "at")) == 0;
}

static void print_server(const json_t *server) {
    const char *name = cmd_string(server, "name"), *address = cmd_string(server, "address");
    bool has_name = *name && *name != '['; // else the name is the address
    if (!*name && !*address)
        fputs("(no server)", stdout);
    cmd_print_text(has_name || !*address ? name : "");
    if (*address)
        printf("%s[%s]:%lld", has_name ? " " : "", address, (long long)cmd_number(server, "port"));
}

// What the attempt meant for the recipient whose attempts are shown, or for the only one that was
// asked about; the attempt itself where it came to no recipient.
static const json_t *outcome_for(const json_t *attempt, const json_t *object) {
    size_t index;
    json_t *result;
    const json_t *results = json_object_get(attempt, "results");
    if (!*cmd_string(object, "id") && json_array_size(results) == 1)
        return json_array_get(results, 0);
    json_array_foreach(results, index, result) {
        if (strcmp(cmd_string(result, "message"), cmd_string(object, "id")) == 0 &&
            strcmp(cmd_string(result, "recipient"), cmd_string(object, "recipient")) == 0)
            return result;
    }
    return attempt;
}

static void print_attempt(const json_t *attempt, const json_t *object) {
    const json_t *outcome = outcome_for(attempt, object);
    printf("    %s  ", cmd_string(attempt, "at"));
    print_server(json_object_get(attempt, "server"));
    printf("  %s", cmd_string(outcome, "stage"));
    if (strcmp(cmd_string(outcome, "kind"), "ok") != 0)
        printf("  %s (%s)", cmd_string(outcome, "cause"), cmd_string(outcome, "blame"));
    if (cmd_number(outcome, "reply_code"))
        printf("  %lld", (long long)cmd_number(outcome, "reply_code"));
    if (*cmd_string(outcome, "text")) {
        printf("%s", cmd_number(outcome, "reply_code") ? " " : "  ");
        cmd_print_text(cmd_string(outcome, "text"));
    }
    putchar('\n');
}

static void print_attempts(const json_t *object) {
    enum { SHOWN_MAX = 5 };
    const json_t *attempts = json_object_get(object, "attempts");
    size_t n = json_array_size(attempts);
    if (n)
        puts("  Last attempts");
    for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
        print_attempt(json_array_get(attempts, i), object);
    if (n > SHOWN_MAX)
        printf("    and %zu before (--json has them)\n", n - SHOWN_MAX);
}

static void print_waiting(const json_t *object) {
    const json_t *binding = json_object_get(object, "binding");
    print_line("State", cmd_string(object, "state"));
    print_line("Because", cmd_string(binding, "detail"));
    print_time_line("Next attempt", object, "next_attempt");
}

static void print_message(const json_t *message, const json_t *before) {
    const json_t *verdict = json_object_get(message, "verdict");
    printf("%s%s%s to ", cmd_colour(CMD_BOLD), cmd_string(message, "id"), cmd_colour(CMD_PLAIN));
    cmd_print_text(cmd_string(message, "recipient"));
    putchar('\n');
    print_waiting(message);
    print_time_line("Queued", message, "queued_at");
    print_time_line("Expires", message, "expires_at");
    if (cmd_number(message, "may_be_delivered"))
        printf(
            "  %-13s the message may have been delivered %lld times: the answer to the final dot "
            "was lost\n",
            "Mind", (long long)cmd_number(message, "may_be_delivered"));
    if (before && is_same_verdict(verdict, before))
        print_line("Failure", "the same as above");
    else
        cmd_print_verdict(verdict, "  ");
    print_attempts(message);
    putchar('\n');
}

static void print_lane(const json_t *lane) {
    printf("%sTo ", cmd_colour(CMD_BOLD));
    cmd_print_text(cmd_string(lane, "destination"));
    long long waiting = (long long)cmd_number(lane, "waiting");
    printf("%s by connector %s: %lld %s\n", cmd_colour(CMD_PLAIN),
           *cmd_string(lane, "connector") ? cmd_string(lane, "connector") : "(none)", waiting,
           waiting == 1 ? "recipient waits" : "recipients wait");
    print_waiting(lane);
    print_time_line("Failing since", lane, "since");
    print_time_line("First expiry", lane, "first_expiry");
    print_line("Status", cmd_string(lane, "status"));
    print_line("Belongs to", cmd_string(lane, "owner"));
    print_line("Write to", cmd_string(lane, "contact"));
    putchar('\n');
}

void why_print(const json_t *result, const char *query) {
    size_t index;
    json_t *item;
    const json_t *messages = json_object_get(result, "messages");
    const json_t *before = NULL;
    json_array_foreach(json_object_get(result, "lanes"), index, item) print_lane(item);
    json_array_foreach(messages, index, item) {
        print_message(item, before);
        before = json_object_get(item, "verdict");
    }
    if (json_array_size(messages) == 0) {
        printf("Nothing of ");
        cmd_print_text(query);
        puts(" is in the queue.");
        if (json_is_object(json_object_get(result, "verdict")))
            cmd_print_verdict(json_object_get(result, "verdict"), "  ");
        print_attempts(result);
    }
    if (*cmd_string(result, "next"))
        printf("%lld match; there are more: --cursor %s\n",
               (long long)cmd_number(result, "matches"), cmd_string(result, "next"));
    if (strcmp(cmd_string(result, "history"), "incomplete") == 0)
        puts("The history is incomplete: older attempts were counted, not kept, or the ledger was "
             "begun anew.");
}
