#include "intake/inside.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

/* One listening socket. */
struct entrance {
    struct list link;
    struct door door;
    const char *name;
    struct listener *listener;
    struct tls_context *tls, *fresh; /* the one that a reload brings */
};

static const char busy_line[] = "421 4.3.2 too busy; try again later\r\n";
static const char refused_line[] = "421 4.7.0 too many connections from your address\r\n";

/* ---- settings ------------------------------------------------------------ */

struct settings *settings_ref(struct settings *s)
{
    s->refs++;
    return s;
}

void settings_unref(struct settings *s)
{
    if (!s || --s->refs > 0)
        return;
    free(s->hostname);
    free(s);
}

static struct settings *settings_new(const struct program *p, const struct intake_spec *spec)
{
    const struct config *c = p->config;
    struct settings *s = calloc(1, sizeof(*s));

    if (!s || !(s->hostname = strdup(c->hostname)))
        abort();
    s->refs = 1;
    s->limits = c->limits;
    s->any_sender = c->lab.any_sender;
    s->smtp = (struct smtp_server_config){
        .hostname = str_c(s->hostname),
        .size_max = c->limits.letter_bytes,
        .recipients_max = c->limits.recipients,
        .auth_mechanisms = STR(""),
        .starttls = p->tls_chain.n > 0,
        .bad_commands_max = c->limits.bad_commands,
        .junk_commands_max = c->limits.junk_commands,
        .auth_failures_max = c->limits.auth_failures,
        .transcript = log_dialogues(),
    };
    spec->offer(c, &s->smtp);
    return s;
}

/* What the lab allows is nothing for the world: said once, and loudly. */
static void announce(const struct intake *in)
{
    const struct smtp_server_config *s = &in->settings->smtp;

    if (s->auth_mechanisms.n && !s->auth_needs_tls)
        log_event(LOG_WARN, NULL, "lab",
                  "lab.clear_auth: passwords may be sent WITHOUT TLS. For a lab only");
    if (s->auth_mechanisms.n && s->kind == SMTP_RECEIVE)
        log_event(
            LOG_WARN, NULL, "lab",
            "lab.auth_on_25: logins on port 25, and who logs in may relay. For a lab only");
    if (s->auth_mechanisms.n && in->settings->any_sender)
        log_event(LOG_WARN, NULL, "lab",
                  "lab.any_sender: who logs in may send as ANYBODY. For a lab only");
    if (!s->starttls)
        log_event(LOG_WARN, NULL, "no-tls", "no certificate: STARTTLS is not offered");
}

/* ---- entrances ----------------------------------------------------------- */

static struct listen_options listen_options(struct entrance *e)
{
    const struct intake *in = e->door.intake;
    const struct config_limits *limits = &in->settings->limits;

    return (struct listen_options){
        .conn = {.protocol = &guest_protocol,
                 .tls = e->tls,
                 .tls_first = e->door.tls_first,
                 .listen_first = true},
        .make = guest_make,
        .arg = &e->door,
        .busy = str_c(busy_line),
        .refused = str_c(refused_line),
        .connections_max = limits->connections,
        .per_address_max = limits->connections_per_address,
        .shared = in->program->shared,
    };
}

/* NULL in *out where there is no certificate. */
static int make_tls(const struct program *p, const char *name, struct tls_context **out,
                    struct err *err)
{
    *out = NULL;
    if (p->tls_chain.n == 0)
        return 0;
    *out = tls_context_server(p->tls_chain, p->tls_key, "smtp", name, err);
    return *out ? 0 : err ? err->code : E_SYNTAX;
}

static const struct intake_door *find_door(const struct intake *in, const char *name)
{
    const struct intake_door *d = in->spec->doors;

    while (d->socket && !str_eq(str_c(d->socket), str_c(name)))
        d++;
    return d->socket ? d : NULL;
}

static int serve(struct intake *in, const struct intake_door *d, int fd, struct err *err)
{
    struct tls_context *tls;
    int r = make_tls(in->program, d->socket, &tls, err);

    if (r < 0)
        return r;
    if (d->tls_first && !tls)
        return err_set(err, E_NOT_FOUND, "%s needs a certificate (tls.certificate, tls.key)",
                       d->socket);

    struct entrance *e = calloc(1, sizeof(*e));
    if (!e)
        abort();
    e->door = (struct door){in, d->tls_first};
    e->name = d->socket;
    e->tls = tls;
    list_append(&in->entrances, &e->link);
    struct listen_options o = listen_options(e);
    e->listener = listener_new(in->program->loop, fd, &o);
    return 0;
}

int intake_serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct intake *in = p->state;
    const struct intake_door *d = find_door(in, name);
    int r =
        d ? serve(in, d, fd, err)
          : err_set(err, E_NOT_FOUND, "a socket named %s is not for %s", name, p->spec->name);

    if (r < 0)
        close(fd);
    return r;
}

static void close_entrances(struct intake *in)
{
    LIST_EACH(&in->entrances, at)
    {
        struct entrance *e = LIST_OF(at, struct entrance, link);

        listener_free(e->listener);
        e->listener = NULL;
    }
}

/* Sessions point into an entrance until they end. */
static void free_entrances(struct intake *in)
{
    close_entrances(in);
    LIST_EACH(&in->entrances, at)
    {
        struct entrance *e = LIST_OF(at, struct entrance, link);

        list_remove(&e->link);
        tls_context_unref(e->tls);
        free(e);
    }
}

