// SPDX-License-Identifier: Apache-2.0
#include "io/sim_inode.h"

#include <stdlib.h>
#include <string.h>

struct sim_version {
    struct sim_version *older;
    uint64_t number;
    bool is_durable; // the last of a chain, where the page was ever synced
    bool is_lost;    // a sync failed over it
    unsigned char bytes[SIM_PAGE_BYTES];
};

struct sim_inode *sim_inode_create(struct sim *sim, struct sim_folder *folder) {
    struct sim_inode *inode = mem_alloc_zero(sizeof(*inode));
    inode->sim = sim;
    inode->folder = folder;
    list_init(&inode->node);
    list_append(&sim->inodes, &inode->node);
    return inode;
}

static void free_chain(struct sim_version *version) {
    while (version) {
        struct sim_version *older = version->older;
        free(version);
        version = older;
    }
}

void sim_inode_free(struct sim_inode *inode) {
    for (size_t i = 0; i < inode->n_pages; i++)
        free_chain(inode->pages[i].newest);
    list_remove(&inode->node);
    free(inode->pages);
    free(inode);
}

void sim_inode_hold(struct sim_inode *inode, bool is_live) {
    inode->n_refs++;
    inode->n_live += is_live;
}

void sim_inode_drop(struct sim_inode *inode, bool is_live) {
    ASSERT(inode->n_refs > 0 && inode->n_live >= is_live);
    inode->n_live -= is_live;
    if (--inode->n_refs == 0)
        sim_inode_free(inode);
}

uint64_t sim_inode_bytes_used(const struct sim_inode *inode) {
    uint64_t n_allocated = 0;
    for (size_t i = 0; i < inode->n_pages; i++)
        n_allocated += inode->pages[i].is_allocated;
    return inode->n_live ? n_allocated * SIM_PAGE_BYTES : 0;
}

