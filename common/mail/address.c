#include "mail/address.h"

#include "base/ascii.h"
#include "base/utf8.h"

#include <arpa/inet.h>

/* Longest text between the brackets of a literal: "IPv6:" and an address. */
enum { LITERAL_BYTES = 5 + INET6_ADDRSTRLEN };

/* UTF8-non-ascii        RFC 6531 3.3 */
static bool scan_non_ascii(struct str *in)
{
    uint32_t point;

    return in->n && ascii_is_8bit(in->p[0]) && scan_utf8(in, &point);
}

/* atext =/ UTF8-non-ascii        RFC 5322 3.2.3, RFC 6531 3.3 */
static bool scan_atext(struct str *in)
{
    if (in->n == 0)
        return false;
    if (ascii_is_8bit(in->p[0]))
        return scan_non_ascii(in);
    if (!ascii_is_alnum(in->p[0]) &&
        (in->p[0] == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~", in->p[0])))
        return false;
    *in = str_skip(*in, 1);
    return true;
}

/* Atom = 1*atext */
static bool scan_atom(struct str *in)
{
    if (!scan_atext(in))
        return false;
    while (scan_atext(in))
        ;
    return true;
}

/* The bytes from `start` to where `now` stands. */
static struct str read_between(struct str start, struct str now)
{
    return str_first(start, start.n - now.n);
}

/* Dot-string = Atom *("."  Atom)        RFC 5321 4.1.2 */
static bool scan_dot_string(struct str *in, struct str *out)
{
    struct str s = *in, last;

    if (!scan_atom(&s))
        return false;
    do
        last = s;
    while (scan_byte(&s, '.') && scan_atom(&s));
    *out = read_between(*in, last);
    *in = last;
    return true;
}

/* QcontentSMTP = qtextSMTP / quoted-pairSMTP        RFC 5321 4.1.2, RFC 6531 3.3 */
static bool scan_qcontent(struct str *in)
{
    if (in->n == 0 || in->p[0] == '"')
        return false;
    if (ascii_is_8bit(in->p[0]))
        return scan_non_ascii(in);
    size_t n = in->p[0] == '\\' ? 2 : 1;
    if (in->n < n || !ascii_is_print(in->p[n - 1]))
        return false;
    *in = str_skip(*in, n);
    return true;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE        RFC 5321 4.1.2 */
static bool scan_quoted_string(struct str *in, struct str *out)
{
    struct str s = *in;

    if (!scan_byte(&s, '"'))
        return false;
    while (scan_qcontent(&s))
        ;
    if (!scan_byte(&s, '"'))
        return false;
    *out = read_between(*in, s);
    *in = s;
    return true;
}

/* sub-domain = (Let-dig [Ldh-str]) / U-label        RFC 5321 4.1.2, RFC 6531 3.3 */
static bool scan_sub_domain(struct str *in)
{
    struct str s = *in, label;

    while ((s.n && (ascii_is_alnum(s.p[0]) || s.p[0] == '-') && scan_byte(&s, s.p[0])) ||
           scan_non_ascii(&s))
        ;
    label = read_between(*in, s);
    if (label.n == 0 || label.n > ADDRESS_LABEL_BYTES || label.p[0] == '-' ||
        label.p[label.n - 1] == '-')
        return false;
    *in = s;
    return true;
}

/* Domain = sub-domain *("." sub-domain) */
bool scan_domain(struct str *in, struct str *out)
{
    struct str s = *in, last;

    if (!scan_sub_domain(&s))
        return false;
    do
        last = s;
    while (scan_byte(&s, '.') && scan_sub_domain(&s));
    if (read_between(*in, last).n > ADDRESS_DOMAIN_BYTES)
        return false;
    *out = read_between(*in, last);
    *in = last;
    return true;
}

/* address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"        RFC
 * 5321 4.1.3 No other tag was ever registered. */
bool scan_address_literal(struct str *in, struct str *out)
{
    struct str s = *in, inside;
    char text[LITERAL_BYTES + 1];
    struct in6_addr address;

    if (!scan_byte(&s, '[') || !scan_until(&s, ']', &inside) || !scan_byte(&s, ']') ||
        inside.n > LITERAL_BYTES || memchr(inside.p, '\0', inside.n))
        return false;
    int family = scan_word_nocase(&inside, STR("IPv6:")) ? AF_INET6 : AF_INET;
    memcpy(text, inside.p, inside.n);
    text[inside.n] = '\0';
    if (inet_pton(family, text, &address) != 1)
        return false;
    *out = read_between(*in, s);
    *in = s;
    return true;
}

bool scan_helo(struct str *in, struct str *out)
{
    size_t n = 0;

    if (scan_address_literal(in, out))
        return true;
    while (n < in->n && (ascii_is_alnum(in->p[n]) || (in->p[n] && strchr("-_.", in->p[n]))))
        n++;
    if (n == 0 || n > ADDRESS_DOMAIN_BYTES)
        return false;
    *out = str_first(*in, n);
    *in = str_skip(*in, n);
    return true;
}

/* Mailbox = Local-part "@" ( Domain / address-literal )        RFC 5321 4.1.2 */
bool scan_mailbox(struct str *in, struct mailbox *out)
{
    struct str s = *in;
    struct mailbox m = {.quoted = false};

    if (!scan_dot_string(&s, &m.local)) {
        m.quoted = true;
        if (!scan_quoted_string(&s, &m.local))
            return false;
    }
    if (m.local.n > ADDRESS_LOCAL_BYTES || !scan_byte(&s, '@'))
        return false;
    if (!scan_domain(&s, &m.domain)) {
        m.literal = true;
        if (!scan_address_literal(&s, &m.domain))
            return false;
    }
    m.utf8 = !utf8_is_ascii(read_between(*in, s));
    *in = s;
    *out = m;
    return true;
}

/* A-d-l = At-domain *( "," At-domain )
 * At-domain = "@" Domain        RFC 5321 4.1.2
 * What it says is not used: 4.4.4 and appendix C tell servers to ignore it. */
static bool skip_route(struct str *in)
{
    struct str s = *in, domain;

    do {
        if (!scan_byte(&s, '@') || !scan_domain(&s, &domain))
            return false;
    } while (scan_byte(&s, ','));
    if (!scan_byte(&s, ':'))
        return false;
    *in = s;
    return true;
}

/* Path = "<" [ A-d-l ":" ] Mailbox ">" */
static bool scan_path(struct str *in, struct mailbox *out)
{
    struct str s = *in;
    struct mailbox m;

    if (!scan_byte(&s, '<'))
        return false;
    skip_route(&s);
    if (!scan_mailbox(&s, &m) || !scan_byte(&s, '>'))
        return false;
    *in = s;
    *out = m;
    return true;
}

/* Reverse-path = Path / "<>" */
bool scan_reverse_path(struct str *in, struct mailbox *out)
{
    if (scan_path(in, out))
        return true;
    if (!scan_word(in, STR("<>")))
        return false;
    *out = (struct mailbox){.local = STR_LIT(""), .domain = STR_LIT("")};
    return true;
}

/* ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path )        RFC 5321 4.1.1.3 */
bool scan_forward_path(struct str *in, struct mailbox *out)
{
    if (scan_path(in, out))
        return true;
    if (!scan_word_nocase(in, STR("<postmaster>")))
        return false;
    *out = (struct mailbox){.local = STR_LIT("postmaster"), .domain = STR_LIT("")};
    return true;
}

/* The local part that means `text`: quoted where it must be, "" where nothing can say it. */
static struct str canonical_local(struct arena *a, struct str text)
{
    struct str rest = text, dot_string;
    char *to = arena_alloc(a, 2 * text.n + 2);
    size_t n = 0;

    if (scan_dot_string(&rest, &dot_string) && rest.n == 0)
        return text;
    to[n++] = '"';
    for (rest = text; rest.n; rest = str_skip(rest, 1)) {
        if (!ascii_is_print(rest.p[0]) && !ascii_is_8bit(rest.p[0]))
            return STR("");
        if (rest.p[0] == '"' || rest.p[0] == '\\')
            to[n++] = '\\';
        to[n++] = rest.p[0];
    }
    to[n++] = '"';
    return utf8_valid(text) ? (struct str){to, n} : STR("");
}

/* What a quoted string means, without its quotes and backslashes. */
static struct str unquote(struct arena *a, struct str quoted)
{
    char *to = arena_alloc(a, quoted.n);
    size_t n = 0;

    for (size_t i = 1; i + 1 < quoted.n; i++) {
        if (quoted.p[i] == '\\')
            i++;
        to[n++] = quoted.p[i];
    }
    return (struct str){to, n};
}

struct str mailbox_canonical(struct arena *a, const struct mailbox *m)
{
    struct str local = m->quoted ? canonical_local(a, unquote(a, m->local)) : m->local;

    if (m->domain.n == 0)
        return arena_dup(a, local);
    return arena_printf(a, "%.*s@%.*s", STR_ARGS(local), STR_ARGS(m->domain));
}

bool address_parse(struct arena *a, struct str s, struct str *out)
{
    struct mailbox m;

    if (!scan_mailbox(&s, &m) || s.n)
        return false;
    *out = mailbox_canonical(a, &m);
    return true;
}

/* Where the last "@" is, or the end: a domain has none. */
static size_t at_sign(struct str address)
{
    size_t n = address.n;

    while (n && address.p[n - 1] != '@')
        n--;
    return n ? n - 1 : address.n;
}

struct str address_local(struct str address)
{
    return str_first(address, at_sign(address));
}

struct str address_domain(struct str address)
{
    size_t at = at_sign(address);

    return at < address.n ? str_skip(address, at + 1) : STR("");
}

void address_add(struct buf *out, struct str address)
{
    for (size_t i = 0; i < address.n; i++) {
        if (ascii_is_8bit(address.p[i]))
            buf_add_byte(out, address.p[i]);
        else
            buf_add_byte(out, ascii_shown(address.p[i]));
    }
}

/* ---- addresses in the head of a letter: RFC 5322 3.4 and 4.4 ---- */

static bool scan_comment(struct str *in)
{
    struct str s = *in;
    unsigned depth = 0;

    do {
        if (s.n == 0)
            return false;
        char c = s.p[0];
        size_t n = c == '\\' && s.n > 1 ? 2 : 1;

        if (c == '(')
            depth++;
        else if (c == ')')
            depth--;
        if (depth > ADDRESS_COMMENT_DEPTH)
            return false;
        s = str_skip(s, n);
    } while (depth);
    *in = s;
    return true;
}

/* [CFWS] */
void skip_cfws(struct str *in)
{
    while (in->n) {
        if (in->p[0] == ' ' || in->p[0] == '\t' || in->p[0] == '\r' || in->p[0] == '\n')
            *in = str_skip(*in, 1);
        else if (in->p[0] != '(' || !scan_comment(in))
            return;
    }
}

/* quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE: appends what it means; a tab counts as
 * a space, and line ends are folding. */
static bool scan_quoted_word(struct str *in, struct buf *text)
{
    struct str s = *in;
    size_t before = text->n;

    if (!scan_byte(&s, '"'))
        return false;
    while (s.n && s.p[0] != '"') {
        if (s.n > 1)
            scan_byte(&s, '\\');
        if (s.p[0] == '\0')
            break;
        if (s.p[0] == '\t')
            buf_add_byte(text, ' ');
        else if (s.p[0] != '\r' && s.p[0] != '\n')
            buf_add_byte(text, s.p[0]);
        s = str_skip(s, 1);
    }
    if (!scan_byte(&s, '"')) {
        text->n = before;
        return false;
    }
    *in = s;
    return true;
}

/* word = atom / quoted-string: appends what it means */
static bool scan_mail_word(struct str *in, struct buf *text)
{
    struct str start = *in;

    if (scan_atom(in)) {
        buf_add(text, read_between(start, *in));
        return true;
    }
    return scan_quoted_word(in, text);
}

/* domain = dot-atom / domain-literal / obs-domain: checked as SMTP's, which it must become. */
static bool scan_mail_domain(struct arena *a, struct str *in, struct str *out)
{
    struct str s = *in, whole;
    struct buf b;

    skip_cfws(&s);
    if (scan_address_literal(&s, out)) {
        skip_cfws(&s);
        *in = s;
        return true;
    }
    buf_init(&b, ADDRESS_DOMAIN_BYTES);
    for (;;) {
        struct str label = s;

        if (!scan_atom(&s))
            break;
        buf_add(&b, read_between(label, s));
        skip_cfws(&s);
        if (!scan_byte(&s, '.'))
            break;
        buf_add_byte(&b, '.');
        skip_cfws(&s);
    }
    whole = arena_dup(a, buf_str(&b));
    bool good = !buf_failed(&b) && scan_domain(&whole, out) && whole.n == 0;
    buf_done(&b);
    if (good)
        *in = s;
    return good;
}

/* Words and dots up to something else: they are a display name, a local part or a group's name.
 */
struct words {
    struct buf phrase; /* as a name: words with one space between them */
    struct buf local;  /* as a local part                              */
    bool any;          /* there was at least one                       */
    bool is_local;     /* words and dots take turns, as they must there */
};

static void words_init(struct words *w, size_t max)
{
    buf_init(&w->phrase, 2 * max + 1);
    buf_init(&w->local, max);
    w->any = w->is_local = false;
}

static void words_done(struct words *w)
{
    buf_done(&w->phrase);
    buf_done(&w->local);
}

/* phrase = 1*word / obs-phrase; local-part = dot-atom / quoted-string / obs-local-part */
static void read_words(struct str *in, struct words *w)
{
    bool after_dot = true, strict = true;

    w->any = false;
    buf_clear(&w->phrase);
    buf_clear(&w->local);
    for (skip_cfws(in);; skip_cfws(in)) {
        size_t before = w->local.n;

        if (scan_mail_word(in, &w->local)) {
            strict = strict && after_dot;
            if (w->phrase.n)
                buf_add_byte(&w->phrase, ' ');
            buf_add(&w->phrase, str_skip(buf_str(&w->local), before));
            after_dot = false;
        } else if (scan_byte(in, '.')) {
            strict = strict && !after_dot;
            buf_add_byte(&w->local, '.');
            buf_add_byte(&w->phrase, '.');
            after_dot = true;
        } else {
            break;
        }
        w->any = true;
    }
    w->is_local = w->any && strict && !after_dot;
}

/* "@" domain behind the local part in `w` */
static bool scan_addr_spec(struct arena *a, struct str *in, const struct words *w,
                           struct str *out)
{
    struct str s = *in, local, domain;

    if (!w->is_local || w->local.n > ADDRESS_LOCAL_BYTES)
        return false;
    if (!scan_byte(&s, '@') || !scan_mail_domain(a, &s, &domain))
        return false;
    local = canonical_local(a, arena_dup(a, buf_str(&w->local)));
    if (local.n == 0 || local.n > ADDRESS_LOCAL_BYTES)
        return false;
    *out = arena_printf(a, "%.*s@%.*s", STR_ARGS(local), STR_ARGS(domain));
    *in = s;
    return true;
}

/* obs-route = obs-domain-list ":" */
static bool skip_mail_route(struct arena *a, struct str *in)
{
    struct str s = *in, domain;
    bool any = false;

    for (skip_cfws(&s);; skip_cfws(&s)) {
        if (scan_byte(&s, ','))
            continue;
        if (!scan_byte(&s, '@'))
            break;
        if (!scan_mail_domain(a, &s, &domain))
            return false;
        any = true;
    }
    if (!any || !scan_byte(&s, ':'))
        return false;
    *in = s;
    return true;
}

/* angle-addr = [CFWS] "<" addr-spec ">" [CFWS] / obs-angle-addr; the name is in `w`, and goes.
 */
static bool scan_angle_addr(struct arena *a, struct str *in, struct words *w,
                            struct address *out)
{
    struct str s = *in, name = arena_dup(a, buf_str(&w->phrase));

    if (!scan_byte(&s, '<'))
        return false;
    skip_mail_route(a, &s);
    read_words(&s, w);
    if (!scan_addr_spec(a, &s, w, &out->address))
        return false;
    skip_cfws(&s);
    if (!scan_byte(&s, '>'))
        return false;
    out->name = name;
    *in = s;
    return true;
}

struct found {
    struct arena *a;
    struct address *v;
    size_t n, room, max;
};

static bool keep(struct found *f, struct address address)
{
    if (f->n == f->max)
        return false;
    if (f->n == f->room) {
        size_t room = f->room ? f->room * 2 : 4;
        struct address *v = ARENA_ARRAY(f->a, struct address, room);

        if (f->n)
            memcpy(v, f->v, f->n * sizeof(*v));
        f->v = v;
        f->room = room;
    }
    f->v[f->n++] = address;
    return true;
}

/* address-list = (address *("," address)) / obs-addr-list; address = mailbox / group
 *
 * A group may not stand in a group. Empty places between commas are obs-addr-list's. */
static bool read_list(struct str in, struct words *w, struct found *f)
{
    bool in_group = false;

    for (;;) {
        struct address address = {.name = STR_LIT("")};

        read_words(&in, w);
        bool any = w->any;
        if (!in_group && any && scan_byte(&in, ':')) {
            in_group = true;
            continue;
        }
        if (scan_angle_addr(f->a, &in, w, &address) ||
            scan_addr_spec(f->a, &in, w, &address.address)) {
            if (!keep(f, address))
                return false;
        } else if (any) {
            return false;
        }
        skip_cfws(&in);
        if (in_group && scan_byte(&in, ';')) {
            in_group = false;
            skip_cfws(&in);
        }
        if (in.n == 0)
            return !in_group;
        if (!scan_byte(&in, ','))
            return false;
    }
}

bool address_list_parse(struct arena *a, struct str field, size_t max, struct address **out,
                        size_t *n)
{
    struct found f = {.a = a, .max = max};
    struct words w;

    words_init(&w, field.n);
    bool good = read_list(field, &w, &f);
    words_done(&w);
    if (!good)
        return false;
    *out = f.v;
    *n = f.n;
    return true;
}
