/*
 * A letter made into seven bits has the same parts, and each leaf decodes to the same octets,
 * but for line ends; and none of its bodies has an octet above 0x7f.
 */
#include "base/utf8.h"
#include "mail/encoding.h"
#include "mail/recode.h"
#include "mail/structure.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void collect(void *arg, struct str piece)
{
    buf_add(arg, piece);
}

static enum encoding encoding_in(const struct part *p)
{
    return p->transfer_encoding.p ? encoding_of(p->transfer_encoding) : ENCODING_7BIT;
}

/* Without CR and without octets that have no place in base64. */
static void decode(struct buf *out, struct str letter, const struct part *p)
{
    struct decoder d;
    struct buf all;

    buf_init(&all, 16 << 20);
    decoder_init(&d, encoding_in(p));
    decoder_feed(&d, &all,
                 (struct str){letter.p + p->body_at, (size_t)(p->body_end - p->body_at)});
    decoder_end(&d, &all);
    for (size_t i = 0; i < buf_str(&all).n; i++)
        if (buf_str(&all).p[i] != '\r')
            buf_add_byte(out, buf_str(&all).p[i]);
    buf_done(&all);
}

static void same(struct str a, const struct part *p, struct str b, const struct part *q)
{
    struct buf x, y;

    if (!q || p->nkids != q->nkids)
        abort();
    if (p->kids) {
        const struct part *k = p->kids, *l = q->kids;

        for (; k; k = k->next, l = l->next)
            same(a, k, b, l);
        return;
    }
    if (!utf8_is_ascii((struct str){b.p + q->body_at, (size_t)(q->body_end - q->body_at)}))
        abort();
    buf_init(&x, 16 << 20);
    buf_init(&y, 16 << 20);
    decode(&x, a, p);
    decode(&y, b, q);
    if (!str_eq(buf_str(&x), buf_str(&y)))
        abort();
    buf_done(&x);
    buf_done(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    struct arena a;
    struct buf out;
    struct recode_out to = {collect, &out};

    arena_init(&a);
    buf_init(&out, 16 << 20);
    if (recode_7bit(in, &to))
        same(in, structure_parse(in, &a), buf_str(&out), structure_parse(buf_str(&out), &a));
    buf_done(&out);
    arena_done(&a);
    return 0;
}
