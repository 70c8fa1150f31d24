// SPDX-License-Identifier: Apache-2.0
// Who we are for others, and what the other side promises about its certificates.
#ifndef PROBE_IDENTITY_INTERNAL_H
#define PROBE_IDENTITY_INTERNAL_H

#include "probe/probe_internal.h"

// --- names.c ----------------------------------------------------------------------------------
// PTR and forward name of the addresses that we call from, and our EHLO name, looked up at the same
// time as the session. Each begin has its end.
struct probe_own;
struct probe_own *probe_own_begin(struct probe *probe);
IO_WAITS void probe_own_end(struct probe *probe, struct probe_own *own);
struct view probe_helo(const struct probe *probe);
// Where calls to the way's address come from; false: there is no route.
bool probe_source_of(const struct probe_way *way, struct address *source);

// --- dane.c -----------------------------------------------------------------------------------
// TLSA records are looked up at the same time as hosts are called. Each begin has its end; NULL:
// nothing is signed.
struct probe_dane *probe_dane_begin(struct probe *probe);
IO_WAITS void probe_dane_end(struct probe *probe);
// Once TLS stands, or is not offered. A fact that is not OK ends the session: what was demanded.
IO_WAITS struct fact probe_check_dane(struct probe *probe, struct probe_session *session);

// --- sts.c ------------------------------------------------------------------------------------
// The record that announces a policy: looked up beside the session (names.c), then told.
struct probe_sts_record {
    struct view id;
    size_t n;
    bool is_broken; // one begins as a record and cannot be read
};
IO_WAITS void probe_sts_look_up(const struct probe *probe, struct arena *arena,
                                struct probe_sts_record *record);
void probe_sts_tell(struct probe *probe, const struct probe_sts_record *record);
IO_WAITS void probe_try_sts(struct probe *probe); // fetches the policy

// --- identity.c: what a receiver knows of us ----------------------------------------------------
IO_WAITS void probe_try_identity(struct probe *probe);
// lists.c
IO_WAITS void probe_try_block_lists(struct probe *probe, const struct address *source);

#endif
