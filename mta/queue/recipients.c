#include "mta/queue/recipients.h"

#include "sys/clock.h"
#include "users/names.h"

#include <stdlib.h>

enum { RECIPIENTS_LOOKED_AT = 16 }; /* one by one; beyond it the map is cheaper */

void recipients_init(struct recipients *r, size_t max)
{
    *r = (struct recipients){.max = max};
    arena_init(&r->arena);
}

void recipients_reset(struct recipients *r)
{
    map_done(&r->seen);
    map_done(&r->aliases);
    arena_reset(&r->arena);
    r->n = 0;
    r->nexpanded = 0;
}

void recipients_done(struct recipients *r)
{
    map_done(&r->seen);
    map_done(&r->aliases);
    arena_done(&r->arena);
    free(r->to);
    free(r->keys);
    free(r->expanded);
}

static bool is_there(struct recipients *r, struct str key)
{
    if (r->n > RECIPIENTS_LOOKED_AT)
        return map_get(&r->seen, key) != NULL;
    for (size_t i = 0; i < r->n; i++)
        if (str_eq(r->keys[i], key))
            return true;
    return false;
}

static void remember(struct recipients *r, struct str key)
{
    uint8_t secret[MAP_SECRET_BYTES];

    r->keys[r->n++] = key;
    if (r->n <= RECIPIENTS_LOOKED_AT)
        return;
    if (r->n == RECIPIENTS_LOOKED_AT + 1) {
        random_bytes(secret, sizeof(secret));
        map_init(&r->seen, secret);
        for (size_t i = 0; i + 1 < r->n; i++)
            map_put(&r->seen, r->keys[i], r);
    }
    map_put(&r->seen, key, r);
}

static void make_room(struct recipients *r)
{
    if (r->n < r->room)
        return;
    r->room = r->room ? r->room * 2 : 4;
    r->to = realloc(r->to, r->room * sizeof(struct queue_address));
    r->keys = realloc(r->keys, r->room * sizeof(struct str));
    if (!r->to || !r->keys)
        abort();
}

/* `asked` is what RCPT said, `address` what this end of it is called. */
static void add_end(struct recipients *r, const struct smtp_rcpt *rcpt, struct str address,
                    struct str key, bool local)
{
    struct str orcpt = rcpt->orcpt;

    if (is_there(r, key))
        return;
    if (!orcpt.n && !str_eq(address, rcpt->forward_path))
        orcpt = arena_printf(&r->arena, "rfc822;%.*s", STR_ARGS(rcpt->forward_path));
    make_room(r);
    r->to[r->n] = (struct queue_address){
        .number = (uint32_t)r->n,
        .address = arena_dup(&r->arena, address),
        .orcpt = arena_dup(&r->arena, orcpt),
        .notify = rcpt->notify,
        .local = local,
    };
    remember(r, key);
}

static struct smtp_reply refusal(enum users_kind kind)
{
    switch (kind) {
    case USERS_UNKNOWN:
        return SMTP_REPLY(550, "5.1.1", "There is nobody of that name here");
    case USERS_LOOP:
        return SMTP_REPLY(554, "5.4.6", "Aliases go round in a circle");
    case USERS_MAILBOX:
    case USERS_ALIAS:
    case USERS_ELSEWHERE:
    case USERS_BROKEN:
        break;
    }
    return SMTP_REPLY(451, "4.3.0", "The list of users cannot be read now");
}

static struct str alias_key(struct recipients *r, const struct smtp_rcpt *rcpt)
{
    struct users_key k = users_key(&r->arena, rcpt->forward_path);

    return arena_printf(&r->arena, "%.*s@%.*s", STR_ARGS(k.local), STR_ARGS(k.domain));
}

static void remember_alias(struct recipients *r, struct str key)
{
    uint8_t secret[MAP_SECRET_BYTES];

    if (!r->aliases.room) {
        random_bytes(secret, sizeof(secret));
        map_init(&r->aliases, secret);
    }
    map_put(&r->aliases, key, r);
}

static void remember_expanded(struct recipients *r, const struct smtp_rcpt *rcpt)
{
    if (r->nexpanded == r->expanded_room) {
        r->expanded_room = r->expanded_room ? r->expanded_room * 2 : 4;
        r->expanded = realloc(r->expanded, r->expanded_room * sizeof(struct smtp_rcpt));
        if (!r->expanded)
            abort();
    }
    r->expanded[r->nexpanded++] =
        (struct smtp_rcpt){.forward_path = arena_dup(&r->arena, rcpt->forward_path),
                           .orcpt = arena_dup(&r->arena, rcpt->orcpt),
                           .notify = rcpt->notify};
}

/* NOTIFY for one of several ends: what is left of SUCCESS alone is NEVER. */
static unsigned notify_of_many(unsigned notify)
{
    unsigned rest = notify & ~(unsigned)SMTP_NOTIFY_SUCCESS;

    return notify && !rest ? SMTP_NOTIFY_NEVER : rest;
}

static struct smtp_reply add_alias(struct recipients *r, struct users *u,
                                   const struct smtp_rcpt *rcpt)
{
    struct users_target *targets;
    size_t n, fresh = 0;
    enum users_kind kind = users_expand(u, rcpt->forward_path, &r->arena, &targets, &n);

    if (kind != USERS_MAILBOX)
        return refusal(kind);
    for (size_t i = 0; i < n; i++)
        fresh += !is_there(r, targets[i].address);
    if (fresh > r->max - r->n)
        return SMTP_REPLY(452, "4.5.3", "Too many recipients for one letter");
    struct smtp_rcpt end = *rcpt;
    if (n > 1) {
        if (rcpt->notify & SMTP_NOTIFY_SUCCESS)
            remember_expanded(r, rcpt);
        end.notify = notify_of_many(rcpt->notify);
    }
    for (size_t i = 0; i < n; i++)
        add_end(r, &end, targets[i].address, targets[i].address, targets[i].local);
    remember_alias(r, alias_key(r, rcpt));
    return SMTP_REPLY(250, "2.1.5", "Ok");
}

struct smtp_reply recipients_add(struct recipients *r, struct users *u,
                                 const struct smtp_rcpt *rcpt)
{
    struct user user;

    /* list+1, list+2, ...: a long alias costs its length once, not with every RCPT */
    if (r->aliases.n && map_get(&r->aliases, alias_key(r, rcpt)))
        return SMTP_REPLY(250, "2.1.5", "Ok");
    enum users_kind kind = users_find(u, rcpt->forward_path, &r->arena, &user);
    bool has_domain = str_find(rcpt->forward_path, '@') < rcpt->forward_path.n;

    if (kind == USERS_ALIAS)
        return add_alias(r, u, rcpt);
    if (kind != USERS_MAILBOX && kind != USERS_ELSEWHERE)
        return refusal(kind);
    if (r->n == r->max)
        return SMTP_REPLY(452, "4.5.3", "Too many recipients for one letter");
    if (kind == USERS_ELSEWHERE) /* case in its local part is another system's business */
        add_end(r, rcpt, rcpt->forward_path, arena_dup(&r->arena, rcpt->forward_path), false);
    else /* with its detail: mda makes something of it */
        add_end(r, rcpt, has_domain ? rcpt->forward_path : user.address, user.address, true);
    return SMTP_REPLY(250, "2.1.5", "Ok");
}
