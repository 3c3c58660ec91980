#include "imapd/view.h"

#include "imapd/print.h"

#include <stdlib.h>

void view_init(struct view *v)
{
    *v = (struct view){0};
}

void view_done(struct view *v)
{
    uidset_done(&v->uids);
    uidset_done(&v->gone);
    uidset_done(&v->recent);
    view_init(v);
}

static int by_first(const void *one, const void *two)
{
    const struct seqrange *a = one, *b = two;

    return a->first < b->first ? -1 : a->first > b->first;
}

/* With '*' in its place, each with the smaller number in front, in order; yours to free. */
static struct seqrange *in_order(const struct seqset *set, uint32_t star)
{
    struct seqrange *r = calloc(set->n ? set->n : 1, sizeof(*r));

    if (!r)
        abort();
    for (unsigned i = 0; i < set->n; i++) {
        uint32_t a = set->ranges[i].first ? set->ranges[i].first : star;
        uint32_t b = set->ranges[i].last ? set->ranges[i].last : star;

        r[i] = a < b ? (struct seqrange){a, b} : (struct seqrange){b, a};
    }
    qsort(r, set->n, sizeof(*r), by_first);
    return r;
}

/* The range that holds the n-th, which there is. */
static uint32_t range_of(const struct uidset *s, uint32_t n)
{
    uint32_t low = 0, high = s->n;

    while (low + 1 < high) {
        uint32_t mid = low + (high - low) / 2;

        if (s->ranges[mid].before < n)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* The letters from the first-th to the last-th. */
static void add_numbers(struct uidset *out, const struct uidset *s, uint32_t first,
                        uint32_t last)
{
    for (uint32_t i = range_of(s, first); first <= last; i++) {
        const struct uidrange *r = &s->ranges[i];
        uint32_t end = r->before + (r->last - r->first + 1);
        uint32_t upto = last < end ? last : end;

        uidset_add(out, r->first + (first - r->before - 1), r->first + (upto - r->before - 1));
        first = upto + 1;
    }
}

static bool resolve_numbers(const struct view *v, const struct seqset *set, struct uidset *out)
{
    uint32_t exists = uidset_count(&v->uids), done = 0;
    struct seqrange *r = in_order(set, exists);
    bool good = exists > 0;

    for (unsigned i = 0; i < set->n && good; i++)
        good = r[i].first > 0 && r[i].last <= exists;
    for (unsigned i = 0; i < set->n && good; i++) {
        uint32_t first = r[i].first > done ? r[i].first : done + 1;

        if (first > r[i].last)
            continue;
        add_numbers(out, &v->uids, first, r[i].last);
        done = r[i].last;
    }
    free(r);
    return good;
}

/* "559:*" holds the last letter also where its UID is below 559 (RFC 3501 9, seq-range). */
static void resolve_uids(const struct view *v, const struct seqset *set, struct uidset *out)
{
    uint32_t last = uidset_last(&v->uids);
    struct seqrange *r = in_order(set, last);

    for (unsigned i = 0; last && i < set->n; i++)
        uidset_add(out, r[i].first, r[i].last);
    uidset_intersect(out, &v->uids);
    free(r);
}

bool view_resolve(const struct view *v, const struct seqset *set, bool by_uid,
                  struct uidset *out)
{
    if (!by_uid)
        return resolve_numbers(v, set, out);
    resolve_uids(v, set, out);
    return true;
}

void view_numbers(const struct view *v, const struct uidset *uids, struct uidset *out)
{
    struct uidset known = {0};

    uidset_copy(&known, uids);
    uidset_intersect(&known, &v->uids); /* so each of its ranges lies within one of the view */
    for (uint32_t i = 0; i < known.n; i++) {
        uint32_t first = uidset_upto(&v->uids, known.ranges[i].first);

        uidset_add(out, first, first + (known.ranges[i].last - known.ranges[i].first));
    }
    uidset_done(&known);
}

void view_grow(struct view *v, const struct uidset *fresh, const struct uidset *recent)
{
    for (uint32_t i = 0; i < fresh->n; i++)
        uidset_add(&v->uids, fresh->ranges[i].first, fresh->ranges[i].last);
    for (uint32_t i = 0; i < recent->n; i++)
        uidset_add(&v->recent, recent->ranges[i].first, recent->ranges[i].last);
}

void view_lose(struct view *v, const struct uidset *expunged)
{
    struct uidset known = {0};

    uidset_copy(&known, expunged);
    uidset_intersect(&known, &v->uids);
    uidset_unite(&v->gone, &known);
    uidset_done(&known);
}

static void print_expunge(struct buf *out, uint32_t n)
{
    char *start = buf_room(out, PRINT_NUMBER_BYTES + 16), *to = start;

    if (!start)
        return;
    to = print_text(to, STR("* "));
    to = print_number(to, n);
    to = print_text(to, STR(" EXPUNGE\r\n"));
    buf_grown(out, (size_t)(to - start));
}

/* How far down it came: the UIDs from there on have been told. */
static uint32_t tell_from_the_end(const struct view *v, struct buf *out, size_t upto)
{
    uint32_t told = UINT32_MAX;

    for (uint32_t i = v->gone.n; i-- > 0;) {
        const struct uidrange *r = &v->gone.ranges[i];
        uint32_t n = uidset_upto(&v->uids, r->last);

        for (uint32_t uid = r->last; uid >= r->first; uid--, n--) {
            if (out->n >= upto || out->failed)
                return told;
            print_expunge(out, n);
            told = uid;
        }
    }
    return told;
}

bool view_tell_expunged(struct view *v, struct buf *out, size_t upto)
{
    uint32_t from = v->gone.n ? tell_from_the_end(v, out, upto) : UINT32_MAX;
    struct uidset told = {0};

    if (from == UINT32_MAX)
        return v->gone.n == 0;
    uidset_copy(&told, &v->gone);
    if (from > 1)
        uidset_remove(&told, 1, from - 1);
    uidset_subtract(&v->uids, &told);
    uidset_subtract(&v->recent, &told);
    uidset_subtract(&v->gone, &told);
    uidset_done(&told);
    return v->gone.n == 0;
}
