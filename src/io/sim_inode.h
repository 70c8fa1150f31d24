// SPDX-License-Identifier: Apache-2.0
// Contents of simulated files. A page keeps every version since its last sync; a power cut leaves
// any one of them. After a failed sync the kernel takes its pages for clean: they are read back,
// yet no later sync brings them to disk, and only a new write of the page does.
#ifndef IO_SIM_INODE_H
#define IO_SIM_INODE_H

#include "io/sim_internal.h"

enum { SIM_PAGE_BYTES = 4096 };

struct sim_page {
    struct sim_version *newest; // NULL: zeros
    bool is_allocated;
};

struct sim_inode {
    struct list node; // in sim->inodes
    struct sim *sim;
    struct sim_folder *folder;
    size_t n_refs; // names, names that were or may come back, open files
    size_t n_live; // of these the ones that hold space: present names and open files
    uint64_t size, durable_size;
    uint64_t size_change; // number of the last change of the size
    struct sim_page *pages;
    size_t n_pages;
};

struct sim_inode *sim_inode_create(struct sim *sim, struct sim_folder *folder);
void sim_inode_hold(struct sim_inode *inode, bool is_live);
void sim_inode_drop(struct sim_inode *inode, bool is_live); // the last one frees it
void sim_inode_free(struct sim_inode *inode);
uint64_t sim_inode_bytes_used(const struct sim_inode *inode);

size_t sim_inode_read(const struct sim_inode *inode, unsigned char *out, size_t len,
                      uint64_t offset);
// Pages that a write there would newly take.
size_t sim_inode_pages_missing(const struct sim_inode *inode, uint64_t offset, uint64_t len);
void sim_inode_write(struct sim_inode *inode, const unsigned char *bytes, size_t len,
                     uint64_t offset);
void sim_inode_allocate(struct sim_inode *inode, uint64_t offset, uint64_t len);
void sim_inode_truncate(struct sim_inode *inode, uint64_t size);
// What was changed up to `number` is durable now; each page with `parts` of 10,000.
void sim_inode_sync(struct sim_inode *inode, uint64_t number, unsigned parts);
// The sync failed: some pages are durable, the others no longer count as dirty.
void sim_inode_sync_failed(struct sim_inode *inode);
// Only what is durable stays, and of the rest what the seed lets through.
void sim_inode_power_cut(struct sim_inode *inode);

#endif
