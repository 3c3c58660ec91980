/* CREATE, DELETE, RENAME, SUBSCRIBE: RFC 3501 6.3.3 to 6.3.7; USE: RFC 6154 3. STATUS: RFC 3501
 * 6.3.10, RFC 7162 3.1.7, RFC 8438. */
#include "imapd/print.h"
#include "imapd/work_impl.h"

#include <stdlib.h>

static struct str maildir(const struct step *s)
{
    return str_c(s->w->maildir);
}

/* A name that cannot be a path is no mailbox: as one that is not there (I28). */
static enum work_state answer(struct step *s, int code, const char *completed)
{
    return code < 0 ? work_fail(s, code) : work_ok(s, completed);
}

enum work_state work_create(struct step *s)
{
    struct str id[1] = {STR_LIT("")};
    struct arena a;
    int code;

    if (s->c->create.has_use && s->c->create.use == USE_NONE)
        return work_say(s, WORK_NO, STR("USEATTR"), "A mailbox cannot be for that here");
    arena_init(&a);
    code = folders_create(s->w->all, maildir(s), s->c->mailbox,
                          s->c->create.has_use ? s->c->create.use : USE_NONE, id, &a, &s->err);
    arena_done(&a);
    if (code == E_DENIED)
        return work_say(s, WORK_NO, STR("USEATTR"), "There is a mailbox for that already");
    return answer(s, code, "CREATE completed");
}

enum work_state work_delete(struct step *s)
{
    int code = folders_delete(s->w->all, maildir(s), s->c->mailbox, &s->err);

    if (code == E_DENIED && str_eq(s->c->mailbox, STR("INBOX")))
        return work_say(s, WORK_NO, STR("CANNOT"), "INBOX stays");
    if (code == E_DENIED)
        return work_say(s, WORK_NO, STR("HASCHILDREN"), "There are mailboxes below it");
    return answer(s, code, "DELETE completed");
}

enum work_state work_rename(struct step *s)
{
    int code = folders_rename(s->w->all, maildir(s), s->c->mailbox, s->c->mailbox_to, &s->err);

    if (code == E_DENIED)
        return work_say(s, WORK_NO, STR("CANNOT"), "That name is INBOX's");
    return answer(s, code, "RENAME completed");
}

enum work_state work_subscribe(struct step *s)
{
    bool on = s->c->verb == VERB_SUBSCRIBE;
    int code = folders_subscribe(s->w->all, maildir(s), s->c->mailbox, on, &s->err);

    return answer(s, code, on ? "SUBSCRIBE completed" : "UNSUBSCRIBE completed");
}

/* ---- STATUS ---- */

static int ask(struct step *s, struct str folder, unsigned items, struct mailbox_state *out)
{
    struct mailbox *b = NULL;
    int code = mailbox_open(s->w->all, maildir(s), folder, &b, &s->err);

    if (code == 0)
        code = mailbox_begin(b, MAILBOX_READ, &s->err);
    if (code == 0) {
        code = mailbox_state(b, items & STATUS_SIZE ? STATE_OCTETS : 0U, out, &s->err);
        if (code < 0)
            mailbox_abort(b);
        else
            code = mailbox_end(b, &s->err); /* the strings of *out are gone */
    }
    mailbox_close(b);
    return code;
}

static void print_status(struct buf *out, unsigned items, const struct mailbox_state *state)
{
    const struct {
        unsigned item;
        struct str name;
        uint64_t value;
    } table[] = {
        {STATUS_MESSAGES,      STR_LIT("MESSAGES "),      state->exists     },
        {STATUS_RECENT,        STR_LIT("RECENT "),        state->recent     },
        {STATUS_UIDNEXT,       STR_LIT("UIDNEXT "),       state->uidnext    },
        {STATUS_UIDVALIDITY,   STR_LIT("UIDVALIDITY "),   state->uidvalidity},
        {STATUS_UNSEEN,        STR_LIT("UNSEEN "),        state->unseen     },
        {STATUS_DELETED,       STR_LIT("DELETED "),       state->deleted    },
        {STATUS_SIZE,          STR_LIT("SIZE "),          state->octets     },
        {STATUS_HIGHESTMODSEQ, STR_LIT("HIGHESTMODSEQ "),
         state->highestmodseq ? state->highestmodseq : 1                    },
    };
    bool any = false;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (!(items & table[i].item))
            continue;
        if (any)
            buf_add_byte(out, ' ');
        any = true;
        buf_add(out, table[i].name);
        buf_add_number(out, table[i].value);
    }
}

int work_tell_status(struct step *s, struct str folder, unsigned items)
{
    struct mailbox_state state;
    int code = ask(s, folder, items, &state);

    if (code < 0)
        return code;
    buf_add(s->out, STR("* STATUS "));
    work_print_mailbox(s->out, folder);
    buf_add(s->out, STR(" ("));
    print_status(s->out, items, &state);
    buf_add(s->out, STR(")\r\n"));
    return 0;
}

enum work_state work_status(struct step *s)
{
    return answer(s, work_tell_status(s, s->c->mailbox, s->c->status.items),
                  "STATUS completed");
}
