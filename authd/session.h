/*
 * session - one connection to auth.sock, as lines (users/auth.h): bytes in, requests out;
 * answers in, bytes out.
 *
 * Answers may come in any order, each with the number of its exchange; a request stays valid
 * until the next authd_next(). A line that is no request ends the connection: only our own
 * programs speak here.
 */
#ifndef POSTA_AUTHD_SESSION_H
#define POSTA_AUTHD_SESSION_H

#include "users/auth.h"

enum { AUTHD_OUTPUT_BYTES = 262144 /* unsent answers; no further request is read above it */ };

enum authd_want {
    AUTHD_WANT_INPUT,   /* more bytes                                */
    AUTHD_WANT_FLUSH,   /* send some of the output, then ask again   */
    AUTHD_WANT_REQUEST, /* *req has come; answer when it is done     */
    AUTHD_WANT_CLOSE,   /* what came is no request                   */
};

struct authd_session;

struct authd_session *authd_new(void);
void authd_free(struct authd_session *s); /* wipes what it read; accepts NULL */

void authd_feed(struct authd_session *s, struct str in);
enum authd_want authd_next(struct authd_session *s, const struct auth_request **req);
void authd_answer(struct authd_session *s, const struct auth_answer *a);

struct str authd_output(const struct authd_session *s);
void authd_sent(struct authd_session *s, size_t n);

#endif
