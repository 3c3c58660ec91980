/*
 * The open indexes of a process. A handle is with one thread, or idle:
 *
 *   index_open() ──▶ taken ──mailboxes_give()──▶ idle ──mailboxes_rest(), too many──▶ closed
 *                      ▲                          │
 *                      └──── mailboxes_take() ────┘ closed where the file is another by now
 */
#include "store/mailbox_impl.h"

#include "base/defer.h"
#include "store/change.h"
#include "store/index_sql.h"
#include "store/mailboxes_impl.h"
#include "store/reserve.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <fcntl.h>

static void read_boot(char to[MAILBOXES_BOOT_BYTES])
{
    DEFER(close_fd) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, MAILBOXES_BOOT_BYTES - 1);

    to[n > 0 ? n : 0] = '\0';
    for (char *p = to; *p; p++)
        if (*p == '\n')
            *p = '\0';
}

static char *copy_of(const char *s)
{
    char *p = strdup(s);

    if (!p)
        abort();
    return p;
}

struct mailboxes *mailboxes_new(const char *state_dir, const char *run_dir,
                                const char *hostname)
{
    struct mailboxes *all = calloc(1, sizeof(*all));

    if (!all)
        abort();
    all->state_dir = copy_of(state_dir);
    all->root = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pthread_mutex_init(&all->lock, NULL);
    pthread_mutex_init(&all->telling, NULL);
    list_init(&all->idle);
    buf_init(&all->host, NAME_BYTES);
    name_host(&all->host, str_c(hostname));
    all->changes = changes_new(run_dir);
    all->usages = usages_new();
    read_boot(all->boot);
    random_bytes(all->secret, sizeof(all->secret));
    return all;
}

static void close_idle(struct mailboxes *all, struct index *x)
{
    if (x) {
        index_rest(x, all->root, x->maildir);
        index_reserve(all->root, x->maildir);
    }
    index_close(x);
}

void mailboxes_free(struct mailboxes *all)
{
    if (!all)
        return;
    LIST_EACH(&all->idle, at)
    index_close(LIST_OF(at, struct index, list));
    changes_free(all->changes);
    usages_free(all->usages);
    pthread_mutex_destroy(&all->lock);
    pthread_mutex_destroy(&all->telling);
    buf_done(&all->host);
    close_fd(&all->root);
    free(all->state_dir);
    free(all);
}

