#include "ctl/queue.h"

#include "base/id.h"
#include "ctl/asking.h"
#include "ctl/json.h"
#include "ctl/output.h"

#include <unistd.h>

enum { OPTION_ALL = OPTION_OWN, OPTION_YES };

const struct args_option queue_change_options[] = {
    {"--all", 0,   NULL, "every letter in the queue" },
    {"--yes", 'y', NULL, "with --all: yes, I mean it"},
    {NULL,    0,   NULL, NULL                        },
};

int queue_ask(struct cli *c, const char *command, void (*object)(void *arg, struct str json),
              void *arg, enum cli_status *status)
{
    const struct config *config = cli_config(c);
    struct asking *a = NULL;
    struct err err;
    int rc;

    *status = CLI_REFUSED;
    if (!config)
        return -1;
    rc = asking_open(config->run_dir, "queue.ctl", &a, &err);
    if (rc >= 0)
        rc = asking_ask(a, command, object, arg, &err);
    asking_close(a);
    if (rc >= 0)
        *status = CLI_DONE;
    else if (err.code == E_UNAVAILABLE)
        *status =
            cli_fail(CLI_LATER, "the queue: %s (is posta running? `posta status`)", err.text);
    else
        *status = cli_err(&err);
    return rc;
}

/* ---- JSON ---- */

struct array {
    struct cli *cli;
    bool begun;
};

static void add_element(void *arg, struct str json)
{
    struct array *a = arg;

    buf_add(&a->cli->out, a->begun ? STR(",\n") : STR("[\n"));
    a->begun = true;
    buf_add(&a->cli->out, json);
    output_some(STDOUT_FILENO, &a->cli->out);
}

enum cli_status queue_ask_json(struct cli *c, const char *command)
{
    struct array a = {.cli = c};
    enum cli_status status;

    if (queue_ask(c, command, add_element, &a, &status) >= 0)
        buf_add(&c->out, a.begun ? STR("\n]\n") : STR("[\n]\n"));
    return status;
}

static void copy_json(void *arg, struct str json)
{
    struct cli *c = arg;

    buf_add(&c->out, json);
}

/* ---- one letter ---- */

static bool good_id(const struct cli *c, const char *word, enum cli_status *status)
{
    struct id id;

    if (id_parse(str_c(word), &id))
        return true;
    *status = cli_usage(
        c, "\"%s\" is no letter's id; ids have %d letters and digits, as in \"queued as …\"",
        word, ID_LETTERS);
    return false;
}

/* The head of a letter has many lines: each stands below the name. */
static void show_text(struct buf *out, struct str text, unsigned depth)
{
    struct str line;

    if (str_find(text, '\n') == text.n) {
        output_safe(out, text);
        buf_add_byte(out, '\n');
        return;
    }
    buf_add_byte(out, '\n');
    while (text.n) {
        line = str_first(text, str_find(text, '\n'));
        text = str_skip(text, line.n < text.n ? line.n + 1 : line.n);
        buf_addf(out, "%*s", (int)depth * 2 + 2, "");
        for (struct str part; line.n; line = str_skip(line, part.n + (part.n < line.n))) {
            part = str_first(line, str_find(line, '\t'));
            output_safe(out, part);
            if (part.n < line.n)
                buf_add(out, STR("    "));
        }
        buf_add_byte(out, '\n');
    }
}

/* Names and values, one a line; what is an array of objects is indented. */
static void show_members(struct buf *out, const struct json *object, unsigned depth)
{
    for (const struct json *j = object->first; j; j = j->next) {
        buf_addf(out, "%*s%-12.*s ", (int)depth * 2, "", STR_ARGS(j->name));
        if (j->kind == JSON_STRING || j->kind == JSON_NUMBER) {
            show_text(out, j->text, depth);
            continue;
        } else if (j->kind == JSON_ARRAY || j->kind == JSON_OBJECT) {
            buf_add_byte(out, '\n');
            if (j->kind == JSON_OBJECT)
                show_members(out, j, depth + 1);
            for (const struct json *m = j->kind == JSON_ARRAY ? j->first : NULL; m;
                 m = m->next) {
                buf_addf(out, "%*s-\n", (int)depth * 2 + 2, "");
                if (m->kind == JSON_OBJECT)
                    show_members(out, m, depth + 2);
            }
            continue;
        } else {
            json_print(out, j);
        }
        buf_add_byte(out, '\n');
    }
}

static void show_letter(void *arg, struct str text)
{
    struct cli *c = arg;
    struct json *letter = json_parse(&c->arena, text);

    if (letter && letter->kind == JSON_OBJECT)
        show_members(&c->out, letter, 0);
}

