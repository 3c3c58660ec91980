/*
 * The folders that mail programs look for, made for who has none: posta-user says "usual made"
 * when that is over, and then never again. A crash before leaves some of them, and the next
 * login makes the others.
 */
#include "base/defer.h"
#include "store/dir.h"
#include "store/folders.h"
#include "store/folders_impl.h"
#include "store/mailbox_impl.h"

enum { USUAL_NAMES = 5 };

/* The first is the one that is made; a folder with one of the others is taken for it. */
static const struct {
    enum special_use use;
    struct str names[USUAL_NAMES];
} usual[] = {
    {USE_DRAFTS,  {STR_LIT("Drafts"), STR_LIT("Draft")}                               },
    {USE_SENT,
     {STR_LIT("Sent"), STR_LIT("Sent Items"), STR_LIT("Sent Messages"), STR_LIT("Sent Mail"),
      STR_LIT("sent-mail")}                                                           },
    {USE_TRASH,
     {STR_LIT("Trash"), STR_LIT("Deleted Items"), STR_LIT("Deleted Messages"),
      STR_LIT("Deleted")}                                                             },
    {USE_JUNK,
     {STR_LIT("Junk"), STR_LIT("Spam"), STR_LIT("Junk E-mail"), STR_LIT("Junk Email")}},
    {USE_ARCHIVE, {STR_LIT("Archive"), STR_LIT("Archives")}                           },
};

enum { USUAL = sizeof(usual) / sizeof(*usual) };

static const struct str *find_one(const struct tree_names *all, size_t which)
{
    for (size_t k = 0; k < USUAL_NAMES; k++)
        for (size_t i = 0; usual[which].names[k].n && i < all->n; i++)
            if (str_eq_nocase(all->names[i], usual[which].names[k]))
                return &all->names[i];
    return NULL;
}

static bool is_said(const struct folder_user *u, const struct tree_names *all,
                    enum special_use use)
{
    enum special_use said;

    for (size_t i = 0; i < u->nuses; i++)
        if (special_use_scan(u->uses[i].use, &said) && said == use &&
            tree_has(all, u->uses[i].name))
            return true;
    return false;
}

static void subscribe(struct tree *t, struct str name)
{
    struct folder_user *u = &t->user;
    struct str *more = ARENA_ARRAY(t->a, struct str, u->nsubscribed + 1);

    for (size_t i = 0; i < u->nsubscribed; i++) {
        if (str_eq(u->subscribed[i], name))
            return;
        more[i] = u->subscribed[i];
    }
    more[u->nsubscribed++] = name;
    u->subscribed = more;
}

static int make_in(struct tree *t, struct err *err)
{
    struct folder_user *u = &t->user;
    struct str make[USUAL];
    struct tree_names all;
    size_t n = 0;
    int r = u->usual ? 0 : tree_names(t->dir, t->a, &all, err);

    if (r < 0 || u->usual)
        return r;
    for (size_t i = 0; r == 0 && i < USUAL; i++) {
        const struct str *there = find_one(&all, i);
        struct str name = there ? *there : usual[i].names[0];

        if (is_said(u, &all, usual[i].use))
            continue;
        if (!there)
            make[n++] = name;
        subscribe(t, name);
        r = tree_set_use(t, &all, name, special_use_name(usual[i].use), err);
    }
    if (r == 0)
        r = tree_make(t, make, n, err);
    u->usual = true;
    return r < 0 ? r : tree_save(t, err);
}

/* Without any lock: is there nothing to do? */
static bool is_made(struct mailboxes *all, struct str maildir)
{
    struct arena a;
    struct folder_user u;
    int root = mailboxes_root(all, NULL);

    arena_init(&a);
    DEFER(close_fd) int dir = root < 0 ? -1 : dir_open(root, arena_dup(&a, maildir).p, NULL);
    bool made =
        dir >= 0 && folder_user_load(dir, &a, &u, NULL) == 0 && u.usual && u.nrenaming == 0;
    arena_done(&a);
    return made;
}

int folders_make_usual(struct mailboxes *all, struct str maildir, struct err *err)
{
    struct change_of_folders c;

    if (is_made(all, maildir))
        return 0;
    int r = folders_begin(&c, all, maildir, true, err);
    return r < 0 ? r : folders_end(&c, make_in(&c.t, err));
}
