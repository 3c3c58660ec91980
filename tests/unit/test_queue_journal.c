/*
 * What the queue must not forget. The journal's steps are done one by one here, and the process
 * "dies" between any two of them: the database and the directory are opened anew, as after a
 * kill, and must tell the truth.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/defer.h"
#include "db/db.h"
#include "mta/queue/recover.h"
#include "sys/clock.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const uint8_t secret[MAP_SECRET_BYTES] = {1, 2, 3};

/* ---- seams: the linker prefers these to libc's ---- */

static struct {
    int fail_sync; /* errno for ...               */
    unsigned from; /* ... the n-th sync from here */
    unsigned syncs;
    bool blind;       /* listings pass letters over ... */
    int fail_listing; /* ... or end with this errno     */
} io;

static int sync_seam(void)
{
    io.syncs++;
    if (io.fail_sync && --io.from == 0) {
        errno = io.fail_sync;
        io.fail_sync = 0;
        return -1;
    }
    return 0;
}

int fsync(int fd)
{
    return sync_seam() < 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_seam() < 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* What some file systems do to a listing while files are removed, and all do when the disk
 * cannot be read. */
struct dirent *readdir(DIR *d)
{
    struct dirent *(*real)(DIR *);
    struct dirent *e;
    struct id id;

    *(void **)&real = dlsym(RTLD_NEXT, "readdir64");
    if (io.fail_listing) {
        errno = io.fail_listing;
        return NULL;
    }
    do
        e = real(d);
    while (e && io.blind && id_parse(str_c(e->d_name), &id));
    return e;
}

/* ---- a queue on disk ---- */

struct place {
    char dir[64];
    struct spool *spool;
    struct journal *j;
    struct queue *q;
    struct recovery recovery;
    struct err err;
    unsigned notified, done;
    int result; /* of the last done */
};

static void on_notify(void *arg)
{
    ((struct place *)arg)->notified++;
}

static void place_open(struct place *p)
{
    p->spool = spool_open(p->dir, &p->err);
    assert_non_null(p->spool);
    p->j = journal_open(p->dir, p->spool, on_notify, p, &p->err);
    if (!p->j)
        fail_msg("%s", p->err.text);
    p->q = queue_new(secret);
    assert_int_equal(
        recover(p->q, p->j, p->spool, clock_wall_ms(), 1000, 60000, &p->recovery, &p->err), 0);
}

static void place_close(struct place *p)
{
    journal_close(p->j);
    spool_close(p->spool);
    queue_free(p->q);
}

/* Ends without finishing anything, then starts as the program does. */
static void place_crash(struct place *p)
{
    place_close(p);
    place_open(p);
}

static int place_make(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    memset(&io, 0, sizeof(io));
    snprintf(p->dir, sizeof(p->dir), "/tmp/test-journal-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    assert_int_equal(spool_make(p->dir, &p->err), 0);
    place_open(p);
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static int place_remove(void **state)
{
    struct place *p = *state;

    memset(&io, 0, sizeof(io));
    place_close(p);
    nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static bool is_in(const struct place *p, const char *box, const struct id *id)
{
    char path[128];

    if (strcmp(box, "in") == 0)
        snprintf(path, sizeof(path), "%s/spool/in/%c/%s", p->dir, id->text[ID_LETTERS - 1],
                 id->text);
    else
        snprintf(path, sizeof(path), "%s/spool/%s/%s", p->dir, box, id->text);
    return access(path, F_OK) == 0;
}

/* ---- operations ---- */

struct taking {
    struct journal_take take;
    struct place *p;
    struct id id;
};

static void on_taken(struct journal_op *op)
{
    struct taking *t = LIST_OF(LIST_OF(op, struct journal_take, op), struct taking, take);

    t->p->done++;
    t->p->result = op->result;
    if (op->result < 0)
        queue_letter_free(t->take.letter);
    else
        queue_add(t->p->q, t->take.letter);
}

/* What msa does up to XSPOOL: in/ID is whole, durable and handed over. */
static void write_in(struct place *p, const struct id *id, const char *text)
{
    struct letter *l = letter_new(p->spool, id);

    letter_add(l, str_c(text));
    assert_int_equal(letter_commit(l, STR(""), &p->err), 0);
    letter_handed_over(l);
    letter_free(l);
}

static struct taking *take_submit(struct place *p, const char *text, size_t nrcpts, bool write)
{
    struct taking *t = calloc(1, sizeof(*t));
    struct queue_address to[3] = {
        {.number = 0,
         .address = STR_LIT("bob@example.test"),
         .orcpt = STR_LIT("rfc822;info@example.test"),
         .notify = SMTP_NOTIFY_FAILURE,
         .local = true},
        {.number = 1, .address = STR_LIT("x@elsewhere.test")                       },
        {.number = 2,             .address = STR_LIT("eve@example.test"),   .local = true                 }
    };

    if (!t)
        abort();
    clock_new_id(&t->id);
    if (write)
        write_in(p, &t->id, text);
    struct queue_envelope e = {
        .id = t->id,
        .arrived_ms = 1234567890123,
        .size = strlen(text),
        .mail = {.reverse_path = STR_LIT("alice@example.test"),
                 .auth = STR_LIT("alice@example.test"),
                 .envid = STR_LIT("env=1"),
                 .body = SMTP_BODY_8BITMIME,
                 .ret = SMTP_RET_HDRS,
                 .smtputf8 = true},
        .flags = STR_LIT("via=msa peer=192.0.2.1")
    };
    t->p = p;
    t->take.op = (struct journal_op){.kind = JOURNAL_TAKE, .done = on_taken};
    t->take.letter = queue_letter_new(&e, to, nrcpts);
    t->take.uid = getuid();
    journal_submit(p->j, &t->take.op, true);
    return t;
}

static struct id take_one(struct place *p, size_t nrcpts)
{
    struct taking *t = take_submit(p, "Subject: x\n\nhello\n", nrcpts, true);
    struct id id = t->id;

    journal_turn(p->j);
    journal_collect(p->j);
    assert_int_equal(p->result, 0);
    free(t);
    return id;
}

static void on_settled(struct journal_op *op)
{
    struct journal_settle *s = LIST_OF(op, struct journal_settle, op);
    struct place *p = op->arg;

    p->done++;
    p->result = op->result;
    if (op->result == 0 && s->report) {
        queue_add(p->q, s->report);
        s->report = NULL;
    }
    journal_settle_free(s);
}

static struct journal_settle *settle_new(struct place *p, const struct id *id)
{
    struct journal_settle *s = journal_settle_new(queue_find(p->q, id));

    s->op.done = on_settled;
    s->op.arg = p;
    return s;
}

static void settle_now(struct place *p, struct journal_settle *s)
{
    journal_submit(p->j, &s->op, false);
    journal_turn(p->j);
    journal_collect(p->j);
}

static struct id add_report(struct journal_settle *s, const struct queue_letter *about)
{
    struct queue_envelope e = {.parent = about->env.id, .arrived_ms = clock_wall_ms()};
    struct queue_address to = {.address = STR_LIT("alice@example.test"), .local = true};

    clock_new_id(&e.id);
    s->bounce = bounce_new(about, DSN_FAILED, &e.id, STR("mail.example.test"),
                           STR("alice@example.test"), e.arrived_ms);
    bounce_add(s->bounce, &(struct dsn_rcpt){.final = about->rcpts[0].address,
                                             .status = STR_LIT("5.1.1"),
                                             .code = 550,
                                             .diagnostic = STR_LIT("no such user"),
                                             .said = true});
    s->report = queue_letter_new(&e, &to, 1);
    return e.id;
}

/* ---- taking ---- */

static void a_letter_comes_back_as_it_was(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 3);

    assert_true(is_in(p, "msg", &id));
    assert_false(is_in(p, "in", &id));
    place_crash(p);
    struct queue_letter *l = queue_find(p->q, &id);
    assert_non_null(l);
    assert_true(is_in(p, "msg", &id));
    assert_int_equal(l->nrcpts, 3);
    assert_int_equal(l->ndue, 3);
    assert_int_equal(l->env.arrived_ms, 1234567890123);
    assert_int_equal(l->env.size, strlen("Subject: x\n\nhello\n"));
    assert_true(str_eq(l->env.mail.reverse_path, STR("alice@example.test")));
    assert_true(str_eq(l->env.mail.auth, STR("alice@example.test")));
    assert_true(str_eq(l->env.mail.envid, STR("env=1")));
    assert_int_equal(l->env.mail.body, SMTP_BODY_8BITMIME);
    assert_int_equal(l->env.mail.ret, SMTP_RET_HDRS);
    assert_true(l->env.mail.smtputf8);
    assert_true(str_eq(l->env.flags, STR("via=msa peer=192.0.2.1")));
    assert_int_equal(l->env.parent.text[0], 0);
    assert_true(str_eq(l->rcpts[0].address, STR("bob@example.test")));
    assert_true(str_eq(l->rcpts[0].orcpt, STR("rfc822;info@example.test")));
    assert_int_equal(l->rcpts[0].notify, SMTP_NOTIFY_FAILURE);
    assert_true(l->rcpts[0].local && !l->rcpts[1].local);
    assert_int_equal(l->rcpts[2].number, 2);
}

static void all_who_wait_share_two_syncs(void **state)
{
    enum { MANY = 20 };
    struct place *p = *state;
    struct taking *all[MANY];

    for (size_t i = 0; i < MANY; i++)
        all[i] = take_submit(p, "x", 1, true);
    io.syncs = 0;
    journal_turn(p->j);
    assert_int_equal(io.syncs, 2); /* msg/ and the commit */
    assert_int_equal(p->done, 0);
    assert_int_equal(p->notified, 1);
    journal_collect(p->j);
    assert_int_equal(p->done, MANY);
    assert_int_equal(queue_count(p->q), MANY);
    assert_true(journal_idle(p->j));
    for (size_t i = 0; i < MANY; i++)
        free(all[i]);
}

static void crash_before_the_rename_leaves_it_to_the_writer(void **state)
{
    struct place *p = *state;
    struct id id;

    clock_new_id(&id);
    write_in(p, &id, "x");
    place_crash(p);
    assert_true(is_in(p, "in", &id)); /* young: swept later */
    assert_int_equal(queue_count(p->q), 0);
}

/* Renamed, not committed: nobody was told 250. */
static void crash_between_rename_and_commit_is_swept(void **state)
{
    struct place *p = *state;
    struct id id;

    clock_new_id(&id);
    write_in(p, &id, "x");
    assert_int_equal(spool_take(p->spool, &id, getuid(), 1, &p->err), 0);
    place_crash(p);
    assert_int_equal(p->recovery.swept, 1);
    assert_false(is_in(p, "msg", &id));
    assert_false(is_in(p, "in", &id));
}

/* The commit's sync failed, so 451 was said and the file unlinked, but the machine died before
 * anything else was written: the envelope is there after all. */
static void an_envelope_without_its_letter_is_dropped(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 2), other = take_one(p, 1);

    assert_int_equal(spool_remove(p->spool, &id), 0);
    place_crash(p);
    assert_int_equal(p->recovery.lost, 1);
    assert_int_equal(p->recovery.letters, 1);
    assert_null(queue_find(p->q, &id));
    assert_non_null(queue_find(p->q, &other));
    place_crash(p); /* and it does not come again */
    assert_int_equal(p->recovery.lost, 0);
    assert_int_equal(p->recovery.letters, 1);
}

static void a_letter_that_a_listing_passes_over_is_kept(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 2);

    io.blind = true;
    place_crash(p);
    assert_int_equal(p->recovery.lost, 0);
    assert_non_null(queue_find(p->q, &id));
    io.blind = false;
    place_crash(p);
    assert_int_equal(p->recovery.letters, 1);
    assert_true(is_in(p, "msg", &id));
}

static void a_spool_that_cannot_be_read_stops_the_start(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 1);

    queue_free(p->q);
    p->q = queue_new(secret);
    io.fail_listing = EIO;
    assert_int_equal(
        recover(p->q, p->j, p->spool, clock_wall_ms(), 1000, 60000, &p->recovery, &p->err),
        -EIO);
    io.fail_listing = 0;
    place_crash(p);
    assert_non_null(queue_find(p->q, &id));
}

