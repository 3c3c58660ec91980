#include "mail/dsn_impl.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/encoder.h"
#include "mail/header.h"
#include "mail/trace.h"

enum {
    LINE_BYTES = 76,    /* where a longer text is broken, if there is a space   */
    LINE_MOST = 900,    /* where it is broken without one                       */
    LINE_ALLOWED = 998, /* RFC 5322 2.1.1                                       */
    TYPE_BYTES = 64,    /* of an address type                                   */
    TEXT_BYTES_MAX = 4 << 20,
};

/* ---- text from outside ---- */

static void add_printable(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_add_byte(out, ascii_shown(s.p[i]));
}

void dsn_add_shown(struct buf *out, struct str text)
{
    add_printable(out, str_first(text, DSN_FIELD_BYTES));
}

/* How much of it goes into `room` octets, broken behind a whole word where one ends there; at
 * least a word. */
static size_t line_of(struct str text, size_t room)
{
    size_t n = room;

    if (text.n <= room)
        return text.n;
    while (n && text.p[n] != ' ')
        n--;
    if (n)
        return n;
    while (n < text.n && n < LINE_MOST && text.p[n] != ' ')
        n++;
    return n;
}

void dsn_add_wrapped(struct buf *out, struct str text, size_t column, const char *indent)
{
    struct str rest = str_trim(str_first(text, DSN_TEXT_BYTES));

    while (rest.n) {
        size_t n = line_of(rest, column < LINE_BYTES ? LINE_BYTES - column : 0);

        add_printable(out, str_first(rest, n));
        rest = str_trim(str_skip(rest, n));
        if (rest.n)
            buf_addf(out, "\n%s", indent);
        column = strlen(indent);
    }
}

static void add_field(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, "%s: ", name);
    dsn_add_shown(out, value);
    buf_add_byte(out, '\n');
}

static void add_date(struct buf *out, const char *name, int64_t unix_s)
{
    buf_addf(out, "%s: ", name);
    date_print(out, unix_s);
    buf_add_byte(out, '\n');
}

/* ---- what it is about ---- */

static const struct str actions[] = {
    [DSN_FAILED] = STR_LIT("failed"),       [DSN_DELAYED] = STR_LIT("delayed"),
    [DSN_DELIVERED] = STR_LIT("delivered"), [DSN_RELAYED] = STR_LIT("relayed"),
    [DSN_EXPANDED] = STR_LIT("expanded"),
};

enum dsn_action dsn_worst(const struct dsn *d)
{
    enum dsn_action action = DSN_EXPANDED;

    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i].action < action)
            action = d->rcpts[i].action;
    return action;
}

/* Lines as RFC 5322 2.1.1 has them; a message/rfc822 cannot be encoded into such (RFC 2046
 * 5.2.1). */
static bool is_clean(struct str s)
{
    size_t line = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\0' || s.p[i] == '\r')
            return false;
        line = s.p[i] == '\n' ? 0 : line + 1;
        if (line > LINE_ALLOWED)
            return false;
    }
    return true;
}

bool dsn_returns_whole(const struct dsn *d)
{
    return d->whole && is_clean(d->letter);
}

/* The part of the letter that goes back. */
static struct str returned(const struct dsn *d)
{
    return dsn_returns_whole(d) ? d->letter : str_first(d->letter, header_end(d->letter));
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
    dsn_add_shown(out, d->hostname);
    buf_add(out, STR(">\nTo: <"));
    address_add(out, str_first(d->to, DSN_FIELD_BYTES));
    buf_add(out, STR(">\n"));
    buf_add(out, STR("Subject: "));
    dsn_add_title(out, d);
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

/* In quoted-printable where it is not ASCII: the report itself needs no 8BITMIME then. */
static void add_text(struct buf *out, const struct dsn *d)
{
    struct encoder e;
    struct buf text;

    buf_init(&text, TEXT_BYTES_MAX);
    dsn_add_text(&text, d);
    add_delimiter(out, d, STR(""));
    buf_add(out, STR("Content-Type: text/plain; charset=utf-8\n"));
    if (!utf8_is_ascii(buf_str(&text))) {
        buf_add(out, STR("Content-Transfer-Encoding: quoted-printable\n\n"));
        encoder_init(&e, ENCODING_QP, false);
        encoder_feed(&e, out, buf_str(&text));
        encoder_end(&e, out);
    } else {
        buf_add_byte(out, '\n');
        buf_add(out, buf_str(&text));
    }
    buf_done(&text);
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
        dsn_add_shown(out, str_first(type, TYPE_BYTES));
    else
        buf_add(out, utf8_is_ascii(address) ? STR("rfc822") : STR("utf-8"));
    buf_add(out, STR("; "));
    address_add(out, str_first(address, DSN_FIELD_BYTES));
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
    size_t from = out->n;

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
    dsn_add_wrapped(out, r->diagnostic, out->n - from, " ");
    buf_add_byte(out, '\n');
}

/* per-recipient-fields        RFC 3464 2.3 */
static void add_rcpt(struct buf *out, const struct dsn_rcpt *r)
{
    buf_add_byte(out, '\n');
    add_original(out, r->original);
    add_typed(out, "Final-Recipient", STR(""), r->final);
    add_field(out, "Action", actions[r->action]);
    add_field(out, "Status", status_of(r));
    if (r->remote.n && r->said) {
        buf_add(out, STR("Remote-MTA: dns; "));
        dsn_add_shown(out, r->remote);
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
    dsn_add_shown(out, d->hostname);
    buf_add(out, STR("\nX-Posta-Queue-Id: "));
    buf_add(out, id_str(&d->about));
    buf_add_byte(out, '\n');
    add_date(out, "Arrival-Date", d->arrived_s);
    for (size_t i = 0; i < d->nrcpts; i++)
        add_rcpt(out, &d->rcpts[i]);
}

/* ---- the letter ---- */

/* What cannot stand in a letter is shown; lines are cut. */
static void add_mended(struct buf *out, struct str s)
{
    size_t line = 0;

    for (size_t i = 0; i < s.n; i++) {
        line = s.p[i] == '\n' ? 0 : line + 1;
        if (line <= LINE_ALLOWED)
            buf_add_byte(out, s.p[i] == '\0' || s.p[i] == '\r' ? '?' : s.p[i]);
    }
}

/* message/rfc822, or text/rfc822-headers (RFC 6522 4) which ends where the head does. */
static void add_letter(struct buf *out, const struct dsn *d)
{
    struct str shown = returned(d);

    if (d->letter.n == 0)
        return;
    add_delimiter(out, d, STR(""));
    buf_add(out, dsn_returns_whole(d) ? STR("Content-Type: message/rfc822\n")
                                      : STR("Content-Type: text/rfc822-headers\n"));
    if (!utf8_is_ascii(shown))
        buf_add(out, STR("Content-Transfer-Encoding: 8bit\n"));
    buf_add_byte(out, '\n');
    add_mended(out, shown);
    if (shown.n == 0 || shown.p[shown.n - 1] != '\n')
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
