#include "sys/config_doc.h"

#include "sys/config_keys.h"

#include <stdio.h>

enum { COLUMNS = 90 };

/* Words of `text`, filled into lines that begin with `indent`. */
static void fill(struct buf *out, const char *indent, const char *text)
{
    struct str rest = str_c(text), word;
    size_t column = 0;

    while (scan_until(&rest, ' ', &word)) {
        scan_byte(&rest, ' ');
        if (column && column + 1 + word.n > COLUMNS) {
            buf_add_byte(out, '\n');
            column = 0;
        }
        if (column == 0) {
            buf_add(out, str_c(indent));
            column = strlen(indent);
        } else {
            buf_add_byte(out, ' ');
            column++;
        }
        buf_add(out, word);
        column += word.n;
    }
    buf_add_byte(out, '\n');
}

/* A number as a person writes it: 65536 is 64K, 86400 is 1d. */
static void print_number(struct buf *out, const struct config_row *row, uint64_t v)
{
    static const struct {
        enum config_type type;
        uint64_t factor;
        char letter;
    } units[] = {
        {CONFIG_SIZE, UINT64_C(1) << 40, 'T'},
        {CONFIG_SIZE, UINT64_C(1) << 30, 'G'},
        {CONFIG_SIZE, UINT64_C(1) << 20, 'M'},
        {CONFIG_SIZE, UINT64_C(1) << 10, 'K'},
        {CONFIG_TIME, 86400,             'd'},
        {CONFIG_TIME, 3600,              'h'},
        {CONFIG_TIME, 60,                'm'},
        {CONFIG_TIME, 1,                 's'},
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (units[i].type == row->type && v && v % units[i].factor == 0) {
            buf_addf(out, "%llu%c", (unsigned long long)(v / units[i].factor), units[i].letter);
            return;
        }
    buf_addf(out, "%llu", (unsigned long long)v);
}

/* "time, seconds, 1s to 1d", "one of error, warn, info, debug" */
static void print_values(struct buf *out, const struct config_row *row)
{
    struct str rest, word;

    if (row->type == CONFIG_CHOICE) {
        buf_add(out, STR("one of"));
        for (rest = str_c(row->unit); scan_until(&rest, ' ', &word); scan_byte(&rest, ' '))
            buf_addf(out, " %.*s%s", STR_ARGS(word), rest.n ? "," : "");
        return;
    }
    buf_add(out, str_c(config_type_name(row->type)));
    if (!row->unit)
        return;
    buf_addf(out, ", %s, ", row->unit);
    print_number(out, row, row->min);
    buf_add(out, STR(" to "));
    print_number(out, row, row->max);
}

static void print_type(struct buf *out, const struct config_row *row)
{
    print_values(out, row);
}

/* ---- config/posta.conf ---- */

static void example_key(struct buf *out, const struct config_row *row, const char *margin)
{
    char indent[16];
    struct buf type;

    snprintf(indent, sizeof(indent), "%s# ", margin);
    buf_add_byte(out, '\n');
    fill(out, indent, row->text);
    buf_init(&type, 1024);
    buf_addf(&type, "(");
    print_type(&type, row);
    buf_add_byte(&type, ')');
    fill(out, indent, buf_c(&type));
    buf_done(&type);
    buf_addf(out, "%s#%s = %s\n", margin, row->name, row->standard);
}

static void example_keys(struct buf *out, const char *section, const char *margin)
{
    for (size_t i = 0; i < config_rows_n; i++)
        if (strcmp(config_rows[i].section, section) == 0)
            example_key(out, &config_rows[i], margin);
}

/* The one section with a name behind it stays a comment: an empty one would be a fault. */
static void example_inner(struct buf *out, const char *section)
{
    for (size_t i = 0; i < config_sections_n; i++) {
        struct str name = str_c(config_sections[i].name);

        if (!scan_word(&name, str_c(section)) || !scan_byte(&name, '.'))
            continue;
        buf_add_byte(out, '\n');
        fill(out, "    # ", config_sections[i].text);
        buf_addf(out, "    #%.*s \"example.net\" {\n", STR_ARGS(name));
        for (size_t k = 0; k < config_rows_n; k++)
            if (strcmp(config_rows[k].section, config_sections[i].name) == 0)
                buf_addf(out, "    #    %s = %s\n", config_rows[k].name,
                         config_rows[k].standard);
        buf_add(out, STR("    #}\n"));
    }
}

void config_doc_example(struct buf *out)
{
    buf_add(
        out,
        STR("# posta.conf: every key, its explanation and its default. See posta.conf(5).\n"
            "#\n"
            "# Written from the tables in common/sys/config_keys.c by `ninja config-files`.\n"
            "# Sizes: 4096, 64K, 25M, 1G. Times: 300, 30s, 5m, 4h, 5d, 1w. Lists: {\"a\", "
            "\"b\"}; += adds "
            "to the default.\n"));
    for (size_t i = 0; i < config_sections_n; i++) {
        const struct config_section *s = &config_sections[i];

        if (s->title)
            continue;
        if (*s->name) {
            buf_add_byte(out, '\n');
            fill(out, "# ", s->text);
            buf_addf(out, "%s {\n", s->name);
        }
        example_keys(out, s->name, *s->name ? "    " : "");
        if (*s->name) {
            example_inner(out, s->name);
            buf_add(out, STR("}\n"));
        }
    }
}

/* ---- posta.conf(5) ---- */

static const char manual_head[] =
    ".\\\" Written from the tables in common/sys/config_keys.c by `ninja config-files`.\n"
    ".TH POSTA.CONF 5 \"\" \"posta " POSTA_VERSION "\" \"posta\"\n"
    ".SH NAME\n"
    "posta.conf \\- the configuration of the mail system posta\n"
    ".SH SYNOPSIS\n"
    ".I /etc/posta/posta.conf\n"
    ".SH DESCRIPTION\n"
    "One file configures all of posta.\n"
    ".BR posta (1)\n"
    "finds it by\n"
    ".BR \\-c ,\n"
    "by the variable\n"
    ".BR POSTA_CONF ,\n"
    "or at the path above. Every key has a default that is right for a small domain; an empty "
    "file is a good one.\n"
    ".PP\n"
    "A file that is not understood is refused whole, with every fault that can be found, each "
    "with its line and with what\n"
    "would be right: a syntax error ends the reading, keys that do not exist and values that "
    "do not fit are all told.\n"
    ".B posta check\n"
    "shows them. While posta runs,\n"
    ".B posta reload\n"
    "takes a changed file over without ending a session; one with faults changes nothing.\n"
    ".SH FORMAT\n"
    ".nf\n"
    "hostname = \"mail.example.org\"     # a comment, to the end of the line\n"
    "msa {\n"
    "    listen = {\"*:587\", \"[::1]:2587\"}\n"
    "}\n"
    "mta {\n"
    "    route \"example.net\" { to = \"mx.example.net:25\" tls = \"must\" }\n"
    "}\n"
    "limits { letter_bytes = 50M }\n"
    ".fi\n"
    ".PP\n"
    "Spaces and line ends separate, no more. A value of letters, digits and\n"
    ".B _\\-./:@%[]~\n"
    "needs no quotes. In double quotes a backslash may stand before a quote or a backslash; in "
    "single quotes before\n"
    "nothing. A string ends on its line. The environment is not looked at.\n"
    "A section may stand several times, a key once.\n"
    ".TP\n"
    "list\n"
    "{\\(dqa\\(dq, \\(dqb\\(dq}, or one value without braces; {} is none.\n"
    ".B =\n"
    "puts it in the place of the default,\n"
    ".B +=\n"
    "adds to it.\n"
    ".TP\n"
    "size\n"
    "octets, or with K, M, G, T behind the number (1024 each).\n"
    ".TP\n"
    "time\n"
    "seconds, or with s, m, h, d, w behind the number.\n"
    ".TP\n"
    "address:port\n"
    "*:25 is every address, IPv4 and IPv6; 127.0.0.1:25; [::1]:25.\n"
    ".TP\n"
    "network\n"
    "127.0.0.0/8, 2001:db8::/32, or one address.\n"
    ".SH KEYS\n";

static const char manual_tail[] = ".SH FILES\n"
                                  ".TP\n"
                                  ".I /etc/posta/posta.conf\n"
                                  "where it is looked for last\n"
                                  ".SH SEE ALSO\n"
                                  ".BR posta (1)\n";

/* A hyphen, a backslash, a grave accent, and a dot or an apostrophe at the start of a line are
 * roff's. */
static void roff(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_add(out, STR("\\&"));
    for (const char *p = text; *p; p++)
        if (*p == '\\')
            buf_add(out, STR("\\e"));
        else if (*p == '-')
            buf_add(out, STR("\\-"));
        else if (*p == '`')
            buf_add(out, STR("\\(ga"));
        else
            buf_add_byte(out, *p);
}

static void manual_key(struct buf *out, const struct config_row *row)
{
    struct buf type;

    buf_init(&type, 1024);
    print_type(&type, row);
    buf_add(out, STR(".TP\n\\fB"));
    roff(out, row->name);
    buf_add(out, STR("\\fR = "));
    roff(out, row->standard);
    buf_add_byte(out, '\n');
    roff(out, row->text);
    buf_add(out, STR("\n("));
    roff(out, buf_c(&type));
    buf_add(out, STR(")\n"));
    buf_done(&type);
}

static void manual_section(struct buf *out, const struct config_section *s)
{
    struct str parent = str_first(str_c(s->name), str_find(str_c(s->name), '.'));

    if (!*s->name)
        buf_add(out, STR(".SS At the top\n"));
    else if (s->title)
        buf_addf(out, ".SS %s \"%s\" { .\\|.\\|. }, in %.*s\n", s->name + parent.n + 1,
                 s->title, STR_ARGS(parent));
    else
        buf_addf(out, ".SS %s { .\\|.\\|. }\n", s->name);
    roff(out, s->text);
    buf_add_byte(out, '\n');
    for (size_t i = 0; i < config_rows_n; i++)
        if (strcmp(config_rows[i].section, s->name) == 0)
            manual_key(out, &config_rows[i]);
}

void config_doc_manual(struct buf *out)
{
    buf_add(out, str_c(manual_head));
    for (size_t i = 0; i < config_sections_n; i++)
        manual_section(out, &config_sections[i]);
    buf_add(out, str_c(manual_tail));
}
