/*
 * dns-tool [OPTION]... NAME TYPE [NAME TYPE]... - asks all of these at once through common/dns
 * and prints a line for each answer as it comes, and a line for each of its records.
 *
 *   -s ADDRESS[@PORT]  this server (several)     -r FILE  this resolv.conf
 *   -a FILE            trust anchor              -i ZONE  taken without DNSSEC (several)
 *   -t MS              time for each question    -l       loopback is others'
 *   -n NAME, -m IP     our own (several)         -x N     give up the first N before any answer
 *   -o                 one after the other, not all at once
 *   -w FILE            with -r and -o: behind the first answer FILE becomes the resolv.conf,
 * and a while goes by
 *
 * TYPE is A, AAAA, MX, TXT, PTR (NAME may be an address), TLSA, or ROAD: where mail goes.
 */
#include "base/defer.h"
#include "dns/mx.h"

#include <poll.h>
#include <unistd.h>

enum { LIST_MAX = 64, JOBS_MAX = 4200 };

struct list_of {
    const char *at[LIST_MAX];
    size_t n;
};

struct job {
    struct str name;
    const char *type;
    struct dns_query *query;
    struct mx *mx;
};

/* One question of a road. */
struct step {
    struct job *job;
    unsigned number;
};

static struct {
    struct dns *dns;
    struct arena arena;
    struct mx_self self;
    struct str names[LIST_MAX];
    struct ip addresses[LIST_MAX];
    uint32_t timeout_ms;
    struct job jobs[JOBS_MAX];
    size_t jobs_n, started, open;
    bool one_by_one;
    const char *conf, *next_conf; /* -r, -w */
    uint64_t ahead_ms;            /* of the clock */
} tool;

static const struct {
    const char *name;
    enum dns_type type;
} types[] = {
    {"A",    DNS_A   },
    {"AAAA", DNS_AAAA},
    {"MX",   DNS_MX  },
    {"TXT",  DNS_TXT },
    {"PTR",  DNS_PTR },
    {"TLSA", DNS_TLSA},
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + tool.ahead_ms;
}

static enum dns_type type_of(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    fprintf(stderr, "dns-tool: what is %s?\n", name);
    exit(2);
}

static void print_shown(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > 0x20 && s.p[i] < 0x7f && s.p[i] != '%')
            putchar(s.p[i]);
        else
            printf("%%%02x", (unsigned char)s.p[i]);
}

static void print_ip(const struct ip *ip)
{
    char text[IP_TEXT_BYTES];

    printf(" %s", ip_text(ip, text).p);
}

static void print_record(enum dns_type type, struct str rdata)
{
    struct record_mx mx;
    struct record_tlsa tlsa;
    struct str text;
    struct ip ip;

    printf("  ");
    if (type == DNS_MX && record_mx(rdata, &tool.arena, &mx))
        printf("%u %.*s.", mx.preference, STR_ARGS(mx.host));
    else if ((type == DNS_A || type == DNS_AAAA) && record_ip(rdata, type, &ip))
        print_ip(&ip);
    else if (type == DNS_PTR && record_host(rdata, &tool.arena, &text))
        printf("%.*s.", STR_ARGS(text));
    else if (type == DNS_TXT && record_txt(rdata, &tool.arena, &text))
        print_shown(text);
    else if (type == DNS_TLSA && record_tlsa(rdata, &tlsa))
        printf("%u %u %u %zu octets", tlsa.usage, tlsa.selector, tlsa.matching, tlsa.data.n);
    else
        printf("ignored, %zu octets", rdata.n);
    printf("\n");
}

static void print_answer(const struct job *j, const struct dns_answer *a)
{
    printf("%.*s %s %.*s %s%s ttl=%u name=%.*s records=%zu why=", STR_ARGS(j->name), j->type,
           STR_ARGS(dns_code_text(a->code)), a->secure ? "secure" : "insecure",
           a->cut ? " cut" : "", a->ttl, STR_ARGS(a->name), a->n);
    print_shown(a->why);
    printf("\n");
    for (size_t i = 0; i < a->n; i++)
        print_record(type_of(j->type), a->records[i]);
}

static void print_road(const struct job *j, const struct mx_result *r)
{
    if (r->n == 0) {
        printf("%.*s ROAD %u %.*s %.*s\n", STR_ARGS(j->name), r->code, STR_ARGS(r->status),
               STR_ARGS(r->text));
        return;
    }
    printf("%.*s ROAD %s%s hosts=%zu\n", STR_ARGS(j->name), r->secure ? "secure" : "insecure",
           r->implied ? " implied" : "", r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct mx_host *h = &r->hosts[i];

        printf("  %u %.*s %.*s %s", h->preference, STR_ARGS(h->name), STR_ARGS(h->expanded),
               h->secure ? "secure" : "insecure");
        for (size_t k = 0; k < h->n; k++)
            print_ip(&h->addresses[k]);
        printf("\n");
    }
}

static void end(void)
{
    tool.open--;
    fflush(stdout);
}

