// SPDX-License-Identifier: Apache-2.0
// Stored envelopes: damage is refused, and what is taken has one form that is kept from then on.
#include "mail/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_again(const struct mail_envelope *envelope) {
    struct buffer first, second;
    struct arena arena;
    struct mail_envelope again;
    arena_init(&arena, 8 << 20);
    buffer_init(&first, 2 * MAIL_ENVELOPE_BYTES_MAX);
    buffer_init(&second, 2 * MAIL_ENVELOPE_BYTES_MAX);
    mail_envelope_encode(envelope, &first);
    ASSERT(!first.overflow);
    ASSERT(mail_envelope_decode(buffer_view(&first), &arena, &again));
    ASSERT(again.n_recipients == envelope->n_recipients);
    mail_envelope_encode(&again, &second);
    ASSERT(view_equals(buffer_view(&first), buffer_view(&second)));
    buffer_finish(&first);
    buffer_finish(&second);
    arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct arena arena;
    struct mail_envelope envelope;
    arena_init(&arena, 8 << 20);
    if (mail_envelope_decode(view_from(bytes, len), &arena, &envelope)) {
        check_again(&envelope);
        struct view canonical = mail_address_canonical(envelope.sender, &arena);
        ASSERT(canonical.len <= envelope.sender.len);
        for (size_t i = 0; i < envelope.n_recipients; i++) {
            struct view domain = mail_address_domain(envelope.recipients[i].address);
            ASSERT(domain.len <= envelope.recipients[i].address.len);
        }
    }
    arena_finish(&arena);
    return 0;
}
