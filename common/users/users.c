#include "users/users.h"

#include "base/ascii.h"
#include "db/db.h"
#include "mail/address.h"
#include "users/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096, LOOK_EVERY_MS = 1000, FIRST_TARGETS = 4 };
enum { KNOWN_ALIASES = 16, KNOWN_BYTES = 320 };

/* What users_find() said of an alias: a stranger may ask for a long one in each RCPT. */
struct known_alias {
    char key[KNOWN_BYTES]; /* "local@domain" */
    size_t n;
    enum users_kind kind;
};

struct users {
    struct db *db;
    struct db_stmt *user, *alias, *domain;             /* by key                     */
    struct db_stmt *first_here, *first, *first_domain; /* for postmaster             */
    struct stat seen;                                  /* the file that is open      */
    uint64_t look_at_ms;
    bool changed;
    char path[PATH_BYTES];
    struct known_alias known[KNOWN_ALIASES]; /* of this snapshot */
    unsigned next_known;
};

/* ---- the snapshot ---- */

static int prepare(struct users *u, struct err *err)
{
    const struct {
        struct db_stmt **to;
        const char *sql;
    } all[] = {
        {&u->user,         "SELECT " USERS_COLUMNS " FROM users WHERE domain = ? AND local = ?"   },
        {&u->alias,        "SELECT target FROM aliases WHERE domain = ? AND local = ? ORDER BY id"},
        {&u->domain,       "SELECT 1 FROM domains WHERE name = ?"                                 },
        {&u->first_here,
         "SELECT " USERS_COLUMNS " FROM users WHERE domain = ? ORDER BY id LIMIT 1"               },
        {&u->first,        "SELECT " USERS_COLUMNS " FROM users ORDER BY id LIMIT 1"              },
        {&u->first_domain, "SELECT name FROM domains ORDER BY id LIMIT 1"                         },
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && r == 0; i++)
        r = db_prepare(u->db, all[i].sql, all[i].to, err);
    return r;
}

/* The file is looked at before it is opened: if it is replaced in between, the next refresh
 * opens it once more. */
static int open_snapshot(struct users *u, struct err *err)
{
    struct users fresh = *u;

    if (stat(u->path, &fresh.seen) < 0)
        return errno == ENOENT
                   ? err_set(err, E_NOT_FOUND, "%s is missing; `posta init` makes it", u->path)
                   : err_os(err, "look at %s", u->path);
    int r = db_open(u->path, DB_SNAPSHOT, &users_schema, &fresh.db, err);
    if (r < 0)
        return r;
    r = prepare(&fresh, err);
    if (r < 0) {
        db_close(fresh.db);
        return r;
    }
    db_close(u->db);
    memset(fresh.known, 0, sizeof(fresh.known));
    *u = fresh;
    return 0;
}

struct users *users_open(const char *state_dir, struct err *err)
{
    struct users *u = calloc(1, sizeof(*u));

    if (!u)
        abort();
    if (snprintf(u->path, sizeof(u->path), "%s/" USERS_SNAPSHOT, state_dir) >=
        (int)sizeof(u->path)) {
        err_set(err, -ENAMETOOLONG, "state_dir is too long");
        free(u);
        return NULL;
    }
    if (open_snapshot(u, err) < 0) {
        free(u);
        return NULL;
    }
    return u;
}

void users_close(struct users *u)
{
    if (!u)
        return;
    db_close(u->db);
    free(u);
}

void users_changed(struct users *u)
{
    u->changed = true;
}

void users_refresh(struct users *u, uint64_t now_ms)
{
    struct stat st;

    if (!u->changed && now_ms < u->look_at_ms)
        return;
    u->look_at_ms = now_ms + LOOK_EVERY_MS;
    u->changed = false;
    if (stat(u->path, &st) < 0)
        return;
    if (st.st_ino != u->seen.st_ino || st.st_dev != u->seen.st_dev ||
        st.st_size != u->seen.st_size || st.st_mtim.tv_sec != u->seen.st_mtim.tv_sec ||
        st.st_mtim.tv_nsec != u->seen.st_mtim.tv_nsec)
        open_snapshot(u, NULL);
}

/* ---- single questions: 1 yes, 0 no, negative where the snapshot cannot be read ---- */

static int ask_user(struct db_stmt *s, struct arena *a, struct user *out)
{
    int r = db_step(s, NULL);

    if (r == 1) {
        users_take_row(s, a, out);
        db_reset(s);
    }
    return r;
}

