// SPDX-License-Identifier: Apache-2.0
// Machine contexts: what is saved when a fiber parks. The switch is ours on x86-64 and aarch64 and
// ucontext elsewhere (or where IO_USE_UCONTEXT is defined). Each switch is announced to ASan and
// TSan, and each stack to LSan and valgrind, so that their reports stay true.
#ifndef IO_CONTEXT_INTERNAL_H
#define IO_CONTEXT_INTERNAL_H

#include "base/base.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IO_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define IO_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define IO_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define IO_TSAN 1
#endif
#ifndef IO_ASAN
#define IO_ASAN 0
#endif
#ifndef IO_TSAN
#define IO_TSAN 0
#endif

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(IO_USE_UCONTEXT)
#define IO_USE_UCONTEXT 1
#endif
#ifdef IO_USE_UCONTEXT
#include <ucontext.h>
#endif

struct context {
    void *stack_pointer; // of a parked context; first, for the switch and for gdb
    void (*entry)(void *arg);
    void *arg;
#ifdef IO_USE_UCONTEXT
    ucontext_t machine;
#endif
#if IO_ASAN
    void *fake_stack;
    const void *bottom;
    size_t size;
#endif
#if IO_TSAN
    void *tsan_fiber;
#endif
};

// The context of the thread that calls: its own stack.
void context_init_thread(struct context *context);
// A new context that calls entry(arg) on the stack given; entry must not return.
void context_init(struct context *context, void *bottom, size_t size, void (*entry)(void *arg),
                  void *arg);
// Frees what the tools keep for a context that will not run again. Not for the running one.
void context_finish(struct context *context);
// Saves the running context in `from` and goes on in `to`.
void context_switch(struct context *from, struct context *to);
// The same for a context that will never run again.
_Noreturn void context_leave(struct context *from, struct context *to);

#endif
