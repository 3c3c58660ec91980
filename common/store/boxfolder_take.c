/*
 * Takes in what stands in the Maildir: gives letters seen for the first time a UID, finds what
 * other programs have changed. Names are compared with rows as a whole, by their hash; only
 * those that match none are taken apart.
 *
 *   cur/ ── a name just as its row has it ──────────────▶ nothing
 *     │ ─── P= of a row that no name matched, same unique part ─▶ flags changed
 *     │ ─── P= not below UIDNEXT: from a transaction that was cut off ─▶ a row with that UID
 *     │ ─── no P= that counts, unique part of a row that no name matched ─▶ its UID again
 *     └ ─── otherwise: new ──┐
 *   new/ ────────────────────┴─▶ in the order of time a UID each, renamed into cur/ with P=
 *   a row that nothing matched ─▶ expunged
 *
 * Order of writes: the mark in posta-folder that lies above the UIDs (durable); the renames;
 * cur/ flushed, once (boxfolder_save()); the commit. Nobody is told a UID before the commit.
 * What a crash leaves before it are names with a P= at or above UIDNEXT, which the next look
 * takes as they are, and letters that still stand in new/. A letter is in one place at each
 * instant, as rename is.
 *
 * While a directory is read others may rename in it, and then a name may come twice or not at
 * all. So nothing is taken for gone unless cur/ was quiet while it was read, and what seems to
 * be there twice is looked at again. Where it never is quiet, rows that no name matched stay as
 * they are until the next look, and a second name with the same P= is no copy yet: to take a
 * letter for gone, or for two, that was only renamed would give it another UID.
 */
#include "store/boxfolder_look.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/maildir.h"
#include "store/staging.h"

#include <errno.h>
#include <fcntl.h>

enum {
    TAKE_PASSES = 4,
    TAKE_AHEAD = 8, /* rows */
    NAME_USUAL_BYTES = 64,
    TAKE_UID_LEAP = 1 << 20, /* a P= farther above the mark was never given by us */
};

/* A row of the index while names are compared. */
struct known {
    uint64_t name, unique; /* hashes */
    uint32_t uid;
    bool seen;
};

/* A name that is not just as a row has it. */
struct found {
    struct letter_row *row; /* as the name says; its unique part is where the name begins */
    uint64_t time;
    uint32_t uid; /* in its P=, where that counts */
    uint8_t length;
    bool in_new;
};

struct found_list {
    struct found *p;
    size_t n, room;
};

struct take {
    struct boxfolder *f;
    bool cold;
    bool unsure;         /* cur/ was never quiet: names may have been missed, or seen twice */
    struct known *known; /* in the order of UIDs */
    uint32_t n, room;
    uint32_t *slots; /* by the hash of the name: index + 1 */
    size_t mask;
    struct found_list others, fresh; /* in cur/, without a row; those that get a UID */
    struct arena names;
    struct uidset gone;
};

static void take_init(struct take *t, struct boxfolder *f, bool cold)
{
    *t = (struct take){.f = f, .cold = cold};
    arena_init(&t->names);
    uidset_init(&t->gone);
}

static void take_done(struct take *t)
{
    free(t->known);
    free(t->slots);
    free(t->others.p);
    free(t->fresh.p);
    arena_done(&t->names);
    uidset_done(&t->gone);
}

static uint64_t hash_of(const struct take *t, struct str s)
{
    return siphash(t->f->all->secret, s);
}

/* ---- what the index knows ---- */

static void remember(struct take *t, const struct letter_row *l)
{
    char name[NAME_BYTES + 1];
    size_t n = letter_name(name, l, t->f->row.uidvalidity);

    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 256;
        t->known = realloc(t->known, t->room * sizeof(*t->known));
        if (!t->known)
            abort();
    }
    t->known[t->n++] = (struct known){.name = hash_of(t, (struct str){name, n}),
                                      .unique = hash_of(t, l->unique),
                                      .uid = l->uid};
}

static void make_slots(struct take *t)
{
    size_t room = 16;

    while (room < (size_t)2 * t->n)
        room *= 2;
    t->slots = calloc(room, sizeof(*t->slots));
    if (!t->slots)
        abort();
    t->mask = room - 1;
    for (uint32_t i = 0; i < t->n; i++) {
        size_t at = t->known[i].name & t->mask;

        while (t->slots[at])
            at = (at + 1) & t->mask;
        t->slots[at] = i + 1;
    }
}

