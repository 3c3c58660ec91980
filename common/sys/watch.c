#include "sys/watch.h"

#include "base/defer.h"
#include "base/json.h"
#include "sys/clock.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { NAME_BYTES = 64, STAMP_BYTES = 32 };

struct listener {
    char name[NAME_BYTES];
    int fd; /* -1: it does not take anything */
    uint64_t lost, told_lost;
    bool seen; /* in the directory, this time */
};

static struct {
    pthread_mutex_t lock;
    struct listener all[WATCH_LISTENERS];
    unsigned n;
    atomic_uint live;
    struct timespec changed; /* of the directory, when it was read */
    char process[NAME_BYTES];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool watch_on(void)
{
    return atomic_load_explicit(&state.live, memory_order_relaxed) > 0;
}

/* ---- objects ---- */

static void begin_object(struct buf *out, const char *kind)
{
    uint64_t now = clock_wall_ms();
    time_t at = (time_t)(now / 1000);
    char stamp[STAMP_BYTES];
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_addf(out,
             "{\"time\": \"%s.%03uZ\", \"process\": \"%s\", \"pid\": %ld, \"kind\": \"%s\"",
             stamp, (unsigned)(now % 1000), state.process, (long)getpid(), kind);
}

static void add_text(struct buf *out, const char *name, struct str text)
{
    buf_addf(out, ", \"%s\": ", name);
    json_add_string(out, str_first(text, WATCH_TEXT_BYTES));
}

/* ---- telling ---- */

static void let_go(struct listener *l)
{
    if (l->fd < 0)
        return;
    close(l->fd);
    l->fd = -1;
    state.live--;
}

static void send_to(struct listener *l, struct str packet)
{
    if (l->fd < 0)
        return;
    if (send(l->fd, packet.p, packet.n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EMSGSIZE || errno == ENOBUFS)
        l->lost++;
    else
        let_go(l);
}

/* Before the next packet, once there is room again. */
static void tell_lost(struct listener *l)
{
    struct buf b;

    if (l->lost == l->told_lost)
        return;
    l->told_lost = l->lost;
    buf_init(&b, WATCH_PACKET_BYTES);
    begin_object(&b, "lost");
    buf_addf(&b, ", \"n\": %llu}\n", (unsigned long long)l->lost);
    send_to(l, buf_str(&b));
    buf_done(&b);
}

static void tell_all(struct buf *b)
{
    pthread_mutex_lock(&state.lock);
    for (unsigned i = 0; i < state.n; i++) {
        struct listener *l = &state.all[i];

        tell_lost(l);
        if (buf_failed(b))
            l->lost++;
        else
            send_to(l, buf_str(b));
    }
    pthread_mutex_unlock(&state.lock);
}

void watch_lines(const char *session, char direction, struct str lines)
{
    struct buf b;

    if (!watch_on())
        return;
    buf_init(&b, WATCH_PACKET_BYTES);
    while (lines.n) {
        struct str line = str_first(lines, str_find(lines, '\n'));

        lines = str_skip(lines, line.n < lines.n ? line.n + 1 : line.n);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        begin_object(&b, "line");
        add_text(&b, "session", str_c(session));
        add_text(&b, "direction", (struct str){&direction, 1});
        add_text(&b, "text", line);
        buf_add(&b, STR("}\n"));
        if (b.n > WATCH_PACKET_BYTES / 2) {
            tell_all(&b);
            buf_clear(&b);
        }
    }
    if (b.n)
        tell_all(&b);
    buf_done(&b);
}

void watch_event(const char *level, const struct id *id, const char *event, struct str text)
{
    struct buf b;

    if (!watch_on())
        return;
    buf_init(&b, WATCH_PACKET_BYTES);
    begin_object(&b, "event");
    add_text(&b, "level", str_c(level));
    add_text(&b, "id", id ? id_str(id) : STR(""));
    add_text(&b, "event", str_c(event));
    add_text(&b, "text", text);
    buf_add(&b, STR("}\n"));
    tell_all(&b);
    buf_done(&b);
}

/* ---- who looks on ---- */

/* What was refused may only have begun: it is tried again while the directory is that new. */
enum { FRESH_S = 3 };

static bool is_fresh(struct timespec changed)
{
    int64_t age = (int64_t)(clock_wall_ms() / 1000) - changed.tv_sec;

    return age >= -FRESH_S && age <= FRESH_S;
}

/* Root, or who we are ourselves: nobody else hears what letters say. */
static bool may_look(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static int dial(const char *dir, const char *name)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    DEFER(close_fd) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int n = snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", dir, name), out = fd;

    if (fd < 0 || n < 0 || (size_t)n >= sizeof(un.sun_path) ||
        connect(fd, (const struct sockaddr *)&un, sizeof(un)) < 0 || !may_look(fd))
        return -1;
    fd = -1;
    return out;
}

static struct listener *find(const char *name)
{
    for (unsigned i = 0; i < state.n; i++)
        if (strcmp(state.all[i].name, name) == 0)
            return &state.all[i];
    return NULL;
}

static void greet(struct listener *l)
{
    struct buf b;

    buf_init(&b, WATCH_PACKET_BYTES);
    begin_object(&b, "hello");
    buf_add(&b, STR("}\n"));
    send_to(l, buf_str(&b));
    buf_done(&b);
}

static void call(const char *dir, struct listener *l)
{
    l->fd = dial(dir, l->name);
    if (l->fd >= 0) {
        state.live++;
        greet(l);
    }
}

static void add(const char *dir, const char *name)
{
    struct listener *l = find(name);

    if (!l && state.n < WATCH_LISTENERS && strlen(name) < NAME_BYTES) {
        l = &state.all[state.n++];
        *l = (struct listener){.fd = -1};
        snprintf(l->name, sizeof(l->name), "%s", name);
    }
    if (!l)
        return;
    if (l->fd < 0)
        call(dir, l);
    l->seen = true;
}

static void read_dir(const char *dir)
{
    DEFER(close_dir) DIR *d = opendir(dir);
    struct dirent *e;
    unsigned kept = 0;

    for (unsigned i = 0; i < state.n; i++)
        state.all[i].seen = false;
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            add(dir, e->d_name);
    for (unsigned i = 0; i < state.n; i++) {
        if (!state.all[i].seen)
            let_go(&state.all[i]);
        else
            state.all[kept++] = state.all[i];
    }
    state.n = kept;
}

void watch_look(const char *run_dir, const char *process)
{
    char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat st;

    snprintf(dir, sizeof(dir), "%s/watch", run_dir);
    if (stat(dir, &st) < 0)
        st.st_mtim = (struct timespec){0};
    if (st.st_mtim.tv_sec == state.changed.tv_sec &&
        st.st_mtim.tv_nsec == state.changed.tv_nsec && !is_fresh(st.st_mtim))
        return;
    pthread_mutex_lock(&state.lock);
    snprintf(state.process, sizeof(state.process), "%s", process);
    state.changed = st.st_mtim;
    read_dir(dir);
    pthread_mutex_unlock(&state.lock);
}
