/*
 *   place (a folder that is waited for): watched ──watch refused, folder gone──▶ blind
 *                                              ◀──a watch at the next poll──────┘
 *   quiet ──event──▶ noisy, due NOTIFY_FOREIGN_MS later ──told──▶ quiet
 */
#include "imapd/notify.h"

#include "base/defer.h"
#include "base/map.h"
#include "store/change.h"
#include "store/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SUBS = 2, PLACE_PATH_BYTES = 4096, EVENT_BLOCK_BYTES = 16384 };

static const char *const subs[SUBS] = {"new", "cur"};

struct place {
    struct list readers;
    struct list blind; /* in notify's, while it has not both watches */
    struct list noisy; /* in notify's, in the order of due_ms       */
    uint64_t due_ms;
    uint64_t events;
    int wd[SUBS];
    struct timespec seen[SUBS]; /* when blind: their last changes */
    struct str key;             /* "maildir TAB folder", behind this struct */
    char *dir;                  /* behind the key */
};

struct notify {
    struct loop *loop;
    char *state_dir;
    struct sockaddr_un address;
    int socket, inotify; /* inotify -1: none to be had */
    struct watch *datagrams, *events;
    struct map places; /* by key */
    struct map by_wd;  /* by a place's wd[i] */
    struct list blind, noisy;
    struct timer *poll, *later;
    unsigned watches;
};

static struct str wd_key(const int *wd)
{
    return (struct str){(const char *)wd, sizeof(*wd)};
}

/* ---- telling ---- */

static void tell(struct place *p, bool only_who_has_not_looked, uint64_t modseq)
{
    LIST_EACH(&p->readers, at)
    {
        struct notify_reader *r = LIST_OF(at, struct notify_reader, link);

        if (!only_who_has_not_looked || r->looked < p->events)
            r->changed(r, modseq);
    }
}

static void make_noise(struct notify *n, struct place *p)
{
    p->events++;
    if (!list_empty(&p->noisy))
        return;
    p->due_ms = loop_now_ms(n->loop) + NOTIFY_FOREIGN_MS;
    if (list_empty(&n->noisy))
        timer_start(n->later, NOTIFY_FOREIGN_MS);
    list_append(&n->noisy, &p->noisy);
}

static void noise_is_due(void *arg)
{
    struct notify *n = arg;
    uint64_t now = loop_now_ms(n->loop);

    while (!list_empty(&n->noisy)) {
        struct place *p = LIST_OF(n->noisy.next, struct place, noisy);

        if (p->due_ms > now) {
            timer_start(n->later, p->due_ms - now);
            return;
        }
        list_remove(&p->noisy);
        tell(p, true, 0);
    }
}

/* ---- watches ---- */

static void forget_watch(struct notify *n, struct place *p, int i)
{
    if (p->wd[i] < 0)
        return;
    if (map_get(&n->by_wd, wd_key(&p->wd[i])) == p) {
        map_remove(&n->by_wd, wd_key(&p->wd[i]));
        inotify_rm_watch(n->inotify, p->wd[i]);
        n->watches--;
    }
    p->wd[i] = -1;
}

static void watch_sub(struct notify *n, struct place *p, int i)
{
    static const uint32_t what = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    char path[PLACE_PATH_BYTES];

    snprintf(path, sizeof(path), "%s/%s", p->dir, subs[i]);
    p->wd[i] = n->inotify < 0 ? -1 : inotify_add_watch(n->inotify, path, what);
    if (p->wd[i] >= 0 && map_get(&n->by_wd, wd_key(&p->wd[i])))
        p->wd[i] = -1; /* one directory under two names: the second one polls */
    if (p->wd[i] < 0)
        return;
    map_put(&n->by_wd, wd_key(&p->wd[i]), p);
    n->watches++;
}

static struct timespec changed_at(const struct place *p, int i)
{
    char path[PLACE_PATH_BYTES];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", p->dir, subs[i]);
    return stat(path, &st) == 0 ? st.st_mtim : (struct timespec){0};
}

