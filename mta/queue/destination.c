/*
 * Where a destination stands: in one ring, or in none.
 *
 *   QUICK, SUSPECT   somebody is due and the window is open: each has its turn
 *   DEAD             somebody is due: to be put off
 *   none             nobody is due, or the window is full
 *
 * destinations_next() looks only into rings; what changes anything calls place().
 */
#include "mta/queue/destination.h"

#include "base/ascii.h"

#include <assert.h>
#include <stdlib.h>

enum ring { RING_QUICK, RING_SUSPECT, RING_DEAD, RINGS, RING_NONE = RINGS };

struct destination {
    struct list link;    /* in a ring         */
    struct list domains; /* with somebody due */
    unsigned ndomains;   /* in all            */
    unsigned n, window, good, nold;
    unsigned fails; /* deaths since the last answer */
    uint64_t cut;   /* the number of the last trip that had begun at the last cut */
    uint64_t dead_until_ms;
    char *words;
    enum ring ring;
    bool quick, dead;
    char set[DESTINATION_SET_BYTES + 1]; /* "": of one domain alone */
};

struct destinations {
    struct map by_name, by_set;
    struct list rings[RINGS];
    struct list quiet;      /* domains without need, the first learnt first */
    struct list young, old; /* trips                                        */
    size_t ndestinations, nquiet;
    unsigned slots, window_most, n, nsuspect; /* trips: in all, to those that are not quick */
    uint64_t number;
    struct schedule retry;
    enum ring turn; /* which ring is asked first */
};

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- rings ---- */

static enum ring ring_of(const struct destination *at)
{
    if (list_empty(&at->domains))
        return RING_NONE;
    if (at->dead)
        return RING_DEAD;
    if (at->n >= at->window)
        return RING_NONE;
    return at->quick ? RING_QUICK : RING_SUSPECT;
}

static void place(struct destinations *t, struct destination *at)
{
    enum ring ring = ring_of(at);

    if (ring == at->ring)
        return;
    list_remove(&at->link);
    at->ring = ring;
    if (ring != RING_NONE)
        list_append(&t->rings[ring], &at->link);
}

static void set_quick(struct destinations *t, struct destination *at, bool quick)
{
    if (at->quick == quick)
        return;
    at->quick = quick;
    if (quick)
        t->nsuspect -= at->n;
    else
        t->nsuspect += at->n;
}

static void count(struct destinations *t, struct destination *at, int change)
{
    at->n = (unsigned)((int)at->n + change);
    t->n = (unsigned)((int)t->n + change);
    if (!at->quick)
        t->nsuspect = (unsigned)((int)t->nsuspect + change);
}

/* ---- destinations ---- */

static struct destination *destination_new(struct destinations *t)
{
    struct destination *at = must_alloc(calloc(1, sizeof(*at)));

    list_init(&at->link);
    list_init(&at->domains);
    at->ring = RING_NONE;
    at->window =
        DESTINATION_WINDOW_FIRST < t->window_most ? DESTINATION_WINDOW_FIRST : t->window_most;
    t->ndestinations++;
    return at;
}

static void destination_free(struct destinations *t, struct destination *at)
{
    list_remove(&at->link);
    if (*at->set)
        map_remove(&t->by_set, str_c(at->set));
    free(at->words);
    free(at);
    t->ndestinations--;
}

static void free_unneeded(struct destinations *t, struct destination *at)
{
    if (at->ndomains == 0 && at->n == 0)
        destination_free(t, at);
}

/* ---- domains ---- */

static void domain_free(struct destinations *t, struct domain *d)
{
    struct destination *at = d->at;

    list_remove(&d->link);
    map_remove(&t->by_name, str_c(d->name));
    free(d);
    at->ndomains--;
    free_unneeded(t, at);
}

