#include "sys/config.h"
#include "sys/config_keys.h"
#include "sys/config_value.h"
#include "sys/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

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
    assert_string_equal(c->mta.routes[1].tls, "may");
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

static void test_first_faults(void **state)
{
    (void)state;
    refused("workers = 65\nmsa { lisen = {} }\n",
            "f:1: workers = \"65\"; right would be 0 to 64 processes\n"
            "f:2: no key \"lisen\" in section msa; right would be \"listen\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_kind_of_value),
        cmocka_unit_test(test_first_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
