#include "mta/queue/report.h"

#include "mta/queue/flags.h"
#include "mta/queue/recipients.h"
#include "sys/clock.h"

enum { FLAGS_BYTES = 64 };

/* The head of the letter that is returned may be beyond ASCII, and addresses of its envelope.
 */
static bool has_8bit(const struct queue_letter *l)
{
    struct arena a;
    struct str none;

    arena_init(&a);
    bool has = l->env.mail.body == SMTP_BODY_8BITMIME || l->env.mail.smtputf8 ||
               flags_find(l->env.flags, "8bit", &a, &none) ||
               flags_find(l->env.flags, "raw", &a, &none);
    arena_done(&a);
    return has;
}

int report_new(struct service *s, const struct queue_letter *about, enum dsn_action what,
               struct bounce **bounce, struct queue_letter **letter)
{
    struct str sender = about->env.mail.reverse_path;
    /* RFC 3461 6.1: nobody is told what becomes of a report */
    struct smtp_rcpt rcpt = {.forward_path = sender, .notify = SMTP_NOTIFY_NEVER};
    uint64_t now_ms = clock_wall_ms();
    struct recipients to;
    char flags[FLAGS_BYTES];
    struct id id;

    recipients_init(&to, QUEUE_EXPANDED_RECIPIENTS);
    users_refresh(s->users, loop_now_ms(s->loop));
    struct smtp_reply r = recipients_add(&to, s->users, &rcpt);
    bool found = smtp_reply_class(r) == 2 && to.n;
    if (found) {
        clock_new_id(&id);
        int n = snprintf(flags, sizeof(flags), "via=queue parent=%s", about->env.id.text);
        struct queue_envelope e = {
            .id = id,
            .parent = about->env.id,
            .arrived_ms = now_ms,
            .mail = {.body = has_8bit(about) ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT,
                     .smtputf8 = about->env.mail.smtputf8                                    },
            .flags = {flags,                                                         (size_t)n},
        };
        *bounce = bounce_new(about, what, &id, s->settings->smtp.hostname, sender, now_ms);
        *letter = queue_letter_new(&e, to.to, to.n);
    }
    recipients_done(&to);
    if (!found)
        return r.code == 451 ? E_UNAVAILABLE : 0;
    return 1;
}
