/*
 *              step                          step
 *   sasl_exchange_new --> RUNNING <--> SASL_ASK_RESPONSE
 *                            |
 *                            |  Cyrus calls check_password(), which notes the question and
 * fails
 *                            v
 *                     SASL_ASK_PASSWORD
 *                            |  verdict: replay() with the answer
 *                            v
 *                   SASL_SAYS_YES, SASL_SAYS_NO
 */
#include "sasl/exchange.h"

#include "base/ascii.h"
#include "base/nfc.h"
#include "sasl/password.h"

#include <assert.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

enum { MECHANISM_BYTES = SASL_MECHNAMEMAX, BINDING_BYTES = 64, VERIFIERS_BYTES = 4096 };

static const char plugin_name[] = "posta";
static struct sasl_owner owner;

struct response {
    bool has;
    size_t n;
    char *p;
};

struct sasl_exchange {
    sasl_conn_t *conn;
    sasl_callback_t callbacks[3];
    sasl_channel_binding_t binding;
    char service[MECHANISM_BYTES + 1], mechanism[MECHANISM_BYTES + 1];
    char binding_name[MECHANISM_BYTES + 1];
    unsigned char binding_octets[BINDING_BYTES];
    bool clear_allowed;
    bool failed, no_name;
    bool asked;           /* check_password() has been called and knew no answer */
    bool answered, right; /* the owner's verdict                                 */
    struct buf user, password;
    struct response responses[SASL_STEPS];
    unsigned nresponses;
};

static int get_option(void *context, const char *plugin, const char *option,
                      const char **result, unsigned *n)
{
    (void)context;
    (void)plugin;
    if (strcmp(option, "mech_list") == 0)
        *result = owner.mechanisms;
    else if (strcmp(option, "auxprop_plugin") == 0)
        *result = plugin_name;
    else if (strcmp(option, "pwcheck_method") == 0)
        *result = ""; /* check_password() has the last word */
    else
        return SASL_FAIL;
    if (n)
        *n = (unsigned)strlen(*result);
    return SASL_OK;
}

/* Of the libraries in the plug-in folder, only those of the mechanisms that we speak. */
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

/* Failed logins are the owner's to log; here only what is wrong with the library itself. */
static int log_line(void *context, int level, const char *message)
{
    (void)context;
    if (level == SASL_LOG_ERR && owner.log && !strstr(message, "password verifier"))
        owner.log(owner.arg, message);
    return SASL_OK;
}

bool sasl_canonical_user(struct str name, struct buf *out)
{
    size_t before = buf_str(out).n;

    if (name.n == 0 || name.n > SASL_USER_BYTES || !nfc_add(out, name))
        return false;
    char *p = out->p + out->from + before;
    for (size_t i = 0, n = buf_str(out).n - before; i < n; i++) {
        if (!ascii_is_8bit(p[i]) && (!ascii_is_print(p[i]) || p[i] == ' ')) {
            buf_clear(out);
            return false;
        }
        p[i] = ascii_lower(p[i]);
    }
    return true;
}

/*
 * Never fails: Cyrus's LOGIN forgets to free the password when it does. A name that is none
 * becomes one that nobody has, and the exchange remembers to refuse.
 */
static int canonical_user(sasl_conn_t *conn, void *context, const char *in, unsigned n,
                          unsigned flags, const char *realm, char *out, unsigned out_max,
                          unsigned *out_n)
{
    struct sasl_exchange *x = context;
    struct buf name;

    (void)conn;
    (void)flags;
    (void)realm;
    buf_init(&name, SASL_USER_BYTES);
    if (!sasl_canonical_user((struct str){in, n}, &name) || buf_str(&name).n > out_max) {
        x->no_name = true;
        buf_clear(&name);
        buf_add_byte(&name, '-');
    }
    memcpy(out, buf_str(&name).p, buf_str(&name).n);
    *out_n = (unsigned)buf_str(&name).n;
    buf_done(&name);
    return SASL_OK;
}

/* Cyrus asks; without an answer yet, the question is noted and the step fails. */
static int check_password(sasl_conn_t *conn, void *context, const char *user,
                          const char *password, unsigned n, struct propctx *properties)
{
    struct sasl_exchange *x = context;
    struct str pass = {password, n};

    (void)conn;
    (void)properties;
    if (x->answered)
        return x->right ? SASL_OK : SASL_BADAUTH;
    if (x->no_name || n == 0 || n > SASL_PASSWORD_BYTES || str_find(pass, '\0') < n)
        return SASL_BADAUTH;
    x->asked = true;
    buf_add(&x->user, str_c(user));
    password_prepare(pass, &x->password);
    return SASL_BADAUTH;
}

