#include "sys/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* Ids are made from a small store of random bytes, so that most cost no system call. It is each
 * thread's own, and a child of fork() forgets it: the same bytes must not name two letters. */
enum { STORE_BYTES = 256 }; /* getrandom() gives so many whole, signals or not */

static _Thread_local struct {
    uint8_t bytes[STORE_BYTES];
    size_t left;
} store;

static pthread_once_t store_once = PTHREAD_ONCE_INIT;

static uint64_t now_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t clock_wall_ms(void)
{
    return now_ms(CLOCK_REALTIME);
}

uint64_t clock_steady_ms(void)
{
    return now_ms(CLOCK_BOOTTIME);
}

void random_bytes(void *to, size_t n)
{
    char *p = to;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fputs("posta: the system gives no random bytes; ending\n", stderr);
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

static void store_forget(void)
{
    store.left = 0;
}

static void store_prepare(void)
{
    pthread_atfork(NULL, NULL, store_forget);
}

void clock_new_id(struct id *out)
{
    uint8_t random[8];

    pthread_once(&store_once, store_prepare);
    if (store.left < sizeof(random)) {
        random_bytes(store.bytes, sizeof(store.bytes));
        store.left = sizeof(store.bytes);
    }
    store.left -= sizeof(random);
    memcpy(random, store.bytes + store.left, sizeof(random));
    id_make(out, clock_wall_ms(), random);
}
