/* jobs: batches, completion on the loop, the end. */
#include "net/io.h"
#include "net/jobs.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { JOBS = 100, BATCH = 8 };

struct task {
    struct job job;
    unsigned batch; /* how many were worked on together */
    bool worked, done;
};

static struct loop *loop;
static sem_t started, gate;
static unsigned finished;
static int scheduled_as;
static pthread_t loop_thread;

static void work(void *arg, struct job **batch, unsigned n)
{
    assert_ptr_equal(arg, &gate);
    scheduled_as = sched_getscheduler(0);
    sem_post(&started);
    sem_wait(&gate);
    for (unsigned i = 0; i < n; i++) {
        struct task *t = JOB_OF(batch[i], struct task, job);

        t->batch = n;
        t->worked = true;
    }
}

static void done(struct job *j)
{
    struct task *t = JOB_OF(j, struct task, job);

    assert_true(t->worked && !t->done);
    assert_true(pthread_equal(pthread_self(), loop_thread));
    t->done = true;
    finished++;
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    finished = 0;
    loop_thread = pthread_self();
    sem_init(&started, 0, 0);
    sem_init(&gate, 0, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static struct jobs *pool(unsigned threads, unsigned batch_max)
{
    struct jobs_options o = {.name = "test-pool",
                             .threads = threads,
                             .batch_max = batch_max,
                             .nice = 1,
                             .work = work,
                             .arg = &gate};

    return jobs_new(loop, &o);
}

/* While the first is worked on the others gather, and then go together. */
static void test_batches(void **state)
{
    static struct task tasks[JOBS];
    struct jobs *j = pool(1, BATCH);

    (void)state;
    jobs_submit(j, &tasks[0].job, done);
    sem_wait(&started);
    for (int i = 1; i < JOBS; i++)
        jobs_submit(j, &tasks[i].job, done);
    assert_int_equal(jobs_waiting(j), JOBS);
    for (int i = 0; i < JOBS; i++)
        sem_post(&gate);
    while (finished < JOBS)
        loop_turn(loop);
    assert_int_equal(jobs_waiting(j), 0);
    assert_int_equal(scheduled_as, SCHED_BATCH);
    assert_int_equal(tasks[0].batch, 1);
    assert_int_equal(tasks[1].batch, BATCH);
    assert_int_equal(tasks[JOBS - 1].batch, (JOBS - 1) % BATCH);
    jobs_free(j);
}

static void test_threads(void **state)
{
    static struct task tasks[3];
    struct jobs *j = pool(3, 1);

    (void)state;
    for (int i = 0; i < 3; i++)
        jobs_submit(j, &tasks[i].job, done);
    for (int i = 0; i < 3; i++)
        sem_wait(&started); /* all at once */
    for (int i = 0; i < 3; i++)
        sem_post(&gate);
    while (finished < 3)
        loop_turn(loop);
    jobs_free(j);
}

/* Where somebody waits for each job, its thread is one as others are; and it may ask who waits.
 */
static void test_prompt(void **state)
{
    static struct task tasks[2];
    struct jobs_options o = {
        .name = "test-pool", .threads = 1, .prompt = true, .work = work, .arg = &gate};
    struct jobs *j = jobs_new(loop, &o);

    (void)state;
    assert_false(jobs_queued(j));
    jobs_submit(j, &tasks[0].job, done);
    sem_wait(&started);
    assert_false(jobs_queued(j));
    jobs_submit(j, &tasks[1].job, done);
    assert_true(jobs_queued(j));
    sem_post(&gate);
    sem_wait(&started);
    assert_false(jobs_queued(j));
    sem_post(&gate);
    while (finished < 2)
        loop_turn(loop);
    assert_int_equal(scheduled_as, SCHED_OTHER);
    jobs_free(j);
}

static void test_end(void **state)
{
    static struct task tasks[3];
    struct jobs *j = pool(1, 1);

    (void)state;
    for (int i = 0; i < 3; i++)
        jobs_submit(j, &tasks[i].job, done);
    sem_wait(&started);
    sem_post(&gate);
    sem_wait(&started); /* the first is over, the second under way */
    sem_post(&gate);
    sem_post(&gate);
    jobs_free(j);
    assert_true(tasks[0].done && tasks[1].done);
    assert_int_equal(tasks[2].done, tasks[2].worked);
    jobs_free(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(batches), T(threads), T(prompt), T(end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
