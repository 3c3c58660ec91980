/*
 * structure_impl - what the files of mail/structure.h share: the fields of a part's head.
 *
 * Each takes a field's raw value. What is kept is copied into `a` once, without the line ends
 * of its folding.
 */
#ifndef POSTA_MAIL_STRUCTURE_IMPL_H
#define POSTA_MAIL_STRUCTURE_IMPL_H

#include "mail/structure.h"

/* One line, without white space at its ends (RFC 5322 2.2.3). */
struct str field_text(struct arena *a, struct str raw);

/* Type, subtype and parameters. False where there are no type and subtype, and nothing is
 * changed. */
bool content_type_parse(struct arena *a, struct str raw, struct part *p);

void disposition_parse(struct arena *a, struct str raw, struct part *p); /* RFC 2183 */
void languages_parse(struct arena *a, struct str raw, struct part *p);   /* RFC 3282 */

/* RFC 2045 6.1; none where it is not one word. */
void transfer_encoding_parse(struct arena *a, struct str raw, struct part *p);

/* A parameter's value; p is NULL where there is none. */
struct str param_value(const struct part_params *params, struct str name);

#endif