static int user_of(struct users *u, const struct users_key *key, struct arena *a,
                   struct user *out)
{
    db_bind_str(u->user, 1, key->domain);
    db_bind_str(u->user, 2, key->local);
    return ask_user(u->user, a, out);
}

static int domain_is_ours(struct users *u, struct str name)
{
    db_bind_str(u->domain, 1, name);
    int r = db_step(u->domain, NULL);
    db_reset(u->domain);
    return r;
}

static int postmaster(struct users *u, struct str domain, struct arena *a, struct user *out)
{
    db_bind_str(u->first_here, 1, domain);
    int r = ask_user(u->first_here, a, out);
    return r == 0 ? ask_user(u->first, a, out) : r;
}

/* ---- aliases ---- */

/* Each alias on the way is opened once; meeting one that is still open means a circle. */
struct seen_alias {
    struct seen_alias *next;
    struct users_key key;
    bool open;
};

struct expansion {
    struct users *u;
    struct arena *a;
    struct seen_alias *seen;
    struct users_target *targets;
    size_t n, room, opened;
};

struct word {
    struct word *next;
    struct str text;
};

/* The targets of one alias, in their order; an empty list where there is none. */
static int targets_of(struct users *u, const struct users_key *key, struct arena *a,
                      struct word **out)
{
    struct word **end = out;
    int r;

    *out = NULL;
    db_bind_str(u->alias, 1, key->domain);
    db_bind_str(u->alias, 2, key->local);
    while ((r = db_step(u->alias, NULL)) == 1) {
        *end = ARENA_NEW(a, struct word);
        (*end)->text = arena_dup(a, db_str(u->alias, 0));
        end = &(*end)->next;
    }
    return r;
}

static bool same_address(struct str a, struct str b)
{
    return str_eq_nocase(address_domain(a), address_domain(b)) &&
           str_eq(address_local(a), address_local(b));
}

static enum users_kind add_target(struct expansion *x, struct str address, bool local)
{
    for (size_t i = 0; i < x->n; i++)
        if (same_address(x->targets[i].address, address))
            return USERS_MAILBOX;
    if (x->n == USERS_ALIAS_TARGETS)
        return USERS_LOOP;
    if (x->n == x->room) {
        struct users_target *more;

        x->room = x->room ? x->room * 2 : FIRST_TARGETS;
        more = ARENA_ARRAY(x->a, struct users_target, x->room);
        if (x->n)
            memcpy(more, x->targets, x->n * sizeof(*more));
        x->targets = more;
    }
    x->targets[x->n++] = (struct users_target){address, local};
    return USERS_MAILBOX;
}

static enum users_kind expand(struct expansion *x, struct str address, int depth);

static enum users_kind expand_alias(struct expansion *x, const struct users_key *key,
                                    const struct word *targets, int depth)
{
    struct seen_alias *s;

    for (s = x->seen; s; s = s->next)
        if (str_eq(s->key.local, key->local) && str_eq(s->key.domain, key->domain))
            return s->open ? USERS_LOOP : USERS_MAILBOX;
    if (depth == USERS_ALIAS_DEPTH || ++x->opened > USERS_ALIAS_TARGETS)
        return USERS_LOOP;
    s = ARENA_NEW(x->a, struct seen_alias);
    *s = (struct seen_alias){.next = x->seen, .key = *key, .open = true};
    x->seen = s;
    for (; targets; targets = targets->next) {
        enum users_kind kind = expand(x, targets->text, depth + 1);

        if (kind == USERS_UNKNOWN) {
            struct users_key gone = users_key(x->a, targets->text);

            kind = add_target(
                x, arena_printf(x->a, "%.*s@%.*s", STR_ARGS(gone.local), STR_ARGS(gone.domain)),
                true);
        }
        if (kind == USERS_ELSEWHERE)
            kind = add_target(x, targets->text, false);
        if (kind != USERS_MAILBOX)
            return kind;
    }
    s->open = false;
    return USERS_MAILBOX;
}

/* Where nobody has the name: is it ours at all, or the postmaster's? */
static enum users_kind nobody(struct users *u, const struct users_key *key, struct arena *a,
                              struct user *out)
{
    int ours = key->domain.n ? domain_is_ours(u, key->domain) : 1;

