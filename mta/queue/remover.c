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
    bool running, stopping;
};

static bool is_stopping(struct remover *r)
{
    pthread_mutex_lock(&r->lock);
    bool stopping = r->stopping;
    pthread_mutex_unlock(&r->lock);
    return stopping;
}

static void unlink_all(struct remover *r, const struct batch *b)
{
    size_t end = b->n;

    for (size_t i = 0; i < end; i++) {
        spool_remove(r->spool, &b->ids[i]);
        if (i % 64 == 0 && end > i + REMOVER_STOP_MAX && is_stopping(r))
            end = i + REMOVER_STOP_MAX;
    }
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
        unlink_all(r, &mine);
    }
    free(mine.ids);
    return NULL;
}

struct remover *remover_new(struct spool *spool)
{
    struct remover *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->spool = spool;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->come, NULL);
    return r;
}

int remover_start(struct remover *r, struct err *err)
{
    int rc = pthread_create(&r->thread, NULL, run, r);

    if (rc != 0)
        return err_set(err, -rc, "start the thread that removes letters: %s", strerror(rc));
    r->running = true;
    return 0;
}

void remover_stop(struct remover *r)
{
    if (!r->running)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_mutex_unlock(&r->lock);
    pthread_cond_signal(&r->come);
    pthread_join(r->thread, NULL);
    r->running = false;
}

void remover_free(struct remover *r)
{
    if (!r)
        return;
    remover_stop(r);
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

void remover_later(struct remover *r, const struct id *id)
{
    make_room(&r->waiting, 1);
    r->waiting.ids[r->waiting.n++] = *id;
}

void remover_add(struct remover *r, const struct id *ids, size_t n)
{
    if (!r->running) {
        for (size_t i = 0; i < n; i++)
            spool_remove(r->spool, &ids[i]);
        return;
    }
    if (!n)
        return;
    pthread_mutex_lock(&r->lock);
    bool wake = !r->waiting.n;
    make_room(&r->waiting, n);
    memcpy(r->waiting.ids + r->waiting.n, ids, n * sizeof(struct id));
    r->waiting.n += n;
    pthread_mutex_unlock(&r->lock);
    if (wake)
        pthread_cond_signal(&r->come);
}