static void grow_pages(struct sim_inode *inode, uint64_t size) {
    size_t n_pages = (size_t)((size + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES);
    if (n_pages <= inode->n_pages)
        return;
    inode->pages = mem_realloc(inode->pages, n_pages * sizeof(struct sim_page));
    memset(inode->pages + inode->n_pages, 0, (n_pages - inode->n_pages) * sizeof(struct sim_page));
    inode->n_pages = n_pages;
}

static void set_size(struct sim_inode *inode, uint64_t size) {
    if (size == inode->size)
        return;
    inode->size = size;
    inode->size_change = ++inode->sim->n_changes;
}

static const unsigned char *content(const struct sim_page *page) {
    static const unsigned char zeros[SIM_PAGE_BYTES];
    return page->newest ? page->newest->bytes : zeros;
}

size_t sim_inode_read(const struct sim_inode *inode, unsigned char *out, size_t len,
                      uint64_t offset) {
    size_t done = 0;
    if (offset >= inode->size)
        return 0;
    len = (size_t)int64_min((int64_t)len, (int64_t)(inode->size - offset));
    while (done < len) {
        uint64_t at = offset + done;
        size_t within = (size_t)(at % SIM_PAGE_BYTES);
        size_t piece = size_min(len - done, SIM_PAGE_BYTES - within);
        memcpy(out + done, content(&inode->pages[at / SIM_PAGE_BYTES]) + within, piece);
        done += piece;
    }
    return done;
}

size_t sim_inode_pages_missing(const struct sim_inode *inode, uint64_t offset, uint64_t len) {
    size_t n_missing = 0;
    for (uint64_t at = offset / SIM_PAGE_BYTES; len > 0 && at * SIM_PAGE_BYTES < offset + len; at++)
        n_missing += at >= inode->n_pages || !inode->pages[at].is_allocated;
    return n_missing;
}

// A copy of the page as it is now, to be changed by the caller.
static struct sim_version *new_version(struct sim_inode *inode, struct sim_page *page) {
    struct sim_version *version = mem_alloc(sizeof(*version));
    memcpy(version->bytes, content(page), SIM_PAGE_BYTES);
    version->older = page->newest;
    version->number = ++inode->sim->n_changes;
    version->is_durable = version->is_lost = false;
    page->newest = version;
    return version;
}

void sim_inode_write(struct sim_inode *inode, const unsigned char *bytes, size_t len,
                     uint64_t offset) {
    grow_pages(inode, offset + len);
    for (size_t done = 0; done < len;) {
        uint64_t at = offset + done;
        size_t within = (size_t)(at % SIM_PAGE_BYTES);
        size_t piece = size_min(len - done, SIM_PAGE_BYTES - within);
        struct sim_page *page = &inode->pages[at / SIM_PAGE_BYTES];
        memcpy(new_version(inode, page)->bytes + within, bytes + done, piece);
        page->is_allocated = true;
        done += piece;
    }
    if (offset + len > inode->size)
        set_size(inode, offset + len);
}

void sim_inode_allocate(struct sim_inode *inode, uint64_t offset, uint64_t len) {
    grow_pages(inode, offset + len);
    for (uint64_t at = offset / SIM_PAGE_BYTES; at * SIM_PAGE_BYTES < offset + len; at++)
        inode->pages[at].is_allocated = true;
    if (offset + len > inode->size)
        set_size(inode, offset + len);
}

void sim_inode_truncate(struct sim_inode *inode, uint64_t size) {
    grow_pages(inode, size);
    for (size_t i = (size_t)(size / SIM_PAGE_BYTES); i < inode->n_pages; i++) {
        uint64_t start = (uint64_t)i * SIM_PAGE_BYTES;
        size_t kept = start < size ? (size_t)(size - start) : 0;
        struct sim_page *page = &inode->pages[i];
        if (page->newest)
            memset(new_version(inode, page)->bytes + kept, 0, SIM_PAGE_BYTES - kept);
        page->is_allocated = page->is_allocated && kept > 0;
    }
    set_size(inode, size);
}

// --- Durability -------------------------------------------------------------------------------

static void make_durable(struct sim_version *version) {
    free_chain(version->older);
    version->older = NULL;
    version->is_durable = true;
}

static struct sim_version *newest_dirty(const struct sim_page *page, uint64_t number) {
    struct sim_version *version = page->newest;
    while (version && (version->number > number || version->is_lost) && !version->is_durable)
        version = version->older;
    return version && !version->is_durable ? version : NULL;
}

void sim_inode_sync(struct sim_inode *inode, uint64_t number, unsigned parts) {
    for (size_t i = 0; i < inode->n_pages; i++) {
        struct sim_version *version = newest_dirty(&inode->pages[i], number);
        if (version && (parts == 10000 || sim_chance(inode->sim, parts)))
            make_durable(version);
    }
    if (inode->size_change <= number && (parts == 10000 || sim_chance(inode->sim, parts)))
        inode->durable_size = inode->size;
}

void sim_inode_sync_failed(struct sim_inode *inode) {
    sim_inode_sync(inode, inode->sim->n_changes, 5000);
    for (size_t i = 0; i < inode->n_pages; i++)
        for (struct sim_version *version = inode->pages[i].newest; version;
             version = version->older)
            version->is_lost = !version->is_durable;
}

// Any version that may have reached the disk, or what was there before.
static void cut_page(struct sim_inode *inode, struct sim_page *page, unsigned parts) {
    struct sim_version *chosen = NULL;
    for (struct sim_version *version = page->newest; version && !chosen; version = version->older)
        if (version->is_durable || (!version->is_lost && sim_chance(inode->sim, parts)))
            chosen = version;
    while (page->newest != chosen) {
        struct sim_version *newer = page->newest;
        page->newest = newer->older;
        free(newer);
    }
    if (chosen && !chosen->is_durable)
        make_durable(chosen);
}

static uint64_t cut_size(const struct sim_inode *inode) {
    uint64_t low = inode->durable_size, high = inode->size;
    switch (sim_random_below(inode->sim, 3)) {
    case 0: return inode->durable_size;
    case 1: return inode->size;
    default: break;
    }
    if (low >= high)
        return inode->durable_size;
    uint64_t n_pages = (high - low) / SIM_PAGE_BYTES + 1;
    return low + sim_random_below(inode->sim, n_pages) * SIM_PAGE_BYTES;
}

void sim_inode_power_cut(struct sim_inode *inode) {
    static const unsigned chances[] = {0, 1000, 5000, 9000, 10000};
    unsigned parts = chances[sim_random_below(inode->sim, ARRAY_LEN(chances))];
    for (size_t i = 0; i < inode->n_pages; i++)
        cut_page(inode, &inode->pages[i], parts);
    uint64_t size = cut_size(inode);
    grow_pages(inode, size);
    inode->size = inode->durable_size = size;
}
