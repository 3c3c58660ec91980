#include "pop3d/letters.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void letters_init(struct letters *l, struct popbox *box)
{
    *l = (struct letters){.box = box, .fd = -1, .next = UINT32_MAX};
}

void letters_end(struct letters *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static void forget(struct letters *l)
{
    free(l->block);
    l->block = NULL;
    l->used = l->nsmall = 0;
}

void letters_rest(struct letters *l)
{
    if (l->fd < 0 && (l->nsmall == 0 || l->next > l->small[l->nsmall - 1].letter))
        forget(l);
}

void letters_done(struct letters *l)
{
    letters_end(l);
    forget(l);
}

bool letters_have(struct letters *l, uint32_t i, struct str *text)
{
    for (unsigned k = 0; k < l->nsmall; k++)
        if (l->small[k].letter == i) {
            *text = (struct str){l->block + l->small[k].at, l->small[k].n};
            l->next = i + 1;
            return true;
        }
    return false;
}

/* Up to `room` bytes; fewer mean the end. */
static ssize_t read_at(int fd, char *to, size_t room, uint64_t offset)
{
    size_t n = 0;

    while (n < room) {
        ssize_t r = pread(fd, to + n, room - n, (off_t)(offset + n));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        n += (size_t)r;
    }
    return (ssize_t)n;
}

/* Reads a letter that ends within `room` behind what is in the block; 0 when it does not. */
static int read_small(struct letters *l, uint32_t i, size_t room)
{
    bool crlf;
    int fd = popbox_read(l->box, i, &crlf, NULL);

    if (fd < 0)
        return fd;
    ssize_t n = read_at(fd, l->block + l->used, room, 0);
    close(fd);
    if (n < 0 || (size_t)n == room)
        return n < 0 ? (int)n : 0;
    l->small[l->nsmall].letter = i;
    l->small[l->nsmall].at = l->used;
    l->small[l->nsmall].n = (size_t)n;
    l->nsmall++;
    l->used += (size_t)n;
    return 1;
}

static void read_ahead(struct letters *l, uint32_t i)
{
    while (l->nsmall < LETTERS_AHEAD && i < popbox_count(l->box) && l->used < LETTERS_BYTES &&
           read_small(l, i, LETTERS_BYTES - l->used) == 1)
        i++;
}

static int read_piece(struct letters *l, struct err *err)
{
    ssize_t n = read_at(l->fd, l->block, LETTERS_BYTES, l->offset);

    if (n < 0) {
        letters_end(l);
        return err_set(err, (int)n, "read a letter: %s", strerror((int)-n));
    }
    l->offset += (uint64_t)n;
    l->piece_n = (size_t)n;
    l->last = (size_t)n < LETTERS_BYTES;
    if (l->last)
        letters_end(l);
    return 0;
}

int letters_read(struct letters *l, uint32_t i, bool start, struct err *err)
{
    bool in_order = i == l->next, crlf;

    if (!start)
        return read_piece(l, err);
    letters_end(l);
    forget(l);
    l->block = malloc(LETTERS_BYTES);
    if (!l->block)
        abort();
    l->fd = popbox_read(l->box, i, &crlf, err);
    if (l->fd < 0)
        return l->fd;
    l->offset = 0;
    l->next = i + 1;
    int r = read_piece(l, err);
    if (r == 0 && in_order && l->last && l->piece_n < LETTERS_BYTES) {
        l->used = l->piece_n;
        read_ahead(l, i + 1);
    }
    return r;
}

struct str letters_piece(const struct letters *l, bool *last)
{
    *last = l->last;
    return (struct str){l->block, l->piece_n};
}
