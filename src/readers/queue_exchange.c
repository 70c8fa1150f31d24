// SPDX-License-Identifier: Apache-2.0
// Get-Queue of Exchange as people send it: Format-List (wrapped at the width of a window), the
// table, Export-Csv. One queue is one destination with a count and its last error.
#include "readers/queue.h"

static bool is_blank_line(struct view line) {
    return view_trim(line).len == 0;
}

void queue_add_exchange(struct queue_builder *builder, const struct queue_exchange *found) {
    uint64_t count = 0;
    if (!view_to_u64(view_trim(found->count), &count))
        builder->queue->n_unread++;
    if (count == 0)
        return;
    // Many messages behind one entry: the builder counts one, the rest is added.
    queue_message(builder, 0);
    builder->queue->n_messages += count - 1;
    struct queue_entry entry = {
        .reason = found->error, .destination = found->destination, .n_messages = count};
    queue_add(builder, &entry);
}

static void set_member(struct queue_exchange *found, struct view name, struct view value) {
    if (view_equals_nocase(name, VIEW("NextHopDomain")))
        found->destination = value;
    else if (view_equals_nocase(name, VIEW("MessageCount")))
        found->count = value;
    else if (view_equals_nocase(name, VIEW("LastError")))
        found->error = value;
    else if (view_equals_nocase(name, VIEW("Status")))
        found->status = value;
}

// --- Format-List ---------------------------------------------------------------------------------
struct list_reader {
    struct queue_builder *builder;
    struct queue_exchange found;
    struct buffer values; // a value that goes on in further lines is put together here
    struct view name;
};

static void end_member(struct list_reader *reader) {
    struct view value = arena_copy(reader->builder->arena, view_trim(buffer_view(&reader->values)));
    if (reader->name.len)
        set_member(&reader->found, reader->name, value);
    reader->name = VIEW_NONE;
    buffer_clear(&reader->values);
}

static void end_queue(struct list_reader *reader) {
    end_member(reader);
    if (reader->found.count.len)
        queue_add_exchange(reader->builder, &reader->found);
    reader->found = (struct queue_exchange){0};
}

void queue_read_exchange_list(struct queue_builder *builder, struct view text) {
    struct list_reader reader = {.builder = builder};
    struct view line;
    buffer_init(&reader.values, 64 << 10);
    while (view_split(&text, '\n', &line)) {
        size_t colon = view_find(line, VIEW(" : "));
        bool is_member = line.len && colon < line.len && line.ptr[0] != ' ';
        if (is_blank_line(line)) {
            // Wrapping may leave empty lines inside a value; a queue begins with its identity.
            continue;
        }
        if (!is_member) { // cut inside a word: nothing is put between
            buffer_append_view(&reader.values, view_trim(line));
            continue;
        }
        struct view name = view_trim(view_take(line, colon));
        if (view_equals_nocase(name, VIEW("Identity")) ||
            view_equals_nocase(name, VIEW("RunspaceId")))
            end_queue(&reader);
        end_member(&reader);
        reader.name = name;
        buffer_append_view(&reader.values, view_skip(line, colon + 3));
    }
    end_queue(&reader);
    buffer_finish(&reader.values);
}

// --- The table -----------------------------------------------------------------------------------
// Columns begin where the dashes below their names do.
struct column {
    size_t from, to;
};

static struct view cell(struct view line, struct column column) {
    return view_trim(view_take(view_skip(line, column.from), column.to - column.from));
}

static struct column column_of(struct view names, struct view dashes, struct view name) {
    size_t from = view_find(names, name), to = from;
    if (from == names.len)
        return (struct column){0, 0};
    // The last character of a right-aligned name may stand anywhere above its dashes.
    while (from > 0 && from < dashes.len && dashes.ptr[from - 1] == '-')
        from--;
    while (to < dashes.len && dashes.ptr[to] == '-')
        to++;
    while (to < dashes.len && dashes.ptr[to] == ' ')
        to++;
    return (struct column){from, to >= dashes.len ? SIZE_MAX : to};
}

void queue_read_exchange_table(struct queue_builder *builder, struct view text) {
    struct view line, names = VIEW_NONE, dashes = VIEW_NONE;
    while (view_split(&text, '\n', &line)) {
        if (view_find(line, VIEW("MessageCount")) < line.len) {
            names = line;
            continue;
        }
        if (view_starts_with(view_trim(line), VIEW("----"))) {
            dashes = line;
            continue;
        }
        if (dashes.len == 0 || is_blank_line(line))
            continue;
        struct queue_exchange found = {
            .destination = cell(line, column_of(names, dashes, VIEW("NextHopDomain"))),
            .count = cell(line, column_of(names, dashes, VIEW("MessageCount"))),
            .error = cell(line, column_of(names, dashes, VIEW("LastError")))};
        queue_add_exchange(builder, &found);
    }
}

// --- Export-Csv ----------------------------------------------------------------------------------
enum { CSV_FIELDS_MAX = 64 };

// RFC 4180 2: quotes inside are doubled, a quoted field may hold line ends. The text comes from
// `arena` only where quotes had to be undone.
static struct view csv_field(struct view *rest, struct arena *arena, bool *ends_record) {
    struct view field = VIEW_NONE;
    size_t end = 0;
    if (rest->len && rest->ptr[0] == '"') {
        bool has_quotes = false;
        for (end = 1; end < rest->len; end++) {
            if (rest->ptr[end] != '"')
                continue;
            if (end + 1 >= rest->len || rest->ptr[end + 1] != '"')
                break;
            has_quotes = true;
            end++;
        }
        field = view_take(view_skip(*rest, 1), end - 1);
        if (has_quotes) {
            char *copy = arena_alloc(arena, field.len);
            size_t len = 0;
            for (size_t i = 0; copy && i < field.len; i++) {
                copy[len++] = field.ptr[i];
                i += field.ptr[i] == '"';
            }
            field = view_from(copy, len);
        }
        end = size_min(end + 1, rest->len);
    }
    while (end < rest->len && rest->ptr[end] != ',' && rest->ptr[end] != '\n')
        end++;
    if (field.ptr == NULL)
        field = view_trim(view_take(*rest, end));
    *ends_record = end >= rest->len || rest->ptr[end] == '\n';
    *rest = view_skip(*rest, end + 1);
    return field;
}

static size_t csv_record(struct view *rest, struct arena *arena, struct view *fields) {
    size_t n = 0;
    bool ends = false;
    while (!ends && rest->len) {
        struct view field = csv_field(rest, arena, &ends);
        if (n < CSV_FIELDS_MAX)
            fields[n++] = field;
    }
    return n;
}

void queue_read_exchange_csv(struct queue_builder *builder, struct view text) {
    struct view names[CSV_FIELDS_MAX], fields[CSV_FIELDS_MAX];
    size_t n_names = 0;
    while (text.len) {
        if (n_names == 0 && text.ptr[0] == '#') { // "#TYPE Microsoft.Exchange..."
            text = view_skip(text, view_find_char(text, '\n') + 1);
            continue;
        }
        size_t n = csv_record(&text, builder->arena, n_names ? fields : names);
        if (n_names == 0) {
            n_names = n;
            continue;
        }
        struct queue_exchange found = {0};
        for (size_t i = 0; i < size_min(n, n_names); i++)
            set_member(&found, names[i], fields[i]);
        if (n > 1)
            queue_add_exchange(builder, &found);
    }
}
