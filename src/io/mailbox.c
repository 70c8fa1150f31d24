// SPDX-License-Identifier: Apache-2.0
// Mailboxes: one atomic word a mailbox. `head` is the newest mail of a chain, NULL when there is
// none, or MAIL_AWAITED when there is none and the owner is parked. Whoever swaps MAIL_AWAITED out
// owes the owner's loop one note, and only then touches the mailbox after its mail is in: that is
// why an owner may destroy a mailbox as soon as the mail it waited for has come.
#include "io/fiber_internal.h"

#include <stdlib.h>

enum mailbox_state {
    MAILBOX_IDLE,
    MAILBOX_AWAITED, // the owner put MAIL_AWAITED there
    MAILBOX_NOTE_DUE // it woke by itself, but somebody had swapped that out: the note will come
};

struct io_mailbox {
    _Atomic(struct io_mail *) head;
    atomic_bool is_wake_posted;
    struct io_loop *owner;
    struct list waiters; // at most one
    enum mailbox_state state;
    bool is_destroyed; // freed when the note that is due has come
    bool is_wake_taken;
    struct io_mail wake;
    struct note note;
};

static struct io_mail mail_awaited;
#define MAIL_AWAITED (&mail_awaited)

static void take_note(struct note *note) {
    struct io_mailbox *mailbox = CONTAINER_OF(note, struct io_mailbox, note);
    ASSERT(mailbox->state != MAILBOX_IDLE);
    if (mailbox->state == MAILBOX_NOTE_DUE)
        mailbox->owner->real->n_notes_due--;
    mailbox->state = MAILBOX_IDLE;
    if (mailbox->is_destroyed)
        free(mailbox);
    else
        fiber_wake_all(&mailbox->waiters);
}

// The owner no longer waits. Where MAIL_AWAITED is gone, another thread owes a note.
static void stop_awaiting(struct io_mailbox *mailbox) {
    struct io_mail *awaited = MAIL_AWAITED;
    if (mailbox->state != MAILBOX_AWAITED)
        return;
    if (atomic_compare_exchange_strong(&mailbox->head, &awaited, NULL)) {
        mailbox->state = MAILBOX_IDLE;
        return;
    }
    mailbox->state = MAILBOX_NOTE_DUE;
    mailbox->owner->real->n_notes_due++;
}

struct io_mailbox *io_mailbox_create(struct io_loop *owner) {
    ASSERT(owner);
    struct io_mailbox *mailbox = mem_alloc_zero(sizeof(*mailbox));
    mailbox->owner = owner;
    list_init(&mailbox->waiters);
    mailbox->note.call = take_note;
    mailbox->note.home = owner;
    return mailbox;
}

void io_mailbox_destroy(struct io_mailbox *mailbox) {
    if (!mailbox)
        return;
    ASSERT(list_is_empty(&mailbox->waiters));
    stop_awaiting(mailbox);
    struct io_mail *left = atomic_load(&mailbox->head);
    ASSERT(!left || (left == &mailbox->wake && !left->next));
    if (mailbox->state == MAILBOX_NOTE_DUE)
        mailbox->is_destroyed = true;
    else
        free(mailbox);
}

void io_mailbox_post(struct io_mailbox *mailbox, struct io_mail *mail) {
    struct io_mail *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do
        mail->next = head == MAIL_AWAITED ? NULL : head;
    while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, mail, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if (head != MAIL_AWAITED)
        return;
    if (mailbox->owner->real != io_this_loop) {
        loop_send(mailbox->owner->real, &mailbox->note);
        return;
    }
    mailbox->state = MAILBOX_IDLE;
    fiber_wake_all(&mailbox->waiters);
}

void io_mailbox_wake(struct io_mailbox *mailbox) {
    if (!atomic_exchange(&mailbox->is_wake_posted, true))
        io_mailbox_post(mailbox, &mailbox->wake);
}

// The chain in the order of posting, without the wake, which is noted.
static struct io_mail *take_chain(struct io_mailbox *mailbox) {
    struct io_mail *newest = atomic_exchange_explicit(&mailbox->head, NULL, memory_order_acq_rel);
    struct io_mail *oldest = NULL;
    ASSERT(newest != MAIL_AWAITED);
    while (newest) {
        struct io_mail *mail = newest;
        newest = mail->next;
        if (mail == &mailbox->wake) {
            mailbox->is_wake_taken = true;
            atomic_store(&mailbox->is_wake_posted, false);
            continue;
        }
        mail->next = oldest;
        oldest = mail;
    }
    return oldest;
}

static enum io_status await_mail(struct io_mailbox *mailbox, io_time deadline) {
    ASSERT(list_is_empty(&mailbox->waiters)); // one fiber takes
    struct io_mail *none = NULL;
    if (mailbox->state == MAILBOX_IDLE) {
        if (!atomic_compare_exchange_strong(&mailbox->head, &none, MAIL_AWAITED))
            return IO_OK;
        mailbox->state = MAILBOX_AWAITED;
    }
    enum io_status status = fiber_wait(&mailbox->waiters, deadline, "mailbox");
    stop_awaiting(mailbox);
    return status;
}

struct io_mail *io_mailbox_take_all(struct io_mailbox *mailbox, io_time deadline) {
    ASSERT(mailbox->owner->real == io_this_loop);
    enum io_status status = fiber_enter_wait();
    while (status == IO_OK) {
        struct io_mail *chain = take_chain(mailbox);
        if (chain) {
            fiber_spend(io_this_loop);
            return chain;
        }
        if (mailbox->is_wake_taken)
            break;
        status = await_mail(mailbox, deadline);
    }
    mailbox->is_wake_taken = false;
    return NULL;
}