/* They do not keep the first connection waiting; the thread has them when it starts. */
static void very_many_are_swept_by_and_by(void **state)
{
    enum { MORE = 5 };
    struct place *p = *state;
    struct id id;
    char path[128];

    for (int i = 0; i < RECOVER_SWEEP_MAX + MORE; i++) {
        clock_new_id(&id);
        snprintf(path, sizeof(path), "%s/spool/msg/%s", p->dir, id.text);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    place_crash(p);
    assert_int_equal(p->recovery.swept, RECOVER_SWEEP_MAX);
    assert_int_equal(p->recovery.later, MORE);
    assert_int_equal(journal_start(p->j, &p->err), 0);
    journal_stop(p->j);
    place_crash(p);
    assert_int_equal(p->recovery.swept, 0);
}

static void X03_recovery_again_and_again_changes_nothing(void **state)
{
    struct place *p = *state;

    take_one(p, 3);
    struct id gone = take_one(p, 1);
    assert_int_equal(spool_remove(p->spool, &gone), 0);
    for (int i = 0; i < 5; i++) {
        place_crash(p);
        assert_int_equal(p->recovery.letters, 1);
        assert_int_equal(p->recovery.swept, 0);
        assert_int_equal(p->recovery.lost, i == 0);
    }
}

static void crash_after_the_commit_keeps(void **state)
{
    struct place *p = *state;
    struct taking *t = take_submit(p, "x", 1, true);

    journal_turn(p->j);
    queue_letter_free(t->take.letter); /* 250 was never said, but it may have been */
    place_crash(p);
    assert_non_null(queue_find(p->q, &t->id));
    assert_true(is_in(p, "msg", &t->id));
    free(t);
}

static void what_is_not_there_is_refused_alone(void **state)
{
    struct place *p = *state;
    struct taking *good = take_submit(p, "x", 1, true), *bad = take_submit(p, "x", 1, false);

    journal_turn(p->j);
    journal_collect(p->j);
    assert_int_equal(good->take.op.result, 0);
    assert_int_equal(bad->take.op.result, E_NOT_FOUND);
    assert_int_equal(queue_count(p->q), 1);
    free(good);
    free(bad);
}

/* The first sync is that of msg/, the second the commit's: both make the letter go, and the
 * next one comes in. */
static void X09_a_sync_that_fails_gives_the_letter_up(void **state)
{
    struct place *p = *state;

    for (unsigned at = 1; at <= 2; at++) {
        struct taking *t = take_submit(p, "x", 1, true);

        io.fail_sync = EIO;
        io.from = at;
        journal_turn(p->j);
        assert_int_equal(io.fail_sync, 0);
        journal_collect(p->j);
        assert_true(p->result < 0);
        assert_false(is_in(p, "msg", &t->id));
        assert_false(is_in(p, "in", &t->id));
        struct id id = take_one(p, 1); /* and then all is well again */
        place_crash(p);
        assert_non_null(queue_find(p->q, &id));
        assert_null(queue_find(p->q, &t->id));
        free(t);
    }
}

/* ---- settling ---- */

static void the_last_recipient_takes_the_letter_along(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 3);
    struct journal_settle *s = settle_new(p, &id);

    journal_settle_add(s, 1)->ended = true;
    settle_now(p, s);
    assert_true(is_in(p, "msg", &id));
    place_crash(p);
    struct queue_letter *l = queue_find(p->q, &id);
    assert_int_equal(l->nrcpts, 2);
    assert_int_equal(l->rcpts[1].number, 2);
    s = settle_new(p, &id);
    s->last = true;
    settle_now(p, s);
    assert_false(is_in(p, "msg", &id));
    place_crash(p);
    assert_null(queue_find(p->q, &id));
}

