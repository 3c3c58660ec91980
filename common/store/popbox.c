/*
 * Listing changes nothing in the Maildir: letters stay in new/ or cur/ as they are.
 *
 * Removing unlinks what is marked and then flushes the directories: a crash in between leaves
 * each letter there or gone (P06), and 0 is returned when they are gone for good.
 */
#include "store/popbox.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/listing.h"
#include "store/maildir.h"
#include "store/sizes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

enum { POPBOX_PATH_BYTES = 4096, UIDL_TEXT_BYTES = 4 * NAME_BYTES };

struct popbox {
    int dir, new_fd, cur_fd; /* dir is locked: one session a mailbox (P08) */
    char path[POPBOX_PATH_BYTES];
    struct listing list;
    struct buf uidl;
};

/* ---- opening ---- */

/* Below mail/, which is there: the domain and the user may have to be made. */
static int make_missing(const char *maildir, struct err *err)
{
    char above[POPBOX_PATH_BYTES];
    size_t n = strlen(maildir), slashes = 0;

    while (n > 0 && slashes < 2)
        slashes += maildir[--n] == '/';
    if (slashes < 2 || n == 0)
        return err_set(err, E_NOT_FOUND, "there is no mailbox %s", maildir);
    memcpy(above, maildir, n);
    above[n] = '\0';
    DEFER(close_fd) int at = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return err_os(err, "open %s", above);
    return maildir_make(at, maildir + n + 1, err);
}

