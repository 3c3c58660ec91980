#include "mail/trace.h"

#include "base/ascii.h"
#include "mail/address.h"
#include "mail/date.h"

/* A word of a stranger's inside a field: nothing that ends a comment, a clause or a line. */
static void add_word(struct buf *out, struct str s)
{
    struct str word = str_first(s, TRACE_WORD_BYTES);

    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];

        if (!ascii_is_alnum(c) && (c == '\0' || !strchr("!#$%&'*+-./:=@[]^_{|}~", c)))
            c = '?';
        buf_add_byte(out, c);
    }
}

static void add_path(struct buf *out, struct str address)
{
    buf_add_byte(out, '<');
    address_add(out, address);
    buf_add_byte(out, '>');
}

struct str trace_protocol(bool lmtp, bool extended, bool smtputf8, bool tls, bool auth)
{
    static const struct str smtp[] = {STR_LIT("ESMTP"), STR_LIT("ESMTPS"), STR_LIT("ESMTPA"),
                                      STR_LIT("ESMTPSA")};
    static const struct str utf8smtp[] = {STR_LIT("UTF8SMTP"), STR_LIT("UTF8SMTPS"),
                                          STR_LIT("UTF8SMTPA"), STR_LIT("UTF8SMTPSA")};
    static const struct str lmtps[] = {STR_LIT("LMTP"), STR_LIT("LMTPS"), STR_LIT("LMTPA"),
                                       STR_LIT("LMTPSA")};
    static const struct str utf8lmtp[] = {STR_LIT("UTF8LMTP"), STR_LIT("UTF8LMTPS"),
                                          STR_LIT("UTF8LMTPA"), STR_LIT("UTF8LMTPSA")};
    size_t i = (tls ? 1U : 0U) + (auth ? 2U : 0U);

    if (lmtp)
        return smtputf8 ? utf8lmtp[i] : lmtps[i];
    if (!extended)
        return STR("SMTP");
    return smtputf8 ? utf8smtp[i] : smtp[i];
}

/* From-domain = "FROM" FWS Extended-Domain
 * Extended-Domain = Domain / ( Domain FWS "(" TCP-info ")" )        RFC 5321 4.4 */
static void add_from(struct buf *out, const struct trace_received *t)
{
    buf_add(out, STR("Received: from "));
    add_word(out, t->helo.n ? t->helo : STR("unknown"));
    if (t->ip.n == 0) {
        buf_add(out, STR(" (local socket)"));
        return;
    }
    buf_add(out, STR(" ("));
    add_word(out, t->rdns.n ? t->rdns : STR("unknown"));
    buf_add(out, str_find(t->ip, ':') < t->ip.n ? STR(" [IPv6:") : STR(" ["));
    add_word(out, t->ip);
    buf_add(out, STR("])"));
}

/* By-domain, With, ID and what is known of TLS, in a comment as others write it. */
static void add_by(struct buf *out, const struct trace_received *t)
{
    if (t->show_user && t->user.n) {
        buf_add(out, STR("\n\t(authenticated as "));
        add_word(out, t->user);
        buf_add_byte(out, ')');
    }
    buf_add(out, STR("\n\tby "));
    add_word(out, t->by);
    buf_add(out, STR(" (posta) with "));
    add_word(out, t->with);
    buf_add(out, STR(" id "));
    buf_add(out, id_str(&t->id));
    if (t->tls_version.n == 0)
        return;
    buf_add(out, STR("\n\t(version="));
    add_word(out, t->tls_version);
    buf_add(out, STR(" cipher="));
    add_word(out, t->tls_cipher);
    buf_addf(out, " bits=%d)", t->tls_bits);
}

void trace_received_print(struct buf *out, const struct trace_received *t)
{
    add_from(out, t);
    add_by(out, t);
    if (t->rcpt.n) {
        buf_add(out, STR("\n\tfor "));
        add_path(out, t->rcpt);
    }
    buf_add(out, STR(";\n\t"));
    date_print(out, t->now_s);
    buf_add_byte(out, '\n');
}

void trace_return_path_print(struct buf *out, struct str reverse_path)
{
    buf_add(out, STR("Return-Path: "));
    add_path(out, reverse_path);
    buf_add_byte(out, '\n');
}

void trace_delivered_to_print(struct buf *out, struct str address)
{
    buf_add(out, STR("Delivered-To: "));
    address_add(out, address);
    buf_add_byte(out, '\n');
}

/* msg-id = "<" id-left "@" id-right ">"        RFC 5322 3.6.4 */
void trace_message_id_print(struct buf *out, const struct id *id, struct str hostname)
{
    buf_add(out, STR("Message-ID: <"));
    buf_add(out, id_str(id));
    buf_add_byte(out, '@');
    add_word(out, hostname);
    buf_add(out, STR(">\n"));
}
