/*
 * grammar - the arguments of SMTP commands: paths and parameters of MAIL and
 * RCPT (RFC 5321 4.1.2, 1870, 6152, 4954 5, 3461 4), the
 * words of XSPOOL. Grammar alone: what is allowed when is command.c's.
 */
#ifndef POSTA_SMTP_GRAMMAR_H
#define POSTA_SMTP_GRAMMAR_H

#include "base/arena.h"
#include "base/id.h"
#include "smtp/envelope.h"
#include "smtp/reply.h"

/* Which parameters exist: those of the extensions that were announced. */
enum { SMTP_OFFERS_AUTH = 1, SMTP_OFFERS_DSN = 2 };

/* `arg` is what stands behind "MAIL " or "RCPT ". Strings in *out live in the arena. On failure
 * *why is the reply. */
bool smtp_parse_mail(struct arena *a, struct str arg, unsigned offers, struct smtp_mail *out,
                     struct smtp_reply *why);
bool smtp_parse_rcpt(struct arena *a, struct str arg, unsigned offers, struct smtp_rcpt *out,
                     struct smtp_reply *why);

/* "id size [flags]" behind "XSPOOL ". */
struct smtp_xspool {
    struct id id;
    uint64_t size;
    struct str flags;
};
bool smtp_parse_xspool(struct str arg, struct smtp_xspool *out);

#endif
