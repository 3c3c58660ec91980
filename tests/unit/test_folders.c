/*
 * The folders of a user: LIST patterns, what is listed, made, deleted, renamed and subscribed,
 * and that a stop at any step leaves each folder whole under one name.
 */
#include "store/folder.h"

#include "copy_world.h"

/* "name flags" a line: e exists, c has children, s subscribed, S children are subscribed, and
 * the use. */
static const char *list(struct fixture *f)
{
    struct folders_entry *e;
    size_t n;
    struct str all = STR("");

    assert_int_equal(folders_list(f->all, f->maildir, &f->a, &e, &n, NULL), 0);
    for (size_t i = 0; i < n; i++)
        all = arena_printf(&f->a, "%.*s%.*s %s%s%s%s%.*s\n", STR_ARGS(all), STR_ARGS(e[i].name),
                           e[i].exists ? "e" : "-", e[i].has_children ? "c" : "",
                           e[i].subscribed ? "s" : "", e[i].has_subscribed_children ? "S" : "",
                           STR_ARGS(special_use_name(e[i].use)));
    return all.p;
}

static uint32_t uidvalidity(struct fixture *f, const char *path)
{
    char file[WORLD_BYTES];
    struct folder folder;

    snprintf(file, sizeof(file), MAILDIR "/%s", path);
    DEFER(close_fd) int fd = openat(f->w.fd, file, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && folder_load(fd, &f->a, &folder, NULL) == 0 ? folder.uidvalidity : 0;
}

static void put_letter(struct fixture *f, const char *path, const char *name)
{
    char file[WORLD_BYTES];

    snprintf(file, sizeof(file), MAILDIR "/%s/cur/%s", path, name);
    world_write(&f->w, file, STR("Subject: x\n\nx\n"));
}

static bool has(struct fixture *f, const char *path)
{
    char file[WORLD_BYTES];

    snprintf(file, sizeof(file), MAILDIR "/%s", path);
    return world_has(&f->w, file);
}

/* Nothing of ours lies about. */
static void assert_clean(struct fixture *f)
{
    DEFER(close_dir) DIR *d = fdopendir(openat(f->w.fd, MAILDIR, O_RDONLY | O_DIRECTORY));
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d))) {
        assert_int_not_equal(strncmp(e->d_name, "posta-new.", 10), 0);
        assert_int_not_equal(strncmp(e->d_name, "posta-gone.", 11), 0);
        assert_int_not_equal(strncmp(e->d_name, "posta-user.", 11), 0);
    }
}

/* ---- patterns ---- */

