#include "base/ascii.h"
#include "base/map.h"
#include "base/xtext.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/queue.h"
#include "sys/clock.h"

#include <stdlib.h>
#include <unistd.h>

enum { OPTION_TO = OPTION_OWN, OPTION_FROM, OPTION_SUM };

const struct args_option queue_list_options[] = {
    {"--to",   0, "DOMAIN",  "letters for this domain or address"                       },
    {"--from", 0, "ADDRESS", "letters from this address or domain; <> for those of none"},
    {"--sum",  0, NULL,      "a line a destination: how many, the oldest, what it says" },
    {NULL,     0, NULL,      NULL                                                       },
};

enum {
    COMMAND_BYTES = 1000,
    CELL_BYTES = 64 * 1024,
    AGE_COLUMNS = 11,
    SIZE_COLUMNS = 9,
    RCPT_INDENT = 2,
    RCPT_COLUMNS = 32,
};

struct listing {
    struct cli *cli;
    size_t columns;     /* of the terminal, or 0 */
    struct arena arena; /* of one letter */
    struct buf cell;
    uint64_t letters, bytes;
    struct str to; /* only these recipients are summed up */
    struct map domains;
};

/* LIST with its filters in xtext. */
static const char *list_command(struct cli *c, const struct args *args)
{
    static const struct {
        int option;
        const char *name;
    } filters[] = {
        {OPTION_TO,   "to"  },
        {OPTION_FROM, "from"}
    };
    struct buf b;

    buf_init(&b, COMMAND_BYTES);
    buf_add(&b, STR("LIST"));
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        if (!cli_has(args, filters[i].option))
            continue;
        buf_addf(&b, " %s=", filters[i].name);
        xtext_add(&b, str_c(args->options[filters[i].option]));
    }
    const char *command = buf_failed(&b) ? NULL : arena_dup(&c->arena, buf_str(&b)).p;
    buf_done(&b);
    return command;
}

/* ---- letter by letter ---- */

static struct str safe(struct listing *l, struct str s)
{
    buf_clear(&l->cell);
    output_safe(&l->cell, s);
    return buf_str(&l->cell);
}

static void show_recipient(struct listing *l, const struct json *r, bool held)
{
    struct buf *out = &l->cli->out;
    struct str state = json_text(r, "state");
    bool waits = held || str_eq(state, STR("later"));
    struct str address = safe(l, json_text(r, "address"));
    size_t width = output_width(address), at = RCPT_INDENT + width;

    buf_addf(out, "%*s", RCPT_INDENT, "");
    buf_add(out, address);
    /* what is too long for its column has a line of its own */
    if (width > RCPT_COLUMNS) {
        buf_add_byte(out, '\n');
        at = 0;
    }
    buf_addf(out, "%*s", (int)(RCPT_INDENT + RCPT_COLUMNS + 2 - at), "");
    buf_add(out, str_c(output_begin(waits ? YELLOW : PLAIN, l->cli->colour)));
    at = RCPT_INDENT + RCPT_COLUMNS + 2;
    output_wrapped(out, safe(l, json_text(r, "why")), at, at, l->columns);
    buf_add(out, str_c(output_end(waits ? YELLOW : PLAIN, l->cli->colour)));
    buf_add_byte(out, '\n');
}

static void list_letter(void *arg, struct str text)
{
    struct listing *l = arg;
    struct buf *out = &l->cli->out;
    struct json *letter;

    arena_reset(&l->arena);
    letter = json_parse(&l->arena, text);
    if (!letter)
        return;
    struct str sender = json_text(letter, "sender"), id = json_text(letter, "id");
    struct str age = output_span(&l->arena, json_u64(letter, "age") * 1000);
    struct str size = output_size(&l->arena, json_u64(letter, "size"));
    const struct json *rcpts = json_get(letter, "recipients");

    if (l->letters++ == 0)
        buf_addf(out, "%s%-23s  %*s  %*s  %s%s\n", output_begin(BOLD, l->cli->colour), "ID",
                 AGE_COLUMNS, "AGE", SIZE_COLUMNS, "SIZE", "SENDER, AND EACH RECIPIENT",
                 output_end(BOLD, l->cli->colour));
    l->bytes += json_u64(letter, "size");
    buf_add(out, safe(l, id));
    buf_addf(out, "  %*.*s  %*.*s  ", AGE_COLUMNS, STR_ARGS(age), SIZE_COLUMNS, STR_ARGS(size));
    buf_add(out, sender.n ? safe(l, sender) : STR("<>"));
    buf_add_byte(out, '\n');
    for (const struct json *r = rcpts ? rcpts->first : NULL; r; r = r->next)
        show_recipient(l, r, json_true(letter, "held"));
    output_some(STDOUT_FILENO, out);
}

