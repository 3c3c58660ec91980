#include "mail/dsn.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/trace.h"

enum { LINE_BYTES = 76 }; /* of the words for a person */

/* Text from outside on one line: RFC 3464 2.1.1 wants ASCII there, and O03 nothing that a
 * terminal or a header parser would obey. */
static void add_shown(struct buf *out, struct str text)
{
    struct str s = str_first(text, DSN_TEXT_BYTES);

    for (size_t i = 0; i < s.n; i++)
        buf_add_byte(out, ascii_shown(s.p[i]));
}

static void add_field(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, "%s: ", name);
    add_shown(out, value);
    buf_add_byte(out, '\n');
}

static void add_date(struct buf *out, const char *name, int64_t unix_s)
{
    buf_addf(out, "%s: ", name);
    date_print(out, unix_s);
    buf_add_byte(out, '\n');
}

/* ---- what it is about ---- */

static const struct words {
    struct str subject, action, intro, advice;
} words[] = {
    [DSN_FAILED] =
        {
                      STR_LIT("Your message could not be delivered"),
                      STR_LIT("failed"),
                      STR_LIT("Your message could not be delivered to:"),
                      STR_LIT("It will not be tried again. Check the address, or ask that person in "
                    "another way, and\n"
                    "send the message once more if it is still wanted.\n"),
                      },
    [DSN_DELAYED] =
        {
                      STR_LIT("Your message is delayed"),
                      STR_LIT("delayed"),
                      STR_LIT("Your message has not been delivered yet to:"),
                      STR_LIT("You need not do anything: it is tried again by itself. If that does not "
                    "help, you will\n"
                    "be told.\n"),
                      },
    [DSN_DELIVERED] =
        {
                      STR_LIT("Your message was delivered"),
                      STR_LIT("delivered"),
                      STR_LIT("As you asked to be told: your message was delivered to:"),
                      STR_LIT(""),
                      },
    [DSN_RELAYED] =
        {
                      STR_LIT("Your message was passed on"),
                      STR_LIT("relayed"),
                      STR_LIT(
                "Your message was passed on to a server that does not report deliveries, for:"),
                      STR_LIT("You will not be told when it arrives; you will be told if it does not, if "
                    "that server\n"
                    "does so.\n"),
                      },
    [DSN_EXPANDED] =
        {
                      STR_LIT("Your message was passed on"),
                      STR_LIT("expanded"),
                      STR_LIT("Your message was passed on to several recipients in the place of:"),
                      STR_LIT("You will not be told when it reaches each of them.\n"),
                      },
};

/* The worst that happened gives the report its subject: the actions are in that order. */
static enum dsn_action worst(const struct dsn *d)
{
    enum dsn_action action = DSN_EXPANDED;

    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i].action < action)
            action = d->rcpts[i].action;
    return action;
}

/* The part of the letter that goes back. */
static struct str returned(const struct dsn *d)
{
    return d->whole ? d->letter : str_first(d->letter, header_end(d->letter));
}

static bool has_8bit_address(const struct dsn *d)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (!utf8_is_ascii(d->rcpts[i].final) || !utf8_is_ascii(d->rcpts[i].original))
            return true;
    return false;
}

/* RFC 3464 2.1: the original envelope's sender is told; Auto-Submitted keeps it from being
 * answered (RFC 3834 3.1.7). */
static void add_head(struct buf *out, const struct dsn *d)
{
    buf_add(out, STR("From: Mail Delivery System <MAILER-DAEMON@"));
    add_shown(out, d->hostname);
    buf_add(out, STR(">\nTo: <"));
    address_add(out, d->to);
    buf_add(out, STR(">\n"));
    buf_add(out, STR("Subject: "));
    buf_add(out, words[worst(d)].subject);
    buf_add_byte(out, '\n');
    add_date(out, "Date", d->now_s);
    trace_message_id_print(out, &d->id, d->hostname);
    buf_add(out, STR("Auto-Submitted: auto-replied\n"
                     "MIME-Version: 1.0\n"
                     "Content-Type: multipart/report; report-type=delivery-status;\n"
                     "\tboundary=\""));
    buf_add(out, d->boundary);
    buf_add(out, STR("\"\n"));
    if (has_8bit_address(d) || !utf8_is_ascii(returned(d)))
        buf_add(out, STR("Content-Transfer-Encoding: 8bit\n"));
    buf_add_byte(out, '\n');
}

static void add_delimiter(struct buf *out, const struct dsn *d, struct str end)
{
    buf_add(out, STR("\n--"));
    buf_add(out, d->boundary);
    buf_add(out, end);
    buf_add_byte(out, '\n');
}

