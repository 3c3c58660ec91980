/*
 * init - makes what a posta needs and is not there yet; called again, it changes nothing.
 *
 *   posta.conf (only with --hostname) ─▶ users (as root) ─▶ folders
 *              ─▶ users.db and its snapshot ─▶ certificate
 */
#include "ctl/init.h"

#include "base/defer.h"
#include "ctl/accounts.h"
#include "ctl/system_users.h"
#include "ctl/tree.h"
#include "sys/fs.h"
#include "tls/selfsigned.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

enum { OPTION_HOSTNAME = OPTION_OWN, OPTION_DOMAIN };
enum { NAMES_MAX = 100, PEM_BYTES = 65536, CONF_BYTES = 16384 };
enum { CONF_MODE = 0644, CERT_MODE = 0644, KEY_MODE = 0600, DIR_MODE = 0755 };

const struct args_option init_options[] = {
    {"--hostname", 0, "NAME", "write a first posta.conf for this host, if there is none"},
    {"--domain",   0, "NAME", "a first domain; letters for it end here"                 },
    {NULL,         0, NULL,   NULL                                                      },
};

static unsigned things_done;

static void did(const char *what)
{
    things_done++;
    printf("%s\n", what);
}

static void did_file(const char *verb, const char *path)
{
    char words[PATH_MAX + 64];

    snprintf(words, sizeof(words), "%s %s", verb, path);
    did(words);
}

/* ---- posta.conf ---- */

/* The folder of `path`, made with its parents, open; *name is what stands behind it. */
static int folder_of(const char *path, const char **name, struct err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;

    if (n >= sizeof(dir))
        return err_set(err, -ENAMETOOLONG, "%s is too long", path);
    memcpy(dir, path, n);
    dir[n] = '\0';
    *name = slash ? slash + 1 : path;
    if (!slash)
        return fs_open_dir(".", err);
    for (size_t i = 1; i <= n; i++) {
        if (dir[i] != '/' && dir[i] != '\0')
            continue;
        char keep = dir[i];

        dir[i] = '\0';
        if (mkdir(dir, DIR_MODE) == 0)
            did_file("made", dir);
        else if (errno != EEXIST)
            return err_os(err, "make %s", dir);
        dir[i] = keep;
    }
    return fs_open_dir(n ? dir : "/", err);
}

static int write_file(const char *path, struct str bytes, mode_t mode, struct err *err)
{
    const char *name = path;
    DEFER(close_fd) int dir = folder_of(path, &name, err);
    int rc = dir < 0 ? dir : fs_replace(dir, name, bytes, mode, err);

    if (rc == 0)
        did_file("wrote", path);
    return rc;
}

/* As root the places and ports of the standards; without, everything beside the configuration
 * and above 1024. */
static void print_conf(struct buf *out, const char *hostname, const char *path)
{
    char here[PATH_MAX];
    const char *slash = strrchr(path, '/');

    buf_addf(out,
             "# posta.conf - see posta.conf(5); every key that is not here has a default.\n\n"
             "hostname  = \"%s\"\n",
             hostname);
    if (geteuid() == 0)
        return;
    snprintf(here, sizeof(here), "%.*s", slash ? (int)(slash - path) : 0, path);
    buf_addf(out,
             "state_dir = \"%s/state\"\n"
             "run_dir   = \"%s/run\"\n\n"
             "tls   { certificate = \"%s/tls/cert.pem\"   key = \"%s/tls/key.pem\" }\n"
             "msa   { listen = {\"127.0.0.1:2587\"}   listen_tls = {\"127.0.0.1:2465\"} }\n"
             "mta   { listen = {\"127.0.0.1:2525\"} }\n"
             "imapd { listen = {}   listen_tls = {} }\n"
             "pop3d { listen = {\"127.0.0.1:2110\"}   listen_tls = {\"127.0.0.1:2995\"} }\n",
             here, here, here, here);
}

static int first_conf(const char *path, const char *hostname, struct err *err)
{
    char whole[PATH_MAX * 2], cwd[PATH_MAX];
    struct buf text;
    int rc;

    if (path[0] == '/' || !getcwd(cwd, sizeof(cwd)))
        snprintf(whole, sizeof(whole), "%s", path);
    else
        snprintf(whole, sizeof(whole), "%s/%s", cwd, path);
    for (const char *p = hostname; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p <= ' ')
            return err_set(err, E_SYNTAX, "\"%s\" is no host's name", hostname);
    buf_init(&text, CONF_BYTES);
    print_conf(&text, hostname, whole);
    rc = write_file(whole, buf_str(&text), CONF_MODE, err);
    buf_done(&text);
    return rc;
}

static enum cli_status have_conf(struct cli *c, const struct args *a)
{
    struct err err;

