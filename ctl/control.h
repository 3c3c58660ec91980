/*
 * control - posta.ctl: how `posta status`, `reload` and `stop` reach the supervisor.
 *
 *   STATUS   one JSON object a process, then "OK n"          everybody may ask
 *   RELOAD   "OK 0", or "ERR why": then nothing has changed   root and who started posta
 *   STOP     "OK 0" at once; the end of posta.pid's lock tells the rest
 */
#ifndef POSTA_CTL_CONTROL_H
#define POSTA_CTL_CONTROL_H

#include "base/buf.h"
#include "net/listen.h"

enum {
    CONTROL_LINE_BYTES = 256,
    CONTROL_CONNECTIONS = 64,
    CONTROL_IDLE_MS = 60000,
    CONTROL_OUT_BYTES = 4 * 1024 * 1024
};

struct control;
struct control_session;

/* What the supervisor does for a session; it answers by control_answer(), at once or later. */
struct control_ops {
    void (*status)(void *arg, struct control_session *s);
    void (*reload)(void *arg, struct control_session *s);
    void (*stop)(void *arg, struct control_session *s);
};

/* Takes over `fd`. */
struct control *control_new(struct loop *l, int fd, const struct control_ops *ops, void *arg);
void control_free(struct control *c);

/* The whole answer, with its last line. The session is void after it. */
void control_answer(struct control_session *s, struct str text);

#endif
