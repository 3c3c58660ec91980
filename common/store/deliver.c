/*
 * The order of writes for one letter, what a crash after each leaves, and why that is harmless:
 *
 *   begin_item    .deliver/ID.USER is made    nothing, or a torn file with one link:
 *   write_item    and written                   thrown away on redelivery, or swept when
 *   flush_item    its bytes are durable         the spool letter has gone
 *   (all)         its entry is durable        the same
 *   link_item     a second link in new/       two links; one again after a power cut
 *   (all)         that is durable             delivered: its two links say so
 *   witness_item  it becomes ID.USER.done     either name says so; .done also when the
 *   (all)         that is durable               user has deleted the letter
 *
 * Then 250 is answered, and the queue may forget the letter. Each "(all)" is one flush for the
 * batch. The entry in .deliver is flushed before the link is made, as otherwise a power cut
 * could keep the link and lose its witness.
 *
 * A letter without an id of the queue needs no witness: its staged file is renamed into new/,
 * or had no name and gets its first one there.
 *
 * Two threads never work on one letter for one user at once (claims): the one that comes second
 * waits and then finds .done. Two processes are kept apart by a lock.
 */
#include "store/deliver.h"

#include "base/defer.h"
#include "base/list.h"
#include "store/dir.h"
#include "store/places.h"
#include "store/stage.h"
#include "store/witness.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>

#define DELIVER_DIR "mail/.deliver"

enum { DELIVER_BLOCKS = 4 }; /* kept for the next batch */

struct deliver {
    int root, dir; /* dir is locked */
    struct places *places;
    struct witnesses *witnesses;
    pthread_mutex_t lock; /* over all below */
    char host[NAME_HOST_BYTES + 1];
    pthread_cond_t released;
    struct list claims;
    struct stage_block blocks[DELIVER_BLOCKS];
    unsigned nblocks;
};

enum item_state {
    ITEM_FAILED,
    ITEM_STAGED,    /* a whole file in .deliver, which is ours   */
    ITEM_LINKED,    /* and in new/                               */
    ITEM_TWO_LINKS, /* found so: delivered, perhaps not durably  */
    ITEM_DONE,      /* found as .done, perhaps not durably       */
};

struct item {
    struct list claim; /* in deliver.claims */
    struct delivery *d;
    struct place *place;
    enum item_state state;
    int fd; /* until it is flushed */
    bool reserved;
    struct stage_size size;
    char staged[WITNESS_NAME_BYTES];
};

/* ---- opening ---- */

static int open_dirs(struct deliver *d, const char *state_dir, struct err *err)
{
    struct stat above, here;

    d->root = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->root < 0)
        return err_os(err, "open %s", state_dir);
    int r = dir_make(d->root, "mail", err);
    DEFER(close_fd) int mail = r < 0 ? r : dir_open(d->root, "mail", err);
    if (mail < 0)
        return mail;
    r = dir_make(mail, ".deliver", err);
    d->dir = r < 0 ? r : dir_open(mail, ".deliver", err);
    if (d->dir < 0)
        return d->dir;
    if (fstat(d->dir, &here) < 0 || fstat(mail, &above) < 0)
        return err_os(err, "look at %s/mail", state_dir);
    if (here.st_dev != above.st_dev)
        return err_set(err, -EXDEV, "%s/%s is not on the file system of mail/", state_dir,
                       DELIVER_DIR);
    return 0;
}

