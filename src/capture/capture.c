// SPDX-License-Identifier: Apache-2.0
// libpcap on a loop of its own: the thread that probes is never held up by a disk, and packets are
// taken while it waits. One lock guards the handle, the peers and the flows.
#include "capture/packet_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <pcap/pcap.h>

// Ethernet-like header, IPv6 and the longest TCP header; behind them nothing is wanted.
enum { SNAP_BYTES = 128, BUFFER_BYTES = 4 << 20, AT_ONCE = 256 };
// More peers than that are not told to the kernel but picked out here.
enum { PEERS_MAX = 4096, PEERS_IN_FILTER_MAX = 100 };

struct capture {
    pcap_t *handle;
    pcap_dumper_t *dumper;
    enum packet_link link;
    struct io_loop *loop;
    struct io_watch *watch; // of that loop
    sem_t has_ended;        // the watch is gone
    pthread_mutex_t lock;
    struct address peers[PEERS_MAX];
    size_t n_peers;
    struct capture_flow *flows;
    size_t n_flows;
    unsigned long n_kept;
};

// --- Packets ----------------------------------------------------------------------------------
static bool is_peer(const struct capture *capture, const struct address *address) {
    for (size_t i = capture->n_peers; i > 0; i--)
        if (address_equals_port(&capture->peers[i - 1], address))
            return true;
    return false;
}

// NULL: a connection that was there before us, or one too many.
static struct capture_flow *find_flow(struct capture *capture, const struct packet *packet,
                                      bool is_ours) {
    bool is_icmp = packet->kind == PACKET_ICMP;
    const struct address *local = is_icmp   ? &packet->about_from
                                  : is_ours ? &packet->from
                                            : &packet->to;
    const struct address *peer = is_icmp   ? &packet->about_to
                                 : is_ours ? &packet->to
                                           : &packet->from;
    for (size_t i = capture->n_flows; i > 0; i--) {
        struct capture_flow *flow = &capture->flows[i - 1];
        if (address_equals_port(&flow->peer, peer) && address_equals_port(&flow->local, local))
            return flow;
    }
    if (is_icmp || !is_ours || capture->n_flows == CAPTURE_FLOWS_MAX)
        return NULL;
    struct capture_flow *flow = &capture->flows[capture->n_flows++];
    flow_init(flow, packet, is_ours);
    return flow;
}

// On a machine whose packets pass several interfaces, such as a bridge, each is seen several times.
// Ours leave, theirs arrive; over the loopback libpcap shows arrivals alone.
static bool is_copy(const struct capture_flow *flow, const struct packet *packet, bool is_ours) {
    bool is_expected = is_ours ? packet->is_outgoing == flow->is_outgoing : !packet->is_outgoing;
    return packet->kind == PACKET_TCP && (packet->interface != flow->interface || !is_expected);
}

static void on_packet(u_char *arg, const struct pcap_pkthdr *header, const u_char *bytes) {
    struct capture *capture = (struct capture *)(void *)arg;
    struct packet packet;
    if (!packet_read(capture->link, bytes, header->caplen, &packet))
        return;
    bool is_icmp = packet.kind == PACKET_ICMP;
    bool is_ours = !is_icmp && is_peer(capture, &packet.to);
    if (!is_ours && !is_peer(capture, is_icmp ? &packet.about_to : &packet.from))
        return;
    struct capture_flow *flow = find_flow(capture, &packet, is_ours);
    if (!flow || is_copy(flow, &packet, is_ours))
        return;
    struct pcap_pkthdr kept = *header;
    int64_t at_us = (int64_t)header->ts.tv_sec * 1000000 + header->ts.tv_usec;
    flow_add(flow, &packet, is_ours, at_us);
    kept.caplen = (bpf_u_int32)packet.n_header_bytes;
    pcap_dump((u_char *)capture->dumper, &kept, bytes);
    capture->n_kept++;
}

// With the lock held. A few turns: others wait for the lock.
static void take_packets(struct capture *capture) {
    enum { TURNS_MAX = 16 };
    for (int i = 0; i < TURNS_MAX; i++)
        if (pcap_dispatch(capture->handle, AT_ONCE, on_packet, (u_char *)capture) <= 0)
            return;
}

static void on_ready(uint32_t events, void *arg) {
    struct capture *capture = arg;
    pthread_mutex_lock(&capture->lock);
    take_packets(capture);
    pthread_mutex_unlock(&capture->lock);
}

// --- The filter -------------------------------------------------------------------------------
// With the lock held. ICMP messages come from anywhere: those about our peers are picked out here.
static void set_filter(struct capture *capture) {
    struct bpf_program program;
    struct buffer text;
    char address[ADDRESS_TEXT_SIZE];
    buffer_init(&text, 16 << 10);
    buffer_append_view(&text, VIEW("icmp or icmp6"));
    if (capture->n_peers > PEERS_IN_FILTER_MAX)
        buffer_append_view(&text, VIEW(" or tcp or ip6"));
    for (size_t i = 0; i < capture->n_peers && capture->n_peers <= PEERS_IN_FILTER_MAX; i++) {
        address_format(&capture->peers[i], address, sizeof(address));
        buffer_printf(&text, " or (%s host %s)",
                      capture->peers[i].family == ADDRESS_IPV6 ? "ip6" : "tcp and ip", address);
    }
    if (pcap_compile(capture->handle, &program, buffer_string(&text), 1, PCAP_NETMASK_UNKNOWN) ==
        0) {
        pcap_setfilter(capture->handle, &program);
        pcap_freecode(&program);
    }
    buffer_finish(&text);
}

