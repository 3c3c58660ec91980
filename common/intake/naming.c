/*
 * What DNS says of a client and of the sender that it names.
 *
 *   connected ─▶ PTR, and back ──────────┐
 *                                        ├─▶ the answer to MAIL
 *   MAIL ─▶ does the domain take mail? ──┘
 *
 * Nothing waits for more than INTAKE_NAMES_MS in all, and what is not known by then speaks
 * against nobody.
 */
#include "intake/inside.h"
#include "sys/log.h"

static uint64_t now_ms(const struct guest *g)
{
    return loop_now_ms(conn_loop(g->conn));
}

static void go_on(struct guest *g)
{
    struct naming *n = &g->naming;
    uint64_t passed = now_ms(g) - n->asked_ms;

    if (!n->waits || n->client || n->sender)
        return;
    n->waits = false;
    n->left_ms -= passed < n->left_ms ? (uint32_t)passed : n->left_ms;
    if (n->no_mail) {
        n->reply = SMTP_REPLY(550, "5.7.27", "the sender's domain takes no mail");
        log_event(LOG_INFO, NULL, "sender-refused", "domain %s from peer=%s helo=%.*s: null MX",
                  n->domain, conn_peer_address(g->conn), STR_ARGS(smtp_server_helo(g->smtp)));
    }
    smtp_answer(g->smtp, n->reply);
    guest_ready(g);
}

static void named(void *arg, struct str name)
{
    struct guest *g = arg;

    g->naming.client = NULL;
    if (name.n <= NAMING_BYTES)
        memcpy(g->naming.name, name.n ? name.p : "", name.n);
    go_on(g);
}

static void judged(void *arg, bool no_mail)
{
    struct guest *g = arg;

    g->naming.sender = NULL;
    g->naming.no_mail = no_mail;
    go_on(g);
}

void naming_begin(struct guest *g)
{
    const struct intake_names *names = g->in->spec->names;

    g->naming.left_ms = INTAKE_NAMES_MS;
    if (names && g->in->names)
        g->naming.client =
            names->client(g->in->names, conn_peer_address(g->conn), INTAKE_NAMES_MS, named, g);
}

static struct str domain_of(struct str address)
{
    size_t at = address.n;

    while (at && address.p[at - 1] != '@')
        at--;
    return at ? str_skip(address, at) : STR("");
}

bool naming_wait(struct guest *g, const struct smtp_mail *m, struct smtp_reply good)
{
    const struct intake_names *names = g->in->spec->names;
    bool stranger = smtp_server_user(g->smtp).n == 0 && !g->relay;
    struct str domain = domain_of(m->reverse_path);
    struct naming *n = &g->naming;

    n->no_mail = false;
    snprintf(n->domain, sizeof(n->domain), "%.*s", STR_ARGS(str_first(domain, NAMING_BYTES)));
    if (names && g->in->names && stranger && domain.n && n->left_ms)
        n->sender = names->sender(g->in->names, conn_peer_address(g->conn), domain, n->left_ms,
                                  judged, g);
    if (!n->client && !n->sender)
        return false;
    n->waits = true;
    n->reply = good;
    n->asked_ms = now_ms(g);
    return true;
}

void naming_done(struct guest *g)
{
    const struct intake_names *names = g->in->spec->names;

    if (!names)
        return;
    names->cancel(g->naming.client);
    names->cancel(g->naming.sender);
    g->naming.client = g->naming.sender = NULL;
    g->naming.waits = false;
}
