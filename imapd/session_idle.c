/* IDLE (RFC 2177): the client waits for news, and ends that with DONE. */
#include "imapd/session_impl.h"

void cmd_idle(struct imap_session *s)
{
    buf_add(&s->out, STR("+ idling\r\n"));
    s->mode = IN_IDLE;
    imap_notice(s); /* what has changed since the last command is news too */
}

/* VERB_SYNC is no client's: what it finds is told, and no more. */
static void look(struct imap_session *s)
{
    s->noticed = false;
    s->command = (struct command){.verb = VERB_SYNC};
    session_want_work(s);
}

/* DONE, and nothing else (I23). */
bool session_run_idle(struct imap_session *s)
{
    struct str line = STR("");
    enum frame_event event;

    if (s->noticed) {
        look(s);
        return true;
    }
    event = frame_line(&s->frame, IDLE_LINE_BYTES, &line);
    if (event == FRAME_MORE)
        return false;
    s->mode = AT_COMMAND;
    session_hear_line(s, line, false);
    if (event == FRAME_TOO_LONG)
        session_bye(s, "[TOOBIG] the line is too long");
    else if (event == FRAME_COMMAND && str_eq_nocase(line, STR("DONE")))
        session_ok(s, "IDLE has ended");
    else
        session_bad(s, "IDLE ends with DONE");
    return true;
}
