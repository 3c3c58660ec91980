#include "store/usage.h"

#include "base/list.h"
#include "store/quota.h"
#include "sys/clock.h"

#include <pthread.h>
#include <stdlib.h>

struct usage {
    struct list link; /* in usages.used, the latest at the end */
    uint64_t counted_ms;
    struct quota_usage now;
    size_t n;
    char maildir[]; /* with a NUL */
};

struct usages {
    pthread_mutex_t lock;
    struct list used;
    unsigned n;
};

struct usages *usages_new(void)
{
    struct usages *u = calloc(1, sizeof(*u));

    if (!u)
        abort();
    pthread_mutex_init(&u->lock, NULL);
    list_init(&u->used);
    return u;
}

static void forget(struct usages *u, struct usage *one)
{
    list_remove(&one->link);
    u->n--;
    free(one);
}

void usages_free(struct usages *u)
{
    if (!u)
        return;
    LIST_EACH(&u->used, at)
    forget(u, LIST_OF(at, struct usage, link));
    pthread_mutex_destroy(&u->lock);
    free(u);
}

static struct usage *find(struct usages *u, struct str maildir)
{
    LIST_EACH(&u->used, at)
    {
        struct usage *one = LIST_OF(at, struct usage, link);

        if (str_eq((struct str){one->maildir, one->n}, maildir)) {
            list_remove(&one->link);
            list_append(&u->used, &one->link);
            return one;
        }
    }
    return NULL;
}

static struct usage *add(struct usages *u, struct str maildir)
{
    struct usage *one = calloc(1, sizeof(*one) + maildir.n + 1);

    if (!one)
        abort();
    if (u->n == USAGES_MAX)
        forget(u, LIST_OF(u->used.next, struct usage, link));
    memcpy(one->maildir, maildir.p, maildir.n);
    one->n = maildir.n;
    list_append(&u->used, &one->link);
    u->n++;
    return one;
}

static bool fits(const struct usage *one, uint64_t octets, uint64_t letters,
                 struct usage_limits limits)
{
    return (!limits.octets ||
            (octets <= limits.octets && one->now.octets <= limits.octets - octets)) &&
           (!limits.letters ||
            (letters <= limits.letters && one->now.letters <= limits.letters - letters));
}

/* Counting may take long, so the lock is not held: what others add meanwhile is in the listing,
 * or is counted the next time. */
static int count(struct usages *u, int root, struct str maildir, uint64_t now_ms,
                 struct err *err)
{
    char *path = strndup(maildir.p, maildir.n);
    struct quota_usage counted;

    if (!path)
        abort();
    int r = quota_count(root, path, &counted, err);
    free(path);
    pthread_mutex_lock(&u->lock);
    struct usage *one = find(u, maildir);
    if (!one)
        one = add(u, maildir);
    if (r == 0) {
        one->now = counted;
        one->counted_ms = now_ms;
    }
    pthread_mutex_unlock(&u->lock);
    return r;
}

enum answer { FITS, COUNT, FULL };

static enum answer try(struct usages *u, struct str maildir, uint64_t octets, uint64_t letters,
                       struct usage_limits limits, uint64_t now_ms)
{
    pthread_mutex_lock(&u->lock);
    struct usage *one = find(u, maildir);
    uint64_t age = one ? now_ms - one->counted_ms : 0;
    enum answer a = !one || !one->counted_ms || age > USAGE_FRESH_MS ? COUNT
                    : fits(one, octets, letters, limits)             ? FITS
                    : age > USAGE_RECOUNT_MS                         ? COUNT
                                                                     : FULL;
    if (a == FITS) {
        one->now.octets += octets;
        one->now.letters += letters;
    }
    pthread_mutex_unlock(&u->lock);
    return a;
}

int usages_reserve(struct usages *u, int root, struct str maildir, uint64_t octets,
                   uint64_t letters, struct usage_limits limits, struct err *err)
{
    uint64_t now = clock_steady_ms();

    if (!limits.octets && !limits.letters)
        return 0;
    enum answer a = try(u, maildir, octets, letters, limits, now);
    if (a == COUNT) {
        int r = count(u, root, maildir, now, err);

        if (r < 0)
            return r;
        a = try(u, maildir, octets, letters, limits, now);
    }
    return a == FITS ? 0 : err_set(err, E_NO_SPACE, "the mailbox is full");
}

void usages_give_back(struct usages *u, struct str maildir, uint64_t octets, uint64_t letters)
{
    pthread_mutex_lock(&u->lock);
    struct usage *one = find(u, maildir);
    if (one) {
        one->now.octets -= octets < one->now.octets ? octets : one->now.octets;
        one->now.letters -= letters < one->now.letters ? letters : one->now.letters;
    }
    pthread_mutex_unlock(&u->lock);
}
