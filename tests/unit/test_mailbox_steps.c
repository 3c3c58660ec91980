/*
 * Mailboxes and processes that end: at each system call that changes something, and before and
 * after each commit. Whoever opens the mailbox next finds every letter, once, under the UID
 * that was told, also where index.db is back at what it was before (a power cut).
 */
#include "mailbox_world.h"
#include "store/dir.h"
#include "store/index_sql.h"
#include "store/mailbox_impl.h"
#include "store/mailboxes_impl.h"

#include <errno.h>
#include <sys/wait.h>

/* ---- steps ---- */

enum mode { RUN, END, FAIL };

static enum mode mode;
static int steps_left;

/* true: the call fails */
static bool step(void)
{
    if (mode == RUN || steps_left-- > 0)
        return false;
    if (mode == END)
        _exit(77);
    if (steps_left < -1) /* it failed once, and then goes on */
        return false;
    errno = EIO;
    return true;
}

/* What was done, a letter each: Rename, Unlink, flush cur/ (F), Commit. */
static char done[256];
static ino_t cur_ino;

static void note(char what)
{
    size_t n = strlen(done);

    if (n + 1 < sizeof(done))
        done[n] = what;
}

static void note_flush(int fd)
{
    struct stat st;

    if (cur_ino && fstat(fd, &st) == 0 && st.st_ino == cur_ino)
        note('F');
}

#define WRAP(call, types, values, noting)          \
    int __real_##call types;                       \
    int __wrap_##call types;                       \
    int __wrap_##call types                        \
    {                                              \
        noting;                                    \
        return step() ? -1 : __real_##call values; \
    }

WRAP(fsync, (int fd), (fd), note_flush(fd))
WRAP(unlinkat, (int at, const char *name, int flags), (at, name, flags), note('U'))
WRAP(renameat, (int at, const char *old, int to, const char *new), (at, old, to, new),
     note('R'))
WRAP(renameat2, (int at, const char *old, int to, const char *new, unsigned flags),
     (at, old, to, new, flags), note('R'))
WRAP(linkat, (int at, const char *old, int to, const char *new, int flags),
     (at, old, to, new, flags), (void)0)
WRAP(mkdirat, (int at, const char *name, mode_t bits), (at, name, bits), (void)0)

int __real_index_commit(struct index *x, struct err *err);
int __wrap_index_commit(struct index *x, struct err *err);
int __wrap_index_commit(struct index *x, struct err *err)
{
    if (step()) {
        index_rollback(x);
        return err_set(err, E_NO_SPACE, "the disk is full");
    }
    note('C');
    int r = __real_index_commit(x, err);
    if (mode == END)
        step();
    return r;
}

/* While it is set, another program changes cur/ whenever it is read. */
static struct fixture *noisy;

int __real_dir_scan_init(struct dir_scan *s, int fd, struct err *err);
int __wrap_dir_scan_init(struct dir_scan *s, int fd, struct err *err);
int __wrap_dir_scan_init(struct dir_scan *s, int fd, struct err *err)
{
    if (noisy)
        tick(noisy);
    return __real_dir_scan_init(s, fd, err);
}

/* Called once, right after index.db has been opened. */
static void (*when_open)(void);

int __real_db_open(const char *path, enum db_mode how, const struct db_schema *schema,
                   struct db **out, struct err *err);
int __wrap_db_open(const char *path, enum db_mode how, const struct db_schema *schema,
                   struct db **out, struct err *err);
int __wrap_db_open(const char *path, enum db_mode how, const struct db_schema *schema,
                   struct db **out, struct err *err)
{
    void (*call)(void) = when_open;
    int r = __real_db_open(path, how, schema, out, err);

    when_open = NULL;
    if (call)
        call();
    return r;
}

/* ---- what was told ---- */

enum { KNOWN = MAILBOX_MARK_UIDS + 64 }; /* UIDs go on at the mark after a power cut */

/* By UID, the number in the letter's text; 0: none. */
struct told {
    unsigned letter[KNOWN];
    uint32_t flags[KNOWN];
    uint32_t uidnext, uidvalidity;
    uint64_t modseq;
};

static unsigned read_number(struct fixture *f, uint32_t uid)
{
    char text[32] = "";
    struct err err = {0};
    struct letter_file file;
    DEFER(close_fd) int fd = mailbox_letter(f->b, uid, &file, &err);

    if (fd < 0)
        fail_msg("%u: %s", uid, err.text);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    return (unsigned)strtoul(text, NULL, 10);
}