static void count_known(struct folder_row *row, const struct letter_row *l)
{
    row->letters++;
    row->unseen += !(l->flags & NAME_SEEN);
    row->deleted += (l->flags & NAME_TRASHED) != 0;
    row->unsized += !l->has_vsize;
    row->octets += l->has_vsize ? l->vsize : 0;
}

/* The counts are made anew while we are here. */
static int read_known(struct take *t, struct err *err)
{
    struct folder_row *row = &t->f->row;
    struct letter_row l;
    int r;
    struct db_stmt *s = index_statement(t->f->x, SQL_LETTERS, &r, err);

    if (!s)
        return r;
    row->letters = row->unseen = row->deleted = row->unsized = 0;
    row->octets = 0;
    db_bind_int(s, 1, letter_id(row->id, 0));
    db_bind_int(s, 2, letter_id(row->id, UINT32_MAX));
    db_bind_int(s, 3, -1);
    while ((r = db_step(s, err)) > 0) {
        letter_of_row(&l, s);
        remember(t, &l);
        count_known(row, &l);
    }
    if (r == 0)
        make_slots(t);
    return r;
}

static struct known *known_by_name(struct take *t, struct str name)
{
    uint64_t h = hash_of(t, name);

    if (t->n == 0)
        return NULL;
    for (size_t at = h & t->mask; t->slots[at]; at = (at + 1) & t->mask)
        if (t->known[t->slots[at] - 1].name == h)
            return &t->known[t->slots[at] - 1];
    return NULL;
}

