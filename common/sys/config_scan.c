#include "sys/config_scan.h"

#include "base/ascii.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum { WORD_SHOWN = 40 };

enum token { END, ATOM, SET, ADD, OPEN, CLOSE, COMMA, WRONG };

struct scan {
    char *text;
    size_t n, at;
    int line;
    struct config_faults *faults;
    enum token token; /* the one that is looked at: */
    struct str atom;  /* without its quotes         */
    bool quoted;
    size_t from; /* where it begins            */
    int token_line;
    bool set[CONFIG_ROWS]; /* rows that had their "="; those of a route are its own */
};

/* Where a statement stands; section NULL: inside something unknown, nothing is looked up. */
struct place {
    const struct config_section *section;
    int line;
    int depth;
    bool *set;
};

void config_fault(struct config_faults *f, int line, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= 0 && f->n < CONFIG_FAULTS)
        f->list[f->n] = (struct config_fault){line, arena_dup(f->arena, str_c(text)).p};
    f->n++;
}

const struct config_row *config_row_find(struct str section, struct str name)
{
    for (size_t i = 0; i < config_rows_n; i++)
        if (str_eq(section, str_c(config_rows[i].section)) &&
            str_eq(name, str_c(config_rows[i].name)))
            return &config_rows[i];
    return NULL;
}

const struct config_section *config_section_find(struct str parent, struct str name)
{
    for (size_t i = 0; i < config_sections_n; i++) {
        struct str s = str_c(config_sections[i].name);

        if (parent.n && (!scan_word(&s, parent) || !scan_byte(&s, '.')))
            continue;
        if (s.n && str_eq(s, name))
            return &config_sections[i];
    }
    return NULL;
}

static void blank(struct scan *s, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (s->text[i] != '\n')
            s->text[i] = ' ';
}

static bool is_word(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("_-./:@%[]~", c));
}

/* Spaces, line ends and comments. */
static void skip_blank(struct scan *s)
{
    while (s->at < s->n) {
        char c = s->text[s->at];
        size_t left = s->n - s->at;

        if (c == '\n') {
            s->line++;
            s->at++;
        } else if (c == ' ' || c == '\t' ||
                   (c == '\r' && left > 1 && s->text[s->at + 1] == '\n')) {
            s->text[s->at++] = ' ';
        } else if (c == '#') {
            size_t n = str_find((struct str){s->text + s->at, left}, '\n');

            blank(s, s->at, s->at + n);
            s->at += n;
        } else {
            break;
        }
    }
}

/* Behind the opening quote; says itself what is wrong. */
static enum token take_string(struct scan *s, char quote)
{
    size_t from = s->at;

    for (; s->at < s->n; s->at++) {
        char c = s->text[s->at];
        bool more = s->at + 1 < s->n;

        if (c == quote) {
            s->atom = (struct str){s->text + from, s->at - from};
            s->quoted = true;
            s->at++;
            return ATOM;
        }
        if (c == '\n')
            break;
        if ((unsigned char)c < ' ' || c == 0x7f) {
            config_fault(
                s->faults, s->line,
                "a control character (\\x%02x) in a string; right would be visible text",
                (unsigned char)c);
            return WRONG;
        }
        if (c == '$' && more && s->text[s->at + 1] == '{') {
            config_fault(s->faults, s->line,
                         "\"${\" in a string: the environment is not looked at; right would be "
                         "the value itself");
            return WRONG;
        }
        if (c == '\\' && (quote == '\'' || !more || !strchr("\"\\", s->text[s->at + 1]))) {
            config_fault(s->faults, s->line,
                         "a backslash in a string; right would be \\\" for a quote or \\\\ for "
                         "itself, in double quotes");
            return WRONG;
        }
        s->at += c == '\\';
    }
    config_fault(s->faults, s->line,
                 "a string without its end; right would be a %c before the line ends", quote);
    return WRONG;
}

static enum token take_other(struct scan *s)
{
    char c = s->text[s->at];

    if (ascii_is_print(c))
        config_fault(s->faults, s->line,
                     "\"%c\" cannot stand here; right would be quotes around a value that has "
                     "more than letters, "
                     "digits and _-./:@%%[]~ in it, and # before a comment",
                     c);
    else
        config_fault(s->faults, s->line,
                     "the byte \\x%02x cannot stand here; right would be plain text",
                     (unsigned char)c);
    return WRONG;
}

