// SPDX-License-Identifier: Apache-2.0
#include "io/context_internal.h"

#if IO_ASAN || defined(IO_USE_UCONTEXT)
#include <pthread.h>
#endif
#ifdef IO_USE_UCONTEXT
#include <signal.h>
#endif
#if IO_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if IO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// Pushes what the ABI calls callee-saved, exchanges the stack pointers, pops. The floating-point
// control words are not saved: nothing in the program changes them. A new context's first switch
// "returns" into io_context_entry, where `.cfi_undefined` tells debuggers that the stack ends.
#ifndef IO_USE_UCONTEXT
void io_context_swap(void **save, void *load);
void io_context_entry(void);
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl io_context_swap\n"
        ".hidden io_context_swap\n"
        ".type io_context_swap, @function\n"
        ".p2align 4\n"
        "io_context_swap:\n"
        "    .cfi_startproc\n"
        "    pushq %rbp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset rbp, 0\n"
        "    pushq %rbx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset rbx, 0\n"
        "    pushq %r12\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r12, 0\n"
        "    pushq %r13\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r13, 0\n"
        "    pushq %r14\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r14, 0\n"
        "    pushq %r15\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r15, 0\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore r15\n"
        "    popq %r14\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore r14\n"
        "    popq %r13\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore r13\n"
        "    popq %r12\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore r12\n"
        "    popq %rbx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore rbx\n"
        "    popq %rbp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore rbp\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size io_context_swap, . - io_context_swap\n"
        ".globl io_context_entry\n"
        ".hidden io_context_entry\n"
        ".type io_context_entry, @function\n"
        ".p2align 4\n"
        "io_context_entry:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    movq %r12, %rdi\n"
        "    callq *%r13\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size io_context_entry, . - io_context_entry\n");
#else
__asm__(".text\n"
        ".globl io_context_swap\n"
        ".hidden io_context_swap\n"
        ".type io_context_swap, %function\n"
        ".p2align 4\n"
        "io_context_swap:\n"
        "    .cfi_startproc\n"
        "    sub sp, sp, #160\n"
        "    .cfi_adjust_cfa_offset 160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    .cfi_rel_offset x29, 80\n"
        "    .cfi_rel_offset x30, 88\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    .cfi_adjust_cfa_offset -160\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size io_context_swap, . - io_context_swap\n"
        ".globl io_context_entry\n"
        ".hidden io_context_entry\n"
        ".type io_context_entry, %function\n"
        ".p2align 4\n"
        "io_context_entry:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    mov x0, x19\n"
        "    blr x20\n"
        "    brk #0\n"
        "    .cfi_endproc\n"
        ".size io_context_entry, . - io_context_entry\n");
#endif
#endif

// First code on a new stack: closes the switch that led here, then the caller's entry.
static void begin(void *arg) {
    struct context *context = arg;
#if IO_ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    context->entry(context->arg);
    base_assert_failed("a context's entry does not return", __FILE__, __LINE__, __func__);
}

void context_init_thread(struct context *context) {
    *context = (struct context){0};
#if IO_ASAN
    pthread_attr_t attributes;
    void *bottom = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &bottom, &size);
        pthread_attr_destroy(&attributes);
    }
    context->bottom = bottom;
    context->size = size;
#endif
#if IO_TSAN
    context->tsan_fiber = __tsan_get_current_fiber();
#endif
}

#ifdef IO_USE_UCONTEXT
// makecontext passes ints: a pointer travels as two halves.
static void begin_halves(unsigned low, unsigned high) {
    begin((void *)(((uintptr_t)high << 16 << 16) | low));
}

static void prepare_machine(struct context *context, void *bottom, size_t size) {
    uintptr_t number = (uintptr_t)context;
    ASSERT(getcontext(&context->machine) == 0);
    context->machine.uc_stack.ss_sp = bottom;
    context->machine.uc_stack.ss_size = size;
    context->machine.uc_link = NULL;
    makecontext(&context->machine, (void (*)(void))(void *)begin_halves, 2, (unsigned)number,
                (unsigned)(number >> 16 >> 16));
}

// The signal mask belongs to the thread, yet swapcontext would bring back the one saved with `to`.
static void swap(struct context *from, struct context *to) {
    ASSERT(pthread_sigmask(SIG_SETMASK, NULL, &to->machine.uc_sigmask) == 0);
    ASSERT(swapcontext(&from->machine, &to->machine) == 0);
}
#else
static void prepare_machine(struct context *context, void *bottom, size_t size) {
    uintptr_t top = ((uintptr_t)bottom + size) & ~(uintptr_t)15;
#if defined(__x86_64__)
    // r15, r14, r13, r12, rbx, rbp, return address; the entry finds the stack aligned to 16.
    enum { SAVED_WORDS = 7, ENTRY_AT = 2, ARG_AT = 3, RETURN_AT = 6 };
#else
    // x19 to x30, then d8 to d15.
    enum { SAVED_WORDS = 20, ENTRY_AT = 1, ARG_AT = 0, RETURN_AT = 11 };
#endif
    void **frame = (void **)top - SAVED_WORDS;
    for (int i = 0; i < SAVED_WORDS; i++)
        frame[i] = NULL;
    frame[ENTRY_AT] = (void *)begin;
    frame[ARG_AT] = context;
    frame[RETURN_AT] = (void *)io_context_entry;
    context->stack_pointer = frame;
}

static void swap(struct context *from, struct context *to) {
    io_context_swap(&from->stack_pointer, to->stack_pointer);
}
#endif

void context_init(struct context *context, void *bottom, size_t size, void (*entry)(void *arg),
                  void *arg) {
    *context = (struct context){.entry = entry, .arg = arg};
#if IO_ASAN
    context->bottom = bottom;
    context->size = size;
#endif
#if IO_TSAN
    context->tsan_fiber = __tsan_create_fiber(0);
#endif
    prepare_machine(context, bottom, size);
}

void context_finish(struct context *context) {
#if IO_TSAN
    if (context->tsan_fiber)
        __tsan_destroy_fiber(context->tsan_fiber);
    context->tsan_fiber = NULL;
#endif
    (void)context;
}

void context_switch(struct context *from, struct context *to) {
#if IO_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
#endif
#if IO_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    swap(from, to);
#if IO_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

_Noreturn void context_leave(struct context *from, struct context *to) {
#if IO_ASAN
    __sanitizer_start_switch_fiber(NULL, to->bottom, to->size);
#endif
#if IO_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    swap(from, to);
    base_assert_failed("a context that was left does not run again", __FILE__, __LINE__, __func__);
}
