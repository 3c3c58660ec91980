/*
 * path - from the name of a folder to where it lies in the Maildir, and back:
 * the one function of all programs (Maildir++; modified UTF-7, RFC 3501 5.1.3).
 *
 * A folder's name is UTF-8, its parts divided by '/'. "INBOX", in any case, is
 * the Maildir itself, whose path is ".". No name leads anywhere but to
 * one directory entry that begins with a dot and something else.
 */
#ifndef POSTA_STORE_PATH_H
#define POSTA_STORE_PATH_H

#include "base/buf.h"

enum { PATH_COMPONENT_BYTES = 255 };

/* False (NO [CANNOT]) for an empty part, a control character, bytes that are not UTF-8, and
 * where the path would be longer than one directory entry can be. */
bool path_of_folder(struct buf *out, struct str folder);

/* The folder of the directory entry `path`; false where path_of_folder() would not lead back to
 * it. */
bool path_to_folder(struct buf *out, struct str path);

#endif
