/*
 * users - adding and removing users, and their passwords.
 *
 * The order of an addition: the user's row in an open transaction, then the password in authd,
 * then commit and snapshot. A crash between any two leaves no user, or a password that nobody
 * can log in with, as the snapshot does not know its user.
 */
#include "ctl/accounts.h"
#include "ctl/maildirs.h"
#include "ctl/passwords.h"
#include "ctl/prompt.h"

#include <errno.h>

enum { OPTION_STDIN = OPTION_OWN, OPTION_BATCH };

const struct args_option user_add_options[] = {
    {"--password-stdin", 0, NULL, "the password is the first line of standard input"},
    {"--batch",          0, NULL, "standard input has lines of ADDRESS PASSWORD"    },
    {NULL,               0, NULL, NULL                                              },
};

const struct args_option user_passwd_options[] = {
    {"--password-stdin", 0, NULL, "the password is the first line of standard input"},
    {NULL,               0, NULL, NULL                                              },
};

/* Many changes under way: what each is about, and what became of it. */
struct batch {
    struct cli *cli;
    struct users_edit *edit;
    struct passwords *passwords;
    struct str *addresses; /* by number, in the arena */
    struct str *maildirs;  /* of those that come to be */
    uint32_t n, room, done, failed;
};

static uint32_t remember(struct batch *b, struct str address, struct str maildir)
{
    if (b->n == b->room) {
        b->room = b->room ? b->room * 2 : 64;
        b->addresses = realloc(b->addresses, sizeof(*b->addresses) * b->room);
        b->maildirs = realloc(b->maildirs, sizeof(*b->maildirs) * b->room);
        if (!b->addresses || !b->maildirs)
            abort();
    }
    b->addresses[b->n] = address;
    b->maildirs[b->n] = maildir;
    return b->n++;
}

static void say_failed(struct batch *b, struct str address, const char *why)
{
    b->failed++;
    cli_note("%.*s: %s", STR_ARGS(address), why);
}

/* A user whose password was not taken does not come to be. */
static void password_answered(void *arg, uint32_t number, const char *why)
{
    struct batch *b = arg;
    struct err err;

    if (!why) {
        b->done++;
        return;
    }
    say_failed(b, b->addresses[number], why);
    b->maildirs[number] = STR("");
    if (b->edit && users_user_del(b->edit, b->addresses[number], &err) < 0)
        cli_note("%.*s: %s", STR_ARGS(b->addresses[number]), err.text);
}

/* Negative: nothing more can be done. */
static int add_one(struct batch *b, struct str address, struct str password, struct err *err)
{
    struct user u;
    struct err why;

    if (users_user_add(b->edit, address, &b->cli->arena, &u, &why) < 0) {
        say_failed(b, address, why.text);
        return 0;
    }
    return passwords_set(b->passwords, remember(b, u.address, u.maildir), u.address, password,
                         err);
}

static bool good_password(struct str password, const char **why)
{
    *why = !password.n                                    ? "the password is empty"
           : password.n > PASSWORD_BYTES                  ? "the password is too long"
           : memchr(password.p, '\0', password.n) != NULL ? "the password has a NUL in it"
                                                          : NULL;
    return !*why;
}

static int add_line(struct batch *b, struct str line, struct err *err)
{
    struct str address;
    const char *why;

    line = str_trim(line);
    if (!line.n || line.p[0] == '#')
        return 0;
    if (!scan_until(&line, ' ', &address) || !scan_byte(&line, ' ')) {
        say_failed(b, line.n ? line : address, "a line has to be ADDRESS PASSWORD");
        return 0;
    }
    if (!good_password(line, &why)) {
        say_failed(b, address, why);
        return 0;
    }
    return add_one(b, arena_dup(&b->cli->arena, address), line, err);
}

