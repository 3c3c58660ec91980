#include "ctl/accounts.h"

#include "ctl/json.h"
#include "ctl/output.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct users_edit *accounts_open(struct cli *c, enum cli_status *status)
{
    const struct config *config = cli_config(c);
    struct users_edit *e = NULL;
    struct err err;

    *status = CLI_REFUSED;
    if (!config)
        return NULL;
    if (users_edit_open(config->state_dir, &e, &err) < 0) {
        *status =
            faccessat(AT_FDCWD, config->state_dir, F_OK, AT_EACCESS) < 0 && errno == ENOENT
                ? cli_fail(CLI_REFUSED, "%s is not there; `posta init` makes it",
                           config->state_dir)
                : cli_err(&err);
        return NULL;
    }
    return e;
}

enum cli_status accounts_close(struct users_edit *e, int rc, struct err *err)
{
    if (rc >= 0)
        rc = users_publish(e, err);
    users_edit_close(e);
    return rc < 0 ? cli_err(err) : CLI_DONE;
}

/* The same change for each word, all of them or none. */
static enum cli_status each_word(struct cli *c, const struct args *a,
                                 int (*change)(struct users_edit *, struct str, struct err *))
{
    enum cli_status status;
    struct users_edit *e = accounts_open(c, &status);
    struct err err;
    int rc;

    if (!e)
        return status;
    rc = users_edit_begin(e, &err);
    for (size_t i = 0; i < a->n && rc >= 0; i++)
        rc = change(e, str_c(a->words[i]), &err);
    if (rc >= 0)
        rc = users_edit_commit(e, &err);
    return accounts_close(e, rc, &err);
}

enum cli_status domain_add(struct cli *c, const struct args *a)
{
    return each_word(c, a, users_domain_add);
}

enum cli_status domain_del(struct cli *c, const struct args *a)
{
    return each_word(c, a, users_domain_del);
}

/* ---- lists ---- */

struct listing {
    struct cli *cli;
    struct table table;
    size_t n;
};

static void list_begin(struct listing *l, struct cli *c, const char *const *heads)
{
    *l = (struct listing){.cli = c};
    table_init(&l->table, heads);
    if (c->json)
        buf_add(&c->out, STR("["));
}

/* The next object: after it come its members. */
static struct buf *list_object(struct listing *l)
{
    buf_add(&l->cli->out, l->n++ ? STR(",\n{") : STR("\n{"));
    return &l->cli->out;
}

static enum cli_status list_end(struct listing *l, struct users_edit *e, int rc,
                                const struct err *err)
{
    if (l->cli->json)
        buf_add(&l->cli->out, STR("\n]\n"));
    else if (table_rows(&l->table))
        table_print(&l->table, &l->cli->out, l->cli->colour);
    table_done(&l->table);
    users_edit_close(e);
    if (rc < 0)
        buf_clear(&l->cli->out);
    return rc < 0 ? cli_err(err) : CLI_DONE;
}

static void list_domain(void *arg, struct str name, uint64_t users)
{
    struct listing *l = arg;
    struct str cells[] = {name,
                          arena_printf(&l->cli->arena, "%llu", (unsigned long long)users)};

    if (l->cli->json) {
        struct buf *out = list_object(l);

        json_put_member(out, "domain", name);
        json_put_u64(out, "users", users);
        buf_add_byte(out, '}');
    } else {
        table_add(&l->table, PLAIN, cells);
    }
}

enum cli_status domain_list(struct cli *c, const struct args *a)
{
    static const char *const heads[] = {"DOMAIN", ">USERS", NULL};
    enum cli_status status;
    struct users_edit *e = accounts_open(c, &status);
    struct listing l;
    struct err err;

    (void)a;
    if (!e)
        return status;
    list_begin(&l, c, heads);
    return list_end(&l, e, users_domain_list(e, list_domain, &l, &err), &err);
}

static void list_alias(void *arg, struct str address, struct str target)
{
    struct listing *l = arg;
    struct str cells[] = {address, target};

    if (l->cli->json) {
        struct buf *out = list_object(l);

        json_put_member(out, "address", address);
        json_put_member(out, "target", target);
        buf_add_byte(out, '}');
    } else {
        table_add(&l->table, PLAIN, cells);
    }
}

enum cli_status alias_list(struct cli *c, const struct args *a)
{
    static const char *const heads[] = {"ADDRESS", "BECOMES", NULL};
    enum cli_status status;
    struct users_edit *e = accounts_open(c, &status);
    struct listing l;
    struct err err;

