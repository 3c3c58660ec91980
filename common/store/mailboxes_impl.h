/*
 * mailboxes_impl - what the mailboxes of a process share.
 */
#ifndef POSTA_STORE_MAILBOXES_IMPL_H
#define POSTA_STORE_MAILBOXES_IMPL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "store/mailbox.h"

#include <pthread.h>

enum { MAILBOXES_PATH_BYTES = 4096, MAILBOXES_BOOT_BYTES = 40 };

struct index;

struct mailboxes {
    char *state_dir;
    int root;
    struct buf host;                 /* as it stands in names */
    char boot[MAILBOXES_BOOT_BYTES]; /* another one after each start of the system */
    uint8_t secret[MAP_SECRET_BYTES];
    pthread_mutex_t lock; /* over the next two */
    struct list idle;     /* least recently used first */
    unsigned open;
    pthread_mutex_t telling;
    struct changes *changes;
    struct usages *usages; /* has its own lock */
    _Atomic uint64_t damaged;
};

/* Is the file still the one that is open? */
bool mailboxes_current(struct mailboxes *all, const struct index *x);
void mailboxes_tell(struct mailboxes *all, struct str maildir, struct str folder,
                    uint64_t modseq);

#endif
