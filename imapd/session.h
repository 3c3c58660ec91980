/*
 * session - the IMAP server as a pure state machine: RFC 3501 and the extensions of its
 * capability table.
 *
 * No sockets, no files, no clock. Bytes go in, bytes come out, and whatever needs the outside
 * world is asked for, one thing at a time:
 *
 *     imap_feed() -> imap_next() says what it wants -> do it -> imap_answer_*() ->
 * imap_output() / imap_sent()
 *
 *   NOT AUTHENTICATED ──LOGIN, AUTHENTICATE──▶ AUTHENTICATED ──SELECT, EXAMINE──▶ SELECTED
 *          │                                        ▲                                 │
 *          └──LOGOUT, too many failures──▶ LOGOUT    └──CLOSE, UNSELECT, failed SELECT──┘
 *
 * The session never calls out; it may be freed between any two calls. What is said about
 * letters is work's (work.h): the session frames, parses, checks states, and tags.
 */
#ifndef POSTA_IMAPD_SESSION_H
#define POSTA_IMAPD_SESSION_H

#include "base/buf.h"
#include "imapd/work.h"

enum {
    /* Unsent; above it no more is asked for (I22): room for the next piece of a long answer
     * while the one before is sent. With a step more it is 192 KiB, and what that step says in
     * one piece. Twice or four times as much makes nothing faster (docs/measurements.md). */
    IMAP_OUTPUT_BYTES = 2 * WORK_OUT_BYTES,
    IMAP_STRANGER_OUTPUT_BYTES = 8192, /* before the login */
    IMAP_AUTH_LINE_BYTES = 12288,
};

/* What a session offers and insists on. Lives as long as the session. */
struct imap_config {
    bool starttls;          /* offered while in clear */
    bool clear_auth;        /* LOGIN and AUTHENTICATE without TLS: only in a lab */
    const bool *transcript; /* true: imap_heard() is kept */
    uint32_t auth_failures, bad_commands; /* a session, then BYE */
    uint32_t junk_commands;               /* before the login, likewise */
    uint64_t letter_bytes;                /* of an APPEND (limits.message_size) */
    const char *version;                  /* for ID */
};

enum imap_want {
    IMAP_WANT_INPUT,    /* more bytes: imap_feed(); or imap_notice() while imap_idling() */
    IMAP_WANT_FLUSH,    /* send some of the output, then ask again */
    IMAP_WANT_STARTTLS, /* flush the output, start TLS: imap_tls_started() */
    IMAP_WANT_LOGIN,    /* a step of req.auth: imap_answer_challenge(), in the end
                           imap_answer_login() or imap_answer_refused() */
    IMAP_WANT_WORK,     /* work_step(req.work): imap_answer_work() */
    IMAP_WANT_CLOSE,    /* flush the output, then close */
};

struct imap_request {
    struct {
        struct str mechanism; /* upper case; LOGIN comes as PLAIN */
        struct str response;  /* octets */
        bool has_response;
        bool first;     /* begin a new exchange */
        bool cancelled; /* the client sent "*"; no answer */
    } auth;
    struct work_request work;
};

enum imap_refusal { IMAP_BAD, IMAP_DISABLED, IMAP_TEMP };

struct imap_session;

/* The greeting is in the output at once. With `tls` the connection has TLS from its first byte
 * (993). */
struct imap_session *imap_new(const struct imap_config *config, bool tls);
void imap_free(struct imap_session *s); /* accepts NULL */

void imap_feed(struct imap_session *s, struct str in);
/* *req stays valid until the answer. */
enum imap_want imap_next(struct imap_session *s, const struct imap_request **req);

void imap_tls_started(struct imap_session *s);
void imap_answer_challenge(struct imap_session *s, struct str challenge); /* octets */
void imap_answer_login(struct imap_session *s);
void imap_answer_refused(struct imap_session *s, enum imap_refusal why);
/* `out` is what work_step() wrote: emptied, its block may be exchanged with the session's.
 * `result` is read for WORK_DONE. */
void imap_answer_work(struct imap_session *s, struct buf *out, enum work_state state,
                      const struct work_result *result);

/* The selected mailbox may have changed: a session in IDLE asks for VERB_SYNC. */
void imap_notice(struct imap_session *s);
/* The program ends the session: "* BYE words"; NULL: in silence. Allowed at any time but while
 * work is under way. */
void imap_end(struct imap_session *s, const char *words);

/* For transcripts: the lines that the last imap_next() took, each with LF, "***" where a secret
 * stood; literals as their size. */
struct str imap_heard(const struct imap_session *s);

bool imap_idle(const struct imap_session *s);   /* no command half read and nothing under way */
bool imap_idling(const struct imap_session *s); /* IDLE (RFC 2177) */
bool imap_logged_in(const struct imap_session *s);

struct str imap_output(const struct imap_session *s);
void imap_sent(struct imap_session *s, size_t n);
void imap_rest(struct imap_session *s); /* gives idle memory back */

#endif
