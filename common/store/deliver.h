/*
 * deliver - the staged delivery of letters into Maildirs (DESIGN: "No letter is
 * lost, none is half there, none is delivered twice").
 *
 *   spool/msg/ID ─copy─▶ mail/.deliver/ID.USER ─link─▶ <maildir>/new/NAME ─rename─▶ ….done ─unlink once msg/ID has gone
 *                  (1) fsync             (2) fsync new/          (3) fsync .deliver, 250
 *
 * A batch goes through each step together and shares the flushes of step 3. On redelivery .done, or a
 * staged file with two links, means delivered; one link: go on at (2); nothing: start again.
 */
#ifndef POSTA_STORE_DELIVER_H
#define POSTA_STORE_DELIVER_H

#include "base/err.h"
#include "base/id.h"
#include "spool/spool.h"
#include "users/users.h"

struct deliver;

/* `hostname` goes into the names. Checks that .deliver and mail/ are one file system. */
struct deliver *deliver_open(const char *state_dir, const char *hostname, struct err *err);
void deliver_close(struct deliver *d);

/* One letter into one mailbox. Strings live as long as the job. */
struct delivery {
    struct id id;              /* the spool name, or a new id for a letter sent by DATA */
    bool staged;               /* id is the queue's: a redelivery is recognised          */
    int source;                /* fd of the letter; not closed, read by pread             */
    uint64_t size;
    struct user user;
    struct str reverse_path;   /* for Return-Path                                          */
    struct str delivered_to;   /* address with detail, as it was asked for                 */
    uint64_t now_ms;
    int result;                /* 0, or a code: E_NO_SPACE, E_NOT_FOUND, E_LOOP, -errno     */
    struct err err;
    bool again;                /* out: it had been delivered before                        */
};

/* Blocks: call on a job. Sets result of each. */
void deliver_batch(struct deliver *d, struct delivery **batch, unsigned n);

/* Unlinks the ….done of letters that have left the spool. At most `max` of them; returns how many
 * remain that it knows of. Blocks. */
int deliver_sweep(struct deliver *d, struct spool *s, unsigned max);

#endif