static enum token take(struct scan *s)
{
    static const struct {
        char c;
        enum token token;
    } marks[] = {
        {'=', SET  },
        {'{', OPEN },
        {'}', CLOSE},
        {',', COMMA}
    };

    skip_blank(s);
    s->from = s->at;
    s->token_line = s->line;
    s->quoted = false;
    if (s->at == s->n)
        return END;
    char c = s->text[s->at];
    for (size_t i = 0; i < 4; i++)
        if (c == marks[i].c) {
            s->at++;
            return marks[i].token;
        }
    if (c == '+' && s->at + 1 < s->n && s->text[s->at + 1] == '=') {
        s->at += 2;
        return ADD;
    }
    if (c == '"' || c == '\'') {
        s->at++;
        return take_string(s, c);
    }
    while (s->at < s->n && is_word(s->text[s->at]))
        s->at++;
    if (s->at == s->from)
        return take_other(s);
    s->atom = (struct str){s->text + s->from, s->at - s->from};
    return ATOM;
}

static void next(struct scan *s)
{
    s->token = take(s);
}

static bool wrong(struct scan *s, const char *right)
{
    static const char *const names[] = {
        "the end of the file", "a word", "\"=\"", "\"+=\"", "\"{\"", "\"}\"", "\",\""};

    if (s->token == ATOM)
        config_fault(s->faults, s->token_line, "\"%.*s\" cannot stand here; right would be %s",
                     STR_ARGS(str_first(s->atom, WORD_SHOWN)), right);
    else if (s->token != WRONG)
        config_fault(s->faults, s->token_line, "%s cannot stand here; right would be %s",
                     names[s->token], right);
    return false;
}

/* value; *list: it stood in braces. */
static bool skip_value(struct scan *s, bool *list)
{
    *list = s->token == OPEN;
    if (s->token == ATOM) {
        next(s);
        return true;
    }
    if (s->token != OPEN)
        return wrong(s, "a value, or { and a list of values");
    next(s);
    while (s->token == ATOM) {
        next(s);
        if (s->token == COMMA)
            next(s);
        else if (s->token != CLOSE)
            return wrong(s, "\",\" or \"}\" in this list");
    }
    if (s->token != CLOSE)
        return wrong(s, "a value or \"}\" in this list");
    next(s);
    return true;
}

/* How many bytes differ when one letter more, less, or other is allowed: 0, 1, or 2 for more.
 */
static int distance(struct str a, struct str b)
{
    size_t same = 0;

    while (same < a.n && same < b.n && a.p[same] == b.p[same])
        same++;
    a = str_skip(a, same);
    b = str_skip(b, same);
    if (a.n == 0 && b.n == 0)
        return 0;
    if ((a.n == b.n && str_eq(str_skip(a, 1), str_skip(b, 1))) ||
        (a.n == b.n + 1 && str_eq(str_skip(a, 1), b)) ||
        (b.n == a.n + 1 && str_eq(a, str_skip(b, 1))))
        return 1;
    return 2;
}

static void fault_unknown(struct scan *s, const struct place *p, struct str name, int line)
{
    const char *section = p->section->name;
    const struct config_row *elsewhere = NULL, *near = NULL;

    for (size_t i = 0; i < config_rows_n; i++) {
        const struct config_row *r = &config_rows[i];

        if (strcmp(r->section, section) == 0 && !near && distance(name, str_c(r->name)) < 2)
            near = r;
        if (!elsewhere && str_eq(name, str_c(r->name)))
            elsewhere = r;
    }
    const char *in = *section ? "section " : "posta.conf";
    struct str shown = str_first(name, WORD_SHOWN);
    if (near)
        config_fault(s->faults, line, "no key \"%.*s\" in %s%s; right would be \"%s\"",
                     STR_ARGS(shown), in, section, near->name);
    else if (elsewhere)
        config_fault(s->faults, line, "no key \"%.*s\" in %s%s; right would be %s%s",
                     STR_ARGS(shown), in, section,
                     *elsewhere->section ? "the section " : "the top of the file",
                     elsewhere->section);
    else
        config_fault(s->faults, line,
                     "no key \"%.*s\" in %s%s; right would be one of those in posta.conf(5)",
                     STR_ARGS(shown), in, section);
}

/* A key's "=" and value have been read: are they what its row allows? */
static bool key_fits(struct scan *s, const struct place *p, struct str name, int line,
                     enum token how, bool list)
{
    struct str section = str_c(p->section->name);
    const struct config_row *row = config_row_find(section, name);

