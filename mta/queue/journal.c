#include "mta/queue/journal.h"

#include "base/defer.h"
#include "db/db.h"
#include "sys/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

enum {
    CARRY_RETRY_MS = 1000,     /* between tries to write what could not be written */
    CHECKPOINT_CHANGES = 2000, /* row changes between two checkpoints of the WAL   */
    BOUNCE_BYTES_MAX = 4 << 20,
};

static const char *const migrations[] = {
    "CREATE TABLE letter ("
    "  n INTEGER PRIMARY KEY, id TEXT NOT NULL, parent TEXT NOT NULL,"
    "  arrived_ms INTEGER NOT NULL, size INTEGER NOT NULL, sender TEXT NOT NULL,"
    "  body INTEGER NOT NULL, smtputf8 INTEGER NOT NULL, ret INTEGER NOT NULL,"
    "  auth TEXT NOT NULL, envid TEXT NOT NULL, flags TEXT NOT NULL,"
    "  held INTEGER NOT NULL, notice INTEGER NOT NULL);"
    "CREATE TABLE recipient ("
    "  letter INTEGER NOT NULL, n INTEGER NOT NULL, address TEXT NOT NULL, orcpt TEXT NOT NULL,"
    "  notify INTEGER NOT NULL, local INTEGER NOT NULL, tries INTEGER NOT NULL,"
    "  backoff INTEGER NOT NULL, next_ms INTEGER NOT NULL, reply TEXT NOT NULL,"
    "  PRIMARY KEY (letter, n)) WITHOUT ROWID;",
};

static const struct db_schema schema = {.version = 1, .migrations = migrations};

