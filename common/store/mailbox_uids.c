/*
 * Which UIDs there are, and the first that is unread, without a look at every row:
 *
 *   as many letters as lie between the first UID and the last ──▶ one range, two seeks
 *   holes, and the handle remembers the set ──┬─ nothing has changed ──▶ as it is
 *                                             └─ changed ──▶ less what was expunged since, and
 *                                                 what stands behind the UIDNEXT of then
 *   otherwise, or where the count is not the row's ──▶ all rows are listed
 *
 * What is remembered belongs to the handle (struct index) and goes with it, MAILBOXES_IDLE_MS
 * after its last use; one folder, UIDS_RANGES at most. It is true of a committed state, which
 * UIDVALIDITY, UIDNEXT and mod-sequence name: each letter that comes, goes or is marked has a
 * new mod-sequence, and an index that is begun anew is another handle.
 */
#include "store/boxfolder.h"

enum { UIDS_RANGES = 4096 }; /* 12 octets each */

static struct index_stamp stamp_of(const struct folder_row *row)
{
    return (struct index_stamp){.folder = row->id,
                                .modseq = row->modseq,
                                .uidvalidity = row->uidvalidity,
                                .uidnext = row->uidnext,
                                .letters = row->letters};
}

static bool is_now(const struct index_stamp *s, const struct folder_row *row)
{
    return s->folder == row->id && s->uidvalidity == row->uidvalidity &&
           s->modseq == row->modseq && s->uidnext == row->uidnext && s->letters == row->letters;
}

/* Is all known that has changed since? */
static bool can_follow(const struct index_stamp *s, const struct folder_row *row)
{
    return s->folder && s->folder == row->id && s->uidvalidity == row->uidvalidity &&
           s->uidnext <= row->uidnext && s->modseq <= row->modseq &&
           s->modseq >= row->expunged_from && s->modseq >= row->modseq_base;
}

/* What this transaction has changed may still be undone. */
static bool is_committed(const struct boxfolder *f)
{
    return f->modseq == 0 && f->row.id == f->saved.id &&
           f->row.uidvalidity == f->saved.uidvalidity && f->row.uidnext == f->saved.uidnext &&
           f->row.modseq == f->saved.modseq && f->row.letters == f->saved.letters;
}

/* A statement over the folder's rows from a UID on. */
static struct db_stmt *from(struct mailbox *b, enum index_sql which, uint32_t uid, int *r,
                            struct err *err)
{
    struct db_stmt *s = index_statement(b->x, which, r, err);

    if (s) {
        db_bind_int(s, 1, letter_id(b->here.row.id, uid));
        db_bind_int(s, 2, letter_id(b->here.row.id, UINT32_MAX));
    }
    return s;
}

/* ---- UIDs ---- */

static int list(struct mailbox *b, uint32_t from_uid, struct uidset *out, struct err *err)
{
    int r;
    struct db_stmt *s = from(b, SQL_UIDS, from_uid, &r, err);

    if (!s)
        return r;
    while ((r = db_step(s, err)) > 0) {
        uint32_t uid = (uint32_t)db_int(s, 0);

        uidset_add(out, uid, uid);
    }
    return r;
}

/* 1: there are no holes, and *out is one range. */
static int take_range(struct mailbox *b, struct uidset *out, struct err *err)
{
    int r;
    struct db_stmt *s = from(b, SQL_UID_BOUNDS, 1, &r, err);

    if (!s || (r = db_step(s, err)) <= 0)
        return r;
    uint32_t first = (uint32_t)db_int(s, 0), last = (uint32_t)db_int(s, 1);
    db_reset(s);
    if (first == 0 || last - first + 1 != b->here.row.letters)
        return 0;
    uidset_add(out, first, last);
    return 1;
}

static void forget(struct index_known *k)
{
    uidset_done(&k->uids);
    k->uids_at = (struct index_stamp){0};
}

