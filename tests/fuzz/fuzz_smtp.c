#define FUZZ_KIND(first) ((first) % 3)
#include "tests/fuzz/smtp_play.h"