    if (ours < 0)
        return USERS_BROKEN;
    if (ours == 0)
        return USERS_ELSEWHERE;
    if (!str_eq(key->local, STR("postmaster")))
        return USERS_UNKNOWN;
    int r = postmaster(u, key->domain, a, out);
    return r < 0 ? USERS_BROKEN : r ? USERS_MAILBOX : USERS_UNKNOWN;
}

/* "postmaster" alone is the one of our first domain; nobody else has no domain. */
static int complete(struct users *u, struct arena *a, struct users_key *key)
{
    if (key->domain.n > 0 || !str_eq(key->local, STR("postmaster")))
        return 0;
    int r = db_step(u->first_domain, NULL);
    if (r == 1) {
        key->domain = arena_dup(a, db_str(u->first_domain, 0));
        db_reset(u->first_domain);
    }
    return r;
}

static enum users_kind expand(struct expansion *x, struct str address, int depth)
{
    struct users_key key = users_key(x->a, address);
    struct word *targets;
    struct user user;
    enum users_kind kind;

    int r = complete(x->u, x->a, &key);
    if (r >= 0)
        r = user_of(x->u, &key, x->a, &user);
    if (r == 1)
        return add_target(x, user.address, true);
    if (r < 0 || targets_of(x->u, &key, x->a, &targets) < 0)
        return USERS_BROKEN;
    if (targets)
        return expand_alias(x, &key, targets, depth);
    kind = nobody(x->u, &key, x->a, &user);
    return kind == USERS_MAILBOX ? add_target(x, user.address, true) : kind;
}

enum users_kind users_expand(struct users *u, struct str address, struct arena *a,
                             struct users_target **out, size_t *n)
{
    struct expansion x = {.u = u, .a = a};
    enum users_kind kind = expand(&x, address, 0);

    if (kind == USERS_MAILBOX) {
        *out = x.targets;
        *n = x.n;
    }
    return kind;
}

static struct known_alias *known_alias(struct users *u, struct str key)
{
    for (size_t i = 0; i < KNOWN_ALIASES; i++)
        if (u->known[i].n && str_eq((struct str){u->known[i].key, u->known[i].n}, key))
            return &u->known[i];
    return NULL;
}

static void know_alias(struct users *u, struct str key, enum users_kind kind)
{
    struct known_alias *k = &u->known[u->next_known++ % KNOWN_ALIASES];

    if (key.n > sizeof(k->key) || kind == USERS_BROKEN)
        return;
    memcpy(k->key, key.p, key.n);
    k->n = key.n;
    k->kind = kind;
}

enum users_kind users_find(struct users *u, struct str address, struct arena *a,
                           struct user *out)
{
    struct users_key key = users_key(a, address);
    struct word *targets;
    struct expansion x = {.u = u, .a = a};

    int r = complete(u, a, &key);
    if (r >= 0)
        r = user_of(u, &key, a, out);
    if (r == 1)
        return USERS_MAILBOX;
    struct str name = arena_printf(a, "%.*s@%.*s", STR_ARGS(key.local), STR_ARGS(key.domain));
    const struct known_alias *known = known_alias(u, name);
    if (r == 0 && known)
        return known->kind;
    if (r < 0 || targets_of(u, &key, a, &targets) < 0)
        return USERS_BROKEN;
    if (!targets)
        return nobody(u, &key, a, out);
    enum users_kind kind = expand_alias(&x, &key, targets, 0);
    kind = kind == USERS_MAILBOX ? USERS_ALIAS : kind;
    know_alias(u, name, kind);
    return kind;
}

bool users_is_local_domain(struct users *u, struct str domain)
{
    char name[ADDRESS_DOMAIN_BYTES];

    if (domain.n > sizeof(name))
        return false;
    for (size_t i = 0; i < domain.n; i++)
        name[i] = ascii_lower(domain.p[i]);
    return domain_is_ours(u, (struct str){name, domain.n}) == 1;
}

bool users_may_send_as(struct users *u, struct str user, struct str address)
{
    struct arena a;
    struct users_target *targets;
    size_t n = 0;

    arena_init(&a);
    struct users_key own = users_key(&a, user), asked = users_key(&a, address);
    bool may = str_eq(own.local, asked.local) && str_eq(own.domain, asked.domain);
    if (!may && users_expand(u, address, &a, &targets, &n) == USERS_MAILBOX && n == 1 &&
        targets[0].local) {
        asked = users_key(&a, targets[0].address);
        may = str_eq(own.local, asked.local) && str_eq(own.domain, asked.domain);
    }
    arena_done(&a);
    return may;
}
