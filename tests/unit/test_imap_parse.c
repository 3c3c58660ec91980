/* Commands and what becomes of them, printed in one line: what a table can compare. */
#include "imapd/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

enum { PRINT_BYTES = 1 << 20 };

static void print_set(struct buf *out, const struct seqset *set)
{
    for (unsigned i = 0; i < set->n; i++)
        buf_addf(out, "%s%u:%u", i ? "," : " ", set->ranges[i].first, set->ranges[i].last);
}

static void print_flags(struct buf *out, const struct command_flags *f)
{
    buf_addf(out, " flags=%x", f->flags);
    for (unsigned i = 0; i < f->n; i++)
        buf_addf(out, ",%.*s", STR_ARGS(f->keywords[i]));
}

static void print_item(struct buf *out, const struct fetch_item *item)
{
    const struct section *s = &item->section;

    buf_addf(out, " %s%x", item->peek ? "peek" : "text", item->what);
    if (item->what == FETCH_SECTION)
        buf_addf(out, "[%d", s->text);
    for (unsigned i = 0; i < s->nnumbers; i++)
        buf_addf(out, ".%u", s->numbers[i]);
    for (unsigned i = 0; i < s->nfields; i++)
        buf_addf(out, " %.*s", STR_ARGS(s->fields[i]));
    if (item->what == FETCH_SECTION)
        buf_add_byte(out, ']');
    if (item->partial)
        buf_addf(out, "<%llu.%llu>", (unsigned long long)item->from,
                 (unsigned long long)item->octets);
}

static void print_list(struct buf *out, const struct command *c)
{
    for (unsigned i = 0; i < c->list.n; i++)
        buf_addf(out, " %.*s", STR_ARGS(c->list.patterns[i]));
    buf_addf(out, " select=%u returns=%u status=%u%s%s", c->list.select, c->list.returns,
             c->list.status, c->list.extended ? " extended" : "",
             c->list.empty ? " empty" : "");
}

static void print_arguments(struct buf *out, const struct command *c)
{
    if (c->mailbox.n)
        buf_addf(out, " %.*s", STR_ARGS(c->mailbox));
    if (c->mailbox_to.n)
        buf_addf(out, " %.*s", STR_ARGS(c->mailbox_to));
    if (c->verb == VERB_LOGIN)
        buf_addf(out, " %.*s/%.*s", STR_ARGS(c->login.user), STR_ARGS(c->login.password));
    if (c->verb == VERB_AUTHENTICATE)
        buf_addf(out, " %.*s%s%.*s", STR_ARGS(c->authenticate.mechanism),
                 c->authenticate.has_initial ? " " : "", STR_ARGS(c->authenticate.initial));
    if (c->verb == VERB_ENABLE)
        buf_addf(out, " condstore=%d unknown=%u", c->enable.condstore, c->enable.unknown);
    if (c->verb == VERB_ID)
        for (unsigned i = 0; i < c->id.n; i++)
            buf_addf(out, " %.*s=%.*s", STR_ARGS(c->id.names[i]), STR_ARGS(c->id.values[i]));
    if ((c->verb == VERB_SELECT || c->verb == VERB_EXAMINE) && c->select.condstore)
        buf_addf(out, " condstore");
    if (c->verb == VERB_CREATE && c->create.has_use)
        buf_addf(out, " use=%d", c->create.use);
    if (c->verb == VERB_STATUS)
        buf_addf(out, " items=%u", c->status.items);
    if (c->verb == VERB_LIST || c->verb == VERB_LSUB)
        print_list(out, c);
    if (c->verb == VERB_GETQUOTA || c->verb == VERB_SETQUOTA)
        buf_addf(out, " root=%.*s", STR_ARGS(c->quota.root));
}

