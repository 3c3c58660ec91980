#include "tls/selfsigned.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { SERIAL_BYTES = 16, COMMON_NAME_BYTES = 64, SECONDS_A_DAY = 86400, PEM_BYTES = 65536 };

static int failed(struct err *err, const char *what)
{
    char words[128] = "";
    unsigned long code = ERR_get_error();

    if (code)
        ERR_error_string_n(code, words, sizeof(words));
    ERR_clear_error();
    return err_set(err, E_SYNTAX, "%s: %s", what, words);
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;
    bool good;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    good = e && X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
    return good;
}

static bool add_names(X509 *cert, const char *const *names, size_t n)
{
    struct buf text;
    bool good;

    buf_init(&text, PEM_BYTES);
    for (size_t i = 0; i < n; i++)
        buf_addf(&text, "%sDNS:%s", i ? "," : "", names[i]);
    good = !buf_failed(&text) && add_extension(cert, NID_subject_alt_name, buf_c(&text));
    buf_done(&text);
    return good;
}

/* RFC 5280 4.1.2.2: positive, at most 20 octets, never the same twice. */
static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *n;
    bool good;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
    n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return good;
}

static bool fill(X509 *cert, EVP_PKEY *pair, const char *hostname, const char *const *names,
                 size_t n)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    /* X.520's limit; longer names stand among the alternatives alone */
    const char *name = strlen(hostname) <= COMMON_NAME_BYTES ? hostname : "posta";

    return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -SECONDS_A_DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), (long)SELFSIGNED_DAYS * SECONDS_A_DAY) &&
           X509_set_pubkey(cert, pair) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                      -1, -1, 0) &&
           X509_set_issuer_name(cert, subject) && add_names(cert, names, n) &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_key_identifier, "hash") &&
           X509_sign(cert, pair, EVP_sha256()) > 0;
}

static bool take(BIO *bio, struct buf *out)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);

    if (n <= 0)
        return false;
    buf_add(out, (struct str){p, (size_t)n});
    return !buf_failed(out);
}

static bool print(X509 *cert, EVP_PKEY *pair, struct buf *certificate, struct buf *key)
{
    BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_secmem());
    bool good = c && k && PEM_write_bio_X509(c, cert) &&
                PEM_write_bio_PrivateKey(k, pair, NULL, NULL, 0, NULL, NULL) &&
                take(c, certificate) && take(k, key);

    BIO_free(c);
    BIO_free(k);
    return good;
}

int selfsigned_make(const char *hostname, const char *const *names, size_t n,
                    struct buf *certificate, struct buf *key, struct err *err)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool good = pair && cert && fill(cert, pair, hostname, names, n) &&
                print(cert, pair, certificate, key);

    X509_free(cert);
    EVP_PKEY_free(pair);
    return good ? 0 : failed(err, "make a certificate");
}

static void name_all(X509 *cert, struct buf *names)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

        if (g->type != GEN_DNS)
            continue;
        buf_addf(names, "%s%.*s", names->n ? ", " : "", ASN1_STRING_length(g->d.dNSName),
                 (const char *)ASN1_STRING_get0_data(g->d.dNSName));
    }
    GENERAL_NAMES_free(all);
}

int selfsigned_expiry(struct str chain_pem, int64_t *out, struct buf *names, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(chain_pem.p, (int)chain_pem.n);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    struct tm tm;
    bool good = cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm);

    if (good) {
        *out = timegm(&tm);
        name_all(cert, names);
    }
    X509_free(cert);
    BIO_free(bio);
    return good ? 0 : failed(err, "read the certificate");
}
