#include "mta/queue/queue.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 256, FIRST_HEAP = 256 };

struct queue {
    struct list all, cursors;
    struct list here; /* the lines of those who are */
    struct lines lines;
    struct destinations *destinations;
    size_t nwaiting;             /* in lines */
    uint64_t now_ms;             /* when we last heard of it */
    struct queue_letter **slots; /* by id, chained; a power of two of them */
    size_t nslots, count, nrcpts;
    struct queue_letter **heap; /* [1..nheap], the soonest first */
    size_t nheap, heap_room;
};

/* ---- a letter ---- */

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

static struct str pack(char **at, struct str s)
{
    char *p = *at;

    if (s.n)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return (struct str){p, s.n};
}

static void set_reply(struct queue_rcpt *r, struct str reply)
{
    free(r->reply);
    r->reply = reply.n ? must_alloc(strndup(reply.p, reply.n)) : NULL;
}

static void fill_rcpt(struct queue_letter *l, struct queue_rcpt *r,
                      const struct queue_address *a, char **at)
{
    r->address = pack(at, a->address);
    r->orcpt = pack(at, a->orcpt);
    r->next_ms = a->next_ms;
    r->number = a->number;
    r->at = (uint32_t)(r - l->rcpts);
    list_init(&r->waiter.link);
    r->tries = (uint16_t)(a->tries < UINT16_MAX ? a->tries : UINT16_MAX);
    r->backoff = (uint16_t)(a->backoff < UINT16_MAX ? a->backoff : UINT16_MAX);
    r->notify = (uint8_t)a->notify;
    r->local = a->local;
    r->told = a->told;
    r->state = a->later ? QUEUE_LATER : QUEUE_DUE;
    set_reply(r, a->reply);
    l->ndue += !a->later;
}

struct queue_letter *queue_letter_new(const struct queue_envelope *e,
                                      const struct queue_address *to, size_t n)
{
    size_t bytes = e->mail.reverse_path.n + e->mail.auth.n + e->mail.envid.n + e->flags.n;
    size_t fixed = sizeof(struct queue_letter) + n * sizeof(struct queue_rcpt);

    for (size_t i = 0; i < n; i++)
        bytes += to[i].address.n + to[i].orcpt.n;
    struct queue_letter *l = must_alloc(calloc(1, fixed + bytes));
    char *at = (char *)l + fixed;

    list_init(&l->all);
    l->env = *e;
    l->env.mail.reverse_path = pack(&at, e->mail.reverse_path);
    l->env.mail.auth = pack(&at, e->mail.auth);
    l->env.mail.envid = pack(&at, e->mail.envid);
    l->env.flags = pack(&at, e->flags);
    l->nrcpts = l->nopen = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        fill_rcpt(l, &l->rcpts[i], &to[i], &at);
    return l;
}

void queue_letter_free(struct queue_letter *l)
{
    if (!l)
        return;
    for (uint32_t i = 0; i < l->nrcpts; i++)
        free(l->rcpts[i].reply);
    buf_done(&l->journey);
    free(l);
}

/* ---- by id ---- */

static size_t hash_of(const struct id *id)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a over the random letters */

    for (int i = ID_TIME_LETTERS; i < ID_LETTERS; i++)
        h = (h ^ (unsigned char)id->text[i]) * UINT64_C(1099511628211);
    return (size_t)(h ^ h >> 32);
}

static void slots_grow(struct queue *q)
{
    size_t n = q->nslots ? q->nslots * 2 : FIRST_SLOTS;
    struct queue_letter **slots = must_alloc(calloc(n, sizeof(struct queue_letter *)));

    LIST_EACH(&q->all, at)
    {
        struct queue_letter *l = LIST_OF(at, struct queue_letter, all);
        struct queue_letter **slot = &slots[hash_of(&l->env.id) & (n - 1)];

        l->same_hash = *slot;
        *slot = l;
    }
    free(q->slots);
    q->slots = slots;
    q->nslots = n;
}

struct queue_letter *queue_find(const struct queue *q, const struct id *id)
{
    if (!q->nslots)
        return NULL;
    struct queue_letter *l = q->slots[hash_of(id) & (q->nslots - 1)];

    while (l && memcmp(l->env.id.text, id->text, ID_LETTERS) != 0)
        l = l->same_hash;
    return l;
}

