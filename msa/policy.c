#include "msa/policy.h"

#include "intake/decide.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/trace.h"

void msa_offer(const struct config *c, struct smtp_server_config *out)
{
    out->kind = SMTP_SUBMIT;
    out->auth_mechanisms = STR("PLAIN LOGIN");
    out->auth_needs_tls = !c->lab.clear_auth;
    out->mail_needs_auth = true;
    out->dsn = true;
}

struct smtp_reply msa_sender(const struct intake_sender *s)
{
    if (s->own || s->reverse_path.n == 0)
        return SMTP_REPLY(250, "2.1.0", "Ok");
    return SMTP_REPLY(553, "5.7.1", "that is not your address");
}

struct smtp_reply msa_recipient(const struct intake_recipient *r)
{
    return decide_recipient(r->kind, r->user.n > 0);
}

static bool is_blind_copy(struct str name)
{
    return str_eq_nocase(name, STR("Bcc")) || str_eq_nocase(name, STR("Resent-Bcc"));
}

static bool has(struct str head, const char *name)
{
    struct header_field f;

    return header_find(head, str_c(name), &f);
}

/* A letter that begins with anything but a field has no head: what we add needs an end. */
static bool begins_with_field(struct str head)
{
    struct str rest = head;
    struct header_field f;

    return head.n && (head.p[0] == '\n' || (header_next(&rest, &f) && f.all.p == head.p));
}

/* All of the head but the fields for blind copies; lines that are no fields stay. */
static void copy_fields(struct buf *out, struct str head)
{
    struct str rest = head;
    struct header_field f;
    const char *from = head.p;

    while (header_next(&rest, &f)) {
        if (!is_blind_copy(f.name))
            continue;
        buf_add(out, (struct str){from, (size_t)(f.all.p - from)});
        from = f.all.p + f.all.n;
    }
    buf_add(out, (struct str){from, (size_t)(head.p + head.n - from)});
}

void msa_mend(struct buf *out, const struct intake_head *h)
{
    if (!has(h->text, "Date")) {
        buf_add(out, STR("Date: "));
        date_print(out, h->now_s);
        buf_add_byte(out, '\n');
    }
    if (!has(h->text, "Message-ID"))
        trace_message_id_print(out, h->id, h->hostname);
    if (!begins_with_field(h->text))
        buf_add_byte(out, '\n');
    copy_fields(out, h->text);
}