    if (faccessat(AT_FDCWD, c->config_path, F_OK, AT_EACCESS) == 0)
        return CLI_DONE;
    if (!cli_has(a, OPTION_HOSTNAME))
        return cli_fail(CLI_REFUSED,
                        "there is no %s; `posta init --hostname mail.example.org --domain "
                        "example.org` writes a "
                        "first one, -c FILE names another",
                        c->config_path);
    return first_conf(c->config_path, a->options[OPTION_HOSTNAME], &err) < 0 ? cli_err(&err)
                                                                             : CLI_DONE;
}

/* ---- users.db ---- */

static int add_domain(struct users_edit *e, const char *name, struct err *err)
{
    int rc = name ? users_domain_add(e, str_c(name), err) : 0;

    if (rc == 0 && name)
        did_file("added the domain", name);
    return rc == E_EXISTS ? 0 : rc;
}

static enum cli_status have_users(struct cli *c, const char *domain)
{
    enum cli_status status;
    struct users_edit *e = accounts_open(c, &status);
    struct err err;

    if (!e)
        return status;
    return accounts_close(e, add_domain(e, domain, &err), &err);
}

/* ---- the certificate ---- */

struct names {
    const char *all[NAMES_MAX];
    size_t n;
    struct arena *arena;
};

static void add_name(void *arg, struct str name, uint64_t users)
{
    struct names *names = arg;

    (void)users;
    for (size_t i = 0; i < names->n; i++)
        if (str_eq_nocase(str_c(names->all[i]), name))
            return;
    if (names->n < NAMES_MAX)
        names->all[names->n++] = arena_dup(names->arena, name).p;
}

static int make_certificate(struct cli *c, struct users_edit *e, struct err *err)
{
    struct names names = {.arena = &c->arena};
    struct buf certificate, key;
    int rc;

    add_name(&names, str_c(c->config->hostname), 0);
    rc = users_domain_list(e, add_name, &names, err);
    buf_init(&certificate, PEM_BYTES);
    buf_init(&key, PEM_BYTES);
    if (rc >= 0)
        rc = selfsigned_make(c->config->hostname, names.all, names.n, &certificate, &key, err);
    /* The key first: a certificate without one would stop the start, and init would not make
     * another. */
    if (rc >= 0)
        rc = write_file(c->config->tls.key, buf_str(&key), KEY_MODE, err);
    if (rc >= 0)
        rc = write_file(c->config->tls.certificate, buf_str(&certificate), CERT_MODE, err);
    if (key.p)
        explicit_bzero(key.p, key.cap);
    buf_done(&key);
    buf_done(&certificate);
    return rc;
}

static enum cli_status have_certificate(struct cli *c)
{
    const struct config *config = c->config;
    bool cert = faccessat(AT_FDCWD, config->tls.certificate, F_OK, AT_EACCESS) == 0,
         key = faccessat(AT_FDCWD, config->tls.key, F_OK, AT_EACCESS) == 0;
    enum cli_status status;
    struct users_edit *e;
    struct err err;
    int rc;

    if (cert && key)
        return CLI_DONE;
    if (cert)
        return cli_fail(
            CLI_REFUSED,
            "%s is there, and its key %s is not: put it there, or take the certificate away",
            config->tls.certificate, config->tls.key);
    if (key)
        return cli_fail(
            CLI_REFUSED,
            "%s is there, and its certificate %s is not: put it there, or take the key away",
            config->tls.key, config->tls.certificate);
    e = accounts_open(c, &status);
    if (!e)
        return status;
    rc = make_certificate(c, e, &err);
    users_edit_close(e);
    return rc < 0 ? cli_err(&err) : CLI_DONE;
}

/* ---- all of it ---- */

static enum cli_status have_tree(const struct config *config)
{
    struct err err;
    gid_t group;
    int rc = geteuid() == 0 ? system_users_make(config->state_dir, did, &err) : 0;

    if (rc == 0)
        rc = tree_make(config, did, &err);
    if (rc == 0)
        rc = tree_run_dir(config, &group, &err);
    return rc < 0 ? cli_err(&err) : CLI_DONE;
}

static void say_next(struct cli *c, const char *domain)
{
    buf_addf(&c->out, "%s\n",
             things_done ? "posta is ready." : "Everything was there already.");
    buf_addf(&c->out,
             "Next:  posta domain add DOMAIN            letters for it end here\n"
             "       posta user add NAME@%s\n"
             "       posta check                        looks everything over\n"
             "       posta start --daemon\n",
             domain ? domain : "DOMAIN");
}

enum cli_status init_run(struct cli *c, const struct args *a)
{
    const char *domain = a->options[OPTION_DOMAIN];
    enum cli_status status = have_conf(c, a);

    if (status == CLI_DONE && !cli_config(c))
        status = CLI_REFUSED;
    if (status == CLI_DONE)
        status = have_tree(c->config);
    if (status == CLI_DONE)
        status = have_users(c, domain);
    if (status == CLI_DONE)
        status = have_certificate(c);
    fflush(stdout);
    if (status == CLI_DONE && !c->json)
        say_next(c, domain);
    return status;
}
