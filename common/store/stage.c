#include "store/stage.h"

#include "store/heading.h"
#include "store/lines.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

void stage_block_init(struct stage_block *b)
{
    b->p = malloc(STAGE_HEADING_BYTES);
    if (!b->p)
        abort();
}

void stage_block_done(struct stage_block *b)
{
    free(b->p);
    b->p = NULL;
}

int stage_os_error(struct err *err, const char *what)
{
    int e = errno;
    int code = err_os(err, "%s", what);

    if (e != ENOSPC && e != EDQUOT)
        return code;
    if (err)
        err->code = E_NO_SPACE;
    return E_NO_SPACE;
}

/* The octets of the letter from `at` on, n of them. */
static int read_source(const struct delivery *d, uint64_t at, char *to, size_t n,
                       struct err *err)
{
    size_t have = 0;

    if (d->source < 0) {
        memcpy(to, d->text.p + at, n);
        return 0;
    }
    while (have < n) {
        ssize_t r = pread(d->source, to + have, n - have, (off_t)(d->source_at + at + have));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_os(err, "read the letter");
        if (r == 0)
            return err_set(err, E_CORRUPT, "the letter is shorter than it was said to be");
        have += (size_t)r;
    }
    return 0;
}

static int write_both(int fd, struct str top, struct str body, struct err *err)
{
    while (top.n || body.n) {
        struct iovec parts[2] = {
            {(void *)(uintptr_t)top.p,  top.n },
            {(void *)(uintptr_t)body.p, body.n}
        };
        ssize_t r = top.n ? writev(fd, parts, 2) : write(fd, body.p, body.n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return stage_os_error(err, "write the letter");
        size_t done = (size_t)r < top.n ? (size_t)r : top.n;
        top = str_skip(top, done);
        body = str_skip(body, (size_t)r - done);
    }
    return 0;
}

struct str deliver_top(const struct delivery *d, char to[DELIVER_TOP_BYTES])
{
    int n = snprintf(to, DELIVER_TOP_BYTES, "Return-Path: <%.*s>\nDelivered-To: %.*s\n",
                     STR_ARGS(d->reverse_path), STR_ARGS(d->delivered_to));

    return (struct str){to, n < DELIVER_TOP_BYTES ? (size_t)n : DELIVER_TOP_BYTES - 1};
}

static int write_part(int fd, struct str top, struct str body, struct stage_size *s,
                      struct err *err)
{
    s->size += top.n + body.n;
    s->vsize += top.n + body.n + lines_lf(top) + lines_lf(body);
    return write_both(fd, top, body, err);
}

int stage_write(int fd, const struct delivery *d, struct stage_block *b, struct stage_size *out,
                struct err *err)
{
    char top[DELIVER_TOP_BYTES];
    struct stage_size s = {0};
    size_t n = d->size < STAGE_HEADING_BYTES ? (size_t)d->size : STAGE_HEADING_BYTES;
    uint64_t at = n;
    bool loop;
    int r = read_source(d, 0, b->p, n, err);

    if (r < 0)
        return r;
    n = heading_clean(b->p, n, d->delivered_to, &loop);
    if (loop)
        return err_set(err, E_LOOP, "this letter has been delivered to %.*s before",
                       STR_ARGS(d->delivered_to));
    r = write_part(fd, deliver_top(d, top), (struct str){b->p, n}, &s, err);
    while (r == 0 && at < d->size) {
        n = d->size - at < STAGE_CHUNK_BYTES ? (size_t)(d->size - at) : STAGE_CHUNK_BYTES;
        r = read_source(d, at, b->p, n, err);
        if (r == 0)
            r = write_part(fd, STR(""), (struct str){b->p, n}, &s, err);
        at += n;
    }
    if (r == 0)
        *out = s;
    return r;
}