static void watch_place(struct notify *n, struct place *p)
{
    bool all = true;

    for (int i = 0; i < SUBS; i++) {
        if (p->wd[i] < 0)
            watch_sub(n, p, i);
        all = all && p->wd[i] >= 0;
    }
    list_remove(&p->blind);
    if (all)
        return;
    for (int i = 0; i < SUBS; i++)
        p->seen[i] = changed_at(p, i);
    if (list_empty(&n->blind))
        timer_start(n->poll, NOTIFY_POLL_MS);
    list_append(&n->blind, &p->blind);
}

static void poll_blind(void *arg)
{
    struct notify *n = arg;
    struct list now;

    if (list_empty(&n->blind))
        return;
    now = n->blind; /* taken over: places come back to the end of an empty list */
    now.next->prev = now.prev->next = &now;
    list_init(&n->blind);
    while (!list_empty(&now)) {
        struct place *p = LIST_OF(now.next, struct place, blind);
        bool changed = false;

        for (int i = 0; i < SUBS; i++) {
            struct timespec t = changed_at(p, i);

            changed =
                changed || t.tv_sec != p->seen[i].tv_sec || t.tv_nsec != p->seen[i].tv_nsec;
        }
        watch_place(n, p);
        if (changed || list_empty(&p->blind)) { /* what came before the watch was not seen */
            p->events++;
            tell(p, true, 0);
        }
    }
}

static void take_event(struct notify *n, const struct inotify_event *e)
{
    struct place *p;

    if (e->mask & IN_Q_OVERFLOW) {
        for (size_t at = 0; (p = map_next(&n->places, &at));)
            make_noise(n, p);
        return;
    }
    p = map_get(&n->by_wd, wd_key(&e->wd));
    if (!p)
        return; /* of a watch that was given up */
    if (e->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) {
        forget_watch(n, p, p->wd[0] == e->wd ? 0 : 1);
        watch_place(n, p);
    }
    make_noise(n, p);
}

static void read_events(void *arg)
{
    struct notify *n = arg;
    _Alignas(struct inotify_event) char block[EVENT_BLOCK_BYTES];
    ssize_t got;

    while (n->inotify >= 0 && (got = read(n->inotify, block, sizeof(block))) > 0)
        for (char *at = block; at < block + got;) {
            const struct inotify_event *e = (const void *)at;

            take_event(n, e);
            at += sizeof(*e) + e->len;
        }
}

/* ---- datagrams ---- */

static struct str make_key(char *to, size_t room, struct str maildir, struct str folder)
{
    int n = snprintf(to, room, "%.*s\t%.*s", STR_ARGS(maildir), STR_ARGS(folder));

    return n > 0 && (size_t)n < room ? (struct str){to, (size_t)n} : (struct str){to, 0};
}

static void take_datagram(struct notify *n, struct str text)
{
    char key[PLACE_PATH_BYTES];
    struct change c;
    struct place *p;

    if (!change_parse(text, &c))
        return;
    p = map_get(&n->places, make_key(key, sizeof(key), c.maildir, c.folder));
    if (p)
        tell(p, false, c.modseq);
}

/* Events first: what this is about was on the disk before it was told, and who looks now sees
 * it. */
static void read_datagrams(void *arg)
{
    struct notify *n = arg;
    char text[CHANGE_BYTES];
    ssize_t got;

    read_events(n);
    for (int i = 0; i < NOTIFY_DATAGRAMS; i++) {
        got = recv(n->socket, text, sizeof(text), MSG_DONTWAIT);
        if (got < 0)
            return;
        take_datagram(n, (struct str){text, (size_t)got});
    }
}

/* ---- places ---- */

static struct place *place_new(struct notify *n, struct str key, struct str maildir,
                               struct str folder)
{
    struct buf path;
    struct place *p;

    buf_init(&path, PATH_COMPONENT_BYTES);
    path_of_folder(&path, folder);
    size_t room = strlen(n->state_dir) + maildir.n + buf_str(&path).n + 3;
    p = calloc(1, sizeof(*p) + key.n + room);
    if (!p)
        abort();
    memcpy(p + 1, key.p, key.n);
    p->key = (struct str){(char *)(p + 1), key.n};
    p->dir = (char *)(p + 1) + key.n;
    snprintf(p->dir, room, "%s/%.*s/%.*s", n->state_dir, STR_ARGS(maildir),
             STR_ARGS(buf_str(&path)));
    buf_done(&path);
    list_init(&p->readers);
    list_init(&p->blind);
    list_init(&p->noisy);
    p->wd[0] = p->wd[1] = -1;
    map_put(&n->places, p->key, p);
    watch_place(n, p);
    return p;
}