/* One verifier a line of `all` becomes one value of the property. */
static void set_verifiers(sasl_server_params_t *params, const char *name, struct str all)
{
    struct str one;

    while (scan_until(&all, '\n', &one)) {
        params->utils->prop_set(params->propctx, name, one.p, (int)one.n);
        scan_byte(&all, '\n');
    }
}

/* SCRAM asks for the property authPassword of the user ("*" marks the one who logs in). */
static int look_up(void *context, sasl_server_params_t *params, unsigned flags,
                   const char *user, unsigned n)
{
    const struct propval *p = params->utils->prop_get(params->propctx);
    struct buf all;

    (void)context;
    (void)flags;
    buf_init(&all, VERIFIERS_BYTES);
    if (owner.verifiers && owner.verifiers(owner.arg, (struct str){user, n}, &all))
        for (; p && p->name; p++)
            if (strcmp(p->name, "*authPassword") == 0 && !p->values)
                set_verifiers(params, p->name, buf_str(&all));
    buf_done(&all);
    return SASL_OK;
}

static int plugin_init(const sasl_utils_t *utils, int max_version, int *out_version,
                       sasl_auxprop_plug_t **plugin, const char *name)
{
    static sasl_auxprop_plug_t posta = {
        .auxprop_lookup = look_up,
        .name = (char *)plugin_name,
    };

    (void)utils;
    (void)name;
    if (max_version < SASL_AUXPROP_PLUG_VERSION)
        return SASL_BADVERS;
    *out_version = SASL_AUXPROP_PLUG_VERSION;
    *plugin = &posta;
    return SASL_OK;
}

/* Cyrus gives all call-backs one type and casts them back. */
typedef int (*callback)(void);
#define CALLBACK(function) ((callback)(void (*)(void))(function))

int sasl_exchange_init(const struct sasl_owner *o, struct err *err)
{
    static const sasl_callback_t callbacks[] = {
        {SASL_CB_GETOPT,     CALLBACK(get_option),  NULL},
        {SASL_CB_VERIFYFILE, CALLBACK(verify_file), NULL},
        {SASL_CB_LOG,        CALLBACK(log_line),    NULL},
        {SASL_CB_LIST_END,   NULL,                  NULL},
    };

    owner = *o;
    /* without a name no file of options is looked for */
    int r = sasl_server_init(callbacks, NULL);
    if (r == SASL_OK)
        r = sasl_auxprop_add_plugin(plugin_name, plugin_init);
    if (r != SASL_OK)
        return err_set(err, E_UNAVAILABLE, "Cyrus SASL does not start: %s",
                       sasl_errstring(r, NULL, NULL));
    return 0;
}

void sasl_exchange_done(void)
{
    sasl_done();
}

/* A C string of at most `room` bytes with its NUL; what is longer is none of ours. */
static bool keep(char *to, size_t room, struct str s)
{
    if (s.n >= room || str_find(s, '\0') < s.n)
        return false;
    memcpy(to, s.n ? s.p : "", s.n);
    to[s.n] = '\0';
    return true;
}

/* A fresh object of Cyrus's in the place of the one that was. */
static bool renew(struct sasl_exchange *x)
{
    sasl_security_properties_t security = {
        .security_flags = SASL_SEC_NOANONYMOUS | (x->clear_allowed ? 0 : SASL_SEC_NOPLAINTEXT),
    };

    sasl_dispose(&x->conn);
    if (sasl_server_new(x->service, "posta", NULL, NULL, NULL, x->callbacks, 0, &x->conn) !=
        SASL_OK)
        return false;
    if (sasl_setprop(x->conn, SASL_SEC_PROPS, &security) != SASL_OK)
        return false;
    return x->binding.len == 0 ||
           sasl_setprop(x->conn, SASL_CHANNEL_BINDING, &x->binding) == SASL_OK;
}

struct sasl_exchange *sasl_exchange_new(const struct sasl_begin *b)
{
    struct sasl_exchange *x = calloc(1, sizeof(*x));

