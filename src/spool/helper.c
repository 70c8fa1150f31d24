// SPDX-License-Identifier: Apache-2.0
#include "spool/helper.h"

#include "base/log.h"
#include "spool/commit.h"

#include <stdlib.h>

struct spool_helper {
    struct spool *spool;
    struct io_mailbox *chores;
    struct spool_chore last;
    struct spool_waiter *stopped;
};

static void helper_main(void *arg) {
    struct spool_helper *helper = arg;
    for (;;) {
        struct io_mail *chain = io_mailbox_take_all(helper->chores, IO_NEVER);
        while (chain) {
            struct spool_chore *chore = CONTAINER_OF(chain, struct spool_chore, mail);
            chain = chain->next;
            if (chore == &helper->last) {
                spool_waiter_wake(helper->stopped);
                return;
            }
            chore->run(helper->spool, chore);
        }
        if (io_is_canceled())
            return;
    }
}

struct spool_helper *spool_helper_create(struct spool *spool) {
    struct spool_helper *helper = mem_alloc_zero(sizeof(*helper));
    helper->spool = spool;
    helper->chores = io_mailbox_create(spool->helper_loop);
    io_spawn_on(spool->helper_loop, "spool-helper", helper_main, helper);
    return helper;
}

void spool_helper_destroy(struct spool_helper *helper) {
    if (!helper)
        return;
    io_mailbox_destroy(helper->chores);
    free(helper);
}

void spool_helper_post(struct spool_helper *helper, struct spool_chore *chore) {
    io_mailbox_post(helper->chores, &chore->mail);
}

void spool_helper_stop(struct spool_helper *helper) {
    struct spool_waiter waiter;
    spool_waiter_init(&waiter);
    helper->stopped = &waiter;
    spool_helper_post(helper, &helper->last);
    spool_waiter_wait(&waiter);
}

// --- Making --------------------------------------------------------------------------------------
static void made(struct spool *spool, void *arg) {
    struct spool_make *make = arg;
    ASSERT(make->state == SPOOL_MAKE_ASKED);
    make->state = SPOOL_MAKE_DONE;
}

static void make_run(struct spool *spool, struct spool_chore *chore) {
    struct spool_make *make = CONTAINER_OF(chore, struct spool_make, chore);
    make->result = spool_file_make(&make->new, &make->file);
    spool_post(spool, &make->done.work);
}

void spool_make_ask(struct spool *spool, struct spool_make *make) {
    ASSERT(make->state == SPOOL_MAKE_IDLE && !make->file);
    make->state = SPOOL_MAKE_ASKED;
    make->chore.run = make_run;
    make->done = (struct spool_call){.work.kind = SPOOL_WORK_CALL, .run = made, .arg = make};
    spool_helper_post(spool->helper, &make->chore);
}

// --- Unlinking -----------------------------------------------------------------------------------
struct unlinking {
    struct spool_chore chore;
    struct spool_call done;
    struct spool_segment *segment;
    uint64_t number;
    struct io_result result;
};

static void unlinked(struct spool *spool, void *arg) {
    struct unlinking *unlinking = arg;
    if (io_is_ok(unlinking->result))
        spool_segments_remove(&spool->segments, unlinking->segment);
    else
        log_error("spool", "segment %016llx cannot be removed (errno %d); its space is lost",
                  (unsigned long long)unlinking->number, unlinking->result.sys_errno);
    free(unlinking);
    spool_log_doom(spool->log);
}

static void unlink_run(struct spool *spool, struct spool_chore *chore) {
    struct unlinking *unlinking = CONTAINER_OF(chore, struct unlinking, chore);
    char name[SPOOL_NAME_SIZE];
    spool_segment_name(unlinking->number, name);
    unlinking->result = io_dir_unlink(spool->dir, name);
    // I3: what voids copies in this segment may go only when its name is gone for good.
    if (io_is_ok(unlinking->result))
        unlinking->result = io_dir_sync(spool->dir);
    spool_post(spool, &unlinking->done.work);
}

void spool_unlink_ask(struct spool *spool, struct spool_segment *segment) {
    ASSERT(segment->state == SPOOL_SEGMENT_DOOMED);
    struct unlinking *unlinking = mem_alloc_zero(sizeof(*unlinking));
    unlinking->chore.run = unlink_run;
    unlinking->segment = segment;
    unlinking->number = segment->file->number;
    unlinking->done =
        (struct spool_call){.work.kind = SPOOL_WORK_CALL, .run = unlinked, .arg = unlinking};
    spool_helper_post(spool->helper, &unlinking->chore);
}
