/*
 * gist - the lines of one dialogue without the letters in it: in their place stands how many
 * octets they have. Pure.
 *
 *   IMAP: behind a line that ends in {n} come n octets        RFC 3501 4.3
 *   POP3: behind the +OK to RETR and TOP come lines up to "." RFC 1939 3
 *
 * What is said to an SMTP server has no letters in it before it comes here.
 */
#ifndef POSTA_CTL_WATCH_GIST_H
#define POSTA_CTL_WATCH_GIST_H

#include "base/arena.h"
#include "base/str.h"

enum { GIST_COMMANDS = 64 }; /* of POP3, sent and not answered */

struct gist {
    bool imap, pop3;
    uint64_t left;   /* IMAP: octets of a literal still to come       */
    uint64_t octets; /* of a letter of POP3 so far                    */
    bool in_letter, in_list;
    bool hidden; /* IMAP: the last command was hidden; its tag may be a password */
    bool lost;   /* commands were too many: answers are not shown any more */
    unsigned char commands[GIST_COMMANDS];
    unsigned first, n;
};

void gist_init(struct gist *g, struct str process); /* "imapd", "pop3d", … */
/* True: show *out instead of the line, which had no end of line. */
bool gist_line(struct gist *g, bool heard, struct str line, struct arena *a, struct str *out);

#endif
