/*
 * client_impl - the inside of a client, for client.c and rest.c alone.
 */
#ifndef POSTA_IMAPD_CLIENT_IMPL_H
#define POSTA_IMAPD_CLIENT_IMPL_H

#include "imapd/client.h"

struct client {
    struct clients *all;
    struct conn *conn;
    struct imap_config config;
    uint64_t number; /* in transcripts */
    struct imap_session *session;
    const struct imap_request *req;
    struct access_login login;
    char *user, *maildir; /* NULL: not logged in; maildir is behind user */
    struct work *work;

    /* the step under way, or between two steps of one command */
    struct task task;
    bool under_way;
    struct buf out;
    enum work_state state;
    struct work_result result;

    /* IDLE */
    struct notify_reader reader;
    bool idling, news;
    uint64_t news_modseq; /* the highest that was told; UINT64_MAX: one without a number */

    struct list awake;
    uint64_t worked_ms;
    uint32_t commands;
    uint64_t in, sent; /* octets */
};

/* rest.c */
void rest_start(struct clients *cs);
void rest_stop(struct clients *cs); /* after the pool has ended */
void rest_later(struct client *cl); /* it has worked just now */
void rest_never(struct client *cl); /* it is about to work, or goes */
void rest_close(struct client *cl); /* frees its work, in the middle of a command or not */

#endif
