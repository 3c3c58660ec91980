/* posta-mda - the delivery agent: from the queue, or by LMTP, into Maildirs. */
#include "mda/mda.h"
#include "sys/log.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- terms ---- */

struct mda_terms *mda_terms_hold(struct mda_terms *t)
{
    t->holders++;
    return t;
}

void mda_terms_release(struct mda_terms *t)
{
    if (t && --t->holders == 0)
        free(t);
}

static struct mda_terms *terms_new(const struct mda *m)
{
    const struct config *c = m->program->config;
    struct mda_terms *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->holders = 1;
    snprintf(t->hostname, sizeof(t->hostname), "%s", c->hostname);
    /* what the queue has taken is not refused here for its size */
    t->spool = (struct smtp_server_config){.kind = SMTP_LMTP,
                                           .hostname = str_c(t->hostname),
                                           .recipients_max = c->limits.recipients,
                                           .xspool = true,
                                           .transcript = log_dialogues(),
                                           .dsn = true};
    t->other = t->spool;
    t->other.xspool = false;
    t->other.dsn = false; /* it makes no reports: the queue does, or who hands over by LMTP */
    t->other.size_max = c->limits.letter_bytes;
    t->command_ms = (uint64_t)c->limits.command_seconds * 1000;
    t->data_ms = (uint64_t)c->limits.data_seconds * 1000;
    return t;
}

/* ---- sweeping ---- */

static void sweep_work(void *arg, struct job **batch, unsigned n)
{
    struct mda *m = arg;

    (void)batch;
    (void)n;
    m->swept = (unsigned)deliver_sweep(m->deliver, m->spool, MDA_SWEEP_LETTERS);
}

static void swept(struct job *j)
{
    struct mda *m = JOB_OF(j, struct mda, sweep);

    m->sweeping = false;
    if (m->swept < MDA_SWEEP_LETTERS / 2 || m->draining) {
        mda_sweep_soon(m);
        return;
    }
    m->sweeping = true; /* there are probably more that may go */
    jobs_submit(m->sweeps, &m->sweep, swept);
}

static void sweep_now(void *arg)
{
    struct mda *m = arg;

    jobs_submit(m->sweeps, &m->sweep, swept);
}

void mda_sweep_soon(struct mda *m)
{
    if (m->sweeping || m->draining || !m->spool || deliver_unswept(m->deliver) == 0)
        return;
    m->sweeping = true;
    timer_start(m->sweep_timer, MDA_SWEEP_MS);
}

/* ---- the program ---- */

static void mda_free(struct mda *m)
{
    for (unsigned i = 0; i < m->nlisteners; i++)
        listener_free(m->listeners[i]);
    timer_free(m->sweep_timer);
    jobs_free(m->jobs);
    jobs_free(m->sweeps);
    conn_free_all(m->program->loop);
    changes_free(m->changes);
    deliver_close(m->deliver);
    spool_close(m->spool);
    users_close(m->users);
    mda_terms_release(m->terms);
    free(m);
}

static void start_pools(struct mda *m)
{
    m->jobs = jobs_new(m->program->loop, &(struct jobs_options){.name = "deliver",
                                                                .threads = MDA_THREADS,
                                                                .batch_max = MDA_BATCH,
                                                                .work = mda_session_work,
                                                                .arg = m});
    m->sweeps = jobs_new(
        m->program->loop,
        &(struct jobs_options){
            .name = "sweep", .threads = 1, .batch_max = 1, .work = sweep_work, .arg = m});
    m->sweep_timer = timer_new(m->program->loop, sweep_now, m);
}

static int mda_start(struct program *p, struct err *err)
{
    struct mda *m = calloc(1, sizeof(*m));
    const struct passwd *queue = getpwnam("posta-queue");
    struct err why;

    if (!m)
        abort();
    m->program = p;
    m->queue_uid = queue ? queue->pw_uid : geteuid();
    m->users = users_open(p->config->state_dir, err);
    m->deliver = m->users ? deliver_open(p->config->state_dir, p->config->hostname, err) : NULL;
    if (!m->deliver) {
        users_close(m->users);
        free(m);
        return err->code;
    }
    m->spool = spool_open(p->config->state_dir, &why);
    if (!m->spool)
        log_event(LOG_WARN, NULL, "spool", "letters are taken by DATA alone: %s", why.text);
    m->changes = changes_new(p->config->run_dir);
    m->terms = terms_new(m);
    start_pools(m);
    p->state = m;
    mda_sweep_soon(m);
    return 0;
}

static int mda_serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct mda *m = p->state;
    bool local = strcmp(name, "mda.sock") == 0;

    if (m->nlisteners == MDA_LISTENERS)
        return err_set(err, E_LIMIT, "more than %d sockets", MDA_LISTENERS);
    m->listeners[m->nlisteners++] = listener_new(
        p->loop, fd,
        &(struct listen_options){
            .conn = {.protocol = &mda_protocol},
            .make = mda_session_make,
            .arg = m,
            .busy = STR("421 4.3.2 posta-mda is too busy\r\n"),
            .refused = STR("421 4.7.0 Too many connections from your address\r\n"),
            .connections_max = p->config->limits.connections,
            .per_address_max = local ? 0 : p->config->limits.connections_per_address,
            .shared = p->shared});
    return 0;
}

static int mda_reload(struct program *p, const struct config *old, struct err *err)
{
    struct mda *m = p->state;

    (void)err;
    if (strcmp(old->hostname, p->config->hostname) != 0)
        deliver_set_host(m->deliver, p->config->hostname);
    mda_terms_release(m->terms);
    m->terms = terms_new(m);
    users_changed(m->users);
    return 0;
}

static void mda_drain(struct program *p)
{
    struct mda *m = p->state;

    m->draining = true;
    while (m->nlisteners > 0)
        listener_free(m->listeners[--m->nlisteners]);
    timer_stop(m->sweep_timer);
    conn_each(p->loop, &mda_protocol, mda_session_farewell, NULL);
    if (m->sessions == 0)
        program_drained(p);
}

static void mda_stop(struct program *p)
{
    mda_free(p->state);
}

static void mda_status(struct program *p, struct buf *json)
{
    const struct mda *m = p->state;

    buf_addf(json,
             "\"sessions\": %u, \"working\": %u, \"delivered\": %llu, \"refused\": %llu, "
             "\"deferred\": %llu, \"staged\": %u",
             m->sessions, jobs_waiting(m->jobs), (unsigned long long)m->delivered,
             (unsigned long long)m->refused, (unsigned long long)m->deferred,
             deliver_unswept(m->deliver));
}

static struct config_list lmtp_addresses(const struct config *c)
{
    return c->mda.lmtp;
}

static const struct program_socket sockets[] = {
    {.name = "mda.sock",           .path = "mda.sock"},
    {.name = "mda",                            .addresses = lmtp_addresses},
    {0},
};

static const struct program_spec spec = {
    .name = "posta-mda",
    .about =
        "Delivers letters into Maildirs: what posta-mta-queue hands over on mda.sock, and what "
        "others send by LMTP where posta.conf says mda { lmtp = … }.",
    .sockets = sockets,
    .start = mda_start,
    .serve = mda_serve,
    .reload = mda_reload,
    .drain = mda_drain,
    .stop = mda_stop,
    .status = mda_status,
};

int main(int argc, char **argv)
{
    return program_main(argc, argv, &spec);
}