static void patterns(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool want;
    } rows[] = {
        {"*",           "a/b",       true },
        {"*",           "",          true },
        {"%",           "a",         true },
        {"%",           "a/b",       false},
        {"%/%",         "a/b",       true },
        {"%/%",         "a/b/c",     false},
        {"%/*",         "a/b/c",     true },
        {"*/%",         "a/b/c",     true },
        {"a*c",         "a/b/c",     true },
        {"a%c",         "a/b/c",     false},
        {"a%c",         "abc",       true },
        {"a%c",         "ac",        true },
        {"a*%c",        "a/b/c",     true },
        {"a%*c",        "a/b/c",     true },
        {"a%%c",        "a/c",       false},
        {"",            "",          true },
        {"",            "a",         false},
        {"a",           "A",         false},
        {"inbox",       "INBOX",     true },
        {"InB%",        "INBOX",     true },
        {"inbox/x",     "INBOX/x",   true },
        {"INBOX/X",     "INBOX/x",   false},
        {"inboxes",     "INBOXES",   false},
        {"*a*b*",       "xxaxxbxx",  true },
        {"*a*b*",       "xxbxxaxx",  false},
        {"*ab",         "aab",       true },
        {"%b%/%c%",     "abc/bcd",   true },
        {"%b%/%c%",     "abc/b/c",   false},
        {"\xc3\xbc%",   "\xc3\xbc/", false},
        {"\xc3\xbc%/*", "\xc3\xbc/", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (folders_match(str_c(rows[i].pattern), str_c(rows[i].name)) != rows[i].want)
            fail_msg("%s and %s", rows[i].pattern, rows[i].name);
}

/* The same answer as trying everything, for short ones of few letters. */
static bool tries(const char *p, const char *s)
{
    if (*p == '\0')
        return *s == '\0';
    if (*p == '*' || *p == '%')
        return tries(p + 1, s) || (*s && !(*p == '%' && *s == '/') && tries(p, s + 1));
    return *s == *p && tries(p + 1, s + 1);
}

static void patterns_all(void **state)
{
    static const char letters[] = "a/%*";
    char p[6] = {0}, s[6] = {0};

    (void)state;
    for (int i = 0; i < 4 * 4 * 4 * 4 * 4; i++) {
        for (int k = 0, v = i; k < 5; k++, v /= 4)
            p[k] = letters[v % 4];
        for (int j = 0; j < 32; j++) {
            for (int k = 0; k < 5; k++)
                s[k] = letters[j >> k & 1];
            assert_int_equal(folders_match(str_c(p), str_c(s)), tries(p, s));
        }
    }
}

/* I14: the work is bounded by name times pattern; see tests/bench for the time it takes. */
static void i14_wildcards(void **state)
{
    char pattern[2048], name[256];
    size_t n = 0;

    (void)state;
    memset(name, 'a', sizeof(name));
    for (int i = 0; i < 100; i++) {
        pattern[n++] = '%';
        pattern[n++] = '*';
    }
    assert_true(folders_match((struct str){pattern, n}, (struct str){name, 255}));
    for (n = 0; n < 500; n += 2) {
        pattern[n] = '*';
        pattern[n + 1] = 'a';
    }
    pattern[n++] = 'b';
    assert_false(folders_match((struct str){pattern, n}, (struct str){name, 255}));
    pattern[n - 1] = '*';
    assert_true(folders_match((struct str){pattern, n}, (struct str){name, 255}));
    memset(pattern, '*', sizeof(pattern));
    assert_true(
        folders_match((struct str){pattern, FOLDERS_PATTERN_BYTES}, (struct str){name, 255}));
    assert_false(folders_match((struct str){pattern, FOLDERS_PATTERN_BYTES + 1},
                               (struct str){name, 255}));
}

/* ---- names ---- */

/* I15, I16 (what modified UTF-7 may turn into), I17 */
static void i15_i16_i17_names(void **state)
{
    static const struct {
        struct str name;
        int want;
    } rows[] = {
        {STR_LIT("../../x"),           E_SYNTAX},
        {STR_LIT("/etc/passwd"),       E_SYNTAX},
        {STR_LIT("a/../b"),            E_SYNTAX},
        {STR_LIT("~root"),             E_SYNTAX},
        {STR_LIT("#news"),             E_SYNTAX},
        {STR_LIT("."),                 E_SYNTAX},
        {STR_LIT(".."),                E_SYNTAX},
        {STR_LIT("a\0b"),              E_SYNTAX},
        {STR_LIT("a\r\nb"),            E_SYNTAX},
        {STR_LIT(""),                  E_SYNTAX},
        {STR_LIT("/"),                 E_SYNTAX},
        {STR_LIT("a//b"),              E_SYNTAX},
        {STR_LIT("a//"),               E_SYNTAX},
        {STR_LIT("a%"),                E_SYNTAX},
        {STR_LIT("a*"),                E_SYNTAX},
        {STR_LIT("\xff"),              E_SYNTAX},
        {STR_LIT("\xed\xa0\x80"),      E_SYNTAX},
        {STR_LIT("\x7f"),              E_SYNTAX},
        {STR_LIT("INBOX"),             E_EXISTS},
        {STR_LIT("inbox/"),            E_EXISTS},
        {STR_LIT("a&b"),               0       },
        {STR_LIT("v1.2"),              0       },
        {STR_LIT("..."),               0       },
        {STR_LIT("\xc3\xbc/\xc3\xa4"), 0       },
    };
    struct fixture *f = *state;
    char *big = calloc(1, 1 << 20);
    struct str id;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (folders_create(f->all, f->maildir, rows[i].name, USE_NONE, &id, &f->a, NULL) !=
            rows[i].want)
            fail_msg("row %zu: %.*s", i, STR_ARGS(rows[i].name));
    assert_non_null(big);
    memset(big, 'x', 1 << 20);
    assert_int_equal(folders_create(f->all, f->maildir, (struct str){big, 1 << 20}, USE_NONE,
                                    &id, &f->a, NULL),
                     E_SYNTAX);
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(big + i, "a/", 2);
    assert_int_equal(
        folders_create(f->all, f->maildir, (struct str){big, 1999}, USE_NONE, &id, &f->a, NULL),
        E_SYNTAX);
    free(big);
    assert_string_equal(list(f),
                        "INBOX es\n... e\na&b e\nv1.2 e\n\xc3\xbc ec\n\xc3\xbc/\xc3\xa4 e\n");
    assert_int_equal(folders_delete(f->all, f->maildir, STR("../../x"), NULL), E_NOT_FOUND);
    assert_int_equal(folders_subscribe(f->all, f->maildir, STR("a\nuidvalidity 1"), true, NULL),
                     E_SYNTAX);
}

static void depth(void **state)
{
    struct fixture *f = *state;
    char name[2 * FOLDERS_DEPTH + 2];

    for (int i = 0; i <= FOLDERS_DEPTH; i++)
        memcpy(name + (size_t)2 * (size_t)i, "a/", 2);
    name[2 * FOLDERS_DEPTH + 1] = '\0';
    assert_int_equal(create(f, name), E_SYNTAX);
    name[2 * FOLDERS_DEPTH - 1] = '\0';
    assert_int_equal(create(f, name), 0);
    assert_int_equal(create(f, "b"), 0);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("a"), STR("b/c"), NULL), E_SYNTAX);
}

