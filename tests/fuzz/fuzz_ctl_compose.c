/*
 * Properties: a letter that was made has no Bcc, a Date, a From and a Message-ID, sizes that
 * are true and no recipient twice; made again from itself it stays as it is.
 */
#include "ctl/compose.h"
#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void look(struct composed *c)
{
    struct str letter = buf_str(&c->letter);
    struct header_field f;
    uint64_t wire = letter.n;

    check(header_count(letter, STR("Bcc")) == 0 &&
          header_count(letter, STR("Resent-Bcc")) == 0);
    check(header_find(letter, STR("Date"), &f) && header_find(letter, STR("From"), &f));
    check(header_find(letter, STR("Message-ID"), &f));
    for (size_t i = 0; i < letter.n; i++) {
        check(letter.p[i] != '\r');
        wire += letter.p[i] == '\n';
    }
    check(wire == c->wire_size);
    for (size_t i = 0; i < c->nrcpts; i++)
        for (size_t k = 0; k < i; k++)
            check(!str_eq_nocase(c->rcpts[i], c->rcpts[k]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *rcpts[] = {"bob@example.test"};
    struct sendmail_args args = {.rcpts = rcpts, .nrcpts = 1};
    struct compose_context context = {.hostname = STR("mail.example.test"),
                                      .origin = STR("example.test"),
                                      .login = STR("alice"),
                                      .rcpts_max = 10};
    struct composed first, second;
    struct arena a;

    if (!size)
        return 0;
    memcpy(context.id.text, "01jd0000000000000000000", ID_LETTERS);
    args.from_head = data[0] & 1;
    args.dot_is_text = data[0] & 2;
    arena_init(&a);
    if (compose(&a, (struct str){(const char *)data + 1, size - 1}, &args, &context, &first,
                NULL) == 0) {
        look(&first);
        args.from_head = false;
        args.dot_is_text = true;
        check(compose(&a, buf_str(&first.letter), &args, &context, &second, NULL) == 0);
        check(str_eq(buf_str(&first.letter), buf_str(&second.letter)));
        composed_done(&second);
        composed_done(&first);
    }
    arena_done(&a);
    return 0;
}
