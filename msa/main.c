/*
 * posta-msa - takes letters from users: 587 (STARTTLS) and 465 (TLS at once). RFC 6409.
 */
#include "msa/policy.h"

static const struct intake_door doors[] = {
    {"msa",     false},
    {"msa-tls", true },
    {NULL,      false},
};

static const struct intake_spec intake = {
    .via = "msa",
    .doors = doors,
    .offer = msa_offer,
    .sender = msa_sender,
    .recipient = msa_recipient,
    .mend = msa_mend,
};

static struct config_list listen_clear(const struct config *c)
{
    return c->msa.listen;
}

static struct config_list listen_tls(const struct config *c)
{
    return c->msa.listen_tls;
}

static int start(struct program *p, struct err *err)
{
    return intake_start(p, &intake, err);
}

static const struct program_socket sockets[] = {
    {.name = "msa",            .addresses = listen_clear},
    {.name = "msa-tls",                        .addresses = listen_tls},
    {.name = NULL},
};

int main(int argc, char **argv)
{
    static const struct program_spec spec = {
        .name = "posta-msa",
        .about = "Takes letters from users who log in (RFC 6409) and hands them to the queue.",
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
