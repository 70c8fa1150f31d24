// SPDX-License-Identifier: Apache-2.0
// Answering questions: the parts that several answers share, and one function a question. Private
// to relay/.
#ifndef RELAY_ANSWER_H
#define RELAY_ANSWER_H

#include "relay/relay_internal.h"

// answer_parts.c: what several answers say
struct relay_shown { // a recipient as it is shown; written before the next wait
    uint32_t rcpt;   // zero: it went while we looked
    struct schedule_rcpt_info info;
    struct schedule_domain_info domain;
    struct view address, sender; // empty where the envelope could not be read
    uint64_t size_bytes;
    struct relay_record failure; // the newest; kind NONE: none
};
// Reads what the spool knows of it; views live in `arena`.
IO_WAITS void relay_show(struct relay *relay, uint32_t rcpt, struct arena *arena,
                         struct relay_shown *shown);
void relay_put_time(struct json_writer *json, const char *key, io_time at); // IO_NEVER: null
void relay_put_binding(struct relay *relay, const struct schedule_binding *binding,
                       const struct schedule_domain_info *domain, struct json_writer *json);
// "status" and "verdict" of the last failure, of mail to `domain` (empty: to several).
void relay_put_failure(const struct relay_record *failure, struct view domain, struct arena *arena,
                       struct json_writer *json);
void relay_put_recipient(struct relay *relay, const struct relay_shown *shown, struct arena *arena,
                         struct json_writer *json);
void relay_put_lane(struct relay *relay, uint32_t lane, struct arena *arena,
                    struct json_writer *json);
void relay_put_domain(struct relay *relay, uint32_t domain, struct arena *arena,
                      struct json_writer *json);
struct view relay_state_word(enum schedule_state state);
uint32_t relay_rcpt_find(struct relay *relay, struct spool_id id, uint32_t index);

// answer_queue.c, answer_why.c, answer_status.c
IO_WAITS bool relay_answer_lanes(struct relay *relay, const struct relay_ask *ask,
                                 struct json_writer *json, struct error *error);
IO_WAITS bool relay_answer_list(struct relay *relay, const struct relay_ask *ask,
                                struct json_writer *json, struct error *error);
IO_WAITS bool relay_answer_show(struct relay *relay, const struct relay_ask *ask,
                                struct json_writer *json, struct error *error);
IO_WAITS bool relay_answer_why(struct relay *relay, const struct relay_ask *ask,
                               struct json_writer *json, struct error *error);
void relay_answer_status(struct relay *relay, struct json_writer *json);

#endif
