/* posta-authd - alone knows what is kept of passwords, and speaks SASL for the other boxes. */
#include "authd/clients.h"
#include "net/program.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>

enum { DIR_BYTES = 4000 };

struct authd {
    struct program *program;
    struct clients *clients;
    struct listener *listener;
    char dir[DIR_BYTES];
};

/* Hashing takes at most half of the machine. */
static unsigned hash_threads(void)
{
    cpu_set_t cores;
    int n = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;

    return n > 1 ? (unsigned)n / 2 : 1;
}

static int start(struct program *p, struct err *err)
{
    struct stat st;
    struct authd *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    a->program = p;
    p->state = a;
    if ((size_t)snprintf(a->dir, sizeof(a->dir), "%s/auth", p->config->state_dir) >=
        sizeof(a->dir))
        return err_set(err, E_LIMIT, "state_dir is too long a path");
    if (stat(p->config->state_dir, &st) < 0)
        return err_os(err, "look at %s", p->config->state_dir);
    if (mkdir(a->dir, S_IRWXU) < 0 && errno != EEXIST)
        return err_os(err, "make %s", a->dir);
    return clients_open(&(struct clients_options){.loop = p->loop,
                                                  .dir = a->dir,
                                                  .owner = st.st_uid,
                                                  .clear_allowed = p->config->lab.clear_auth,
                                                  .hash_threads = hash_threads()},
                        &a->clients, err);
}

static int serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct authd *a = p->state;

    (void)name;
    if (a->listener)
        return err_set(err, E_EXISTS, "a second auth.sock");
    a->listener = listener_new(
        p->loop, fd,
        &(struct listen_options){
            .conn = {.protocol = clients_protocol()}, .make = clients_make, .arg = a->clients});
    return 0;
}

static int reload(struct program *p, const struct config *old, struct err *err)
{
    struct authd *a = p->state;

    (void)old;
    (void)err;
    clients_allow_clear(a->clients, p->config->lab.clear_auth);
    return 0;
}

static void empty(void *arg)
{
    program_drained(arg);
}

/* Who has no answer yet gets it; new logins find another authd or try again. */
static void drain(struct program *p)
{
    struct authd *a = p->state;

    listener_free(a->listener);
    a->listener = NULL;
    clients_on_empty(a->clients, empty, p);
}

static void stop(struct program *p)
{
    struct authd *a = p->state;

    if (!a)
        return;
    listener_free(a->listener);
    clients_close(a->clients);
    free(a);
}

static void status(struct program *p, struct buf *json)
{
    clients_status(((struct authd *)p->state)->clients, json);
}

static const struct program_socket sockets[] = {
    {.name = "auth.sock", .path = "auth.sock"},
    {.name = NULL                  },
};

static const struct program_spec spec = {
    .name = "posta-authd",
    .about = "Checks passwords for the other boxes, over run_dir/auth.sock, and alone opens "
             "auth.db.",
    .sockets = sockets,
    .start = start,
    .serve = serve,
    .reload = reload,
    .drain = drain,
    .stop = stop,
    .status = status,
};

int main(int argc, char **argv)
{
    return program_main(argc, argv, &spec);
}
