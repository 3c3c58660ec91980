/* dsn_text - the first part of a report: what happened, to whom, why, what to do, and what the
 * other side said, for a person who knows nothing of SMTP. */
#include "base/ascii.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/dsn_impl.h"
#include "mail/encoding.h"
#include "mail/header.h"
#include "mail/reason.h"

enum {
    TITLE_BYTES = 200,   /* of the letter's Subject in ours          */
    SUBJECT_BYTES = 900, /* of it in the words, and of its Date      */
    FIRST_COLUMN = 9,    /* behind "Subject: "                       */
    LINE_BYTES = 76,
    HOST_BYTES = 255,
};

/* ---- the subject ---- */

static const struct title {
    struct str before, alone;
} titles[] = {
    [DSN_FAILED] = {STR_LIT("Undelivered:"), STR_LIT("Your message could not be delivered")},
    [DSN_DELAYED] = {STR_LIT("Delayed:"),     STR_LIT("Your message is delayed")            },
    [DSN_DELIVERED] = {STR_LIT("Delivered:"),   STR_LIT("Your message was delivered")         },
    [DSN_RELAYED] = {STR_LIT("Passed on:"),   STR_LIT("Your message was passed on")         },
    [DSN_EXPANDED] = {STR_LIT("Passed on:"),   STR_LIT("Your message was passed on")         },
};

/* One word of a folded value; encoded words (RFC 2047) have no space in them. */
static bool next_word(struct str *rest, struct str *word)
{
    size_t n = 0;

    while (rest->n && strchr(" \t\r\n", rest->p[0]))
        *rest = str_skip(*rest, 1);
    while (n < rest->n && !strchr(" \t\r\n", rest->p[n]))
        n++;
    *word = str_first(*rest, n);
    *rest = str_skip(*rest, n);
    return n > 0;
}

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_print(s.p[i]))
            return false;
    return true;
}

/* As many whole words of the letter's own subject as there is room for; a line with encoded
 * words is at most 76 long (RFC 2047 2). False: there is nothing in it that may stand here. */
static bool add_words(struct buf *out, struct str value, size_t column)
{
    struct str word, rest = value;
    size_t total = 0;

    while (next_word(&rest, &word)) {
        if (!is_printable(word) || word.n > TITLE_BYTES)
            return total > 0;
        total += word.n + 1;
        if (total > TITLE_BYTES) {
            buf_add(out, STR(" ..."));
            return true;
        }
        if (column + 1 + word.n > LINE_BYTES) {
            buf_add_byte(out, '\n');
            column = 0;
        }
        buf_add_byte(out, ' ');
        buf_add(out, word);
        column += word.n + 1;
    }
    return total > 0;
}

void dsn_add_title(struct buf *out, const struct dsn *d)
{
    const struct title *t = &titles[dsn_worst(d)];
    struct header_field subject;
    struct buf words;
    bool any;

    buf_init(&words, 2 * DSN_FIELD_BYTES);
    any = header_find(d->letter, STR("Subject"), &subject) &&
          add_words(&words, subject.value, FIRST_COLUMN + t->before.n);
    buf_add(out, any ? t->before : t->alone);
    if (any)
        buf_add(out, buf_str(&words));
    buf_done(&words);
}

/* ---- what it is about ---- */

static const char margin[] = "    ";

static bool any_is(const struct dsn *d, enum dsn_action action)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i].action == action)
            return true;
    return false;
}

/* Decoded, on one line; what hides in encoded words is no line end any more. */
static void add_field_shown(struct buf *out, const char *name, struct str value)
{
    struct buf text;

    buf_init(&text, 4 * SUBJECT_BYTES);
    encoded_words_decode(&text, str_first(value, SUBJECT_BYTES));
    buf_addf(out, "    %-12s", name);
    struct str shown = str_trim(buf_str(&text));
    for (size_t i = 0; i < shown.n; i++)
        buf_add_byte(out, shown.p[i] == '\t' ? ' ' : shown.p[i]);
    buf_add_byte(out, '\n');
    buf_done(&text);
}

static void add_what_it_was(struct buf *out, const struct dsn *d)
{
    struct header_field f;

    if (header_find(d->letter, STR("Subject"), &f))
        add_field_shown(out, "Subject:", f.value);
    if (header_find(d->letter, STR("To"), &f))
        add_field_shown(out, "To:", f.value);
    if (header_find(d->letter, STR("Date"), &f))
        add_field_shown(out, "Date:", f.value);
    buf_add(out, STR("    Came to us: "));
    date_print(out, d->arrived_s);
    buf_add(out, STR("\n"));
}

/* ---- each recipient ---- */

static const struct group {
    struct str one, many; /* before the recipients */
    struct str after;
} groups[] = {
    [DSN_FAILED] = {STR_LIT("Your message could not be delivered to this recipient, and will "
                            "not be tried again:"),
                    STR_LIT("Your message could not be delivered to these recipients, and will "
                            "not be tried again:"),
                    STR_LIT("")                                          },
    [DSN_DELAYED] = {STR_LIT("Your message has not reached this recipient yet:"),
                    STR_LIT("Your message has not reached these recipients yet:"),
                    STR_LIT("You need not do anything, and should not send it again: it is "
                             "tried by itself. If it cannot be delivered in the end you will "
                             "be told.")                                 },
    [DSN_DELIVERED] = {STR_LIT("As you asked to be told: your message is in the mailbox of"),
                    STR_LIT("As you asked to be told: your message is in the mailboxes of"),
                    STR_LIT("")                                          },
    [DSN_RELAYED] = {STR_LIT("As you asked to be told: your message was passed on to a server "
                             "that does not report deliveries, for"),
                    STR_LIT("As you asked to be told: your message was passed on to a server "
                             "that does not report deliveries, for"),
                    STR_LIT("You will not hear from us when it arrives.")},
    [DSN_EXPANDED] = {STR_LIT("As you asked to be told: your message was passed on to the "
                              "people behind this address:"),
                    STR_LIT("As you asked to be told: your message was passed on to the "
                              "people behind these addresses:"),
                    STR_LIT("You will be told where it does not reach one of them, not where "
                              "it does.")                                },
};

