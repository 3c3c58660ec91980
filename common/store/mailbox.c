/*
 * A mailbox between begin and end:
 *
 *   begin(READ)   a reading transaction; where there is news: a writing one first, which takes
 *                 it in and commits, then look again
 *   begin(WRITE)  a writing transaction; news is taken in and committed before, likewise
 *   end           WRITE: flushes cur/ where UIDs or removals must last, the row, the commit;
 *                 then what was found in files is kept, and the change told
 *
 * What is taken in is committed at once, so that no error of the caller's work undoes it.
 * Others that do not let go of the index keep nobody from reading, nor does a full disk: then
 * the news waits.
 */
#include "store/boxfolder.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/maildir.h"
#include "store/path.h"

#include <errno.h>

enum { BEGIN_ROUNDS = 3 };

static char *text_of(struct str s)
{
    char *p = strndup(s.p ? s.p : "", s.n);

    if (!p)
        abort();
    return p;
}

/* ---- opening ---- */

/* The one spelling by which the index knows it. */
static char *canonical(struct str folder, struct err *err)
{
    struct buf path, name;
    char *out = NULL;

    buf_init(&path, PATH_COMPONENT_BYTES + 1);
    buf_init(&name, (size_t)4 * PATH_COMPONENT_BYTES);
    if (path_of_folder(&path, folder) && path_to_folder(&name, buf_str(&path)))
        out = text_of(buf_str(&name));
    else
        err_set(err, E_SYNTAX, "this folder's name cannot be a path");
    buf_done(&path);
    buf_done(&name);
    return out;
}

static int look_for(struct mailboxes *all, struct str maildir, struct str folder,
                    struct err *err)
{
    bool inbox = str_eq(folder, STR("INBOX"));
    int root = mailboxes_root(all, err);
    DEFER(free_mem) char *path = inbox ? text_of(maildir) : NULL;

    if (root < 0)
        return root;
    if (inbox && !maildir_whole(root, path)) {
        int r = maildir_make(root, path, err);

        if (r < 0)
            return r;
    }
    DEFER(close_fd) int dir = boxfolder_dir(all, maildir, folder, err);
    return dir < 0 ? dir : 0;
}

/* No room for what is new: on the disk, of the user, among the UIDs; or nothing may be written.
 */
static bool is_full(int r)
{
    return r == E_NO_SPACE || r == E_LIMIT || r == -ENOSPC || r == -EDQUOT || r == -EROFS;
}

int mailbox_open(struct mailboxes *all, struct str maildir, struct str folder,
                 struct mailbox **out, struct err *err)
{
    char *name = canonical(folder, err);
    int r = name ? look_for(all, maildir, str_c(name), err) : E_SYNTAX;

    if (name && is_full(r) && mailboxes_spend_reserve(all, maildir))
        r = look_for(all, maildir, str_c(name), err);
    if (r < 0) {
        free(name);
        return r;
    }
    struct mailbox *b = calloc(1, sizeof(*b));
    if (!b)
        abort();
    *b = (struct mailbox){.all = all, .maildir = text_of(maildir), .folder = name};
    *out = b;
    return 0;
}

void mailbox_close(struct mailbox *b)
{
    if (!b)
        return;
    free(b->maildir);
    free(b->folder);
    free(b);
}

struct str mailbox_folder(const struct mailbox *b)
{
    return str_c(b->folder);
}

struct str mailbox_maildir(const struct mailbox *b)
{
    return str_c(b->maildir);
}

int mailbox_failed(struct mailbox *b, int r)
{
    if (r < 0 && (b->trouble == 0 || r == E_CORRUPT))
        b->trouble = r;
    return r;
}

/* A full disk ends a transaction in the middle, and what came next would stand alone. */
int mailbox_lost(struct mailbox *b, struct err *err)
{
    if (db_in_transaction(b->x->db))
        return 0;
    return mailbox_failed(
        b, err_set(err, E_NO_SPACE, "the index of %s cannot be written", b->maildir));
}

/* ---- beginning ---- */

/* In a writing transaction; what was taken in is committed. 1: it was. */
static int take_news(struct mailbox *b, struct err *err)
{
    int r;

    if ((r = boxfolder_has_news(&b->here, err)) <= 0)
        return r;
    if ((r = boxfolder_take(&b->here, err)) < 0 || (r = boxfolder_save(&b->here, err)) < 0 ||
        (r = index_commit(b->x, err)) < 0)
        return r;
    boxfolder_tell(&b->here);
    return 1;
}

/* 1: nothing new, the transaction is open; 0: there is news. */
static int begin_reading(struct mailbox *b, struct err *err)
{
    int r;

    if ((r = index_begin_read(b->x, err)) < 0 || (r = boxfolder_load(&b->here, err)) < 0 ||
        (r = boxfolder_has_news(&b->here, err)) < 0)
        return r;
    if (r == 0)
        return 1;
    index_rollback(b->x);
    return 0;
}

/* The index is somebody's for long: what it says is good enough to read. */
static int read_old(struct mailbox *b, int busy, struct err *err)
{
    int r;

    if ((r = index_begin_read(b->x, err)) < 0 || (r = boxfolder_load(&b->here, err)) < 0)
        return r;
    return b->here.row.uidvalidity ? 0 : busy;
}

