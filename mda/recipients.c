#include "mda/recipients.h"

void recipients_init(struct recipients *r, struct arena *a)
{
    *r = (struct recipients){.arena = a};
}

static struct smtp_reply reply(struct arena *a, int code, const char *enhanced,
                               const char *words, struct str address)
{
    return (struct smtp_reply){code, str_c(enhanced),
                               arena_printf(a, "<%.*s>: %s", STR_ARGS(address), words)};
}

static void *grow(struct arena *a, void *old, unsigned n, unsigned *room, size_t size)
{
    if (n < *room)
        return old;
    *room = *room ? 2 * *room : 4;
    void *p = arena_alloc(a, *room * size);
    if (n)
        memcpy(p, old, n * size);
    return p;
}

static struct delivery *delivery_for(struct recipients *r, const struct user *user)
{
    for (unsigned i = 0; i < r->ndeliveries; i++)
        if (r->deliveries[i]->user.id == user->id)
            return r->deliveries[i];
    return NULL;
}

static void add_part(struct recipients *r, const struct user *user, struct str delivered_to)
{
    struct delivery *d = delivery_for(r, user);

    if (!d) {
        d = ARENA_NEW(r->arena, struct delivery);
        d->user = *user;
        d->delivered_to = delivered_to;
        r->deliveries = grow(r->arena, r->deliveries, r->ndeliveries, &r->deliveries_room,
                             sizeof(*r->deliveries));
        r->deliveries[r->ndeliveries++] = d;
    }
    r->parts = grow(r->arena, r->parts, r->nparts, &r->parts_room, sizeof(*r->parts));
    r->parts[r->nparts++] = d;
}

static struct smtp_reply unknown(struct arena *a, enum users_kind kind, struct str address)
{
    if (kind == USERS_LOOP)
        return reply(a, 554, "5.4.6", "its aliases go round in a circle", address);
    if (kind == USERS_BROKEN)
        return reply(a, 451, "4.3.0", "the list of users cannot be read now", address);
    if (kind == USERS_ELSEWHERE)
        return reply(a, 550, "5.1.1", "no mailbox of this system", address);
    return reply(a, 550, "5.1.1", "no such user here", address);
}

/* One mailbox, for `address`. */
static struct smtp_reply add_mailbox(struct recipients *r, struct mda *m,
                                     const struct user *user, struct str address,
                                     struct str delivered_to, uint64_t octets)
{
    if (!user->enabled)
        return reply(r->arena, 550, "5.2.1", "this mailbox is disabled", address);
    if (!r->perhaps_again && deliver_full(m->deliver, user, octets))
        return reply(r->arena, 452, "4.2.2", "this mailbox is full", address);
    if (r->nparts == MDA_DELIVERIES)
        return reply(r->arena, 452, "4.5.3", "too many mailboxes for one letter", address);
    add_part(r, user, delivered_to);
    return SMTP_REPLY(250, "2.1.5", "Ok");
}

/* An alias is taken with all its mailboxes or not at all; the queue, which can reach the
 * others, never sends one. */
static struct smtp_reply add_alias(struct recipients *r, struct mda *m, struct str address,
                                   uint64_t octets)
{
    struct users_target *targets;
    struct smtp_reply answer = SMTP_REPLY(250, "2.1.5", "Ok");
    size_t n;
    enum users_kind kind = users_expand(m->users, address, r->arena, &targets, &n);

    if (kind != USERS_MAILBOX)
        return unknown(r->arena, kind, address);
    for (size_t i = 0; i < n && answer.code == 250; i++) {
        struct user user;

        if (!targets[i].local)
            return reply(r->arena, 550, "5.7.1",
                         "this alias leads to other systems: send it by SMTP", address);
        kind = users_find(m->users, targets[i].address, r->arena, &user);
        answer = kind == USERS_MAILBOX
                     ? add_mailbox(r, m, &user, address, targets[i].address, octets)
                     : unknown(r->arena, kind, address);
    }
    return answer;
}

struct smtp_reply recipients_add(struct recipients *r, struct mda *m, struct str address,
                                 uint64_t octets)
{
    struct user user;
    struct str asked = arena_dup(r->arena, address);
    unsigned deliveries = r->ndeliveries, first = r->nparts;
    enum users_kind kind = users_find(m->users, asked, r->arena, &user);
    struct smtp_reply answer;

    if (kind == USERS_MAILBOX) {
        bool has_domain = str_find(asked, '@') < asked.n; /* "postmaster" alone has none */

        answer = add_mailbox(r, m, &user, asked, has_domain ? asked : user.address, octets);
    } else if (kind == USERS_ALIAS) {
        answer = add_alias(r, m, asked, octets);
    } else {
        answer = unknown(r->arena, kind, asked);
    }
    if (answer.code != 250) {
        r->ndeliveries = deliveries;
        r->nparts = first;
        return answer;
    }
    r->list = grow(r->arena, r->list, r->n, &r->room, sizeof(*r->list));
    r->list[r->n++] =
        (struct recipient){.address = asked, .first = first, .n = r->nparts - first};
    return answer;
}

static struct smtp_reply failure(struct arena *a, const struct delivery *d, struct str address)
{
    if (d->result == E_NO_SPACE && d->over_quota)
        return reply(a, 452, "4.2.2", "this mailbox is full", address);
    if (d->result == E_NO_SPACE)
        return reply(a, 452, "4.3.1", "the disk is full", address);
    if (d->result == E_LOOP)
        return reply(a, 554, "5.4.6", "this letter has been here before: a mail loop", address);
    return reply(a, 451, "4.3.0", "not delivered now, try again later", address);
}

/* The first failure of several speaks for all: a letter that is not in each mailbox comes
 * again. One that is refused for good by some and put off by others is put off. */
struct smtp_reply recipients_result(struct recipients *r, unsigned i)
{
    const struct recipient *to = &r->list[i];
    struct smtp_reply answer = {0};

    for (unsigned k = to->first; k < to->first + to->n; k++) {
        const struct delivery *d = r->parts[k];

        if (d->result != 0 && smtp_reply_class(answer) != 4)
            answer = failure(r->arena, d, to->address);
    }
    if (answer.code)
        return answer;
    return (struct smtp_reply){
        250, STR("2.1.5"), arena_printf(r->arena, "Delivered to %.*s", STR_ARGS(to->address))};
}
