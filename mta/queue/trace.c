#include "mta/queue/trace.h"

#include "base/json.h"
#include "db/db.h"
#include "mail/date.h"
#include "sys/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    GATHER_MS = 250,    /* what comes within it is written together */
    PRUNE_EVERY = 1000, /* journeys written between two looks for old ones */
};

static const char *const migrations[] = {
    "CREATE TABLE journey (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, parent TEXT,"
    " ended_ms INTEGER NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX journey_parent ON journey (parent) WHERE parent IS NOT NULL;",
};

static const struct db_schema schema = {.version = 1, .migrations = migrations};

struct journey {
    struct list link;
    struct id id, parent;
    uint64_t ended_ms;
    size_t n;
    char text[];
};

struct trace {
    struct db *db;
    struct db_stmt *add, *find, *children, *prune;
    uint64_t letters_max;
    unsigned since_prune;

    void (*notify)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t come;
    struct list journeys, queries, answered;
    unsigned pending;
    uint64_t lost;
    bool stopping, asleep;
};

/* ---- the text ---- */

void trace_add_hop(struct buf *text, uint64_t ms, const char *box, struct str words)
{
    buf_addf(text, "%llu\t%s\t", (unsigned long long)ms, box);
    for (size_t i = 0; i < words.n; i++) {
        char c = words.p[i];

        if (c == '\n' || c == '\t')
            c = ' ';
        buf_add_byte(text, c);
    }
    buf_add_byte(text, '\n');
}

void trace_print_time(struct buf *out, uint64_t ms)
{
    struct date d = date_of((int64_t)(ms / 1000));

    buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", d.year, d.month, d.day, d.hour,
             d.minute, d.second, (unsigned)(ms % 1000));
}

static bool scan_hop(struct str *in, uint64_t *ms, struct str *box, struct str *words)
{
    struct str line, s;

    if (!scan_until(in, '\n', &line))
        return false;
    scan_byte(in, '\n');
    s = line;
    if (!scan_u64(&s, UINT64_MAX, ms) || !scan_byte(&s, '\t') || !scan_until(&s, '\t', box) ||
        !scan_byte(&s, '\t'))
        return false;
    *words = s;
    return true;
}

void trace_print_hops(struct buf *out, const struct id *id, struct str text)
{
    struct str box, words;
    uint64_t ms;

    while (scan_hop(&text, &ms, &box, &words)) {
        buf_add_byte(out, '{');
        json_add_member(out, "id", id_str(id));
        buf_add(out, STR("\"time\": \""));
        trace_print_time(out, ms);
        buf_add(out, STR("\", "));
        json_add_member(out, "box", box);
        buf_add(out, STR("\"text\": "));
        json_add_string(out, words);
        buf_add(out, STR("}\n"));
    }
}

/* ---- the thread ---- */

static int write_journeys(struct trace *t, struct list *journeys, struct err *err)
{
    int rc = db_begin(t->db, err);

    LIST_EACH(journeys, at)
    {
        struct journey *j = LIST_OF(at, struct journey, link);

        if (rc < 0)
            break;
        db_bind_str(t->add, 1, id_str(&j->id));
        if (j->parent.text[0])
            db_bind_str(t->add, 2, id_str(&j->parent));
        else
            db_bind_null(t->add, 2);
        db_bind_int(t->add, 3, (int64_t)j->ended_ms);
        db_bind_str(t->add, 4, (struct str){j->text, j->n});
        rc = db_run(t->add, err);
        t->since_prune++;
    }
    if (rc == 0 && t->since_prune >= PRUNE_EVERY) {
        t->since_prune = 0;
        db_bind_int(t->prune, 1, (int64_t)t->letters_max);
        rc = db_run(t->prune, err);
    }
    if (rc == 0)
        return db_commit(t->db, err);
    db_rollback(t->db);
    return rc;
}

static unsigned free_journeys(struct list *journeys)
{
    unsigned n = 0;

    LIST_EACH(journeys, at)
    {
        list_remove(at);
        free(LIST_OF(at, struct journey, link));
        n++;
    }
    return n;
}

static void answer_from(struct trace_query *q, struct db_stmt *s)
{
    struct id id;

    db_bind_str(s, 1, id_str(&q->id));
    while (db_step(s, NULL) == 1)
        if (id_parse(db_str(s, 0), &id))
            trace_print_hops(&q->answer, &id, db_str(s, 1));
}

static void move_all(struct list *from, struct list *to)
{
    LIST_EACH(from, at)
    {
        list_remove(at);
        list_append(to, at);
    }
}

static void work(struct trace *t, struct list *journeys, struct list *queries)
{
    struct err err;
    int rc = list_empty(journeys) ? 0 : write_journeys(t, journeys, &err);

    if (rc < 0)
        log_event(LOG_WARN, NULL, "trace", "journeys are lost: %s", err.text);
    unsigned n = free_journeys(journeys);
    LIST_EACH(queries, at)
    {
        struct trace_query *q = LIST_OF(at, struct trace_query, link);

        answer_from(q, t->find);
        answer_from(q, t->children);
    }
    bool told = !list_empty(queries);
    pthread_mutex_lock(&t->lock);
    t->pending -= n;
    t->lost += rc < 0 ? n : 0;
    move_all(queries, &t->answered);
    pthread_mutex_unlock(&t->lock);
    if (told)
        t->notify(t->arg);
}

