/*
 * nfc - Unicode Normalization Form C (UAX #15): the one way to write what can be typed in
 * several, as the two spellings of "é". For passwords and names (RFC 8265 4.2.2, 3.3.2).
 */
#ifndef POSTA_NFC_H
#define POSTA_NFC_H

#include "base/buf.h"

/* Appends `text` in NFC; false, and nothing appended, where it is not UTF-8 or `out` would pass
 * its limit. What is between is wiped: it may be a password. */
bool nfc_add(struct buf *out, struct str text);

#endif
