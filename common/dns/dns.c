/*
 * A question goes
 *
 *      ask() -> WAITING --start()--> UNDER_WAY --landed()--> ANSWERED --dns_take()--> TAKEN
 *                  |                     |                      ^
 *                  +------- expire() ----+----------------------+
 *
 * and may be freed from any of these. What is with libunbound is a `flight`: it outlives its
 * question, and only libunbound's answer ends it. Nothing is ever cancelled there: the library
 * would go on working at it all the same, and we would no longer know at how much.
 *
 * The state of DNSSEC:
 *
 *      ASKING --probed()--> ON
 *         |    ^    `-----> BROKEN        signatures that do not fit: stays closed
 *         |    `- no answer: after DNS_PROBE_AGAIN_MS once more
 *         `--------------> STRIPPED       a new context without an anchor; what was under way
 *                                         starts again there
 *
 * A resolv.conf that names others leads back to ASKING from each, with a new context.
 */
#include "dns/dns.h"

#include "base/ascii.h"
#include "base/list.h"
#include "dns/context.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unbound.h>
#include <unistd.h>

enum query_state { WAITING, UNDER_WAY, ANSWERED, TAKEN };
enum { CLASS_IN = 1, RCODE_NXDOMAIN = 3 };

struct flight {
    struct list link; /* dns.flights */
    struct dns *dns;
    struct dns_query *query; /* NULL: nobody waits for it any more */
};

struct dns_query {
    struct list link; /* the list of its state, in dns */
    struct dns *dns;
    enum query_state state;
    struct flight *flight; /* UNDER_WAY */
    char name[DNS_NAME_BYTES + 1];
    enum dns_type type;
    void *owner;
    uint64_t until_ms;
    struct dns_answer answer;
    struct ub_result *raw; /* what the answer points into */
    struct arena arena;
};

struct dns {
    struct dns_options options;  /* a copy, in `arena` */
    struct arena arena, planned; /* planned: of the plan */
    struct context_plan plan;
    struct stat conf; /* resolv.conf as it was read */
    uint64_t look_ms; /* when it is looked at again */
    struct ub_ctx *ctx;
    int epoll; /* around the context's fd, which changes with the context */
    struct list in[TAKEN + 1], flights;
    unsigned n[TAKEN + 1], flying;
    enum dns_dnssec dnssec;
    struct dns_query *probe;
    bool probed;       /* once, with whatever result: questions need wait no more */
    uint64_t probe_ms; /* ASKING without a probe: when the next one is due */
    uint64_t until_ms; /* no question ends before */
};

static void move(struct dns_query *q, enum query_state to)
{
    struct dns *d = q->dns;

    d->n[q->state]--;
    d->n[to]++;
    list_remove(&q->link);
    list_append(&d->in[to], &q->link);
    q->state = to;
}

static void answered(struct dns_query *q, enum dns_code code, struct str why)
{
    q->answer.code = code;
    q->answer.why = why;
    if (code != DNS_FOUND)
        q->answer.n = 0;
    move(q, ANSWERED);
}

/* Small letters, no final dot; "" where it is not the name of a host. */
static struct str end_of_chain(struct dns_query *q, const char *canonical)
{
    struct str name = str_c(canonical ? canonical : q->name);
    char text[DNS_NAME_BYTES];

    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (!dns_name_valid(name))
        return STR("");
    for (size_t i = 0; i < name.n; i++)
        text[i] = ascii_lower(name.p[i]);
    return arena_dup(&q->arena, (struct str){text, name.n});
}

static void take_records(struct dns_query *q, const struct ub_result *r)
{
    size_t n = 0;

    while (n < DNS_RECORDS && r->data[n])
        n++;
    struct str *records = ARENA_ARRAY(&q->arena, struct str, n + 1);
    for (size_t i = 0; i < n; i++)
        records[i] = (struct str){r->data[i], (size_t)r->len[i]};
    q->answer.cut = r->data[n] != NULL;
    q->answer.records = records;
    q->answer.n = n;
}

