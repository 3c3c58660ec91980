#include "smtp/reply.h"

#include "base/ascii.h"

static void add_clean(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        buf_add(out, ascii_is_print(text.p[i]) ? (struct str){text.p + i, 1} : STR("?"));
}

/* Reply-line = Reply-code [ SP textstring ] CRLF        RFC 5321 4.2
 * textstring begins with the enhanced status code       RFC 2034 3   */
void smtp_reply_print(struct buf *out, struct smtp_reply r)
{
    buf_addf(out, "%d ", r.code);
    if (r.enhanced.n) {
        add_clean(out, r.enhanced);
        buf_add_byte(out, ' ');
    }
    add_clean(out, r.text);
    buf_add(out, STR("\r\n"));
}

/* status-code = class "." subject "." detail            RFC 2034 4
 * class = "2" / "4" / "5", subject and detail 1*3digit               */
static bool scan_status(struct str *in, int code, struct str *out)
{
    struct str s = *in;
    uint32_t subject, detail;

    if (!scan_byte(&s, (char)('0' + code / 100)) || !scan_byte(&s, '.') ||
        !scan_u32(&s, 999, &subject) || !scan_byte(&s, '.') || !scan_u32(&s, 999, &detail))
        return false;
    if (s.n && s.p[0] != ' ' && s.p[0] != '\n')
        return false;
    *out = (struct str){in->p, in->n - s.n};
    *in = s;
    return true;
}

struct smtp_reply smtp_reply_parse(int code, struct str text)
{
    struct smtp_reply r = {.code = code, .enhanced = STR("")};

    if (scan_status(&text, code, &r.enhanced))
        scan_byte(&text, ' ');
    r.text = text;
    return r;
}