/* ---- for a person ---- */

/* Indented, and broken at spaces where there are any. */
static void add_wrapped(struct buf *out, struct str text)
{
    struct str rest = str_trim(str_first(text, DSN_TEXT_BYTES));

    while (rest.n) {
        size_t n = rest.n;

        if (n > LINE_BYTES - 8) {
            n = LINE_BYTES - 8;
            while (n && rest.p[n] != ' ')
                n--;
            if (n == 0)
                n = LINE_BYTES - 8;
        }
        buf_add(out, STR("        "));
        add_shown(out, str_first(rest, n));
        buf_add_byte(out, '\n');
        rest = str_trim(str_skip(rest, n));
    }
}

static void add_reason(struct buf *out, const struct dsn_rcpt *r)
{
    if (r->remote.n) {
        buf_add(out, STR("      The server "));
        add_shown(out, r->remote);
        buf_add(out, STR(" said:\n"));
    }
    if (r->diagnostic.n)
        add_wrapped(out, r->diagnostic);
    if (r->action == DSN_DELAYED && r->retry_until_s) {
        buf_add(out, STR("      It is tried until "));
        date_print(out, r->retry_until_s);
        buf_add(out, STR(".\n"));
    }
}

static void add_group(struct buf *out, const struct dsn *d, enum dsn_action action)
{
    bool any = false;

    for (size_t i = 0; i < d->nrcpts; i++) {
        if (d->rcpts[i].action != action)
            continue;
        if (!any) {
            buf_add_byte(out, '\n');
            buf_add(out, words[action].intro);
            buf_add(out, STR("\n\n"));
        }
        buf_add(out, STR("    <"));
        address_add(out, d->rcpts[i].final);
        buf_add(out, STR(">\n"));
        add_reason(out, &d->rcpts[i]);
        any = true;
    }
    if (any && words[action].advice.n) {
        buf_add_byte(out, '\n');
        buf_add(out, words[action].advice);
    }
}

/* On one line again, as it was before it was folded (RFC 5322 2.2.3). */
static void add_subject(struct buf *out, struct str value)
{
    struct str s = str_first(str_trim(value), DSN_TEXT_BYTES);

    buf_add(out, STR("    Subject: "));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\t')
            buf_add_byte(out, ' ');
        else if (s.p[i] != '\n' && s.p[i] != '\r')
            buf_add_byte(out, ascii_shown(s.p[i]));
    }
}

static void add_what_it_was(struct buf *out, const struct dsn *d)
{
    struct header_field subject;

    buf_add(out, STR("This is the mail system at "));
    add_shown(out, d->hostname);
    buf_add(out, STR(".\n\nIt is about your message"));
    if (header_find(d->letter, STR("Subject"), &subject)) {
        buf_add(out, STR("\n\n"));
        add_subject(out, subject.value);
        buf_add(out, STR("\n\nwhich came here"));
    } else {
        buf_add(out, STR(" which came here"));
    }
    buf_add(out, STR(" on "));
    date_print(out, d->arrived_s);
    buf_add(out, STR(".\n"));
}

static void add_text(struct buf *out, const struct dsn *d)
{
    add_delimiter(out, d, STR(""));
    buf_add(out, STR("Content-Type: text/plain; charset=utf-8\n"));
    if (has_8bit_address(d))
        buf_add(out, STR("Content-Transfer-Encoding: 8bit\n"));
    buf_add_byte(out, '\n');
    add_what_it_was(out, d);
    for (enum dsn_action a = DSN_FAILED; a <= DSN_EXPANDED; a++)
        add_group(out, d, a);
    buf_add(out, d->whole ? STR("\nYour message is attached.\n")
                          : STR("\nThe head of your message is attached.\n"));
}

/* ---- for a program: RFC 3464 2.2, 2.3 ---- */

static bool is_status(struct str s)
{
    struct str rest = s;
    uint32_t n;

    return (scan_byte(&rest, '2') || scan_byte(&rest, '4') || scan_byte(&rest, '5')) &&
           scan_byte(&rest, '.') && scan_u32(&rest, 999, &n) && scan_byte(&rest, '.') &&
           scan_u32(&rest, 999, &n) && rest.n == 0;
}

/* Status and action must agree (RFC 3464 2.3.4): a letter given up after a 4.x.x has failed
 * with it, but what was delivered has no 5. */
static struct str status_of(const struct dsn_rcpt *r)
{
    if (is_status(r->status))
        return r->status;
    switch (r->action) {
    case DSN_FAILED:
        return r->code / 100 == 4 ? STR("4.0.0") : STR("5.0.0");
    case DSN_DELAYED:
        return STR("4.0.0");
    case DSN_DELIVERED:
    case DSN_RELAYED:
    case DSN_EXPANDED:
        break;
    }
    return STR("2.0.0");
}