static struct told look(struct fixture *f)
{
    struct told t = {0};
    struct message m;
    struct err err = {0};

    begin(f, MAILBOX_READ);
    struct mailbox_state st = state_of(f, 0);
    assert_int_equal(mailbox_scan(f->b, NULL, 0, 0, &err), 0);
    unsigned n = 0;
    while (mailbox_next(f->b, &m, &err) > 0) {
        n++;
        if (m.uid < KNOWN) {
            t.letter[m.uid] = read_number(f, m.uid);
            t.flags[m.uid] = m.flags;
        }
    }
    mailbox_scan_end(f->b);
    assert_int_equal(n, st.exists);
    t.uidnext = st.uidnext;
    t.uidvalidity = st.uidvalidity;
    t.modseq = st.highestmodseq;
    end(f);
    return t;
}

static unsigned times(const struct told *t, unsigned letter)
{
    unsigned n = 0;

    for (unsigned i = 0; i < KNOWN; i++)
        n += t->letter[i] == letter;
    return n;
}

/* ---- a mailbox: 1 to 4 known, 5 and 6 new, 7 in cur/ without a UID ---- */

enum { OLD = 4, LETTERS = 7 };

static void put_letter(struct fixture *f, const char *dir, unsigned n, const char *info)
{
    char name[64], text[32];

    snprintf(name, sizeof(name), "%s/%u.M%uQ.host%s", dir, n, n, info);
    snprintf(text, sizeof(text), "%u\n\nx\n", n);
    put(f, name, text);
}

static void fill(struct fixture *f)
{
    put_letter(f, "cur", 1, ":2,");
    put_letter(f, "cur", 2, ":2,T");
    put_letter(f, "cur", 3, ":2,S");
    put_letter(f, "cur", 4, ":2,ST");
}

static void fill_more(struct fixture *f)
{
    put_letter(f, "new", 5, "");
    put_letter(f, "new", 6, "");
    put_letter(f, "cur", 7, ":2,S");
}

static void copy_file(struct fixture *f, const char *from, const char *to)
{
    struct buf bytes;
    char path[WORLD_BYTES];

    if (!has(f, from)) {
        unlinkat(f->w.fd, path_in(path, to), 0);
        return;
    }
    buf_init(&bytes, 64 << 20);
    world_read(&f->w, path_in(path, from), &bytes);
    world_write(&f->w, path_in(path, to), buf_str(&bytes));
    buf_done(&bytes);
}

static void save_index(struct fixture *f)
{
    copy_file(f, INDEX_FILE, "saved.db");
    copy_file(f, INDEX_FILE "-wal", "saved.db-wal");
}

static void bring_back_index(struct fixture *f)
{
    lose_index(f);
    copy_file(f, "saved.db", INDEX_FILE);
    copy_file(f, "saved.db-wal", INDEX_FILE "-wal");
}

/* ---- what a process does until it ends ---- */

static void tell_parent(int out, const struct told *t)
{
    assert_int_equal(write(out, t, sizeof(*t)), sizeof(*t));
}

static int try_write(struct fixture *f, int (*what)(struct fixture *f))
{
    struct err err = {0};
    int r = mailbox_begin(f->b, MAILBOX_WRITE, &err);

    if (r < 0)
        return r;
    r = what(f);
    if (r < 0) {
        mailbox_abort(f->b);
        return r;
    }
    return mailbox_end(f->b, &err);
}

static int set_flags(struct fixture *f)
{
    struct uidset set, modified;
    uint64_t modseq;
    uint32_t bit;
    struct err err = {0};
    int r = mailbox_keyword(f->b, STR("$Forwarded"), true, &bit, &err);

    if (r < 0)
        return r;
    uidset_init(&set);
    uidset_init(&modified);
    uidset_add(&set, 1, LETTERS);
    r = mailbox_store(f->b, &set, STORE_ADD, (struct mailbox_flags){NAME_FLAGGED, 1u << bit},
                      UINT64_MAX, &modified, &modseq, &err);
    uidset_done(&set);
    uidset_done(&modified);
    return r;
}

static int expunge(struct fixture *f)
{
    struct uidset gone;
    struct err err = {0};

    uidset_init(&gone);
    int r = mailbox_expunge(f->b, NULL, &gone, &err);
    uidset_done(&gone);
    return r;
}

static void work(struct fixture *f, int out)
{
    struct told t = look(f); /* takes in what is new */

    tell_parent(out, &t);
    if (try_write(f, set_flags) == 0) {
        t = look(f);
        tell_parent(out, &t);
    }
    if (try_write(f, expunge) == 0) {
        t = look(f);
        tell_parent(out, &t);
    }
}

