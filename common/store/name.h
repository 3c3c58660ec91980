/*
 * name - the names of letters in new/ and cur/, as FORMAT.md says: taken apart
 * and put together, nothing looked up.
 *
 *   <time>.<id>.<host>,S=<size>,W=<vsize>[,P=<uidvalidity>.<uid>][<other fields>][:2,<flags>]
 *
 * Names of other programs parse too: what is not understood is kept, and
 * printing what was parsed gives a name that parses to the same.
 */
#ifndef POSTA_STORE_NAME_H
#define POSTA_STORE_NAME_H

#include "base/buf.h"
#include "base/id.h"

enum {
    NAME_BYTES = 255,     /* NAME_MAX of every file system we know          */
    NAME_INFO_BYTES = 8,  /* kept free for ":2,FRSTa"                       */
    NAME_HOST_BYTES = 35, /* so that the unique part fits into a UIDL of 70 */
};

#define NAME_FLAG(letter) (UINT32_C(1) << ((letter) - 'A'))

enum name_flag {
    NAME_DRAFT = NAME_FLAG('D'),
    NAME_FLAGGED = NAME_FLAG('F'),
    NAME_PASSED = NAME_FLAG('P'),
    NAME_REPLIED = NAME_FLAG('R'),
    NAME_SEEN = NAME_FLAG('S'),
    NAME_TRASHED = NAME_FLAG('T'),
};

struct name {
    struct str unique; /* points into what was parsed */
    bool has_size, has_vsize, has_uid, has_info;
    uint64_t size, vsize;
    uint32_t uidvalidity, uid;
    uint32_t flags;    /* bit n: the letter 'A' + n; see enum name_flag */
    uint32_t keywords; /* bit n: the letter 'a' + n                     */
    size_t others_n;   /* fields that we only keep, each with its comma */
    char others[NAME_BYTES];
};

/* False for what cannot be a letter: hidden, with a control character or a slash, too long. */
bool name_parse(struct str s, struct name *out);
void name_print(struct buf *out, const struct name *n);

/* The UID under this UIDVALIDITY, else 0. */
uint32_t name_uid(const struct name *n, uint32_t uidvalidity);

/* Seconds since 1970 at its front; 0 where there are none. */
uint64_t name_time(const struct name *n);

/* `host` as it stands in names: at most NAME_HOST_BYTES, escaped. */
void name_host(struct buf *out, struct str host);

/* The unique part of a new letter's name. */
struct str name_unique(char to[NAME_BYTES + 1], const struct id *id, struct str host);
/* Its name. */
void name_new(struct buf *out, const struct id *id, struct str host, uint64_t size,
              uint64_t vsize);

/* A name for POP3 that changes when the unique part does and only then: 1 to 70 octets of 0x21
 * to 0x7e (RFC 1939 7). */
enum { NAME_UIDL_BYTES = 70 };
void name_uidl(struct buf *out, struct str unique);
void name_uidl_hash(struct buf *out, struct str s); /* the form for what is too long */

#endif