static void advance(struct job *j)
{
    struct mx_question q;
    enum mx_step step;

    while ((step = mx_next(j->mx, &q)) == MX_ASK) {
        struct step *s = ARENA_NEW(&tool.arena, struct step);

        *s = (struct step){j, q.number};
        dns_ask(tool.dns, &(struct dns_question){q.name, q.type, tool.timeout_ms, s}, now_ms());
    }
    if (step == MX_WAIT)
        return;
    print_road(j, mx_result(j->mx));
    end();
}

static void start(struct job *j)
{
    struct str name = j->name;
    struct ip ip;

    if (strcmp(j->type, "ROAD") == 0) {
        j->mx = mx_new(name, &tool.self, 1);
        advance(j);
        return;
    }
    if (strcmp(j->type, "PTR") == 0 && ip_parse(name, &ip))
        name = ip_reverse_name(&tool.arena, &ip);
    struct step *s = ARENA_NEW(&tool.arena, struct step);
    *s = (struct step){j, 0};
    struct dns_question q = {name, type_of(j->type), tool.timeout_ms, s};
    j->query = dns_ask(tool.dns, &q, now_ms());
}

static void take(struct dns_query *q)
{
    const struct step *s = dns_query_owner(q);

    if (s->job->mx) {
        mx_answer(s->job->mx, s->number, dns_query_answer(q));
        dns_query_free(q);
        advance(s->job);
        return;
    }
    print_answer(s->job, dns_query_answer(q));
    dns_query_free(q);
    end();
}

static void change_conf(void)
{
    if (!tool.next_conf || tool.open == tool.jobs_n)
        return;
    if (rename(tool.next_conf, tool.conf) < 0)
        exit(2);
    tool.next_conf = NULL;
    tool.ahead_ms += 2 * DNS_LOOK_MS;
}

static void turn(void)
{
    struct pollfd p = {dns_fd(tool.dns), POLLIN, 0};
    struct dns_query *q;

    poll(&p, 1, (int)dns_next_ms(tool.dns, now_ms()));
    dns_process(tool.dns, now_ms());
    while ((q = dns_take(tool.dns)))
        take(q);
}

static void give_up(size_t n)
{
    for (size_t i = 0; i < n && i < tool.jobs_n; i++) {
        dns_query_free(tool.jobs[i].query);
        end();
    }
}

static void add(struct list_of *l, const char *text)
{
    if (l->n < LIST_MAX)
        l->at[l->n++] = text;
}

static void set_self(const struct list_of *names, const struct list_of *addresses)
{
    for (size_t i = 0; i < names->n; i++)
        tool.names[i] = str_c(names->at[i]);
    for (size_t i = 0; i < addresses->n; i++)
        if (!ip_parse(str_c(addresses->at[i]), &tool.addresses[i]))
            exit(2);
    tool.self.names = tool.names;
    tool.self.names_n = names->n;
    tool.self.addresses = tool.addresses;
    tool.self.addresses_n = addresses->n;
}

/* All, or the next when the one before it is over. */
static void start_more(void)
{
    while (tool.started < tool.jobs_n &&
           (!tool.one_by_one || tool.open + tool.started == tool.jobs_n))
        start(&tool.jobs[tool.started++]);
}

int main(int argc, char **argv)
{
    struct list_of servers = {.n = 0}, zones = servers, names = servers, addresses = servers;
    struct dns_options o = {.trust_anchor = NULL};
    struct err err;
    size_t leave = 0;
    int c;

    while ((c = getopt(argc, argv, "s:r:w:a:i:t:n:m:x:lo")) >= 0) {
        if (c == 's')
            add(&servers, optarg);
        else if (c == 'i')
            add(&zones, optarg);
        else if (c == 'n')
            add(&names, optarg);
        else if (c == 'm')
            add(&addresses, optarg);
        else if (c == 'r')
            tool.conf = o.resolv_conf = optarg;
        else if (c == 'w')
            tool.next_conf = optarg;
        else if (c == 'a')
            o.trust_anchor = optarg;
        else if (c == 't')
            tool.timeout_ms = (uint32_t)strtoul(optarg, NULL, 10);
        else if (c == 'x')
            leave = strtoul(optarg, NULL, 10);
        else if (c == 'o')
            tool.one_by_one = true;
        else if (c == 'l')
            tool.self.loopback_is_others = true;
        else
            return 2;
    }
    o.servers = servers.at;
    o.servers_n = servers.n;
    o.insecure = zones.at;
    o.insecure_n = zones.n;
    set_self(&names, &addresses);
    if (dns_open(&o, now_ms(), &tool.dns, &err) < 0) {
        fprintf(stderr, "dns-tool: %s\n", err.text);
        return 1;
    }
    arena_init(&tool.arena);
    for (; optind + 1 < argc && tool.jobs_n < JOBS_MAX; optind += 2)
        tool.jobs[tool.jobs_n++] =
            (struct job){.name = str_c(argv[optind]), .type = argv[optind + 1]};
    tool.open = tool.jobs_n;
    start_more();
    give_up(leave);
    while (tool.open) {
        turn();
        change_conf();
        start_more();
    }
    printf("dnssec: %.*s\n", STR_ARGS(dns_dnssec_text(dns_dnssec(tool.dns))));
    for (size_t i = 0; i < tool.jobs_n; i++)
        mx_free(tool.jobs[i].mx);
    dns_close(tool.dns);
    arena_done(&tool.arena);
    return 0;
}
