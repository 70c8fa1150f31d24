// SPDX-License-Identifier: Apache-2.0
// A ledger without a file: the newest attempts in the order in which they came. One thread, or the
// simulator's, which is the same.
#include "ledger/ledger_internal.h"

#include <stdlib.h>

// The same maximum as a file's queue: a simulation that runs for ever stays small.
static void forget_oldest(struct ledger *ledger) {
    while (ledger->kept_bytes > ledger->queue_bytes_max && ledger->kept.first) {
        struct ledger_record *oldest = ledger->kept.first;
        ledger->kept.first = oldest->next;
        if (!oldest->next)
            ledger->kept.last = &ledger->kept.first;
        ledger->kept_bytes -= oldest->size;
        ledger->counts.dropped++;
        free(oldest);
    }
}

void ledger_memory_attempt(struct ledger *ledger, struct ledger_record *record) {
    record->id = ++ledger->last_id;
    *ledger->kept.last = record;
    ledger->kept.last = &record->next;
    ledger->kept_bytes += record->size;
    ledger->counts.stored++;
    forget_oldest(ledger);
}

// Newest first; a key that is known changes nothing.
void ledger_memory_audit(struct ledger *ledger, struct ledger_audit_record *audit) {
    const struct ledger_audit_record *known = ledger->kept.first_audit;
    while (known && !view_equals(known->audit.key, audit->audit.key))
        known = known->next;
    if (audit->mailbox)
        io_mailbox_post(audit->mailbox, audit->stored);
    if (known) {
        free(audit);
        return;
    }
    audit->next = ledger->kept.first_audit;
    ledger->kept.first_audit = audit;
}
