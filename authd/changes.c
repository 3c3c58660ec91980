/*
 *   changes_take --> PASSWD: hash_new (pool "keys") --> hashed --+
 *         |                                                      v
 *         +--------- REMOVE ------------------------> write (pool "accounts") --> written -->
 * options.answer
 */
#include "authd/changes.h"

#include "sasl/exchange.h"
#include "sys/clock.h"
#include "sys/log.h"

enum { KEYS_NICE = 10 };

struct changes {
    struct changes_options o;
    struct jobs *hashing, *writing;
    struct list all;
    unsigned n;
};

struct change {
    struct list link;
    struct job job;
    struct changes *all;
    void *owner;
    uint32_t exchange;
    bool removes;
    struct buf user, password, scram;
    char hash[PASSWORD_HASH_BYTES];
    int result;
    struct err err;
};

static void change_free(struct change *c)
{
    list_remove(&c->link);
    c->all->n--;
    if (c->password.p)
        explicit_bzero(c->password.p, c->password.cap);
    buf_done(&c->user);
    buf_done(&c->password);
    buf_done(&c->scram);
    free(c);
}

/* On the pool "keys". */
static void hash_new(void *arg, struct job **batch, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++) {
        struct change *c = JOB_OF(batch[i], struct change, job);
        unsigned char salt[PASSWORD_SALT_BYTES];

        random_bytes(salt, sizeof(salt));
        c->result = password_hash(buf_str(&c->password), salt, c->hash, &c->err);
        random_bytes(salt, sizeof(salt));
        password_scram(buf_str(&c->password), salt, &c->scram);
    }
}

static int apply(struct accounts *a, struct change *c)
{
    if (c->removes)
        return accounts_remove(a, buf_str(&c->user), &c->err);
    return accounts_set(a, buf_str(&c->user), str_c(c->hash), buf_str(&c->scram),
                        clock_wall_ms(), &c->err);
}

/* On the pool "accounts": one transaction for all that wait; it stands or falls for all. */
static void write_batch(void *arg, struct job **batch, unsigned n)
{
    struct changes *all = arg;
    struct err err = {.code = 0};
    int r = accounts_begin(all->o.accounts, &err);

    for (unsigned i = 0; i < n && r == 0; i++) {
        struct change *c = JOB_OF(batch[i], struct change, job);

        r = apply(all->o.accounts, c);
        err = c->err;
    }
    if (r == 0)
        r = accounts_commit(all->o.accounts, &err);
    else
        accounts_rollback(all->o.accounts);
    for (unsigned i = 0; i < n; i++) {
        struct change *c = JOB_OF(batch[i], struct change, job);

        c->result = r;
        c->err = err;
    }
}

static void written(struct job *j)
{
    struct change *c = JOB_OF(j, struct change, job);
    struct auth_answer a = {c->exchange, AUTH_OK, buf_str(&c->user)};

    if (c->result < 0) {
        log_event(LOG_ERROR, NULL, "accounts", "%s", c->err.text);
        a = (struct auth_answer){c->exchange, AUTH_TEMP, str_c(c->err.text)};
    } else {
        log_event(LOG_INFO, NULL, c->removes ? "user-removed" : "password-set", "%.*s",
                  STR_ARGS(buf_str(&c->user)));
    }
    if (c->owner)
        c->all->o.answer(c->owner, &a);
    change_free(c);
}

static void hashed(struct job *j)
{
    struct change *c = JOB_OF(j, struct change, job);

    if (c->result < 0)
        written(j);
    else
        jobs_submit(c->all->writing, j, written);
}

struct changes *changes_new(const struct changes_options *o)
{
    struct changes *all = calloc(1, sizeof(*all));

    if (!all)
        abort();
    all->o = *o;
    list_init(&all->all);
    all->hashing = jobs_new(o->loop, &(struct jobs_options){.name = "keys",
                                                            .threads = o->hash_threads,
                                                            .batch_max = 1,
                                                            .nice = KEYS_NICE,
                                                            .work = hash_new});
    all->writing = jobs_new(o->loop, &(struct jobs_options){.name = "accounts",
                                                            .threads = 1,
                                                            .batch_max = CHANGES_BATCH,
                                                            .work = write_batch,
                                                            .arg = all});
    return all;
}

void changes_free(struct changes *all)
{
    if (!all)
        return;
    jobs_free(all->hashing);
    jobs_free(all->writing);
    LIST_EACH(&all->all, at)
    change_free(LIST_OF(at, struct change, link));
    free(all);
}

static const char *fault(struct changes *all, const struct auth_request *r)
{
    if (all->n >= CHANGES_MAX)
        return "too many changes are under way";
    if (r->verb != AUTH_VERB_PASSWD)
        return NULL;
    if (r->password.n == 0)
        return "an empty password";
    if (r->password.n > SASL_PASSWORD_BYTES)
        return "the password is longer than 1024 octets";
    if (str_find(r->password, '\0') < r->password.n)
        return "NUL in a password";
    return NULL;
}

bool changes_take(struct changes *all, void *owner, const struct auth_request *r,
                  struct auth_answer *a)
{
    const char *words = fault(all, r);
    struct change *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    *c = (struct change){.all = all, .owner = owner, .exchange = r->exchange};
    list_append(&all->all, &c->link);
    all->n++;
    buf_init(&c->user, SASL_USER_BYTES);
    buf_init(&c->password, 3 * SASL_PASSWORD_BYTES);
    buf_init(&c->scram, ACCOUNT_SCRAM_BYTES);
    if (!words && !sasl_canonical_user(r->user, &c->user))
        words = "that is no name of a user";
    if (words) {
        *a = (struct auth_answer){r->exchange, AUTH_BAD, str_c(words)};
        change_free(c);
        return true;
    }
    c->removes = r->verb == AUTH_VERB_REMOVE;
    password_prepare(r->password, &c->password);
    if (c->removes)
        jobs_submit(all->writing, &c->job, written);
    else
        jobs_submit(all->hashing, &c->job, hashed);
    return false;
}

void changes_forget(struct changes *all, const void *owner)
{
    LIST_EACH(&all->all, at)
    {
        struct change *c = LIST_OF(at, struct change, link);

        if (c->owner == owner)
            c->owner = NULL;
    }
}

unsigned changes_open(const struct changes *all)
{
    return all->n;
}