struct journal {
    struct db *db;
    struct db_stmt *add_letter, *add_rcpt, *drop_letter, *drop_rcpts, *drop_rcpt, *put_off,
        *hold;
    struct spool *spool;
    uint64_t next_row;
    unsigned changes;  /* since the last checkpoint */
    struct list carry; /* the thread's: settles that must still be written */
    bool failing;      /* told once, not every second */

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

static int prepare_all(struct journal *j, struct err *err)
{
    const struct {
        struct db_stmt **to;
        const char *sql;
    } all[] = {
        {&j->add_letter,
         "INSERT INTO letter VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)"    },
        {&j->add_rcpt,    "INSERT INTO recipient VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"},
        {&j->drop_letter, "DELETE FROM letter WHERE n = ?1"                              },
        {&j->drop_rcpts,  "DELETE FROM recipient WHERE letter = ?1"                      },
        {&j->drop_rcpt,   "DELETE FROM recipient WHERE letter = ?1 AND n = ?2"           },
        {&j->put_off,     "UPDATE recipient SET tries = ?3, backoff = ?4, next_ms = ?5, reply = ?6"
                      " WHERE letter = ?1 AND n = ?2"               },
        {&j->hold,        "UPDATE letter SET held = ?2 WHERE n = ?1"                     },
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int rc = db_prepare(j->db, all[i].sql, all[i].to, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* One process writes here and nobody else reads: a second queue on the same files is refused.
 * Checkpoints are ours to time. */
static int open_db(struct journal *j, const char *state_dir, struct err *err)
{
    char path[4096];
    struct db_stmt *last;

    snprintf(path, sizeof(path), "%s/spool/queue.db", state_dir);
    int rc = db_open(path, DB_DURABLE_ALONE, &schema, &j->db, err);
    if (rc == 0)
        rc = db_exec(j->db, "PRAGMA wal_autocheckpoint=0", err);
    if (rc == 0)
        rc = db_prepare(j->db, "SELECT coalesce(max(n), 0) FROM letter", &last, err);
    if (rc == 0)
        rc = db_step(last, err);
    if (rc < 0)
        return rc;
    j->next_row = (uint64_t)db_int(last, 0) + 1;
    db_reset(last);
    return prepare_all(j, err);
}

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
    if (open_db(j, state_dir, err) < 0) {
        journal_close(j);
        return NULL;
    }
    return j;
}

/* A letter's rows come one after another; its recipients gather here. */
struct loading {
    struct arena arena;
    struct queue_envelope env;
    struct queue_address *to;
    size_t n, room;
    uint64_t row;
    void (*each)(void *arg, struct queue_letter *l);
    void *arg;
};

static void loaded(struct loading *l)
{
    if (l->row) {
        struct queue_letter *letter = queue_letter_new(&l->env, l->to, l->n);

        letter->row = l->row;
        l->each(l->arg, letter);
    }
    arena_reset(&l->arena);
    l->n = 0;
    l->row = 0;
}

static void load_letter(struct loading *l, struct db_stmt *s)
{
    l->row = (uint64_t)db_int(s, 0);
    l->env = (struct queue_envelope){
        .arrived_ms = (uint64_t)db_int(s, 3),
        .size = (uint64_t)db_int(s, 4),
        .mail = {.reverse_path = arena_dup(&l->arena, db_str(s, 5)),
                 .body = (enum smtp_body)db_int(s, 6),
                 .smtputf8 = db_int(s, 7) != 0,
                 .ret = (enum smtp_ret)db_int(s, 8),
                 .auth = arena_dup(&l->arena, db_str(s, 9)),
                 .envid = arena_dup(&l->arena, db_str(s, 10))},
        .flags = arena_dup(&l->arena, db_str(s, 11)),
        .held = db_int(s, 12) != 0,
        .notice = db_int(s, 13) != 0,
    };
    if (!id_parse(db_str(s, 1), &l->env.id)) {
        log_event(LOG_ERROR, NULL, "corrupt",
                  "queue.db: letter %llu has no id; it is left alone",
                  (unsigned long long)l->row);
        l->row = 0;
    }
    if (!id_parse(db_str(s, 2), &l->env.parent))
        memset(&l->env.parent, 0, sizeof(l->env.parent));
}

static void load_rcpt(struct loading *l, struct db_stmt *s, uint64_t now_wall_ms,
                      uint64_t now_steady_ms, uint64_t wait_most_ms)
{
    uint64_t next = (uint64_t)db_int(s, 20);
    uint64_t wait = next > now_wall_ms ? next - now_wall_ms : 0;

    if (l->n == l->room) {
        l->room = l->room ? l->room * 2 : 16;
        l->to = realloc(l->to, l->room * sizeof(struct queue_address));
        if (!l->to)
            abort();
    }
    l->to[l->n++] = (struct queue_address){
        .number = (uint32_t)db_int(s, 14),
        .address = arena_dup(&l->arena, db_str(s, 15)),
        .orcpt = arena_dup(&l->arena, db_str(s, 16)),
        .notify = (unsigned)db_int(s, 17),
        .local = db_int(s, 18) != 0,
        .tries = (unsigned)db_int(s, 19),
        .backoff = (unsigned)db_int(s, 21),
        .later = wait > 0,
        .next_ms = now_steady_ms + (wait < wait_most_ms ? wait : wait_most_ms),
        .reply = arena_dup(&l->arena, db_str(s, 22)),
    };
}

int journal_load(struct journal *j, uint64_t now_wall_ms, uint64_t now_steady_ms,
                 uint64_t wait_most_ms, void (*each)(void *arg, struct queue_letter *l),
                 void *arg, struct err *err)
{
    struct loading l = {.each = each, .arg = arg};
    struct db_stmt *s;
    int rc = db_prepare(j->db,
                        "SELECT l.*, r.n, r.address, r.orcpt, r.notify, r.local, r.tries,"
                        " r.next_ms, r.backoff, r.reply"
                        " FROM letter l CROSS JOIN recipient r ON r.letter = l.n"
                        " ORDER BY l.n, r.n",
                        &s, err);

    if (rc < 0)
        return rc;
    arena_init(&l.arena);
    while ((rc = db_step(s, err)) == 1) {
        if ((uint64_t)db_int(s, 0) != l.row) {
            loaded(&l);
            load_letter(&l, s);
        }
        if (l.row)
            load_rcpt(&l, s, now_wall_ms, now_steady_ms, wait_most_ms);
    }
    if (rc == 0)
        loaded(&l);
    arena_done(&l.arena);
    free(l.to);
    if (rc == 0)
        rc = db_exec(j->db,
                     "DELETE FROM letter WHERE n NOT IN (SELECT letter FROM recipient);"
                     "DELETE FROM recipient WHERE letter NOT IN (SELECT n FROM letter)",
                     err);
    return rc;
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

static int write_report(struct journal *j, struct journal_settle *s)
{
    struct queue_envelope *env = &s->report->env;
    struct letter *l = letter_new(j->spool, &env->id);
    struct buf original, text;

    buf_init(&original, DSN_LETTER_BYTES + 1);
    buf_init(&text, BOUNCE_BYTES_MAX);
    bounce_print(&text, s->bounce, read_original(j->spool, &s->id, &original));
    letter_add(l, buf_str(&text));
    int rc = buf_failed(&text) ? err_set(&s->op.err, E_LIMIT, "the report is too long")
                               : letter_commit(l, STR(""), &s->op.err);
    env->size = letter_size(l);
    if (rc == 0)
        rc = spool_take(j->spool, &env->id, getuid(), env->size, &s->op.err);
    if (rc == 0)
        letter_handed_over(l);
    letter_free(l);
    buf_done(&original);
    buf_done(&text);
    return rc;
}

/* The letter that an operation brings into msg/, or NULL. */
static struct queue_letter *brings(struct journal_op *op)
{
    return op->kind == JOURNAL_TAKE ? as_take(op)->letter : as_settle(op)->report;
}

static int bring_file(struct journal *j, struct journal_op *op)
{
    struct journal_take *t = as_take(op);

    if (t)
        return spool_take(j->spool, &t->letter->env.id, t->uid, t->letter->env.size, &op->err);
    return write_report(j, as_settle(op));
}

/* What was brought and cannot be kept: nobody was promised it. */
static void give_up_file(struct journal *j, struct journal_op *op)
{
    if (brings(op))
        spool_remove(j->spool, &brings(op)->env.id);
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
        int rc = brings(op) ? bring_file(j, op) : 0;

        if (rc < 0)
            finish(finished, op, rc);
        else
            any |= brings(op) != NULL;
    }
    int rc = any ? spool_sync(j->spool, &err) : 0;
    if (rc == 0)
        return;
    log_event(LOG_ERROR, NULL, "disk", "%s: what was not yet acknowledged is given up",
              err.text);
    LIST_EACH(batch, at)
    {
        struct journal_op *op = LIST_OF(at, struct journal_op, link);

        if (!brings(op))
            continue;
        give_up_file(j, op);
        op->err = err;
        finish(finished, op, rc);
    }
}

/* ---- rows ---- */

static int insert_letter(struct journal *j, struct queue_letter *l, struct err *err)
{
    const struct queue_envelope *e = &l->env;
    struct db_stmt *s = j->add_letter;

    l->row = j->next_row++;
    db_bind_int(s, 1, (int64_t)l->row);
    db_bind_str(s, 2, id_str(&e->id));
    db_bind_str(s, 3, str_c(e->parent.text));
    db_bind_int(s, 4, (int64_t)e->arrived_ms);
    db_bind_int(s, 5, (int64_t)e->size);
    db_bind_str(s, 6, e->mail.reverse_path);
    db_bind_int(s, 7, e->mail.body);
    db_bind_int(s, 8, e->mail.smtputf8);
    db_bind_int(s, 9, e->mail.ret);
    db_bind_str(s, 10, e->mail.auth);
    db_bind_str(s, 11, e->mail.envid);
    db_bind_str(s, 12, e->flags);
    db_bind_int(s, 13, e->held);
    db_bind_int(s, 14, e->notice);
    int rc = db_run(s, err);

    for (uint32_t i = 0; rc == 0 && i < l->nrcpts; i++) {
        const struct queue_rcpt *r = &l->rcpts[i];

        db_bind_int(j->add_rcpt, 1, (int64_t)l->row);
        db_bind_int(j->add_rcpt, 2, r->number);
        db_bind_str(j->add_rcpt, 3, r->address);
        db_bind_str(j->add_rcpt, 4, r->orcpt);
        db_bind_int(j->add_rcpt, 5, r->notify);
        db_bind_int(j->add_rcpt, 6, r->local);
        db_bind_int(j->add_rcpt, 7, r->tries);
        db_bind_int(j->add_rcpt, 8, r->backoff);
        db_bind_int(j->add_rcpt, 9, 0); /* at once */
        db_bind_str(j->add_rcpt, 10, str_c(r->reply ? r->reply : ""));
        rc = db_run(j->add_rcpt, err);
        j->changes++;
    }
    j->changes++;
    return rc;
}

static int run_on(struct journal *j, struct db_stmt *s, uint64_t row, struct err *err)
{
    db_bind_int(s, 1, (int64_t)row);
    j->changes++;
    return db_run(s, err);
}

static int write_change(struct journal *j, uint64_t row, const struct journal_change *c,
                        struct err *err)
{
    struct db_stmt *s = c->ended ? j->drop_rcpt : j->put_off;

    db_bind_int(s, 2, c->rcpt);
    if (!c->ended) {
        db_bind_int(s, 3, c->tries);
        db_bind_int(s, 4, c->backoff);
        db_bind_int(s, 5, (int64_t)c->next_wall_ms);
        db_bind_str(s, 6, str_c(c->reply ? c->reply : ""));
    }
    return run_on(j, s, row, err);
}

static int write_settle(struct journal *j, struct journal_settle *s, struct err *err)
{
    int rc = s->report ? insert_letter(j, s->report, err) : 0;

    if (rc == 0 && s->last) {
        rc = run_on(j, j->drop_rcpts, s->row, err);
        return rc < 0 ? rc : run_on(j, j->drop_letter, s->row, err);
    }
    for (size_t i = 0; rc == 0 && i < s->nchanges; i++)
        rc = write_change(j, s->row, &s->changes[i], err);
    if (rc == 0 && s->held >= 0) {
        db_bind_int(j->hold, 2, s->held);
        rc = run_on(j, j->hold, s->row, err);
    }
    return rc;
}

static int write_rows(struct journal *j, struct list *batch, struct err *err)
{
    int rc = db_begin(j->db, err);

    LIST_EACH(batch, at)
    {
        struct journal_op *op = LIST_OF(at, struct journal_op, link);

        if (rc == 0)
            rc = op->kind == JOURNAL_TAKE ? insert_letter(j, as_take(op)->letter, err)
                                          : write_settle(j, as_settle(op), err);
    }
    if (rc == 0)
        return db_commit(j->db, err);
    db_rollback(j->db);
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
            give_up_file(j, op);
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

static void checkpoint(struct journal *j)
{
    struct err err;

    if (j->changes < CHECKPOINT_CHANGES)
        return;
    j->changes = 0;
    if (db_exec(j->db, "PRAGMA wal_checkpoint(PASSIVE)", &err) < 0)
        log_event(LOG_WARN, NULL, "disk", "queue.db: checkpoint: %s", err.text);
}

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
    for (size_t i = 0; i < n; i++)
        spool_remove(j->spool, &ended[i]);
    free(ended);
    checkpoint(j);
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
    int rc = pthread_create(&j->thread, NULL, run, j);

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
    free_ops(&j->carry);
    free_ops(&j->inbox);
    free_ops(&j->outbox);
    db_close(j->db);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->come);
    free(j);
}
