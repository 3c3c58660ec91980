#include "mta/queue/remover.h"

#include <pthread.h>
#include <stdlib.h>

struct batch {
    struct id *ids;
    size_t n, room;
};

struct remover {
    struct spool *spool;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t come;
    struct batch waiting;
    bool stopping;
};

static void unlink_all(struct spool *spool, const struct id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        spool_remove(spool, &ids[i]);
}

static void *run(void *arg)
{
    struct remover *r = arg;
    struct batch mine = {0};

    for (bool more = true; more;) {
        struct batch done = mine;

        pthread_mutex_lock(&r->lock);
        while (!r->waiting.n && !r->stopping)
            pthread_cond_wait(&r->come, &r->lock);
        more = !r->stopping;
        mine = r->waiting;
        r->waiting = (struct batch){.ids = done.ids, .room = done.room};
        pthread_mutex_unlock(&r->lock);
        unlink_all(r->spool, mine.ids, mine.n);
    }
    free(mine.ids);
    return NULL;
}

struct remover *remover_start(struct spool *spool, struct err *err)
{
    struct remover *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->spool = spool;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->come, NULL);
    int rc = pthread_create(&r->thread, NULL, run, r);
    if (rc == 0)
        return r;
    err_set(err, -rc, "start the thread that removes letters: %s", strerror(rc));
    free(r);
    return NULL;
}

void remover_stop(struct remover *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_mutex_unlock(&r->lock);
    pthread_cond_signal(&r->come);
    pthread_join(r->thread, NULL);
    free(r->waiting.ids);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->come);
    free(r);
}

static void make_room(struct batch *b, size_t n)
{
    if (b->n + n <= b->room)
        return;
    while (b->room < b->n + n)
        b->room = b->room ? b->room * 2 : 64;
    b->ids = realloc(b->ids, b->room * sizeof(struct id));
    if (!b->ids)
        abort();
}

void remover_add(struct remover *r, const struct id *ids, size_t n)
{
    if (!n)
        return;
    pthread_mutex_lock(&r->lock);
    bool full = r->waiting.n + n > REMOVER_WAITING_MAX, wake = !full && !r->waiting.n;
    if (!full) {
        make_room(&r->waiting, n);
        memcpy(r->waiting.ids + r->waiting.n, ids, n * sizeof(struct id));
        r->waiting.n += n;
    }
    pthread_mutex_unlock(&r->lock);
    if (wake)
        pthread_cond_signal(&r->come);
    if (full)
        unlink_all(r->spool, ids, n);
}
