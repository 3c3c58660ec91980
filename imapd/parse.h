/*
 * parse - the grammar of RFC 3501 9 and its extensions: a framed command in, a struct command
 * out.
 *
 * One function a rule, its ABNF above it. Success moves on, failure changes nothing. Pure. What
 * is found points into the text and into the arena: both must live as long as the command.
 */
#ifndef POSTA_IMAPD_PARSE_H
#define POSTA_IMAPD_PARSE_H

#include "imapd/command.h"

/* All of `text`. On failure *out has tag and verb as far as they were understood, and *why a
 * text for BAD. */
bool parse_command(struct str text, struct arena *a, struct command *out, const char **why);

/* APPEND up to its literal's "{n}" (see FRAME_LITERAL). */
bool parse_append(struct str text, struct arena *a, struct command *out, const char **why);

/* Is the literal that is announced there not the letter but the name of the mailbox? */
bool parse_append_name(struct str text);

/* Tag and verb of a command that is still being sent (FRAME_LITERAL) or cannot be read:
 * VERB_NONE and an empty tag where they cannot be told. */
void parse_begin(struct str text, struct command *out);

/* Where a command is allowed (RFC 3501 6). */
enum parse_state { STATE_STRANGER = 1, STATE_USER = 2, STATE_SELECTED = 4 };
unsigned parse_states(enum verb verb);

#endif