/* Committed, not yet unlinked. */
static void crash_before_the_unlink_is_swept(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 1);
    char path[128], kept[128];
    struct journal_settle *s = settle_new(p, &id);

    snprintf(path, sizeof(path), "%s/spool/msg/%s", p->dir, id.text);
    snprintf(kept, sizeof(kept), "%s/kept", p->dir);
    assert_int_equal(link(path, kept), 0);
    s->last = true;
    settle_now(p, s);
    assert_int_equal(rename(kept, path), 0); /* as if it had never gone */
    place_crash(p);
    assert_false(is_in(p, "msg", &id));
}

static void a_deferral_is_remembered(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 2);
    struct journal_settle *s = settle_new(p, &id);
    struct journal_change *c = journal_settle_add(s, 0);

    c->tries = 3;
    c->backoff = 2;
    c->next_wall_ms = clock_wall_ms() + 20000;
    c->reply = strdup("452 4.2.2 full");
    c = journal_settle_add(s, 1);
    c->tries = 1;
    c->next_wall_ms =
        clock_wall_ms() + (uint64_t)1 * 365 * 86400 * 1000; /* a clock was wrong */
    settle_now(p, s);
    place_crash(p);
    struct queue_letter *l = queue_find(p->q, &id);
    assert_int_equal(l->ndue, 0);
    assert_int_equal(l->rcpts[0].tries, 3);
    assert_int_equal(l->rcpts[0].backoff, 2);
    assert_string_equal(l->rcpts[0].reply, "452 4.2.2 full");
    assert_in_range(l->rcpts[0].next_ms, 1000 + 10000, 1000 + 20000);
    assert_int_equal(l->rcpts[1].next_ms, 1000 + 60000); /* no later than the longest wait */
}

