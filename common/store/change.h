/*
 * change - tells who serves mailboxes that one has changed: a datagram to every
 * socket in run_dir/change/.
 *
 *   <maildir below state_dir> TAB <folder> TAB <mod-sequence> LF
 *
 * Mod-sequence 0 is new mail that has no UID yet. Nobody waits for a receiver: one that does
 * not keep up misses datagrams, and so looks for itself now and then.
 */
#ifndef POSTA_STORE_CHANGE_H
#define POSTA_STORE_CHANGE_H

#include "base/buf.h"

enum {
    CHANGE_BYTES = 2048,    /* of a datagram            */
    CHANGE_LISTENERS = 256, /* told at most             */
};

struct change {
    struct str maildir, folder;
    uint64_t modseq;
};

void change_print(struct buf *out, const struct change *c);
/* One datagram; points into it. */
bool change_parse(struct str in, struct change *out);

struct changes;

struct changes *changes_new(const char *run_dir); /* change/ need not be there yet */
void changes_free(struct changes *c);

/* Does not block. The directory is looked at when now_ms has gone on, and read when it has
 * changed. */
void changes_tell(struct changes *c, const struct change *what, uint64_t now_ms);

#endif
