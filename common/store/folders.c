/*
 * All changes go the same way: index.db's transaction (so that nobody is inside a folder), the
 * lock of the folders, what a crash left of a rename, then the directories (tree.c, rename.c)
 * with the rows behind them, the commit. The directories are what counts: where the commit
 * fails, or a crash comes before it, rows are wrong and are found out to be by UIDVALIDITY.
 */
#include "store/folders.h"

#include "base/ascii.h"
#include "base/defer.h"
#include "store/dir.h"
#include "store/folders_impl.h"
#include "store/mailbox_impl.h"
#include "store/maildir.h"

/* ---- uses ---- */

static const struct {
    enum special_use use;
    struct str name;
} uses[] = {
    {USE_ARCHIVE, STR_LIT("\\Archive")},
    {USE_DRAFTS,  STR_LIT("\\Drafts") },
    {USE_FLAGGED, STR_LIT("\\Flagged")},
    {USE_JUNK,    STR_LIT("\\Junk")   },
    {USE_SENT,    STR_LIT("\\Sent")   },
    {USE_TRASH,   STR_LIT("\\Trash")  },
};

enum { USES = sizeof(uses) / sizeof(*uses) };

struct str special_use_name(enum special_use use)
{
    for (size_t i = 0; i < USES; i++)
        if (uses[i].use == use)
            return uses[i].name;
    return STR("");
}

bool special_use_scan(struct str name, enum special_use *out)
{
    for (size_t i = 0; i < USES; i++) {
        if (str_eq_nocase(uses[i].name, name)) {
            *out = uses[i].use;
            return true;
        }
    }
    return false;
}

/* ---- one change ---- */

static int begin_at(struct change_of_folders *c, int root, struct str maildir, bool wait,
                    struct err *err)
{
    const char *path = arena_dup(&c->a, maildir).p;
    int r = maildir_whole(root, path) ? 0 : maildir_make(root, path, err);

    if (r == 0)
        r = mailboxes_take(c->all, maildir, &c->index, err);
    if (r == 0)
        r = index_begin(c->index, err);
    if (r == 0)
        r = tree_open(&c->t, root, maildir, wait, &c->a, err);
    if (r < 0)
        return r;
    c->t.index = c->index;
    return c->t.user.nrenaming ? tree_finish_rename(&c->t, err) : 0;
}

static void release(struct change_of_folders *c, int result)
{
    tree_close(&c->t);
    if (c->index)
        mailboxes_give(c->all, c->index, result);
    arena_done(&c->a);
}

int folders_begin(struct change_of_folders *c, struct mailboxes *all, struct str maildir,
                  bool wait, struct err *err)
{
    *c = (struct change_of_folders){
        .all = all, .t = {.dir = -1, .lock = -1}
    };
    arena_init(&c->a);
    int root = mailboxes_root(all, err);
    int r = root < 0 ? root : begin_at(c, root, maildir, wait, err);

    if (r < 0)
        release(c, r);
    return r;
}

int folders_end(struct change_of_folders *c, int result)
{
    release(c, index_commit(c->index, NULL));
    return result;
}

/* What was taken away, and what others left. Not under the lock: it may be much. */
static void sweep(struct mailboxes *all, struct str maildir)
{
    struct arena a;
    int root = mailboxes_root(all, NULL);

    arena_init(&a);
    DEFER(close_fd) int dir = root < 0 ? -1 : dir_open(root, arena_dup(&a, maildir).p, NULL);
    if (dir >= 0)
        tree_sweep(dir, false);
    arena_done(&a);
}

void folders_tidy(struct mailboxes *all, struct str maildir, bool wait)
{
    struct change_of_folders c;

    if (folders_begin(&c, all, maildir, wait, NULL) < 0)
        return;
    tree_sweep(c.t.dir, true);
    folders_end(&c, 0);
}

/* ---- names ---- */

static bool part_is_good(struct str part)
{
    return !str_eq(part, STR(".")) && !str_eq(part, STR(".."));
}

bool folders_name_good(struct str name)
{
    struct str rest = name, part;

    if (name.n == 0 || name.n > FOLDER_NAME_BYTES || name.p[0] == '~' || name.p[0] == '#' ||
        str_find(name, '%') < name.n || str_find(name, '*') < name.n)
        return false;
    for (size_t depth = 0; scan_until(&rest, '/', &part); scan_byte(&rest, '/'))
        if (++depth > FOLDERS_DEPTH || !part_is_good(part))
            return false;
    return true;
}

