#include "ctl/sendmail_args.h"

#include "base/str.h"

#include <string.h>

/* Letters that stand alone and may stand together (-ti); the rest of the letters take a value,
 * here or in the next word. */
static const char flags[] = "tivnGUm";
static const char valued[] = "fFrNRVbqoOBCLXhdpAx";
/* -q, -o, -d, -A, -p never look at the next word */
static const char attached[] = "bqodAp";

/* "never", or a list of success, failure, delay: RFC 3461 4.1 */
static int parse_notify(const char *text, unsigned *out, struct err *err)
{
    static const struct {
        struct str word;
        unsigned bit;
    } words[] = {
        {STR_LIT("never"),   SMTP_NOTIFY_NEVER  },
        {STR_LIT("success"), SMTP_NOTIFY_SUCCESS},
        {STR_LIT("failure"), SMTP_NOTIFY_FAILURE},
        {STR_LIT("delay"),   SMTP_NOTIFY_DELAY  },
    };
    struct str s = str_c(text), word;
    unsigned all = 0;

    while (scan_until(&s, ',', &word)) {
        unsigned bit = 0;

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (str_eq_nocase(words[i].word, str_trim(word)))
                bit = words[i].bit;
        if (!bit)
            break;
        all |= bit;
        if (!scan_byte(&s, ','))
            break;
    }
    if (s.n || !all || ((all & SMTP_NOTIFY_NEVER) && all != SMTP_NOTIFY_NEVER))
        return err_set(err, E_SYNTAX,
                       "-N takes \"never\" or a list of success, failure and delay");
    *out = all;
    return 0;
}

static int parse_mode(const char *text, struct sendmail_args *a, struct err *err)
{
    switch (text[0]) {
    case 'm':
        a->mode = SENDMAIL_LETTER;
        return 0;
    case 's':
        a->mode = SENDMAIL_SMTP;
        return 0;
    case 'p':
        a->mode = SENDMAIL_QUEUE;
        return 0;
    case 'i':
    case 'I':
        a->mode = SENDMAIL_ALIASES;
        return 0;
    default:
        return err_set(
            err, E_SYNTAX,
            "-b%s is not done here; posta has -bm, -bs, -bp and -bi, and `posta start`", text);
    }
}

static int take_value(char letter, const char *value, struct sendmail_args *a, struct err *err)
{
    switch (letter) {
    case 'f':
    case 'r':
        a->sender = value;
        return 0;
    case 'F':
        a->name = value;
        return 0;
    case 'V':
        a->envid = value;
        return 0;
    case 'N':
        return parse_notify(value, &a->notify, err);
    case 'R':
        if (!str_eq_nocase(str_c(value), STR("full")) &&
            !str_eq_nocase(str_c(value), STR("hdrs")))
            return err_set(err, E_SYNTAX, "-R takes \"full\" or \"hdrs\"");
        a->ret = value[0] == 'f' || value[0] == 'F' ? SMTP_RET_FULL : SMTP_RET_HDRS;
        return 0;
    case 'b':
        return parse_mode(value, a, err);
    case 'o':
        a->dot_is_text = a->dot_is_text || strcmp(value, "i") == 0;
        return 0;
    default:
        return 0;
    }
}

static int parse_word(int argc, const char **argv, int *at, struct sendmail_args *a,
                      struct err *err)
{
    const char *word = argv[*at];
    const char *p = word + 1;

    for (; *p && strchr(flags, *p); p++) {
        a->from_head = a->from_head || *p == 't';
        a->dot_is_text = a->dot_is_text || *p == 'i';
    }
    if (!*p)
        return 0;
    if (!strchr(valued, *p))
        return err_set(err, E_SYNTAX, "sendmail has no option -%c (in \"%s\")", *p, word);
    char letter = *p++;

    if (!*p && !strchr(attached, letter)) {
        if (*at + 1 == argc)
            return err_set(err, E_SYNTAX, "-%c needs a value", letter);
        p = argv[++*at];
    }
    return take_value(letter, p, a, err);
}

int sendmail_args_parse(int argc, const char **argv, struct sendmail_args *out, struct err *err)
{
    struct sendmail_args a = {.rcpts = argv};
    bool only_words = false;

    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];

        if (only_words || word[0] != '-' || word[1] == '\0') {
            argv[a.nrcpts++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_words = true;
        } else {
            int rc = parse_word(argc, argv, &i, &a, err);

            if (rc < 0)
                return rc;
        }
    }
    *out = a;
    return 0;
}
