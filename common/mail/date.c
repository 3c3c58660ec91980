#include "mail/date.h"

#include "base/ascii.h"
#include "mail/address.h"

enum {
    DAY_SECONDS = 86400,
    ERA_YEARS = 400,
    ERA_DAYS = 146097,       /* of 400 years of the Gregorian calendar          */
    EPOCH_ERA_DAYS = 719468, /* from 1 March of the year 0 to 1 January 1970     */
};

#define UNIX_MIN INT64_C(-62167219200) /* the year 0    */
#define UNIX_MAX INT64_C(253402300799) /* the year 9999 */

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970. Years begin in March here, so that the leap day is their last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - (ERA_YEARS - 1)) / ERA_YEARS;
    int64_t of_era = y - era * ERA_YEARS;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_ERA_DAYS;
}

struct date date_of(int64_t unix_s)
{
    int64_t s = unix_s < UNIX_MIN ? UNIX_MIN : unix_s > UNIX_MAX ? UNIX_MAX : unix_s;
    int64_t day = (s - UNIX_MIN) / DAY_SECONDS + UNIX_MIN / DAY_SECONDS;
    int64_t second = s - day * DAY_SECONDS;
    int64_t z = day + EPOCH_ERA_DAYS;
    int64_t era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t of_era = z - era * ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct date d = {
        .day = (int)(of_year - (153 * month + 2) / 5 + 1),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .hour = (int)(second / 3600),
        .minute = (int)(second / 60 % 60),
        .second = (int)(second % 60),
        .weekday = (int)((day - UNIX_MIN / DAY_SECONDS + 6) % 7), /* it was a Saturday */
    };

    d.year = (int)(year + era * ERA_YEARS + (d.month <= 2));
    return d;
}

int64_t date_unix(const struct date *d)
{
    return days_of(d->year, d->month, d->day) * DAY_SECONDS + d->hour * INT64_C(3600) +
           d->minute * INT64_C(60) + d->second;
}

void date_print(struct buf *out, int64_t unix_s)
{
    struct date d = date_of(unix_s);

    buf_addf(out, "%.3s, %d %.3s %04d %02d:%02d:%02d +0000", days + (size_t)d.weekday * 3,
             d.day, months + (size_t)(d.month - 1) * 3, d.year, d.hour, d.minute, d.second);
}

/* One of the three-letter names, as a number from 0. */
static bool scan_name(struct str *in, const char *names, size_t n, int *out)
{
    for (size_t i = 0; i < n; i++) {
        if (scan_word_nocase(in, (struct str){names + i * 3, 3})) {
            *out = (int)i;
            return true;
        }
    }
    return false;
}

/* From `least` to `most` digits that stand for no more than `max`. */
static bool scan_digits(struct str *in, size_t least, size_t most, uint32_t max, int *out)
{
    struct str s = *in;
    uint32_t v;

    if (!scan_u32(&s, max, &v) || in->n - s.n < least || in->n - s.n > most)
        return false;
    *in = s;
    *out = (int)v;
    return true;
}

/* year = 4*DIGIT / obs-year        RFC 5322 4.3: two digits from 50 on and three are of the
 * 1900s */
static bool scan_year(struct str *in, int *out)
{
    struct str s = *in;
    int year;

    if (!scan_digits(&s, 2, 4, DATE_YEAR_MAX, &year))
        return false;
    size_t n = in->n - s.n;
    if (n == 2 && year < 50)
        year += 2000;
    else if (n < 4)
        year += 1900;
    *in = s;
    *out = year;
    return true;
}

static int days_in(int year, int month)
{
    static const int n[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return n[month - 1] + (month == 2 && leap);
}

/* date = day month year */
static bool scan_date(struct str *in, struct date *d)
{
    struct str s = *in;

    if (!scan_digits(&s, 1, 2, 31, &d->day))
        return false;
    skip_cfws(&s);
    if (!scan_name(&s, months, 12, &d->month))
        return false;
    d->month++;
    skip_cfws(&s);
    if (!scan_year(&s, &d->year) || d->day < 1 || d->day > days_in(d->year, d->month))
        return false;
    *in = s;
    return true;
}

/* time-of-day = hour ":" minute [ ":" second ]: second 60 is a leap second, taken as the next
 */
static bool scan_time(struct str *in, struct date *d)
{
    struct str s = *in;

    if (!scan_digits(&s, 1, 2, 23, &d->hour))
        return false;
    skip_cfws(&s);
    if (!scan_byte(&s, ':'))
        return false;
    skip_cfws(&s);
    if (!scan_digits(&s, 2, 2, 59, &d->minute))
        return false;
    *in = s;
    d->second = 0;
    skip_cfws(&s);
    if (!scan_byte(&s, ':'))
        return true;
    skip_cfws(&s);
    if (!scan_digits(&s, 2, 2, 60, &d->second))
        return false;
    *in = s;
    return true;
}

/* zone = ( "+" / "-" ) 4DIGIT */
static bool scan_offset(struct str *in, int *minutes)
{
    struct str s = *in;
    bool west = s.n && s.p[0] == '-';
    int v;

    if (!scan_byte(&s, west ? '-' : '+') || !scan_digits(&s, 4, 4, 9999, &v) || v % 100 > 59)
        return false;
    *minutes = (v / 100 * 60 + v % 100) * (west ? -1 : 1);
    *in = s;
    return true;
}

/* obs-zone = "UT" / "GMT" / "EST" … / letters: an unknown one counts as -0000 (RFC 5322 4.3) */
static bool scan_obs_zone(struct str *in, int *minutes)
{
    static const struct {
        struct str name;
        int hours;
    } zones[] = {
        {STR_LIT("EST"), -5},
        {STR_LIT("EDT"), -4},
        {STR_LIT("CST"), -6},
        {STR_LIT("CDT"), -5},
        {STR_LIT("MST"), -7},
        {STR_LIT("MDT"), -6},
        {STR_LIT("PST"), -8},
        {STR_LIT("PDT"), -7},
    };
    size_t n = 0;

    while (n < in->n && ascii_is_alpha(in->p[n]))
        n++;
    if (n == 0)
        return false;
    *minutes = 0;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
        if (str_eq_nocase(str_first(*in, n), zones[i].name))
            *minutes = zones[i].hours * 60;
    *in = str_skip(*in, n);
    return true;
}

/* [ day-of-week "," ] date */
static bool scan_day(struct str *in, struct date *d)
{
    struct str s = *in;

    skip_cfws(&s);
    if (scan_name(&s, days, 7, &d->weekday)) {
        skip_cfws(&s);
        scan_byte(&s, ',');
        skip_cfws(&s);
    }
    if (!scan_date(&s, d))
        return false;
    *in = s;
    return true;
}

/* date-time = [ day-of-week "," ] date time [CFWS]        RFC 5322 3.3 */
bool date_parse(struct str s, int64_t *unix_s)
{
    struct date d;
    int zone = 0;

    if (!scan_day(&s, &d))
        return false;
    skip_cfws(&s);
    if (!scan_time(&s, &d))
        return false;
    skip_cfws(&s);
    if (s.n && !scan_offset(&s, &zone) && !scan_obs_zone(&s, &zone))
        return false;
    skip_cfws(&s);
    if (s.n)
        return false;
    *unix_s = date_unix(&d) - zone * INT64_C(60);
    return true;
}

bool date_parse_day(struct str s, int64_t *day)
{
    struct date d;

    if (!scan_day(&s, &d))
        return false;
    *day = days_of(d.year, d.month, d.day);
    return true;
}
