/*
 * X33: one mailbox, several processes and threads that read, store and expunge, one that
 * delivers, one that renames as other mail programs do. No flag is lost, no UID means two
 * letters, no letter has two.
 */
#include "mailbox_world.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { LETTERS = 300, PROCESSES = 2, THREADS = 2, UIDS = 20000, REPLIED_MAX = 100 };

/* Between the processes. */
struct board {
    _Atomic int delivering;
    _Atomic unsigned letter_of[UIDS]; /* + 1 */
    _Atomic uint32_t uid_of[LETTERS];
    _Atomic uint32_t keywords[UIDS]; /* set by somebody and never taken away */
    _Atomic int gone[UIDS];
    _Atomic int replied[LETTERS]; /* by the other program */
};

static struct board *board;

struct worker {
    struct fixture f;
    unsigned number;
    uint64_t random;
};

static unsigned pick(uint64_t *random, unsigned below)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(*random >> 33) % below;
}

/* ---- what a UID means ---- */

static void check_letter(struct fixture *f, uint32_t uid)
{
    char text[32] = "";
    struct err err = {0};
    unsigned nobody = 0;
    uint32_t none = 0;
    struct letter_file file;
    DEFER(close_fd) int fd = mailbox_letter(f->b, uid, &file, &err);

    if (fd < 0) { /* somebody else has expunged it by now */
        assert_true(fd == E_NOT_FOUND || fd == E_BUSY);
        return;
    }
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    unsigned letter = (unsigned)strtoul(text, NULL, 10);
    assert_true(letter < LETTERS && uid < UIDS);
    if (!atomic_compare_exchange_strong(&board->letter_of[uid], &nobody, letter + 1))
        assert_int_equal(nobody, letter + 1);
    if (!atomic_compare_exchange_strong(&board->uid_of[letter], &none, uid))
        assert_int_equal(none, uid);
}

/* ---- a thread of ours ---- */

static void pick_set(struct worker *w, struct uidset *out)
{
    struct uidset there;
    struct err err = {0};

    uidset_init(&there);
    if (mailbox_uids(w->f.b, 1, &there, &err) != 0)
        fail_msg("%s", err.text);
    for (unsigned i = 0; i < 20 && uidset_count(&there); i++) {
        uint32_t uid = uidset_nth(&there, 1 + pick(&w->random, uidset_count(&there)));

        uidset_add(out, uid, uid);
    }
    uidset_done(&there);
}

static void read_some(struct worker *w)
{
    struct message m;
    struct err err = {0};
    int r;

    begin(&w->f, MAILBOX_READ);
    assert_int_equal(mailbox_scan(w->f.b, NULL, 0, WANT_SIZE | WANT_INTERNALDATE, &err), 0);
    while ((r = mailbox_next(w->f.b, &m, &err)) > 0) {
        uint32_t want = atomic_load(&board->keywords[m.uid]);

        (void)want;
        if (pick(&w->random, 20) == 0)
            check_letter(&w->f, m.uid);
    }
    if (r < 0)
        fail_msg("%s", err.text);
    mailbox_scan_end(w->f.b);
    end(&w->f);
}

static void store_some(struct worker *w)
{
    struct uidset set, modified;
    struct err err = {0};
    struct message m;
    uint64_t modseq;
    uint32_t bit = 1u << w->number;

    uidset_init(&set);
    uidset_init(&modified);
    begin(&w->f, MAILBOX_WRITE);
    pick_set(w, &set);
    if (mailbox_store(w->f.b, &set, STORE_ADD, (struct mailbox_flags){NAME_SEEN, bit},
                      UINT64_MAX, &modified, &modseq, &err) != 0)
        fail_msg("%s", err.text);
    end(&w->f);
    begin(&w->f, MAILBOX_READ);
    assert_int_equal(mailbox_scan(w->f.b, &set, 0, 0, &err), 0);
    while (mailbox_next(w->f.b, &m, &err) > 0) {
        assert_true(m.keywords & bit);
        atomic_fetch_or(&board->keywords[m.uid], bit);
    }
    mailbox_scan_end(w->f.b);
    end(&w->f);
    uidset_done(&set);
}

static void expunge_some(struct worker *w)
{
    struct uidset set, gone, modified;
    struct err err = {0};
    struct uidset_walk walk;
    uint64_t modseq;
    uint32_t uid;

    uidset_init(&set);
    uidset_init(&gone);
    uidset_init(&modified);
    begin(&w->f, MAILBOX_WRITE);
    pick_set(w, &set);
    if (uidset_count(&set))
        uidset_remove(&set, uidset_nth(&set, 1) + 1, UINT32_MAX);
    assert_int_equal(mailbox_store(w->f.b, &set, STORE_ADD,
                                   (struct mailbox_flags){.flags = NAME_TRASHED}, UINT64_MAX,
                                   &modified, &modseq, &err),
                     0);
    assert_int_equal(mailbox_expunge(w->f.b, &set, &gone, &err), 0);
    walk = uidset_walk(&gone);
    while (uidset_walk_next(&walk, &uid))
        atomic_store(&board->gone[uid], 1);
    end(&w->f);
    uidset_done(&set);
    uidset_done(&gone);
}

