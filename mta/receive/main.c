/*
 * posta-mta-receive - takes letters from other servers: port 25. RFC 5321.
 */
#include "mta/receive/names.h"
#include "mta/receive/policy.h"

static const struct intake_door doors[] = {
    {"mta", false},
    {NULL,  false},
};

static const struct intake_spec intake = {
    .via = "receive",
    .doors = doors,
    .offer = receive_offer,
    .relays = receive_relays,
    .sender = receive_sender,
    .recipient = receive_recipient,
    .names = &receive_names,
};

static struct config_list listen_on(const struct config *c)
{
    return c->mta.listen;
}

static int start(struct program *p, struct err *err)
{
    return intake_start(p, &intake, err);
}

static const struct program_socket sockets[] = {
    {.name = "mta", .addresses = listen_on},
    {.name = NULL            },
};

int main(int argc, char **argv)
{
    static const struct program_spec spec = {
        .name = "posta-mta-receive",
        .about = "Takes letters from other servers (RFC 5321) and hands them to the queue.",
        .sockets = sockets,
        .tls = true,
        .start = start,
        .serve = intake_serve,
        .reload = intake_reload,
        .drain = intake_drain,
        .stop = intake_stop,
        .status = intake_status,
    };

    return program_main(argc, argv, &spec);
}
