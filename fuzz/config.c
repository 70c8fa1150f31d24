// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file: it is refused with a reason, or what is written from it reads
// the same again.
#include "config/keys.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct buffer problems, first, second;
    struct view text = view_from(bytes, len);
    // Files of the machine that runs this are nobody's business.
    if (view_find(text, VIEW("password_file")) < text.len)
        return 0;
    buffer_init(&problems, 1 << 20);
    buffer_init(&first, 64 << 20);
    buffer_init(&second, 64 << 20);
    struct config *config = config_load_text(text, "fuzz", &problems);
    ASSERT((config == NULL) == (problems.len > 0));
    if (config) {
        config_write(config, &first);
        struct config *again = config_load_text(buffer_view(&first), "again", &problems);
        ASSERT(again != NULL);
        config_write(again, &second);
        ASSERT(view_equals(buffer_view(&first), buffer_view(&second)));
        ASSERT(config_connector_for(config, text) == NULL || config->n_connectors > 0);
        config_unref(again);
        config_unref(config);
    }
    buffer_finish(&problems);
    buffer_finish(&first);
    buffer_finish(&second);
    return 0;
}
