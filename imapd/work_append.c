/* APPEND: RFC 3501 6.3.11, APPENDUID of RFC 4315 3. The literal comes in pieces, one a step. */
#include "imapd/work_impl.h"
#include "store/append.h"

struct draft {
    struct append *append;
};

static void draft_done(void *state)
{
    struct draft *d = state;

    append_free(d->append);
}

static int begin(struct step *s, struct draft *d)
{
    return append_open(s->w->all, str_c(s->w->maildir), s->c->mailbox, s->c->append.octets,
                       s->w->quota_octets, s->w->quota_letters, &d->append, &s->err);
}

static enum work_state commit(struct step *s, struct draft *d)
{
    const struct command *c = s->c;
    uint32_t uid = 0, uidvalidity = 0;
    int code = append_commit(
        d->append, c->append.flags.flags, c->append.flags.keywords, c->append.flags.n,
        c->append.has_date ? c->append.internaldate : INT64_MIN, &uid, &uidvalidity, &s->err);

    if (code < 0)
        return code == E_NOT_FOUND
                   ? work_say(s, WORK_NO, STR("TRYCREATE"), "There is no such mailbox")
                   : work_fail(s, code);
    return work_say(s, WORK_OK,
                    arena_printf(&s->run->arena, "APPENDUID %lu %lu",
                                 (unsigned long)uidvalidity, (unsigned long)uid),
                    "APPEND completed");
}

enum work_state work_append(struct step *s)
{
    struct draft *d = s->run->state;
    int code = 0;

    if (s->r->append_cancel)
        return work_ok(s, "given up"); /* and the draft with the run */
    if (!d) {
        d = ARENA_NEW(&s->run->arena, struct draft);
        s->run->state = d;
        s->run->state_done = draft_done;
        code = begin(s, d);
    }
    if (code == E_NOT_FOUND)
        return work_say(s, WORK_NO, STR("TRYCREATE"), "There is no such mailbox");
    if (code == 0 && s->r->append_piece.n)
        code = append_add(d->append, s->r->append_piece, &s->err);
    if (code == E_SYNTAX)
        return work_say(s, WORK_NO, STR("CANNOT"), "A letter has no NUL in it");
    if (code < 0)
        return work_fail(s, code);
    return s->r->append_end ? commit(s, d) : WORK_MORE;
}
