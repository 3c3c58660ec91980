/*
 * staging - a directory beside a folder's cur/ in which letters are gathered that are to become
 * visible together, also after a crash (I31).
 *
 *   posta-copy.<id>/     locked, beside cur/          letters that nobody sees; removed by who
 *                        all letters are put into it    next opens the folder, as nobody holds
 * it it is flushed                the same posta-copied.<id>/   renamed, the folder flushed
 * copied: who next opens the folder goes on its letters renamed to cur/  some in cur/, some
 * here; the same rmdir                        all in cur/, which is to be flushed
 *
 * Nobody of posta sees the folder in between, because that takes a transaction of index.db; so
 * what is found inside one was left by a crash.
 */
#ifndef POSTA_STORE_STAGING_H
#define POSTA_STORE_STAGING_H

#include "base/id.h"
#include "store/mailbox_impl.h"

enum { STAGING_NAME_BYTES = 16 + ID_LETTERS };

struct staging {
    int folder; /* borrowed */
    int fd;     /* of the directory */
    bool committed;
    char name[STAGING_NAME_BYTES], done[STAGING_NAME_BYTES];
};

int staging_make(struct staging *s, int folder, struct err *err);
/* Its letters, with their final names and durable themselves, come to cur/: all, or after an
 * error none or all sooner or later. */
int staging_commit(struct staging *s, int cur, struct err *err);
void staging_close(struct staging *s); /* gives up what was not committed */

/* Completes what a crash left. It lists the folder's directory (not cur/), so it is for who
 * sees that its mtime has changed; inside index_begin(), before cur/ is looked at. */
int staging_recover(struct boxfolder *f, struct err *err);

#endif
