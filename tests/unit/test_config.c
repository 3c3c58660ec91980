#include "sys/config.h"
#include "sys/config_doc.h"
#include "sys/config_keys.h"
#include "sys/config_scan.h"
#include "sys/config_value.h"
#include "sys/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { FAULT_BYTES = 65536 };

static struct config *parse(const char *text, struct buf *faults)
{
    buf_init(faults, FAULT_BYTES);
    return config_parse(str_c(text), "f", faults);
}

static void refused(const char *text, const char *faults_wanted)
{
    struct buf faults;
    struct config *c = parse(text, &faults);

    assert_null(c);
    assert_string_equal(buf_c(&faults), faults_wanted);
    buf_done(&faults);
}

static struct config *taken(const char *text)
{
    struct buf faults;
    struct config *c = parse(text, &faults);

    assert_string_equal(buf_c(&faults), "");
    assert_non_null(c);
    buf_done(&faults);
    return c;
}

static void test_defaults(void **state)
{
    struct config *c = taken("");

    (void)state;
    assert_true(*c->hostname != '\0');
    assert_string_equal(c->state_dir, "/var/lib/posta");
    assert_string_equal(c->run_dir, "/run/posta");
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->msa.listen.n, 1);
    assert_string_equal(c->msa.listen.items[0], "*:587");
    assert_string_equal(c->pop3d.listen_tls.items[0], "*:995");
    assert_int_equal(c->mta.relay_from.n, 0);
    assert_int_equal(c->mta.port, 25);
    assert_string_equal(c->mta.relay, "");
    assert_int_equal(c->limits.letter_bytes, 25 << 20);
    assert_int_equal(c->limits.queue_life_seconds, 5 * 86400);
    assert_int_equal(c->limits.retry_max_seconds, 4 * 3600);
    assert_false(c->lab.clear_auth);
    assert_string_equal(c->log.level, "info");
    config_free(c);
}

static void test_every_kind_of_value(void **state)
{
    struct config *c = taken(
        "# a comment\n"
        "hostname = mail.example.org # another\n"
        "state_dir = '/srv/posta' run_dir=\"/run/p\\\"q\"\n"
        "workers = 4\n"
        "msa { listen = { \"127.0.0.1:2587\", # inside\n"
        "   \"[::1]:2587\", } listen_tls = {} }\n"
        "mta { listen += {\"*:2525\"}\r\n"
        "  relay_from = {\"127.0.0.0/8\", \"::1\"}\n"
        "  route \"example.net\" { to = \"[::1]:25\" tls = must }\n"
        "  route example.com { to = \"mx.example.com:2525\"\n user = u password_file = /p } }\n"
        "mta { port = 2525 }\n"
        "limits { letter_bytes = 1G free_bytes = 0 queue_life_seconds = \"2d\" }\n"
        "lab { clear_auth = true auth_on_25 = no }\n"
        "log { level = debug }");

    (void)state;
    assert_string_equal(c->hostname, "mail.example.org");
    assert_string_equal(c->state_dir, "/srv/posta");
    assert_string_equal(c->run_dir, "/run/p\"q");
    assert_int_equal(c->workers, 4);
    assert_int_equal(c->msa.listen.n, 2);
    assert_string_equal(c->msa.listen.items[1], "[::1]:2587");
    assert_int_equal(c->msa.listen_tls.n, 0);
    assert_int_equal(c->mta.listen.n, 2);
    assert_string_equal(c->mta.listen.items[0], "*:25");
    assert_string_equal(c->mta.listen.items[1], "*:2525");
    assert_int_equal(c->mta.relay_from.n, 2);
    assert_int_equal(c->mta.nroutes, 2);
    assert_string_equal(c->mta.routes[0].domain, "example.net");
    assert_string_equal(c->mta.routes[0].tls, "must");
    assert_string_equal(c->mta.routes[0].user, "");
    assert_string_equal(c->mta.routes[1].tls, "");
    assert_string_equal(c->mta.routes[1].password_file, "/p");
    assert_int_equal(c->mta.port, 2525);
    assert_int_equal(c->limits.letter_bytes, 1 << 30);
    assert_int_equal(c->limits.free_bytes, 0);
    assert_int_equal(c->limits.queue_life_seconds, 2 * 86400);
    assert_true(c->lab.clear_auth);
    assert_false(c->lab.auth_on_25);
    assert_string_equal(c->log.level, "debug");
    config_free(c);
}

