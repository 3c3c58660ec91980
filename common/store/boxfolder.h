/*
 * boxfolder - the inside of a folder within a transaction: what boxfolder*.c share beyond
 * mailbox_impl.h.
 */
#ifndef POSTA_STORE_BOXFOLDER_H
#define POSTA_STORE_BOXFOLDER_H

#include "store/index_sql.h"
#include "store/mailbox_impl.h"
#include "store/mailboxes_impl.h"

#include <sys/stat.h>

static inline int64_t letter_id(int64_t folder, uint32_t uid)
{
    return folder << 32 | uid;
}

static inline int64_t stat_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* The folder's directory, yours to close. */
int boxfolder_dir(struct mailboxes *all, struct str maildir, struct str name, struct err *err);
/* In a writing transaction, where it was opened before that: no other has renamed or deleted it
 * meanwhile. Else E_NOT_FOUND: a row under the name it had would be nobody's. */
int boxfolder_is_named(const struct boxfolder *f, struct err *err);
int boxfolder_stat(struct boxfolder *f, const char *name, struct stat *st, struct err *err);
int boxfolder_write_row(struct boxfolder *f, struct err *err);
/* Letters, what was kept of them, and those expunged; the folder's own row stays. */
int boxfolder_drop_rows(struct index *x, int64_t id, struct err *err);

/* posta-folder has changed, or is missing, or the system was started since: row and file agree
 * again. *cold: there are no letters in the index. */
int boxfolder_read_file(struct boxfolder *f, bool *cold, struct err *err);
/* posta-folder with the row's keywords and marks that leave room for n UIDs more, and a
 * mod-sequence. */
int boxfolder_write_file(struct boxfolder *f, uint32_t n, struct err *err);

/* A letter that stands in cur/ has this UID: UIDNEXT is raised above it, and so is the mark
 * where posta-folder is older than the letter (a backup that was made while mail came). */
int boxfolder_skip_uid(struct boxfolder *f, uint32_t uid, struct err *err);

/* A row as the columns of SQL_LETTERS have it; strings until the next step. */
void letter_of_row(struct letter_row *l, struct db_stmt *s);
/* As boxfolder_insert(), but as old as the folder's row says. */
int boxfolder_insert_old(struct boxfolder *f, const struct letter_row *l, struct err *err);

#endif
