/*
 * Brings a client up to date at the end of a command, and in NOOP and IDLE (RFC 3501 5.2, 7.3,
 * 7.4).
 *
 *   flags ──▶ tell_flags(), a step as long as `out` has room; the view stands still
 *     │
 *   letters ─▶ look_for_letters(): who has gone, who is new; the mailbox is closed, and only
 *     │        when that went well the view moves: EXISTS, RECENT
 *     │
 *   expunged ▶ "* n EXPUNGE", where the command allows it; else they stay in view->gone
 *
 * Everything up to the mod-sequence that was the highest at the begin has been told then. What
 * changes meanwhile is told the next time, some of it twice.
 */
#include "imapd/print.h"
#include "imapd/work_impl.h"

/* What we changed ourselves, and the client knows already. */
static bool is_quiet(const struct run *run, unsigned *at, const struct message *m)
{
    while (*at < run->nquiet && run->quiet[*at].upto < m->uid)
        (*at)++;
    return *at < run->nquiet && m->modseq <= run->quiet[*at].modseq &&
           uidset_has(&run->asked, m->uid);
}

static void tell_row(struct step *s, const struct message *m, unsigned *quiet)
{
    bool named = s->c->uid || s->r->condstore;

    if (is_quiet(s->run, quiet, m))
        return;
    work_letter_begin(
        s, m, FETCH_FLAGS | (named ? FETCH_UID : 0U) | (s->r->condstore ? FETCH_MODSEQ : 0U));
    work_letter_end(s);
}

/* To find what has changed may mean to sort it, so that is done once: what does not go out now
 * is kept as a set. */
static int tell_changed(struct step *s)
{
    struct message m;
    unsigned quiet = 0;
    uint64_t since = s->run->own_upto ? s->run->own_upto : s->run->sync.since;
    int more, code = mailbox_scan(s->w->box, &s->w->view.uids, since, 0, &s->err);

    if (code < 0)
        return code;
    while ((more = mailbox_next(s->w->box, &m, &s->err)) == 1) {
        if (work_full(s))
            uidset_add(&s->run->sync.rest, m.uid, m.uid);
        else
            tell_row(s, &m, &quiet);
    }
    mailbox_scan_end(s->w->box);
    s->run->sync.scanned = true;
    return more;
}

static int tell_rest(struct step *s)
{
    struct uidset *rest = &s->run->sync.rest;
    struct message m;
    unsigned quiet = 0;
    uint32_t last = 0;
    int more = 1, code = mailbox_scan(s->w->box, rest, 0, 0, &s->err);

    if (code < 0)
        return code;
    while (!work_full(s) && (more = mailbox_next(s->w->box, &m, &s->err)) == 1) {
        tell_row(s, &m, &quiet);
        last = m.uid;
    }
    mailbox_scan_end(s->w->box);
    if (more == 0)
        uidset_clear(rest);
    else if (last)
        uidset_remove(rest, 1, last);
    return more < 0 ? more : 0;
}

/* 1: all told, 0: there are more, negative: failed. */
static int tell_flags(struct step *s)
{
    int code = s->run->sync.scanned ? tell_rest(s) : tell_changed(s);

    return code < 0 ? code : !s->run->sync.rest.n;
}

static int look_for_fresh(struct step *s, struct uidset *fresh)
{
    uint32_t last = uidset_last(&s->w->view.uids);

    uidset_clear(fresh);
    return last == UINT32_MAX ? 0 : mailbox_uids(s->w->box, last + 1, fresh, &s->err);
}

/* Letters are recent to the first session that is told of them (RFC 3501 2.3.2). */
static int claim(struct step *s, struct uidset *fresh, struct uidset *recent)
{
    uint32_t first = s->state.first_recent;
    int code = 0;

    if (!uidset_count(fresh) || uidset_last(fresh) < first)
        return 0;
    if (!s->w->read_only && (code = step_begin(s, MAILBOX_WRITE)) == 0 &&
        (code = look_for_fresh(s, fresh)) == 0)
        code = mailbox_claim_recent(s->w->box, &first, &s->err);
    if (code < 0)
        return code;
    uidset_copy(recent, fresh);
    if (first > 1)
        uidset_remove(recent, 1, first - 1);
    return 0;
}

static int look_for_gone(struct step *s, struct uidset *gone)
{
    int code = mailbox_expunged_since(s->w->box, s->run->sync.since, gone, &s->err);
    struct uidset there = {0};

    if (code != E_NOT_FOUND)
        return code;
    uidset_copy(gone, &s->w->view.uids);
    code = mailbox_uids(s->w->box, 1, &there, &s->err);
    uidset_subtract(gone, &there);
    uidset_done(&there);
    return code;
}

static void tell_counts(struct step *s)
{
    buf_add(s->out, STR("* "));
    buf_add_number(s->out, uidset_count(&s->w->view.uids));
    buf_add(s->out, STR(" EXISTS\r\n* "));
    buf_add_number(s->out, uidset_count(&s->w->view.recent));
    buf_add(s->out, STR(" RECENT\r\n"));
}

static int look_for_letters(struct step *s)
{
    struct uidset fresh = {0}, recent = {0}, gone = {0};
    struct view *v = &s->w->view;
    int code = look_for_fresh(s, &fresh);

    if (code == 0)
        code = claim(s, &fresh, &recent);
    if (code == 0)
        code = look_for_gone(s, &gone);
    if (code == 0)
        code = step_end(s);
    if (code == 0) {
        view_lose(v, &gone);
        view_grow(v, &fresh, &recent);
        v->modseq = s->run->sync.upto;
        if (fresh.n)
            tell_counts(s);
    }
    uidset_done(&fresh);
    uidset_done(&recent);
    uidset_done(&gone);
    return code;
}

/* 1: done with it, 0: a step more. */
static int read_mailbox(struct step *s)
{
    int code = step_begin(s, MAILBOX_READ);

    if (code == 0) /* the command may have changed it in this step */
        code = mailbox_state(s->w->box, 0, &s->state, &s->err);
    if (code < 0)
        return code;
    if (!s->run->sync.begun) {
        s->run->sync.begun = true;
        s->run->sync.since = s->w->view.modseq;
        s->run->sync.upto = s->state.highestmodseq;
    }
    if (s->run->sync.since == s->run->sync.upto)
        code = step_end(s);
    else if ((code = tell_flags(s)) == 1)
        code = look_for_letters(s);
    else if (code == 0)
        return 0;
    return code < 0 ? code : 1;
}

/* What the command itself did stands, unless it was done in the transaction that failed. */
static void failed(struct step *s, int code, bool shared, const struct work_result *result)
{
    if (s->begun) {
        step_abort(s);
        s->out->n = s->mark;
        work_fail(s, code);
    }
    if (shared && !s->run->lost)
        return;
    s->run->result = *result;
    if (s->run->lost)
        s->run->result.text = STR("The selected mailbox is no more");
}

enum work_state work_sync(struct step *s)
{
    struct work_result result = s->run->result;
    bool shared = s->begun && s->mode == MAILBOX_WRITE;

    if (!s->run->sync.told) {
        int code = read_mailbox(s);

        if (code < 0)
            failed(s, code, shared, &result);
        if (code <= 0)
            return code == 0 ? WORK_MORE : WORK_DONE;
        s->run->sync.told = true;
    }
    if (!work_tells_expunged(s))
        return WORK_DONE;
    return view_tell_expunged(&s->w->view, s->out, WORK_OUT_BYTES) ? WORK_DONE : WORK_MORE;
}