/* ---- what is listed ---- */

static void lists(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(create(f, "b/c"), 0);
    assert_int_equal(create(f, "a/"), 0);
    assert_int_equal(create(f, "inbox/x"), 0);
    assert_int_equal(create(f, "a"), E_EXISTS);
    assert_int_equal(create(f, "a!"), 0);
    assert_int_equal(create(f, "a/z/y"), 0);
    assert_int_equal(folders_delete(f->all, f->maildir, STR("a/z"), NULL), 0);
    assert_int_equal(folders_subscribe(f->all, f->maildir, STR("a/z/y"), true, NULL), 0);
    assert_int_equal(folders_subscribe(f->all, f->maildir, STR("gone/x"), true, NULL), 0);
    assert_int_equal(folders_subscribe(f->all, f->maildir, STR("INBOX"), false, NULL), 0);
    assert_string_equal(list(f), "INBOX ec\nINBOX/x e\na ecS\na/z -cS\na/z/y es\na! e\nb ec\n"
                                 "b/c e\ngone -S\ngone/x -s\n");
    assert_int_equal(folders_subscribe(f->all, f->maildir, STR("gone/x"), false, NULL), 0);
    assert_int_equal(folders_subscribe(f->all, f->maildir, STR("gone/x"), false, NULL), 0);
    assert_int_equal(folders_delete(f->all, f->maildir, STR("a/z"), NULL), E_DENIED);
    assert_int_equal(folders_delete(f->all, f->maildir, STR("a/z/y"), NULL), 0);
    assert_string_equal(list(f), "INBOX ec\nINBOX/x e\na eS\na/z -S\na/z/y -s\na! e\nb ec\n"
                                 "b/c e\n");
    assert_clean(f);
}

