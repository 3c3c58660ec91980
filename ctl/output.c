#include "ctl/output.h"

#include "base/utf8.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WRAP_COLUMNS_MIN = 20 }; /* narrower than this it is left to the terminal */

struct table_row {
    struct table_row *next;
    enum colour colour;
    struct str cells[TABLE_COLUMNS];
};

bool output_colour(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
}

const char *output_begin(enum colour c, bool on)
{
    static const char *const codes[] = {
        [PLAIN] = "",       [GREEN] = "\x1b[32m", [YELLOW] = "\x1b[33m",
        [RED] = "\x1b[31m", [BOLD] = "\x1b[1m",   [FAINT] = "\x1b[2m",
    };

    return on ? codes[c] : "";
}

const char *output_end(enum colour c, bool on)
{
    return on && c != PLAIN ? "\x1b[0m" : "";
}

/* How many bytes of one letter begin here; 0 where it is none, or a control (C0, DEL, C1). */
static size_t letter_bytes(struct str s)
{
    struct str rest = s;
    uint32_t point;

    if (!scan_utf8(&rest, &point) || point < ' ' || (point >= 0x7f && point < 0xa0))
        return 0;
    return s.n - rest.n;
}

void output_safe(struct buf *out, struct str s)
{
    while (s.n) {
        size_t n = letter_bytes(s);

        if (n) {
            buf_add(out, str_first(s, n));
        } else {
            buf_addf(out, "\\x%02x", (unsigned char)s.p[0]);
            n = 1;
        }
        s = str_skip(s, n);
    }
}

size_t output_width(struct str s)
{
    size_t w = 0;

    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            w++;
    return w;
}

size_t output_columns(int fd)
{
    struct winsize size;

    return isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* The bytes of the first `columns` code points. */
static struct str first_columns(struct str s, size_t columns)
{
    size_t n = 0;

    for (size_t w = 0; n < s.n; n++)
        if (((unsigned char)s.p[n] & 0xc0) != 0x80 && w++ == columns)
            break;
    return str_first(s, n);
}

void output_wrapped(struct buf *out, struct str s, size_t at, size_t indent, size_t columns)
{
    while (columns >= at + WRAP_COLUMNS_MIN && output_width(s) > columns - at) {
        struct str line = first_columns(s, columns - at);
        size_t n = line.n;

        while (n && s.p[n] != ' ')
            n--;
        n = n ? n : line.n;
        buf_add(out, str_first(s, n));
        s = str_trim(str_skip(s, n));
        buf_addf(out, "\n%*s", (int)indent, "");
        at = indent;
    }
    buf_add(out, s);
}

void table_init(struct table *t, const char *const *heads)
{
    *t = (struct table){0};
    arena_init(&t->arena);
    for (; heads[t->columns] && t->columns < TABLE_COLUMNS; t->columns++) {
        const char *head = heads[t->columns];

        t->right[t->columns] = head[0] == '>';
        t->heads[t->columns] = head + (head[0] == '>');
    }
}

void table_done(struct table *t)
{
    arena_done(&t->arena);
}

void table_add(struct table *t, enum colour colour, const struct str *cells)
{
    struct table_row *row = ARENA_NEW(&t->arena, struct table_row);

    row->colour = colour;
    for (size_t i = 0; i < t->columns; i++) {
        struct buf safe;

        buf_init(&safe, OUTPUT_BYTES);
        output_safe(&safe, cells[i]);
        row->cells[i] = arena_dup(&t->arena, buf_str(&safe));
        buf_done(&safe);
    }
    if (t->last)
        t->last->next = row;
    else
        t->first = row;
    t->last = row;
}

size_t table_rows(const struct table *t)
{
    size_t n = 0;

    for (const struct table_row *row = t->first; row; row = row->next)
        n++;
    return n;
}

static void spaces(struct buf *out, size_t n)
{
    while (n--)
        buf_add_byte(out, ' ');
}

static void print_cells(const struct table *t, const struct str *cells, const size_t *widths,
                        struct buf *out)
{
    for (size_t i = 0; i < t->columns; i++) {
        size_t fill = widths[i] - output_width(cells[i]);

        if (t->right[i])
            spaces(out, fill);
        buf_add(out, cells[i]);
        if (i + 1 < t->columns)
            spaces(out, 2 + (t->right[i] ? 0 : fill));
    }
}

void table_print(const struct table *t, struct buf *out, bool colour)
{
    size_t widths[TABLE_COLUMNS] = {0};
    struct str heads[TABLE_COLUMNS];

    for (size_t i = 0; i < t->columns; i++) {
        heads[i] = str_c(t->heads[i]);
        widths[i] = output_width(heads[i]);
        for (const struct table_row *row = t->first; row; row = row->next)
            if (output_width(row->cells[i]) > widths[i])
                widths[i] = output_width(row->cells[i]);
    }
    buf_add(out, str_c(output_begin(BOLD, colour)));
    print_cells(t, heads, widths, out);
    buf_add(out, str_c(output_end(BOLD, colour)));
    buf_add_byte(out, '\n');
    for (const struct table_row *row = t->first; row; row = row->next) {
        buf_add(out, str_c(output_begin(row->colour, colour)));
        print_cells(t, row->cells, widths, out);
        buf_add(out, str_c(output_end(row->colour, colour)));
        buf_add_byte(out, '\n');
    }
}

struct str output_size(struct arena *a, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    size_t u = 0;

    for (; v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0]); u++)
        v /= 1024;
    return arena_printf(a, u && v < 10 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

struct str output_span(struct arena *a, uint64_t ms)
{
    uint64_t s = ms / 1000;

    if (s == 0)
        return arena_printf(a, "%d ms", (int)ms);
    if (s < 60)
        return arena_printf(a, "%d s", (int)s);
    if (s < 3600)
        return arena_printf(a, "%d min %d s", (int)(s / 60), (int)(s % 60));
    if (s < 86400)
        return arena_printf(a, "%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
    return arena_printf(a, "%llu d %d h", (unsigned long long)(s / 86400),
                        (int)(s / 3600 % 24));
}

struct str output_moment(struct arena *a, uint64_t unix_ms)
{
    time_t at = (time_t)(unix_ms / 1000);
    struct tm tm;
    char text[32];

    localtime_r(&at, &tm);
    return arena_dup(
        a, (struct str){text, strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm)});
}

void output_write(int fd, struct buf *b)
{
    while (b->n) {
        ssize_t n = write(fd, buf_str(b).p, b->n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody reads: `posta queue list | head` */
        buf_drop(b, (size_t)n);
    }
}

void output_some(int fd, struct buf *b)
{
    if (b->n >= OUTPUT_SOME_BYTES)
        output_write(fd, b);
}