static void print_command(struct buf *out, const struct command *c)
{
    buf_clear(out);
    buf_addf(out, "%.*s %d%s", STR_ARGS(c->tag), c->verb, c->uid ? " uid" : "");
    print_set(out, &c->set);
    print_arguments(out, c);
    if (c->verb == VERB_FETCH) {
        buf_addf(out, " what=%x", c->fetch.what);
        for (unsigned i = 0; i < c->fetch.n; i++)
            print_item(out, &c->fetch.items[i]);
        if (c->fetch.has_since)
            buf_addf(out, " since=%llu", (unsigned long long)c->fetch.since);
    }
    if (c->verb == VERB_STORE) {
        buf_addf(out, " how=%d%s", c->store.how, c->store.silent ? " silent" : "");
        print_flags(out, &c->store.flags);
        if (c->store.has_unchangedsince)
            buf_addf(out, " unchanged=%llu", (unsigned long long)c->store.unchangedsince);
    }
    if (c->verb == VERB_APPEND) {
        print_flags(out, &c->append.flags);
        if (c->append.has_date)
            buf_addf(out, " date=%lld", (long long)c->append.internaldate);
        buf_addf(out, " octets=%llu", (unsigned long long)c->append.octets);
    }
}

struct row {
    enum verb verb;
    struct str in;
    const char *want; /* behind tag and verb; NULL: BAD */
};

static void check(const struct row *rows, size_t n)
{
    struct buf out, want;
    struct arena a;

    buf_init(&out, PRINT_BYTES);
    buf_init(&want, PRINT_BYTES);
    for (size_t i = 0; i < n; i++) {
        bool append = rows[i].verb == VERB_APPEND;
        const char *why = NULL;
        struct command c;

        arena_init(&a);
        bool good = append ? parse_append(rows[i].in, &a, &c, &why)
                           : parse_command(rows[i].in, &a, &c, &why);
        if (good != (rows[i].want != NULL))
            fail_msg("%.*s: %s", STR_ARGS(rows[i].in), good ? "taken" : why);
        assert_int_equal(c.verb, rows[i].verb);
        if (good) {
            print_command(&out, &c);
            buf_clear(&want);
            buf_addf(&want, "a %d%s", rows[i].verb, rows[i].want);
            assert_string_equal(buf_c(&out), buf_c(&want));
        } else {
            assert_non_null(why);
        }
        arena_done(&a);
    }
    buf_done(&out);
    buf_done(&want);
}

