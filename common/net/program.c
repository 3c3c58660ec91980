#include "net/program_impl.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/watch.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    UMASK = 027,
    FIRST_PERSON_UID = 1000, /* login.defs(5): below are the system's own users */
};

#if defined(__SANITIZE_ADDRESS__)
enum { LEAKS_ARE_LOOKED_FOR = true }; /* by a tracer, which needs us dumpable */
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
enum { LEAKS_ARE_LOOKED_FOR = true };
#    else
enum { LEAKS_ARE_LOOKED_FOR = false };
#    endif
#else
enum { LEAKS_ARE_LOOKED_FOR = false };
#endif

/* ---- arguments ---- */

static void help(const struct program_spec *spec)
{
    printf("usage: %s [-c FILE]\n\n%s\n\n"
           "  -c, --config FILE   the configuration (else POSTA_CONF, else "
           "/etc/posta/posta.conf)\n"
           "      --help          this\n"
           "      --version       the version\n\n"
           "`posta start` starts it with all it needs; posta(1), posta.conf(5).\n",
           spec->name, spec->about);
}

/* Below 0: go on; else the exit status. */
static int read_arguments(int argc, char **argv, const struct program_spec *spec,
                          const char **file)
{
    static const struct option options[] = {
        {"config",  required_argument, NULL, 'c'},
        {"help",    no_argument,       NULL, 'h'},
        {"version", no_argument,       NULL, 'v'},
        {NULL,      0,                 NULL, 0  },
    };
    int c;

    while ((c = getopt_long(argc, argv, "c:", options, NULL)) >= 0) {
        switch (c) {
        case 'c':
            *file = optarg;
            break;
        case 'h':
            help(spec);
            return 0;
        case 'v':
            printf("%s %s\n", spec->name, POSTA_VERSION);
            return 0;
        default:
            fprintf(stderr, "%s: --help tells the usage\n", spec->name);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "%s: \"%s\" is not understood; --help tells the usage\n", spec->name,
            argv[optind]);
    return EXIT_USAGE;
}

/* ---- the process ---- */

/* No rights are gained from here on, no secrets lie in a core file; what serves many needs many
 * descriptors. A system user's memory is nobody's to look at; in the lab, where a person runs
 * posta, the processes can be watched with a debugger. */
static void set_up_process(void)
{
    struct rlimit files, none = {0, 0};

    umask(UMASK);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &none);
    if (getuid() != 0 && getuid() < FIRST_PERSON_UID && !LEAKS_ARE_LOOKED_FOR)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* ---- configuration and keys ---- */

static struct config *parse_fd(int fd, struct buf *faults)
{
    struct config *c = NULL;
    struct buf text;
    struct err err;

    buf_init(&text, PROGRAM_PEM_BYTES);
    if (fds_read(fd, &text, &err) < 0)
        buf_addf(faults, "%s\n", err.text);
    else
        c = config_parse(buf_str(&text), "posta.conf", faults);
    buf_done(&text);
    return c;
}

/* Every fault goes to the log, the first into err. */
static int read_config(struct running *r, struct program_fds *f, struct config **out,
                       struct err *err)
{
    int fd = fds_take(f, "config");
    struct buf faults;
    struct str all, line;
    int rc = 0;

    buf_init(&faults, PROGRAM_FAULT_BYTES);
    *out = fd >= 0 ? parse_fd(fd, &faults) : config_load(config_path(r->config_file), &faults);
    all = buf_str(&faults);
    while (!*out && scan_until(&all, '\n', &line)) {
        log_event(LOG_ERROR, NULL, "config", "%.*s", STR_ARGS(line));
        if (rc == 0)
            rc = err_set(err, E_SYNTAX, "%.*s", STR_ARGS(line));
        scan_byte(&all, '\n');
    }
    if (!*out && rc == 0)
        rc = err_set(err, E_SYNTAX, "the configuration cannot be read");
    buf_done(&faults);
    return rc;
}

static int read_pem(struct program_fds *f, const char *name, const char *path, struct buf *to,
                    struct err *err)
{
    int fd = fds_take(f, name);

    return fd >= 0 ? fds_read(fd, to, err) : fs_read_file(path, to, err);
}

/* Keys do not stay behind in freed memory. */
static void forget(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

static int read_tls(const struct program_spec *spec, const struct config *c,
                    struct program_fds *f, struct buf *chain, struct buf *key, struct err *err)
{
    buf_init(chain, PROGRAM_PEM_BYTES);
    buf_init(key, PROGRAM_PEM_BYTES);
    if (!spec->tls)
        return 0;
    int rc = read_pem(f, "tls-cert", c->tls.certificate, chain, err);
    if (rc == 0)
        rc = read_pem(f, "tls-key", c->tls.key, key, err);
    if (rc < 0) {
        forget(chain);
        forget(key);
    }
    return rc;
}

static void use(struct running *r, struct config *c, const struct buf *chain,
                const struct buf *key)
{
    r->p.config = c;
    r->chain = *chain;
    r->key = *key;
    r->p.tls_chain = buf_str(&r->chain);
    r->p.tls_key = buf_str(&r->key);
}

/* Before there is a configuration, too: its faults are events. */
static void open_log(const struct running *r)
{
    const struct config *c = r->p.config;
    struct str name = str_c(r->p.spec->name);

    scan_word(&name, STR("posta-"));
    log_open(name.p, c ? log_level_named(c->log.level) : LOG_INFO,
             c && strcmp(c->log.format, "json") == 0);
    if (c) {
        log_limit(c->limits.log_lines_per_second);
        log_transcripts(c->log.transcript);
        log_look(c->run_dir);
    }
}

int program_reload(struct running *r, struct program_fds *f, struct err *err)
{
    struct config *old = r->p.config, *fresh;
    struct buf chain, key, old_chain = r->chain, old_key = r->key;
    int rc;

    if (r->p.draining) /* the listeners have gone, and none may come */
        return err_set(err, E_BUSY, "it is ending");
    rc = read_config(r, f, &fresh, err);
    if (rc < 0)
        return rc;
    rc = read_tls(r->p.spec, fresh, f, &chain, &key, err);
    if (rc < 0) {
        config_free(fresh);
        return rc;
    }
    use(r, fresh, &chain, &key);
    if (r->p.spec->reload)
        rc = r->p.spec->reload(&r->p, old, err);
    bool taken = rc == 0;
    if (rc == 0)
        rc = sockets_serve(r, f, false, err);
    if (rc < 0)
        use(r, old, &old_chain, &old_key);
    if (rc < 0 && taken && r->p.spec->reload)
        r->p.spec->reload(&r->p, fresh, NULL); /* back again */
    config_free(rc < 0 ? fresh : old);
    forget(rc < 0 ? &chain : &old_chain);
    forget(rc < 0 ? &key : &old_key);
    if (rc == 0)
        open_log(r);
    return rc;
}

/* ---- who watches ---- */

static void look(void *arg)
{
    struct running *r = arg;

    log_look(r->p.config->run_dir);
    timer_start(r->look, WATCH_LOOK_MS);
}

/* ---- signals ---- */

static void drain_over(void *arg)
{
    struct running *r = arg;

    log_event(LOG_INFO, NULL, "drained", "the time for sessions to end is over");
    loop_stop(r->p.loop);
}

void program_drain(struct running *r)
{
    if (r->p.draining)
        return;
    r->p.draining = true;
    if (!r->p.spec->drain) {
        loop_stop(r->p.loop);
        return;
    }
    timer_start(r->limit, (uint64_t)r->p.config->limits.drain_seconds * 1000);
    r->p.spec->drain(&r->p);
}

void program_drained(struct program *p)
{
    if (p->draining)
        loop_stop(p->loop);
}

void program_stop(struct program *p)
{
    ((struct running *)(void *)p)->status = EXIT_FAILURE; /* p is its first member */
    loop_stop(p->loop);
}

static void on_term(void *arg)
{
    struct running *r = arg;

    if (r->terms++)
        loop_stop(r->p.loop); /* somebody is in a hurry */
    else
        program_drain(r);
}

static void on_hangup(void *arg)
{
    struct running *r = arg;
    struct program_fds none = {.n = 0};
    struct err err = {0};

    if (r->control >= 0)
        return; /* the supervisor reads the files for all */
    if (program_reload(r, &none, &err) < 0)
        log_event(LOG_ERROR, NULL, "refused", "the old configuration stays: %s", err.text);
    else
        log_event(LOG_INFO, NULL, "reloaded", "the configuration was read again");
}

/* ---- life ---- */

static int open_shared(struct running *r, struct program_fds *f, struct err *err)
{
    struct str s = str_c(getenv("POSTA_WORKER"));
    int fd = fds_take(f, "shared");
    uint32_t worker = 0;

    scan_u32(&s, SHARED_WORKERS - 1, &worker);
    r->p.shared = shared_open(fd, worker, err);
    if (fd >= 0)
        close(fd);
    return r->p.shared ? 0 : err->code;
}

static int start(struct running *r, struct program_fds *f, struct err *err)
{
    const struct program_spec *spec = r->p.spec;
    struct config *c;
    struct buf chain, key;
    int control = fds_take(f, "control");
    int rc = read_config(r, f, &c, err);

    if (rc == 0) {
        rc = read_tls(spec, c, f, &chain, &key, err);
        use(r, c, &chain, &key);
        open_log(r);
    }
    if (rc == 0)
        rc = open_shared(r, f, err);
    r->p.loop = loop_new();
    link_open(r, control);
    if (rc < 0)
        return rc;
    r->limit = timer_new(r->p.loop, drain_over, r);
    r->look = timer_new(r->p.loop, look, r);
    timer_start(r->look, WATCH_LOOK_MS);
    loop_on_signal(r->p.loop, SIGTERM, on_term, r);
    loop_on_signal(r->p.loop, SIGINT, on_term, r);
    loop_on_signal(r->p.loop, SIGHUP, on_hangup, r);
    rc = spec->start(&r->p, err);
    if (rc == 0)
        rc = sockets_serve(r, f, control < 0, err);
    if (rc < 0 && spec->stop)
        spec->stop(&r->p);
    return rc;
}

static void finish(struct running *r)
{
    link_close(r);
    timer_free(r->limit);
    timer_free(r->look);
    loop_free(r->p.loop);
    shared_close(r->p.shared);
    config_free(r->p.config);
    forget(&r->chain);
    forget(&r->key);
}

int program_main(int argc, char **argv, const struct program_spec *spec)
{
    struct running r = {.p.spec = spec, .control = -1};
    struct program_fds fds;
    struct err err = {0};
    int status = read_arguments(argc, argv, spec, &r.config_file);

    if (status >= 0)
        return status;
    set_up_process();
    open_log(&r);
    fds_inherit(&fds);
    if (start(&r, &fds, &err) < 0) {
        log_event(LOG_ERROR, NULL, "unstarted", "%s: %s", spec->name, err.text);
        r.status = EXIT_FAILURE;
    } else {
        link_say(&r, "ready");
        loop_run(r.p.loop);
        if (spec->stop)
            spec->stop(&r.p);
    }
    fds_close(&fds);
    finish(&r);
    return r.status;
}
