/*
 * FETCH: RFC 3501 6.4.5, 7.4.2, RFC 7162 3.1.4.
 *
 *   rows ──▶ tell_letter(): what the index knows, then the texts, one item after another
 *    │  ▲         │
 *    │  └─────────┤ `out` is full between two letters: the next step goes on behind the last
 *    │            │ UID; between two texts or in the middle of a large one: the letter stays
 *    │            ▼ open, and the next step sends on before it looks at the mailbox again
 *   mark ──▶ \Seen of those whose text was told (not peeked at), in a transaction that writes;
 *            sync tells the flags
 */
#include "imapd/fetch_impl.h"
#include "mail/envelope.h"

#include <stdlib.h>

struct fetch {
    unsigned what, want;
    const struct fetch_item *items;
    unsigned n;
    bool marks, needs_file;
    struct letter letter;
    struct uidset read;    /* told, and not \Seen yet */
    struct uidset damaged; /* read whole, and other octets than were said */
};

static void fetch_done(void *state)
{
    struct fetch *f = state;

    letter_done(&f->letter);
    uidset_done(&f->read);
    uidset_done(&f->damaged);
}

static unsigned wants(unsigned what)
{
    static const struct {
        unsigned what, want;
    } table[] = {
        {FETCH_SIZE,          WANT_SIZE         },
        {FETCH_INTERNALDATE,  WANT_INTERNALDATE },
        {FETCH_ENVELOPE,      WANT_ENVELOPE     },
        {FETCH_BODYSTRUCTURE, WANT_BODYSTRUCTURE},
        {FETCH_BODY,          WANT_PARTS        },
    };
    unsigned want = 0;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (what & table[i].what)
            want |= table[i].want;
    return want;
}

static struct fetch *begin(struct step *s)
{
    const struct command *c = s->c;
    struct fetch *f = ARENA_NEW(&s->run->arena, struct fetch);

    f->what = c->fetch.what | (c->uid ? FETCH_UID : 0U);
    if (c->fetch.has_since)
        f->what |= FETCH_MODSEQ;
    f->want = wants(f->what);
    f->items = c->fetch.items;
    f->n = c->fetch.n;
    for (unsigned i = 0; i < f->n; i++) {
        f->want |= section_want(&f->items[i]);
        f->needs_file |= section_want(&f->items[i]) != WANT_HEADER;
        f->marks |= !f->items[i].peek && f->items[i].what != FETCH_RFC822_HEADER;
    }
    f->want |= f->needs_file ? WANT_FILE : 0U;
    f->marks = f->marks && !s->w->read_only;
    letter_init(&f->letter);
    s->run->state = f;
    s->run->state_done = fetch_done;
    return f;
}

/* ---- one letter ---- */

/* Cut, or grown: what was kept of it is not true, and it is shown as it is (X32). */
static int look_again(struct step *s, struct fetch *f, struct message *m)
{
    int code = mailbox_look_again(s->w->box, m, f->want, &s->err);

    f->letter.crlf = m->crlf;
    return code == 0 && m->gone ? E_NOT_FOUND : code;
}

/* What its texts need stays at hand, also when the row is left. E_NOT_FOUND: it has gone. */
static int open_letter(struct step *s, struct fetch *f, struct message *m)
{
    struct letter *l = &f->letter;

    letter_close(l);
    if (f->needs_file || !m->header_complete) {
        struct letter_file file;
        int code = l->fd = mailbox_letter(s->w->box, m->uid, &file, &s->err);

        l->crlf = code >= 0 && file.crlf;
        if (code >= 0 && file.octets != m->size)
            code = look_again(s, f, m);
        if (code < 0)
            return code;
    }
    l->uid = m->uid;
    l->size = m->size;
    l->vsize = m->vsize;
    if (f->want & WANT_HEADER) {
        l->header = arena_dup(&l->arena, m->header);
        l->has_header = m->header_complete;
    }
    if (f->n && (f->want & WANT_PARTS))
        l->top = structure_unpack(arena_dup(&l->arena, m->parts), &l->arena);
    l->open = true;
    return 0;
}

static void space(struct step *s, bool *any)
{
    if (*any)
        buf_add_byte(s->out, ' ');
    *any = true;
}

static void tell_body(struct step *s, struct str parts)
{
    struct arena a;

    arena_init(&a);
    struct part *top = structure_unpack(parts, &a);
    if (top)
        structure_print(s->out, top, false);
    else
        buf_add(s->out, STR("NIL"));
    arena_done(&a);
}

/* Everything that is not text. */
static bool tell_front(struct step *s, const struct fetch *f, const struct message *m)
{
    bool any = work_letter_begin(s, m, f->what);

    if (f->what & FETCH_ENVELOPE) {
        space(s, &any);
        buf_add(s->out, STR("ENVELOPE "));
        buf_add(s->out, m->envelope);
    }
    if (f->what & FETCH_BODY) {
        space(s, &any);
        buf_add(s->out, STR("BODY "));
        tell_body(s, m->parts);
    }
    if (f->what & FETCH_BODYSTRUCTURE) {
        space(s, &any);
        buf_add(s->out, STR("BODYSTRUCTURE "));
        buf_add(s->out, m->bodystructure);
    }
    return any;
}