/* Folders made, removed and renamed by others while we look. */
static void foreign_changes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/.Made", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/.Bad&Jjo", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/.A&AEE-", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/..x", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/other", 0700), 0);
    world_write(&f->w, MAILDIR "/.file", STR("x"));
    assert_int_equal(symlinkat("/", f->w.fd, MAILDIR "/.link"), 0);
    assert_string_equal(list(f), "INBOX es\nMade e\n");
    assert_int_equal(renameat(f->w.fd, MAILDIR "/.Made", f->w.fd, MAILDIR "/.Other"), 0);
    assert_string_equal(list(f), "INBOX es\nOther e\n");
    assert_int_equal(folders_delete(f->all, f->maildir, STR("Made"), NULL), E_NOT_FOUND);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("Other"), STR("x"), NULL), 0);
    assert_int_equal(folders_delete(f->all, f->maildir, STR("x"), NULL), 0);
    assert_string_equal(list(f), "INBOX es\n");
}

/* UIDVALIDITY never comes again, also when posta-user is lost. */
static void uidvalidity_grows(void **state)
{
    struct fixture *f = *state;
    uint32_t last = uidvalidity(f, "."), now;

    for (int i = 0; i < 5; i++) {
        assert_int_equal(create(f, "a"), 0);
        now = uidvalidity(f, ".a");
        assert_true(now > last);
        last = now;
        if (i == 3)
            assert_int_equal(unlinkat(f->w.fd, MAILDIR "/posta-user", 0), 0);
        if (i == 3)
            assert_int_equal(create(f, "b"), 0);
        assert_int_equal(folders_delete(f->all, f->maildir, STR("a"), NULL), 0);
    }
}

static void uses(void **state)
{
    struct fixture *f = *state;
    struct str id;
    enum special_use use;

    assert_int_equal(
        folders_create(f->all, f->maildir, STR("x/Out"), USE_SENT, &id, &f->a, NULL), 0);
    assert_true(id.n > 10);
    assert_int_equal(
        folders_create(f->all, f->maildir, STR("Sent"), USE_SENT, &id, &f->a, NULL), E_DENIED);
    assert_string_equal(list(f), "INBOX es\nx ec\nx/Out e\\Sent\n");
    assert_int_equal(folders_rename(f->all, f->maildir, STR("x"), STR("y"), NULL), 0);
    assert_string_equal(list(f), "INBOX es\ny ec\ny/Out e\\Sent\n");
    assert_int_equal(folders_delete(f->all, f->maildir, STR("y/Out"), NULL), 0);
    assert_int_equal(
        folders_create(f->all, f->maildir, STR("Sent"), USE_SENT, &id, &f->a, NULL), 0);
    assert_int_equal(create(f, "y/Out"), 0);
    assert_string_equal(list(f), "INBOX es\nSent e\\Sent\ny ec\ny/Out e\n");
    assert_true(special_use_scan(STR("\\junk"), &use) && use == USE_JUNK);
    assert_false(special_use_scan(STR("\\All"), &use));
}

static void usual_folders(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(create(f, "Deleted Items"), 0);
    assert_int_equal(create(f, "junk"), 0);
    assert_int_equal(folders_make_usual(f->all, f->maildir, NULL), 0);
    assert_string_equal(list(f), "INBOX es\nArchive es\\Archive\nDeleted Items es\\Trash\n"
                                 "Drafts es\\Drafts\nSent es\\Sent\njunk es\\Junk\n");
    assert_int_equal(folders_delete(f->all, f->maildir, STR("Sent"), NULL), 0);
    assert_int_equal(folders_make_usual(f->all, f->maildir, NULL), 0);
    assert_false(has(f, ".Sent"));
}

/* ---- RENAME ---- */