int mailboxes_root(struct mailboxes *all, struct err *err)
{
    pthread_mutex_lock(&all->lock);
    if (all->root < 0)
        all->root = open(all->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = all->root < 0 ? err_os(err, "open %s", all->state_dir) : all->root;
    pthread_mutex_unlock(&all->lock);
    return fd;
}

struct str mailboxes_host(const struct mailboxes *all)
{
    return buf_str(&all->host);
}

struct usages *mailboxes_usages(struct mailboxes *all)
{
    return all->usages;
}

/* ---- handles ---- */

/* Under the lock. */
static struct index *take_idle(struct mailboxes *all, struct str maildir)
{
    for (struct list *at = all->idle.prev; at != &all->idle; at = at->prev) {
        struct index *x = LIST_OF(at, struct index, list);

        if (str_eq(str_c(x->maildir), maildir)) {
            list_remove(&x->list);
            return x;
        }
    }
    return NULL;
}

/* Under the lock: one that may be closed so that another can be opened. */
static struct index *one_too_many(struct mailboxes *all)
{
    if (all->open < MAILBOXES_INDEXES || list_empty(&all->idle))
        return NULL;
    struct index *x = LIST_OF(all->idle.next, struct index, list);

    list_remove(&x->list);
    all->open--;
    return x;
}

static void print_path(struct buf *out, const struct mailboxes *all, struct str maildir)
{
    buf_init(out, MAILBOXES_PATH_BYTES);
    buf_addf(out, "%s/%.*s", all->state_dir, STR_ARGS(maildir));
}

static void count_open(struct mailboxes *all, unsigned more)
{
    pthread_mutex_lock(&all->lock);
    all->open += more;
    pthread_mutex_unlock(&all->lock);
}

static int open_one(struct mailboxes *all, struct str maildir, struct index **out,
                    struct err *err)
{
    struct buf path;

    print_path(&path, all, maildir);
    int r = buf_failed(&path) ? err_set(err, E_LIMIT, "the path of a mailbox is too long")
                              : index_open(buf_c(&path), out, err);
    buf_done(&path);
    if (r == 0 && (r = index_work(*out, err)) < 0)
        index_close(*out);
    if (r < 0)
        return r;
    (*out)->maildir = strndup(maildir.p, maildir.n);
    if (!(*out)->maildir)
        abort();
    list_init(&(*out)->list);
    index_reserve(all->root, (*out)->maildir);
    count_open(all, 1);
    return 0;
}

static void close_one(struct mailboxes *all, struct index *x)
{
    index_close(x);
    count_open(all, -1u);
}

bool mailboxes_current(struct mailboxes *all, const struct index *x)
{
    return index_is_current(x, all->root, x->maildir);
}

int mailboxes_take(struct mailboxes *all, struct str maildir, struct index **out,
                   struct err *err)
{
    int root = mailboxes_root(all, err);

    if (root < 0)
        return root;
    for (;;) {
        pthread_mutex_lock(&all->lock);
        struct index *x = take_idle(all, maildir), *old = x ? NULL : one_too_many(all);
        pthread_mutex_unlock(&all->lock);
        close_idle(all, old);
        if (!x)
            return open_one(all, maildir, out, err);
        if (mailboxes_current(all, x)) {
            *out = x;
            return 0;
        }
        close_one(all, x);
    }
}

void mailboxes_give(struct mailboxes *all, struct index *x, int result)
{
    index_rollback(x);
    if (result == E_CORRUPT) {
        struct buf path;

        print_path(&path, all, str_c(x->maildir));
        index_delete_this(buf_c(&path), x);
        buf_done(&path);
        close_one(all, x);
        return;
    }
    if (result == E_NO_SPACE)
        index_make_room(x);
    x->idle_since_ms = clock_steady_ms();
    pthread_mutex_lock(&all->lock);
    list_append(&all->idle, &x->list);
    pthread_mutex_unlock(&all->lock);
}

void mailboxes_rest(struct mailboxes *all, uint64_t now_ms)
{
    for (;;) {
        struct index *x = NULL;

        pthread_mutex_lock(&all->lock);
        if (!list_empty(&all->idle)) {
            x = LIST_OF(all->idle.next, struct index, list);
            if (now_ms < x->idle_since_ms + MAILBOXES_IDLE_MS) {
                x = NULL;
            } else {
                list_remove(&x->list);
                all->open--;
            }
        }
        pthread_mutex_unlock(&all->lock);
        if (!x)
            return;
        close_idle(all, x);
    }
}

void mailboxes_keep_reserve(struct mailboxes *all)
{
    int root = mailboxes_root(all, NULL);

    if (root >= 0)
        reserve_keep(root);
}

bool mailboxes_spend_reserve(struct mailboxes *all, struct str maildir)
{
    int root = mailboxes_root(all, NULL);

    if (root < 0 || !reserve_spend(root))
        return false;
    log_event(LOG_WARN, NULL, "disk-full",
              "%.*s could not be opened; " RESERVE_FILE " gave way", STR_ARGS(maildir));
    return true;
}

void mailboxes_found_damage(struct mailboxes *all)
{
    all->damaged++;
}

uint64_t mailboxes_damaged(const struct mailboxes *all)
{
    return all->damaged;
}

void mailboxes_tell(struct mailboxes *all, struct str maildir, struct str folder,
                    uint64_t modseq)
{
    struct change c = {.maildir = maildir, .folder = folder, .modseq = modseq};

    pthread_mutex_lock(&all->telling);
    changes_tell(all->changes, &c, clock_steady_ms());
    pthread_mutex_unlock(&all->telling);
}
