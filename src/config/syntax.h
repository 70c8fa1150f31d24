// SPDX-License-Identifier: Apache-2.0
// The shape of a configuration file, before any key has a meaning: a tree of assignments and
// sections, each with its line.
//
//   file       = { assignment | section }
//   assignment = KEY "=" ( VALUE | "{" [ VALUE { [","] VALUE } ] "}" )
//   section    = KEY [ VALUE ] "{" file "}"
//   VALUE      = "quoted" | 'as it stands' | bare-word
//   comments   : from "#" or "//" to the end of the line, and between "/*" and "*/"
//
// Within double quotes \" and \\ stand for the second character. A text never spans lines, so that
// a forgotten quote is reported where it is missing.
#ifndef CONFIG_SYNTAX_H
#define CONFIG_SYNTAX_H

#include "config/problems.h"

enum {
    CONFIG_FILE_BYTES_MAX = 4 << 20,
    CONFIG_TEXT_BYTES_MAX = 4096,
    CONFIG_DEPTH_MAX = 4 // sections within sections
};

struct config_value {
    struct config_value *next;
    const char *text;
    unsigned line;
};

struct config_node {
    struct config_node *next;
    const char *name;
    const char *title; // of a section, NULL: none
    unsigned line;
    bool is_section;
    bool is_list; // the values stood in braces
    struct config_value *values;
    size_t n_values;
    struct config_node *children; // in the order of the file
};

// The statements before the first mistake hang below `root`, whose name is empty; the one that
// holds it does not. False when there was a mistake; it is among `problems` then. Memory comes from
// `arena`.
bool config_syntax_read(struct view text, struct arena *arena, struct config_problems *problems,
                        struct config_node *root);

// The child of that name, or NULL.
const struct config_node *config_node_find(const struct config_node *section, const char *name);
// Its line, or that of the section where it does not stand in it.
unsigned config_node_line(const struct config_node *section, const char *name);

#endif
