/*
 * tree - the folders of one Maildir as the directories they are: found, made, taken away,
 * renamed, and what belongs to all of them in posta-user.
 *
 * A tree is worked on under maildir_lock(), so that posta-user has one writer and no
 * UIDVALIDITY is given out twice. Who also has a transaction of index.db began that first. What
 * a crash left is completed by the next one who takes the lock. Rows of index.db follow where
 * it is given.
 */
#ifndef POSTA_STORE_TREE_H
#define POSTA_STORE_TREE_H

#include "store/folder.h"
#include "store/index.h"
#include "store/path.h"

enum { TREE_PATH_BYTES = PATH_COMPONENT_BYTES + 1, TREE_LISTED = 100000 };

struct tree {
    int dir, lock;
    struct arena *a;
    struct index *index; /* NULL: its rows are left as they are */
    struct folder_user user;
};

/* Makes the Maildir where it is missing. E_BUSY without `wait` while another one works on it.
 * Where user.nrenaming says that a rename was cut off, tree_finish_rename() comes first. */
int tree_open(struct tree *t, int root, struct str maildir, bool wait, struct arena *a,
              struct err *err);
void tree_close(struct tree *t);
int tree_save(struct tree *t, struct err *err); /* posta-user */

/* The one spelling of a folder's name ("inbox/x" is INBOX/x), and where it lies; false where it
 * can have no path. */
bool tree_name(struct str name, struct arena *a, struct str *out, char path[TREE_PATH_BYTES]);

/* The folders below INBOX, in no order; `dir` is the Maildir's. */
struct tree_names {
    struct str *names;
    size_t n, room;
    bool litter; /* something is there for tree_sweep() */
};
int tree_names(int dir, struct arena *a, struct tree_names *out, struct err *err);

bool tree_has(const struct tree_names *all, struct str name); /* INBOX always */

/* In user: what `name` is for. E_DENIED: another folder is. tree_make() or tree_save() writes
 * it. */
int tree_set_use(struct tree *t, const struct tree_names *all, struct str name, struct str use,
                 struct err *err);

/* Makes folders that are not there, in this order, each whole or not at all. */
int tree_make(struct tree *t, const struct str *names, size_t n, struct err *err);
/* Takes a folder away; its letters stay for tree_sweep(). E_NOT_FOUND. */
int tree_remove(struct tree *t, struct str name, struct err *err);
/* Empties what tree_remove() took away: needs no lock, and may be done by several at once. With
 * the lock also what a crash left of tree_make(). */
void tree_sweep(int dir, bool locked);

/* `from` and all below it get names that begin with `to`; see rename.c. E_NOT_FOUND, E_EXISTS,
 * E_SYNTAX and E_LIMIT for names that could not be. */
int tree_rename(struct tree *t, struct str from, struct str to, struct err *err);
int tree_finish_rename(struct tree *t, struct err *err);

bool tree_below(struct str name, struct str parent); /* parent/… */

#endif