/* Its mark and the report are one commit. */
static void who_has_been_told_of_a_delay_is_not_told_again(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 2);

    for (int written = 0; written < 2; written++) {
        struct journal_settle *s = settle_new(p, &id);
        struct id report = add_report(s, queue_find(p->q, &id));
        struct journal_change *c = journal_settle_add(s, 0);

        c->told = true;
        c->tries = 7;
        io.fail_sync = written ? 0 : EIO;
        io.from = 1;
        settle_now(p, s);
        place_crash(p);
        struct queue_letter *l = queue_find(p->q, &id);
        assert_int_equal(l->rcpts[0].told, written);
        assert_int_equal(l->rcpts[0].tries, written ? 7 : 0);
        assert_false(l->rcpts[1].told);
        assert_int_equal(is_in(p, "msg", &report), written);
    }
}

/* As posta made it before recipients were told of delays. */
static void an_older_queue_is_taken_over(void **state)
{
    static const char *const first[] = {
        "CREATE TABLE letter ("
        "  n INTEGER PRIMARY KEY, id TEXT NOT NULL, parent TEXT NOT NULL,"
        "  arrived_ms INTEGER NOT NULL, size INTEGER NOT NULL, sender TEXT NOT NULL,"
        "  body INTEGER NOT NULL, smtputf8 INTEGER NOT NULL, ret INTEGER NOT NULL,"
        "  auth TEXT NOT NULL, envid TEXT NOT NULL, flags TEXT NOT NULL,"
        "  held INTEGER NOT NULL, notice INTEGER NOT NULL);"
        "CREATE TABLE recipient ("
        "  letter INTEGER NOT NULL, n INTEGER NOT NULL, address TEXT NOT NULL, orcpt TEXT NOT "
        "NULL,"
        "  notify INTEGER NOT NULL, local INTEGER NOT NULL, tries INTEGER NOT NULL,"
        "  backoff INTEGER NOT NULL, next_ms INTEGER NOT NULL, reply TEXT NOT NULL,"
        "  PRIMARY KEY (letter, n)) WITHOUT ROWID;"};
    static const struct db_schema schema = {.version = 1, .migrations = first};
    struct place *p = *state;
    struct db *db;
    struct id id;
    char path[128], sql[500];

    place_close(p);
    snprintf(path, sizeof(path), "%s/spool/queue.db", p->dir);
    assert_int_equal(db_remove(path, &p->err), 0);
    assert_int_equal(db_open(path, DB_DURABLE, &schema, &db, &p->err), 0);
    clock_new_id(&id);
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO letter VALUES (7, '%s', '', 1234, 5, 'alice@example.test', 0, 0, 2,"
        " 'auth', 'env', 'via=msa', 1, 1);"
        "INSERT INTO recipient VALUES (7, 3, 'bob@example.test', 'rfc822;x', 4, 1, 9, 2, 0,"
        " '452 4.2.2 full');",
        id.text);
    assert_int_equal(db_exec(db, sql, &p->err), 0);
    db_close(db);
    p->spool = spool_open(p->dir, &p->err);
    write_in(p, &id, "hello");
    assert_int_equal(spool_take(p->spool, &id, getuid(), 5, &p->err), 0);
    spool_close(p->spool);
    place_open(p);
    struct queue_letter *l = queue_find(p->q, &id);
    assert_non_null(l);
    assert_true(str_eq(l->env.flags, STR("via=msa")) && l->env.held);
    assert_int_equal(l->env.mail.ret, SMTP_RET_HDRS);
    assert_true(str_eq(l->rcpts[0].address, STR("bob@example.test")));
    assert_int_equal(l->rcpts[0].number, 3);
    assert_int_equal(l->rcpts[0].tries, 9);
    assert_string_equal(l->rcpts[0].reply, "452 4.2.2 full");
    assert_false(l->rcpts[0].told);
}

