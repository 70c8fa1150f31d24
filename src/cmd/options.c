// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

static const struct cmd_option *find(const struct cmd_option *options, const char *text,
                                     const char **inline_value) {
    *inline_value = NULL;
    for (; options->name; options++) {
        size_t len = strlen(options->name);
        if (text[0] == '-' && text[1] == options->letter && options->letter && text[2] == '\0')
            return options;
        if (strncmp(text, "--", 2) != 0 || strncmp(text + 2, options->name, len) != 0)
            continue;
        if (text[2 + len] == '\0')
            return options;
        if (text[2 + len] == '=' && options->value) {
            *inline_value = text + 3 + len;
            return options;
        }
    }
    return NULL;
}

int cmd_parse(const char *command, int argc, char **argv, const struct cmd_option *options) {
    int n = 0;
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                argv[n++] = argv[i];
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[n++] = argv[i];
            continue;
        }
        const struct cmd_option *option = find(options, argv[i], &value);
        if (!option) {
            fprintf(stderr, "postrider %s: unknown option %s (try --help)\n", command, argv[i]);
            return -1;
        }
        if (option->flag) {
            *option->flag = true;
            if (value)
                *option->value = value;
        } else if (value || i + 1 < argc) {
            *option->value = value ? value : argv[++i];
        } else {
            fprintf(stderr, "postrider %s: %s needs a value\n", command, argv[i]);
            return -1;
        }
    }
    return n;
}
