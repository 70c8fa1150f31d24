// SPDX-License-Identifier: Apache-2.0
// What the commands that judge words share: files of dialect rules, and who asks.
#include "catalog/catalog.h"
#include "cmd/cmd.h"
#include "readers/readers.h"

#include <errno.h>
#include <stdio.h>

enum { RULES_FILE_BYTES_MAX = 1 << 20 };

static bool read_file(const char *path, struct buffer *text, struct error *error) {
    FILE *file = fopen(path, "rb");
    size_t n = 0;
    if (!file)
        return error_set_errno(error, errno, "%s", path);
    while ((n = fread(buffer_reserve(text, 4096), 1, 4096, file)) > 0 &&
           text->len + n <= RULES_FILE_BYTES_MAX)
        buffer_advance(text, n);
    bool has_failed = ferror(file) != 0;
    int why = errno;
    fclose(file);
    if (has_failed)
        return error_set_errno(error, why, "%s", path);
    return n == 0 || error_set(error, "%s: larger than 1 MB", path);
}

struct rules *cmd_rules_load(const char *path, struct error *error) {
    struct buffer text;
    struct rules *rules = NULL;
    buffer_init(&text, RULES_FILE_BYTES_MAX + 8192);
    if (read_file(path, &text, error))
        rules = rules_read(buffer_view(&text), view_of(path), error);
    buffer_finish(&text);
    return rules;
}

bool cmd_rules_begin(const char *command, const char *path, struct rules **rules) {
    struct error error = {0};
    *rules = path ? cmd_rules_load(path, &error) : NULL;
    if (path && !*rules) {
        fprintf(stderr, "postrider %s: %s\n", command, error.text);
        return false;
    }
    rules_use(*rules);
    return true;
}

bool cmd_parse_side(const char *word, enum reader_side *side) {
    *side = view_equals(view_of(word), VIEW("sender"))     ? READER_SIDE_SENDER
            : view_equals(view_of(word), VIEW("receiver")) ? READER_SIDE_RECEIVER
                                                           : READER_SIDE_UNSAID;
    return *side != READER_SIDE_UNSAID;
}

void cmd_rules_end(struct rules *rules) {
    rules_use(NULL);
    rules_destroy(rules);
}
