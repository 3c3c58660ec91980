/* The journeys of letters gone by: kept, bounded, never in the way. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mta/queue/trace.h"
#include "sys/clock.h"

#include <fcntl.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char dir[64];
    struct trace *t;
    struct err err;
    sem_t told;
    unsigned answers;
};

static void on_notify(void *arg)
{
    sem_post(&((struct place *)arg)->told);
}

static int place_make(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    char path[128];

    if (!p)
        abort();
    sem_init(&p->told, 0, 0);
    snprintf(p->dir, sizeof(p->dir), "/tmp/test-trace-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(path, sizeof(path), "%s/spool", p->dir);
    assert_int_equal(mkdir(path, 0700), 0);
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

    trace_close(p->t);
    nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    sem_destroy(&p->told);
    free(p);
    return 0;
}

static void trace_on(struct place *p, uint64_t letters_max)
{
    trace_close(p->t);
    p->t = trace_open(p->dir, letters_max, on_notify, p, &p->err);
    if (!p->t)
        fail_msg("%s", p->err.text);
}

static struct id add(struct place *p, const struct id *parent, const char *words)
{
    struct id id, none = {""};
    struct buf text;

    clock_new_id(&id);
    buf_init(&text, 4096);
    trace_add_hop(&text, 1000, "queue", str_c(words));
    trace_add(p->t, &id, parent ? parent : &none, 2000, buf_str(&text));
    buf_done(&text);
    return id;
}

struct asking {
    struct trace_query q;
    struct place *p;
};

static void on_answer(struct trace_query *q)
{
    LIST_OF(q, struct asking, q)->p->answers++;
}

/* What is known of a letter; the answer comes through the thread. */
static bool knows(struct place *p, const struct id *id, const char *words)
{
    struct asking a = {
        .q = {.id = *id, .done = on_answer},
          .p = p
    };
    unsigned before = p->answers;

    buf_init(&a.q.answer, TRACE_ANSWER_BYTES);
    trace_find(p->t, &a.q);
    while (p->answers == before) {
        sem_wait(&p->told);
        trace_collect(p->t);
    }
    bool found = strstr(buf_c(&a.q.answer), words) != NULL;
    buf_done(&a.q.answer);
    return found;
}

static void a_journey_is_known_at_once_and_after_a_restart(void **state)
{
    struct place *p = *state;
    struct id stranger;

    trace_on(p, 100);
    struct id id = add(p, NULL, "first words");
    assert_true(knows(p, &id, "first words"));
    struct id child = add(p, &id, "the bounce");
    assert_true(knows(p, &id, "the bounce"));
    assert_true(knows(p, &child, "the bounce"));
    assert_false(knows(p, &child, "first words"));
    clock_new_id(&stranger);
    assert_false(knows(p, &stranger, "id"));
    trace_on(p, 100);
    assert_true(knows(p, &id, "first words"));
}

static void only_the_newest_are_kept(void **state)
{
    enum { KEPT = 50, MANY = 2100 };
    struct place *p = *state;
    struct id first = {""}, last = {""};

    trace_on(p, KEPT);
    for (int i = 0; i < MANY; i++) {
        last = add(p, NULL, "x");
        if (i == 0)
            first = last;
        if (i % 500 == 0)
            assert_true(knows(p, &last, "x")); /* so that not more wait than may */
    }
    assert_true(knows(p, &last, "x"));
    assert_false(knows(p, &first, "x"));
    assert_int_equal(trace_lost(p->t), 0);
}

static void none_are_kept_where_none_are_wanted(void **state)
{
    struct place *p = *state;

    trace_on(p, 0);
    struct id id = add(p, NULL, "x");
    assert_false(knows(p, &id, "x"));
    trace_add(NULL, &id, &id, 0, STR("")); /* a queue without journeys */
}

static void F07_a_broken_file_is_thrown_away(void **state)
{
    struct place *p = *state;
    char path[128], junk[8192];

    snprintf(path, sizeof(path), "%s/spool/trace.db", p->dir);
    memset(junk, 'j', sizeof(junk));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);
    trace_on(p, 100);
    struct id id = add(p, NULL, "anew");
    assert_true(knows(p, &id, "anew"));
}

static void without_its_folder_there_is_none(void **state)
{
    struct place *p = *state;

    assert_null(trace_open("/nowhere/at/all", 10, on_notify, p, &p->err));
    assert_true(p->err.text[0]);
}

#define TRACE_TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACE_TEST(a_journey_is_known_at_once_and_after_a_restart),
        TRACE_TEST(only_the_newest_are_kept),
        TRACE_TEST(none_are_kept_where_none_are_wanted),
        TRACE_TEST(F07_a_broken_file_is_thrown_away),
        TRACE_TEST(without_its_folder_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
