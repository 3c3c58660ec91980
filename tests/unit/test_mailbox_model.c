/*
 * A mailbox against a model, in random steps by us and by other programs. Three are compared
 * after each: what the Maildir should hold, what a scan says, and what a client knows that only
 * ever asked for changes (RFC 7162: CHANGEDSINCE and VANISHED).
 */
#include "mailbox_world.h"
#include "store/mailbox_impl.h"
#include "store/mailboxes_impl.h"

enum { LETTERS = 400, STEPS = 600, SEEDS = 2, FLAGS = 6 };

struct letter {
    uint32_t uid; /* 0: nobody has seen it yet */
    uint32_t flags, keywords;
    bool alive;
    char name[300]; /* "new/…" or "cur/…", as another program last knew it; "" : unknown */
};

/* What a client keeps between its visits. */
struct client {
    uint32_t uidvalidity;
    uint64_t modseq;
    struct {
        bool known;
        uint32_t flags, keywords;
    } at[LETTERS * 4];
};

struct model {
    struct fixture *f;
    struct letter letters[LETTERS];
    unsigned n;
    uint32_t last_uid, uidvalidity;
    struct client client;
    uint64_t random;
};

static const uint32_t flag_bits[FLAGS] = {NAME_DRAFT,   NAME_FLAGGED, NAME_PASSED,
                                          NAME_REPLIED, NAME_SEEN,    NAME_TRASHED};

static unsigned pick(struct model *m, unsigned below)
{
    m->random = m->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(m->random >> 33) % below;
}

static uint32_t some_flags(struct model *m)
{
    uint32_t flags = 0;

    for (unsigned i = 0; i < FLAGS; i++)
        if (pick(m, 4) == 0)
            flags |= flag_bits[i];
    return flags;
}

static struct letter *pick_letter(struct model *m)
{
    for (unsigned tries = 0; m->n && tries < 20; tries++) {
        struct letter *l = &m->letters[pick(m, m->n)];

        if (l->alive)
            return l;
    }
    return NULL;
}

/* ---- what a scan says ---- */

/* The letter's number is its text. */
static struct letter *letter_of(struct model *m, uint32_t uid)
{
    char text[32] = "";
    struct err err = {0};
    struct letter_file file;
    int fd = mailbox_letter(m->f->b, uid, &file, &err);

    if (fd < 0)
        fail_msg("%u: %s", uid, err.text);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    unsigned n = (unsigned)strtoul(text, NULL, 10);
    assert_true(n < m->n);
    return &m->letters[n];
}

static void compare_row(struct model *m, const struct message *row)
{
    struct letter *l = letter_of(m, row->uid);

    assert_true(l->alive);
    if (l->uid == 0) {
        assert_true(row->uid > m->last_uid); /* never one that was given before */
        l->uid = row->uid;
    }
    assert_int_equal(l->uid, row->uid);
    assert_int_equal(l->flags, row->flags);
    assert_int_equal(l->keywords, row->keywords);
}

/* Done with both. */
static void compare_sets(struct uidset *a, struct uidset *b)
{
    assert_int_equal(a->n, b->n);
    for (uint32_t i = 0; i < a->n; i++) {
        assert_int_equal(a->ranges[i].first, b->ranges[i].first);
        assert_int_equal(a->ranges[i].last, b->ranges[i].last);
        assert_int_equal(a->ranges[i].before, b->ranges[i].before);
    }
    uidset_done(a);
    uidset_done(b);
}

/* In the middle of a transaction that may be undone: nothing of it is remembered. */
static void ask_between(struct model *m)
{
    struct uidset set;
    struct err err = {0};

    uidset_init(&set);
    state_of(m->f, STATE_FIRST_UNSEEN);
    assert_int_equal(mailbox_uids(m->f->b, 1, &set, &err), 0);
    uidset_done(&set);
}

static void compare_all(struct model *m)
{
    struct err err = {0};
    struct message row;
    struct mailbox_state st;
    struct uidset set, rows;
    unsigned n = 0, alive = 0, unseen = 0, deleted = 0;
    uint32_t last = 0, first_unseen = 0;

    uidset_init(&set);
    uidset_init(&rows);
    begin(m->f, MAILBOX_READ);
    assert_int_equal(mailbox_scan(m->f->b, NULL, 0, 0, &err), 0);
    while (mailbox_next(m->f->b, &row, &err) > 0) {
        assert_true(row.uid > last);
        last = row.uid;
        compare_row(m, &row);
        uidset_add(&rows, row.uid, row.uid);
        if (!first_unseen && !(row.flags & NAME_SEEN))
            first_unseen = row.uid;
        n++;
    }
    mailbox_scan_end(m->f->b);
    st = state_of(m->f, STATE_FIRST_UNSEEN);
    assert_int_equal(st.first_unseen, first_unseen);
    assert_int_equal(mailbox_uids(m->f->b, 1, &set, &err), 0);
    compare_sets(&set, &rows);
    for (unsigned i = 0; i < m->n; i++) {
        alive += m->letters[i].alive;
        unseen += m->letters[i].alive && !(m->letters[i].flags & NAME_SEEN);
        deleted += m->letters[i].alive && (m->letters[i].flags & NAME_TRASHED);
    }
    assert_int_equal(n, alive);
    assert_int_equal(st.exists, alive);
    assert_int_equal(st.unseen, unseen);
    assert_int_equal(st.deleted, deleted);
    assert_true(st.uidnext > last);
    m->last_uid = st.uidnext - 1;
    assert_true(m->uidvalidity == 0 || m->uidvalidity == st.uidvalidity);
    m->uidvalidity = st.uidvalidity;
    end(m->f);
}