static int open_dirs(struct popbox *b, struct err *err)
{
    b->dir = open(b->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (b->dir < 0 && errno != ENOENT)
        return err_os(err, "open %s", b->path);
    if (b->dir < 0 || !maildir_whole(b->dir, ".")) {
        int r = make_missing(b->path, err);

        if (r < 0)
            return r;
        close_fd(&b->dir);
        b->dir = open(b->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (b->dir < 0)
            return err_os(err, "open %s", b->path);
    }
    b->new_fd = dir_open(b->dir, "new", err);
    if (b->new_fd < 0)
        return b->new_fd;
    b->cur_fd = dir_open(b->dir, "cur", err);
    return b->cur_fd < 0 ? b->cur_fd : 0;
}

/* On the directory, which leaves no file behind. */
static int take_lock(struct popbox *b, struct err *err)
{
    if (flock(b->dir, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, E_BUSY, "the mailbox is open in another session");
    return err_os(err, "lock %s", b->path);
}

int popbox_open(const char *maildir, struct popbox **out, struct err *err)
{
    struct popbox *b = calloc(1, sizeof(*b));
    size_t n = strlen(maildir);
    int r;

    if (!b)
        abort();
    b->dir = b->new_fd = b->cur_fd = -1;
    buf_init(&b->uidl, UIDL_TEXT_BYTES);
    if (n >= sizeof(b->path)) {
        popbox_close(b);
        return err_set(err, E_LIMIT, "the path of a mailbox is too long");
    }
    memcpy(b->path, maildir, n + 1);
    r = open_dirs(b, err);
    if (r == 0)
        r = take_lock(b, err);
    if (r == 0)
        r = listing_read(&b->list, b->new_fd, b->cur_fd, err);
    if (r < 0) {
        popbox_close(b);
        return r;
    }
    sizes_find(&b->list, b->path, b->new_fd, b->cur_fd);
    *out = b;
    return 0;
}

void popbox_close(struct popbox *b)
{
    if (!b)
        return;
    listing_done(&b->list);
    buf_done(&b->uidl);
    close_fd(&b->new_fd);
    close_fd(&b->cur_fd);
    close_fd(&b->dir);
    free(b);
}

/* ---- what a session asks ---- */

uint32_t popbox_count(const struct popbox *b)
{
    return b->list.n;
}

uint64_t popbox_size(const struct popbox *b, uint32_t i)
{
    return letter_vsize(&b->list.letters[i]);
}

/* '%' begins only what name_uidl() makes, and it never makes "%~". */
struct str popbox_uidl(struct popbox *b, uint32_t i)
{
    const struct letter *l = &b->list.letters[i];
    char unique[NAME_BYTES + 8];
    struct str s = boxnames_unique(&b->list.names, l->name, unique);

    buf_clear(&b->uidl);
    name_uidl(&b->uidl, s);
    if (l->copy)
        buf_addf(&b->uidl, "%%~%u", l->copy);
    if (buf_str(&b->uidl).n <= NAME_UIDL_BYTES)
        return buf_str(&b->uidl);
    /* no name has a '/' */
    s.n += (size_t)snprintf(unique + s.n, sizeof(unique) - s.n, "/%u", l->copy);
    buf_clear(&b->uidl);
    name_uidl_hash(&b->uidl, s);
    return buf_str(&b->uidl);
}

/* Another program has renamed something: all names are looked up again. */
static int find_again(struct popbox *b, struct err *err)
{
    struct listing now;
    int r = listing_read(&now, b->new_fd, b->cur_fd, err);

    if (r == 0)
        listing_follow(&b->list, &now);
    listing_done(&now);
    return r;
}

static int letter_dir(const struct popbox *b, const struct letter *l)
{
    return l->flags & LETTER_CUR ? b->cur_fd : b->new_fd;
}

static int letter_open(const struct popbox *b, const struct letter *l)
{
    char name[NAME_BYTES + 1];

    boxnames_get(&b->list.names, l->name, name);
    return openat(letter_dir(b, l), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

int popbox_read(struct popbox *b, uint32_t i, bool *crlf, struct err *err)
{
    struct letter *l = &b->list.letters[i];
    int fd = l->flags & LETTER_GONE ? -1 : letter_open(b, l);

    if (fd < 0 && !(l->flags & LETTER_GONE) && errno == ENOENT) {
        int r = find_again(b, err);

        if (r < 0)
            return r;
        if (!(l->flags & LETTER_GONE))
            fd = letter_open(b, l);
    }
    if (l->flags & LETTER_GONE)
        return err_set(err, E_NOT_FOUND, "another program has removed this letter");
    if (fd < 0)
        return errno == ENOENT
                   ? err_set(err, E_NOT_FOUND, "another program has moved this letter")
                   : err_os(err, "open a letter");
    *crlf = (l->flags & LETTER_CRLF) != 0;
    return fd;
}

static bool has_size(const struct popbox *b, const struct letter *l, uint64_t octets)
{
    char text[NAME_BYTES + 1];
    struct name n;

    boxnames_get(&b->list.names, l->name, text);
    return !name_parse(str_c(text), &n) || !n.has_size || n.size == octets;
}

bool popbox_found_damaged(struct popbox *b, uint32_t i, const struct lines_count *read)
{
    struct letter *l = &b->list.letters[i];

    if ((l->flags & LETTER_DAMAGED) ||
        (has_size(b, l, read->octets) && lines_may_be(read, letter_vsize(l))))
        return false;
    l->flags |= LETTER_DAMAGED;
    return true;
}

/* 0: it is gone, -ENOENT: it is not where it was. */
static int letter_unlink(const struct popbox *b, const struct letter *l)
{
    char name[NAME_BYTES + 1];

    boxnames_get(&b->list.names, l->name, name);
    return unlinkat(letter_dir(b, l), name, 0) < 0 ? -errno : 0;
}

/* All that can be removed is; the first error is kept. */
static int remove_marked(struct popbox *b, const bool *marked, bool touched[2], struct err *err)
{
    bool looked = false;
    int result = 0, r;

    for (uint32_t i = 0; i < b->list.n; i++) {
        struct letter *l = &b->list.letters[i];

        if (!marked[i] || (l->flags & LETTER_GONE))
            continue;
        r = letter_unlink(b, l);
        if (r == -ENOENT && !looked) {
            looked = true;
            r = find_again(b, err);
            if (r == 0 && !(l->flags & LETTER_GONE))
                r = letter_unlink(b, l);
        }
        touched[(l->flags & LETTER_CUR) != 0] =
            true; /* it may have moved since it was listed */
        if (r == 0 || r == -ENOENT)
            l->flags |= LETTER_GONE;
        else if (result == 0)
            result = err_set(err, r, "remove a letter: %s", strerror(-r));
    }
    return result;
}

int popbox_remove(struct popbox *b, const bool *marked, struct err *err)
{
    bool touched[2] = {false, false};

    for (uint32_t i = 0; i < b->list.n; i++)
        if (marked[i])
            touched[(b->list.letters[i].flags & LETTER_CUR) != 0] = true;
    int r = remove_marked(b, marked, touched, err);
    if (touched[0] && fsync(b->new_fd) < 0)
        r = err_os(err, "flush new/");
    if (touched[1] && fsync(b->cur_fd) < 0)
        r = err_os(err, "flush cur/");
    return r;
}
