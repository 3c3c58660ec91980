#include "mta/send/resolve.h"

#include "base/list.h"
#include "mta/send/self.h"
#include "net/io.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <stdlib.h>

enum { QUESTIONS = MX_QUESTIONS, WORDS_BYTES = 300 };

struct resolver {
    struct loop *loop;
    struct dns *dns; /* NULL: it did not start */
    struct err why;
    struct watch *watch;
    struct timer *timer;
    enum dns_dnssec told;
    char hostname[HOST_NAME_BYTES + 1];
    struct str name;
    struct arena arena; /* of self */
    struct mx_self self;
};

struct question {
    struct resolve *resolve;
    struct dns_query *query; /* NULL: free */
    unsigned number;
};

struct resolve {
    struct resolver *resolver;
    struct arena arena;
    struct mx *mx;   /* NULL: the addresses of one host are asked for */
    struct str host; /* which                                         */
    uint16_t port;
    struct hosts hosts;
    struct question questions[QUESTIONS];
    unsigned nasked;
    bool denied; /* both answers: there is no such host */
    struct smtp_reply why;
    struct soon soon; /* done */
    resolve_done *done;
    void *arg;
};

/* ---- one question after another ---- */

static void finish(struct resolve *q, struct smtp_reply why)
{
    q->why = why;
    soon_run(q->resolver->loop, &q->soon);
}

static void finished(struct soon *s)
{
    struct resolve *q = LIST_OF(s, struct resolve, soon);

    q->done(q->arg, &q->hosts, q->why);
    resolve_cancel(q);
}

static void set_timer(struct resolver *r)
{
    int64_t ms = dns_next_ms(r->dns, loop_now_ms(r->loop));

    if (ms < 0)
        timer_stop(r->timer);
    else
        timer_start(r->timer, ms > 0 ? (uint64_t)ms : 1);
}

static void ask(struct resolve *q, struct str name, enum dns_type type, unsigned number)
{
    struct resolver *r = q->resolver;

    for (unsigned i = 0; i < QUESTIONS; i++) {
        struct question *free_one = &q->questions[i];

        if (free_one->query)
            continue;
        free_one->number = number;
        free_one->query = dns_ask(
            r->dns, &(struct dns_question){.name = name, .type = type, .owner = free_one},
            loop_now_ms(r->loop));
        q->nasked++;
        return;
    }
}

/* ---- MX ---- */

static void go_on_mx(struct resolve *q)
{
    struct mx_question next;
    enum mx_step step;

    while ((step = mx_next(q->mx, &next)) == MX_ASK)
        ask(q, next.name, next.type, next.number);
    if (step != MX_DONE)
        return;
    const struct mx_result *m = mx_result(q->mx);
    hosts_of_mx(&q->hosts, m, q->port);
    finish(q, (struct smtp_reply){(int)m->code, m->status, m->text});
}

/* ---- one host ---- */

static void take_addresses(struct resolve *q, enum dns_type type, const struct dns_answer *a)
{
    struct ip ip;

    for (size_t i = 0; i < a->n; i++)
        if (record_ip(a->records[i], type, &ip))
            hosts_add(&q->hosts, q->host, &ip, q->port);
}

/* A route that leads to a name which is not there is the configuration's fault: letters wait.
 */
static void go_on_host(struct resolve *q, enum dns_type type, const struct dns_answer *a)
{
    if (a->code == DNS_FOUND)
        take_addresses(q, type, a);
    else if (a->code != DNS_NODATA && a->code != DNS_NXDOMAIN)
        q->denied = false;
    if (q->nasked)
        return;
    hosts_name_set(&q->hosts);
    finish(q, (struct smtp_reply){451, q->denied ? STR("4.4.4") : STR("4.4.3"),
                                  arena_printf(&q->arena, "no address of %.*s is found: %.*s",
                                               STR_ARGS(q->host),
                                               STR_ARGS(dns_code_text(a->code)))});
}

/* ---- answers ---- */

static void answered(struct dns_query *query)
{
    struct question *asked = dns_query_owner(query);
    struct resolve *q = asked->resolve;
    const struct dns_answer *a = dns_query_answer(query);

    asked->query = NULL;
    q->nasked--;
    if (q->mx) {
        mx_answer(q->mx, asked->number, a);
        go_on_mx(q);
    } else {
        go_on_host(q, (enum dns_type)asked->number, a);
    }
    dns_query_free(query);
}

static void tell_dnssec(struct resolver *r)
{
    enum dns_dnssec now = dns_dnssec(r->dns);

    if (now == r->told)
        return;
    r->told = now;
    log_event(now == DNSSEC_ON || now == DNSSEC_OFF ? LOG_INFO : LOG_WARN, NULL, "dnssec",
              "%.*s", STR_ARGS(dns_dnssec_text(now)));
}

