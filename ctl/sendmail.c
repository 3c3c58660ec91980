#include "ctl/sendmail.h"

#include "base/defer.h"
#include "ctl/cli.h"
#include "ctl/compose.h"
#include "ctl/handover.h"
#include "ctl/queue.h"
#include "sys/clock.h"

#include <errno.h>
#include <pwd.h>
#include <sysexits.h>

enum { READ_BYTES = 65536 };

static int fail(int status, const char *words)
{
    fprintf(stderr, "sendmail: %s\n", words);
    return status;
}

static int fail_err(const struct err *err)
{
    switch (err->code) {
    case E_SYNTAX:
    case E_LIMIT:
        return fail(EX_DATAERR, err->text);
    case E_NOT_FOUND:
        return fail(EX_USAGE, err->text);
    case E_DENIED:
        return fail(EX_UNAVAILABLE, err->text);
    default:
        return fail(EX_TEMPFAIL, err->text);
    }
}

/* All of standard input, before anybody is told of the letter. */
static int read_letter(struct buf *in)
{
    for (;;) {
        char *room = buf_room(in, READ_BYTES);
        ssize_t n;

        if (!room)
            return fail(EX_DATAERR, "the letter is longer than limits.letter_bytes allows");
        do
            n = read(STDIN_FILENO, room, READ_BYTES);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return fail(EX_NOINPUT, "the letter cannot be read from standard input");
        if (n == 0)
            return 0;
        buf_grown(in, (size_t)n);
    }
}

/* Says who was refused; 67 when somebody was for good, 75 when only for now. */
static int tell_results(const struct smtp_transaction *tx)
{
    int status = 0;

    for (size_t i = 0; i < tx->nrcpts; i++) {
        const struct smtp_client_rcpt *r = &tx->rcpts[i];
        int class = r->phase == SMTP_PHASE_ANSWERED ? smtp_reply_class(r->reply) : 0;

        if (class == 2)
            continue;
        if (class == 0)
            fprintf(stderr, "sendmail: %.*s: the queue gave no answer\n",
                    STR_ARGS(r->rcpt.forward_path));
        else
            fprintf(stderr, "sendmail: %.*s: %d %.*s %.*s\n", STR_ARGS(r->rcpt.forward_path),
                    r->reply.code, STR_ARGS(r->reply.enhanced), STR_ARGS(r->reply.text));
        status = class == 5 ? EX_NOUSER : status ? status : EX_TEMPFAIL;
    }
    return status;
}

static int hand_over(const struct config *config, const struct sendmail_args *args,
                     struct composed *c, struct arena *a)
{
    struct smtp_transaction tx = {
        .mail = {.reverse_path = c->sender,
                 .size = c->wire_size,
                 .body = c->eight_bit ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT,
                 .envid = args->envid ? str_c(args->envid) : STR(""),
                 .ret = args->ret,
                 .smtputf8 = c->utf8},
        .rcpts = ARENA_ARRAY(a, struct smtp_client_rcpt, c->nrcpts),
        .nrcpts = c->nrcpts,
        .wire_size = c->wire_size,
    };
    struct smtp_client *session = NULL;
    struct err err;
    int status;

    for (size_t i = 0; i < c->nrcpts; i++)
        tx.rcpts[i].rcpt =
            (struct smtp_rcpt){.forward_path = c->rcpts[i], .notify = args->notify};
    if (handover(config->run_dir, str_c(config->hostname), &tx, buf_str(&c->letter), &session,
                 &err) < 0)
        status = fail_err(&err);
    else
        status = tell_results(&tx);
    smtp_client_free(session);
    return status;
}

static int send_letter(const struct config *config, const struct sendmail_args *args)
{
    const struct passwd *pw = getpwuid(getuid());
    struct compose_context context = {
        .hostname = str_c(config->hostname),
        .origin = compose_origin(str_c(config->hostname)),
        .login = pw ? str_c(pw->pw_name) : STR("nobody"),
        .now_s = (int64_t)(clock_wall_ms() / 1000),
        .rcpts_max = config->limits.recipients,
    };
    struct composed letter;
    struct arena a;
    struct buf in;
    struct err err;
    int status;

    clock_new_id(&context.id);
    arena_init(&a);
    buf_init(&in, config->limits.letter_bytes + READ_BYTES);
    status = read_letter(&in);
    if (status == 0 && compose(&a, buf_str(&in), args, &context, &letter, &err) < 0)
        status = fail_err(&err);
    else if (status == 0) {
        status = hand_over(config, args, &letter, &a);
        composed_done(&letter);
    }
    buf_done(&in);
    arena_done(&a);
    return status;
}

int sendmail_main(const char *config_path, int argc, const char **argv)
{
    struct sendmail_args args;
    struct buf faults;
    struct err err;
    struct config *config;
    int status;

    if (sendmail_args_parse(argc, argv, &args, &err) < 0)
        return fail(EX_USAGE, err.text);
    if (args.mode == SENDMAIL_ALIASES)
        return 0; /* aliases are in users.db: nothing has to be made from them */
    if (args.mode == SENDMAIL_QUEUE)
        return queue_list_all(config_path);
    buf_init(&faults, READ_BYTES);
    config = config_load(config_path, &faults);
    if (!config)
        status = fail(EX_CONFIG, buf_c(&faults));
    else if (args.mode == SENDMAIL_SMTP)
        status = handover_by_hand(config->run_dir, STDIN_FILENO, STDOUT_FILENO, &err) < 0
                     ? fail_err(&err)
                     : 0;
    else
        status = send_letter(config, &args);
    buf_done(&faults);
    config_free(config);
    return status;
}
