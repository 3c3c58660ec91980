/*
 * address - mail addresses as SMTP writes them (RFC 5321 4.1.2, RFC 6531 3.3)
 * and as a letter's head does (RFC 5322 3.4).
 *
 * Everything above this floor keeps addresses in one canonical form: "local@domain",
 * the local part quoted only where it must be, with as few backslashes as possible;
 * upper and lower case as written. Nothing in an address is ever decoded, split
 * at % or !, or taken for a path.
 */
#ifndef POSTA_ADDRESS_H
#define POSTA_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum { /* RFC 5321 4.5.3.1, RFC 1035 2.3.4 */
       ADDRESS_LOCAL_BYTES = 64,
       ADDRESS_DOMAIN_BYTES = 255,
       ADDRESS_LABEL_BYTES = 63,
       ADDRESS_COMMENT_DEPTH = 100, /* of comments in comments in a head */
};

struct mailbox {
    struct str local;  /* as written, with its quotes; "" in <>                 */
    struct str domain; /* or a literal with its brackets; "" in <> and <postmaster> */
    bool quoted;       /* local is a quoted string                              */
    bool literal;      /* domain is an address literal                          */
    bool utf8;         /* holds (valid) octets above 0x7f: needs SMTPUTF8       */
};

/* RFC 5321 4.1.2 */
bool scan_domain(struct str *in, struct str *out);
bool scan_address_literal(struct str *in, struct str *out); /* [1.2.3.4], [IPv6:2001:db8::1] */
bool scan_mailbox(struct str *in, struct mailbox *out);
bool scan_reverse_path(struct str *in, struct mailbox *out); /* <a@b>, <@r,@s:a@b>, <> */
bool scan_forward_path(struct str *in,
                       struct mailbox *out); /* <a@b>, <@r,@s:a@b>, <postmaster> */

/* What a client may call itself: a domain, an address literal, and, as so many do, a name with
 * underscores in it. */
bool scan_helo(struct str *in, struct str *out);

/* "local@domain"; "" for <>, "postmaster" for <Postmaster>. Lives as long as `a`. */
struct str mailbox_canonical(struct arena *a, const struct mailbox *m);

/* All of `s` is one mailbox: its canonical form. */
bool address_parse(struct arena *a, struct str s, struct str *out);

/* The parts of a canonical address; "postmaster" alone has no domain. */
struct str address_local(struct str address); /* with its quotes */
struct str address_domain(struct str address);

/* White space, folding and comments of a head (RFC 5322 3.2.2), as far as there are any. */
void skip_cfws(struct str *in);

/* Into a field of a head: what has been parsed stands as it is, a control character would not.
 */
void address_add(struct buf *out, struct str address);

struct address {
    struct str name;    /* the display name, unquoted; "" where there is none */
    struct str address; /* canonical */
};

/* All mailboxes of an address-list (RFC 5322 3.4 and 4.4: comments, folding, groups, routes),
 * at most `max`. False where it is none or has more. Strings live as long as `a`. */
bool address_list_parse(struct arena *a, struct str field, size_t max, struct address **out,
                        size_t *n);

#endif
