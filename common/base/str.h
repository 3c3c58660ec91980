/*
 * str - a borrowed run of bytes.
 *
 * A `struct str` owns nothing and ends where it says, not at a NUL. It is
 * passed by value. Whoever keeps one longer than the call that received it
 * copies the bytes into an arena first.
 *
 * The scan_* functions read one thing from the front of *in. On success they
 * move *in past it and return true; on failure they touch neither *in nor
 * *out, so alternatives can be tried one after another.
 */
#ifndef POSTA_STR_H
#define POSTA_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR_LIT(literal)                \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    } /* in an initializer */
#define STR(literal) ((struct str)STR_LIT(literal))
#define STR_ARGS(s)  (int)(s).n, (s).p /* for "%.*s" */

static inline struct str str_c(const char *cstring)
{
    return (struct str){cstring, cstring ? strlen(cstring) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Without the first n bytes; n is at most s.n. */
static inline struct str str_skip(struct str s, size_t n)
{
    return n ? (struct str){s.p + n, s.n - n} : s;
}

/* The first n bytes, or all of them where there are fewer. */
static inline struct str str_first(struct str s, size_t n)
{
    return (struct str){s.p, n < s.n ? n : s.n};
}

/* ASCII case is folded; other bytes must be equal. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);

/* Bytewise, as memcmp: below 0, 0, above 0. */
int str_cmp(struct str a, struct str b);

/* Where `c` first stands, or s.n. */
size_t str_find(struct str s, char c);

/* Without SP and HTAB at both ends. */
struct str str_trim(struct str s);

bool scan_byte(struct str *in, char c);
bool scan_word(struct str *in, struct str word); /* exactly these bytes */
bool scan_word_nocase(struct str *in, struct str word);

/* The bytes before `stop`, or all that is left; never empty. */
bool scan_until(struct str *in, char stop, struct str *out);

/* 1*DIGIT; a value above `max` fails. */
bool scan_u32(struct str *in, uint32_t max, uint32_t *out);
bool scan_u64(struct str *in, uint64_t max, uint64_t *out);

#endif
