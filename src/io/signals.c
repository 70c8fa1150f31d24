// SPDX-License-Identifier: Apache-2.0
// SIGTERM, SIGINT and SIGHUP as events of one loop. They are blocked in every thread that io makes,
// so that none of them interrupts a call elsewhere.
#include "io/epoll_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signal_watch {
    struct descriptor descriptor;
    void (*handler)(int signal, void *arg);
    void *arg;
};

static sigset_t watched_set(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

void signals_block(void) {
    sigset_t set = watched_set();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void signals_ready(struct descriptor *descriptor, uint32_t events) {
    struct signal_watch *watch = CONTAINER_OF(descriptor, struct signal_watch, descriptor);
    struct signalfd_siginfo info;
    while (read(descriptor->number, &info, sizeof(info)) == sizeof(info))
        watch->handler((int)info.ssi_signo, watch->arg);
}

void signals_watch(struct io_loop *loop, void (*handler)(int signal, void *arg), void *arg) {
    sigset_t set = watched_set();
    signals_close(loop->epoll);
    signals_block();
    struct signal_watch *watch = mem_alloc_zero(sizeof(*watch));
    int number = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    ASSERT(number >= 0);
    descriptor_init(&watch->descriptor, number);
    watch->descriptor.on_events = signals_ready;
    watch->handler = handler;
    watch->arg = arg;
    ASSERT(descriptor_register(&watch->descriptor, EPOLLIN));
    loop->epoll->signals = &watch->descriptor;
}

void signals_close(struct epoll_set *set) {
    if (!set->signals)
        return;
    descriptor_close(set->signals);
    free(CONTAINER_OF(set->signals, struct signal_watch, descriptor));
    set->signals = NULL;
}
