/*
 * session_impl - what the two halves of the POP3 session share: session.c frames, asks and
 * takes answers, commands.c knows the commands.
 */
#ifndef POSTA_POP3D_SESSION_IMPL_H
#define POSTA_POP3D_SESSION_IMPL_H

#include "pop3d/session.h"
#include "wire/dot.h"

enum { MECHANISM_BYTES = 20, OUTPUT_MAX_BYTES = 262144, SECRET_BYTES = POP3_AUTH_LINE_BYTES };

enum state {
    AUTHORIZATION = 1 << 0,
    TRANSACTION = 1 << 1,
    UPDATE = 1 << 2,
    CLOSED = 1 << 3,
};

/* What the entries are for that have been asked for. */
enum purpose { FOR_LIST, FOR_UIDL, FOR_ONE_LIST, FOR_ONE_UIDL, FOR_LETTER, FOR_DELE };

struct pop3_session {
    const struct pop3_config *config;
    enum state state;
    enum pop3_want want; /* POP3_WANT_INPUT: nothing is asked */
    struct pop3_request req;
    struct buf in, out, heard;
    size_t scanned;     /* of `in`, without a line end */
    uint32_t discarded; /* of an overlong line         */
    bool discarded_cr;
    bool tls;

    struct buf user, secret; /* secret: the octets of req.auth.response */
    char mechanism[MECHANISM_BYTES];
    bool in_exchange; /* the next line is a response */
    uint32_t failures, bad, commands;

    uint32_t count, marked_count;
    uint64_t octets, marked_octets;
    bool *marked; /* NULL: none is */

    enum purpose purpose;
    bool listing;
    uint32_t list_at; /* the first letter that has not been asked for */
    uint32_t entry;   /* how many of those asked for have been told   */

    bool reading; /* a letter is under way */
    uint64_t letter_octets;
    struct dot_encoder encoder;
    struct {
        bool on, in_body, blank;
        uint32_t lines;
    } top;
};

/* -ERR; some bad commands are mistakes, many are somebody trying. */
void session_ok(struct pop3_session *s, const char *text);
void session_no(struct pop3_session *s, const char *text);
void session_no_and_close(struct pop3_session *s, const char *text);
void session_bad_command(struct pop3_session *s, const char *text);

/* A login step with what is in `secret`. */
void session_want_login(struct pop3_session *s, bool first, bool has_response);
void session_want_entries(struct pop3_session *s, enum purpose purpose, uint32_t first,
                          uint32_t count);
void session_run_command(struct pop3_session *s, struct str line);
bool session_is_command(struct str line); /* whatever its arguments are */

static inline bool session_is_marked(const struct pop3_session *s, uint32_t i)
{
    return s->marked && s->marked[i];
}

#endif
