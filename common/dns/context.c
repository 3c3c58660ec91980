#include "dns/context.h"

#include "base/buf.h"
#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <unbound.h>

enum { SERVERS_MAX = 16 };

/* The root's key: from dns-root-data, or as unbound(8) keeps it. */
static const char *const root_anchors[] = {"/usr/share/dns/root.key",
                                           "/var/lib/unbound/root.key"};

static const struct {
    const char *name, *value;
} settings[] = {
    {"do-not-query-localhost:", "no" },
 /* private addresses are asked for like others, and the root has no keys for them */
    {"unblock-lan-zones:",      "yes"},
    {"insecure-lan-zones:",     "yes"},
    {"trust-anchor-signaling:", "no" },
    {"msg-cache-size:",         "2m" },
    {"rrset-cache-size:",       "4m" },
    {"outgoing-range:",         "128"},
    {"outgoing-num-tcp:",       "16" },
 /* a server that was away is noticed soon after it comes back (X16) */
    {"infra-host-ttl:",         "60" },
    {"infra-keep-probing:",     "yes"},
};

/* Names that libunbound denies or answers by itself; laboratories use them. */
static const char *const unlocked[] = {"test.", "invalid.", "home.arpa.", "127.in-addr.arpa."};

/* The root denies them, with signatures, to all the world, so they can only be had without
 * (RFC 6761 6.2; "internal" is ICANN's for private use). */
static const char *const private_zones[] = {"test.", "internal."};

