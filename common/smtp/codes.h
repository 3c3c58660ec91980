/*
 * codes - what the numbers in an answer mean, as the RFCs have them: reply codes of SMTP (RFC
 * 5321 4.2.3 and extensions), enhanced statuses (RFC 3463 and IANA's registry of them), and the
 * words in brackets of IMAP and POP3.
 */
#ifndef POSTA_SMTP_CODES_H
#define POSTA_SMTP_CODES_H

#include "base/str.h"

enum { CODES_STATUS_BYTES = 9 }; /* "5.123.123" */

struct code_row {
    const char *code, *meaning,
        *where; /* "450", "x.7.1", "TRYCREATE"; the RFC and its section */
};

/* What was found in a line: views into it, "" where there is none. */
struct codes {
    int code;          /* 0: none                    */
    struct str status; /* "4.7.1"                    */
    struct str word;   /* of IMAP or POP3: "AUTH"    */
    bool pop3;         /* the line began with - or + */
};

/* Finds the codes in what a server, a report or a log says, in whatever surroundings:
 * "550-5.7.26 …", "smtp;550 5.1.1", "a1 NO [TRYCREATE] …", "-ERR [IN-USE] …". False: nothing.
 */
bool codes_find(struct str line, struct codes *out);

/* NULL: it is not known. */
const struct code_row *code_of_reply(int code);
const struct code_row *code_of_status(struct str status);  /* also "x.7.1"                  */
const struct code_row *code_of_subject(struct str status); /* what all of "x.7" are about */
const struct code_row *code_of_word(struct str word, bool pop3);

#endif
