/*
 *      LIST --list_answered()--> HOSTS --host_answered(), for each A and AAAA--> DONE
 *        |                                                          finish()      ^
 *        +---- an address literal, no such domain, null MX, no answer ------------+
 *
 * A host of ours that is known by its name is found before anything is asked about it; one that
 * is known by its address, in finish().
 */
#include "dns/mx.h"

#include "base/ascii.h"
#include "mail/idn.h"

#include <stdlib.h>

enum mx_state { LIST, HOSTS, DONE };
enum half { V6, V4, HALVES };

struct candidate {
    struct str name;
    uint16_t preference;
    uint64_t lot; /* among equals */
};

struct host {
    struct mx_host host; /* the addresses come in finish() */
    struct ip found[HALVES][MX_HOST_ADDRESSES];
    size_t found_n[HALVES];
    bool asked[HALVES], answered[HALVES];
    bool temporary, bogus; /* an answer may come later    */
    bool insecure;         /* some address is not validated */
};

struct mx {
    struct arena arena;
    struct str domain;
    const struct mx_self *self;
    uint64_t seed;
    enum mx_state state;
    bool list_asked;
    struct host *hosts;
    size_t n;
    unsigned under_way;
    bool ours; /* some hosts were dropped because one is us */
    struct mx_result result;
};

/* SplitMix64 (Steele, Lea, Flood 2014): fair enough for drawing lots. */
static uint64_t draw(struct mx *m)
{
    uint64_t z = (m->seed += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fail(struct mx *m, unsigned code, struct str status, const char *why)
{
    m->state = DONE;
    m->result.n = 0;
    m->result.code = code;
    m->result.status = status;
    m->result.text = arena_printf(&m->arena, "%.*s: %s", STR_ARGS(m->domain), why);
}

/* "A bogus answer defers, never bounces." */
static void fail_later(struct mx *m, bool bogus)
{
    if (bogus)
        fail(m, 450, STR("4.7.5"), "what DNS says about it fails DNSSEC validation");
    else
        fail(m, 450, STR("4.4.3"), "DNS does not answer for it now");
}

static void fail_loop(struct mx *m)
{
    fail(m, 550, STR("5.4.6"), "its mail is led here, where it is not known: it would loop");
}

static bool is_us(const struct mx *m, const struct ip *ip)
{
    if (ip_is_here(ip) && !m->self->loopback_is_others)
        return true;
    for (size_t i = 0; i < m->self->addresses_n; i++)
        if (ip_eq(&m->self->addresses[i], ip))
            return true;
    return false;
}

static bool is_our_name(const struct mx *m, struct str name)
{
    for (size_t i = 0; i < m->self->names_n; i++)
        if (str_eq_nocase(m->self->names[i], name))
            return true;
    return false;
}

static void start_literal(struct mx *m, const struct ip *ip)
{
    m->n = 1;
    m->hosts = ARENA_NEW(&m->arena, struct host);
    struct host *h = m->hosts;
    h->host.name = h->host.expanded = m->domain;
    h->insecure = true;
    h->found[ip->v6 ? V6 : V4][0] = *ip;
    h->found_n[ip->v6 ? V6 : V4] = 1;
    h->asked[V6] = h->asked[V4] = true;
    m->result.implied = true;
    m->state = HOSTS;
}

struct mx *mx_new(struct str domain, const struct mx_self *self, uint64_t seed)
{
    struct mx *m = calloc(1, sizeof(*m));
    struct ip ip;

    if (!m)
        abort();
    arena_init(&m->arena);
    m->self = self;
    m->seed = seed;
    m->result.ttl = UINT32_MAX;
    m->domain = arena_dup(&m->arena, domain);
    if (ip_parse_literal(m->domain, &ip))
        start_literal(m, &ip);
    else if (!domain_to_ascii(&m->arena, domain, &m->domain) || !dns_name_valid(m->domain))
        fail(m, 550, STR("5.1.2"), "this is not the name of a domain");
    return m;
}

void mx_free(struct mx *m)
{
    if (!m)
        return;
    arena_done(&m->arena);
    free(m);
}

static int by_preference(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->preference != y->preference)
        return x->preference < y->preference ? -1 : 1;
    if (x->lot != y->lot)
        return x->lot < y->lot ? -1 : 1;
    return 0;
}

static bool is_listed(const struct mx *m, struct str name)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->hosts[i].host.name, name))
            return true;
    return false;
}

