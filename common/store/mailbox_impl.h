/*
 * mailbox_impl - what the files of the mailbox share: the index of a user, a folder within a
 * transaction, a letter's row. For mailbox*.c, append.c, folders.c; nobody else includes it.
 *
 * How to change a folder:
 *
 *   mailboxes_take()          the user's index, for this thread alone
 *   index_begin()             all of posta that changes a Maildir does so between this and
 *   boxfolder_open()          index_commit(), so nobody else of posta is in there
 *   boxfolder_take()          what others did is taken in: rows and names agree
 *     boxfolder_give_uids()   UIDs, below a mark that is durable in posta-folder
 *     letter_name()           the name that carries the UID
 *     … link or rename into boxfolder_cur(): before the row, so that what a crash leaves is a
 *       name with a valid P= above UIDNEXT, which the next look takes as it is
 *     boxfolder_modseq()      one for each folder and transaction
 *     boxfolder_insert()      the row; counts
 *   boxfolder_save()          flushes cur/ where asked to, notes what cur/ and new/ look like
 *                             now, writes the folder's row
 *   index_commit()
 *   boxfolder_tell()          announces it
 *   boxfolder_close()
 *   mailboxes_give()          with the worst code seen: E_CORRUPT lets the index be begun anew
 *
 * Inside a mailbox's own transaction (between begin and end) the first and last steps are done:
 * use b->x, b->here, and boxfolder_join() for a second folder, which mailbox_end() then saves,
 * tells and closes and mailbox_abort() closes.
 */
#ifndef POSTA_STORE_MAILBOX_IMPL_H
#define POSTA_STORE_MAILBOX_IMPL_H

#include "base/list.h"
#include "store/folder.h"
#include "store/index.h"
#include "store/mailbox.h"
#include "store/name.h"
#include "store/usage.h"

#include <sys/stat.h>

/* ---- the user's index ---- */

/* A handle that no other thread uses until it is given back; `maildir` as in mailbox_open().
 * The Maildir must be there (E_NOT_FOUND). */
int mailboxes_take(struct mailboxes *all, struct str maildir, struct index **out,
                   struct err *err);
/* `result`: 0 or the worst code of what was done with it. Rolls back what is not committed. */
void mailboxes_give(struct mailboxes *all, struct index *x, int result);
int mailboxes_root(struct mailboxes *all, struct err *err); /* fd of the state directory */
struct str mailboxes_host(const struct mailboxes *all);     /* as it stands in names */
void mailboxes_found_damage(struct mailboxes *all);
/* The disk is full, and this is worth the reserve: true where there is room now. */
bool mailboxes_spend_reserve(struct mailboxes *all, struct str maildir);
struct usages *mailboxes_usages(struct mailboxes *all); /* usages_new() and usages_free()'s */

/* ---- a folder's row in index.db ---- */

enum { FOLDER_BOOT_BYTES = 40 };

struct folder_row {
    int64_t id; /* 0: there is none yet */
    uint32_t uidvalidity;
    uint32_t uidnext,
        uid_mark; /* all below the mark may be given without asking posta-folder */
    uint32_t first_recent;
    uint64_t modseq, modseq_mark; /* the last one given (HIGHESTMODSEQ); all below the mark … */
    uint64_t modseq_base;         /* of the rows that have none of their own */
    uint64_t expunged_from;       /* older ones than this are no longer known */
    uint32_t expunged_rows;
    uint32_t letters, unseen, deleted;
    uint32_t unsized;              /* letters whose vsize is not known: not in octets */
    uint64_t octets;               /* on the wire */
    int64_t dir_at;                /* mtime (ns) of the folder's directory */
    int64_t folder_at, folder_ino; /* posta-folder's mtime (ns) and inode when it was read */
    int64_t new_at, cur_at;        /* mtimes as last seen, */
    int64_t new_look, cur_look;    /* and when all names were last read; see mailbox_look.c */
    int64_t cur_cost;              /* ns that took */
    char mailboxid[FOLDER_MAILBOXID_BYTES + 1];
    char boot[FOLDER_BOOT_BYTES]; /* when the system was last started, as far as this row knows
                                   */
};

/* ---- a folder within a transaction ---- */

struct boxfolder {
    struct mailboxes *all;
    struct index *x;
    struct boxfolder *next; /* others of a mailbox's transaction */
    char *maildir, *name;   /* below the state directory; canonical */
    int dir;                /* the folder's directory */
    int new_fd, cur_fd;     /* -1 until boxfolder_new(), boxfolder_cur() */
    struct folder_row row, saved;
    struct arena text;                    /* the keywords' */
    struct str keywords[FOLDER_KEYWORDS]; /* words; empty: the letter is free */
    bool keywords_changed;
    bool renewed;     /* index.db may be from before: rows of letters may be missing */
    uint64_t modseq;  /* of this transaction; 0: none taken yet */
    bool cur_touched; /* names in cur/ were changed by us */
    bool cur_sync;    /* and must be durable before the commit */
    bool new_touched;
};

