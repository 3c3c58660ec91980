/*
 * sendmail - `posta sendmail`, and posta when it is called as sendmail, mailq or newaliases.
 *
 * Exit status as programs that call sendmail know it (sysexits(3)): 0, 64 usage, 65 the letter
 * cannot be sent as it is, 66 no input, 67 a recipient was refused, 69 refused, 75 try again
 * later, 78 no configuration.
 */
#ifndef POSTA_CTL_SENDMAIL_H
#define POSTA_CTL_SENDMAIL_H

/* argv without the program's name and without "sendmail". */
int sendmail_main(const char *config_path, int argc, const char **argv);

#endif
