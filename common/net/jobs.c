#include "net/jobs.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { THREAD_STACK_BYTES = 1024 * 1024 };

/* Held for a few instructions by whoever puts a job in or takes some out: to wait for it in the
 * kernel would cost more than to try again. What is finished needs no lock. */
struct jobs {
    struct jobs_options options;
    pthread_mutex_t lock;
    struct list waiting; /* under the lock, as what follows */
    unsigned idle;       /* workers asleep, or about to be, and not called yet */
    bool stopping;
    sem_t calls;                     /* one for each that was taken off `idle` */
    _Atomic(struct list *) finished; /* a stack through link.next, the last one on top */
    pthread_t *threads;
    struct wakeup *wakeup;
    unsigned count; /* the loop's: submitted and not yet done */
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* Sleeps until there is something; 0 at the end. One call for one sleeper: who is awake is not
 * called, and costs no system call. */
static unsigned take_batch(struct jobs *j, struct job **batch)
{
    unsigned n = 0;

    pthread_mutex_lock(&j->lock);
    while (!j->stopping && list_empty(&j->waiting)) {
        j->idle++;
        pthread_mutex_unlock(&j->lock);
        while (sem_wait(&j->calls) < 0)
            ;
        pthread_mutex_lock(&j->lock);
    }
    while (!j->stopping && n < j->options.batch_max && !list_empty(&j->waiting)) {
        batch[n] = LIST_OF(j->waiting.next, struct job, link);
        list_remove(&batch[n]->link);
        n++;
    }
    pthread_mutex_unlock(&j->lock);
    return n;
}

/* Told once for all that finishes until the loop looks. */
static void give_back(struct jobs *j, struct job **batch, unsigned n)
{
    struct list *top = j->finished;

    for (unsigned i = 1; i < n; i++)
        batch[i]->link.next = &batch[i - 1]->link;
    do
        batch[0]->link.next = top;
    while (!atomic_compare_exchange_weak(&j->finished, &top, &batch[n - 1]->link));
    if (!top)
        wakeup_send(j->wakeup);
}

static void *worker(void *arg)
{
    struct jobs *j = arg;
    struct job **batch = must(calloc(j->options.batch_max, sizeof(struct job *)));

    pthread_setname_np(pthread_self(), j->options.name);
    /* Who wakes up when a disk is done does not push the loop off its core (sched(7)): it would
     * mostly go to sleep for the disk again at once. A core that is free takes it as before.
     * Where the loop sleeps meanwhile it would be others on the machine who go first. */
    if (!j->options.prompt)
        sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
    if (j->options.nice) /* of this thread alone, on Linux */
        setpriority(PRIO_PROCESS, (id_t)gettid(), j->options.nice);
    for (unsigned n; (n = take_batch(j, batch)) > 0;) {
        j->options.work(j->options.arg, batch, n);
        give_back(j, batch, n);
    }
    free(batch);
    return NULL;
}

/* In the order in which they were finished. */
static void finish(void *arg)
{
    struct jobs *j = arg;
    struct list *stack = atomic_exchange(&j->finished, NULL), *first = NULL;

    while (stack) {
        struct list *next = stack->next;

        stack->next = first;
        first = stack;
        stack = next;
    }
    while (first) {
        struct job *job = LIST_OF(first, struct job, link);

        first = first->next;
        list_init(&job->link);
        j->count--;
        job->done(job);
    }
}

/* Signals belong to the loop's thread: the workers are born with all blocked. */
static void start_threads(struct jobs *j)
{
    sigset_t all, before;
    pthread_attr_t attributes;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    for (unsigned i = 0; i < j->options.threads; i++)
        if (pthread_create(&j->threads[i], &attributes, worker, j) != 0)
            abort();
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct jobs *jobs_new(struct loop *l, const struct jobs_options *o)
{
    struct jobs *j = must(calloc(1, sizeof(*j)));
    pthread_mutexattr_t spinning;

    j->options = *o;
    if (j->options.threads == 0)
        j->options.threads = 1;
    if (j->options.batch_max == 0)
        j->options.batch_max = 1;
    pthread_mutexattr_init(&spinning);
    pthread_mutexattr_settype(&spinning, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&j->lock, &spinning);
    pthread_mutexattr_destroy(&spinning);
    sem_init(&j->calls, 0, 0);
    list_init(&j->waiting);
    j->wakeup = wakeup_new(l, finish, j);
    j->threads = must(calloc(j->options.threads, sizeof(*j->threads)));
    start_threads(j);
    return j;
}

void jobs_submit(struct jobs *j, struct job *job, void (*done)(struct job *job))
{
    job->done = done;
    j->count++;
    pthread_mutex_lock(&j->lock);
    bool call = j->idle > 0;
    list_append(&j->waiting, &job->link);
    j->idle -= call;
    pthread_mutex_unlock(&j->lock);
    if (call)
        sem_post(&j->calls);
}

unsigned jobs_waiting(const struct jobs *j)
{
    return j->count;
}

bool jobs_queued(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    bool queued = !list_empty(&j->waiting) || j->stopping;
    pthread_mutex_unlock(&j->lock);
    return queued;
}

void jobs_free(struct jobs *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_mutex_unlock(&j->lock);
    for (unsigned i = 0; i < j->options.threads; i++)
        sem_post(&j->calls);
    for (unsigned i = 0; i < j->options.threads; i++)
        pthread_join(j->threads[i], NULL);
    finish(j);
    wakeup_free(j->wakeup);
    sem_destroy(&j->calls);
    pthread_mutex_destroy(&j->lock);
    free(j->threads);
    free(j);
}
