/*
 * smtp_play - a fuzz target for a server session of the kind FUZZ_KIND says.
 *
 * Property: how the network cuts the bytes does not matter. A client that waits where it has to
 * (for 354, for the 220 to STARTTLS) sees the same dialogue, and the same letters are accepted,
 * whether the rest comes in large pieces or in single bytes. The first byte chooses the kind
 * and the configuration.
 */
#include "tests/unit/smtp_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECE_BYTES = 60000 };

/* Up to and with the next line behind which a client waits. */
static size_t piece(struct str in)
{
    static const struct str waits[] = {STR_LIT("DATA"), STR_LIT("STARTTLS")};
    size_t line = 0;

    for (size_t i = 0; i < in.n && i < PIECE_BYTES; i++) {
        if (in.p[i] != '\n')
            continue;
        for (size_t w = 0; w < 2; w++)
            if (str_starts_nocase(str_skip(in, line), waits[w]))
                return i + 1;
        line = i + 1;
    }
    return in.n < PIECE_BYTES ? in.n : PIECE_BYTES;
}

static void play(uint8_t first, struct str in, bool bytes, struct buf *log)
{
    struct oracle o;
    enum smtp_want want;

    oracle_init(&o, FUZZ_KIND(first));
    o.config.size_max = 4096;
    o.config.recipients_max = 5;
    o.config.dsn = first & 8;
    if (first & 16)
        o.config.auth_mechanisms = STR("PLAIN LOGIN EXTERNAL CRAM-MD5");
    o.config.auth_needs_tls = first & 32;
    o.config.mail_needs_auth = first & 64;
    o.s = smtp_server_new(&o.config, first & 128);
    want = oracle_turn(&o, log);
    while (in.n && want != SMTP_WANT_CLOSE) {
        size_t n = bytes ? 1 : piece(in);

        smtp_server_feed(o.s, str_first(in, n));
        in = str_skip(in, n);
        want = oracle_turn(&o, log);
        if (want == SMTP_WANT_STARTTLS) {
            smtp_server_tls_started(o.s);
            want = oracle_turn(&o, log);
        }
    }
    buf_addf(log, "%u letters, from %.*s to %.*s\n", o.letters, STR_ARGS(buf_str(&o.sender)),
             STR_ARGS(buf_str(&o.recipients)));
    buf_add(log, buf_str(&o.kept));
    /* at any moment the program may end it */
    smtp_server_end(o.s, SMTP_REPLY(421, "4.3.2", "going down"));
    if (oracle_turn(&o, log) != SMTP_WANT_CLOSE)
        abort();
    oracle_done(&o);
}

/* What is kept is what was sent: LF line ends, no CR, no NUL. */
static void check_letter(struct str log)
{
    if (memchr(log.p, '\0', log.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, bytes;
    struct str in;

    if (size == 0)
        return 0;
    in = (struct str){(const char *)data + 1, size - 1};
    buf_init(&whole, 256 << 20);
    buf_init(&bytes, 256 << 20);
    play(data[0], in, false, &whole);
    play(data[0], in, true, &bytes);
    if (!str_eq(buf_str(&whole), buf_str(&bytes)))
        abort();
    check_letter(buf_str(&whole));
    buf_done(&whole);
    buf_done(&bytes);
    return 0;
}