/* All faults are told, in the order of their lines, whatever finds them. */
static void test_all_faults(void **state)
{
    (void)state;
    refused(
        "workers = 65\n"
        "zork = 5 # unknown\n"
        "msa { lisen = {}\n"
        "  listen = {\"*:25\",\n"
        "     \"*:0\", # a bad one\n"
        "     \"localhost:25\"}\n"
        "  port = 3 }\n"
        "hostname = \"a b\"\n"
        "hostname = again\n"
        "unknown { a = { \"x\", \"y\" } b { c = 1 } d \"e\" { } }\n"
        "tls = 5 mta = {} limits \"x\" { }\n"
        "mta { route { } route \"a b\" { tls = perhaps } relay { } relay += \"x:1\" port = {} "
        "}\n"
        "lab { clear_auth = maybe }\n",
        "f:1: workers = \"65\"; right would be 0 to 64 processes\n"
        "f:2: no key \"zork\" in posta.conf; right would be one of those in posta.conf(5)\n"
        "f:3: no key \"lisen\" in section msa; right would be \"listen\"\n"
        "f:5: listen = \"*:0\"; right would be address:port such as \"*:25\", \"127.0.0.1:25\" "
        "or \"[::1]:25\"\n"
        "f:6: listen = \"localhost:25\"; right would be address:port such as \"*:25\", "
        "\"127.0.0.1:25\" or "
        "\"[::1]:25\"\n"
        "f:7: no key \"port\" in section msa; right would be the section mta\n"
        "f:8: hostname = \"a b\"; right would be a host's name such as \"mail.example.org\"\n"
        "f:9: hostname has been set before; right would be one line for it\n"
        "f:10: no section \"unknown\" here; right would be one of those in posta.conf(5)\n"
        "f:11: \"tls\" is a section; right would be tls { … }\n"
        "f:11: \"mta\" is a section; right would be mta { … }\n"
        "f:11: section limits with a name behind it; right would be limits { … }\n"
        "f:12: section route without a name behind it; right would be route \"example.net\" { "
        "… }\n"
        "f:12: \"relay\" is no section; right would be relay = and a value\n"
        "f:12: relay has one value, no list; right would be relay = \"\"\n"
        "f:12: port has one value, no list; right would be port = 25\n"
        "f:12: tls = \"perhaps\"; right would be may must verify never\n"
        "f:12: route \"a b\"; right would be a domain such as \"example.net\"\n"
        "f:12: route \"a b\" says not where; right would be to = \"host:port\" in it\n"
        "f:13: clear_auth = \"maybe\"; right would be true or false\n");
}

