/*
 * config_doc - config/posta.conf and posta.conf(5), written from the tables. `ninja
 * config-files` puts both where they are kept; a test compares.
 */
#ifndef POSTA_SYS_CONFIG_DOC_H
#define POSTA_SYS_CONFIG_DOC_H

#include "base/buf.h"

/* Every key with its explanation and its default, commented out. */
void config_doc_example(struct buf *out);
/* man(7) */
void config_doc_manual(struct buf *out);

#endif
