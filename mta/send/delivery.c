#include "mta/send/delivery.h"

#include "mta/send/memory.h"
#include "mta/send/probe.h"
#include "net/io.h"
#include "sys/log.h"

#include <stdlib.h>

struct delivery {
    struct list link; /* send->deliveries */
    struct send *send;
    struct send_terms *terms;
    struct arena arena;
    struct delivery_order order;
    struct str domain;
    const struct route *route;
    bool eight_bit, raw;
    uint64_t wire_size;

    struct timer *whole;
    struct resolve *resolve;
    struct hosts hosts;
    size_t at;         /* the host that is tried                    */
    unsigned sessions; /* that were begun                           */
    bool clear;        /* this one without TLS: the handshake failed */
    struct remote *remote;
    bool reused, begun; /* remote stood already; a transaction is under way */

    struct source *as_it_is, *seven_bits, *source; /* the last is one of the others */
    struct smtp_transaction tx;
    struct smtp_client_rcpt *rcpts;
    size_t *which; /* rcpts[i] is the order's which[i] */

    struct result *results;
    size_t nopen;       /* without a result: its reply has no code    */
    struct result lost; /* why the last host was of no use            */
    bool soft;          /* one of them may be of use later            */
    struct soon soon;   /* done                                       */
    bool over;
};

static void next_host(struct delivery *d);

/* ---- results ---- */

static struct smtp_reply keep(struct delivery *d, struct smtp_reply r)
{
    return (struct smtp_reply){r.code, arena_dup(&d->arena, r.enhanced),
                               arena_dup(&d->arena, r.text)};
}

/* With what is known of the host that is tried. */
static struct result tell(struct delivery *d, struct smtp_reply why, bool said)
{
    struct result r = {.reply = keep(d, why), .mxset = str_c(d->hosts.set), .said = said};
    const struct host *h = d->at < d->hosts.n ? &d->hosts.all[d->at] : NULL;

    r.host = h ? str_c(h->name) : STR("");
    r.ip = h ? str_c(h->ip) : STR("");
    r.tls = STR("");
    if (d->remote && d->begun) {
        r.tls = remote_tls(d->remote);
        r.dsn = remote_offers(d->remote, STR("DSN"));
    }
    return r;
}

static void log_result(struct delivery *d, const struct result *r, struct str to)
{
    int class = smtp_reply_class(r->reply);
    const char *event = class == 2 ? "sent" : class == 5 ? "refused" : "unsent";
    struct send *s = d->send;

    s->sent += class == 2;
    s->failed += class == 5;
    s->deferred += class != 2 && class != 5;
    log_event(LOG_INFO, &d->order.id, event, "to %.*s at %.*s[%.*s] tls=%.*s: %d %.*s %.*s",
              STR_ARGS(to), STR_ARGS(r->host), STR_ARGS(r->ip),
              STR_ARGS(r->tls.n ? r->tls : STR("no")), r->reply.code,
              STR_ARGS(r->reply.enhanced), STR_ARGS(r->reply.text));
}

static void settle(struct delivery *d, size_t i, struct result r)
{
    if (d->results[i].reply.code)
        return;
    /* what a server says without a status of its own (RFC 3463) gets the one of its class */
    if (r.reply.enhanced.n == 0)
        r.reply.enhanced = smtp_reply_class(r.reply) == 2   ? STR("2.0.0")
                           : smtp_reply_class(r.reply) == 5 ? STR("5.0.0")
                                                            : STR("4.0.0");
    d->results[i] = r;
    d->nopen--;
    if (d->order.probe)
        return;
    if (smtp_reply_class(r.reply) == 2)
        memory_add(d->send->memory, &d->order.id, d->order.rcpts[i].forward_path, &r);
    log_result(d, &r, d->order.rcpts[i].forward_path);
}

static void let_go(struct delivery *d)
{
    if (d->remote)
        remote_drop(d->remote);
    d->remote = NULL;
    d->begun = false;
}

