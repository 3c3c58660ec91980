/*
 * Property: PLAIN through Cyrus asks and answers what a reader written from RFC 4616 says, and
 * LOGIN asks for the octets that it got. The first byte chooses the mechanism and whether the
 * password is right.
 */
#include "sasl/exchange.h"
#include "sasl/password.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { USE_LOGIN = 1, RIGHT = 2, INPUT_MAX = 8192, NAME_BYTES = 4096 };

static bool canonical(struct str name, struct buf *out)
{
    buf_init(out, NAME_BYTES);
    return sasl_canonical_user(name, out);
}

static bool same_password(struct str got, struct str sent)
{
    struct buf b;

    buf_init(&b, 3 * SASL_PASSWORD_BYTES);
    password_prepare(sent, &b);
    bool same = str_eq(got, buf_str(&b));
    buf_done(&b);
    return same;
}

/* message = [authzid] NUL authcid NUL passwd (RFC 4616 2) */
static bool split(struct str message, struct str *authzid, struct str *authcid,
                  struct str *password)
{
    size_t first = str_find(message, '\0');
    if (first == message.n)
        return false;
    *authzid = str_first(message, first);
    message = str_skip(message, first + 1);
    size_t second = str_find(message, '\0');
    if (second == message.n)
        return false;
    *authcid = str_first(message, second);
    *password = str_skip(message, second + 1);
    return str_find(*password, '\0') == password->n;
}

static bool password_fits(struct str password)
{
    return password.n > 0 && password.n <= SASL_PASSWORD_BYTES;
}

static void check_plain(struct sasl_exchange *x, struct str message, bool right)
{
    struct str authzid, authcid, password;
    struct buf user = {0}, acting = {0};
    struct sasl_said said;
    enum sasl_ask ask = sasl_exchange_step(x, true, message, &said);
    bool good = split(message, &authzid, &authcid, &password) && canonical(authcid, &user) &&
                password_fits(password);

    assert(ask == (good ? SASL_ASK_PASSWORD : SASL_SAYS_NO));
    if (good) {
        assert(str_eq(said.user, buf_str(&user)) && same_password(said.password, password));
        bool himself = authzid.n == 0 || (canonical(authzid, &acting) &&
                                          str_eq(buf_str(&acting), buf_str(&user)));
        ask = sasl_exchange_verdict(x, right, &said);
        assert(ask == (right && himself ? SASL_SAYS_YES : SASL_SAYS_NO));
        assert(ask == SASL_SAYS_NO || str_eq(said.user, buf_str(&user)));
    }
    buf_done(&user);
    buf_done(&acting);
}

/* The name up to the first LF, then the password. */
static void check_login(struct sasl_exchange *x, struct str in, bool right)
{
    struct str name = str_first(in, str_find(in, '\n'));
    struct str password = str_skip(in, name.n < in.n ? name.n + 1 : name.n);
    struct buf user;
    struct sasl_said said;
    bool good = canonical(name, &user) && password_fits(password) &&
                str_find(password, '\0') == password.n;

    assert(sasl_exchange_step(x, false, STR(""), &said) == SASL_ASK_RESPONSE);
    enum sasl_ask ask = sasl_exchange_step(x, true, name, &said);
    if (ask == SASL_ASK_RESPONSE)
        ask = sasl_exchange_step(x, true, password, &said);
    assert(ask == (good ? SASL_ASK_PASSWORD : SASL_SAYS_NO));
    if (good) {
        assert(str_eq(said.user, buf_str(&user)) && same_password(said.password, password));
        ask = sasl_exchange_verdict(x, right, &said);
        assert(ask == (right ? SASL_SAYS_YES : SASL_SAYS_NO));
    }
    buf_done(&user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sasl_owner owner = {.mechanisms = "PLAIN LOGIN"};
    static bool begun;

    if (!begun && sasl_exchange_init(&owner, NULL) < 0)
        return 0;
    begun = true;
    if (size == 0 || size > INPUT_MAX)
        return 0;
    bool login = data[0] & USE_LOGIN, right = data[0] & RIGHT;
    struct str in = {(const char *)data + 1, size - 1};
    struct sasl_exchange *x =
        sasl_exchange_new(&(struct sasl_begin){.service = STR("smtp"),
                                               .mechanism = login ? STR("LOGIN") : STR("PLAIN"),
                                               .clear_allowed = true});
    if (login)
        check_login(x, in, right);
    else
        check_plain(x, in, right);
    sasl_exchange_free(x);
    return 0;
}
