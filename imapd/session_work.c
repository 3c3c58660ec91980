/* What work has found out, as the client is told it. */
#include "imapd/session_impl.h"

/* The mailbox is no more, and this command did not ask for that. */
static bool taken_away(enum verb verb)
{
    switch ((int)verb) {
    case VERB_SELECT:
    case VERB_EXAMINE:
    case VERB_CLOSE:
    case VERB_UNSELECT:
    case VERB_DELETE:
    case VERB_RENAME:
        return false;
    default:
        return true;
    }
}

static void tell(struct imap_session *s, const struct work_result *r)
{
    static const char *const words[] = {[WORK_OK] = "OK", [WORK_NO] = "NO", [WORK_BAD] = "BAD"};

    buf_addf(&s->out, "%.*s %s ", s->tag_n, s->tag, words[r->status]);
    if (r->code.n) {
        buf_add_byte(&s->out, '[');
        buf_add(&s->out, r->code);
        buf_add(&s->out, STR("] "));
    }
    buf_add(&s->out, r->text.n ? r->text : STR("done"));
    buf_add(&s->out, STR("\r\n"));
}

/* The mailbox that is selected, after the command. */
void session_work_done(struct imap_session *s, const struct work_result *result)
{
    if (result->closed)
        s->state = STATE_USER;
    if (result->selected)
        s->state = STATE_SELECTED;
    if (s->command.verb != VERB_SYNC)
        tell(s, result);
    if (result->status == WORK_OK)
        s->bad = 0;
    if (result->closed && !result->selected && taken_away(s->command.verb))
        session_bye(s, "the mailbox has been taken away");
}