static void finish_if_done(struct delivery *d)
{
    if (d->nopen || d->over)
        return;
    d->over = true;
    timer_stop(d->whole);
    resolve_cancel(d->resolve);
    d->resolve = NULL;
    let_go(d);
    soon_run(d->send->program->loop, &d->soon);
}

static void settle_all(struct delivery *d, struct result r)
{
    for (size_t i = 0; i < d->order.n; i++)
        settle(d, i, r);
    finish_if_done(d);
}

/* Nobody is left to ask. Only where all refused for good is it for good. */
static void give_up(struct delivery *d)
{
    struct result r = d->lost;

    if (d->soft && smtp_reply_class(r.reply) == 5) {
        r.reply.code = 451;
        r.reply.enhanced = STR("4.4.1");
    }
    settle_all(d, r);
}

/* ---- hosts ---- */

static uint64_t connect_ms(const struct delivery *d)
{
    uint64_t ms = d->terms->connect_ms;

    if (d->order.probe && ms > PROBE_STEP_MS)
        ms = PROBE_STEP_MS;
    return d->at + 1 < d->hosts.n && ms > SEND_FALLBACK_MS ? SEND_FALLBACK_MS : ms;
}

static void try_host(struct delivery *d, bool fresh)
{
    const struct host *h = &d->hosts.all[d->at];

    if (d->order.probe)
        probe_dial(d->order.probe, h, d->clear);
    d->remote = fresh || d->clear || d->order.probe
                    ? NULL
                    : remote_reuse(d->send, d->terms, d->route, h, d);
    d->reused = d->remote;
    if (d->reused)
        return;
    d->sessions++;
    d->remote = remote_dial(d->send, d->terms, d->route, h, d->clear, connect_ms(d), d);
}

static void next_host(struct delivery *d)
{
    d->clear = false;
    d->at++;
    if (d->at < d->hosts.n && d->sessions < SEND_SESSIONS) {
        try_host(d, false);
        return;
    }
    d->soft =
        d->soft || d->hosts.more || d->at < d->hosts.n; /* who was not asked may take it */
    give_up(d);
}

static void resolved(void *arg, const struct hosts *hosts, struct smtp_reply why)
{
    struct delivery *d = arg;

    d->resolve = NULL;
    d->hosts = *hosts;
    if (d->order.probe)
        probe_hosts(d->order.probe, d->route, hosts, why, resolver_dnssec(d->terms->resolver));
    if (hosts->n == 0)
        settle_all(d, tell(d, why, false));
    else
        try_host(d, false);
}

/* What is known of the host is remembered before it is left. */
static void remember(struct delivery *d, struct smtp_reply why, bool said)
{
    d->lost = tell(d, why, said);
    d->soft = d->soft || smtp_reply_class(why) != 5;
}

/* What some were told stays, however it ends for the others. */
static void settle_answered(struct delivery *d)
{
    for (size_t i = 0; d->begun && i < d->tx.nrcpts; i++)
        if (d->rcpts[i].phase == SMTP_PHASE_ANSWERED)
            settle(d, d->which[i], tell(d, d->rcpts[i].reply, !d->rcpts[i].ours));
}

void delivery_lost(struct delivery *d, struct remote *r, enum remote_lost how,
                   struct smtp_reply why, bool said)
{
    bool begun = d->begun, reused = d->reused;
    (void)r;

