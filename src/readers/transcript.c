// SPDX-License-Identifier: Apache-2.0
// Sessions that a notice quotes: ">>> RCPT TO:<a@b>" with "<<< 550 ..." below it (Sendmail,
// Courier), "In:" and "Out:" (Postfix), "Sent <<<" and "Received >>>" (InterScan), or bare between
// "Session Transcript" and "End Transcript" (MDaemon). A refusal belongs to the command before it.
#include "readers/notice.h"

enum line_kind { LINE_NEITHER, LINE_COMMAND, LINE_REPLY };

static enum line_kind kind_of_line(struct view line, struct view *rest) {
    static const struct {
        struct view mark;
        enum line_kind kind;
    } rows[] = {{{">>> ", 4}, LINE_COMMAND},      {{"<<< ", 4}, LINE_REPLY},
                {{"In: ", 4}, LINE_COMMAND},      {{"Out: ", 5}, LINE_REPLY},
                {{"Sent <<< ", 9}, LINE_COMMAND}, {{"Received >>> ", 13}, LINE_REPLY},
                {{"Sent >>> ", 9}, LINE_COMMAND}, {{"Received <<< ", 13}, LINE_REPLY}};
    line = view_trim(line);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_starts_with(line, rows[i].mark)) {
            *rest = view_trim(view_skip(line, rows[i].mark.len));
            return rows[i].kind;
        }
    return LINE_NEITHER;
}

static enum fact_stage stage_of_command(struct view command) {
    static const struct {
        struct view verb;
        enum fact_stage stage;
    } rows[] = {{{"RCPT", 4}, FACT_STAGE_RCPT},         {{"MAIL", 4}, FACT_STAGE_MAIL},
                {{"DATA", 4}, FACT_STAGE_DATA},         {{"EHLO", 4}, FACT_STAGE_EHLO},
                {{"HELO", 4}, FACT_STAGE_EHLO},         {{"LHLO", 4}, FACT_STAGE_EHLO},
                {{"STARTTLS", 8}, FACT_STAGE_STARTTLS}, {{"AUTH", 4}, FACT_STAGE_AUTH},
                {{"BDAT", 4}, FACT_STAGE_DOT},          {{".", 1}, FACT_STAGE_DOT},
                {{"QUIT", 4}, FACT_STAGE_QUIT}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_starts_with_nocase(command, rows[i].verb))
            return rows[i].stage;
    return FACT_STAGE_UNKNOWN;
}

struct transcript {
    struct arena *arena;
    struct exchange *exchanges;
    size_t n;
    struct exchange open; // the command that was read last
    struct view host;     // with whom
    struct buffer reply;  // the lines of its answer
    bool is_bare;         // commands and replies stand without marks
};

static bool is_refusal(struct view reply) {
    return reply.len >= 3 && (reply.ptr[0] == '4' || reply.ptr[0] == '5') &&
           ascii_is_digit(reply.ptr[1]) && ascii_is_digit(reply.ptr[2]);
}

static void end_exchange(struct transcript *transcript) {
    struct view reply = buffer_view(&transcript->reply);
    if (reply.len && transcript->n < EXCHANGES_MAX &&
        (is_refusal(reply) || transcript->open.stage == FACT_STAGE_UNKNOWN)) {
        transcript->open.reply = arena_copy(transcript->arena, reply);
        transcript->exchanges[transcript->n++] = transcript->open;
    }
    buffer_clear(&transcript->reply);
}

static void begin_exchange(struct transcript *transcript, struct view command) {
    end_exchange(transcript);
    transcript->open =
        (struct exchange){.stage = stage_of_command(command), .host = transcript->host};
    if (transcript->open.stage == FACT_STAGE_RCPT)
        transcript->open.address = mail_address_find(command);
}

// 354 is no refusal: what is answered next is the answer to the body.
static bool asks_for_body(struct view line) {
    return view_starts_with(line, VIEW("354"));
}

static void add_reply(struct transcript *transcript, struct view line) {
    if (asks_for_body(line)) {
        transcript->open.stage = FACT_STAGE_DOT;
        buffer_clear(&transcript->reply);
        return;
    }
    if (transcript->reply.len)
        buffer_append_char(&transcript->reply, '\n');
    buffer_append_view(&transcript->reply, line);
}

// "... while talking to mx1.example.org.:"
static void take_host(struct transcript *transcript, struct view line) {
    static const struct view mark = {"hile talking to ", 16};
    struct view name = view_skip(line, view_find(line, mark) + mark.len);
    while (name.len && strchr(".: \t", name.ptr[name.len - 1]))
        name.len--;
    if (name.len)
        transcript->host = name;
}

// The lines between two titles hold the session as it was.
static enum line_kind kind_of_bare_line(struct transcript *transcript, struct view line) {
    static const struct view title = {"Session Transcript", 18}, end = {"End Transcript", 14};
    if (view_find(line, title) < line.len || view_find(line, end) < line.len) {
        transcript->is_bare = view_find(line, title) < line.len;
        return LINE_NEITHER;
    }
    if (!transcript->is_bare)
        return LINE_NEITHER;
    if (stage_of_command(line) != FACT_STAGE_UNKNOWN)
        return LINE_COMMAND;
    bool is_reply = line.len >= 3 && ascii_is_digit(line.ptr[0]) && ascii_is_digit(line.ptr[1]) &&
                    ascii_is_digit(line.ptr[2]);
    return is_reply ? LINE_REPLY : LINE_NEITHER;
}

static bool may_hold_session(struct view text) {
    static const struct view marks[] = {
        {"<<< ", 4}, {"Out: ", 5}, {">>> ", 4}, {"Session Transcript", 18}};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (view_find(text, marks[i]) < text.len)
            return true;
    return false;
}

static void take_line(struct transcript *transcript, struct view line) {
    struct view words = view_trim(line);
    enum line_kind kind = kind_of_line(line, &words);
    if (kind == LINE_NEITHER)
        kind = kind_of_bare_line(transcript, words);
    if (kind == LINE_COMMAND) {
        begin_exchange(transcript, words);
    } else if (kind == LINE_REPLY) {
        add_reply(transcript, words);
    } else {
        end_exchange(transcript);
        take_host(transcript, line);
    }
}

size_t reader_exchanges_find(struct view text, struct arena *arena, struct exchange *exchanges) {
    struct transcript transcript = {.arena = arena, .exchanges = exchanges};
    struct view rest = text, line = VIEW_NONE;
    if (!may_hold_session(text))
        return 0;
    buffer_init(&transcript.reply, 4 * FACT_TEXT_BYTES_MAX);
    while (view_split(&rest, '\n', &line))
        take_line(&transcript, line);
    end_exchange(&transcript);
    buffer_finish(&transcript.reply);
    return transcript.n;
}