/* A syntax error ends the reading; what stood before it is still told. */
static void test_syntax(void **state)
{
    /* clang-format off */
    static const struct {
        const char *text, *fault;
    } rows[] = {
        {"workers = 99\nhostname = \"abc\nworkers = 100\n",
         "f:1: workers = \"99\"; right would be 0 to 64 processes\n"
         "f:2: a string without its end; right would be a \" before the line ends\n"},
        {"hostname 'abc",
         "f:1: a string without its end; right would be a ' before the line ends\n"},
        {"hostname",
         "f:1: the end of the file cannot stand here; right would be \"=\" and a "
         "value, or \"{\" and a section\n"},
        {"hostname =",
         "f:1: the end of the file cannot stand here; right would be a value, or "
         "{ and a list of values\n"},
        {"msa {\n\nlisten = {}\n",
         "f:4: the section that begins in line 1 has no end; right would be \"}\"\n"},
        {"msa { listen = {\"*:1\" \"*:2\"} }",
         "f:1: \"*:2\" cannot stand here; right would be \",\" or \"}\" in this list\n"},
        {"msa { listen = {,} }",
         "f:1: \",\" cannot stand here; right would be a value or \"}\" in this list\n"},
        {"}",
         "f:1: \"}\" cannot stand here; right would be a key or the name of a section\n"},
        {"= 5",
         "f:1: \"=\" cannot stand here; right would be a key or the name of a section\n"},
        {"\"hostname\" = a",
         "f:1: \"hostname\" cannot stand here; right would be a key without quotes\n"},
        {"msa { = }",
         "f:1: \"=\" cannot stand here; right would be a key or \"}\"\n"},
        {"listen = *:25",
         "f:1: \"*\" cannot stand here; right would be quotes around a value "
         "that has more than letters, "
         "digits and _-./:@%[]~ in it, and # before a comment\n"},
        {"a = 1; b = 2",
         "f:1: \";\" cannot stand here; right would be quotes around a value "
         "that has more than letters, "
         "digits and _-./:@%[]~ in it, and # before a comment\n"},
        {"\n\001",
         "f:2: the byte \\x01 cannot stand here; right would be plain text\n"},
        {"a = \"\t\"",
         "f:1: a control character (\\x09) in a string; right would be visible text\n"},
        {"a = \"${HOME}\"",
         "f:1: \"${\" in a string: the environment is not looked at; right "
         "would be the value itself\n"},
        {"a = \"\\x00\"",
         "f:1: a backslash in a string; right would be \\\" for a quote or "
         "\\\\ for itself, in double quotes\n"},
        {"a { b { c { d { e { f { g { h { i { j { } } } } } } } } } }",
         "f:1: \"{\" cannot stand here; right would be less sections inside sections\n"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf faults;

        assert_null(parse(rows[i].text, &faults));
        if (!strstr(buf_c(&faults), rows[i].fault))
            print_error("%s\n", buf_c(&faults));
        assert_non_null(strstr(buf_c(&faults), rows[i].fault));
        buf_done(&faults);
    }
}

static void test_whole(void **state)
{
    (void)state;
    refused("msa { listen = {\"127.0.0.1:25\"} } mta { listen = {\"127.0.0.1:25\"} relay_user "
            "= \"u\" }\n"
            "limits { retry_first_seconds = 1d retry_max_seconds = 1h letter_bytes = 64K "
            "header_bytes = 1M }",
            "f: \"127.0.0.1:25\" is listened at twice; right would be one server for it\n"
            "f: relay: a user without a password file, or the other way round; right would be "
            "both\n"
            "f: relay: a user without a host; right would be both\n"
            "f: retry_first_seconds is more than retry_max_seconds; right would be less\n"
            "f: header_bytes is more than letter_bytes; right would be less\n");
    refused("mta { route \"a.b\" { to = \"c:1\" } route \"a.b\" { to = \"c:1\" } }",
            "f:1: found duplicate title 'a.b'; right would be what posta.conf(5) shows\n");
}

/* Each number at -1, 0 and +1 of both its limits. */
static void try_number(const struct config_row *row, uint64_t v, bool good)
{
    struct buf text, faults;

    buf_init(&text, 1024);
    buf_init(&faults, FAULT_BYTES);
    buf_addf(&text, "%s { %s = %llu letter_bytes = 2G }", row->section, row->name,
             (unsigned long long)v);
    if (strcmp(row->name, "letter_bytes") == 0 || strcmp(row->section, "limits") != 0) {
        buf_clear(&text);
        buf_addf(&text, "%s %s %s = %llu %s", row->section, *row->section ? "{" : "", row->name,
                 (unsigned long long)v, *row->section ? "}" : "");
    }
    struct config *c = config_parse(buf_str(&text), "f", &faults);
    bool whole = strstr(buf_c(&faults), "is more than") != NULL; /* of two values together */
    if ((c != NULL || whole) != good)
        fail_msg("%s: %s", buf_c(&text), buf_c(&faults));
    if (!good)
        assert_non_null(strstr(buf_c(&faults), row->name));
    config_free(c);
    buf_done(&text);
    buf_done(&faults);
}

static void test_number_limits(void **state)
{
    int n = 0;

    (void)state;
    for (size_t i = 0; i < config_rows_n; i++) {
        const struct config_row *row = &config_rows[i];

        if (row->type != CONFIG_NUMBER && row->type != CONFIG_SIZE && row->type != CONFIG_TIME)
            continue;
        assert_true(row->min < row->max && row->unit);
        if (row->min > 0)
            try_number(row, row->min - 1, false);
        try_number(row, row->min, true);
        try_number(row, row->min + 1, true);
        try_number(row, row->max - 1, true);
        try_number(row, row->max, true);
        try_number(row, row->max + 1, false);
        try_number(row, UINT64_MAX, false);
        n++;
    }
    assert_true(n > 25);
}

static void test_sizes_and_times(void **state)
{
    static const struct {
        const char *text;
        bool (*scan)(struct str s, uint64_t *out);
        uint64_t want; /* UINT64_MAX: refused */
    } rows[] = {
        {"0",                   config_size, 0                      },
        {"64K",                 config_size, 65536                  },
        {"1T",                  config_size, UINT64_C(1) << 40      },
        {"8388607T",            config_size, UINT64_C(8388607) << 40},
        {"8388608T",            config_size, UINT64_MAX             },
        {"9223372036854775807", config_size, INT64_MAX              },
        {"9223372036854775808", config_size, UINT64_MAX             },
        {"1k",                  config_size, UINT64_MAX             },
        {"1KB",                 config_size, UINT64_MAX             },
        {"K",                   config_size, UINT64_MAX             },
        {"",                    config_size, UINT64_MAX             },
        {"-1",                  config_size, UINT64_MAX             },
        {"1 K",                 config_size, UINT64_MAX             },
        {"0x10",                config_size, UINT64_MAX             },
        {"90",                  config_time, 90                     },
        {"30s",                 config_time, 30                     },
        {"2m",                  config_time, 120                    },
        {"4h",                  config_time, 14400                  },
        {"5d",                  config_time, 432000                 },
        {"1w",                  config_time, 604800                 },
        {"1M",                  config_time, UINT64_MAX             },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t v = UINT64_MAX;

        assert_int_equal(rows[i].scan(str_c(rows[i].text), &v), rows[i].want != UINT64_MAX);
        assert_true(v == rows[i].want);
    }
}

static void test_addresses(void **state)
{
    static const char *const good[] = {
        "*:1",     "*:65535",  "0.0.0.0:25",      "127.0.0.1:2525",
        "[::]:25", "[::1]:25", "[2001:db8::1]:25"};
    static const char *const bad[] = {"",
                                      ":25",
                                      "*",
                                      "*:",
                                      "*:0",
                                      "*:65536",
                                      "*:-1",
                                      "*:25 ",
                                      "[*]:25",
                                      "::1:25",
                                      "[127.0.0.1]:25",
                                      "127.0.0.1",
                                      "127.1:25",
                                      "1.2.3.4.5:25",
                                      "localhost:25",
                                      "[::1]25",
                                      "[::1",
                                      "[]:25",
                                      "[::1%lo]:25"};
    static const char *const places[] = {"mail.example.org:25", "localhost:2525",
                                         "127.0.0.1:25", "[::1]:25"};
    static const char *const no_places[] = {"",        "mail.example.org", "a b:25", "-a:25",
                                            "a..b:25", "::1:25",           "[a]:25", "*:25"};
    struct config_destination d;
    struct config_address a;
    struct config_host_port h;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!config_address(str_c(good[i]), &a))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (config_address(str_c(bad[i]), &a))
            fail_msg("%s", bad[i]);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (!config_host_port(str_c(places[i]), &h))
            fail_msg("%s", places[i]);
    for (size_t i = 0; i < sizeof(no_places) / sizeof(no_places[0]); i++)
        if (config_host_port(str_c(no_places[i]), &h))
            fail_msg("%s", no_places[i]);
    assert_true(config_destination(STR("lmtp:[::1]:24"), &d));
    assert_true(d.lmtp && d.at.port == 24 && !d.path[0]);
    assert_true(config_destination(STR("lmtp:/run/x"), &d));
    assert_string_equal(d.path, "/run/x");
    assert_true(config_destination(STR("lmtp:25"), &d)); /* a host of that name */
    assert_true(!d.lmtp && strcmp(d.at.host, "lmtp") == 0);
    assert_false(config_destination(STR("/run/x"), &d));
    assert_false(config_destination(STR("lmtp:mail.example.org"), &d));
    assert_false(config_destination(STR("smtp:a:25"), &d));
    assert_true(config_address(STR("[::1]:993"), &a));
    assert_string_equal(a.host, "::1");
    assert_int_equal(a.port, 993);
    assert_true(a.v6 && !a.any);
}

