/*
 * STORE: RFC 3501 6.4.6, RFC 7162 3.1.3.
 *
 *   change_portion(): WORK_STORE_LETTERS in a transaction
 *      ▲          │
 *      │          ▼
 *      └──────── tell(): FETCH of the letters of the portion, as long as `out` has room
 *
 * With SILENT only those are told that others have changed since the client last heard of them
 * (6.4.6: "the server SHOULD send an untagged FETCH"), and the new mod-sequences to who has
 * asked for such. What has been told here is kept from sync (work_quiet()).
 */
#include "imapd/work_impl.h"

struct store {
    uint64_t unchangedsince;
    uint64_t modseq;        /* of the last portion */
    uint64_t seen;          /* what has changed up to here is our own, or in `others` */
    struct uidset modified; /* left alone: changed after `unchangedsince` */
    struct uidset tell;     /* still to be told, of the last portion */
    struct uidset others;   /* of those to come, changed by others too */
    struct uidset foreign;  /* the same, of the last portion */
};

static void store_done(void *state)
{
    struct store *st = state;

    uidset_done(&st->modified);
    uidset_done(&st->tell);
    uidset_done(&st->others);
    uidset_done(&st->foreign);
}

static struct store *begin(struct step *s)
{
    struct store *st = ARENA_NEW(&s->run->arena, struct store);

    st->unchangedsince =
        s->c->store.has_unchangedsince ? s->c->store.unchangedsince : UINT64_MAX;
    st->seen = s->w->view.modseq;
    s->run->own_upto = st->seen;
    s->run->state = st;
    s->run->state_done = store_done;
    return st;
}

/* The next letters of todo, which loses them. Not empty. */
static void take_portion(struct run *run, struct uidset *out)
{
    uidset_slice(&run->todo, 1, WORK_STORE_LETTERS, out);
    uidset_remove(&run->todo, 1, uidset_last(out));
}

/* Before their mod-sequence is written over. Rows that we have changed are not read again: with
 * each portion there would be more of them. */
static int look_for_others(struct step *s, struct store *st)
{
    struct message m;
    int code;

    if (s->state.highestmodseq == st->seen)
        return 0;
    s->run->own_upto = 0;
    code = mailbox_scan(s->w->box, &s->run->todo, st->seen, 0, &s->err);
    if (code < 0)
        return code;
    while ((code = mailbox_next(s->w->box, &m, &s->err)) == 1)
        uidset_add(&st->others, m.uid, m.uid);
    mailbox_scan_end(s->w->box);
    return code;
}

/* What another program did behind our back has the transaction's mod-sequence too, and must be
 * looked for then. */
static void note_own(struct step *s, struct store *st)
{
    bool alone = !mailbox_refreshed(s->w->box);

    st->seen = st->modseq - !alone;
    if (s->run->own_upto)
        s->run->own_upto = alone ? st->seen : 0;
}

static int change(struct step *s, struct store *st, struct uidset *portion)
{
    struct uidset modified = {0};
    struct mailbox_flags flags;
    uint32_t upto = uidset_last(portion);
    uint64_t modseq = 0;
    int code = work_flags_of(s, &s->c->store.flags, s->c->store.how != STORE_REMOVE, &flags);

    uidset_copy(&st->foreign, &st->others);
    uidset_intersect(&st->foreign, portion);
    if (code == 0)
        code = mailbox_store(s->w->box, portion, s->c->store.how, flags, st->unchangedsince,
                             &modified, &modseq, &s->err);
    if (code == 0) {
        uidset_unite(&st->modified, &modified);
        uidset_subtract(portion, &modified);
        st->modseq = modseq > s->state.highestmodseq ? modseq : s->state.highestmodseq;
        work_quiet(s->run, upto, st->modseq);
        note_own(s, st);
    }
    uidset_done(&modified);
    return code;
}

static int change_portion(struct step *s, struct store *st)
{
    struct uidset portion = {0};
    int code = step_begin(s, MAILBOX_WRITE);

    if (code == 0)
        code = look_for_others(s, st);
    if (code == 0) {
        take_portion(s->run, &portion);
        code = change(s, st, &portion);
    }
    if (code == 0 && (!s->c->store.silent || s->r->condstore))
        uidset_copy(&st->tell, &portion);
    if (code == 0)
        uidset_unite(&st->tell, &st->foreign);
    if (code == 0)
        code = mailbox_state(s->w->box, 0, &s->state, &s->err); /* a keyword may be new */
    if (code == 0)
        work_tell_keywords(s);
    uidset_done(&portion);
    return code;
}

/* What a client hears of a letter; 0: nothing. */
static unsigned what_of(const struct step *s, const struct store *st, const struct message *m)
{
    unsigned named = s->c->uid || s->r->condstore ? FETCH_UID : 0U;
    unsigned modseq = s->r->condstore ? FETCH_MODSEQ : 0U;

    if (!s->c->store.silent || uidset_has(&st->foreign, m->uid))
        return FETCH_FLAGS | named | modseq;
    return m->modseq >= st->modseq ? named | modseq : 0;
}

/* 1: all told, 0: there are more. */
static int tell(struct step *s, struct store *st)
{
    struct message m;
    int more = 1, code = mailbox_scan(s->w->box, &st->tell, 0, 0, &s->err);
    uint32_t last = 0;

    if (code < 0)
        return code;
    while (!work_full(s) && (more = mailbox_next(s->w->box, &m, &s->err)) == 1) {
        unsigned what = what_of(s, st, &m);

        last = m.uid;
        if (!what)
            continue;
        work_letter_begin(s, &m, what);
        work_letter_end(s);
    }
    mailbox_scan_end(s->w->box);
    if (more == 0)
        uidset_clear(&st->tell);
    else if (last)
        uidset_remove(&st->tell, 1, last);
    return more < 0 ? more : !more;
}

static enum work_state completed(struct step *s, const struct store *st)
{
    struct uidset numbers = {0};
    struct buf text;
    struct str code;

    if (!st->modified.n)
        return work_ok(s, "STORE completed");
    buf_init(&text, SIZE_MAX);
    buf_add(&text, STR("MODIFIED "));
    if (!s->c->uid)
        view_numbers(&s->w->view, &st->modified, &numbers);
    uidset_print(&text, s->c->uid ? &st->modified : &numbers);
    code = arena_dup(&s->run->arena, buf_str(&text));
    uidset_done(&numbers);
    buf_done(&text);
    return work_say(s, WORK_OK, code, "Others have changed some of the letters");
}

static int go_on(struct step *s, struct store *st)
{
    int code = 0;

    if (!st->tell.n && s->run->todo.n)
        code = change_portion(s, st);
    else if (st->tell.n)
        code = step_begin(s, MAILBOX_READ);
    if (code == 0 && st->tell.n)
        code = tell(s, st);
    return code;
}

enum work_state work_store(struct step *s)
{
    struct store *st = s->run->state;
    int code;

    if (!work_resolve(s))
        return WORK_DONE;
    if (s->w->read_only)
        return work_say(s, WORK_NO, STR("READ-ONLY"), "The mailbox is open for reading only");
    if (!st)
        st = begin(s);
    code = go_on(s, st);
    if (code < 0)
        return work_give_up(s, code);
    return st->tell.n || s->run->todo.n ? WORK_MORE : completed(s, st);
}
