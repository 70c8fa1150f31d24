// SPDX-License-Identifier: Apache-2.0
// Stored states of recipients: any bytes are read or refused, and what is read is written alike.
#include "relay/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct relay_record record, again;
    if (!relay_record_decode(view_from(data, size), &record))
        return 0;
    struct buffer bytes;
    buffer_init(&bytes, RELAY_RECORD_BYTES_MAX);
    relay_record_encode(&record, &bytes);
    ASSERT(!bytes.overflow);
    ASSERT(relay_record_decode(buffer_view(&bytes), &again));
    ASSERT(again.next_ms == record.next_ms && again.rounds == record.rounds);
    ASSERT(again.fact.kind == record.fact.kind && again.fact.stage == record.fact.stage);
    buffer_finish(&bytes);
    return 0;
}
