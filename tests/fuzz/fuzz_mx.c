/*
 * The input answers the questions of a road: an octet for the code and the number of records,
 * then an octet of length and rdata for each. What is used up is NODATA.
 *
 * Properties: it ends; no more than MX_QUESTIONS are under way; hosts come by preference,
 * within their caps, none of them us; where nothing was found, a letter is deferred if and only
 * if an answer was temporary or bogus.
 */
#include "dns/mx.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { QUESTIONS_MAX = 1 + 2 * MX_HOSTS, RECORDS = 16 };

static const struct str our_names[] = {STR_LIT("us")};

static uint8_t octet(struct str *in)
{
    if (in->n == 0)
        return 0;
    uint8_t c = (uint8_t)in->p[0];
    *in = str_skip(*in, 1);
    return c;
}

static bool is_doubt(enum dns_code code)
{
    return code == DNS_SERVFAIL || code == DNS_TIMEOUT || code == DNS_BOGUS;
}

static struct dns_answer next_answer(struct str *in, struct str records[RECORDS])
{
    uint8_t first = in->n ? octet(in) : DNS_NODATA;
    struct dns_answer a = {.code = (enum dns_code)(first % 6),
                           .secure = first & 8,
                           .ttl = first,
                           .name = STR("end"),
                           .records = records};

    if (a.code != DNS_FOUND)
        return a;
    do {
        size_t n = octet(in);
        records[a.n] = str_first(*in, n);
        *in = str_skip(*in, records[a.n++].n);
    } while (a.n < (size_t)(first >> 4) + 1);
    return a;
}

static void check(const struct mx_result *r, const struct mx_self *self, bool doubt)
{
    assert(r->n <= MX_HOSTS);
    if (r->n == 0) {
        assert(r->code == 450 || r->code == 550 || r->code == 556);
        assert((r->code == 450) == (r->status.p[0] == '4'));
        assert(r->code != 450 || doubt);
        assert(r->text.n > 0);
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct mx_host *h = &r->hosts[i];

        assert(h->n > 0 && h->n <= MX_HOST_ADDRESSES);
        assert(i == 0 || r->hosts[i - 1].preference <= h->preference);
        assert(!str_eq(h->name, our_names[0]) && dns_name_valid(h->name));
        for (size_t k = 0; k < h->n; k++) {
            assert(!ip_is_here(&h->addresses[k]) && !ip_is_nobody(&h->addresses[k]));
            assert(!ip_eq(&h->addresses[k], &self->addresses[0]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size}, records[RECORDS];
    struct ip ours = {
        .bytes = {192, 0, 2, 77}
    };
    struct mx_self self = {our_names, 1, &ours, 1, false};
    struct mx *m = mx_new(STR("d"), &self, octet(&in));
    unsigned pending[MX_QUESTIONS], n = 0, asked = 0;
    bool doubt = false, sure = true;
    struct mx_question q;

    for (;;) {
        enum mx_step step = mx_next(m, &q);

        if (step == MX_DONE)
            break;
        if (step == MX_ASK) {
            asked++;
            assert(n < MX_QUESTIONS && asked <= QUESTIONS_MAX);
            pending[n++] = q.number;
            continue;
        }
        assert(n > 0);
        struct dns_answer a = next_answer(&in, records);
        doubt |= is_doubt(a.code);
        sure &= a.code != DNS_FOUND || pending[n - 1] == 0;
        mx_answer(m, pending[--n], &a);
    }
    assert(n == 0);
    check(mx_result(m), &self, doubt);
    if (doubt && sure)
        assert(mx_result(m)->code ==
               450); /* nothing was found, and something might have been */
    mx_free(m);
    return 0;
}
