/* COPY and MOVE: RFC 3501 6.4.7, RFC 6851, COPYUID of RFC 4315 3. */
#include "imapd/work_impl.h"

/* "COPYUID 38505 304,319:320 3956:3958"; nothing where it would be too long for any client. */
static struct str copyuid(struct step *s, const struct mailbox_copied *copied)
{
    struct buf text;
    struct str code;

    buf_init(&text, WORK_CODE_BYTES);
    buf_addf(&text, "COPYUID %u ", copied->uidvalidity);
    uidset_print(&text, &copied->from);
    buf_add_byte(&text, ' ');
    uidset_print(&text, &copied->to);
    code = buf_failed(&text) || !copied->from.n ? STR("")
                                                : arena_dup(&s->run->arena, buf_str(&text));
    buf_done(&text);
    return code;
}

/* A COPY is done for all or for none (RFC 3501 6.4.7), so for none where others have expunged
 * one that was named by its number (RFC 2180 4.4.2). */
static int all_there(struct step *s, bool *there)
{
    struct uidset missing = {0}, have = {0};
    int code = 0;

    *there = true;
    if (!s->c->uid) {
        code = mailbox_uids(s->w->box, 1, &have, &s->err);
        uidset_copy(&missing, &s->run->asked);
        uidset_subtract(&missing, &have);
        *there = missing.n == 0;
    }
    uidset_done(&missing);
    uidset_done(&have);
    return code;
}

static enum work_state failed(struct step *s, int code)
{
    bool lost = s->run->lost;

    work_give_up(s, code);
    if (code == E_NOT_FOUND && !lost)
        work_say(s, WORK_NO, STR("TRYCREATE"), "There is no such mailbox");
    return WORK_DONE;
}

/* The untagged OK stands before the EXPUNGEs (RFC 6851 4.3). */
static enum work_state completed(struct step *s, const struct mailbox_copied *copied)
{
    struct str code = copyuid(s, copied);

    if (s->c->verb == VERB_COPY)
        return work_say(s, WORK_OK, code, "COPY completed");
    if (code.n) {
        buf_add(s->out, STR("* OK ["));
        buf_add(s->out, code);
        buf_add(s->out, STR("] Moved\r\n"));
    }
    return work_ok(s, "MOVE completed");
}

static enum work_state copy(struct step *s)
{
    struct mailbox_copied copied = {0};
    bool there, move = s->c->verb == VERB_MOVE;
    enum work_state state;
    int code = step_begin(s, MAILBOX_WRITE);

    if (code == 0)
        code = all_there(s, &there);
    if (code == 0 && !there)
        return work_say(s, WORK_NO, STR("EXPUNGEISSUED"), "Some of the letters are no more");
    if (code == 0) { /* else it may have gone */
        mailbox_limit(s->w->box, s->w->quota_octets, s->w->quota_letters);
        code = mailbox_copy(s->w->box, &s->run->asked, s->c->mailbox, move, &copied, &s->err);
    }
    state = code < 0 ? failed(s, code) : completed(s, &copied);
    uidset_done(&copied.from);
    uidset_done(&copied.to);
    return state;
}

enum work_state work_copy(struct step *s)
{
    if (!work_resolve(s))
        return WORK_DONE;
    if (s->c->verb == VERB_MOVE && s->w->read_only)
        return work_say(s, WORK_NO, STR("READ-ONLY"), "The mailbox is open for reading only");
    if (!s->run->asked.n)
        return work_ok(s, "There are no such letters");
    return copy(s);
}
