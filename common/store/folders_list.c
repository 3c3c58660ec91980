/*
 * One look at the Maildir and one at posta-user, however many folders there are: no folder is
 * opened. Names are put in an order where '/' comes before all else, so that a parent stands
 * right before what is below it; parents that are missing are put in on the way.
 */
#include "base/defer.h"
#include "store/dir.h"
#include "store/folders_impl.h"
#include "store/mailbox_impl.h"

#include <errno.h>
#include <stdlib.h>

enum { LIST_LEVELS = 2 * PATH_COMPONENT_BYTES };

struct listing_of_folders {
    struct arena *a;
    struct folders_entry *entries;
    size_t n, room;
};

/* '/' before all other octets. */
static int order(const void *x, const void *y)
{
    const struct folders_entry *a = x, *b = y;
    size_t n = a->name.n < b->name.n ? a->name.n : b->name.n, i = 0;

    while (i < n && a->name.p[i] == b->name.p[i])
        i++;
    if (i == n)
        return a->name.n < b->name.n ? -1 : a->name.n > b->name.n;
    int c = a->name.p[i] == '/' ? -1 : (unsigned char)a->name.p[i];
    int d = b->name.p[i] == '/' ? -1 : (unsigned char)b->name.p[i];
    return c - d;
}

static bool is_inbox(struct str name)
{
    return str_eq(name, STR("INBOX"));
}

/* INBOX and what is below it stand in front. */
static int inbox_first(const void *x, const void *y)
{
    const struct folders_entry *a = x, *b = y;
    bool one = is_inbox(a->name) || tree_below(a->name, STR("INBOX"));
    bool two = is_inbox(b->name) || tree_below(b->name, STR("INBOX"));

    return one != two ? (one ? -1 : 1) : order(x, y);
}

static struct folders_entry *add(struct listing_of_folders *l, struct folders_entry e)
{
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        struct folders_entry *more = ARENA_ARRAY(l->a, struct folders_entry, room);

        if (l->n)
            memcpy(more, l->entries, l->n * sizeof(*more));
        l->entries = more;
        l->room = room;
    }
    l->entries[l->n] = e;
    return &l->entries[l->n++];
}

/* In order, each name once. */
static void sort(struct listing_of_folders *l)
{
    size_t kept = 0;

    qsort(l->entries, l->n, sizeof(*l->entries), inbox_first);
    for (size_t i = 0; i < l->n; i++) {
        const struct folders_entry *e = &l->entries[i];

        if (kept && str_eq(l->entries[kept - 1].name, e->name)) {
            l->entries[kept - 1].exists |= e->exists;
            l->entries[kept - 1].subscribed |= e->subscribed;
        } else {
            l->entries[kept++] = *e;
        }
    }
    l->n = kept;
}

/* The parents of the entry that comes next; above[] are the places of the last one's. */
struct levels {
    size_t above[LIST_LEVELS];
    unsigned n;
};

static void climb(struct listing_of_folders *l, struct levels *v, struct str name)
{
    while (v->n && !tree_below(name, l->entries[v->above[v->n - 1]].name))
        v->n--;

    size_t from = v->n ? l->entries[v->above[v->n - 1]].name.n + 1 : 0;
    for (size_t i = from; i < name.n && v->n + 1 < LIST_LEVELS; i++) {
        if (name.p[i] != '/')
            continue;
        add(l, (struct folders_entry){.name = str_first(name, i)});
        v->above[v->n++] = l->n - 1;
    }
}

/* With the parents that are missing, and what each knows of those below it. */
static void put_in_parents(struct listing_of_folders *l)
{
    struct listing_of_folders out = {.a = l->a};
    struct levels v = {.n = 0};

    for (size_t i = 0; i < l->n; i++) {
        struct folders_entry e = l->entries[i];

        climb(&out, &v, e.name);
        for (unsigned k = 0; k < v.n; k++) {
            out.entries[v.above[k]].has_children |= e.exists;
            out.entries[v.above[k]].has_subscribed_children |= e.subscribed;
        }
        add(&out, e);
        if (v.n < LIST_LEVELS)
            v.above[v.n++] = out.n - 1;
    }
    *l = out;
}

static void put_in_uses(struct listing_of_folders *l, const struct folder_user *u)
{
    for (size_t i = 0; i < u->nuses; i++) {
        struct folders_entry key = {.name = u->uses[i].name};
        struct folders_entry *e =
            bsearch(&key, l->entries, l->n, sizeof(*l->entries), inbox_first);

        if (e && e->exists && e->use == USE_NONE)
            special_use_scan(u->uses[i].use, &e->use);
    }
}

static void put_together(const struct tree_names *names, const struct folder_user *u,
                         struct listing_of_folders *l)
{
    add(l, (struct folders_entry){.name = STR("INBOX"), .exists = true});
    for (size_t i = 0; i < names->n; i++)
        add(l, (struct folders_entry){.name = names->names[i], .exists = true});
    for (size_t i = 0; i < u->nsubscribed; i++)
        add(l, (struct folders_entry){.name = u->subscribed[i], .subscribed = true});
    sort(l);
    put_in_parents(l);
    put_in_uses(l, u);
}

/* `path` below `root`. */
static int look(int root, const char *path, struct arena *a, struct tree_names *names,
                struct folder_user *u, struct err *err)
{
    DEFER(close_fd) int dir = dir_open(root, path, err);
    int r = dir < 0 ? dir : folder_user_load(dir, a, u, err);

    return r < 0 ? r : tree_names(dir, a, names, err);
}

int folders_list(struct mailboxes *all, struct str maildir, struct arena *a,
                 struct folders_entry **out, size_t *n, struct err *err)
{
    struct listing_of_folders l = {.a = a};
    struct tree_names names;
    struct folder_user u;
    const char *path = arena_dup(a, maildir).p;
    int root = mailboxes_root(all, err);
    int r = root < 0 ? root : look(root, path, a, &names, &u, err);

    if (r == -ENOENT || r == E_NOT_FOUND || r == E_CORRUPT || r == E_LIMIT ||
        (r == 0 && (names.litter || u.nrenaming))) {
        folders_tidy(all, maildir, r < 0);
        r = look(root, path, a, &names, &u, err);
    }
    if (r < 0)
        return r;
    put_together(&names, &u, &l);
    *out = l.entries;
    *n = l.n;
    return 0;
}
