/*
 * EXPUNGE: the files are unlinked, then the rows; mailbox_end() flushes cur/ before it commits.
 * A crash in between leaves rows without files, which the next look takes for expunged.
 */
#include "store/boxfolder.h"

#include <errno.h>
#include <unistd.h>

static int expunge_one(struct mailbox *b, struct letter_row *l, void *arg, struct err *err)
{
    struct boxfolder *f = &b->here;
    struct uidset *gone = arg;
    char name[NAME_BYTES + 1];
    int cur = boxfolder_cur(f, err);

    if (cur < 0)
        return cur;
    if (!(l->flags & NAME_TRASHED))
        return 0;
    letter_name(name, l, f->row.uidvalidity);
    if (unlinkat(cur, name, 0) < 0)
        return errno == ENOENT ? err_set(err, E_NOT_FOUND, "letter %u has gone", l->uid)
                               : err_os(err, "remove letter %u", l->uid);
    f->cur_touched = f->cur_sync = true;
    int r = boxfolder_remove(f, l, err);
    if (r == 0)
        uidset_add(gone, l->uid, l->uid);
    return r;
}

int mailbox_expunge(struct mailbox *b, const struct uidset *among, struct uidset *gone,
                    struct err *err)
{
    struct uidset removed;

    if (b->here.row.deleted == 0)
        return 0;
    uidset_init(&removed);
    int r = mailbox_each(b, among, expunge_one, &removed, err);
    if (r == 0)
        r = boxfolder_expunged(&b->here, &removed, err);
    for (uint32_t i = 0; r == 0 && i < removed.n; i++)
        uidset_add(gone, removed.ranges[i].first, removed.ranges[i].last);
    uidset_done(&removed);
    return mailbox_failed(b, r);
}
