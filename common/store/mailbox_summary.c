/*
 * What the index does not know of a letter yet is found in its file, once for all that is kept
 * (or in its head, where the usual fields are all that is asked for), gathered in memory, and
 * written when the mailbox is given back or there is much of it. That it is lost costs another
 * reading and nothing else, so no error of writing is told.
 */
#include "store/boxfolder.h"

#include "base/defer.h"
#include "store/digest.h"
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>

enum {
    KEPT_BYTES = 1 << 20,
    KEPT_LETTER_BYTES = 256 * 1024, /* a letter's strings; longer ones are found again */
    KEPT_LETTERS = 8192,
};

struct kept_letter {
    uint32_t uid;
    bool measured, dated, digested, headed, crlf; /* headed: of the text the header alone */
    bool other, damaged; /* than its row says; and no other way of counting explains it */
    uint64_t size, vsize;
    int64_t internaldate;
    size_t at; /* in text: header, envelope, bodystructure, parts, one behind the other */
    size_t header, envelope, bodystructure, parts; /* octets */
};

struct mailbox_kept {
    struct digest digest;
    struct buf text;
    struct kept_letter *letters;
    size_t n, room;
};

static struct mailbox_kept *kept_of(struct mailbox *b)
{
    if (!b->kept) {
        b->kept = calloc(1, sizeof(*b->kept));
        if (!b->kept)
            abort();
        digest_init(&b->kept->digest);
        buf_init(&b->kept->text, KEPT_BYTES);
    }
    return b->kept;
}

void mailbox_kept_free(struct mailbox *b)
{
    if (!b->kept)
        return;
    digest_done(&b->kept->digest);
    buf_done(&b->kept->text);
    free(b->kept->letters);
    free(b->kept);
    b->kept = NULL;
}

bool mailbox_kept_full(const struct mailbox *b)
{
    return b->kept && (b->kept->n == KEPT_LETTERS ||
                       buf_str(&b->kept->text).n > KEPT_BYTES - KEPT_LETTER_BYTES);
}

/* ---- finding ---- */

static struct kept_letter *keep(struct mailbox_kept *kept, uint32_t uid)
{
    if (kept->n == kept->room) {
        kept->room = kept->room ? 2 * kept->room : 64;
        kept->letters = realloc(kept->letters, kept->room * sizeof(*kept->letters));
        if (!kept->letters)
            abort();
    }
    kept->letters[kept->n] = (struct kept_letter){.uid = uid};
    return &kept->letters[kept->n++];
}

static void keep_digest(struct mailbox_kept *kept, struct kept_letter *l)
{
    const struct digest *d = &kept->digest;
    size_t n = buf_str(&d->header).n + buf_str(&d->envelope).n + buf_str(&d->bodystructure).n +
               buf_str(&d->parts).n;

    if (n > KEPT_LETTER_BYTES)
        return;
    l->digested = true;
    l->at = buf_str(&kept->text).n;
    l->header = buf_str(&d->header).n;
    l->envelope = buf_str(&d->envelope).n;
    l->bodystructure = buf_str(&d->bodystructure).n;
    l->parts = buf_str(&d->parts).n;
    buf_add(&kept->text, buf_str(&d->header));
    buf_add(&kept->text, buf_str(&d->envelope));
    buf_add(&kept->text, buf_str(&d->bodystructure));
    buf_add(&kept->text, buf_str(&d->parts));
}

static void keep_header(struct mailbox_kept *kept, uint32_t uid)
{
    struct str header = buf_str(&kept->digest.header);
    struct kept_letter *l = keep(kept, uid);

    l->headed = true;
    l->at = buf_str(&kept->text).n;
    l->header = header.n;
    buf_add(&kept->text, header);
}

static void fill_in_header(const struct digest *d, struct message *m)
{
    struct str header = buf_str(&d->header);

    m->header_complete = header.n && header.p[0] == '+';
    m->header = str_skip(header, header.n ? 1 : 0);
}

static void fill_in(const struct digest *d, struct message *m)
{
    fill_in_header(d, m);
    m->envelope = buf_str(&d->envelope);
    m->bodystructure = buf_str(&d->bodystructure);
    m->parts = buf_str(&d->parts);
}

static int64_t mtime_of(const struct stat *st)
{
    return st->st_mtim.tv_sec;
}

