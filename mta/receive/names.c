#include "mta/receive/names.h"

#include "dns/dns.h"
#include "mail/idn.h"
#include "sys/log.h"

#include <stdlib.h>

/* Counted: a reload closes it while questions are under way. */
struct names {
    unsigned holders;
    struct loop *loop;
    struct dns *dns; /* NULL before the first question */
    struct watch *watch;
    struct timer *timer;
    bool all;    /* private addresses too */
    bool failed; /* to start              */
    struct config_list servers, insecure;
    const char *trust_anchor;
    struct arena arena; /* of these */
};

struct intake_lookup {
    struct names *names;
    struct arena arena;
    struct ip ip; /* a client's */
    uint64_t until_ms;
    struct dns_query *query;            /* PTR, or MX                        */
    struct str tried[NAMES_OF_ADDRESS]; /* names of the address          */
    struct dns_query *back[NAMES_OF_ADDRESS];
    size_t n, nopen;
    struct str found;
    void (*named)(void *arg, struct str name); /* one of the two */
    void (*judged)(void *arg, bool no_mail);
    void *arg;
};

/* ---- which addresses ---- */

bool names_is_private(const struct ip *ip)
{
    static const struct {
        bool v6;
        uint8_t bytes[2];
        unsigned bits;
    } nets[] = {
        {false, {0, 0},       8 }, /* RFC 1122 */
        {false, {10, 0},      8 }, /* RFC 1918 */
        {false, {127, 0},     8 },
        {false, {169, 254},   16}, /* RFC 3927 */
        {false, {172, 16},    12},
        {false, {192, 168},   16},
        {false, {100, 64},    10}, /* RFC 6598 */
        {true,  {0, 0},       16}, /* ::, ::1  */
        {true,  {0xfc, 0},    7 }, /* RFC 4193 */
        {true,  {0xfe, 0x80}, 10},
    };

    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        unsigned mask = 0xffffU << (16 - nets[i].bits) & 0xffffU;
        unsigned have = (unsigned)ip->bytes[0] << 8 | ip->bytes[1];
        unsigned want = (unsigned)nets[i].bytes[0] << 8 | nets[i].bytes[1];

        if (ip->v6 == nets[i].v6 && (have & mask) == want)
            return true;
    }
    return false;
}

/* ---- the end of a question ---- */

static void names_release(struct names *s)
{
    if (--s->holders > 0)
        return;
    if (s->watch)
        watch_free(s->watch);
    timer_free(s->timer);
    dns_close(s->dns);
    arena_done(&s->arena);
    free(s);
}

static void cancel(struct intake_lookup *q)
{
    struct names *s;

    if (!q)
        return;
    s = q->names;
    dns_query_free(q->query);
    for (size_t i = 0; i < q->n; i++)
        dns_query_free(q->back[i]);
    arena_done(&q->arena);
    free(q);
    names_release(s);
}

/* The lookup is gone before its owner is told. */
static void finish(struct intake_lookup *q, bool no_mail)
{
    void (*named)(void *, struct str) = q->named;
    void (*judged)(void *, bool) = q->judged;
    char name[DNS_NAME_BYTES];
    struct str found = str_first(q->found, sizeof(name));
    void *arg = q->arg;

    memcpy(name, found.n ? found.p : "", found.n);
    cancel(q);
    if (named)
        named(arg, (struct str){name, found.n});
    else
        judged(arg, no_mail);
}

/* ---- answers ---- */

static void set_timer(struct names *s)
{
    int64_t ms = dns_next_ms(s->dns, loop_now_ms(s->loop));

    if (ms < 0)
        timer_stop(s->timer);
    else
        timer_start(s->timer, ms > 0 ? (uint64_t)ms : 1);
}

static struct dns_query *ask(struct intake_lookup *q, struct str name, enum dns_type type)
{
    struct names *s = q->names;
    uint64_t now = loop_now_ms(s->loop);
    uint32_t left = now < q->until_ms ? (uint32_t)(q->until_ms - now) : 1;

    return dns_ask(
        s->dns,
        &(struct dns_question){.name = name, .type = type, .timeout_ms = left, .owner = q},
        now);
}

static void ask_back(struct intake_lookup *q, const struct dns_answer *a)
{
    struct str name;

    for (size_t i = 0; i < a->n && q->n < NAMES_OF_ADDRESS; i++)
        if (record_host(a->records[i], &q->arena, &name) && name.n)
            q->tried[q->n++] = name;
    q->nopen = q->n;
    for (size_t i = 0; i < q->n; i++)
        q->back[i] = ask(q, q->tried[i], q->ip.v6 ? DNS_AAAA : DNS_A);
}