    if (!x)
        abort();
    buf_init(&x->user, SASL_USER_BYTES);
    buf_init(&x->password, 3 * SASL_PASSWORD_BYTES);
    x->callbacks[0] = (sasl_callback_t){SASL_CB_CANON_USER, CALLBACK(canonical_user), x};
    x->callbacks[1] =
        (sasl_callback_t){SASL_CB_SERVER_USERDB_CHECKPASS, CALLBACK(check_password), x};
    x->callbacks[2] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
    x->clear_allowed = b->clear_allowed;
    x->failed = !keep(x->service, sizeof(x->service), b->service) ||
                !keep(x->mechanism, sizeof(x->mechanism), b->mechanism) ||
                !keep(x->binding_name, sizeof(x->binding_name), b->binding_name) ||
                b->binding.n > sizeof(x->binding_octets);
    if (!x->failed && b->binding.n) {
        memcpy(x->binding_octets, b->binding.p, b->binding.n);
        x->binding.name = x->binding_name;
        x->binding.len = (unsigned long)b->binding.n;
        x->binding.data = x->binding_octets;
    }
    x->failed = x->failed || !renew(x);
    return x;
}

static void wipe(char *p, size_t n)
{
    if (p)
        explicit_bzero(p, n);
}

void sasl_exchange_free(struct sasl_exchange *x)
{
    if (!x)
        return;
    for (unsigned i = 0; i < x->nresponses; i++) {
        wipe(x->responses[i].p, x->responses[i].n);
        free(x->responses[i].p);
    }
    wipe(x->password.p, x->password.cap);
    buf_done(&x->password);
    buf_done(&x->user);
    sasl_dispose(&x->conn);
    free(x);
}

static bool keep_response(struct sasl_exchange *x, bool has, struct str octets)
{
    struct response *r = &x->responses[x->nresponses];

    if (x->nresponses == SASL_STEPS || octets.n > UINT32_MAX)
        return false;
    r->has = has;
    r->n = has ? octets.n : 0;
    r->p = malloc(r->n + 1);
    if (!r->p)
        abort();
    memcpy(r->p, r->n ? octets.p : "", r->n);
    r->p[r->n] = '\0';
    x->nresponses++;
    return true;
}

/* Response i goes into Cyrus. */
static int play(struct sasl_exchange *x, unsigned i, const char **out, unsigned *n)
{
    const struct response *r = &x->responses[i];
    const char *octets = r->has ? r->p : NULL;

    if (i == 0)
        return sasl_server_start(x->conn, x->mechanism, octets, (unsigned)r->n, out, n);
    return sasl_server_step(x->conn, r->p, (unsigned)r->n, out, n);
}

static enum sasl_ask outcome(struct sasl_exchange *x, int result, const char *out, unsigned n,
                             struct sasl_said *said)
{
    const void *user = NULL;

    *said = (struct sasl_said){
        .challenge = {out ? out : "", out ? n : 0}
    };
    if (x->asked && !x->answered) {
        said->user = buf_str(&x->user);
        said->password = buf_str(&x->password);
        return SASL_ASK_PASSWORD;
    }
    if (result == SASL_CONTINUE)
        return SASL_ASK_RESPONSE;
    if (result == SASL_OK && !x->no_name &&
        sasl_getprop(x->conn, SASL_USERNAME, &user) == SASL_OK && user) {
        said->user = str_c(user);
        return SASL_SAYS_YES;
    }
    x->failed = true;
    return SASL_SAYS_NO;
}

enum sasl_ask sasl_exchange_step(struct sasl_exchange *x, bool has_response,
                                 struct str response, struct sasl_said *said)
{
    const char *out = NULL;
    unsigned n = 0;

    assert(!x->asked);
    if (x->failed || !keep_response(x, has_response, response))
        return outcome(x, SASL_FAIL, NULL, 0, said);
    int result = play(x, x->nresponses - 1, &out, &n);
    return outcome(x, result, out, n, said);
}

enum sasl_ask sasl_exchange_verdict(struct sasl_exchange *x, bool right, struct sasl_said *said)
{
    const char *out = NULL;
    unsigned n = 0;
    int result = SASL_CONTINUE;

    assert(x->asked && !x->answered);
    x->answered = true;
    x->right = right;
    if (!renew(x))
        result = SASL_FAIL;
    for (unsigned i = 0; i < x->nresponses && result == SASL_CONTINUE; i++)
        result = play(x, i, &out, &n);
    return outcome(x, result, out, n, said);
}