static void held_stays_held(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 1);

    for (int held = 1; held >= 0; held--) {
        struct journal_settle *s = settle_new(p, &id);
        s->held = held;
        settle_now(p, s);
        place_crash(p);
        assert_int_equal(queue_find(p->q, &id)->env.held, held);
    }
}

static void a_bounce_is_in_the_same_commit(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 1);
    struct journal_settle *s = settle_new(p, &id);
    struct id report = add_report(s, queue_find(p->q, &id));

    s->last = true;
    io.syncs = 0;
    settle_now(p, s);
    assert_int_equal(p->result, 0);
    assert_int_equal(io.syncs, 3); /* its file, msg/, the commit */
    assert_false(is_in(p, "msg", &id));
    assert_true(is_in(p, "msg", &report));
    assert_false(is_in(p, "in", &report));
    place_crash(p);
    assert_null(queue_find(p->q, &id));
    struct queue_letter *l = queue_find(p->q, &report);
    assert_non_null(l);
    assert_memory_equal(l->env.parent.text, id.text, ID_LETTERS);
    uint64_t size;
    DEFER(close_fd) int fd = spool_read(p->spool, &report, &size, &p->err);
    assert_true(fd >= 0);
    assert_int_equal(size, l->env.size);
}

/* Its file, the sync of msg/: each failing leaves the letter as it was. */
static void a_bounce_that_cannot_be_written_changes_nothing(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 1);

    for (unsigned at = 1; at <= 2; at++) {
        struct journal_settle *s = settle_new(p, &id);
        struct id report = add_report(s, queue_find(p->q, &id));

        s->last = true;
        io.fail_sync = EIO;
        io.from = at;
        settle_now(p, s);
        assert_true(p->result < 0);
        assert_true(is_in(p, "msg", &id));
        assert_false(is_in(p, "msg", &report));
        assert_false(is_in(p, "in", &report));
        place_crash(p);
        assert_non_null(queue_find(p->q, &id));
        assert_null(queue_find(p->q, &report));
    }
}

