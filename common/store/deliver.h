/*
 * deliver - the staged delivery of letters into Maildirs (DESIGN: "No letter is
 * lost, none is half there, none is delivered twice").
 *
 *   spool/msg/ID
 *        │ copy, flush it and .deliver     (1)
 *   mail/.deliver/ID.USER
 *        │ link, flush new/                (2)
 *   <maildir>/new/NAME
 *        │ rename, flush .deliver          (3) then 250
 *   mail/.deliver/ID.USER.done             unlinked once msg/ID has gone
 *
 * A batch goes through each step together and shares the flushes of directories. On redelivery
 * .done, or a staged file with two links, means delivered; one link or nothing: start again.
 *
 * One process at a time delivers below a state directory; its threads may do so at once.
 */
#ifndef POSTA_STORE_DELIVER_H
#define POSTA_STORE_DELIVER_H

#include "base/err.h"
#include "base/id.h"
#include "spool/spool.h"
#include "store/name.h"
#include "users/users.h"

struct deliver;

/* `hostname` goes into the names. Checks that .deliver and mail/ are one file system. E_BUSY:
 * another process delivers here. */
struct deliver *deliver_open(const char *state_dir, const char *hostname, struct err *err);
void deliver_close(struct deliver *d);
void deliver_set_host(struct deliver *d, const char *hostname); /* for the letters to come */

/* One letter into one mailbox. Strings live as long as the job. */
struct delivery {
    struct id id;       /* the spool name, or a new id for a letter sent by DATA   */
    bool staged;        /* id is the queue's: a redelivery is recognised           */
    int source;         /* fd of the letter; not closed, read by pread; < 0: `text` */
    struct str text;    /* the letter itself, where it is in memory                */
    uint64_t size;      /* of either                                               */
    uint64_t source_at; /* where it begins in `source`                             */
    bool in_place;      /* not staged: `source` is from deliver_temporary(), begins with
                           deliver_top() and becomes the letter itself, with no copy. Who filled it
                           has      cleaned its heading (store/heading.h)                        */
    uint64_t lf;        /* in_place: line ends in all of `source`                   */
    struct user user;
    struct str reverse_path; /* for Return-Path                                         */
    struct str delivered_to; /* address with detail, as it was asked for                */
    uint64_t now_ms;

    int result; /* 0, or a code: E_NO_SPACE, E_LOOP, -errno …              */
    struct err err;
    bool over_quota;           /* out: E_NO_SPACE is the mailbox's, not the disk's         */
    bool again;                /* out: it had been delivered before                       */
    char name[NAME_BYTES + 1]; /* out: of the file in new/; "" when delivered before      */
    uint64_t stored;           /* out: its octets                                         */
};

/* Blocks: call on a job. Sets result of each. Two of one letter for one user are one. */
void deliver_batch(struct deliver *d, struct delivery **batch, unsigned n);

/* Has the mailbox no room for `octets` more, as far as that is known without looking? Does not
 * block. */
bool deliver_full(struct deliver *d, const struct user *user, uint64_t octets);

/* An unnamed file for a letter that is still coming in. Yours to close. *linkable: it can
 * become the letter
 * (`in_place`); some file systems cannot. */
int deliver_temporary(struct deliver *d, bool *linkable, struct err *err);

/* The fields on top of this delivery: Return-Path, Delivered-To. */
enum { DELIVER_TOP_BYTES = 4096 };
struct str deliver_top(const struct delivery *d, char to[DELIVER_TOP_BYTES]);

/* Unlinks the staged links of letters that have left the spool. Looks at `max` of them at most;
 * returns how many it unlinked. Blocks. */
int deliver_sweep(struct deliver *d, struct spool *s, unsigned max);
unsigned deliver_unswept(struct deliver *d); /* how many there are; does not block */

#endif
