/*
 * banned - functions with no place here: they do not know where their memory
 * ends, they follow the locale, or they hide an error. Included by the build
 * before every file of ours.
 */
#ifndef POSTA_BANNED_H
#define POSTA_BANNED_H

/* The system's headers declare them: those come first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf gets strtok atoi atol \
    atoll
#pragma GCC poison sscanf tmpnam mktemp system popen localtime gmtime ctime asctime

#endif
