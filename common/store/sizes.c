#include "store/sizes.h"

#include "base/arena.h"
#include "base/defer.h"
#include "store/index.h"
#include "store/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
    SIZES_READ_BYTES = 256 * 1024,
    SIZES_LETTER_BYTES =
        1 << 30, /* what is longer is not read through: no letter, or a sparse file (F03) */
};

struct sizing {
    struct listing *list;
    int new_fd, cur_fd;
    uint32_t *missing; /* letters without a size, in the order of their unique parts */
    uint32_t n, at;
    struct index *index; /* NULL: we can do without */
    int64_t folder;
    uint32_t dropped_n;
    struct str *dropped; /* rows of letters that have gone */
    struct arena arena;
};

static struct str unique_of(const struct sizing *z, uint32_t at, char to[NAME_BYTES + 1])
{
    const struct listing *list = z->list;

    return boxnames_unique(&list->names, list->letters[z->missing[at]].name, to);
}

static int compare_missing(const void *x, const void *y, void *arg)
{
    const struct listing *list = arg;
    char one[NAME_BYTES + 1], two[NAME_BYTES + 1];
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    int d = str_cmp(boxnames_unique(&list->names, list->letters[a].name, one),
                    boxnames_unique(&list->names, list->letters[b].name, two));

    return d ? d : (a > b) - (a < b);
}

static void find_missing(struct sizing *z)
{
    struct listing *list = z->list;

    for (uint32_t i = 0; i < list->n; i++)
        z->n += (list->letters[i].flags & LETTER_UNSIZED) != 0;
    if (z->n == 0)
        return;
    z->missing = calloc(z->n, sizeof(*z->missing));
    if (!z->missing)
        abort();
    z->n = 0;
    for (uint32_t i = 0; i < list->n; i++)
        if (list->letters[i].flags & LETTER_UNSIZED)
            z->missing[z->n++] = i;
    qsort_r(z->missing, z->n, sizeof(*z->missing), compare_missing, list);
}

static void set_crlf(struct letter *l, bool crlf)
{
    if (crlf)
        l->flags |= LETTER_CRLF;
}

/* Rows and letters come in the same order. */
static void row(void *arg, const struct index_measure *m)
{
    struct sizing *z = arg;
    char unique[NAME_BYTES + 1];
    int d = -1;

    while (z->at < z->n && (d = str_cmp(unique_of(z, z->at, unique), m->unique)) < 0)
        z->at++;
    if (z->at == z->n || d > 0) {
        if ((z->dropped_n & (z->dropped_n - 1)) == 0) {
            size_t room = z->dropped_n ? 2 * (size_t)z->dropped_n : 1;

            z->dropped = realloc(z->dropped, room * sizeof(*z->dropped));
            if (!z->dropped)
                abort();
        }
        z->dropped[z->dropped_n++] = arena_dup(&z->arena, m->unique);
        return;
    }
    struct letter *l = &z->list->letters[z->missing[z->at]];
    /* copies have one row between them, which may be another's */
    if (l->copy == 0) {
        letter_set_vsize(l, m->vsize);
        set_crlf(l, m->crlf);
    }
}

/* false: it has gone, or cannot be read. */
static bool measure(const struct sizing *z, const struct letter *l, char *block,
                    struct lines_count *out)
{
    char name[NAME_BYTES + 1];

    boxnames_get(&z->list->names, l->name, name);
    DEFER(close_fd)
    int fd = openat(l->flags & LETTER_CUR ? z->cur_fd : z->new_fd, name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    *out = (struct lines_count){0};
    for (;;) {
        struct stat st;

        if (out->octets == SIZES_READ_BYTES && fstat(fd, &st) == 0 &&
            st.st_size > SIZES_LETTER_BYTES) {
            *out = (struct lines_count){.octets = (uint64_t)st.st_size};
            return true;
        }
        ssize_t n = read(fd, block, SIZES_READ_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        lines_add(out, (struct str){block, (size_t)n});
        if (n < SIZES_READ_BYTES)
            return true;
    }
}

/* What the index did not know is read; what could not be read counts as empty, and RETR will
 * say why. */
static int measure_missing(struct sizing *z, struct err *err)
{
    DEFER(free_mem) char *block = malloc(SIZES_READ_BYTES);
    struct lines_count c;
    char unique[NAME_BYTES + 1];
    int r = 0;

    if (!block)
        abort();
    for (uint32_t i = 0; i < z->n; i++) {
        struct letter *l = &z->list->letters[z->missing[i]];

        if (!(l->flags & LETTER_UNSIZED))
            continue;
        if (!measure(z, l, block, &c)) {
            letter_set_vsize(l, 0);
            continue;
        }
        letter_set_vsize(l, lines_wire_octets(&c));
        set_crlf(l, c.crlf);
        struct index_measure m = {.unique = unique_of(z, i, unique),
                                  .size = c.octets,
                                  .vsize = lines_wire_octets(&c),
                                  .crlf = c.crlf};
        if (z->index && r == 0 && l->copy == 0)
            r = index_measure_put(z->index, z->folder, &m, err);
    }
    for (uint32_t i = 0; z->index && r == 0 && i < z->dropped_n; i++)
        r = index_measure_drop(z->index, z->folder, z->dropped[i], err);
    return r;
}

static bool all_sized(const struct sizing *z)
{
    for (uint32_t i = 0; i < z->n; i++)
        if (z->list->letters[z->missing[i]].flags & LETTER_UNSIZED)
            return false;
    return true;
}

/* In one transaction where there is something to write. A cache that fails is closed, and no
 * more is said of it. */
/* A cache that fails is left, and no more is said of it. */
static void leave_index(struct sizing *z)
{
    index_close(z->index);
    z->index = NULL;
}

static int read_index(struct sizing *z)
{
    int r = index_find_folder(z->index, STR("INBOX"), &z->folder, NULL);

    if (r == E_NOT_FOUND) /* a new one */
        return 0;
    return r < 0 ? r : index_measures(z->index, z->folder, row, z, NULL);
}

static void use_index(struct sizing *z, const char *maildir)
{
    if (index_open(maildir, &z->index, NULL) < 0)
        return;
    int r = read_index(z);
    if (r == 0)
        return;
    leave_index(z);
    if (r != E_CORRUPT)
        return;
    index_delete(maildir);
    if (index_open(maildir, &z->index, NULL) < 0)
        z->index = NULL;
}

static void begin_writing(struct sizing *z)
{
    if (!z->index)
        return;
    if (index_begin(z->index, NULL) == 0) {
        if (index_folder(z->index, STR("INBOX"), &z->folder, NULL) == 0)
            return;
        index_rollback(z->index);
    }
    leave_index(z);
}

void sizes_find(struct listing *list, const char *maildir, int new_fd, int cur_fd)
{
    struct sizing z = {.list = list, .new_fd = new_fd, .cur_fd = cur_fd};

    arena_init(&z.arena);
    find_missing(&z);
    if (z.n)
        use_index(&z, maildir);
    if (z.n && (z.dropped_n || !all_sized(&z))) {
        begin_writing(&z);
        int r = measure_missing(&z, NULL);
        if (z.index && (r < 0 || index_commit(z.index, NULL) < 0))
            index_rollback(z.index);
    }
    index_close(z.index);
    free(z.missing);
    free(z.dropped);
    arena_done(&z.arena);
}
