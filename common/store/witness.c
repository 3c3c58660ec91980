#include "store/witness.h"

#include "store/dir.h"

#include <pthread.h>
#include <unistd.h>

struct witness {
    struct id id;
    int64_t user;
    bool done; /* else it was left by a crash, under either name */
};

struct witnesses {
    int dir;
    pthread_mutex_t lock;
    struct witness *ring; /* the oldest at `from` */
    unsigned from, n, room;
};

void witness_name(char to[WITNESS_NAME_BYTES], const struct id *id, int64_t user, bool done)
{
    snprintf(to, WITNESS_NAME_BYTES, "%s.%lld%s", id->text, (long long)user,
             done ? ".done" : "");
}

static bool parse_name(struct str s, struct witness *out)
{
    struct witness w = {0};
    uint64_t user;

    if (!id_parse(str_first(s, ID_LETTERS), &w.id))
        return false;
    s = str_skip(s, ID_LETTERS);
    if (!scan_byte(&s, '.') || !scan_u64(&s, INT64_MAX, &user))
        return false;
    w.user = (int64_t)user;
    w.done = scan_word(&s, STR(".done"));
    *out = w;
    return s.n == 0;
}

static void grow(struct witnesses *w)
{
    unsigned room = w->room ? 2 * w->room : 256;
    struct witness *ring = calloc(room, sizeof(*ring));

    if (!ring)
        abort();
    for (unsigned i = 0; i < w->n; i++)
        ring[i] = w->ring[(w->from + i) % w->room];
    free(w->ring);
    w->ring = ring;
    w->from = 0;
    w->room = room;
}

static void push(struct witnesses *w, const struct witness *one)
{
    if (w->n == w->room)
        grow(w);
    w->ring[(w->from + w->n++) % w->room] = *one;
}

static struct witness shift(struct witnesses *w)
{
    struct witness one = w->ring[w->from];

    w->from = (w->from + 1) % w->room;
    w->n--;
    return one;
}

struct witnesses *witnesses_new(int dir, struct err *err)
{
    struct dir_scan scan;
    struct witness one;
    struct str name;
    int r;

    if (dir_scan_init(&scan, dir, err) < 0)
        return NULL;
    struct witnesses *w = calloc(1, sizeof(*w));
    if (!w)
        abort();
    w->dir = dir;
    pthread_mutex_init(&w->lock, NULL);
    while ((r = dir_scan_next(&scan, &name, err)) > 0)
        if (parse_name(name, &one))
            push(w, &one);
    dir_scan_done(&scan);
    if (r < 0) {
        witnesses_free(w);
        return NULL;
    }
    return w;
}

void witnesses_free(struct witnesses *w)
{
    if (!w)
        return;
    pthread_mutex_destroy(&w->lock);
    free(w->ring);
    free(w);
}

void witnesses_add(struct witnesses *w, const struct id *id, int64_t user)
{
    pthread_mutex_lock(&w->lock);
    push(w, &(struct witness){.id = *id, .user = user, .done = true});
    pthread_mutex_unlock(&w->lock);
}

unsigned witnesses_count(struct witnesses *w)
{
    pthread_mutex_lock(&w->lock);
    unsigned n = w->n;
    pthread_mutex_unlock(&w->lock);
    return n;
}

static void unlink_witness(struct witnesses *w, const struct witness *one)
{
    char name[WITNESS_NAME_BYTES];

    witness_name(name, &one->id, one->user, true);
    unlinkat(w->dir, name, 0);
    if (one->done)
        return;
    witness_name(name, &one->id, one->user, false);
    unlinkat(w->dir, name, 0);
}

/* One at a time, so that deliveries do not wait for the whole sweep. */
unsigned witnesses_sweep(struct witnesses *w, struct spool *s, unsigned max)
{
    unsigned gone = 0;

    pthread_mutex_lock(&w->lock);
    if (max > w->n)
        max = w->n;
    while (max-- > 0) {
        struct witness one = shift(w);

        pthread_mutex_unlock(&w->lock);
        bool needed = spool_has(s, &one.id);
        if (!needed)
            unlink_witness(w, &one);
        pthread_mutex_lock(&w->lock);
        if (needed)
            push(w, &one);
        else
            gone++;
    }
    pthread_mutex_unlock(&w->lock);
    return gone;
}
