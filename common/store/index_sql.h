/*
 * index_sql - the statements of index.db, prepared when they are first needed. For what is
 * built on mailbox_impl.h.
 */
#ifndef POSTA_STORE_INDEX_SQL_H
#define POSTA_STORE_INDEX_SQL_H

#include "base/list.h"
#include "db/db.h"
#include "store/index.h"
#include "store/uidset.h"

#include <sys/types.h>

enum index_sql {
    SQL_BEGIN_READ,
    SQL_FOLDER_FIND,
    SQL_FOLDER_ADD,
    SQL_FOLDER_LOAD,
    SQL_FOLDER_SAVE,
    SQL_FOLDER_NAME,
    SQL_FOLDER_DROP,
    SQL_FOLDER_MEASURES_DROP,
    SQL_EXPUNGED_DROP,
    SQL_LETTERS_DROP, /* these three of a range of ids */
    SQL_HEADERS_DROP,
    SQL_SUMMARIES_DROP,
    SQL_MEASURES,
    SQL_MEASURE_PUT,
    SQL_MEASURE_DROP,
    SQL_LETTER_ADD,
    SQL_LETTER_SET,
    SQL_LETTERS_FLAGS, /* of a range of ids */
    SQL_LETTER_MEASURED,
    SQL_LETTER_DATED,
    SQL_LETTER_TRUTH, /* what its file is */
    SQL_LETTERS,      /* rows of a range of ids */
    SQL_LETTER_DROP,
    SQL_HEADER_DROP,
    SQL_SUMMARY_DROP,
    SQL_HEADER_PUT,
    SQL_SUMMARY_PUT,
    SQL_HEADER_COPY,
    SQL_SUMMARY_COPY,
    SQL_MODSEQS_DROP,
    SQL_UIDS,
    SQL_UID_BOUNDS,
    SQL_COUNT,
    SQL_FIRST_UNSEEN,
    SQL_FIRST_UNSEEN_SINCE,
    SQL_EXPUNGED_ADD,
    SQL_EXPUNGED_SINCE,
    SQL_EXPUNGED_NTH,
    SQL_EXPUNGED_FORGET,
    SQL_SCAN_FILE,    /* rows, with what is in names; */
    SQL_SCAN,         /* rows, */
    SQL_SCAN_HEADER,  /* with the kept header, */
    SQL_SCAN_SUMMARY, /* envelope and structure, */
    SQL_SCAN_ALL,     /* both; */
    SQL_SCAN_SINCE,   /* the same of those changed lately */
    SQL_SCAN_SINCE_HEADER,
    SQL_SCAN_SINCE_SUMMARY,
    SQL_SCAN_SINCE_ALL,
    INDEX_STATEMENTS
};

/* A state of a folder. */
struct index_stamp {
    int64_t folder; /* 0: none */
    uint64_t modseq;
    uint32_t uidvalidity, uidnext, letters;
};

/* What was found out last of a folder that has holes among its UIDs, and of who is unread:
 * mailbox_uids.c's. */
struct index_known {
    struct index_stamp uids_at, unseen_at;
    struct uidset uids;
    uint32_t unseen; /* the first; 0: none */
};

struct index {
    struct db *db;
    struct db_stmt *statements[INDEX_STATEMENTS];
    dev_t dev; /* of the file that is open */
    ino_t ino;
    /* mailboxes' */
    struct list list;
    char *maildir;
    uint64_t idle_since_ms;
    struct index_known known;
};

/* NULL where it cannot be prepared: the tables are not ours. */
struct db_stmt *index_statement(struct index *x, enum index_sql which, int *r, struct err *err);

#endif
