/*
 * work - the store's side of an IMAP session: runs commands against folders and the selected
 * mailbox, and says what is to be said about letters. Runs where blocking is allowed; the
 * session itself (session.h) never does.
 *
 *   session ──WANT_WORK──▶ work_step() ── untagged responses into `out`, up to WORK_OUT_BYTES
 *                              │
 *                              ├──▶ WORK_MORE: step again when they are sent
 *                              └──▶ WORK_DONE: result: OK, NO or BAD with code and text
 *
 * At the end of each command the view is brought up to date: EXISTS, RECENT, FETCH of changed
 * flags, EXPUNGE where it is allowed (not in FETCH, STORE, SEARCH by sequence number: RFC
 * 3501 7.4.1).
 */
#ifndef POSTA_IMAPD_WORK_H
#define POSTA_IMAPD_WORK_H

#include "imapd/command.h"

enum {
    WORK_OUT_BYTES = 65536,     /* then it pauses (I22), */
    WORK_STEP_BYTES = 64 << 20, /* at the latest: what cannot be told in pieces is longer */
    WORK_STORE_LETTERS = 1000,  /* changed in one transaction */
    WORK_SEARCH_ROWS = 10000,   /* looked at in one step */
    WORK_APPEND_BYTES = 262144, /* a piece */
};

enum work_status { WORK_OK, WORK_NO, WORK_BAD };

struct work_result {
    enum work_status status;
    struct str code; /* "TRYCREATE", "READ-WRITE", "APPENDUID 38505 3955": without brackets;
                        empty: none */
    struct str text; /* for a person */
    bool closed;     /* the mailbox that was selected is no more (SELECT failed, CLOSE, it was
                        deleted) */
    bool selected;   /* one is selected now */
    bool read_only;
};

/* Who and with what. Strings are copied. */
struct work_user {
    struct str maildir; /* below state_dir */
    struct str address;
    uint64_t quota_octets, quota_letters; /* 0: none */
};

struct work_request {
    const struct command *command; /* stays until WORK_DONE or work_cancel() */
    bool condstore;                /* enabled: FETCH responses tell MODSEQ */
    /* VERB_APPEND: the literal comes in pieces; any of the three in one request. append_cancel
       stands alone: what follows the literal is wrong, so nothing is kept; WORK_DONE, and the
       session says BAD whatever the result. */
    bool append_begin, append_end, append_cancel;
    struct str append_piece;
};

struct work;

struct work *work_new(struct mailboxes *all, const struct work_user *user);
void work_free(struct work *w);

/* Blocks. WORK_MORE with a request whose append_end has not come means: ready for the next
 * piece. */
enum work_state { WORK_MORE, WORK_DONE };
enum work_state work_step(struct work *w, const struct work_request *r, struct buf *out,
                          struct work_result *result);
void work_cancel(struct work *w); /* the client has gone in the middle: what was under way is
                                     given up; may block shortly */

/* The selected mailbox, for who waits for news of it; empty where none is. */
struct str work_maildir(const struct work *w);
struct str work_folder(const struct work *w);
uint64_t work_modseq(const struct work *w); /* told so far */
void work_rest(struct work *w);             /* idle: gives memory back */

#endif
