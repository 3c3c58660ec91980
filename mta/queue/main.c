/* posta-mta-queue - keeps letters until they are where they should be. */
#include "mta/queue/control.h"
#include "mta/queue/delivery.h"
#include "mta/queue/intake.h"
#include "mta/queue/outcome.h"
#include "mta/queue/recover.h"
#include "mta/queue/tell.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITER_THREADS = 2, LISTENERS_MAX = 8, TIMER_MS_MAX = 24 * 60 * 60 * 1000 };

/* What our own boxes put on top of a letter that was just small enough for them. */
enum { TRACE_BYTES = 64 * 1024 };

struct program_state {
    struct service service;
    struct listener *listeners[LISTENERS_MAX];
    unsigned nlisteners;
};

static struct service *service_of(struct program *p)
{
    return &((struct program_state *)p->state)->service;
}

/* ---- what the parts share ---- */

void service_run(struct service *s)
{
    uint64_t now_ms = loop_now_ms(s->loop);

    queue_wake(s->queue, now_ms);
    delivery_run(s->delivery);
    uint64_t next = queue_wake(s->queue, now_ms); /* some may wait again */
    if (next == UINT64_MAX)
        timer_stop(s->retry);
    else
        timer_start(s->retry, next - now_ms < TIMER_MS_MAX ? next - now_ms : TIMER_MS_MAX);
}

static void on_retry(void *arg)
{
    service_run(arg);
}

void service_take(struct service *s, struct queue_letter *l)
{
    s->taken++;
    queue_add(s->queue, l);
    tell_queued(s, l);
    service_run(s);
}

void service_settle(struct service *s, struct journal_settle *j, bool urgent)
{
    journal_submit(s->journal, &j->op, urgent);
    if (urgent || s->flush_armed)
        return;
    s->flush_armed = true;
    timer_start(s->flush, QUEUE_LAZY_MS);
}

static void on_flush(void *arg)
{
    struct service *s = arg;

    s->flush_armed = false;
    journal_flush(s->journal);
}

static void on_journal(void *arg)
{
    struct service *s = arg;

    journal_collect(s->journal);
    service_drained(s);
}

static void on_trace(void *arg)
{
    trace_collect(((struct service *)arg)->trace);
}

static void wake_journal(void *arg)
{
    wakeup_send(((struct service *)arg)->journal_done);
}

static void wake_trace(void *arg)
{
    wakeup_send(((struct service *)arg)->trace_done);
}

/* What a writer left that died before it handed over. */
static void on_sweep(void *arg)
{
    struct service *s = arg;
    int n = spool_sweep(s->spool, NULL, NULL, clock_wall_ms(), NULL);

    if (n > 0)
        log_event(LOG_INFO, NULL, "swept", "%d files in spool/in that nobody finished", n);
    timer_start(s->sweep, QUEUE_SWEEP_MS);
}

void service_status(struct service *s, struct buf *out)
{
    buf_addf(out,
             "\"letters\": %zu, \"recipients\": %zu, \"sessions\": %u, \"taken\": %llu, "
             "\"delivered\": %llu, \"deferred\": %llu, \"failed\": %llu, \"trace_lost\": %llu, "
             "\"unwritten\": %s",
             queue_count(s->queue), queue_count_recipients(s->queue), s->sessions,
             (unsigned long long)s->taken, (unsigned long long)s->delivered,
             (unsigned long long)s->deferred, (unsigned long long)s->failed,
             (unsigned long long)(s->trace ? trace_lost(s->trace) : 0),
             journal_idle(s->journal) ? "false" : "true");
}

void service_drained(struct service *s)
{
    if (s->draining && !s->stopped && s->sessions == 0 && delivery_idle(s->delivery) &&
        journal_idle(s->journal))
        program_drained(s->program);
}

/* ---- start ---- */

static void trust(struct service *s, const char *user)
{
    const struct passwd *pw = getpwnam(user);

    if (pw)
        s->trusted[s->ntrusted++] = pw->pw_uid;
}

/* Who runs the queue and root; where each process has its own user, also these. A host without
 * them says nothing. */
static void find_trusted(struct service *s)
{
    s->trusted[s->ntrusted++] = geteuid();
    s->trusted[s->ntrusted++] = 0;
    trust(s, "posta-msa");
    trust(s, "posta-receive");
}

static void apply_config(struct service *s)
{
    const struct config *c = s->program->config;
    struct settings *new = calloc(1, sizeof(*new));

    if (!new || !(new->hostname = strdup(c->hostname)))
        abort();
    new->smtp = (struct smtp_server_config){
        .kind = SMTP_QUEUE,
        .hostname = str_c(new->hostname),
        .size_max = c->limits.letter_bytes + TRACE_BYTES,
        .recipients_max = c->limits.recipients,
        .xspool = true,
        .dsn = true,
        .transcript = log_dialogues(),
    };
    new->older = s->settings;
    s->settings = new;
    s->schedule = (struct schedule){
        .first_ms = (uint64_t)c->limits.retry_first_seconds * 1000,
        .most_ms = (uint64_t)c->limits.retry_max_seconds * 1000,
        .life_ms = (uint64_t)c->limits.queue_life_seconds * 1000,
        .late_ms = (uint64_t)c->limits.delay_notice_seconds * 1000,
    };
}

static void run_job(void *arg, struct job **batch, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++) {
        struct service_job *j = JOB_OF(batch[i], struct service_job, job);

        j->work(j);
    }
}

