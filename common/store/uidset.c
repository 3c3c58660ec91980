#include "store/uidset.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_RANGES = 8 };

void uidset_init(struct uidset *s)
{
    *s = (struct uidset){0};
}

void uidset_done(struct uidset *s)
{
    free(s->ranges);
    uidset_init(s);
}

void uidset_clear(struct uidset *s)
{
    uidset_done(s);
}

static void make_room(struct uidset *s, uint32_t n)
{
    uint32_t room = s->room ? s->room : FIRST_RANGES;

    if (n <= s->room)
        return;
    while (room < n)
        room = room > UINT32_MAX / 2 ? UINT32_MAX : room * 2;
    s->ranges = realloc(s->ranges, room * sizeof(*s->ranges));
    if (!s->ranges)
        abort();
    s->room = room;
}

void uidset_copy(struct uidset *to, const struct uidset *from)
{
    make_room(to, from->n);
    if (from->n)
        memcpy(to->ranges, from->ranges, from->n * sizeof(*from->ranges));
    to->n = from->n;
}

static uint32_t behind(const struct uidrange *r)
{
    return r->before + (r->last - r->first + 1);
}

/* Counts anew from range i on. */
static void count_from(struct uidset *s, uint32_t i)
{
    for (; i < s->n; i++)
        s->ranges[i].before = i ? behind(&s->ranges[i - 1]) : 0;
}

