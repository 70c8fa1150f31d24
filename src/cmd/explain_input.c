// SPDX-License-Identifier: Apache-2.0
// The inputs of explain: files, folders and standard input, and what their bytes are. A mailbox is
// read mail by mail, whatever its size.
#include "cmd/explain.h"

#include "mail/mail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// --- What it is ----------------------------------------------------------------------------------
// A mail begins with fields that mail has; lines of a log have colons too.
static bool is_mail(struct view bytes) {
    static const struct view names[] = {
        {"from", 4},          {"to", 2},           {"subject", 7},      {"date", 4},
        {"received", 8},      {"message-id", 10},  {"return-path", 11}, {"mime-version", 12},
        {"content-type", 12}, {"delivered-to", 12}};
    struct mail_field field;
    struct view rest = view_take(bytes, 64 << 10);
    size_t n = 0;
    if (view_find_char(rest, '\n') == rest.len && view_find_char(rest, '\r') < rest.len)
        return true; // lines that end with CR alone: the reader of mail knows them
    while (n < 2 && mail_field_take(&rest, &field))
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            n += view_equals_nocase(field.name, names[i]);
    return n >= 2;
}

static bool is_mailbox(struct view bytes) {
    return view_starts_with(bytes, VIEW("From "));
}

// --- Lines ---------------------------------------------------------------------------------------
// The same failure is told once; how often it came is told with it.
struct line_story {
    enum cause cause;
    struct view code, enhanced, host;
    size_t n;
};

struct line_reader {
    struct explain *explain;
    struct arena arena;
    struct line_story stories[EXPLAIN_LINES_MAX];
    size_t n_stories, n_lines, n_known;
};

static struct line_story *story_of(struct line_reader *reader, const struct reader_words *words) {
    enum cause cause = reader_words_cause(words);
    for (size_t i = 0; i < reader->n_stories; i++) {
        struct line_story *story = &reader->stories[i];
        if (story->cause == cause && view_equals(story->code, words->code) &&
            view_equals(story->enhanced, words->enhanced) && view_equals(story->host, words->host))
            return story;
    }
    return NULL;
}

static void put_quote(struct explain *explain, struct view line) {
    if (explain->is_json)
        return;
    buffer_append_view(&explain->out, VIEW("> "));
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        if (c < ' ' || c == 0x7f)
            buffer_printf(&explain->out, "\\x%02x", c);
        else
            buffer_append_char(&explain->out, (char)c);
    }
    buffer_append_char(&explain->out, '\n');
}

static void read_line(struct line_reader *reader, struct view line, bool is_alone) {
    struct reader_reading reading;
    struct arena_mark mark = arena_mark(&reader->arena);
    reader_line_read(line, &reader->arena, &reading);
    const struct reader_words *words = &reading.recipients[0].words;
    bool is_known = words->fact.kind != FACT_KIND_NONE && words->fact.kind != FACT_KIND_OK;
    struct line_story *story = is_known ? story_of(reader, words) : NULL;
    reader->n_lines++;
    reader->n_known += is_known;
    if (story)
        story->n++;
    // Among many lines those without a failure are passed over; a single one gets its answer.
    if (story || (!is_known && !is_alone) || reader->n_stories == EXPLAIN_LINES_MAX) {
        arena_reset(&reader->arena, mark);
        return;
    }
    reader->stories[reader->n_stories++] = (struct line_story){
        reader_words_cause(words), words->code, words->enhanced, words->host, 1};
    if (!is_alone)
        put_quote(reader->explain, view_take(line, 300));
    explain_answer(reader->explain, &reading);
}

static void explain_lines(struct explain *explain, struct view bytes) {
    struct line_reader *reader = mem_alloc_zero(sizeof(*reader));
    struct view rest = bytes, line, trimmed = view_trim(bytes);
    bool is_alone = view_find_char(trimmed, '\n') == trimmed.len;
    reader->explain = explain;
    arena_init(&reader->arena, EXPLAIN_ARENA_BYTES_MAX);
    while (view_split(&rest, '\n', &line)) {
        line = view_trim(line);
        if (line.len)
            read_line(reader, line, is_alone);
    }
    if (!is_alone && !explain->is_json && reader->n_known > reader->n_stories)
        printf("\n%zu lines, %zu with a failure, %zu different ones told above\n", reader->n_lines,
               reader->n_known, reader->n_stories);
    if (reader->n_known == 0)
        explain->has_failed = true;
    if (reader->n_known == 0 && !is_alone)
        explain_fail(explain, explain->show.file.len ? explain->show.file.ptr : "the text",
                     "no mail error was found in it");
    arena_finish(&reader->arena);
    free(reader);
}

// --- Mails ---------------------------------------------------------------------------------------
static bool explain_mail(struct explain *explain, struct view message, bool is_sure) {
    struct arena arena;
    struct reader_reading reading;
    arena_init(&arena, EXPLAIN_ARENA_BYTES_MAX);
    reader_mail_read(message, &arena, &reading);
    bool is_told = is_sure || reading.n_recipients > 0;
    if (is_told)
        explain_answer(explain, &reading);
    arena_finish(&arena);
    return is_told;
}

