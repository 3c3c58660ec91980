/*
 * dsn_impl - what dsn.c and dsn_text.c share. Nobody else includes it.
 */
#ifndef POSTA_DSN_IMPL_H
#define POSTA_DSN_IMPL_H

#include "mail/dsn.h"

/* Text from outside on one line: RFC 3464 2.1.1 wants ASCII there, and O03 nothing that a
 * terminal or a header parser would obey. Cut at DSN_FIELD_BYTES. */
void dsn_add_shown(struct buf *out, struct str text);
/* The same, longer than a line: `column` octets stand in it already; it is broken at spaces,
 * and `indent` begins each further one. Cut at DSN_TEXT_BYTES. */
void dsn_add_wrapped(struct buf *out, struct str text, size_t column, const char *indent);

/* The worst that happened: actions are in that order. */
enum dsn_action dsn_worst(const struct dsn *d);
/* The letter as such, or else its head, comes back. */
bool dsn_returns_whole(const struct dsn *d);

/* The value of Subject, and the words for a person with their last line end. */
void dsn_add_title(struct buf *out, const struct dsn *d);
void dsn_add_text(struct buf *out, const struct dsn *d);

#endif