static int count(const struct ub_result *r, enum dns_type type)
{
    if (!r->answer_packet || r->answer_len <= 0)
        return -1;
    return message_answers((struct str){r->answer_packet, (size_t)r->answer_len}, type);
}

static void read_result(struct dns_query *q, struct ub_result *r)
{
    q->raw = r;
    q->answer.ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0;
    if (r->bogus) {
        take_records(q, r); /* for the probe; answered() forgets them */
        answered(q, DNS_BOGUS, r->why_bogus ? str_c(r->why_bogus) : STR("validation failed"));
        return;
    }
    if (r->rcode != 0 && r->rcode != RCODE_NXDOMAIN) {
        answered(q, DNS_SERVFAIL, STR("no name server gave a usable answer"));
        return;
    }
    int cnames = count(r, DNS_CNAME);
    if (cnames < 0 || cnames > DNS_CNAMES) {
        answered(q, DNS_SERVFAIL,
                 cnames < 0 ? STR("the answer cannot be read")
                            : STR("the chain of aliases is too long"));
        return;
    }
    q->answer.secure = r->secure != 0;
    q->answer.name = end_of_chain(q, r->canonname);
    if (r->havedata)
        take_records(q, r);
    bool found = r->havedata && q->answer.n > 0;
    answered(q, found ? DNS_FOUND : r->nxdomain ? DNS_NXDOMAIN : DNS_NODATA, STR(""));
}

/* Called by ub_process(), from within dns_process() alone. Notes, and does nothing else. */
static void landed(void *arg, int code, struct ub_result *r)
{
    struct flight *f = arg;
    struct dns_query *q = f->query;

    f->dns->flying--;
    list_remove(&f->link);
    free(f);
    if (!q) {
        ub_resolve_free(r); /* accepts NULL */
        return;
    }
    q->flight = NULL;
    if (code || !r)
        answered(q, DNS_SERVFAIL, str_c(ub_strerror(code)));
    else
        read_result(q, r);
}

static void *new_zeroed(size_t n)
{
    void *p = calloc(1, n);

    if (!p)
        abort();
    return p;
}

static void hand_over(struct dns_query *q)
{
    struct dns *d = q->dns;
    struct flight *f = new_zeroed(sizeof(*f));

    f->dns = d;
    f->query = q;
    int r = ub_resolve_async(d->ctx, q->name, (int)q->type, CLASS_IN, f, landed, NULL);
    if (r) {
        free(f);
        answered(q, DNS_SERVFAIL, str_c(ub_strerror(r)));
        return;
    }
    list_append(&d->flights, &f->link);
    d->flying++;
    q->flight = f;
    move(q, UNDER_WAY);
}

static void start(struct dns *d)
{
    if (d->dnssec == DNSSEC_ASKING && !d->probed)
        return;
    while (d->n[UNDER_WAY] < DNS_UNDER_WAY && d->flying < DNS_WITH_LIBRARY &&
           !list_empty(&d->in[WAITING]))
        hand_over(LIST_OF(d->in[WAITING].next, struct dns_query, link));
}

static struct dns_query *query_new(struct dns *d, const struct dns_question *question,
                                   uint64_t now_ms)
{
    struct dns_query *q = new_zeroed(sizeof(*q));

    q->dns = d;
    q->type = question->type;
    q->owner = question->owner;
    q->until_ms = now_ms + (question->timeout_ms ? question->timeout_ms : DNS_QUESTION_MS);
    if (q->until_ms < d->until_ms)
        d->until_ms = q->until_ms;
    if (question->name.n <= DNS_NAME_BYTES)
        memcpy(q->name, question->name.p, question->name.n);
    arena_init(&q->arena);
    list_append(&d->in[TAKEN], &q->link);
    d->n[TAKEN]++;
    q->state = TAKEN;
    return q;
}

