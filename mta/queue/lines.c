#include "mta/queue/lines.h"

#include <stdlib.h>

struct line {
    struct list link; /* of its way */
    struct list waiters;
    size_t key_n;
    char key[]; /* the way's address, and the sender */
};

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

void lines_init(struct lines *s, const uint8_t secret[MAP_SECRET_BYTES])
{
    map_init(&s->all, secret);
}

void lines_done(struct lines *s)
{
    struct line *line;

    for (size_t i = 0; (line = map_next(&s->all, &i));) {
        map_remove(&s->all, (struct str){line->key, line->key_n});
        free(line);
    }
    map_done(&s->all);
}

static struct line *line_new(struct list *way, struct str sender)
{
    size_t n = sizeof(struct list *) + sender.n;
    struct line *line = must_alloc(malloc(sizeof(*line) + n));

    list_init(&line->link);
    list_init(&line->waiters);
    line->key_n = n;
    memcpy(line->key, &way, sizeof(struct list *));
    memcpy(line->key + sizeof(struct list *), sender.n ? sender.p : "", sender.n);
    return line;
}

void lines_join(struct lines *s, struct list *way, struct str sender, struct waiter *w,
                bool front)
{
    struct line *made = line_new(way, sender);
    struct str key = {made->key, made->key_n};
    struct line *line = map_get(&s->all, key);

    if (line) {
        free(made);
    } else {
        line = made;
        map_put(&s->all, key, line);
        list_append(front ? way->next : way, &line->link);
    }
    list_append(front ? line->waiters.next : &line->waiters, &w->link);
    w->line = line;
}

void lines_leave(struct lines *s, struct waiter *w)
{
    struct line *line = w->line;

    if (!line)
        return;
    list_remove(&w->link);
    w->line = NULL;
    if (!list_empty(&line->waiters))
        return;
    list_remove(&line->link);
    map_remove(&s->all, (struct str){line->key, line->key_n});
    free(line);
}

struct waiter *lines_next(struct list *way)
{
    if (list_empty(way))
        return NULL;
    struct line *line = LIST_OF(way->next, struct line, link);

    list_remove(&line->link);
    list_append(way, &line->link);
    return LIST_OF(line->waiters.next, struct waiter, link);
}

struct waiter *lines_behind(const struct waiter *w)
{
    if (w->link.next == &w->line->waiters)
        return NULL;
    return LIST_OF(w->link.next, struct waiter, link);
}