    remember(d, why, said);
    if (d->order.probe)
        probe_lost(d->order.probe, why, said);
    settle_answered(d);
    for (size_t i = 0; begun && i < d->tx.nrcpts; i++)
        if (d->rcpts[i].phase == SMTP_PHASE_HANDED)
            settle(d, d->which[i],
                   tell(d,
                        said ? why
                             : SMTP_REPLY(
                                   451, "4.4.2",
                                   "no answer came to the letter, which may have been taken"),
                        said));
    d->remote = NULL;
    d->begun = false;
    if (d->nopen == 0)
        finish_if_done(d);
    else if (reused && (how == REMOTE_LOST || why.code == 421)) /* it had grown stale */
        try_host(d, true);
    else if (how == REMOTE_LOST_TLS && d->route->tls == ROUTE_MAY && !d->clear) {
        if (!d->order.probe)
            log_event(LOG_WARN, &d->order.id, "clear", "%s: %.*s; once more without",
                      d->hosts.all[d->at].name, STR_ARGS(why.text));
        d->clear = true;
        try_host(d, true);
    } else
        next_host(d);
}

/* ---- the letter ---- */

static bool wants_seven_bits(const struct delivery *d, const struct remote *r)
{
    if (d->raw)
        return true;
    return (d->eight_bit || d->order.mail.body != SMTP_BODY_7BIT) &&
           !remote_offers(r, STR("8BITMIME"));
}

static void fill_transaction(struct delivery *d, bool seven_bits)
{
    struct smtp_mail mail = d->order.mail;
    size_t n = 0;

    mail.auth = STR(""); /* who submitted is not told to strangers (RFC 4954 5) */
    mail.size = 0;
    if (seven_bits)
        mail.body = SMTP_BODY_7BIT;
    else if (d->eight_bit)
        mail.body = SMTP_BODY_8BITMIME;
    for (size_t i = 0; i < d->order.n; i++) {
        if (d->results[i].reply.code)
            continue;
        d->which[n] = i;
        d->rcpts[n++] = (struct smtp_client_rcpt){.rcpt = d->order.rcpts[i]};
    }
    d->tx = (struct smtp_transaction){.mail = mail,
                                      .rcpts = d->rcpts,
                                      .nrcpts = n,
                                      .size = d->source ? d->source->size : 0,
                                      .wire_size = d->source ? d->source->wire_size : 0,
                                      .ask_only = d->order.probe};
}

const struct source_wish *delivery_ready(struct delivery *d, struct remote *r)
{
    bool seven_bits = wants_seven_bits(d, r);
    struct source_wish *wish;

    d->source = seven_bits ? d->seven_bits : d->as_it_is;
    if (d->source || d->order.probe) {
        fill_transaction(d, seven_bits);
        d->begun = true;
        remote_begin(r, &d->tx);
        return NULL;
    }
    wish = ARENA_NEW(&d->arena, struct source_wish);
    *wish = (struct source_wish){.spool = d->send->spool,
                                 .cache = d->send->cache,
                                 .id = d->order.id,
                                 .size = d->order.size,
                                 .wire_size = d->wire_size,
                                 .seven_bits = seven_bits,
                                 .always = d->raw};
    return wish;
}

/* This server takes nothing but what there is not; another may take the letter as it is. */
static void leave_for_next(struct delivery *d, struct smtp_reply why)
{
    remember(d, why, false);
    remote_release(d->remote);
    d->remote = NULL;
    next_host(d);
}

void delivery_opened(struct delivery *d, struct source *s, const struct err *err)
{
    const struct smtp_reply eight = SMTP_REPLY(
        554, "5.6.3", "that server takes seven bits alone, and the letter cannot be made so");

    if (!s) {
        log_event(LOG_ERROR, &d->order.id, "unread", "%s", err->text);
        if (err->code != E_SYNTAX)
            settle_all(d,
                       tell(d, SMTP_REPLY(451, "4.3.0", "the letter cannot be read"), false));
        else if (d->raw) /* no server takes it */
            settle_all(d, tell(d, eight, false));
        else
            leave_for_next(d, eight);
        return;
    }
    if (wants_seven_bits(d, d->remote))
        d->seven_bits = s;
    else
        d->as_it_is = s;
}

struct source *delivery_source(struct delivery *d)
{
    return d->source;
}