/* ---- a client that asks for changes ---- */

static void client_vanished(struct model *m)
{
    struct client *c = &m->client;
    struct uidset set;
    struct err err = {0};
    uint32_t uid;

    uidset_init(&set);
    if (mailbox_expunged_since(m->f->b, c->modseq, &set, &err) == 0) {
        struct uidset_walk w = uidset_walk(&set);

        while (uidset_walk_next(&w, &uid))
            if (uid < LETTERS * 4)
                c->at[uid].known = false;
    } else {
        assert_int_equal(err.code, E_NOT_FOUND);
        assert_int_equal(mailbox_uids(m->f->b, 1, &set, &err), 0);
        for (uid = 0; uid < LETTERS * 4; uid++)
            c->at[uid].known &= uidset_has(&set, uid);
    }
    uidset_done(&set);
}

static void client_visits(struct model *m)
{
    struct client *c = &m->client;
    struct message row;
    struct err err = {0};

    begin(m->f, MAILBOX_READ);
    struct mailbox_state st = state_of(m->f, 0);
    if (st.uidvalidity != c->uidvalidity)
        memset(c, 0, sizeof(*c));
    assert_true(st.highestmodseq >= c->modseq);
    client_vanished(m);
    assert_int_equal(mailbox_scan(m->f->b, NULL, c->modseq, 0, &err), 0);
    while (mailbox_next(m->f->b, &row, &err) > 0) {
        assert_true(row.modseq > c->modseq && row.modseq <= st.highestmodseq);
        if (row.uid >= LETTERS * 4)
            continue;
        c->at[row.uid].known = true;
        c->at[row.uid].flags = row.flags;
        c->at[row.uid].keywords = row.keywords;
    }
    mailbox_scan_end(m->f->b);
    c->modseq = st.highestmodseq;
    c->uidvalidity = st.uidvalidity;
    end(m->f);
    for (unsigned i = 0; i < m->n; i++) {
        const struct letter *l = &m->letters[i];

        if (l->uid == 0 || l->uid >= LETTERS * 4)
            continue;
        assert_int_equal(c->at[l->uid].known, l->alive);
        if (l->alive) {
            assert_int_equal(c->at[l->uid].flags, l->flags);
            assert_int_equal(c->at[l->uid].keywords, l->keywords);
        }
    }
}

/* ---- other programs ---- */

static void deliver(struct model *m)
{
    char text[32];
    struct letter *l = &m->letters[m->n];
    bool cur = pick(m, 3) == 0;

    if (m->n == LETTERS)
        return;
    *l = (struct letter){.alive = true};
    if (cur && pick(m, 2))
        l->flags = some_flags(m);
    snprintf(text, sizeof(text), "%u\n\nx\n", m->n);
    size_t at =
        (size_t)snprintf(l->name, sizeof(l->name), "%s/%u.M%uQ.foreign%s", cur ? "cur" : "new",
                         1000 + pick(m, 50), m->n, pick(m, 3) ? "" : ",U=7");
    if (cur) {
        at += (size_t)snprintf(l->name + at, sizeof(l->name) - at, ":2,");
        for (unsigned i = 0; i < FLAGS; i++)
            if (l->flags & flag_bits[i])
                l->name[at++] = (char)('A' + __builtin_ctz(flag_bits[i]));
        l->name[at] = '\0';
    }
    put(m->f, l->name, text);
    m->n++;
}

/* Where it stands in cur/; false while its name says no UID. */
static bool find_name(struct model *m, const struct letter *l, char to[WORLD_BYTES])
{
    to[0] = '\0';
    return l->uid && find_name_of(m->f, l->uid, to);
}

static void foreign_flags(struct model *m)
{
    struct letter *l = pick_letter(m);
    char from[WORLD_BYTES], to[WORLD_BYTES];

    if (!l || !find_name(m, l, from))
        return;
    l->flags = some_flags(m);
    int at = snprintf(to, sizeof(to), "%.*s:2,", (int)strcspn(from, ":"), from);
    for (unsigned i = FLAGS; i-- > 0;) /* not in our order */
        if (l->flags & flag_bits[i])
            to[at++] = (char)('A' + __builtin_ctz(flag_bits[i]));
    for (int i = 0; i < 26; i++)
        if (l->keywords >> i & 1)
            to[at++] = (char)('a' + i);
    to[at] = '\0';
    move(m->f, from, to);
}

