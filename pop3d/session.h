/*
 * session - the POP3 server as a pure state machine: RFC 1939 whole, CAPA (RFC 2449), AUTH (RFC
 * 5034), STLS (RFC 2595), response codes (RFC 2449 8, RFC 3206).
 *
 * No sockets, no files, no clock. Bytes go in, bytes come out, and whatever needs the outside
 * world is asked for, one thing at a time:
 *
 *     pop3_feed() -> pop3_next() says what it wants -> do it -> pop3_answer_*() ->
 * pop3_output() / pop3_sent()
 *
 * The session never calls out; it may be freed between any two calls. It holds no letter and no
 * list: letters come piece by piece, sizes and names some entries at a time, and no more is
 * asked for while POP3_OUTPUT_BYTES of answers wait to be sent. A letter costs it one byte, and
 * only once one is marked.
 */
#ifndef POSTA_POP3D_SESSION_H
#define POSTA_POP3D_SESSION_H

#include "base/buf.h"

enum {
    POP3_LINE_BYTES = 512, /* a command with CRLF; RFC 2449 4 asks for 255                */
    POP3_AUTH_LINE_BYTES =
        12288, /* a response of AUTH with CRLF (RFC 5034 4: as long as needed) */
    POP3_DISCARD_BYTES = 65536, /* of an overlong line, then the session ends (P02) */
    POP3_INPUT_BYTES = 262144, /* fed and not yet run                                         */
    POP3_OUTPUT_BYTES = 65536, /* unsent; above it nothing more is asked for */
    POP3_PIECE_BYTES = 65536,  /* most bytes of a letter in one answer                        */
    POP3_ENTRIES = 256,        /* most entries asked for at once                              */
    POP3_UIDL_BYTES = 70,      /* RFC 1939 7                                                  */
};

/* What a session offers and insists on. Lives as long as the session. */
struct pop3_config {
    bool stls;              /* offered while in clear                        */
    bool clear_auth;        /* USER and AUTH without TLS: only in a lab       */
    const bool *transcript; /* pop3_heard() is kept                          */
    uint32_t auth_failures, bad_commands, junk_commands; /* a session, then it ends */
};

enum pop3_want {
    POP3_WANT_INPUT,      /* more bytes: pop3_feed()                                          */
    POP3_WANT_FLUSH,      /* send some of the output, then ask again                          */
    POP3_WANT_STLS,       /* flush the output, start TLS: pop3_tls_started()                  */
    POP3_WANT_LOGIN,      /* a step of req.auth: pop3_answer_challenge(), and in the end
                             pop3_answer_maildrop() or pop3_answer_refused()                  */
    POP3_WANT_ENTRIES,    /* the letters from req.first, req.count of them:
                             pop3_answer_entry() for each, in order                           */
    POP3_WANT_LETTER,     /* the next bytes of letter req.first, its first ones when
                             req.start: pop3_answer_letter(), pop3_answer_no_letter()          */
    POP3_WANT_LETTER_END, /* no more of it is needed; no answer                               */
    POP3_WANT_COMMIT,     /* remove req.marked: pop3_answer_commit()                          */
    POP3_WANT_CLOSE,      /* flush the output, then close                                     */
};

struct pop3_request {
    struct {
        struct str mechanism; /* upper case                                         */
        struct str response;  /* octets; USER and PASS come as those of PLAIN        */
        bool has_response;
        bool first;     /* begin a new exchange                               */
        bool cancelled; /* the client sent "*"; no answer                     */
    } auth;
    uint32_t first, count; /* letters, counted from 0 */
    bool uidl;             /* the entries' names are wanted, not their sizes */
    bool start;
    bool top; /* of the letter, for TOP: it does not count as retrieved */
    const bool *marked;
};

enum pop3_refusal {
    POP3_BAD,      /* [AUTH]: name or password; counted                     */
    POP3_DISABLED, /* [AUTH]: the account is switched off                   */
    POP3_TEMP,     /* [SYS/TEMP]: a part of posta is away                   */
    POP3_IN_USE,   /* [IN-USE]: another session has the maildrop            */
};

struct pop3_session;

/* The greeting is in the output at once. With `tls` the connection has TLS from its first byte
 * (995). */
struct pop3_session *pop3_new(const struct pop3_config *config, bool tls);
void pop3_free(struct pop3_session *s); /* accepts NULL */

void pop3_feed(struct pop3_session *s, struct str in);

/* *req stays valid until the answer. */
enum pop3_want pop3_next(struct pop3_session *s, const struct pop3_request **req);

void pop3_tls_started(struct pop3_session *s);
void pop3_answer_challenge(struct pop3_session *s, struct str challenge); /* octets */
void pop3_answer_maildrop(struct pop3_session *s, uint32_t count, uint64_t octets);
void pop3_answer_refused(struct pop3_session *s, enum pop3_refusal why);
/* `octets` on the wire, without stuffed dots; one of both is enough, see req.uidl. */
void pop3_answer_entry(struct pop3_session *s, uint64_t octets, struct str uidl);
/* At most POP3_PIECE_BYTES, with LF or CRLF line ends; `last` when the letter ends with them.
 */
void pop3_answer_letter(struct pop3_session *s, struct str piece, bool last);
/* It has gone or cannot be read. In its middle the session can only end. */
void pop3_answer_no_letter(struct pop3_session *s, bool gone);
void pop3_answer_commit(struct pop3_session *s, bool good);

/* The program ends the session without touching the maildrop: in silence when the time is up
 * (RFC 1939 3), or with words. Allowed at any time. */
void pop3_end(struct pop3_session *s, const char *words);

/* For transcripts: the lines that the last pop3_next() took, each with LF, "***" where a secret
 * stood. */
struct str pop3_heard(const struct pop3_session *s);

/* No command is half read and nothing is under way: a good moment to end for shutdown. */
bool pop3_idle(const struct pop3_session *s);
bool pop3_logged_in(const struct pop3_session *s);
uint32_t pop3_marked(const struct pop3_session *s);

struct str pop3_output(const struct pop3_session *s);
void pop3_sent(struct pop3_session *s, size_t n);
/* Gives idle memory back. */
void pop3_rest(struct pop3_session *s);

#endif
