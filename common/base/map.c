/*
 * Open addressing with linear probing. A removed entry leaves its place marked,
 * so that what was put behind it is still found; marks go when the table is
 * built anew.
 */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_ROOM = 16 };

struct map_slot {
    struct str key;
    uint64_t hash;
    void *value; /* NULL with a key: removed */
};

/* ---- SipHash-2-4 ---- */

static uint64_t rotate(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* Little endian, fewer than eight octets where there are no more. */
static uint64_t load(const char *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | (unsigned char)p[n];
    return v;
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t siphash(const uint8_t secret[MAP_SECRET_BYTES], struct str s)
{
    uint64_t k0 = load((const char *)secret, 8), k1 = load((const char *)secret + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    uint64_t last = (uint64_t)s.n << 56;

    for (; s.n >= 8; s = str_skip(s, 8))
        sip_word(v, load(s.p, 8));
    sip_word(v, last | load(s.p, s.n));
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the table ---- */

void map_init(struct map *m, const uint8_t secret[MAP_SECRET_BYTES])
{
    *m = (struct map){.slots = NULL};
    memcpy(m->secret, secret, MAP_SECRET_BYTES);
}

void map_done(struct map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->room = m->used = m->n = 0;
}

/* Where `key` is, or the free place where the search for it ends. The table has one. */
static struct map_slot *find(const struct map *m, struct str key, uint64_t hash)
{
    size_t at = (size_t)hash & (m->room - 1);

    while (m->slots[at].key.p) {
        struct map_slot *slot = &m->slots[at];

        if (slot->value && slot->hash == hash && str_eq(slot->key, key))
            return slot;
        at = (at + 1) & (m->room - 1);
    }
    return &m->slots[at];
}

void *map_get(const struct map *m, struct str key)
{
    return m->n ? find(m, key, siphash(m->secret, key))->value : NULL;
}

/* A table with as much room as what is in it needs: it grows, shrinks, or only loses its marks.
 */
static void rebuild(struct map *m)
{
    struct map old = *m;

    m->room = FIRST_ROOM;
    while (m->room < (m->n + 1) * 2)
        m->room *= 2;
    m->slots = calloc(m->room, sizeof(*m->slots));
    if (!m->slots)
        abort();
    m->used = m->n;
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].value)
            *find(m, old.slots[i].key, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

void *map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = siphash(m->secret, key);

    assert(value);
    if ((m->used + 1) * 4 > m->room * 3)
        rebuild(m);

    struct map_slot *slot = find(m, key, hash);
    void *before = slot->value;
    if (!before) {
        m->used++;
        m->n++;
    }
    /* the key of an empty string needs an address too */
    *slot = (struct map_slot){
        {key.n ? key.p : "", key.n},
        hash, value
    };
    return before;
}

void *map_remove(struct map *m, struct str key)
{
    struct map_slot *slot = m->n ? find(m, key, siphash(m->secret, key)) : NULL;
    void *before = slot ? slot->value : NULL;

    if (!before)
        return NULL;
    slot->value = NULL;
    slot->key = STR(""); /* the bytes may go now */
    m->n--;
    return before;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->room)
        if (m->slots[(*at)++].value)
            return m->slots[*at - 1].value;
    return NULL;
}
