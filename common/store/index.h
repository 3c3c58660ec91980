/*
 * index - index.db, one a user: what would be slow to find out again about the
 * letters of all folders. A cache and nothing else: a broken one is deleted and
 * begun anew, and whoever cannot have it works without.
 *
 * The tables are IMAP's (store/index_sql.h); POP3 needs folders and measures.
 *
 * Who makes or deletes the file holds a flock(2) on cur/ of INBOX. Who has it open when it is
 * deleted works on alone and finds out when it next looks (index_is_current()): nothing is lost
 * by that, because names in cur/ and marks in posta-folder say all that must not be lost.
 */
#ifndef POSTA_STORE_INDEX_H
#define POSTA_STORE_INDEX_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

struct index;

#define INDEX_FILE "index.db"

/* In the Maildir at this path. */
int index_open(const char *maildir, struct index **out, struct err *err);
void index_close(struct index *x);      /* accepts NULL */
void index_delete(const char *maildir); /* found broken after it was opened */
/* The same, unless it is no longer the file that `x` has open: another was faster. */
void index_delete_this(const char *maildir, const struct index *x);
/* Whether the file in this Maildir below `at` is still the one that is open. */
bool index_is_current(const struct index *x, int at, const char *maildir);

/* For who keeps it open and writes much: the log grows longer before it is written back, and
 * index_rest() does that before it is closed. */
int index_work(struct index *x, struct err *err);
void index_rest(struct index *x, int at, const char *maildir);
/* So that who removes letters on a full disk can be written down: the log has some blocks of
 * its own; and a log that found no more goes back to where it began. */
void index_reserve(int at, const char *maildir);
void index_make_room(struct index *x);

/* The number of a folder, for the calls below; E_NOT_FOUND where it has no row. */
int index_find_folder(struct index *x, struct str name, int64_t *folder, struct err *err);
/* The same, but a row for it is made where it is missing. Inside a transaction. */
int index_folder(struct index *x, struct str name, int64_t *folder, struct err *err);

int index_begin(struct index *x, struct err *err); /* to write */
int index_begin_read(struct index *x, struct err *err);
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
