#include "mta/queue/rows.h"

#include "db/db.h"
#include "sys/log.h"

#include <stdlib.h>

enum { CHECKPOINT_CHANGES = 2000 }; /* row changes between two checkpoints of the WAL */

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

    "ALTER TABLE recipient ADD COLUMN told INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE letter DROP COLUMN notice;",
};

static const struct db_schema schema = {.version = 2, .migrations = migrations};

struct rows {
    struct db *db;
    struct db_stmt *add_letter, *add_rcpt, *drop_letter, *drop_rcpts, *drop_rcpt, *put_off,
        *hold;
    uint64_t next_row;
    unsigned changes; /* since the last checkpoint */
};

/* ---- open ---- */

static int prepare_all(struct rows *r, struct err *err)
{
    const struct {
        struct db_stmt **to;
        const char *sql;
    } all[] = {
        {&r->add_letter,
         "INSERT INTO letter VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)"            },
        {&r->add_rcpt,    "INSERT INTO recipient VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"},
        {&r->drop_letter, "DELETE FROM letter WHERE n = ?1"                                  },
        {&r->drop_rcpts,  "DELETE FROM recipient WHERE letter = ?1"                          },
        {&r->drop_rcpt,   "DELETE FROM recipient WHERE letter = ?1 AND n = ?2"               },
        {&r->put_off,     "UPDATE recipient SET tries = ?3, backoff = ?4, next_ms = ?5, reply = ?6,"
                      " told = ?7 WHERE letter = ?1 AND n = ?2"         },
        {&r->hold,        "UPDATE letter SET held = ?2 WHERE n = ?1"                         },
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int rc = db_prepare(r->db, all[i].sql, all[i].to, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* One process writes here and nobody else reads: a second queue on the same files is refused.
 * Checkpoints are ours to time. */
static int open_db(struct rows *r, const char *state_dir, struct err *err)
{
    char path[4096];
    struct db_stmt *last = NULL;

    snprintf(path, sizeof(path), "%s/spool/queue.db", state_dir);
    int rc = db_open(path, DB_DURABLE_ALONE, &schema, &r->db, err);
    if (rc == 0)
        rc = db_exec(r->db, "PRAGMA wal_autocheckpoint=0", err);
    if (rc == 0)
        rc = db_prepare(r->db, "SELECT coalesce(max(n), 0) FROM letter", &last, err);
    if (rc == 0)
        rc = db_step(last, err);
    if (rc < 0 || !last)
        return rc;
    r->next_row = (uint64_t)db_int(last, 0) + 1;
    db_reset(last);
    return prepare_all(r, err);
}

struct rows *rows_open(const char *state_dir, struct err *err)
{
    struct rows *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    if (open_db(r, state_dir, err) == 0)
        return r;
    rows_close(r);
    return NULL;
}

void rows_close(struct rows *r)
{
    if (!r)
        return;
    db_close(r->db);
    free(r);
}

/* ---- load ---- */

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
    uint64_t next = (uint64_t)db_int(s, 19);
    uint64_t wait = next > now_wall_ms ? next - now_wall_ms : 0;

    if (l->n == l->room) {
        l->room = l->room ? l->room * 2 : 16;
        l->to = realloc(l->to, l->room * sizeof(struct queue_address));
        if (!l->to)
            abort();
    }
    l->to[l->n++] = (struct queue_address){
        .number = (uint32_t)db_int(s, 13),
        .address = arena_dup(&l->arena, db_str(s, 14)),
        .orcpt = arena_dup(&l->arena, db_str(s, 15)),
        .notify = (unsigned)db_int(s, 16),
        .local = db_int(s, 17) != 0,
        .tries = (unsigned)db_int(s, 18),
        .backoff = (unsigned)db_int(s, 20),
        .later = wait > 0,
        .next_ms = now_steady_ms + (wait < wait_most_ms ? wait : wait_most_ms),
        .reply = arena_dup(&l->arena, db_str(s, 21)),
        .told = db_int(s, 22) != 0,
    };
}

int rows_load(struct rows *r, uint64_t now_wall_ms, uint64_t now_steady_ms,
              uint64_t wait_most_ms, void (*each)(void *arg, struct queue_letter *l), void *arg,
              struct err *err)
{
    struct loading l = {.each = each, .arg = arg};
    struct db_stmt *s;
    int rc = db_prepare(r->db,
                        "SELECT l.*, r.n, r.address, r.orcpt, r.notify, r.local, r.tries,"
                        " r.next_ms, r.backoff, r.reply, r.told"
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
        rc = db_exec(r->db,
                     "DELETE FROM letter WHERE n NOT IN (SELECT letter FROM recipient);"
                     "DELETE FROM recipient WHERE letter NOT IN (SELECT n FROM letter)",
                     err);
    return rc;
}

/* ---- write ---- */

int rows_add(struct rows *r, struct queue_letter *l, struct err *err)
{
    const struct queue_envelope *e = &l->env;
    struct db_stmt *s = r->add_letter;

    l->row = r->next_row++;
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
    int rc = db_run(s, err);

    for (uint32_t i = 0; rc == 0 && i < l->nrcpts; i++) {
        const struct queue_rcpt *to = &l->rcpts[i];

        db_bind_int(r->add_rcpt, 1, (int64_t)l->row);
        db_bind_int(r->add_rcpt, 2, to->number);
        db_bind_str(r->add_rcpt, 3, to->address);
        db_bind_str(r->add_rcpt, 4, to->orcpt);
        db_bind_int(r->add_rcpt, 5, to->notify);
        db_bind_int(r->add_rcpt, 6, to->local);
        db_bind_int(r->add_rcpt, 7, to->tries);
        db_bind_int(r->add_rcpt, 8, to->backoff);
        db_bind_int(r->add_rcpt, 9, 0); /* at once */
        db_bind_str(r->add_rcpt, 10, str_c(to->reply ? to->reply : ""));
        db_bind_int(r->add_rcpt, 11, to->told);
        rc = db_run(r->add_rcpt, err);
        r->changes++;
    }
    r->changes++;
    return rc;
}

static int run_on(struct rows *r, struct db_stmt *s, uint64_t row, struct err *err)
{
    db_bind_int(s, 1, (int64_t)row);
    r->changes++;
    return db_run(s, err);
}

static int write_change(struct rows *r, uint64_t row, const struct journal_change *c,
                        struct err *err)
{
    struct db_stmt *s = c->ended ? r->drop_rcpt : r->put_off;

    db_bind_int(s, 2, c->rcpt);
    if (!c->ended) {
        db_bind_int(s, 3, c->tries);
        db_bind_int(s, 4, c->backoff);
        db_bind_int(s, 5, (int64_t)c->next_wall_ms);
        db_bind_str(s, 6, str_c(c->reply ? c->reply : ""));
        db_bind_int(s, 7, c->told);
    }
    return run_on(r, s, row, err);
}

int rows_settle(struct rows *r, struct journal_settle *s, struct err *err)
{
    int rc = s->report ? rows_add(r, s->report, err) : 0;

    if (rc == 0 && s->last) {
        rc = run_on(r, r->drop_rcpts, s->row, err);
        return rc < 0 ? rc : run_on(r, r->drop_letter, s->row, err);
    }
    for (size_t i = 0; rc == 0 && i < s->nchanges; i++)
        rc = write_change(r, s->row, &s->changes[i], err);
    if (rc == 0 && s->held >= 0) {
        db_bind_int(r->hold, 2, s->held);
        rc = run_on(r, r->hold, s->row, err);
    }
    return rc;
}

void rows_checkpoint(struct rows *r)
{
    struct err err;

    if (r->changes < CHECKPOINT_CHANGES)
        return;
    r->changes = 0;
    if (db_exec(r->db, "PRAGMA wal_checkpoint(PASSIVE)", &err) < 0)
        log_event(LOG_WARN, NULL, "disk", "queue.db: checkpoint: %s", err.text);
}

int rows_begin(struct rows *r, struct err *err)
{
    return db_begin(r->db, err);
}

int rows_commit(struct rows *r, struct err *err)
{
    return db_commit(r->db, err);
}

void rows_rollback(struct rows *r)
{
    db_rollback(r->db);
}
