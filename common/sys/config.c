/*
 *   text ──config_scan──▶ known keys only ──libconfuse──▶ take_value(): checked, line known
 *        ──▶ struct config
 *
 * All options are strings to libconfuse: a row's type is checked here, where a bad value is one
 * more fault and does not end the reading.
 */
#include "sys/config.h"

#include "base/arena.h"
#include "base/ascii.h"
#include "base/defer.h"
#include "sys/config_scan.h"
#include "sys/config_value.h"
#include "sys/fs.h"

#include <assert.h>
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/utsname.h>

#define ROUTE "mta.route"

enum { VALUE_SHOWN = 64, LISTEN_ADDRESSES = 256 };

/* What a caller holds; the arena has all its strings. */
struct whole {
    struct config config;
    struct arena arena;
};

/* One reading. libconfuse's callbacks have no argument of ours. */
static struct reading {
    struct whole *whole;
    struct config_faults *faults;
    unsigned checked[CONFIG_ROWS]; /* items of each list */
} * reading;

static bool in_words(const char *words, struct str word)
{
    struct str rest = str_c(words), one;

    while (scan_until(&rest, ' ', &one)) {
        if (str_eq(one, word))
            return true;
        scan_byte(&rest, ' ');
    }
    return false;
}

static bool is_visible(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_print(s.p[i]))
            return false;
    return true;
}

static bool resolver(struct str s)
{
    struct str address;
    struct config_network n;
    uint32_t port = 53;

    if (!scan_until(&s, '@', &address))
        return false;
    if (scan_byte(&s, '@') && (!scan_u32(&s, UINT16_MAX, &port) || port == 0))
        return false;
    return s.n == 0 && str_find(address, '/') == address.n && config_network(address, &n);
}

static bool zone(struct str s)
{
    if (str_eq(s, STR(".")))
        return true;
    if (s.n && s.p[s.n - 1] == '.')
        s.n--;
    return config_host_name(s);
}

/* What would be right for the text values; NULL: `s` is. */
static const char *text_flaw(const struct config_row *row, struct str s)
{
    struct config_address a;
    struct config_destination d;
    struct config_host_port h;
    struct config_network n;

    if (s.n == 0 && strcmp(row->standard, "\"\"") == 0)
        return NULL;
    switch (row->type) {
    case CONFIG_CHOICE:
        return in_words(row->unit, s) ? NULL : row->unit;
    case CONFIG_NAME:
        return config_host_name(s) ? NULL : "a host's name such as \"mail.example.org\"";
    case CONFIG_PATH:
        return s.n && s.p[0] == '/' && is_visible(s)
                   ? NULL
                   : "a path from the root such as \"/var/lib/posta\"";
    case CONFIG_TEXT:
        return is_visible(s) ? NULL : "visible ASCII";
    case CONFIG_HOST_PORT:
        return config_host_port(s, &h) ? NULL : "host:port such as \"mail.example.org:25\"";
    case CONFIG_DESTINATION:
        return is_visible(s) && config_destination(s, &d)
                   ? NULL
                   : "host:port, \"lmtp:host:port\" or \"lmtp:/run/x/lmtp\"";
    case CONFIG_ADDRESSES:
        return config_address(s, &a)
                   ? NULL
                   : "address:port such as \"*:25\", \"127.0.0.1:25\" or \"[::1]:25\"";
    case CONFIG_NETWORKS:
        return config_network(s, &n) ? NULL
                                     : "a network such as \"127.0.0.0/8\" or \"2001:db8::/32\"";
    case CONFIG_RESOLVERS:
        return resolver(s) ? NULL : "an address such as \"127.0.0.1\" or \"127.0.0.1@5353\"";
    case CONFIG_ZONES:
        return zone(s) ? NULL : "a domain such as \"example.org\", or \".\" for all";
    case CONFIG_BOOL:
    case CONFIG_NUMBER:
    case CONFIG_SIZE:
    case CONFIG_TIME:
        break;
    }
    return NULL;
}

static bool is_number(const struct config_row *row)
{
    return row->type == CONFIG_NUMBER || row->type == CONFIG_SIZE || row->type == CONFIG_TIME;
}

static bool scan_number(const struct config_row *row, struct str s, uint64_t *v)
{
    if (row->type == CONFIG_SIZE)
        return config_size(s, v);
    if (row->type == CONFIG_TIME)
        return config_time(s, v);
    return scan_u64(&s, UINT64_MAX, v) && s.n == 0;
}

