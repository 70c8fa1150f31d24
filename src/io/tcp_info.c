// SPDX-License-Identifier: Apache-2.0
// What the kernel knows of a TCP connection. In a file of its own, since the C library's tcp.h does
// not have all that the kernel's has, and the two cannot be included together.
#include "io/socket_internal.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { TCP_STATE_ESTABLISHED = 1 }; // as in the kernel; linux/tcp.h does not tell

bool socket_tcp_info(struct io_stream *stream, struct io_tcp_info *info) {
    struct tcp_info kernel = {0};
    socklen_t len = sizeof(kernel);
    int number = socket_descriptor(stream), n_waiting = 0;
    if (number < 0 || stream->peer.family == ADDRESS_UNIX ||
        getsockopt(number, IPPROTO_TCP, TCP_INFO, &kernel, &len) != 0 ||
        ioctl(number, SIOCOUTQ, &n_waiting) != 0)
        return false;
    *info = (struct io_tcp_info){.rtt_us = kernel.tcpi_rtt,
                                 .rto_us = kernel.tcpi_rto,
                                 .retransmits = kernel.tcpi_total_retrans,
                                 .unacked = kernel.tcpi_unacked,
                                 .snd_mss = kernel.tcpi_snd_mss,
                                 .pmtu = kernel.tcpi_pmtu,
                                 .snd_cwnd = kernel.tcpi_snd_cwnd,
                                 .bytes_acked = kernel.tcpi_bytes_acked,
                                 .bytes_unacked = n_waiting > 0 ? (uint64_t)n_waiting : 0,
                                 .is_ended = kernel.tcpi_state != TCP_STATE_ESTABLISHED};
    return true;
}