static void test_networks(void **state)
{
    static const struct {
        const char *network, *address;
        bool in;
    } rows[] = {
        {"127.0.0.0/8",    "127.255.0.1",      true },
        {"127.0.0.0/8",    "128.0.0.1",        false},
        {"127.0.0.0/8",    "::ffff:127.0.0.1", true },
        {"127.0.0.0/8",    "::1",              false},
        {"10.1.2.3",       "10.1.2.3",         true },
        {"10.1.2.3",       "10.1.2.2",         false},
        {"192.168.4.0/22", "192.168.7.255",    true },
        {"192.168.4.0/22", "192.168.8.0",      false},
        {"0.0.0.0/0",      "8.8.8.8",          true },
        {"2001:db8::/33",  "2001:db8:7fff::1", true },
        {"2001:db8::/33",  "2001:db8:8000::1", false},
        {"::1",            "::1",              true },
        {"::/0",           "127.0.0.1",        false},
        {"127.0.0.0/8",    "",                 false},
    };
    static const char *const bad[] = {"",      "127.0.0.1/8", "127.0.0.0/33", "::/129",
                                      "127/8", "a/8",         "127.0.0.0/",   "127.0.0.0/8 "};
    struct config_network n;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(config_network(str_c(rows[i].network), &n));
        if (config_network_has(&n, rows[i].address) != rows[i].in)
            fail_msg("%s %s", rows[i].network, rows[i].address);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (config_network(str_c(bad[i]), &n))
            fail_msg("%s", bad[i]);
}