void capture_add_peer(struct capture *capture, const struct address *peer) {
    pthread_mutex_lock(&capture->lock);
    if (capture->n_peers < PEERS_MAX && !is_peer(capture, peer)) {
        capture->peers[capture->n_peers] = *peer;
        capture->peers[capture->n_peers++].scope = 0;
        if (capture->n_peers <= PEERS_IN_FILTER_MAX + 1)
            set_filter(capture);
    }
    pthread_mutex_unlock(&capture->lock);
}

// --- What was seen ----------------------------------------------------------------------------
size_t capture_flows(struct capture *capture, const struct address *peer, struct capture_flow *out,
                     size_t n_max) {
    size_t n = 0, first = 0;
    pthread_mutex_lock(&capture->lock);
    take_packets(capture);
    for (size_t i = capture->n_flows; i > 0 && n < n_max; i--)
        if (address_equals_port(&capture->flows[i - 1].peer, peer)) {
            n++;
            first = i - 1;
        }
    n = 0;
    for (size_t i = first; i < capture->n_flows && n < n_max; i++)
        if (address_equals_port(&capture->flows[i].peer, peer))
            out[n++] = capture->flows[i];
    pthread_mutex_unlock(&capture->lock);
    return n;
}

struct capture_counts capture_counts(struct capture *capture) {
    struct pcap_stat stat = {0};
    pthread_mutex_lock(&capture->lock);
    struct capture_counts counts = {.n_kept = capture->n_kept};
    if (pcap_stats(capture->handle, &stat) == 0)
        counts.n_dropped = stat.ps_drop;
    pthread_mutex_unlock(&capture->lock);
    return counts;
}

// --- Life -------------------------------------------------------------------------------------
static bool open_handle(struct capture *capture, bool *is_forbidden, struct error *error) {
    char problem[PCAP_ERRBUF_SIZE] = "";
    capture->handle = pcap_create("any", problem);
    if (!capture->handle)
        return error_set(error, "packets cannot be captured: %s", problem);
    pcap_set_snaplen(capture->handle, SNAP_BYTES);
    pcap_set_buffer_size(capture->handle, BUFFER_BYTES);
    pcap_set_immediate_mode(capture->handle, 1);
    int status = pcap_activate(capture->handle);
    *is_forbidden = status == PCAP_ERROR_PERM_DENIED;
    if (*is_forbidden)
        return error_set(error, "packets cannot be captured: that takes root or CAP_NET_RAW");
    if (status < 0)
        return error_set(error, "packets cannot be captured: %s", pcap_geterr(capture->handle));
    // Tells the interface too; an older libpcap has only the first one.
    if (pcap_set_datalink(capture->handle, DLT_LINUX_SLL2) == 0)
        capture->link = PACKET_LINK_SLL2;
    else if (pcap_datalink(capture->handle) == DLT_LINUX_SLL)
        capture->link = PACKET_LINK_SLL;
    else
        return error_set(error, "packets cannot be captured: an unknown kind of link");
    return pcap_setnonblock(capture->handle, 1, problem) == 0 ||
           error_set(error, "packets cannot be captured: %s", problem);
}

static bool open_file(struct capture *capture, const char *path, struct error *error) {
    int number = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = number >= 0 ? fdopen(number, "w") : NULL;
    if (!file) {
        error_set_errno(error, errno, "%s cannot be written", path);
        if (number >= 0)
            close(number);
        return false;
    }
    capture->dumper = pcap_dump_fopen(capture->handle, file);
    if (capture->dumper)
        return true;
    fclose(file);
    return error_set(error, "%s cannot be written: %s", path, pcap_geterr(capture->handle));
}

static void begin(void *arg) {
    struct capture *capture = arg;
    int number = pcap_get_selectable_fd(capture->handle);
    ASSERT(number >= 0);
    capture->watch = io_watch_add(number, EPOLLIN, on_ready, capture);
}

static void end(void *arg) {
    struct capture *capture = arg;
    io_watch_remove(capture->watch);
    sem_post(&capture->has_ended);
}

static void destroy(struct capture *capture) {
    if (capture->dumper)
        pcap_dump_close(capture->dumper);
    if (capture->handle)
        pcap_close(capture->handle);
    pthread_mutex_destroy(&capture->lock);
    sem_destroy(&capture->has_ended);
    free(capture->flows);
    free(capture);
}

struct capture *capture_start(const char *path, bool *is_forbidden, struct error *error) {
    static const struct io_loop_options options = {.name = "capture"};
    struct capture *capture = mem_alloc_zero(sizeof(*capture));
    capture->flows = mem_alloc_zero(CAPTURE_FLOWS_MAX * sizeof(*capture->flows));
    pthread_mutex_init(&capture->lock, NULL);
    ASSERT(sem_init(&capture->has_ended, 0, 0) == 0);
    *is_forbidden = false;
    if (open_handle(capture, is_forbidden, error) && open_file(capture, path, error)) {
        set_filter(capture);
        capture->loop = io_loop_start_thread(&options, error);
    }
    if (!capture->loop) {
        destroy(capture);
        return NULL;
    }
    io_loop_post(capture->loop, begin, capture);
    return capture;
}

bool capture_stop(struct capture *capture, struct error *error) {
    io_loop_post(capture->loop, end, capture);
    while (sem_wait(&capture->has_ended) != 0)
        ASSERT(errno == EINTR);
    io_loop_join_thread(capture->loop);
    take_packets(capture);
    bool is_whole = pcap_dump_flush(capture->dumper) == 0;
    destroy(capture);
    return is_whole || error_set(error, "the packets could not be written whole");
}
