/*
 * A folder is renamed with all below it: one rename(2) a directory, each atomic.
 *
 *   posta-user says what is to be renamed, and the uses under the new names  (durable)
 *   each directory is renamed, in the order of that list
 *   the Maildir is flushed
 *   posta-user says no more
 *
 * A crash in the middle leaves each folder whole under its old or its new name, with its
 * UIDVALIDITY and UIDs, which lie in it. Whoever next takes the lock goes through the list once
 * more: what has its new name already, or has gone meanwhile, is passed over. Where names are
 * moved into their own tree (a to a/b, and a/b to a/b/b) the order is such that the place is
 * free: an old name that is there again is one whose own new name is taken, so it is passed
 * over too. A single folder whose use is not known needs no list.
 */
#include "store/dir.h"
#include "store/folders.h"
#include "store/mailbox_impl.h"
#include "store/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static struct str moved_name(const struct tree *t, struct str name)
{
    struct str below = str_skip(name, t->user.rename_from.n);

    return arena_printf(t->a, "%.*s%.*s", STR_ARGS(t->user.rename_to), STR_ARGS(below));
}

static bool is_source(struct str name, struct str from)
{
    return str_eq(name, from) || tree_below(name, from);
}

static int shorter_first(const void *a, const void *b)
{
    const struct str *x = a, *y = b;

    return x->n < y->n ? -1 : x->n > y->n ? 1 : str_cmp(*x, *y);
}

static int longer_first(const void *a, const void *b)
{
    return shorter_first(b, a);
}

/* What is to be renamed, in order. */
static void collect(struct tree *t, const struct tree_names *all, struct str from,
                    struct str to)
{
    struct folder_user *u = &t->user;

    u->rename_from = from;
    u->rename_to = to;
    u->renaming = ARENA_ARRAY(t->a, struct str, all->n + 1);
    u->nrenaming = 0;
    for (size_t i = 0; i < all->n; i++)
        if (is_source(all->names[i], from))
            u->renaming[u->nrenaming++] = all->names[i];
    qsort(u->renaming, u->nrenaming, sizeof(*u->renaming),
          to.n > from.n ? longer_first : shorter_first);
}

static void forget(struct folder_user *u)
{
    u->rename_from = u->rename_to = (struct str){0};
    u->nrenaming = 0;
}

static int compare(const void *a, const void *b)
{
    const struct str *x = a, *y = b;

    return str_cmp(*x, *y);
}

/* All new names must be possible, and free or about to become so. */
static int check_targets(struct tree *t, const struct tree_names *all, struct err *err)
{
    struct str *sorted = ARENA_ARRAY(t->a, struct str, all->n + 1);
    char path[TREE_PATH_BYTES];

    if (all->n)
        memcpy(sorted, all->names, all->n * sizeof(*sorted));
    qsort(sorted, all->n, sizeof(*sorted), compare);
    for (size_t i = 0; i < t->user.nrenaming; i++) {
        struct str name = moved_name(t, t->user.renaming[i]), spelled;

        if (!tree_name(name, t->a, &spelled, path) || !folders_name_good(spelled))
            return err_set(err, E_SYNTAX, "a folder below would have a name that cannot be");
        if (!is_source(spelled, t->user.rename_from) &&
            bsearch(&spelled, sorted, all->n, sizeof(*sorted), compare))
            return err_set(err, E_EXISTS, "%.*s is there", STR_ARGS(spelled));
    }
    return 0;
}

/* Those above the new name that are missing, but for those that would be renamed themselves. */
static int make_parents(struct tree *t, const struct tree_names *all, struct str from,
                        struct str to, struct err *err)
{
    struct str missing[FOLDERS_DEPTH];
    size_t n = 0;

    for (size_t i = 0; i < to.n && n < FOLDERS_DEPTH; i++) {
        struct str parent = str_first(to, i);

        if (to.p[i] == '/' && !str_eq_nocase(parent, STR("INBOX")) &&
            !is_source(parent, from) && !tree_has(all, parent))
            missing[n++] = parent;
    }
    return tree_make(t, missing, n, err);
}

/* true: one of them has a use, which now says the new name */
static bool move_uses(struct tree *t)
{
    bool some = false;

    for (size_t i = 0; i < t->user.nuses; i++) {
        struct folder_use *use = &t->user.uses[i];

        if (!is_source(use->name, t->user.rename_from))
            continue;
        use->name = moved_name(t, use->name);
        some = true;
    }
    return some;
}

static int rename_one(struct tree *t, struct str name, struct err *err)
{
    char from[TREE_PATH_BYTES], to[TREE_PATH_BYTES];
    struct str old, new;

    if (!tree_name(name, t->a, &old, from) || !tree_name(moved_name(t, name), t->a, &new, to))
        return 0;

    int r = dir_rename_new(t->dir, from, to, err);
    if (r == 0 && t->index)
        boxfolder_rename(t->index, old, new, NULL);
    return r == E_NOT_FOUND || r == E_EXISTS ? 0 : r;
}

static int rename_all(struct tree *t, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < t->user.nrenaming; i++)
        r = rename_one(t, t->user.renaming[i], err);
    if (r == 0 && fsync(t->dir) < 0)
        r = err_os(err, "flush the Maildir");
    return r;
}

int tree_finish_rename(struct tree *t, struct err *err)
{
    int r = rename_all(t, err);

    if (r < 0)
        return r;
    forget(&t->user);
    return tree_save(t, err);
}

int tree_rename(struct tree *t, struct str from, struct str to, struct err *err)
{
    struct tree_names all;
    int r = tree_names(t->dir, t->a, &all, err);

    if (r < 0)
        return r;
    collect(t, &all, from, to);
    if (t->user.nrenaming == 0)
        r = err_set(err, E_NOT_FOUND, "there is no folder %.*s", STR_ARGS(from));
    else if (str_eq(from, to) || tree_has(&all, to))
        r = err_set(err, E_EXISTS, "%.*s is there", STR_ARGS(to));
    else
        r = check_targets(t, &all, err);
    if (r < 0) {
        forget(&t->user);
        return r;
    }

    struct folder_user planned = t->user; /* parents first: they write posta-user as well */
    forget(&t->user);
    r = make_parents(t, &all, from, to, err);
    planned.uidvalidity = t->user.uidvalidity;
    if (r < 0)
        return r;
    t->user = planned;
    if (!move_uses(t) && t->user.nrenaming == 1) {
        r = rename_all(t, err);
        forget(&t->user);
        return r;
    }
    r = tree_save(t, err);
    return r < 0 ? r : tree_finish_rename(t, err);
}