/* RFC 3501 6.1, 6.2, RFC 2971, 4959, 5161 */
static void before_login(void **state)
{
    static const struct row rows[] = {
        {VERB_CAPABILITY,   STR_LIT("a capability"),                                ""                      },
        {VERB_NOOP,         STR_LIT("a NOOP"),                                      ""                      },
        {VERB_NOOP,         STR_LIT("a NOOP "),                                     NULL                    },
        {VERB_LOGOUT,       STR_LIT("a LOGOUT x"),                                  NULL                    },
        {VERB_STARTTLS,     STR_LIT("a STARTTLS"),                                  ""                      },
        {VERB_LOGIN,        STR_LIT("a LOGIN SMITH SESAME"),                        " SMITH/SESAME"         },
        {VERB_LOGIN,        STR_LIT("a login \"a b\" \"\\\"\\\\\""),                " a b/\"\\"             },
        {VERB_LOGIN,        STR_LIT("a LOGIN {11}\r\nFRED FOOBAR {7+}\r\nfat man"),
         " FRED FOOBAR/fat man"                                                                             },
        {VERB_LOGIN,        STR_LIT("a LOGIN u {2}\r\n\xc3\xa4"),                   " u/\xc3\xa4"           },
        {VERB_LOGIN,        STR_LIT("a LOGIN u \"\xc3\xa4\""),                      NULL                    },
        {VERB_LOGIN,        STR_LIT("a LOGIN u"),                                   NULL                    },
        {VERB_LOGIN,        STR_LIT("a LOGIN u p x"),                               NULL                    },
        {VERB_LOGIN,        STR_LIT("a LOGIN  u p"),                                NULL                    },
        {VERB_LOGIN,        STR_LIT("a LOGIN {3}\r\na\0b p"),                       NULL                    }, /* I04 */
        {VERB_LOGIN,        STR_LIT("a LOGIN {-1}"),                                NULL                    }, /* I03 */
        {VERB_LOGIN,        STR_LIT("a LOGIN {5"),                                  NULL                    },
        {VERB_AUTHENTICATE, STR_LIT("a AUTHENTICATE PLAIN"),                        " PLAIN"                },
        {VERB_AUTHENTICATE, STR_LIT("a AUTHENTICATE PLAIN dGVzdA=="),               " PLAIN dGVzdA=="       },
        {VERB_AUTHENTICATE, STR_LIT("a AUTHENTICATE PLAIN ="),                      " PLAIN ="              },
        {VERB_AUTHENTICATE, STR_LIT("a AUTHENTICATE PLAIN "),                       NULL                    },
        {VERB_AUTHENTICATE, STR_LIT("a AUTHENTICATE"),                              NULL                    },
        {VERB_ID,           STR_LIT("a ID NIL"),                                    ""                      },
        {VERB_ID,           STR_LIT("a ID ()"),                                     ""                      },
        {VERB_ID,           STR_LIT("a ID (\"name\" \"sodr\" \"os\" NIL)"),         " name=sodr os="        },
        {VERB_ID,           STR_LIT("a ID (\"name\")"),                             NULL                    },
        {VERB_ID,           STR_LIT("a ID"),                                        NULL                    },
        {VERB_ENABLE,       STR_LIT("a ENABLE CONDSTORE X-GOOD"),                   " condstore=1 unknown=1"},
        {VERB_ENABLE,       STR_LIT("a ENABLE"),                                    NULL                    },
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void i09_tags(void **state)
{
    static const struct row rows[] = {
        {VERB_NONE, STR_LIT(""),                        NULL},
        {VERB_NONE, STR_LIT(" NOOP"),                   NULL},
        {VERB_NONE, STR_LIT("* NOOP"),                  NULL},
        {VERB_NONE, STR_LIT("+x NOOP"),                 NULL},
        {VERB_NONE, STR_LIT("a"),                       NULL},
        {VERB_NONE, STR_LIT("a "),                      NULL},
        {VERB_NONE, STR_LIT("a FOO"),                   NULL},
        {VERB_NONE, STR_LIT("a UID"),                   NULL},
        {VERB_NONE, STR_LIT("a UID NOOP"),              NULL},
        {VERB_NONE, STR_LIT("a UID UID FETCH 1 FLAGS"), NULL},
        {VERB_NONE, STR_LIT("\xff NOOP"),               NULL},
    };
    char tag[10 * 1024];
    struct command c;
    struct arena a;
    const char *why;

    (void)state;
    check(rows, COUNT(rows));
    memset(tag, 'a', sizeof(tag));
    memcpy(tag + sizeof(tag) - 5, " NOOP", 5);
    arena_init(&a);
    assert_false(parse_command((struct str){tag, sizeof(tag)}, &a, &c, &why));
    assert_int_equal(c.tag.n, 0);
    arena_done(&a);
}

/* RFC 3501 6.3, RFC 2087, 6154, 7162, 8438 */
static void mailboxes(void **state)
{
    static const struct row rows[] = {
        {VERB_SELECT,       STR_LIT("a SELECT inbox"),                                 " INBOX"               },
        {VERB_SELECT,       STR_LIT("a SELECT x (condstore)"),                         " x condstore"         },
        {VERB_SELECT,       STR_LIT("a SELECT x (QRESYNC (1 2))"),                     NULL                   },
        {VERB_SELECT,       STR_LIT("a SELECT x ()"),                                  NULL                   },
        {VERB_SELECT,       STR_LIT("a SELECT &"),                                     NULL                   }, /* I16 */
        {VERB_SELECT,       STR_LIT("a SELECT \"x"),                                   NULL                   },
        {VERB_EXAMINE,      STR_LIT("a EXAMINE blurdybloop"),                          " blurdybloop"         },
        {VERB_CREATE,       STR_LIT("a CREATE owatagusiam/"),                          " owatagusiam"         },
        {VERB_CREATE,       STR_LIT("a CREATE MySpecial (USE (\\Drafts))"),            " MySpecial use=2"     },
        {VERB_CREATE,       STR_LIT("a CREATE x (USE (\\Sent \\Drafts))"),             " x use=0"             },
        {VERB_CREATE,       STR_LIT("a CREATE x (USE (\\All))"),                       " x use=0"             },
        {VERB_CREATE,       STR_LIT("a CREATE x (USE ())"),                            " x"                   },
        {VERB_CREATE,       STR_LIT("a CREATE x (FOO bar)"),                           NULL                   },
        {VERB_CREATE,       STR_LIT("a CREATE ../../x"),                               " ../../x"             }, /* I15: the store says no */
        {VERB_CREATE,       STR_LIT("a CREATE x*"),                                    NULL                   }, /* I17 */
        {VERB_CREATE,       STR_LIT("a CREATE \"x*\""),                                " x*"                  },
        {VERB_CREATE,       STR_LIT("a CREATE {4}\r\na\r\nb"),                         NULL                   },
        {VERB_DELETE,       STR_LIT("a DELETE blurdybloop"),                           " blurdybloop"         },
        {VERB_RENAME,       STR_LIT("a RENAME INBOX old-mail"),                        " INBOX old-mail"      },
        {VERB_RENAME,       STR_LIT("a RENAME x"),                                     NULL                   },
        {VERB_SUBSCRIBE,    STR_LIT("a SUBSCRIBE #news.comp.mail.mime"),               " #news.comp.mail.mime"},
        {VERB_UNSUBSCRIBE,  STR_LIT("a UNSUBSCRIBE x"),                                " x"                   },
        {VERB_STATUS,       STR_LIT("a STATUS x (UIDNEXT MESSAGES)"),                  " x items=5"           },
        {VERB_STATUS,
         STR_LIT("a STATUS x (size HIGHESTMODSEQ unseen UIDVALIDITY RECENT DELETED)"),
         " x items=250"                                                                                       },
        {VERB_STATUS,       STR_LIT("a STATUS x ()"),                                  NULL                   },
        {VERB_STATUS,       STR_LIT("a STATUS x (FOO)"),                               NULL                   },
        {VERB_STATUS,       STR_LIT("a STATUS x MESSAGES"),                            NULL                   },
        {VERB_GETQUOTA,     STR_LIT("a GETQUOTA \"\""),                                " root="               },
        {VERB_GETQUOTAROOT, STR_LIT("a GETQUOTAROOT INBOX"),                           " INBOX"               },
        {VERB_SETQUOTA,     STR_LIT("a SETQUOTA \"\" (STORAGE 512)"),                  " root="               },
        {VERB_SETQUOTA,     STR_LIT("a SETQUOTA \"\" ()"),                             " root="               },
        {VERB_SETQUOTA,     STR_LIT("a SETQUOTA \"\" (STORAGE)"),                      NULL                   },
        {VERB_NAMESPACE,    STR_LIT("a NAMESPACE"),                                    ""                     },
        {VERB_IDLE,         STR_LIT("a IDLE"),                                         ""                     },
    };

    (void)state;
    check(rows, COUNT(rows));
}

/* RFC 3501 6.3.8, 6.3.9, RFC 5258, 5819, 6154 */
static void lists(void **state)
{
    static const struct row rows[] = {
        {VERB_LIST, STR_LIT("a LIST \"\" \"\""),                                                "  select=0 returns=0 status=0 empty"  },
        {VERB_LIST, STR_LIT("a LIST #news.comp.mail.misc \"\""),
         " #news.comp.mail.misc select=0 returns=0 status=0 empty"                                                                     },
        {VERB_LIST, STR_LIT("a LIST \"~/Mail/\" %"),                                            " ~/Mail/% select=0 returns=0 status=0"},
        {VERB_LIST, STR_LIT("a LIST \"\" Entw&APw-*"),
         " Entw\xc3\xbc* select=0 returns=0 status=0"                                                                                  },
        {VERB_LIST, STR_LIT("a LIST (SUBSCRIBED) \"\" \"*\""),
         " * select=1 returns=0 status=0 extended"                                                                                     },
        {VERB_LIST, STR_LIT("a LIST () \"\" \"%\" RETURN (CHILDREN)"),
         " % select=0 returns=2 status=0 extended"                                                                                     },
        {VERB_LIST, STR_LIT("a LIST (REMOTE RECURSIVEMATCH SUBSCRIBED) \"\" %"),
         " % select=7 returns=0 status=0 extended"                                                                                     },
        {VERB_LIST, STR_LIT("a LIST (SPECIAL-USE) \"\" \"*\" RETURN (SPECIAL-USE SUBSCRIBED)"),
         " * select=8 returns=5 status=0 extended"                                                                                     },
        {VERB_LIST, STR_LIT("a LIST \"x/\" (\"INBOX\" Drafts \"Sent/%\")"),
         " x/INBOX x/Drafts x/Sent/% select=0 returns=0 status=0 extended"                                                             },
        {VERB_LIST, STR_LIT("a LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))"),
         " % select=0 returns=8 status=17 extended"                                                                                    },
        {VERB_LIST, STR_LIT("a LIST \"\" % RETURN ()"),
         " % select=0 returns=0 status=0 extended"                                                                                     },
        {VERB_LIST, STR_LIT("a LIST (RECURSIVEMATCH) \"\" %"),                                  NULL                                   },
        {VERB_LIST, STR_LIT("a LIST (RECURSIVEMATCH REMOTE) \"\" %"),                           NULL                                   },
        {VERB_LIST, STR_LIT("a LIST (FOO) \"\" %"),                                             NULL                                   },
        {VERB_LIST, STR_LIT("a LIST \"\" % RETURN (FOO)"),                                      NULL                                   },
        {VERB_LIST, STR_LIT("a LIST \"\" % RETURN (STATUS ())"),                                NULL                                   },
        {VERB_LIST, STR_LIT("a LIST \"\" ()"),                                                  NULL                                   },
        {VERB_LIST, STR_LIT("a LIST \"\" % FOO"),                                               NULL                                   },
        {VERB_LIST, STR_LIT("a LIST \"\""),                                                     NULL                                   },
        {VERB_LIST, STR_LIT("a LIST \"\" &AC8-%"),                                              NULL                                   }, /* I16 */
        {VERB_LSUB, STR_LIT("a LSUB \"#news.\" \"comp.mail.*\""),
         " #news.comp.mail.* select=0 returns=0 status=0"                                                                              },
        {VERB_LSUB, STR_LIT("a LSUB \"\" (a b)"),                                               NULL                                   },
    };

    (void)state;
    check(rows, COUNT(rows));
}

/* RFC 3501 6.4.5, RFC 7162 3.1.4 */
static void fetches(void **state)
{
    static const struct row rows[] = {
        {VERB_FETCH, STR_LIT("a FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])"),
         " 2:4 what=2 text100[2 DATE FROM]"                                                                  },
        {VERB_FETCH, STR_LIT("a FETCH 1 ALL"),                                       " 1:1 what=1e"          },
        {VERB_FETCH, STR_LIT("a FETCH 1 fast"),                                      " 1:1 what=e"           },
        {VERB_FETCH, STR_LIT("a FETCH 1 FULL"),                                      " 1:1 what=3e"          },
        {VERB_FETCH, STR_LIT("a FETCH 1 BODY"),                                      " 1:1 what=20"          },
        {VERB_FETCH, STR_LIT("a FETCH 1 BODYSTRUCTURE"),                             " 1:1 what=40"          },
        {VERB_FETCH, STR_LIT("a FETCH 1 (UID MODSEQ RFC822.SIZE)"),                  " 1:1 what=89"          },
        {VERB_FETCH, STR_LIT("a FETCH 1 body[]"),                                    " 1:1 what=0 text100[0]"},
        {VERB_FETCH, STR_LIT("a FETCH 1 BODY.PEEK[1.2.MIME]<0.2048>"),
         " 1:1 what=0 peek100[5.1.2]<0.2048>"                                                                },
        {VERB_FETCH, STR_LIT("a FETCH 1 BODY[]<4294967295.4294967295>"),
         " 1:1 what=0 text100[0]<4294967295.4294967295>"                                                     }, /* I11 */
        {VERB_FETCH, STR_LIT("a FETCH 1 RFC822"),                                    " 1:1 what=0 text200"   },
        {VERB_FETCH, STR_LIT("a FETCH 1 (RFC822.HEADER RFC822.TEXT)"),
         " 1:1 what=0 peek400 text800"                                                                       },
        {VERB_FETCH, STR_LIT("a UID FETCH 4827313:4828442 FLAGS"),
         " uid 4827313:4828442 what=3"                                                                       },
        {VERB_FETCH, STR_LIT("a FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)"),
         " 1:0 what=82 since=12345"                                                                          },
        {VERB_FETCH, STR_LIT("a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775807)"),
         " 1:1 what=82 since=9223372036854775807"                                                            },
        {VERB_FETCH, STR_LIT("a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)"),
         NULL                                                                                                }, /* I26 */
        {VERB_FETCH, STR_LIT("a FETCH 1 FLAGS (CHANGEDSINCE 18446744073709551615)"), NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 FLAGS (FOO 1)"),                             NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 ()"),                                        NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 (FLAGS"),                                    NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 (ALL)"),                                     NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 BODY.PEEK"),                                 NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 BODYSTRUCTURE[]"),                           NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 BODY[0]"),                                   NULL                    }, /* I11 */
        {VERB_FETCH, STR_LIT("a FETCH 1 BODY[]<0.0>"),                               NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 BODY[]<0>"),                                 NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 1 FOO"),                                       NULL                    },
        {VERB_FETCH, STR_LIT("a FETCH 0 FLAGS"),                                     NULL                    }, /* I10 */
        {VERB_FETCH, STR_LIT("a FETCH FLAGS"),                                       NULL                    },
    };

    (void)state;
    check(rows, COUNT(rows));
}

