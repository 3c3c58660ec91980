#include "mta/queue/bounce.h"

#include "mta/queue/flags.h"

#include <stdlib.h>

enum { BOUNCE_FIRST_RCPTS = 4 };

/* What the box before told with XSPOOL (docs/architecture.md). */
static bool is_strangers(const struct queue_letter *l)
{
    struct str via, none;
    struct arena a;
    bool strange;

    arena_init(&a);
    strange = l->env.mail.auth.n == 0 && flags_find(l->env.flags, "via", &a, &via) &&
              str_eq(via, STR("receive")) && !flags_find(l->env.flags, "relay", &a, &none);
    arena_done(&a);
    return strange;
}

bool bounce_wanted(const struct queue_letter *l, unsigned notify, enum dsn_action what)
{
    if (l->env.mail.reverse_path.n == 0 || l->deleted)
        return false;
    switch (what) {
    case DSN_FAILED:
        return notify == 0 || notify & SMTP_NOTIFY_FAILURE;
    case DSN_DELAYED:
        return notify ? (notify & SMTP_NOTIFY_DELAY) != 0 : !is_strangers(l);
    case DSN_DELIVERED:
    case DSN_RELAYED:
    case DSN_EXPANDED:
        break;
    }
    return (notify & SMTP_NOTIFY_SUCCESS) != 0;
}

/* RFC 3461 4.3: RET is about failures alone; all other reports have the head. */
static bool returns_whole(const struct queue_letter *about, enum dsn_action what)
{
    enum smtp_ret ret = about->env.mail.ret;

    return what == DSN_FAILED && ret != SMTP_RET_HDRS &&
           (ret == SMTP_RET_FULL || !is_strangers(about));
}

struct bounce *bounce_new(const struct queue_letter *about, enum dsn_action what,
                          const struct id *id, struct str hostname, struct str to,
                          uint64_t now_ms)
{
    struct bounce *b = calloc(1, sizeof(*b));

    if (!b)
        abort();
    arena_init(&b->arena);
    b->whole = returns_whole(about, what);
    b->dsn = (struct dsn){
        .id = *id,
        .boundary = arena_dup(&b->arena, id_str(id)), /* 64 random bits: not in the letter */
        .hostname = arena_dup(&b->arena, hostname),
        .to = arena_dup(&b->arena, to),
        .now_s = (int64_t)(now_ms / 1000),
        .envid = arena_dup(&b->arena, about->env.mail.envid),
        .about = about->env.id,
        .arrived_s = (int64_t)(about->env.arrived_ms / 1000),
    };
    return b;
}

void bounce_free(struct bounce *b)
{
    if (!b)
        return;
    arena_done(&b->arena);
    free(b->rcpts);
    free(b);
}

void bounce_add(struct bounce *b, const struct dsn_rcpt *r)
{
    if (b->dsn.nrcpts == b->room) {
        b->room = b->room ? b->room * 2 : BOUNCE_FIRST_RCPTS;
        b->rcpts = realloc(b->rcpts, b->room * sizeof(struct dsn_rcpt));
        if (!b->rcpts)
            abort();
    }
    struct dsn_rcpt *to = &b->rcpts[b->dsn.nrcpts++];
    *to = *r;
    to->original = arena_dup(&b->arena, r->original);
    to->final = arena_dup(&b->arena, r->final);
    to->status = arena_dup(&b->arena, r->status);
    to->diagnostic = arena_dup(&b->arena, str_first(r->diagnostic, DSN_TEXT_BYTES));
    to->remote = arena_dup(&b->arena, r->remote);
    to->ip = arena_dup(&b->arena, r->ip);
}

void bounce_print(struct buf *out, struct bounce *b, struct str original)
{
    b->dsn.rcpts = b->rcpts;
    b->dsn.letter = str_first(original, DSN_LETTER_BYTES);
    b->dsn.whole = b->whole && original.n && original.n <= DSN_LETTER_BYTES;
    dsn_print(out, &b->dsn);
}