/* ---- the program --------------------------------------------------------- */

static void open_auth(struct intake *in)
{
    if (!in->auth && in->settings->smtp.auth_mechanisms.n)
        in->auth = auth_link_new(in->program->loop, in->program->config->run_dir);
}

static struct handover *open_queue(struct intake *in)
{
    const struct program *p = in->program;
    struct str path = arena_printf(&in->lasting, "%s/queue.sock", p->config->run_dir);
    struct str hostname = arena_dup(&in->lasting, str_c(p->config->hostname));

    return handover_new(p->loop, path.p, false, hostname, INTAKE_QUEUE_CONNECTIONS,
                        INTAKE_QUEUE_SECONDS * UINT64_C(1000));
}

int intake_start(struct program *p, const struct intake_spec *spec, struct err *err)
{
    const struct jobs_options sync = {
        .name = "sync",
        .threads = INTAKE_SYNC_THREADS,
        .batch_max = INTAKE_SYNC_BATCH,
        .work = incoming_commit_batch,
    };
    struct intake *in = calloc(1, sizeof(*in));

    if (!in)
        abort();
    p->state = in;
    in->program = p;
    in->spec = spec;
    list_init(&in->entrances);
    arena_init(&in->scratch);
    arena_init(&in->lasting);
    in->spool = spool_open(p->config->state_dir, err);
    if (!in->spool)
        return err->code;
    in->users = users_open(p->config->state_dir, err);
    if (!in->users)
        return err->code;
    in->settings = settings_new(p, spec);
    in->sync = jobs_new(p->loop, &sync);
    in->queue = open_queue(in);
    in->names = spec->names ? spec->names->open(p) : NULL;
    open_auth(in);
    announce(in);
    return 0;
}

/* The contexts that a reload would use, for all entrances or for none. */
static int make_fresh(const struct intake *in, struct err *err)
{
    int r = 0;

    LIST_EACH(&in->entrances, at)
    {
        struct entrance *e = LIST_OF(at, struct entrance, link);

        if (r == 0)
            r = make_tls(in->program, e->name, &e->fresh, err);
        if (r == 0 && e->door.tls_first && !e->fresh)
            r = err_set(err, E_NOT_FOUND, "%s needs a certificate", e->name);
    }
    return r;
}

/* Listeners and entrances change together: a listener lends its entrance's context. */
static void take_fresh(struct intake *in)
{
    LIST_EACH(&in->entrances, at)
    {
        struct entrance *e = LIST_OF(at, struct entrance, link);
        struct tls_context *old = e->tls;

        e->tls = e->fresh;
        e->fresh = NULL;
        struct listen_options o = listen_options(e);
        listener_change(e->listener, &o);
        tls_context_unref(old);
    }
}

static void drop_fresh(struct intake *in)
{
    LIST_EACH(&in->entrances, at)
    {
        struct entrance *e = LIST_OF(at, struct entrance, link);

        tls_context_unref(e->fresh);
        e->fresh = NULL;
    }
}

int intake_reload(struct program *p, const struct config *old, struct err *err)
{
    struct intake *in = p->state;
    int r = make_fresh(in, err);

    (void)old;
    if (r < 0) {
        drop_fresh(in);
        return r;
    }
    settings_unref(in->settings);
    in->settings = settings_new(p, in->spec);
    take_fresh(in);
    if (in->spec->names) {
        in->spec->names->close(in->names);
        in->names = in->spec->names->open(p);
    }
    open_auth(in);
    announce(in);
    return 0;
}

static void wake(void *arg, struct conn *c, void *session)
{
    const struct guest *g = session;

    (void)arg;
    if (!g->waiting)
        conn_wake(c);
}

void intake_drain(struct program *p)
{
    struct intake *in = p->state;

    in->draining = true;
    close_entrances(in);
    if (in->open == 0)
        program_drained(p);
    else
        conn_each(p->loop, &guest_protocol, wake, NULL);
}

/* The jobs first: they hold letters. A letter that the queue has been told of is the queue's.
 */
void intake_stop(struct program *p)
{
    struct intake *in = p->state;

    if (!in)
        return;
    in->draining = false;
    jobs_free(in->sync);
    handover_free(in->queue);
    close_entrances(in);
    conn_free_all(p->loop);
    free_entrances(in);
    if (in->spec->names)
        in->spec->names->close(in->names);
    auth_link_free(in->auth);
    users_close(in->users);
    spool_close(in->spool);
    settings_unref(in->settings);
    arena_done(&in->scratch);
    arena_done(&in->lasting);
    free(in);
    p->state = NULL;
}

void intake_status(struct program *p, struct buf *json)
{
    const struct intake *in = p->state;
    const struct counts *c = &in->counts;
    const struct {
        const char *name;
        uint64_t n;
    } members[] = {
        {"sessions",           in->open             },
        {"sessions_total",     c->sessions          },
        {"accepted",           c->letters           },
        {"recipients",         c->recipients        },
        {"bytes",              c->bytes             },
        {"refused",            c->letters_refused   },
        {"recipients_refused", c->recipients_refused},
        {"logins",             c->logins            },
        {"logins_failed",      c->logins_failed     },
    };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        buf_addf(json, "%s\"%s\": %llu", i ? ", " : "", members[i].name,
                 (unsigned long long)members[i].n);
}