static struct dns_query *ask(struct dns *d, const struct dns_question *question,
                             uint64_t now_ms)
{
    struct dns_query *q = query_new(d, question, now_ms);

    if (!dns_name_valid(question->name)) {
        answered(q, DNS_NXDOMAIN, STR("this is not a domain name"));
    } else if (d->n[WAITING] + d->n[UNDER_WAY] >= DNS_QUESTIONS) {
        answered(q, DNS_SERVFAIL, STR("too many questions wait for an answer"));
    } else {
        move(q, WAITING);
        start(d);
    }
    return q;
}

struct dns_query *dns_take(struct dns *d)
{
    if (list_empty(&d->in[ANSWERED]))
        return NULL;
    struct dns_query *q = LIST_OF(d->in[ANSWERED].next, struct dns_query, link);
    move(q, TAKEN);
    return q;
}

const struct dns_answer *dns_query_answer(const struct dns_query *q)
{
    return &q->answer;
}

void *dns_query_owner(const struct dns_query *q)
{
    return q->owner;
}

/* Its flight goes on without it. */
static void let_go(struct dns_query *q)
{
    if (q->flight)
        q->flight->query = NULL;
    q->flight = NULL;
}

void dns_query_free(struct dns_query *q)
{
    if (!q)
        return;
    let_go(q);
    q->dns->n[q->state]--;
    list_remove(&q->link);
    ub_resolve_free(q->raw);
    arena_done(&q->arena);
    free(q);
}

/* Those whose time is over; and when the next will be. */
static void expire(struct dns *d, uint64_t now_ms)
{
    if (now_ms < d->until_ms)
        return;
    d->until_ms = UINT64_MAX;
    for (enum query_state s = WAITING; s <= UNDER_WAY; s++) {
        LIST_EACH(&d->in[s], at)
        {
            struct dns_query *q = LIST_OF(at, struct dns_query, link);

            if (q->until_ms > now_ms) {
                d->until_ms = q->until_ms < d->until_ms ? q->until_ms : d->until_ms;
                continue;
            }
            let_go(q);
            answered(q, DNS_TIMEOUT, STR("no answer in time"));
        }
    }
}

/* The probe goes past the line: everybody else waits for it. */
static void ask_for_keys(struct dns *d, uint64_t now_ms)
{
    const struct dns_question keys = {str_c(d->plan.anchored), DNS_DNSKEY, DNS_PROBE_MS, NULL};

    d->probe = query_new(d, &keys, now_ms);
    hand_over(d->probe);
}

static enum dns_dnssec read_probe(const struct dns_query *q)
{
    const struct dns_answer *a = &q->answer;

    if (a->code == DNS_SERVFAIL || a->code == DNS_TIMEOUT)
        return DNSSEC_ASKING;
    if (a->code == DNS_FOUND && a->secure)
        return DNSSEC_ON;
    return q->raw && count(q->raw, DNS_RRSIG) > 0 ? DNSSEC_BROKEN : DNSSEC_STRIPPED;
}

static void close_context(struct dns *d)
{
    if (!d->ctx)
        return;
    epoll_ctl(d->epoll, EPOLL_CTL_DEL, ub_fd(d->ctx), NULL);
    ub_ctx_delete(d->ctx); /* its flights never land */
    d->ctx = NULL;
    LIST_EACH(&d->flights, at)
    {
        struct flight *f = LIST_OF(at, struct flight, link);

        if (f->query)
            f->query->flight = NULL;
        list_remove(&f->link);
        free(f);
    }
    d->flying = 0;
}

static int watch_context(struct dns *d, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, ub_fd(d->ctx), &event) < 0)
        return err_os(err, "watch the resolver");
    return 0;
}

static int open_context(struct dns *d, bool validate, struct err *err)
{
    int r = context_make(&d->plan, validate, &d->ctx, err);

    return r < 0 ? r : watch_context(d, err);
}

/* What was under way waits again, in its old order. */
static void call_back(struct dns *d)
{
    struct list waiting;

    list_init(&waiting);
    LIST_EACH(&d->in[WAITING], at)
    {
        list_remove(at);
        list_append(&waiting, at);
    }
    LIST_EACH(&d->in[UNDER_WAY], at)
    move(LIST_OF(at, struct dns_query, link), WAITING);
    LIST_EACH(&waiting, at)
    {
        list_remove(at);
        list_append(&d->in[WAITING], at);
    }
}