static bool leads_back(const struct intake_lookup *q, const struct dns_answer *a)
{
    struct ip ip;

    for (size_t i = 0; i < a->n; i++)
        if (record_ip(a->records[i], q->ip.v6 ? DNS_AAAA : DNS_A, &ip) && ip_eq(&ip, &q->ip))
            return true;
    return false;
}

/* A null MX stands alone (RFC 7505 3). */
static bool is_null_mx(struct intake_lookup *q, const struct dns_answer *a)
{
    struct record_mx mx;

    return a->code == DNS_FOUND && a->n == 1 && record_mx(a->records[0], &q->arena, &mx) &&
           mx.host.n == 0;
}

static void answered(struct dns_query *query)
{
    struct intake_lookup *q = dns_query_owner(query);
    const struct dns_answer *a = dns_query_answer(query);

    if (q->judged) {
        finish(q, is_null_mx(q, a));
        return;
    }
    if (query == q->query) {
        ask_back(q, a);
    } else {
        q->nopen--;
        for (size_t i = 0; i < q->n; i++)
            if (q->back[i] == query && !q->found.n && leads_back(q, a))
                q->found = q->tried[i];
    }
    if (q->nopen == 0 || q->found.n)
        finish(q, false);
}

static void process(void *arg)
{
    struct names *s = arg;
    struct dns_query *query;

    s->holders++; /* an answer may end the last question of one that is closed */
    dns_process(s->dns, loop_now_ms(s->loop));
    while ((query = dns_take(s->dns)))
        answered(query);
    set_timer(s);
    names_release(s);
}

/* ---- from outside ---- */

static bool start(struct names *s)
{
    const struct dns_options o = {.servers = s->servers.items,
                                  .servers_n = s->servers.n,
                                  .insecure = s->insecure.items,
                                  .insecure_n = s->insecure.n,
                                  .trust_anchor = s->trust_anchor};
    struct err err;

    if (s->dns || s->failed)
        return s->dns;
    if (dns_open(&o, loop_now_ms(s->loop), &s->dns, &err) < 0) {
        log_event(LOG_ERROR, NULL, "dns", "no names are asked for: %s", err.text);
        s->failed = true;
        return false;
    }
    s->watch = watch_new(s->loop, dns_fd(s->dns), process, s);
    s->timer = timer_new(s->loop, process, s);
    return true;
}

static struct intake_lookup *lookup_new(struct names *s, const char *address, uint32_t ms)
{
    struct intake_lookup *q;
    struct ip ip;

    if (!ip_parse(str_c(address), &ip) || (!s->all && names_is_private(&ip)) || !start(s))
        return NULL;
    q = calloc(1, sizeof(*q));
    if (!q)
        abort();
    q->names = s;
    s->holders++;
    q->ip = ip;
    q->until_ms = loop_now_ms(s->loop) + ms;
    arena_init(&q->arena);
    return q;
}

static struct intake_lookup *client(void *names, const char *address, uint32_t ms,
                                    void (*done)(void *arg, struct str name), void *arg)
{
    struct intake_lookup *q = lookup_new(names, address, ms);

    if (!q)
        return NULL;
    q->named = done;
    q->arg = arg;
    q->query = ask(q, ip_reverse_name(&q->arena, &q->ip), DNS_PTR);
    set_timer(q->names);
    return q;
}

static struct intake_lookup *sender(void *names, const char *address, struct str domain,
                                    uint32_t ms, void (*done)(void *arg, bool no_mail),
                                    void *arg)
{
    struct intake_lookup *q = lookup_new(names, address, ms);

    if (!q)
        return NULL;
    q->judged = done;
    q->arg = arg;
    if (!domain_to_ascii(&q->arena, domain, &domain))
        domain = STR("");
    q->query = ask(q, domain, DNS_MX); /* what is no name is denied at once */
    set_timer(q->names);
    return q;
}

static struct config_list copy(struct arena *a, struct config_list from)
{
    const char **items = ARENA_ARRAY(a, const char *, from.n + 1);

    for (size_t i = 0; i < from.n; i++)
        items[i] = arena_dup(a, str_c(from.items[i])).p;
    return (struct config_list){items, from.n};
}

static void *names_open(struct program *p)
{
    const struct config *c = p->config;
    struct names *s;

    if (strcmp(c->mta.names, "never") == 0)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->holders = 1;
    s->loop = p->loop;
    s->all = strcmp(c->mta.names, "all") == 0;
    arena_init(&s->arena);
    s->servers = copy(&s->arena, c->dns.servers);
    s->insecure = copy(&s->arena, c->dns.insecure);
    s->trust_anchor = arena_dup(&s->arena, str_c(c->dns.trust_anchor)).p;
    return s;
}

static void names_close(void *names)
{
    if (names)
        names_release(names);
}

const struct intake_names receive_names = {
    .open = names_open,
    .close = names_close,
    .client = client,
    .sender = sender,
    .cancel = cancel,
};