/* RFC 3501 6.4, RFC 4315, 6851, 7162 3.1.3 */
static void letters(void **state)
{
    static const struct row rows[] = {
        {VERB_STORE,    STR_LIT("a STORE 2:4 +FLAGS (\\Deleted)"),                          " 2:4 how=1 flags=80000"},
        {VERB_STORE,    STR_LIT("a STORE 1 -flags.silent \\Seen $x"),
         " 1:1 how=2 silent flags=40000,$x"                                                                         },
        {VERB_STORE,    STR_LIT("a UID STORE 1 FLAGS ()"),                                  " uid 1:1 how=0 flags=0"},
        {VERB_STORE,    STR_LIT("a STORE 1 (UNCHANGEDSINCE 0) FLAGS ()"),
         " 1:1 how=0 flags=0 unchanged=0"                                                                           },
        {VERB_STORE,    STR_LIT("a STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS ()"), NULL                    },
        {VERB_STORE,    STR_LIT("a STORE 1 FLAGS (\\Recent)"),                              NULL                    }, /* I21 */
        {VERB_STORE,    STR_LIT("a STORE 1 FLAGS (a]b)"),                                   NULL                    },
        {VERB_STORE,    STR_LIT("a STORE 1 FLAGS"),                                         NULL                    },
        {VERB_STORE,    STR_LIT("a STORE 1 *FLAGS ()"),                                     NULL                    },
        {VERB_COPY,     STR_LIT("a COPY 2:4 MEETING"),                                      " 2:4 MEETING"          },
        {VERB_MOVE,     STR_LIT("a UID MOVE 42:69 foo"),                                    " uid 42:69 foo"        },
        {VERB_MOVE,     STR_LIT("a MOVE foo"),                                              NULL                    },
        {VERB_EXPUNGE,  STR_LIT("a EXPUNGE"),                                               ""                      },
        {VERB_EXPUNGE,  STR_LIT("a EXPUNGE 1"),                                             NULL                    },
        {VERB_EXPUNGE,  STR_LIT("a UID EXPUNGE 3000:3002"),                                 " uid 3000:3002"        },
        {VERB_EXPUNGE,  STR_LIT("a UID EXPUNGE"),                                           NULL                    },
        {VERB_CHECK,    STR_LIT("a CHECK"),                                                 ""                      },
        {VERB_CLOSE,    STR_LIT("a CLOSE"),                                                 ""                      },
        {VERB_UNSELECT, STR_LIT("a UNSELECT"),                                              ""                      },
    };

    (void)state;
    check(rows, COUNT(rows));
}