static int open_files(struct service *s, struct err *err)
{
    const struct config *c = s->program->config;
    struct recovery r = {0};
    struct err why;

    s->spool = spool_open(c->state_dir, err);
    s->users = s->spool ? users_open(c->state_dir, err) : NULL;
    s->journal = s->users ? journal_open(c->state_dir, s->spool, wake_journal, s, err) : NULL;
    if (!s->journal)
        return err->code;
    int rc = recover(s->queue, s->journal, s->spool, clock_wall_ms(), loop_now_ms(s->loop),
                     s->schedule.most_ms, &r, err);
    if (rc < 0)
        return rc;
    log_event(LOG_INFO, NULL, "recovered",
              "%zu letters wait, %zu files were swept, %u are lost", r.letters,
              r.swept + r.later, r.lost);
    s->trace = trace_open(c->state_dir, c->limits.trace_letters, wake_trace, s, &why);
    if (!s->trace)
        log_event(LOG_WARN, NULL, "trace", "no journeys are kept: %s", why.text);
    return journal_start(s->journal, err);
}

static int queue_start(struct program *p, struct err *err)
{
    struct program_state *state = calloc(1, sizeof(*state));
    struct service *s = state ? &state->service : NULL;
    uint8_t secret[MAP_SECRET_BYTES];

    if (!state)
        abort();
    umask(027);
    p->state = state;
    s->program = p;
    s->loop = p->loop;
    random_bytes(secret, sizeof(secret));
    s->queue = queue_new(secret);
    find_trusted(s);
    apply_config(s);
    s->journal_done = wakeup_new(s->loop, on_journal, s);
    s->trace_done = wakeup_new(s->loop, on_trace, s);
    s->retry = timer_new(s->loop, on_retry, s);
    s->flush = timer_new(s->loop, on_flush, s);
    s->sweep = timer_new(s->loop, on_sweep, s);
    s->delivery = delivery_new(s);
    s->writers = jobs_new(s->loop, &(struct jobs_options){.name = "writer",
                                                          .threads = WRITER_THREADS,
                                                          .batch_max = 1,
                                                          .work = run_job});
    int rc = open_files(s, err);
    if (rc < 0)
        return rc;
    timer_start(s->sweep, QUEUE_SWEEP_MS);
    service_run(s);
    return 0;
}

static int queue_serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct program_state *state = p->state;
    struct listen_options o;

    if (state->nlisteners == LISTENERS_MAX) {
        close(fd);
        return err_set(err, E_LIMIT, "more than %d sockets", LISTENERS_MAX);
    }
    if (strcmp(name, "queue.ctl") == 0)
        control_options(&state->service, &o);
    else
        intake_options(&state->service, &o);
    state->listeners[state->nlisteners++] = listener_new(p->loop, fd, &o);
    return 0;
}

static int queue_reload(struct program *p, const struct config *old, struct err *err)
{
    (void)old, (void)err;
    apply_config(service_of(p));
    delivery_reload(service_of(p)->delivery);
    return 0;
}

/* ---- end ---- */

static void queue_drain(struct program *p)
{
    struct program_state *state = p->state;
    struct service *s = &state->service;

    s->draining = true;
    for (unsigned i = 0; i < state->nlisteners; i++)
        listener_free(state->listeners[i]);
    state->nlisteners = 0;
    intake_drain(s);
    control_drain(s);
    journal_flush(s->journal);
    service_drained(s);
}

static void free_settings(struct settings *t)
{
    while (t) {
        struct settings *older = t->older;

        free(t->hostname);
        free(t);
        t = older;
    }
}

static void queue_stop(struct program *p)
{
    struct program_state *state = p->state;
    struct service *s = &state->service;

    s->draining = s->stopped = true;
    for (unsigned i = 0; i < state->nlisteners; i++)
        listener_free(state->listeners[i]);
    jobs_free(s->writers);
    if (s->journal) {
        journal_stop(s->journal);
        journal_collect(s->journal);
    }
    trace_close(s->trace);
    s->trace = NULL;
    delivery_free(s->delivery);
    conn_free_all(s->loop);
    journal_close(s->journal);
    wakeup_free(s->journal_done);
    wakeup_free(s->trace_done);
    timer_free(s->retry);
    timer_free(s->flush);
    timer_free(s->sweep);
    queue_free(s->queue);
    users_close(s->users);
    spool_close(s->spool);
    free_settings(s->settings);
    free(state);
}

static void queue_status(struct program *p, struct buf *json)
{
    service_status(service_of(p), json);
}

static const struct program_socket sockets[] = {
    {.name = "queue.sock", .path = "queue.sock", .mode = 0666},
    {.name = "queue.ctl",        .path = "queue.ctl"},
    {.name = NULL },
};

static const struct program_spec spec = {
    .name = "posta-mta-queue",
    .about = "Takes letters from msa, receive and sendmail on queue.sock, keeps them durably "
             "in state_dir/spool,\n"
             "hands them to mda, tries again what cannot be delivered yet, and tells senders "
             "what never\n"
             "will be. `posta queue` and `posta trace` show and change it through queue.ctl.\n",
    .sockets = sockets,
    .start = queue_start,
    .serve = queue_serve,
    .reload = queue_reload,
    .drain = queue_drain,
    .stop = queue_stop,
    .status = queue_status,
};

int main(int argc, char **argv)
{
    return program_main(argc, argv, &spec);
}
