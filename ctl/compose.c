#include "ctl/compose.h"

#include "base/ascii.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/trace.h"

/* ---- the bytes ---- */

/* The next line of `in` without its end; false at the end of the letter. A bare CR ends a line
 * too: that is what it becomes on the way, and the head must be seen as it will be sent. */
static bool next_line(struct str *in, bool dot_is_text, struct str *line)
{
    size_t n = 0;

    if (!in->n)
        return false;
    while (n < in->n && in->p[n] != '\n' && in->p[n] != '\r')
        n++;
    *line = str_first(*in, n);
    *in = str_skip(*in, n);
    scan_byte(in, '\r');
    scan_byte(in, '\n');
    return dot_is_text || !str_eq(*line, STR("."));
}

static void clean(struct str in, bool dot_is_text, struct buf *out)
{
    struct str line;
    bool first = true;

    while (next_line(&in, dot_is_text, &line)) {
        if (!first || !str_starts(line, STR("From "))) {
            buf_add(out, line);
            buf_add_byte(out, '\n');
        }
        first = false;
    }
}

/* Does the letter begin with a field? If not, all of it is body. */
static bool begins_with_field(struct str letter)
{
    struct header_field f;
    struct str in = letter;

    return header_next(&in, &f) && f.all.p == letter.p;
}

/* ---- the addresses ---- */

struct str compose_origin(struct str hostname)
{
    size_t dot = str_find(hostname, '.');
    struct str rest = str_skip(hostname, dot < hostname.n ? dot + 1 : dot);

    return str_find(rest, '.') < rest.n ? rest : hostname;
}

static bool add_rcpt(struct composed *out, const struct compose_context *c, struct str address)
{
    for (size_t i = 0; i < out->nrcpts; i++)
        if (str_eq_nocase(out->rcpts[i], address))
            return true;
    if (out->nrcpts == c->rcpts_max)
        return false;
    out->rcpts[out->nrcpts++] = address;
    for (size_t i = 0; i < address.n; i++)
        out->utf8 = out->utf8 || ascii_is_8bit(address.p[i]);
    return true;
}

/* "alice" is alice@ORIGIN; everything else has to be a mailbox. */
static bool whole_address(struct arena *a, const struct compose_context *c, struct str text,
                          struct str *out)
{
    text = str_trim(text);
    if (text.n > 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
        text = (struct str){text.p + 1, text.n - 2};
    if (address_parse(a, text, out))
        return true;
    return str_find(text, '@') == text.n &&
           address_parse(a, arena_printf(a, "%.*s@%.*s", STR_ARGS(text), STR_ARGS(c->origin)),
                         out);
}

/* The words of a field that are names of this host get their domain before the parser sees
 * them. */
static bool bare_name(struct str word)
{
    word = str_trim(word);
    for (size_t i = 0; i < word.n; i++)
        if (!ascii_is_alnum(word.p[i]) && !strchr("._-+", word.p[i]))
            return false;
    return word.n > 0;
}

static struct str complete_names(struct arena *a, const struct compose_context *c,
                                 struct str field)
{
    struct buf out;
    struct str rest = header_unfold(a, field), made;

    buf_init(&out, (size_t)HEADER_BYTES * 2);
    while (rest.n) {
        size_t n = str_find(rest, ',');
        struct str word = str_first(rest, n);

        buf_add(&out, word);
        if (bare_name(word))
            buf_addf(&out, "@%.*s", STR_ARGS(c->origin));
        if (n < rest.n)
            buf_add_byte(&out, ',');
        rest = str_skip(rest, n < rest.n ? n + 1 : n);
    }
    made = arena_dup(a, buf_str(&out));
    buf_done(&out);
    return made;
}

static int rcpts_of_field(struct arena *a, const struct compose_context *c,
                          const struct header_field *f, struct composed *out, struct err *err)
{
    struct address *list;
    size_t n;
    struct str value = f->value;

    if (!str_trim(header_unfold(a, value)).n)
        return 0;
    /* As it stands first: a quoted comma is no end of a name. */
    if (!address_list_parse(a, value, c->rcpts_max, &list, &n) &&
        !address_list_parse(a, complete_names(a, c, value), c->rcpts_max, &list, &n))
        return err_set(err, E_SYNTAX, "the field \"%.*s\" is no list of addresses",
                       STR_ARGS(f->name));
    for (size_t i = 0; i < n; i++)
        if (!add_rcpt(out, c, list[i].address))
            return err_set(err, E_LIMIT, "more than %zu recipients", c->rcpts_max);
    return 0;
}

static bool is_rcpt_field(struct str name, bool resent)
{
    return resent ? str_eq_nocase(name, STR("Resent-To")) ||
                        str_eq_nocase(name, STR("Resent-Cc")) ||
                        str_eq_nocase(name, STR("Resent-Bcc"))
                  : str_eq_nocase(name, STR("To")) || str_eq_nocase(name, STR("Cc")) ||
                        str_eq_nocase(name, STR("Bcc"));
}

static int rcpts_of_head(struct arena *a, const struct compose_context *c, struct str head,
                         struct composed *out, struct err *err)
{
    struct header_field f;
    bool resent = false;
    int rc = 0;

