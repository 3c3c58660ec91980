#include "ctl/passwords.h"

#include "base/defer.h"
#include "ctl/asking.h"
#include "ctl/pidfile.h"
#include "ctl/services.h"
#include "ctl/spawn.h"
#include "ctl/supervisor.h"
#include "ctl/tree.h"
#include "net/bind.h"
#include "users/auth.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { READ_BYTES = 65536, PRIVATE_MODE = 0600 };

struct passwords {
    int fd, control; /* control: of our own authd, else -1 */
    pid_t pid;       /* 0: the system's runs               */
    int log;         /* what our own says: shown only when it could not do its work */
    bool broken;
    unsigned ahead;
    void (*answered)(void *arg, uint32_t number, const char *why);
    void *arg;
    struct buf in, out, scratch;
};

/* ---- one for ourselves ---- */

static int who_runs(struct spawn *s, gid_t group, struct err *err)
{
    const struct passwd *pw;

    if (geteuid() != 0)
        return 0;
    pw = getpwnam(services[0].user);
    if (!pw)
        return err_set(err, E_NOT_FOUND, "there is no user %s; `posta init` makes it",
                       services[0].user);
    s->as_user = true;
    s->uid = pw->pw_uid;
    s->gid = group;
    return 0;
}

static pid_t give_papers(struct spawn *s, const char *config_path, int listener, int control,
                         struct err *err)
{
    DEFER(close_fd) int config = -1;
    struct loaded l;
    struct buf faults;
    pid_t pid = 0;

    loaded_init(&l);
    buf_init(&faults, READ_BYTES);
    if (loaded_read_config(&l, config_path, &faults) < 0)
        pid = err_set(err, E_SYNTAX, "%s", buf_c(&faults));
    if (pid == 0)
        pid = config = spawn_memfd("config", buf_str(&l.text).p, l.text.n, err);
    if (pid >= 0) {
        spawn_add(s, "config", config);
        spawn_add(s, "control", control);
        spawn_add(s, "auth.sock", listener);
        pid = spawn_start(s, err);
    }
    buf_done(&faults);
    loaded_done(&l);
    return pid;
}

/* A socket of our own name, so that neither a starting system nor another command is in the
 * way. */
static int start_own(struct passwords *p, const struct config *c, const char *config_path,
                     struct err *err)
{
    struct spawn s = {.name = services[0].name};
    char program[PATH_MAX], path[PATH_MAX];
    int pair[2] = {-1, -1};
    gid_t group;
    int rc = tree_run_dir(c, &group, err);

    if (rc == 0)
        rc = tree_ready(c, err);
    if (rc == 0 && service_program(&services[0], program, sizeof(program)) < 0)
        rc = err_set(err, -ENOENT, "the program %s is not there", services[0].name);
    if (rc == 0)
        rc = who_runs(&s, group, err);
    if (rc < 0)
        return rc;
    s.path = program;
    p->log = memfd_create("log", MFD_CLOEXEC);
    s.log = p->log;
    snprintf(path, sizeof(path), "%s/auth.%d.sock", c->run_dir, (int)getpid());
    DEFER(close_fd) int listener = bind_unix(path, PRIVATE_MODE, err);
    if (listener < 0)
        return listener;
    p->fd = asking_connect(path, PASSWORDS_SECONDS, err);
    unlink(path);
    if (p->fd < 0)
        return p->fd;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_os(err, "control socket");
    rc = give_papers(&s, config_path, listener, pair[1], err);
    close(pair[1]);
    p->control = pair[0];
    p->pid = rc > 0 ? rc : 0;
    return rc < 0 ? rc : 0;
}

int passwords_open(const struct config *c, const char *config_path,
                   void (*answered)(void *arg, uint32_t number, const char *why), void *arg,
                   struct passwords **out, struct err *err)
{
    struct passwords *p = calloc(1, sizeof(*p));
    char path[PATH_MAX];
    int rc = 0;

