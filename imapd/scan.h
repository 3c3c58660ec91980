/*
 * scan - the words of IMAP's grammar (RFC 3501 9): one rule, one function.
 *
 * As all scan_* functions: success moves *in past what was read, failure changes nothing.
 * Results point into *in or into the arena, so both must live as long as they do. Literals
 * stand in the text as they were sent ("{5}\r\nhello", frame.h). Pure.
 */
#ifndef POSTA_IMAPD_SCAN_H
#define POSTA_IMAPD_SCAN_H

#include "base/arena.h"
#include "imapd/command.h"

#define SCAN_NUMBER64_MAX INT64_C(0x7fffffffffffffff)

bool scan_tag(struct str *in, struct str *out);
bool scan_atom(struct str *in, struct str *out);
bool scan_quoted(struct str *in, struct arena *a, struct str *out);
bool scan_literal(struct str *in, struct str *out); /* one with NUL in it is none (I04) */
bool scan_string(struct str *in, struct arena *a, struct str *out);
bool scan_astring(struct str *in, struct arena *a, struct str *out);
bool scan_nstring(struct str *in, struct arena *a, struct str *out, bool *nil);

bool scan_number(struct str *in, uint32_t *out);
bool scan_nz_number(struct str *in, uint32_t *out);
bool scan_number64(struct str *in, uint64_t *out); /* 63 bits: mod-sequences, octets */

bool scan_date(struct str *in, int64_t *day);         /* days since 1970    */
bool scan_date_time(struct str *in, int64_t *unix_s); /* seconds since 1970 */

/* Letters stand for one flag each; keywords are those that are not "\…". */
bool scan_flag(struct str *in, uint32_t *flag, struct str *keyword);
bool scan_flag_list(struct str *in, struct arena *a, struct command_flags *out);
bool scan_flags(struct str *in, struct arena *a,
                struct command_flags *out); /* as STORE has them: with or without parentheses */

/* At most COMMAND_SET_RANGES, once neighbours that touch are put together. */
bool scan_sequence_set(struct str *in, struct arena *a, struct seqset *out);

/* As UTF-8, INBOX (and INBOX in front of '/') in capitals. */
bool scan_mailbox_name(struct str *in, struct arena *a, struct str *out);
bool scan_list_mailbox(struct str *in, struct arena *a, struct str *out); /* with * and % */

bool scan_section(struct str *in, struct arena *a, struct section *out); /* with its brackets */

#endif
