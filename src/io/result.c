// SPDX-License-Identifier: Apache-2.0
#include "io/io.h"

#include <errno.h>

// Failures that are ours, whatever the peer does.
static enum fact_local local_of_errno(int sys_errno) {
    switch (sys_errno) {
    case EMFILE:
    case ENFILE: return FACT_LOCAL_DESCRIPTORS;
    case ENOMEM:
    case ENOBUFS: return FACT_LOCAL_MEMORY;
    case EADDRNOTAVAIL: return FACT_LOCAL_SOURCE;
    default: return FACT_LOCAL_NONE;
    }
}

static enum fact_kind kind_of(struct io_result result) {
    switch (result.status) {
    case IO_OK: return FACT_KIND_OK;
    case IO_EOF: return FACT_KIND_CLOSED;
    case IO_TIMEOUT: return FACT_KIND_SILENT;
    case IO_CANCELED: return FACT_KIND_CANCELED;
    case IO_ERROR: break;
    }
    return local_of_errno(result.sys_errno) ? FACT_KIND_LOCAL : FACT_KIND_ERRNO;
}

struct fact io_fact(enum fact_stage stage, struct io_result result) {
    struct fact fact = fact_make(stage, kind_of(result));
    if (result.status == IO_ERROR) {
        fact.detail = (int)local_of_errno(result.sys_errno);
        fact.sys_errno = result.sys_errno;
        fact.icmp_type = result.icmp_type;
        fact.icmp_code = result.icmp_code;
        fact_set_icmp_from(&fact, &result.icmp_from);
    }
    fact.at_ms = io_wall_ms();
    return fact;
}

void io_fact_add_tcp(struct fact *fact, struct io_stream *stream) {
    struct io_tcp_info info;
    bool was_lost = fact->kind == FACT_KIND_SILENT || fact->kind == FACT_KIND_CLOSED ||
                    fact->kind == FACT_KIND_ERRNO;
    if (!was_lost || !stream || !io_stream_tcp_info(stream, &info))
        return;
    fact->flags |= FACT_FLAG_TCP_KNOWN;
    fact->tcp_unacked_bytes = (int)info.bytes_unacked;
    fact->tcp_retransmits = (int)info.retransmits;
    fact->tcp_segment_bytes = (int)info.snd_mss;
}
