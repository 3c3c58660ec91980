/* What a client says before and about itself: LOGIN, AUTHENTICATE, ID, ENABLE. */
#include "imapd/parse_impl.h"

enum { ID_FIELD_BYTES = 30, ID_VALUE_BYTES = 1024, ENABLE_WORDS = 100 };

/* login = "LOGIN" SP userid SP password */
bool parse_login(struct str *in, struct arena *a, struct command *out, const char **why)
{
    *why = "LOGIN takes a name and a password; 8-bit text goes into a literal";
    return scan_byte(in, ' ') && scan_astring(in, a, &out->login.user) && scan_byte(in, ' ') &&
           scan_astring(in, a, &out->login.password);
}

/* authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] *(CRLF base64)
 * initial-resp = (base64 / "=")        RFC 4959 7
 * Whether it is base64 is seen when it is decoded. */
bool parse_authenticate(struct str *in, struct arena *a, struct command *out, const char **why)
{
    *why = "AUTHENTICATE takes a mechanism and perhaps a first response";
    (void)a;
    if (!scan_byte(in, ' ') || !scan_atom(in, &out->authenticate.mechanism))
        return false;
    out->authenticate.has_initial = scan_byte(in, ' ');
    return !out->authenticate.has_initial || scan_atom(in, &out->authenticate.initial);
}

/* string SPACE nstring        RFC 2971 3.3: fields of 30 octets, values of 1024 */
static bool scan_id_field(struct str *in, struct arena *a, struct command *out)
{
    struct str name, value;
    bool nil;

    if (out->id.n == COMMAND_ID_FIELDS || !scan_string(in, a, &name) || !scan_byte(in, ' ') ||
        !scan_nstring(in, a, &value, &nil) || name.n > ID_FIELD_BYTES ||
        value.n > ID_VALUE_BYTES)
        return false;
    out->id.names[out->id.n] = name;
    out->id.values[out->id.n++] = value;
    return true;
}

/* id             = "ID" SPACE id_params_list
 * id_params_list = "(" #(string SPACE nstring) ")" / nil        RFC 2971 4 */
bool parse_id(struct str *in, struct arena *a, struct command *out, const char **why)
{
    *why = "ID takes NIL or fields and values: (\"name\" \"value\")";
    if (!scan_byte(in, ' '))
        return false;
    if (scan_word_nocase(in, STR("NIL")))
        return true;
    if (!scan_byte(in, '('))
        return false;
    if (scan_byte(in, ')'))
        return true;
    out->id.names = ARENA_ARRAY(a, struct str, COMMAND_ID_FIELDS);
    out->id.values = ARENA_ARRAY(a, struct str, COMMAND_ID_FIELDS);
    do {
        if (!scan_id_field(in, a, out))
            return false;
    } while (scan_byte(in, ' '));
    return scan_byte(in, ')');
}

/* "ENABLE" 1*(SP capability)        RFC 5161 4 */
bool parse_enable(struct str *in, struct arena *a, struct command *out, const char **why)
{
    unsigned words = 0;
    struct str word;

    *why = "ENABLE takes names of extensions";
    (void)a;
    while (scan_byte(in, ' ')) {
        if (++words > ENABLE_WORDS || !scan_atom(in, &word))
            return false;
        if (str_eq_nocase(word, STR("CONDSTORE")))
            out->enable.condstore = true;
        else
            out->enable.unknown++;
    }
    return words > 0;
}