static void forget_old(struct destinations *t, uint64_t now_ms)
{
    while (t->nquiet) {
        struct domain *d = LIST_OF(t->quiet.next, struct domain, link);

        if (t->nquiet <= DESTINATION_DOMAINS && now_ms < d->learnt_ms + DESTINATION_LIFE_MS)
            return;
        t->nquiet--;
        domain_free(t, d);
    }
}

/* Without need it is remembered, when something is known of it. */
static void settle(struct destinations *t, struct domain *d, bool was_quiet)
{
    bool quiet = !d->due && d->trips == 0;

    if (quiet == was_quiet)
        return;
    if (!quiet) {
        list_remove(&d->link);
        t->nquiet--;
    } else if (d->learnt_ms) {
        list_append(&t->quiet, &d->link);
        t->nquiet++;
    } else {
        domain_free(t, d);
    }
}

static struct str lower_name(char to[DESTINATION_NAME_BYTES + 1], struct str name)
{
    name = str_first(name, DESTINATION_NAME_BYTES);
    for (size_t i = 0; i < name.n; i++)
        to[i] = ascii_lower(name.p[i]);
    to[name.n] = '\0';
    return (struct str){to, name.n};
}

struct domain *destinations_find(const struct destinations *t, struct str name)
{
    char text[DESTINATION_NAME_BYTES + 1];

    return map_get(&t->by_name, lower_name(text, name));
}

struct domain *destinations_domain(struct destinations *t, struct str name, uint64_t now_ms)
{
    char text[DESTINATION_NAME_BYTES + 1];
    struct str key = lower_name(text, name);
    struct domain *d = map_get(&t->by_name, key);

    if (d)
        return d;
    forget_old(t, now_ms);
    d = must_alloc(calloc(1, sizeof(*d) + key.n + 1));
    memcpy(d->name, text, key.n + 1);
    list_init(&d->link);
    list_init(&d->line);
    d->at = destination_new(t);
    d->at->ndomains = 1;
    list_append(&t->quiet, &d->link);
    t->nquiet++;
    map_put(&t->by_name, (struct str){d->name, key.n}, d);
    return d;
}

static void stand(struct domain *d)
{
    if (d->due)
        list_append(&d->at->domains, &d->link);
}

void destinations_due(struct destinations *t, struct domain *d, bool due)
{
    struct destination *at = d->at;
    bool was_quiet = !d->due && d->trips == 0;

    if (d->due == due)
        return;
    d->due = due;
    if (due) {
        settle(t, d, was_quiet);
        stand(d);
        place(t, at);
        return;
    }
    list_remove(&d->link);
    place(t, at);
    settle(t, d, was_quiet);
}

/* From the destination of its own, or from one that it had, to the one that its hosts are. Its
 * trips go with it. */
static void move(struct destinations *t, struct domain *d, struct destination *to)
{
    struct destination *from = d->at;
    struct list *const lists[] = {&t->young, &t->old};

    for (int i = 0; i < 2; i++)
        LIST_EACH(lists[i], link)
        {
            struct trip *trip = LIST_OF(link, struct trip, link);

            if (trip->domain != d || trip->at != from)
                continue;
            count(t, from, -1);
            from->nold -= trip->old;
            trip->at = to;
            count(t, to, 1);
            to->nold += trip->old;
        }
    if (d->due)
        list_remove(&d->link);
    d->at = to;
    from->ndomains--;
    to->ndomains++;
    stand(d);
    place(t, from);
    place(t, to);
    free_unneeded(t, from);
}

static void learn(struct destinations *t, struct domain *d, struct str set, uint64_t now_ms)
{
    d->learnt_ms = now_ms ? now_ms : 1;
    set = str_first(set, DESTINATION_SET_BYTES);
    if (set.n == 0 || str_eq(set, str_c(d->at->set)))
        return;
    struct destination *to = map_get(&t->by_set, set);

    if (!to) {
        to = *d->at->set || d->at->ndomains > 1 ? destination_new(t) : d->at;
        memcpy(to->set, set.p, set.n);
        to->set[set.n] = '\0';
        map_put(&t->by_set, str_c(to->set), to);
    }
    if (to != d->at)
        move(t, d, to);
}

