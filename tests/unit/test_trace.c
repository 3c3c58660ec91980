#include "mail/header.h"
#include "mail/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct trace_received sample(void)
{
    static const uint8_t zeros[8];
    struct trace_received t = {
        .helo = STR_LIT("client.example"),
        .rdns = STR_LIT("host.example"),
        .ip = STR_LIT("192.0.2.1"),
        .user = STR_LIT("alice@d"),
        .by = STR_LIT("mail.example.test"),
        .with = STR_LIT("ESMTPSA"),
        .tls_version = STR_LIT("TLS1_3"),
        .tls_cipher = STR_LIT("TLS_AES_256_GCM_SHA384"),
        .tls_bits = 256,
        .rcpt = STR_LIT("bob@d"),
        .now_s = 1795384217,
    };

    id_make(&t.id, 1795384217000, zeros);
    return t;
}

static void check(const struct trace_received *t, const char *want)
{
    struct buf b;

    buf_init(&b, 10000);
    trace_received_print(&b, t);
    assert_string_equal(buf_c(&b), want);
    buf_done(&b);
}

#define ID "01m82kt3d80000000000000"

static void received(void **state)
{
    struct trace_received t = sample();

    (void)state;
    check(&t, "Received: from client.example (host.example [192.0.2.1])\n"
              "\tby mail.example.test (posta) with ESMTPSA id " ID "\n"
              "\t(version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256)\n"
              "\tfor <bob@d>;\n"
              "\tSun, 22 Nov 2026 21:50:17 +0000\n");
    t.tls_version = t.rcpt = t.rdns = STR("");
    t.ip = STR("2001:db8::1");
    t.show_user = true;
    check(&t, "Received: from client.example (unknown [IPv6:2001:db8::1])\n"
              "\t(authenticated as alice@d)\n"
              "\tby mail.example.test (posta) with ESMTPSA id " ID ";\n"
              "\tSun, 22 Nov 2026 21:50:17 +0000\n");
    t.ip = t.helo = t.user = STR("");
    check(&t, "Received: from unknown (local socket)\n"
              "\tby mail.example.test (posta) with ESMTPSA id " ID ";\n"
              "\tSun, 22 Nov 2026 21:50:17 +0000\n");
}

/* D09: whatever a client or its name server says, the field stays one field with one date. */
static void d09_strangers_words(void **state)
{
    struct trace_received t = sample();
    struct header_field f;
    struct buf b;
    char all[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct str octets = {all, sizeof(all)};
    t.helo = t.rdns = t.ip = t.by = t.tls_version = t.tls_cipher = t.rcpt = t.user = octets;
    t.show_user = true;
    buf_init(&b, 10000);
    trace_received_print(&b, &t);
    buf_add(&b, STR("\n"));
    struct str in = buf_str(&b);
    assert_true(header_next(&in, &f));
    assert_int_equal(in.n, 1);
    assert_int_equal(f.all.n, b.n - 1);
    buf_done(&b);

    t = sample();
    t.helo = STR("a\r\nX: y) ; z");
    t.rdns = STR("(\"\\");
    t.rcpt = STR("\"a\n b\"@d");
    check(&t, "Received: from a??X:?y????z (??? [192.0.2.1])\n"
              "\tby mail.example.test (posta) with ESMTPSA id " ID "\n"
              "\t(version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256)\n"
              "\tfor <\"a? b\"@d>;\n"
              "\tSun, 22 Nov 2026 21:50:17 +0000\n");
}

static void long_words_are_cut(void **state)
{
    static char text[100000];
    struct trace_received t = sample();
    struct buf b;

    (void)state;
    memset(text, 'a', sizeof(text));
    t.helo = t.rdns = (struct str){text, sizeof(text)};
    buf_init(&b, 1000);
    trace_received_print(&b, &t);
    assert_false(buf_failed(&b));
    buf_done(&b);
}

static void protocols(void **state)
{
    (void)state;
    assert_true(str_eq(trace_protocol(false, false, false, false, false), STR("SMTP")));
    assert_true(str_eq(trace_protocol(false, true, false, false, false), STR("ESMTP")));
    assert_true(str_eq(trace_protocol(false, true, false, true, false), STR("ESMTPS")));
    assert_true(str_eq(trace_protocol(false, true, false, false, true), STR("ESMTPA")));
    assert_true(str_eq(trace_protocol(false, true, false, true, true), STR("ESMTPSA")));
    assert_true(str_eq(trace_protocol(false, true, true, true, true), STR("UTF8SMTPSA")));
    assert_true(str_eq(trace_protocol(true, true, false, false, false), STR("LMTP")));
    assert_true(str_eq(trace_protocol(true, true, true, true, true), STR("UTF8LMTPSA")));
}

static void other_fields(void **state)
{
    struct trace_received t = sample();
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    trace_return_path_print(&b, STR(""));
    trace_return_path_print(&b, STR("\"a b\"@d"));
    trace_delivered_to_print(&b, STR("bob+x@d"));
    trace_delivered_to_print(&b, STR("a\nX: y@d"));
    trace_message_id_print(&b, &t.id, STR("mail.example.test"));
    assert_string_equal(buf_c(&b), "Return-Path: <>\nReturn-Path: <\"a b\"@d>\n"
                                   "Delivered-To: bob+x@d\nDelivered-To: a?X: y@d\n"
                                   "Message-ID: <" ID "@mail.example.test>\n");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(received),           cmocka_unit_test(d09_strangers_words),
        cmocka_unit_test(long_words_are_cut), cmocka_unit_test(protocols),
        cmocka_unit_test(other_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
