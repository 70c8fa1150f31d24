// SPDX-License-Identifier: Apache-2.0
// Servers that were named before the line that tells how an attempt ended. Postfix and Exim try
// several and name each where it fails; the last line of the attempt may name none.
#include "readers/log.h"

enum { WARNING_AGE_MS = 15 * 60 * 1000 };

// Of two processes that meet in one place the later one has it.
static struct log_warning *place_of(struct reader_log *log, uint64_t process) {
    process |= 1;
    struct log_warning *warning = &log->warnings[(process >> 8) % LOG_WARNINGS];
    if (warning->process != process)
        *warning = (struct log_warning){.process = process};
    return warning;
}

void reader_log_warning_note(struct reader_log *log, uint64_t process, int64_t at_ms,
                             struct view server) {
    struct reader_entry named = {0};
    struct log_warning *warning = place_of(log, process);
    reader_log_entry_host(server, &named);
    if (named.peer.family == ADDRESS_NONE || named.host.len > sizeof(warning->host))
        return;
    warning->at_ms = at_ms;
    warning->message = 0;
    warning->peer = named.peer;
    warning->host_len = named.host.len;
    memcpy(warning->host, named.host.ptr ? named.host.ptr : "", named.host.len);
}

// DNS, routes and this machine's own faults are about no server.
static bool is_about_a_server(const struct reader_entry *entry) {
    if (!entry->words || entry->kind != READER_ENTRY_ATTEMPT)
        return false;
    const struct fact *fact = &entry->words->fact;
    return fact->stage != FACT_STAGE_DNS && fact->stage != FACT_STAGE_ROUTE &&
           fact->kind != FACT_KIND_LOCAL;
}

void reader_log_warning_use(struct reader_log *log, uint64_t process, uint64_t message,
                            struct reader_entry *entry) {
    struct log_warning *warning = place_of(log, process);
    bool is_named = entry->host.len || entry->peer.family != ADDRESS_NONE;
    if (!warning->at_ms)
        return;
    if (is_named || (warning->message && warning->message != message) ||
        entry->at_ms - warning->at_ms > WARNING_AGE_MS) {
        warning->at_ms = 0;
        return;
    }
    warning->message = message;
    if (!is_about_a_server(entry))
        return;
    entry->host = view_from(warning->host, warning->host_len);
    entry->peer = warning->peer;
}
