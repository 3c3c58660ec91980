#include "store/listing.h"

#include "store/dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

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

static int compare_letters(const void *x, const void *y, void *names)
{
    const struct letter *a = x, *b = y;
    char one[NAME_BYTES + 1], two[NAME_BYTES + 1];
    int d = boxnames_compare(names, a->name, names, b->name);

    if (d)
        return d;
    if ((a->flags ^ b->flags) & LETTER_CUR)
        return (a->flags & LETTER_CUR) ? 1 : -1;
    return str_cmp(boxnames_get(names, a->name, one), boxnames_get(names, b->name, two));
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
    if (out->n > 1)
        qsort_r(out->letters, out->n, sizeof(*out->letters), compare_letters, &out->names);
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