/* RFC 3501 6.3.11 */
static void appends(void **state)
{
    static const struct row rows[] = {
        {VERB_APPEND, STR_LIT("a APPEND saved-messages (\\Seen) {310}"),
         " saved-messages flags=40000 octets=310"                                                                },
        {VERB_APPEND, STR_LIT("a APPEND x {0+}"),                                           " x flags=0 octets=0"},
        {VERB_APPEND, STR_LIT("a APPEND {3}\r\nx y () \" 1-Jan-1970 00:00:01 +0000\" {5}"),
         " x y flags=0 date=1 octets=5"                                                                          },
        {VERB_APPEND, STR_LIT("a APPEND x {18446744073709551615}"),
         " x flags=0 octets=18446744073709551615"                                                                },
        {VERB_APPEND, STR_LIT("a APPEND x {18446744073709551616}"),                         NULL                 }, /* I02 */
        {VERB_APPEND, STR_LIT("a APPEND x ~{5}"),                                           NULL                 }, /* literal8 */
        {VERB_APPEND, STR_LIT("a APPEND x (\\Recent) {5}"),                                 NULL                 }, /* I21 */
        {VERB_APPEND, STR_LIT("a APPEND x \"yesterday\" {5}"),                              NULL                 },
        {VERB_APPEND, STR_LIT("a APPEND x"),                                                NULL                 },
        {VERB_APPEND, STR_LIT("a APPEND {5}"),                                              NULL                 },
        {VERB_APPEND, STR_LIT("a APPEND x text"),                                           NULL                 },
    };
    struct command c;
    struct arena a;
    const char *why;

    (void)state;
    check(rows, COUNT(rows));
    arena_init(&a);
    assert_false(parse_command(STR("a APPEND x {5}"), &a, &c, &why));
    assert_false(parse_append(STR("a LOGIN {5}"), &a, &c, &why));
    arena_done(&a);
}

