#include "smtp/params.h"

#include "base/ascii.h"
#include "base/xtext.h"

unsigned smtp_ext(struct str keyword)
{
    static const struct {
        struct str keyword;
        unsigned bit;
    } rows[] = {
        {STR_LIT("PIPELINING"), SMTP_EXT_PIPELINING},
        {STR_LIT("SIZE"),       SMTP_EXT_SIZE      },
        {STR_LIT("8BITMIME"),   SMTP_EXT_8BITMIME  },
        {STR_LIT("AUTH"),       SMTP_EXT_AUTH      },
        {STR_LIT("DSN"),        SMTP_EXT_DSN       },
        {STR_LIT("SMTPUTF8"),   SMTP_EXT_SMTPUTF8  },
        {STR_LIT("STARTTLS"),   SMTP_EXT_STARTTLS  },
        {STR_LIT("XSPOOL"),     SMTP_EXT_XSPOOL    },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (str_eq_nocase(keyword, rows[i].keyword))
            return rows[i].bit;
    return 0;
}

/* mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF        RFC 5321 4.1.1.2 */
void smtp_mail_print(struct buf *out, const struct smtp_mail *m, uint64_t size, unsigned offers)
{
    buf_add(out, STR("MAIL FROM:<"));
    buf_add(out, m->reverse_path);
    buf_add_byte(out, '>');
    if (size && offers & SMTP_EXT_SIZE)
        buf_addf(out, " SIZE=%llu", (unsigned long long)size);
    if (m->body != SMTP_BODY_7BIT && offers & SMTP_EXT_8BITMIME)
        buf_add(out, STR(" BODY=8BITMIME"));
    /* between our boxes AUTH= says who submitted, without an AUTH command */
    if (m->auth.n && offers & (SMTP_EXT_AUTH | SMTP_EXT_XSPOOL)) {
        buf_add(out, STR(" AUTH="));
        xtext_add(out, m->auth);
    }
    if (m->envid.n && offers & SMTP_EXT_DSN) {
        buf_add(out, STR(" ENVID="));
        xtext_add(out, m->envid);
    }
    if (m->ret != SMTP_RET_UNSET && offers & SMTP_EXT_DSN)
        buf_add(out, m->ret == SMTP_RET_FULL ? STR(" RET=FULL") : STR(" RET=HDRS"));
    if (m->smtputf8 && offers & SMTP_EXT_SMTPUTF8)
        buf_add(out, STR(" SMTPUTF8"));
    buf_add(out, STR("\r\n"));
}

/* notify-esmtp-value = "NEVER" / 1#notify-list-element        RFC 3461 4.1 */
static void add_notify(struct buf *out, unsigned notify)
{
    static const struct {
        struct str word;
        unsigned bit;
    } words[] = {
        {STR_LIT("SUCCESS"), SMTP_NOTIFY_SUCCESS},
        {STR_LIT("FAILURE"), SMTP_NOTIFY_FAILURE},
        {STR_LIT("DELAY"),   SMTP_NOTIFY_DELAY  },
    };
    bool any = false;

    buf_add(out, STR(" NOTIFY="));
    if (notify & SMTP_NOTIFY_NEVER) {
        buf_add(out, STR("NEVER"));
        return;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!(notify & words[i].bit))
            continue;
        if (any)
            buf_add_byte(out, ',');
        buf_add(out, words[i].word);
        any = true;
    }
}

/* orcpt-parameter = "ORCPT=" addr-type ";" xtext        RFC 3461 4.2 */
static void add_orcpt(struct buf *out, struct str orcpt)
{
    struct str rest = orcpt, type;

    if (!scan_until(&rest, ';', &type) || !scan_byte(&rest, ';'))
        return;
    buf_add(out, STR(" ORCPT="));
    buf_add(out, type);
    buf_add_byte(out, ';');
    xtext_add(out, rest);
}

/* rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters] CRLF        RFC 5321 4.1.1.3 */
void smtp_rcpt_print(struct buf *out, const struct smtp_rcpt *r, unsigned offers)
{
    buf_add(out, STR("RCPT TO:<"));
    buf_add(out, r->forward_path);
    buf_add_byte(out, '>');
    if (r->notify && offers & SMTP_EXT_DSN)
        add_notify(out, r->notify);
    if (r->orcpt.n && offers & SMTP_EXT_DSN)
        add_orcpt(out, r->orcpt);
    buf_add(out, STR("\r\n"));
}

bool smtp_is_clean(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_print(s.p[i]) && !ascii_is_8bit(s.p[i]))
            return false;
    return true;
}
