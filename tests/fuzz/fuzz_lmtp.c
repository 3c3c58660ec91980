#define FUZZ_KIND(first) SMTP_LMTP
#include "tests/fuzz/smtp_play.h"
