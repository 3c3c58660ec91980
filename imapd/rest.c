/*
 * What a session that is quiet gives back, and what one that has gone leaves behind.
 *
 *   working ──rest_later()──▶ awake ──CLIENT_REST_MS──▶ resting: nothing but what it must know
 *      ▲                        │                          │
 *      └──────rest_never()──────┴──────────────────────────┘
 *
 * The indexes that nobody used for a while and the pages of malloc's that nobody uses are given
 * back on the pool: both take time.
 */
#include "imapd/client_impl.h"

#include <malloc.h>
#include <stdlib.h>

/* The work of a client that has gone in the middle of a command. */
struct closing {
    struct task task;
    struct list link;
    struct work *work;
};

/* ---- quiet sessions ---- */

/* There is something to give back: the timer goes on until the indexes are closed too. */
static void look_later(struct clients *cs)
{
    uint64_t now = loop_now_ms(cs->access.loop);

    if (cs->rest.until_ms == 0)
        timer_start(cs->rest.timer, CLIENT_REST_MS);
    cs->rest.until_ms = now + MAILBOXES_IDLE_MS + CLIENT_REST_MS;
}

void rest_later(struct client *cl)
{
    look_later(cl->all);
    cl->worked_ms = loop_now_ms(cl->all->access.loop);
    list_remove(&cl->awake);
    list_append(&cl->all->rest.awake, &cl->awake);
}

void rest_never(struct client *cl)
{
    list_remove(&cl->awake);
}

static void rest(struct client *cl)
{
    list_remove(&cl->awake);
    imap_rest(cl->session);
    if (!cl->under_way) {
        buf_done(&cl->out);
        if (cl->work)
            work_rest(cl->work);
    }
    cl->all->rest.rested++;
}

/* ---- what takes time ---- */

static void tidy(struct task *t)
{
    struct clients *cs = LIST_OF(t, struct clients, rest.tidy);

    mailboxes_rest(cs->mailboxes, cs->rest.now_ms);
    mailboxes_keep_reserve(cs->mailboxes);
    if (cs->rest.trim)
        malloc_trim(0);
}

static void tidied(struct job *j)
{
    struct clients *cs = LIST_OF(j, struct clients, rest.tidy.job);

    cs->rest.tidying = false;
}

static void give_back(struct clients *cs, uint64_t now)
{
    if (cs->rest.tidying)
        return;
    cs->rest.trim = cs->rest.rested >= CLIENT_TRIM_SESSIONS || now >= cs->rest.until_ms;
    if (cs->rest.trim)
        cs->rest.rested = 0;
    cs->rest.tidying = true;
    /* before pages are given back, indexes go that are as quiet as the sessions */
    cs->rest.now_ms = cs->rest.trim ? now + MAILBOXES_IDLE_MS - CLIENT_REST_MS : now;
    jobs_submit(cs->pool, &cs->rest.tidy.job, tidied);
}

static void look_round(void *arg)
{
    struct clients *cs = arg;
    uint64_t now = loop_now_ms(cs->access.loop);

    while (!list_empty(&cs->rest.awake)) {
        struct client *cl = LIST_OF(cs->rest.awake.next, struct client, awake);

        if (cl->worked_ms + CLIENT_REST_MS > now)
            break;
        rest(cl);
    }
    give_back(cs, now);
    if (now < cs->rest.until_ms)
        timer_start(cs->rest.timer, CLIENT_REST_MS);
    else
        cs->rest.until_ms = 0;
}

/* ---- who has gone ---- */

static void close_work(struct task *t)
{
    struct closing *c = LIST_OF(t, struct closing, task);

    work_cancel(c->work);
    work_free(c->work);
}

static void work_closed(struct job *j)
{
    struct closing *c = LIST_OF(j, struct closing, task.job);

    list_remove(&c->link);
    free(c);
}

void rest_close(struct client *cl)
{
    struct clients *cs = cl->all;
    struct closing *c;

    cs->rest.rested++;
    if (cs->rest.timer)
        look_later(cs);
    if (!cl->work || !cl->under_way) {
        work_free(cl->work);
        cl->work = NULL;
        return;
    }
    c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->task.run = close_work;
    c->work = cl->work;
    cl->work = NULL;
    list_append(&cs->rest.closing, &c->link);
    if (cs->pool)
        jobs_submit(cs->pool, &c->task.job, work_closed);
}

/* ---- life ---- */

void rest_start(struct clients *cs)
{
    list_init(&cs->rest.awake);
    list_init(&cs->rest.closing);
    cs->rest.tidy.run = tidy;
    cs->rest.timer = timer_new(cs->access.loop, look_round, cs);
}

/* What the pool did not come to. */
void rest_stop(struct clients *cs)
{
    while (!list_empty(&cs->rest.closing)) {
        struct closing *c = LIST_OF(cs->rest.closing.next, struct closing, link);

        close_work(&c->task);
        work_closed(&c->task.job);
    }
    timer_free(cs->rest.timer);
    cs->rest.timer = NULL;
}
