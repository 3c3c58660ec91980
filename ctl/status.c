#include "ctl/status.h"

#include "ctl/asking.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/pidfile.h"
#include "sys/clock.h"

#include <poll.h>

enum { OPTION_WAIT = OPTION_OWN };
enum { LOOK_AGAIN_MS = 50, WAIT_MAX_SECONDS = 86400 };

const struct args_option run_status_options[] = {
    {"--wait", 'w', "SECONDS", "wait at most so long until all processes serve"},
    {NULL,     0,   NULL,      NULL                                            },
};

struct status {
    struct cli *cli;
    struct arena arena;
    struct json *processes[512];
    size_t n;
};

static void add_process(void *arg, struct str text)
{
    struct status *s = arg;
    struct json *j = json_parse(&s->arena, text);

    if (j && s->n < sizeof(s->processes) / sizeof(s->processes[0]))
        s->processes[s->n++] = j;
}

/* One question; 0 or why not. */
static int look(struct status *s, struct err *err)
{
    struct asking *a = NULL;
    int rc = asking_open(s->cli->config->run_dir, "posta.ctl", &a, err);

    arena_reset(&s->arena);
    s->n = 0;
    if (rc == 0)
        rc = asking_ask(a, "STATUS", add_process, s, err);
    asking_close(a);
    return rc < 0 ? rc : 0;
}

static bool serves(const struct json *process)
{
    return str_eq(json_text(process, "state"), STR("serving")) && json_true(process, "answers");
}

static bool all_serve(const struct status *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!serves(s->processes[i]))
            return false;
    return s->n > 0;
}

static struct str join_counters(struct arena *a, const struct json *counters)
{
    struct buf out;
    struct str made;

    buf_init(&out, OUTPUT_BYTES);
    for (const struct json *j = counters ? counters->first : NULL; j; j = j->next) {
        if (j->kind == JSON_ARRAY || j->kind == JSON_OBJECT ||
            str_eq(j->name, STR("lone_peer")))
            continue;
        buf_addf(&out, "%s%.*s=", out.n ? " " : "", STR_ARGS(j->name));
        if (j->kind == JSON_STRING || j->kind == JSON_NUMBER)
            buf_add(&out, j->text);
        else
            json_print(&out, j);
    }
    made = arena_dup(a, buf_str(&out));
    buf_done(&out);
    return made;
}

static struct str join_listens(struct arena *a, const struct json *listens)
{
    struct buf out;
    struct str made;

    buf_init(&out, OUTPUT_BYTES);
    for (const struct json *j = listens ? listens->first : NULL; j; j = j->next)
        buf_addf(&out, "%s%.*s", out.n ? " " : "", STR_ARGS(j->text));
    made = arena_dup(a, buf_str(&out));
    buf_done(&out);
    return made;
}

static void print_table(struct status *s)
{
    static const char *const heads[] = {"PROCESS",   ">PID",    "STATE",    ">SINCE",
                                        ">RESTARTS", "LISTENS", "COUNTERS", NULL};
    struct table t;

    table_init(&t, heads);
    for (size_t i = 0; i < s->n; i++) {
        const struct json *p = s->processes[i];
        uint64_t now = clock_wall_ms(), since = json_u64(p, "since");
        bool frozen = str_eq(json_text(p, "state"), STR("serving")) && !json_true(p, "answers");
        struct str cells[] = {
            json_text(p, "process"),
            json_text(p, "pid"),
            frozen ? STR("no answer") : json_text(p, "state"),
            output_span(&s->arena, now > since ? now - since : 0),
            json_text(p, "restarts"),
            join_listens(&s->arena, json_get(p, "listens")),
            join_counters(&s->arena, json_get(p, "counters")),
        };

        table_add(&t, serves(p) ? GREEN : RED, cells);
    }
    table_print(&t, &s->cli->out, s->cli->colour);
    table_done(&t);
}

/* Counted over all processes, so each says the same (net/shared.h). */
static void print_lone_peer(struct status *s)
{
    struct str peer = {"", 0};

    for (size_t i = 0; i < s->n && !peer.n; i++) {
        const struct json *counters = json_get(s->processes[i], "counters");

        if (counters)
            peer = json_text(counters, "lone_peer");
    }
    if (peer.n)
        buf_addf(
            &s->cli->out,
            "warning: every client seems to come from %.*s, a private address: what stands "
            "before posta hides who connects,\n"
            "so limits and delays for one address are everybody's; docker/README.md tells "
            "how to let their own addresses through\n",
            STR_ARGS(peer));
}

static void print_json(struct status *s)
{
    struct buf *out = &s->cli->out;

    buf_add(out, STR("{"));
    json_put_bool(out, "serving", all_serve(s));
    json_put_u64(out, "supervisor", (uint64_t)pidfile_holder(s->cli->config->run_dir, NULL));
    json_put_name(out, "processes");
    buf_add(out, STR("[\n"));
    for (size_t i = 0; i < s->n; i++) {
        json_print(out, s->processes[i]);
        buf_add(out, i + 1 < s->n ? STR(",\n") : STR("\n"));
    }
    buf_add(out, STR("]}\n"));
}

static enum cli_status show(struct status *s, int rc, const struct err *err)
{
    if (rc < 0) {
        if (s->cli->json)
            buf_add(&s->cli->out,
                    STR("{\"serving\": false, \"supervisor\": 0, \"processes\": []}\n"));
        return rc == E_UNAVAILABLE
                   ? cli_fail(CLI_REFUSED, "posta is not running; `posta start` starts it")
                   : cli_err(err);
    }
    if (s->cli->json)
        print_json(s);
    else {
        print_table(s);
        print_lone_peer(s);
    }
    return all_serve(s) ? CLI_DONE : CLI_REFUSED;
}

enum cli_status run_status(struct cli *c, const struct args *a)
{
    static struct status s;
    unsigned long long wait = 0;
    enum cli_status status;
    struct err err;
    int rc;

    if (cli_has(a, OPTION_WAIT) &&
        !args_number(a->options[OPTION_WAIT], WAIT_MAX_SECONDS, &wait))
        return cli_usage(c, "--wait takes a number of seconds");
    if (!cli_config(c))
        return CLI_REFUSED;
    s.cli = c;
    arena_init(&s.arena);
    uint64_t end = clock_steady_ms() + wait * 1000;

    while (((rc = look(&s, &err)) < 0 || !all_serve(&s)) && clock_steady_ms() < end)
        poll(NULL, 0, LOOK_AGAIN_MS);
    status = show(&s, rc, &err);
    arena_done(&s.arena);
    return status;
}