/* Every text value that a row may have, good and bad. */
static void test_texts(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"dns { servers = {\"127.0.0.1\", \"127.0.0.1@5353\", \"::1@53\"} }", true },
        {"dns { servers = \"127.0.0.1@\" }",                                  false},
        {"dns { servers = \"127.0.0.1@0\" }",                                 false},
        {"dns { servers = \"127.0.0.0/8\" }",                                 false},
        {"dns { servers = \"\" }",                                            false},
        {"dns { insecure = {\".\", \"example.org\", \"example.org.\"} }",     true },
        {"dns { insecure = \"..\" }",                                         false},
        {"dns { trust_anchor = \"\" }",                                       true },
        {"dns { trust_anchor = relative }",                                   false},
        {"state_dir = \"\"",                                                  false},
        {"state_dir = \"/a\x80\"",                                            false},
        {"state_dir = relative/path",                                         false},
        {"hostname = \"\"",                                                   true },
        {"hostname = \"-a\"",                                                 false},
        {"mta { relay_tls = must }",                                          true },
        {"mta { relay_tls = \"\" }",                                          false},
        {"mta { relay_tls = \"may must\" }",                                  false},
        {"mta { relay = \"\" }",                                              true },
        {"mta { relay = \"mail\" }",                                          false},
        {"mta { relay_from = {\"10.0.0.0/8\", \"10.0.0.1/8\"} }",             false},
        {"log { level = INFO }",                                              false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf faults;
        struct config *c = parse(rows[i].text, &faults);

        if ((c != NULL) != rows[i].good)
            fail_msg("%s: %s", rows[i].text, buf_c(&faults));
        assert_int_equal(faults.n == 0, rows[i].good);
        config_free(c);
        buf_done(&faults);
    }
}

static void test_many_faults(void **state)
{
    struct buf text, faults;

    (void)state;
    buf_init(&text, FAULT_BYTES);
    buf_init(&faults, FAULT_BYTES);
    for (int i = 0; i < CONFIG_FAULTS + 3; i++)
        buf_add(&text, STR("zork = 1\n"));
    assert_null(config_parse(buf_str(&text), "f", &faults));
    assert_non_null(strstr(buf_c(&faults), "\nf: 3 faults more\n"));
    buf_done(&text);
    buf_done(&faults);
}

static void test_files(void **state)
{
    char path[] = "/tmp/posta-config-XXXXXX";
    struct buf faults;
    int fd = mkstemp(path);

    (void)state;
    buf_init(&faults, FAULT_BYTES);
    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, STR("workers = 3\n"), NULL), 0);
    struct config *c = config_load(path, &faults);
    assert_int_equal(c->workers, 3);
    config_free(c);
    buf_clear(&faults);
    assert_int_equal(ftruncate(fd, 0) | ftruncate(fd, CONFIG_FILE_BYTES), 0);
    assert_null(config_load(path, &faults));
    assert_non_null(strstr(buf_c(&faults), ":1: the byte \\x00 cannot stand here"));
    buf_clear(&faults);
    assert_int_equal(ftruncate(fd, CONFIG_FILE_BYTES + 1), 0);
    assert_null(config_load(path, &faults));
    assert_non_null(strstr(buf_c(&faults), "more than 1048576 octets"));
    buf_clear(&faults);
    unlink(path);
    close(fd);
    assert_null(config_load(path, &faults));
    assert_non_null(strstr(buf_c(&faults), "No such file or directory"));
    buf_done(&faults);
}

