/* Who is there: STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 6.2, RFC 4959). */
#include "imapd/session_impl.h"

#include "base/ascii.h"
#include "base/base64.h"

#include <assert.h>

/* Nothing may stand behind it: it would be run as if it had come through TLS (T02). */
void cmd_starttls(struct imap_session *s)
{
    if (s->tls) {
        session_bad(s, "TLS is there already");
    } else if (!s->config->starttls) {
        session_bad(s, "TLS is not available");
    } else if (!frame_idle(&s->frame)) {
        session_bad(s, "nothing may follow STARTTLS before TLS has begun");
        session_bye(s, "what came behind STARTTLS may be somebody else's");
    } else {
        session_ok(s, "begin TLS");
        s->want = IMAP_WANT_STARTTLS;
    }
}

/* No password is looked at that came in clear (T20). */
bool session_may_log_in(struct imap_session *s)
{
    if (s->tls || s->config->clear_auth)
        return true;
    session_refuse(s, "[PRIVACYREQUIRED] send STARTTLS first: no password may travel in clear");
    return false;
}

static void want_login(struct imap_session *s, bool first, bool has_response)
{
    s->req.auth.mechanism = str_c(s->mechanism);
    s->req.auth.first = first;
    s->req.auth.cancelled = false;
    s->req.auth.has_response = has_response;
    s->req.auth.response = buf_str(&s->secret);
    s->want = IMAP_WANT_LOGIN;
}

/* LOGIN is SASL's PLAIN in other words: message = [authzid] NUL authcid NUL passwd (RFC 4616
 * 2).
 */
void cmd_login(struct imap_session *s)
{
    if (!session_may_log_in(s))
        return;
    buf_add_byte(&s->secret, '\0');
    buf_add(&s->secret, s->command.login.user);
    buf_add_byte(&s->secret, '\0');
    buf_add(&s->secret, s->command.login.password);
    memcpy(s->mechanism, "PLAIN", sizeof("PLAIN"));
    want_login(s, true, true);
}

/* initial-resp = (base64 / "=") */
void cmd_authenticate(struct imap_session *s)
{
    struct str initial = s->command.authenticate.initial;

    if (!session_may_log_in(s))
        return;
    if (!str_eq_nocase(s->command.authenticate.mechanism, STR("PLAIN"))) {
        session_refuse(s, "that mechanism is not offered");
        return;
    }
    if (s->command.authenticate.has_initial && !str_eq(initial, STR("=")) &&
        !base64_decode(&s->secret, initial)) {
        session_bad(s, "that is not base64");
        return;
    }
    memcpy(s->mechanism, "PLAIN", sizeof("PLAIN"));
    want_login(s, true, s->command.authenticate.has_initial);
}

/* The exchange ends without an answer of the client's. */
static void cancel(struct imap_session *s, const char *why)
{
    session_wipe(&s->secret);
    want_login(s, false, false);
    s->req.auth.cancelled = true;
    session_bad(s, why);
}

/* base64 CRLF, or "*" to give up (RFC 3501 6.2.2) */
bool session_run_exchange(struct imap_session *s)
{
    struct str line = STR("");
    enum frame_event event = frame_line(&s->frame, IMAP_AUTH_LINE_BYTES, &line);

    if (event == FRAME_MORE)
        return false;
    s->mode = AT_COMMAND;
    session_hear_line(s, line, true);
    if (event == FRAME_TOO_LONG) {
        cancel(s, "[TOOBIG] the line is too long");
        session_bye(s, "[TOOBIG] the line is too long");
    } else if (event == FRAME_COMMAND && str_eq(line, STR("*"))) {
        cancel(s, "cancelled");
    } else if (event == FRAME_COMMAND && base64_decode(&s->secret, line)) {
        want_login(s, false, true);
    } else {
        cancel(s, "that is not base64");
    }
    return true;
}

/* The question is answered. */
static void answered(struct imap_session *s, enum imap_want question)
{
    assert(s->want == question);
    (void)question;
    s->want = IMAP_WANT_INPUT;
    session_wipe(&s->secret);
}

/* What the client said in clear is forgotten (RFC 3501 6.2.1). There is no second greeting. */
void imap_tls_started(struct imap_session *s)
{
    answered(s, IMAP_WANT_STARTTLS);
    s->tls = true;
    frame_restart(&s->frame);
}

void imap_answer_challenge(struct imap_session *s, struct str challenge)
{
    answered(s, IMAP_WANT_LOGIN);
    s->mode = IN_EXCHANGE;
    buf_add(&s->out, STR("+ "));
    base64_add(&s->out, challenge);
    buf_add(&s->out, STR("\r\n"));
}

void imap_answer_login(struct imap_session *s)
{
    answered(s, IMAP_WANT_LOGIN);
    s->state = STATE_USER;
    s->bad = 0;
    frame_trust(&s->frame);
    buf_addf(&s->out, "%.*s OK [", s->tag_n, s->tag);
    session_print_capabilities(s);
    buf_add(&s->out, STR("] logged in\r\n"));
}

void imap_answer_refused(struct imap_session *s, enum imap_refusal why)
{
    static const char *const words[] = {
        [IMAP_BAD] = "[AUTHENTICATIONFAILED] name or password is wrong",
        [IMAP_DISABLED] = "[CONTACTADMIN] the account is switched off",
        [IMAP_TEMP] = "[UNAVAILABLE] names cannot be looked up now, try again later",
    };

    answered(s, IMAP_WANT_LOGIN);
    session_no(s, words[why]);
    if (why == IMAP_BAD && ++s->failures >= s->config->auth_failures)
        session_bye(s, "too many wrong passwords");
}
