// SPDX-License-Identifier: Apache-2.0
#include "dialogue/play.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 4096, INPUT_BYTES_MAX = 256 * 1024, SCRIPT_BYTES_MAX = 1 << 20 };

enum line_kind { LINE_SETTING, LINE_SECTION, LINE_SPEECH };

struct line {
    enum line_kind kind;
    unsigned number;
    struct view name; // of a setting or a section
    char role;
    struct view text; // escapes resolved; of an action without its parentheses
    bool is_action;
    bool is_open; // without CRLF
};

struct play {
    char *name;
    struct buffer script;
    struct buffer texts; // with escapes resolved
    struct line *lines;
    size_t n_lines;
};

// --- Reading a script -------------------------------------------------------------------------
_Noreturn static void complain(const struct play *play, unsigned number, const char *what,
                               struct view about) {
    fprintf(stderr, "%s:%u: %s: %.*s\n", play->name, number, what, VIEW_ARG(about));
    exit(2);
}

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, ascii_lower(c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

// "\*" keeps its backslash: only play_matches takes it away.
static size_t resolve_escape(const struct play *play, unsigned number, struct view text,
                             struct buffer *out) {
    char c = text.len > 1 ? text.ptr[1] : '\0';
    switch (c) {
    case 'r': buffer_append_char(out, '\r'); return 2;
    case 'n': buffer_append_char(out, '\n'); return 2;
    case 't': buffer_append_char(out, '\t'); return 2;
    case '0': buffer_append_char(out, '\0'); return 2;
    case '\\': buffer_append_char(out, '\\'); return 2;
    case '(': buffer_append_char(out, '('); return 2;
    case '*': buffer_append(out, "\\*", 2); return 2;
    case 'x':
        if (text.len > 3 && hex_digit(text.ptr[2]) >= 0 && hex_digit(text.ptr[3]) >= 0) {
            buffer_append_char(out, (char)(hex_digit(text.ptr[2]) * 16 + hex_digit(text.ptr[3])));
            return 4;
        }
        break;
    default: break;
    }
    complain(play, number, "unknown escape", text);
}

static struct view resolve(struct play *play, unsigned number, struct view text) {
    size_t begin = play->texts.len;
    for (size_t at = 0; at < text.len;) {
        if (text.ptr[at] == '\\') {
            at += resolve_escape(play, number, view_skip(text, at), &play->texts);
        } else {
            buffer_append_char(&play->texts, text.ptr[at]);
            at++;
        }
    }
    return view_skip(buffer_view(&play->texts), begin);
}

static struct line parse_speech(struct play *play, struct line line, struct view text) {
    line.kind = LINE_SPEECH;
    line.role = line.name.ptr[0];
    text = text.len && text.ptr[0] == ' ' ? view_skip(text, 1) : text;
    line.is_action = text.len > 1 && text.ptr[0] == '(' && text.ptr[text.len - 1] == ')';
    if (line.is_action)
        text = view_take(view_skip(text, 1), text.len - 2);
    else if (text.len && text.ptr[text.len - 1] == '\\') {
        line.is_open = true;
        text.len--;
    }
    line.text = resolve(play, line.number, text);
    return line;
}

static void parse_line(struct play *play, struct view text, unsigned number) {
    struct line line = {.number = number};
    size_t colon = view_find_char(text, ':');
    if (view_trim(text).len == 0 || text.ptr[0] == '#')
        return;
    if (play->n_lines == LINES_MAX)
        complain(play, number, "too many lines", text);
    if (text.ptr[0] == '[') {
        line.kind = LINE_SECTION;
        line.name = view_take(view_skip(text, 1), view_find_char(text, ']') - 1);
    } else if (colon == text.len) {
        complain(play, number, "neither speech nor setting", text);
    } else {
        line.kind = LINE_SETTING;
        line.name = view_take(text, colon);
        line.text = view_trim(view_skip(text, colon + 1));
        if (colon == 1 && (text.ptr[0] == 'S' || text.ptr[0] == 'C'))
            line = parse_speech(play, line, view_skip(text, colon + 1));
    }
    play->lines[play->n_lines++] = line;
}

struct play *play_parse(struct view text, const char *name) {
    struct play *play = mem_alloc_zero(sizeof(*play));
    struct view line;
    unsigned number = 0;
    play->name = mem_copy_string(name);
    play->lines = mem_alloc(LINES_MAX * sizeof(struct line));
    buffer_init(&play->script, SCRIPT_BYTES_MAX);
    buffer_init(&play->texts, SCRIPT_BYTES_MAX);
    // Views point into it, so it must not move.
    char *room = buffer_reserve(&play->texts, text.len);
    ASSERT(room != NULL);
    buffer_append_view(&play->script, text);
    ASSERT(!play->script.overflow);
    struct view rest = buffer_view(&play->script);
    while (view_split(&rest, '\n', &line))
        parse_line(play, line, ++number);
    return play;
}

struct play *play_load(const char *path) {
    char *text = mem_alloc(SCRIPT_BYTES_MAX);
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(2);
    }
    size_t len = fread(text, 1, SCRIPT_BYTES_MAX, file);
    fclose(file);
    struct play *play = play_parse(view_from(text, len), path);
    free(text);
    return play;
}

