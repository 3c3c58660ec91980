#include "mta/queue/recover.h"

#include "sys/log.h"

static void on_letter(void *arg, struct queue_letter *l)
{
    struct queue *q = arg;

    if (!queue_find(q, &l->env.id)) {
        queue_add(q, l);
        return;
    }
    log_event(LOG_ERROR, &l->env.id, "corrupt",
              "stands in queue.db twice; the later one is left alone");
    queue_letter_free(l);
}

struct sweeping {
    struct queue *queue;
    struct journal *journal;
    unsigned swept;
    size_t later;
};

static bool keep(void *arg, const struct id *id)
{
    struct sweeping *s = arg;
    struct queue_letter *l = queue_find(s->queue, id);

    if (l) {
        l->seen = true;
        return true;
    }
    if (s->swept < RECOVER_SWEEP_MAX) {
        s->swept++;
        return false;
    }
    journal_remove_later(s->journal, id);
    s->later++;
    return true;
}

static void on_dropped(struct journal_op *op)
{
    journal_settle_free(LIST_OF(op, struct journal_settle, op));
}

/* Some file systems pass entries over when others are removed during a listing: what was not
 * seen is asked for by its name before it is given up. */
static unsigned drop_unseen(struct queue *q, struct journal *j, struct spool *spool)
{
    struct queue_cursor c = {0};
    struct queue_letter *l;
    unsigned lost = 0;

    queue_cursor_start(q, &c);
    while ((l = queue_cursor_next(q, &c))) {
        if (l->seen || spool_has(spool, &l->env.id))
            continue;
        log_event(
            LOG_ERROR, &l->env.id, "lost",
            "has an envelope (from <%.*s>, %u recipients) but no file in spool/msg; dropped",
            STR_ARGS(l->env.mail.reverse_path), (unsigned)l->nrcpts);
        struct journal_settle *s = journal_settle_new(l);
        s->last = true;
        s->op.done = on_dropped;
        journal_submit(j, &s->op, false);
        queue_remove(q, l);
        lost++;
    }
    queue_cursor_stop(&c);
    return lost;
}

int recover(struct queue *q, struct journal *j, struct spool *spool, uint64_t now_wall_ms,
            uint64_t now_steady_ms, uint64_t wait_most_ms, struct recovery *out,
            struct err *err)
{
    int rc = journal_load(j, now_wall_ms, now_steady_ms, wait_most_ms, on_letter, q, err);

    if (rc < 0)
        return rc;
    struct sweeping s = {.queue = q, .journal = j};
    rc = spool_sweep(spool, keep, &s, now_wall_ms, err);
    if (rc < 0)
        return rc;
    out->swept = (unsigned)rc;
    out->later = s.later;
    out->lost = drop_unseen(q, j, spool);
    out->letters = queue_count(q);
    journal_turn(j);
    journal_collect(j);
    return 0;
}