static void place_free(struct notify *n, struct place *p)
{
    for (int i = 0; i < SUBS; i++)
        forget_watch(n, p, i);
    list_remove(&p->blind);
    list_remove(&p->noisy);
    map_remove(&n->places, p->key);
    free(p);
}

void notify_join(struct notify *n, struct notify_reader *r, struct str maildir,
                 struct str folder)
{
    char text[PLACE_PATH_BYTES];
    struct str key = make_key(text, sizeof(text), maildir, folder);
    struct place *p = map_get(&n->places, key);

    if (!p)
        p = place_new(n, key, maildir, folder);
    r->place = p;
    r->looked = p->events;
    list_append(&p->readers, &r->link);
}

void notify_leave(struct notify *n, struct notify_reader *r)
{
    struct place *p = r->place;

    if (!p)
        return;
    r->place = NULL;
    list_remove(&r->link);
    if (list_empty(&p->readers))
        place_free(n, p);
}

void notify_looks(struct notify *n, struct notify_reader *r)
{
    if (!r->place)
        return;
    read_events(n);
    r->looked = r->place->events;
}

unsigned notify_watches(const struct notify *n)
{
    return n->watches;
}

/* ---- life ---- */

/* Who was killed has left its socket behind; nobody answers there. */
static void sweep(const char *dir)
{
    DEFER(close_dir) DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        DEFER(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (e->d_name[0] == '.' || (size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s",
                                                    dir, e->d_name) >= sizeof(a.sun_path))
            continue;
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == ECONNREFUSED)
            unlink(a.sun_path);
    }
}

static int bind_socket(struct notify *n, const char *run_dir, struct err *err)
{
    struct sockaddr_un *a = &n->address;
    char dir[sizeof(a->sun_path)];
    uint64_t random;

    if ((size_t)snprintf(dir, sizeof(dir), "%s/change", run_dir) >= sizeof(dir))
        return err_set(err, E_LIMIT, "run_dir is too long a path");
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_os(err, "make %s", dir);
    sweep(dir);
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        abort();
    a->sun_family = AF_UNIX;
    if ((size_t)snprintf(a->sun_path, sizeof(a->sun_path), "%s/imapd-%016llx", dir,
                         (unsigned long long)random) >= sizeof(a->sun_path)) {
        a->sun_path[0] = '\0';
        return err_set(err, E_LIMIT, "run_dir is too long a path");
    }
    n->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (n->socket < 0 || bind(n->socket, (struct sockaddr *)a, sizeof(*a)) < 0)
        return err_os(err, "bind %s", a->sun_path);
    n->datagrams = watch_new(n->loop, n->socket, read_datagrams, n);
    return 0;
}

int notify_open(struct loop *l, const char *state_dir, const char *run_dir, struct notify **out,
                struct err *err)
{
    struct notify *n = calloc(1, sizeof(*n));
    uint8_t secret[MAP_SECRET_BYTES];

    if (!n || getrandom(secret, sizeof(secret), 0) != sizeof(secret))
        abort();
    n->loop = l;
    n->socket = -1;
    n->state_dir = strdup(state_dir);
    map_init(&n->places, secret);
    map_init(&n->by_wd, secret);
    list_init(&n->blind);
    list_init(&n->noisy);
    n->poll = timer_new(l, poll_blind, n);
    n->later = timer_new(l, noise_is_due, n);
    n->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (n->inotify >= 0)
        n->events = watch_new(l, n->inotify, read_events, n);
    int r = bind_socket(n, run_dir, err);
    if (r < 0) {
        notify_close(n);
        return r;
    }
    *out = n;
    return 0;
}

void notify_close(struct notify *n)
{
    if (!n)
        return;
    if (n->datagrams)
        unlink(n->address.sun_path);
    watch_free(n->datagrams);
    watch_free(n->events);
    close_fd(&n->socket);
    close_fd(&n->inotify);
    timer_free(n->poll);
    timer_free(n->later);
    map_done(&n->places);
    map_done(&n->by_wd);
    free(n->state_dir);
    free(n);
}
