#include "users/auth.h"

#include "base/ascii.h"
#include "base/base64.h"

static const struct str verbs[] = {
    [AUTH_VERB_AUTH] = STR_LIT("AUTH"),     [AUTH_VERB_CONT] = STR_LIT("CONT"),
    [AUTH_VERB_CANCEL] = STR_LIT("CANCEL"), [AUTH_VERB_PASSWD] = STR_LIT("PASSWD"),
    [AUTH_VERB_REMOVE] = STR_LIT("REMOVE"), [AUTH_VERB_STATUS] = STR_LIT("STATUS"),
};

static const struct {
    enum auth_status status;
    struct str word;
} failures[] = {
    {AUTH_BAD,      STR_LIT("bad")     },
    {AUTH_TEMP,     STR_LIT("temp")    },
    {AUTH_DISABLED, STR_LIT("disabled")},
};

/* token = 1*VCHAR */
static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_print(s.p[i]) || s.p[i] == ' ')
            return false;
    return s.n > 0 && s.n <= AUTH_TOKEN_BYTES;
}

/* What is not a token names nothing that exists: "?" says so to the other side. */
static void print_token(struct buf *out, struct str s)
{
    buf_add_byte(out, '\t');
    buf_add(out, is_token(s) ? s : s.n ? STR("?") : STR("-"));
}

static void print_octets(struct buf *out, bool has, struct str octets)
{
    buf_add_byte(out, '\t');
    if (!has || octets.n == 0)
        buf_add_byte(out, has ? '=' : '-');
    else
        base64_add(out, octets);
}

static void print_words(struct buf *out, struct str words)
{
    buf_add_byte(out, '\t');
    for (size_t i = 0; i < words.n; i++) {
        char c = words.p[i];

        buf_add_byte(out, ascii_is_print(c) || ascii_is_8bit(c) ? c : '?');
    }
}

static void print_verb(struct buf *out, struct str verb, uint32_t exchange)
{
    buf_add(out, verb);
    buf_addf(out, "\t%u", exchange);
}

void auth_print_begin(struct buf *out, uint32_t exchange, const struct auth_begin *b)
{
    print_verb(out, verbs[AUTH_VERB_AUTH], exchange);
    print_token(out, b->service);
    print_token(out, b->mechanism);
    print_token(out, b->peer);
    print_token(out, b->binding_name);
    print_octets(out, b->binding.n > 0, b->binding);
    print_token(out, b->tls ? STR("tls") : STR("clear"));
    print_octets(out, b->has_response, b->response);
    buf_add_byte(out, '\n');
}

void auth_print_continue(struct buf *out, uint32_t exchange, struct str response)
{
    print_verb(out, verbs[AUTH_VERB_CONT], exchange);
    print_octets(out, true, response);
    buf_add_byte(out, '\n');
}

void auth_print_cancel(struct buf *out, uint32_t exchange)
{
    print_verb(out, verbs[AUTH_VERB_CANCEL], exchange);
    buf_add_byte(out, '\n');
}

void auth_print_passwd(struct buf *out, uint32_t exchange, struct str user, struct str password)
{
    print_verb(out, verbs[AUTH_VERB_PASSWD], exchange);
    print_octets(out, true, user);
    print_octets(out, true, password);
    buf_add_byte(out, '\n');
}

void auth_print_remove(struct buf *out, uint32_t exchange, struct str user)
{
    print_verb(out, verbs[AUTH_VERB_REMOVE], exchange);
    print_octets(out, true, user);
    buf_add_byte(out, '\n');
}

void auth_print_status(struct buf *out, uint32_t exchange)
{
    print_verb(out, verbs[AUTH_VERB_STATUS], exchange);
    buf_add_byte(out, '\n');
}

void auth_print_answer(struct buf *out, const struct auth_answer *a)
{
    if (a->status == AUTH_CONTINUE) {
        print_verb(out, verbs[AUTH_VERB_CONT], a->exchange);
        print_octets(out, true, a->text);
    } else if (a->status == AUTH_OK) {
        print_verb(out, STR("OK"), a->exchange);
        print_words(out, a->text);
    } else {
        print_verb(out, STR("FAIL"), a->exchange);
        for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
            if (failures[i].status == a->status)
                print_token(out, failures[i].word);
        print_words(out, a->text);
    }
    buf_add_byte(out, '\n');
}

