/*
 * COPY makes hard links, MOVE renames; both under new names, with UIDs of the other folder.
 * Rows and what was kept of a letter are copied in the mailbox's own transaction.
 *
 * One letter, and each letter of a MOVE, is one link(2) or rename(2) into cur/: it is in
 * exactly one folder at every instant. Copies of several become visible together
 * (store/staging.h).
 */
#include "base/defer.h"
#include "store/dir.h"
#include "store/mailbox_impl.h"
#include "store/stage.h"
#include "store/staging.h"
#include "store/tree.h"
#include "store/unfinished.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { COPY_ROWS = 256 }; /* read at once */

struct copy {
    struct boxfolder *from, *to;
    bool move, looked;                  /* all names of `from` have been looked at again */
    uint32_t next_uid;                  /* of those given */
    uint32_t keywords[FOLDER_KEYWORDS]; /* bits of `to` for letters of `from` */
    int64_t now;
    int from_cur, to_dir; /* cur/, or what is staged in */
    struct uidset *gone, *made;
};

/* ---- what is copied ---- */

struct measure {
    uint32_t letters, keywords;
    uint64_t octets;
};

typedef int each_letter(void *arg, struct letter_row *l, struct err *err);

static int each_of_range(struct boxfolder *f, uint32_t first, uint32_t last, each_letter *each,
                         void *arg, struct err *err)
{
    struct letter_row rows[COPY_ROWS];
    struct arena a;
    int n = 1, r = 0;

    arena_init(&a);
    while (n > 0 && r == 0 && first <= last) {
        arena_reset(&a);
        n = boxfolder_letters(f, first, last, &a, rows, COPY_ROWS, err);
        for (int i = 0; i < n && r == 0; i++)
            r = each(arg, &rows[i], err);
        if (n > 0 && rows[n - 1].uid == last)
            break;
        if (n > 0)
            first = rows[n - 1].uid + 1;
    }
    arena_done(&a);
    return n < 0 ? n : r;
}

static int each_of(struct boxfolder *f, const struct uidset *uids, each_letter *each, void *arg,
                   struct err *err)
{
    int r = 0;

    for (uint32_t i = 0; i < uids->n && r == 0; i++)
        r = each_of_range(f, uids->ranges[i].first, uids->ranges[i].last, each, arg, err);
    return r;
}

static int measure_one(void *arg, struct letter_row *l, struct err *err)
{
    struct measure *m = arg;

    (void)err;
    m->letters++;
    m->octets += l->size;
    m->keywords |= l->keywords;
    return 0;
}

/* ---- names ---- */

/* One that finds no letter in the other folder is left behind. */
static int map_keywords(struct copy *c, uint32_t used, struct err *err)
{
    for (int i = 0; i < FOLDER_KEYWORDS; i++) {
        struct str word = c->from->keywords[i];

        if (!(used >> i & 1) || word.n == 0)
            continue;
        int r = boxfolder_keyword(c->to, word, true, &c->keywords[i], err);
        if (r == E_LIMIT)
            c->keywords[i] = 0;
        else if (r < 0)
            return r;
    }
    return 0;
}

static uint32_t mapped(const struct copy *c, uint32_t keywords)
{
    uint32_t out = 0;

    for (int i = 0; i < FOLDER_KEYWORDS; i++)
        if (keywords >> i & 1)
            out |= c->keywords[i];
    return out;
}

/* Where the strings of a new row are. */
struct new_text {
    char unique[NAME_BYTES + 1], emailid[NAME_UIDL_BYTES];
};

/* A copy is a letter of its own, but its EMAILID stays (RFC 8474 5.1). */
static void name_copy(const struct copy *c, struct letter_row *n, struct new_text *t)
{
    struct buf text;
    struct id id;

    if (!n->emailid.p) {
        buf_init(&text, sizeof(t->emailid));
        buf_add_byte(&text, 'M');
        name_uidl_hash(&text, n->unique);
        memcpy(t->emailid, buf_str(&text).p, buf_str(&text).n);
        n->emailid = (struct str){t->emailid, buf_str(&text).n};
        buf_done(&text);
    }
    clock_new_id(&id);
    n->unique = name_unique(t->unique, &id, mailboxes_host(c->to->all));
}

static struct letter_row new_row(const struct copy *c, const struct letter_row *l,
                                 struct new_text *t)
{
    struct letter_row n = *l;