static void *be_worker(void *arg)
{
    struct worker *w = arg;

    while (atomic_load(&board->delivering)) {
        unsigned what = pick(&w->random, 10);

        if (what < 4)
            read_some(w);
        else if (what < 9)
            store_some(w);
        else
            expunge_some(w);
    }
    mailbox_close(w->f.b);
    return NULL;
}

static void be_process(struct fixture *f, unsigned number)
{
    pthread_t threads[THREADS];
    struct worker w[THREADS];
    struct err err = {0};

    close_box(f);
    open_box(f, "INBOX");
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] =
            (struct worker){.f = *f, .number = number * THREADS + i, .random = number * 7 + i};
        assert_int_equal(mailbox_open(f->all, STR(ALICE), STR("INBOX"), &w[i].f.b, &err), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, be_worker, &w[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close_box(f);
}

/* ---- others ---- */

static void be_deliverer(struct fixture *f)
{
    char tmp[WORLD_BYTES], name[64], path[WORLD_BYTES], text[32];

    for (unsigned i = 0; i < LETTERS; i++) {
        snprintf(text, sizeof(text), "%u\n\nx\n", i);
        snprintf(name, sizeof(name), "tmp/%u", i);
        world_write(&f->w, path_in(tmp, name), str_c(text));
        snprintf(name, sizeof(name), "new/%u.M%uQ.foreign", 1000 + i / 10, i);
        assert_int_equal(renameat(f->w.fd, tmp, f->w.fd, path_in(path, name)), 0);
        if (i % 16 == 0)
            usleep(1000);
    }
}

/* Sets R as mutt does: from a listing, by rename; a name that has changed is left. */
static void be_mutt(struct fixture *f)
{
    char path[WORLD_BYTES], old[300], new[300];
    int cur = openat(f->w.fd, path_in(path, "cur"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unsigned done = 0;

    while (atomic_load(&board->delivering) && done < REPLIED_MAX) {
        DIR *d = fdopendir(openat(cur, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct dirent *e;

        for (int i = 0; (e = readdir(d));) {
            const char *info = strstr(e->d_name, ":2,"), *number = strstr(e->d_name, ".M");

            if (!info || !number || strchr(info, 'R') || i++ % 7)
                continue;
            unsigned letter = (unsigned)strtoul(number + 2, NULL, 10);
            snprintf(old, sizeof(old), "%s", e->d_name);
            snprintf(new, sizeof(new), "%.*sR%s", (int)(info + 3 - e->d_name), e->d_name,
                     info + 3);
            if (renameat(cur, old, cur, new) == 0) {
                atomic_store(&board->replied[letter], 1);
                done++;
            }
        }
        closedir(d);
        usleep(2000);
    }
    close(cur);
}

/* ---- all of them ---- */

static pid_t start(struct fixture *f, void (*be)(struct fixture *f))
{
    fflush(NULL);
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        be(f);
        _exit(0);
    }
    return child;
}

static void be_first(struct fixture *f)
{
    be_process(f, 0);
}

static void be_second(struct fixture *f)
{
    be_process(f, 1);
}

static void wait_for(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void assert_all_is_there(struct fixture *f)
{
    struct message m;
    struct err err = {0};
    unsigned n = 0, gone = 0;

    tick(f);
    begin(f, MAILBOX_READ);
    assert_int_equal(mailbox_scan(f->b, NULL, 0, 0, &err), 0);
    while (mailbox_next(f->b, &m, &err) > 0) {
        n++;
        check_letter(f, m.uid);
        assert_int_equal(atomic_load(&board->gone[m.uid]), 0);
        uint32_t want = atomic_load(&board->keywords[m.uid]);
        assert_int_equal(m.keywords & want, want);
        if (atomic_load(&board->replied[atomic_load(&board->letter_of[m.uid]) - 1]))
            assert_true(m.flags & NAME_REPLIED);
    }
    mailbox_scan_end(f->b);
    assert_int_equal(state_of(f, 0).exists, n);
    end(f);
    for (unsigned i = 0; i < UIDS; i++)
        gone += (unsigned)atomic_load(&board->gone[i]);
    assert_int_equal(n + gone, LETTERS);
}

static void x33_many_at_once(void **state)
{
    struct fixture *f = *state;
    uint32_t bit;
    char word[16];

    board =
        mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(board != MAP_FAILED);
    atomic_store(&board->delivering, 1);
    begin(f, MAILBOX_WRITE);
    for (int i = 0; i < PROCESSES * THREADS; i++) {
        snprintf(word, sizeof(word), "worker%d", i);
        assert_int_equal(mailbox_keyword(f->b, str_c(word), true, &bit, NULL), 0);
    }
    end(f);
    pid_t workers[] = {start(f, be_first), start(f, be_second), start(f, be_mutt)};
    wait_for(start(f, be_deliverer));
    begin(f, MAILBOX_READ); /* the last ones are taken in while all still work */
    end(f);
    usleep(200000);
    atomic_store(&board->delivering, 0);
    for (size_t i = 0; i < sizeof(workers) / sizeof(*workers); i++)
        wait_for(workers[i]);
    assert_all_is_there(f);
    munmap(board, sizeof(*board));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(x33_many_at_once, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