/* `path` of a folder's directory below the state directory. False: it cannot be one. */
bool boxfolder_path(struct buf *out, struct str maildir, struct str name);

/* Opens the directory and reads the row (E_NOT_FOUND: no such directory). Nothing is looked at
 * yet. In any transaction. */
int boxfolder_open(struct mailboxes *all, struct index *x, struct str maildir, struct str name,
                   struct boxfolder *out, struct err *err);
/* The same without the row, for who calls boxfolder_load() when the transaction has begun. */
int boxfolder_find(struct mailboxes *all, struct index *x, struct str maildir, struct str name,
                   struct boxfolder *out, struct err *err);
/* The same for a second folder in the transaction of `b` (MAILBOX_WRITE), taken in too. */
int boxfolder_join(struct mailbox *b, struct str name, struct boxfolder **out, struct err *err);
void boxfolder_close(struct boxfolder *f);

/* Reads the row again, in another transaction. */
int boxfolder_load(struct boxfolder *f, struct err *err);
/* Whether something has changed that boxfolder_take() would take in: 1 or 0. */
int boxfolder_has_news(struct boxfolder *f, struct err *err);
/* Takes in what others did, where something has changed; completes what a crash left of a copy
 * (store/staging.h). Inside index_begin(). */
int boxfolder_take(struct boxfolder *f, struct err *err);
/* The same, in any case all of it: a name was not where its row says. */
int boxfolder_take_all(struct boxfolder *f, struct err *err);
int boxfolder_save(struct boxfolder *f, struct err *err);
void boxfolder_tell(struct boxfolder *f); /* where it has changed */

int boxfolder_cur(struct boxfolder *f, struct err *err); /* fd, or negative */
int boxfolder_new(struct boxfolder *f, struct err *err);
int boxfolder_tmp(struct boxfolder *f, struct err *err); /* yours to close */

/* The first of n UIDs in a row; durable that they are taken. E_LIMIT: none are left (I32). */
int boxfolder_give_uids(struct boxfolder *f, uint32_t n, uint32_t *first, struct err *err);
/* This transaction's mod-sequence in this folder. */
int boxfolder_modseq(struct boxfolder *f, uint64_t *out, struct err *err);
/* The mask of a keyword, as in letter_row.keywords; made and durable where it is missing and
 * `make`. E_NOT_FOUND, E_LIMIT. */
int boxfolder_keyword(struct boxfolder *f, struct str word, bool make, uint32_t *mask,
                      struct err *err);

/* ---- letters ---- */

enum letter_form { /* which fields stand in the name */
                   FORM_SIZE = 1,
                   FORM_VSIZE = 2,
                   FORM_UID = 4,
                   FORM_INFO = 8,
                   FORM_USUAL = 15,
};

#define LETTER_NO_TIME INT64_MIN

/* A row of `message`. The name on disk is unique + rest, and where rest.p is NULL, unique and
 * what letter_name() prints from the columns. */
struct letter_row {
    uint32_t uid;
    struct str unique, rest;
    unsigned form;
    uint64_t size, vsize;
    bool has_vsize, crlf;
    uint32_t flags, keywords;
    uint64_t modseq;      /* 0: as old as the folder's row says */
    int64_t internaldate; /* LETTER_NO_TIME: the file's mtime */
    int64_t savedate;     /* LETTER_NO_TIME: not known */
    struct str emailid;   /* p NULL: made from the unique part */
};

/* The name on disk, with a NUL; 0: it would be too long. */
size_t letter_name(char to[NAME_BYTES + 1], const struct letter_row *l, uint32_t uidvalidity);
/* The row for a name; what the name does not say (has_vsize, size where FORM_SIZE is missing)
 * is left open. *l points into `s`. */
void letter_of_name(struct letter_row *l, struct str s, const struct name *n,
                    uint32_t uidvalidity);
/* The same letter with other flags: `flags`, `keywords`, `rest` and `form` are changed; `rest`
 * may point into `room`. E_LIMIT: the name would be too long. */
int letter_set_flags(struct letter_row *l, uint32_t flags, uint32_t keywords,
                     uint32_t uidvalidity, char room[NAME_BYTES + 1], struct err *err);

/* The same letter with a UID (and S=, from l->size) in its name. */
int letter_set_uid(struct letter_row *l, uint32_t uid, uint32_t uidvalidity,
                   char room[NAME_BYTES + 1], struct err *err);

/* The row of a UID; strings live as long as `a`. E_NOT_FOUND. */
int boxfolder_letter(struct boxfolder *f, uint32_t uid, struct arena *a, struct letter_row *out,
                     struct err *err);
/* Rows of [from, to], at most `max` of them, into out[]; how many. */
int boxfolder_letters(struct boxfolder *f, uint32_t from, uint32_t to, struct arena *a,
                      struct letter_row *out, unsigned max, struct err *err);

/* These keep the counts of the row too. */
int boxfolder_insert(struct boxfolder *f, const struct letter_row *l, struct err *err);
int boxfolder_update(struct boxfolder *f, const struct letter_row *was,
                     const struct letter_row *now, struct err *err);
