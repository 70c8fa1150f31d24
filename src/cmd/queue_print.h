// SPDX-License-Identifier: Apache-2.0
// The relay's answers as people read them.
#ifndef CMD_QUEUE_PRINT_H
#define CMD_QUEUE_PRINT_H

#include "cmd/cmd.h"

void queue_print_lanes(const json_t *result);
void queue_print_ages(const json_t *result);
void queue_print_list(const json_t *result);
void queue_print_show(const json_t *result);
void why_print(const json_t *result, const char *query);

#endif
