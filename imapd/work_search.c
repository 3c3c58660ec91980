/*
 * SEARCH: RFC 3501 6.4.4, 7.2.5, ESEARCH of RFC 4731, MODSEQ of RFC 7162 3.1.5.
 *
 *   prepare() ──▶ search_run(), WORK_SEARCH_ROWS a step ──▶ highest()
 *             ──▶ tell(), as long as `out` has room
 */
#include "imapd/print.h"
#include "imapd/work_impl.h"
#include "mail/envelope.h"

struct hunt {
    struct search *search;
    struct uidset among, hits; /* hits: UIDs, then what is told of them */
    uint64_t modseq;           /* the highest of them */
    bool found, told_front;
    uint32_t range, number; /* the next one to be told */
};

static void hunt_done(void *state)
{
    struct hunt *h = state;

    search_done(h->search);
    uidset_done(&h->among);
    uidset_done(&h->hits);
}

/* \Recent is the session's: its letters by their UIDs. */
static void resolve_recent(struct step *s, struct search_key *key)
{
    for (; key; key = key->next) {
        if (key->op == SEARCH_RECENT) {
            key->op = SEARCH_UIDS;
            uidset_copy(&key->uids, &s->w->view.recent);
        }
        resolve_recent(s, key->kids);
    }
}

static bool resolve_sets(struct step *s)
{
    bool good = true;

    for (struct search_set *set = s->c->search.sets; set && good; set = set->next)
        good = view_resolve(&s->w->view, &set->set, set->uid, &set->key->uids);
    for (struct search_set *set = s->c->search.sets; set && !good; set = set->next)
        uidset_done(&set->key->uids);
    return good;
}

static struct hunt *prepare(struct step *s)
{
    struct hunt *h = ARENA_NEW(&s->run->arena, struct hunt);

    resolve_recent(s, s->c->search.tree);
    uidset_copy(&h->among, &s->w->view.uids);
    h->search = search_new(s->c->search.tree, &s->run->arena);
    s->run->state = h;
    s->run->state_done = hunt_done;
    return h;
}

static int hunt_on(struct step *s, struct hunt *h)
{
    int code = step_begin(s, MAILBOX_READ);

    return code < 0 ? code
                    : search_run(h->search, s->w->box, &h->among, WORK_SEARCH_ROWS, &h->hits,
                                 &h->modseq, &s->err);
}

/* With MIN or MAX alone, the mod-sequence is that of those letters (RFC 4731 3.2). */
static int highest_of_ends(struct step *s, struct hunt *h)
{
    unsigned returns = s->c->search.returns;
    struct uidset ends = {0};
    struct message m;
    int code;

    if (!s->c->search.modseq || !h->hits.n || !(returns & (SEARCH_MIN | SEARCH_MAX)) ||
        (returns & (SEARCH_RETURN_ALL | SEARCH_COUNT)))
        return 0;
    if (returns & SEARCH_MIN)
        uidset_add(&ends, h->hits.ranges[0].first, h->hits.ranges[0].first);
    if (returns & SEARCH_MAX)
        uidset_add(&ends, uidset_last(&h->hits), uidset_last(&h->hits));
    h->modseq = 0;
    code = mailbox_scan(s->w->box, &ends, 0, 0, &s->err);
    if (code == 0) {
        while ((code = mailbox_next(s->w->box, &m, &s->err)) == 1)
            h->modseq = m.modseq > h->modseq ? m.modseq : h->modseq;
        mailbox_scan_end(s->w->box);
    }
    uidset_done(&ends);
    return code;
}

/* By number or by UID, as the command was. */
static void to_numbers(struct step *s, struct hunt *h)
{
    struct uidset numbers = {0};

    if (s->c->uid)
        return;
    view_numbers(&s->w->view, &h->hits, &numbers);
    uidset_done(&h->hits);
    h->hits = numbers;
}

/* ---- "* SEARCH 2 84 882 (MODSEQ 917)" ---- */

static enum work_state tell_numbers(struct step *s, struct hunt *h)
{
    if (!h->told_front)
        buf_add(s->out, STR("* SEARCH"));
    h->told_front = true;
    for (; h->range < h->hits.n; h->range++, h->number = 0) {
        const struct uidrange *r = &h->hits.ranges[h->range];

        for (h->number = h->number ? h->number : r->first;; h->number++) {
            if (work_full(s))
                return WORK_MORE;
            buf_add_byte(s->out, ' ');
            buf_add_number(s->out, h->number);
            if (h->number == r->last)
                break;
        }
    }
    if (s->c->search.modseq && h->hits.n) {
        buf_add(s->out, STR(" (MODSEQ "));
        buf_add_number(s->out, h->modseq);
        buf_add_byte(s->out, ')');
    }
    buf_add(s->out, STR("\r\n"));
    return WORK_DONE;
}

/* ---- "* ESEARCH (TAG "a") UID MIN 1 MAX 9 COUNT 3 ALL 1:2,9 MODSEQ 917" ---- */

static void tell_result(struct step *s, struct str name, uint64_t n)
{
    buf_add(s->out, name);
    buf_add_number(s->out, n);
}

static void tell_front(struct step *s, struct hunt *h, unsigned returns)
{
    uint32_t n = uidset_count(&h->hits);

    buf_add(s->out, STR("* ESEARCH (TAG "));
    imap_string(s->out, s->c->tag);
    buf_add(s->out, s->c->uid ? STR(") UID") : STR(")"));
    if (n && (returns & SEARCH_MIN))
        tell_result(s, STR(" MIN "), h->hits.ranges[0].first);
    if (n && (returns & SEARCH_MAX))
        tell_result(s, STR(" MAX "), uidset_last(&h->hits));
    if (returns & SEARCH_COUNT)
        tell_result(s, STR(" COUNT "), n);
    if (n && s->c->search.modseq)
        tell_result(s, STR(" MODSEQ "), h->modseq);
    h->told_front = true;
}

static enum work_state tell_extended(struct step *s, struct hunt *h)
{
    unsigned returns = s->c->search.returns ? s->c->search.returns : SEARCH_RETURN_ALL;

    if (!h->told_front)
        tell_front(s, h, returns);
    for (; (returns & SEARCH_RETURN_ALL) && h->range < h->hits.n; h->range++) {
        const struct uidrange *r = &h->hits.ranges[h->range];

        if (work_full(s))
            return WORK_MORE;
        tell_result(s, h->range ? STR(",") : STR(" ALL "), r->first);
        if (r->last > r->first)
            tell_result(s, STR(":"), r->last);
    }
    buf_add(s->out, STR("\r\n"));
    return WORK_DONE;
}

static enum work_state tell(struct step *s, struct hunt *h)
{
    enum work_state state = s->c->search.extended ? tell_extended(s, h) : tell_numbers(s, h);

    return state == WORK_MORE ? state : work_ok(s, "SEARCH completed");
}

enum work_state work_search(struct step *s)
{
    struct hunt *h = s->run->state;
    int code;

    if (s->c->bad_charset)
        return work_say(s, WORK_NO, STR("BADCHARSET (UTF-8 US-ASCII)"),
                        "That charset is not known");
    if (!h && !resolve_sets(s))
        return work_say(s, WORK_BAD, STR(""), "There is no letter with that number");
    if (!h)
        h = prepare(s);
    if (h->found)
        return tell(s, h);
    code = hunt_on(s, h);
    if (code == 1)
        return WORK_MORE;
    if (code == 0)
        code = highest_of_ends(s, h);
    if (code < 0)
        return work_give_up(s, code);
    h->found = true;
    to_numbers(s, h);
    return tell(s, h);
}
