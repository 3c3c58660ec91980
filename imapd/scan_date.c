/* The dates of IMAP, which are not those of RFC 5322 (RFC 3501 9). */
#include "base/ascii.h"
#include "imapd/scan.h"
#include "mail/date.h"

enum { DAY_SECONDS = 86400 };

/* 2DIGIT, 4DIGIT */
static bool scan_digits(struct str *in, size_t n, int *out)
{
    int v = 0;

    if (in->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!ascii_is_digit(in->p[i]))
            return false;
        v = v * 10 + (in->p[i] - '0');
    }
    *in = str_skip(*in, n);
    *out = v;
    return true;
}

/* date-month = "Jan" / "Feb" / "Mar" / "Apr" / "May" / "Jun" / "Jul" / "Aug" / "Sep" / "Oct" /
 *              "Nov" / "Dec" */
static bool scan_month(struct str *in, int *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (scan_word_nocase(in, (struct str){months + (ptrdiff_t)3 * i, 3})) {
            *out = i + 1;
            return true;
        }
    return false;
}

/* "-" date-month "-" date-year */
static bool scan_month_year(struct str *in, struct date *d)
{
    return scan_byte(in, '-') && scan_month(in, &d->month) && scan_byte(in, '-') &&
           scan_digits(in, 4, &d->year);
}

/* There is such a day: no 31 February. */
static bool is_day(const struct date *d)
{
    struct date again = date_of(date_unix(d));

    return again.year == d->year && again.month == d->month && again.day == d->day;
}

/* date-text = date-day "-" date-month "-" date-year
 * date-day  = 1*2DIGIT */
static bool scan_date_text(struct str *in, int64_t *day)
{
    struct str s = *in;
    struct date d = {.year = 0};

    if (!scan_digits(&s, 2, &d.day) && !scan_digits(&s, 1, &d.day))
        return false;
    if (!scan_month_year(&s, &d) || !is_day(&d))
        return false;
    *in = s;
    *day = date_unix(&d) / DAY_SECONDS;
    return true;
}

/* date = date-text / DQUOTE date-text DQUOTE */
bool scan_date(struct str *in, int64_t *day)
{
    struct str s = *in;
    int64_t found;

    if (!scan_byte(&s, '"'))
        return scan_date_text(in, day);
    if (!scan_date_text(&s, &found) || !scan_byte(&s, '"'))
        return false;
    *in = s;
    *day = found;
    return true;
}

/* time = 2DIGIT ":" 2DIGIT ":" 2DIGIT */
static bool scan_time(struct str *in, struct date *d)
{
    return scan_digits(in, 2, &d->hour) && scan_byte(in, ':') &&
           scan_digits(in, 2, &d->minute) && scan_byte(in, ':') &&
           scan_digits(in, 2, &d->second) && d->hour < 24 && d->minute < 60 &&
           d->second <= 60; /* a leap second */
}

/* zone = ("+" / "-") 4DIGIT ; hhmm east of Greenwich */
static bool scan_zone(struct str *in, int *seconds)
{
    bool west = scan_byte(in, '-');
    int hours, minutes;

    if ((!west && !scan_byte(in, '+')) || !scan_digits(in, 2, &hours) ||
        !scan_digits(in, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

/* date-time      = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
 * date-day-fixed = (SP DIGIT) / 2DIGIT
 * A day with one digit alone is understood too, as many clients send it. */
bool scan_date_time(struct str *in, int64_t *unix_s)
{
    struct str s = *in;
    struct date d = {.year = 0};
    int zone;

    if (!scan_byte(&s, '"'))
        return false;
    if (!scan_digits(&s, 2, &d.day)) {
        scan_byte(&s, ' ');
        if (!scan_digits(&s, 1, &d.day))
            return false;
    }
    if (!scan_month_year(&s, &d) || !is_day(&d) || !scan_byte(&s, ' ') || !scan_time(&s, &d) ||
        !scan_byte(&s, ' ') || !scan_zone(&s, &zone) || !scan_byte(&s, '"'))
        return false;
    *in = s;
    *unix_s = date_unix(&d) - zone;
    return true;
}
