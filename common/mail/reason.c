#include "mail/reason.h"

#include "base/ascii.h"

enum { ANY = -1, LOOKED_AT_BYTES = 1000 };

enum which {
    UNKNOWN_USER,
    NO_DOMAIN,
    NO_MAIL,
    NO_ADDRESS,
    MOVED,
    SENDER,
    DISABLED,
    FULL,
    TOO_LARGE,
    DISK,
    BUSY,
    SILENT,
    BROKEN,
    DNS,
    NO_ROUTE,
    LOOP,
    TOO_LATE,
    RECIPIENTS,
    CONTENT,
    NO_TLS,
    BAD_TLS,
    RELAYING,
    LOGIN,
    SPAM,
    RULES,
    GREYLISTED,
    REFUSED,
    NOT_NOW
};

static const struct reason reasons[] = {
    [UNKNOWN_USER] = {STR_LIT("There is no mailbox of that name."),
                      STR_LIT("Check the address for typing errors. If it is right, ask that "
                              "person in another way for the address of today.")             },
    [NO_DOMAIN] = {STR_LIT("There is no such mail domain."),
                      STR_LIT("Check what stands behind the @ for typing errors.")           },
    [NO_MAIL] = {STR_LIT("That domain takes no mail at all."),
                      STR_LIT("Check what stands behind the @, or reach that person in another "
                         "way.")                                                             },
    [NO_ADDRESS] = {STR_LIT("That is not an address as the other side understands it."),
                      STR_LIT("Check the address for typing errors.")                        },
    [MOVED] = {STR_LIT("The recipient has moved and has no mailbox there any more."),
                      STR_LIT("Ask that person in another way for the new address.")         },
    [SENDER] = {STR_LIT("The other side does not accept your own address as sender."),
                      STR_LIT("Check the sender's address in your mail program; if it is right, ask "
                        "your postmaster.")                                                  },
    [DISABLED] = {STR_LIT("The mailbox is there, but it is disabled or takes no mail."),
                      STR_LIT("Reach that person in another way.")                           },
    [FULL] = {STR_LIT("The mailbox is full."),
                      STR_LIT("Send the message again in some days, or tell that person in another "
                      "way.")                                                                },
    [TOO_LARGE] = {STR_LIT("The message is too large for the other side."),
                      STR_LIT("Send it in smaller parts, or put large files where they can be "
                           "fetched and send where that is.")                                },
    [DISK] = {STR_LIT("The other side has no room for mail at the moment."),
                      STR_LIT("Send the message again later.")                               },
    [BUSY] = {STR_LIT("The other side is not able to take mail at the moment."),
                      STR_LIT("Send the message again later; if that does not help, tell that person "
                      "in another way.")                                                     },
    [SILENT] = {STR_LIT("The mail server of that domain does not answer."),
                      STR_LIT("Check what stands behind the @. If it is right, their server is out "
                        "of order: send the message again later.")                           },
    [BROKEN] = {STR_LIT("The connection to the mail server of that domain broke, or it was too "
                        "slow."),
                      STR_LIT("Send the message again later; if that does not help, tell that person "
                        "in another way.")                                                   },
    [DNS] = {STR_LIT("The name service (DNS) gives no answer about that domain."),
                      STR_LIT("Check what stands behind the @. If it is right, send the message again "
                     "later.")                                                               },
    [NO_ROUTE] = {STR_LIT("That domain has no mail server that could be found."),
                      STR_LIT("Check what stands behind the @ for typing errors.")           },
    [LOOP] = {STR_LIT("The message went round in a circle and was stopped."),
                      STR_LIT("Only a postmaster can mend this: send yours this report.")    },
    [TOO_LATE] = {STR_LIT("The time for delivering it was over."),
                      STR_LIT("Send the message again later, if it is still wanted.")        },
    [RECIPIENTS] = {STR_LIT("The message had too many recipients for the other side."),
                      STR_LIT("Send it again to fewer at once.")                             },
    [CONTENT] = {STR_LIT("The message has something in it that the other side cannot take."),
                      STR_LIT("Send it as plain text, or without its attachments.")          },
    [NO_TLS] = {STR_LIT("An encrypted connection (TLS) is demanded for this, and it was not to "
                        "be had."),
                      STR_LIT("Only a postmaster can mend this: send yours this report.")    },
    [BAD_TLS] = {STR_LIT("The encrypted connection (TLS) to the other side failed."),
                      STR_LIT("Only a postmaster can mend this: send yours this report.")    },
    [RELAYING] = {STR_LIT("The other side does not handle mail for that address."),
                      STR_LIT("Check the address. If it is right, tell that person: their mail is "
                          "led to the wrong server.")                                        },
    [LOGIN] = {STR_LIT("The other side asks for a login that it did not get."),
                      STR_LIT("Only a postmaster can mend this: send yours this report.")    },
    [SPAM] = {STR_LIT("The other side refused it as suspected spam, or does not trust the "
                      "server that sent it."),
                      STR_LIT("Write it in other words or without links and attachments, or reach that "
                      "person in another way; and send this report to your postmaster.")     },
    [RULES] = {STR_LIT("The rules of the other side forbid it."),
                      STR_LIT("What the other side said may tell why; ask that person in another "
                       "way.")                                                               },
    [GREYLISTED] = {STR_LIT("The other side lets senders that it does not know come a second "
                            "time (greylisting)."),
                      STR_LIT("Send the message again, or reach that person in another way.")},
    [REFUSED] = {STR_LIT("The other side refused it."),
                      STR_LIT("What the other side said may tell why. Check the address, or reach "
                         "that person in another way.")                                      },
    [NOT_NOW] = {STR_LIT("It could not be delivered for the time being."),
                      STR_LIT("Send the message again later, if it is still wanted.")        },
};