    if (!row && config_section_find(section, name)) {
        config_fault(s->faults, line, "\"%.*s\" is a section; right would be %.*s { … }",
                     STR_ARGS(name), STR_ARGS(name));
        return false;
    }
    if (!row) {
        fault_unknown(s, p, name, line);
        return false;
    }
    if (!config_is_list(row->type) && (list || how == ADD)) {
        config_fault(s->faults, line, "%s has one value, no list; right would be %s = %s",
                     row->name, row->name, row->standard);
        return false;
    }
    bool *set = &p->set[row - config_rows];
    if (how == SET && *set) {
        config_fault(s->faults, line, "%s has been set before; right would be one line for it",
                     row->name);
        return false;
    }
    *set = true;
    return true;
}

static const struct config_section *section_fits(struct scan *s, const struct place *p,
                                                 struct str name, int line, bool titled)
{
    struct str parent = str_c(p->section->name);
    const struct config_section *section = config_section_find(parent, name);

    if (!section && config_row_find(parent, name))
        config_fault(s->faults, line,
                     "\"%.*s\" is no section; right would be %.*s = and a value",
                     STR_ARGS(name), STR_ARGS(name));
    else if (!section)
        config_fault(s->faults, line,
                     "no section \"%.*s\" here; right would be one of those in posta.conf(5)",
                     STR_ARGS(str_first(name, WORD_SHOWN)));
    else if (titled != (section->title != NULL)) {
        config_fault(s->faults, line,
                     "section %.*s with%s a name behind it; right would be %.*s%s { … }",
                     STR_ARGS(name), titled ? "" : "out", STR_ARGS(name),
                     section->title ? " \"example.net\"" : "");
        section = NULL;
    }
    return section;
}

static bool statements(struct scan *s, const struct place *p);

/* [title] "{" *statement "}"; *fits: it goes to libconfuse. */
static bool section(struct scan *s, const struct place *p, struct str name, int line,
                    bool *fits)
{
    bool titled = s->token == ATOM;
    bool own[CONFIG_ROWS] = {false};
    struct place inner = {.line = line, .depth = p->depth + 1, .set = titled ? own : p->set};

    if (titled)
        next(s);
    if (s->token != OPEN)
        return wrong(s, "\"=\" and a value, or \"{\" and a section");
    if (p->depth == CONFIG_NESTING)
        return wrong(s, "less sections inside sections");
    if (p->section)
        inner.section = section_fits(s, p, name, line, titled);
    *fits = inner.section != NULL;
    next(s);
    if (!statements(s, &inner))
        return false;
    next(s);
    return true;
}

/* The atom that is looked at begins it. */
static bool statement(struct scan *s, const struct place *p)
{
    struct str name = s->atom;
    size_t from = s->from;
    int line = s->token_line;
    bool list, fits = true;

    if (s->quoted)
        return wrong(s, "a key without quotes");
    next(s);
    if (s->token == SET || s->token == ADD) {
        enum token how = s->token;

        next(s);
        if (!skip_value(s, &list))
            return false;
        fits = p->section && key_fits(s, p, name, line, how, list);
    } else if (!section(s, p, name, line, &fits)) {
        return false;
    }
    if (p->section && !fits)
        blank(s, from, s->from);
    return true;
}

/* Until the "}" (or the end of the file) that closes them; it is not read over. */
static bool statements(struct scan *s, const struct place *p)
{
    while (s->token == ATOM) {
        size_t from = s->from;

        if (!statement(s, p)) {
            if (p->depth == 0)
                blank(s, from, s->n);
            return false;
        }
    }
    if (s->token == (p->depth ? CLOSE : END))
        return true;
    if (p->depth == 0) {
        wrong(s, "a key or the name of a section");
        blank(s, s->from, s->n);
    } else if (s->token == END) {
        config_fault(s->faults, s->token_line,
                     "the section that begins in line %d has no end; right would be \"}\"",
                     p->line);
    } else {
        wrong(s, "a key or \"}\"");
    }
    return false;
}

void config_scan(char *text, size_t n, struct config_faults *faults)
{
    struct scan s = {.text = text, .n = n, .line = 1, .faults = faults};
    struct place top = {.section = &config_sections[0], .set = s.set};

    assert(config_rows_n <= CONFIG_ROWS);
    next(&s);
    statements(&s, &top);
}
