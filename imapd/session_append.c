/*
 * APPEND (RFC 3501 6.3.11): a letter comes in pieces, and none of it is kept here.
 *
 *   {n} ─ parsed, size looked at ──▶ APPEND_ASKED: may it come?
 *                                      │       │
 *                                      │       └─ NO: refused before it is sent,
 *                                      │          or passed over (LITERAL+)
 *                                      ▼
 *                          WORK_MORE: "+ go on"
 *                          FRAME_PIECE, work, FRAME_PIECE, work … APPENDING
 *                                      │
 *                            CRLF ┌────┴────┐ something else
 *                                 ▼         ▼
 *           APPEND_ENDS: append_end         APPEND_ENDS: append_cancel, BAD
 */
#include "imapd/session_impl.h"

enum { PASS_BYTES = 1 << 30 }; /* of a letter that is too large, for who does not wait */

static void ask(struct imap_session *s, enum mode mode, struct work_request r)
{
    r.command = &s->command;
    r.condstore = s->condstore;
    s->req.work = r;
    s->mode = mode;
    s->want = IMAP_WANT_WORK;
}

/* The letter is not wanted, and that has been told. */
static void turn_away(struct imap_session *s)
{
    if (s->mode == CLOSED)
        return;
    s->mode = AT_COMMAND;
    if (!s->frame.synchronizing && s->frame.octets > PASS_BYTES)
        session_bye(s, "[TOOBIG] that is too much to be passed over");
    else
        frame_refuse(&s->frame);
}

/* "{n}" of the letter has come. */
void session_append_literal(struct imap_session *s)
{
    struct command *c = &s->command;
    const char *why;

    arena_reset(&s->arena);
    if (!parse_append(arena_dup(&s->arena, s->frame.text), &s->arena, c, &why)) {
        session_bad(s, s->frame.octets > SIZE_MAX / 2 ? "[TOOBIG] a number is too large" : why);
        turn_away(s);
    } else if (c->append.octets > s->config->letter_bytes) {
        session_no(s, "[TOOBIG] the message is too large");
        turn_away(s);
    } else if (c->append.octets == 0) {
        session_no(s, "[CANNOT] a message of no octets is none");
        turn_away(s);
    } else {
        ask(s, APPEND_ASKED, (struct work_request){.append_begin = true});
    }
}

static void give_up(struct imap_session *s, const char *why)
{
    s->append_why = why;
    ask(s, APPEND_ENDS, (struct work_request){.append_cancel = true});
}

bool session_run_append(struct imap_session *s)
{
    switch (frame_next(&s->frame)) {
    case FRAME_MORE:
        return false;
    case FRAME_PIECE:
        ask(s, APPENDING, (struct work_request){.append_piece = s->frame.text});
        break;
    case FRAME_COMMAND:
        s->append_why = NULL;
        if (s->frame.text.n)
            give_up(s, "nothing may stand behind the message");
        else
            ask(s, APPEND_ENDS, (struct work_request){.append_end = true});
        break;
    case FRAME_LITERAL:
        frame_refuse(&s->frame);
        give_up(s, "one message at a time: MULTIAPPEND is not offered");
        break;
    case FRAME_BAD:
        give_up(s, "lines end in CRLF, and hold no NUL, CR or LF");
        break;
    case FRAME_TOO_LONG:
        session_bye(s, "[TOOBIG] the line is too long");
        break;
    }
    return true;
}

/* Work has something to say in the middle. */
static void go_on(struct imap_session *s)
{
    if (s->mode == APPEND_ENDS) {
        s->again = true;
        return;
    }
    if (s->mode == APPEND_ASKED) {
        if (s->frame.synchronizing)
            buf_add(&s->out, STR("+ go on\r\n"));
        frame_stream(&s->frame);
    }
    s->mode = APPENDING;
}

void session_append_answered(struct imap_session *s, enum work_state state,
                             const struct work_result *result)
{
    enum mode mode = s->mode;

    if (state == WORK_MORE) {
        go_on(s);
        return;
    }
    s->mode = AT_COMMAND;
    if (s->append_why && mode == APPEND_ENDS)
        session_bad(s, s->append_why);
    else
        session_work_done(s, result);
    s->append_why = NULL;
    if (mode != APPEND_ENDS && s->mode != CLOSED)
        frame_refuse(&s->frame);
}
