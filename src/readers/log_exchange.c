// SPDX-License-Identifier: Apache-2.0
// The CSV of Exchange's logs (RFC 4180 quoting): what stands in which column says "#Fields:" at the
// begin of each file, as releases differ. Files that lost their beginning are told by the number of
// their columns.
#include "readers/log.h"

static const struct view column_names[LOG_COLUMN_COUNT] = {
#define X(name, word) {word, sizeof(word) - 1},
    LOG_COLUMNS(X)
#undef X
};

// Exchange 2016 and later, and the protocol logs of all releases.
#define TRACKING                                                                                   \
    "date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,"   \
    "source,event-id,internal-message-id,message-id,network-message-id,recipient-address,"         \
    "recipient-status,total-bytes,recipient-count,related-recipient-address,reference,"            \
    "message-subject,sender-address,return-path,message-info,directionality,tenant-id,"            \
    "original-client-ip,original-server-ip,custom-data,transport-traffic-type,log-id,"             \
    "schema-version"
#define SEND                                                                                       \
    "date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data," \
    "context"
enum { TRACKING_FIELDS = 30, SEND_FIELDS = 9 };

static void read_fields(struct log_columns *columns, struct view names) {
    struct view name;
    *columns = (struct log_columns){0};
    for (size_t i = 0; i < LOG_COLUMN_COUNT; i++)
        columns->at[i] = -1;
    while (columns->n_fields < LOG_CSV_FIELDS_MAX && view_split(&names, ',', &name)) {
        for (size_t i = 0; i < LOG_COLUMN_COUNT; i++)
            if (view_equals(view_trim(name), column_names[i]))
                columns->at[i] = (int)columns->n_fields;
        columns->n_fields++;
    }
    if (columns->at[LOG_COLUMN_EVENT_ID] >= 0 && columns->at[LOG_COLUMN_RECIPIENTS] >= 0)
        columns->system = READER_LOG_EXCHANGE_TRACKING;
    else if (columns->at[LOG_COLUMN_SESSION] >= 0 && columns->at[LOG_COLUMN_DATA] >= 0)
        columns->system = READER_LOG_EXCHANGE_SEND;
}

void reader_log_columns_read(struct log_columns *columns, struct view line) {
    static const struct view mark = {"#Fields:", 8}, type = {"#Log-type:", 10};
    // A receive log has the same columns; its rows are inbound mail.
    if (log_starts(line, type))
        columns->is_receive = LOG_HAS(line, "Receive");
    if (!log_starts(line, mark))
        return;
    bool is_receive = columns->is_receive;
    read_fields(columns, view_trim(view_skip(line, mark.len)));
    columns->is_receive = is_receive;
}

// --- Rows ---------------------------------------------------------------------------------------
// A quoted field, the quotes taken off; `copy` holds it where a quote stood inside.
static bool take_quoted(struct view *rest, struct buffer *copy, struct view *field) {
    size_t at = 1, begin = copy->len;
    bool has_quote = false;
    for (;; at += 2) {
        at += view_find_char(view_skip(*rest, at), '"');
        if (at >= rest->len)
            return false;
        if (at + 1 >= rest->len || rest->ptr[at + 1] != '"')
            break;
        has_quote = true;
    }
    *field = view_take(view_skip(*rest, 1), at - 1);
    *rest = view_skip(*rest, at + 1);
    if (!has_quote)
        return true;
    for (size_t i = 0; i < field->len; i++) {
        buffer_append_char(copy, field->ptr[i]);
        i += field->ptr[i] == '"';
    }
    *field = view_skip(buffer_view(copy), begin);
    return !copy->overflow;
}

// The number of fields; zero where a quote does not end.
static size_t split(struct view line, struct buffer *copy, struct view fields[LOG_CSV_FIELDS_MAX]) {
    size_t n = 0;
    buffer_clear(copy);
    if (!buffer_reserve(copy, line.len)) // views into it must stay
        return 0;
    for (struct view rest = line; n < LOG_CSV_FIELDS_MAX;) {
        if (rest.len && rest.ptr[0] == '"') {
            if (!take_quoted(&rest, copy, &fields[n]))
                return 0;
        } else {
            fields[n] = view_take(rest, view_find_char(rest, ','));
            rest = view_skip(rest, fields[n].len);
        }
        n++;
        if (rest.len == 0)
            break;
        rest = view_skip(rest, 1);
    }
    return n;
}

// Without a header the number of columns must do.
static void guess_columns(struct log_columns *columns, size_t n_fields) {
    if (n_fields == TRACKING_FIELDS)
        read_fields(columns, VIEW(TRACKING));
    else if (n_fields == SEND_FIELDS)
        read_fields(columns, VIEW(SEND));
}

enum log_told reader_log_row_read(struct reader_log *log, const struct log_line *line) {
    struct view fields[LOG_CSV_FIELDS_MAX];
    struct log_columns *columns = &log->columns;
    size_t n = split(line->whole, &log->copy, fields);
    if (columns->n_fields == 0)
        guess_columns(columns, n);
    if (columns->system == READER_LOG_NONE)
        return LOG_TOLD_NOISE;
    if (n < columns->n_fields)
        return LOG_TOLD_UNREAD;
    struct log_row row = {0};
    for (size_t i = 0; i < LOG_COLUMN_COUNT; i++)
        if (columns->at[i] >= 0)
            row.columns[i] = fields[columns->at[i]];
    if (columns->is_receive)
        return LOG_TOLD_NOISE;
    return columns->system == READER_LOG_EXCHANGE_TRACKING
               ? reader_log_tracking_read(log, line, &row)
               : reader_log_send_read(log, line, &row);
}
