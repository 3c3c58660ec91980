#include "store/listing.h"

#include "store/dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SORT_DEPTH = 48 }; /* good pivots need 20 for a million */

void listing_done(struct listing *l)
{
    boxnames_done(&l->names);
    free(l->letters);
    *l = (struct listing){0};
}

void letter_set_vsize(struct letter *l, uint64_t vsize)
{
    l->vsize_low = (uint32_t)vsize;
    l->vsize_high = (uint16_t)(vsize >> 32);
    l->flags &= (uint8_t)~LETTER_UNSIZED;
}

static void add_letter(struct listing *list, struct str file, const struct name *n,
                       uint8_t place)
{
    if (list->n == list->room) {
        list->room = list->room ? 2 * list->room : 64;
        list->letters = realloc(list->letters, list->room * sizeof(*list->letters));
        if (!list->letters)
            abort();
    }
    struct letter *l = &list->letters[list->n++];
    *l = (struct letter){.name = boxnames_add(&list->names, file, n),
                         .flags = place | LETTER_UNSIZED};
    if (!n->has_vsize)
        return;
    letter_set_vsize(l, n->vsize);
    /* as many octets in the file as on the wire: its line ends are CRLF */
    if (n->has_size && n->size == n->vsize)
        l->flags |= LETTER_CRLF;
}

uint64_t letter_vsize(const struct letter *l)
{
    return (uint64_t)l->vsize_high << 32 | l->vsize_low;
}

static int list_dir(struct listing *list, int fd, uint8_t place, struct err *err)
{
    struct dir_scan scan;
    struct name n;
    struct str file;
    int r = dir_scan_init(&scan, fd, err);

    if (r < 0)
        return r;
    while ((r = dir_scan_next(&scan, &file, err)) > 0)
        if (list->n < UINT32_MAX / sizeof(struct letter) && name_parse(file, &n))
            add_letter(list, file, &n, place);
    dir_scan_done(&scan);
    return r;
}

static bool goes_before(const struct boxnames *names, const struct letter *a,
                        const struct letter *b)
{
    char one[NAME_BYTES + 1], two[NAME_BYTES + 1];
    int d = boxnames_compare(names, a->name, names, b->name);

    if (d)
        return d < 0;
    if ((a->flags ^ b->flags) & LETTER_CUR)
        return (b->flags & LETTER_CUR) != 0;
    return str_cmp(boxnames_get(names, a->name, one), boxnames_get(names, b->name, two)) < 0;
}

static void swap(struct letter *a, struct letter *b)
{
    struct letter c = *a;

    *a = *b;
    *b = c;
}

static void sift_down(const struct boxnames *names, struct letter *l, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && goes_before(names, &l[child], &l[child + 1]))
            child++;
        if (!goes_before(names, &l[at], &l[child]))
            return;
        swap(&l[at], &l[child]);
    }
}

static void heap_sort(const struct boxnames *names, struct letter *l, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(names, l, i, n);
    while (n > 1) {
        swap(&l[0], &l[--n]);
        sift_down(names, l, 0, n);
    }
}

static void insertion_sort(const struct boxnames *names, struct letter *l, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && goes_before(names, &l[k], &l[k - 1]); k--)
            swap(&l[k], &l[k - 1]);
}

/* Where the middle one of the first, the middle and the last ends up: before it nothing that
 * goes behind it. */
static size_t split(const struct boxnames *names, struct letter *l, size_t n)
{
    size_t i = 0, k = n - 1;

    if (goes_before(names, &l[n / 2], &l[0]))
        swap(&l[n / 2], &l[0]);
    if (goes_before(names, &l[n - 1], &l[n / 2]))
        swap(&l[n - 1], &l[n / 2]);
    if (goes_before(names, &l[n / 2], &l[0]))
        swap(&l[n / 2], &l[0]);

    struct letter pivot = l[n / 2];
    for (;;) {
        while (goes_before(names, &l[i], &pivot))
            i++;
        while (goes_before(names, &pivot, &l[k]))
            k--;
        if (i >= k)
            return k + 1;
        swap(&l[i++], &l[k--]);
    }
}

/* In place: qsort() takes as much memory again for a million letters (P09). Names may be chosen
 * to make quicksort slow, so it gives up in time. */
static void sort_letters(const struct boxnames *names, struct letter *l, size_t n,
                         unsigned depth)
{
    enum { FEW = 12 };

    while (n > FEW) {
        if (depth-- == 0) {
            heap_sort(names, l, n);
            return;
        }
        size_t at = split(names, l, n);
        if (at < n - at) {
            sort_letters(names, l, at, depth);
            l += at;
            n -= at;
        } else {
            sort_letters(names, l + at, n - at, depth);
            n = at;
        }
    }
    insertion_sort(names, l, n);
}

static bool is_there(const struct listing *list, const struct letter *l, int new_fd, int cur_fd)
{
    char name[NAME_BYTES + 1];

    boxnames_get(&list->names, l->name, name);
    return faccessat(l->flags & LETTER_CUR ? cur_fd : new_fd, name, F_OK,
                     AT_SYMLINK_NOFOLLOW) == 0;
}

static bool same_unique(const struct listing *l, uint32_t i, const struct listing *m,
                        uint32_t j)
{
    return boxnames_compare(&l->names, l->letters[i].name, &m->names, m->letters[j].name) == 0;
}

/* Of several with one unique part, those that are still there are letters of their own. */
static void number_copies(struct listing *list, int new_fd, int cur_fd)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < list->n;) {
        uint32_t end = i + 1;
        unsigned copy = 0;

        while (end < list->n && same_unique(list, i, list, end))
            end++;
        for (bool several = end - i > 1; i < end; i++) {
            struct letter l = list->letters[i];

            if (several && (copy == LISTING_COPIES || !is_there(list, &l, new_fd, cur_fd)))
                continue;
            l.copy = (uint8_t)copy++;
            list->letters[kept++] = l;
        }
    }
    list->n = kept;
}

int listing_read(struct listing *out, int new_fd, int cur_fd, struct err *err)
{
    int r;

    *out = (struct listing){0};
    boxnames_init(&out->names);
    r = list_dir(out, new_fd, 0, err);
    if (r == 0)
        r = list_dir(out, cur_fd, LETTER_CUR, err);
    if (r < 0)
        return r;
    sort_letters(&out->names, out->letters, out->n, SORT_DEPTH);
    number_copies(out, new_fd, cur_fd);
    return 0;
}

static void follow(struct listing *l, struct letter *letter, const struct listing *now,
                   const struct letter *found)
{
    char old[NAME_BYTES + 1], name[NAME_BYTES + 1];
    struct str s = boxnames_get(&now->names, found->name, name);
    struct name parsed;

    letter->flags = (uint8_t)((letter->flags & ~LETTER_CUR) | (found->flags & LETTER_CUR));
    if (!str_eq(s, boxnames_get(&l->names, letter->name, old)) && name_parse(s, &parsed))
        letter->name = boxnames_add(&l->names, s, &parsed);
}

/* Both are in one order, and copies of one letter follow each other. */
void listing_follow(struct listing *l, const struct listing *now)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        struct letter *letter = &l->letters[i];
        int d = -1;

        while (at < now->n && (d = boxnames_compare(&now->names, now->letters[at].name,
                                                    &l->names, letter->name)) < 0)
            at++;
        if (at < now->n && d == 0)
            follow(l, letter, now, &now->letters[at++]);
        else
            letter->flags |= LETTER_GONE;
    }
}
