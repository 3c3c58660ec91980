/*
 * A slot holds, beside its key, one count of connections for each worker: each cell has one
 * writer, so that what a killed worker had counted is known exactly and can be taken back.
 *
 *   key: FREE ──compare and swap──▶ an address ──▶ CLAIMED ──no connections──▶ another address
 *                                       ▲              │
 *                                       └──somebody came─┘
 *
 * Who counts a connection writes its cell and then looks at the key again; who takes a slot
 * over claims the key and then looks at the cells. Each sees the other, or both step back.
 */
#include "net/shared.h"

#include "base/defer.h"
#include "base/map.h"
#include "sys/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NEIGHBOURHOOD = 16,    /* slots that an address may stand in     */
    WINDOW_MS = 60 * 1000, /* of failures                            */
    ADDRESS_BYTES = 16,
    SHARED_VERSION = 2,
};

enum { KEY_FREE = 0, KEY_CLAIMED = 1, KEY_FIRST = 2 };

struct slot {
    _Atomic uint64_t key;
    _Atomic uint64_t quiet_since_ms;
    _Atomic uint64_t failures; /* minute << 32 | of the minute before << 16 | of this one */
    _Atomic uint16_t connections[SHARED_WORKERS];
};

/* NOBODY ──compare and swap──▶ WRITING ──▶ ONE ──another address, or a public one──▶ SEVERAL
 * `address` is read only where it is ONE. */
enum peers_state { PEERS_NOBODY = 0, PEERS_WRITING, PEERS_ONE, PEERS_SEVERAL };

struct peers {
    _Atomic uint32_t state, seen;
    char address[INET6_ADDRSTRLEN];
};

struct table {
    uint32_t version, slots;
    struct peers peers;
    uint8_t secret[MAP_SECRET_BYTES];
    struct slot slot[SHARED_SLOTS];
};

struct shared {
    struct table *table;
    unsigned worker;
};

static void fill(struct table *t)
{
    random_bytes(t->secret, sizeof(t->secret));
    t->slots = SHARED_SLOTS;
    t->version = SHARED_VERSION;
}

int shared_create(struct err *err)
{
    DEFER(close_fd) int fd = memfd_create("posta-shared", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, sizeof(struct table)) < 0)
        return err_os(err, "memory for the shared counts");
    struct table *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (t == MAP_FAILED)
        return err_os(err, "memory for the shared counts");
    fill(t);
    munmap(t, sizeof(*t));
    int out = fd;
    fd = -1;
    return out;
}

/* A table made by another version counts differently: not ours. */
static int check(int fd, struct table *t, struct err *err)
{
    struct stat st;

    if (fd < 0) {
        fill(t);
        return 0;
    }
    if (fstat(fd, &st) < 0)
        return err_os(err, "the shared counts");
    if ((uint64_t)st.st_size < sizeof(*t) || t->version != SHARED_VERSION ||
        t->slots != SHARED_SLOTS)
        return err_set(err, E_VERSION, "the shared counts are of another version");
    return 0;
}

struct shared *shared_open(int fd, unsigned worker, struct err *err)
{
    if (worker >= SHARED_WORKERS) {
        err_set(err, E_LIMIT, "worker %u of at most %d", worker, SHARED_WORKERS);
        return NULL;
    }

    int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
    struct table *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, flags, fd, 0);
    if (t == MAP_FAILED) {
        err_os(err, "memory for the shared counts");
        return NULL;
    }
    if (check(fd, t, err) < 0) {
        munmap(t, sizeof(*t));
        return NULL;
    }
    struct shared *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->table = t;
    s->worker = worker;
    return s;
}

void shared_close(struct shared *s)
{
    if (!s)
        return;
    munmap(s->table, sizeof(*s->table));
    free(s);
}

/* ---- slots ---- */

/* An IPv6 customer has a /64 at the least: all of it is one. */
static uint64_t key_of(const struct shared *s, const char *address)
{
    char bytes[ADDRESS_BYTES] = {0};
    size_t n = strlen(address);

    if (inet_pton(AF_INET6, address, bytes) == 1)
        memset(bytes + ADDRESS_BYTES / 2, 0, ADDRESS_BYTES / 2);
    else
        memcpy(bytes, address, n < sizeof(bytes) ? n : sizeof(bytes));

    uint64_t key = siphash(s->table->secret, (struct str){bytes, sizeof(bytes)});
    return key < KEY_FIRST ? KEY_FIRST : key;
}

static struct slot *slot_at(const struct shared *s, uint64_t key, unsigned i)
{
    return &s->table->slot[(key + i) % SHARED_SLOTS];
}

static unsigned connections(const struct slot *slot)
{
    unsigned n = 0;

    for (unsigned w = 0; w < SHARED_WORKERS; w++)
        n += slot->connections[w];
    return n;
}

static struct slot *find(const struct shared *s, uint64_t key)
{
    for (unsigned i = 0; i < NEIGHBOURHOOD; i++)
        if (slot_at(s, key, i)->key == key)
            return slot_at(s, key, i);
    return NULL;
}

/* Slots are never given back, so the first free one has no later one of the same key behind it.
 */
static struct slot *take_free(const struct shared *s, uint64_t key)
{
    for (unsigned i = 0; i < NEIGHBOURHOOD; i++) {
        struct slot *slot = slot_at(s, key, i);
        uint64_t was = KEY_FREE;

        if (atomic_compare_exchange_strong(&slot->key, &was, key) || was == key)
            return slot;
    }
    return NULL;
}

/* The slot that has been quiet longest, of those where nobody is connected. */
static struct slot *take_over(const struct shared *s, uint64_t key)
{
    struct slot *quiet = NULL;
    uint64_t was;