static void add_host(struct mx *m, const struct candidate *c)
{
    struct mx_host *h = &m->hosts[m->n++].host;

    h->name = h->expanded = c->name;
    h->preference = c->preference;
}

/* The best of them, each name once, up to our own name: what is no better than we are goes. */
static void choose(struct mx *m, const struct candidate *all, size_t n)
{
    m->hosts = ARENA_ARRAY(&m->arena, struct host, n < MX_HOSTS ? n : (size_t)MX_HOSTS);
    for (size_t i = 0; i < n; i++)
        if (is_our_name(m, all[i].name)) {
            m->ours = true;
            while (i > 0 && all[i - 1].preference == all[i].preference)
                i--;
            n = i;
        }
    for (size_t i = 0; i < n && m->n < MX_HOSTS; i++)
        if (!is_listed(m, all[i].name))
            add_host(m, &all[i]);
}

/* RFC 7505 3: a null MX stands alone; among others it is a mistake, and no host. */
static void take_list(struct mx *m, const struct dns_answer *answer)
{
    struct candidate *all = ARENA_ARRAY(&m->arena, struct candidate, answer->n);
    bool null_mx = false;
    size_t n = 0;

    for (size_t i = 0; i < answer->n; i++) {
        struct record_mx mx;

        if (!record_mx(answer->records[i], &m->arena, &mx))
            continue; /* D07 */
        if (mx.host.n == 0)
            null_mx = true;
        else
            all[n++] = (struct candidate){mx.host, mx.preference, draw(m)};
    }
    if (n == 0 && null_mx) {
        fail(m, 556, STR("5.1.10"), "this domain takes no mail (null MX)");
        return;
    }
    qsort(all, n, sizeof(*all), by_preference);
    choose(m, all, n);
}

static void imply(struct mx *m)
{
    const struct candidate itself = {m->domain, 0, 0};

    m->result.implied = true;
    choose(m, &itself, 1);
}

static void shorten(struct mx *m, uint32_t ttl)
{
    if (ttl < m->result.ttl)
        m->result.ttl = ttl;
}

static void list_answered(struct mx *m, const struct dns_answer *answer)
{
    m->state = HOSTS;
    switch (answer->code) {
    case DNS_FOUND:
        m->result.secure = answer->secure;
        shorten(m, answer->ttl);
        take_list(m, answer);
        break;
    case DNS_NODATA:
        m->result.secure = answer->secure;
        shorten(m, answer->ttl);
        imply(m);
        break;
    case DNS_NXDOMAIN:
        fail(m, 550, STR("5.1.2"), "there is no such domain");
        break;
    case DNS_BOGUS:
        fail_later(m, true);
        break;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
        fail_later(m, false);
        break;
    }
}

static bool is_found(const struct host *h, const struct ip *ip)
{
    for (enum half half = V6; half < HALVES; half++)
        for (size_t i = 0; i < h->found_n[half]; i++)
            if (ip_eq(&h->found[half][i], ip))
                return true;
    return false;
}

static void take_addresses(struct mx *m, struct host *h, enum half half,
                           const struct dns_answer *answer)
{
    struct ip ip;

    for (size_t i = 0; i < answer->n; i++)
        if (record_ip(answer->records[i], half == V6 ? DNS_AAAA : DNS_A, &ip) &&
            !ip_is_nobody(&ip) && !is_found(h, &ip) && h->found_n[half] < MX_HOST_ADDRESSES)
            h->found[half][h->found_n[half]++] = ip;
    h->insecure |= !answer->secure;
    if (answer->name.n)
        h->host.expanded = arena_dup(&m->arena, answer->name);
    shorten(m, answer->ttl);
}

static void host_answered(struct mx *m, struct host *h, enum half half,
                          const struct dns_answer *answer)
{
    switch (answer->code) {
    case DNS_FOUND:
        take_addresses(m, h, half, answer);
        break;
    case DNS_BOGUS:
        h->bogus = true;
        break;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
        h->temporary = true;
        break;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        break;
    }
}

