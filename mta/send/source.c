#include "mta/send/source.h"

#include "base/defer.h"
#include "mail/recode.h"
#include "sys/fs.h"
#include "wire/dot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct source *source_new(void)
{
    struct source *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->holders = 1;
    s->fd = -1;
    buf_init(&s->text, SOURCE_MEMORY_BYTES);
    return s;
}

struct source *source_hold(struct source *s)
{
    s->holders++;
    return s;
}

void source_release(struct source *s)
{
    if (!s || --s->holders > 0)
        return;
    close_fd(&s->fd);
    buf_done(&s->text);
    free(s);
}

ssize_t source_read(const struct source *s, uint64_t at, char *to, size_t room)
{
    ssize_t n;

    if (s->fd < 0) {
        struct str rest = str_skip(buf_str(&s->text), (size_t)at);

        rest = str_first(rest, room);
        memcpy(to, rest.n ? rest.p : "", rest.n);
        return (ssize_t)rest.n;
    }
    do
        n = pread(s->fd, to, room, (off_t)at);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* ---- made into seven bits ---- */

struct writing {
    struct source *to;
    int cache;
    struct err err;
};

static int begin_file(struct writing *w)
{
    struct source *s = w->to;

    if (w->cache < 0)
        return err_set(&w->err, E_UNAVAILABLE, "there is no cache/send");
    s->fd = openat(w->cache, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return err_os(&w->err, "make a file in cache/send");
    int r = fs_write_all(s->fd, buf_str(&s->text), &w->err);
    buf_done(&s->text);
    return r;
}

static void write_piece(void *arg, struct str piece)
{
    struct writing *w = arg;
    struct source *s = w->to;

    if (w->err.code)
        return;
    s->size += piece.n;
    s->wire_size += wire_size(piece);
    if (s->fd < 0 && s->size <= SOURCE_MEMORY_BYTES)
        buf_add(&s->text, piece);
    else if (s->fd >= 0 || begin_file(w) == 0)
        fs_write_all(s->fd, piece, &w->err);
}

static struct source *convert(const struct source_wish *w, struct str letter, struct err *err)
{
    struct writing writing = {.to = source_new(), .cache = w->cache};
    struct recode_out out = {write_piece, &writing};

    if (!recode_7bit(letter, &out) && writing.err.code == 0)
        err_set(&writing.err, E_SYNTAX, "the letter cannot be made into seven bits");
    if (writing.err.code == 0)
        return writing.to;
    source_release(writing.to);
    *err = writing.err;
    return NULL;
}

/* ---- as it is ---- */

/* Not mapped: a disk that cannot read it would end the process, and every other delivery (X08).
 */
static int load(int fd, uint64_t size, struct buf *to, struct err *err)
{
    buf_init(to, size);
    while (to->n < size) {
        ssize_t n = read(fd, buf_room(to, size - to->n), size - to->n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            buf_done(to);
            return n < 0 ? err_os(err, "read the spool file")
                         : err_set(err, E_CORRUPT, "the spool file ends too early");
        }
        buf_grown(to, (size_t)n);
    }
    return 0;
}

/* Takes `letter`; `fd` where it is long, which then is read as it goes. */
static struct source *as_it_is(const struct source_wish *w, int *fd, struct buf *letter)
{
    struct source *s = source_new();

    s->size = w->size;
    s->wire_size = w->wire_size ? w->wire_size : wire_size(buf_str(letter));
    if (w->size <= SOURCE_MEMORY_BYTES) {
        s->text = *letter;
        return s;
    }
    buf_done(letter);
    s->fd = *fd;
    *fd = -1;
    return s;
}

struct source *source_open(const struct source_wish *w, struct err *err)
{
    uint64_t size = 0;
    DEFER(close_fd) int fd = spool_read(w->spool, &w->id, &size, err);
    struct buf letter;
    struct source *s;

    if (fd < 0)
        return NULL;
    if (size != w->size) {
        err_set(err, E_CORRUPT, "the spool file has %llu octets, not %llu",
                (unsigned long long)size, (unsigned long long)w->size);
        return NULL;
    }
    bool all = w->always || w->seven_bits || size <= SOURCE_MEMORY_BYTES || w->wire_size == 0;
    if (load(fd, all ? size : 0, &letter, err) < 0)
        return NULL;
    if (!w->always && !(w->seven_bits && recode_is_8bit(buf_str(&letter))))
        return as_it_is(w, &fd, &letter);
    s = convert(w, buf_str(&letter), err);
    buf_done(&letter);
    return s;
}
