#include "ctl/watch_gist.h"

enum command { SINGLE, LIST, LETTER };

void gist_init(struct gist *g, struct str process)
{
    *g = (struct gist){.imap = str_eq(process, STR("imapd")),
                       .pop3 = str_eq(process, STR("pop3d"))};
}

/* The n of "{n}" at the end of a line. */
static bool literal(struct str line, uint64_t *n)
{
    size_t open = line.n;

    if (line.n == 0 || line.p[line.n - 1] != '}')
        return false;
    while (open && line.p[open - 1] != '{')
        open--;
    struct str number = {line.p + open, line.n - open - 1};
    return open && scan_u64(&number, UINT64_MAX / 2, n) && number.n == 0;
}

static struct str octets(struct arena *a, uint64_t n)
{
    return arena_printf(a, "\u2026 %llu octets", (unsigned long long)n);
}

/* ---- IMAP ---- */

static bool imap_line(struct gist *g, struct str line, struct arena *a, struct str *out)
{
    uint64_t n;

    if (g->left) {
        uint64_t here = line.n + 2; /* with its CRLF */

        if (here <= g->left) {
            g->left -= here;
            return false;
        }
        line = str_skip(line, g->left < line.n ? (size_t)g->left : line.n);
        g->left = 0;
        if (line.n == 0)
            return false;
    }
    *out = line;
    if (g->hidden && line.n && line.p[0] != '*' && line.p[0] != '+') {
        g->hidden = false;
        *out = line = arena_printf(a, "***%.*s", STR_ARGS(str_skip(line, str_find(line, ' '))));
    }
    if (literal(line, &n)) {
        g->left = n;
        *out = arena_printf(a, "%.*s %.*s", STR_ARGS(line), STR_ARGS(octets(a, n)));
    }
    return true;
}

/* ---- POP3 ---- */

static enum command command_of(struct str line)
{
    struct str verb = str_first(line, str_find(line, ' '));

    if (str_eq_nocase(verb, STR("RETR")) || str_eq_nocase(verb, STR("TOP")))
        return LETTER;
    if (str_eq_nocase(verb, STR("CAPA")) ||
        (line.n == verb.n &&
         (str_eq_nocase(verb, STR("LIST")) || str_eq_nocase(verb, STR("UIDL")) ||
          str_eq_nocase(verb, STR("AUTH")))))
        return LIST;
    return SINGLE;
}

static void pop3_heard(struct gist *g, struct str line)
{
    if (g->n == GIST_COMMANDS) {
        g->lost = true;
        return;
    }
    g->commands[(g->first + g->n++) % GIST_COMMANDS] = (unsigned char)command_of(line);
}

static bool in_body(struct gist *g, struct str line, struct arena *a, struct str *out)
{
    if (str_eq(line, STR("."))) {
        *out = g->in_letter ? octets(a, g->octets) : line;
        g->in_letter = g->in_list = false;
        return true;
    }
    g->octets += line.n + 2;
    *out = line;
    return g->in_list;
}

/* The greeting answers nothing, and "+ " is a step of a login. */
static bool pop3_said(struct gist *g, struct str line, struct arena *a, struct str *out)
{
    if (g->lost)
        return false;
    if (g->in_letter || g->in_list)
        return in_body(g, line, a, out);
    *out = line;
    if (g->n == 0 || str_starts(line, STR("+ ")))
        return true;
    enum command c = (enum command)g->commands[g->first];

    g->first = (g->first + 1) % GIST_COMMANDS;
    g->n--;
    g->octets = 0;
    g->in_letter = c == LETTER && str_starts(line, STR("+OK"));
    g->in_list = c == LIST && str_starts(line, STR("+OK"));
    return true;
}

bool gist_line(struct gist *g, bool heard, struct str line, struct arena *a, struct str *out)
{
    if (g->imap && !heard)
        return imap_line(g, line, a, out);
    if (g->pop3 && !heard)
        return pop3_said(g, line, a, out);
    if (g->imap)
        g->hidden = str_eq(line, STR("***"));
    /* an answer to a challenge is no command */
    if (g->pop3 && !str_eq(line, STR("***")))
        pop3_heard(g, line);
    *out = line;
    return true;
}