static void test_path(void **state)
{
    (void)state;
    unsetenv("POSTA_CONF");
    assert_string_equal(config_path(NULL), "/etc/posta/posta.conf");
    setenv("POSTA_CONF", "/a", 1);
    assert_string_equal(config_path(NULL), "/a");
    assert_string_equal(config_path("/b"), "/b");
    unsetenv("POSTA_CONF");
}

static void same_as_file(const char *path, void (*print)(struct buf *out))
{
    struct buf text, file;

    buf_init(&text, FAULT_BYTES);
    buf_init(&file, FAULT_BYTES);
    print(&text);
    assert_int_equal(fs_read_file(path, &file, NULL), 0);
    if (!str_eq(buf_str(&text), buf_str(&file)))
        fail_msg("%s is not what the tables say: run `ninja config-files`", path);
    buf_done(&text);
    buf_done(&file);
}

static void test_committed_files(void **state)
{
    (void)state;
    same_as_file(TEST_SOURCE_ROOT "/config/posta.conf", config_doc_example);
    same_as_file(TEST_SOURCE_ROOT "/docs/posta.conf.5", config_doc_manual);
}

/* Takes the comment off every default of the example: it must be read, and be the defaults. */
static void test_example_is_read(void **state)
{
    struct buf text, bare, faults;

    (void)state;
    buf_init(&text, FAULT_BYTES);
    buf_init(&bare, FAULT_BYTES);
    buf_init(&faults, FAULT_BYTES);
    config_doc_example(&text);
    struct str rest = buf_str(&text), line;
    while (rest.n > 0) {
        bool some = scan_until(&rest, '\n', &line);

        line = some ? str_trim(line) : STR("");
        scan_byte(&rest, '\n');
        if (str_starts(line, STR("#route")) || str_starts(line, STR("#    ")) ||
            str_eq(line, STR("#}")))
            continue;
        if (line.n > 1 && line.p[0] == '#' && line.p[1] != ' ')
            line = str_skip(line, 1);
        buf_add(&bare, line);
        buf_add_byte(&bare, '\n');
    }
    assert_non_null(strstr(buf_c(&bare), "\nletter_bytes = 25M\n"));
    struct config *c = config_parse(buf_str(&bare), "f", &faults);
    assert_string_equal(buf_c(&faults), "");
    config_free(c);
    buf_done(&text);
    buf_done(&bare);
    buf_done(&faults);
}

static void count_key(void *arg, const struct config_key *key)
{
    assert_true(*key->name && *key->type && *key->standard && *key->text);
    ++*(size_t *)arg;
}

/* Each row fits its member; names are unique in their section; sections are known. */
static void test_tables(void **state)
{
    size_t n = 0;

    (void)state;
    config_each_key(count_key, &n);
    assert_int_equal(n, config_rows_n);
    for (size_t i = 0; i < config_rows_n; i++) {
        const struct config_row *row = &config_rows[i];
        size_t size = sizeof(char *);

        if (config_is_list(row->type))
            size = sizeof(struct config_list);
        else if (row->type == CONFIG_BOOL)
            size = sizeof(bool);
        else if (row->unit && row->type != CONFIG_CHOICE)
            size = row->max > UINT32_MAX ? sizeof(uint64_t) : row->size;
        assert_int_equal(row->size, size);
        for (size_t k = 0; k < i; k++)
            assert_false(strcmp(row->section, config_rows[k].section) == 0 &&
                         strcmp(row->name, config_rows[k].name) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_kind_of_value),
        cmocka_unit_test(test_all_faults),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_number_limits),
        cmocka_unit_test(test_sizes_and_times),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_many_faults),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_committed_files),
        cmocka_unit_test(test_example_is_read),
        cmocka_unit_test(test_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
