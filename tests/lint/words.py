"""words.py - what must not stand in the tree: marks of unfinished work, secrets, paths of one machine."""
import os
import pathlib
import re
import subprocess
import sys

RULES = [
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\w)"), "unfinished work is not committed"),
    (re.compile(r"BEGIN (RSA |EC )?PRIVATE KEY"), "keys are made when tests run"),
    (re.compile(r"/(home|root|work)/\w"), "a path of one machine"),
]


def main():
    os.chdir(pathlib.Path(__file__).resolve().parents[2])
    files = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")
    faults = []
    for f in filter(None, files):
        if f == "tests/lint/words.py" or "/corpus/" in f or not os.path.isfile(f):
            continue
        for n, line in enumerate(open(f, encoding="utf-8", errors="replace"), 1):
            faults += [f"{f}:{n}: {why}: {line.strip()[:80]}" for rule, why in RULES if rule.search(line)]
    print("\n".join(faults) or f"{len(files)} files are clean")
    return 1 if faults else 0


sys.exit(main())
