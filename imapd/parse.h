/*
 * parse - the grammar of RFC 3501 9 and its extensions: a framed command in, a struct command
 * out.
 *
 * One function a rule, its ABNF above it. Success moves on, failure changes nothing. Pure.
 */
#ifndef POSTA_IMAPD_PARSE_H
#define POSTA_IMAPD_PARSE_H

#include "imapd/command.h"

/* All of `text`. On failure *out has tag and verb as far as they were understood, and *why a
 * text for BAD. */
bool parse_command(struct str text, struct arena *a, struct command *out, const char **why);

/* APPEND up to its literal's "{n}" (see FRAME_LITERAL). */
bool parse_append(struct str text, struct arena *a, struct command *out, const char **why);

/* Which verb a command that is still being sent will be (FRAME_LITERAL): VERB_NONE when it
 * cannot be told. */
enum verb parse_verb(struct str text);

#endif
