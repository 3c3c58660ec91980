#include "smtp/grammar.h"

#include "base/ascii.h"
#include "base/xtext.h"
#include "mail/address.h"
#include "smtp/limits.h"

/* esmtp-param = esmtp-keyword [ "=" esmtp-value ]        RFC 5321 4.1.2 */
struct param {
    struct str keyword, value; /* value is empty where there is none */
};

/* What a parameter is read into. */
struct target {
    struct arena *arena;
    struct smtp_mail *mail;
    struct smtp_rcpt *rcpt;
};

static bool decode(struct target *t, struct str xtext, struct str *out)
{
    struct buf octets;
    bool good;

    buf_init(&octets, SMTP_COMMAND_BYTES);
    good = xtext_decode(&octets, xtext);
    if (good)
        *out = arena_dup(t->arena, buf_str(&octets));
    buf_done(&octets);
    return good;
}

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_print(s.p[i]))
            return false;
    return true;
}

/* ---- parameters -------------------------------------------------------- */

/* size-value = 1*20DIGIT                                 RFC 1870 3 */
static bool param_size(struct target *t, struct str value)
{
    return scan_u64(&value, UINT64_MAX, &t->mail->size) && value.n == 0;
}

/* body-value = "7BIT" / "8BITMIME"                       RFC 6152 2 */
static bool param_body(struct target *t, struct str value)
{
    if (str_eq_nocase(value, STR("7BIT")))
        t->mail->body = SMTP_BODY_7BIT;
    else if (str_eq_nocase(value, STR("8BITMIME")))
        t->mail->body = SMTP_BODY_8BITMIME;
    else
        return false;
    return true;
}

/* AUTH=mailbox in xtext, or "<>"                         RFC 4954 5 */
static bool param_auth(struct target *t, struct str value)
{
    struct str text, rest;
    struct mailbox m;

    if (value.n == 0 || !decode(t, value, &text))
        return false;
    rest = text;
    if (str_eq(text, STR("<>")))
        t->mail->auth = STR("");
    else if (scan_mailbox(&rest, &m) && rest.n == 0)
        t->mail->auth = text;
    else
        return false;
    return true;
}

/* ret-value = "FULL" / "HDRS"                            RFC 3461 4.3 */
static bool param_ret(struct target *t, struct str value)
{
    if (str_eq_nocase(value, STR("FULL")))
        t->mail->ret = SMTP_RET_FULL;
    else if (str_eq_nocase(value, STR("HDRS")))
        t->mail->ret = SMTP_RET_HDRS;
    else
        return false;
    return true;
}

/* envid-parameter = "ENVID=" xtext, of printable octets  RFC 3461 4.4 */
static bool param_envid(struct target *t, struct str value)
{
    struct str text;

    if (value.n == 0 || value.n > SMTP_ENVID_BYTES || !decode(t, value, &text) ||
        !is_printable(text))
        return false;
    t->mail->envid = text;
    return true;
}