static struct known *known_by_uid(struct take *t, uint32_t uid)
{
    uint32_t low = 0, high = t->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (t->known[mid].uid == uid)
            return &t->known[mid];
        if (t->known[mid].uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* ---- what stands in the directories ---- */

static void append(struct found_list *list, const struct found *found)
{
    if (list->n == list->room) {
        list->room = list->room ? 2 * list->room : 64;
        list->p = realloc(list->p, list->room * sizeof(*list->p));
        if (!list->p)
            abort();
    }
    list->p[list->n++] = *found;
}

static void add_found(struct take *t, struct found_list *list, struct str name, bool in_new)
{
    struct name n;

    if (!name_parse(name, &n))
        return;
    struct letter_row *row = ARENA_NEW(&t->names, struct letter_row);
    letter_of_name(row, arena_dup(&t->names, name), &n, t->f->row.uidvalidity);
    append(list, &(struct found){.row = row,
                                 .time = name_time(&n),
                                 .uid = row->uid,
                                 .length = (uint8_t)name.n,
                                 .in_new = in_new});
}

static struct str found_name(const struct found *found)
{
    return (struct str){found->row->unique.p, found->length};
}

static int list_cur(struct take *t, int fd, struct err *err)
{
    struct dir_scan s;
    struct str name;
    int r = dir_scan_init(&s, fd, err);

    if (r < 0)
        return r;
    while ((r = dir_scan_next(&s, &name, err)) > 0) {
        struct known *k = known_by_name(t, name);

        if (k)
            k->seen = true;
        else
            add_found(t, &t->others, name, false);
    }
    dir_scan_done(&s);
    return r;
}

static int list_new(struct take *t, int fd, struct err *err)
{
    struct dir_scan s;
    struct str name;
    int r = dir_scan_init(&s, fd, err);

    if (r < 0)
        return r;
    while ((r = dir_scan_next(&s, &name, err)) > 0)
        add_found(t, &t->fresh, name, true);
    dir_scan_done(&s);
    return r;
}

static bool all_seen(const struct take *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (!t->known[i].seen)
            return false;
    return true;
}

/* There may be letters whose UIDs have been told and that have no row. */
static bool rows_missing(const struct take *t)
{
    return t->cold || t->f->renewed;
}

/* Would a name that was missed, or seen twice, be misunderstood? */
static bool may_mislead(const struct take *t, bool same)
{
    return t->others.n || !all_seen(t) || (rows_missing(t) && (t->n || !same));
}

/* Until it was quiet meanwhile: one mtime before and after, old enough to tell. */
static int list_quietly(struct take *t, struct err *err)
{
    struct boxfolder *f = t->f;
    int cur = boxfolder_cur(f, err), r = cur;
    struct stat before, after;

    for (int pass = 0; cur >= 0 && pass < TAKE_PASSES; pass++) {
        int64_t now = look_now();

        t->others.n = 0;
        for (uint32_t i = 0; i < t->n; i++)
            t->known[i].seen = false;
        if (fstat(cur, &before) < 0)
            return err_os(err, "look at cur/ of %s", f->name);
        if ((r = list_cur(t, cur, err)) < 0)
            return r;
        if (fstat(cur, &after) < 0)
            return err_os(err, "look at cur/ of %s", f->name);
        f->row.cur_at = stat_ns(&before);
        f->row.cur_look = now;
        f->row.cur_cost = look_now() - now;
        bool same = stat_ns(&before) == stat_ns(&after);
        t->unsure = (!same || look_is_young(stat_ns(&before), now)) && may_mislead(t, same);
        if (!t->unsure)
            break;
        if (same)
            look_wait();
    }
    return r < 0 ? r : 0;
}

/* ---- others in cur/ ---- */

static int size_of_file(const struct take *t, const struct found *found, struct letter_row *l,
                        struct err *err)
{
    struct stat st;
    int dir = found->in_new ? boxfolder_new(t->f, err) : boxfolder_cur(t->f, err);

    if (dir < 0)
        return dir;
    if (l->form & FORM_SIZE)
        return 0;
    if (fstatat(dir, found_name(found).p, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? E_NOT_FOUND
                               : err_os(err, "look at a letter of %s", t->f->name);
    l->size = (uint64_t)st.st_size;
    return 0;
}

/* The row's letter now stands there under another name. */
static int follow(struct take *t, struct known *k, const struct letter_row *now,
                  struct err *err)
{
    struct letter_row was;
    struct arena a;

    arena_init(&a);
    int r = boxfolder_letter(t->f, k->uid, &a, &was, err);
    if (r == 0)
        r = boxfolder_update(t->f, &was, now, err);
    arena_done(&a);
    k->seen = true;
    return r;
}

/* Seen under its old name and then, renamed meanwhile, under its new one? */
static bool has_moved(struct take *t, const struct known *k)
{
    char name[NAME_BYTES + 1];
    struct letter_row l;
    struct arena a;
    struct stat st;
    bool moved = false;
    int cur = boxfolder_cur(t->f, NULL);

    arena_init(&a);
    if (cur >= 0 && boxfolder_letter(t->f, k->uid, &a, &l, NULL) == 0 &&
        letter_name(name, &l, t->f->row.uidvalidity))
        moved = fstatat(cur, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
    arena_done(&a);
    return moved;
}

/* Where the index is from before a power cut, those below UIDNEXT too: somebody may have been
 * told their UIDs. */
static bool was_given(const struct take *t, uint32_t uid, uint32_t uidnext)
{
    uint64_t most = (uint64_t)t->f->row.uid_mark + TAKE_UID_LEAP;

    return (rows_missing(t) || uid >= uidnext) && uid < most && uid <= MAILBOX_UID_MAX;
}

static int insert_found(struct take *t, const struct found *found, struct err *err)
{
    struct letter_row l = *found->row;
    int r = size_of_file(t, found, &l, err);

    if (r == E_NOT_FOUND)
        return 0;
    if (r == 0)
        r = t->cold ? boxfolder_insert_old(t->f, &l, err) : boxfolder_insert(t->f, &l, err);
    return r < 0 ? r : boxfolder_skip_uid(t->f, l.uid, err);
}

static int by_uid(const void *x, const void *y)
{
    const struct found *a = x, *b = y;

    if (a->uid != b->uid)
        return a->uid < b->uid ? -1 : 1;
    return str_cmp(found_name(a), found_name(b));
}

static int by_time(const void *x, const void *y)
{
    const struct found *a = x, *b = y;

    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return str_cmp(found_name(a), found_name(b));
}

static void sort(struct found_list *list, int (*compare)(const void *, const void *))
{
    if (list->n)
        qsort(list->p, list->n, sizeof(*list->p), compare);
}

/* 1: it has been dealt with. */
static int by_its_uid(struct take *t, const struct found *found, struct err *err)
{
    struct known *k = known_by_uid(t, found->uid);

    if (!k || k->unique != hash_of(t, found->row->unique))
        return 0;
    if (k->seen && !has_moved(t, k)) /* a copy, or renamed there and back again */
        return t->unsure;
    int r = follow(t, k, found->row, err);
    return r < 0 ? r : 1;
}

/* In the order of UIDs the rows lie anywhere: to wait for each would cost more than its insert.
 */
static void fetch_ahead(const struct found_list *list, size_t i)
{
    const char *row =
        i + TAKE_AHEAD < list->n ? (const char *)list->p[i + TAKE_AHEAD].row : NULL;

    for (size_t at = 0; row && at < sizeof(struct letter_row) + NAME_USUAL_BYTES; at += 64)
        __builtin_prefetch(row + at);
}

/* Those whose P= counts; the rest becomes fresh. */
static int take_others(struct take *t, struct err *err)
{
    const uint32_t uidnext = t->f->row.uidnext;
    uint32_t last = 0;

    sort(&t->others, by_uid);
    for (size_t i = 0; i < t->others.n; i++) {
        const struct found *found = &t->others.p[i];

        fetch_ahead(&t->others, i);
        int r = found->uid ? by_its_uid(t, found, err) : 0;

        if (r < 0)
            return r;
        if (r == 1)
            continue;
        if (found->uid && found->uid != last && !known_by_uid(t, found->uid) &&
            was_given(t, found->uid, uidnext)) {
            last = found->uid;
            if ((r = insert_found(t, found, err)) < 0)
                return r;
        } else {
            append(&t->fresh, found);
        }
    }
    return 0;
}

/* ---- letters that get a UID ---- */

/* 1: it now stands in cur/ under this UID; 0: it has gone meanwhile. */
static int name_it(struct take *t, const struct found *found, struct letter_row *l,
                   uint32_t uid, char room[NAME_BYTES + 1], struct err *err)
{
    struct boxfolder *f = t->f;
    char name[NAME_BYTES + 1];
    int cur = boxfolder_cur(f, err), r;

    if (cur < 0)
        return cur;
    *l = *found->row;
    r = size_of_file(t, found, l, err);
    if (r == 0)
        r = letter_set_uid(l, uid, f->row.uidvalidity, room, err);
    if (r < 0)
        return r == E_NOT_FOUND ? 0 : r;
    letter_name(name, l, f->row.uidvalidity);
    if (str_eq(str_c(name), found_name(found)) && !found->in_new)
        return 1;
    const char *old = found_name(found).p;
    int from = found->in_new ? f->new_fd : cur;
    r = renameat2(from, old, cur, name, RENAME_NOREPLACE);
    if (r < 0 && (errno == EINVAL || errno == ENOSYS)) /* a file system that cannot */
        r = renameat(from, old, cur, name);
    if (r < 0 && (errno == ENOENT || errno == EEXIST))
        return 0;
    if (r < 0)
        return err_os(err, "give a letter of %s its UID", f->name);
    f->cur_touched = f->cur_sync = true;
    f->new_touched |= found->in_new;
    return 1;
}

/* Rows that no name matched, by the hash of their unique part. */
struct orphan {
    uint64_t unique;
    struct known *row;
};

struct orphans {
    struct orphan *p;
    size_t n;
};

static int by_unique(const void *x, const void *y)
{
    const struct orphan *a = x, *b = y;

    return (a->unique > b->unique) - (a->unique < b->unique);
}

static void find_orphans(struct take *t, struct orphans *o)
{
    size_t n = 0;

    for (uint32_t i = 0; i < t->n; i++)
        n += !t->known[i].seen;
    *o = (struct orphans){.p = calloc(n ? n : 1, sizeof(*o->p))};
    if (!o->p)
        abort();
    for (uint32_t i = 0; i < t->n; i++)
        if (!t->known[i].seen)
            o->p[o->n++] = (struct orphan){t->known[i].unique, &t->known[i]};
    if (o->n)
        qsort(o->p, o->n, sizeof(*o->p), by_unique);
}

static struct known *orphan_of(const struct take *t, const struct orphans *o,
                               const struct found *found)
{
    struct orphan key = {.unique = hash_of(t, found->row->unique)};
    struct orphan *at = o->n ? bsearch(&key, o->p, o->n, sizeof(*o->p), by_unique) : NULL;
    return at && !at->row->seen ? at->row : NULL;
}

/* Letters whose names lost their P= get back the UID they had. */
static int take_orphans(struct take *t, struct err *err)
{
    DEFER(free_mem) struct orphan *held = NULL;
    char room[NAME_BYTES + 1];
    struct orphans o;
    size_t kept = 0;
    int r = 0;

    if (t->fresh.n == 0 || all_seen(t))
        return 0;
    find_orphans(t, &o);
    held = o.p;
    for (size_t i = 0; i < t->fresh.n && r >= 0; i++) {
        const struct found *found = &t->fresh.p[i];
        struct known *k = orphan_of(t, &o, found);
        struct letter_row l;

        if (!k) {
            t->fresh.p[kept++] = *found;
            continue;
        }
        r = name_it(t, found, &l, k->uid, room, err);
        if (r == 1)
            r = follow(t, k, &l, err);
    }
    t->fresh.n = kept;
    return r < 0 ? r : 0;
}

static int take_gone(struct take *t, struct err *err)
{
    struct arena a;
    struct letter_row l;
    int r = 0;

    arena_init(&a);
    for (uint32_t i = 0; i < t->n && r == 0; i++) {
        if (t->known[i].seen)
            continue;
        arena_reset(&a);
        r = boxfolder_letter(t->f, t->known[i].uid, &a, &l, err);
        if (r == 0)
            r = boxfolder_remove(t->f, &l, err);
        uidset_add(&t->gone, t->known[i].uid, t->known[i].uid);
    }
    arena_done(&a);
    return r < 0 ? r : boxfolder_expunged(t->f, &t->gone, err);
}

static int take_fresh(struct take *t, struct err *err)
{
    char room[NAME_BYTES + 1];
    uint32_t uid;
    int r = t->fresh.n ? boxfolder_give_uids(t->f, (uint32_t)t->fresh.n, &uid, err) : 0;

    if (r < 0)
        return r;
    sort(&t->fresh, by_time);
    for (size_t i = 0; i < t->fresh.n; i++) {
        struct letter_row l;

        r = name_it(t, &t->fresh.p[i], &l, uid, room, err);
        if (r == 1) {
            r = boxfolder_insert(t->f, &l, err);
            uid++;
        }
        if (r < 0)
            return r;
    }
    t->f->row.uidnext = t->fresh.n ? uid : t->f->row.uidnext;
    return 0;
}

/* ---- all of it ---- */

/* Where rows were missing and a name may have been passed over, its UID still counts then. */
static void look_again(struct take *t)
{
    t->f->row.cur_look = 0;
    if (rows_missing(t))
        t->f->row.boot[0] = '\0';
}

static int take_cur(struct take *t, struct err *err)
{
    int r;

    if ((r = read_known(t, err)) < 0 || (r = list_quietly(t, err)) < 0 ||
        (r = take_others(t, err)) < 0 || (r = take_orphans(t, err)) < 0)
        return r;
    if (!t->unsure)
        return take_gone(t, err);
    look_again(t);
    return 0;
}

static int take_in(struct boxfolder *f, const struct look *look, bool cold, struct err *err)
{
    struct take t;
    int fd, r = 0;

    take_init(&t, f, cold);
    if (look->cur)
        r = take_cur(&t, err);
    if (r == 0 && cold) /* those in cur/ are recent to nobody */
        f->row.first_recent = f->row.uidnext + (uint32_t)t.fresh.n;
    if (r == 0 && (look->new || look->new_unsettled)) {
        r = fd = boxfolder_new(f, err);
        if (fd >= 0)
            r = list_new(&t, fd, err);
        f->row.new_at = look->new_at;
        if (look->new)
            f->row.new_look = look->now;
    }
    if (r == 0)
        r = take_fresh(&t, err);
    take_done(&t);
    return r;
}

/* Made by hand, it may lack new/ or cur/. */
static int make_missing(struct boxfolder *f, struct err *err)
{
    DEFER(close_fd) int user = boxfolder_dir(f->all, str_c(f->maildir), STR("INBOX"), err);

    int r = user < 0 ? user : maildir_make_folder(user, f->dir, err);

    /* what is open is a directory without a name any more */
    return r == -ENOENT ? err_set(err, E_NOT_FOUND, "the folder %s has gone", f->name) : r;
}

int boxfolder_take(struct boxfolder *f, struct err *err)
{
    struct look look;
    bool cold = false;
    int r = look_at(f, &look, err);

    if (r == 0 && look.missing)
        r = make_missing(f, err);
    if (r == 0 && look.dir)
        r = staging_recover(f, err);
    if (r == 0 && look.file)
        r = boxfolder_read_file(f, &cold, err);
    if (r == 0 && (look.missing || look.dir || look.file))
        r = look_at(f, &look, err);
    return r < 0 ? r : take_in(f, &look, cold, err);
}

int boxfolder_take_all(struct boxfolder *f, struct err *err)
{
    f->row.cur_look = f->row.new_look = 0;
    return boxfolder_take(f, err);
}
