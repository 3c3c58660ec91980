#include "mta/queue/journal.h"

#include "base/defer.h"
#include "mta/queue/remover.h"
#include "mta/queue/rows.h"
#include "sys/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

enum {
    CARRY_RETRY_MS = 1000, /* between tries to write what could not be written */
    BOUNCE_BYTES_MAX = 4 << 20,
};

struct journal {
    struct rows *rows;
    struct spool *spool;
    struct remover *remover; /* works while the thread runs */
    struct list carry;       /* the thread's: settles that must still be written */
    bool failing;            /* told once, not every second */

    void (*notify)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t come;
    struct list inbox, outbox;
    unsigned unfinished;
    bool running, urgent, stopping;
};

/* ---- operations ---- */

struct journal_settle *journal_settle_new(const struct queue_letter *l)
{
    struct journal_settle *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->op.kind = JOURNAL_SETTLE;
    s->row = l->row;
    s->id = l->env.id;
    s->held = -1;
    return s;
}

struct journal_change *journal_settle_add(struct journal_settle *s, uint32_t rcpt)
{
    if (s->nchanges == s->room) {
        s->room = s->room ? s->room * 2 : 1;
        s->changes = realloc(s->changes, s->room * sizeof(struct journal_change));
        if (!s->changes)
            abort();
    }
    struct journal_change *c = &s->changes[s->nchanges++];
    *c = (struct journal_change){.rcpt = rcpt};
    return c;
}

void journal_settle_free(struct journal_settle *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->nchanges; i++)
        free(s->changes[i].reply);
    free(s->changes);
    bounce_free(s->bounce);
    queue_letter_free(s->report);
    free(s);
}

static struct journal_take *as_take(struct journal_op *op)
{
    return op->kind == JOURNAL_TAKE ? LIST_OF(op, struct journal_take, op) : NULL;
}

static struct journal_settle *as_settle(struct journal_op *op)
{
    return op->kind == JOURNAL_SETTLE ? LIST_OF(op, struct journal_settle, op) : NULL;
}

/* ---- open and load ---- */

struct journal *journal_open(const char *state_dir, struct spool *spool,
                             void (*notify)(void *arg), void *arg, struct err *err)
{
    struct journal *j = calloc(1, sizeof(*j));
    pthread_condattr_t steady;

    if (!j)
        abort();
    j->spool = spool;
    j->notify = notify;
    j->arg = arg;
    list_init(&j->carry);
    list_init(&j->inbox);
    list_init(&j->outbox);
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&j->come, &steady);
    pthread_condattr_destroy(&steady);
    j->remover = remover_new(spool);
    j->rows = rows_open(state_dir, err);
    if (!j->rows) {
        journal_close(j);
        return NULL;
    }
    return j;
}

int journal_load(struct journal *j, uint64_t now_wall_ms, uint64_t now_steady_ms,
                 uint64_t wait_most_ms, void (*each)(void *arg, struct queue_letter *l),
                 void *arg, struct err *err)
{
    return rows_load(j->rows, now_wall_ms, now_steady_ms, wait_most_ms, each, arg, err);
}

void journal_remove_later(struct journal *j, const struct id *id)
{
    remover_later(j->remover, id);
}

/* ---- files ---- */

static struct str read_original(struct spool *spool, const struct id *id, struct buf *b)
{
    uint64_t size;
    DEFER(close_fd) int fd = spool_read(spool, id, &size, NULL);
    char *to = fd < 0 ? NULL : buf_room(b, DSN_LETTER_BYTES + 1);
    ssize_t n = to ? pread(fd, to, DSN_LETTER_BYTES + 1, 0) : 0;

    if (n > 0)
        buf_grown(b, (size_t)n);
    return buf_str(b);
}

/* A report about the letter `about`, which is in msg/ already. */
static int write_report(struct journal *j, const struct id *about, struct bounce *b,
                        struct queue_letter *report, struct err *err)
{
    struct queue_envelope *env = &report->env;
    struct letter *l = letter_new(j->spool, &env->id);
    struct buf original, text;

    buf_init(&original, DSN_LETTER_BYTES + 1);
    buf_init(&text, BOUNCE_BYTES_MAX);
    bounce_print(&text, b, read_original(j->spool, about, &original));
    letter_add(l, buf_str(&text));
    int rc = buf_failed(&text) ? err_set(err, E_LIMIT, "the report is too long")
                               : letter_commit(l, STR(""), err);
    env->size = letter_size(l);
    if (rc == 0)
        rc = spool_take(j->spool, &env->id, getuid(), env->size, err);
    if (rc == 0)
        letter_handed_over(l);
    letter_free(l);
    buf_done(&original);
    buf_done(&text);
    return rc;
}