/* A name for something new; a '/' at its end only says that there will be others below it. */
static int scan_new_name(struct str name, struct arena *a, struct str *out, struct err *err)
{
    char path[TREE_PATH_BYTES];

    if (name.n > 1 && name.p[name.n - 1] == '/')
        name = str_first(name, name.n - 1);
    if (!tree_name(name, a, out, path) || !folders_name_good(*out))
        return err_set(err, E_SYNTAX, "a folder cannot have this name");
    return 0;
}

static bool has_below(const struct tree_names *all, struct str name)
{
    for (size_t i = 0; i < all->n; i++)
        if (tree_below(all->names[i], name))
            return true;
    return false;
}

/* ---- CREATE ---- */

/* `name` and those of its parents that are missing. */
static size_t missing(const struct tree_names *all, struct str name,
                      struct str out[FOLDERS_DEPTH])
{
    size_t n = 0;

    for (size_t i = 0; i < name.n && n < FOLDERS_DEPTH - 1; i++)
        if (name.p[i] == '/' && !tree_has(all, str_first(name, i)))
            out[n++] = str_first(name, i);
    out[n++] = name;
    return n;
}

static int create_in(struct tree *t, struct str name, enum special_use use, struct err *err)
{
    struct str names[FOLDERS_DEPTH], spelled;
    struct tree_names all;
    int r = scan_new_name(name, t->a, &spelled, err);

    if (r == 0)
        r = tree_names(t->dir, t->a, &all, err);
    if (r < 0)
        return r;
    if (tree_has(&all, spelled))
        return err_set(err, E_EXISTS, "there is a folder of this name");

    size_t n = missing(&all, spelled, names);
    if (all.n + n > FOLDERS_MAX)
        return err_set(err, E_LIMIT, "there are %d folders", FOLDERS_MAX);
    if (use != USE_NONE && (r = tree_set_use(t, &all, spelled, special_use_name(use), err)) < 0)
        return r;
    return tree_make(t, names, n, err);
}

static int read_mailboxid(const struct tree *t, struct str name, struct arena *a,
                          struct str *out, struct err *err)
{
    char path[TREE_PATH_BYTES];
    struct str spelled;
    struct folder f;

    if (!tree_name(name, a, &spelled, path))
        return err_set(err, E_SYNTAX, "a folder cannot have this name");
    DEFER(close_fd) int fd = dir_open(t->dir, path, err);
    int r = fd < 0 ? fd : folder_load(fd, a, &f, err);
    if (r == 0)
        *out = f.mailboxid;
    return r;
}

int folders_create(struct mailboxes *all, struct str maildir, struct str name,
                   enum special_use use, struct str mailboxid_out[1], struct arena *a,
                   struct err *err)
{
    struct change_of_folders c;
    int r = folders_begin(&c, all, maildir, true, err);

    if (r < 0)
        return r;
    r = create_in(&c.t, name, use, err);
    if (r == 0 && name.n > 1 && name.p[name.n - 1] == '/')
        name = str_first(name, name.n - 1);
    if (r == 0)
        r = read_mailboxid(&c.t, name, a, mailboxid_out, err);
    return folders_end(&c, r);
}

/* ---- DELETE ---- */

static int delete_in(struct tree *t, struct str name, struct err *err)
{
    struct tree_names all;
    struct str spelled;
    char path[TREE_PATH_BYTES];

    if (!tree_name(name, t->a, &spelled, path))
        return err_set(err, E_NOT_FOUND, "there is no such folder");
    if (str_eq(spelled, STR("INBOX")))
        return err_set(err, E_DENIED, "INBOX stays");

    int r = tree_names(t->dir, t->a, &all, err);
    if (r < 0)
        return r;
    if (!tree_has(&all, spelled))
        return has_below(&all, spelled)
                   ? err_set(err, E_DENIED, "there are folders below this name")
                   : err_set(err, E_NOT_FOUND, "there is no such folder");
    return tree_remove(t, spelled, err);
}

