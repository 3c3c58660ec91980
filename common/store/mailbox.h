/*
 * mailbox - a folder as IMAP sees it: letters with UIDs, flags, mod-sequences.
 *
 * The Maildir is the truth, index.db what is remembered of it. A mailbox that nobody looks at
 * holds a few names: no descriptor, no index. Work is done between begin and end, on a thread
 * that may block; all processes that serve the user agree because all of them do so in
 * index.db's transactions.
 *
 *   begin ── looks whether new/ or cur/ have changed, takes in what others did: gives UIDs to
 *     │      letters first seen (renamed into cur/ with P=, cur/ flushed), finds flags changed,
 *     │      letters gone
 *     …      reads and changes
 *   end ──── commits, announces (store/change.h), gives the index back
 *
 * All functions block. A mailbox is used by one thread at a time; `mailboxes` by all.
 */
#ifndef POSTA_STORE_MAILBOX_H
#define POSTA_STORE_MAILBOX_H

#include "base/arena.h"
#include "base/err.h"
#include "store/folder.h"
#include "store/name.h"
#include "store/uidset.h"

struct mailboxes; /* of a process: the indexes that are open just now, the reservations of marks
                   */
struct mailbox;

enum {
    MAILBOXES_INDEXES = 64,    /* open at once; those not in use are closed first   */
    MAILBOXES_IDLE_MS = 10000, /* not used so long: closed by mailboxes_rest()       */
    MAILBOX_MARK_UIDS = 1000,  /* reserved in posta-folder at once                   */
    MAILBOX_MARK_MODSEQS = 1000,
    MAILBOX_EXPUNGED_ROWS = 10000, /* remembered a folder                              */
};
#define MAILBOX_UID_MAX UINT32_C(0xfffffffe) /* then the folder takes no more letters (I32) */

struct mailboxes *mailboxes_new(const char *state_dir, const char *run_dir,
                                const char *hostname);
void mailboxes_free(struct mailboxes *all);
void mailboxes_rest(struct mailboxes *all,
                    uint64_t now_ms); /* now and then: closes what is idle */
/* At the start, and now and then: room for those who come when the disk is full (reserve.h). */
void mailboxes_keep_reserve(struct mailboxes *all);

/* Letters found since the start whose files were not what their names say (X32). */
uint64_t mailboxes_damaged(const struct mailboxes *all);

/* `maildir` is the path below state_dir ("mail/example.org/alice"), `folder` canonical UTF-8.
 * E_NOT_FOUND where there is no such folder; INBOX is made. */
int mailbox_open(struct mailboxes *all, struct str maildir, struct str folder,
                 struct mailbox **out, struct err *err);
void mailbox_close(struct mailbox *b); /* accepts NULL; not between begin and end */
struct str mailbox_folder(const struct mailbox *b);
struct str mailbox_maildir(const struct mailbox *b);

/* E_NOT_FOUND: the folder has gone (deleted, renamed). A folder that was made again has another
 * uidvalidity: look at mailbox_state(). */
enum mailbox_mode { MAILBOX_READ, MAILBOX_WRITE };
int mailbox_begin(struct mailbox *b, enum mailbox_mode mode, struct err *err);
int mailbox_end(
    struct mailbox *b,
    struct err *err); /* after an error of it nothing was remembered; names may have changed */
void mailbox_abort(struct mailbox *b);

struct mailbox_state {
    uint32_t uidvalidity, uidnext, exists, recent, unseen, deleted;
    uint32_t first_unseen;          /* UID; 0: none */
    uint64_t highestmodseq, octets; /* wire octets, STATUS=SIZE */
    uint32_t
        first_recent; /* UIDs from here on are recent to the next session that claims them */
    struct str keywords[FOLDER_KEYWORDS]; /* valid until end */
    struct str mailboxid;
};

/* Between begin and end. first_unseen and octets cost a scan, so they are asked for. */
enum { STATE_FIRST_UNSEEN = 1, STATE_OCTETS = 2 };
int mailbox_state(struct mailbox *b, unsigned want, struct mailbox_state *out, struct err *err);
/* MAILBOX_WRITE: nobody else's are recent from now on; returns the first that are ours. */
int mailbox_claim_recent(struct mailbox *b, uint32_t *first_recent, struct err *err);

/* ---- which letters there are ---- */
/* Those from a UID on; *out is empty before. */
int mailbox_uids(struct mailbox *b, uint32_t from_uid, struct uidset *out, struct err *err);
/* Those expunged later than `modseq`; E_NOT_FOUND when that is no longer known: compare with
 * mailbox_uids(). */
int mailbox_expunged_since(struct mailbox *b, uint64_t modseq, struct uidset *out,
                           struct err *err);