    for (unsigned i = 0; i < NEIGHBOURHOOD; i++) {
        struct slot *slot = slot_at(s, key, i);

        if ((!quiet || slot->quiet_since_ms < quiet->quiet_since_ms) && connections(slot) == 0)
            quiet = slot;
    }
    if (!quiet || (was = quiet->key) == KEY_CLAIMED ||
        !atomic_compare_exchange_strong(&quiet->key, &was, KEY_CLAIMED))
        return NULL;
    if (connections(quiet) > 0) { /* somebody came */
        quiet->key = was;
        return NULL;
    }
    quiet->failures = 0;
    quiet->key = key;
    return quiet;
}

static struct slot *find_or_take(const struct shared *s, uint64_t key)
{
    struct slot *slot = find(s, key);

    slot = slot ? slot : take_free(s, key);
    return slot ? slot : take_over(s, key);
}

/* ---- connections ---- */

bool shared_connect(struct shared *s, const char *address, unsigned max)
{
    uint64_t key = key_of(s, address);
    struct slot *slot;

    while ((slot = find_or_take(s, key))) {
        _Atomic uint16_t *mine = &slot->connections[s->worker];

        if (*mine == UINT16_MAX)
            return false;
        ++*mine;
        if (slot->key != key) { /* taken over in this very moment */
            --*mine;
            continue;
        }
        if (connections(slot) > max) {
            --*mine;
            return false;
        }
        slot->quiet_since_ms = clock_steady_ms();
        return true;
    }
    return true; /* a full neighbourhood: not counted, as nobody else would be served better */
}

void shared_disconnect(struct shared *s, const char *address)
{
    uint64_t key = key_of(s, address);
    struct slot *slot = find(s, key);

    if (!slot || slot->connections[s->worker] == 0)
        return; /* was not counted */
    slot->quiet_since_ms = clock_steady_ms();
    --slot->connections[s->worker];
}

void shared_worker_gone(struct shared *s, unsigned worker)
{
    for (unsigned i = 0; i < SHARED_SLOTS && worker < SHARED_WORKERS; i++)
        if (s->table->slot[i].key != KEY_FREE)
            s->table->slot[i].connections[worker] = 0;
}

/* ---- failures: two windows of a minute, the older one weighing what is left of it ---- */

struct window {
    uint32_t minute;
    uint16_t before, now;
};

static struct window window_at(uint64_t packed, uint64_t now_ms)
{
    uint32_t minute = (uint32_t)(now_ms / WINDOW_MS);
    struct window w = {(uint32_t)(packed >> 32), (uint16_t)(packed >> 16), (uint16_t)packed};

    if (w.minute == minute)
        return w;
    return (struct window){minute, w.minute + 1 == minute ? w.now : 0, 0};
}

static uint64_t pack(struct window w)
{
    return (uint64_t)w.minute << 32 | (uint64_t)w.before << 16 | w.now;
}

static unsigned in_a_minute(struct window w, uint64_t now_ms)
{
    return w.now + (unsigned)(w.before * (WINDOW_MS - now_ms % WINDOW_MS) / WINDOW_MS);
}

unsigned shared_failure(struct shared *s, const char *address, uint64_t now_ms)
{
    struct slot *slot = find_or_take(s, key_of(s, address));
    uint64_t was;
    struct window w;

    if (!slot)
        return 1;
    slot->quiet_since_ms = clock_steady_ms();
    was = slot->failures;
    do {
        w = window_at(was, now_ms);
        if (w.now < UINT16_MAX)
            w.now++;
    } while (!atomic_compare_exchange_weak(&slot->failures, &was, pack(w)));
    return in_a_minute(w, now_ms);
}

unsigned shared_failures(struct shared *s, const char *address, uint64_t now_ms)
{
    struct slot *slot = find(s, key_of(s, address));

    return slot ? in_a_minute(window_at(slot->failures, now_ms), now_ms) : 0;
}

/* ---- who connects ---- */

enum { IPV6_ULA = 0xfc, IPV6_ULA_MASK = 0xfe };

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* RFC 1918 3, RFC 4193 3.1 */
static bool is_private(const char *address)
{
    uint8_t a[ADDRESS_BYTES];

    if (inet_pton(AF_INET6, address, a) == 1)
        return (a[0] & IPV6_ULA_MASK) == IPV6_ULA;
    return inet_pton(AF_INET, address, a) == 1 &&
           (a[0] == 10 || (a[0] == 172 && a[1] >= 16 && a[1] < 32) ||
            (a[0] == 192 && a[1] == 168));
}

void shared_peer(struct shared *s, const char *address)
{
    struct peers *p = &s->table->peers;
    uint32_t nobody = PEERS_NOBODY;

    if (p->state == PEERS_SEVERAL || is_loopback(address))
        return;
    if (!is_private(address)) {
        p->state = PEERS_SEVERAL;
        return;
    }
    if (atomic_compare_exchange_strong(&p->state, &nobody, PEERS_WRITING)) {
        uint32_t writing = PEERS_WRITING;

        snprintf(p->address, sizeof(p->address), "%s", address);
        atomic_compare_exchange_strong(&p->state, &writing, PEERS_ONE);
    } else if (p->state == PEERS_ONE && strcmp(p->address, address) != 0) {
        p->state = PEERS_SEVERAL;
    }
    p->seen++;
}

bool shared_lone_peer(const struct shared *s, char address[INET6_ADDRSTRLEN])
{
    const struct peers *p = &s->table->peers;

    if (p->state != PEERS_ONE || p->seen < SHARED_PEERS_ENOUGH)
        return false;
    memcpy(address, p->address, INET6_ADDRSTRLEN);
    return true;
}
