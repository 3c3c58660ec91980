/*
 * The files of letters. Between a row and its file another program may rename it: then all
 * names are looked at once more, once.
 */
#include "store/boxfolder.h"

#include "base/defer.h"

enum { PEEK_BYTES = 4096, PEEK_MAX = 65536 };

/* In a transaction of another handle, so that the one we read in stays as it is, and what the
 * caller has of its row. */
static int look_elsewhere(struct mailbox *b, struct boxfolder *f, uint32_t uid, struct arena *a,
                          struct letter_row *l, struct stat *st, struct err *err)
{
    int r;

    if (b->refreshed++ == 0) {
        if ((r = index_begin(f->x, err)) < 0 || (r = boxfolder_is_named(f, err)) < 0 ||
            (r = boxfolder_load(f, err)) < 0 || (r = boxfolder_take_all(f, err)) < 0 ||
            (r = boxfolder_save(f, err)) < 0 || (r = index_commit(f->x, err)) < 0)
            return r;
        boxfolder_tell(f);
    }
    if (f->row.uidvalidity != b->here.row.uidvalidity)
        return err_set(err, E_NOT_FOUND, "letter %u has gone", uid);
    r = boxfolder_letter(f, uid, a, l, err);
    return r < 0 ? r : boxfolder_open_letter(f, l, st, err);
}

static int open_elsewhere(struct mailbox *b, uint32_t uid, struct arena *a,
                          struct letter_row *l, struct stat *st, struct err *err)
{
    struct boxfolder f;
    struct index *x;
    int r = mailboxes_take(b->all, str_c(b->maildir), &x, err);

    if (r < 0)
        return r;
    r = boxfolder_open(b->all, x, str_c(b->maildir), str_c(b->folder), &f, err);
    if (r == 0) {
        r = look_elsewhere(b, &f, uid, a, l, st, err);
        boxfolder_close(&f);
    }
    mailboxes_give(b->all, x, r);
    return r;
}

int mailbox_open_uid(struct mailbox *b, uint32_t uid, struct arena *a, struct letter_row *l,
                     struct stat *st, struct err *err)
{
    int fd, r = 0;

    if (!mailbox_scan_letter(b, uid, l))
        r = boxfolder_letter(&b->here, uid, a, l, err);
    if (r < 0)
        return r;
    fd = boxfolder_open_letter(&b->here, l, st, err);
    if (fd != E_NOT_FOUND)
        return fd;
    if (b->mode == MAILBOX_READ)
        return open_elsewhere(b, uid, a, l, st, err);
    r = mailbox_refresh(b, err);
    if (r == 0)
        r = boxfolder_letter(&b->here, uid, a, l, err);
    return r < 0 ? r : boxfolder_open_letter(&b->here, l, st, err);
}

/* As all its line ends, the first one tells. */
static bool begins_with_crlf(int fd)
{
    char block[PEEK_BYTES];
    char last = '\0';

    for (off_t at = 0; at < PEEK_MAX;) {
        ssize_t n = pread(fd, block, sizeof(block), at);

        if (n <= 0)
            return false;
        const char *lf = memchr(block, '\n', (size_t)n);
        if (lf)
            return (lf > block ? lf[-1] : last) == '\r';
        last = block[n - 1];
        at += n;
    }
    return false;
}

int mailbox_letter(struct mailbox *b, uint32_t uid, struct letter_file *file, struct err *err)
{
    struct letter_row l;
    struct arena a;
    struct stat st;

    arena_init(&a);
    int fd = mailbox_open_uid(b, uid, &a, &l, &st, err);
    if (fd >= 0)
        *file = (struct letter_file){
            .octets = (uint64_t)st.st_size,
            .crlf = l.has_vsize ? l.crlf : begins_with_crlf(fd),
        };
    arena_done(&a);
    return fd == E_NOT_FOUND ? fd : mailbox_failed(b, fd);
}

enum { EACH_ROWS = 256 };

/* Those of one range, some at a time. Where a file was not where its row says, we look through
 * the folder, and the rows are read anew. */
static int each_of_range(struct mailbox *b, struct uidrange range, mailbox_each_fn *each,
                         void *arg, struct err *err)
{
    DEFER(free_mem) struct letter_row *rows = calloc(EACH_ROWS, sizeof(*rows));
    uint64_t from = range.first;
    struct arena a;
    int n = 1, r = 0;

    if (!rows)
        abort();
    arena_init(&a);
    while (r >= 0 && n > 0 && from <= range.last) {
        arena_reset(&a);
        r = n =
            boxfolder_letters(&b->here, (uint32_t)from, range.last, &a, rows, EACH_ROWS, err);
        for (int i = 0; i < n && r >= 0; i++) {
            r = each(b, &rows[i], arg, err);
            from = (uint64_t)rows[i].uid + 1;
            if (r != E_NOT_FOUND)
                continue;
            r = mailbox_refresh(b, err);
            from = rows[i].uid;
            break;
        }
    }
    arena_done(&a);
    return r < 0 ? r : 0;
}

int mailbox_each(struct mailbox *b, const struct uidset *uids, mailbox_each_fn *each, void *arg,
                 struct err *err)
{
    const struct uidrange all = {.first = 1, .last = UINT32_MAX};
    int r = uids ? 0 : each_of_range(b, all, each, arg, err);

    for (uint32_t i = 0; uids && i < uids->n && r == 0; i++)
        r = each_of_range(b, uids->ranges[i], each, arg, err);
    return r;
}
