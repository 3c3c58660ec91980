#include "mta/send/memory.h"

#include "base/list.h"
#include "base/map.h"
#include "sys/clock.h"

#include <stdlib.h>

struct taken {
    struct list link; /* the oldest first */
    struct str key;
    struct result result;
    char bytes[]; /* of both */
};

struct memory {
    struct map by_key;
    struct list all;
    size_t n;
};

/* The id has one length: no address can reach into it. */
static struct str key_of(struct arena *a, const struct id *id, struct str address)
{
    return arena_printf(a, "%s %.*s", id->text, STR_ARGS(address));
}

struct memory *memory_new(void)
{
    struct memory *m = calloc(1, sizeof(*m));
    uint8_t secret[MAP_SECRET_BYTES];

    if (!m)
        abort();
    random_bytes(secret, sizeof(secret));
    map_init(&m->by_key, secret);
    list_init(&m->all);
    return m;
}

static void forget(struct memory *m, struct taken *t)
{
    map_remove(&m->by_key, t->key);
    list_remove(&t->link);
    free(t);
    m->n--;
}

void memory_free(struct memory *m)
{
    if (!m)
        return;
    LIST_EACH(&m->all, at)
    forget(m, LIST_OF(at, struct taken, link));
    map_done(&m->by_key);
    free(m);
}

static struct str pack(char **at, struct str s)
{
    char *p = *at;

    memcpy(p, s.n ? s.p : "", s.n);
    *at += s.n;
    return (struct str){p, s.n};
}

static struct taken *copy(struct str key, const struct result *r)
{
    struct str text = str_first(r->reply.text, MEMORY_TEXT_BYTES);
    size_t n =
        key.n + r->reply.enhanced.n + text.n + r->host.n + r->ip.n + r->tls.n + r->mxset.n;
    struct taken *t = calloc(1, sizeof(*t) + n);

    if (!t)
        abort();
    char *at = t->bytes;
    t->key = pack(&at, key);
    t->result = *r;
    t->result.reply.enhanced = pack(&at, r->reply.enhanced);
    t->result.reply.text = pack(&at, text);
    t->result.host = pack(&at, r->host);
    t->result.ip = pack(&at, r->ip);
    t->result.tls = pack(&at, r->tls);
    t->result.mxset = pack(&at, r->mxset);
    return t;
}

void memory_add(struct memory *m, const struct id *id, struct str address,
                const struct result *r)
{
    struct arena a;

    arena_init(&a);
    struct str key = key_of(&a, id, address);
    if (!map_get(&m->by_key, key)) {
        struct taken *t = copy(key, r);

        map_put(&m->by_key, t->key, t);
        list_append(&m->all, &t->link);
        if (++m->n > MEMORY_RECIPIENTS)
            forget(m, LIST_OF(m->all.next, struct taken, link));
    }
    arena_done(&a);
}

const struct result *memory_find(const struct memory *m, const struct id *id,
                                 struct str address)
{
    struct arena a;

    arena_init(&a);
    const struct taken *t = map_get(&m->by_key, key_of(&a, id, address));
    arena_done(&a);
    return t ? &t->result : NULL;
}
