#include "mta/queue/bounce.h"

#include <stdlib.h>

enum { BOUNCE_FIRST_RCPTS = 4 };

enum bounce_to bounce_to_whom(const struct queue_letter *l, uint32_t rcpt)
{
    if (l->env.notice || l->deleted)
        return BOUNCE_NOBODY;
    if (l->rcpts[rcpt].notify &&
        !(l->rcpts[rcpt].notify & SMTP_NOTIFY_FAILURE)) /* NEVER, or without FAILURE */
        return BOUNCE_NOBODY;
    return l->env.mail.reverse_path.n ? BOUNCE_SENDER : BOUNCE_POSTMASTER;
}

struct bounce *bounce_new(const struct queue_letter *about, const struct id *id,
                          struct str hostname, struct str to, uint64_t now_ms)
{
    struct bounce *b = calloc(1, sizeof(*b));

    if (!b)
        abort();
    arena_init(&b->arena);
    b->head_only = about->env.mail.ret == SMTP_RET_HDRS;
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

void bounce_add(struct bounce *b, const struct queue_rcpt *r, int code, struct str status,
                struct str text, struct str remote, uint64_t now_ms)
{
    if (b->dsn.nrcpts == b->room) {
        b->room = b->room ? b->room * 2 : BOUNCE_FIRST_RCPTS;
        b->rcpts = realloc(b->rcpts, b->room * sizeof(struct dsn_rcpt));
        if (!b->rcpts)
            abort();
    }
    b->rcpts[b->dsn.nrcpts++] = (struct dsn_rcpt){
        .original = arena_dup(&b->arena, r->orcpt),
        .final = arena_dup(&b->arena, r->address),
        .action = DSN_FAILED,
        .status = arena_dup(&b->arena, status),
        .code = code,
        .diagnostic = arena_dup(&b->arena, str_first(text, DSN_TEXT_BYTES)),
        .remote = arena_dup(&b->arena, remote),
        .last_try_s = (int64_t)(now_ms / 1000),
    };
}

void bounce_print(struct buf *out, struct bounce *b, struct str original)
{
    b->dsn.rcpts = b->rcpts;
    b->dsn.letter = str_first(original, DSN_LETTER_BYTES);
    b->dsn.whole = !b->head_only && original.n && original.n <= DSN_LETTER_BYTES;
    dsn_print(out, &b->dsn);
}