static void slots_remove(struct queue *q, struct queue_letter *l)
{
    struct queue_letter **at = &q->slots[hash_of(&l->env.id) & (q->nslots - 1)];

    while (*at != l)
        at = &(*at)->same_hash;
    *at = l->same_hash;
}

/* ---- by time ---- */

static void heap_put(struct queue *q, size_t at, struct queue_letter *l)
{
    q->heap[at] = l;
    l->heap_at = (uint32_t)at;
}

static void heap_up(struct queue *q, size_t at, struct queue_letter *l)
{
    for (; at > 1 && q->heap[at / 2]->wake_ms > l->wake_ms; at /= 2)
        heap_put(q, at, q->heap[at / 2]);
    heap_put(q, at, l);
}

static void heap_down(struct queue *q, size_t at, struct queue_letter *l)
{
    for (size_t child; (child = at * 2) <= q->nheap; at = child) {
        if (child < q->nheap && q->heap[child + 1]->wake_ms < q->heap[child]->wake_ms)
            child++;
        if (q->heap[child]->wake_ms >= l->wake_ms)
            break;
        heap_put(q, at, q->heap[child]);
    }
    heap_put(q, at, l);
}

static void heap_add(struct queue *q, struct queue_letter *l)
{
    if (q->nheap + 1 >= q->heap_room) {
        q->heap_room = q->heap_room ? q->heap_room * 2 : FIRST_HEAP;
        q->heap = must_alloc(realloc(q->heap, q->heap_room * sizeof(struct queue_letter *)));
    }
    heap_up(q, ++q->nheap, l);
}

static void heap_remove(struct queue *q, struct queue_letter *l)
{
    size_t at = l->heap_at;

    if (!at)
        return;
    struct queue_letter *last = q->heap[q->nheap--];
    l->heap_at = 0;
    if (last == l)
        return;
    if (at > 1 && q->heap[at / 2]->wake_ms > last->wake_ms)
        heap_up(q, at, last);
    else
        heap_down(q, at, last);
}

/* ---- where a letter stands ---- */

struct str queue_domain(const struct queue_rcpt *r)
{
    size_t at = r->address.n;

    while (at && r->address.p[at - 1] != '@')
        at--;
    return str_skip(r->address, at);
}

static void line_up(struct queue *q, struct queue_letter *l, struct queue_rcpt *r, bool front)
{
    struct list *way = &q->here;

    if (r->waiter.line || l->env.held)
        return;
    if (!r->local) {
        struct domain *d = destinations_domain(q->destinations, queue_domain(r), q->now_ms);

        destinations_due(q->destinations, d, true);
        way = &d->line;
    }
    lines_join(&q->lines, way, l->env.mail.reverse_path, &r->waiter, front);
    q->nwaiting++;
}

static void step_out(struct queue *q, struct queue_rcpt *r)
{
    if (!r->waiter.line)
        return;
    lines_leave(&q->lines, &r->waiter);
    q->nwaiting--;
    if (r->local)
        return;
    struct domain *d = destinations_domain(q->destinations, queue_domain(r), q->now_ms);
    if (list_empty(&d->line))
        destinations_due(q->destinations, d, false);
}

/* All that are due, after a change for the whole letter. */
static void line_up_all(struct queue *q, struct queue_letter *l)
{
    for (uint32_t i = 0; l->ndue && i < l->nrcpts; i++)
        if (l->rcpts[i].state == QUEUE_DUE)
            line_up(q, l, &l->rcpts[i], false);
}

static void step_out_all(struct queue *q, struct queue_letter *l)
{
    for (uint32_t i = 0; l->ndue && i < l->nrcpts; i++)
        step_out(q, &l->rcpts[i]);
}

static uint64_t first_wake(const struct queue_letter *l)
{
    uint64_t first = UINT64_MAX;

    for (uint32_t i = 0; i < l->nrcpts; i++)
        if (l->rcpts[i].state == QUEUE_LATER && l->rcpts[i].next_ms < first)
            first = l->rcpts[i].next_ms;
    return first;
}

/* After anything changed: in the heap when somebody waits. */
static void place(struct queue *q, struct queue_letter *l)
{
    uint64_t wake =
        l->env.held || l->nopen == l->ndue + l->ntrying ? UINT64_MAX : first_wake(l);

    if (l->heap_at && l->wake_ms == wake)
        return;
    heap_remove(q, l);
    l->wake_ms = wake;
    if (wake != UINT64_MAX)
        heap_add(q, l);
}