/* The first range that ends at `uid` or behind it; s->n where none does. */
static uint32_t range_at(const struct uidset *s, uint32_t uid)
{
    uint32_t low = 0, high = s->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (s->ranges[mid].last < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Puts `with` ranges in the place of `count` ranges from i on; what they hold is not set. */
static void splice(struct uidset *s, uint32_t i, uint32_t count, uint32_t with)
{
    make_room(s, s->n - count + with);
    memmove(s->ranges + i + with, s->ranges + i + count,
            (s->n - i - count) * sizeof(*s->ranges));
    s->n += with - count;
}

/* Behind all others, or touching the last. */
static void append(struct uidset *s, uint32_t first, uint32_t last)
{
    struct uidrange *end = s->n ? &s->ranges[s->n - 1] : NULL;

    if (end && first <= end->last + 1) {
        if (last > end->last)
            end->last = last;
        return;
    }
    make_room(s, s->n + 1);
    s->ranges[s->n] = (struct uidrange){first, last, s->n ? behind(&s->ranges[s->n - 1]) : 0};
    s->n++;
}

static bool at_the_end(const struct uidset *s, uint32_t first)
{
    return !s->n ||
           (first >= s->ranges[s->n - 1].first && s->ranges[s->n - 1].last != UINT32_MAX);
}

void uidset_add(struct uidset *s, uint32_t first, uint32_t last)
{
    uint32_t i, n = 0;

    assert(first && first <= last);
    if (at_the_end(s, first)) {
        append(s, first, last);
        return;
    }
    i = range_at(s, first - 1); /* what ends there is joined too */
    while (i + n < s->n && s->ranges[i + n].first - 1 <= last)
        n++;
    if (n) {
        first = s->ranges[i].first < first ? s->ranges[i].first : first;
        last = s->ranges[i + n - 1].last > last ? s->ranges[i + n - 1].last : last;
    }
    splice(s, i, n, 1);
    s->ranges[i] = (struct uidrange){first, last, 0};
    count_from(s, i);
}

void uidset_remove(struct uidset *s, uint32_t first, uint32_t last)
{
    struct uidrange rest[2];
    uint32_t i, n = 0, kept = 0;

    assert(first && first <= last);
    i = range_at(s, first);
    while (i + n < s->n && s->ranges[i + n].first <= last)
        n++;
    if (!n)
        return;
    if (s->ranges[i].first < first)
        rest[kept++] = (struct uidrange){s->ranges[i].first, first - 1, 0};
    if (s->ranges[i + n - 1].last > last)
        rest[kept++] = (struct uidrange){last + 1, s->ranges[i + n - 1].last, 0};
    splice(s, i, n, kept);
    for (uint32_t k = 0; k < kept; k++)
        s->ranges[i + k] = rest[k];
    count_from(s, i);
}

static void take_over(struct uidset *s, struct uidset *made)
{
    uidset_done(s);
    *s = *made;
}

void uidset_unite(struct uidset *s, const struct uidset *with)
{
    struct uidset made = {0};
    uint32_t i = 0, j = 0;

    while (i < s->n || j < with->n) {
        bool mine = j == with->n || (i < s->n && s->ranges[i].first <= with->ranges[j].first);
        const struct uidrange *r = mine ? &s->ranges[i++] : &with->ranges[j++];

        if (made.n && made.ranges[made.n - 1].last == UINT32_MAX)
            break;
        append(&made, r->first, r->last);
    }
    take_over(s, &made);
}

void uidset_subtract(struct uidset *s, const struct uidset *gone)
{
    struct uidset made = {0};
    uint32_t j = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        uint64_t from = s->ranges[i].first, last = s->ranges[i].last;

        while (j < gone->n && gone->ranges[j].last < from)
            j++;
        for (uint32_t k = j; k < gone->n && gone->ranges[k].first <= last && from <= last;
             k++) {
            if (gone->ranges[k].first > from)
                append(&made, (uint32_t)from, gone->ranges[k].first - 1);
            from = (uint64_t)gone->ranges[k].last + 1;
            j = k;
        }
        if (from <= last)
            append(&made, (uint32_t)from, (uint32_t)last);
    }
    take_over(s, &made);
}

void uidset_intersect(struct uidset *s, const struct uidset *with)
{
    struct uidset made = {0};
    uint32_t i = 0, j = 0;

    while (i < s->n && j < with->n) {
        const struct uidrange *a = &s->ranges[i], *b = &with->ranges[j];
        uint32_t first = a->first > b->first ? a->first : b->first;
        uint32_t last = a->last < b->last ? a->last : b->last;

        if (first <= last)
            append(&made, first, last);
        if (a->last < b->last)
            i++;
        else
            j++;
    }
    take_over(s, &made);
}

uint32_t uidset_count(const struct uidset *s)
{
    return s->n ? behind(&s->ranges[s->n - 1]) : 0;
}

bool uidset_has(const struct uidset *s, uint32_t uid)
{
    uint32_t i = range_at(s, uid);

    return i < s->n && s->ranges[i].first <= uid;
}

/* The range of the n-th, which there is. */
static uint32_t range_of(const struct uidset *s, uint32_t n)
{
    uint32_t low = 0, high = s->n;

    while (low + 1 < high) { /* the last range with fewer than n before it */
        uint32_t mid = low + (high - low) / 2;

        if (s->ranges[mid].before < n)
            low = mid;
        else
            high = mid;
    }
    return low;
}

uint32_t uidset_nth(const struct uidset *s, uint32_t n)
{
    if (!n || n > uidset_count(s))
        return 0;
    const struct uidrange *r = &s->ranges[range_of(s, n)];

    return r->first + (n - 1 - r->before);
}

void uidset_slice(const struct uidset *s, uint32_t n, uint32_t count, struct uidset *out)
{
    if (!n || n > uidset_count(s) || !count)
        return;
    uint32_t last = count - 1 < uidset_count(s) - n ? n + (count - 1) : uidset_count(s);
    uint32_t last_uid = uidset_nth(s, last);

    for (uint32_t i = range_of(s, n); i < s->n && s->ranges[i].first <= last_uid; i++) {
        const struct uidrange *r = &s->ranges[i];
        uint32_t first = r->before < n ? r->first + (n - 1 - r->before) : r->first;

        uidset_add(out, first, r->last < last_uid ? r->last : last_uid);
    }
}

uint32_t uidset_upto(const struct uidset *s, uint32_t uid)
{
    uint32_t i = range_at(s, uid);

    if (i == s->n)
        return uidset_count(s);
    return s->ranges[i].before + (s->ranges[i].first <= uid ? uid - s->ranges[i].first + 1 : 0);
}

uint32_t uidset_rank(const struct uidset *s, uint32_t uid)
{
    return uidset_has(s, uid) ? uidset_upto(s, uid) : 0;
}

uint32_t uidset_last(const struct uidset *s)
{
    return s->n ? s->ranges[s->n - 1].last : 0;
}

void uidset_print(struct buf *out, const struct uidset *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const struct uidrange *r = &s->ranges[i];

        buf_addf(out, i ? ",%u" : "%u", r->first);
        if (r->last != r->first)
            buf_addf(out, ":%u", r->last);
    }
}

struct uidset_walk uidset_walk(const struct uidset *s)
{
    return (struct uidset_walk){s, 0, 0};
}

bool uidset_walk_next(struct uidset_walk *w, uint32_t *uid)
{
    if (w->range == w->set->n)
        return false;
    const struct uidrange *r = &w->set->ranges[w->range];

    *uid = w->uid ? w->uid : r->first;
    w->uid = *uid + 1;
    if (*uid == r->last) {
        w->uid = 0;
        w->range++;
    }
    return true;
}