/* false: it came to its end */
static bool ended_at(struct fixture *f, int at, struct told *last)
{
    int status, ends[2];
    struct told t;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close_box(f);
        open_box(f, "INBOX");
        mode = END;
        steps_left = at;
        work(f, ends[1]);
        mode = RUN;
        _exit(0);
    }
    close(ends[1]);
    DEFER(close_file) FILE *in = fdopen(ends[0], "r");
    while (fread(&t, sizeof(t), 1, in) == 1)
        *last = t;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
    return WEXITSTATUS(status) == 77;
}

static void begin_anew(struct fixture *f)
{
    close_box(f);
    world_done(&f->w);
    world_init(&f->w);
    open_box(f, "INBOX");
}

/* ---- what must be so afterwards ---- */

static void assert_nothing_lost(const struct told *before, const struct told *told,
                                const struct told *after)
{
    assert_int_equal(after->uidvalidity, before->uidvalidity);
    assert_true(after->uidnext >= told->uidnext);
    assert_true(after->modseq >= told->modseq);
    for (unsigned uid = 1; uid < KNOWN; uid++) {
        const struct told *by = told->letter[uid] ? told : before;

        /* a UID that was told never means another letter */
        if (by->letter[uid] && after->letter[uid])
            assert_int_equal(by->letter[uid], after->letter[uid]);
        if (by->letter[uid] && by->letter[uid] != 2 && by->letter[uid] != 4)
            assert_int_equal(after->letter[uid], by->letter[uid]);
        if (uid < told->uidnext && !by->letter[uid])
            assert_int_equal(after->letter[uid], 0);
    }
    for (unsigned letter = 1; letter <= LETTERS; letter++) {
        if (letter == 2 || letter == 4) /* \Deleted */
            assert_true(times(after, letter) <= 1);
        else
            assert_int_equal(times(after, letter), 1);
    }
}

/* Somebody who knew the state `t` learns of all that is otherwise. */
static void assert_told_changes(struct fixture *f, const struct told *t,
                                const struct told *after)
{
    struct told now = *t;
    struct message m;
    struct err err = {0};
    struct uidset gone;

    uidset_init(&gone);
    begin(f, MAILBOX_READ);
    if (mailbox_expunged_since(f->b, t->modseq, &gone, &err) == 0) {
        for (uint32_t uid = 1; uid < KNOWN; uid++)
            if (uidset_has(&gone, uid))
                now.letter[uid] = 0;
    } else {
        assert_int_equal(mailbox_uids(f->b, 1, &gone, &err), 0);
        for (uint32_t uid = 1; uid < KNOWN; uid++)
            if (!uidset_has(&gone, uid))
                now.letter[uid] = 0;
    }
    assert_int_equal(mailbox_scan(f->b, NULL, t->modseq, 0, &err), 0);
    while (mailbox_next(f->b, &m, &err) > 0) {
        if (m.uid < KNOWN) {
            now.flags[m.uid] = m.flags;
            now.letter[m.uid] = after->letter[m.uid];
        }
    }
    mailbox_scan_end(f->b);
    end(f);
    for (uint32_t uid = 1; uid < KNOWN; uid++) {
        assert_int_equal(now.letter[uid], after->letter[uid]);
        if (now.letter[uid])
            assert_int_equal(now.flags[uid], after->flags[uid]);
    }
    uidset_done(&gone);
}

static void ends_at_each_step(struct fixture *f, bool power)
{
    bool ended = true;
    int at;

    for (at = 0; ended; at++) {
        begin_anew(f);
        fill(f);
        struct told before = look(f), told = before;
        fill_more(f);
        if (power)
            save_index(f);
        ended = ended_at(f, at, &told);
        close_box(f);
        if (power)
            bring_back_index(f);
        tick(f);
        open_box(f, "INBOX");
        if (power)
            f->all->boot[0] ^= 1;
        struct told after = look(f);
        assert_nothing_lost(&before, &told, &after);
        assert_told_changes(f, &before, &after);
        assert_told_changes(f, &told, &after);
        if (power) { /* it is as it was, and stays so */
            struct told again = look(f);
            assert_memory_equal(&again, &after, sizeof(after));
        }
    }
    assert_true(at > 20);
}

static void x31_ends_at_each_step(void **state)
{
    ends_at_each_step(*state, false);
}

