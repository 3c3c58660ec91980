#include "mta/send/probe.h"

#include "base/json.h"
#include "net/conn.h"
#include "sys/clock.h"
#include "tls/certificate.h"

enum { WORDS_BYTES = 4096 };

void probe_init(struct probe *p, struct buf *out, void (*told)(void *arg), void *arg)
{
    *p = (struct probe){.out = out, .told = told, .arg = arg, .began_ms = clock_steady_ms()};
}

static void end_dialogue(struct probe *p)
{
    if (p->talking)
        steps_done(&p->steps);
    p->talking = p->connecting = p->handshaking = false;
}

void probe_done(struct probe *p)
{
    end_dialogue(p);
}

/* ---- lines ---- */

static void begin_line(struct probe *p, const char *step, bool ok, uint64_t ms)
{
    buf_addf(p->out, "{\"step\": \"%s\", \"ok\": %s, \"ms\": %llu, ", step,
             ok ? "true" : "false", (unsigned long long)ms);
    if (p->host.at_n) {
        json_add_member(p->out, "host", str_c(p->host.name));
        json_add_member(p->out, "ip", str_c(p->host.ip));
    }
}

static void end_line(struct probe *p, struct str words)
{
    buf_add(p->out, STR("\"words\": "));
    json_add_string(p->out, words);
    buf_add(p->out, STR("}\n"));
    p->told(p->arg);
}

static uint64_t since_began(struct probe *p)
{
    uint64_t now = clock_steady_ms(), ms = now - p->began_ms;

    p->began_ms = now;
    return ms;
}

/* ---- before the connection ---- */

static void describe_route(struct buf *w, const struct route *r)
{
    static const char *const tls[] = {
        [ROUTE_MAY] = "TLS where it is offered",
        [ROUTE_MUST] = "TLS or nothing",
        [ROUTE_VERIFY] = "TLS with a certificate that holds, or nothing",
        [ROUTE_NEVER] = "never TLS",
    };

    if (r->mx)
        buf_add(w, STR("the MX records of the domain"));
    else
        buf_addf(w, "%s%.*s: %s%s%.*s", r->domain.n ? "the route of " : "the relay",
                 STR_ARGS(r->domain), r->lmtp ? "LMTP to " : "", r->path ? r->path : "",
                 STR_ARGS(r->path ? STR("") : r->host));
    if (!r->path)
        buf_addf(w, "%s port %u", r->mx ? "," : "", (unsigned)r->port);
    buf_addf(w, ", %s", tls[r->tls]);
    if (r->user.n)
        buf_addf(w, ", login as %.*s", STR_ARGS(r->user));
}

void probe_route(struct probe *p, const struct route *r, const char *flaw)
{
    struct buf w;

    buf_init(&w, WORDS_BYTES);
    describe_route(&w, r);
    if (flaw)
        buf_addf(&w, "; %s", flaw);
    begin_line(p, "route", !flaw, since_began(p));
    end_line(p, buf_str(&w));
    buf_done(&w);
}

static void add_hosts(struct buf *out, const struct hosts *h)
{
    buf_add(out, STR("\"hosts\": ["));
    for (size_t i = 0; i < h->n; i++) {
        buf_add(out, str_c(i ? ", {" : "{"));
        json_add_member(out, "name", str_c(h->all[i].name));
        json_add_member(out, "ip", str_c(h->all[i].ip));
        buf_addf(out, "\"preference\": %u, \"secure\": %s}", (unsigned)h->all[i].preference,
                 h->all[i].secure ? "true" : "false");
    }
    buf_add(out, STR("], "));
}

static void describe_hosts(struct buf *w, const struct route *r, const struct hosts *h)
{
    if (r->mx && h->implied)
        buf_add(w, STR("no MX records, so the host itself: "));
    for (size_t i = 0; i < h->n; i++) {
        buf_addf(w, "%s", i ? ", " : "");
        if (r->mx && !h->implied)
            buf_addf(w, "%u ", (unsigned)h->all[i].preference);
        buf_addf(w, "%s[%s]", h->all[i].name, h->all[i].ip);
    }
    if (r->mx)
        buf_add(w, h->secure ? STR("; signed (DNSSEC)") : STR("; not signed"));
}

void probe_hosts(struct probe *p, const struct route *r, const struct hosts *h,
                 struct smtp_reply why, struct str dnssec)
{
    struct buf w;

