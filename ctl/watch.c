#include "ctl/watch.h"

#include "base/ascii.h"
#include "base/defer.h"
#include "base/list.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/watch_gist.h"
#include "sys/watch.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OPTION_ID = OPTION_OWN, OPTION_BOX, OPTION_ADDRESS };

const struct args_option watch_options[] = {
    {"--id",      0, "ID",      "only what is about this letter"                              },
    {"--box",     0, "NAME",    "only this process: msa, mta-queue, mta-send, mda, imapd …" },
    {"--address", 0, "ADDRESS", "only sessions and letters in which this address is mentioned"},
    {NULL,        0, NULL,      NULL                                                          },
};

enum {
    BACKLOG = 64,
    TURN_PACKETS = 64,
    BOX_COLUMNS = 12,
    SESSION_COLUMNS = 16,
    RECEIVE_BYTES = 4 << 20
};

struct house {
    struct config *config;
    const char *label;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int fd;
};

/* One process that tells us something. */
struct process {
    int fd;
    const struct house *house;
};

/* One dialogue: what a filter wants to know of it, and what may not be shown. */
struct session {
    struct list link; /* the one that spoke last at the end */
    const struct house *house;
    char key[80];
    bool shown;      /* its word was said */
    struct buf kept; /* until then        */
    struct gist gist;
};