/* "rfc822;a@b", and as it was told: addr-type ";" xtext decoded        RFC 3464 2.3.1 */
static void add_typed(struct buf *out, const char *name, struct str type, struct str address)
{
    buf_addf(out, "%s: ", name);
    if (type.n)
        add_shown(out, type);
    else
        buf_add(out, utf8_is_ascii(address) ? STR("rfc822") : STR("utf-8"));
    buf_add(out, STR("; "));
    address_add(out, address);
    buf_add_byte(out, '\n');
}

static void add_original(struct buf *out, struct str orcpt)
{
    struct str rest = orcpt, type;

    if (scan_until(&rest, ';', &type) && scan_byte(&rest, ';') && rest.n)
        add_typed(out, "Original-Recipient", type, str_trim(rest));
}

/* Diagnostic-Code: smtp; for a reply, x-posta for words of our own        RFC 3464 2.3.6 */
static void add_diagnostic(struct buf *out, const struct dsn_rcpt *r)
{
    if (r->diagnostic.n == 0 && r->code == 0)
        return;
    if (r->code)
        buf_addf(out, "Diagnostic-Code: smtp; %d ", r->code);
    else
        buf_add(out, STR("Diagnostic-Code: x-posta; "));
    if (r->code && is_status(r->status)) {
        buf_add(out, r->status);
        buf_add_byte(out, ' ');
    }
    add_shown(out, r->diagnostic);
    buf_add_byte(out, '\n');
}

/* per-recipient-fields        RFC 3464 2.3 */
static void add_rcpt(struct buf *out, const struct dsn_rcpt *r)
{
    buf_add_byte(out, '\n');
    add_original(out, r->original);
    add_typed(out, "Final-Recipient", STR(""), r->final);
    add_field(out, "Action", words[r->action].action);
    add_field(out, "Status", status_of(r));
    if (r->remote.n) {
        buf_add(out, STR("Remote-MTA: dns; "));
        add_shown(out, r->remote);
        buf_add_byte(out, '\n');
    }
    add_diagnostic(out, r);
    if (r->last_try_s)
        add_date(out, "Last-Attempt-Date", r->last_try_s);
    if (r->action == DSN_DELAYED && r->retry_until_s)
        add_date(out, "Will-Retry-Until", r->retry_until_s);
}

/* delivery-status-content = per-message-fields 1*( CRLF per-recipient-fields )        RFC
 * 3464 2.1 */
static void add_status(struct buf *out, const struct dsn *d)
{
    add_delimiter(out, d, STR(""));
    buf_add(out, STR("Content-Type: message/delivery-status\n"));
    if (has_8bit_address(d))
        buf_add(out, STR("Content-Transfer-Encoding: 8bit\n"));
    buf_add_byte(out, '\n');
    if (d->envid.n)
        add_field(out, "Original-Envelope-Id", d->envid);
    buf_add(out, STR("Reporting-MTA: dns; "));
    add_shown(out, d->hostname);
    buf_add(out, STR("\nX-Posta-Queue-Id: "));
    buf_add(out, id_str(&d->about));
    buf_add_byte(out, '\n');
    add_date(out, "Arrival-Date", d->arrived_s);
    for (size_t i = 0; i < d->nrcpts; i++)
        add_rcpt(out, &d->rcpts[i]);
}

/* ---- the letter ---- */

/* message/rfc822, or text/rfc822-headers (RFC 6522 4) which ends where the head does. */
static void add_letter(struct buf *out, const struct dsn *d)
{
    struct str shown = returned(d);

    if (shown.n == 0)
        return;
    add_delimiter(out, d, STR(""));
    buf_add(out, d->whole ? STR("Content-Type: message/rfc822\n")
                          : STR("Content-Type: text/rfc822-headers\n"));
    if (!utf8_is_ascii(shown))
        buf_add(out, STR("Content-Transfer-Encoding: 8bit\n"));
    buf_add_byte(out, '\n');
    buf_add(out, shown);
    if (shown.p[shown.n - 1] != '\n')
        buf_add_byte(out, '\n');
}

void dsn_print(struct buf *out, const struct dsn *d)
{
    add_head(out, d);
    buf_add(out, STR("This is a report in several parts (RFC 6522); the first is for you.\n"));
    add_text(out, d);
    add_status(out, d);
    add_letter(out, d);
    add_delimiter(out, d, STR("--"));
}
