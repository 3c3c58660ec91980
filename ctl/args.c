#include "ctl/args.h"

#include "base/str.h"

static const struct args_option *by_name(const struct args_option *table, struct str name)
{
    for (const struct args_option *o = table; o->name; o++)
        if (str_eq(str_c(o->name), name))
            return o;
    return NULL;
}

static const struct args_option *by_letter(const struct args_option *table, char letter)
{
    for (const struct args_option *o = table; o->name; o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

/* One option at argv[*at]; *at ends at the last word it used. */
static int parse_option(int argc, const char **argv, int *at, const struct args_option *table,
                        struct args *out, struct err *err)
{
    const char *word = argv[*at];
    const struct args_option *o;
    const char *value = NULL;

    if (word[1] == '-') {
        struct str name = {word, str_find(str_c(word), '=')};

        o = by_name(table, name);
        if (word[name.n] == '=')
            value = word + name.n + 1;
    } else {
        o = by_letter(table, word[1]);
        if (word[2] != '\0')
            value = word + 2;
    }
    if (!o)
        return err_set(err, E_SYNTAX, "there is no option \"%s\" here", word);
    if (!o->value && value)
        return err_set(err, E_SYNTAX, "%s takes no value", o->name);
    if (o->value && !value) {
        if (*at + 1 == argc)
            return err_set(err, E_SYNTAX, "%s needs a value: %s %s", o->name, o->name,
                           o->value);
        value = argv[++*at];
    }
    const char **to = &out->options[o - table];
    if (*to && out->nrepeats == ARGS_REPEATS)
        return err_set(err, E_LIMIT, "%s is there too often", o->name);
    if (*to) {
        out->repeats[out->nrepeats].at = (int)(o - table);
        out->repeats[out->nrepeats++].value = *to;
    }
    *to = value ? value : "";
    return 0;
}

int args_parse(int argc, const char **argv, const struct args_option *table, struct args *out,
               struct err *err)
{
    struct args a = {.words = argv};
    bool only_words = false;

    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];

        if (only_words || word[0] != '-' || word[1] == '\0') {
            argv[a.n++] = word;
            continue;
        }
        if (word[1] == '-' && word[2] == '\0') {
            only_words = true;
            continue;
        }
        int rc = parse_option(argc, argv, &i, table, &a, err);
        if (rc < 0)
            return rc;
    }
    *out = a;
    return 0;
}

bool args_number(const char *text, unsigned long long max, unsigned long long *out)
{
    struct str s = str_c(text);
    uint64_t v;

    if (!scan_u64(&s, max, &v) || s.n)
        return false;
    *out = v;
    return true;
}

bool args_bytes(const char *text, unsigned long long *out)
{
    static const char units[] = "KMGT";
    struct str s = str_c(text);
    uint64_t v;

    if (!scan_u64(&s, UINT64_MAX >> 1, &v) || s.n > 1)
        return false;
    if (s.n == 1) {
        char c = (char)(s.p[0] & ~0x20);
        const char *at = c ? strchr(units, c) : NULL;
        unsigned shift = at ? (unsigned)(10 * (at - units + 1)) : 0;

        if (!at || v > (UINT64_MAX >> 1) >> shift)
            return false;
        v <<= shift;
    }
    *out = v;
    return true;
}
