#include "ctl/cli.h"

#include <stdarg.h>

const struct config *cli_config(struct cli *c)
{
    struct buf faults;

    if (c->config)
        return c->config;
    buf_init(&faults, 1024 * 1024);
    c->config = config_load(c->config_path, &faults);
    if (!c->config)
        fprintf(stderr, "%.*s", STR_ARGS(buf_str(&faults)));
    buf_done(&faults);
    return c->config;
}

static void say(const char *fmt, va_list ap)
{
    fputs("posta: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

enum cli_status cli_fail(enum cli_status status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    return status;
}

void cli_note(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
}

enum cli_status cli_usage(const struct cli *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    fprintf(stderr, "usage: posta %s %s\n", c->command->words, c->command->usage);
    return CLI_USAGE;
}

enum cli_status cli_err(const struct err *err)
{
    bool later = err->code == E_BUSY || err->code == E_UNAVAILABLE || err->code == E_NO_SPACE;

    return cli_fail(later ? CLI_LATER : CLI_REFUSED, "%s", err->text);
}

const char *cli_path(struct cli *c, const char *dir, const char *name)
{
    return arena_printf(&c->arena, "%s/%s", dir, name).p;
}