/* As before, without validation. */
static void begin_again(struct dns *d)
{
    close_context(d);
    call_back(d);
    /* it worked with the same settings and an anchor: only the system can be out of something,
     * and then a new process is what helps */
    if (open_context(d, false, NULL) < 0)
        abort();
}

static void probe(struct dns *d, uint64_t now_ms)
{
    if (d->dnssec != DNSSEC_ASKING)
        return;
    if (!d->probe && now_ms >= d->probe_ms)
        ask_for_keys(d, now_ms);
    if (!d->probe || d->probe->state != ANSWERED)
        return;
    d->dnssec = read_probe(d->probe);
    d->probed = true;
    d->probe_ms = now_ms + DNS_PROBE_AGAIN_MS;
    dns_query_free(d->probe);
    d->probe = NULL;
    if (d->dnssec == DNSSEC_STRIPPED)
        begin_again(d);
}

/* ---- resolv.conf ---- */

static bool same_servers(const struct context_plan *a, const struct context_plan *b)
{
    bool same = a->servers_n == b->servers_n;

    for (size_t i = 0; same && i < a->servers_n; i++)
        same = strcmp(a->servers[i], b->servers[i]) == 0;
    return same;
}

/* The plan's strings are in `a`, which is taken. Where no context can be made of it all stays
 * as it was. */
static void follow(struct dns *d, const struct context_plan *plan, struct arena *a,
                   uint64_t now_ms)
{
    const struct context_plan old = d->plan;
    struct ub_ctx *ctx;

    d->plan = *plan;
    if (context_make(&d->plan, d->plan.anchor != NULL, &ctx, NULL) < 0) {
        d->plan = old;
        arena_done(a);
        return;
    }
    dns_query_free(d->probe);
    d->probe = NULL;
    close_context(d);
    call_back(d);
    d->ctx = ctx;
    watch_context(d, NULL);
    arena_done(&d->planned);
    d->planned = *a;
    d->dnssec = d->plan.dnssec;
    d->probed = false;
    d->probe_ms = now_ms;
    probe(d, now_ms);
}

static void look_at_conf(struct dns *d, uint64_t now_ms)
{
    struct context_plan plan;
    struct arena a;
    struct stat st;

    if (d->options.servers_n || now_ms < d->look_ms)
        return;
    d->look_ms = now_ms + DNS_LOOK_MS;
    if (stat(context_resolv_conf(&d->options), &st) < 0 ||
        (st.st_ino == d->conf.st_ino && st.st_dev == d->conf.st_dev &&
         st.st_size == d->conf.st_size && st.st_mtim.tv_sec == d->conf.st_mtim.tv_sec &&
         st.st_mtim.tv_nsec == d->conf.st_mtim.tv_nsec))
        return;
    d->conf = st;
    arena_init(&a);
    if (context_plan(&d->options, &a, &plan, NULL) == 0 && plan.servers_n > 0 &&
        !same_servers(&plan, &d->plan))
        follow(d, &plan, &a, now_ms);
    else
        arena_done(&a);
}

struct dns_query *dns_ask(struct dns *d, const struct dns_question *question, uint64_t now_ms)
{
    look_at_conf(d, now_ms);
    return ask(d, question, now_ms);
}

void dns_process(struct dns *d, uint64_t now_ms)
{
    ub_process(d->ctx); /* fails when its thread is gone: then all run out of time */
    expire(d, now_ms);
    probe(d, now_ms);
    start(d);
}

int64_t dns_next_ms(const struct dns *d, uint64_t now_ms)
{
    uint64_t next = d->until_ms;

    if (!list_empty(&d->in[ANSWERED]))
        return 0;
    if (d->dnssec == DNSSEC_ASKING && !d->probe && d->probe_ms < next)
        next = d->probe_ms;
    if (next == UINT64_MAX)
        return -1;
    return next > now_ms ? (int64_t)(next - now_ms) : 0;
}

