/*
 *   login_begin, login_continue --> proceed --> AUTH_CONTINUE, AUTH_OK, AUTH_BAD
 *                                     |  a password is to be checked: check_password
 *                                     |-- remembered: right, at once
 *                                     v
 *                        hash_passwords (on the pool)
 *                                     v
 *                        password_hashed --> proceed --> options.answer
 *
 * A login whose owner has gone while its hash is computed is freed when that ends.
 */
#include "authd/logins.h"

#include "authd/memory.h"
#include "sasl/exchange.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <assert.h>

enum { HASH_NICE = 10 };

struct logins {
    struct logins_options o;
    struct jobs *pool;
    struct memory *memory;
    struct list all;
    unsigned n;
    char decoy[PASSWORD_HASH_BYTES]; /* for who is not known */
    struct buf text;                 /* of the last answer   */
};

struct login {
    struct list link;
    struct job job;
    struct logins *all;
    void *owner;
    uint32_t exchange;
    struct sasl_exchange *sasl;
    char service[AUTH_TOKEN_BYTES + 1], peer[AUTH_TOKEN_BYTES + 1];
    bool cancelled, hashing;
    /* the question that is open */
    struct str user, password; /* the SASL exchange's */
    struct account account;
    bool found, matches;
};

static void log_sasl(void *arg, const char *text)
{
    (void)arg;
    log_event(LOG_ERROR, NULL, "sasl", "%s", text);
}

/* On the pool. */
static void hash_passwords(void *arg, struct job **batch, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++) {
        struct login *l = JOB_OF(batch[i], struct login, job);

        l->matches = password_matches(l->password, str_c(l->account.hash));
    }
}

struct logins *logins_new(const struct logins_options *o, struct err *err)
{
    static const struct sasl_owner owner = {.mechanisms = "PLAIN LOGIN", .log = log_sasl};
    unsigned char random[MEMORY_MARK_BYTES];
    struct logins *ls;

    if (sasl_exchange_init(&owner, err) < 0)
        return NULL;
    ls = calloc(1, sizeof(*ls));
    if (!ls)
        abort();
    ls->o = *o;
    list_init(&ls->all);
    buf_init(&ls->text, AUTH_LINE_BYTES);
    random_bytes(random, sizeof(random));
    ls->memory = memory_new(random, MEMORY_ENTRIES);
    random_bytes(random, sizeof(random));
    if (password_hash((struct str){(const char *)random, sizeof(random) / 2}, random, ls->decoy,
                      err) < 0) {
        logins_free(ls);
        return NULL;
    }
    ls->pool = jobs_new(o->loop, &(struct jobs_options){.name = "hash",
                                                        .threads = o->hash_threads,
                                                        .batch_max = 1,
                                                        .nice = HASH_NICE,
                                                        .work = hash_passwords});
    return ls;
}

static void login_free(struct login *l)
{
    list_remove(&l->link);
    l->all->n--;
    sasl_exchange_free(l->sasl);
    free(l);
}

void logins_free(struct logins *ls)
{
    if (!ls)
        return;
    if (ls->pool)
        jobs_free(ls->pool);
    LIST_EACH(&ls->all, at)
    login_free(LIST_OF(at, struct login, link));
    memory_free(ls->memory);
    buf_done(&ls->text);
    free(ls);
    sasl_exchange_done();
}

static void answer_words(struct login *l, enum auth_status status, const char *words,
                         struct auth_answer *a)
{
    *a = (struct auth_answer){l->exchange, status, str_c(words)};
}

/* One line for who watches for guessers; the password is nowhere in it. */
static void log_failure(const struct login *l, const char *why)
{
    log_event(LOG_INFO, NULL, "login-refused", "service=%s peer=%s user=%.*s: %s", l->service,
              l->peer[0] ? l->peer : "-", (int)l->user.n, l->user.n ? l->user.p : "", why);
}

static void mark_of(const struct login *l, struct memory_mark *mark)
{
    memory_mark(l->all->memory, l->user, str_c(l->account.hash), str_c(l->service), l->password,
                mark);
}

static void password_hashed(struct job *j);

enum check { CHECK_RIGHT, CHECK_LATER, CHECK_IMPOSSIBLE };

/* Who is not known is compared with a decoy's hash, so that it takes as long. */
static enum check check_password(struct login *l)
{
    struct logins *ls = l->all;
    struct memory_mark mark;
    struct err err;

    int r = accounts_find(ls->o.accounts, l->user, &l->account, &err);
    l->found = r == 0;
    if (r == E_NOT_FOUND) {
        l->account.enabled = true;
        memcpy(l->account.hash, ls->decoy, sizeof(ls->decoy));
    } else if (r < 0) {
        log_event(LOG_ERROR, NULL, "accounts", "%s", err.text);
        return CHECK_IMPOSSIBLE;
    }
    mark_of(l, &mark);
    if (memory_has(ls->memory, &mark))
        return CHECK_RIGHT;
    if (jobs_waiting(ls->pool) >= LOGINS_HASHES_MAX)
        return CHECK_IMPOSSIBLE;
    l->hashing = true;
    jobs_submit(ls->pool, &l->job, password_hashed);
    return CHECK_LATER;
}

