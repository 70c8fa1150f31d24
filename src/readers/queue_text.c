// SPDX-License-Identifier: Apache-2.0
// Listings in lines: mailq of Postfix and Sendmail, exim -bp, smtpctl show queue.
#include "base/units.h"
#include "mail/mail.h"
#include "readers/queue.h"

#include <stdio.h>

static const int64_t minute_ms = 60 * 1000, day_ms = 24 * 60 * 60 * 1000;

// --- mailq ---------------------------------------------------------------------------------------
// "Tue May 12 10:41:58" without a year: the last such day.
static int64_t past_date(struct view text, int64_t now_ms) {
    char dated[64], now[UNITS_TIME_SIZE];
    int64_t at_ms = 0;
    if (now_ms == 0)
        return 0;
    units_format_time(now_ms, now, sizeof(now));
    for (int year = 0; year < 2; year++) {
        uint64_t number = 0;
        (void)view_to_u64(view_take(view_of(now), 4), &number);
        snprintf(dated, sizeof(dated), "%.*s %llu", VIEW_ARG(text),
                 (unsigned long long)number - (unsigned)year);
        if (mail_date_parse(view_of(dated), &at_ms) && at_ms <= now_ms + day_ms)
            return at_ms;
    }
    return 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static struct view take_word(struct view *rest) {
    size_t from = 0, len = 0;
    while (from < rest->len && is_blank(rest->ptr[from]))
        from++;
    *rest = view_skip(*rest, from);
    while (len < rest->len && !is_blank(rest->ptr[len]))
        len++;
    struct view word = view_take(*rest, len);
    *rest = view_skip(*rest, len);
    return word;
}

// "4F2abc12345*    1234 Tue May 12 10:41:58  anna@sender.example": id, size, date, sender.
static bool is_message_line(struct view line, struct view *date) {
    struct view rest = line, id = take_word(&rest), size = take_word(&rest);
    uint64_t number;
    bool is_id =
        id.len >= 5 && !is_blank(line.ptr[0]) && ascii_is_digit(size.len ? *size.ptr : ' ');
    if (!is_id || !view_to_u64(size, &number))
        return false;
    rest = view_trim(rest);
    *date = view_take(rest, 19);              // "Tue May 12 10:41:58"
    if (rest.len > 16 && rest.ptr[16] == ' ') // Sendmail leaves the seconds out
        *date = view_take(rest, 16);
    return true;
}

// "(host mx[192.0.2.1] said: 450 ...)", also behind "8BITMIME" (Sendmail).
static bool is_reason_line(struct view line, struct view *reason) {
    size_t open = view_find_char(line, '(');
    struct view before = view_trim(view_take(line, open));
    bool is_flag = view_equals(before, VIEW("8BITMIME")) || view_equals(before, VIEW("7BIT"));
    if (open == line.len || (before.len && !is_flag))
        return false;
    struct view text = view_trim(view_skip(line, open + 1));
    *reason = text.len && text.ptr[text.len - 1] == ')' ? view_take(text, text.len - 1) : text;
    return true;
}

static bool is_frame_line(struct view line) {
    return view_starts_with(line, VIEW("-")) || view_starts_with(line, VIEW("Total requests")) ||
           view_starts_with(line, VIEW("Mail queue is empty")) ||
           view_find(line, VIEW(" requests)")) < line.len ||
           view_find(line, VIEW(" request)")) < line.len;
}

struct mailq {
    struct queue_builder *builder;
    struct view reason;
    int64_t arrived_ms;
    bool in_message;
};

static void read_mailq_line(struct mailq *mailq, struct view line) {
    struct view date, trimmed = view_trim(line);
    if (trimmed.len == 0 || is_frame_line(trimmed))
        return;
    if (is_message_line(line, &date)) {
        mailq->arrived_ms = past_date(date, mailq->builder->now_ms);
        mailq->reason = VIEW_NONE;
        mailq->in_message = true;
        queue_message(mailq->builder, mailq->arrived_ms);
        return;
    }
    if (!mailq->in_message || is_reason_line(line, &mailq->reason))
        return;
    struct queue_entry entry = {.reason = mailq->reason,
                                .recipient = mail_address_find(trimmed),
                                .arrived_ms = mailq->arrived_ms};
    if (entry.recipient.len == 0)
        entry.recipient = trimmed;
    queue_add(mailq->builder, &entry);
}

void queue_read_mailq(struct queue_builder *builder, struct view text) {
    struct mailq mailq = {.builder = builder};
    struct view line;
    while (view_split(&text, '\n', &line))
        read_mailq_line(&mailq, line);
}

// --- exim -bp ------------------------------------------------------------------------------------
// "25h", "3d", "12m".
static int64_t age_of(struct view word) {
    uint64_t number = 0;
    if (word.len < 2 || !view_to_u64(view_take(word, word.len - 1), &number) || number > 100000)
        return -1;
    int64_t n = (int64_t)number;
    switch (word.ptr[word.len - 1]) {
    case 's': return n * 1000;
    case 'm': return n * minute_ms;
    case 'h': return n * 60 * minute_ms;
    case 'd': return n * day_ms;
    case 'w': return n * 7 * day_ms;
    default: return -1;
    }
}

static bool is_exim_message(struct view line, int64_t *age_ms) {
    struct view rest = line, age = take_word(&rest), size = take_word(&rest);
    struct view id = take_word(&rest);
    *age_ms = age_of(age);
    return *age_ms >= 0 && size.len && view_find_char(id, '-') == 6;
}

void queue_read_exim(struct queue_builder *builder, struct view text) {
    struct queue_entry entry = {0};
    struct view line;
    bool in_message = false;
    while (view_split(&text, '\n', &line)) {
        int64_t age_ms;
        struct view trimmed = view_trim(line);
        if (is_exim_message(line, &age_ms)) {
            entry.arrived_ms = builder->now_ms ? builder->now_ms - age_ms : 0;
            builder->queue->n_frozen += view_find(line, VIEW("*** frozen ***")) < line.len;
            queue_message(builder, entry.arrived_ms);
            in_message = true;
        } else if (trimmed.len && in_message && !view_starts_with(trimmed, VIEW("D "))) {
            entry.recipient = trimmed;
            queue_add(builder, &entry);
        }
    }
}

// --- smtpctl show queue --------------------------------------------------------------------------
// id | source | agent | flags | sender | recipient | destination | created | expires | ... | reason
void queue_read_opensmtpd(struct queue_builder *builder, struct view text) {
    struct view line, field, message = VIEW_NONE;
    while (view_split(&text, '\n', &line)) {
        struct view fields[16] = {{0}}, rest = view_trim(line);
        size_t n = 0;
        uint64_t created = 0;
        while (n < ARRAY_LEN(fields) && view_split(&rest, '|', &field))
            fields[n++] = field;
        if (n < 9) {
            builder->queue->n_unread += view_trim(line).len > 0;
            continue;
        }
        (void)view_to_u64(fields[7], &created);
        int64_t arrived_ms = created < 1ULL << 40 ? (int64_t)created * 1000 : 0;
        // The first eight digits of an envelope's id name its message.
        if (!view_equals(message, view_take(fields[0], 8)))
            queue_message(builder, arrived_ms);
        message = view_take(fields[0], 8);
        struct queue_entry entry = {
            .reason = fields[n - 1], .recipient = fields[5], .arrived_ms = arrived_ms};
        queue_add(builder, &entry);
    }
}
