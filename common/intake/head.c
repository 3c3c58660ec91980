#include "intake/head.h"

#include "mail/header.h"

void head_init(struct head *h, uint64_t bytes_max)
{
    *h = (struct head){.line_start = true};
    buf_init(&h->text, bytes_max < SIZE_MAX ? (size_t)bytes_max : SIZE_MAX);
}

void head_done(struct head *h)
{
    buf_done(&h->text);
}

/* How much of `in` belongs to the head; *end when its empty line is among it. */
static size_t head_part(bool line_start, struct str in, bool *end)
{
    size_t at = 0;

    *end = true;
    if (line_start && in.n && in.p[0] == '\n')
        return 1;
    for (;;) {
        at += str_find(str_skip(in, at), '\n') + 1;
        if (at >= in.n)
            break;
        if (in.p[at] == '\n')
            return at + 1;
    }
    *end = false;
    return in.n;
}

void head_take(struct head *h, struct str *in)
{
    size_t n;

    if (h->whole || in->n == 0)
        return;
    n = head_part(h->line_start, *in, &h->whole);
    h->line_start = in->p[n - 1] == '\n';
    buf_add(&h->text, str_first(*in, n));
    *in = str_skip(*in, n);
}

struct smtp_reply head_judge(const struct head *h, uint32_t hops_max)
{
    if (buf_failed(&h->text))
        return SMTP_REPLY(552, "5.3.4", "the head of the letter is too large");
    if (header_count(buf_str(&h->text), STR("Received")) > hops_max)
        return SMTP_REPLY(554, "5.4.6", "too many hops: the letter goes round in a circle");
    return (struct smtp_reply){0};
}
