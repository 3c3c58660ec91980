#include "authd/memory.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "tls/hash.h"

enum { MARK_TEXT_BYTES = 16384 };

struct entry {
    struct list link; /* in `recent`, the oldest first */
    struct memory_mark mark;
};

struct memory {
    unsigned char key[MEMORY_MARK_BYTES];
    unsigned n, max;
    struct map marks;
    struct list recent;
};

struct memory *memory_new(const unsigned char key[MEMORY_MARK_BYTES], unsigned entries_max)
{
    struct memory *m = calloc(1, sizeof(*m));

    if (!m)
        abort();
    memcpy(m->key, key, sizeof(m->key));
    m->max = entries_max;
    map_init(&m->marks, key); /* the marks are secret and even already */
    list_init(&m->recent);
    return m;
}

static struct str mark_str(const struct memory_mark *mark)
{
    return (struct str){(const char *)mark->octets, sizeof(mark->octets)};
}

static void forget(struct memory *m, struct entry *e)
{
    map_remove(&m->marks, mark_str(&e->mark));
    list_remove(&e->link);
    free(e);
    m->n--;
}

void memory_free(struct memory *m)
{
    if (!m)
        return;
    LIST_EACH(&m->recent, at)
    forget(m, LIST_OF(at, struct entry, link));
    map_done(&m->marks);
    explicit_bzero(m, sizeof(*m));
    free(m);
}

/* Each part with its length before it, so that no two lists of parts make the same text. */
static void add_part(struct buf *b, struct str part)
{
    uint64_t n = part.n;

    buf_add(b, (struct str){(const char *)&n, sizeof(n)});
    buf_add(b, part);
}

void memory_mark(const struct memory *m, struct str user, struct str hash, struct str service,
                 struct str password, struct memory_mark *out)
{
    struct buf b;

    buf_init(&b, MARK_TEXT_BYTES);
    buf_room(&b, user.n + hash.n + service.n + password.n +
                     4 * sizeof(uint64_t)); /* one block to wipe */
    add_part(&b, user);
    add_part(&b, hash);
    add_part(&b, service);
    add_part(&b, password);
    if (buf_failed(&b))
        abort();
    hash_hmac_sha256((struct str){(const char *)m->key, sizeof(m->key)}, buf_str(&b),
                     out->octets);
    explicit_bzero(b.p, b.cap);
    buf_done(&b);
}

bool memory_has(struct memory *m, const struct memory_mark *mark)
{
    struct entry *e = map_get(&m->marks, mark_str(mark));

    if (!e)
        return false;
    list_remove(&e->link);
    list_append(&m->recent, &e->link);
    return true;
}

void memory_add(struct memory *m, const struct memory_mark *mark)
{
    struct entry *e;

    if (m->max == 0 || memory_has(m, mark))
        return;
    if (m->n == m->max)
        forget(m, LIST_OF(m->recent.next, struct entry, link));
    e = malloc(sizeof(*e));
    if (!e)
        abort();
    e->mark = *mark;
    list_append(&m->recent, &e->link);
    map_put(&m->marks, mark_str(&e->mark), e);
    m->n++;
}

unsigned memory_count(const struct memory *m)
{
    return m->n;
}