static void foreign_removal(struct model *m)
{
    struct letter *l = pick_letter(m);
    char name[WORLD_BYTES];

    if (!l)
        return;
    if (!find_name(m, l, name) && !l->uid)
        snprintf(name, sizeof(name), "%s", l->name);
    if (!name[0] || !has(m->f, name)) /* it has been taken in, and we have not seen it yet */
        return;
    take_away(m->f, name);
    l->alive = false;
}

/* Drops our field, as a program may that makes names anew from what it knows. */
static void foreign_name(struct model *m)
{
    struct letter *l = pick_letter(m);
    char from[WORLD_BYTES], to[WORLD_BYTES];

    if (!l || !find_name(m, l, from))
        return;
    const char *p = strstr(from, ",P=");
    snprintf(to, sizeof(to), "%.*s%s", (int)(p - from), from, p + 1 + strcspn(p + 1, ",:"));
    move(m->f, from, to);
}

/* ---- us ---- */

static void our_store(struct model *m)
{
    struct uidset set, modified;
    struct err err = {0};
    enum mailbox_store how = (enum mailbox_store)pick(m, 3);
    struct mailbox_flags what = {some_flags(m), pick(m, 8)};
    uint32_t from = 1 + pick(m, m->last_uid + 1), to = from + pick(m, 10);
    /* those that are taken in when it begins are not among them */
    uint32_t last = to < m->last_uid ? to : m->last_uid;
    uint64_t modseq;

    uidset_init(&set);
    uidset_init(&modified);
    if (from <= last)
        uidset_add(&set, from, last);
    begin(m->f, MAILBOX_WRITE);
    if (mailbox_store(m->f->b, &set, how, what, UINT64_MAX, &modified, &modseq, &err) < 0)
        fail_msg("%s", err.text);
    ask_between(m);
    if (pick(m, 5)) {
        end(m->f);
    } else {
        mailbox_abort(m->f->b); /* names were changed all the same */
        tick(m->f);
    }
    for (unsigned i = 0; i < m->n; i++) {
        struct letter *l = &m->letters[i];

        if (!l->alive || l->uid < from || l->uid > last)
            continue;
        l->flags = how == STORE_SET   ? what.flags
                   : how == STORE_ADD ? l->flags | what.flags
                                      : l->flags & ~what.flags;
        l->keywords = how == STORE_SET   ? what.keywords
                      : how == STORE_ADD ? l->keywords | what.keywords
                                         : l->keywords & ~what.keywords;
    }
    uidset_done(&set);
}

static void our_expunge(struct model *m)
{
    struct uidset gone, among;
    struct err err = {0};

    uidset_init(&gone);
    uidset_init(&among);
    if (m->last_uid)
        uidset_add(&among, 1, m->last_uid);
    begin(m->f, MAILBOX_WRITE);
    if (mailbox_expunge(m->f->b, &among, &gone, &err) < 0)
        fail_msg("%s", err.text);
    ask_between(m);
    if (pick(m, 5)) {
        end(m->f);
    } else {
        mailbox_abort(m->f->b);
        tick(m->f);
    }
    for (unsigned i = 0; i < m->n; i++)
        if (m->letters[i].alive && uidset_has(&gone, m->letters[i].uid)) {
            assert_true(m->letters[i].flags & NAME_TRASHED);
            m->letters[i].alive = false;
        }
    uidset_done(&gone);
    uidset_done(&among);
}

static void break_something(struct model *m)
{
    compare_all(m); /* what a program took from names is put back by who still knows it */
    switch (pick(m, 5)) {
    case 0:
        lose_index(m->f);
        break;
    case 1:
        open_again(m->f);
        break;
    case 2:
        lose_index(m->f);
        open_again(m->f);
        break;
    case 3:
        take_away(m->f, FOLDER_FILE); /* while index.db is there */
        break;
    default:
        m->f->all->boot[0] ^= 1;
        break;
    }
    compare_all(m);
}

static void step(struct model *m)
{
    unsigned what = pick(m, 100);

    if (what < 25)
        deliver(m);
    else if (what < 45)
        foreign_flags(m);
    else if (what < 50)
        foreign_removal(m);
    else if (what < 55)
        foreign_name(m);
    else if (what < 75)
        our_store(m);
    else if (what < 78)
        our_expunge(m);
    else if (what < 82)
        break_something(m);
    else if (what < 90)
        client_visits(m);
    if (pick(m, 3) == 0)
        compare_all(m);
}

static void agrees_with_the_model(void **state)
{
    struct fixture *f = *state;
    const char *more = getenv("MODEL_SEEDS");
    unsigned seeds = more ? (unsigned)strtoul(more, NULL, 10) : SEEDS;

    for (unsigned seed = 1; seed <= seeds; seed++) {
        struct model *m = calloc(1, sizeof(*m));

        m->f = f;
        m->random = seed;
        compare_all(m);
        for (unsigned i = 0; i < STEPS; i++)
            step(m);
        compare_all(m);
        client_visits(m);
        free(m);
        close_box(f);
        world_done(&f->w);
        world_init(&f->w);
        open_box(f, "INBOX");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(agrees_with_the_model, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
