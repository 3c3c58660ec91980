#include "store/places.h"

#include "base/defer.h"
#include "base/list.h"
#include "store/dir.h"
#include "store/maildir.h"
#include "store/quota.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

enum { PLACE_PATH_BYTES = 1024 };

struct place {
    struct list link; /* in places.used, the latest at the end; alone once forgotten */
    int64_t user;
    int fd;
    unsigned holders;
    bool forgotten;
    dev_t dev;
    ino_t ino;
    uint64_t checked_ms;
    bool counted;
    uint64_t counted_ms;
    struct quota_usage usage;
    char path[PLACE_PATH_BYTES]; /* of the Maildir below root */
};

struct places {
    int root;
    pthread_mutex_t lock; /* over all below, and over every place */
    struct list used;
    unsigned n;
};

struct places *places_new(int root)
{
    struct places *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->root = root;
    pthread_mutex_init(&p->lock, NULL);
    list_init(&p->used);
    return p;
}

static void place_free(struct place *place)
{
    close(place->fd);
    free(place);
}

static void forget(struct places *p, struct place *place)
{
    if (place->forgotten)
        return;
    place->forgotten = true;
    list_remove(&place->link);
    p->n--;
    if (place->holders == 0)
        place_free(place);
}

void places_free(struct places *p)
{
    if (!p)
        return;
    LIST_EACH(&p->used, at)
    forget(p, LIST_OF(at, struct place, link));
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static struct place *find(struct places *p, const struct user *user)
{
    LIST_EACH(&p->used, at)
    {
        struct place *place = LIST_OF(at, struct place, link);

        if (place->user == user->id && str_eq(str_c(place->path), user->maildir))
            return place;
    }
    return NULL;
}

/* Directories may be renamed, or removed and made again, while we hold them. */
static bool still_there(struct places *p, struct place *place)
{
    uint64_t now = clock_steady_ms();
    char path[PLACE_PATH_BYTES + 8];
    struct stat st;

    if (now - place->checked_ms < PLACES_TRUST_MS)
        return true;
    place->checked_ms = now;
    snprintf(path, sizeof(path), "%s/new", place->path);
    return fstatat(p->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == place->dev &&
           st.st_ino == place->ino;
}

static int open_new(struct places *p, const char *maildir, struct err *err)
{
    char path[PLACE_PATH_BYTES + 8];

    snprintf(path, sizeof(path), "%s/new", maildir);
    if (!maildir_whole(p->root, maildir)) {
        int r = maildir_make(p->root, maildir, err);

        if (r < 0)
            return r;
    }
    return dir_open(p->root, path, err);
}

static int place_open(struct places *p, const struct user *user, struct place **out,
                      struct err *err)
{
    struct place *place = calloc(1, sizeof(*place));
    struct stat st;

    if (!place)
        abort();
    list_init(&place->link);
    if (user->maildir.n == 0 || user->maildir.n >= sizeof(place->path)) {
        free(place);
        return err_set(err, E_SYNTAX, "the path of a mailbox is too long");
    }
    memcpy(place->path, user->maildir.p, user->maildir.n);
    place->user = user->id;
    place->fd = open_new(p, place->path, err);
    if (place->fd < 0 || fstat(place->fd, &st) < 0) {
        int r = place->fd < 0 ? place->fd : err_os(err, "look at a mailbox");

        if (place->fd >= 0)
            close(place->fd);
        free(place);
        return r;
    }
    place->dev = st.st_dev;
    place->ino = st.st_ino;
    place->checked_ms = clock_steady_ms();
    *out = place;
    return 0;
}

static void make_room(struct places *p)
{
    LIST_EACH(&p->used, at)
    {
        struct place *place = LIST_OF(at, struct place, link);

        if (p->n < PLACES_MAX)
            return;
        if (place->holders == 0)
            forget(p, place);
    }
}

static void hold(struct places *p, struct place *place)
{
    place->holders++;
    list_remove(&place->link);
    list_append(&p->used, &place->link);
}

/* Opening may block, so it is done without the lock; another may have been quicker. */
int places_get(struct places *p, const struct user *user, struct place **out, struct err *err)
{
    struct place *place, *fresh = NULL;
    int r;

    pthread_mutex_lock(&p->lock);
    place = find(p, user);
    if (place && !still_there(p, place)) {
        forget(p, place);
        place = NULL;
    }
    if (place)
        hold(p, place);
    pthread_mutex_unlock(&p->lock);
    if (place) {
        *out = place;
        return 0;
    }
    r = place_open(p, user, &fresh, err);
    if (!fresh)
        return r;
    pthread_mutex_lock(&p->lock);
    place = find(p, user);
    if (place) {
        place_free(fresh);
    } else {
        make_room(p);
        place = fresh;
        p->n++;
    }
    hold(p, place);
    pthread_mutex_unlock(&p->lock);
    *out = place;
    return 0;
}

void places_put(struct places *p, struct place *place)
{
    pthread_mutex_lock(&p->lock);
    place->holders--;
    if (place->forgotten && place->holders == 0)
        place_free(place);
    pthread_mutex_unlock(&p->lock);
}

void places_forget(struct places *p, struct place *place)
{
    pthread_mutex_lock(&p->lock);
    forget(p, place); /* the caller holds it, so it lives */
    pthread_mutex_unlock(&p->lock);
}

int place_new_dir(const struct place *place)
{
    return place->fd;
}

static bool fits(const struct place *place, const struct user *user, uint64_t octets)
{
    const struct quota_usage *u = &place->usage;

    if (user->quota_letters && u->letters >= user->quota_letters)
        return false;
    return !user->quota_bytes ||
           (octets <= user->quota_bytes && u->octets <= user->quota_bytes - octets);
}

static bool must_count(const struct place *place, const struct user *user, uint64_t octets,
                       uint64_t now)
{
    if (!place->counted || now - place->counted_ms >= QUOTA_FRESH_MS)
        return true;
    return !fits(place, user, octets) && now - place->counted_ms >= QUOTA_RECOUNT_MS;
}

/* Counting is done without the lock; letters that others deliver meanwhile may be missed until
 * the next time. */
int places_reserve(struct places *p, struct place *place, const struct user *user,
                   uint64_t octets, struct err *err)
{
    uint64_t now = clock_steady_ms();
    struct quota_usage usage;
    int r = 0;

    if (!user->quota_bytes && !user->quota_letters)
        return 0;
    pthread_mutex_lock(&p->lock);
    if (must_count(place, user, octets, now)) {
        pthread_mutex_unlock(&p->lock);
        r = quota_count(p->root, place->path, &usage, err);
        pthread_mutex_lock(&p->lock);
        if (r == 0) {
            place->usage = usage;
            place->counted = true;
            place->counted_ms = now;
        }
    }
    if (r == 0 && !fits(place, user, octets))
        r = err_set(err, E_NO_SPACE, "the mailbox is full");
    if (r == 0) {
        place->usage.octets += octets;
        place->usage.letters++;
    }
    pthread_mutex_unlock(&p->lock);
    return r;
}

void places_give_back(struct places *p, struct place *place, uint64_t octets)
{
    pthread_mutex_lock(&p->lock);
    if (place->usage.octets >= octets && place->usage.letters > 0) {
        place->usage.octets -= octets;
        place->usage.letters--;
    }
    pthread_mutex_unlock(&p->lock);
}

bool places_full(struct places *p, const struct user *user, uint64_t octets)
{
    uint64_t now = clock_steady_ms();
    bool full = false;

    if (!user->quota_bytes && !user->quota_letters)
        return false;
    pthread_mutex_lock(&p->lock);
    struct place *place = find(p, user);
    if (place && place->counted && now - place->counted_ms < QUOTA_RECOUNT_MS)
        full = !fits(place, user, octets);
    pthread_mutex_unlock(&p->lock);
    return full;
}
