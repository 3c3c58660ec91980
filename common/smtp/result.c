#include "smtp/result.h"

#include "base/ascii.h"
#include "base/xtext.h"

enum { TEXT_BYTES = 4096, XTEXT_LONGEST = 3 };

/* Letters, digits and what addresses have between them: one octet each in xtext. */
static bool is_value(struct str s, size_t most)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && !strchr(".:-_[]", s.p[i]))
            return false;
    return s.n > 0 && s.n <= most;
}

static void add(struct buf *out, const char *key, struct str value, size_t most)
{
    if (!is_value(value, most))
        return;
    buf_addf(out, "%s=", key);
    xtext_add(out, value);
    buf_add_byte(out, ' ');
}

struct smtp_reply result_print(const struct result *r, struct arena *a)
{
    struct str words = str_trim(r->reply.text);
    bool cut = words.n > RESULT_TEXT_BYTES;
    struct smtp_reply out = r->reply;
    struct buf text;

    if (cut)
        words = str_trim(str_first(words, RESULT_TEXT_BYTES - 3));
    buf_init(&text, TEXT_BYTES);
    add(&text, "host", r->host, RESULT_HOST_BYTES);
    add(&text, "ip", r->ip, RESULT_WORD_BYTES);
    add(&text, "tls", r->tls, RESULT_WORD_BYTES);
    add(&text, "mxset", r->mxset, RESULT_WORD_BYTES);
    add(&text, "dsn", r->dsn ? STR("yes") : STR(""), RESULT_WORD_BYTES);
    add(&text, "said", r->said ? STR("yes") : STR(""), RESULT_WORD_BYTES);
    buf_add_byte(&text, ':');
    if (words.n)
        buf_add_byte(&text, ' ');
    for (size_t i = 0; i < words.n; i++)
        buf_add_byte(&text, ascii_shown(words.p[i]));
    if (cut)
        buf_add(&text, STR("..."));
    out.text = arena_dup(a, buf_str(&text));
    buf_done(&text);
    return out;
}

/* A key that is not known says nothing to us. */
static void take(struct result *r, struct str key, struct str value)
{
    const struct {
        struct str key;
        struct str *to;
        size_t most;
    } texts[] = {
        {STR_LIT("host"),  &r->host,  RESULT_HOST_BYTES},
        {STR_LIT("ip"),    &r->ip,    RESULT_WORD_BYTES},
        {STR_LIT("tls"),   &r->tls,   RESULT_WORD_BYTES},
        {STR_LIT("mxset"), &r->mxset, RESULT_WORD_BYTES},
    };

    if (str_eq(key, STR("dsn")))
        r->dsn = str_eq(value, STR("yes"));
    else if (str_eq(key, STR("said")))
        r->said = str_eq(value, STR("yes"));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (str_eq(key, texts[i].key) && is_value(value, texts[i].most))
            *texts[i].to = value;
}

/* key "=" xtext SP */
static bool scan_field(struct str *in, struct arena *a, struct str *key, struct str *value)
{
    struct str s = *in, word, k;
    struct buf octets;
    bool ok;

    if (!scan_until(&s, ' ', &word) || !scan_byte(&s, ' ') || !scan_until(&word, '=', &k) ||
        !scan_byte(&word, '='))
        return false;
    buf_init(&octets, RESULT_HOST_BYTES * XTEXT_LONGEST);
    ok = xtext_decode(&octets, word);
    if (ok) {
        *in = s;
        *key = k;
        *value = arena_dup(a, buf_str(&octets));
    }
    buf_done(&octets);
    return ok;
}

struct result result_parse(struct smtp_reply reply, struct arena *a)
{
    static const struct str none = STR_LIT("");
    struct result r = {.host = none, .ip = none, .tls = none, .mxset = none};
    struct str in = reply.text, key, value;

    while (scan_field(&in, a, &key, &value))
        take(&r, key, value);
    if (!scan_byte(&in, ':') || (in.n && in.p[0] != ' ')) {
        r = (struct result){.host = none, .ip = none, .tls = none, .mxset = none};
        in = reply.text;
    }
    r.reply = reply;
    r.reply.text = str_trim(in);
    return r;
}
