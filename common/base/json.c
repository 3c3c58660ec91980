#include "base/json.h"

#include "base/utf8.h"

static void add_point(struct buf *out, uint32_t point, struct str octets)
{
    if (point == '"' || point == '\\')
        buf_addf(out, "\\%c", (char)point);
    else if (point < 0x20 || point == 0x7f)
        buf_addf(out, "\\u%04x", (unsigned)point);
    else
        buf_add(out, octets);
}

void json_add_string(struct buf *out, struct str s)
{
    uint32_t point;

    buf_add_byte(out, '"');
    while (s.n) {
        struct str at = s;

        if (scan_utf8(&s, &point)) {
            add_point(out, point, str_first(at, at.n - s.n));
        } else {
            utf8_add(out, UTF8_REPLACEMENT);
            s = str_skip(s, 1);
        }
    }
    buf_add_byte(out, '"');
}

void json_add_member(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, "\"%s\": ", name);
    json_add_string(out, value);
    buf_add(out, STR(", "));
}
