/*
 * STORE: a rename in cur/ for each letter that changes, then the rows of neighbours, at once.
 * Nothing is flushed: what a power cut takes back was never promised to last (RFC 3501 6.4.6
 * promises nothing), and all mod-sequences are new after it (boxfolder_file.c). A process that
 * ends in between leaves names that differ from their rows, which the next look takes for
 * another program's change.
 */
#include "store/boxfolder.h"

#include <errno.h>
#include <fcntl.h>

struct storing {
    enum mailbox_store how;
    struct mailbox_flags what;
    uint64_t unchangedsince;
    struct mailbox_flags keep, set; /* what `how` and `what` do: flags & keep | set */
    struct uidset *modified;
    uint32_t first, last; /* neighbours that were renamed, their rows still to be written */
};

/* Other letters in names are nobody's we know: they stay. */
enum {
    KNOWN_FLAGS =
        NAME_DRAFT | NAME_FLAGGED | NAME_PASSED | NAME_REPLIED | NAME_SEEN | NAME_TRASHED
};

static void work_out(struct storing *st)
{
    const struct mailbox_flags all = {UINT32_MAX, UINT32_MAX}, none = {0};

    st->keep = all;
    st->set = st->how == STORE_REMOVE ? none : st->what;
    if (st->how == STORE_SET)
        st->keep = (struct mailbox_flags){~(uint32_t)KNOWN_FLAGS, 0};
    if (st->how == STORE_REMOVE)
        st->keep = (struct mailbox_flags){~st->what.flags, ~st->what.keywords};
}

static struct mailbox_flags changed(const struct letter_row *l, const struct storing *st)
{
    return (struct mailbox_flags){(l->flags & st->keep.flags) | st->set.flags,
                                  (l->keywords & st->keep.keywords) | st->set.keywords};
}

static int write_rows(struct boxfolder *f, struct storing *st, struct err *err)
{
    uint32_t first = st->first;

    st->first = 0;
    return first ? boxfolder_update_flags(f, first, st->last, st->keep, st->set, err) : 0;
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

/* 1: the row is as it should be. */
static int is_settled(struct boxfolder *f, const struct letter_row *l,
                      struct mailbox_flags want, const struct storing *st)
{
    if ((l->modseq ? l->modseq : f->row.modseq_base) > st->unchangedsince) {
        uidset_add(st->modified, l->uid, l->uid);
        return 1;
    }
    return want.flags == l->flags && want.keywords == l->keywords;
}

/* Only its flags change. */
static bool is_usual(const struct letter_row *was, const struct letter_row *now)
{
    return !was->rest.p && !now->rest.p && now->form == (was->form | FORM_INFO);
}

/* What lies between two UIDs may not have been asked for. */
static int add_to_run(struct boxfolder *f, const struct letter_row *was,
                      const struct letter_row *now, struct storing *st, struct err *err)
{
    int r = st->first && was->uid != st->last + 1 ? write_rows(f, st, err) : 0;

    if (r < 0)
        return r;
    boxfolder_count_flags(f, was, now->flags);
    st->first = st->first ? st->first : was->uid;
    st->last = was->uid;
    return 0;
}

/* Rows are written in runs: a letter that stays as it is, or whose name is not made of its
 * columns, ends one, and so does one that has gone, as rows are read again then. */
static int store_one(struct mailbox *b, struct letter_row *l, void *arg, struct err *err)
{
    struct storing *st = arg;
    struct boxfolder *f = &b->here;
    struct mailbox_flags want = changed(l, st);
    struct letter_row now = *l;
    char room[NAME_BYTES + 1];
    int r;

    if (is_settled(f, l, want, st))
        return write_rows(f, st, err);
    r = letter_set_flags(&now, want.flags, want.keywords, f->row.uidvalidity, room, err);
    if (r == 0)
        r = rename_letter(f, l, &now, err);
    if (r < 0) {
        int written = write_rows(f, st, r == E_NOT_FOUND ? err : NULL);

        return written < 0 && r == E_NOT_FOUND ? written : r;
    }
    if (!is_usual(l, &now)) {
        r = write_rows(f, st, err);
        return r < 0 ? r : boxfolder_update(f, l, &now, err);
    }
    return add_to_run(f, l, &now, st, err);
}

int mailbox_store(struct mailbox *b, const struct uidset *uids, enum mailbox_store how,
                  struct mailbox_flags what, uint64_t unchangedsince, struct uidset *modified,
                  uint64_t *modseq, struct err *err)
{
    struct uidset ignored;
    struct storing st = {.how = how,
                         .what = what,
                         .unchangedsince = unchangedsince,
                         .modified = modified ? modified : &ignored};

    uidset_init(&ignored);
    work_out(&st);
    int r = mailbox_each(b, uids, store_one, &st, err);
    if (r == 0)
        r = write_rows(&b->here, &st, err);
    mailbox_failed(b, r);
    uidset_done(&ignored);
    if (r == 0 && modseq)
        *modseq = b->here.modseq ? b->here.modseq : b->here.row.modseq;
    return r;
}
