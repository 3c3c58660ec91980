#include "authd/session.h"

enum { INPUT_BYTES = 262144, OUTPUT_MAX_BYTES = 16 << 20 };

struct authd_session {
    struct buf in, out, scratch;
    struct auth_request req;
    size_t taken; /* of `in`: the line of the request that was handed out */
    bool closed;
};

struct authd_session *authd_new(void)
{
    struct authd_session *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    buf_init(&s->in, INPUT_BYTES);
    buf_init(&s->out, OUTPUT_MAX_BYTES);
    buf_init(&s->scratch, AUTH_LINE_BYTES);
    return s;
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

void authd_free(struct authd_session *s)
{
    if (!s)
        return;
    wipe(&s->in);
    wipe(&s->scratch);
    buf_done(&s->out);
    free(s);
}

void authd_feed(struct authd_session *s, struct str in)
{
    if (!s->closed)
        buf_add(&s->in, in);
}

/* The line of the last request goes, and with it the password in it. */
static void forget_request(struct authd_session *s)
{
    if (!s->taken)
        return;
    explicit_bzero(s->in.p + s->in.from, s->taken);
    buf_drop(&s->in, s->taken);
    if (s->scratch.p)
        explicit_bzero(s->scratch.p, s->scratch.cap);
    s->taken = 0;
    buf_release(&s->in);
}

enum authd_want authd_next(struct authd_session *s, const struct auth_request **req)
{
    forget_request(s);
    if (s->closed || buf_failed(&s->in) || buf_failed(&s->out))
        return AUTHD_WANT_CLOSE;
    if (buf_str(&s->out).n >= AUTHD_OUTPUT_BYTES)
        return AUTHD_WANT_FLUSH;

    struct str in = buf_str(&s->in);
    size_t n = str_find(str_first(in, AUTH_LINE_BYTES), '\n');
    if (n == in.n)
        return AUTHD_WANT_INPUT;
    if (n == AUTH_LINE_BYTES || !auth_parse_request(str_first(in, n), &s->scratch, &s->req)) {
        s->closed = true;
        return AUTHD_WANT_CLOSE;
    }
    s->taken = n + 1;
    *req = &s->req;
    return AUTHD_WANT_REQUEST;
}

void authd_answer(struct authd_session *s, const struct auth_answer *a)
{
    auth_print_answer(&s->out, a);
}

struct str authd_output(const struct authd_session *s)
{
    return buf_str(&s->out);
}

void authd_sent(struct authd_session *s, size_t n)
{
    buf_drop(&s->out, n);
    buf_release(&s->out);
}
