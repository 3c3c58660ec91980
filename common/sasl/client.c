#include "sasl/client.h"

#include <sasl/sasl.h>
#include <stdlib.h>

enum { MECHANISMS_BYTES = 1000, HOST_BYTES = 255, USER_BYTES = 1024, PASSWORD_BYTES = 1024 };

static struct {
    void (*log)(void *arg, const char *text);
    void *arg;
} owner;

struct sasl_client {
    sasl_conn_t *conn;
    sasl_callback_t callbacks[4];
    char service[SASL_MECHNAMEMAX + 1], host[HOST_BYTES + 1];
    char mechanisms[MECHANISMS_BYTES + 1], user[USER_BYTES + 1];
    bool failed, over; /* over: nothing more is to be said, by the mechanism */
    sasl_secret_t *secret;
};

/* Cyrus gives all call-backs one type and casts them back. */
typedef int (*callback)(void);
#define CALLBACK(function) ((callback)(void (*)(void))(function))

static int verify_file(void *context, const char *file, sasl_verify_type_t type)
{
    static const char *const wanted[] = {"libplain.", "liblogin.", "libscram."};
    const char *slash = strrchr(file, '/');

    (void)context;
    if (type != SASL_VRFY_PLUGIN)
        return SASL_FAIL;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (str_starts(str_c(slash ? slash + 1 : file), str_c(wanted[i])))
            return SASL_OK;
    return SASL_CONTINUE;
}

static int log_line(void *context, int level, const char *message)
{
    (void)context;
    if (level == SASL_LOG_ERR && owner.log)
        owner.log(owner.arg, message);
    return SASL_OK;
}

int sasl_clients_init(void (*log)(void *arg, const char *text), void *arg, struct err *err)
{
    static const sasl_callback_t callbacks[] = {
        {SASL_CB_VERIFYFILE, CALLBACK(verify_file), NULL},
        {SASL_CB_LOG,        CALLBACK(log_line),    NULL},
        {SASL_CB_LIST_END,   NULL,                  NULL},
    };

    owner.log = log;
    owner.arg = arg;
    int r = sasl_client_init(callbacks);
    if (r != SASL_OK)
        return err_set(err, E_UNAVAILABLE, "Cyrus SASL does not start: %s",
                       sasl_errstring(r, NULL, NULL));
    return 0;
}

void sasl_clients_done(void)
{
    sasl_client_done();
}

static int tell_user(void *context, int id, const char **result, unsigned *n)
{
    struct sasl_client *c = context;

    /* whom to act for: the same as who logs in, and not said twice (RFC 4616 2) */
    *result = id == SASL_CB_USER ? "" : c->user;
    if (n)
        *n = (unsigned)strlen(*result);
    return SASL_OK;
}

static int tell_password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **out)
{
    struct sasl_client *c = context;

    (void)conn;
    (void)id;
    *out = c->secret;
    return SASL_OK;
}

static bool keep(char *to, size_t room, struct str s)
{
    if (s.n >= room || str_find(s, '\0') < s.n)
        return false;
    memcpy(to, s.n ? s.p : "", s.n);
    to[s.n] = '\0';
    return true;
}

static void keep_password(struct sasl_client *c, struct str password)
{
    c->secret = calloc(1, sizeof(*c->secret) + password.n + 1);
    if (!c->secret)
        abort();
    c->secret->len = password.n;
    memcpy(c->secret->data, password.n ? password.p : "", password.n);
}

struct sasl_client *sasl_client_open(const struct sasl_login *l)
{
    struct sasl_client *c = calloc(1, sizeof(*c));
    sasl_security_properties_t security = {
        .security_flags = SASL_SEC_NOANONYMOUS | (l->clear_allowed ? 0 : SASL_SEC_NOPLAINTEXT),
    };

    if (!c)
        abort();
    keep_password(c, str_first(l->password, PASSWORD_BYTES));
    c->callbacks[0] = (sasl_callback_t){SASL_CB_USER, CALLBACK(tell_user), c};
    c->callbacks[1] = (sasl_callback_t){SASL_CB_AUTHNAME, CALLBACK(tell_user), c};
    c->callbacks[2] = (sasl_callback_t){SASL_CB_PASS, CALLBACK(tell_password), c};
    c->callbacks[3] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
    c->failed = l->password.n > PASSWORD_BYTES ||
                !keep(c->service, sizeof(c->service), l->service) ||
                !keep(c->host, sizeof(c->host), l->host) ||
                !keep(c->mechanisms, sizeof(c->mechanisms), l->mechanisms) ||
                !keep(c->user, sizeof(c->user), l->user) ||
                sasl_client_new(c->service, c->host, NULL, NULL, c->callbacks, 0, &c->conn) !=
                    SASL_OK ||
                sasl_setprop(c->conn, SASL_SEC_PROPS, &security) != SASL_OK;
    return c;
}

void sasl_client_free(struct sasl_client *c)
{
    if (!c)
        return;
    sasl_dispose(&c->conn);
    explicit_bzero(c->secret->data, c->secret->len);
    free(c->secret);
    free(c);
}

static enum sasl_client_says outcome(struct sasl_client *c, int r)
{
    c->over = r == SASL_OK;
    c->failed = c->failed || (r != SASL_OK && r != SASL_CONTINUE);
    return c->failed ? SASL_CLIENT_FAILED : SASL_CLIENT_SEND;
}

enum sasl_client_says sasl_client_begin(struct sasl_client *c, struct str *mechanism,
                                        bool *has_response, struct str *response)
{
    const char *out = NULL, *name = NULL;
    unsigned n = 0;

    if (c->failed)
        return SASL_CLIENT_FAILED;
    int r = sasl_client_start(c->conn, c->mechanisms, NULL, &out, &n, &name);
    if (outcome(c, r) == SASL_CLIENT_FAILED)
        return SASL_CLIENT_FAILED;
    *mechanism = str_c(name);
    *has_response = out != NULL;
    *response = (struct str){out ? out : "", out ? n : 0};
    return SASL_CLIENT_SEND;
}

enum sasl_client_says sasl_client_answer(struct sasl_client *c, struct str challenge,
                                         struct str *response)
{
    const char *out = NULL;
    unsigned n = 0;

    if (c->failed || c->over || challenge.n > UINT32_MAX)
        return SASL_CLIENT_FAILED;
    int r = sasl_client_step(c->conn, challenge.p, (unsigned)challenge.n, NULL, &out, &n);
    *response = (struct str){out ? out : "", out ? n : 0};
    return outcome(c, r);
}

bool sasl_client_accepts(struct sasl_client *c)
{
    return !c->failed && c->over;
}