struct watching {
    struct cli *cli;
    struct house systems[WATCH_SYSTEMS];
    unsigned nsystems;
    struct process processes[WATCH_PROCESSES];
    unsigned nprocesses;
    struct list sessions;
    unsigned nsessions;
    struct arena arena; /* of one packet */
    const char *id, *box, *address;
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

/* ---- sessions ---- */

static void session_free(struct watching *w, struct session *s)
{
    list_remove(&s->link);
    buf_done(&s->kept);
    free(s);
    w->nsessions--;
}

static struct session *session_of(struct watching *w, const struct house *house,
                                  const struct json *o)
{
    struct str key =
        arena_printf(&w->arena, "%.*s %llu %.*s", STR_ARGS(json_text(o, "process")),
                     (unsigned long long)json_u64(o, "pid"), STR_ARGS(json_text(o, "session")));
    struct session *s;

    LIST_EACH(&w->sessions, at)
    {
        s = LIST_OF(at, struct session, link);
        if (s->house == house && str_eq(str_c(s->key), key)) {
            list_remove(&s->link);
            list_append(&w->sessions, &s->link);
            return s;
        }
    }
    if (w->nsessions == WATCH_SESSIONS)
        session_free(w, LIST_OF(w->sessions.next, struct session, link));
    s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->house = house;
    snprintf(s->key, sizeof(s->key), "%.*s", STR_ARGS(key));
    buf_init(&s->kept, WATCH_KEPT_BYTES);
    gist_init(&s->gist, json_text(o, "process"));
    list_append(&w->sessions, &s->link);
    w->nsessions++;
    return s;
}

/* ---- printing ---- */

static void print_head(struct watching *w, struct buf *out, const struct house *house,
                       const struct json *o)
{
    struct str time = json_text(o, "time");
    bool colour = w->cli->colour;

    time = time.n > 12 ? str_skip(time, 11) : time; /* the day is today */
    time = str_first(time, str_find(time, 'Z'));
    buf_addf(out, "%s%.*s%s ", output_begin(FAINT, colour), STR_ARGS(time),
             output_end(FAINT, colour));
    if (w->nsystems > 1)
        buf_addf(out, "%s ", house->label);
    buf_addf(out, "%s%-*.*s%s ", output_begin(BOLD, colour), BOX_COLUMNS,
             STR_ARGS(json_text(o, "process")), output_end(BOLD, colour));
}

/* mta-send speaks as a client, except towards the queue. */
static bool is_client(const struct json *o)
{
    struct str session = json_text(o, "session");

    return str_eq(json_text(o, "process"), STR("mta-send")) &&
           !str_starts(session, STR("send-queue-"));
}

static void print_line(struct watching *w, struct buf *out, const struct house *house,
                       const struct json *o, struct str text)
{
    bool heard = str_eq(json_text(o, "direction"), STR("<")), client = heard != is_client(o);
    enum colour colour = client ? GREEN : YELLOW;

    if (w->cli->json) {
        buf_add_byte(out, '{');
        json_put_member(out, "system", str_c(house->label));
        for (const char *const *name =
                 (const char *const[]){"time", "process", "session", NULL};
             *name; name++)
            json_put_member(out, *name, json_text(o, *name));
        json_put_u64(out, "pid", json_u64(o, "pid"));
        json_put_member(out, "who", client ? STR("C") : STR("S"));
        json_put_member(out, "text", text);
        buf_add(out, STR("}\n"));
        return;
    }
    print_head(w, out, house, o);
    buf_addf(out, "%-*.*s %s%s ", SESSION_COLUMNS, STR_ARGS(json_text(o, "session")),
             output_begin(colour, w->cli->colour), client ? "C:" : "S:");
    output_safe(out, text);
    buf_addf(out, "%s\n", output_end(colour, w->cli->colour));
}

static void print_event(struct watching *w, const struct house *house, const struct json *o)
{
    struct buf *out = &w->cli->out;
    struct str level = json_text(o, "level"), id = json_text(o, "id");
    enum colour colour = str_eq(level, STR("error"))  ? RED
                         : str_eq(level, STR("warn")) ? YELLOW
                                                      : PLAIN;

    if (w->cli->json) {
        buf_add_byte(out, '{');
        json_put_member(out, "system", str_c(house->label));
        for (const char *const *name =
                 (const char *const[]){"time", "process", "level", "id", "event", "text", NULL};
             *name; name++)
            json_put_member(out, *name, json_text(o, *name));
        json_put_u64(out, "pid", json_u64(o, "pid"));
        buf_add(out, STR("}\n"));
        return;
    }
    print_head(w, out, house, o);
    if (id.n)
        buf_addf(out, "%s%.*s%s ", output_begin(FAINT, w->cli->colour), STR_ARGS(id),
                 output_end(FAINT, w->cli->colour));
    buf_addf(out, "%s%.*s ", output_begin(colour, w->cli->colour),
             STR_ARGS(json_text(o, "event")));
    output_safe(out, json_text(o, "text"));
    buf_addf(out, "%s\n", output_end(colour, w->cli->colour));
}

/* ---- filters ---- */

static bool holds(struct str text, const char *word)
{
    struct str w = str_c(word);

    for (; text.n >= w.n; text = str_skip(text, 1))
        if (str_starts_nocase(text, w))
            return true;
    return false;
}

static bool is_meant(const struct watching *w, struct str text, struct str id)
{
    return (!w->id || holds(text, w->id) || holds(id, w->id)) &&
           (!w->address || holds(text, w->address));
}

static void take_line(struct watching *w, const struct house *house, const struct json *o)
{
    struct session *s = session_of(w, house, o);
    bool heard = str_eq(json_text(o, "direction"), STR("<"));
    struct str text;

    if (!gist_line(&s->gist, heard, json_text(o, "text"), &w->arena, &text))
        return;
    if (!s->shown && is_meant(w, text, STR(""))) {
        s->shown = true;
        buf_add(&w->cli->out, buf_str(&s->kept));
        buf_done(&s->kept);
    }
    if (s->shown) {
        print_line(w, &w->cli->out, house, o, text);
        return;
    }
    print_line(w, &s->kept, house, o, text);
    if (s->kept.n > WATCH_KEPT_BYTES / 2) /* the oldest half is enough to forget */
        buf_drop(&s->kept, str_find(buf_str(&s->kept), '\n') + 1);
}

/* Names and numbers are shown as they are: a process that was taken over may say anything. */
static bool is_plain(const struct json *o)
{
    static const char *const names[] = {"time", "process", "session", "id", "event", "level"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str s = json_text(o, names[i]);

        for (size_t k = 0; k < s.n; k++)
            if (!ascii_is_print(s.p[k]))
                return false;
    }
    return true;
}

static void take_object(struct watching *w, const struct house *house, struct str text)
{
    const struct json *o = json_parse(&w->arena, text);
    struct str kind = json_text(o, "kind");

    if (!is_plain(o))
        return;
    if (w->box && !str_eq(json_text(o, "process"), str_c(w->box)))
        return;
    if (str_eq(kind, STR("line")))
        take_line(w, house, o);
    else if (str_eq(kind, STR("event")) &&
             is_meant(w, json_text(o, "text"), json_text(o, "id")))
        print_event(w, house, o);
    else if (str_eq(kind, STR("lost")))
        cli_note("%s: %.*s could not tell all: %llu packets are lost", house->label,
                 STR_ARGS(json_text(o, "process")), (unsigned long long)json_u64(o, "n"));
}

/* ---- the sockets ---- */

static void take_packet(struct watching *w, const struct house *house, struct str packet)
{
    struct str line;

    arena_reset(&w->arena);
    for (; packet.n; scan_byte(&packet, '\n'))
        if (scan_until(&packet, '\n', &line))
            take_object(w, house, line);
    output_write(STDOUT_FILENO, &w->cli->out);
}

/* What a watcher that was killed has left. */
static void sweep(const char *dir)
{
    DEFER(close_dir) DIR *d = opendir(dir);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct dirent *e;

    while (d && (e = readdir(d))) {
        DEFER(close_fd) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        int n = snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", dir, e->d_name);

        if (e->d_name[0] != '.' && n > 0 && (size_t)n < sizeof(un.sun_path) &&
            connect(fd, (const struct sockaddr *)&un, sizeof(un)) < 0 && errno == ECONNREFUSED)
            unlink(un.sun_path);
    }
}

static enum cli_status listen_to(struct house *s)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char dir[sizeof(s->path)];
    struct stat st;
    int n;