static int begin_rounds(struct mailbox *b, struct err *err)
{
    int r = 0;

    if (b->old)
        return read_old(b, E_NO_SPACE, err);
    for (int round = 0; round < BEGIN_ROUNDS; round++) {
        if (b->mode == MAILBOX_READ && (r = begin_reading(b, err)) != 0)
            return r < 0 ? r : 0;
        r = index_begin(b->x, err);
        if (r == E_BUSY && b->mode == MAILBOX_READ)
            return read_old(b, r, err);
        if (r < 0 || (r = boxfolder_is_named(&b->here, err)) < 0 ||
            (r = boxfolder_load(&b->here, err)) < 0)
            return r;
        if ((r = take_news(b, err)) < 0)
            return r;
        if (r == 0 && b->mode == MAILBOX_WRITE)
            return 0;
        index_rollback(b->x);
    }
    /* there is always more news: go on with what we have */
    r = b->mode == MAILBOX_READ ? index_begin_read(b->x, err) : index_begin(b->x, err);
    if (r == 0 && b->mode == MAILBOX_WRITE)
        r = boxfolder_is_named(&b->here, err);
    return r < 0 ? r : boxfolder_load(&b->here, err);
}

/* The index forgets a folder whose directory has gone. */
static int folder_gone(struct mailbox *b, struct err *err)
{
    int r = index_begin(b->x, NULL);

    if (r == 0)
        r = boxfolder_forget(b->x, str_c(b->folder), NULL);
    if (r == 0)
        r = index_commit(b->x, NULL);
    mailboxes_give(b->all, b->x, r);
    b->x = NULL;
    return err_set(err, E_NOT_FOUND, "the folder %s has gone", b->folder);
}

static int begin_once(struct mailbox *b, struct err *err)
{
    int r = mailboxes_take(b->all, str_c(b->maildir), &b->x, err);

    if (r < 0)
        return r;
    r = boxfolder_find(b->all, b->x, str_c(b->maildir), str_c(b->folder), &b->here, err);
    if (r == E_NOT_FOUND)
        return folder_gone(b, err);
    if (r == 0 && (r = begin_rounds(b, err)) < 0)
        boxfolder_close(&b->here);
    if (r < 0) {
        mailboxes_give(b->all, b->x, r);
        b->x = NULL;
    }
    return r;
}

int mailbox_begin(struct mailbox *b, enum mailbox_mode mode, struct err *err)
{
    b->mode = mode;
    b->trouble = 0;
    b->refreshed = 0;
    b->old = false;
    int r = begin_once(b, err);
    /* the index, or its log, was begun anew; or the folder, and what was opened has gone */
    if (r == E_CORRUPT || r == E_NO_SPACE || r == E_NOT_FOUND)
        r = begin_once(b, err);
    if (is_full(r) && mode == MAILBOX_READ) {
        b->old = true;
        r = begin_once(b, err);
    }
    if (is_full(r) && mailboxes_spend_reserve(b->all, str_c(b->maildir))) {
        b->old = false;
        r = begin_once(b, err);
    }
    return r;
}

/* ---- ending ---- */

static void close_joined(struct mailbox *b)
{
    while (b->joined) {
        struct boxfolder *f = b->joined;

        b->joined = f->next;
        boxfolder_close(f);
        free(f);
    }
}

static void let_go(struct mailbox *b)
{
    mailbox_scan_end(b);
    mailbox_kept_free(b);
    close_joined(b);
    boxfolder_close(&b->here);
    mailboxes_give(b->all, b->x, b->trouble);
    b->x = NULL;
}

/* What letters were moved into is durable before what they were moved from. */
static int save_all(struct mailbox *b, struct err *err)
{
    int r = 0;

    for (struct boxfolder *f = b->joined; f && r == 0; f = f->next)
        r = boxfolder_save(f, err);
    if (r == 0)
        r = boxfolder_save(&b->here, err);
    if (r == 0 && !mailboxes_current(b->all, b->x))
        r = err_set(err, E_UNAVAILABLE, "the index of %s was begun anew by another",
                    b->maildir);
    return r < 0 ? r : index_commit(b->x, err);
}

static int end_writing(struct mailbox *b, struct err *err)
{
    int r = b->trouble == E_CORRUPT ? err_set(err, E_CORRUPT, "the index is broken") : 0;

    if (r == 0) {
        mailbox_keep(b);
        r = mailbox_lost(b, err);
    }
    if (r == 0)
        r = mailbox_failed(b, save_all(b, err));
    if (r < 0) {
        index_rollback(b->x);
        return r;
    }
    boxfolder_tell(&b->here);
    for (struct boxfolder *f = b->joined; f; f = f->next)
        boxfolder_tell(f);
    return 0;
}

int mailbox_end(struct mailbox *b, struct err *err)
{
    int r = 0;

    mailbox_scan_pause(b);
    if (b->mode == MAILBOX_WRITE) {
        r = end_writing(b, err);
    } else {
        index_rollback(b->x); /* nothing was written */
        mailbox_keep(b);
    }
    let_go(b);
    return r;
}

