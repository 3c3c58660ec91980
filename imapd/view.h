/*
 * view - what a session has told its client of the selected mailbox: which UIDs there are, in
 * which order they are numbered.
 *
 * Sequence numbers move only by what the client is told (RFC 3501 5.5, 7.4.1): letters that
 * others expunge stay in the view until EXPUNGE may be said. Pure; a mailbox without gaps costs
 * a few octets.
 */
#ifndef POSTA_IMAPD_VIEW_H
#define POSTA_IMAPD_VIEW_H

#include "imapd/command.h"
#include "store/uidset.h"

struct view {
    struct uidset uids; /* n-th: sequence number n */
    uint32_t uidvalidity;
    uint64_t modseq;       /* everything up to here has been told, but for `gone` */
    struct uidset gone;    /* expunged by others, not told yet */
    uint32_t first_recent; /* UIDs from here on are \Recent to this session */
    uint32_t end_recent;   /* … up to before this one */
};

void view_init(struct view *v);
void view_done(struct view *v);

/* The UIDs that a set means. By sequence number: false where one is above EXISTS or there are
 * none (BAD); '*' is the last. By UID: those that are not there are passed over (RFC
 * 3501 6.4.8). */
bool view_resolve(const struct view *v, const struct seqset *set, bool by_uid,
                  struct uidset *out);

/* "* 5 EXPUNGE" for each of view->gone, in an order that is right, or one VANISHED later on;
 * forgets them. */
void view_tell_expunged(struct view *v, struct buf *out);

#endif
