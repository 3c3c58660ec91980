#include "ctl/control.h"

#include <unistd.h>

struct control {
    struct listener *listener;
    const struct control_ops *ops;
    void *arg;
};

struct control_session {
    struct control *control;
    struct conn *conn;
    struct buf in, out;
    bool busy, over;
};

static void feed(void *session, struct str in)
{
    struct control_session *s = session;

    buf_add(&s->in, in);
}

static void refuse(struct control_session *s, const char *words)
{
    buf_addf(&s->out, "ERR %s\n", words);
}

static bool may_command(const struct control_session *s)
{
    uid_t uid;
    pid_t pid;

    return conn_peer_cred(s->conn, &uid, &pid) && (uid == 0 || uid == geteuid());
}

static void command(struct control_session *s, struct str line)
{
    const struct control *c = s->control;
    void (*act)(void *, struct control_session *) = NULL;

    if (str_eq(line, STR("STATUS"))) {
        act = c->ops->status;
    } else if (!may_command(s)) {
        refuse(s, "only root and the user who started posta may do that");
    } else if (str_eq(line, STR("RELOAD"))) {
        act = c->ops->reload;
    } else if (str_eq(line, STR("STOP"))) {
        act = c->ops->stop;
    } else {
        refuse(s, "the commands here are STATUS, RELOAD and STOP");
    }
    if (!act)
        return;
    s->busy = true;
    conn_hold(s->conn);
    act(c->arg, s);
}

static enum turn turn(void *session, struct conn *conn)
{
    struct control_session *s = session;

    while (!s->busy && !s->over) {
        struct str have = buf_str(&s->in);
        size_t n = str_find(have, '\n');

        if (buf_failed(&s->in)) {
            refuse(s, "that line is too long");
            s->over = true;
        } else if (n == have.n) {
            conn_deadline(conn, CONTROL_IDLE_MS);
            return TURN_READ;
        } else {
            struct str line = str_first(have, n);

            if (line.n && line.p[line.n - 1] == '\r')
                line.n--;
            conn_deadline(conn, 0);
            command(s, line);
            buf_drop(&s->in, n + 1);
        }
    }
    return s->busy ? TURN_BUSY : TURN_CLOSE;
}

static struct str output(const void *session)
{
    return buf_str(&((const struct control_session *)session)->out);
}

static void sent(void *session, size_t n)
{
    buf_drop(&((struct control_session *)session)->out, n);
}

static void expired(void *session, struct conn *conn)
{
    (void)conn;
    ((struct control_session *)session)->over = true;
}

static void free_session(void *session)
{
    struct control_session *s = session;

    buf_done(&s->in);
    buf_done(&s->out);
    free(s);
}

static void *make(void *arg, struct conn *conn)
{
    struct control_session *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->control = arg;
    s->conn = conn;
    buf_init(&s->in, CONTROL_LINE_BYTES);
    buf_init(&s->out, CONTROL_OUT_BYTES);
    return s;
}

void control_answer(struct control_session *s, struct str text)
{
    struct conn *conn = s->conn;

    buf_add(&s->out, text);
    s->busy = false;
    conn_wake(conn);
    conn_release(conn);
}

struct control *control_new(struct loop *l, int fd, const struct control_ops *ops, void *arg)
{
    static const struct conn_protocol protocol = {.feed = feed,
                                                  .turn = turn,
                                                  .output = output,
                                                  .sent = sent,
                                                  .expired = expired,
                                                  .free = free_session};
    struct control *c = calloc(1, sizeof(*c));
    struct listen_options o = {
        .conn = {.protocol = &protocol},
        .make = make,
        .busy = STR("ERR too many connections\n"),
        .refused = STR("ERR too many connections\n"),
        .connections_max = CONTROL_CONNECTIONS,
    };

    if (!c)
        abort();
    c->ops = ops;
    c->arg = arg;
    o.arg = c;
    c->listener = listener_new(l, fd, &o);
    return c;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    listener_free(c->listener);
    free(c);
}