static int read_file(const char *path, struct buf *out, struct err *err)
{
    DEFER(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char part[4096];
    ssize_t n;

    if (fd < 0)
        return err_os(err, "open %s", path);
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(out, (struct str){part, (size_t)n});
    if (n < 0)
        return err_os(err, "read %s", path);
    if (buf_failed(out))
        return err_set(err, E_LIMIT, "%s is longer than %u octets", path, CONTEXT_FILE_BYTES);
    return 0;
}

static bool scan_blanks(struct str *in)
{
    size_t before = in->n;

    while (scan_byte(in, ' ') || scan_byte(in, '\t'))
        ;
    return in->n < before;
}

static struct str first_word(struct str line)
{
    size_t n = 0;

    while (n < line.n && !strchr(" \t\r;#%", line.p[n]))
        n++;
    return str_first(line, n);
}

size_t resolv_conf_servers(struct str text, struct arena *a, const char **out, size_t max)
{
    struct str line;
    struct ip ip;
    size_t n = 0;

    for (; text.n && n < max; scan_byte(&text, '\n')) {
        if (!scan_until(&text, '\n', &line))
            continue;
        if (!scan_word(&line, STR("nameserver")) || !scan_blanks(&line))
            continue;
        struct str server = first_word(line);
        /* a link-local one has its link behind it: fe80::1%eth0 */
        size_t link = server.n < line.n && line.p[server.n] == '%' ? server.n : line.n;
        if (!ip_parse(str_first(server, str_find(server, '@')), &ip))
            continue;
        if (link < line.n)
            server = str_first(line, link + 1 + first_word(str_skip(line, link + 1)).n);
        out[n++] = arena_dup(a, server).p;
    }
    return n;
}

struct str anchor_owner(struct str text)
{
    struct str line;

    for (; text.n; scan_byte(&text, '\n')) {
        if (!scan_until(&text, '\n', &line))
            continue;
        struct str owner = first_word(line);
        if (owner.n && owner.p[0] != '$')
            return owner;
    }
    return STR("");
}

static const char **copy_list(struct arena *a, const char *const *list, size_t n)
{
    const char **copy = ARENA_ARRAY(a, const char *, n + 1);

    for (size_t i = 0; i < n; i++)
        copy[i] = arena_dup(a, str_c(list[i])).p;
    return copy;
}

const char *context_resolv_conf(const struct dns_options *o)
{
    return o->resolv_conf ? o->resolv_conf : "/etc/resolv.conf";
}

static void plan_servers(const struct dns_options *o, struct arena *a,
                         struct context_plan *plan)
{
    struct buf text;

    if (o->servers_n) {
        plan->servers = copy_list(a, o->servers, o->servers_n);
        plan->servers_n = o->servers_n;
        return;
    }
    plan->servers = ARENA_ARRAY(a, const char *, SERVERS_MAX);
    buf_init(&text, CONTEXT_FILE_BYTES);
    if (read_file(context_resolv_conf(o), &text, NULL) == 0)
        plan->servers_n = resolv_conf_servers(buf_str(&text), a, plan->servers, SERVERS_MAX);
    buf_done(&text);
}

static bool everything_insecure(const struct dns_options *o)
{
    for (size_t i = 0; i < o->insecure_n; i++)
        if (strcmp(o->insecure[i], ".") == 0)
            return true;
    return false;
}

static const char *find_root_anchor(void)
{
    for (size_t i = 0; i < sizeof(root_anchors) / sizeof(root_anchors[0]); i++)
        if (access(root_anchors[i], R_OK) == 0)
            return root_anchors[i];
    return NULL;
}

static void plan_insecure(const struct dns_options *o, struct arena *a,
                          struct context_plan *plan, bool root)
{
    size_t more = root ? sizeof(private_zones) / sizeof(private_zones[0]) : 0;

    plan->insecure = ARENA_ARRAY(a, const char *, o->insecure_n + more + 1);
    for (size_t i = 0; i < o->insecure_n; i++)
        plan->insecure[plan->insecure_n++] = arena_dup(a, str_c(o->insecure[i])).p;
    for (size_t i = 0; i < more; i++)
        plan->insecure[plan->insecure_n++] = private_zones[i];
}

static int plan_anchor(const struct dns_options *o, struct arena *a, struct context_plan *plan,
                       struct err *err)
{
    bool named = o->trust_anchor && *o->trust_anchor;
    const char *path = named ? o->trust_anchor : find_root_anchor();
    struct buf text;

    plan_insecure(o, a, plan, !named);
    plan->dnssec = everything_insecure(o) ? DNSSEC_OFF
                   : path                 ? DNSSEC_ASKING
                                          : DNSSEC_ANCHORLESS;
    if (plan->dnssec != DNSSEC_ASKING)
        return 0;
    buf_init(&text, CONTEXT_FILE_BYTES);
    int r = read_file(path, &text, err);
    struct str owner = anchor_owner(buf_str(&text));
    if (r == 0 && (owner.n == 0 || owner.n > DNS_NAME_BYTES))
        r = err_set(err, E_SYNTAX, "%s holds no key", path);
    plan->anchor = arena_dup(a, str_c(path)).p;
    plan->anchored = arena_dup(a, owner).p;
    buf_done(&text);
    return r;
}

int context_plan(const struct dns_options *o, struct arena *a, struct context_plan *out,
                 struct err *err)
{
    *out = (struct context_plan){0};
    plan_servers(o, a, out);
    return plan_anchor(o, a, out, err);
}

static int refuse(struct err *err, int code, const char *what, const char *value)
{
    return err_set(err, E_SYNTAX, "resolver: %s %s: %s", what, value, ub_strerror(code));
}

static int set_all(struct ub_ctx *ctx, const struct context_plan *plan, bool validate,
                   struct err *err)
{
    int r;

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if ((r = ub_ctx_set_option(ctx, settings[i].name, settings[i].value)))
            return refuse(err, r, settings[i].name, settings[i].value);
    for (size_t i = 0; i < plan->servers_n; i++)
        if ((r = ub_ctx_set_fwd(ctx, plan->servers[i])))
            return refuse(err, r, "server", plan->servers[i]);
    if (!validate)
        return 0;
    for (size_t i = 0; i < plan->insecure_n; i++)
        if ((r = ub_ctx_set_option(ctx, "domain-insecure:", plan->insecure[i])))
            return refuse(err, r, "insecure zone", plan->insecure[i]);
    if ((r = ub_ctx_add_ta_file(ctx, plan->anchor)))
        return refuse(err, r, "trust anchor", plan->anchor);
    return 0;
}

/* This is where libunbound reads the anchor and all else: nothing can be set afterwards. */
static int finish(struct ub_ctx *ctx, const struct context_plan *plan, bool validate,
                  struct err *err)
{
    for (size_t i = 0; i < sizeof(unlocked) / sizeof(unlocked[0]); i++) {
        int r = ub_ctx_zone_remove(ctx, unlocked[i]);

        if (r)
            return refuse(err, r, "cannot begin (is every insecure zone a name?); trust anchor",
                          validate ? plan->anchor : "(none)");
    }
    return 0;
}

int context_make(const struct context_plan *plan, bool validate, struct ub_ctx **out,
                 struct err *err)
{
    struct ub_ctx *ctx = ub_ctx_create();
    int r;

    if (!ctx)
        return err_set(err, -errno, "make a resolver");
    ub_ctx_debugout(ctx, NULL); /* it would write to standard error */
    ub_ctx_async(ctx, 1);
    if ((r = set_all(ctx, plan, validate, err)) || (r = finish(ctx, plan, validate, err))) {
        ub_ctx_delete(ctx);
        return r;
    }
    *out = ctx;
    return 0;
}