/* Question 0 is the list's, 1 + 2i + half that of host i. */
void mx_answer(struct mx *m, unsigned number, const struct dns_answer *answer)
{
    size_t i = (number - 1) / HALVES;
    enum half half = (number - 1) % HALVES;

    if (number == 0 && m->state == LIST && m->list_asked) {
        list_answered(m, answer);
    } else if (number > 0 && m->state == HOSTS && i < m->n && m->hosts[i].asked[half] &&
               !m->hosts[i].answered[half]) {
        m->hosts[i].answered[half] = true;
        m->under_way--;
        host_answered(m, &m->hosts[i], half, answer);
    }
}

/* A family's turn comes round; who has more goes on alone. */
static void interleave(struct mx *m, struct host *h)
{
    struct ip *all = ARENA_ARRAY(&m->arena, struct ip, MX_HOST_ADDRESSES);
    size_t n = 0;

    for (size_t i = 0; i < MX_HOST_ADDRESSES; i++)
        for (enum half half = V6; half < HALVES; half++)
            if (i < h->found_n[half] && n < MX_HOST_ADDRESSES)
                all[n++] = h->found[half][i];
    h->host.addresses = all;
    h->host.n = n;
    h->host.secure = n > 0 && !h->insecure;
}

static bool leads_to_us(const struct mx *m, const struct host *h)
{
    for (enum half half = V6; half < HALVES; half++)
        for (size_t i = 0; i < h->found_n[half]; i++)
            if (is_us(m, &h->found[half][i]))
                return true;
    return false;
}

/* Of equal preference is as bad as worse: RFC 5321 5.1. */
static void drop_ours(struct mx *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (leads_to_us(m, &m->hosts[i])) {
            m->ours = true;
            while (i > 0 && m->hosts[i - 1].host.preference == m->hosts[i].host.preference)
                i--;
            m->n = i;
        }
}

static void fail_empty(struct mx *m, bool temporary, bool bogus)
{
    if (bogus || temporary)
        fail_later(m, bogus);
    else if (m->ours)
        fail_loop(m);
    else if (m->result.implied)
        fail(m, 550, STR("5.4.4"), "it has neither MX records nor an address");
    else
        fail(m, 550, STR("5.4.4"), "none of its mail servers has an address");
}

/* A host with a forged answer is as if it could not be reached (RFC 7672 2.1.1); one that
 * answered for one family alone is taken as far as it goes. */
static void finish(struct mx *m)
{
    bool temporary = false, bogus = false;
    struct mx_host *hosts = ARENA_ARRAY(&m->arena, struct mx_host, m->n + 1);
    size_t n = 0;

    drop_ours(m);
    for (size_t i = 0; i < m->n; i++) {
        struct host *h = &m->hosts[i];

        bogus |= h->bogus;
        temporary |= h->temporary;
        interleave(m, h);
        if (h->host.n && !h->bogus)
            hosts[n++] = h->host;
    }
    m->state = DONE;
    m->result.hosts = hosts;
    m->result.n = n;
    m->result.partial = temporary || bogus;
    if (m->result.ttl == UINT32_MAX)
        m->result.ttl = 0;
    if (n == 0)
        fail_empty(m, temporary, bogus);
}

static bool ask_about_host(struct mx *m, struct mx_question *out)
{
    for (size_t i = 0; i < m->n; i++)
        for (enum half half = V6; half < HALVES; half++)
            if (!m->hosts[i].asked[half]) {
                m->hosts[i].asked[half] = true;
                m->under_way++;
                *out =
                    (struct mx_question){m->hosts[i].host.name, half == V6 ? DNS_AAAA : DNS_A,
                                         (unsigned)(1 + i * HALVES + half)};
                return true;
            }
    return false;
}

enum mx_step mx_next(struct mx *m, struct mx_question *out)
{
    if (m->state == LIST && !m->list_asked) {
        m->list_asked = true;
        *out = (struct mx_question){m->domain, DNS_MX, 0};
        return MX_ASK;
    }
    if (m->state == HOSTS && m->under_way < MX_QUESTIONS && ask_about_host(m, out))
        return MX_ASK;
    if (m->state == HOSTS && m->under_way == 0)
        finish(m);
    return m->state == DONE ? MX_DONE : MX_WAIT;
}

const struct mx_result *mx_result(const struct mx *m)
{
    return &m->result;
}
