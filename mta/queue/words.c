#include "mta/queue/words.h"

enum { STATUS_BYTES = 11 }; /* "5.999.999" and some */

void words_print(struct buf *out, const struct result *r)
{
    struct str text = str_first(r->reply.text, WORDS_TEXT_BYTES);

    if (r->reply.code)
        buf_addf(out, "%d ", r->reply.code);
    if (r->reply.enhanced.n)
        buf_addf(out, "%.*s ", STR_ARGS(str_first(r->reply.enhanced, STATUS_BYTES)));
    for (size_t i = 0; i < text.n; i++)
        buf_add_byte(out, (unsigned char)text.p[i] < ' ' ? ' ' : text.p[i]);
    if (text.n < r->reply.text.n)
        buf_add(out, STR(" ..."));
    if (r->host.n)
        buf_addf(out, " (%s%.*s%s%.*s%s)", r->said ? "" : "at ", STR_ARGS(r->host),
                 r->ip.n ? "[" : "", STR_ARGS(r->ip), r->ip.n ? "]" : "");
    else if (words_parse(buf_str(out)).host.n)
        buf_add_byte(out, '.'); /* what stands in brackets there is no host */
}

/* "(" [ "at " ] host [ "[" ip "]" ] ")" at the end, and a space before it. */
static void take_host(struct result *r, struct str *words)
{
    size_t open = words->n;
    struct str host, ip;

    while (open && words->p[open - 1] != '(')
        open--;
    if (open < 2 || words->p[open - 2] != ' ' || words->p[words->n - 1] != ')')
        return;
    host = str_first(str_skip(*words, open), words->n - open - 1);
    bool said = !scan_word(&host, STR("at "));
    size_t bracket = str_find(host, '[');
    if (bracket == 0 || str_find(host, ' ') < host.n)
        return;
    ip = str_skip(host, bracket);
    if (ip.n && (ip.n < 2 || ip.p[ip.n - 1] != ']'))
        return;
    r->said = said;
    r->host = str_first(host, bracket);
    if (ip.n)
        r->ip = str_first(str_skip(ip, 1), ip.n - 2);
    *words = str_first(*words, open - 2);
}

struct result words_parse(struct str words)
{
    static const struct str none = STR_LIT("");
    struct result r = {.host = none, .ip = none, .tls = none, .mxset = none, .said = true};
    struct str rest = words;
    uint32_t code;

    if (words.n)
        take_host(&r, &rest);
    if (rest.n >= 4 && scan_u32(&rest, 599, &code) && code >= 200 && scan_byte(&rest, ' '))
        r.reply = smtp_reply_parse((int)code, rest);
    else
        r.reply = (struct smtp_reply){0, none, rest};
    return r;
}
