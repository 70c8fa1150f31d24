// SPDX-License-Identifier: Apache-2.0
// A queue's sum for people: how much, why, whose, what to do first.
#include "readers/show.h"

#include "base/units.h"

static bool is_yours(const struct reader_queue_cause *group, enum reader_side side) {
    enum blame blame = cause_info(group->cause)->blame;
    if (group->is_waiting)
        return false;
    if (side == READER_SIDE_RECEIVER)
        return blame == BLAME_DESTINATION || blame == BLAME_RECIPIENT;
    return blame == BLAME_LOCAL || blame == BLAME_SENDER;
}

// Where the words leave it open whose fault it is, "yours" is not the opposite of "theirs".
static bool is_open(const struct reader_queue_cause *group) {
    return !group->is_waiting && cause_info(group->cause)->blame == BLAME_UNKNOWN;
}

static void put_whose(const struct reader_queue *queue, enum reader_side side, struct buffer *out) {
    size_t n_yours = 0, n_open = 0;
    for (size_t i = 0; i < queue->n_causes; i++) {
        n_yours += is_yours(&queue->causes[i], side);
        n_open += is_open(&queue->causes[i]);
    }
    if (n_yours)
        buffer_printf(out, ", %zu %s yours", n_yours, n_yours == 1 ? "is" : "are");
    else
        buffer_append_view(out, VIEW(", none is yours for certain"));
    if (n_open)
        buffer_printf(out, ", %zu %s open", n_open, n_open == 1 ? "is" : "are");
}

static void put_counted(struct buffer *out, const char *label, uint64_t n, const char *one,
                        const char *many) {
    if (n == 0)
        return;
    buffer_printf(out, "  %-12s", label);
    units_put_counted(out, n, one, many);
    buffer_append_char(out, '\n');
}

static void put_head(const struct reader_queue *queue, const struct reader_show *show,
                     struct buffer *out) {
    size_t n_causes = 0;
    for (size_t i = 0; i < queue->n_causes; i++)
        n_causes += !queue->causes[i].is_waiting;
    if (show->file.len)
        buffer_printf(out, "%.*s: ", VIEW_ARG(show->file));
    if (queue->n_messages == 0 && queue->n_unread == 0) {
        buffer_append_view(out, VIEW("The queue is empty\n"));
        return;
    }
    units_put_counted(out, queue->n_messages, "message", "messages");
    buffer_append_view(out, VIEW(", "));
    if (n_causes) {
        units_put_counted(out, n_causes, "cause", "causes");
        put_whose(queue, show->side, out);
    } else {
        buffer_append_view(out, VIEW("no cause is told"));
    }
    buffer_append_char(out, '\n');
    reader_put_time(out, "Oldest", queue->oldest_ms);
    put_counted(out, "Held", queue->n_frozen, "is frozen or held: nothing is tried for it",
                "are frozen or held: nothing is tried for them");
    put_counted(out, "Unread", queue->n_unread, "line could not be read",
                "lines could not be read");
}

static void put_destinations(const struct reader_queue_cause *group, struct buffer *out) {
    enum { NAMED_MAX = 8 };
    size_t n = size_min(group->n_destinations, NAMED_MAX);
    if (n == 0)
        return;
    struct buffer line;
    buffer_init(&line, 8192);
    for (size_t i = 0; i < n; i++) {
        buffer_printf(&line, "%s%.*s (", i ? ", " : "", VIEW_ARG(group->destinations[i].name));
        units_put_count(&line, group->destinations[i].n_messages);
        buffer_append_char(&line, ')');
    }
    if (group->n_destinations > n || group->n_elsewhere)
        buffer_append_view(&line, VIEW(" and others"));
    reader_put_labelled(out, "For", buffer_view(&line));
    buffer_finish(&line);
}

static void put_group(const struct reader_queue_cause *group, size_t number,
                      const struct reader_show *show, struct buffer *out) {
    buffer_printf(out, "\n%zu. ", number);
    units_put_counted(out, group->n_messages, "message", "messages");
    if (group->sample.address.len) { // Exchange counts messages alone
        buffer_append_view(out, VIEW(" to "));
        units_put_counted(out, group->n_recipients, "recipient", "recipients");
    }
    if (group->is_waiting) {
        buffer_append_view(out, VIEW(": no failure is told\n"));
        reader_put_time(out, "Oldest", group->oldest_ms);
        put_destinations(group, out);
        return;
    }
    buffer_printf(out, "%s\n", is_yours(group, show->side) ? ": yours" : "");
    reader_put_time(out, "Oldest", group->oldest_ms);
    put_destinations(group, out);
    reader_put_verdict(&group->sample, show, out);
}

void reader_queue_write_text(const struct reader_queue *queue, const struct reader_show *show,
                             struct buffer *out) {
    put_head(queue, show, out);
    for (size_t i = 0; i < queue->n_causes; i++)
        put_group(&queue->causes[i], i + 1, show, out);
    if (queue->system == READER_QUEUE_EXIM)
        buffer_append_view(out, VIEW("\nexim -bp tells no reasons. They stand in the main log: "
                                     "postrider explain with its lines, or exim -Mvl ID for one "
                                     "message.\n"));
    if (queue->system == READER_QUEUE_EXCHANGE_TABLE)
        buffer_append_view(out, VIEW("\nThe table leaves the errors out. They come with: Get-Queue "
                                     "| Format-List Identity,NextHopDomain,MessageCount,LastError"
                                     "\n"));
}
