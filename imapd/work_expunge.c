/* EXPUNGE: RFC 3501 6.4.3, UID EXPUNGE: RFC 4315 2.1. The EXPUNGE responses are sync's. */
#include "imapd/work_impl.h"

/* Only letters that the client has been told of: nobody throws away what he has not seen come.
 */
static int expunge(struct step *s)
{
    struct uidset gone = {0};
    int code = step_begin(s, MAILBOX_READ);

    if (code < 0 || !s->state.deleted)
        return code;
    if ((code = step_begin(s, MAILBOX_WRITE)) < 0)
        return code;
    code = mailbox_expunge(s->w->box, s->c->uid ? &s->run->asked : &s->w->view.uids, &gone,
                           &s->err);
    uidset_done(&gone);
    return code;
}

enum work_state work_expunge(struct step *s)
{
    int code;

    if (s->c->uid && !work_resolve(s))
        return WORK_DONE;
    if (s->w->read_only)
        return work_say(s, WORK_NO, STR("READ-ONLY"), "The mailbox is open for reading only");
    code = expunge(s);
    return code < 0 ? work_give_up(s, code) : work_ok(s, "EXPUNGE completed");
}