/* Its date alone: the file need not be opened. */
static bool find_date(struct mailbox *b, struct message *m)
{
    char name[NAME_BYTES + 1];
    struct letter_row l;
    struct arena a;
    struct stat st;
    int cur = boxfolder_cur(&b->here, NULL);
    bool found = false;

    arena_init(&a);
    if (cur >= 0 && boxfolder_letter(&b->here, m->uid, &a, &l, NULL) == 0 &&
        letter_name(name, &l, b->here.row.uidvalidity) &&
        fstatat(cur, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        struct kept_letter *k = keep(kept_of(b), m->uid);

        m->internaldate = k->internaldate = mtime_of(&st);
        k->dated = found = true;
    }
    arena_done(&a);
    return found;
}

enum { WANT_BLOBS = WANT_HEADER | WANT_ENVELOPE | WANT_BODYSTRUCTURE | WANT_PARTS };

/* What a SEARCH looks at: the rest of the letter is read when somebody asks for it. */
static int read_head(struct mailbox *b, int fd, struct message *m, struct err *err)
{
    struct mailbox_kept *kept = kept_of(b);
    int r = digest_read_head(&kept->digest, fd, err);

    if (r < 0)
        return r;
    fill_in_header(&kept->digest, m);
    keep_header(kept, m->uid);
    return 0;
}

/* S= and W= of the name are what there is to check a letter by: octets and line ends. A file
 * that was cut has other ones, one that was zeroed or overwritten no such line ends. */
static bool is_damaged(const struct letter_row *l, const struct digest *d, uint64_t size)
{
    return l->size != size || (l->has_vsize && !lines_may_be(&d->lines, l->vsize));
}

static bool is_other(const struct letter_row *l, const struct digest *d, uint64_t size)
{
    return l->size != size || (l->has_vsize && l->vsize != d->vsize);
}

static int read_file(struct mailbox *b, int fd, const struct stat *st,
                     const struct letter_row *l, struct message *m, unsigned wanted,
                     unsigned missing, struct err *err)
{
    struct mailbox_kept *kept = kept_of(b);
    bool all = wanted & WANT_BLOBS;
    int r = digest_read(&kept->digest, fd, (uint64_t)st->st_size, all, err);

    if (r < 0)
        return r;
    struct kept_letter *k = keep(kept, m->uid);
    if (missing & WANT_INTERNALDATE)
        m->internaldate = mtime_of(st);
    k->internaldate = mtime_of(st);
    k->dated = true;
    k->size = (uint64_t)st->st_size;
    k->other = is_other(l, &kept->digest, k->size);
    k->damaged = is_damaged(l, &kept->digest, k->size);
    if (k->other || (missing & WANT_SIZE)) {
        m->size = k->size;
        m->vsize = kept->digest.vsize;
        m->crlf = kept->digest.crlf;
    }
    k->vsize = kept->digest.vsize;
    k->crlf = kept->digest.crlf;
    k->measured = true;
    if (all) {
        fill_in(&kept->digest, m);
        keep_digest(kept, k);
    }
    return 0;
}

static void set_gone(struct message *m, bool unreadable)
{
    m->gone = true;
    m->unreadable = unreadable;
    m->header = m->envelope = m->bodystructure = m->parts = (struct str){"", 0};
}

int mailbox_find_out(struct mailbox *b, struct message *m, unsigned wanted, unsigned missing,
                     struct err *err)
{
    struct letter_row l;
    struct arena a;
    struct stat st;

    if (missing == WANT_INTERNALDATE && find_date(b, m))
        return 0;
    arena_init(&a);
    int fd = mailbox_open_uid(b, m->uid, &a, &l, &st, err);
    int r = fd < 0                   ? fd
            : missing == WANT_HEADER ? read_head(b, fd, m, err)
                                     : read_file(b, fd, &st, &l, m, wanted, missing, err);
    close_fd(&fd);
    arena_done(&a);
    if (r >= 0)
        return 0;
    if (r == E_CORRUPT || r == E_BUSY)
        return r;
    set_gone(m, r != E_NOT_FOUND);
    return 0;
}

int mailbox_look_again(struct mailbox *b, struct message *m, unsigned wanted, struct err *err)
{
    return mailbox_find_out(b, m, wanted, wanted | WANT_SIZE, err);
}

/* ---- writing ---- */

/* Told by who corrects the row, so once, however often it is read. */
static int put_truth(struct mailbox *b, const struct kept_letter *k)
{
    struct letter_row l = {.uid = k->uid, .size = k->size, .vsize = k->vsize, .crlf = k->crlf};
    bool corrected;
    int r = boxfolder_correct(&b->here, &l, &corrected, NULL);

    if (r < 0 || !corrected || !k->damaged)
        return r == E_NOT_FOUND ? 0 : r;
    mailboxes_found_damage(b->all);
    log_event(LOG_ERROR, NULL, "damaged",
              "%s folder=%s uid=%u: the file has %llu octets and is not what its name says; "
              "it is shown as it is",
              b->maildir, b->folder, k->uid, (unsigned long long)k->size);
    return 0;
}

static int put_header(struct mailbox *b, int64_t id, const struct kept_letter *k)
{
    int r;
    struct db_stmt *s = index_statement(b->x, SQL_HEADER_PUT, &r, NULL);

    if (!s)
        return r;
    db_bind_int(s, 1, id);
    db_bind_blob(s, 2, str_first(str_skip(buf_str(&b->kept->text), k->at), k->header));
    return db_run(s, NULL);
}

static int put_summary(struct mailbox *b, int64_t id, const struct kept_letter *k)
{
    struct str text = str_skip(buf_str(&b->kept->text), k->at + k->header);
    int r;
    struct db_stmt *s = index_statement(b->x, SQL_SUMMARY_PUT, &r, NULL);

    if (!s)
        return r;
    db_bind_int(s, 1, id);
    db_bind_blob(s, 2, str_first(text, k->envelope));
    text = str_skip(text, k->envelope);
    db_bind_blob(s, 3, str_first(text, k->bodystructure));
    text = str_skip(text, k->bodystructure);
    db_bind_blob(s, 4, str_first(text, k->parts));
    return db_run(s, NULL);
}

static int put_measure(struct mailbox *b, int64_t id, const struct kept_letter *k)
{
    int r;
    struct db_stmt *s = index_statement(b->x, SQL_LETTER_MEASURED, &r, NULL);

    if (!s)
        return r;
    db_bind_int(s, 1, id);
    db_bind_int(s, 2, (int64_t)k->vsize);
    db_bind_int(s, 3, k->crlf);
    if ((r = db_run(s, NULL)) < 0)
        return r;
    if (db_changes(b->x->db)) {
        b->here.row.unsized--;
        b->here.row.octets += k->vsize;
    }
    return 0;
}

static int put_date(struct mailbox *b, int64_t id, const struct kept_letter *k)
{
    int r;
    struct db_stmt *s = index_statement(b->x, SQL_LETTER_DATED, &r, NULL);

    if (!s)
        return r;
    db_bind_int(s, 1, id);
    db_bind_int(s, 2, k->internaldate);
    return db_run(s, NULL);
}

static int put_all(struct mailbox *b)
{
    int r = 0;

    for (size_t i = 0; i < b->kept->n && r == 0; i++) {
        const struct kept_letter *k = &b->kept->letters[i];
        int64_t id = letter_id(b->here.row.id, k->uid);

        if (k->other)
            r = put_truth(b, k);
        if (r == 0 && (k->headed || k->digested))
            r = put_header(b, id, k);
        if (r == 0 && k->digested)
            r = put_summary(b, id, k);
        if (r == 0 && k->measured)
            r = put_measure(b, id, k);
        if (r == 0 && k->dated)
            r = put_date(b, id, k);
    }
    return r;
}

/* In a transaction of its own: unless the folder is another one by now. */
static int put_alone(struct mailbox *b)
{
    uint32_t uidvalidity = b->here.row.uidvalidity;
    int64_t id = b->here.row.id;
    int r;

    if ((r = index_begin(b->x, NULL)) < 0 || (r = boxfolder_load(&b->here, NULL)) < 0)
        return r;
    if (b->here.row.uidvalidity != uidvalidity || b->here.row.id != id)
        return 0;
    if ((r = put_all(b)) < 0 || (r = boxfolder_write_row(&b->here, NULL)) < 0)
        return r;
    return index_commit(b->x, NULL);
}

void mailbox_keep(struct mailbox *b)
{
    if (!b->kept || b->kept->n == 0)
        return;
    int r = b->mode == MAILBOX_WRITE ? put_all(b) : put_alone(b);
    if (b->mode == MAILBOX_READ)
        index_rollback(b->x);
    if (r == E_CORRUPT || b->mode == MAILBOX_WRITE)
        mailbox_failed(b, r);
    b->kept->n = 0;
    buf_clear(&b->kept->text);
}
