/*
 * folders_impl - one change of a user's folders; for folders*.c.
 */
#ifndef POSTA_STORE_FOLDERS_IMPL_H
#define POSTA_STORE_FOLDERS_IMPL_H

#include "store/folders.h"
#include "store/tree.h"

struct change_of_folders {
    struct mailboxes *all;
    struct arena a;
    struct index *index;
    struct tree t;
};

/* index.db's transaction and the lock; the Maildir is made where it is missing, a rename that
 * was cut off is finished. After 0: folders_end(). */
int folders_begin(struct change_of_folders *c, struct mailboxes *all, struct str maildir,
                  bool wait, struct err *err);
/* Commits, also after an error: rows follow what did happen. Returns `result`. */
int folders_end(struct change_of_folders *c, int result);

/* Completes what a crash left, as far as nobody else is at it (or waits). */
void folders_tidy(struct mailboxes *all, struct str maildir, bool wait);

#endif
