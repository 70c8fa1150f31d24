// SPDX-License-Identifier: Apache-2.0
#include "config/keys.h"

#include <stdio.h>
#include <sys/utsname.h>

static bool is_label(struct view label, bool allow_underscore) {
    if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && (c != '_' || !allow_underscore))
            return false;
    }
    return true;
}

static bool is_all_digits(struct view label) {
    for (size_t i = 0; i < label.len; i++)
        if (!ascii_is_digit(label.ptr[i]))
            return false;
    return true;
}

static bool is_name(struct view name, bool allow_underscore) {
    struct view rest = name, label = VIEW_NONE;
    if (name.len == 0 || name.len > CONFIG_NAME_BYTES_MAX || name.ptr[name.len - 1] == '.')
        return false;
    while (view_split(&rest, '.', &label))
        if (!is_label(label, allow_underscore))
            return false;
    // RFC 3696 2: no top-level domain is all digits, so "192.0.2.1" is no name.
    return !is_all_digits(label);
}

bool config_is_host_name(struct view name) {
    return is_name(name, true);
}

bool config_is_strict_host_name(struct view name) {
    return is_name(name, false);
}

bool config_is_mail_address(struct view text) {
    size_t at = view_find_last_char(text, '@');
    if (at == 0 || at == text.len || at > 64)
        return false;
    for (size_t i = 0; i < at; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || strchr("<>()[]\\,;:\"@\x7f", text.ptr[i]))
            return false;
    return config_is_host_name(view_skip(text, at + 1));
}

const char *config_copy_name(struct arena *arena, struct view name) {
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    char *copy = arena_alloc(arena, name.len + 1);
    for (size_t i = 0; copy && i < name.len; i++)
        copy[i] = ascii_lower(name.ptr[i]);
    return copy;
}

// --- Did you mean -----------------------------------------------------------------------------

enum { WORD_BYTES_MAX = 32 };

static unsigned min3(unsigned a, unsigned b, unsigned c) {
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

// Insertions, deletions, substitutions, and neighbours that changed places, at cost one each.
static unsigned distance(struct view a, struct view b) {
    unsigned cost[WORD_BYTES_MAX + 1][WORD_BYTES_MAX + 1];
    ASSERT(a.len <= WORD_BYTES_MAX && b.len <= WORD_BYTES_MAX);
    for (size_t i = 0; i <= a.len; i++)
        cost[i][0] = (unsigned)i;
    for (size_t j = 0; j <= b.len; j++)
        cost[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++)
        for (size_t j = 1; j <= b.len; j++) {
            bool differs = ascii_lower(a.ptr[i - 1]) != ascii_lower(b.ptr[j - 1]);
            cost[i][j] = min3(cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + differs);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                cost[i - 2][j - 2] + 1 < cost[i][j])
                cost[i][j] = cost[i - 2][j - 2] + 1;
        }
    return cost[a.len][b.len];
}

const char *config_closest(const char *wrong, const char *const *words, size_t n_words) {
    struct view text = view_of(wrong);
    const char *closest = NULL;
    unsigned least = text.len < 5 ? 2 : 3; // what is as far as this is another word
    if (text.len > WORD_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < n_words; i++) {
        struct view word = view_of(words[i]);
        unsigned far = word.len > WORD_BYTES_MAX ? least : distance(text, word);
        // "listener" and "listen", "smart_host" and "smart_hosts" are near whatever the count says.
        bool is_part = text.len >= 4 && word.len >= 4 &&
                       (view_starts_with_nocase(text, word) || view_starts_with_nocase(word, text));
        if (far < least || (is_part && !closest)) {
            closest = words[i];
            least = far < least ? far : least;
        }
    }
    return closest;
}

// --- This machine -----------------------------------------------------------------------------

// The first name with a dot on a line of /etc/hosts that names this machine.
static bool find_in_hosts(struct view node, char *out, size_t size) {
    char line[1024];
    FILE *file = fopen("/etc/hosts", "re");
    bool is_found = false;
    while (file && !is_found && fgets(line, sizeof(line), file)) {
        struct view rest = view_take(view_of(line), view_find_char(view_of(line), '#'));
        struct view word, full = VIEW_NONE;
        bool is_ours = false, is_first = true;
        for (size_t i = 0; i < rest.len; i++)
            if (line[i] == '\t' || line[i] == '\n' || line[i] == '\r')
                line[i] = ' ';
        while (view_split(&rest, ' ', &word)) {
            if (word.len == 0)
                continue;
            is_ours = is_ours || (!is_first && view_equals_nocase(word, node));
            if (!is_first && full.len == 0 && view_find_char(word, '.') < word.len &&
                config_is_strict_host_name(word))
                full = word;
            is_first = false;
        }
        is_found = is_ours && full.len && view_copy_string(full, out, size);
    }
    if (file)
        fclose(file);
    return is_found;
}

const char *config_machine_name(struct arena *arena) {
    struct utsname names;
    char full[CONFIG_NAME_BYTES_MAX + 1] = "";
    struct view node = uname(&names) == 0 ? view_of(names.nodename) : VIEW("localhost");
    if (!config_is_strict_host_name(node))
        node = VIEW("localhost");
    if (view_find_char(node, '.') < node.len)
        return config_copy_name(arena, node);
    if (find_in_hosts(node, full, sizeof(full)))
        return config_copy_name(arena, view_of(full));
    snprintf(full, sizeof(full), "%.*s.localdomain", VIEW_ARG(node));
    return config_copy_name(arena, view_of(full));
}