/* The same in two steps, for neighbours whose names are made of their columns and whose flags
 * all change: counts, a letter each, and then the rows. */
void boxfolder_count_flags(struct boxfolder *f, const struct letter_row *was, uint32_t flags);
int boxfolder_update_flags(struct boxfolder *f, uint32_t first, uint32_t last,
                           struct mailbox_flags keep, struct mailbox_flags set,
                           struct err *err);
/* Its file is not what its name says: the row has what it is (size, vsize, crlf of `now`), and
 * the name as it stands. False: it has that already. */
int boxfolder_correct(struct boxfolder *f, const struct letter_row *now, bool *corrected,
                      struct err *err);
/* Row and what was kept of it; `expunged` is told by boxfolder_expunged(). */
int boxfolder_remove(struct boxfolder *f, const struct letter_row *l, struct err *err);
int boxfolder_expunged(struct boxfolder *f, const struct uidset *gone, struct err *err);
/* What was kept of one letter (header, envelope, …) for its copy in another folder. */
int boxfolder_copy_kept(struct boxfolder *from, uint32_t uid, struct boxfolder *to,
                        uint32_t new_uid, struct err *err);

/* The file of a row, opened: a regular file, E_NOT_FOUND when it is not there any more. */
int boxfolder_open_letter(struct boxfolder *f, const struct letter_row *l, struct stat *st,
                          struct err *err);

/* Inside index_begin(): the row and all below it, for a folder that has gone or got another
 * UIDVALIDITY; and the row under another name. */
int boxfolder_forget(struct index *x, struct str name, struct err *err);
int boxfolder_rename(struct index *x, struct str from, struct str to, struct err *err);

/* ---- a mailbox ---- */

struct mailbox_scan; /* mailbox_rows.c */
struct mailbox_kept; /* mailbox_summary.c: found in files, not yet in the index */

struct mailbox {
    struct mailboxes *all;
    char *maildir, *folder;
    struct index *x; /* between begin and end */
    enum mailbox_mode mode;
    struct boxfolder here;
    struct boxfolder *joined; /* others in this transaction */
    struct mailbox_scan *scan;
    struct mailbox_kept *kept;
    struct usage_limits limits; /* of mailbox_copy(); mailbox_limit() */
    bool old;                   /* what is new cannot be taken in, so what is known must do */
    int trouble;        /* the worst code of this transaction: a broken index is begun anew */
    unsigned refreshed; /* how often files were looked for that were not where rows say */
};

/* Remembers an error of the transaction; returns it. */
int mailbox_failed(struct mailbox *b, int r);
/* MAILBOX_WRITE: negative where the transaction has been given up by the index. */
int mailbox_lost(struct mailbox *b, struct err *err);
/* MAILBOX_WRITE: a file was not where its row says: looks at all names, rows may be others
 * then. E_BUSY: another program renames faster than we look. */
enum { MAILBOX_REFRESHES = 10 }; /* between begin and end */
int mailbox_refresh(struct mailbox *b, struct err *err);

/* mailbox_uids.c: 0 where none is. */
int mailbox_first_unseen(struct mailbox *b, uint32_t *out, struct err *err);

/* mailbox_rows.c: the statement of a scan does not outlive a transaction; the next row goes on
 * where it was. */
void mailbox_scan_pause(struct mailbox *b);

/* mailbox_rows.c: what the scan says of the letter it stands on, with its name, where WANT_FILE
 * asked for that; strings live until the scan goes on. */
bool mailbox_scan_letter(const struct mailbox *b, uint32_t uid, struct letter_row *l);

/* mailbox_file.c: the file of a UID, wherever it is by now; *l lives as long as `a` and until
 * the scan goes on. */
int mailbox_open_uid(struct mailbox *b, uint32_t uid, struct arena *a, struct letter_row *l,
                     struct stat *st, struct err *err);

/* mailbox_file.c: calls `each` for the letters of `uids` (NULL: all). It returns E_NOT_FOUND
 * where the file was not there: all names are looked at then, and it is called again if the
 * letter is still there. Any other negative code ends the walk. */
typedef int mailbox_each_fn(struct mailbox *b, struct letter_row *l, void *arg,
                            struct err *err);
int mailbox_each(struct mailbox *b, const struct uidset *uids, mailbox_each_fn *each, void *arg,
                 struct err *err);

/* mailbox_summary.c: what is `wanted` of *m and `missing` (WANT_…), from the file; strings live
 * until the next call. What cannot be had: m->gone. */
int mailbox_find_out(struct mailbox *b, struct message *m, unsigned wanted, unsigned missing,
                     struct err *err);

/* mailbox_summary.c: writes what was found. In mailbox_end() after the reading transaction, or
 * inside the writing one. What cannot be kept is found again. */
bool mailbox_kept_full(const struct mailbox *b);
void mailbox_keep(struct mailbox *b);
void mailbox_kept_free(struct mailbox *b);

#endif
