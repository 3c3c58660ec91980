#include "ctl/probe.h"

#include "base/xtext.h"
#include "ctl/asking.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "users/users.h"

#include <unistd.h>

enum { OPTION_FROM = OPTION_OWN };

const struct args_option probe_options[] = {
    {"--from", 0, "ADDRESS",
     "the sender that MAIL names (else postmaster@ the hostname; <> for none)"},
    {NULL,     0, NULL,      NULL                                             },
};

enum {
    COMMAND_BYTES = 2000,
    CELL_BYTES = 1024 * 1024,
    STEP_COLUMNS = 8,
    SAID_COLUMN = 23,
    TARGETS = 20, /* of an alias, that are asked about */
};

struct probing {
    struct cli *cli;
    size_t columns;
    struct arena arena; /* of one step */
    struct buf cell;
    bool begun;    /* an element of the JSON array has been printed */
    unsigned code; /* of the last end: 250, 450, 550 */
};

/* ---- printing ---- */

static void add_line(struct probing *p, struct str s)
{
    struct buf *out = &p->cli->out;

    buf_clear(&p->cell);
    output_safe(&p->cell, s);
    output_wrapped(out, buf_str(&p->cell), SAID_COLUMN, SAID_COLUMN, p->columns);
    buf_add_byte(out, '\n');
}

/* A reply of several lines has as many here. */
static void add_words(struct probing *p, struct str words)
{
    struct str line;
    bool first = true;

    for (; words.n; scan_byte(&words, '\n')) {
        if (!scan_until(&words, '\n', &line))
            continue;
        if (!first)
            buf_addf(&p->cli->out, "%*s", SAID_COLUMN, "");
        add_line(p, line);
        first = false;
    }
    if (first)
        buf_add_byte(&p->cli->out, '\n');
}

static void begin_step(struct probing *p, struct str name, bool ok, struct str ms)
{
    struct cli *c = p->cli;
    enum colour colour = ok ? GREEN : RED;
    int fill = name.n < STEP_COLUMNS ? STEP_COLUMNS - (int)name.n : 0;

    buf_addf(&c->out, "%.*s%*s  %s%s%s  %7.*s  ", STR_ARGS(name), fill, "",
             output_begin(colour, c->colour), ok ? "ok" : "NO", output_end(colour, c->colour),
             STR_ARGS(ms));
}

static struct str join_names(struct arena *a, const struct json *names)
{
    struct str all = STR("");

    for (const struct json *n = names ? names->first : NULL; n; n = n->next)
        all =
            arena_printf(a, "%.*s%s%.*s", STR_ARGS(all), all.n ? ", " : "", STR_ARGS(n->text));
    return all;
}

static struct str day(struct str time)
{
    return str_first(time, str_find(time, 'T'));
}

static void add_certificate(struct probing *p, const struct json *step)
{
    const struct json *c = json_get(step, "certificate");
    struct arena *a = &p->arena;
    struct str names = join_names(a, json_get(c, "names"));
    struct str why = json_text(c, "why"), subject = json_text(c, "subject");

    if (!c)
        return;
    const struct str lines[] = {
        arena_printf(a, "certificate of %.*s", STR_ARGS(names.n ? names : subject)),
        arena_printf(a, "issued by %.*s, from %.*s to %.*s", STR_ARGS(json_text(c, "issuer")),
                     STR_ARGS(day(json_text(c, "not_before"))),
                     STR_ARGS(day(json_text(c, "not_after")))),
        json_true(c, "verified")
            ? STR("verified for this host")
            : arena_printf(a, "not verified for this host: %.*s", STR_ARGS(why)),
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        buf_addf(&p->cli->out, "%*s", SAID_COLUMN, "");
        add_line(p, lines[i]);
    }
}

static struct str words_of(struct probing *p, const struct json *step)
{
    struct arena *a = &p->arena;
    struct str name = json_text(step, "step"), words = json_text(step, "words");