struct queue *queue_new(const uint8_t secret[MAP_SECRET_BYTES])
{
    struct queue *q = must_alloc(calloc(1, sizeof(*q)));

    list_init(&q->all);
    list_init(&q->here);
    list_init(&q->cursors);
    lines_init(&q->lines, secret);
    q->destinations = destinations_new(secret);
    return q;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    LIST_EACH(&q->all, at)
    queue_letter_free(LIST_OF(at, struct queue_letter, all));
    lines_done(&q->lines);
    destinations_free(q->destinations);
    free(q->slots);
    free(q->heap);
    free(q);
}

void queue_add(struct queue *q, struct queue_letter *l)
{
    assert(!queue_find(q, &l->env.id));
    if (q->count >= q->nslots)
        slots_grow(q);
    struct queue_letter **slot = &q->slots[hash_of(&l->env.id) & (q->nslots - 1)];

    l->same_hash = *slot;
    *slot = l;
    list_append(&q->all, &l->all);
    q->count++;
    q->nrcpts += l->nopen;
    line_up_all(q, l);
    place(q, l);
}

void queue_remove(struct queue *q, struct queue_letter *l)
{
    LIST_EACH(&q->cursors, c)
    {
        struct queue_cursor *cursor = LIST_OF(c, struct queue_cursor, link);

        if (cursor->at == &l->all)
            cursor->at = l->all.next;
    }
    slots_remove(q, l);
    heap_remove(q, l);
    step_out_all(q, l);
    list_remove(&l->all);
    q->count--;
    q->nrcpts -= l->nopen;
    queue_letter_free(l);
}

size_t queue_count(const struct queue *q)
{
    return q->count;
}

size_t queue_count_recipients(const struct queue *q)
{
    return q->nrcpts;
}

/* ---- turns ---- */

static void make_due(struct queue *q, struct queue_letter *l, uint64_t now_ms)
{
    for (uint32_t i = 0; i < l->nrcpts; i++)
        if (l->rcpts[i].state == QUEUE_LATER && l->rcpts[i].next_ms <= now_ms) {
            l->rcpts[i].state = QUEUE_DUE;
            l->ndue++;
            line_up(q, l, &l->rcpts[i], false);
        }
}

uint64_t queue_wake(struct queue *q, uint64_t now_ms)
{
    q->now_ms = now_ms;
    while (q->nheap && q->heap[1]->wake_ms <= now_ms) {
        struct queue_letter *l = q->heap[1];

        make_due(q, l, now_ms);
        place(q, l);
    }
    return q->nheap ? q->heap[1]->wake_ms : UINT64_MAX;
}

bool queue_has_due(const struct queue *q)
{
    return q->nwaiting > 0;
}

static struct queue_rcpt *rcpt_of(struct waiter *w)
{
    return LIST_OF(w, struct queue_rcpt, waiter);
}

static struct queue_letter *letter_of(struct queue_rcpt *r)
{
    return LIST_OF(r - r->at, struct queue_letter, rcpts);
}

/* The next that stands behind and is of the same letter. */
static struct queue_rcpt *next_of_letter(const struct queue_rcpt *r)
{
    struct waiter *behind = lines_behind(&r->waiter);
    struct queue_rcpt *next = behind ? rcpt_of(behind) : NULL;

    return next && next - next->at == r - r->at ? next : NULL;
}

/* A letter's recipients stand in a row. What is left of them goes to the end of the line. */
static struct queue_letter *take_from(struct queue *q, struct list *way, uint32_t *rcpts,
                                      size_t max, size_t *n)
{
    struct queue_rcpt *r = rcpt_of(lines_next(way)), *next, *left = NULL;
    struct queue_letter *l = letter_of(r);

    for (*n = 0; r && r != left; r = next) {
        next = next_of_letter(r);
        step_out(q, r);
        if (*n == max) {
            line_up(q, l, r, false);
            left = left ? left : r;
            continue;
        }
        r->state = QUEUE_TRYING;
        rcpts[(*n)++] = r->at;
    }
    l->ndue -= (uint32_t)*n;
    l->ntrying += (uint32_t)*n;
    place(q, l);
    return l;
}

struct queue_letter *queue_take(struct queue *q, enum queue_road road, uint64_t now_ms,
                                struct trip *trip, uint32_t *rcpts, size_t max, size_t *n)
{
    struct list *way = &q->here;

