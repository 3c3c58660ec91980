/*
 * heading - what final delivery does to the top of a letter: removes every
 * Return-Path that came with it (RFC 5321 4.4: only we may say one; M14), and looks
 * for a Delivered-To of its own (A26). Pure.
 */
#ifndef POSTA_STORE_HEADING_H
#define POSTA_STORE_HEADING_H

#include "base/str.h"

/* In `text`, the first n octets of a letter with LF line ends: moves what stays together and
 * returns how much it is. *loop: one of the fields is "Delivered-To: address". A field that is
 * cut off by the end of `text` stays. */
size_t heading_clean(char *text, size_t n, struct str address, bool *loop);

#endif