/* Sleeps until something comes, then a moment longer, so that it is not alone; a question is
 * not kept waiting. */
static bool wait_for_work(struct trace *t)
{
    struct timespec until;

    t->asleep = true;
    while (list_empty(&t->journeys) && list_empty(&t->queries) && !t->stopping)
        pthread_cond_wait(&t->come, &t->lock);
    t->asleep = false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GATHER_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (list_empty(&t->queries) && !t->stopping)
        if (pthread_cond_timedwait(&t->come, &t->lock, &until) == ETIMEDOUT)
            break;
    return !t->stopping;
}

static void *run(void *arg)
{
    struct trace *t = arg;
    struct list journeys, queries;

    for (bool more = true; more;) {
        list_init(&journeys);
        list_init(&queries);
        pthread_mutex_lock(&t->lock);
        more = wait_for_work(t);
        move_all(&t->journeys, &journeys);
        move_all(&t->queries, &queries);
        pthread_mutex_unlock(&t->lock);
        work(t, &journeys, &queries);
    }
    return NULL;
}

/* ---- open ---- */

static int open_db(struct trace *t, const char *path, struct err *err)
{
    const struct {
        struct db_stmt **to;
        const char *sql;
    } all[] = {
        {&t->add,
         "INSERT OR REPLACE INTO journey (id, parent, ended_ms, text) VALUES (?1, ?2, ?3, ?4)"},
        {&t->find,     "SELECT id, text FROM journey WHERE id = ?1"                           },
        {&t->children, "SELECT id, text FROM journey WHERE parent = ?1 ORDER BY id"           },
        {&t->prune,    "DELETE FROM journey WHERE n <= (SELECT max(n) FROM journey) - ?1"     },
    };
    int rc = db_open(path, DB_CACHE, &schema, &t->db, err);

    if (rc == 0)
        rc = db_exec(t->db, "PRAGMA synchronous=OFF", err); /* it may be lost */
    for (size_t i = 0; rc == 0 && i < sizeof(all) / sizeof(all[0]); i++)
        rc = db_prepare(t->db, all[i].sql, all[i].to, err);
    return rc;
}

static int open_or_replace(struct trace *t, const char *path, struct err *err)
{
    int rc = open_db(t, path, err);

    if (rc != E_CORRUPT)
        return rc;
    log_event(LOG_WARN, NULL, "trace", "%s; a new one is made", err->text);
    db_close(t->db);
    t->db = NULL;
    rc = db_remove(path, err);
    return rc < 0 ? rc : open_db(t, path, err);
}

struct trace *trace_open(const char *state_dir, uint64_t letters_max, void (*notify)(void *arg),
                         void *arg, struct err *err)
{
    struct trace *t = calloc(1, sizeof(*t));
    pthread_condattr_t steady;
    char path[4096];

    if (!t)
        abort();
    t->letters_max = letters_max;
    t->notify = notify;
    t->arg = arg;
    list_init(&t->journeys);
    list_init(&t->queries);
    list_init(&t->answered);
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&t->come, &steady);
    pthread_condattr_destroy(&steady);
    snprintf(path, sizeof(path), "%s/spool/trace.db", state_dir);
    int rc = open_or_replace(t, path, err);
    if (rc == 0) {
        rc = pthread_create(&t->thread, NULL, run, t);
        if (rc == 0)
            return t;
        err_set(err, -rc, "start the thread of trace.db: %s", strerrordesc_np(rc));
    }
    db_close(t->db);
    free(t);
    return NULL;
}

void trace_close(struct trace *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_cond_signal(&t->come);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    db_close(t->db);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->come);
    free(t);
}

/* ---- the loop's side ---- */

void trace_add(struct trace *t, const struct id *id, const struct id *parent, uint64_t ended_ms,
               struct str text)
{
    struct journey *j;

    if (!t || !t->letters_max)
        return;
    j = malloc(sizeof(*j) + text.n);
    if (!j)
        abort();
    *j = (struct journey){.id = *id, .parent = *parent, .ended_ms = ended_ms, .n = text.n};
    memcpy(j->text, text.p, text.n);
    list_init(&j->link);
    pthread_mutex_lock(&t->lock);
    bool full = t->pending >= TRACE_PENDING_MAX, wake = !full && t->asleep;
    if (full) {
        t->lost++;
    } else {
        t->pending++;
        list_append(&t->journeys, &j->link);
        t->asleep = false; /* one signal is enough */
    }
    pthread_mutex_unlock(&t->lock);
    if (wake)
        pthread_cond_signal(&t->come);
    if (full)
        free(j);
}

void trace_find(struct trace *t, struct trace_query *q)
{
    pthread_mutex_lock(&t->lock);
    list_append(&t->queries, &q->link);
    pthread_mutex_unlock(&t->lock);
    pthread_cond_signal(&t->come);
}

void trace_collect(struct trace *t)
{
    struct list answered;

    list_init(&answered);
    pthread_mutex_lock(&t->lock);
    move_all(&t->answered, &answered);
    pthread_mutex_unlock(&t->lock);
    LIST_EACH(&answered, at)
    {
        list_remove(at);
        struct trace_query *q = LIST_OF(at, struct trace_query, link);
        q->done(q);
    }
}

uint64_t trace_lost(struct trace *t)
{
    pthread_mutex_lock(&t->lock);
    uint64_t lost = t->lost;
    pthread_mutex_unlock(&t->lock);
    return lost;
}
