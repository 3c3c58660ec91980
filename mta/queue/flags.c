#include "mta/queue/flags.h"

#include "base/xtext.h"

bool flags_find(struct str flags, const char *key, struct arena *a, struct str *value)
{
    struct str word;

    while (scan_byte(&flags, ' ') || flags.n) {
        struct buf decoded;

        if (!scan_until(&flags, ' ', &word) || !scan_word(&word, str_c(key)))
            continue;
        if (!word.n) {
            *value = STR("");
            return true;
        }
        if (!scan_byte(&word, '='))
            continue;
        buf_init(&decoded, word.n);
        bool good = xtext_decode(&decoded, word);
        *value = good ? arena_dup(a, buf_str(&decoded)) : STR("");
        buf_done(&decoded);
        return good;
    }
    return false;
}
