// SPDX-License-Identifier: Apache-2.0
#ifndef CONTROL_REQUEST_INTERNAL_H
#define CONTROL_REQUEST_INTERNAL_H

#include "control/control.h"

struct request_peer {
    struct view who; // "uid 0 (root)"
    bool may_act;
};

// Appends the answer to `line`, without a newline. Whatever the line holds, there is an answer.
IO_WAITS void request_answer(const struct control_options *options, const struct request_peer *peer,
                             struct view line, struct buffer *out);

#endif
