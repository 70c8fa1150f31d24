// SPDX-License-Identifier: Apache-2.0
// The packets of our own calls: saved in a file that Wireshark and tcpdump read, and read here.
//
// Of each packet the headers are kept and nothing behind them: no message, no password. Root or
// CAP_NET_RAW is needed. One capture may serve many fibers; its work is done on a thread of its
// own.
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include "base/address.h"
#include "base/error.h"
#include "io/io.h"

struct capture;

// `*is_forbidden`: only the permission is missing, and no file was made. NULL: `error` says why.
struct capture *capture_start(const char *path, bool *is_forbidden, struct error *error);
// From now on packets to and from that address and port are kept, and ICMP messages about them.
void capture_add_peer(struct capture *capture, const struct address *peer);
// Writes what is left and closes the file; false: it could not be written whole.
bool capture_stop(struct capture *capture, struct error *error);

// What the packets of one TCP connection show. Times are microseconds.
struct capture_flow {
    struct address local, peer;
    unsigned interface;      // on which it was seen first; copies on others are left out
    bool is_outgoing;        // our packets leave; over the loopback they are seen to arrive
    unsigned n_syn;          // of ours, repeats included
    int64_t syn_us;          // when the first was sent
    int64_t answer_us;       // from the last SYN to the answer; zero: none came
    unsigned mss_ours, mss_theirs; // as announced; zero: not
    int hops_ours;           // the TTL with which our packets leave; zero: none was seen
    int ttl_peer;            // of the peer's packets without RST; -1: none came
    int ttl_reset;           // of its RST; -1: none came
    int64_t reset_us;        // from our last packet to that RST
    uint32_t next_ours;      // sequence number behind the last byte that we sent
    bool has_sent;           // `next_ours` is known
    unsigned n_segments;     // of ours with payload, repeats included
    unsigned n_repeated;     // of those, sent before
    unsigned n_repeats_run;  // of the same segment, since the last acknowledgement of new bytes
    unsigned n_stuck;        // the longest such run
    unsigned stuck_bytes;    // size of that segment
    uint32_t acknowledged;   // by the peer
    bool has_acknowledged;
    bool is_window_zero;     // the peer's last word was that it takes nothing
    unsigned n_window_zero;  // how often it said so
    int64_t last_sent_us;
    int icmp_type, icmp_code; // of a message about it; -1: none came
    struct address icmp_from;
};
enum { CAPTURE_FLOWS_MAX = 4096 };

// Copies of the flows with `peer`, the newest last; at most `n_max` of them. What has arrived by
// now is counted in.
size_t capture_flows(struct capture *capture, const struct address *peer, struct capture_flow *out,
                     size_t n_max);
struct capture_counts {
    unsigned long n_kept, n_dropped; // packets saved; packets that the kernel could not hand over
};
struct capture_counts capture_counts(struct capture *capture);

// How many routers a packet has passed, from the TTL that is left of what hosts begin with (64,
// 128 or 255).
unsigned capture_hops_passed(int ttl);

#endif