void delivery_done(struct delivery *d, struct remote *r)
{
    if (d->order.probe)
        remote_leave(r);
    for (size_t i = 0; i < d->tx.nrcpts; i++) {
        const struct smtp_client_rcpt *c = &d->rcpts[i];

        if (c->reply.code == 421)
            remember(d, c->reply, true);
        else
            settle(d, d->which[i], tell(d, c->reply, !c->ours));
    }
    d->remote = NULL; /* it has other letters to carry */
    d->begun = false;
    if (d->nopen)
        next_host(d);
    else
        finish_if_done(d);
}

struct probe *delivery_probe(const struct delivery *d)
{
    return d->order.probe;
}

bool delivery_is_handed(const struct delivery *d)
{
    for (size_t i = 0; d->begun && i < d->tx.nrcpts; i++)
        if (d->rcpts[i].phase == SMTP_PHASE_HANDED)
            return true;
    return false;
}

/* ---- life ---- */

static void took_too_long(void *arg)
{
    struct delivery *d = arg;

    settle_answered(d);
    if (delivery_is_handed(d))
        settle_all(
            d, tell(d,
                    SMTP_REPLY(451, "4.4.7",
                               "no answer came to the letter in the time for a delivery; it "
                               "may have been taken"),
                    false));
    else
        settle_all(d,
                   tell(d, SMTP_REPLY(451, "4.4.7", "the time for a delivery is over"), false));
}

static void done(struct soon *s)
{
    struct delivery *d = LIST_OF(s, struct delivery, soon);

    d->order.done(d->order.arg, d);
}

static void read_flags(struct delivery *d, struct str flags)
{
    struct str word;

    while (flags.n) {
        if (scan_byte(&flags, ' ') || !scan_until(&flags, ' ', &word))
            continue;
        d->eight_bit |= str_eq(word, STR("8bit"));
        d->raw |= str_eq(word, STR("raw"));
        if (scan_word(&word, STR("wire=")))
            scan_u64(&word, UINT64_MAX, &d->wire_size);
    }
}

static struct str domain_of(struct str address)
{
    size_t at = address.n;

    while (at && address.p[at - 1] != '@')
        at--;
    return str_skip(address, at);
}

static void keep_order(struct delivery *d, const struct delivery_order *o)
{
    struct smtp_rcpt *rcpts = ARENA_ARRAY(&d->arena, struct smtp_rcpt, o->n);

    d->order = *o;
    d->order.mail.reverse_path = arena_dup(&d->arena, o->mail.reverse_path);
    d->order.mail.envid = arena_dup(&d->arena, o->mail.envid);
    for (size_t i = 0; i < o->n; i++)
        rcpts[i] =
            (struct smtp_rcpt){arena_dup(&d->arena, o->rcpts[i].forward_path),
                               arena_dup(&d->arena, o->rcpts[i].orcpt), o->rcpts[i].notify};
    d->order.rcpts = rcpts;
    d->domain = domain_of(rcpts[0].forward_path);
    d->results = ARENA_ARRAY(&d->arena, struct result, o->n);
    d->rcpts = ARENA_ARRAY(&d->arena, struct smtp_client_rcpt, o->n);
    d->which = ARENA_ARRAY(&d->arena, size_t, o->n);
    d->nopen = o->n;
    read_flags(d, o->flags);
}

/* What can be known before anybody is asked; NULL: nothing. */
static const char *flaw_of(const struct delivery *d)
{
    if (d->route->flaw)
        return d->route->flaw;
    if (d->route->tls == ROUTE_VERIFY && !d->terms->tls_verify)
        return d->terms->tls_flaw.text;
    if (d->route->tls == ROUTE_MUST && !d->terms->tls)
        return "TLS does not start here";
    return NULL;
}

