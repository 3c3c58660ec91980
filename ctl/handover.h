/*
 * handover - gives one whole letter to the queue over queue.sock, by SMTP's DATA, and waits for
 * its answers. Blocks.
 *
 * Everything is sent or nothing: the letter is in memory before the first byte goes out, and
 * until the queue answers the last dot it holds nothing (F06).
 */
#ifndef POSTA_CTL_HANDOVER_H
#define POSTA_CTL_HANDOVER_H

#include "base/err.h"
#include "smtp/client.h"

enum {
    HANDOVER_SECONDS = 300
}; /* RFC 5321 4.5.3.2.6 asks for 10 minutes at the dot; the queue is on this machine */

/* 0 when the queue has answered for every recipient: their replies are in tx. E_UNAVAILABLE: it
 * is away, or broke off, which is no promise; E_DENIED with its words when it refused the
 * whole. */
int handover(const char *run_dir, struct str hostname, struct smtp_transaction *tx,
             struct str letter, struct smtp_client **session, struct err *err);

/* SMTP by hand: moves bytes between the two descriptors and the queue until one side ends. */
int handover_by_hand(const char *run_dir, int in, int out, struct err *err);

#endif
