// SPDX-License-Identifier: Apache-2.0
// One line that somebody pasted: a bare error, or a line of a log, of which only the failure and
// the recipient are taken. (Whole logs are read by their own readers, which hand the failure to the
// same reader_words_read.)
#include "mail/mail.h"
#include "readers/report.h"
#include "readers/words.h"

// --- Where the failure stands in a line of a log -------------------------------------------------
// Postfix: "... status=deferred (text)".
static bool take_postfix(struct view line, struct view *words, enum reader_action *action) {
    static const struct {
        struct view mark;
        enum reader_action action;
    } rows[] = {{{"status=deferred (", 17}, READER_ACTION_DELAYED},
                {{"status=bounced (", 16}, READER_ACTION_FAILED},
                {{"status=expired, returned to sender", 34}, READER_ACTION_FAILED},
                {{"status=undeliverable (", 22}, READER_ACTION_FAILED},
                {{"status=sent (", 13}, READER_ACTION_DELIVERED},
                {{"status=deliverable (", 20}, READER_ACTION_DELIVERED}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t at = view_find(line, rows[i].mark);
        if (at == line.len)
            continue;
        struct view rest = view_skip(line, at + rows[i].mark.len);
        bool is_closed = rest.len && rest.ptr[rest.len - 1] == ')';
        *words = rest.len ? view_take(rest, rest.len - is_closed) : VIEW("message expired");
        *action = rows[i].action;
        return true;
    }
    return false;
}

// Exim: "... == a@b R=r T=t defer (-18) H=h [a]: text", "... ** a@b R=r T=t: text".
static bool take_exim(struct view line, struct view *words, enum reader_action *action) {
    size_t defer = view_find(line, VIEW("defer (")), failed = view_find(line, VIEW(" ** "));
    if (defer < line.len) {
        *words = view_skip(line, defer);
        *action = READER_ACTION_DELAYED;
        return true;
    }
    struct view rest = view_skip(line, failed + 4);
    size_t colon = view_find(rest, VIEW(": "));
    if (colon == rest.len)
        return false;
    *words = view_skip(rest, colon + 2);
    *action = READER_ACTION_FAILED;
    return true;
}

// Sendmail: "... dsn=4.0.0, stat=Deferred: text", since 8.16 "... reply=text, stat=Deferred: text".
static bool take_sendmail(struct view line, struct view *words, enum reader_action *action) {
    size_t at = view_find(line, VIEW("stat="));
    if (at == line.len || at < 2 || line.ptr[at - 1] != ' ')
        return false;
    *words = view_skip(line, at + 5);
    *action = view_starts_with(*words, VIEW("Deferred")) || view_starts_with(*words, VIEW("queued"))
                  ? READER_ACTION_DELAYED
              : view_starts_with(*words, VIEW("Sent")) ? READER_ACTION_DELIVERED
                                                       : READER_ACTION_FAILED;
    size_t reply = view_find(line, VIEW(" reply="));
    if (reply + 8 < at && *action != READER_ACTION_DELIVERED)
        *words = view_take(view_skip(line, reply + 7), at - reply - 9); // up to ", stat="
    return true;
}

// OpenSMTPD: 'result="TempFail" stat="text"'.
static bool take_opensmtpd(struct view line, struct view *words, enum reader_action *action) {
    size_t at = view_find(line, VIEW(" stat=\""));
    struct view rest = view_skip(line, at + 7);
    if (at == line.len)
        return false;
    *words = view_take(rest, view_find_last_char(rest, '"'));
    *action = view_find(line, VIEW("result=\"Ok\"")) < line.len         ? READER_ACTION_DELIVERED
              : view_find(line, VIEW("result=\"PermFail\"")) < line.len ? READER_ACTION_FAILED
                                                                        : READER_ACTION_DELAYED;
    return true;
}

// Up to the bar before the recipient, which holds an "@" and no bar.
static struct view before_recipient(struct view text) {
    for (struct view rest = text; rest.len;) {
        size_t bar = view_find_last_char(rest, '|');
        struct view last = view_skip(rest, bar + 1);
        if (bar == rest.len)
            return text;
        rest = view_take(rest, bar);
        if (view_find_char(last, '@') < last.len)
            return rest;
    }
    return text;
}

// Symantec: "epoch|id|DELIVERY_FAILURE|[target|]text|rcpt",
// "...|TRANS_FAILURE|target|text|rcpt|time"; the text may hold bars.
static bool take_symantec(struct view line, struct view *words, enum reader_action *action) {
    static const struct {
        struct view mark;
        enum reader_action action;
    } rows[] = {{{"|DELIVERY_FAILURE|", 18}, READER_ACTION_FAILED},
                {{"|TRANS_FAILURE|", 15}, READER_ACTION_DELAYED}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t at = view_find(line, rows[i].mark);
        if (at == line.len)
            continue;
        *words = before_recipient(view_skip(line, at + rows[i].mark.len));
        *action = rows[i].action;
        return true;
    }
    return false;
}