    if (str_eq(name, STR("connect")))
        return arena_printf(a, "%.*s [%.*s]: %.*s", STR_ARGS(json_text(step, "host")),
                            STR_ARGS(json_text(step, "ip")), STR_ARGS(words));
    if (str_eq(name, STR("TLS")) && json_true(step, "ok"))
        return arena_printf(a, "%.*s, %.*s", STR_ARGS(json_text(step, "version")),
                            STR_ARGS(json_text(step, "cipher")));
    if (json_text(step, "asked").n)
        return arena_printf(a, "%.*s\n%.*s", STR_ARGS(json_text(step, "asked")),
                            STR_ARGS(words));
    return words;
}

static void show_step(struct probing *p, const struct json *step)
{
    struct str name = json_text(step, "step");

    if (str_eq(name, STR("end"))) {
        buf_addf(&p->cli->out, "\n%s", output_begin(BOLD, p->cli->colour));
        buf_clear(&p->cell);
        output_safe(&p->cell, json_text(step, "words"));
        output_wrapped(&p->cli->out, buf_str(&p->cell), 0, 0, p->columns);
        buf_addf(&p->cli->out, ".%s\n", output_end(BOLD, p->cli->colour));
        return;
    }
    begin_step(p, name, json_true(step, "ok"), output_span(&p->arena, json_u64(step, "ms")));
    add_words(p, words_of(p, step));
    add_certificate(p, step);
}

static void take_step(void *arg, struct str text)
{
    struct probing *p = arg;
    struct cli *c = p->cli;
    struct json *step;

    arena_reset(&p->arena);
    step = json_parse(&p->arena, text);
    if (str_eq(json_text(step, "step"), STR("end")))
        p->code = (unsigned)json_u64(step, "code");
    if (c->json) {
        buf_add(&c->out, p->begun ? STR(",\n") : STR("[\n"));
        buf_add(&c->out, text);
        p->begun = true;
    } else if (step) {
        show_step(p, step);
    }
    output_write(STDOUT_FILENO, &c->out); /* while the next one goes on */
}

/* A step of our own. */
static void tell(struct probing *p, const char *step, unsigned code, struct str words)
{
    struct buf b;

    buf_init(&b, CELL_BYTES);
    buf_add_byte(&b, '{');
    json_put_member(&b, "step", str_c(step));
    json_put_bool(&b, "ok", code < 400);
    json_put_u64(&b, "ms", 0);
    if (strcmp(step, "end") == 0)
        json_put_u64(&b, "code", code);
    json_put_member(&b, "words", words);
    buf_add_byte(&b, '}');
    take_step(p, buf_str(&b));
    buf_done(&b);
}

/* ---- elsewhere ---- */

static const char *probe_command(struct probing *p, struct str to, const char *from)
{
    struct buf b;

    buf_init(&b, COMMAND_BYTES);
    buf_add(&b, STR("PROBE to="));
    xtext_add(&b, to);
    buf_add(&b, STR(" from="));
    if (strcmp(from, "<>") == 0)
        buf_add(&b, STR("<>"));
    else
        xtext_add(&b, str_c(from));
    const char *command = buf_failed(&b) ? NULL : arena_dup(&p->cli->arena, buf_str(&b)).p;
    buf_done(&b);
    return command;
}

static enum cli_status status_of(unsigned code)
{
    return code < 400 ? CLI_DONE : code < 500 ? CLI_LATER : CLI_REFUSED;
}

static enum cli_status ask_send(struct probing *p, struct str to, const char *from)
{
    const char *command = probe_command(p, to, from);
    struct asking *a = NULL;
    struct err err;
    int rc;

    if (!command)
        return cli_fail(CLI_USAGE, "that is too long for an address");
    rc = asking_open(cli_config(p->cli)->run_dir, "send.ctl", &a, &err);
    if (rc >= 0)
        rc = asking_ask(a, command, take_step, p, &err);
    asking_close(a);
    if (rc >= 0)
        return status_of(p->code);
    if (err.code == E_UNAVAILABLE)
        return cli_fail(CLI_LATER,
                        "posta-mta-send, which would bring the letter there: %s; `posta "
                        "status` tells whether posta runs, `posta start` starts it",
                        err.text);
    return cli_err(&err);
}

