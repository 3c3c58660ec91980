#include "store/folder.h"

#include "base/ascii.h"
#include "store/dir.h"
#include "sys/log.h"

#include <stdio.h>

/* line = word SP value LF; of posta-user the last LF may be missing: a person edited it. */
static bool next_line(struct str *in, struct str *line)
{
    size_t n = str_find(*in, '\n');

    if (in->n == 0)
        return false;
    *line = str_first(*in, n);
    *in = str_skip(*in, n < in->n ? n + 1 : n);
    return true;
}

/* The first line: the file's name, SP, its version. */
static int parse_version(struct str *in, const char *name, struct err *err)
{
    struct str line;
    uint32_t version;

    if (!next_line(in, &line) || !scan_word(&line, str_c(name)) || !scan_byte(&line, ' ') ||
        !scan_u32(&line, UINT32_MAX, &version) || line.n || version == 0)
        return err_set(err, E_CORRUPT, "%s does not begin with its name and version", name);
    if (version > FOLDER_VERSION)
        return err_set(err, E_VERSION, "%s has version %u, this posta knows %d", name, version,
                       FOLDER_VERSION);
    return 0;
}

static bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static bool is_mailboxid(struct str s)
{
    if (s.n == 0 || s.n > FOLDER_MAILBOXID_BYTES)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return true;
}

/* "keyword" SP letter SP name, each letter once */
static bool scan_keyword(struct str s, struct folder *f)
{
    if (s.n == 0 || !ascii_is_lower(s.p[0]) || f->keywords[s.p[0] - 'a'].n)
        return false;
    char letter = s.p[0];
    s = str_skip(s, 1);
    if (!scan_byte(&s, ' ') || s.n == 0 || s.n > FOLDER_KEYWORD_BYTES)
        return false;
    f->keywords[letter - 'a'] = s;
    return true;
}

static bool whole_u32(struct str s, uint32_t *out)
{
    return scan_u32(&s, UINT32_MAX, out) && s.n == 0 && *out > 0;
}

static bool whole_u64(struct str s, uint64_t *out)
{
    return scan_u64(&s, INT64_MAX, out) && s.n == 0 && *out > 0;
}

static bool folder_fact(struct str line, struct folder *f, bool *known)
{
    *known = true;
    if (scan_word(&line, STR("uidvalidity ")))
        return whole_u32(line, &f->uidvalidity);
    if (scan_word(&line, STR("uidnext ")))
        return whole_u32(line, &f->uidnext);
    if (scan_word(&line, STR("modseq ")))
        return whole_u64(line, &f->modseq);
    if (scan_word(&line, STR("keyword ")))
        return scan_keyword(line, f);
    if (scan_word(&line, STR("mailboxid "))) {
        f->mailboxid = line;
        return is_mailboxid(line);
    }
    *known = false;
    return line.n > 0;
}

/* Joins what we only keep. `text` bounds its length. */
static void keep_line(char *rest, size_t *n, struct str line)
{
    memcpy(rest + *n, line.p, line.n);
    *n += line.n;
    rest[(*n)++] = '\n';
}

/* One that was cut must not be believed: its marks may be shorter numbers, below UIDs that were
 * given, and its keywords shorter words. */
int folder_parse(struct str text, struct arena *a, struct folder *out, struct err *err)
{
    struct folder f = {0};
    struct str in = text, line;
    int r = parse_version(&in, FOLDER_FILE, err);

    if (r < 0)
        return r;
    if (text.p[text.n - 1] != '\n')
        return err_set(err, E_CORRUPT, FOLDER_FILE " has been cut");
    char *rest = arena_alloc(a, in.n + 1);
    while (next_line(&in, &line)) {
        bool known;

        if (!is_clean(line) || !folder_fact(line, &f, &known))
            return err_set(err, E_CORRUPT, FOLDER_FILE " has a line that means nothing");
        if (!known)
            keep_line(rest, &f.rest.n, line);
    }
    if (f.uidvalidity == 0 || f.mailboxid.n == 0 || f.uidnext == 0 || f.modseq == 0)
        return err_set(err, E_CORRUPT,
                       FOLDER_FILE " lacks a uidvalidity, mailboxid, uidnext or modseq");
    f.rest.p = rest;
    *out = f;
    return 0;
}

void folder_print(struct buf *out, const struct folder *f)
{
    buf_addf(out, "%s %d\nuidvalidity %u\nmailboxid %.*s\nuidnext %u\nmodseq %llu\n",
             FOLDER_FILE, FOLDER_VERSION, f->uidvalidity, STR_ARGS(f->mailboxid), f->uidnext,
             (unsigned long long)f->modseq);
    for (int i = 0; i < FOLDER_KEYWORDS; i++)
        if (f->keywords[i].n)
            buf_addf(out, "keyword %c %.*s\n", 'a' + i, STR_ARGS(f->keywords[i]));
    buf_add(out, f->rest);
}

static void push(struct str *names, size_t *n, struct str name)
{
    names[(*n)++] = name;
}

/* "use" SP "\\" word SP name */
static bool scan_use(struct str s, struct folder_use *out)
{
    out->use = str_first(s, str_find(s, ' '));
    out->name = str_skip(s, out->use.n);
    return out->use.n > 1 && s.p[0] == '\\' && scan_byte(&out->name, ' ') && out->name.n;
}

