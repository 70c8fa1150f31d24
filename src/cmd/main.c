// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", "the relay: serve [-c FILE]", cmd_serve},
    {"queue", "one line for each lane; queue list, show, retry, hold, release, remove", cmd_queue},
    {"why", "why mail waits: why ID, ADDRESS or DOMAIN", cmd_why},
    {"explain", "what an error line, a bounce or a queue listing means, and what to do",
     cmd_explain},
    {"logs", "what broke, since when and for whom, out of mail servers' logs", cmd_logs},
    {"probe", "tests the road to a domain, address, host or connector, and explains it", cmd_probe},
    {"status", "counters of the running relay", cmd_status},
    {"check", "configuration, ports, DNS, disk, limits and names, before anything starts",
     cmd_check},
    {"reload", "the running relay reads its configuration again", cmd_reload},
};

static void print_help(FILE *out) {
    fputs("postrider " CMD_VERSION ": a mail relay that says why mail waits\n\n"
          "usage: postrider COMMAND [OPTIONS]\n\n",
          out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\nEvery command takes --help; those that print take --json.\n"
          "Exit status: 0 well, 1 a fault, 2 wrong use. Manual: man postrider\n",
          out);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        puts("postrider " CMD_VERSION);
        return CMD_WELL;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return CMD_WELL;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    if (*name)
        fprintf(stderr, "postrider: there is no command \"%s\"\n\n", name);
    print_help(stderr);
    return CMD_WRONG_USE;
}