/* One value of the file: a fault when it is not what its row wants. */
static void check_value(const struct config_row *row, struct str s, int line)
{
    struct str shown = str_first(s, VALUE_SHOWN);
    const char *flaw = NULL;
    uint64_t v;
    bool truth;

    if (is_number(row)) {
        const char *also =
            row->type == CONFIG_SIZE ? ", also as \"25M\"" : ", also as \"5m\" or \"2d\"";

        if (!scan_number(row, s, &v) || v < row->min || v > row->max)
            config_fault(reading->faults, line,
                         "%s = \"%.*s\"; right would be %llu to %llu %s%s", row->name,
                         STR_ARGS(shown), (unsigned long long)row->min,
                         (unsigned long long)row->max, row->unit,
                         row->type == CONFIG_NUMBER ? "" : also);
        return;
    }
    if (row->type == CONFIG_BOOL)
        flaw = config_bool(s, &truth) ? NULL : "true or false";
    else
        flaw = text_flaw(row, s);
    if (flaw)
        config_fault(reading->faults, line, "%s = \"%.*s\"; right would be %s", row->name,
                     STR_ARGS(shown), flaw);
}

/* A value that has been checked, or a default. */
static void store_value(const struct config_row *row, struct str s, void *of)
{
    void *to = (char *)of + row->at;
    uint64_t v = 0;

    if (is_number(row)) {
        scan_number(row, s, &v);
        if (row->size == sizeof(v)) {
            memcpy(to, &v, sizeof(v));
        } else {
            uint32_t v32 = (uint32_t)v;

            assert(row->size == sizeof(v32) && row->max <= UINT32_MAX);
            memcpy(to, &v32, sizeof(v32));
        }
    } else if (row->type == CONFIG_BOOL) {
        bool truth = false;

        config_bool(s, &truth);
        memcpy(to, &truth, sizeof(truth));
    } else {
        const char *copy = arena_dup(&reading->whole->arena, s).p;

        assert(row->size == sizeof(copy));
        memcpy(to, &copy, sizeof(copy));
    }
}

/* ---- libconfuse ---- */

static const char *section_of(cfg_t *cfg)
{
    if (strcmp(cfg_name(cfg), "root") == 0)
        return "";
    return strcmp(cfg_name(cfg), "route") == 0 ? ROUTE : cfg_name(cfg);
}

/* Called behind each value, when its line is still known; for a list once more at its end. */
static int value_read(cfg_t *cfg, cfg_opt_t *opt)
{
    const struct config_row *row =
        config_row_find(str_c(section_of(cfg)), str_c(cfg_opt_name(opt)));
    unsigned n = cfg_opt_size(opt);

    if (!reading || !row || n == 0) /* the defaults of lists are read like this, too */
        return 0;
    if (config_is_list(row->type)) {
        unsigned *checked = &reading->checked[row - config_rows];

        if (n <= *checked)
            return 0;
        *checked = n;
    }
    check_value(row, str_c(cfg_opt_getnstr(opt, n - 1)), cfg->line);
    return 0;
}

static int route_read(cfg_t *cfg, cfg_opt_t *opt)
{
    cfg_t *route = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    const char *domain = cfg_title(route), *to = cfg_getstr(route, "to");

    if (!zone(str_c(domain)) || strcmp(domain, ".") == 0)
        config_fault(reading->faults, cfg->line,
                     "route \"%.64s\"; right would be a domain such as \"example.net\"",
                     domain);
    if (!to || !*to)
        config_fault(reading->faults, cfg->line,
                     "route \"%.64s\" says not where; right would be to = \"host:port\" in it",
                     domain);
    return 0;
}

static void library_fault(cfg_t *cfg, const char *fmt, va_list ap)
{
    char what[256];

    vsnprintf(what, sizeof(what), fmt, ap);
    config_fault(reading->faults, cfg->line, "%s; right would be what posta.conf(5) shows",
                 what);
}

/* The rows of a section, and the sections inside it, as libconfuse wants them. */
static cfg_opt_t *section_options(struct arena *a, const char *section)
{
    cfg_opt_t *opts = ARENA_ARRAY(a, cfg_opt_t, config_rows_n + config_sections_n + 1);
    size_t n = 0;

    for (size_t i = 0; i < config_rows_n; i++) {
        const struct config_row *r = &config_rows[i];
        bool none = strcmp(r->standard, "{}") == 0;
        char *list = none ? NULL : (char *)arena_dup(a, str_c(r->standard)).p;

        if (strcmp(r->section, section) != 0)
            continue;
        if (config_is_list(r->type))
            opts[n] = (cfg_opt_t)CFG_STR_LIST(r->name, list, CFGF_NONE);
        else
            opts[n] = (cfg_opt_t)CFG_STR(r->name, NULL, CFGF_NODEFAULT);
        opts[n++].validcb = value_read;
    }
    for (size_t i = 0; i < config_sections_n; i++) {
        struct str name = str_c(config_sections[i].name);
        bool titled = config_sections[i].title != NULL;

        if (*section && (!scan_word(&name, str_c(section)) || !scan_byte(&name, '.')))
            continue;
        if (name.n == 0 || str_find(name, '.') < name.n)
            continue;
        opts[n] = (cfg_opt_t)CFG_SEC(name.p, section_options(a, config_sections[i].name),
                                     titled ? CFGF_TITLE | CFGF_MULTI | CFGF_NO_TITLE_DUPES
                                            : CFGF_NONE);
        opts[n++].validcb = titled ? route_read : NULL;
    }
    opts[n] = (cfg_opt_t)CFG_END();
    return opts;
}