/* Cyrus's answer becomes ours; true when there is one now. */
static bool proceed(struct login *l, enum sasl_ask ask, const struct sasl_said *said,
                    struct auth_answer *a)
{
    struct sasl_said next = *said;

    while (ask == SASL_ASK_PASSWORD) {
        l->user = next.user;
        l->password = next.password;
        enum check check = check_password(l);
        if (check == CHECK_LATER)
            return false;
        if (check == CHECK_IMPOSSIBLE) {
            answer_words(l, AUTH_TEMP, "try again later", a);
            return true;
        }
        if (!l->account.enabled) {
            log_failure(l, "switched off");
            answer_words(l, AUTH_DISABLED, "the account is switched off", a);
            return true;
        }
        ask = sasl_exchange_verdict(l->sasl, true, &next);
    }
    if (ask == SASL_SAYS_NO) {
        log_failure(l, "name or password is wrong");
        answer_words(l, AUTH_BAD, "name or password is wrong", a);
        return true;
    }
    struct buf *text = &l->all->text;
    buf_clear(text);
    buf_add(text, ask == SASL_SAYS_YES ? next.user : next.challenge);
    *a = (struct auth_answer){l->exchange, ask == SASL_SAYS_YES ? AUTH_OK : AUTH_CONTINUE,
                              buf_str(text)};
    return true;
}

/* Nothing of it counts if the account has changed meanwhile. */
static bool still_right(struct login *l)
{
    struct account now;

    return l->found && l->matches &&
           accounts_find(l->all->o.accounts, l->user, &now, NULL) == 0 &&
           strcmp(now.hash, l->account.hash) == 0 && now.enabled == l->account.enabled;
}

static void password_hashed(struct job *j)
{
    struct login *l = JOB_OF(j, struct login, job);
    struct memory_mark mark;
    struct auth_answer a;
    struct sasl_said said;

    l->hashing = false;
    if (l->cancelled) {
        login_free(l);
        return;
    }
    bool right = still_right(l);
    if (right) {
        mark_of(l, &mark);
        memory_add(l->all->memory, &mark);
    }
    if (right && !l->account.enabled) {
        log_failure(l, "switched off");
        answer_words(l, AUTH_DISABLED, "the account is switched off", &a);
    } else {
        enum sasl_ask ask = sasl_exchange_verdict(l->sasl, right, &said);
        if (!proceed(l, ask, &said, &a))
            return;
    }
    l->all->o.answer(l->owner, l, &a);
    if (a.status != AUTH_CONTINUE)
        login_free(l);
}

static void keep_token(char to[AUTH_TOKEN_BYTES + 1], struct str s)
{
    s = str_first(s, AUTH_TOKEN_BYTES);
    memcpy(to, s.n ? s.p : "", s.n);
    to[s.n] = '\0';
}

/* The answer is at hand: what is over is freed. */
static bool finish(struct login *l, bool now, const struct auth_answer *a)
{
    if (now && a->status != AUTH_CONTINUE)
        login_free(l);
    return now;
}

bool login_begin(struct logins *ls, void *owner, uint32_t exchange, const struct auth_begin *b,
                 bool clear_allowed, struct login **out, struct auth_answer *a)
{
    struct sasl_said said;
    struct login *l;

    if (ls->n >= LOGINS_MAX) {
        *a = (struct auth_answer){exchange, AUTH_TEMP, STR("too many logins are under way")};
        return true;
    }
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->all = ls;
    l->owner = owner;
    l->exchange = exchange;
    list_append(&ls->all, &l->link);
    ls->n++;
    keep_token(l->service, b->service);
    keep_token(l->peer, b->peer);
    l->sasl = sasl_exchange_new(&(struct sasl_begin){.service = b->service,
                                                     .mechanism = b->mechanism,
                                                     .binding_name = b->binding_name,
                                                     .binding = b->binding,
                                                     .clear_allowed = b->tls || clear_allowed});
    *out = l;
    enum sasl_ask ask = sasl_exchange_step(l->sasl, b->has_response, b->response, &said);
    return finish(l, proceed(l, ask, &said, a), a);
}

bool login_continue(struct login *l, struct str response, struct auth_answer *a)
{
    struct sasl_said said;

    assert(!l->hashing);
    enum sasl_ask ask = sasl_exchange_step(l->sasl, true, response, &said);
    return finish(l, proceed(l, ask, &said, a), a);
}

bool login_waits(const struct login *l)
{
    return l->hashing;
}

void login_cancel(struct login *l)
{
    l->cancelled = true;
    if (!l->hashing)
        login_free(l);
}

struct str login_key(const struct login *l)
{
    return (struct str){(const char *)&l->exchange, sizeof(l->exchange)};
}

unsigned logins_open(const struct logins *ls)
{
    return ls->n;
}

unsigned logins_remembered(const struct logins *ls)
{
    return memory_count(ls->memory);
}