/* ---- here ---- */

static enum cli_status tell_end(struct probing *p, unsigned code, struct str words)
{
    tell(p, "end", code, words);
    return status_of(code);
}

/* Each target by itself; the worst counts. */
static enum cli_status probe_alias(struct probing *p, struct users *u, struct str to,
                                   const char *from)
{
    enum cli_status worst = CLI_DONE;
    struct arena *a = &p->cli->arena;
    struct users_target *targets;
    size_t n = 0;
    enum users_kind kind = users_expand(u, to, a, &targets, &n);

    if (kind != USERS_MAILBOX && kind != USERS_ALIAS) {
        tell(p, "address", 554, STR("an alias that leads nowhere, or in a circle"));
        return tell_end(p, 554, STR("A letter would be refused: 554 5.4.6"));
    }
    for (size_t i = 0; i < n && i < TARGETS; i++) {
        enum cli_status status = CLI_DONE;
        struct str at = targets[i].address;

        tell(p, "address", 250,
             arena_printf(a, "%.*s is an alias of %.*s%s", STR_ARGS(to), STR_ARGS(at),
                          targets[i].local ? ", a user here" : ", elsewhere"));
        if (targets[i].local)
            tell_end(p, 250,
                     arena_printf(a, "A letter would be put into the mailbox of %.*s",
                                  STR_ARGS(at)));
        else
            status = ask_send(p, at, from);
        worst = status > worst ? status : worst;
    }
    return worst;
}

static enum cli_status probe_address(struct probing *p, struct users *u, struct str to,
                                     const char *from)
{
    struct arena *a = &p->cli->arena;
    struct user user;

    switch (users_find(u, to, a, &user)) {
    case USERS_MAILBOX:
        tell(p, "address", 250, arena_printf(a, "%.*s is a user here", STR_ARGS(user.address)));
        return tell_end(p, 250,
                        arena_printf(a, "A letter would be put into the mailbox of %.*s",
                                     STR_ARGS(user.address)));
    case USERS_ALIAS:
        return probe_alias(p, u, to, from);
    case USERS_UNKNOWN:
        tell(p, "address", 550, STR("the domain is ours, and nobody here has that name"));
        return tell_end(p, 550, STR("A letter would be refused: 550 5.1.1"));
    case USERS_LOOP:
        tell(p, "address", 554, STR("aliases that lead in a circle"));
        return tell_end(p, 554, STR("A letter would be refused: 554 5.4.6"));
    case USERS_BROKEN:
        return cli_fail(CLI_LATER, "the users cannot be read: %s", "pub/users.db is damaged");
    case USERS_ELSEWHERE:
        break;
    }
    return ask_send(p, to, from);
}

enum cli_status probe_run(struct cli *c, const struct args *args)
{
    const struct config *config = cli_config(c);
    struct probing p = {.cli = c, .columns = output_columns(STDOUT_FILENO)};
    struct str to = str_c(args->words[0]);
    enum cli_status status;
    struct users *u;
    struct err err;

    if (!config)
        return CLI_REFUSED;
    if (str_find(to, '@') == to.n || to.p[to.n - 1] == '@')
        return cli_usage(c, "\"%s\" is no address; one looks like bob@example.org", to.p);
    const char *from = cli_has(args, OPTION_FROM)
                           ? args->options[OPTION_FROM]
                           : arena_printf(&c->arena, "postmaster@%s", config->hostname).p;
    u = users_open(config->state_dir, &err);
    if (!u)
        return cli_err(&err);
    arena_init(&p.arena);
    buf_init(&p.cell, CELL_BYTES);
    status = probe_address(&p, u, to, from);
    if (c->json && p.begun)
        buf_add(&c->out, STR("\n]\n"));
    buf_done(&p.cell);
    arena_done(&p.arena);
    users_close(u);
    return status;
}