static void show_total(struct listing *l)
{
    struct str size = output_size(&l->cli->arena, l->bytes);

    if (l->letters)
        buf_addf(&l->cli->out, "%llu letter%s, %.*s\n", (unsigned long long)l->letters,
                 l->letters == 1 ? "" : "s", STR_ARGS(size));
}

/* ---- by destination ---- */

/* All that wait for one domain. */
struct destination {
    struct str name;                       /* in small letters */
    uint64_t recipients, letters, counted; /* counted: which letter was the last */
    uint64_t oldest;                       /* its age */
    uint64_t words_age;
    struct str why; /* of the oldest that has been tried; "" where none has */
};

static struct destination *destination_of(struct listing *l, struct str address)
{
    struct arena *a = &l->cli->arena;
    size_t at = address.n;
    struct destination *d;
    char *lower;

    while (at && address.p[at - 1] != '@')
        at--;
    struct str domain = str_skip(address, at);
    lower = arena_alloc(&l->arena, domain.n + 1);
    for (size_t i = 0; i < domain.n; i++)
        lower[i] = ascii_lower(domain.p[i]);
    domain.p = lower;
    d = map_get(&l->domains, domain);
    if (!d) {
        d = ARENA_NEW(a, struct destination);
        d->name = arena_dup(a, domain);
        map_put(&l->domains, d->name, d);
    }
    return d;
}

/* --to names a domain, or the whole of an address. */
static bool is_summed(const struct listing *l, struct str address)
{
    size_t at = str_find(address, '@');

    return l->to.n == 0 || str_eq_nocase(address, l->to) ||
           (at < address.n && str_eq_nocase(str_skip(address, at + 1), l->to));
}

static void sum_recipient(struct listing *l, const struct json *r, uint64_t age)
{
    struct destination *d = destination_of(l, json_text(r, "address"));
    bool tried = json_text(r, "reply").n > 0;

    d->recipients++;
    d->letters += d->counted != l->letters;
    d->counted = l->letters;
    d->oldest = age > d->oldest ? age : d->oldest;
    if (tried && (!d->why.n || age > d->words_age)) {
        d->words_age = age;
        d->why = json_text(r, "why");
        if (d->why.n)
            d->why = arena_dup(&l->cli->arena, d->why);
    }
}

static void sum_letter(void *arg, struct str text)
{
    struct listing *l = arg;
    const struct json *letter, *rcpts;

    arena_reset(&l->arena);
    letter = json_parse(&l->arena, text);
    rcpts = json_get(letter, "recipients");
    l->letters++;
    l->bytes += json_u64(letter, "size");
    for (const struct json *r = rcpts ? rcpts->first : NULL; r; r = r->next)
        if (is_summed(l, json_text(r, "address")))
            sum_recipient(l, r, json_u64(letter, "age"));
}

static int more_first(const void *a, const void *b)
{
    const struct destination *x = *(struct destination *const *)a;
    const struct destination *y = *(struct destination *const *)b;

    if (x->recipients != y->recipients)
        return x->recipients < y->recipients ? 1 : -1;
    return str_cmp(x->name, y->name);
}