    if (!c->move)
        name_copy(c, &n, t);
    n.rest = (struct str){0};
    n.form = l->has_vsize ? FORM_USUAL : FORM_USUAL & ~(unsigned)FORM_VSIZE;
    n.uid = c->next_uid;
    n.keywords = mapped(c, l->keywords);
    n.modseq = 0;
    n.savedate = c->now;
    return n;
}

/* ---- files ---- */

static int copy_bytes(int from, int to, struct err *err)
{
    struct stat st;
    char block[16 * 1024];
    ssize_t n;

    while ((n = read(from, block, sizeof(block))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_os(err, "read a letter");
        int r = dir_write(to, (struct str){block, (size_t)n}, err);
        if (r < 0)
            return r;
    }
    if (fstat(from, &st) < 0 ||
        futimens(to, (struct timespec[2]){st.st_atim, st.st_mtim}) < 0 || fsync(to) < 0)
        return stage_os_error(err, "copy a letter");
    return 0;
}

/* Of two file systems each is durable when it likes: the copy's name first, or a power cut
 * could leave the letter in neither. */
static int remove_moved(const struct copy *c, const char *old, struct err *err)
{
    if (fsync(c->to_dir) < 0)
        return stage_os_error(err, "flush a folder");
    return unlinkat(c->from_cur, old, 0) < 0 ? err_os(err, "remove a letter that was moved")
                                             : 0;
}

/* Where there can be no link: too many of them, or two file systems. */
static int copy_file(struct copy *c, const char *old, const char *new, struct err *err)
{
    struct unfinished u;
    DEFER(close_fd) int from = openat(c->from_cur, old, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    DEFER(close_fd) int tmp = from < 0 ? -1 : boxfolder_tmp(c->to, err);

    if (from < 0)
        return err_os(err, "open a letter");
    if (tmp < 0)
        return tmp;
    int r = unfinished_make(&u, tmp, err);
    if (r < 0)
        return r;
    r = copy_bytes(from, u.fd, err);
    if (r == 0 && renameat(tmp, u.name, c->to_dir, new) < 0)
        r = stage_os_error(err, "put a copy into its folder");
    if (r < 0)
        unlinkat(tmp, u.name, 0);
    close(u.fd);
    return r == 0 && c->move ? remove_moved(c, old, err) : r;
}

/* E_NOT_FOUND: it is not there under this name. */
static int place(struct copy *c, const struct letter_row *l, const struct letter_row *n,
                 struct err *err)
{
    char old[NAME_BYTES + 1], new[NAME_BYTES + 1];

    if (letter_name(old, l, c->from->row.uidvalidity) == 0)
        return err_set(err, E_NOT_FOUND, "a letter has gone");
    if (letter_name(new, n, c->to->row.uidvalidity) == 0)
        return err_set(err, E_LIMIT, "the name of a letter would be too long");
    if ((c->move ? renameat(c->from_cur, old, c->to_dir, new)
                 : linkat(c->from_cur, old, c->to_dir, new, 0)) == 0)
        return 0;
    if (errno == ENOENT)
        return err_set(err, E_NOT_FOUND, "a letter has gone");
    if (errno == EXDEV || (!c->move && (errno == EMLINK || errno == EPERM)))
        return copy_file(c, old, new, err);
    return stage_os_error(err, "copy a letter");
}

/* ---- one letter ---- */

static int note(struct copy *c, const struct letter_row *l, const struct letter_row *n,
                struct err *err)
{
    int r = boxfolder_insert(c->to, n, err);

    if (r == 0)
        r = boxfolder_copy_kept(c->from, l->uid, c->to, n->uid, err);
    if (r == 0 && c->move)
        r = boxfolder_remove(c->from, l, err);
    if (r < 0)
        return r;
    uidset_add(c->gone, l->uid, l->uid);
    uidset_add(c->made, n->uid, n->uid);
    c->next_uid++;
    return 0;
}

/* Its row says a name that is not there: another program renamed or removed it just now. */
static int copy_again(struct copy *c, uint32_t uid, struct err *err)
{
    struct new_text text;
    struct letter_row l, n;
    struct arena a;
    int r = c->looked ? 0 : boxfolder_take_all(c->from, err);

    c->looked = true;
    if (r < 0)
        return r;
    arena_init(&a);
    r = boxfolder_letter(c->from, uid, &a, &l, err);
    if (r == 0) {
        n = new_row(c, &l, &text);
        r = place(c, &l, &n, err);
    }
    if (r == 0)
        r = note(c, &l, &n, err);
    arena_done(&a);
    return r == E_NOT_FOUND ? 0 : r;
}

static int copy_one(void *arg, struct letter_row *l, struct err *err)
{
    struct copy *c = arg;
    struct new_text text;
    struct letter_row n = new_row(c, l, &text);
    int r = place(c, l, &n, err);

    if (r == E_NOT_FOUND)
        return copy_again(c, l->uid, err);
    return r < 0 ? r : note(c, l, &n, err);
}

/* ---- several ---- */

static int copy_staged(struct copy *c, const struct uidset *uids, struct err *err)
{
    struct staging s;
    int cur = c->to_dir, r = staging_make(&s, c->to->dir, err);

    if (r == 0) {
        c->to_dir = s.fd;
        r = each_of(c->from, uids, copy_one, c, err);
    }
    if (r == 0)
        r = staging_commit(&s, cur, err);
    staging_close(&s);
    return r;
}

/* ---- all of it ---- */

void mailbox_limit(struct mailbox *b, uint64_t quota_octets, uint64_t quota_letters)
{
    b->limits = (struct usage_limits){quota_octets, quota_letters};
}

/* The other folder; the same one where it is. */
static int find_target(struct mailbox *b, struct str name, struct boxfolder **to,
                       struct err *err)
{
    char path[TREE_PATH_BYTES];
    struct str spelled;
    struct arena a;
    int r = 0;

    arena_init(&a);
    if (!tree_name(name, &a, &spelled, path))
        r = err_set(err, E_NOT_FOUND, "there is no such folder");
    else if (str_eq(spelled, mailbox_folder(b)))
        *to = &b->here;
    else
        r = boxfolder_join(b, spelled, to, err);
    arena_done(&a);
    return r;
}

static int prepare(struct copy *c, const struct measure *m, struct err *err)
{
    int r = map_keywords(c, m->keywords, err);

    if (r == 0)
        r = boxfolder_give_uids(c->to, m->letters, &c->next_uid, err);
    if (r < 0)
        return r;
    c->from_cur = boxfolder_cur(c->from, err);
    c->to_dir = c->from_cur < 0 ? c->from_cur : boxfolder_cur(c->to, err);
    return c->to_dir < 0 ? c->to_dir : 0;
}

static int copy_measured(struct copy *c, const struct uidset *uids, const struct measure *m,
                         struct err *err)
{
    int r = prepare(c, m, err);

    if (r < 0)
        return r;
    c->to->cur_touched = c->to->cur_sync = true;
    if (c->move)
        c->from->cur_touched = c->from->cur_sync = true;
    r = !c->move && m->letters > 1 ? copy_staged(c, uids, err)
                                   : each_of(c->from, uids, copy_one, c, err);
    return r == 0 && c->move ? boxfolder_expunged(c->from, c->gone, err) : r;
}

static int copy_all(struct mailbox *b, struct copy *c, const struct uidset *uids,
                    struct err *err)
{
    struct measure m = {0};
    int r = each_of(c->from, uids, measure_one, &m, err);

    if (r < 0 || m.letters == 0)
        return r;
    if (!c->move) /* before UIDs are given */
        r = usages_reserve(mailboxes_usages(b->all), mailboxes_root(b->all, NULL),
                           mailbox_maildir(b), m.octets, m.letters, b->limits, err);
    if (r < 0)
        return r;
    r = copy_measured(c, uids, &m, err);
    if (r < 0 && !c->move)
        usages_give_back(mailboxes_usages(b->all), mailbox_maildir(b), m.octets, m.letters);
    return r;
}

int mailbox_copy(struct mailbox *b, const struct uidset *uids, struct str to_folder, bool move,
                 struct mailbox_copied *out, struct err *err)
{
    struct mailbox_copied done = {0};
    struct copy c = {.from = &b->here,
                     .move = move,
                     .now = (int64_t)(clock_wall_ms() / 1000),
                     .gone = &done.from,
                     .made = &done.to};
    int r = find_target(b, to_folder, &c.to, err);

    if (r < 0)
        return r;
    uidset_init(&done.from);
    uidset_init(&done.to);
    r = copy_all(b, &c, uids, err);
    if (r < 0) {
        uidset_done(&done.from);
        uidset_done(&done.to);
        return r;
    }
    done.uidvalidity = c.to->row.uidvalidity;
    *out = done;
    return 0;
}