void play_free(struct play *play) {
    if (!play)
        return;
    buffer_finish(&play->script);
    buffer_finish(&play->texts);
    free(play->lines);
    free(play->name);
    free(play);
}

// --- Questions --------------------------------------------------------------------------------
bool play_setting(const struct play *play, const char *name, size_t nth, struct view *value,
                  unsigned *line) {
    for (size_t i = 0; i < play->n_lines; i++) {
        const struct line *at = &play->lines[i];
        if (at->kind != LINE_SETTING || !view_equals(at->name, view_of(name)) || nth-- > 0)
            continue;
        *value = at->text;
        if (line)
            *line = at->number;
        return true;
    }
    return false;
}

const char *play_name(const struct play *play) {
    return play->name;
}

static void add_peer(struct view name, struct view *names, size_t *n, size_t max) {
    for (size_t i = 0; i < *n; i++)
        if (view_equals(names[i], name))
            return;
    ASSERT(*n < max);
    names[(*n)++] = name;
}

size_t play_peers(const struct play *play, struct view *names, size_t max) {
    size_t n = 0;
    struct view present = VIEW("");
    for (size_t i = 0; i < play->n_lines; i++) {
        if (play->lines[i].kind == LINE_SECTION)
            present = play->lines[i].name;
        if (play->lines[i].kind == LINE_SPEECH || play->lines[i].kind == LINE_SECTION)
            add_peer(present, names, &n, max);
    }
    return n;
}

// A section without speech names a peer that nobody comes to.
static bool has_speech(const struct play *play, size_t at) {
    while (at < play->n_lines && play->lines[at].kind == LINE_SETTING)
        at++;
    return at < play->n_lines && play->lines[at].kind == LINE_SPEECH;
}

// The first line behind the section's head, or the end.
static size_t find_connection(const struct play *play, struct view peer, size_t nth) {
    if (peer.len == 0)
        return nth == 0 ? 0 : play->n_lines;
    for (size_t i = 0; i < play->n_lines; i++)
        if (play->lines[i].kind == LINE_SECTION && view_equals(play->lines[i].name, peer) &&
            has_speech(play, i + 1) && nth-- == 0)
            return i + 1;
    return play->n_lines;
}

size_t play_connections(const struct play *play, struct view peer) {
    size_t n = 0;
    while (find_connection(play, peer, n) < play->n_lines)
        n++;
    return n;
}

bool play_matches(struct view pattern, struct view text) {
    while (pattern.len) {
        if (pattern.ptr[0] == '*') {
            for (size_t skip = 0; skip <= text.len; skip++)
                if (play_matches(view_skip(pattern, 1), view_skip(text, skip)))
                    return true;
            return false;
        }
        if (pattern.ptr[0] == '\\' && pattern.len > 1 && pattern.ptr[1] == '*')
            pattern = view_skip(pattern, 1);
        if (text.len == 0 || text.ptr[0] != pattern.ptr[0])
            return false;
        pattern = view_skip(pattern, 1);
        text = view_skip(text, 1);
    }
    return text.len == 0;
}

// --- Playing ----------------------------------------------------------------------------------
struct actor {
    const struct play_part *part;
    struct io_stream *stream; // NULL: closed
    struct buffer input, output;
    const struct line *line; // being played
    char *why;
    size_t why_size;
};

static io_time patience(const struct actor *actor) {
    return io_after(actor->part->patience_ms ? actor->part->patience_ms : 5000);
}

static bool leave(struct actor *actor, const char *what, struct view about) {
    snprintf(actor->why, actor->why_size, "%s:%u: expected \"%.*s\", %s%s%.*s%s",
             actor->part->play->name, actor->line->number, VIEW_ARG(actor->line->text), what,
             about.len ? " \"" : "", VIEW_ARG(view_take(about, 200)), about.len ? "\"" : "");
    return false;
}

