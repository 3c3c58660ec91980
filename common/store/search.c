/*
 * The letters of `among` go through up to three looks, each a scan of the mailbox that asks for
 * no more than its keys need; a look passes on what it cannot decide:
 *
 *   among ──▶ LEVEL_ROW ──unknown──▶ LEVEL_HEADER ──unknown──▶ LEVEL_FILE
 *              │ flags, sizes         │ kept fields             │ the letter itself
 *              └─ yes, no             └─ yes, no                └─ yes, no
 *
 * Some thousand letters go all the way before the next are begun, so that a search may stop
 * between any two rows and go on in another transaction.
 */
#include "store/search_impl.h"

#include <unistd.h>

enum {
    READ_BYTES_A_ROW = 4096, /* a letter that is read counts for as many rows */
    KEYS_A_ROW = 64,         /* as do many keys                              */
};

struct run {
    struct search *s;
    struct mailbox *b;
    unsigned left;       /* rows */
    struct uidset found; /* by this look */
    struct uidset *hits;
    uint64_t highest_modseq;
};

static void spend(struct run *r, uint64_t rows)
{
    r->left -= rows < r->left ? (unsigned)rows : r->left;
}

/* The first look that can tell anything. */
static enum search_level first_level(const struct search *s)
{
    for (unsigned i = LEVEL_ROW; i < LEVEL_FILE; i++)
        if (s->has_level[i])
            return i;
    return s->has_level[LEVEL_FILE] ? LEVEL_FILE : LEVEL_ROW;
}

/* 1, 0, 2: not to be told at this level; or negative. */
static int look_at_letter(struct run *r, enum search_level level, const struct message *m,
                          struct err *err)
{
    struct search_letter l = {.m = m, .level = level};
    uint64_t octets = 0;
    struct letter_file file;

    if (level < LEVEL_FILE)
        return (int)search_eval(r->s, r->s->tree, &l);
    int fd = mailbox_letter(r->b, m->uid, &file, err);
    if (fd < 0)
        return fd == E_NOT_FOUND ? 0 : fd;
    int rc = search_file(r->s, m, fd, &octets, err);
    close(fd);
    spend(r, octets / READ_BYTES_A_ROW);
    return rc;
}

static int next_letter(struct run *r, enum search_level level, uint32_t *at, struct err *err)
{
    struct message m;
    int rc = mailbox_next(r->b, &m, err);

    if (rc <= 0)
        return rc;
    *at = m.uid;
    spend(r, 1);
    rc = look_at_letter(r, level, &m, err);
    if (rc < 0)
        return rc;
    if (rc == VERDICT_UNKNOWN && level < LEVEL_FILE)
        uidset_add(&r->s->waiting[level + 1], m.uid, m.uid);
    if (rc == VERDICT_YES) {
        uidset_add(&r->found, m.uid, m.uid);
        if (m.modseq > r->highest_modseq)
            r->highest_modseq = m.modseq;
    }
    return 1;
}

/* A look at those that wait for it, as far as rows are left. */
static int look(struct run *r, enum search_level level, struct err *err)
{
    struct uidset *waiting = &r->s->waiting[level];
    uint32_t at = 0;
    int rc = mailbox_scan(r->b, waiting, 0, r->s->want[level], err);

    if (rc < 0)
        return rc;
    do
        rc = next_letter(r, level, &at, err);
    while (rc > 0 && r->left);
    mailbox_scan_end(r->b);
    uidset_unite(r->hits, &r->found);
    uidset_clear(&r->found);
    if (rc == 0)
        uidset_clear(waiting);
    else if (rc > 0)
        uidset_remove(waiting, 1, at);
    return rc < 0 ? rc : 0;
}

/* The next letters of `among`; false where there are none. */
static bool begin_more(struct run *r, const struct uidset *among)
{
    uint32_t before = uidset_upto(among, r->s->at), all = uidset_count(among);
    uint32_t n = all - before < r->left ? all - before : r->left;

    if (!n)
        return false;
    uidset_slice(among, before + 1, n, &r->s->waiting[first_level(r->s)]);
    r->s->at = uidset_nth(among, before + n);
    return true;
}

/* The last look that letters wait for, so that few wait; LEVEL_NONE: no look. */
static enum search_level waiting_level(const struct search *s)
{
    for (unsigned i = LEVEL_FILE; i > LEVEL_NONE; i--)
        if (s->waiting[i].n)
            return i;
    return LEVEL_NONE;
}

static int run(struct run *r, const struct uidset *among, struct err *err)
{
    int rc = 0;

    while (!rc && r->left) {
        enum search_level level = waiting_level(r->s);

        if (level != LEVEL_NONE)
            rc = look(r, level, err);
        else if (!begin_more(r, among))
            return 0;
    }
    return rc < 0 ? rc : 1;
}

static int know_keywords(struct search *s, struct mailbox *b, struct err *err)
{
    struct mailbox_state state;
    int rc = s->has_keywords ? mailbox_state(b, 0, &state, err) : 0;

    if (!rc && s->has_keywords)
        search_set_keywords(s, state.keywords);
    return rc;
}

int search_run(struct search *s, struct mailbox *b, const struct uidset *among, unsigned budget,
               struct uidset *hits, uint64_t *highest_modseq, struct err *err)
{
    struct run r = {.s = s, .b = b, .hits = hits, .highest_modseq = *highest_modseq};
    uint64_t rows = (uint64_t)budget * KEYS_A_ROW / (KEYS_A_ROW + s->keys);
    int rc = know_keywords(s, b, err);

    if (rc < 0)
        return rc;
    r.left = rows ? (unsigned)rows : 1;
    uidset_init(&r.found);
    rc = run(&r, among, err);
    *highest_modseq = r.highest_modseq;
    return rc;
}
