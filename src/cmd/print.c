// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include "base/units.h"
#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *cmd_colour(enum cmd_colour colour) {
    static const char *const codes[] = {"\033[0m",  "\033[1m",  "\033[31m",
                                        "\033[33m", "\033[32m", "\033[2m"};
    const char *no_colour = getenv("NO_COLOR");
    if (!isatty(STDOUT_FILENO) || (no_colour && *no_colour))
        return "";
    return codes[colour];
}

void cmd_print_text(const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && c != '\n') || c == 0x7f)
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

void cmd_print_json(const json_t *value) {
    json_dumpf(value, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
}

const char *cmd_string(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_int_t cmd_number(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

void cmd_relative_time(const char *time, char *out, size_t size) {
    int64_t wall_ms;
    char duration[40];
    *out = '\0';
    if (!units_parse_time(view_of(time), &wall_ms))
        return;
    int64_t delta_ms = wall_ms - io_wall_ms();
    units_format_duration(delta_ms < 0 ? -delta_ms : delta_ms, duration, sizeof(duration));
    if (delta_ms > -1000 && delta_ms < 1000)
        snprintf(out, size, "now");
    else
        snprintf(out, size, delta_ms > 0 ? "in %s" : "%s ago", duration);
}

static void print_lines(const json_t *lines, const char *indent, const char *title) {
    size_t index;
    json_t *line;
    if (json_array_size(lines) == 0)
        return;
    printf("%s%s%s%s\n", indent, cmd_colour(CMD_BOLD), title, cmd_colour(CMD_PLAIN));
    json_array_foreach(lines, index, line) {
        printf("%s  - ", indent);
        cmd_print_text(json_string_value(line) ? json_string_value(line) : "");
        putchar('\n');
    }
}

static void print_remedies(const json_t *remedies, const char *indent) {
    size_t index;
    json_t *remedy;
    if (json_array_size(remedies) == 0)
        return;
    printf("%s%sWhat to do%s\n", indent, cmd_colour(CMD_BOLD), cmd_colour(CMD_PLAIN));
    json_array_foreach(remedies, index, remedy) {
        printf("%s  %zu. [%s] ", indent, index + 1, cmd_string(remedy, "who"));
        cmd_print_text(cmd_string(remedy, "do"));
        putchar('\n');
        if (*cmd_string(remedy, "verify")) {
            printf("%s     Then: ", indent);
            cmd_print_text(cmd_string(remedy, "verify"));
            putchar('\n');
        }
    }
}

static void print_head(const json_t *verdict, const char *indent) {
    const json_t *server = json_object_get(verdict, "server");
    printf("%s%s%s%s", indent, cmd_colour(CMD_BOLD), cmd_string(verdict, "code"),
           cmd_colour(CMD_PLAIN));
    printf(" [%s] ", cmd_string(verdict, "code_from"));
    cmd_print_text(cmd_string(verdict, "summary"));
    printf("\n%sCause: %s   Stage: %s   Blame: %s   Confidence: %.0f %%\n", indent,
           cmd_string(verdict, "cause"), cmd_string(verdict, "stage"), cmd_string(verdict, "blame"),
           json_number_value(json_object_get(verdict, "confidence")) * 100);
    if (*cmd_string(server, "address") || *cmd_string(server, "name")) {
        printf("%sServer: ", indent);
        cmd_print_text(cmd_string(server, "name"));
        if (*cmd_string(server, "address"))
            printf(" [%s]:%lld", cmd_string(server, "address"),
                   (long long)cmd_number(server, "port"));
        putchar('\n');
    }
}

void cmd_print_verdict(const json_t *verdict, const char *indent) {
    if (!json_is_object(verdict))
        return;
    print_head(verdict, indent);
    print_lines(json_object_get(verdict, "evidence"), indent, "Evidence");
    print_lines(json_object_get(verdict, "ruled_out"), indent, "Ruled out");
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(verdict, "candidates"), index, item) {
        printf("%sOr %s (%.0f %%); decided by: ", indent, cmd_string(item, "cause"),
               json_number_value(json_object_get(item, "confidence")) * 100);
        cmd_print_text(cmd_string(item, "decide_by"));
        putchar('\n');
    }
    json_array_foreach(json_object_get(verdict, "warnings"), index, item) {
        printf("%sWarning: ", indent);
        cmd_print_text(cmd_string(item, "summary"));
        putchar('\n');
    }
    print_remedies(json_object_get(verdict, "remedies"), indent);
}