// A peer that is gone already is not our business: the script says what it expects next.
IO_WAITS static void flush(struct actor *actor) {
    struct view bytes = buffer_view(&actor->output);
    ASSERT(!actor->output.overflow);
    if (actor->stream && bytes.len)
        io_write(actor->stream, bytes.ptr, bytes.len, patience(actor));
    buffer_clear(&actor->output);
}

IO_WAITS static bool send_bytes(struct actor *actor, struct view bytes) {
    buffer_append_view(&actor->output, bytes);
    if (!actor->part->gathers)
        flush(actor);
    return true;
}

IO_WAITS static struct io_result read_more(struct actor *actor, io_time deadline) {
    char bytes[8192];
    if (!actor->stream)
        return (struct io_result){.status = IO_EOF};
    struct io_result result = io_read(actor->stream, bytes, sizeof(bytes), deadline);
    if (io_is_ok(result))
        buffer_append(&actor->input, bytes, result.bytes);
    ASSERT(!actor->input.overflow);
    return result;
}

static const char *words_of(struct io_result result) {
    switch (result.status) {
    case IO_OK: return "got";
    case IO_EOF: return "the connection was closed";
    case IO_TIMEOUT: return "nothing came";
    case IO_CANCELED: return "was canceled";
    case IO_ERROR: break;
    }
    return "the connection failed";
}

// A whole line with its LF; `input` keeps it until line_drop.
IO_WAITS static bool take_line(struct actor *actor, struct view *line) {
    io_time deadline = patience(actor);
    for (;;) {
        struct view input = buffer_view(&actor->input);
        size_t end = view_find_char(input, '\n');
        if (end < input.len) {
            *line = view_take(input, end + 1);
            return true;
        }
        struct io_result result = read_more(actor, deadline);
        if (!io_is_ok(result))
            return leave(actor, words_of(result), input);
    }
}