static void repeat(struct buf *out, const char *head, const char *word, unsigned n,
                   const char *tail)
{
    buf_clear(out);
    buf_addf(out, "%s", head);
    for (unsigned i = 0; i < n; i++)
        buf_addf(out, "%s%s", i ? " " : "", word);
    buf_addf(out, "%s", tail);
}

/* What may be said so often and no more: I25, and others that fill memory. */
static void i25_limits(void **state)
{
    static const struct {
        const char *head, *word, *tail;
        unsigned most;
    } rows[] = {
        {"a ID (",                         "\"a\" \"b\"", ")",  COMMAND_ID_FIELDS    },
        {"a ENABLE ",                      "X",           "",   100                  },
        {"a FETCH 1 (",                    "BODY[]",      ")",  COMMAND_FETCH_ITEMS  },
        {"a FETCH 1 BODY[HEADER.FIELDS (", "x",           ")]", COMMAND_HEADER_FIELDS},
        {"a STORE 1 FLAGS (",              "k",           ")",  COMMAND_KEYWORDS     },
        {"a LIST \"\" (",                  "x",           ")",  COMMAND_PATTERNS     },
    };
    struct buf in;

    (void)state;
    buf_init(&in, PRINT_BYTES);
    for (size_t i = 0; i < COUNT(rows); i++)
        for (unsigned more = 0; more < 2; more++) {
            struct command c;
            struct arena a;
            const char *why;

            arena_init(&a);
            repeat(&in, rows[i].head, rows[i].word, rows[i].most + more, rows[i].tail);
            assert_int_equal(parse_command(buf_str(&in), &a, &c, &why), !more);
            arena_done(&a);
        }
    buf_done(&in);
}