static void on_taken_with_report(struct journal_op *op)
{
    struct taking *t = LIST_OF(LIST_OF(op, struct journal_take, op), struct taking, take);

    if (op->result == 0)
        queue_add(t->p->q, t->take.report);
    else
        queue_letter_free(t->take.report);
    bounce_free(t->take.bounce);
    on_taken(op);
}

/* RFC 3461 5.2.7.3: that an alias was expanded is told with the letter's own commit, or it is
 * not taken. */
static void a_letter_and_its_report_are_taken_together(void **state)
{
    struct place *p = *state;

    for (unsigned failing = 0; failing <= 2; failing++) {
        struct taking *t = take_submit(p, "Subject: x\n\nhello\n", 1, true);
        struct journal_settle *s = journal_settle_new(t->take.letter);
        struct id report = add_report(s, t->take.letter), id = t->id;

        t->take.bounce = s->bounce;
        t->take.report = s->report;
        t->take.op.done = on_taken_with_report;
        s->bounce = NULL;
        s->report = NULL;
        journal_settle_free(s);
        io.fail_sync = failing ? EIO : 0;
        io.from = failing; /* the report's file, msg/ */
        journal_turn(p->j);
        journal_collect(p->j);
        assert_int_equal(p->result<0, failing> 0);
        free(t);
        place_crash(p);
        assert_int_equal(is_in(p, "msg", &id), !failing);
        assert_int_equal(is_in(p, "msg", &report), !failing);
        assert_int_equal(queue_find(p->q, &id) != NULL, !failing);
        assert_int_equal(queue_find(p->q, &report) != NULL, !failing);
    }
}

