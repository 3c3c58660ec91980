"""nfc_table.py - writes nfc_table.h from Python's own copy of the Unicode character database: python3 nfc_table.py > nfc_table.h"""
import sys
import unicodedata

HANGUL = range(0xAC00, 0xAC00 + 11172)


def rows(values, form, per_line):
    for i in range(0, len(values), per_line):
        yield "    " + " ".join(form(v) for v in values[i:i + per_line])


decompositions, classes = [], []
for point in range(sys.maxunicode + 1):
    if 0xD800 <= point < 0xE000:
        continue
    text = unicodedata.decomposition(chr(point))
    if text and not text.startswith("<") and point not in HANGUL:
        parts = [int(p, 16) for p in text.split()]
        decompositions.append((point, parts[0], parts[1] if len(parts) == 2 else 0))
    combining = unicodedata.combining(chr(point))
    if combining and classes and classes[-1][1] == point - 1 and classes[-1][2] == combining:
        classes[-1][1] = point
    elif combining:
        classes.append([point, point, combining])
pairs = [(a, b, i) for i, (point, a, b) in enumerate(decompositions)
         if b and unicodedata.normalize("NFC", chr(a) + chr(b)) == chr(point)]

print(f"""/*
 * nfc_table - from the Unicode Character Database {unicodedata.unidata_version} (Unicode License), written by
 * nfc_table.py.
 */
#ifndef POSTA_NFC_TABLE_H
#define POSTA_NFC_TABLE_H

#include <stdint.h>

/* clang-format off */

/* A code point and what it decomposes into, canonically; the second is 0 where there is one. */
static const uint32_t decompositions[][3] = {{""")
print("\n".join(rows(decompositions, lambda d: f"{{{d[0]:#x},{d[1]:#x},{d[2]:#x}}},", 4)))
print("};\n\n/* Those that a pair composes to, by the pair: rows of the table above. */\nstatic const uint16_t compositions[] = {")
print("\n".join(rows([i for _, _, i in sorted(pairs)], lambda i: f"{i},", 20)))
print("};\n\n/* First and last code point of a run, and its canonical combining class. */\nstatic const uint32_t classes[][3] = {")
print("\n".join(rows(classes, lambda c: f"{{{c[0]:#x},{c[1]:#x},{c[2]}}},", 5)))
print("};\n\n/* clang-format on */\n\n#endif")
