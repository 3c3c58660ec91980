/*
 * Property: a line that is understood and printed again is understood the same; one that is not
 * leaves no trace. Each input is tried as a request and as an answer.
 */
#include "users/auth.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_request(struct buf *out, const struct auth_request *r)
{
    switch (r->verb) {
    case AUTH_VERB_AUTH:
        auth_print_begin(out, r->exchange, &r->begin);
        break;
    case AUTH_VERB_CONT:
        auth_print_continue(out, r->exchange, r->response);
        break;
    case AUTH_VERB_CANCEL:
        auth_print_cancel(out, r->exchange);
        break;
    case AUTH_VERB_PASSWD:
        auth_print_passwd(out, r->exchange, r->user, r->password);
        break;
    case AUTH_VERB_REMOVE:
        auth_print_remove(out, r->exchange, r->user);
        break;
    case AUTH_VERB_STATUS:
        auth_print_status(out, r->exchange);
        break;
    }
}

static bool same_request(const struct auth_request *a, const struct auth_request *b)
{
    return a->verb == b->verb && a->exchange == b->exchange && a->begin.tls == b->begin.tls &&
           a->begin.has_response == b->begin.has_response &&
           str_eq(a->begin.service, b->begin.service) &&
           str_eq(a->begin.mechanism, b->begin.mechanism) &&
           str_eq(a->begin.peer, b->begin.peer) &&
           str_eq(a->begin.binding_name, b->begin.binding_name) &&
           str_eq(a->begin.binding, b->begin.binding) &&
           str_eq(a->begin.response, b->begin.response) && str_eq(a->response, b->response) &&
           str_eq(a->user, b->user) && str_eq(a->password, b->password);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data,
                     size < AUTH_LINE_BYTES / 2 ? size : AUTH_LINE_BYTES / 2};
    struct buf scratch, again, out;
    struct auth_request r, r2;
    struct auth_answer a, a2;

    buf_init(&scratch, AUTH_LINE_BYTES);
    buf_init(&again, AUTH_LINE_BYTES);
    buf_init(&out, (size_t)AUTH_LINE_BYTES * 2);
    in = str_first(in, str_find(in, '\n'));
    if (auth_parse_request(in, &scratch, &r)) {
        print_request(&out, &r);
        struct str line = buf_str(&out);
        assert(str_find(line, '\n') == line.n - 1);
        assert(auth_parse_request(str_first(line, line.n - 1), &again, &r2));
        assert(same_request(&r, &r2));
    }
    buf_clear(&out);
    if (auth_parse_answer(in, &scratch, &a)) {
        auth_print_answer(&out, &a);
        struct str line = buf_str(&out);
        assert(str_find(line, '\n') == line.n - 1);
        assert(auth_parse_answer(str_first(line, line.n - 1), &again, &a2));
        assert(a.status == a2.status && a.exchange == a2.exchange && a.text.n == a2.text.n);
    }
    buf_done(&scratch);
    buf_done(&again);
    buf_done(&out);
    return 0;
}