static void show_destination(struct listing *l, const struct destination *d)
{
    struct buf *out = &l->cli->out;
    struct str age = output_span(&l->arena, d->oldest * 1000), name = safe(l, d->name);
    size_t width = output_width(name);
    size_t fill = width < RCPT_COLUMNS ? RCPT_COLUMNS - width : 0;

    if (l->cli->json) {
        buf_add_byte(out, '{');
        json_put_member(out, "domain", d->name);
        json_put_u64(out, "recipients", d->recipients);
        json_put_u64(out, "letters", d->letters);
        json_put_u64(out, "oldest", d->oldest);
        json_put_member(out, "why", d->why);
        buf_add_byte(out, '}');
        return;
    }
    buf_add(out, name);
    buf_addf(out, "%*s  %10llu  %8llu  %*.*s\n", (int)fill, "",
             (unsigned long long)d->recipients, (unsigned long long)d->letters, AGE_COLUMNS,
             STR_ARGS(age));
    if (d->why.n) {
        buf_addf(out, "%*s", RCPT_INDENT, "");
        output_wrapped(out, safe(l, d->why), RCPT_INDENT, RCPT_INDENT, l->columns);
        buf_add_byte(out, '\n');
    }
}

static void show_sums(struct listing *l)
{
    struct destination **all =
        ARENA_ARRAY(&l->cli->arena, struct destination *, l->domains.n + 1);
    struct destination *d;
    size_t n = 0;

    for (size_t at = 0; (d = map_next(&l->domains, &at));)
        all[n++] = d;
    qsort(all, n, sizeof(struct destination *), more_first);
    if (l->cli->json)
        buf_add(&l->cli->out, STR("[\n"));
    else if (n)
        buf_addf(&l->cli->out, "%s%-*s  %10s  %8s  %*s%s\n", output_begin(BOLD, l->cli->colour),
                 RCPT_COLUMNS, "DESTINATION", "RECIPIENTS", "LETTERS", AGE_COLUMNS, "OLDEST",
                 output_end(BOLD, l->cli->colour));
    for (size_t i = 0; i < n; i++) {
        show_destination(l, all[i]);
        if (l->cli->json)
            buf_add(&l->cli->out, i + 1 < n ? STR(",\n") : STR("\n"));
        output_some(STDOUT_FILENO, &l->cli->out);
    }
    if (l->cli->json)
        buf_add(&l->cli->out, STR("]\n"));
}

/* ---- both ---- */

static enum cli_status list(struct listing *l, const char *command, bool sum, bool all)
{
    enum cli_status status;

    if (queue_ask(l->cli, command, sum ? sum_letter : list_letter, l, &status) < 0)
        return status;
    if (sum)
        show_sums(l);
    if (l->cli->json)
        return status;
    show_total(l);
    if (l->letters == 0)
        buf_add(&l->cli->out,
                all ? STR("the queue is empty\n") : STR("no such letter is in the queue\n"));
    return status;
}

enum cli_status queue_list(struct cli *c, const struct args *args)
{
    const char *command = list_command(c, args);
    bool sum = cli_has(args, OPTION_SUM);
    struct listing l = {.cli = c, .columns = output_columns(STDOUT_FILENO)};
    uint8_t secret[MAP_SECRET_BYTES];
    enum cli_status status;

    if (!command)
        return cli_usage(c, "that is too long for an address");
    if (c->json && !sum)
        return queue_ask_json(c, command);
    l.to = str_c(cli_has(args, OPTION_TO) ? args->options[OPTION_TO] : "");
    random_bytes(secret, sizeof(secret));
    map_init(&l.domains, secret);
    arena_init(&l.arena);
    buf_init(&l.cell, CELL_BYTES);
    status = list(&l, command, sum, strcmp(command, "LIST") == 0);
    buf_done(&l.cell);
    arena_done(&l.arena);
    map_done(&l.domains);
    return status;
}

int queue_list_all(const char *config_path)
{
    struct cli c = {.config_path = config_path, .colour = output_colour(STDOUT_FILENO)};
    struct args none = {0};
    int status;

    arena_init(&c.arena);
    buf_init(&c.out, OUTPUT_BYTES);
    status = (int)queue_list(&c, &none);
    output_write(STDOUT_FILENO, &c.out);
    buf_done(&c.out);
    arena_done(&c.arena);
    config_free(c.config);
    return status;
}
