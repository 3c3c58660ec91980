#include "mta/queue/listing.h"

#include "base/json.h"
#include "mta/queue/trace.h"

static const char *state_of(const struct queue_letter *l, const struct queue_rcpt *r)
{
    if (r->state == QUEUE_TRYING)
        return "trying";
    if (l->env.held)
        return "held";
    return r->state == QUEUE_DUE ? "due" : "later";
}

static void add_next_try(struct buf *out, const struct queue_letter *l,
                         const struct queue_rcpt *r, const struct listing_now *now)
{
    buf_add(out, STR("\"next_try\": "));
    if (r->state != QUEUE_LATER || l->env.held) {
        buf_add(out, STR("null, "));
        return;
    }
    uint64_t wait = r->next_ms > now->steady_ms ? r->next_ms - now->steady_ms : 0;
    buf_add_byte(out, '"');
    trace_print_time(out, now->wall_ms + wait);
    buf_add(out, STR("\", "));
}

static void add_rcpt(struct buf *out, const struct queue_letter *l, const struct queue_rcpt *r,
                     const struct listing_now *now, bool all)
{
    buf_add_byte(out, '{');
    json_add_member(out, "address", r->address);
    json_add_member(out, "state", str_c(state_of(l, r)));
    add_next_try(out, l, r, now);
    if (all) {
        json_add_member(out, "asked", r->orcpt);
        buf_addf(out, "\"tries\": %u, ", (unsigned)r->tries);
    }
    buf_add(out, STR("\"reply\": "));
    json_add_string(out, str_c(r->reply ? r->reply : ""));
    buf_add_byte(out, '}');
}

void listing_letter(struct buf *out, const struct queue_letter *l,
                    const struct listing_now *now, const struct str *head)
{
    uint64_t age = now->wall_ms > l->env.arrived_ms ? now->wall_ms - l->env.arrived_ms : 0;
    const char *comma = "";

    buf_add_byte(out, '{');
    json_add_member(out, "id", id_str(&l->env.id));
    json_add_member(out, "sender", l->env.mail.reverse_path);
    buf_add(out, STR("\"recipients\": ["));
    for (uint32_t i = 0; i < l->nrcpts; i++)
        if (l->rcpts[i].state < QUEUE_DONE) {
            buf_add(out, str_c(comma));
            add_rcpt(out, l, &l->rcpts[i], now, head != NULL);
            comma = ", ";
        }
    buf_add(out, STR("], "));
    if (head) {
        json_add_member(out, "parent", str_c(l->env.parent.text));
        json_add_member(out, "submitted_by", l->env.mail.auth);
        json_add_member(out, "flags", l->env.flags);
        buf_add(out, STR("\"arrived\": \""));
        trace_print_time(out, l->env.arrived_ms);
        buf_add(out, STR("\", "));
        json_add_member(out, "head", *head);
    }
    buf_addf(out, "\"held\": %s, ", l->env.held ? "true" : "false");
    buf_addf(out, "\"size\": %llu, \"age\": %llu}", (unsigned long long)l->env.size,
             (unsigned long long)(age / 1000));
}
