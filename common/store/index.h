/*
 * index - index.db, one a user: what would be slow to find out again about the
 * letters of all folders. A cache and nothing else: a broken one is deleted and
 * begun anew, and whoever cannot have it works without.
 *
 * The tables are IMAP's; delivery and POP3 need folders and measures.
 */
#ifndef POSTA_STORE_INDEX_H
#define POSTA_STORE_INDEX_H

#include "base/err.h"
#include "base/str.h"

struct index;

#define INDEX_FILE "index.db"

/* In the Maildir at this path. */
int index_open(const char *maildir, struct index **out, struct err *err);
void index_close(struct index *x);      /* accepts NULL */
void index_delete(const char *maildir); /* found broken after it was opened */

/* The number of a folder, for the calls below; E_NOT_FOUND where it has no row. */
int index_find_folder(struct index *x, struct str name, int64_t *folder, struct err *err);
/* The same, but a row for it is made where it is missing. Inside a transaction. */
int index_folder(struct index *x, struct str name, int64_t *folder, struct err *err);

int index_begin(struct index *x, struct err *err);
int index_commit(struct index *x, struct err *err);
void index_rollback(struct index *x);

/* ---- letters whose names do not say how long they are ---- */
struct index_measure {
    struct str unique; /* the part of the name that never changes */
    uint64_t size, vsize;
    bool crlf; /* the file has CRLF line ends */
};

/* All of a folder, in the order of `unique`. */
int index_measures(struct index *x, int64_t folder,
                   void (*each)(void *arg, const struct index_measure *m), void *arg,
                   struct err *err);
int index_measure_put(struct index *x, int64_t folder, const struct index_measure *m,
                      struct err *err);
int index_measure_drop(struct index *x, int64_t folder, struct str unique, struct err *err);

#endif
