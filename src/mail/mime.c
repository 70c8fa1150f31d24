// SPDX-License-Identifier: Apache-2.0
// The parts of a message (RFC 2046 5.1). Bounces carry mail that somebody broke: boundaries that
// never come, parts without an end, multiparts that do not say how they are divided. What cannot be
// divided stays whole, so that its text is read all the same.
#include "mail/field.h"
#include "mail/mail.h"

// What of a part's header says how it is divided.
struct division {
    struct view boundary;
    bool is_multipart;
};

// --- Content-Type --------------------------------------------------------------------------------
static struct view lower(struct view text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + 1);
    if (!copy)
        return VIEW_NONE;
    for (size_t i = 0; i < text.len; i++)
        copy[i] = ascii_lower(text.ptr[i]);
    return view_from(copy, text.len);
}

// The value at the start of `rest`, quoted or not (RFC 2045 5.1); takes it off.
static struct view take_value(struct view *rest) {
    struct view value;
    if (rest->len && rest->ptr[0] == '"') {
        *rest = view_skip(*rest, 1);
        size_t end = view_find_char(*rest, '"');
        value = view_take(*rest, end);
        *rest = view_skip(*rest, end + 1);
        return value;
    }
    size_t end = view_find_char(*rest, ';');
    value = view_trim(view_take(*rest, end));
    *rest = view_skip(*rest, end);
    return value;
}