/* ---- turns ---- */

/* Deliveries that have become slow by now make their destinations so. */
static void age(struct destinations *t, uint64_t now_ms)
{
    while (!list_empty(&t->young)) {
        struct trip *trip = LIST_OF(t->young.next, struct trip, link);

        if (now_ms < trip->began_ms + DESTINATION_SLOW_MS)
            return;
        list_remove(&trip->link);
        list_append(&t->old, &trip->link);
        trip->old = true;
        trip->at->nold++;
        set_quick(t, trip->at, false);
        place(t, trip->at);
    }
}

static struct domain *turn_of(struct destinations *t, struct destination *at)
{
    struct domain *d = LIST_OF(at->domains.next, struct domain, link);

    list_remove(&d->link);
    list_append(&at->domains, &d->link);
    list_remove(&at->link);
    list_append(&t->rings[at->ring], &at->link);
    return d;
}

/* The first that has fewer than are free. Those that have more are few: slots / free. */
static struct domain *next_of(struct destinations *t, enum ring ring)
{
    unsigned free_slots = t->slots - t->n;

    LIST_EACH(&t->rings[ring], link)
    {
        struct destination *at = LIST_OF(link, struct destination, link);

        if (at->n == 0 || at->n < free_slots)
            return turn_of(t, at);
    }
    return NULL;
}

static bool suspects_may(const struct destinations *t)
{
    return t->nsuspect < t->slots - t->slots / DESTINATION_RESERVE;
}

struct domain *destinations_next(struct destinations *t, uint64_t now_ms)
{
    struct domain *d = NULL;

    if (t->n >= t->slots)
        return NULL;
    age(t, now_ms);
    for (int i = 0; i < 2 && !d; i++) {
        enum ring ring = t->turn;

        t->turn = ring == RING_QUICK ? RING_SUSPECT : RING_QUICK;
        if (ring == RING_QUICK || suspects_may(t))
            d = next_of(t, ring);
    }
    return d;
}

static void revive(struct destinations *t, struct destination *at)
{
    at->dead = false;
    place(t, at);
}

struct domain *destinations_next_dead(struct destinations *t, uint64_t now_ms)
{
    while (!list_empty(&t->rings[RING_DEAD])) {
        struct destination *at = LIST_OF(t->rings[RING_DEAD].next, struct destination, link);

        if (now_ms < at->dead_until_ms)
            return turn_of(t, at);
        revive(t, at);
    }
    return NULL;
}

struct str domain_words(const struct domain *d)
{
    return str_c(d->at->words ? d->at->words : "");
}

/* ---- trips ---- */

void trip_begin(struct destinations *t, struct trip *trip, struct domain *d, uint64_t now_ms)
{
    bool was_quiet = !d->due && d->trips == 0;

    *trip = (struct trip){.domain = d, .at = d->at, .began_ms = now_ms, .number = ++t->number};
    list_append(&t->young, &trip->link);
    d->trips++;
    settle(t, d, was_quiet);
    count(t, d->at, 1);
    place(t, d->at);
}

/* Half the shortest wait of a letter that failed so often: when its turn comes, it is tried. */
static uint64_t dead_ms(const struct destinations *t, unsigned fails, uint32_t random)
{
    uint64_t ms = schedule_wait_ms(&t->retry, fails, random) / 2;

    return ms < DESTINATION_DEAD_MOST_MS ? ms : DESTINATION_DEAD_MOST_MS;
}

static void die(struct destinations *t, struct destination *at, struct str words,
                uint32_t random, uint64_t now_ms)
{
    at->dead = true;
    at->fails++;
    at->dead_until_ms = now_ms + dead_ms(t, at->fails, random);
    words = str_first(words, DESTINATION_WORDS_BYTES);
    free(at->words);
    at->words = must_alloc(strndup(words.n ? words.p : "", words.n));
}

