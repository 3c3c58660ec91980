/*
 * STORE: a rename in cur/ for each letter that changes, then its row. Nothing is flushed: what
 * a power cut takes back was never promised to last (RFC 3501 6.4.6 promises nothing), and all
 * mod-sequences are new after it (boxfolder_file.c). A process that ends in between leaves
 * names that differ from their rows, which the next look takes for another program's change.
 */
#include "store/boxfolder.h"

#include <errno.h>
#include <fcntl.h>

struct storing {
    enum mailbox_store how;
    struct mailbox_flags what;
    uint64_t unchangedsince;
    struct uidset *modified;
};

/* Other letters in names are nobody's we know: they stay. */
enum {
    KNOWN_FLAGS =
        NAME_DRAFT | NAME_FLAGGED | NAME_PASSED | NAME_REPLIED | NAME_SEEN | NAME_TRASHED
};

static struct mailbox_flags changed(const struct letter_row *l, const struct storing *st)
{
    struct mailbox_flags f = {l->flags, l->keywords};

    switch (st->how) {
    case STORE_SET:
        f.flags = (l->flags & ~(uint32_t)KNOWN_FLAGS) | st->what.flags;
        f.keywords = st->what.keywords;
        break;
    case STORE_ADD:
        f.flags |= st->what.flags;
        f.keywords |= st->what.keywords;
        break;
    case STORE_REMOVE:
        f.flags &= ~st->what.flags;
        f.keywords &= ~st->what.keywords;
        break;
    }
    return f;
}

static int rename_letter(struct boxfolder *f, const struct letter_row *was,
                         const struct letter_row *now, struct err *err)
{
    char from[NAME_BYTES + 1], to[NAME_BYTES + 1];
    int cur = boxfolder_cur(f, err);

    if (cur < 0)
        return cur;
    letter_name(from, was, f->row.uidvalidity);
    letter_name(to, now, f->row.uidvalidity);
    if (strcmp(from, to) == 0)
        return 0;
    if (renameat(cur, from, cur, to) < 0)
        return errno == ENOENT ? err_set(err, E_NOT_FOUND, "letter %u has gone", was->uid)
                               : err_os(err, "change the flags of letter %u", was->uid);
    f->cur_touched = true;
    return 0;
}

static int store_one(struct mailbox *b, struct letter_row *l, void *arg, struct err *err)
{
    const struct storing *st = arg;
    struct boxfolder *f = &b->here;
    struct mailbox_flags want = changed(l, st);
    struct letter_row now = *l;
    char room[NAME_BYTES + 1];
    int r;

    if ((l->modseq ? l->modseq : f->row.modseq_base) > st->unchangedsince) {
        uidset_add(st->modified, l->uid, l->uid);
        return 0;
    }
    if (want.flags == l->flags && want.keywords == l->keywords)
        return 0;
    r = letter_set_flags(&now, want.flags, want.keywords, f->row.uidvalidity, room, err);
    if (r < 0 || (r = rename_letter(f, l, &now, err)) < 0)
        return r;
    return boxfolder_update(f, l, &now, err);
}

int mailbox_store(struct mailbox *b, const struct uidset *uids, enum mailbox_store how,
                  struct mailbox_flags what, uint64_t unchangedsince, struct uidset *modified,
                  uint64_t *modseq, struct err *err)
{
    struct uidset ignored;
    struct storing st = {how, what, unchangedsince, modified ? modified : &ignored};

    uidset_init(&ignored);
    int r = mailbox_failed(b, mailbox_each(b, uids, store_one, &st, err));
    uidset_done(&ignored);
    if (r == 0 && modseq)
        *modseq = b->here.modseq ? b->here.modseq : b->here.row.modseq;
    return r;
}
