/*
 * stage - one file in mail/.deliver: the letter as it will stand in the
 * mailbox, with Return-Path and Delivered-To on top.
 */
#ifndef POSTA_STORE_STAGE_H
#define POSTA_STORE_STAGE_H

#include "store/deliver.h"

enum {
    STAGE_HEADING_BYTES =
        1 << 20, /* where fields are looked for; longer headers are refused at the door (M03) */
    STAGE_CHUNK_BYTES =
        256 * 1024, /* small enough to stay in the cache between read and write */
};

struct stage_size {
    uint64_t size, vsize;
};

/* Room to copy through, for one thread at a time. */
struct stage_block {
    char *p;
};

void stage_block_init(struct stage_block *b);
void stage_block_done(struct stage_block *b);

/* Writes the letter of `d` to the empty file `fd`; nothing is flushed. */
int stage_write(int fd, const struct delivery *d, struct stage_block *b, struct stage_size *out,
                struct err *err);

/* The code of a failed system call; full disks and full quotas of the file system are
 * E_NO_SPACE. */
int stage_os_error(struct err *err, const char *what);

#endif