// A bounce that somebody copied out of a mail program has no header; an empty one makes it a
// message.
static bool explain_bare_notice(struct explain *explain, struct view bytes) {
    struct buffer message;
    if (view_find_char(view_trim(bytes), '\n') == view_trim(bytes).len || bytes.len > (1 << 20))
        return false;
    buffer_init(&message, 2 << 20);
    buffer_append_char(&message, '\n');
    buffer_append_view(&message, bytes);
    bool is_told = explain_mail(explain, buffer_view(&message), false);
    buffer_finish(&message);
    return is_told;
}

void explain_bytes(struct explain *explain, struct view bytes) {
    struct view message;
    if (view_trim(bytes).len == 0) {
        explain_fail(explain, explain->show.file.len ? explain->show.file.ptr : "the text",
                     "it is empty");
        return;
    }
    if (is_mailbox(bytes) || is_mail(bytes)) {
        while (reader_mailbox_take(&bytes, &message))
            (void)explain_mail(explain, message, true);
    } else if (reader_queue_detect(bytes) != READER_QUEUE_NONE) {
        explain_queue(explain, bytes);
    } else if (!explain_bare_notice(explain, bytes)) {
        explain_lines(explain, bytes);
    }
}

// --- Files ---------------------------------------------------------------------------------------
struct input {
    struct explain *explain;
    const char *name;
    int fd;
    struct buffer bytes;
    bool is_at_end;
};

// False when no more room is left.
static bool read_more(struct input *input) {
    size_t wanted = size_max(input->bytes.len, 256 << 10);
    wanted = size_min(wanted, input->bytes.size_max - input->bytes.len);
    char *room = wanted ? buffer_reserve(&input->bytes, wanted) : NULL;
    if (!room)
        return false;
    for (;;) {
        ssize_t n = read(input->fd, room, wanted);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            explain_fail(input->explain, input->name, strerror(errno));
        input->is_at_end = n <= 0;
        if (n > 0)
            buffer_advance(&input->bytes, (size_t)n);
        return true;
    }
}

static void read_mailbox(struct input *input) {
    while (input->bytes.len || !input->is_at_end) {
        struct view rest = buffer_view(&input->bytes), message = VIEW_NONE;
        bool has_one = reader_mailbox_take(&rest, &message);
        // The last message in the buffer may go on in the file.
        if ((!has_one || rest.ptr == NULL) && !input->is_at_end && read_more(input))
            continue;
        if (has_one)
            (void)explain_mail(input->explain, message, true);
        buffer_consume(&input->bytes, message.len);
        if (!has_one)
            return;
    }
}

static void read_whole(struct input *input) {
    while (!input->is_at_end && read_more(input)) {
    }
    if (!input->is_at_end)
        explain_fail(input->explain, input->name,
                     "larger than 512 MB: only its beginning was read");
    explain_bytes(input->explain, buffer_view(&input->bytes));
}

static void explain_descriptor(struct explain *explain, const char *name, int fd) {
    struct input input = {.explain = explain, .name = name, .fd = fd};
    // A path holds the names of people, too.
    explain->show.file = explain->redaction ? VIEW("[file]") : view_of(name);
    buffer_init(&input.bytes, EXPLAIN_MAIL_BYTES_MAX);
    (void)read_more(&input);
    if (is_mailbox(buffer_view(&input.bytes))) {
        read_mailbox(&input);
    } else {
        input.bytes.size_max = EXPLAIN_FILE_BYTES_MAX;
        read_whole(&input);
    }
    buffer_finish(&input.bytes);
}

// --- Folders -------------------------------------------------------------------------------------
static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void explain_file(struct explain *explain, const char *path) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0) {
        explain_fail(explain, path, strerror(errno));
    } else if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) {
        explain_fail(explain, path, "not a file that can be read");
    } else {
        fcntl(fd, F_SETFL, 0); // a pipe is waited for
        explain_descriptor(explain, path, fd);
    }
    if (fd >= 0)
        close(fd);
}

// The files of a folder, in the order of their names; of a Maildir those of cur and new.
static size_t explain_folder(struct explain *explain, const char *path) {
    struct dirent **entries = NULL;
    struct stat status;
    char name[4096];
    size_t n_read = 0;
    int n = scandir(path, &entries, is_shown, by_name);
    if (n < 0)
        explain_fail(explain, path, strerror(errno));
    for (int i = 0; i < n; i++) {
        int len = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        bool fits = len > 0 && (size_t)len < sizeof(name);
        if (fits && stat(name, &status) == 0 && S_ISREG(status.st_mode)) {
            explain_file(explain, name);
            n_read++;
        }
        free(entries[i]);
    }
    free(entries);
    return n_read;
}

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static void explain_maildir(struct explain *explain, const char *path) {
    static const char *const parts[] = {"new", "cur"};
    char name[4096];
    size_t n = 0;
    bool is_maildir = false;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int len = snprintf(name, sizeof(name), "%s/%s", path, parts[i]);
        if (len <= 0 || (size_t)len >= sizeof(name) || !is_folder(name))
            continue;
        is_maildir = true;
        n += explain_folder(explain, name);
    }
    if (!is_maildir)
        n = explain_folder(explain, path);
    if (n == 0)
        explain_fail(explain, path, "no files in it");
}

void explain_path(struct explain *explain, const char *path) {
    if (strcmp(path, "-") == 0)
        explain_descriptor(explain, "-", STDIN_FILENO);
    else if (is_folder(path))
        explain_maildir(explain, path);
    else
        explain_file(explain, path);
}