static size_t count(const struct dsn *d, enum dsn_action action)
{
    size_t n = 0;

    for (size_t i = 0; i < d->nrcpts; i++)
        n += d->rcpts[i].action == action;
    return n;
}

static void add_paragraph(struct buf *out, struct str text, const char *indent)
{
    buf_add(out, str_c(indent));
    dsn_add_wrapped(out, text, strlen(indent), indent);
    buf_add_byte(out, '\n');
}

/* With the one that was asked for, where that led here. */
static void add_address(struct buf *out, const struct dsn_rcpt *r)
{
    struct str rest = r->original, type;

    buf_add(out, STR("<"));
    address_add(out, str_first(r->final, DSN_FIELD_BYTES));
    buf_add(out, STR(">\n"));
    if (scan_until(&rest, ';', &type) && scan_byte(&rest, ';') &&
        str_eq_nocase(type, STR("rfc822")) && rest.n && !str_eq_nocase(rest, r->final)) {
        buf_add(out, STR("    (you wrote to <"));
        dsn_add_shown(out, rest);
        buf_add(out, STR(">)\n"));
    }
}

static void add_server(struct buf *out, const struct dsn_rcpt *r)
{
    dsn_add_shown(out, str_first(r->remote, HOST_BYTES));
    if (r->ip.n) {
        buf_add(out, STR(" ["));
        dsn_add_shown(out, str_first(r->ip, HOST_BYTES));
        buf_add_byte(out, ']');
    }
}

/* The words whole, and who said them. */
static void add_words_said(struct buf *out, const struct dsn_rcpt *r)
{
    struct buf words;

    if (r->code == 0 && r->diagnostic.n == 0)
        return;
    buf_add(out, str_c(margin));
    if (r->said && r->remote.n) {
        buf_add(out, STR("The server "));
        add_server(out, r);
        buf_add(out, STR(" said:\n"));
    } else if (r->remote.n) {
        buf_add(out, STR("What we saw at "));
        add_server(out, r);
        buf_add(out, STR(":\n"));
    } else {
        buf_add(out, STR("In the words of our own system:\n"));
    }
    buf_init(&words, DSN_TEXT_BYTES);
    if (r->code)
        buf_addf(&words, "%d ", r->code);
    if (r->code && r->status.n)
        buf_addf(&words, "%.*s ", STR_ARGS(str_first(r->status, 11)));
    buf_add(&words, str_first(r->diagnostic, DSN_TEXT_BYTES - 20));
    add_paragraph(out, buf_str(&words), "        ");
    buf_done(&words);
}

/* A failure of that class could have gone away with time. */
static bool is_for_now(const struct dsn_rcpt *r)
{
    return r->code ? r->code / 100 == 4 : r->status.n && r->status.p[0] == '4';
}

/* How long it was tried, where it was given up for its age. */
static void add_age(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
    int64_t age = d->now_s > d->arrived_s ? d->now_s - d->arrived_s : 0;
    int64_t n = age < 2 * 60 ? age : age < 2 * 3600 ? age / 60 : age / 3600;
    const char *unit = age < 2 * 60 ? "second" : age < 2 * 3600 ? "minute" : "hour";

    if (r->action == DSN_FAILED && !is_for_now(r))
        return;
    if (age >= 2 * 24 * 3600) {
        n = age / (24 * 3600);
        unit = "day";
    }
    buf_addf(out, "    It has been tried for %lld %s%s", (long long)n, unit, n == 1 ? "" : "s");
    if (r->action == DSN_DELAYED && r->retry_until_s) {
        buf_add(out, STR(", and is tried until\n    "));
        date_print(out, r->retry_until_s);
    }
    buf_add(out, STR(".\n"));
}

static void add_rcpt(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
    const struct reason *why;

    buf_add_byte(out, '\n');
    add_address(out, r);
    if (r->action != DSN_FAILED && r->action != DSN_DELAYED)
        return;
    why = reason_find(r->code, r->status, r->diagnostic);
    add_paragraph(out, why->what, margin);
    add_age(out, d, r);
    if (r->action == DSN_FAILED)
        add_paragraph(out, why->advice, margin);
    add_words_said(out, r);
}

static void add_group(struct buf *out, const struct dsn *d, enum dsn_action action)
{
    size_t n = count(d, action);

    buf_add_byte(out, '\n');
    add_paragraph(out, n == 1 ? groups[action].one : groups[action].many, "");
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i].action == action)
            add_rcpt(out, d, &d->rcpts[i]);
    if (groups[action].after.n) {
        buf_add_byte(out, '\n');
        add_paragraph(out, groups[action].after, "");
    }
}

void dsn_add_text(struct buf *out, const struct dsn *d)
{
    buf_add(out, STR("This is the mail system at "));
    dsn_add_shown(out, d->hostname);
    buf_add(out, STR(". It is about this message of yours:\n\n"));
    add_what_it_was(out, d);
    for (enum dsn_action a = DSN_FAILED; a <= DSN_EXPANDED; a++)
        if (any_is(d, a))
            add_group(out, d, a);
    if (d->letter.n)
        buf_add(out, dsn_returns_whole(d) ? STR("\nYour message is attached.\n")
                                          : STR("\nThe head of your message is attached.\n"));
}
