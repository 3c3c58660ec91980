/*
 * reply - one SMTP reply (RFC 5321 4.2) with its enhanced status (RFC 3463).
 */
#ifndef POSTA_SMTP_REPLY_H
#define POSTA_SMTP_REPLY_H

#include "base/buf.h"

struct smtp_reply {
    int code; /* 200 to 599                                       */
    struct str
        enhanced; /* "5.1.1"; empty where the standard has none (220, 221, 250 to EHLO, 354) */
    struct str text; /* without CR, LF, NUL; may be empty                */
};

/* SMTP_REPLY(550, "5.1.1", "no such user here"): for constants. */
#define SMTP_REPLY(code, enhanced, text) \
    ((struct smtp_reply){(code), STR_LIT(enhanced), STR_LIT(text)})

static inline int smtp_reply_class(struct smtp_reply r)
{
    return r.code / 100;
}

/* One line with CRLF. Bytes that do not belong into a reply become '?'. */
void smtp_reply_print(struct buf *out, struct smtp_reply r);

/* From the text of one or more reply lines joined by '\n', without codes:
 * splits the enhanced status off. Points into `text`. */
struct smtp_reply smtp_reply_parse(int code, struct str text);

#endif