/* notify-list-element = "SUCCESS" / "FAILURE" / "DELAY"  RFC 3461 4.1 */
static bool scan_notify(struct str *in, unsigned *out)
{
    static const struct {
        struct str word;
        unsigned bit;
    } words[] = {
        {STR_LIT("SUCCESS"), SMTP_NOTIFY_SUCCESS},
        {STR_LIT("FAILURE"), SMTP_NOTIFY_FAILURE},
        {STR_LIT("DELAY"),   SMTP_NOTIFY_DELAY  },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (scan_word_nocase(in, words[i].word)) {
            *out |= words[i].bit;
            return true;
        }
    return false;
}

/* notify-esmtp-value = "NEVER" / 1#notify-list-element   RFC 3461 4.1 */
static bool param_notify(struct target *t, struct str value)
{
    unsigned bits = 0;

    if (str_eq_nocase(value, STR("NEVER"))) {
        t->rcpt->notify = SMTP_NOTIFY_NEVER;
        return true;
    }
    do {
        if (!scan_notify(&value, &bits))
            return false;
    } while (scan_byte(&value, ','));
    t->rcpt->notify = bits;
    return value.n == 0;
}

/* original-recipient-address = addr-type ";" xtext       RFC 3461 4.2 */
static bool param_orcpt(struct target *t, struct str value)
{
    struct str type, text;

    if (value.n > SMTP_ORCPT_BYTES || !scan_until(&value, ';', &type) ||
        !scan_byte(&value, ';'))
        return false;
    for (size_t i = 0; i < type.n; i++)
        if (!ascii_is_alnum(type.p[i]) && type.p[i] != '-')
            return false;
    if (value.n == 0 || !decode(t, value, &text) || !is_printable(text))
        return false;
    t->rcpt->orcpt = arena_printf(t->arena, "%.*s;%.*s", STR_ARGS(type), STR_ARGS(text));
    return true;
}

static const struct param_row {
    struct str keyword;
    bool of_mail; /* else of RCPT */
    unsigned needs;
    bool (*read)(struct target *t, struct str value);
} param_rows[] = {
    {STR_LIT("SIZE"),   true,  0,                param_size  },
    {STR_LIT("BODY"),   true,  0,                param_body  },
    {STR_LIT("AUTH"),   true,  SMTP_OFFERS_AUTH, param_auth  },
    {STR_LIT("RET"),    true,  SMTP_OFFERS_DSN,  param_ret   },
    {STR_LIT("ENVID"),  true,  SMTP_OFFERS_DSN,  param_envid },
    {STR_LIT("NOTIFY"), false, SMTP_OFFERS_DSN,  param_notify},
    {STR_LIT("ORCPT"),  false, SMTP_OFFERS_DSN,  param_orcpt },
};

enum { PARAM_ROWS = sizeof(param_rows) / sizeof(param_rows[0]) };

static int find_param(struct str keyword, bool of_mail, unsigned offers)
{
    for (int i = 0; i < PARAM_ROWS; i++)
        if (param_rows[i].of_mail == of_mail && !(param_rows[i].needs & ~offers) &&
            str_eq_nocase(param_rows[i].keyword, keyword))
            return i;
    return -1;
}

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") RFC 5321 4.1.2 */
static bool scan_keyword(struct str *in, struct str *out)
{
    size_t n = 0;

    while (n < in->n && (ascii_is_alnum(in->p[n]) || (n && in->p[n] == '-')))
        n++;
    if (n == 0)
        return false;
    *out = str_first(*in, n);
    *in = str_skip(*in, n);
    return true;
}

/* esmtp-value = 1*(%d33-60 / %d62-126)                   RFC 5321 4.1.2 */
static bool scan_value(struct str *in, struct str *out)
{
    size_t n = 0;

    while (n < in->n && in->p[n] > ' ' && in->p[n] < 0x7f && in->p[n] != '=')
        n++;
    if (n == 0)
        return false;
    *out = str_first(*in, n);
    *in = str_skip(*in, n);
    return true;
}

static bool scan_param(struct str *in, struct param *out)
{
    struct str s = *in;
    struct param p = {.value = STR("")};

    if (!scan_keyword(&s, &p.keyword) || (scan_byte(&s, '=') && !scan_value(&s, &p.value)))
        return false;
    *in = s;
    *out = p;
    return true;
}

/* Mail-parameters = esmtp-param *(SP esmtp-param)        RFC 5321 4.1.2 */
static bool parse_params(struct target *t, struct str arg, unsigned offers,
                         struct smtp_reply *why)
{
    unsigned seen = 0;
    struct param p;

    while (arg.n) {
        *why = SMTP_REPLY(501, "5.5.4", "syntax error in parameters");
        if (!scan_byte(&arg, ' '))
            return false;
        arg = str_trim(arg);
        if (arg.n == 0)
            return true;
        if (!scan_param(&arg, &p))
            return false;
        int i = find_param(p.keyword, t->mail != NULL, offers);
        if (i < 0) {
            *why = SMTP_REPLY(555, "5.5.4", "parameter not known here");
            return false;
        }
        if ((seen & 1u << i) || !param_rows[i].read(t, p.value))
            return false;
        seen |= 1u << i;
    }
    return true;
}

/* ---- paths ------------------------------------------------------------- */

/* Nobody has asked for SMTPUTF8: an address beyond ASCII has a reply of its own (RFC 6531 3.2).
 */
static bool is_beyond_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (ascii_is_8bit(s.p[i]))
            return true;
    return false;
}

static bool path_refused(struct str arg, struct str enhanced, struct smtp_reply *why)
{
    if (is_beyond_ascii(arg))
        *why = SMTP_REPLY(553, "5.6.7", "address beyond ASCII needs SMTPUTF8");
    else
        *why = (struct smtp_reply){501, enhanced, STR("syntax error in address")};
    return false;
}

bool smtp_parse_mail(struct arena *a, struct str arg, unsigned offers, struct smtp_mail *out,
                     struct smtp_reply *why)
{
    struct smtp_mail m = {.reverse_path = STR(""), .auth = STR(""), .envid = STR("")};
    struct target t = {.arena = a, .mail = &m};
    struct mailbox path;
    struct str whole;

    *why = SMTP_REPLY(501, "5.5.4", "syntax: MAIL FROM:<address>");
    if (!scan_word_nocase(&arg, STR("FROM:")))
        return false;
    /* a space that people type by hand; RFC 5321 3.3 does not know it */
    arg = whole = str_trim(arg);
    if (!scan_reverse_path(&arg, &path) || path.utf8)
        return path_refused(whole, STR("5.1.7"), why);
    m.reverse_path = mailbox_canonical(a, &path);
    if (!parse_params(&t, arg, offers, why))
        return false;
    *out = m;
    return true;
}

bool smtp_parse_rcpt(struct arena *a, struct str arg, unsigned offers, struct smtp_rcpt *out,
                     struct smtp_reply *why)
{
    struct smtp_rcpt r = {.forward_path = STR(""), .orcpt = STR("")};
    struct target t = {.arena = a, .rcpt = &r};
    struct mailbox path;
    struct str whole;

    *why = SMTP_REPLY(501, "5.5.4", "syntax: RCPT TO:<address>");
    if (!scan_word_nocase(&arg, STR("TO:")))
        return false;
    arg = whole = str_trim(arg);
    if (!scan_forward_path(&arg, &path) || path.utf8)
        return path_refused(whole, STR("5.1.3"), why);
    r.forward_path = mailbox_canonical(a, &path);
    if (!parse_params(&t, arg, offers, why))
        return false;
    *out = r;
    return true;
}

/* ---- the rest ---------------------------------------------------------- */

bool smtp_parse_xspool(struct str arg, struct smtp_xspool *out)
{
    struct smtp_xspool x;
    struct str id;

    if (!scan_until(&arg, ' ', &id) || !id_parse(id, &x.id) || !scan_byte(&arg, ' ') ||
        !scan_u64(&arg, INT64_MAX, &x.size) || (arg.n && arg.p[0] != ' '))
        return false;
    x.flags = str_trim(arg);
    *out = x;
    return true;
}