static bool user_fact(struct str line, struct folder_user *u, bool *known)
{
    *known = true;
    if (scan_word(&line, STR("uidvalidity ")))
        return whole_u32(line, &u->uidvalidity);
    if (scan_word(&line, STR("use ")))
        return scan_use(line, &u->uses[u->nuses++]);
    if (str_eq(line, STR("usual made")))
        return u->usual = true;
    if (scan_word(&line, STR("subscribed ")) && line.n)
        push(u->subscribed, &u->nsubscribed, line);
    else if (scan_word(&line, STR("rename-from ")) && line.n)
        u->rename_from = line;
    else if (scan_word(&line, STR("rename-to ")) && line.n)
        u->rename_to = line;
    else if (scan_word(&line, STR("renaming ")) && line.n)
        push(u->renaming, &u->nrenaming, line);
    else
        *known = false;
    return line.n > 0;
}

int folder_user_parse(struct str text, struct arena *a, struct folder_user *out,
                      struct err *err)
{
    struct folder_user u = {0};
    struct str in = text, line;
    int r = parse_version(&in, FOLDER_USER_FILE, err);

    if (r < 0)
        return r;
    size_t lines = 1;
    for (size_t i = 0; i < in.n; i++)
        lines += in.p[i] == '\n';
    u.subscribed = ARENA_ARRAY(a, struct str, lines);
    u.uses = ARENA_ARRAY(a, struct folder_use, lines);
    u.renaming = ARENA_ARRAY(a, struct str, lines);
    char *rest = arena_alloc(a, in.n + 1);
    while (next_line(&in, &line)) {
        bool known;

        if (!is_clean(line) || !user_fact(line, &u, &known))
            return err_set(err, E_CORRUPT, FOLDER_USER_FILE " has a line that means nothing");
        if (!known)
            keep_line(rest, &u.rest.n, line);
    }
    if (u.uidvalidity == 0)
        return err_set(err, E_CORRUPT, FOLDER_USER_FILE " has no uidvalidity");
    u.rest.p = rest;
    *out = u;
    return 0;
}

void folder_user_print(struct buf *out, const struct folder_user *u)
{
    buf_addf(out, "%s %d\nuidvalidity %u\n", FOLDER_USER_FILE, FOLDER_VERSION, u->uidvalidity);
    for (size_t i = 0; i < u->nsubscribed; i++)
        buf_addf(out, "subscribed %.*s\n", STR_ARGS(u->subscribed[i]));
    for (size_t i = 0; i < u->nuses; i++)
        buf_addf(out, "use %.*s %.*s\n", STR_ARGS(u->uses[i].use), STR_ARGS(u->uses[i].name));
    if (u->usual)
        buf_add(out, STR("usual made\n"));
    if (u->rename_from.n)
        buf_addf(out, "rename-from %.*s\n", STR_ARGS(u->rename_from));
    if (u->rename_to.n)
        buf_addf(out, "rename-to %.*s\n", STR_ARGS(u->rename_to));
    for (size_t i = 0; i < u->nrenaming; i++)
        buf_addf(out, "renaming %.*s\n", STR_ARGS(u->renaming[i]));
    buf_add(out, u->rest);
}

int folder_load(int at, struct arena *a, struct folder *out, struct err *err)
{
    struct str text;
    int r = dir_read_text(at, FOLDER_FILE, a, &text, err);

    return r < 0 ? r : folder_parse(text, a, out, err);
}

int folder_user_load(int at, struct arena *a, struct folder_user *out, struct err *err)
{
    struct str text;
    int r = dir_read_text(at, FOLDER_USER_FILE, a, &text, err);

    return r < 0 ? r : folder_user_parse(text, a, out, err);
}

static int write_out(int at, const char *name, struct buf *text, bool replace, struct err *err)
{
    int r = buf_failed(text) ? err_set(err, E_LIMIT, "%s would be too long", name)
            : replace        ? dir_replace_text(at, name, buf_str(text), err)
                             : dir_create_text(at, name, buf_str(text), err);

    buf_done(text);
    return r;
}

static int folder_write(int at, const struct folder *f, bool replace, struct err *err)
{
    struct buf text;

    buf_init(&text, DIR_TEXT_BYTES);
    folder_print(&text, f);
    return write_out(at, FOLDER_FILE, &text, replace, err);
}

static int folder_user_write(int at, const struct folder_user *u, bool replace, struct err *err)
{
    struct buf text;

    buf_init(&text, DIR_TEXT_BYTES);
    folder_user_print(&text, u);
    return write_out(at, FOLDER_USER_FILE, &text, replace, err);
}

int folder_store(int at, const struct folder *f, struct err *err)
{
    return folder_write(at, f, true, err);
}

int folder_create(int at, const struct folder *f, struct err *err)
{
    return folder_write(at, f, false, err);
}

int folder_user_store(int at, const struct folder_user *u, struct err *err)
{
    return folder_user_write(at, u, true, err);
}

int folder_user_create(int at, const struct folder_user *u, struct err *err)
{
    return folder_user_write(at, u, false, err);
}

bool folder_user_put_aside(int at, int why)
{
    if (why != E_CORRUPT && why != E_LIMIT)
        return false;
    if (renameat(at, FOLDER_USER_FILE, at, FOLDER_USER_FILE ".broken") < 0)
        return false;
    log_event(LOG_WARN, NULL, "user-file",
              "a " FOLDER_USER_FILE " cannot be read: it is put aside and made anew, without "
              "subscriptions");
    return true;
}
