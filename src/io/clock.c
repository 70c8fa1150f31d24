// SPDX-License-Identifier: Apache-2.0
// Clocks and randomness. A loop asks for the time before each wait, so io_now reads the kernel's
// clock only when the processor's counter has moved on by about 50 microseconds.
#include "io/backend_internal.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { COUNTER_STEPS_FRESH_X86 = 100000, COUNTER_STEPS_FRESH_ARM = 1000 };

// A counter that runs at a steady pace of at least 1 GHz (x86-64) or 10 MHz (aarch64).
#if defined(__x86_64__)
static inline bool is_counter_near(uint64_t *last) {
    uint64_t counter = __rdtsc();
    bool is_near = counter - *last < COUNTER_STEPS_FRESH_X86;
    if (!is_near)
        *last = counter;
    return is_near;
}
#elif defined(__aarch64__)
static inline bool is_counter_near(uint64_t *last) {
    uint64_t counter;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(counter));
    bool is_near = counter - *last < COUNTER_STEPS_FRESH_ARM;
    if (!is_near)
        *last = counter;
    return is_near;
}
#else
static inline bool is_counter_near(uint64_t *last) {
    return false;
}
#endif

static _Thread_local struct {
    uint64_t counter;
    io_time now;
} cached;

io_time io_now(void) {
    const struct io_backend *backend = backend_here();
    if (backend != &io_backend_epoll)
        return backend->now_us() / 1000;
    if (!is_counter_near(&cached.counter))
        cached.now = backend->now_us() / 1000;
    return cached.now;
}

int64_t io_now_us(void) {
    return backend_here()->now_us();
}

int64_t io_wall_ms(void) {
    return backend_here()->wall_ms();
}

void clock_refresh(struct io_loop *loop) {
    loop->now = io_now();
}

void io_random_bytes(void *out, size_t len) {
    backend_here()->random(out, len);
}

uint64_t io_random_u64(void) {
    uint64_t number;
    io_random_bytes(&number, sizeof(number));
    return number;
}
