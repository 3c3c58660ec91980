/*
 * params - MAIL and RCPT with their parameters, as the side that connects
 * prints them: the inverse of grammar.h. A parameter goes only to a peer that
 * offers its extension.
 */
#ifndef POSTA_SMTP_PARAMS_H
#define POSTA_SMTP_PARAMS_H

#include "base/buf.h"
#include "smtp/envelope.h"

/* The extensions of a peer that matter to us. */
enum {
    SMTP_EXT_PIPELINING = 1 << 0, /* RFC 2920 */
    SMTP_EXT_SIZE = 1 << 1,       /* RFC 1870 */
    SMTP_EXT_8BITMIME = 1 << 2,   /* RFC 6152 */
    SMTP_EXT_AUTH = 1 << 3,       /* RFC 4954 */
    SMTP_EXT_DSN = 1 << 4,        /* RFC 3461 */
    SMTP_EXT_SMTPUTF8 = 1 << 5,   /* RFC 6531 */
    SMTP_EXT_STARTTLS = 1 << 6,   /* RFC 3207 */
    SMTP_EXT_XSPOOL = 1 << 7,     /* ours     */
};

/* The bit of a keyword in EHLO's answer, or 0. */
unsigned smtp_ext(struct str keyword);

/* One command line with CRLF; the paths have been parsed. `size` is SIZE=, 0 where not known.
 */
void smtp_mail_print(struct buf *out, const struct smtp_mail *m, uint64_t size,
                     unsigned offers);
void smtp_rcpt_print(struct buf *out, const struct smtp_rcpt *r, unsigned offers);

/* May `s` stand in a command? No CR, LF, NUL or other control. */
bool smtp_is_clean(struct str s);

#endif