enum cli_status queue_show(struct cli *c, const struct args *args)
{
    enum cli_status status;
    const char *command;

    if (!good_id(c, args->words[0], &status))
        return status;
    command = arena_printf(&c->arena, "SHOW %s", args->words[0]).p;
    queue_ask(c, command, c->json ? copy_json : show_letter, c, &status);
    if (c->json && c->out.n)
        buf_add_byte(&c->out, '\n');
    return status;
}

/* ---- changes ---- */

static enum cli_status change_one(struct cli *c, const char *verb, const char *what, int *count)
{
    enum cli_status status;
    int rc = queue_ask(c, arena_printf(&c->arena, "%s %s", verb, what).p, NULL, NULL, &status);

    if (rc >= 0)
        *count += rc;
    return status;
}

/* VERB for each id of the words, or for all where --all --yes say so. */
static enum cli_status change(struct cli *c, const struct args *args, const char *verb,
                              const char *done)
{
    enum cli_status status = CLI_DONE, worst = CLI_DONE;
    int count = 0;

    if (cli_has(args, OPTION_ALL) == (args->n > 0))
        return cli_usage(c,
                         "name the letters by their ids, or say --all --yes for every letter");
    if (cli_has(args, OPTION_ALL) && !cli_has(args, OPTION_YES))
        return cli_usage(c,
                         "that is every letter in the queue: say --all --yes when you mean it");
    for (size_t i = 0; i < args->n; i++)
        if (!good_id(c, args->words[i], &status))
            return status;
    if (cli_has(args, OPTION_ALL))
        worst = change_one(c, verb, "*", &count);
    for (size_t i = 0; i < args->n && worst != CLI_LATER; i++) {
        status = change_one(c, verb, args->words[i], &count);
        worst = status == CLI_DONE ? worst : status;
    }
    if (c->json)
        buf_addf(&c->out, "{\"letters\": %d}\n", count);
    else if (worst == CLI_DONE || count)
        buf_addf(&c->out, "%d letter%s %s\n", count, count == 1 ? "" : "s", done);
    return worst;
}

enum cli_status queue_retry(struct cli *c, const struct args *args)
{
    return change(c, args, "RETRY", "will be tried now");
}

enum cli_status queue_hold(struct cli *c, const struct args *args)
{
    return change(c, args, "HOLD", "held");
}

enum cli_status queue_release(struct cli *c, const struct args *args)
{
    return change(c, args, "RELEASE", "released");
}

enum cli_status queue_delete(struct cli *c, const struct args *args)
{
    return change(c, args, "DELETE", "deleted");
}

enum cli_status queue_flush(struct cli *c, const struct args *args)
{
    enum cli_status status;
    int n = queue_ask(c, "FLUSH", NULL, NULL, &status);

    (void)args;
    if (n >= 0 && c->json)
        buf_addf(&c->out, "{\"letters\": %d}\n", n);
    else if (n >= 0)
        buf_addf(&c->out, "%d letter%s will be tried now, back-off forgotten\n", n,
                 n == 1 ? "" : "s");
    return status;
}

/* ---- the journey ---- */

struct journey {
    struct cli *cli;
    struct table table;
    struct str first_id;
};

static void hop(void *arg, struct str text)
{
    struct journey *j = arg;
    struct json *hop = json_parse(&j->cli->arena, text);
    struct str id = json_text(hop, "id");
    struct str time = json_text(hop, "time");
    struct str cells[] = {time, json_text(hop, "box"), json_text(hop, "text"), STR("")};

    if (!hop)
        return;
    if (!j->first_id.n)
        j->first_id = id;
    /* A bounce, or what else the letter gave rise to, has an id of its own. */
    if (!str_eq(id, j->first_id))
        cells[3] = id;
    table_add(&j->table, PLAIN, cells);
}

enum cli_status queue_trace(struct cli *c, const struct args *args)
{
    static const char *const heads[] = {"TIME", "BOX", "WHAT", "LETTER", NULL};
    struct journey j = {.cli = c};
    enum cli_status status;
    const char *command;

    if (!good_id(c, args->words[0], &status))
        return status;
    command = arena_printf(&c->arena, "TRACE %s", args->words[0]).p;
    if (c->json)
        return queue_ask_json(c, command);
    table_init(&j.table, heads);
    if (queue_ask(c, command, hop, &j, &status) >= 0) {
        if (table_rows(&j.table))
            table_print(&j.table, &c->out, c->colour);
        else
            status =
                cli_fail(CLI_REFUSED,
                         "nothing is known of %s (the queue remembers limits.trace_letters)",
                         args->words[0]);
    }
    table_done(&j.table);
    return status;
}