void mailbox_abort(struct mailbox *b)
{
    mailbox_scan_pause(b);
    index_rollback(b->x);
    let_go(b);
}

int mailbox_refresh(struct mailbox *b, struct err *err)
{
    if (b->refreshed++ == MAILBOX_REFRESHES)
        return err_set(err, E_BUSY, "another program is changing the folder %s", b->folder);
    return mailbox_failed(b, boxfolder_take_all(&b->here, err));
}

bool mailbox_refreshed(const struct mailbox *b)
{
    return b->refreshed > 0;
}

int boxfolder_join(struct mailbox *b, struct str name, struct boxfolder **out, struct err *err)
{
    DEFER(free_mem) char *folder = canonical(name, err);
    struct boxfolder *f = calloc(1, sizeof(*f));

    if (!f)
        abort();
    int r = folder ? boxfolder_open(b->all, b->x, str_c(b->maildir), str_c(folder), f, err)
                   : E_SYNTAX;
    if (r < 0) {
        free(f);
        return r;
    }
    f->next = b->joined;
    b->joined = f;
    r = mailbox_failed(b, boxfolder_take(f, err));
    if (r == 0)
        *out = f;
    return r;
}

/* ---- state ---- */

static int count_from(struct mailbox *b, uint32_t uid, uint32_t *out, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(b->x, SQL_COUNT, &r, err);

    if (!s)
        return mailbox_failed(b, r);
    db_bind_int(s, 1, letter_id(b->here.row.id, uid));
    db_bind_int(s, 2, letter_id(b->here.row.id, UINT32_MAX));
    r = db_step(s, err);
    *out = r > 0 ? (uint32_t)db_int(s, 0) : 0;
    if (r > 0)
        db_reset(s);
    return r < 0 ? mailbox_failed(b, r) : 0;
}

/* Letters whose names do not say how long they are on the wire are read once. */
static int measure_all(struct mailbox *b, uint64_t *octets, struct err *err)
{
    struct message m;
    int r = mailbox_scan(b, NULL, 0, WANT_SIZE, err);

    if (r < 0)
        return r;
    *octets = 0;
    while ((r = mailbox_next(b, &m, err)) > 0)
        *octets += m.gone ? 0 : m.vsize;
    mailbox_scan_end(b);
    return r;
}

int mailbox_state(struct mailbox *b, unsigned want, struct mailbox_state *out, struct err *err)
{
    const struct folder_row *row = &b->here.row;
    uint32_t recent = 0, first = 0;
    int r = 0;

    if (row->uidnext > row->first_recent)
        r = count_from(b, row->first_recent, &recent, err);
    if (r == 0 && (want & STATE_FIRST_UNSEEN))
        r = mailbox_first_unseen(b, &first, err);
    if (r < 0)
        return r;
    *out = (struct mailbox_state){.uidvalidity = row->uidvalidity,
                                  .uidnext = row->uidnext,
                                  .exists = row->letters,
                                  .recent = recent,
                                  .unseen = row->unseen,
                                  .deleted = row->deleted,
                                  .first_unseen = first,
                                  .highestmodseq = row->modseq,
                                  .octets = row->octets,
                                  .first_recent = row->first_recent,
                                  .mailboxid = str_c(row->mailboxid)};
    memcpy(out->keywords, b->here.keywords, sizeof(out->keywords));
    if ((want & STATE_OCTETS) && row->unsized)
        r = measure_all(b, &out->octets, err);
    return r;
}

int mailbox_claim_recent(struct mailbox *b, uint32_t *first_recent, struct err *err)
{
    (void)err;
    *first_recent = b->here.row.first_recent;
    b->here.row.first_recent = b->here.row.uidnext;
    return 0;
}

int mailbox_keyword(struct mailbox *b, struct str word, bool make, uint32_t *bit,
                    struct err *err)
{
    uint32_t mask;
    int r = boxfolder_keyword(&b->here, word, make && b->mode == MAILBOX_WRITE, &mask, err);

    if (r == 0)
        *bit = (uint32_t)__builtin_ctz(mask);
    return r == E_NOT_FOUND || r == E_LIMIT ? r : mailbox_failed(b, r);
}

int mailbox_expunged_since(struct mailbox *b, uint64_t modseq, struct uidset *out,
                           struct err *err)
{
    int r;

    if (modseq < b->here.row.expunged_from)
        return err_set(err, E_NOT_FOUND, "what was expunged that long ago is not known");
    struct db_stmt *s = index_statement(b->x, SQL_EXPUNGED_SINCE, &r, err);
    if (!s)
        return mailbox_failed(b, r);
    db_bind_int(s, 1, b->here.row.id);
    db_bind_int(s, 2, modseq > INT64_MAX ? INT64_MAX : (int64_t)modseq);
    while ((r = db_step(s, err)) > 0)
        uidset_add(out, (uint32_t)db_int(s, 0), (uint32_t)db_int(s, 1));
    return mailbox_failed(b, r);
}
