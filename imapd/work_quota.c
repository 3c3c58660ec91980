/* GETQUOTA, GETQUOTAROOT: RFC 2087. A user has one quota, whose root is "". */
#include "imapd/print.h"
#include "imapd/work_impl.h"
#include "store/quota.h"

enum { STORAGE_OCTETS = 1024 }; /* a unit of STORAGE */

static void resource(struct buf *out, struct str name, uint64_t used, uint64_t limit)
{
    buf_add(out, name);
    buf_add_byte(out, ' ');
    buf_add_number(out, used);
    buf_add_byte(out, ' ');
    buf_add_number(out, limit);
}

/* Only what is limited is a resource. */
static int tell_quota(struct step *s)
{
    const struct work *w = s->w;
    struct quota_usage used = {0};
    int code = 0;

    if (w->quota_octets || w->quota_letters)
        code = folders_usage(w->all, str_c(w->maildir), &used, &s->err);
    if (code < 0)
        return code;
    buf_add(s->out, STR("* QUOTA \"\" ("));
    if (w->quota_octets)
        resource(s->out, STR("STORAGE"), (used.octets + STORAGE_OCTETS - 1) / STORAGE_OCTETS,
                 w->quota_octets / STORAGE_OCTETS);
    if (w->quota_octets && w->quota_letters)
        buf_add_byte(s->out, ' ');
    if (w->quota_letters)
        resource(s->out, STR("MESSAGE"), used.letters, w->quota_letters);
    buf_add(s->out, STR(")\r\n"));
    return 0;
}

static int tell_root(struct step *s)
{
    struct mailbox *b = NULL;
    int code = mailbox_open(s->w->all, str_c(s->w->maildir), s->c->mailbox, &b, &s->err);

    mailbox_close(b);
    if (code < 0)
        return code;
    buf_add(s->out, STR("* QUOTAROOT "));
    work_print_mailbox(s->out, s->c->mailbox);
    buf_add(s->out, STR(" \"\"\r\n"));
    return tell_quota(s);
}

enum work_state work_quota(struct step *s)
{
    size_t mark = s->out->n;
    int code;

    if (s->c->verb == VERB_SETQUOTA)
        return work_say(s, WORK_NO, STR("NOPERM"), "Quotas are the administrator's");
    if (s->c->verb == VERB_GETQUOTA && s->c->quota.root.n)
        return work_say(s, WORK_NO, STR("NONEXISTENT"), "There is no such quota root");
    code = s->c->verb == VERB_GETQUOTAROOT ? tell_root(s) : tell_quota(s);
    if (code < 0) {
        s->out->n = mark;
        return work_fail(s, code);
    }
    return work_ok(s, "Quota told");
}
