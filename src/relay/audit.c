// SPDX-License-Identifier: Apache-2.0
// The trail of what was done to mail: a note in the transaction that does it, told to the ledger
// when that is durable, and forgotten by the spool when the ledger has stored it.
#include "relay/relay_internal.h"

#include "base/codec.h"

#include <stdlib.h>

enum tag { TAG_KIND = 1, TAG_AT, TAG_WHO, TAG_ACTION, TAG_TARGET, TAG_DETAIL, TAG_AFFECTED };
enum { AUDIT_BYTES_MAX = 64 << 10 };

static const char prefix[] = "audit/";

struct relay_audit {
    struct io_mail stored;
    struct list link; // of those that the ledger has not stored
    struct view key, value;
    struct buffer bytes; // what the views point into
};

static void encode(const struct ledger_audit *audit, struct buffer *out) {
    codec_put_int(out, TAG_KIND, audit->kind);
    codec_put_int(out, TAG_AT, audit->at_ms);
    codec_put_bytes(out, TAG_WHO, view_take(audit->who, 256));
    codec_put_bytes(out, TAG_ACTION, view_take(audit->action, 64));
    codec_put_bytes(out, TAG_TARGET, view_take(audit->target, 4096));
    codec_put_bytes(out, TAG_DETAIL, view_take(audit->detail, 16 << 10));
    codec_put_int(out, TAG_AFFECTED, (int64_t)audit->n_affected);
}

static bool decode(struct view bytes, struct ledger_audit *audit) {
    struct codec_field field;
    int64_t number = 0;
    *audit = (struct ledger_audit){0};
    while (codec_get(&bytes, &field)) {
        bool is_number = codec_field_int(&field, &number);
        switch (field.tag) {
        case TAG_KIND:
            audit->kind = is_number && number == LEDGER_AUDIT_SYSTEM ? LEDGER_AUDIT_SYSTEM
                                                                     : LEDGER_AUDIT_OPERATOR;
            break;
        case TAG_AT: audit->at_ms = number; break;
        case TAG_WHO: audit->who = field.bytes; break;
        case TAG_ACTION: audit->action = field.bytes; break;
        case TAG_TARGET: audit->target = field.bytes; break;
        case TAG_DETAIL: audit->detail = field.bytes; break;
        case TAG_AFFECTED: audit->n_affected = (uint64_t)number; break;
        default: break;
        }
    }
    return bytes.len == 0;
}

static struct relay_audit *make(struct view key, struct view value) {
    struct relay_audit *line = mem_alloc_zero(sizeof *line);
    list_init(&line->link);
    buffer_init(&line->bytes, AUDIT_BYTES_MAX);
    buffer_append_view(&line->bytes, key);
    buffer_append_view(&line->bytes, value);
    ASSERT(!line->bytes.overflow);
    line->key = view_from(line->bytes.ptr, key.len);
    line->value = view_from(line->bytes.ptr + key.len, value.len);
    return line;
}

struct relay_audit *relay_audit_make(struct relay *relay, const struct ledger_audit *audit) {
    char key[SPOOL_ID_TEXT_SIZE + sizeof prefix];
    char id[SPOOL_ID_TEXT_SIZE];
    spool_id_format(spool_id_next(relay->spool), id); // never used twice, across restarts, too
    struct buffer value, key_bytes;
    buffer_init(&key_bytes, sizeof key);
    buffer_printf(&key_bytes, "%s%s", prefix, id);
    buffer_init(&value, AUDIT_BYTES_MAX);
    encode(audit, &value);
    struct relay_audit *line = make(buffer_view(&key_bytes), buffer_view(&value));
    buffer_finish(&value);
    buffer_finish(&key_bytes);
    return line;
}

void relay_audit_free(struct relay_audit *line) {
    if (line == NULL)
        return;
    list_remove(&line->link);
    buffer_finish(&line->bytes);
    free(line);
}

void relay_audits_finish(struct relay *relay) {
    while (!list_is_empty(&relay->audits))
        relay_audit_free(CONTAINER_OF(relay->audits.next, struct relay_audit, link));
}

void relay_audit_note(struct relay *relay, struct relay_audit *line, struct spool_tx *tx) {
    spool_tx_note(tx, line->key, line->value);
}

void relay_audit_tell(struct relay *relay, struct relay_audit *line) {
    struct ledger_audit audit;
    if (!decode(line->value, &audit))
        log_warning("relay", "a stored audit line is damaged and told in part");
    audit.key = view_skip(line->key, sizeof prefix - 1);
    list_append(&relay->audits, &line->link);
    ledger_audit(relay->ledger, &audit, relay->stored, &line->stored);
}

void relay_audit_restore(struct relay *relay, struct view key, struct view value) {
    if (key.len + value.len > AUDIT_BYTES_MAX)
        return;
    relay_audit_tell(relay, make(key, value));
}

// Things that the relay does of its own accord: there is no transaction to keep the line in step
// with.
void relay_audit_system(struct relay *relay, struct view action, struct view target,
                        struct view detail) {
    struct ledger_audit audit = {.kind = LEDGER_AUDIT_SYSTEM,
                                 .at_ms = io_wall_ms(),
                                 .who = VIEW("postrider"),
                                 .action = action,
                                 .target = target,
                                 .detail = detail};
    struct relay_audit *line = relay_audit_make(relay, &audit);
    relay_audit_note(relay, line, relay_batch_tx(relay));
    relay_audit_tell(relay, line);
}

void relay_stored_run(void *arg) {
    struct relay *relay = arg;
    while (!relay->is_finished) {
        struct io_mail *mail = io_mailbox_take_all(relay->stored, IO_NEVER);
        if (relay->is_finished) // the spool takes no more: they are told again at the next start
            return;
        while (mail != NULL) {
            struct relay_audit *line = CONTAINER_OF(mail, struct relay_audit, stored);
            mail = mail->next;
            spool_tx_note(relay_batch_tx(relay), line->key, VIEW_NONE);
            relay_audit_free(line);
        }
        relay_step(relay);
    }
}