/* Who has it already. */
static void remember_taken(struct delivery *d)
{
    for (size_t i = 0; i < d->order.n && !d->order.probe; i++) {
        const struct result *r =
            memory_find(d->send->memory, &d->order.id, d->order.rcpts[i].forward_path);
        struct result copy;

        if (!r)
            continue;
        copy = *r;
        copy.reply = keep(d, r->reply);
        copy.host = arena_dup(&d->arena, r->host);
        copy.ip = arena_dup(&d->arena, r->ip);
        copy.tls = arena_dup(&d->arena, r->tls);
        copy.mxset = arena_dup(&d->arena, r->mxset);
        log_event(LOG_INFO, &d->order.id, "again", "%.*s has it since an earlier hand-over",
                  STR_ARGS(d->order.rcpts[i].forward_path));
        d->results[i] = copy;
        d->nopen--;
    }
}

static void begin(struct delivery *d)
{
    const char *flaw = flaw_of(d);

    remember_taken(d);
    if (d->order.probe)
        probe_route(d->order.probe, d->route, flaw);
    if (d->nopen == 0) {
        finish_if_done(d);
    } else if (flaw) {
        settle_all(d, tell(d, (struct smtp_reply){451, STR("4.3.5"), str_c(flaw)}, false));
    } else if (d->route->path) {
        hosts_add_unix(&d->hosts, d->route->path);
        hosts_name_set(&d->hosts);
        try_host(d, false);
    } else if (d->route->mx) {
        d->resolve = resolve_mx(d->terms->resolver, d->domain, d->route->port, resolved, d);
    } else {
        d->resolve =
            resolve_host(d->terms->resolver, d->route->host, d->route->port, resolved, d);
    }
}

struct delivery *delivery_new(struct send *s, const struct delivery_order *o)
{
    struct delivery *d = calloc(1, sizeof(*d));

    if (!d)
        abort();
    d->send = s;
    d->terms = send_terms_hold(s->terms);
    arena_init(&d->arena);
    hosts_init(&d->hosts);
    soon_init(&d->soon, done);
    keep_order(d, o);
    d->route = routes_find(&d->terms->routes, d->domain);
    d->whole = timer_new(s->program->loop, took_too_long, d);
    timer_start(d->whole, d->terms->whole_ms);
    list_append(&s->deliveries, &d->link);
    s->ndeliveries++;
    begin(d);
    return d;
}

static bool same_recipients(const struct delivery *d, const struct delivery_order *o)
{
    bool same = d->order.n == o->n;

    for (size_t i = 0; same && i < o->n; i++)
        same = str_eq(d->order.rcpts[i].forward_path, o->rcpts[i].forward_path);
    return same;
}

static bool shares_recipient(const struct delivery *d, const struct delivery_order *o)
{
    for (size_t i = 0; i < o->n; i++)
        for (size_t k = 0; k < d->order.n; k++)
            if (str_eq(d->order.rcpts[k].forward_path, o->rcpts[i].forward_path))
                return true;
    return false;
}

struct delivery *delivery_adopt(struct send *s, const struct delivery_order *o, bool *differs)
{
    *differs = false;
    LIST_EACH(&s->deliveries, at)
    {
        struct delivery *d = LIST_OF(at, struct delivery, link);

        if (strcmp(d->order.id.text, o->id.text) != 0 || !shares_recipient(d, o))
            continue;
        if (!same_recipients(d, o)) {
            *differs = true;
            return NULL;
        }
        d->order.gone(d->order.arg);
        d->order.done = o->done;
        d->order.gone = o->gone;
        d->order.arg = o->arg;
        return d;
    }
    return NULL;
}

const struct result *delivery_results(const struct delivery *d)
{
    return d->results;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    struct send *s = d->send;

    soon_cancel(&d->soon);
    timer_free(d->whole);
    resolve_cancel(d->resolve);
    let_go(d);
    source_release(d->as_it_is);
    source_release(d->seven_bits);
    list_remove(&d->link);
    send_terms_release(d->terms);
    arena_done(&d->arena);
    free(d);
    s->ndeliveries--;
    send_drained(s);
}
