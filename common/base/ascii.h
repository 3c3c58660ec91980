/*
 * ascii - character classes of the RFCs, which are never the locale's.
 */
#ifndef POSTA_ASCII_H
#define POSTA_ASCII_H

#include <stdbool.h>

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static inline bool ascii_is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static inline bool ascii_is_alpha(char c)
{
    return ascii_is_upper(c) || ascii_is_lower(c);
}

static inline bool ascii_is_alnum(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* VCHAR and SP: what may be shown to a person as it is. */
static inline bool ascii_is_print(char c)
{
    return c >= 0x20 && c < 0x7f;
}

/* `c`, or a question mark in the place of what may not be shown. */
static inline char ascii_shown(char c)
{
    if (ascii_is_print(c))
        return c;
    return '?';
}

static inline bool ascii_is_8bit(char c)
{
    return ((unsigned char)c & 0x80) != 0;
}

static inline char ascii_lower(char c)
{
    return ascii_is_upper(c) ? (char)(c + ('a' - 'A')) : c;
}

static inline char ascii_upper(char c)
{
    return ascii_is_lower(c) ? (char)(c - ('a' - 'A')) : c;
}

#endif