/* On the directory: nothing is left of it when the process is gone. */
static int take_lock(struct deliver *d, struct err *err)
{
    if (flock(d->dir, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, E_BUSY,
                       "another process delivers here (" DELIVER_DIR " is locked)");
    return err_os(err, "lock " DELIVER_DIR);
}

void deliver_set_host(struct deliver *d, const char *hostname)
{
    struct buf host;

    buf_init(&host, sizeof(d->host) - 1);
    name_host(&host, str_c(hostname));
    pthread_mutex_lock(&d->lock);
    memcpy(d->host, buf_str(&host).p, buf_str(&host).n);
    d->host[buf_str(&host).n] = '\0';
    pthread_mutex_unlock(&d->lock);
    buf_done(&host);
}

struct deliver *deliver_open(const char *state_dir, const char *hostname, struct err *err)
{
    struct deliver *d = calloc(1, sizeof(*d));

    if (!d)
        abort();
    d->root = d->dir = -1;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->released, NULL);
    list_init(&d->claims);
    deliver_set_host(d, hostname);
    if (open_dirs(d, state_dir, err) < 0 || take_lock(d, err) < 0) {
        deliver_close(d);
        return NULL;
    }
    d->places = places_new(d->root);
    d->witnesses = witnesses_new(d->dir, err);
    if (!d->witnesses) {
        deliver_close(d);
        return NULL;
    }
    return d;
}

