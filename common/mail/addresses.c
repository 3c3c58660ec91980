#include "mail/addresses.h"

#include "mail/envelope.h"

#include <string.h>

/* Text that is put together; never longer than twice what was read. */
struct text {
    char *p;
    size_t n;
    bool any; /* also where it is "" in quotes */
};

struct reader {
    struct str in;
    struct buf *out;
    unsigned n, max;
    bool quotes;               /* there is a second one for each so far              */
    bool group;                /* inside one                                         */
    bool broken;               /* the words do not make a local part                 */
    struct text name;          /* of the address that is read                        */
    struct text phrase, local; /* the words read last, as the one and as the other   */
    struct text word, domain, route, comment;
};

static void add(struct text *t, struct str s)
{
    if (s.n)
        memcpy(t->p + t->n, s.p, s.n);
    t->n += s.n;
    t->any = true;
}

static void add_byte(struct text *t, char c)
{
    t->p[t->n++] = c;
    t->any = true;
}

static void clear(struct text *t)
{
    t->n = 0;
    t->any = false;
}

static struct str text_str(const struct text *t)
{
    return (struct str){t->p, t->n};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* White space, with folding, is one space. */
static void add_seen(struct text *t, char c)
{
    if (!is_space(c))
        add_byte(t, c);
    else if (t->n == 0 || t->p[t->n - 1] != ' ')
        add_byte(t, ' ');
}

/* comment = "(" *([FWS] ccontent) [FWS] ")"        RFC 5322 3.2.2
 * Its text is kept: it may be the name of an address. One that is not closed goes to the end.
 */
static void take_comment(struct reader *r)
{
    unsigned depth = 0;

    clear(&r->comment);
    do {
        char c = r->in.p[0];

        r->in = str_skip(r->in, 1);
        if (c == ')' && --depth == 0)
            break;
        if (c == '\\' && r->in.n) {
            c = r->in.p[0];
            r->in = str_skip(r->in, 1);
        } else if (c == '(' && depth++ == 0) {
            continue;
        }
        add_seen(&r->comment, c);
    } while (r->in.n);
    struct str text = str_trim(text_str(&r->comment));
    memmove(r->comment.p, text.p, text.n);
    r->comment.n = text.n;
}

/* [CFWS]; was there any? */
static bool skip_cfws_here(struct reader *r)
{
    size_t before = r->in.n;

    while (r->in.n) {
        if (r->in.p[0] == '(')
            take_comment(r);
        else if (is_space(r->in.p[0]))
            r->in = str_skip(r->in, 1);
        else
            break;
    }
    return r->in.n != before;
}

static bool at(const struct reader *r, char c)
{
    return r->in.n && r->in.p[0] == c;
}

/* Where the quoted string at the front ends, behind its quote; 0 where it does not. After one
 * that does not, quotes are no more than octets in the way: nothing is searched twice. */
static size_t quoted_end(struct reader *r)
{
    if (!at(r, '"') || !r->quotes)
        return 0;
    for (size_t i = 1; i < r->in.n; i++) {
        if (r->in.p[i] == '\\')
            i++;
        else if (r->in.p[i] == '"')
            return i + 1;
    }
    r->quotes = false;
    return 0;
}

/* quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE        RFC 5322 3.2.4 */
static bool take_quoted(struct reader *r, struct text *to)
{
    size_t end = quoted_end(r);

    if (end == 0)
        return false;
    clear(to);
    to->any = true;
    for (size_t i = 1; i < end - 1; i++) {
        if (r->in.p[i] == '\\')
            i++;
        if (r->in.p[i] == '\r' || r->in.p[i] == '\n')
            continue; /* RFC 5322 2.2.3: the white space behind it stays */
        add_byte(to, r->in.p[i] == '\t' ? ' ' : r->in.p[i]);
    }
    r->in = str_skip(r->in, end);
    return true;
}

/* atext, and what else is no special: 8-bit, controls */
static bool is_atom(char c)
{
    return c && !is_space(c) && !strchr("()<>@,;:\\\".[]", c);
}

/* Also with octets of `more`, which people write in names. */
static bool take_atom(struct reader *r, struct text *to, const char *more)
{
    size_t n = 0;

    while (n < r->in.n && (is_atom(r->in.p[n]) || (r->in.p[n] && strchr(more, r->in.p[n]))))
        n++;
    if (n == 0)
        return false;
    add(to, str_first(r->in, n));
    r->in = str_skip(r->in, n);
    return true;
}

/* phrase = 1*word / obs-phrase; local-part = word *("." word), dots also as they come. The same
 * octets are read as both: what follows tells which it is. */
static void take_words(struct reader *r)
{
    bool after_word = false, space = skip_cfws_here(r);

    clear(&r->phrase);
    clear(&r->local);
    r->broken = false;
    for (;; space = skip_cfws_here(r)) {
        bool dot = at(r, '.');

        clear(&r->word);
        if (dot) {
            add_byte(&r->word, '.');
            r->in = str_skip(r->in, 1);
        } else if (!take_quoted(r, &r->word) && !take_atom(r, &r->word, "[]\\")) {
            if (!at(r, '"'))
                return;
            r->in = str_skip(r->in, 1);
            continue;
        }
        if (!r->phrase.any)
            clear(&r->comment);
        r->broken = r->broken || (!dot && after_word);
        if (r->phrase.n && !dot && (space || after_word))
            add_byte(&r->phrase, ' ');
        add(&r->phrase, text_str(&r->word));
        add(&r->local, text_str(&r->word));
        after_word = !dot;
    }
}

/* domain = dot-atom / domain-literal / obs-domain        RFC 5322 3.4.1, 4.4 */
static void take_domain(struct reader *r)
{
    clear(&r->domain);
    skip_cfws_here(r);
    if (at(r, '[')) {
        size_t end = str_find(r->in, ']');

        for (size_t i = 0; end < r->in.n && i <= end; i++)
            if (r->in.p[i] != '\r' && r->in.p[i] != '\n')
                add_byte(&r->domain, r->in.p[i]);
        r->in = str_skip(r->in, end < r->in.n ? end + 1 : end);
        return;
    }
    for (;;) {
        take_atom(r, &r->domain, "");
        skip_cfws_here(r);
        if (!at(r, '.'))
            return;
        add_byte(&r->domain, '.');
        r->in = str_skip(r->in, 1);
        skip_cfws_here(r);
    }
}

/* obs-route = obs-domain-list ":"        RFC 5322 4.4; "@a,@b" of it is kept */
static void take_route(struct reader *r)
{
    for (;;) {
        skip_cfws_here(r);
        if (at(r, ',')) {
            r->in = str_skip(r->in, 1);
            continue;
        }
        if (!at(r, '@'))
            break;
        r->in = str_skip(r->in, 1);
        take_domain(r);
        if (r->route.n)
            add_byte(&r->route, ',');
        add_byte(&r->route, '@');
        add(&r->route, text_str(&r->domain));
    }
    if (at(r, ':'))
        r->in = str_skip(r->in, 1);
    else
        clear(&r->route);
    clear(&r->domain);
}

static void print_text(struct buf *out, const struct text *t, struct str without)
{
    if (t->any)
        imap_string(out, text_str(t));
    else
        imap_nstring(out, without);
}

static const struct str none = {NULL, 0};

static void print(struct reader *r, const struct text *name)
{
    if (r->n == r->max)
        return;
    r->n++;
    buf_add_byte(r->out, '(');
    imap_nstring(r->out, name->n ? text_str(name) : none);
    buf_add_byte(r->out, ' ');
    print_text(r->out, &r->route, none);
    buf_add_byte(r->out, ' ');
    print_text(r->out, &r->local, STR("MISSING_MAILBOX"));
    buf_add_byte(r->out, ' ');
    imap_string(r->out, r->domain.n ? text_str(&r->domain) : STR("MISSING_DOMAIN"));
    buf_add_byte(r->out, ')');
}

/* RFC 3501 7.4.2: host NIL begins a group, and ends it where the mailbox is NIL too. The end
 * has room kept for it. */
static void begin_group(struct reader *r)
{
    if (r->n + 2 > r->max)
        return;
    r->n++;
    r->max--;
    r->group = true;
    buf_add(r->out, STR("(NIL NIL "));
    imap_string(r->out, text_str(&r->phrase));
    buf_add(r->out, STR(" NIL)"));
}

static void end_group(struct reader *r)
{
    if (!r->group)
        return;
    r->group = false;
    r->max++;
    r->n++;
    buf_add(r->out, STR("(NIL NIL NIL NIL)"));
}

/* To the comma or semicolon: what nobody understands. */
static void skip_rest(struct reader *r)
{
    while (skip_cfws_here(r), r->in.n && !at(r, ',') && !at(r, ';')) {
        size_t n = quoted_end(r);

        r->in = str_skip(r->in, n ? n : 1);
    }
}

/* angle-addr = [CFWS] "<" addr-spec ">" [CFWS] / obs-angle-addr */
static void take_angle(struct reader *r)
{
    struct text words = r->name;

    r->name = r->phrase;
    r->phrase = words;
    r->in = str_skip(r->in, 1);
    skip_cfws_here(r);
    if (at(r, '@') || at(r, ','))
        take_route(r);
    take_words(r);
    if (r->broken) { /* <a b@c> is meant as <"a b"@c> */
        words = r->local;
        r->local = r->phrase;
        r->phrase = words;
    }
    if (at(r, '@')) {
        r->in = str_skip(r->in, 1);
        take_domain(r);
    }
}

/* What stands alone: addr-spec, or words that are none. The comment behind it is its name, as
 * in mail of before 1982. */
static void take_alone(struct reader *r)
{
    if (r->broken) {
        add(&r->name, text_str(&r->phrase));
        clear(&r->local);
    } else if (at(r, '@')) {
        r->in = str_skip(r->in, 1);
        take_domain(r);
    }
}

/* address = mailbox / group: the group's beginning only */
static void take_address(struct reader *r)
{
    size_t before = r->in.n;

    clear(&r->name);
    clear(&r->route);
    clear(&r->domain);
    clear(&r->comment);
    take_words(r);
    if (at(r, ':') && !r->group && r->phrase.any) {
        begin_group(r);
        r->in = str_skip(r->in, 1);
        return;
    }
    if (at(r, '<'))
        take_angle(r);
    else if (r->phrase.any || at(r, '@'))
        take_alone(r);
    else if (r->in.n == before && !at(r, ',') && !at(r, ';')) {
        r->in = str_skip(r->in, 1); /* nothing begins with it */
        return;
    } else if (!at(r, ',') && !at(r, ';')) {
        return;
    }
    skip_rest(r);
    if (r->name.n || r->local.n || r->domain.n)
        print(r, r->name.n ? &r->name : &r->comment);
}

/* address-list = (address *("," address)) / obs-addr-list: empty places are nothing, a
 * semicolon needs no comma behind it. */
static void read_list(struct reader *r)
{
    while (r->in.n && r->n < r->max) {
        take_address(r);
        if (at(r, ';'))
            end_group(r);
        if (at(r, ';') || at(r, ','))
            r->in = str_skip(r->in, 1);
    }
    end_group(r);
}

unsigned addresses_print(struct buf *out, struct str field, unsigned max, struct arena *scratch)
{
    struct reader r = {.in = field, .out = out, .max = max, .quotes = true};
    struct text *texts[] = {&r.name,   &r.phrase, &r.local,  &r.word,
                            &r.domain, &r.route,  &r.comment};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        texts[i]->p = arena_alloc(scratch, 2 * field.n + 2);
    read_list(&r);
    return r.n;
}