    snprintf(dir, sizeof(dir), "%s/watch", s->config->run_dir);
    mkdir(dir, WATCH_DIR_MODE); /* where posta has not yet been started */
    if (stat(dir, &st) < 0 || access(dir, W_OK) < 0)
        return cli_fail(CLI_REFUSED, "%s: %s; only root and the user who runs posta may watch",
                        dir, strerrordesc_np(errno));
    sweep(dir);
    n = snprintf(s->path, sizeof(s->path), "%s/%ld", dir, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof(un.sun_path))
        return cli_fail(CLI_REFUSED, "%s is too long for a socket's path", dir);
    memcpy(un.sun_path, s->path, (size_t)n);
    s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(s->path);
    if (s->fd < 0 || bind(s->fd, (const struct sockaddr *)&un, sizeof(un)) < 0 ||
        listen(s->fd, BACKLOG) < 0 || chown(s->path, (uid_t)-1, st.st_gid) < 0 ||
        chmod(s->path, 0660) < 0)
        return cli_fail(CLI_REFUSED, "%s: %s", s->path, strerrordesc_np(errno));
    return CLI_DONE;
}

static void take_process(struct watching *w, const struct house *s)
{
    int fd, bytes = RECEIVE_BYTES;

    while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (w->nprocesses == WATCH_PROCESSES) {
            close(fd);
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
        w->processes[w->nprocesses++] = (struct process){fd, s};
    }
}

/* False when it has gone. Some packets a turn: who tells very much leaves the others theirs. */
static bool read_process(struct watching *w, const struct process *p)
{
    static char packet[WATCH_PACKET_BYTES];
    ssize_t n = 1;

    for (int i = 0; i < TURN_PACKETS && !ended; i++) {
        n = recv(p->fd, packet, sizeof(packet), 0);
        if (n <= 0)
            break;
        take_packet(w, p->house, (struct str){packet, (size_t)n});
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void watch(struct watching *w)
{
    struct pollfd all[WATCH_SYSTEMS + WATCH_PROCESSES];

    while (!ended) {
        unsigned n = 0, kept = 0;

        for (unsigned i = 0; i < w->nsystems; i++)
            all[n++] = (struct pollfd){.fd = w->systems[i].fd, .events = POLLIN};
        for (unsigned i = 0; i < w->nprocesses; i++)
            all[n++] = (struct pollfd){.fd = w->processes[i].fd, .events = POLLIN};
        if (poll(all, n, -1) < 0)
            continue;
        for (unsigned i = 0; i < w->nprocesses; i++) {
            struct process *p = &w->processes[i];

            if (!all[w->nsystems + i].revents || read_process(w, p))
                w->processes[kept++] = *p;
            else
                close(p->fd);
        }
        w->nprocesses = kept;
        for (unsigned i = 0; i < w->nsystems; i++)
            take_process(w, &w->systems[i]);
    }
}

/* ---- from the command line ---- */

static enum cli_status add_system(struct watching *w, const char *path)
{
    struct house *s = &w->systems[w->nsystems];
    struct buf faults;

    if (w->nsystems == WATCH_SYSTEMS)
        return cli_fail(CLI_USAGE, "at most %d systems are watched at once", WATCH_SYSTEMS);
    buf_init(&faults, 1024 * 1024);
    *s = (struct house){.config = config_load(path, &faults), .fd = -1};
    if (!s->config)
        fprintf(stderr, "%.*s", STR_ARGS(buf_str(&faults)));
    buf_done(&faults);
    if (!s->config)
        return CLI_REFUSED;
    w->nsystems++;
    s->label = s->config->hostname;
    return listen_to(s);
}

static enum cli_status add_systems(struct watching *w, const struct args *args)
{
    enum cli_status status = CLI_DONE;

    for (size_t i = 0; i < args->nrepeats && status == CLI_DONE; i++)
        if (args->repeats[i].at == OPTION_CONFIG)
            status = add_system(w, args->repeats[i].value);
    return status == CLI_DONE ? add_system(w, w->cli->config_path) : status;
}

static void close_all(struct watching *w)
{
    for (unsigned i = 0; i < w->nprocesses; i++)
        close(w->processes[i].fd);
    for (unsigned i = 0; i < w->nsystems; i++) {
        if (w->systems[i].fd >= 0) {
            close(w->systems[i].fd);
            unlink(w->systems[i].path);
        }
        config_free(w->systems[i].config);
    }
    while (!list_empty(&w->sessions))
        session_free(w, LIST_OF(w->sessions.next, struct session, link));
    arena_done(&w->arena);
    free(w);
}

enum cli_status watch_run(struct cli *c, const struct args *args)
{
    struct sigaction act = {.sa_handler = on_signal};
    struct watching *w = calloc(1, sizeof(*w));
    enum cli_status status;

    if (!w)
        abort();
    w->cli = c;
    w->id = args->options[OPTION_ID];
    w->box = args->options[OPTION_BOX];
    w->address = args->options[OPTION_ADDRESS];
    if (w->box && strncmp(w->box, "posta-", 6) == 0)
        w->box += 6;
    list_init(&w->sessions);
    arena_init(&w->arena);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    status = add_systems(w, args);
    if (status == CLI_DONE) {
        if (!c->json)
            cli_note("watching; Ctrl-C ends it");
        watch(w);
    }
    close_all(w);
    return status;
}