    q->now_ms = now_ms;
    if (road == QUEUE_FAR) {
        struct domain *d = destinations_next(q->destinations, now_ms);

        if (!d)
            return NULL;
        trip_begin(q->destinations, trip, d, now_ms);
        way = &d->line;
    }
    return list_empty(way) ? NULL : take_from(q, way, rcpts, max, n);
}

struct queue_letter *queue_take_dead(struct queue *q, uint64_t now_ms, struct domain **to,
                                     uint32_t *rcpts, size_t max, size_t *n)
{
    q->now_ms = now_ms;
    *to = destinations_next_dead(q->destinations, now_ms);
    return *to ? take_from(q, &(*to)->line, rcpts, max, n) : NULL;
}

struct destinations *queue_destinations(struct queue *q)
{
    return q->destinations;
}

static struct queue_rcpt *tried(struct queue_letter *l, uint32_t rcpt)
{
    struct queue_rcpt *r = &l->rcpts[rcpt];

    assert(rcpt < l->nrcpts && r->state == QUEUE_TRYING);
    l->ntrying--;
    return r;
}

void queue_put_back(struct queue *q, struct queue_letter *l, uint32_t rcpt)
{
    struct queue_rcpt *r = tried(l, rcpt);

    r->state = QUEUE_DUE;
    l->ndue++;
    line_up(q, l, r, true);
    place(q, l);
}

/* Stays at its end; never begins anew. */
static uint16_t count_up(uint16_t n)
{
    return n < UINT16_MAX ? (uint16_t)(n + 1) : n;
}

void queue_pass(struct queue *q, struct queue_letter *l, uint32_t rcpt, uint64_t next_ms,
                struct str reply)
{
    struct queue_rcpt *r = tried(l, rcpt);

    r->state = QUEUE_LATER;
    r->next_ms = next_ms;
    r->backoff = count_up(r->backoff);
    set_reply(r, reply);
    place(q, l);
}

void queue_defer(struct queue *q, struct queue_letter *l, uint32_t rcpt, uint64_t next_ms,
                 struct str reply)
{
    l->rcpts[rcpt].tries = count_up(l->rcpts[rcpt].tries);
    queue_pass(q, l, rcpt, next_ms, reply);
}

void queue_end(struct queue *q, struct queue_letter *l, uint32_t rcpt, enum queue_state how)
{
    struct queue_rcpt *r = &l->rcpts[rcpt];

    assert(how == QUEUE_DONE || how == QUEUE_FAILED);
    step_out(q, r);
    l->ntrying -= r->state == QUEUE_TRYING;
    l->ndue -= r->state == QUEUE_DUE;
    r->state = (uint8_t)how;
    l->nopen--;
    q->nrcpts--;
    place(q, l);
}

void queue_hold(struct queue *q, struct queue_letter *l, bool hold)
{
    l->env.held = hold;
    if (hold)
        step_out_all(q, l);
    else
        line_up_all(q, l);
    place(q, l);
}

static void hope(struct queue *q, const struct queue_letter *l)
{
    for (uint32_t i = 0; i < l->nrcpts; i++) {
        const struct queue_rcpt *r = &l->rcpts[i];
        struct domain *d = r->local || r->state >= QUEUE_DONE
                               ? NULL
                               : destinations_find(q->destinations, queue_domain(r));

        if (d)
            domain_hope(q->destinations, d);
    }
}

void queue_retry(struct queue *q, struct queue_letter *l, bool forget)
{
    for (uint32_t i = 0; forget && i < l->nrcpts; i++)
        l->rcpts[i].backoff = 0;
    hope(q, l);
    make_due(q, l, UINT64_MAX);
    place(q, l);
}

/* ---- cursors ---- */

void queue_cursor_start(struct queue *q, struct queue_cursor *c)
{
    c->at = q->all.next;
    list_append(&q->cursors, &c->link);
}

struct queue_letter *queue_cursor_next(struct queue *q, struct queue_cursor *c)
{
    if (c->at == &q->all)
        return NULL;
    struct queue_letter *l = LIST_OF(c->at, struct queue_letter, all);

    c->at = c->at->next;
    return l;
}

void queue_cursor_stop(struct queue_cursor *c)
{
    if (c->link.next)
        list_remove(&c->link);
}
