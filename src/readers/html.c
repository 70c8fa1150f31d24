// SPDX-License-Identifier: Apache-2.0
// The text of a page, for notices that come as nothing else: tags go, those that end a line end
// one.
#include "readers/report.h"

static bool ends_line(struct view tag) {
    static const struct view tags[] = {{"br", 2},  {"/p", 2},     {"p", 1},   {"/div", 4},
                                       {"/tr", 3}, {"tr", 2},     {"/li", 3}, {"li", 2},
                                       {"/h1", 3}, {"/h2", 3},    {"/h3", 3}, {"hr", 2},
                                       {"/td", 3}, {"/table", 6}, {"/pre", 4}};
    size_t len = 0;
    while (len < tag.len && (ascii_is_alpha(tag.ptr[len]) || ascii_is_digit(tag.ptr[len]) ||
                             (len == 0 && tag.ptr[0] == '/')))
        len++;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        if (view_equals_nocase(view_take(tag, len), tags[i]))
            return true;
    return false;
}

// Length of what stands between "<style" or "<script" and its end.
static size_t hidden_len(struct view rest) {
    static const struct {
        struct view begin, end;
    } rows[] = {{{"<style", 6}, {"</style>", 8}},
                {{"<script", 7}, {"</script>", 9}},
                {{"<!--", 4}, {"-->", 3}},
                {{"<title", 6}, {"</title>", 8}}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_starts_with_nocase(rest, rows[i].begin)) {
            size_t at = view_find_nocase(rest, rows[i].end);
            return size_min(at + rows[i].end.len, rest.len);
        }
    return 0;
}

// "&lt;" and its like; returns the length, zero for an ampersand that means itself.
static size_t take_entity(struct view rest, char *out) {
    static const struct {
        struct view name;
        char c;
    } rows[] = {{{"&lt;", 4}, '<'},   {{"&gt;", 4}, '>'},   {{"&amp;", 5}, '&'},
                {{"&quot;", 6}, '"'}, {{"&nbsp;", 6}, ' '}, {{"&#39;", 5}, '\''},
                {{"&#64;", 5}, '@'},  {{"&#46;", 5}, '.'}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_starts_with_nocase(rest, rows[i].name)) {
            *out = rows[i].c;
            return rows[i].name.len;
        }
    return 0;
}

// What the tag at the start says to the text, and how long it is.
static size_t take_tag(struct view rest, char *out) {
    size_t len = hidden_len(rest), end = view_find_char(rest, '>');
    *out = '\0';
    if (len)
        return len;
    if (end == rest.len) {
        *out = '<';
        return 1;
    }
    // "<user@example.org>" that nobody escaped is no tag.
    struct view inside = view_take(view_skip(rest, 1), end - 1);
    if (view_find_char(inside, '@') < inside.len && view_find_char(inside, ' ') == inside.len) {
        *out = '<';
        return 1;
    }
    *out = ends_line(inside) ? '\n' : '\0';
    return end + 1;
}

struct view reader_html_text(struct view html, struct arena *arena) {
    char *text = arena_alloc(arena, html.len + 1);
    size_t n = 0;
    if (!text)
        return VIEW_NONE;
    while (html.len) {
        char c = html.ptr[0];
        size_t len = c == '<' ? take_tag(html, &c) : c == '&' ? take_entity(html, &c) : 1;
        if (c == '\n' && html.ptr[0] != '<')
            c = ' '; // a line end in the source is a blank
        if (c)
            text[n++] = c;
        html = view_skip(html, size_max(len, 1));
    }
    ASSERT(n <= html.len + n);
    return view_from(text, n);
}