/* 1: it is up to date. */
static int follow(struct mailbox *b, struct index_known *k, struct err *err)
{
    const struct folder_row *row = &b->here.row;
    struct uidset gone;
    int r;

    if (is_now(&k->uids_at, row))
        return 1;
    if (!can_follow(&k->uids_at, row))
        return 0;
    uidset_init(&gone);
    r = mailbox_expunged_since(b, k->uids_at.modseq, &gone, err);
    if (r == 0) {
        uidset_subtract(&k->uids, &gone);
        r = list(b, k->uids_at.uidnext, &k->uids, err);
    }
    uidset_done(&gone);
    if (r < 0)
        return r;
    /* a letter below UIDNEXT that has come, as none does */
    if (uidset_count(&k->uids) != row->letters)
        return 0;
    k->uids_at = stamp_of(row);
    return 1;
}

static int find_all(struct mailbox *b, struct uidset *out, struct err *err)
{
    struct index_known *k = &b->x->known;
    bool keeps = is_committed(&b->here);
    int r = take_range(b, out, err);

    if (r != 0)
        return r;
    r = keeps ? follow(b, k, err) : 0;
    if (r > 0)
        uidset_copy(out, &k->uids);
    if (r == 0 && keeps)
        forget(k);
    if (r != 0)
        return r;
    r = list(b, 1, out, err);
    if (r == 0 && keeps && out->n <= UIDS_RANGES) {
        uidset_copy(&k->uids, out);
        k->uids_at = stamp_of(&b->here.row);
    }
    return r;
}

int mailbox_uids(struct mailbox *b, uint32_t from_uid, struct uidset *out, struct err *err)
{
    struct index_known *k = &b->x->known;
    int r;

    if (from_uid > 1)
        return mailbox_failed(b, list(b, from_uid, out, err));
    if (b->here.row.letters == 0)
        return 0;
    r = find_all(b, out, err);
    if (r < 0 || k->uids.n > UIDS_RANGES)
        forget(k);
    return r < 0 ? mailbox_failed(b, r) : 0;
}

/* ---- the first that is unread ---- */

static int run_unseen(struct db_stmt *s, uint32_t *out, struct err *err)
{
    db_bind_int(s, 3, NAME_SEEN);
    int r = db_step(s, err);
    *out = r > 0 ? (uint32_t)db_int(s, 0) : 0;
    if (r > 0)
        db_reset(s);
    return r < 0 ? r : 0;
}

static int unseen_from(struct mailbox *b, uint32_t uid, uint32_t *out, struct err *err)
{
    int r;
    struct db_stmt *s = from(b, SQL_FIRST_UNSEEN, uid, &r, err);

    return s ? run_unseen(s, out, err) : r;
}

/* Of those below `end` whose mod-sequence is later than `since`, by the index of changes. */
static int unseen_below(struct mailbox *b, uint32_t end, uint64_t since, uint32_t *out,
                        struct err *err)
{
    int r;
    struct db_stmt *s = from(b, SQL_FIRST_UNSEEN_SINCE, 1, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 2, letter_id(b->here.row.id, end - 1));
    db_bind_int(s, 4, (int64_t)since);
    return run_unseen(s, out, err);
}

/* Below the one of then, only a letter that has changed since can be unread. */
static int find_unseen(struct mailbox *b, const struct index_known *k, uint32_t *out,
                       struct err *err)
{
    uint32_t then = k->unseen ? k->unseen : k->unseen_at.uidnext;
    int r = 0;

    if (!can_follow(&k->unseen_at, &b->here.row))
        then = 1;
    if (then > 1)
        r = unseen_below(b, then, k->unseen_at.modseq, out, err);
    return r < 0 || *out ? r : unseen_from(b, then, out, err);
}

int mailbox_first_unseen(struct mailbox *b, uint32_t *out, struct err *err)
{
    struct index_known *k = &b->x->known;
    int r;

    *out = 0;
    if (b->here.row.unseen == 0)
        return 0;
    if (!is_committed(&b->here))
        return mailbox_failed(b, unseen_from(b, 1, out, err));
    if (is_now(&k->unseen_at, &b->here.row)) {
        *out = k->unseen;
        return 0;
    }
    if ((r = find_unseen(b, k, out, err)) < 0)
        return mailbox_failed(b, r);
    k->unseen = *out;
    k->unseen_at = stamp_of(&b->here.row);
    return 0;
}