    if (!p)
        abort();
    p->control = p->log = -1;
    p->answered = answered;
    p->arg = arg;
    buf_init(&p->in, (size_t)AUTH_LINE_BYTES * 2);
    buf_init(&p->out, (size_t)AUTH_LINE_BYTES * 2);
    buf_init(&p->scratch, AUTH_LINE_BYTES);
    snprintf(path, sizeof(path), "%s/auth.sock", c->run_dir);
    p->fd = asking_connect(path, PASSWORDS_SECONDS, err);
    if (p->fd < 0 && pidfile_holder(c->run_dir, NULL) <= 0)
        rc = start_own(p, c, config_path, err);
    else if (p->fd < 0)
        rc = p->fd;
    if (rc < 0) {
        passwords_close(p);
        return rc;
    }
    *out = p;
    return 0;
}

static void show_log(int log)
{
    char bytes[READ_BYTES];
    ssize_t n = pread(log, bytes, sizeof(bytes), 0);

    if (n > 0)
        fprintf(stderr, "%.*s", (int)n, bytes);
}

void passwords_close(struct passwords *p)
{
    int status;

    if (!p)
        return;
    if (p->fd >= 0)
        close(p->fd);
    if (p->control >= 0)
        close(p->control); /* the end of the link tells it to go */
    if (p->pid)
        while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
            ;
    if (p->log >= 0 && p->broken)
        show_log(p->log);
    if (p->log >= 0)
        close(p->log);
    buf_done(&p->in);
    buf_done(&p->out);
    buf_done(&p->scratch);
    free(p);
}

/* ---- questions and answers ---- */

static int gone(struct passwords *p, struct err *err)
{
    p->broken = true;
    return err_set(err, E_UNAVAILABLE, "posta-authd gave no answer; %s",
                   p->pid ? "this is what it said" : "the log says why");
}

static int read_more(struct passwords *p, struct err *err)
{
    char *room = buf_room(&p->in, AUTH_LINE_BYTES);
    ssize_t n;

    if (!room)
        return gone(p, err);
    do
        n = recv(p->fd, room, AUTH_LINE_BYTES, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return gone(p, err);
    buf_grown(&p->in, (size_t)n);
    return 0;
}

static int take_answers(struct passwords *p, struct err *err)
{
    for (;;) {
        struct str have = buf_str(&p->in);
        size_t n = str_find(have, '\n');
        struct auth_answer answer;
        char words[ERR_TEXT_BYTES];

        if (n == have.n)
            return 0;
        if (!auth_parse_answer(str_first(have, n), &p->scratch, &answer) || p->ahead == 0)
            return gone(p, err);
        p->ahead--;
        snprintf(words, sizeof(words), "%.*s", STR_ARGS(answer.text));
        p->answered(p->arg, answer.exchange, answer.status == AUTH_OK ? NULL : words);
        buf_drop(&p->in, n + 1);
    }
}

static int wait_below(struct passwords *p, unsigned most, struct err *err)
{
    int rc = 0;

    while (rc == 0 && p->ahead > most) {
        rc = read_more(p, err);
        if (rc == 0)
            rc = take_answers(p, err);
    }
    return rc;
}

/* Sends what stands in p->out and wipes it: there are passwords in it. */
static int send_out(struct passwords *p, struct err *err)
{
    struct str s = buf_str(&p->out);
    int rc = 0;

    while (s.n && rc == 0) {
        ssize_t n = send(p->fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = gone(p, err);
        else
            s = str_skip(s, (size_t)n);
    }
    explicit_bzero(p->out.p, p->out.cap);
    buf_clear(&p->out);
    p->ahead++;
    return rc < 0 ? rc : wait_below(p, PASSWORDS_AHEAD, err);
}

int passwords_set(struct passwords *p, uint32_t number, struct str user, struct str password,
                  struct err *err)
{
    auth_print_passwd(&p->out, number, user, password);
    return send_out(p, err);
}

int passwords_remove(struct passwords *p, uint32_t number, struct str user, struct err *err)
{
    auth_print_remove(&p->out, number, user);
    return send_out(p, err);
}

int passwords_wait(struct passwords *p, struct err *err)
{
    return wait_below(p, 0, err);
}
