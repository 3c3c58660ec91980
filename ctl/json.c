#include "ctl/json.h"

#include "base/ascii.h"
#include "base/json.h"
#include "base/utf8.h"

static struct json *scan_value(struct arena *a, struct str *in, unsigned depth);

static void skip_space(struct str *in)
{
    while (in->n && (*in->p == ' ' || *in->p == '\t' || *in->p == '\n' || *in->p == '\r'))
        *in = str_skip(*in, 1);
}

static bool scan_hex4(struct str *in, uint32_t *out)
{
    uint32_t v = 0;

    if (in->n < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = ascii_lower(in->p[i]);

        if (ascii_is_digit(c))
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *in = str_skip(*in, 4);
    *out = v;
    return true;
}

/* %x75 4HEXDIG, with its second half where it is a surrogate: RFC 8259 7 */
static bool scan_unicode(struct str *in, struct buf *out)
{
    uint32_t c, low;

    if (!scan_hex4(in, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        struct str s = *in;

        if (scan_word(&s, STR("\\u")) && scan_hex4(&s, &low) && low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            *in = s;
        }
    }
    utf8_add(out, c); /* half a surrogate becomes U+FFFD */
    return true;
}

static bool scan_escape(struct str *in, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at;

    if (!in->n)
        return false;
    if (scan_byte(in, 'u'))
        return scan_unicode(in, out);
    if (!in->p[0] || !(at = strchr(from, in->p[0])))
        return false;
    buf_add_byte(out, to[at - from]);
    *in = str_skip(*in, 1);
    return true;
}

/* string = quotation-mark *char quotation-mark      RFC 8259 7 */
static bool scan_string(struct arena *a, struct str *in, struct str *out)
{
    struct str s = *in;
    struct buf text;
    bool good = false;

    if (!scan_byte(&s, '"'))
        return false;
    buf_init(&text, in->n * 2);
    while (s.n) {
        char c = s.p[0];

        s = str_skip(s, 1);
        if (c == '"') {
            good = true;
            break;
        }
        if ((unsigned char)c < 0x20 || (c == '\\' && !scan_escape(&s, &text)))
            break;
        if (c != '\\')
            buf_add_byte(&text, c);
    }
    if (good) {
        *out = arena_dup(a, buf_str(&text));
        *in = s;
    }
    buf_done(&text);
    return good;
}

/* number = [ minus ] int [ frac ] [ exp ]; taken a little more widely, as nobody counts with it
 * here */
static bool scan_number(struct str *in, struct str *out)
{
    size_t n = 0;

    while (n < in->n && (ascii_is_digit(in->p[n]) || (in->p[n] && strchr("+-.eE", in->p[n]))))
        n++;
    if (!n || (!ascii_is_digit(in->p[0]) && in->p[0] != '-'))
        return false;
    *out = str_first(*in, n);
    *in = str_skip(*in, n);
    return true;
}

/* object = "{" [ member *( "," member ) ] "}", array likewise      RFC 8259 4, 5 */
static bool scan_members(struct arena *a, struct str *in, struct json *j, char end,
                         unsigned depth)
{
    struct json **last = &j->first;

    skip_space(in);
    if (scan_byte(in, end))
        return true;
    do {
        struct str name = {"", 0};
        struct json *member;

        skip_space(in);
        if (j->kind == JSON_OBJECT) {
            if (!scan_string(a, in, &name))
                return false;
            skip_space(in);
            if (!scan_byte(in, ':'))
                return false;
        }
        member = scan_value(a, in, depth + 1);
        if (!member)
            return false;
        member->name = name;
        *last = member;
        last = &member->next;
        skip_space(in);
    } while (scan_byte(in, ','));
    return scan_byte(in, end);
}

static struct json *scan_value(struct arena *a, struct str *in, unsigned depth)
{
    struct json *j = ARENA_NEW(a, struct json);
    bool good;

    skip_space(in);
    if (depth >= JSON_DEPTH) {
        return NULL;
    } else if (scan_byte(in, '{')) {
        j->kind = JSON_OBJECT;
        good = scan_members(a, in, j, '}', depth);
    } else if (scan_byte(in, '[')) {
        j->kind = JSON_ARRAY;
        good = scan_members(a, in, j, ']', depth);
    } else if (in->n && in->p[0] == '"') {
        j->kind = JSON_STRING;
        good = scan_string(a, in, &j->text);
    } else if (scan_word(in, STR("true"))) {
        j->kind = JSON_TRUE;
        good = true;
    } else if (scan_word(in, STR("false"))) {
        j->kind = JSON_FALSE;
        good = true;
    } else if (scan_word(in, STR("null"))) {
        j->kind = JSON_NULL;
        good = true;
    } else {
        j->kind = JSON_NUMBER;
        good = scan_number(in, &j->text);
        if (good)
            j->text = arena_dup(a, j->text);
    }
    return good ? j : NULL;
}

struct json *json_parse(struct arena *a, struct str text)
{
    struct json *j = scan_value(a, &text, 0);

    skip_space(&text);
    return text.n ? NULL : j;
}

const struct json *json_get(const struct json *object, const char *name)
{
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json *j = object->first; j; j = j->next)
        if (str_eq(j->name, str_c(name)))
            return j;
    return NULL;
}

struct str json_text(const struct json *object, const char *name)
{
    const struct json *j = json_get(object, name);

    return j && (j->kind == JSON_STRING || j->kind == JSON_NUMBER) ? j->text : STR("");
}

uint64_t json_u64(const struct json *object, const char *name)
{
    const struct json *j = json_get(object, name);
    struct str s = j && j->kind == JSON_NUMBER ? j->text : STR("");
    uint64_t v;

    return scan_u64(&s, UINT64_MAX, &v) ? v : 0;
}

bool json_true(const struct json *object, const char *name)
{
    const struct json *j = json_get(object, name);

    return j && j->kind == JSON_TRUE;
}

void json_put_comma(struct buf *out)
{
    struct str s = buf_str(out);

    if (s.n && s.p[s.n - 1] != '{' && s.p[s.n - 1] != '[' && s.p[s.n - 1] != '\n')
        buf_add(out, STR(", "));
}

void json_put_name(struct buf *out, const char *name)
{
    json_put_comma(out);
    json_add_string(out, str_c(name));
    buf_add(out, STR(": "));
}

void json_put_member(struct buf *out, const char *name, struct str value)
{
    json_put_name(out, name);
    json_add_string(out, value);
}

void json_put_u64(struct buf *out, const char *name, uint64_t value)
{
    json_put_name(out, name);
    buf_addf(out, "%llu", (unsigned long long)value);
}

void json_put_bool(struct buf *out, const char *name, bool value)
{
    json_put_name(out, name);
    buf_add(out, value ? STR("true") : STR("false"));
}

void json_print(struct buf *out, const struct json *j)
{
    switch (j->kind) {
    case JSON_NULL:
        buf_add(out, STR("null"));
        break;
    case JSON_FALSE:
        buf_add(out, STR("false"));
        break;
    case JSON_TRUE:
        buf_add(out, STR("true"));
        break;
    case JSON_NUMBER:
        buf_add(out, j->text);
        break;
    case JSON_STRING:
        json_add_string(out, j->text);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        buf_add_byte(out, j->kind == JSON_OBJECT ? '{' : '[');
        for (const struct json *m = j->first; m; m = m->next) {
            if (m != j->first)
                buf_add(out, STR(", "));
            if (j->kind == JSON_OBJECT) {
                json_add_string(out, m->name);
                buf_add(out, STR(": "));
            }
            json_print(out, m);
        }
        buf_add_byte(out, j->kind == JSON_OBJECT ? '}' : ']');
        break;
    }
}