static struct view without_end(struct view line) {
    if (line.len && line.ptr[line.len - 1] == '\n')
        line.len--;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

IO_WAITS static bool expect_like(struct actor *actor, struct view pattern, bool *is_dot) {
    struct view line;
    if (!take_line(actor, &line))
        return false;
    struct view text = without_end(line);
    bool has_crlf = line.len - text.len == 2;
    if (!has_crlf || !play_matches(pattern, text))
        return leave(actor, "got", has_crlf ? text : line);
    if (is_dot)
        *is_dot = view_equals(text, VIEW("."));
    buffer_consume(&actor->input, line.len);
    return true;
}

IO_WAITS static bool expect_closed(struct actor *actor) {
    io_time deadline = patience(actor);
    struct io_result result = {.status = IO_OK};
    if (actor->input.len)
        return leave(actor, "got", buffer_view(&actor->input));
    while (io_is_ok(result) && actor->input.len == 0)
        result = read_more(actor, deadline);
    if (result.status == IO_EOF || result.status == IO_ERROR)
        return true;
    return leave(actor, words_of(result), buffer_view(&actor->input));
}

IO_WAITS static bool expect_nothing(struct actor *actor, int64_t wait_ms) {
    struct io_result result = {.status = IO_TIMEOUT};
    if (actor->input.len == 0)
        result = read_more(actor, io_after(wait_ms));
    return result.status == IO_TIMEOUT && actor->input.len == 0
               ? true
               : leave(actor, words_of(result), buffer_view(&actor->input));
}

// "word number rest"
static void split_action(struct view text, struct view *word, uint64_t *number, struct view *rest) {
    struct view digits = VIEW_NONE;
    *number = 0;
    view_split(&text, ' ', word);
    *rest = text;
    if (view_split(&text, ' ', &digits) && view_to_u64(digits, number))
        *rest = text;
}

IO_WAITS static bool expect_action(struct actor *actor) {
    struct view word, rest;
    uint64_t number;
    split_action(actor->line->text, &word, &number, &rest);
    if (view_equals(word, VIEW("closed")))
        return expect_closed(actor);
    if (view_equals(word, VIEW("line")))
        return expect_like(actor, VIEW("*"), NULL);
    if (view_equals(word, VIEW("lines"))) {
        while (number > 0 && expect_like(actor, rest, NULL))
            number--;
        return number == 0;
    }
    if (view_equals(word, VIEW("nothing")))
        return expect_nothing(actor, (int64_t)number);
    if (!view_equals(word, VIEW("message")))
        complain(actor->part->play, actor->line->number, "unknown expectation", word);
    bool is_dot = false;
    while (!is_dot)
        if (!expect_like(actor, VIEW("*"), &is_dot))
            return false;
    return true;
}

IO_WAITS static bool drip(struct actor *actor, int64_t pause_ms, struct view text) {
    for (size_t i = 0; i < text.len && actor->stream; i++) {
        io_sleep(io_after(pause_ms));
        if (!io_is_ok(io_write(actor->stream, text.ptr + i, 1, patience(actor))))
            return true;
    }
    return true;
}

IO_WAITS static bool send_often(struct actor *actor, size_t n_bytes, struct view text) {
    struct buffer out;
    buffer_init(&out, SCRIPT_BYTES_MAX);
    while (out.len < n_bytes && !out.overflow)
        buffer_append_view(&out, view_take(text, n_bytes - out.len));
    send_bytes(actor, buffer_view(&out));
    buffer_finish(&out);
    return true;
}

IO_WAITS static bool send_lines(struct actor *actor, uint64_t n_lines, struct view text) {
    for (uint64_t i = 0; i < n_lines; i++) {
        send_bytes(actor, text);
        send_bytes(actor, VIEW("\r\n"));
    }
    return true;
}

IO_WAITS static bool start_tls(struct actor *actor) {
    const struct tls_policy policy = {.check = TLS_CHECK_NONE};
    struct tls_session session;
    if (actor->part->role == 'S')
        tls_server_start(actor->part->tls, &actor->stream, patience(actor), &session);
    else
        tls_client_start(actor->part->tls, &actor->stream, &policy, patience(actor), &session);
    return true;
}

// What has come is read first: a close that leaves bytes unread would be a reset.
IO_WAITS static bool end_connection(struct actor *actor, bool is_reset) {
    if (is_reset && actor->stream && actor->stream->ops->set_abort)
        actor->stream->ops->set_abort(actor->stream);
    buffer_clear(&actor->input);
    while (!is_reset && actor->stream && io_is_ok(read_more(actor, io_now())))
        buffer_clear(&actor->input);
    io_close(actor->stream);
    actor->stream = NULL;
    return true;
}

IO_WAITS static bool act(struct actor *actor) {
    struct view word, rest;
    uint64_t number;
    split_action(actor->line->text, &word, &number, &rest);
    if (view_equals(word, VIEW("close")) || view_equals(word, VIEW("reset")))
        return end_connection(actor, word.ptr[0] == 'r');
    if (view_equals(word, VIEW("tls")))
        return start_tls(actor);
    if (view_equals(word, VIEW("flood")))
        return send_often(actor, number, rest);
    if (view_equals(word, VIEW("drip")))
        return drip(actor, (int64_t)number, rest);
    if (view_equals(word, VIEW("send")))
        return send_lines(actor, number, rest);
    if (!view_equals(word, VIEW("wait")))
        complain(actor->part->play, actor->line->number, "unknown action", word);
    io_sleep(io_after((int64_t)number));
    return true;
}

IO_WAITS static bool say(struct actor *actor) {
    struct buffer out;
    buffer_init(&out, SCRIPT_BYTES_MAX);
    buffer_append_view(&out, actor->line->text);
    if (!actor->line->is_open)
        buffer_append(&out, "\r\n", 2);
    send_bytes(actor, buffer_view(&out));
    buffer_finish(&out);
    return true;
}

IO_WAITS static bool play_line(struct actor *actor) {
    bool is_own = actor->line->role == actor->part->role;
    if (is_own && !actor->line->is_action)
        return say(actor);
    flush(actor);
    if (is_own)
        return act(actor);
    return actor->line->is_action ? expect_action(actor)
                                  : expect_like(actor, actor->line->text, NULL);
}

IO_WAITS static bool turn_to_test(struct actor *actor) {
    const struct play_part *part = actor->part;
    char why[256] = "";
    if (!part->on_setting)
        return true;
    flush(actor);
    if (part->on_setting(part->arg, actor->line->name, actor->line->text, why, sizeof(why)))
        return true;
    return leave(actor, why, VIEW_NONE);
}

bool play_run(const struct play_part *part, struct io_stream *stream, char *why, size_t size) {
    const struct play *play = part->play;
    struct actor actor = {.part = part, .stream = stream, .why = why, .why_size = size};
    size_t at = find_connection(play, part->peer, part->connection);
    bool is_well = true;
    buffer_init(&actor.input, INPUT_BYTES_MAX);
    buffer_init(&actor.output, INPUT_BYTES_MAX + SCRIPT_BYTES_MAX);
    for (; is_well && at < play->n_lines && play->lines[at].kind != LINE_SECTION; at++) {
        actor.line = &play->lines[at];
        is_well = actor.line->kind == LINE_SPEECH ? play_line(&actor) : turn_to_test(&actor);
    }
    flush(&actor);
    end_connection(&actor, false);
    buffer_finish(&actor.output);
    buffer_finish(&actor.input);
    return is_well;
}
