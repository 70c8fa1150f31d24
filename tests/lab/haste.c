// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program, it lets the clocks run HASTE times as fast and shortens its waits
// alike: five minutes (RFC 5321 4.5.3.2) pass in seconds, and the program itself is unchanged.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t haste = 1, start[16];

static int64_t read_clock(clockid_t clock) {
    struct timespec now = {0};
    syscall(SYS_clock_gettime, clock, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("HASTE");
    haste = text ? strtol(text, NULL, 10) : 1;
    for (clockid_t clock = 0; clock < 16; clock++)
        start[clock] = read_clock(clock);
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    if (clock < 0 || clock >= 16 || clock == CLOCK_PROCESS_CPUTIME_ID ||
        clock == CLOCK_THREAD_CPUTIME_ID)
        return (int)syscall(SYS_clock_gettime, clock, out);
    int64_t now = start[clock] + (read_clock(clock) - start[clock]) * haste;
    *out = (struct timespec){.tv_sec = now / 1000000000, .tv_nsec = now % 1000000000};
    return 0;
}

int epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms) {
    if (timeout_ms > 0)
        timeout_ms = (int)((timeout_ms + haste - 1) / haste);
    return (int)syscall(SYS_epoll_pwait, set, events, max, timeout_ms, NULL, 8);
}
