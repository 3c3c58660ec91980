#include "mta/send/steps.h"

#include "base/ascii.h"
#include "smtp/limits.h"

enum { IN_BYTES = 2 * SMTP_REPLY_BYTES };

static void wait_for(struct steps *s, struct str name, struct str line, uint64_t now_ms)
{
    struct step_pending *p = &s->pending[s->n];

    if (s->n == STEPS_PENDING)
        return;
    name = str_first(name, STEP_NAME_BYTES);
    line = str_first(line, STEP_LINE_BYTES);
    memcpy(p->name, name.p, name.n);
    p->name[name.n] = '\0';
    memcpy(p->line, line.n ? line.p : "", line.n);
    p->n = line.n;
    p->at_ms = now_ms;
    s->n++;
}

void steps_init(struct steps *s, void (*done)(void *arg, const struct step *s), void *arg,
                uint64_t now_ms)
{
    *s = (struct steps){.done = done, .arg = arg};
    buf_init(&s->in, IN_BYTES);
    reply_reader_init(&s->reader);
    wait_for(s, STR("greeting"), STR(""), now_ms);
}

void steps_done(struct steps *s)
{
    buf_done(&s->in);
    reply_reader_done(&s->reader);
}

void steps_said(struct steps *s, struct str lines, uint64_t now_ms)
{
    struct str line;

    for (; lines.n; scan_byte(&lines, '\n')) {
        if (!scan_until(&lines, '\n', &line))
            continue;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        /* an answer to a challenge goes on with the login that waits for its end */
        if (!str_eq(line, STR("***")))
            wait_for(s, str_first(line, str_find(line, ' ')), line, now_ms);
    }
}

/* A challenge is no end of a login. */
static void one_reply(struct steps *s, uint64_t now_ms)
{
    struct step_pending *p = &s->pending[0];

    if (s->reader.code == 334 || s->n == 0)
        return;
    s->done(s->arg, &(struct step){
                        .name = p->name,
                        .asked = {p->line, p->n},
                        .code = s->reader.code,
                        .heard = buf_str(&s->reader.text),
                        .ms = now_ms > p->at_ms ? now_ms - p->at_ms : 0
    });
    s->n--;
    memmove(s->pending, s->pending + 1, s->n * sizeof(s->pending[0]));
}

void steps_heard(struct steps *s, struct str bytes, uint64_t now_ms)
{
    if (s->reader.flaw)
        return;
    buf_add(&s->in, bytes);
    while (reply_reader_take(&s->reader, &s->in)) {
        one_reply(s, now_ms);
        reply_reader_next(&s->reader);
    }
}

const char *steps_waiting(const struct steps *s, uint64_t *since_ms)
{
    if (s->n == 0)
        return "";
    *since_ms = s->pending[0].at_ms;
    return s->pending[0].name;
}
