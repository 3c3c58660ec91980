#include "tls/certificate.h"

#include "tls/tls_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

enum { NAME_BYTES = 255, TIME_BYTES = 32 };

static struct str name_text(struct arena *a, const X509_NAME *name)
{
    BIO *b = BIO_new(BIO_s_mem());
    struct str text = {"", 0};
    char *p;

    if (!b)
        abort();
    if (X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253) >= 0) {
        long n = BIO_get_mem_data(b, &p);

        text = arena_dup(a, (struct str){p, n > 0 ? (size_t)n : 0});
    }
    BIO_free(b);
    return text;
}

static struct str time_text(struct arena *a, const ASN1_TIME *time)
{
    struct tm tm;
    char text[TIME_BYTES];

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return STR("");
    return arena_dup(
        a, (struct str){text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm)});
}

static struct str address_text(struct arena *a, const ASN1_OCTET_STRING *ip)
{
    const unsigned char *p = ASN1_STRING_get0_data(ip);
    int n = ASN1_STRING_length(ip);

    if (n == 4)
        return arena_printf(a, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    if (n != 16)
        return STR("");
    char *text = OPENSSL_buf2hexstr(p, n); /* "20:01:0D:B8:…" */
    struct str copy = arena_dup(a, str_c(text ? text : ""));

    OPENSSL_free(text);
    return copy;
}

static struct str alternative(struct arena *a, const GENERAL_NAME *g)
{
    if (g->type == GEN_IPADD)
        return address_text(a, g->d.iPAddress);
    if (g->type != GEN_DNS)
        return STR("");
    return arena_dup(a, (struct str){(const char *)ASN1_STRING_get0_data(g->d.dNSName),
                                     (size_t)ASN1_STRING_length(g->d.dNSName)});
}

static void read_names(struct arena *a, X509 *x, struct tls_certificate *out)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(all) && out->n < CERTIFICATE_NAMES; i++) {
        struct str name = alternative(a, sk_GENERAL_NAME_value(all, i));

        if (name.n)
            out->names[out->n++] = name;
    }
    GENERAL_NAMES_free(all);
}

static void want_name(X509_VERIFY_PARAM *param, struct str name)
{
    char host[NAME_BYTES + 1];

    if (name.n > NAME_BYTES)
        return;
    memcpy(host, name.n ? name.p : "", name.n);
    host[name.n] = '\0';
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (tls_is_name(host) || X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
        X509_VERIFY_PARAM_set1_host(param, host, name.n);
}

/* As a handshake of a context that verifies would. */
static void verify(const struct tls *t, X509 *x, const struct tls_context *authorities,
                   struct str name, struct tls_certificate *out)
{
    X509_STORE_CTX *c = X509_STORE_CTX_new();

    if (!c ||
        X509_STORE_CTX_init(c, SSL_CTX_get_cert_store(authorities->ctx), x,
                            SSL_get_peer_cert_chain(t->ssl)) != 1 ||
        X509_STORE_CTX_set_default(c, "ssl_server") != 1)
        abort();
    want_name(X509_STORE_CTX_get0_param(c), name);
    out->verified = X509_verify_cert(c) == 1;
    out->why = str_c(X509_verify_cert_error_string(X509_STORE_CTX_get_error(c)));
    X509_STORE_CTX_free(c);
}

bool tls_certificate(const struct tls *t, const struct tls_context *authorities,
                     struct str name, struct arena *a, struct tls_certificate *out)
{
    X509 *x = t->refused ? t->refused : SSL_get0_peer_certificate(t->ssl);

    if (!x)
        return false;
    *out = (struct tls_certificate){.why = STR_LIT("nobody is believed here")};
    out->subject = name_text(a, X509_get_subject_name(x));
    out->issuer = name_text(a, X509_get_issuer_name(x));
    out->not_before = time_text(a, X509_get0_notBefore(x));
    out->not_after = time_text(a, X509_get0_notAfter(x));
    read_names(a, x, out);
    if (authorities)
        verify(t, x, authorities, name, out);
    if (out->verified)
        out->why = STR("");
    ERR_clear_error();
    return true;
}
