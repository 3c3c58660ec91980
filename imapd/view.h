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
    struct uidset uids;   /* n-th: sequence number n */
    struct uidset gone;   /* of them: expunged by others, not told yet */
    struct uidset recent; /* of them: \Recent to this session */
    uint32_t uidvalidity;
    uint64_t modseq; /* everything up to here has been told, but for `gone` */
};

void view_init(struct view *v);
void view_done(struct view *v);

/* The UIDs that a set means. By sequence number: false where one is above EXISTS or there are
 * none (BAD); '*' is the last. By UID: those that are not there are passed over (RFC
 * 3501 6.4.8). `out` is empty before. */
bool view_resolve(const struct view *v, const struct seqset *set, bool by_uid,
                  struct uidset *out);

/* UIDs as sequence numbers, for who is answered by them. */
void view_numbers(const struct view *v, const struct uidset *uids, struct uidset *out);

/* New letters, all behind those that are known; `recent` of them. */
void view_grow(struct view *v, const struct uidset *fresh, const struct uidset *recent);

/* These are no longer there; those that are not known are passed over. */
void view_lose(struct view *v, const struct uidset *expunged);

/* "* 5 EXPUNGE" for view->gone, the last first, so that no number is told wrong; forgets those
 * that were told. False: `out` holds `upto` octets, and there are more. */
bool view_tell_expunged(struct view *v, struct buf *out, size_t upto);

#endif
