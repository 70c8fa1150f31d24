// SPDX-License-Identifier: Apache-2.0
// Name servers for tests on loopback: a real one (nsd, from a zone text) and a scripted one of our
// own for what no honest server does.
#ifndef TESTS_DNS_TEST_H
#define TESTS_DNS_TEST_H

#include "dns/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DNS_TEST_PACKET_BYTES = 4096 };

// Runs `body` in a fiber on a loop of its own until every fiber has ended.
static inline void run_fiber(void (*body)(void *arg), void *arg) {
    struct error error;
    struct io_loop_options options = {.name = "test"};
    struct io_loop *loop = io_loop_create(&options, &error);
    assert_non_null(loop);
    io_spawn("body", body, arg);
    io_loop_run(loop);
    io_loop_destroy(loop);
}

// A UDP socket on a free port of 127.0.0.1.
static inline int open_udp(struct address *address) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&in, len), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&in, &len), 0);
    assert_true(address_from_sockaddr((struct sockaddr *)&in, address));
    return descriptor;
}

// --- The scripted server ----------------------------------------------------------------------

// Fills `reply` with the answer to a question and returns its length; zero: silence. `name` is the
// question's first label; `reply` holds a copy of the question on entry.
typedef size_t script_fn(const char *name, unsigned type, unsigned char *reply, size_t len);

struct script {
    int descriptor;
    struct address address;
    pthread_t thread;
    script_fn *answer;
    atomic_bool stops;
    atomic_int n_questions;
};

static inline size_t name_end(const unsigned char *packet, size_t len) {
    size_t at = 12;
    while (at < len && packet[at])
        at += packet[at] + 1U;
    return at + 1;
}

static inline void *script_run(void *arg) {
    struct script *script = arg;
    while (!atomic_load(&script->stops)) {
        unsigned char packet[DNS_TEST_PACKET_BYTES];
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        struct pollfd wait = {.fd = script->descriptor, .events = POLLIN};
        if (poll(&wait, 1, 20) <= 0)
            continue;
        ssize_t len = recvfrom(script->descriptor, packet, sizeof(packet), 0,
                               (struct sockaddr *)&from, &from_len);
        if (len < 17)
            continue;
        atomic_fetch_add(&script->n_questions, 1);
        size_t end = name_end(packet, (size_t)len) + 4;
        char name[64] = "";
        memcpy(name, packet + 13, packet[12] < 63 ? packet[12] : 0);
        packet[2] |= 0x80; // an answer
        packet[3] = 0x80;  // recursion available
        memset(packet + 6, 0, 6);
        size_t size = script->answer(name, packet[end - 3], packet, end);
        if (size)
            sendto(script->descriptor, packet, size, 0, (struct sockaddr *)&from, from_len);
    }
    return NULL;
}

static inline void script_start(struct script *script, script_fn *answer) {
    *script = (struct script){.answer = answer};
    script->descriptor = open_udp(&script->address);
    assert_int_equal(pthread_create(&script->thread, NULL, script_run, script), 0);
}

static inline void script_stop(struct script *script) {
    atomic_store(&script->stops, true);
    pthread_join(script->thread, NULL);
    close(script->descriptor);
}

// Appends a record for the name in the question; returns the new length.
static inline size_t add_record(unsigned char *reply, size_t len, unsigned type, uint32_t ttl_s,
                                const void *data, size_t data_len) {
    unsigned char head[12] = {0xc0, 12, 0, (unsigned char)type, 0, 1};
    for (int i = 0; i < 4; i++)
        head[6 + i] = (unsigned char)(ttl_s >> (24 - 8 * i));
    head[11] = (unsigned char)data_len;
    memcpy(reply + len, head, sizeof(head));
    memcpy(reply + len + sizeof(head), data, data_len);
    reply[7]++; // ANCOUNT
    return len + sizeof(head) + data_len;
}

// --- nsd --------------------------------------------------------------------------------------

struct nsd {
    pid_t pid;
    struct address address;
    char folder[64];
};

static inline void nsd_write(const struct nsd *nsd, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", nsd->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void nsd_configure(const struct nsd *nsd, const char *zone) {
    char text[2048];
    snprintf(
        text, sizeof(text),
        "server:\n ip-address: 127.0.0.1@%u\n port: %u\n username: \"\"\n database: \"\"\n"
        " zonesdir: \"%s\"\n logfile: \"%s/log\"\n pidfile: \"%s/pid\"\n xfrdfile: \"%s/xfrd\"\n"
        " zonelistfile: \"%s/list\"\n xfrdir: \"%s\"\n server-count: 1\n"
        "remote-control:\n control-enable: no\n"
        "zone:\n name: \"%s\"\n zonefile: \"zone\"\n",
        (unsigned)nsd->address.port, (unsigned)nsd->address.port, nsd->folder, nsd->folder,
        nsd->folder, nsd->folder, nsd->folder, nsd->folder, zone);
    nsd_write(nsd, "conf", text);
}

// True once it answers at all; false when it has ended, as it does where its port was taken
// meanwhile.
static inline bool nsd_is_up(const struct nsd *nsd) {
    static const unsigned char query[] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1};
    struct sockaddr_storage to;
    struct address own;
    unsigned char reply[512];
    bool is_up = false;
    int descriptor = open_udp(&own);
    socklen_t to_len = address_to_sockaddr(&nsd->address, &to);
    for (int i = 0; i < 200 && !is_up && waitpid(nsd->pid, NULL, WNOHANG) == 0; i++) {
        struct pollfd wait = {.fd = descriptor, .events = POLLIN};
        sendto(descriptor, query, sizeof(query), 0, (struct sockaddr *)&to, to_len);
        is_up = poll(&wait, 1, 100) > 0 && recv(descriptor, reply, sizeof(reply), 0) > 0;
    }
    close(descriptor);
    return is_up;
}

static inline bool nsd_try(struct nsd *nsd, const char *zone) {
    char conf[128];
    snprintf(conf, sizeof(conf), "%s/conf", nsd->folder);
    close(open_udp(&nsd->address));
    nsd_configure(nsd, zone);
    nsd->pid = fork();
    assert_true(nsd->pid >= 0);
    if (nsd->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execl("/usr/sbin/nsd", "nsd", "-d", "-c", conf, (char *)NULL);
        _exit(127);
    }
    if (nsd_is_up(nsd))
        return true;
    if (waitpid(nsd->pid, NULL, WNOHANG) == 0) {
        kill(nsd->pid, SIGTERM);
        waitpid(nsd->pid, NULL, 0);
    }
    nsd->pid = 0;
    return false;
}

// Serves `text` as zone `zone` on a free port; false where nsd is not installed.
static inline bool nsd_start(struct nsd *nsd, const char *zone, const char *text) {
    *nsd = (struct nsd){.folder = "/tmp/postrider-nsd-XXXXXX"};
    if (access("/usr/sbin/nsd", X_OK) != 0)
        return false;
    assert_non_null(mkdtemp(nsd->folder));
    nsd_write(nsd, "zone", text);
    for (int i = 0; i < 5; i++)
        if (nsd_try(nsd, zone))
            return true;
    fail_msg("nsd does not start: see %s/log", nsd->folder);
    return false;
}

static inline void nsd_stop(struct nsd *nsd) {
    static const char *const files[] = {"conf", "zone", "log", "pid", "xfrd", "list"};
    if (nsd->pid == 0)
        return;
    kill(nsd->pid, SIGTERM);
    waitpid(nsd->pid, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", nsd->folder, files[i]);
        unlink(path);
    }
    rmdir(nsd->folder);
}

#endif
