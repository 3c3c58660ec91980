/*
 * json - a small reader and writer of JSON (RFC 8259): what the processes tell `posta`, and
 * what `posta --json` prints.
 *
 * The reader takes one value, at most JSON_DEPTH deep, and copies strings into the arena.
 * Numbers stay text. The writer goes on where base/json.h ends.
 */
#ifndef POSTA_CTL_JSON_H
#define POSTA_CTL_JSON_H

#include "base/arena.h"
#include "base/buf.h"

enum { JSON_DEPTH = 16 };

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_kind kind;
    struct str name;    /* in an object                       */
    struct str text;    /* JSON_STRING decoded, JSON_NUMBER as written */
    struct json *first; /* of an array or object              */
    struct json *next;  /* its brother                        */
};

/* All of `text` but white space is one value; NULL otherwise. */
struct json *json_parse(struct arena *a, struct str text);

/* All accept NULL and the wrong kind, and then say NULL, "", 0, false. */
const struct json *json_get(const struct json *object, const char *name);
struct str json_text(const struct json *object,
                     const char *name); /* a string, or a number as written */
uint64_t json_u64(const struct json *object, const char *name);
bool json_true(const struct json *object, const char *name);

/* `"name": "value"` with ", " in front when out does not end in '{' or '['. */
void json_put_member(struct buf *out, const char *name, struct str value);
void json_put_u64(struct buf *out, const char *name, uint64_t value);
void json_put_bool(struct buf *out, const char *name, bool value);
/* Only `"name": `: the value follows. */
void json_put_name(struct buf *out, const char *name);
/* ", " where it is needed. */
void json_put_comma(struct buf *out);
/* The value again, on one line. */
void json_print(struct buf *out, const struct json *j);

#endif