    for (struct str in = head; header_next(&in, &f);)
        resent = resent || is_rcpt_field(f.name, true);
    for (struct str in = head; rc == 0 && header_next(&in, &f);)
        if (is_rcpt_field(f.name, resent))
            rc = rcpts_of_field(a, c, &f, out, err);
    return rc;
}

static int rcpts_of_words(struct arena *a, const struct sendmail_args *args,
                          const struct compose_context *c, struct composed *out,
                          struct err *err)
{
    for (size_t i = 0; i < args->nrcpts; i++) {
        struct str rest = str_c(args->rcpts[i]), word, address;

        while (scan_until(&rest, ',', &word)) {
            if (!whole_address(a, c, word, &address))
                return err_set(err, E_SYNTAX, "the recipient \"%.*s\" is no address",
                               STR_ARGS(word));
            if (!add_rcpt(out, c, address))
                return err_set(err, E_LIMIT, "more than %zu recipients", c->rcpts_max);
            scan_byte(&rest, ',');
        }
    }
    return 0;
}

static int find_sender(struct arena *a, const struct sendmail_args *args,
                       const struct compose_context *c, struct composed *out, struct err *err)
{
    struct str given = args->sender ? str_c(args->sender) : c->login;

    if (args->sender && (!given.n || str_eq(given, STR("<>")))) {
        out->sender = STR("");
        return 0;
    }
    if (!whole_address(a, c, given, &out->sender))
        return err_set(err, E_SYNTAX, "the sender is no address: give one with -f");
    for (size_t i = 0; i < out->sender.n; i++)
        out->utf8 = out->utf8 || ascii_is_8bit(out->sender.p[i]);
    return 0;
}

/* ---- the head ---- */

/* display-name: quoted, without what could end the field      RFC 5322 3.2.4 */
static void add_name(struct buf *out, const char *name)
{
    buf_add_byte(out, '"');
    for (const char *p = name; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, ascii_is_print(*p) || ascii_is_8bit(*p) ? *p : (char)' ');
    }
    buf_add_byte(out, '"');
}

static void add_missing(struct buf *out, struct str head, const struct sendmail_args *args,
                        const struct compose_context *c, struct str sender)
{
    struct header_field f;

    if (!header_find(head, STR("Date"), &f)) {
        buf_add(out, STR("Date: "));
        date_print(out, c->now_s);
        buf_add_byte(out, '\n');
    }
    if (!header_find(head, STR("From"), &f)) {
        buf_add(out, STR("From: "));
        if (args->name)
            add_name(out, args->name);
        if (sender.n)
            buf_addf(out, "%s<%.*s>\n", args->name ? " " : "", STR_ARGS(sender));
        else
            buf_addf(out, "%s<%.*s@%.*s>\n", args->name ? " " : "", STR_ARGS(c->login),
                     STR_ARGS(c->hostname));
    }
    if (!header_find(head, STR("Message-ID"), &f))
        trace_message_id_print(out, &c->id, c->hostname);
}

/* Whole fields as they were, without Bcc (RFC 5322 3.6.3); lines that are none stay. */
static void add_head(struct buf *out, struct str head)
{
    struct header_field f;
    struct str in = head;
    const char *from = head.p;

    while (header_next(&in, &f)) {
        if (!str_eq_nocase(f.name, STR("Bcc")) && !str_eq_nocase(f.name, STR("Resent-Bcc")))
            continue;
        buf_add(out, (struct str){from, (size_t)(f.all.p - from)});
        from = f.all.p + f.all.n;
    }
    buf_add(out, (struct str){from, (size_t)(head.p + head.n - from)});
}

static void count_wire(struct composed *out)
{
    struct str s = buf_str(&out->letter);

    out->wire_size = s.n;
    for (size_t i = 0; i < s.n; i++) {
        out->wire_size += s.p[i] == '\n';
        out->eight_bit = out->eight_bit || ascii_is_8bit(s.p[i]);
    }
}

static int compose_clean(struct arena *a, struct str letter, const struct sendmail_args *args,
                         const struct compose_context *c, struct composed *out, struct err *err)
{
    bool has_head = begins_with_field(letter) || str_starts(letter, STR("\n"));
    struct str head = str_first(letter, has_head ? header_end(letter) : 0);
    int rc = find_sender(a, args, c, out, err);

    if (rc == 0)
        rc = rcpts_of_words(a, args, c, out, err);
    if (rc == 0 && args->from_head)
        rc = rcpts_of_head(a, c, head, out, err);
    if (rc < 0)
        return rc;
    if (!out->nrcpts)
        return err_set(err, E_NOT_FOUND, "there is no recipient%s",
                       args->from_head ? ", neither in To, Cc, Bcc nor on the command line"
                                       : ": name one, or use -t");
    add_missing(&out->letter, head, args, c, out->sender);
    add_head(&out->letter, head);
    if (!has_head)
        buf_add_byte(&out->letter, '\n');
    buf_add(&out->letter, str_skip(letter, head.n));
    count_wire(out);
    return 0;
}

int compose(struct arena *a, struct str input, const struct sendmail_args *args,
            const struct compose_context *c, struct composed *out, struct err *err)
{
    struct composed made = {.rcpts = ARENA_ARRAY(a, struct str, c->rcpts_max)};
    struct buf letter;
    int rc;

    buf_init(&letter, input.n + 1); /* no line grows, the last may gain its end */
    buf_init(&made.letter, input.n + HEADER_BYTES);
    clean(input, args->dot_is_text, &letter);
    rc = compose_clean(a, buf_str(&letter), args, c, &made, err);
    if (rc == 0 && buf_failed(&made.letter))
        rc = err_set(err, E_LIMIT, "the letter is too long");
    buf_done(&letter);
    if (rc == 0)
        *out = made;
    else
        buf_done(&made.letter);
    return rc;
}

void composed_done(struct composed *c)
{
    buf_done(&c->letter);
}