/* The first row that holds decides. A status stands behind its class: "1.1" of "5.1.1". */
static const struct row {
    int code, subject, detail; /* ANY */
    struct str word;           /* that is in the text, in lower case; "" any */
    enum which which;
} rows[] = {
    {ANY, ANY, ANY, STR_LIT("greylist"),           GREYLISTED  },
    {ANY, ANY, ANY, STR_LIT("graylist"),           GREYLISTED  },
    {ANY, 1,   1,   STR_LIT(""),                   UNKNOWN_USER},
    {ANY, 1,   2,   STR_LIT(""),                   NO_DOMAIN   },
    {ANY, 1,   3,   STR_LIT(""),                   NO_ADDRESS  },
    {ANY, 1,   6,   STR_LIT(""),                   MOVED       },
    {ANY, 1,   7,   STR_LIT(""),                   SENDER      },
    {ANY, 1,   8,   STR_LIT(""),                   SENDER      },
    {ANY, 1,   10,  STR_LIT(""),                   NO_MAIL     },
    {ANY, 2,   1,   STR_LIT(""),                   DISABLED    },
    {ANY, 2,   2,   STR_LIT(""),                   FULL        },
    {ANY, 2,   3,   STR_LIT(""),                   TOO_LARGE   },
    {ANY, 3,   1,   STR_LIT(""),                   DISK        },
    {ANY, 3,   2,   STR_LIT(""),                   BUSY        },
    {ANY, 3,   4,   STR_LIT(""),                   TOO_LARGE   },
    {ANY, 4,   1,   STR_LIT(""),                   SILENT      },
    {ANY, 4,   2,   STR_LIT(""),                   BROKEN      },
    {ANY, 4,   3,   STR_LIT(""),                   DNS         },
    {ANY, 4,   4,   STR_LIT(""),                   NO_ROUTE    },
    {ANY, 4,   6,   STR_LIT(""),                   LOOP        },
    {ANY, 4,   7,   STR_LIT(""),                   TOO_LATE    },
    {ANY, 5,   3,   STR_LIT(""),                   RECIPIENTS  },
    {ANY, 6,   ANY, STR_LIT(""),                   CONTENT     },
    {ANY, 7,   4,   STR_LIT(""),                   NO_TLS      },
    {ANY, 7,   5,   STR_LIT(""),                   BAD_TLS     },
    {ANY, 7,   8,   STR_LIT(""),                   LOGIN       },
    {ANY, 7,   10,  STR_LIT(""),                   NO_TLS      },
    {ANY, 7,   27,  STR_LIT(""),                   SENDER      },
    {ANY, ANY, ANY, STR_LIT("spam"),               SPAM        },
    {ANY, ANY, ANY, STR_LIT("blacklist"),          SPAM        },
    {ANY, ANY, ANY, STR_LIT("blocklist"),          SPAM        },
    {ANY, ANY, ANY, STR_LIT("blocked"),            SPAM        },
    {ANY, ANY, ANY, STR_LIT("reputation"),         SPAM        },
    {ANY, ANY, ANY, STR_LIT("relay"),              RELAYING    },
    {ANY, ANY, ANY, STR_LIT("starttls"),           NO_TLS      },
    {530, ANY, ANY, STR_LIT(""),                   LOGIN       },
    {ANY, ANY, ANY, STR_LIT("authentication req"), LOGIN       },
    {ANY, 7,   ANY, STR_LIT(""),                   RULES       },
    {ANY, ANY, ANY, STR_LIT("quota"),              FULL        },
    {ANY, ANY, ANY, STR_LIT("mailbox full"),       FULL        },
    {ANY, ANY, ANY, STR_LIT("mailbox is full"),    FULL        },
    {ANY, ANY, ANY, STR_LIT("too large"),          TOO_LARGE   },
    {ANY, ANY, ANY, STR_LIT("too big"),            TOO_LARGE   },
    {ANY, ANY, ANY, STR_LIT("unknown user"),       UNKNOWN_USER},
    {ANY, ANY, ANY, STR_LIT("user unknown"),       UNKNOWN_USER},
    {ANY, ANY, ANY, STR_LIT("no such user"),       UNKNOWN_USER},
    {ANY, ANY, ANY, STR_LIT("no such mailbox"),    UNKNOWN_USER},
    {ANY, ANY, ANY, STR_LIT("does not exist"),     UNKNOWN_USER},
    {ANY, ANY, ANY, STR_LIT("doesn't exist"),      UNKNOWN_USER},
    {421, ANY, ANY, STR_LIT(""),                   BUSY        },
    {452, ANY, ANY, STR_LIT(""),                   DISK        },
    {551, ANY, ANY, STR_LIT(""),                   MOVED       },
    {552, ANY, ANY, STR_LIT(""),                   TOO_LARGE   },
    {556, ANY, ANY, STR_LIT(""),                   NO_MAIL     },
    {ANY, 3,   ANY, STR_LIT(""),                   BUSY        },
};