void deliver_close(struct deliver *d)
{
    if (!d)
        return;
    witnesses_free(d->witnesses);
    places_free(d->places);
    while (d->nblocks > 0)
        stage_block_done(&d->blocks[--d->nblocks]);
    close_fd(&d->dir);
    close_fd(&d->root);
    pthread_cond_destroy(&d->released);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static struct stage_block take_block(struct deliver *d)
{
    struct stage_block b = {0};

    pthread_mutex_lock(&d->lock);
    if (d->nblocks > 0)
        b = d->blocks[--d->nblocks];
    pthread_mutex_unlock(&d->lock);
    if (!b.p)
        stage_block_init(&b);
    return b;
}

static void give_block(struct deliver *d, struct stage_block *b)
{
    pthread_mutex_lock(&d->lock);
    bool kept = d->nblocks < DELIVER_BLOCKS;
    if (kept)
        d->blocks[d->nblocks++] = *b;
    pthread_mutex_unlock(&d->lock);
    if (!kept)
        stage_block_done(b);
}

/* ---- one item ---- */

static void close_staged(struct item *it)
{
    if (it->fd >= 0 && !it->d->in_place)
        close(it->fd);
    it->fd = -1;
}

/* The letter is given up here: nothing of it stays, and the queue tries again. */
static void fail(struct deliver *d, struct item *it, int code)
{
    close_staged(it);
    if (it->state == ITEM_STAGED && !it->d->in_place)
        unlinkat(d->dir, it->staged, 0);
    if (it->reserved)
        places_give_back(d->places, it->place, it->d->size);
    it->reserved = false;
    it->state = ITEM_FAILED;
    it->d->result = code;
}

static bool is_done(struct deliver *d, const struct item *it)
{
    char done[WITNESS_NAME_BYTES];

    witness_name(done, &it->d->id, it->d->user.id, true);
    return faccessat(d->dir, done, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* -EEXIST with two links: delivered. With one: torn, or never linked, so it goes and comes
 * again. */
static int create(struct deliver *d, struct item *it)
{
    enum { FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC };
    struct stat st;

    it->fd = openat(d->dir, it->staged, FLAGS, 0600);
    if (it->fd >= 0 || errno != EEXIST)
        return it->fd < 0 ? stage_os_error(&it->d->err, "make a staged file") : 0;
    if (fstatat(d->dir, it->staged, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_os(&it->d->err, "look at a staged file");
    if (st.st_nlink > 1)
        return -EEXIST;
    if (unlinkat(d->dir, it->staged, 0) < 0)
        return err_os(&it->d->err, "throw a staged file away");
    it->fd = openat(d->dir, it->staged, FLAGS, 0600);
    return it->fd < 0 ? stage_os_error(&it->d->err, "make a staged file") : 0;
}

static int take_source(struct item *it)
{
    const struct delivery *in = it->d;

    it->fd = in->source;
    it->size.size = in->source_at + in->size;
    it->size.vsize = it->size.size + in->lf;
    return 0;
}

static void begin_item(struct deliver *d, struct item *it)
{
    struct delivery *in = it->d;
    int r;

    witness_name(it->staged, &in->id, in->user.id, false);
    if (in->staged && is_done(d, it)) {
        it->state = ITEM_DONE;
        return;
    }
    r = places_get(d->places, &in->user, &it->place, &in->err);
    if (r < 0) {
        fail(d, it, r);
        return;
    }
    r = in->in_place ? take_source(it) : create(d, it);
    if (r == -EEXIST) {
        it->state = ITEM_TWO_LINKS;
        return;
    }
    if (r < 0) {
        fail(d, it, r);
        return;
    }
    it->state = ITEM_STAGED;
    r = places_reserve(d->places, it->place, &in->user, in->size, &in->err);
    if (r < 0) {
        in->over_quota = r == E_NO_SPACE;
        fail(d, it, r);
        return;
    }
    it->reserved = in->user.quota_bytes || in->user.quota_letters;
}

static void write_item(struct deliver *d, struct item *it, struct stage_block *block)
{
    int r = stage_write(it->fd, it->d, block, &it->size, &it->d->err);

    if (r < 0)
        fail(d, it, r);
}

/* The disk begins with all files of a batch, so that the flushes, one after another, wait for
 * what is done already. It promises nothing, but what goes wrong here may be told only once. */
static void start_flushing(struct deliver *d, struct item *items, unsigned n)
{
    for (unsigned i = 0; i < n && n > 1; i++)
        if (items[i].state == ITEM_STAGED && fs_start_flush(items[i].fd) < 0)
            fail(d, &items[i], stage_os_error(&items[i].d->err, "flush the letter"));
}

/* A flush that failed is final: nobody knows what became of the bytes. */
static void flush_item(struct deliver *d, struct item *it)
{
    int r = fdatasync(it->fd) < 0 ? stage_os_error(&it->d->err, "flush the letter") : 0;

    close_staged(it);
    if (r < 0)
        fail(d, it, r);
}

static void set_name(struct deliver *d, struct item *it)
{
    struct buf name;

    buf_init(&name, NAME_BYTES);
    pthread_mutex_lock(&d->lock);
    name_new(&name, &it->d->id, str_c(d->host), it->size.size, it->size.vsize);
    pthread_mutex_unlock(&d->lock);
    memcpy(it->d->name, buf_str(&name).p, buf_str(&name).n);
    it->d->name[buf_str(&name).n] = '\0';
    buf_done(&name);
    it->d->stored = it->size.size;
}

static int put_into_new(struct deliver *d, struct item *it)
{
    int to = place_new_dir(it->place);
    char source[64];

    if (it->d->in_place) {
        snprintf(source, sizeof(source), "/proc/self/fd/%d", it->d->source);
        return linkat(AT_FDCWD, source, to, it->d->name, AT_SYMLINK_FOLLOW);
    }
    if (it->d->staged)
        return linkat(d->dir, it->staged, to, it->d->name, 0);
    return renameat(d->dir, it->staged, to, it->d->name);
}

/* The Maildir may have been removed since its directory was opened: then it is made again,
 * once. */
static void link_item(struct deliver *d, struct item *it)
{
    set_name(d, it);
    int r = put_into_new(d, it);

    if (r < 0 && errno == ENOENT) {
        struct place *again;

        places_forget(d->places, it->place);
        r = places_get(d->places, &it->d->user, &again, &it->d->err);
        if (r < 0) {
            fail(d, it, r);
            return;
        }
        places_put(d->places, it->place);
        it->place = again;
        r = put_into_new(d, it);
    }
    /* EEXIST: the name holds the letter's id, so it is this letter, whose witness has been lost
     */
    if (r < 0 && errno != EEXIST)
        fail(d, it, stage_os_error(&it->d->err, "link the letter into new/"));
    else
        it->state = ITEM_LINKED;
}

/* The flush of new/ failed: the letter is taken back where that is still possible. Where the
 * user has moved it meanwhile, its two links stay and say so to the next attempt. */
static void unlink_item(struct deliver *d, struct item *it, int code)
{
    if (unlinkat(place_new_dir(it->place), it->d->name, 0) == 0 && it->d->staged)
        it->state = ITEM_STAGED;
    fail(d, it, code);
}

static void witness_item(struct deliver *d, struct item *it)
{
    char done[WITNESS_NAME_BYTES];

    if (!it->d->staged || it->state == ITEM_DONE)
        return;
    witness_name(done, &it->d->id, it->d->user.id, true);
    if (renameat(d->dir, it->staged, d->dir, done) < 0) {
        it->state = ITEM_TWO_LINKS; /* which stay */
        it->reserved = false;
        fail(d, it, err_os(&it->d->err, "rename a staged file"));
    }
}

/* ---- a batch ---- */

static bool any(struct item *items, unsigned n, enum item_state state, bool staged_only)
{
    for (unsigned i = 0; i < n; i++)
        if (items[i].state == state && (items[i].d->staged || !staged_only))
            return true;
    return false;
}

static void fail_all(struct deliver *d, struct item *items, unsigned n, enum item_state state,
                     const char *what)
{
    int e = errno;

    for (unsigned i = 0; i < n; i++) {
        if (items[i].state != state || !items[i].d->staged)
            continue;
        errno = e;
        fail(d, &items[i], stage_os_error(&items[i].d->err, what));
    }
}

static void stage_all(struct deliver *d, struct item *items, unsigned n)
{
    struct stage_block block = take_block(d);

    for (unsigned i = 0; i < n; i++) {
        begin_item(d, &items[i]);
        if (items[i].state == ITEM_STAGED && !items[i].d->in_place)
            write_item(d, &items[i], &block);
    }
    give_block(d, &block);
    start_flushing(d, items, n);
    for (unsigned i = 0; i < n; i++)
        if (items[i].state == ITEM_STAGED)
            flush_item(d, &items[i]);
    if (any(items, n, ITEM_STAGED, true) && fsync(d->dir) < 0)
        fail_all(d, items, n, ITEM_STAGED, "flush " DELIVER_DIR);
}

/* Each new/ once, at the first item that is in it. */
static void flush_place(struct deliver *d, struct item *items, unsigned n, unsigned first)
{
    int fd = place_new_dir(items[first].place), e;

    for (unsigned i = 0; i < first; i++)
        if (items[i].state == ITEM_LINKED && items[i].place == items[first].place)
            return;
    if (fsync(fd) == 0)
        return;
    e = errno;
    for (unsigned i = n; i-- > first;) {
        if (items[i].state != ITEM_LINKED || items[i].place != items[first].place)
            continue;
        errno = e;
        unlink_item(d, &items[i], stage_os_error(&items[i].d->err, "flush new/"));
    }
}

static void link_all(struct deliver *d, struct item *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (items[i].state == ITEM_STAGED)
            link_item(d, &items[i]);
    for (unsigned i = 0; i < n; i++)
        if (items[i].state == ITEM_LINKED)
            flush_place(d, items, n, i);
    /* wherever the user has moved it */
    if (any(items, n, ITEM_TWO_LINKS, true) && syncfs(d->dir) < 0)
        fail_all(d, items, n, ITEM_TWO_LINKS, "flush the mailbox");
}

static void witness_all(struct deliver *d, struct item *items, unsigned n)
{
    bool flush = false;
    int e = 0;

    for (unsigned i = 0; i < n; i++) {
        if (items[i].state != ITEM_FAILED)
            witness_item(d, &items[i]);
        flush |= items[i].state != ITEM_FAILED && items[i].d->staged;
    }
    if (flush && fsync(d->dir) < 0)
        e = errno;
    for (unsigned i = 0; i < n; i++) {
        struct item *it = &items[i];

        if (it->state == ITEM_FAILED)
            continue;
        it->d->again = it->state != ITEM_LINKED;
        if (it->d->staged && it->state != ITEM_DONE)
            witnesses_add(d->witnesses, &it->d->id, it->d->user.id);
        errno = e;
        it->d->result =
            e && it->d->staged ? stage_os_error(&it->d->err, "flush " DELIVER_DIR) : 0;
    }
}

/* ---- claims ---- */

static bool same(const struct delivery *a, const struct delivery *b)
{
    return a->user.id == b->user.id && str_eq(id_str(&a->id), id_str(&b->id));
}

static bool claimed(struct deliver *d, const struct delivery *in)
{
    LIST_EACH(&d->claims, at)
    if (same(LIST_OF(at, struct item, claim)->d, in))
        return true;
    return false;
}

/* As many of the batch as nobody works on, at least one; the others are moved to its end. */
static unsigned claim(struct deliver *d, struct delivery **batch, unsigned n,
                      struct item *items)
{
    unsigned got = 0;

    pthread_mutex_lock(&d->lock);
    while (got == 0) {
        for (unsigned i = 0; i < n; i++) {
            struct delivery *in = batch[i];

            if (claimed(d, in))
                continue;
            batch[i] = batch[got];
            batch[got] = in;
            items[got] = (struct item){.d = in, .fd = -1};
            list_append(&d->claims, &items[got].claim);
            got++;
        }
        if (got == 0)
            pthread_cond_wait(&d->released, &d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return got;
}

static void release(struct deliver *d, struct item *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (items[i].place)
            places_put(d->places, items[i].place);
    pthread_mutex_lock(&d->lock);
    for (unsigned i = 0; i < n; i++)
        list_remove(&items[i].claim);
    pthread_cond_broadcast(&d->released);
    pthread_mutex_unlock(&d->lock);
}

void deliver_batch(struct deliver *d, struct delivery **batch, unsigned n)
{
    DEFER(free_mem) struct item *items = calloc(n ? n : 1, sizeof(*items));
    DEFER(free_mem) struct delivery **left = calloc(n ? n : 1, sizeof(struct delivery *));

    if (!items || !left)
        abort();
    for (unsigned i = 0; i < n; i++) {
        left[i] = batch[i];
        left[i]->result = 0;
        left[i]->again = left[i]->over_quota = false;
        left[i]->name[0] = '\0';
        left[i]->stored = 0;
    }
    for (unsigned at = 0; at < n;) {
        unsigned got = claim(d, left + at, n - at, items);

        stage_all(d, items, got);
        link_all(d, items, got);
        witness_all(d, items, got);
        release(d, items, got);
        at += got;
    }
}

bool deliver_full(struct deliver *d, const struct user *user, uint64_t octets)
{
    return places_full(d->places, user, octets);
}

/* Unnamed from the start, or named for a moment: a file that had a name and lost it cannot get
 * another. */
int deliver_temporary(struct deliver *d, bool *linkable, struct err *err)
{
    struct id id;
    char name[WITNESS_NAME_BYTES];
    int fd = openat(d->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    *linkable = fd >= 0 && access("/proc/self/fd", X_OK) == 0;
    if (fd >= 0)
        return fd;
    if (errno != EOPNOTSUPP && errno != EISDIR)
        return stage_os_error(err, "make a temporary file");
    clock_new_id(&id);
    witness_name(name, &id, 0, false);
    fd = openat(d->dir, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return stage_os_error(err, "make a temporary file");
    unlinkat(d->dir, name, 0);
    return fd;
}

int deliver_sweep(struct deliver *d, struct spool *s, unsigned max)
{
    return (int)witnesses_sweep(d->witnesses, s, max);
}

unsigned deliver_unswept(struct deliver *d)
{
    return witnesses_count(d->witnesses);
}
