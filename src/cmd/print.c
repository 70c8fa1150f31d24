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