static void i25_long_id(void **state)
{
    char text[2048];
    struct command c;
    struct arena a;
    const char *why;

    (void)state;
    for (size_t n = 1024; n <= 1025; n++) {
        struct buf in;

        buf_init(&in, PRINT_BYTES);
        memset(text, 'x', sizeof(text));
        buf_addf(&in, "a ID (\"name\" \"%.*s\")", (int)n, text);
        arena_init(&a);
        assert_int_equal(parse_command(buf_str(&in), &a, &c, &why), n == 1024);
        arena_done(&a);
        buf_done(&in);
    }
}

static void begins(void **state)
{
    struct command c;

    (void)state;
    parse_begin(STR("a UID fetch {5}"), &c);
    assert_int_equal(c.verb, VERB_FETCH);
    assert_true(c.uid && str_eq(c.tag, STR("a")));
    parse_begin(STR("a FOO"), &c);
    assert_int_equal(c.verb, VERB_NONE);
    assert_true(str_eq(c.tag, STR("a")));
    parse_begin(STR("\0"), &c);
    assert_int_equal(c.tag.n, 0);
    assert_int_equal(parse_states(VERB_LOGIN), STATE_STRANGER);
    assert_int_equal(parse_states(VERB_LIST), STATE_USER | STATE_SELECTED);
    assert_int_equal(parse_states(VERB_FETCH), STATE_SELECTED);
    assert_int_equal(parse_states(VERB_NONE), 0);
    assert_int_equal(parse_states(VERB_SYNC), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_login), cmocka_unit_test(i09_tags),
        cmocka_unit_test(mailboxes),    cmocka_unit_test(lists),
        cmocka_unit_test(fetches),      cmocka_unit_test(letters),
        cmocka_unit_test(appends),      cmocka_unit_test(i25_limits),
        cmocka_unit_test(i25_long_id),  cmocka_unit_test(begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
