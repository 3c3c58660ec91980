/*
 * maildirs - the Maildirs of new users, made when they are added so that other programs find
 * them; what fails here is made later, by the first delivery or login.
 */
#ifndef POSTA_CTL_MAILDIRS_H
#define POSTA_CTL_MAILDIRS_H

#include "base/err.h"
#include "base/str.h"

/* Makes each of the n folders (below state_dir; an empty one is left out) as posta-mail's where
 * the caller is root, else as the caller's. Blocks. */
int maildirs_make(const char *state_dir, const struct str *maildirs, size_t n, struct err *err);

#endif