static int add_lines(struct batch *b, struct err *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int rc = 0;

    while (rc >= 0 && (n = getline(&line, &room, stdin)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        rc = add_line(b, (struct str){line, (size_t)n}, err);
    }
    if (line)
        explicit_bzero(line, room);
    free(line);
    return rc;
}

static int add_all(struct batch *b, const struct args *a, struct str password, struct err *err)
{
    const struct config *config = b->cli->config;
    int rc = users_edit_begin(b->edit, err);

    if (rc >= 0)
        rc = passwords_open(config, b->cli->config_path, password_answered, b, &b->passwords,
                            err);
    if (rc >= 0)
        rc = cli_has(a, OPTION_BATCH) ? add_lines(b, err)
                                      : add_one(b, str_c(a->words[0]), password, err);
    if (rc >= 0)
        rc = passwords_wait(b->passwords, err);
    passwords_close(b->passwords);
    return rc < 0 ? rc : users_edit_commit(b->edit, err);
}

enum cli_status user_add(struct cli *c, const struct args *a)
{
    char password[PASSWORD_BYTES + 2] = "";
    struct batch b = {.cli = c};
    enum cli_status status = CLI_DONE;
    struct err err;
    int rc;

    if (cli_has(a, OPTION_BATCH) == (a->n == 1))
        return cli_usage(c, "name one user, or say --batch and give lines of ADDRESS PASSWORD");
    if (a->n)
        status = prompt_password(c, cli_has(a, OPTION_STDIN), password, sizeof(password));
    if (status != CLI_DONE)
        return status;
    b.edit = accounts_open(c, &status);
    if (!b.edit)
        return status;
    rc = add_all(&b, a, str_c(password), &err);
    explicit_bzero(password, sizeof(password));
    status = accounts_close(b.edit, rc, &err);
    if (status == CLI_DONE && maildirs_make(c->config->state_dir, b.maildirs, b.n, &err) < 0)
        cli_note("%s; the first letter or login makes it", err.text);
    free(b.addresses);
    free(b.maildirs);
    if (status == CLI_DONE && cli_has(a, OPTION_BATCH) && !c->json)
        buf_addf(&c->out, "%u user%s added\n", b.done, b.done == 1 ? "" : "s");
    return status == CLI_DONE && b.failed ? CLI_REFUSED : status;
}

/* One change of authd's alone. */
static enum cli_status change_password(struct cli *c, struct str address, struct str password)
{
    struct batch b = {.cli = c};
    struct err err;
    int rc =
        passwords_open(c->config, c->config_path, password_answered, &b, &b.passwords, &err);

    remember(&b, address, STR(""));
    if (rc >= 0 && password.n)
        rc = passwords_set(b.passwords, 0, address, password, &err);
    else if (rc >= 0)
        rc = passwords_remove(b.passwords, 0, address, &err);
    if (rc >= 0)
        rc = passwords_wait(b.passwords, &err);
    passwords_close(b.passwords);
    free(b.addresses);
    free(b.maildirs);
    return rc < 0 ? cli_err(&err) : b.failed ? CLI_REFUSED : CLI_DONE;
}

/* The user's row, so that a wrong name is told before a password is asked. */
static enum cli_status find_user(struct cli *c, const char *address, struct user *u)
{
    enum cli_status status;
    struct users_edit *e = accounts_open(c, &status);
    struct err err;
    int rc;

    if (!e)
        return status;
    rc = users_user_get(e, str_c(address), &c->arena, u, &err);
    users_edit_close(e);
    return rc < 0 ? cli_err(&err) : CLI_DONE;
}

enum cli_status user_passwd(struct cli *c, const struct args *a)
{
    char password[PASSWORD_BYTES + 2] = "";
    struct user u;
    enum cli_status status = find_user(c, a->words[0], &u);

    if (status == CLI_DONE)
        status = prompt_password(c, cli_has(a, OPTION_STDIN), password, sizeof(password));
    if (status == CLI_DONE)
        status = change_password(c, u.address, str_c(password));
    explicit_bzero(password, sizeof(password));
    return status;
}

enum cli_status user_del(struct cli *c, const struct args *a)
{
    enum cli_status status = CLI_DONE;

    for (size_t i = 0; i < a->n && status == CLI_DONE; i++) {
        struct users_edit *e = NULL;
        struct user u = {0};
        struct err err;

        status = find_user(c, a->words[i], &u);
        if (status == CLI_DONE)
            e = accounts_open(c, &status);
        if (!e)
            break;
        /* First nobody logs in any more, then the password goes. */
        status = accounts_close(e, users_user_del(e, u.address, &err), &err);
        if (status == CLI_DONE)
            status = change_password(c, u.address, STR(""));
        if (status == CLI_DONE && !c->json)
            buf_addf(&c->out, "%.*s is no user any more; the letters stay in %s/%.*s\n",
                     STR_ARGS(u.address), c->config->state_dir, STR_ARGS(u.maildir));
    }
    return status;
}