    (void)a;
    if (!e)
        return status;
    list_begin(&l, c, heads);
    return list_end(&l, e, users_alias_list(e, list_alias, &l, &err), &err);
}

enum cli_status alias_add(struct cli *c, const struct args *a)
{
    enum cli_status status;
    struct users_edit *e = accounts_open(c, &status);
    struct err err;
    int rc;

    if (!e)
        return status;
    rc = users_edit_begin(e, &err);
    for (size_t i = 1; i < a->n && rc >= 0; i++)
        rc = users_alias_add(e, str_c(a->words[0]), str_c(a->words[i]), &err);
    if (rc >= 0)
        rc = users_edit_commit(e, &err);
    return accounts_close(e, rc, &err);
}

enum cli_status alias_del(struct cli *c, const struct args *a)
{
    enum cli_status status;
    struct users_edit *e = accounts_open(c, &status);
    struct err err;
    int rc;

    if (!e)
        return status;
    rc = users_edit_begin(e, &err);
    if (rc >= 0 && a->n == 1)
        rc = users_alias_del(e, str_c(a->words[0]), STR(""), &err);
    for (size_t i = 1; i < a->n && rc >= 0; i++)
        rc = users_alias_del(e, str_c(a->words[0]), str_c(a->words[i]), &err);
    if (rc >= 0)
        rc = users_edit_commit(e, &err);
    return accounts_close(e, rc, &err);
}

static void list_user(void *arg, const struct user *u)
{
    struct listing *l = arg;
    struct arena *a = &l->cli->arena;

    if (l->cli->json) {
        struct buf *out = list_object(l);

        json_put_member(out, "address", u->address);
        json_put_bool(out, "enabled", u->enabled);
        json_put_u64(out, "quota_bytes", u->quota_bytes);
        json_put_u64(out, "quota_letters", u->quota_letters);
        json_put_member(out, "maildir", u->maildir);
        buf_add_byte(out, '}');
        return;
    }
    struct str cells[] = {
        u->address,
        u->quota_bytes ? output_size(a, u->quota_bytes) : STR("-"),
        u->quota_letters ? arena_printf(a, "%llu", (unsigned long long)u->quota_letters)
                         : STR("-"),
        u->maildir,
        u->enabled ? STR("") : STR("disabled"),
    };
    table_add(&l->table, u->enabled ? PLAIN : FAINT, cells);
}

enum cli_status user_list(struct cli *c, const struct args *a)
{
    static const char *const heads[] = {"USER", ">QUOTA", ">LETTERS", "MAILDIR", "", NULL};
    enum cli_status status;
    struct users_edit *e = accounts_open(c, &status);
    struct listing l;
    struct err err;

    (void)a;
    if (!e)
        return status;
    list_begin(&l, c, heads);
    return list_end(&l, e, users_user_list(e, list_user, &l, &err), &err);
}

/* ---- quota ---- */

enum { OPTION_LETTERS = OPTION_OWN };

const struct args_option user_quota_options[] = {
    {"--letters", 0, "N",  "at most so many letters; 0: no limit"},
    {NULL,        0, NULL, NULL                                  },
};

enum cli_status user_quota(struct cli *c, const struct args *a)
{
    enum cli_status status;
    unsigned long long bytes = 0, letters = 0;
    struct users_edit *e;
    struct user u;
    struct err err;
    int rc;

    if (a->n == 2 && !args_bytes(a->words[1], &bytes))
        return cli_usage(c, "\"%s\" is no size; right would be 500M, 2G, or 0 for no limit",
                         a->words[1]);
    if (cli_has(a, OPTION_LETTERS) &&
        !args_number(a->options[OPTION_LETTERS], INT64_MAX, &letters))
        return cli_usage(c, "--letters takes a number");
    e = accounts_open(c, &status);
    if (!e)
        return status;
    rc = users_user_get(e, str_c(a->words[0]), &c->arena, &u, &err);
    if (rc >= 0 && a->n == 1 && !cli_has(a, OPTION_LETTERS)) {
        static const char *const heads[] = {"USER", ">QUOTA", ">LETTERS", "MAILDIR", "", NULL};
        struct listing l;

        list_begin(&l, c, heads);
        list_user(&l, &u);
        return list_end(&l, e, 0, &err);
    }
    if (rc >= 0)
        rc = users_quota_set(e, u.address, a->n == 2 ? bytes : u.quota_bytes,
                             cli_has(a, OPTION_LETTERS) ? letters : u.quota_letters, &err);
    return accounts_close(e, rc, &err);
}
