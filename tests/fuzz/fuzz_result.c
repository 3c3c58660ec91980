/* What is read from any text and printed reads back the same, short and printable. */
#include "base/ascii.h"
#include "smtp/reply_reader.h"
#include "smtp/result.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct result *a, const struct result *b)
{
    return str_eq(a->host, b->host) && str_eq(a->ip, b->ip) && str_eq(a->tls, b->tls) &&
           str_eq(a->mxset, b->mxset) && a->dsn == b->dsn && a->said == b->said &&
           a->reply.code == b->reply.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smtp_reply in = {
        550, STR_LIT("5.0.0"), {(const char *)data, size}
    };
    struct arena a;

    arena_init(&a);
    struct result r = result_parse(in, &a);
    struct smtp_reply out = result_print(&r, &a);
    struct result again = result_parse(out, &a);
    struct smtp_reply third = result_print(&again, &a);

    if (!same(&r, &again) || !str_eq(out.text, third.text) ||
        out.text.n > SMTP_REPLY_KEPT_BYTES)
        abort();
    for (size_t i = 0; i < out.text.n; i++)
        if (!ascii_is_print(out.text.p[i]))
            abort();
    arena_done(&a);
    return 0;
}