// Postrider: "deliver: ID: to=<a@b> server=h[a]:25 connector=c outcome=deferred cause=C: text".
static bool take_postrider(struct view line, struct view *words, enum reader_action *action) {
    static const struct {
        struct view mark;
        enum reader_action action;
    } rows[] = {{{" outcome=deferred ", 18}, READER_ACTION_DELAYED},
                {{" outcome=bounced ", 17}, READER_ACTION_FAILED},
                {{" outcome=delivered: ", 20}, READER_ACTION_DELIVERED}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t at = view_find(line, rows[i].mark);
        if (at == line.len || view_find(view_take(line, at), VIEW("deliver: ")) == at)
            continue;
        struct view rest = view_skip(line, at + 9);
        *words = view_skip(rest, view_find(rest, VIEW(": ")) + 2);
        *action = rows[i].action;
        return true;
    }
    return false;
}

// The relay knew its cause better than the words behind it can say.
static enum cause told_by_postrider(struct view line) {
    static const struct view mark = {" cause=", 7};
    enum cause cause = CAUSE_NONE;
    struct view id = view_skip(line, view_find(line, mark) + mark.len), words;
    enum reader_action action;
    if (id.len && take_postrider(line, &words, &action))
        (void)cause_from_id(view_take(id, view_find_char(id, ':')), &cause);
    return cause;
}

// --- The server ----------------------------------------------------------------------------------
// The same words may mean something else at one server: "H=mx.example.org [192.0.2.1]" of Exim,
// "server=mx.example.org[192.0.2.1]:25" of Postrider,
// "relay=mx.example.org. [192.0.2.1]" of Sendmail, 'relay="192.0.2.1 (mx.example.org)"' of
// OpenSMTPD.
static struct view host_of(struct view line) {
    static const struct {
        struct view mark, begin, end;
    } rows[] = {{{" H=", 3}, {"", 0}, {" [", 2}},
                {{" server=", 8}, {"", 0}, {"[", 1}},
                {{" relay=\"", 8}, {" (", 2}, {")\"", 2}},
                {{" relay=", 7}, {"", 0}, {"[", 1}}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t at = view_find(line, rows[i].mark);
        struct view rest = view_skip(line, at + rows[i].mark.len);
        if (at == line.len)
            continue;
        size_t begin = rows[i].begin.len ? view_find(rest, rows[i].begin) : 0;
        rest = view_skip(rest, begin + rows[i].begin.len);
        size_t end = view_find(rest, rows[i].end);
        struct view host = view_trim(view_take(rest, end));
        if (end == rest.len || view_find_char(host, ',') < host.len)
            continue;
        return host.len && host.ptr[host.len - 1] == '.' ? view_take(host, host.len - 1) : host;
    }
    return VIEW_NONE;
}

// --- The recipient -------------------------------------------------------------------------------
static struct view recipient_of(struct view line) {
    static const struct view marks[] = {{" to=<", 5}, {" to=", 4},        {" == ", 4},
                                        {" ** ", 4},  {"recipient=", 10}, {"RCPT TO:<", 9}};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        size_t at = view_find(line, marks[i]);
        struct view rest = view_skip(line, at + marks[i].len);
        struct view address = mail_address_find(view_take(rest, 1024));
        if (at < line.len && address.len && address.ptr <= rest.ptr + 1)
            return address;
    }
    // The last address of a line with bars.
    struct view before = before_recipient(line);
    return before.len < line.len ? mail_address_find(view_skip(line, before.len + 1)) : VIEW_NONE;
}

void reader_line_read(struct view line, struct arena *arena, struct reader_reading *reading) {
    static bool (*const takers[])(struct view, struct view *, enum reader_action *) = {
        take_postrider, take_postfix, take_exim, take_opensmtpd, take_sendmail, take_symantec};
    struct reader_report report = {.arena = arena, .reading = reading};
    *reading = (struct reader_reading){.kind = READER_LINE};
    struct reader_recipient *recipient = reader_recipient_add(&report);
    if (!recipient)
        return;
    struct view words = line = view_trim(line);
    for (size_t i = 0; i < ARRAY_LEN(takers); i++)
        if (takers[i](line, &words, &recipient->action))
            break;
    recipient->address = recipient_of(line);
    recipient->evidence = VIEW("the line");
    (void)reader_words_read(words, &recipient->words);
    recipient->words.told = told_by_postrider(line);
    if (recipient->words.host.len == 0 && recipient->words.fact.kind == FACT_KIND_REPLY)
        recipient->words.host = host_of(line);
    if (recipient->action == READER_ACTION_DELIVERED)
        recipient->words.fact.kind = FACT_KIND_OK;
    recipient->last_attempt_ms = recipient->words.at_ms;
}
