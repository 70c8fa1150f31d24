// SPDX-License-Identifier: Apache-2.0
// What the commands share.
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/buffer.h"
#include "base/error.h"
#include "readers/readers.h"

#include <jansson.h>

#define CMD_VERSION "0.1.0"

enum cmd_exit { CMD_WELL = 0, CMD_FAULT = 1, CMD_WRONG_USE = 2 };

// Each takes what stands behind its name and returns the exit status.
int cmd_serve(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_queue(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_status(int argc, char **argv);

// --- Options ------------------------------------------------------------------------------------
// "--name VALUE" and "--name=VALUE"; "-n" where `letter` is not zero. The array ends with a NULL
// name.
struct cmd_option {
    const char *name; // without dashes
    char letter;
    const char **value; // takes a value when not NULL
    bool *flag;
};
// Moves what is no option to the front of argv; returns how many there are, or -1 after having said
// on standard error what is wrong.
int cmd_parse(const char *command, int argc, char **argv, const struct cmd_option *options);

// --- Rules of a local file -----------------------------------------------------------------------
// Reads a file of dialect rules and puts them to use; false after having said on standard error
// what is wrong with it. `path` NULL: nothing is done. cmd_rules_end() forgets them.
struct rules;
bool cmd_rules_begin(const char *command, const char *path, struct rules **rules);
void cmd_rules_end(struct rules *rules);
// "sender" or "receiver", the value of --i-am; false where it is neither.

bool cmd_parse_side(const char *word, enum reader_side *side);
// The file into memory, read whole; NULL after having filled `error`.
struct rules *cmd_rules_load(const char *path, struct error *error);

// --- The running relay ---------------------------------------------------------------------------
struct cmd_client {
    const char *config_path; // -c
    bool is_json;            // --json
};
// Sends `request` (an object without "v", which is added; its reference is taken) and returns the
// "result" of the answer, or NULL after having said what is wrong on standard error.
json_t *cmd_ask(const struct cmd_client *client, json_t *request);

// --- Printing ------------------------------------------------------------------------------------
enum cmd_colour { CMD_PLAIN, CMD_BOLD, CMD_RED, CMD_YELLOW, CMD_GREEN, CMD_DIM };
// Escape sequences only on a terminal, and never where NO_COLOR is set.
const char *cmd_colour(enum cmd_colour colour);
// Text from outside: controls are shown as \xNN.
void cmd_print_text(const char *text);
void cmd_print_json(const json_t *value);
// Members of an object; "" and 0 where they are missing or of another type.
const char *cmd_string(const json_t *object, const char *key);
json_int_t cmd_number(const json_t *object, const char *key);
// "in 12 min", "3 h ago", "now": an RFC 3339 time against the clock; "" for none.
void cmd_relative_time(const char *time, char *out, size_t size);
void cmd_print_verdict(const json_t *verdict, const char *indent);

#endif
