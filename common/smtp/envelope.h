/*
 * envelope - who a letter is from and for, as SMTP says it: the result of MAIL
 * and RCPT with their parameters, and the source of the same commands on the
 * next hop.
 *
 * All strings are views; they live as long as what filled the envelope says.
 */
#ifndef POSTA_SMTP_ENVELOPE_H
#define POSTA_SMTP_ENVELOPE_H

#include "base/str.h"

enum smtp_body { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_UNSET, SMTP_RET_FULL, SMTP_RET_HDRS };

/* RFC 3461 4.1; none set means the default. NEVER stands alone. */
enum {
    SMTP_NOTIFY_NEVER = 1,
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8
};

struct smtp_mail {
    struct str reverse_path; /* "local@domain" in canonical quoting, "" for <> */
    uint64_t size;           /* SIZE=, 0 where not told                        */
    enum smtp_body body;
    struct str auth;  /* AUTH= decoded; "" where not told or <>          */
    struct str envid; /* ENVID= decoded                                  */
    enum smtp_ret ret;
    bool smtputf8;
};

struct smtp_rcpt {
    struct str forward_path; /* "local@domain"; "postmaster" alone is kept so   */
    struct str orcpt;        /* "rfc822;address" decoded; "" where not told     */
    unsigned notify;         /* SMTP_NOTIFY_…                                   */
};

#endif
