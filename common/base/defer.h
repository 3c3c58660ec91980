/*
 * defer - what a function opened, it closes on every way out.
 *
 *     DEFER(close_fd) int fd = open(...);
 *
 * Whatever is handed on is moved out first: `*out = fd; fd = -1;`.
 */
#ifndef POSTA_DEFER_H
#define POSTA_DEFER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFER(function) __attribute__((cleanup(function)))

static inline void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void close_dir(DIR *const *d)
{
    if (*d)
        closedir(*d);
}

static inline void close_file(FILE *const *f)
{
    if (*f)
        fclose(*f);
}

/* For any pointer: DEFER(free_mem) char *p = malloc(n); */
static inline void free_mem(void *pointer)
{
    free(*(void **)pointer);
}

#endif
