/* SELECT, EXAMINE, CLOSE, UNSELECT: RFC 3501 6.3.1, 6.3.2, 6.4.2, RFC 3691, RFC 7162 3.1.2. */
#include "imapd/print.h"
#include "imapd/work_impl.h"

static void tell_code(struct buf *out, struct str code, uint64_t n, struct str text)
{
    buf_add(out, STR("* OK ["));
    buf_add(out, code);
    buf_add_byte(out, ' ');
    buf_add_number(out, n);
    buf_add(out, STR("] "));
    buf_add(out, text);
    buf_add(out, STR("\r\n"));
}

static void tell_count(struct buf *out, uint32_t n, struct str what)
{
    buf_add(out, STR("* "));
    buf_add_number(out, n);
    buf_add(out, what);
}

static void tell_mailbox(struct step *s)
{
    const struct view *v = &s->w->view;
    const struct mailbox_state *state = &s->state;
    uint32_t unseen = uidset_rank(&v->uids, state->first_unseen);

    s->w->keywords_told = 0;
    work_tell_keywords(s);
    tell_count(s->out, uidset_count(&v->uids), STR(" EXISTS\r\n"));
    tell_count(s->out, uidset_count(&v->recent), STR(" RECENT\r\n"));
    if (unseen)
        tell_code(s->out, STR("UNSEEN"), unseen, STR("The first that has not been read"));
    tell_code(s->out, STR("UIDVALIDITY"), state->uidvalidity, STR("UIDs are valid"));
    tell_code(s->out, STR("UIDNEXT"), state->uidnext, STR("The next UID"));
    tell_code(s->out, STR("HIGHESTMODSEQ"), state->highestmodseq ? state->highestmodseq : 1,
              STR("Mod-sequences are kept"));
}

/* What is there, into the view; recent letters become ours in a SELECT. */
static int look(struct step *s, struct mailbox *b, bool claim)
{
    uint32_t first;
    struct view *v = &s->w->view;
    int code = mailbox_state(b, STATE_FIRST_UNSEEN, &s->state, &s->err);

    first = s->state.first_recent;
    if (code == 0 && claim)
        code = mailbox_claim_recent(b, &first, &s->err);
    if (code == 0)
        code = mailbox_uids(b, 1, &v->uids, &s->err);
    if (code < 0)
        return code;
    uidset_copy(&v->recent, &v->uids);
    if (first > 1)
        uidset_remove(&v->recent, 1, first - 1);
    v->uidvalidity = s->state.uidvalidity;
    v->modseq = s->state.highestmodseq;
    return 0;
}

/* Most have no recent letters, so nothing is written. */
static bool has_recent(struct step *s, struct mailbox *b)
{
    return mailbox_state(b, 0, &s->state, &s->err) == 0 && s->state.recent > 0;
}

static int begin(struct step *s, struct mailbox *b, bool *claim)
{
    int code = mailbox_begin(b, MAILBOX_READ, &s->err);

    if (code == 0 && *claim && (*claim = has_recent(s, b))) {
        code = mailbox_end(b, &s->err);
        if (code == 0)
            code = mailbox_begin(b, MAILBOX_WRITE, &s->err);
    }
    return code;
}

static int open_mailbox(struct step *s)
{
    struct work *w = s->w;
    struct mailbox *b = NULL;
    bool claim = s->c->verb == VERB_SELECT;
    size_t mark = s->out->n;
    int code = mailbox_open(w->all, str_c(w->maildir), s->c->mailbox, &b, &s->err);

    if (code < 0)
        return code;
    w->read_only = !claim;
    code = begin(s, b, &claim);
    if (code == 0 && (code = look(s, b, claim)) < 0)
        mailbox_abort(b);
    else if (code == 0) {
        tell_mailbox(s); /* keywords are valid until the end */
        code = mailbox_end(b, &s->err);
    }
    w->box = b;
    if (code < 0) {
        s->out->n = mark;
        work_drop_mailbox(w);
    }
    return code;
}

/* RFC 7162 3.2.11; RFC 3501 6.3.1: what was selected is so no more, also when this fails. */
static bool leave(struct step *s)
{
    if (!s->w->box)
        return false;
    work_drop_mailbox(s->w);
    buf_add(s->out, STR("* OK [CLOSED] The mailbox before is closed\r\n"));
    return true;
}

enum work_state work_select(struct step *s)
{
    bool left = leave(s);
    int code = open_mailbox(s);

    if (code == 0 && s->w->read_only)
        return work_say(s, WORK_OK, STR("READ-ONLY"), "EXAMINE completed");
    if (code == 0)
        return work_say(s, WORK_OK, STR("READ-WRITE"), "SELECT completed");
    s->run->result.closed = left;
    return work_fail(s, code);
}

/* Looked at first: most have nothing marked. */
static int expunge_silently(struct step *s)
{
    struct uidset gone = {0};
    int code = step_begin(s, MAILBOX_READ);

    if (code < 0 || !s->state.deleted)
        return code;
    if ((code = step_begin(s, MAILBOX_WRITE)) < 0)
        return code;
    code = mailbox_expunge(s->w->box, &s->w->view.uids, &gone, &s->err);
    uidset_done(&gone);
    return code;
}

/* The letters that are marked go without a word (RFC 3501 6.4.2). */
enum work_state work_close(struct step *s)
{
    int code = 0;

    if (s->c->verb == VERB_CLOSE && !s->w->read_only) {
        code = expunge_silently(s);
        if (code == 0)
            code = step_end(s);
        else
            step_abort(s);
    }
    if (code < 0 && !s->run->lost)
        return work_fail(s, code);
    work_drop_mailbox(s->w);
    s->run->result.closed = true;
    return work_ok(s, s->c->verb == VERB_CLOSE ? "CLOSE completed" : "UNSELECT completed");
}
