/*
 * limits - what an SMTP peer may make us hold or do. Each has a test at -1, 0
 * and +1; those with a key in posta.conf are defaults.
 */
#ifndef POSTA_SMTP_LIMITS_H
#define POSTA_SMTP_LIMITS_H

enum {
    SMTP_COMMAND_BYTES =
        2048, /* with CRLF; RFC 5321 4.5.3.1.4 asks for 512 and more for extensions */
    SMTP_AUTH_LINE_BYTES = 12288, /* RFC 4954 4 */
    SMTP_DISCARD_BYTES = 65536,   /* of an overlong line, then the connection is closed */
    SMTP_LOCAL_PART_BYTES = 64,   /* RFC 5321 4.5.3.1.1 */
    SMTP_DOMAIN_BYTES = 255,      /* RFC 5321 4.5.3.1.2 */
    SMTP_PATH_BYTES = 998,     /* generous: quoted local parts; RFC 5321 4.5.3.1.3 says 256 */
    SMTP_RECIPIENTS = 1000,    /* key limits.recipients */
    SMTP_JUNK_COMMANDS = 100,  /* NOOP, RSET, HELP, VRFY, EHLO … without mail between them */
    SMTP_BAD_COMMANDS = 20,    /* refused commands or recipients, then 421 */
    SMTP_AUTH_FAILURES = 3,    /* a session, then 421 */
    SMTP_ENVID_BYTES = 100,    /* RFC 3461 5.4 */
    SMTP_ORCPT_BYTES = 500,    /* RFC 3461 5.4 */
    SMTP_MECHANISM_BYTES = 20, /* RFC 4422 3.1 */
    SMTP_OUTPUT_BYTES =
        65536,              /* unsent replies; the session reads no further command above it */
    SMTP_REPLY_LINES = 128, /* client: lines of one reply */
    SMTP_REPLY_BYTES = 65536,     /* client: bytes of one reply */
    SMTP_BODY_CHUNK_BYTES = 65536 /* decoded body handed to the program at once */
};

#endif