static void process(void *arg)
{
    struct resolver *r = arg;
    struct dns_query *query;

    dns_process(r->dns, loop_now_ms(r->loop));
    while ((query = dns_take(r->dns)))
        answered(query);
    tell_dnssec(r);
    set_timer(r);
}

/* ---- from outside ---- */

static struct resolve *resolve_new(struct resolver *r, uint16_t port, resolve_done *done,
                                   void *arg)
{
    struct resolve *q = calloc(1, sizeof(*q));

    if (!q)
        abort();
    q->resolver = r;
    q->port = port;
    q->done = done;
    q->arg = arg;
    arena_init(&q->arena);
    hosts_init(&q->hosts);
    soon_init(&q->soon, finished);
    for (unsigned i = 0; i < QUESTIONS; i++)
        q->questions[i].resolve = q;
    return q;
}

static bool has_dns(struct resolve *q)
{
    if (!q->resolver->dns)
        finish(q, (struct smtp_reply){451, STR("4.4.3"), str_c(q->resolver->why.text)});
    return q->resolver->dns;
}

struct resolve *resolve_mx(struct resolver *r, struct str domain, uint16_t port,
                           resolve_done *done, void *arg)
{
    struct resolve *q = resolve_new(r, port, done, arg);
    uint64_t seed;

    if (!has_dns(q))
        return q;
    random_bytes(&seed, sizeof(seed));
    q->mx = mx_new(arena_dup(&q->arena, domain), &r->self, seed);
    go_on_mx(q);
    set_timer(r);
    return q;
}

/* RFC 6761 6.3: asked of nobody. */
static bool is_localhost(struct str host)
{
    return str_eq_nocase(host, STR("localhost"));
}

struct resolve *resolve_host(struct resolver *r, struct str host, uint16_t port,
                             resolve_done *done, void *arg)
{
    struct resolve *q = resolve_new(r, port, done, arg);
    struct ip ip;

    q->host = arena_dup(&q->arena, host);
    q->denied = true;
    if (is_localhost(host))
        for (int i = 0; i < 2; i++) {
            ip_parse(i ? STR("127.0.0.1") : STR("::1"), &ip);
            hosts_add(&q->hosts, host, &ip, port);
        }
    else if (ip_parse(host, &ip))
        hosts_add(&q->hosts, host, &ip, port);
    if (q->hosts.n) {
        hosts_name_set(&q->hosts);
        finish(q, SMTP_REPLY(0, "", ""));
    } else if (has_dns(q)) {
        ask(q, q->host, DNS_AAAA, DNS_AAAA);
        ask(q, q->host, DNS_A, DNS_A);
        set_timer(r);
    }
    return q;
}

void resolve_cancel(struct resolve *q)
{
    if (!q)
        return;
    soon_cancel(&q->soon);
    for (unsigned i = 0; i < QUESTIONS; i++)
        dns_query_free(q->questions[i].query);
    mx_free(q->mx);
    arena_done(&q->arena);
    free(q);
}

struct str resolver_dnssec(const struct resolver *r)
{
    return r->dns ? dns_dnssec_text(dns_dnssec(r->dns)) : str_c(r->why.text);
}

struct resolver *resolver_new(struct loop *l, const struct config *c)
{
    struct resolver *r = calloc(1, sizeof(*r));
    struct dns_options o = {
        .servers = c->dns.servers.items,
        .servers_n = c->dns.servers.n,
        .insecure = c->dns.insecure.items,
        .insecure_n = c->dns.insecure.n,
        .trust_anchor = c->dns.trust_anchor,
    };

    if (!r)
        abort();
    r->loop = l;
    r->told = DNSSEC_ASKING;
    snprintf(r->hostname, sizeof(r->hostname), "%s", c->hostname);
    r->name = str_c(r->hostname);
    r->self = (struct mx_self){
        .names = &r->name, .names_n = 1, .loopback_is_others = c->lab.loopback_mx};
    arena_init(&r->arena);
    self_addresses(c, &r->arena, &r->self);
    if (dns_open(&o, loop_now_ms(l), &r->dns, &r->why) < 0) {
        log_event(LOG_ERROR, NULL, "dns", "no names are found: %s", r->why.text);
        return r;
    }
    r->watch = watch_new(l, dns_fd(r->dns), process, r);
    r->timer = timer_new(l, process, r);
    return r;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    if (r->watch)
        watch_free(r->watch);
    timer_free(r->timer);
    dns_close(r->dns);
    arena_done(&r->arena);
    free(r);
}