/* ---- reading ---- */
enum { MESSAGE_ID_BYTES = 48 };
enum {
    WANT_SIZE = 1, /* vsize, measured by reading where it is not known           */
    WANT_INTERNALDATE = 2,
    WANT_HEADER = 4, /* the usual fields, raw: see MESSAGE_HEADER_FIELDS           */
    WANT_ENVELOPE = 8,
    WANT_BODYSTRUCTURE = 16,
    WANT_PARTS = 32, /* structure_pack()'s                                         */
    WANT_IDS = 64,   /* emailid, savedate */
    WANT_FILE = 128, /* mailbox_letter() will follow: it is quicker then */
};

/* One letter. Strings live until the next mailbox_next(). What was wanted and cannot be had
 * because the file has gone or cannot be read leaves `gone` set. */
struct message {
    uint32_t uid;
    uint64_t modseq;
    uint32_t flags, keywords; /* as in names: NAME_SEEN …; bit n: keyword n of the folder */
    bool gone, crlf;          /* crlf: as far as vsize is known */
    bool unreadable;          /* there, but not to be read: `gone` is set as well */
    bool header_complete;     /* `header` has all fields that are kept of this letter */
    uint64_t size, vsize;     /* octets of the file, on the wire */
    int64_t internaldate;     /* seconds since 1970 */
    struct str header, envelope, bodystructure, parts;
    char emailid[MESSAGE_ID_BYTES]; /* RFC 8474 */
    int64_t savedate;               /* INT64_MIN: not known */
};

/* Rows in the order of UIDs, of `uids` (which must stay; NULL: all) and with a modseq above
 * `since`. What is wanted and not known is found out from the file and remembered at
 * mailbox_end(). One scan at a time. */
int mailbox_scan(struct mailbox *b, const struct uidset *uids, uint64_t since, unsigned want,
                 struct err *err);
int mailbox_next(struct mailbox *b, struct message *m, struct err *err); /* 1, 0 at the end */
void mailbox_scan_end(struct mailbox *b);

/* The fields that are kept: WANT_HEADER has those of a letter in their order, each with LF line
 * ends, up to MESSAGE_HEADER_BYTES; where there were more, header_complete is false. */
enum { MESSAGE_HEADER_BYTES = 16384 };
bool message_header_keeps(struct str field_name);

/* The letter of the row that mailbox_next() last gave, or of a UID; yours to close. E_NOT_FOUND
 * when it has gone. */
struct letter_file {
    uint64_t octets; /* that it has now */
    bool crlf;       /* its line ends */
};
int mailbox_letter(struct mailbox *b, uint32_t uid, struct letter_file *file, struct err *err);

/* The file of the letter m->uid is not what was said of it: what is `wanted` is found out from
 * it once more, with size, vsize and crlf, and remembered; a damaged letter is told in the log,
 * once (X32). What cannot be had: m->gone. */
int mailbox_look_again(struct mailbox *b, struct message *m, unsigned wanted, struct err *err);

/* ---- changing: MAILBOX_WRITE ---- */
enum mailbox_store { STORE_SET, STORE_ADD, STORE_REMOVE };
struct mailbox_flags {
    uint32_t flags, keywords;
};
/* Renames and rows; each letter really changed gets the transaction's mod-sequence (also told).
 * `unchangedsince` (UINT64_MAX: any): letters with a later one are left alone and added to
 * *modified. */
int mailbox_store(struct mailbox *b, const struct uidset *uids, enum mailbox_store how,
                  struct mailbox_flags what, uint64_t unchangedsince, struct uidset *modified,
                  uint64_t *modseq, struct err *err);
/* Has the transaction taken in what other programs changed since it began? That has the
 * transaction's mod-sequence too. */
bool mailbox_refreshed(const struct mailbox *b);
/* The number of a keyword's bit. It gets a letter where it has none; E_LIMIT when all are
 * taken. Without `make`: E_NOT_FOUND. */
int mailbox_keyword(struct mailbox *b, struct str word, bool make, uint32_t *bit,
                    struct err *err);

/* Those with \Deleted, of `among` (NULL: all). Durable after mailbox_end(). */
int mailbox_expunge(struct mailbox *b, const struct uidset *among, struct uidset *gone,
                    struct err *err);

/* COPY and MOVE to another folder of the same user (or the same folder). All or none (I31): the
 * copies become visible together, also after a crash; moved letters are each in exactly one
 * folder. E_NOT_FOUND (TRYCREATE) where there is no such folder. The UIDs of `from` that were
 * there, and those of the new ones, in the same order (RFC 4315). E_NO_SPACE over quota. A
 * keyword for which the other folder has no letter left is not taken along. After an error:
 * mailbox_abort(). */
struct mailbox_copied {
    uint32_t uidvalidity;
    struct uidset from, to;
};
void mailbox_limit(struct mailbox *b, uint64_t quota_octets,
                   uint64_t quota_letters); /* 0: none */
int mailbox_copy(struct mailbox *b, const struct uidset *uids, struct str to_folder, bool move,
                 struct mailbox_copied *out, struct err *err);

#endif