static bool has_word(struct str text, struct str word)
{
    text = str_first(text, LOOKED_AT_BYTES);
    for (size_t i = 0; i + word.n <= text.n; i++)
        if (str_eq_nocase((struct str){text.p + i, word.n}, word))
            return true;
    return false;
}

/* status-code = class "." subject "." detail        RFC 3463 2 */
static bool scan_status(struct str in, uint32_t *subject, uint32_t *detail)
{
    uint32_t class;

    return scan_u32(&in, 9, &class) && scan_byte(&in, '.') && scan_u32(&in, 999, subject) &&
           scan_byte(&in, '.') && scan_u32(&in, 999, detail) && in.n == 0;
}

static bool holds(int want, uint32_t is, bool known)
{
    return want == ANY || (known && (uint32_t)want == is);
}

const struct reason *reason_find(int code, struct str status, struct str text)
{
    uint32_t subject = 0, detail = 0;
    bool known = scan_status(status, &subject, &detail);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];

        if ((r->code == ANY || r->code == code) && holds(r->subject, subject, known) &&
            holds(r->detail, detail, known) && has_word(text, r->word))
            return &reasons[r->which];
    }
    bool for_good = code ? code / 100 == 5 : status.n && status.p[0] == '5';
    return &reasons[for_good ? REFUSED : NOT_NOW];
}
