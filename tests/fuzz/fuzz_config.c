/*
 * Any text is a configuration or has faults, never both, never neither. What is taken is what
 * it says: written out as a file it is taken again with the same values. Comments and blanks
 * behind it change nothing. Cutting it anywhere never crashes and keeps the same rule.
 */
#include "sys/config.h"
#include "sys/config_keys.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FAULT_BYTES = 1 << 20, INPUT_BYTES = 1 << 16, CUTS = 16 };

static void must(int truth)
{
    if (!truth)
        abort();
}

static struct config *parse(struct str text)
{
    struct buf faults;

    buf_init(&faults, FAULT_BYTES);
    struct config *c = config_parse(text, "f", &faults);
    must((c == NULL) == (faults.n > 0));
    for (struct str rest = buf_str(&faults); rest.n > 0;) {
        struct str line;

        must(scan_until(&rest, '\n', &line) && scan_byte(&rest, '\n') &&
             str_starts(line, STR("f:")));
    }
    buf_done(&faults);
    return c;
}

static void print_quoted(struct buf *out, const char *s)
{
    buf_add_byte(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, *s);
    }
    buf_add_byte(out, '"');
}

static void print_value(struct buf *out, const struct config_row *row, const void *of)
{
    const char *at = (const char *)of + row->at;

    buf_addf(out, "%s = ", row->name);
    if (config_is_list(row->type)) {
        const struct config_list *list = (const void *)at;

        buf_add_byte(out, '{');
        for (size_t i = 0; i < list->n; i++) {
            print_quoted(out, list->items[i]);
            buf_add_byte(out, ',');
        }
        buf_add_byte(out, '}');
    } else if (row->type == CONFIG_BOOL) {
        buf_add(out, *(const bool *)at ? STR("true") : STR("false"));
    } else if (row->unit && row->type != CONFIG_CHOICE) {
        uint64_t v = row->size == 8 ? *(const uint64_t *)(const void *)at
                                    : *(const uint32_t *)(const void *)at;

        must(v >= row->min && v <= row->max);
        buf_addf(out, "%llu", (unsigned long long)v);
    } else {
        print_quoted(out, *(const char *const *)(const void *)at);
    }
    buf_add_byte(out, '\n');
}

static void print_rows(struct buf *out, const char *section, const void *of)
{
    for (size_t i = 0; i < config_rows_n; i++)
        if (strcmp(config_rows[i].section, section) == 0)
            print_value(out, &config_rows[i], of);
}

static void print_config(struct buf *out, const struct config *c)
{
    for (size_t i = 0; i < config_sections_n; i++) {
        const struct config_section *s = &config_sections[i];

        if (s->title)
            continue;
        if (*s->name)
            buf_addf(out, "%s {\n", s->name);
        print_rows(out, s->name, c);
        for (size_t k = 0; strcmp(s->name, "mta") == 0 && k < c->mta.nroutes; k++) {
            buf_add(out, STR("route "));
            print_quoted(out, c->mta.routes[k].domain);
            buf_add(out, STR(" {\n"));
            print_rows(out, "mta.route", &c->mta.routes[k]);
            buf_add(out, STR("}\n"));
        }
        if (*s->name)
            buf_add(out, STR("}\n"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct buf first, second;

    if (size > INPUT_BYTES)
        return 0;
    struct config *c = parse(text);
    buf_init(&first, FAULT_BYTES);
    buf_init(&second, FAULT_BYTES);
    if (c) {
        print_config(&first, c);
        must(!buf_failed(&first));
        struct config *again = parse(buf_str(&first));
        must(again != NULL);
        print_config(&second, again);
        must(str_eq(buf_str(&first), buf_str(&second)));
        config_free(again);

        buf_clear(&second);
        buf_add(&second, text);
        buf_add(&second, STR("\n \t# a comment\n#\n"));
        again = parse(buf_str(&second));
        must(again != NULL);
        config_free(again);
    }
    for (size_t i = 1; i < CUTS; i++)
        config_free(parse(str_first(text, size * i / CUTS)));
    config_free(c);
    buf_done(&first);
    buf_done(&second);
    return 0;
}
