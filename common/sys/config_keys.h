/*
 * config_keys - every key of posta.conf, once.
 *
 * The parser's options, defaults, checks, config/posta.conf and posta.conf(5) all come from
 * these rows. A new key is a member of struct config and a row here; `ninja config-files`
 * writes both texts anew, and a test fails until they are.
 */
#ifndef POSTA_SYS_CONFIG_KEYS_H
#define POSTA_SYS_CONFIG_KEYS_H

#include "sys/config.h"

enum { CONFIG_ROWS = 128 }; /* at most */

enum config_type {
    CONFIG_BOOL,
    CONFIG_NUMBER,      /* decimal                                            */
    CONFIG_SIZE,        /* octets: 4096, "25M"                                */
    CONFIG_TIME,        /* seconds: 300, "5m"                                 */
    CONFIG_CHOICE,      /* one of the words in `unit`                         */
    CONFIG_NAME,        /* a host's name                                      */
    CONFIG_PATH,        /* absolute; "" only where it is the default          */
    CONFIG_TEXT,        /* anything visible                                   */
    CONFIG_HOST_PORT,   /* "host:port", "[::1]:25"; "" only where it is the default */
    CONFIG_DESTINATION, /* "host:port", "lmtp:host:port", "lmtp:/path" */
    CONFIG_ADDRESSES,   /* lists from here on: "*:25", "[::1]:25"             */
    CONFIG_NETWORKS,    /* "127.0.0.0/8"                                      */
    CONFIG_RESOLVERS,   /* "127.0.0.1", "127.0.0.1@5353"                      */
    CONFIG_ZONES,       /* "example.org", "."                                 */
};

struct config_row {
    const char *section; /* "", "mta", "mta.route"                              */
    const char *name;
    enum config_type type;
    const char *standard; /* as it would be written in the file                  */
    const char *unit;     /* of a number; the words of a choice, by a space       */
    uint64_t min, max;    /* of numbers, sizes and times                         */
    size_t at, size;      /* the member of struct config (of config_route)        */
    const char *text;
};

struct config_section {
    const char *name, *text;
    const char *title; /* what stands behind its name; NULL: nothing */
};

extern const struct config_row config_rows[];
extern const size_t config_rows_n;
extern const struct config_section config_sections[];
extern const size_t config_sections_n;

const char *config_type_name(enum config_type type);

static inline bool config_is_list(enum config_type type)
{
    return type >= CONFIG_ADDRESSES;
}

#endif