int folders_delete(struct mailboxes *all, struct str maildir, struct str name, struct err *err)
{
    struct change_of_folders c;
    int r = folders_begin(&c, all, maildir, true, err);

    if (r < 0)
        return r;
    r = folders_end(&c, delete_in(&c.t, name, err));
    if (r == 0)
        sweep(all, maildir);
    return r;
}

/* ---- RENAME ---- */

/* All letters of INBOX go to a new folder; those that come meanwhile stay. A crash leaves each
 * in one of the two. */
static int move_inbox(struct mailboxes *all, struct str maildir, struct str to, struct err *err)
{
    struct mailbox *b;
    struct uidset uids;
    struct mailbox_copied done = {0};
    int r = mailbox_open(all, maildir, STR("INBOX"), &b, err);

    if (r < 0)
        return r;
    uidset_init(&uids);
    r = mailbox_begin(b, MAILBOX_WRITE, err);
    if (r == 0) {
        r = mailbox_uids(b, 0, &uids, err);
        if (r == 0 && uidset_count(&uids))
            r = mailbox_copy(b, &uids, to, true, &done, err);
        if (r == 0)
            r = mailbox_end(b, err);
        else
            mailbox_abort(b);
    }
    uidset_done(&done.from);
    uidset_done(&done.to);
    uidset_done(&uids);
    mailbox_close(b);
    return r;
}

static int rename_inbox(struct mailboxes *all, struct str maildir, struct str to,
                        struct err *err)
{
    struct arena a;
    struct str id, spelled;

    arena_init(&a);
    int r = scan_new_name(to, &a, &spelled, err);
    if (r == 0)
        r = folders_create(all, maildir, spelled, USE_NONE, &id, &a, err);
    if (r == 0)
        r = move_inbox(all, maildir, spelled, err);
    arena_done(&a);
    return r;
}

static int rename_in(struct tree *t, struct str from, struct str to, struct err *err)
{
    struct str old, new;
    char path[TREE_PATH_BYTES];
    int r = scan_new_name(to, t->a, &new, err);

    if (r < 0)
        return r;
    if (!tree_name(from, t->a, &old, path))
        return err_set(err, E_NOT_FOUND, "there is no such folder");
    if (str_eq(new, STR("INBOX")))
        return err_set(err, E_EXISTS, "there is an INBOX");
    return tree_rename(t, old, new, err);
}

int folders_rename(struct mailboxes *all, struct str maildir, struct str from, struct str to,
                   struct err *err)
{
    struct change_of_folders c;

    if (str_eq_nocase(from, STR("INBOX")))
        return rename_inbox(all, maildir, to, err);
    int r = folders_begin(&c, all, maildir, true, err);
    return r < 0 ? r : folders_end(&c, rename_in(&c.t, from, to, err));
}

/* ---- SUBSCRIBE ---- */

static int subscribe_in(struct tree *t, struct str name, bool on, struct err *err)
{
    struct folder_user *u = &t->user;
    struct str *more = ARENA_ARRAY(t->a, struct str, u->nsubscribed + 1);
    size_t kept = 0;

    for (size_t i = 0; i < u->nsubscribed; i++)
        if (!str_eq(u->subscribed[i], name))
            more[kept++] = u->subscribed[i];
    if ((kept < u->nsubscribed) == on)
        return 0; /* nothing changes */
    if (on && kept >= FOLDERS_SUBSCRIBED)
        return err_set(err, E_LIMIT, "there are %d subscriptions", FOLDERS_SUBSCRIBED);
    if (on)
        more[kept++] = name;
    u->subscribed = more;
    u->nsubscribed = kept;
    return tree_save(t, err);
}

/* Of no interest to index.db. */
int folders_subscribe(struct mailboxes *all, struct str maildir, struct str name, bool on,
                      struct err *err)
{
    struct arena a;
    struct tree t;
    struct str spelled;
    char path[TREE_PATH_BYTES];
    int root = mailboxes_root(all, err);

    if (root < 0)
        return root;
    arena_init(&a);
    int r = tree_name(name, &a, &spelled, path)
                ? tree_open(&t, root, maildir, true, &a, err)
                : err_set(err, E_SYNTAX, "a folder cannot have this name");
    if (r == 0) {
        r = subscribe_in(&t, spelled, on, err);
        tree_close(&t);
    }
    arena_done(&a);
    return r;
}