/* A field ends at a TAB, which is taken, or at the end of the line. */
static bool scan_field(struct str *in, struct str *out)
{
    if (!scan_until(in, '\t', out))
        return false;
    if (in->n)
        *in = str_skip(*in, 1);
    return true;
}

static bool scan_token(struct str *in, struct str *out)
{
    struct str s = *in, field;

    if (!scan_field(&s, &field) || !is_token(field))
        return false;
    *in = s;
    *out = str_eq(field, STR("-")) ? STR("") : field;
    return true;
}

/* `scratch` has room for all octets of the line, so that earlier results stay where they are.
 */
static bool scan_octets(struct str *in, struct buf *scratch, bool *has, struct str *out)
{
    size_t before = buf_str(scratch).n;
    struct str s = *in, field;

    if (!scan_field(&s, &field))
        return false;
    *has = !str_eq(field, STR("-"));
    if (*has && !str_eq(field, STR("=")) && !base64_decode(scratch, field))
        return false;
    *in = s;
    *out = str_skip(buf_str(scratch), before);
    return true;
}

/* exchange = 1*DIGIT, at most 2^32 - 1 */
static bool scan_exchange(struct str *in, uint32_t *out)
{
    struct str s = *in, field;

    if (!scan_field(&s, &field) || !scan_u32(&field, UINT32_MAX, out) || field.n)
        return false;
    *in = s;
    return true;
}

static bool scan_begin(struct str *in, struct buf *scratch, struct auth_begin *b)
{
    struct str tls;
    bool has;

    if (!scan_token(in, &b->service) || !scan_token(in, &b->mechanism) ||
        !scan_token(in, &b->peer) || !scan_token(in, &b->binding_name))
        return false;
    if (!scan_octets(in, scratch, &has, &b->binding) || !scan_token(in, &tls))
        return false;
    b->tls = str_eq(tls, STR("tls"));
    if (!b->tls && !str_eq(tls, STR("clear")))
        return false;
    return scan_octets(in, scratch, &b->has_response, &b->response);
}

static bool scan_arguments(struct str *in, struct buf *scratch, struct auth_request *r)
{
    bool has = true;

    switch (r->verb) {
    case AUTH_VERB_AUTH:
        return scan_begin(in, scratch, &r->begin);
    case AUTH_VERB_CONT:
        return scan_octets(in, scratch, &has, &r->response) && has;
    case AUTH_VERB_PASSWD:
        return scan_octets(in, scratch, &has, &r->user) && has &&
               scan_octets(in, scratch, &has, &r->password) && has;
    case AUTH_VERB_REMOVE:
        return scan_octets(in, scratch, &has, &r->user) && has;
    case AUTH_VERB_CANCEL:
    case AUTH_VERB_STATUS:
        return true;
    }
    return false;
}

bool auth_parse_request(struct str line, struct buf *scratch, struct auth_request *out)
{
    struct auth_request r = {.exchange = 0};
    struct str verb;
    bool known = false;

    buf_clear(scratch);
    if (!buf_room(scratch, line.n) || !scan_field(&line, &verb))
        return false;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (str_eq(verb, verbs[i])) {
            r.verb = (enum auth_verb)i;
            known = true;
        }
    if (!known || !scan_exchange(&line, &r.exchange) || !scan_arguments(&line, scratch, &r) ||
        line.n)
        return false;
    *out = r;
    return true;
}

static bool scan_failure(struct str *in, enum auth_status *out)
{
    struct str word;

    if (!scan_field(in, &word))
        return false;
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (str_eq(word, failures[i].word)) {
            *out = failures[i].status;
            return true;
        }
    return false;
}

bool auth_parse_answer(struct str line, struct buf *scratch, struct auth_answer *out)
{
    struct auth_answer a = {.status = AUTH_CONTINUE};
    struct str verb;
    bool has;

    buf_clear(scratch);
    if (!buf_room(scratch, line.n) || !scan_field(&line, &verb) ||
        !scan_exchange(&line, &a.exchange))
        return false;
    if (str_eq(verb, STR("CONT"))) {
        if (!scan_octets(&line, scratch, &has, &a.text) || !has || line.n)
            return false;
    } else {
        if (str_eq(verb, STR("OK")))
            a.status = AUTH_OK;
        else if (!str_eq(verb, STR("FAIL")) || !scan_failure(&line, &a.status))
            return false;
        size_t before = buf_str(scratch).n;
        buf_add(scratch, line);
        a.text = str_skip(buf_str(scratch), before);
    }
    *out = a;
    return true;
}
