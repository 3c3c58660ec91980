/* Where letters go by posta.conf. */
#include "mta/send/route.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct config *parsed(const char *text)
{
    struct buf faults;

    buf_init(&faults, 10000);
    struct config *c = config_parse(str_c(text), "f", &faults);
    if (!c)
        print_message("%s\n", buf_c(&faults));
    assert_non_null(c);
    buf_done(&faults);
    return c;
}

static void routes_and_others(void **state)
{
    struct config *c = parsed("mta { port = 2525 route \"a.test\" { to = \"mx.b.test:26\" } "
                              "route \"c.test.\" { to = \"lmtp:[::1]:24\" tls = \"never\" } "
                              "route \"d.test\" { to = \"lmtp:/run/x\" tls = \"may\" } }");
    static const struct {
        const char *domain, *host;
        unsigned port;
        bool mx, lmtp;
        enum route_tls tls;
        const char *path;
    } rows[] = {
        {"a.test",     "mx.b.test", 26,   false, false, ROUTE_MAY,   NULL    },
        {"A.TEST",     "mx.b.test", 26,   false, false, ROUTE_MAY,   NULL    },
        {"c.test",     "::1",       24,   false, true,  ROUTE_NEVER, NULL    },
        {"d.test",     "",          0,    false, true,  ROUTE_NEVER, "/run/x"},
        {"b.a.test",   "",          2525, true,  false, ROUTE_MAY,   NULL    },
        {"other.test", "",          2525, true,  false, ROUTE_MAY,   NULL    },
        {"",           "",          2525, true,  false, ROUTE_MAY,   NULL    },
    };
    struct routes r;

    (void)state;
    routes_init(&r, c);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct route *got = routes_find(&r, str_c(rows[i].domain));

        assert_true(str_eq(got->host, str_c(rows[i].host)));
        assert_int_equal(got->port, rows[i].port);
        assert_int_equal(got->mx, rows[i].mx);
        assert_int_equal(got->lmtp, rows[i].lmtp);
        assert_int_equal(got->tls, rows[i].tls);
        assert_true(rows[i].path ? strcmp(got->path, rows[i].path) == 0 : !got->path);
        assert_null(got->flaw);
    }
    routes_done(&r);
    config_free(c);
}

/* Without a word of TLS a password goes to a proved name alone. */
static void tls_without_a_word(void **state)
{
    static const struct {
        const char *keys;
        enum route_tls tls;
    } rows[] = {
        {"to = \"b.test:25\"",                                                     ROUTE_MAY   },
        {"to = \"b.test:25\" tls = \"\"",                                          ROUTE_MAY   },
        {"to = \"b.test:25\" user = \"u\" password_file = \"/p\"",                 ROUTE_VERIFY},
        {"to = \"b.test:25\" user = \"u\" password_file = \"/p\" tls = \"\"",      ROUTE_VERIFY},
        {"to = \"b.test:25\" user = \"u\" password_file = \"/p\" tls = \"may\"",   ROUTE_MAY   },
        {"to = \"b.test:25\" user = \"u\" password_file = \"/p\" tls = \"must\"",  ROUTE_MUST  },
        {"to = \"b.test:25\" user = \"u\" password_file = \"/p\" tls = \"never\"", ROUTE_NEVER },
        {"to = \"lmtp:b.test:24\" user = \"u\" password_file = \"/p\"",            ROUTE_VERIFY},
        {"to = \"lmtp:/run/x\" user = \"u\" password_file = \"/p\"",               ROUTE_NEVER },
        {"to = \"lmtp:/run/x\"",                                                   ROUTE_NEVER },
    };
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct routes r;

        snprintf(text, sizeof(text), "mta { route \"a.test\" { %s } }", rows[i].keys);
        struct config *c = parsed(text);
        routes_init(&r, c);
        if (routes_find(&r, STR("a.test"))->tls != rows[i].tls)
            fail_msg("%s", rows[i].keys);
        routes_done(&r);
        config_free(c);
    }
}

/* The first line of a file, without its end. */
static void passwords(void **state)
{
    static const struct {
        const char *text, *want; /* text NULL: there is no file; want NULL: a flaw */
    } rows[] = {
        {"secret",          "secret" },
        {"secret\n",        "secret" },
        {"se cret\r\nmore", "se cret"},
        {"",                NULL     },
        {"\nsecret",        NULL     },
        {NULL,              NULL     },
    };
    char file[] = "/tmp/posta-route-XXXXXX", text[300];
    int fd = mkstemp(file);

    (void)state;
    assert_true(fd >= 0);
    snprintf(text, sizeof(text),
             "mta { relay = \"r.test:587\" relay_user = \"u\" relay_password_file = \"%s\" }",
             file);
    struct config *c = parsed(text);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct routes r;

        assert_int_equal(ftruncate(fd, 0), 0);
        if (rows[i].text)
            assert_int_equal(pwrite(fd, rows[i].text, strlen(rows[i].text), 0),
                             (ssize_t)strlen(rows[i].text));
        else
            unlink(file);
        routes_init(&r, c);
        const struct route *got = routes_find(&r, STR("x.test"));
        assert_int_equal(got->flaw == NULL, rows[i].want != NULL);
        if (rows[i].want)
            assert_true(str_eq(got->password, str_c(rows[i].want)));
        assert_true(str_eq(got->user, STR("u")));
        assert_int_equal(got->tls, ROUTE_VERIFY);
        routes_done(&r);
    }
    close(fd);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(routes_and_others),
                                       cmocka_unit_test(tls_without_a_word),
                                       cmocka_unit_test(passwords)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