/* The texts from l->item on; true when the letter is done. */
static bool tell_texts(struct step *s, struct fetch *f, bool any)
{
    struct letter *l = &f->letter;

    if (l->streaming && !text_stream(s, l))
        return false;
    while (l->item < f->n) {
        const struct fetch_item *item = &f->items[l->item++];
        struct text text;

        if (section_find(l, item, &text) < 0) {
            l->damaged = true;
            text = (struct text){.kind = TEXT_NIL};
        }
        space(s, &any);
        section_print(s->out, item);
        text_tell(s, l, item, &text);
        if (l->streaming || (work_full(s) && l->item < f->n))
            return false;
    }
    work_letter_end(s);
    if (l->damaged)
        work_damaged(s);
    if (l->damaged || l->other)
        uidset_add(&f->damaged, l->uid, l->uid);
    letter_close(l);
    return true;
}

/* False: it is left in the middle. */
static bool tell_letter(struct step *s, struct fetch *f, struct message *m)
{
    int code = m->gone ? E_NOT_FOUND : f->n ? open_letter(s, f, m) : 0;

    if (code < 0) {
        bool missing = code == E_NOT_FOUND && !m->unreadable;

        s->run->missing |= missing;
        if (!missing)
            work_damaged(s);
        letter_close(&f->letter);
        return true;
    }
    if (f->marks && !(m->flags & NAME_SEEN)) {
        uidset_add(&f->read, m->uid, m->uid);
        m->flags |= NAME_SEEN;
    }
    bool any = tell_front(s, f, m);
    if (f->n)
        return tell_texts(s, f, any);
    work_letter_end(s);
    return true;
}

/* ---- all of them ---- */

/* 1: at the end, 0: `out` is full, negative: failed. */
static int tell_rows(struct step *s, struct fetch *f)
{
    struct message m;
    uint32_t last = 0;
    bool whole = true;
    int more = 1;

    while (whole && !work_full(s) && (more = mailbox_next(s->w->box, &m, &s->err)) == 1) {
        last = m.uid;
        whole = tell_letter(s, f, &m);
    }
    if (last)
        uidset_remove(&s->run->todo, 1, last);
    return more < 0 ? more : more == 0 && whole;
}

static int tell_letters(struct step *s, struct fetch *f)
{
    uint64_t since = s->c->fetch.has_since ? s->c->fetch.since : 0;
    int code = step_begin(s, MAILBOX_READ);

    if (code < 0)
        return code;
    code = mailbox_scan(s->w->box, &s->run->todo, since, f->want, &s->err);
    if (code < 0)
        return code;
    code = tell_rows(s, f);
    mailbox_scan_end(s->w->box);
    return code;
}

/* Found out while they were told: from the next FETCH on what is said of them is true. */
static int correct_damaged(struct step *s, struct fetch *f)
{
    struct uidset_walk walk = uidset_walk(&f->damaged);
    struct message m = {0};
    int code = f->damaged.n ? step_begin(s, MAILBOX_READ) : 0;

    while (code == 0 && uidset_walk_next(&walk, &m.uid))
        code = mailbox_look_again(s->w->box, &m, WANT_SIZE, &s->err);
    uidset_clear(&f->damaged);
    return code;
}

/* A letter that cannot be marked has been read all the same. */
static int mark_read(struct step *s, struct fetch *f)
{
    struct mailbox_flags seen = {.flags = NAME_SEEN};
    uint64_t modseq;
    int code;

    if (!f->read.n)
        return 0;
    code = step_begin(s, MAILBOX_WRITE);
    if (code < 0)
        return code;
    code =
        mailbox_store(s->w->box, &f->read, STORE_ADD, seen, UINT64_MAX, NULL, &modseq, &s->err);
    if (code < 0) {
        step_abort(s);
        f->marks = false;
    }
    uidset_clear(&f->read);
    return 0;
}

enum work_state work_fetch(struct step *s)
{
    struct fetch *f = s->run->state;
    int code;

    if (!work_resolve(s))
        return WORK_DONE;
    if (!f)
        f = begin(s);
    if (f->letter.open && !tell_texts(s, f, true))
        return WORK_MORE;
    code = s->run->todo.n ? tell_letters(s, f) : 1;
    if (code < 0)
        return work_give_up(s, code);
    int corrected = code == 1 ? correct_damaged(s, f) : 0;
    if (corrected < 0)
        return work_give_up(s, corrected);
    if (mark_read(s, f) < 0)
        return WORK_DONE;
    return code == 1 ? work_ok(s, "FETCH completed") : WORK_MORE;
}
