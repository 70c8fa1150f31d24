// SPDX-License-Identifier: Apache-2.0
// Sessions at once, in all and for each client address, over all loops. Strangers, who are not in
// accept_from, may hold a quarter of them: they can never keep out those whom we serve. Private to
// the folder.
#ifndef SERVE_LIMITS_H
#define SERVE_LIMITS_H

#include "serve/serve.h"

enum serve_admission { SERVE_ADMITTED, SERVE_FULL, SERVE_FULL_FOR_CLIENT };

// From any thread. Every admission is given back with serve_limits_leave.
enum serve_admission serve_limits_enter(struct serve_limits *limits, const struct address *client,
                                        bool is_stranger, const struct config *config);
void serve_limits_leave(struct serve_limits *limits, const struct address *client,
                        bool is_stranger);

#endif