static void renames(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(create(f, "a/b/c"), 0);
    assert_int_equal(create(f, "ab"), 0);
    assert_int_equal(folders_delete(f->all, f->maildir, STR("a"), NULL), 0);
    uint32_t b = uidvalidity(f, ".a.b"), c = uidvalidity(f, ".a.b.c");
    assert_int_equal(folders_rename(f->all, f->maildir, STR("a"), STR("n/m/"), NULL), 0);
    assert_string_equal(list(f), "INBOX es\nab e\nn ec\nn/m -c\nn/m/b ec\nn/m/b/c e\n");
    assert_int_equal(uidvalidity(f, ".n.m.b"), b);
    assert_int_equal(uidvalidity(f, ".n.m.b.c"), c);
    static const struct {
        const char *from, *to;
        int want;
    } rows[] = {
        {"a",     "z",     E_NOT_FOUND},
        {"a..",   "z",     E_NOT_FOUND},
        {"ab",    "n",     E_EXISTS   },
        {"ab",    "ab",    E_EXISTS   },
        {"ab",    "inbox", E_EXISTS   },
        {"ab",    "x/../", E_SYNTAX   },
        {"ab",    "*",     E_SYNTAX   },
        {"n/m/b", "n",     E_EXISTS   },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(
            folders_rename(f->all, f->maildir, str_c(rows[i].from), str_c(rows[i].to), NULL),
            rows[i].want);
    assert_string_equal(list(f), "INBOX es\nab e\nn ec\nn/m -c\nn/m/b ec\nn/m/b/c e\n");
}

/* I18: into its own tree, and out of it */
static void i18_into_itself(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(create(f, "a/b/b"), 0);
    put_letter(f, ".a", "0");
    put_letter(f, ".a.b", "1");
    put_letter(f, ".a.b.b", "2");
    assert_int_equal(folders_rename(f->all, f->maildir, STR("a"), STR("a/b"), NULL), E_EXISTS);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("a"), STR("a/c"), NULL), 0);
    assert_string_equal(list(f), "INBOX es\na -c\na/c ec\na/c/b ec\na/c/b/b e\n");
    assert_int_equal(folders_rename(f->all, f->maildir, STR("a/c"), STR("a"), NULL), 0);
    assert_string_equal(list(f), "INBOX es\na ec\na/b ec\na/b/b e\n");
    assert_true(has(f, ".a/cur/0") && has(f, ".a.b/cur/1") && has(f, ".a.b.b/cur/2"));
    assert_int_equal(folders_delete(f->all, f->maildir, STR("a/b"), NULL), 0);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("a"), STR("a/b"), NULL), 0);
    assert_true(has(f, ".a.b/cur/0") && has(f, ".a.b.b.b/cur/2"));
    assert_string_equal(list(f), "INBOX es\na -c\na/b ec\na/b/b -c\na/b/b/b e\n");
}

static void i18_inbox(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(folders_delete(f->all, f->maildir, STR("INBOX"), NULL), E_DENIED);
    assert_int_equal(folders_delete(f->all, f->maildir, STR("inbox"), NULL), E_DENIED);
    assert_int_equal(create(f, "INBOX/x"), 0);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("INBOX/x"), STR("x"), NULL), 0);
    assert_string_equal(list(f), "INBOX es\nx e\n");
}

/* ---- stopped at each step ---- */

static void open_in_child(struct fixture *f)
{
    f->all = mailboxes_new(f->w.dir, f->w.dir, "mail.example.test");
}

static void create_tree(void *arg)
{
    open_in_child(arg);
    create(arg, "a/b/c");
}