static bool brings_files(struct journal_op *op)
{
    return op->kind == JOURNAL_TAKE || as_settle(op)->report;
}

/* A taken letter without its report is not taken. */
static int bring_taken(struct journal *j, struct journal_take *t)
{
    const struct queue_envelope *env = &t->letter->env;
    int rc = spool_take(j->spool, &env->id, t->uid, env->size, &t->op.err);

    if (rc < 0 || !t->report)
        return rc;
    rc = write_report(j, &env->id, t->bounce, t->report, &t->op.err);
    if (rc < 0)
        spool_remove(j->spool, &env->id);
    return rc;
}

static int bring(struct journal *j, struct journal_op *op)
{
    struct journal_settle *s = as_settle(op);

    if (!s)
        return bring_taken(j, as_take(op));
    return s->report ? write_report(j, &s->id, s->bounce, s->report, &op->err) : 0;
}

/* What was brought and cannot be kept: nobody was promised it. */
static void give_up_files(struct journal *j, struct journal_op *op)
{
    struct journal_take *t = as_take(op);
    struct queue_letter *report = t ? t->report : as_settle(op)->report;

    if (t)
        spool_remove(j->spool, &t->letter->env.id);
    if (report)
        spool_remove(j->spool, &report->env.id);
}

static void finish(struct list *finished, struct journal_op *op, int result)
{
    op->result = result;
    list_remove(&op->link);
    list_append(finished, &op->link);
}

/* Step 1: all files into msg/, and one sync for them. What fails is finished. */
static void bring_files(struct journal *j, struct list *batch, struct list *finished)
{
    struct err err;
    bool any = false;

    LIST_EACH(batch, at)
    {
        struct journal_op *op = LIST_OF(at, struct journal_op, link);
        int rc = bring(j, op);

        if (rc < 0)
            finish(finished, op, rc);
        else
            any |= brings_files(op);
    }
    int rc = any ? spool_sync(j->spool, &err) : 0;
    if (rc == 0)
        return;
    log_event(LOG_ERROR, NULL, "disk", "%s: what was not yet acknowledged is given up",
              err.text);
    LIST_EACH(batch, at)
    {
        struct journal_op *op = LIST_OF(at, struct journal_op, link);

        if (!brings_files(op))
            continue;
        give_up_files(j, op);
        op->err = err;
        finish(finished, op, rc);
    }
}

/* ---- rows ---- */

static int write_op(struct journal *j, struct journal_op *op, struct err *err)
{
    struct journal_take *t = as_take(op);
    int rc = t ? rows_add(j->rows, t->letter, err) : rows_settle(j->rows, as_settle(op), err);

    return rc == 0 && t && t->report ? rows_add(j->rows, t->report, err) : rc;
}

static int write_rows(struct journal *j, struct list *batch, struct err *err)
{
    int rc = rows_begin(j->rows, err);

    LIST_EACH(batch, at)
    {
        struct journal_op *op = LIST_OF(at, struct journal_op, link);

        if (rc == 0)
            rc = write_op(j, op, err);
    }
    if (rc == 0)
        return rows_commit(j->rows, err);
    rows_rollback(j->rows);
    return rc;
}

/* Step 2: one commit for all. Failing that, takes are refused and settles wait. */
static void commit(struct journal *j, struct list *batch, struct list *finished)
{
    struct err err = {0};
    int rc = list_empty(batch) ? 0 : write_rows(j, batch, &err);

    if (rc < 0 && !j->failing)
        log_event(LOG_ERROR, NULL, "disk",
                  "queue.db: %s: nothing is taken until it can be written", err.text);
    if (rc == 0 && j->failing && !list_empty(batch))
        log_event(LOG_WARN, NULL, "disk", "queue.db can be written again");
    if (!list_empty(batch))
        j->failing = rc < 0;
    LIST_EACH(batch, at)
    {
        struct journal_op *op = LIST_OF(at, struct journal_op, link);

        if (rc < 0)
            give_up_files(j, op);
        if (rc < 0 && op->kind == JOURNAL_SETTLE) {
            list_remove(&op->link);
            list_append(&j->carry, &op->link);
            continue;
        }
        op->err = err;
        finish(finished, op, rc);
    }
}

/* ---- a turn ---- */

/* The ids of letters whose end is committed: copied, because the operations are given back
 * first. */
static size_t list_ended(struct list *finished, struct id **out)
{
    size_t n = 0;

    LIST_EACH(finished, at)
    n++;
    *out = n ? calloc(n, sizeof(struct id)) : NULL;
    if (n && !*out)
        abort();
    n = 0;
    LIST_EACH(finished, at)
    {
        struct journal_settle *s = as_settle(LIST_OF(at, struct journal_op, link));

        if (s && s->op.result == 0 && s->last)
            (*out)[n++] = s->id;
    }
    return n;
}

