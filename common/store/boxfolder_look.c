/*
 * Has somebody changed the folder? The times of new/, cur/ and posta-folder say so, compared
 * with the row; all names are read where they differ.
 *
 *   mtime as in the row ──┬─ read long enough after it: settled, nothing to do
 *                         └─ read, or changed by ourselves, at about that time: unsettled
 *   mtime differs ───────▶ read
 *
 * The clock of mtimes advances in ticks (4 ms, on some file systems 2 s), and our own changes
 * move it on without a look at what others did in the same moment. So what another program
 * changed may hide behind an mtime that we know, until we read once more, LOOK_SETTLE_NS later.
 * new/ is small, so it is read each time until then. cur/ may be large: it is read once it has
 * been left alone so long, or has been unsettled for LOOK_LATEST_NS, and never more often than
 * takes two hundredths of the time.
 */
#include "store/boxfolder_look.h"

#include "base/defer.h"
#include "store/dir.h"
#include "sys/clock.h"

#include <time.h>

enum { LOOK_COST_FACTOR = 50 };
#define LOOK_SETTLE_NS INT64_C(2000000000)
#define LOOK_LATEST_NS INT64_C(20000000000)
#define LOOK_TICK_NS   INT64_C(20000000)

int64_t look_now(void)
{
    return (int64_t)clock_wall_ms() * 1000000;
}

/* One that lies ahead is from a clock that was set back: the next change has another. */
bool look_is_young(int64_t mtime, int64_t now)
{
    return mtime > now - LOOK_TICK_NS && mtime < now + LOOK_TICK_NS;
}

void look_wait(void)
{
    nanosleep(&(struct timespec){.tv_nsec = LOOK_TICK_NS}, NULL);
}

static bool unsettled(int64_t mtime, int64_t looked)
{
    return looked < mtime + LOOK_SETTLE_NS;
}

/* Also where the clock was set back. */
static bool passed(int64_t now, int64_t since, int64_t ns)
{
    return now >= since + ns || now < since - LOOK_LATEST_NS;
}

static bool cur_is_due(const struct folder_row *row, int64_t now)
{
    if (!unsettled(row->cur_at, row->cur_look) ||
        !passed(now, row->cur_look, LOOK_COST_FACTOR * row->cur_cost))
        return false;
    return passed(now, row->cur_at, LOOK_SETTLE_NS) ||
           passed(now, row->cur_look, LOOK_LATEST_NS);
}

/* posta-folder may be missing: then it has changed. */
static int look_at_file(struct boxfolder *f, struct look *l, struct err *err)
{
    struct stat st;
    int r = boxfolder_stat(f, FOLDER_FILE, &st, err);

    if (r < 0 && r != E_NOT_FOUND)
        return r;
    l->file = r < 0 || f->row.id == 0 || stat_ns(&st) != f->row.folder_at ||
              (int64_t)st.st_ino != f->row.folder_ino ||
              !str_eq(str_c(f->row.boot), str_c(f->all->boot));
    return 0;
}

static int look_at_new(struct boxfolder *f, struct look *l, struct err *err)
{
    struct stat st;
    int r = boxfolder_stat(f, "new", &st, err);

    if (r == E_NOT_FOUND) {
        l->missing = true;
        return 0;
    }
    if (r < 0)
        return r;
    l->new_at = stat_ns(&st);
    l->new = l->new_at != f->row.new_at;
    l->new_unsettled = !l->new &&unsettled(l->new_at, f->row.new_look);
    /* it has been quiet long enough: read it a last time and say so in the row */
    if (l->new_unsettled && passed(l->now, l->new_at, LOOK_SETTLE_NS))
        l->new = true;
    return 0;
}

int look_at(struct boxfolder *f, struct look *l, struct err *err)
{
    struct stat st;
    int r;

    *l = (struct look){.now = look_now()};
    if ((r = boxfolder_stat(f, ".", &st, err)) < 0)
        return r;
    l->dir = stat_ns(&st) != f->row.dir_at;
    if ((r = look_at_file(f, l, err)) < 0 || (r = look_at_new(f, l, err)) < 0)
        return r;
    r = boxfolder_stat(f, "cur", &st, err);
    if (r == E_NOT_FOUND) {
        l->missing = true;
        return 0;
    }
    if (r < 0)
        return r;
    l->cur_at = stat_ns(&st);
    l->cur = l->cur_at != f->row.cur_at || f->row.cur_look == 0 || cur_is_due(&f->row, l->now);
    return 0;
}

/* 1: there is a letter in new/. */
static int new_has_letters(struct boxfolder *f, struct err *err)
{
    struct dir_scan s;
    struct name n;
    struct str name;
    int fd = boxfolder_new(f, err), r;

    if (fd < 0)
        return fd;
    if ((r = dir_scan_init(&s, fd, err)) < 0)
        return r;
    do
        r = dir_scan_next(&s, &name, err);
    while (r > 0 && !name_parse(name, &n));
    dir_scan_done(&s);
    return r;
}

int boxfolder_has_news(struct boxfolder *f, struct err *err)
{
    struct look l;
    int r = look_at(f, &l, err);

    if (r < 0)
        return r;
    if (l.missing || l.dir || l.file || l.new || l.cur)
        return 1;
    return l.new_unsettled ? new_has_letters(f, err) : 0;
}
