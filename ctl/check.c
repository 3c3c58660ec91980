/*
 * check - `posta check`: everything that would keep posta from starting or from serving, each
 * with what would be right.
 */
#include "base/defer.h"
#include "base/json.h"
#include "ctl/init.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/pidfile.h"
#include "ctl/services.h"
#include "ctl/supervisor.h"
#include "ctl/tree.h"
#include "net/bind.h"
#include "sys/clock.h"
#include "sys/files_max.h"
#include "tls/selfsigned.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>

enum {
    FAULT_BYTES = 1024 * 1024,
    SECONDS_A_DAY = 86400,
    WARN_DAYS = 30,
    GROUP_AND_OTHERS = 077
};

struct check {
    struct buf faults, warnings; /* a line each */
};

static void check_expiry(struct check *k, const struct loaded *l)
{
    struct buf names;
    struct err err;
    int64_t ends, now = (int64_t)(clock_wall_ms() / 1000);
    const char *path = l->config->tls.certificate;

    buf_init(&names, FAULT_BYTES);
    if (selfsigned_expiry(buf_str(&l->tls_chain), &ends, &names, &err) < 0)
        buf_addf(&k->faults, "%s: %s\n", path, err.text);
    else if (ends <= now)
        buf_addf(&k->faults, "%s has expired %lld days ago: clients will refuse it\n", path,
                 (long long)((now - ends) / SECONDS_A_DAY));
    else if (ends - now < (int64_t)WARN_DAYS * SECONDS_A_DAY)
        buf_addf(&k->warnings, "%s expires in %lld days\n", path,
                 (long long)((ends - now) / SECONDS_A_DAY));
    buf_done(&names);
}

static void check_key_rights(struct check *k, const struct config *c)
{
    struct stat st;

    if (stat(c->tls.key, &st) == 0 && (st.st_mode & GROUP_AND_OTHERS & ~(mode_t)040))
        buf_addf(&k->warnings, "%s can be read by others: chmod 600 it\n", c->tls.key);
}

static void check_programs(struct check *k)
{
    char path[PATH_MAX];

    for (const struct service *s = services; s->name; s++) {
        if (service_program(s, path, sizeof(path)) < 0)
            buf_addf(&k->faults,
                     "the program %s is not there: it should lie beside `posta` or in "
                     "../libexec/posta\n",
                     s->name);
        if (geteuid() == 0 && !getpwnam(s->user))
            buf_addf(&k->faults, "there is no user %s; `posta init` makes it\n", s->user);
    }
}

static void check_port(struct check *k, const struct service_socket *s, const char *where)
{
    int fds[BIND_SOCKETS];
    struct err err;
    int n = bind_tcp(where, fds, &err);

    if (n < 0)
        buf_addf(&k->faults, "%s: %s%s\n", s->key, err.text,
                 n == -EADDRINUSE ? ": `ss -ltnp` shows who has it"
                 : n == -EACCES   ? ": that needs root"
                                  : "");
    while (n > 0)
        close(fds[--n]);
}

/* Only when posta itself is down: it has them otherwise. */
static void check_ports(struct check *k, const struct config *c)
{
    if (pidfile_holder(c->run_dir, NULL) > 0)
        return;
    for (const struct service *s = services; s->name; s++)
        for (const struct service_socket *t = s->sockets;
             t < s->sockets + SERVICE_SOCKETS && t->name; t++)
            for (size_t i = 0; t->addresses && i < t->addresses(c).n; i++)
                check_port(k, t, t->addresses(c).items[i]);
}

static void check_lab(struct check *k, const struct config *c)
{
    if (c->lab.clear_auth)
        buf_add(&k->warnings, STR("lab.clear_auth: passwords may cross the network "
                                  "unprotected; for a lab alone\n"));
    if (c->lab.loopback_mx)
        buf_add(&k->warnings,
                STR("lab.loopback_mx: MX records may lead to this machine; for a lab alone\n"));
    if (c->lab.auth_on_25)
        buf_add(&k->warnings, STR("lab.auth_on_25: logins on port 25; for a lab alone\n"));
    if (c->lab.any_sender)
        buf_add(&k->warnings,
                STR("lab.any_sender: users may send as anybody; for a lab alone\n"));
}

static void check_descriptors(struct check *k, const struct config *c)
{
    uint64_t wanted = files_max_wanted(&c->limits), has = files_max_raise(wanted);

    if (has < wanted)
        buf_addf(&k->warnings,
                 "limits.connections: %u connections a port want %llu descriptors a process, "
                 "and this system gives %llu: lower it, or raise LimitNOFILE= (systemd) or "
                 "`ulimit -n`\n",
                 c->limits.connections, (unsigned long long)wanted, (unsigned long long)has);
}

static void look(struct check *k, const char *config_path)
{
    struct loaded l;

    loaded_init(&l);
    if (loaded_read(&l, config_path, &k->faults) == 0)
        check_expiry(k, &l);
    if (l.config) {
        check_key_rights(k, l.config);
        tree_check(l.config, &k->faults);
        check_ports(k, l.config);
        check_lab(k, l.config);
        check_descriptors(k, l.config);
    }
    check_programs(k);
    loaded_done(&l);
}

static void print_lines(struct buf *out, struct str lines, enum colour colour, const char *kind,
                        bool on)
{
    struct str line;

    while (scan_until(&lines, '\n', &line)) {
        buf_addf(out, "%s%s%s ", output_begin(colour, on), kind, output_end(colour, on));
        output_safe(out, line);
        buf_add_byte(out, '\n');
        scan_byte(&lines, '\n');
    }
}

static void put_lines(struct buf *out, const char *name, struct str lines)
{
    struct str line;

    json_put_name(out, name);
    buf_add_byte(out, '[');
    while (scan_until(&lines, '\n', &line)) {
        json_put_comma(out);
        json_add_string(out, line);
        scan_byte(&lines, '\n');
    }
    buf_add_byte(out, ']');
}

enum cli_status check_run(struct cli *c, const struct args *a)
{
    struct check k;
    bool good;

    (void)a;
    buf_init(&k.faults, FAULT_BYTES);
    buf_init(&k.warnings, FAULT_BYTES);
    look(&k, c->config_path);
    good = k.faults.n == 0;
    if (c->json) {
        buf_add_byte(&c->out, '{');
        json_put_bool(&c->out, "good", good);
        put_lines(&c->out, "faults", buf_str(&k.faults));
        put_lines(&c->out, "warnings", buf_str(&k.warnings));
        buf_add(&c->out, STR("}\n"));
    } else {
        print_lines(&c->out, buf_str(&k.faults), RED, "fault:", c->colour);
        print_lines(&c->out, buf_str(&k.warnings), YELLOW, "warning:", c->colour);
        if (good)
            buf_addf(&c->out, "%s: good\n", c->config_path);
    }
    buf_done(&k.faults);
    buf_done(&k.warnings);
    return good ? CLI_DONE : CLI_REFUSED;
}