static void x01_create(void **state)
{
    struct fixture *f = *state;
    bool ended = true;
    int at;

    for (at = 0; ended; at++) {
        again(f);
        uint32_t inbox = uidvalidity(f, ".");
        ended = steps_end_at(at, create_tree, f);
        list(f);
        assert_clean(f);
        static const char *const paths[] = {".a", ".a.b", ".a.b.c"};
        uint32_t seen[3] = {0};
        for (int i = 0; i < 3; i++) {
            assert_true(!has(f, paths[i]) || (seen[i] = uidvalidity(f, paths[i])) > inbox);
            assert_true(i == 0 || seen[i - 1] || !seen[i]);
        }
        int r = create(f, "a/b/c");
        assert_true(r == 0 || (r == E_EXISTS && seen[2]));
        assert_string_equal(list(f), "INBOX es\na ec\na/b ec\na/b/c e\n");
        for (int i = 0; i < 3; i++) {
            uint32_t now = uidvalidity(f, paths[i]);
            assert_true(seen[i] ? now == seen[i] : now > inbox);
            assert_true(has(f, i == 0 ? ".a/cur" : i == 1 ? ".a.b/new" : ".a.b.c/tmp"));
        }
    }
    assert_true(at > 30);
}

static void delete_one(void *arg)
{
    struct fixture *f = arg;

    open_in_child(f);
    folders_delete(f->all, f->maildir, STR("a"), NULL);
}

static void x01_delete(void **state)
{
    struct fixture *f = *state;
    struct str id;
    bool ended = true;
    int at;

    for (at = 0; ended; at++) {
        again(f);
        assert_int_equal(
            folders_create(f->all, f->maildir, STR("a"), USE_JUNK, &id, &f->a, NULL), 0);
        uint32_t was = uidvalidity(f, ".a");
        put_letter(f, ".a", "0");
        put_letter(f, ".a", "1");
        ended = steps_end_at(at, delete_one, f);
        if (has(f, ".a")) {
            assert_true(has(f, ".a/cur/0") && has(f, ".a/cur/1"));
            assert_int_equal(folders_delete(f->all, f->maildir, STR("a"), NULL), 0);
        }
        assert_string_equal(list(f), "INBOX es\n");
        assert_clean(f);
        assert_int_equal(create(f, "a"), 0);
        assert_true(uidvalidity(f, ".a") > was);
    }
    assert_true(at > 10);
}

struct renaming {
    struct fixture *f;
    const char *from, *to;
};

static void rename_one(void *arg)
{
    struct renaming *r = arg;

    open_in_child(r->f);
    folders_rename(r->f->all, r->f->maildir, str_c(r->from), str_c(r->to), NULL);
}

/* Below `from` are "", "/x", "/x/y" and "/x/x", each with a letter that bears its number. */
static const char *const below[] = {"", ".x", ".x.y", ".x.x"};

static void x01_rename_to(struct fixture *f, const char *from, const char *to, bool twice)
{
    struct str id;
    bool ended = true;
    int at;

    for (at = 0; ended; at++) {
        uint32_t was[4];

        again(f);
        assert_int_equal(folders_create(f->all, f->maildir, arena_printf(&f->a, "%s/x/y", from),
                                        USE_SENT, &id, &f->a, NULL),
                         0);
        assert_int_equal(create(f, arena_printf(&f->a, "%s/x/x", from).p), 0);
        for (int i = 0; i < 4; i++) {
            const char *path = arena_printf(&f->a, ".%s%s", from, below[i]).p;
            char number[2] = {(char)('0' + i)};

            put_letter(f, path, number);
            was[i] = uidvalidity(f, path);
        }
        struct renaming r = {f, from, to};
        ended = steps_end_at(at, rename_one, &r);
        if (twice)
            steps_end_at(at / 2, rename_one, &r);
        list(f); /* completes what was begun */
        list(f);
        assert_clean(f);
        bool moved = has(f, arena_printf(&f->a, ".%s/cur/0", to).p);
        for (int i = 0; i < 4; i++) {
            const char *path = arena_printf(&f->a, ".%s%s", moved ? to : from, below[i]).p;
            char number[2] = {(char)('0' + i)};

            assert_true(has(f, arena_printf(&f->a, "%s/cur/%s", path, number).p));
            assert_int_equal(uidvalidity(f, path), was[i]);
        }
        struct str use = arena_printf(&f->a, "%s/x/y e\\Sent\n",
                                      moved ? arena_printf(&f->a, "%s", to).p : from);
        assert_non_null(strstr(list(f), use.p));
        assert_true(moved || ended);
    }
    assert_true(at > 15);
}