static void store_list(const struct config_row *row, cfg_opt_t *opt)
{
    struct config_list list = {.n = cfg_opt_size(opt)};
    struct arena *a = &reading->whole->arena;

    assert(row->size == sizeof(list));
    list.items = ARENA_ARRAY(a, const char *, list.n + 1);
    for (unsigned i = 0; i < list.n; i++)
        list.items[i] = arena_dup(a, str_c(cfg_opt_getnstr(opt, i))).p;
    memcpy((char *)&reading->whole->config + row->at, &list, sizeof(list));
}

/* Values of one section, from the file or the defaults, into the struct that its rows speak of.
 */
static void store_section(cfg_t *cfg, const char *section, void *of)
{
    for (size_t i = 0; i < config_rows_n; i++) {
        const struct config_row *row = &config_rows[i];

        if (strcmp(row->section, section) != 0)
            continue;
        cfg_opt_t *opt = cfg_getopt(cfg, row->name);
        struct str standard = str_c(row->standard);

        if (standard.n > 1 && standard.p[0] == '"')
            standard = (struct str){standard.p + 1, standard.n - 2};
        if (config_is_list(row->type))
            store_list(row, opt);
        else
            store_value(row, cfg_opt_size(opt) ? str_c(cfg_opt_getnstr(opt, 0)) : standard, of);
    }
}

static void store_routes(cfg_t *mta)
{
    struct config *c = &reading->whole->config;
    struct arena *a = &reading->whole->arena;

    c->mta.nroutes = cfg_size(mta, "route");
    c->mta.routes = ARENA_ARRAY(a, struct config_route, c->mta.nroutes + 1);
    for (unsigned i = 0; i < c->mta.nroutes; i++) {
        cfg_t *route = cfg_getnsec(mta, "route", i);

        store_section(route, ROUTE, &c->mta.routes[i]);
        c->mta.routes[i].domain = arena_dup(a, str_c(cfg_title(route))).p;
    }
}

static void store_all(cfg_t *cfg)
{
    struct config *c = &reading->whole->config;

    store_section(cfg, "", c);
    for (size_t i = 1; i < config_sections_n; i++)
        if (strcmp(config_sections[i].name, ROUTE) != 0)
            store_section(cfg_getsec(cfg, config_sections[i].name), config_sections[i].name, c);
    store_routes(cfg_getsec(cfg, "mta"));
}

/* ---- what no single value shows ---- */

static void check_login(const char *where, const char *user, const char *file, const char *to)
{
    if (!*user != !*file)
        config_fault(
            reading->faults, 0,
            "%s: a user without a password file, or the other way round; right would be both",
            where);
    if (*user && !*to)
        config_fault(reading->faults, 0, "%s: a user without a host; right would be both",
                     where);
}

static void check_twice(const char *const *seen, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (strcmp(seen[i], seen[k]) == 0)
                config_fault(reading->faults, 0,
                             "\"%s\" is listened at twice; right would be one server for it",
                             seen[i]);
}

static void check_addresses(const struct config *c)
{
    const struct config_list *lists[] = {
        &c->msa.listen,   &c->msa.listen_tls,   &c->mta.listen,   &c->mda.lmtp,
        &c->imapd.listen, &c->imapd.listen_tls, &c->pop3d.listen, &c->pop3d.listen_tls};
    size_t n = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        n += lists[i]->n;
    const char **seen = ARENA_ARRAY(&reading->whole->arena, const char *, n + 1);
    n = 0;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (size_t k = 0; k < lists[i]->n; k++)
            seen[n++] = lists[i]->items[k];
    if (n > LISTEN_ADDRESSES)
        config_fault(reading->faults, 0,
                     "%zu addresses to listen at; right would be at most %d", n,
                     LISTEN_ADDRESSES);
    else
        check_twice(seen, n);
}