static void give_back(struct journal *j, struct list *finished)
{
    pthread_mutex_lock(&j->lock);
    bool first = list_empty(&j->outbox) && !list_empty(finished);
    LIST_EACH(finished, at)
    {
        list_remove(at);
        list_append(&j->outbox, at);
    }
    pthread_mutex_unlock(&j->lock);
    if (first)
        j->notify(j->arg);
}

static void work(struct journal *j, struct list *batch)
{
    struct list finished;
    struct id *ended;

    list_init(&finished);
    bring_files(j, batch, &finished);
    commit(j, batch, &finished);
    size_t n = list_ended(&finished, &ended);
    give_back(j, &finished); /* who waits for a 250 waits no longer */
    remover_add(j->remover, ended, n);
    free(ended);
    rows_checkpoint(j->rows);
}

/* What could not be written comes first: order is kept. */
static void take_batch(struct journal *j, struct list *batch)
{
    list_init(batch);
    LIST_EACH(&j->carry, at)
    {
        list_remove(at);
        list_append(batch, at);
    }
    pthread_mutex_lock(&j->lock);
    LIST_EACH(&j->inbox, at)
    {
        list_remove(at);
        list_append(batch, at);
    }
    j->urgent = false;
    pthread_mutex_unlock(&j->lock);
}

void journal_turn(struct journal *j)
{
    struct list batch;

    take_batch(j, &batch);
    work(j, &batch);
}

static void wait_for_work(struct journal *j)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CARRY_RETRY_MS / 1000;
    pthread_mutex_lock(&j->lock);
    while (!j->urgent && !j->stopping) {
        if (list_empty(&j->carry))
            pthread_cond_wait(&j->come, &j->lock);
        else if (pthread_cond_timedwait(&j->come, &j->lock, &until) == ETIMEDOUT)
            break;
    }
    pthread_mutex_unlock(&j->lock);
}

static void *run(void *arg)
{
    struct journal *j = arg;
    bool stopping = false;

    while (!stopping) {
        wait_for_work(j);
        pthread_mutex_lock(&j->lock);
        stopping = j->stopping;
        pthread_mutex_unlock(&j->lock);
        journal_turn(j);
    }
    return NULL;
}

int journal_start(struct journal *j, struct err *err)
{
    int rc = remover_start(j->remover, err);
    if (rc < 0)
        return rc;
    rc = pthread_create(&j->thread, NULL, run, j);
    if (rc != 0)
        return err_set(err, -rc, "start the thread of queue.db: %s", strerror(rc));
    j->running = true;
    return 0;
}

void journal_submit(struct journal *j, struct journal_op *op, bool urgent)
{
    pthread_mutex_lock(&j->lock);
    list_append(&j->inbox, &op->link);
    j->unfinished++;
    bool wake = urgent && !j->urgent;
    j->urgent |= urgent;
    pthread_mutex_unlock(&j->lock);
    if (wake && j->running)
        pthread_cond_signal(&j->come);
}

void journal_flush(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    bool wake = !j->urgent && !list_empty(&j->inbox);
    j->urgent |= wake;
    pthread_mutex_unlock(&j->lock);
    if (wake && j->running)
        pthread_cond_signal(&j->come);
}

void journal_collect(struct journal *j)
{
    struct list finished;
    unsigned n = 0;

    list_init(&finished);
    pthread_mutex_lock(&j->lock);
    LIST_EACH(&j->outbox, at)
    {
        list_remove(at);
        list_append(&finished, at);
        n++;
    }
    j->unfinished -= n;
    pthread_mutex_unlock(&j->lock);
    LIST_EACH(&finished, at)
    {
        struct journal_op *op = LIST_OF(at, struct journal_op, link);

        list_remove(at);
        op->done(op);
    }
}

bool journal_idle(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    bool idle = j->unfinished == 0;
    pthread_mutex_unlock(&j->lock);
    return idle;
}

void journal_stop(struct journal *j)
{
    if (!j->running)
        return;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_mutex_unlock(&j->lock);
    pthread_cond_signal(&j->come);
    pthread_join(j->thread, NULL);
    j->running = false;
    remover_stop(j->remover);
}

static void free_ops(struct list *ops)
{
    LIST_EACH(ops, at)
    {
        struct journal_settle *s = as_settle(LIST_OF(at, struct journal_op, link));

        list_remove(at);
        journal_settle_free(s); /* a take is its session's */
    }
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    journal_stop(j);
    remover_free(j->remover);
    free_ops(&j->carry);
    free_ops(&j->inbox);
    free_ops(&j->outbox);
    rows_close(j->rows);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->come);
    free(j);
}