static void trouble(struct destinations *t, struct trip *trip, enum destination_end how,
                    struct str words, uint32_t random, uint64_t now_ms)
{
    struct destination *at = trip->at;

    set_quick(t, at, false);
    at->good = 0;
    if (at->dead || (how == DESTINATION_BUSY && trip->number <= at->cut))
        return;
    at->cut = t->number;
    if (at->window > 1)
        at->window /= 2;
    else
        die(t, at, words, random, now_ms);
}

static void good(struct destinations *t, struct trip *trip, uint64_t now_ms)
{
    struct destination *at = trip->at;

    at->dead = false;
    at->fails = 0;
    if (++at->good >= at->window) {
        at->good = 0;
        at->window += at->window < t->window_most;
    }
    set_quick(t, at, at->nold == 0 && now_ms < trip->began_ms + DESTINATION_SLOW_MS);
}

void trip_end(struct destinations *t, struct trip *trip, enum destination_end how,
              struct str set, struct str words, uint32_t random, uint64_t now_ms)
{
    struct domain *d = trip->domain;

    if (how != DESTINATION_UNTRIED)
        learn(t, d, set, now_ms);
    struct destination *at = trip->at;

    assert(at == d->at);
    list_remove(&trip->link);
    at->nold -= trip->old;
    count(t, at, -1);
    if (how == DESTINATION_ANSWERED)
        good(t, trip, now_ms);
    else if (how != DESTINATION_UNTRIED)
        trouble(t, trip, how, words, random, now_ms);
    place(t, at);
    d->trips--;
    settle(t, d, false);
}

/* ---- hope ---- */

static void hope(struct destinations *t, struct destination *at)
{
    if (at->dead)
        revive(t, at);
}

void destinations_hope(struct destinations *t)
{
    struct domain *d;

    for (size_t i = 0; (d = map_next(&t->by_name, &i));)
        hope(t, d->at);
}

void domain_hope(struct destinations *t, struct domain *d)
{
    hope(t, d->at);
}

/* ---- life ---- */

struct destinations *destinations_new(const uint8_t secret[MAP_SECRET_BYTES])
{
    struct destinations *t = must_alloc(calloc(1, sizeof(*t)));

    map_init(&t->by_name, secret);
    map_init(&t->by_set, secret);
    for (int i = 0; i < RINGS; i++)
        list_init(&t->rings[i]);
    list_init(&t->quiet);
    list_init(&t->young);
    list_init(&t->old);
    t->slots = t->window_most = UINT16_MAX;
    return t;
}

void destinations_free(struct destinations *t)
{
    struct domain *d;

    if (!t)
        return;
    for (size_t i = 0; (d = map_next(&t->by_name, &i));) {
        d->at->n = 0;
        domain_free(t, d);
    }
    map_done(&t->by_name);
    map_done(&t->by_set);
    free(t);
}

void destinations_limit(struct destinations *t, unsigned slots, unsigned window,
                        const struct schedule *retry)
{
    struct domain *d;

    t->slots = slots;
    t->window_most = window;
    t->retry = *retry;
    for (size_t i = 0; (d = map_next(&t->by_name, &i));) {
        if (d->at->window > window)
            d->at->window = window;
        place(t, d->at);
    }
}

size_t destinations_count(const struct destinations *t)
{
    return t->ndestinations;
}

size_t destinations_domains(const struct destinations *t)
{
    return t->by_name.n;
}

unsigned destinations_trips(const struct destinations *t)
{
    return t->n;
}

unsigned domain_window(const struct domain *d)
{
    return d->at->window;
}

unsigned domain_trips(const struct domain *d)
{
    return d->at->n;
}

bool domain_is_dead(const struct domain *d)
{
    return d->at->dead;
}