    buf_init(&w, WORDS_BYTES);
    if (h->n)
        describe_hosts(&w, r, h);
    else
        buf_addf(&w, "%d %.*s %.*s", why.code, STR_ARGS(why.enhanced), STR_ARGS(why.text));
    begin_line(p, "dns", h->n > 0, since_began(p));
    add_hosts(p->out, h);
    buf_addf(p->out, "\"secure\": %s, ", h->secure ? "true" : "false");
    json_add_member(p->out, "dnssec", dnssec);
    end_line(p, buf_str(&w));
    buf_done(&w);
}

/* ---- one connection ---- */

static void tell_step(void *arg, const struct step *s)
{
    struct probe *p = arg;
    struct buf w;

    buf_init(&w, SMTP_REPLY_KEPT_BYTES * 64);
    buf_addf(&w, "%d ", s->code);
    buf_add(&w, s->heard);
    begin_line(p, s->name, s->code < 400, s->ms);
    json_add_member(p->out, "asked", s->asked);
    buf_addf(p->out, "\"code\": %d, ", s->code);
    end_line(p, buf_str(&w));
    buf_done(&w);
    p->began_ms = clock_steady_ms();
}

void probe_dial(struct probe *p, const struct host *h, bool clear)
{
    end_dialogue(p);
    p->host = *h;
    p->began_ms = clock_steady_ms();
    p->connecting = true;
    if (clear) {
        begin_line(p, "again", true, 0);
        end_line(p, STR("TLS failed: once more in clear, as the route allows"));
    }
}

void probe_connected(struct probe *p)
{
    if (!p->connecting)
        return;
    p->connecting = false;
    begin_line(p, "connect", true, since_began(p));
    end_line(p, STR("connected"));
    p->talking = true;
    steps_init(&p->steps, tell_step, p, clock_steady_ms());
}

void probe_talk(struct probe *p, char direction, struct str lines)
{
    if (!p->talking || lines.n == 0)
        return;
    if (direction == '<')
        steps_heard(&p->steps, lines, clock_steady_ms());
    else
        steps_said(&p->steps, lines, clock_steady_ms());
}

static void add_certificate(struct buf *out, const struct tls_certificate *c)
{
    buf_add(out, STR("\"certificate\": {"));
    json_add_member(out, "subject", c->subject);
    json_add_member(out, "issuer", c->issuer);
    json_add_member(out, "not_before", c->not_before);
    json_add_member(out, "not_after", c->not_after);
    json_add_member(out, "why", c->why);
    buf_addf(out, "\"verified\": %s, \"names\": [", c->verified ? "true" : "false");
    for (size_t i = 0; i < c->n; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        json_add_string(out, c->names[i]);
    }
    buf_add(out, STR("]}, "));
}

void probe_tls(struct probe *p, const struct conn *c, const struct tls_context *authorities,
               bool failed, struct str why)
{
    const struct tls_info *info = conn_tls(c);
    struct tls_certificate cert;
    struct arena a;

    arena_init(&a);
    begin_line(p, "TLS", !failed, since_began(p));
    if (info) {
        json_add_member(p->out, "version", str_c(info->version));
        json_add_member(p->out, "cipher", str_c(info->cipher));
    }
    if (conn_tls_peer(c) &&
        tls_certificate(conn_tls_peer(c), authorities, str_c(p->host.name), &a, &cert))
        add_certificate(p->out, &cert);
    end_line(p, failed ? why : STR("the handshake is done"));
    arena_done(&a);
    p->handshaking = failed; /* it has been told */
}

void probe_lost(struct probe *p, struct smtp_reply why, bool said)
{
    const char *step = p->connecting ? "connect" : "route";
    uint64_t since = p->began_ms;

    if (p->talking && *steps_waiting(&p->steps, &since))
        step = steps_waiting(&p->steps, &since);
    if (!said && !p->handshaking) {
        begin_line(p, step, false, clock_steady_ms() - since);
        end_line(p, why.text);
    }
    end_dialogue(p);
}

/* ---- the end ---- */

void probe_end(struct probe *p, const struct result *r)
{
    int class = smtp_reply_class(r->reply);
    struct buf w;

    buf_init(&w, WORDS_BYTES);
    if (class == 2)
        buf_addf(&w, "A letter would be taken by %.*s", STR_ARGS(r->host));
    else
        buf_addf(&w, "A letter would %s: %.*s%s%d %.*s %.*s", class == 5 ? "come back" : "wait",
                 STR_ARGS(r->said ? r->host : STR("")), r->said ? " says " : "", r->reply.code,
                 STR_ARGS(r->reply.enhanced), STR_ARGS(r->reply.text));
    begin_line(p, "end", class == 2, 0);
    buf_addf(p->out, "\"code\": %d, ", r->reply.code);
    json_add_member(p->out, "status", r->reply.enhanced);
    end_line(p, buf_str(&w));
    buf_done(&w);
}
