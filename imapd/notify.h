/*
 * notify - tells sessions in IDLE (RFC 2177) that their mailbox may have changed.
 *
 *   run/change/ ── datagram of mda, pop3d, another imapd (store/change.h) ──▶ at once
 *
 *   inotify on new/ and cur/ ── what other programs do ──▶ NOTIFY_FOREIGN_MS later, once for
 *                          all that happened, to those that have not looked since
 *
 *   no watch to be had ──▶ both are looked at each NOTIFY_POLL_MS
 *
 * Our own renames are seen by inotify too, and mostly before the datagram that is about them: a
 * session that has looked after an event is not told of it. What is told may be nothing new;
 * nothing new is left untold, though a datagram may be lost where many come at once. One
 * instance of inotify a process; a folder is watched once, while somebody waits for it.
 */
#ifndef POSTA_IMAPD_NOTIFY_H
#define POSTA_IMAPD_NOTIFY_H

#include "base/list.h"
#include "base/str.h"
#include "net/loop.h"

enum {
    NOTIFY_FOREIGN_MS = 500,
    NOTIFY_POLL_MS = 2000,
    NOTIFY_DATAGRAMS = 256, /* read in a row, then others have their turn */
};

struct notify;
struct place;

/* One that waits, by value in its session. */
struct notify_reader {
    struct list link;
    struct place *place; /* NULL: waits for nothing */
    uint64_t looked;     /* how many of the place's events it has seen the outcome of */
    /* `modseq`: what the change was given; 0 when it is not known. On the loop; takes note of
     * it and calls nothing here. */
    void (*changed)(struct notify_reader *r, uint64_t modseq);
};

/* Binds a socket of its own in run_dir/change/, and removes those whose process has gone. */
int notify_open(struct loop *l, const char *state_dir, const char *run_dir, struct notify **out,
                struct err *err);
void notify_close(struct notify *n); /* after the last reader has left; accepts NULL */

/* `maildir` below state_dir, `folder` as in store/path.h. Whatever happened before is not told:
 * look once after it. */
void notify_join(struct notify *n, struct notify_reader *r, struct str maildir,
                 struct str folder);
void notify_leave(struct notify *n, struct notify_reader *r); /* accepts one that has */
/* The reader is about to look for itself. */
void notify_looks(struct notify *n, struct notify_reader *r);

unsigned notify_watches(const struct notify *n);

#endif
