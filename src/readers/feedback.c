// SPDX-License-Identifier: Apache-2.0
// Complaints and reports about authentication (RFC 5965, RFC 6591): mail that was delivered and
// that somebody did not want, or that failed a check. The recipient is who complained.
#include "readers/report.h"

void reader_feedback_read(struct reader_report *report) {
    struct mail_field field;
    struct view rest = report->feedback, address = VIEW_NONE, removal = VIEW_NONE;
    int64_t at_ms = 0;
    while (mail_field_take(&rest, &field)) {
        if (view_equals_nocase(field.name, VIEW("Original-Rcpt-To")))
            address = mail_address_find(field.value);
        else if (view_equals_nocase(field.name, VIEW("Removal-Recipient")))
            removal = mail_address_find(field.value);
        else if (view_equals_nocase(field.name, VIEW("Arrival-Date")) ||
                 view_equals_nocase(field.name, VIEW("Received-Date")))
            (void)mail_date_parse(mail_unfold(field.value, report->arena), &at_ms);
        else if (view_equals_nocase(field.name, VIEW("Reporting-MTA")))
            report->reading->reporting_server = reader_address_clean(field.value);
    }
    struct reader_recipient *recipient = reader_recipient_add(report);
    if (!recipient)
        return;
    recipient->address = address.len ? address : removal;
    if (recipient->address.len == 0)
        recipient->address = mail_address_find(report->head.feedback_loop);
    if (recipient->address.len == 0)
        recipient->address = mail_address_find(report->original_to);
    recipient->words.fact = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
    recipient->last_attempt_ms = at_ms;
}
