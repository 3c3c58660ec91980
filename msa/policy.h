/*
 * policy - what the submission agent makes of a letter (RFC 6409), without any
 * I/O: who may send as whom, to whom, and what a letter lacks.
 */
#ifndef POSTA_MSA_POLICY_H
#define POSTA_MSA_POLICY_H

#include "intake/intake.h"

void msa_offer(const struct config *c, struct smtp_server_config *out);

/* 6409 6.1: one's own addresses, and <> for what programs answer. */
struct smtp_reply msa_sender(const struct intake_sender *s);

/* Users may send everywhere; an address of ours that nobody has is told at once. */
struct smtp_reply msa_recipient(const struct intake_recipient *r);

/* 6409 8: Date and Message-ID are added on top where they are missing, and Bcc goes (M15). */
void msa_mend(struct buf *out, const struct intake_head *h);

#endif