static void check_whole(const struct config *c)
{
    check_addresses(c);
    check_login("relay", c->mta.relay_user, c->mta.relay_password_file, c->mta.relay);
    for (size_t i = 0; i < c->mta.nroutes; i++)
        check_login(c->mta.routes[i].domain, c->mta.routes[i].user,
                    c->mta.routes[i].password_file, c->mta.routes[i].to);
    if (c->limits.retry_first_seconds > c->limits.retry_max_seconds)
        config_fault(reading->faults, 0,
                     "retry_first_seconds is more than retry_max_seconds; right would be less");
    if (c->limits.header_bytes > c->limits.letter_bytes)
        config_fault(reading->faults, 0,
                     "header_bytes is more than letter_bytes; right would be less");
}

static void name_machine(struct config *c)
{
    struct utsname u;

    if (*c->hostname)
        return;
    bool good = uname(&u) == 0 && config_host_name(str_c(u.nodename));
    c->hostname = good ? arena_dup(&reading->whole->arena, str_c(u.nodename)).p : "localhost";
}

/* ---- the way through ---- */

static int by_line(const void *a, const void *b)
{
    const struct config_fault *x = a, *y = b;

    return x->line != y->line ? (x->line > y->line) - (x->line < y->line) : (x > y) - (x < y);
}

static void print_faults(struct config_faults *f, const char *name, struct buf *out)
{
    size_t kept = f->n < CONFIG_FAULTS ? f->n : CONFIG_FAULTS;

    qsort(f->list, kept, sizeof(f->list[0]), by_line);
    for (size_t i = 0; i < kept; i++)
        if (f->list[i].line)
            buf_addf(out, "%s:%d: %s\n", name, f->list[i].line, f->list[i].text);
        else
            buf_addf(out, "%s: %s\n", name, f->list[i].text);
    if (f->n > kept)
        buf_addf(out, "%s: %zu faults more\n", name, f->n - kept);
}

/* `text` has a NUL behind it and is changed. */
static void read_text(char *text, size_t n)
{
    struct arena options;

    config_scan(text, n, reading->faults);
    arena_init(&options);
    struct reading *now = reading;
    reading = NULL;
    cfg_t *cfg = cfg_init(section_options(&options, ""), CFGF_NONE);
    if (!cfg)
        abort();
    reading = now;
    cfg_set_error_function(cfg, library_fault);
    if (cfg_parse_buf(cfg, text) != CFG_SUCCESS && reading->faults->n == 0)
        config_fault(reading->faults, 0,
                     "the file cannot be read; right would be what posta.conf(5) shows");
    if (reading->faults->n == 0) {
        store_all(cfg);
        check_whole(&reading->whole->config);
        name_machine(&reading->whole->config);
    }
    cfg_free(cfg);
    arena_done(&options);
}

struct config *config_parse(struct str text, const char *name, struct buf *faults)
{
    struct whole *w = calloc(1, sizeof(*w));
    struct config_faults *found = calloc(1, sizeof(*found));

    if (!w || !found)
        abort();
    arena_init(&w->arena);
    found->arena = &w->arena;
    reading = &(struct reading){.whole = w, .faults = found};
    if (text.n > CONFIG_FILE_BYTES)
        config_fault(found, 0, "more than %d octets; right would be less", CONFIG_FILE_BYTES);
    else
        read_text((char *)arena_dup(&w->arena, text).p, text.n);
    reading = NULL;
    bool good = found->n == 0;
    print_faults(found, name, faults);
    free(found);
    if (good)
        return &w->config;
    config_free(&w->config);
    return NULL;
}

struct config *config_load(const char *path, struct buf *faults)
{
    DEFER(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct buf text;
    struct config *c = NULL;
    struct err err;

    if (fd < 0) {
        buf_addf(faults,
                 "%s: %s; right would be the path of a file that can be read, after -c or in "
                 "POSTA_CONF\n",
                 path, strerrordesc_np(errno));
        return NULL;
    }
    buf_init(&text, CONFIG_FILE_BYTES);
    if (fs_read_all(fd, &text, &err) < 0)
        buf_addf(faults, "%s: %s; right would be a configuration\n", path, err.text);
    else
        c = config_parse(buf_str(&text), path, faults);
    buf_done(&text);
    return c;
}

void config_free(struct config *c)
{
    struct whole *w = (struct whole *)c; /* its first member */

    if (!c)
        return;
    arena_done(&w->arena);
    free(w);
}

const char *config_path(const char *option)
{
    const char *environment = getenv("POSTA_CONF");

    if (option)
        return option;
    return environment && *environment ? environment : "/etc/posta/posta.conf";
}

void config_each_key(void (*fn)(void *arg, const struct config_key *key), void *arg)
{
    for (size_t i = 0; i < config_rows_n; i++) {
        const struct config_row *r = &config_rows[i];
        struct config_key key = {.section = r->section,
                                 .name = r->name,
                                 .type = config_type_name(r->type),
                                 .unit = r->unit ? r->unit : "",
                                 .standard = r->standard,
                                 .text = r->text};

        fn(arg, &key);
    }
}
