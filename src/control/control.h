// SPDX-License-Identifier: Apache-2.0
// The control socket: JSON lines between the commands and the running relay. The owner of the
// process and root act, its group reads; every act is audited by the relay with the user that the
// kernel names.
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "relay/relay.h"

enum {
    CONTROL_VERSION = 1,
    CONTROL_REQUEST_BYTES_MAX = 256 << 10,
    CONTROL_ANSWER_BYTES_MAX = 64 << 20,
    CONTROL_SESSIONS_MAX = 32
};

struct control_options {
    const char *path; // of the socket
    struct relay *relay;
    // Loads the configuration anew. False: `text` says why the old one stays; true: it may hold
    // what needs a restart. Audited here.
    IO_WAITS bool (*reload)(void *arg, struct buffer *text);
    // Adds members to the "status" answer.
    void (*status)(void *arg, struct json_writer *json);
    void *arg;
    struct ledger *ledger; // for the audit of what is not relay's
};

struct control;
// On the calling loop. NULL: `error` says why.
struct control *control_start(const struct control_options *options, struct error *error);
IO_WAITS void control_stop(struct control *control); // waits for answers that are being written

// The commands' side. Sends one request (a JSON object without newline), waits for its answer.
// False: `error` says what to do (no relay runs here, no permission, no answer in time).
IO_WAITS bool control_call(const char *path, struct view request, io_time deadline,
                           struct buffer *answer, struct error *error);

#endif