static void x01_rename(void **state)
{
    x01_rename_to(*state, "a", "b", false);
    x01_rename_to(*state, "a", "b", true);
}

/* The paths of the test are without '/', so its own tree is one of names with dots. */
static void x01_rename_into_itself(void **state)
{
    struct fixture *f = *state;
    bool ended = true;
    int at;

    for (at = 0; ended; at++) {
        again(f);
        assert_int_equal(create(f, "a/b/b"), 0);
        put_letter(f, ".a", "0");
        put_letter(f, ".a.b.b", "2");
        assert_int_equal(folders_delete(f->all, f->maildir, STR("a/b"), NULL), 0);
        uint32_t first = uidvalidity(f, ".a"), second = uidvalidity(f, ".a.b.b");
        struct renaming r = {f, "a", "a/b"};
        ended = steps_end_at(at, rename_one, &r);
        list(f);
        bool moved = has(f, ".a.b");
        assert_true(has(f, moved ? ".a.b/cur/0" : ".a/cur/0"));
        assert_true(has(f, moved ? ".a.b.b.b/cur/2" : ".a.b.b/cur/2"));
        assert_int_equal(uidvalidity(f, moved ? ".a.b" : ".a"), first);
        assert_int_equal(uidvalidity(f, moved ? ".a.b.b.b" : ".a.b.b"), second);
        assert_false(has(f, moved ? ".a" : ".a.b"));
    }
    assert_true(at > 10);
}

static void make_usual(void *arg)
{
    struct fixture *f = arg;

    open_in_child(f);
    folders_make_usual(f->all, f->maildir, NULL);
}

static void x01_usual(void **state)
{
    struct fixture *f = *state;
    bool ended = true;

    for (int at = 0; ended; at += 3) {
        again(f);
        ended = steps_end_at(at, make_usual, f);
        assert_int_equal(folders_make_usual(f->all, f->maildir, NULL), 0);
        assert_string_equal(list(f), "INBOX es\nArchive es\\Archive\nDrafts es\\Drafts\n"
                                     "Junk es\\Junk\nSent es\\Sent\nTrash es\\Trash\n");
        assert_clean(f);
    }
}

/* A step fails: the folders are as before, or whole under the new name. */
static void failures(void **state)
{
    struct fixture *f = *state;
    int r = -1;

    for (int at = 0; r < 0; at++) {
        again(f);
        assert_int_equal(create(f, "a/b"), 0);
        put_letter(f, ".a", "0");
        put_letter(f, ".a.b", "1");
        steps_mode = STEPS_FAIL;
        steps_left = at;
        r = folders_rename(f->all, f->maildir, STR("a"), STR("c/d"), NULL);
        steps_mode = STEPS_RUN;
        list(f);
        bool moved = has(f, ".c.d");
        assert_true(has(f, moved ? ".c.d/cur/0" : ".a/cur/0"));
        assert_true(has(f, moved ? ".c.d.b/cur/1" : ".a.b/cur/1"));
        assert_true(r < 0 || moved);
        assert_clean(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(patterns_all),
        cmocka_unit_test(i14_wildcards),
        cmocka_unit_test_setup_teardown(i15_i16_i17_names, setup, teardown),
        cmocka_unit_test_setup_teardown(depth, setup, teardown),
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(uidvalidity_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(uses, setup, teardown),
        cmocka_unit_test_setup_teardown(usual_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(renames, setup, teardown),
        cmocka_unit_test_setup_teardown(i18_into_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(i18_inbox, setup, teardown),
        cmocka_unit_test_setup_teardown(x01_create, setup, teardown),
        cmocka_unit_test_setup_teardown(x01_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(x01_rename, setup, teardown),
        cmocka_unit_test_setup_teardown(x01_rename_into_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(x01_usual, setup, teardown),
        cmocka_unit_test_setup_teardown(failures, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
