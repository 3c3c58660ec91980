/* BODYSTRUCTURE and BODY (RFC 3501 7.4.2, 9). It calls itself as deep as parts are nested,
 * which structure.h limits. */
#include "mail/envelope.h"
#include "mail/structure.h"

static void add_space(struct buf *out)
{
    buf_add_byte(out, ' ');
}

static void add_param(struct buf *out, bool first, struct str name, struct str value)
{
    buf_add_byte(out, first ? '(' : ' ');
    imap_string(out, name);
    add_space(out);
    imap_string(out, value);
}

/* body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
 * Text without a charset is us-ascii (RFC 2046 4.1.2). */
static void print_params(struct buf *out, const struct part_params *params, bool text)
{
    bool charset = !text;
    unsigned n = 0;

    for (; n < params->n; n++) {
        add_param(out, n == 0, params->p[n].name, params->p[n].value);
        charset = charset || str_eq_nocase(params->p[n].name, STR("charset"));
    }
    if (!charset)
        add_param(out, n++ == 0, STR("charset"), STR("us-ascii"));
    buf_add(out, n ? STR(")") : STR("NIL"));
}

/* body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void print_extension(struct buf *out, const struct part *p)
{
    add_space(out);
    if (p->disposition.p) {
        buf_add_byte(out, '(');
        imap_string(out, p->disposition);
        add_space(out);
        print_params(out, &p->disposition_params, false);
        buf_add_byte(out, ')');
    } else {
        buf_add(out, STR("NIL"));
    }
    add_space(out);
    for (unsigned i = 0; i < p->nlanguages; i++) {
        buf_add_byte(out, i == 0 ? '(' : ' ');
        imap_string(out, p->languages[i]);
    }
    buf_add(out, p->nlanguages ? STR(") ") : STR("NIL "));
    imap_nstring(out, p->location);
}

/* body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart] */
static void print_multipart(struct buf *out, const struct part *p, bool extended)
{
    for (const struct part *kid = p->kids; kid; kid = kid->next)
        structure_print(out, kid, extended);
    add_space(out);
    imap_string(out, p->subtype);
    if (!extended)
        return;
    add_space(out);
    print_params(out, &p->params, false);
    print_extension(out, p);
}

/* What message/rfc822 has between octets and lines. */
static void print_letter(struct buf *out, const struct part *p, bool extended)
{
    struct str envelope = p->envelope;

    if (envelope.n == 0)
        envelope = STR("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    add_space(out);
    buf_add(out, envelope);
    add_space(out);
    structure_print(out, p->kids, extended);
}

/* body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part] */
static void print_single(struct buf *out, const struct part *p, bool extended)
{
    bool text = part_is(p, "text", NULL), letter = p->kids != NULL;

    imap_string(out, p->type);
    add_space(out);
    imap_string(out, p->subtype);
    add_space(out);
    print_params(out, &p->params, text);
    add_space(out);
    imap_nstring(out, p->id);
    add_space(out);
    imap_nstring(out, p->description);
    add_space(out);
    imap_string(out, p->transfer_encoding.p ? p->transfer_encoding : STR("7bit"));
    buf_addf(out, " %llu", (unsigned long long)part_body_wire(p));
    if (letter)
        print_letter(out, p, extended);
    if (letter || text)
        buf_addf(out, " %llu", (unsigned long long)p->body_lines);
    if (!extended)
        return;
    add_space(out);
    imap_nstring(out, p->md5);
    print_extension(out, p);
}

void structure_print(struct buf *out, const struct part *top, bool extended)
{
    buf_add_byte(out, '(');
    if (part_is(top, "multipart", NULL) && top->kids)
        print_multipart(out, top, extended);
    else
        print_single(out, top, extended);
    buf_add_byte(out, ')');
}