static bool take_parameter(struct view *rest, struct view *name, struct view *value) {
    while (rest->len && memchr("; \t\r\n", rest->ptr[0], 5))
        *rest = view_skip(*rest, 1);
    size_t equals = view_find_char(*rest, '=');
    if (equals == rest->len)
        return false;
    *name = view_trim(view_take(*rest, equals));
    *rest = view_skip(*rest, equals + 1);
    while (rest->len && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t'))
        *rest = view_skip(*rest, 1);
    *value = take_value(rest);
    return true;
}

static void take_content_type(struct view value, struct arena *arena, struct mail_part *part,
                              struct division *division) {
    struct view name, rest = mail_unfold(value, arena);
    size_t end = 0;
    while (end < rest.len && !memchr("; \t", rest.ptr[end], 3))
        end++;
    part->type = lower(view_take(rest, end), arena);
    part->is_typed = true;
    rest = view_skip(rest, end);
    for (struct view parameter; take_parameter(&rest, &name, &parameter);) {
        if (view_equals_nocase(name, VIEW("charset")))
            part->charset = view_take(parameter, view_find_char(parameter, ' '));
        else if (view_equals_nocase(name, VIEW("boundary")))
            division->boundary = parameter;
        else if (view_equals_nocase(name, VIEW("report-type")))
            part->report_type = lower(parameter, arena);
        else if (view_equals_nocase(name, VIEW("name")))
            part->name = parameter;
    }
    division->is_multipart = view_starts_with(part->type, VIEW("multipart/"));
}

static void read_header(struct mail_part *part, struct arena *arena, struct division *division) {
    struct mail_field field;
    struct view rest = part->header;
    *division = (struct division){VIEW_NONE, false};
    while (mail_field_take(&rest, &field)) {
        if (field.name.len < 12 || ascii_lower(field.name.ptr[0]) != 'c')
            continue;
        if (view_equals_nocase(field.name, VIEW("Content-Type")) && !part->is_typed)
            take_content_type(field.value, arena, part, division);
        else if (view_equals_nocase(field.name, VIEW("Content-Transfer-Encoding")))
            part->encoding = view_take(field.value, view_find_char(field.value, ';'));
        else if (view_equals_nocase(field.name, VIEW("Content-Disposition")))
            part->is_attachment = view_starts_with_nocase(field.value, VIEW("attachment"));
    }
    // RFC 2045 5.2.
    if (part->type.len == 0 || view_find_char(part->type, '/') == part->type.len)
        part->type = VIEW("text/plain");
}

// --- Boundaries ----------------------------------------------------------------------------------
struct delimiter {
    size_t at, after; // where its line begins, where the next one does
    bool is_last;     // "--boundary--"
};

// The next line "--boundary" or "--boundary--" in `body`. RFC 2046 5.1.1: blanks may follow.
static bool find_delimiter(struct view body, struct view boundary, struct delimiter *found) {
    for (size_t from = 0; from < body.len;) {
        size_t at = from + view_find(view_skip(body, from), boundary);
        if (at >= body.len)
            return false;
        from = at + 1;
        bool is_line = at >= 2 && body.ptr[at - 1] == '-' && body.ptr[at - 2] == '-' &&
                       (at == 2 || body.ptr[at - 3] == '\n');
        struct view tail = view_skip(body, at + boundary.len);
        size_t line_len = view_find_char(tail, '\n');
        struct view rest = view_trim(view_take(tail, line_len));
        found->is_last = view_equals(rest, VIEW("--"));
        if (!is_line || !(rest.len == 0 || found->is_last))
            continue;
        found->at = at - 2;
        found->after = size_min(at + boundary.len + line_len + 1, body.len);
        return true;
    }
    return false;
}

static struct view without_last_line_end(struct view body) {
    if (body.len && body.ptr[body.len - 1] == '\n')
        body.len--;
    if (body.len && body.ptr[body.len - 1] == '\r')
        body.len--;
    return body;
}

// --- The tree ------------------------------------------------------------------------------------
struct reading {
    struct arena *arena;
    struct mail_parts *out;
};

static struct mail_part *add_part(struct reading *reading, struct view bytes, unsigned depth,
                                  struct division *division) {
    struct mail_parts *out = reading->out;
    if (out->n == MAIL_PARTS_MAX) {
        out->is_cut = true;
        return NULL;
    }
    struct mail_part *part = &out->parts[out->n++];
    size_t header_len = mail_header_len(bytes);
    *part = (struct mail_part){.header = view_take(bytes, header_len),
                               .body = view_skip(bytes, header_len),
                               .depth = depth};
    read_header(part, reading->arena, division);
    return part;
}

// A body whose end was lost goes to the end of what there is. False where no part begins at all.
static bool cut_body(struct view body, struct view boundary, struct view *pieces, size_t *n) {
    struct delimiter next = {0};
    size_t size = *n;
    *n = 0;
    if (boundary.len == 0 || !find_delimiter(body, boundary, &next))
        return false;
    body = view_skip(body, next.after);
    while (*n < size && body.len && !next.is_last) {
        bool has_next = find_delimiter(body, boundary, &next);
        struct view piece = has_next ? without_last_line_end(view_take(body, next.at)) : body;
        if (view_trim(piece).len)
            pieces[(*n)++] = piece;
        if (!has_next)
            break;
        body = view_skip(body, next.after);
    }
    return *n > 0;
}

// RFC 2046 5.1.1 demands the parameter, but some systems break its line without a blank, so that it
// is lost: then the first line that looks like a delimiter tells it.
static struct view guess_boundary(struct view body) {
    enum { LOOKED_AT_MAX = 4096, BOUNDARY_MAX = 70 };
    struct view rest = view_take(body, LOOKED_AT_MAX), line;
    while (view_split(&rest, '\n', &line)) {
        line = view_trim(line);
        if (view_starts_with(line, VIEW("--")) && line.len > 2 && line.len <= BOUNDARY_MAX + 2 &&
            view_find_char(line, ' ') == line.len)
            return view_skip(line, 2);
    }
    return VIEW_NONE;
}

// Depth first, with a stack of what is still to be cut instead of recursion: the order in which the
// parts stand is the order in which they come out.
struct pending {
    struct view bytes;
    unsigned depth;
};

static void push_pieces(struct reading *reading, const struct mail_part *part, struct view boundary,
                        struct pending *stack, size_t *n_stack) {
    struct view pieces[MAIL_PARTS_MAX];
    size_t n = MAIL_PARTS_MAX - size_min(reading->out->n + *n_stack, MAIL_PARTS_MAX);
    if (part->depth + 1 >= MAIL_PART_DEPTH_MAX) {
        reading->out->is_cut = true;
        return;
    }
    if (!cut_body(part->body, boundary, pieces, &n))
        return;
    for (size_t i = n; i > 0; i--)
        stack[(*n_stack)++] = (struct pending){pieces[i - 1], part->depth + 1};
}

void mail_parts_read(struct view message, struct arena *arena, struct mail_parts *parts) {
    struct reading reading = {arena, parts};
    struct pending stack[MAIL_PARTS_MAX];
    size_t n_stack = 0;
    parts->n = 0;
    parts->is_cut = false;
    stack[n_stack++] = (struct pending){message, 0};
    while (n_stack > 0) {
        struct division division;
        struct pending next = stack[--n_stack];
        struct mail_part *part = add_part(&reading, next.bytes, next.depth, &division);
        if (part && division.is_multipart) {
            size_t before = n_stack;
            if (division.boundary.len == 0)
                division.boundary = guess_boundary(part->body);
            push_pieces(&reading, part, division.boundary, stack, &n_stack);
            if (n_stack == before) // nothing to divide: its text is read as it stands
                part->type = VIEW("text/plain");
        }
        ASSERT(n_stack <= MAIL_PARTS_MAX);
    }
}