int dns_fd(const struct dns *d)
{
    return d->epoll;
}

static const char *const *copy_words(struct arena *a, const char *const *words, size_t n)
{
    const char **copy = ARENA_ARRAY(a, const char *, n + 1);

    for (size_t i = 0; i < n; i++)
        copy[i] = arena_dup(a, str_c(words[i])).p;
    return copy;
}

static void keep_options(struct dns *d, const struct dns_options *o)
{
    struct arena *a = &d->arena;

    d->options = *o;
    d->options.servers = copy_words(a, o->servers, o->servers_n);
    d->options.insecure = copy_words(a, o->insecure, o->insecure_n);
    if (o->trust_anchor)
        d->options.trust_anchor = arena_dup(a, str_c(o->trust_anchor)).p;
    if (o->resolv_conf)
        d->options.resolv_conf = arena_dup(a, str_c(o->resolv_conf)).p;
}

int dns_open(const struct dns_options *o, uint64_t now_ms, struct dns **out, struct err *err)
{
    struct dns *d = new_zeroed(sizeof(*d));
    int r;

    arena_init(&d->arena);
    arena_init(&d->planned);
    keep_options(d, o);
    d->look_ms = now_ms + DNS_LOOK_MS;
    /* before it is read: what changes in between is noticed */
    if (stat(context_resolv_conf(o), &d->conf) < 0)
        memset(&d->conf, 0, sizeof(d->conf));
    for (enum query_state s = WAITING; s <= TAKEN; s++)
        list_init(&d->in[s]);
    list_init(&d->flights);
    d->until_ms = UINT64_MAX;
    d->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (d->epoll < 0)
        r = err_os(err, "make a resolver");
    else
        r = context_plan(o, &d->planned, &d->plan, err);
    d->dnssec = d->plan.dnssec;
    if (r == 0)
        r = open_context(d, d->plan.anchor != NULL, err);
    if (r < 0) {
        dns_close(d);
        return r;
    }
    probe(d, now_ms);
    *out = d;
    return 0;
}

void dns_close(struct dns *d)
{
    if (!d)
        return;
    for (enum query_state s = WAITING; s <= TAKEN; s++)
        while (!list_empty(&d->in[s]))
            dns_query_free(LIST_OF(d->in[s].next, struct dns_query, link));
    close_context(d);
    if (d->epoll >= 0)
        close(d->epoll);
    arena_done(&d->planned);
    arena_done(&d->arena);
    free(d);
}

enum dns_dnssec dns_dnssec(const struct dns *d)
{
    return d->dnssec;
}

struct str dns_dnssec_text(enum dns_dnssec state)
{
    static const struct str texts[] = {
        [DNSSEC_ASKING] = STR_LIT("the name servers have not yet answered for the keys of the "
                                  "trust anchor"),
        [DNSSEC_ON] = STR_LIT("answers are validated with DNSSEC"),
        [DNSSEC_OFF] = STR_LIT("DNSSEC is switched off by dns.insecure"),
        [DNSSEC_ANCHORLESS] = STR_LIT("there is no trust anchor on this machine (Debian: "
                                      "dns-root-data): DNSSEC and DANE are off"),
        [DNSSEC_STRIPPED] = STR_LIT("the name servers leave out the signatures of DNSSEC: "
                                    "validation and DANE are off"),
        [DNSSEC_BROKEN] = STR_LIT("what the name servers say does not fit the trust anchor: "
                                  "nothing below it is believed"),
    };

    return texts[state];
}

struct str dns_code_text(enum dns_code code)
{
    static const struct str texts[] = {
        [DNS_FOUND] = STR_LIT("FOUND"),       [DNS_NODATA] = STR_LIT("NODATA"),
        [DNS_NXDOMAIN] = STR_LIT("NXDOMAIN"), [DNS_SERVFAIL] = STR_LIT("SERVFAIL"),
        [DNS_TIMEOUT] = STR_LIT("TIMEOUT"),   [DNS_BOGUS] = STR_LIT("BOGUS"),
    };

    return texts[code];
}
