/*
 * boxfolder_look - whether other programs have changed a folder since its row was written.
 */
#ifndef POSTA_STORE_BOXFOLDER_LOOK_H
#define POSTA_STORE_BOXFOLDER_LOOK_H

#include "store/boxfolder.h"

struct look {
    int64_t now;              /* by the clock of mtimes, ns */
    int64_t new_at, cur_at;   /* mtimes */
    bool dir, file, new, cur; /* must be read: what a crash left, posta-folder, new/, cur/ */
    bool missing;             /* there is no new/ or no cur/ */
    bool new_unsettled;       /* new/ had better be read, but need not be noted as read */
};

int64_t look_now(void);
int look_at(struct boxfolder *f, struct look *l, struct err *err);
/* A change right after `now` could have the same mtime. */
bool look_is_young(int64_t mtime, int64_t now);
/* Until what has just been changed is no longer young. */
void look_wait(void);

#endif
