// SPDX-License-Identifier: Apache-2.0
// Many targets at the same time: so many fibers take the next one from the list; each answer is
// printed when it is there. On a terminal a bar shows how far it is.
#include "cmd/cmd.h"
#include "cmd/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// --- The list ------------------------------------------------------------------------------------
void probe_list_add(struct probe_list *list, const char *text) {
    enum { FIRST = 64 };
    if (list->n == list->size) {
        list->size = list->size ? 2 * list->size : FIRST;
        list->texts = mem_realloc(list->texts, list->size * sizeof(*list->texts));
    }
    list->texts[list->n++] = mem_copy_string(text);
}

bool probe_list_read(struct probe_list *list, const char *path, struct error *error) {
    char *line = NULL;
    size_t size = 0;
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "re");
    if (!file)
        return error_set_errno(error, errno, "%s cannot be read", path);
    while (getline(&line, &size, file) >= 0) {
        struct view text = view_trim(view_of(line));
        if (text.len == 0 || text.ptr[0] == '#')
            continue;
        line[text.ptr - line + (ptrdiff_t)text.len] = '\0';
        probe_list_add(list, text.ptr);
    }
    free(line);
    if (!is_input)
        fclose(file);
    return list->n > 0 || error_set(error, "%s names no target", path);
}

void probe_list_finish(struct probe_list *list) {
    for (size_t i = 0; i < list->n; i++)
        free(list->texts[i]);
    free(list->texts);
}

// --- The work ------------------------------------------------------------------------------------
struct work {
    struct probe_call *call;
    const struct probe_list *list;
    struct probe_totals *totals;
    struct probe_paint paint;
    size_t next;
    bool has_bar;
};

static size_t n_done(const struct probe_totals *totals) {
    return totals->n_well + totals->n_fault + totals->n_wrong;
}

static void draw_bar(const struct work *work) {
    enum { COLUMNS = 40 };
    size_t done = n_done(work->totals), n = work->list->n;
    int filled = (int)(done * COLUMNS / n);
    if (!work->has_bar)
        return;
    fprintf(stderr, "\r\033[K[%.*s%*s] %zu of %zu, %zu with a fault", filled,
            "########################################", COLUMNS - filled, "", done, n,
            work->totals->n_fault);
    fflush(stderr);
}

static void erase_bar(const struct work *work) {
    if (work->has_bar)
        fputs("\r\033[K", stderr);
}

// What was in the file must not reach a terminal as a command.
static void print_plain(const char *text) {
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, stderr);
}

static void print_error(const struct probe_one *one, bool is_json) {
    struct buffer out;
    struct json_writer json;
    if (!is_json) {
        fputs("postrider probe: ", stderr);
        print_plain(one->error.text);
        fputc('\n', stderr);
        return;
    }
    buffer_init(&out, 8 << 10);
    json_begin(&json, &out);
    json_object_begin(&json);
    json_put_string(&json, "target", view_of(one->text));
    json_put_string(&json, "error", view_of(one->error.text));
    json_object_end(&json);
    buffer_append_char(&out, '\n');
    fwrite(out.ptr, 1, out.len, stdout);
    buffer_finish(&out);
}

static void print_answer(const struct work *work, const struct probe_one *one) {
    struct buffer out;
    struct json_writer json;
    buffer_init(&out, 1 << 20);
    if (work->call->is_json) {
        json_begin(&json, &out);
        probe_write_json(&one->result, &json);
        buffer_append_char(&out, '\n');
    } else {
        probe_write_line(&one->result, &work->paint, &out);
    }
    fwrite(out.ptr, 1, out.len, stdout);
    buffer_finish(&out);
}

static void take_targets(void *arg) {
    struct work *work = arg;
    while (work->next < work->list->n && !io_is_canceled()) {
        struct probe_one *one = mem_alloc_zero(sizeof(*one));
        one->call = work->call;
        one->text = work->list->texts[work->next++];
        probe_one_run(one);
        erase_bar(work);
        if (!one->is_done)
            work->totals->n_wrong++;
        else if (probe_found_fault(&one->result))
            work->totals->n_fault++;
        else
            work->totals->n_well++;
        if (one->is_done)
            print_answer(work, one);
        else
            print_error(one, work->call->is_json);
        draw_bar(work);
        probe_one_finish(one);
        free(one);
    }
}

void probe_many_run(struct probe_call *call, const struct probe_list *list,
                    struct probe_totals *totals) {
    struct work work = {.call = call, .list = list, .totals = totals};
    struct io_group group;
    call->options.crowd = probe_crowd_create(PROBE_SESSIONS_AT_ADDRESS_MAX);
    work.has_bar = isatty(STDERR_FILENO);
    probe_paint_init(&work.paint);
    io_group_init(&group);
    for (size_t i = 0; i < size_min(list->n, call->concurrency); i++)
        io_group_spawn(&group, "probe-target", take_targets, &work);
    io_group_wait(&group, IO_NEVER);
    probe_crowd_destroy(call->options.crowd);
    call->options.crowd = NULL;
    erase_bar(&work);
    if (!call->is_json)
        printf("%zu targets: %zu well, %zu with a fault, %zu not understood\n", list->n,
               totals->n_well, totals->n_fault, totals->n_wrong);
}
