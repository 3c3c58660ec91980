#include "mta/send/route.h"

#include "base/buf.h"
#include "sys/config_value.h"
#include "sys/fs.h"

static enum route_tls tls_named(const char *word)
{
    static const char *const words[] = {[ROUTE_MAY] = "may",
                                        [ROUTE_MUST] = "must",
                                        [ROUTE_VERIFY] = "verify",
                                        [ROUTE_NEVER] = "never"};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(word, words[i]) == 0)
            return (enum route_tls)i;
    return ROUTE_VERIFY; /* the configuration has seen to it that there is no other word */
}

/* Where posta.conf has no word: a password goes to nobody who has not shown a certificate. */
static enum route_tls tls_of(const char *word, const struct route *r)
{
    if (*word)
        return tls_named(word);
    return r->user.n ? ROUTE_VERIFY : ROUTE_MAY;
}

/* The first line of the file. */
static void read_password(struct arena *a, struct route *r, const char *file)
{
    struct buf text;
    struct err err;

    buf_init(&text, ROUTE_PASSWORD_BYTES);
    if (fs_read_file(file, &text, &err) < 0) {
        r->flaw = arena_printf(a, "the password of this route cannot be read: %s", err.text).p;
    } else {
        struct str line = str_first(buf_str(&text), str_find(buf_str(&text), '\n'));

        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        r->password = arena_dup(a, line);
        if (line.n == 0)
            r->flaw = "the file with the password of this route is empty";
    }
    if (text.p)
        explicit_bzero(text.p, text.cap);
    buf_done(&text);
}

static void make(struct arena *a, struct route *r, const char *to, const char *tls,
                 const char *user, const char *password_file)
{
    struct config_destination d;

    r->user = arena_dup(a, str_c(user));
    r->tls = tls_of(tls, r);
    r->password = STR("");
    if (!config_destination(str_c(to), &d)) {
        r->flaw = "the destination of this route is not understood";
        return;
    }
    r->lmtp = d.lmtp;
    r->host = arena_dup(a, str_c(d.at.host));
    r->port = d.at.port;
    r->path = d.path[0] ? arena_dup(a, str_c(d.path)).p : NULL;
    if (r->path) /* nobody is on that way; and its server has no name */
        r->tls = r->tls == ROUTE_MAY || !*tls ? ROUTE_NEVER : r->tls;
    if (r->user.n)
        read_password(a, r, password_file);
}

void routes_init(struct routes *r, const struct config *c)
{
    arena_init(&r->arena);
    r->n = c->mta.nroutes + 1;
    r->all = ARENA_ARRAY(&r->arena, struct route, r->n);
    for (size_t i = 0; i < c->mta.nroutes; i++) {
        const struct config_route *from = &c->mta.routes[i];
        struct str domain = str_c(from->domain);

        if (domain.n && domain.p[domain.n - 1] == '.')
            domain.n--;
        r->all[i].domain = arena_dup(&r->arena, domain);
        make(&r->arena, &r->all[i], from->to, from->tls, from->user, from->password_file);
    }
    struct route *others = &r->all[r->n - 1];
    if (c->mta.relay[0])
        make(&r->arena, others, c->mta.relay, c->mta.relay_tls, c->mta.relay_user,
             c->mta.relay_password_file);
    else
        *others = (struct route){.mx = true, .port = (uint16_t)c->mta.port, .tls = ROUTE_MAY};
}

void routes_done(struct routes *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->all[i].password.n)
            explicit_bzero((char *)(uintptr_t)r->all[i].password.p, r->all[i].password.n);
    arena_done(&r->arena);
}

const struct route *routes_find(const struct routes *r, struct str domain)
{
    for (size_t i = 0; i + 1 < r->n; i++)
        if (str_eq_nocase(r->all[i].domain, domain))
            return &r->all[i];
    return &r->all[r->n - 1];
}