static void x31_power_cut_at_each_step(void **state)
{
    ends_at_each_step(*state, true);
}

/* A call fails: the command is refused, and the next one finds all in order. */
static void fails_at_each_step(void **state)
{
    struct fixture *f = *state;

    for (int at = 0; at < 60; at++) {
        struct err err = {0};

        mode = RUN;
        begin_anew(f);
        fill(f);
        struct told before = look(f);
        fill_more(f);
        mode = FAIL;
        steps_left = at;
        if (mailbox_begin(f->b, MAILBOX_READ, &err) == 0)
            mailbox_end(f->b, &err);
        try_write(f, set_flags);
        try_write(f, expunge);
        mode = RUN;
        tick(f);
        struct told after = look(f);
        assert_nothing_lost(&before, &before, &after);
        assert_told_changes(f, &before, &after);
    }
}

static const char *done_by(struct fixture *f, int (*what)(struct fixture *f))
{
    struct stat st;
    char path[WORLD_BYTES];

    assert_int_equal(fstatat(f->w.fd, path_in(path, "cur"), &st, 0), 0);
    cur_ino = st.st_ino;
    memset(done, 0, sizeof(done));
    assert_int_equal(what(f), 0);
    return done;
}

static int take_in(struct fixture *f)
{
    look(f);
    return 0;
}

static int expunge_all(struct fixture *f)
{
    return try_write(f, expunge);
}

/* Names with UIDs, and removals, last before they are told; flags need not. */
static void order_of_writes(void **state)
{
    struct fixture *f = *state;

    fill(f);
    look(f);
    fill_more(f);
    assert_string_equal(done_by(f, take_in), "RRRFC");
    assert_string_equal(done_by(f, take_in), "");
    assert_string_equal(done_by(f, expunge_all), "UUFC");
    struct uidset set = {0}, modified = {0};
    uint64_t modseq;
    uidset_add(&set, 1, 9);
    begin(f, MAILBOX_WRITE);
    memset(done, 0, sizeof(done));
    assert_int_equal(mailbox_store(f->b, &set, STORE_ADD, (struct mailbox_flags){NAME_DRAFT, 0},
                                   UINT64_MAX, &modified, &modseq, NULL),
                     0);
    end(f);
    assert_string_equal(done, "RRRRRC");
    uidset_done(&set);
}

/* A letter that is renamed while cur/ is read may not be seen at all: here for as long as there
 * is noise. It keeps its UID. */
static void x33_not_seen_in_the_noise(void **state)
{
    struct fixture *f = *state;

    fill(f);
    struct told before = look(f);
    char name[WORLD_BYTES];
    name_of(f, 3, name);
    move(f, name, "tmp/away");
    noisy = f;
    begin(f, MAILBOX_READ);
    assert_int_equal(state_of(f, 0).exists, OLD);
    end(f);
    put_letter(f, "new", 5, "");
    begin(f, MAILBOX_WRITE);
    assert_int_equal(state_of(f, 0).exists, OLD + 1);
    end(f);
    noisy = NULL;
    move(f, "tmp/away", name);
    struct told after = look(f);
    assert_int_equal(after.uidnext, before.uidnext + 1);
    move(f, name, "tmp/away");
    lose_index(f);
    noisy = f;
    assert_int_equal(look(f).letter[3], 0);
    noisy = NULL;
    move(f, "tmp/away", name);
    after = look(f);
    for (uint32_t uid = 1; uid <= OLD; uid++)
        assert_int_equal(after.letter[uid], before.letter[uid]);
    take_away(f, name);
    assert_int_equal(look(f).letter[3], 0);
}

static struct fixture *one, *another;

static void begin_index_anew(void)
{
    lose_index(one);
    look(another);
}

/* Between opening index.db and looking at what was opened. */
static void x33_index_made_anew_while_it_is_opened(void **state)
{
    struct fixture *f = *state, other = *f;

    fill(f);
    open_box(&other, "INBOX");
    look(&other);
    one = f;
    another = &other;
    when_open = begin_index_anew;
    assert_int_equal(try_write(f, set_flags), 0);
    assert_true(mailboxes_current(f->all, LIST_OF(f->all->idle.next, struct index, list)));
    struct told a = look(f), b = look(&other);
    assert_memory_equal(&a, &b, sizeof(a));
    close_box(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(x31_ends_at_each_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(x31_power_cut_at_each_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fails_at_each_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(x33_not_seen_in_the_noise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(x33_index_made_anew_while_it_is_opened, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(order_of_writes, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