/* What has happened is not forgotten because the disk was full for a moment. */
static void a_settle_waits_until_it_can_be_written(void **state)
{
    struct place *p = *state;
    struct id id = take_one(p, 1), other = take_one(p, 1);
    struct journal_settle *s = settle_new(p, &id), *b = settle_new(p, &other);
    struct id report = add_report(b, queue_find(p->q, &other));

    s->last = b->last = true;
    p->done = 0;
    journal_submit(p->j, &s->op, false);
    journal_submit(p->j, &b->op, false);
    io.fail_sync = ENOSPC;
    io.from = 3; /* the commit */
    journal_turn(p->j);
    journal_collect(p->j);
    assert_int_equal(p->done, 0);
    assert_false(journal_idle(p->j));
    assert_true(is_in(p, "msg", &id));
    assert_false(is_in(p, "msg", &report));
    journal_turn(p->j);
    journal_collect(p->j);
    assert_int_equal(p->done, 2);
    assert_int_equal(p->result, 0);
    assert_false(is_in(p, "msg", &id));
    assert_true(is_in(p, "msg", &report));
    place_crash(p);
    assert_int_equal(queue_count(p->q), 1);
}

static void a_second_queue_is_refused(void **state)
{
    struct place *p = *state;

    assert_null(journal_open(p->dir, p->spool, on_notify, p, &p->err));
    assert_int_equal(p->err.code, E_BUSY);
}

/* ---- with its thread ---- */

static void the_thread_does_the_same(void **state)
{
    struct place *p = *state;

    assert_int_equal(journal_start(p->j, &p->err), 0);
    for (int round = 0; round < 20; round++) {
        struct taking *t = take_submit(p, "x", 1, true);
        struct id id = t->id;

        while (!journal_idle(p->j))
            journal_collect(p->j);
        free(t);
        struct journal_settle *s = settle_new(p, &id);
        s->last = true;
        queue_remove(p->q, queue_find(p->q, &id));
        journal_submit(p->j, &s->op, false);
        if (round % 2)
            journal_flush(p->j);
    }
    journal_stop(p->j);
    journal_collect(p->j);
    assert_true(journal_idle(p->j));
    place_crash(p);
    assert_int_equal(queue_count(p->q), 0);
}

#define JOURNAL_TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(a_letter_comes_back_as_it_was),
        JOURNAL_TEST(all_who_wait_share_two_syncs),
        JOURNAL_TEST(crash_before_the_rename_leaves_it_to_the_writer),
        JOURNAL_TEST(crash_between_rename_and_commit_is_swept),
        JOURNAL_TEST(an_envelope_without_its_letter_is_dropped),
        JOURNAL_TEST(a_letter_that_a_listing_passes_over_is_kept),
        JOURNAL_TEST(a_spool_that_cannot_be_read_stops_the_start),
        JOURNAL_TEST(very_many_are_swept_by_and_by),
        JOURNAL_TEST(X03_recovery_again_and_again_changes_nothing),
        JOURNAL_TEST(crash_after_the_commit_keeps),
        JOURNAL_TEST(what_is_not_there_is_refused_alone),
        JOURNAL_TEST(X09_a_sync_that_fails_gives_the_letter_up),
        JOURNAL_TEST(the_last_recipient_takes_the_letter_along),
        JOURNAL_TEST(crash_before_the_unlink_is_swept),
        JOURNAL_TEST(a_deferral_is_remembered),
        JOURNAL_TEST(who_has_been_told_of_a_delay_is_not_told_again),
        JOURNAL_TEST(an_older_queue_is_taken_over),
        JOURNAL_TEST(held_stays_held),
        JOURNAL_TEST(a_bounce_is_in_the_same_commit),
        JOURNAL_TEST(a_bounce_that_cannot_be_written_changes_nothing),
        JOURNAL_TEST(a_letter_and_its_report_are_taken_together),
        JOURNAL_TEST(a_settle_waits_until_it_can_be_written),
        JOURNAL_TEST(a_second_queue_is_refused),
        JOURNAL_TEST(the_thread_does_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
