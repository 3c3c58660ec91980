/*
 * date - the moments of RFC 5322 3.3, as seconds since 1970. Printed in UTC; no
 * libc time zones.
 */
#ifndef POSTA_DATE_H
#define POSTA_DATE_H

#include "base/buf.h"

struct date {             /* UTC */
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
    int weekday; /* 0 is Sunday */
};

enum { DATE_YEAR_MAX = 9999 };

/* Any moment of the years 0 to 9999; others are taken as the nearest of these. */
struct date date_of(int64_t unix_s);
int64_t date_unix(const struct date *d); /* weekday is not looked at */

/* "Sun, 22 Nov 2026 21:50:17 +0000" */
void date_print(struct buf *out, int64_t unix_s);

/* A whole date-time, with comments, folding and the obsolete forms of RFC 5322 4.3. The day of
 * the week is not checked against the date. */
bool date_parse(struct str s, int64_t *unix_s);

/* The day that a date-time names, since 1970, its time and zone disregarded (RFC 3501 6.4.4,
 * SENTON); what stands behind the date may be anything. */
bool date_parse_day(struct str s, int64_t *day);

#endif
