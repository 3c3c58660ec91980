#include "users/names.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "mail/address.h"

/* Whoever was user 7 stays user 7: AUTOINCREMENT never gives a number again. An address stands
 * in `users` or in `aliases`, users_edit.c sees to that. */
static const char *const migrations[] = {
    "CREATE TABLE domains (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE) "
    "STRICT;"
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  domain TEXT NOT NULL REFERENCES domains (name), local TEXT NOT NULL,"
    "  quota_bytes INTEGER NOT NULL DEFAULT 0, quota_letters INTEGER NOT NULL DEFAULT 0,"
    "  enabled INTEGER NOT NULL DEFAULT 1, UNIQUE (domain, local)) STRICT;"
    "CREATE INDEX users_of_domain ON users (domain);"
    "CREATE TABLE aliases (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  domain TEXT NOT NULL REFERENCES domains (name), local TEXT NOT NULL, target TEXT NOT "
    "NULL,"
    "  UNIQUE (domain, local, target)) STRICT;",
};

const struct db_schema users_schema = {1, migrations};

static struct str lower(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);

    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(s.p[i]);
    return (struct str){p, s.n};
}

struct users_key users_key(struct arena *a, struct str address)
{
    struct str local = address_local(address);

    if (local.n && local.p[0] != '"')
        local = str_first(local, str_find(local, '+'));
    return (struct users_key){lower(a, local), lower(a, address_domain(address))};
}

bool users_local_good(struct str local)
{
    if (local.n == 0 || local.n > USERS_LOCAL_BYTES)
        return false;
    if (local.p[0] == '.' || local.p[0] == '-' || local.p[local.n - 1] == '.')
        return false;
    for (size_t i = 0; i < local.n; i++) {
        char c = local.p[i];

        if (!ascii_is_alnum(c) && (c == '\0' || !strchr("._-=&'~", c)))
            return false;
        if (c == '.' && local.p[i - 1] == '.')
            return false;
    }
    return true;
}

static void add_component(struct buf *out, struct str name)
{
    buf_add_byte(out, '/');
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain =
            ascii_is_lower(c) || ascii_is_digit(c) || (c != '\0' && strchr("._=@-", c));

        if (plain && !(c == '.' && i == 0))
            buf_add_byte(out, c);
        else
            buf_addf(out, "%%%02x", (unsigned char)c);
    }
}

struct str users_maildir(struct arena *a, struct str local, struct str domain)
{
    struct buf path;

    buf_init(&path, 8 + 3 * (local.n + domain.n));
    buf_add(&path, STR("mail"));
    add_component(&path, domain);
    add_component(&path, local);
    struct str s = arena_dup(a, buf_str(&path));
    buf_done(&path);
    return s;
}

void users_take_row(struct db_stmt *s, struct arena *a, struct user *out)
{
    struct str local = db_str(s, 4), domain = db_str(s, 5);
    struct str address = arena_printf(a, "%.*s@%.*s", STR_ARGS(local), STR_ARGS(domain));

    *out = (struct user){
        .id = db_int(s, 0),
        .quota_bytes = (uint64_t)db_int(s, 1),
        .quota_letters = (uint64_t)db_int(s, 2),
        .enabled = db_int(s, 3) != 0,
        .address = address,
        .local = str_first(address, local.n),
        .domain = str_skip(address, local.n + 1),
    };
    out->maildir = users_maildir(a, out->local, out->domain);
}
