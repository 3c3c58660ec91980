"""size.py - a file of over 700 lines or a function of over 80 wants a better idea."""
import os
import pathlib
import re
import subprocess
import sys

FILE_LINES, FUNCTION_LINES, COLUMNS = 700, 80, 120


def functions(lines):
    """(name, first line, length) of each function: a body opens with '{' in column 0 and ends with '}' there."""
    start = name = None
    for n, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = n
            m = re.search(r"(\w+)\s*\([^;]*$", "".join(lines[max(0, n - 6):n - 1]).rsplit("\n\n", 1)[-1])
            name = m.group(1) if m else "?"
        elif line.startswith("}") and start:
            yield name, start, n - start + 1
            start = None


def main():
    os.chdir(pathlib.Path(__file__).resolve().parents[2])
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True).stdout.split()
    faults = []
    for f in files:
        if not os.path.exists(f):
            continue
        lines = open(f, encoding="utf-8").read().splitlines(keepends=True)
        if len(lines) > FILE_LINES and not f.startswith("tests/"):
            faults.append(f"{f}: {len(lines)} lines")
        for n, line in enumerate(lines, 1):
            if len(line.rstrip("\n")) > COLUMNS and not f.startswith("tests/"):
                faults.append(f"{f}:{n}: {len(line)} columns")
        if not f.startswith("tests/"):
            faults += [f"{f}:{n}: {name}() has {size} lines" for name, n, size in functions(lines) if size > FUNCTION_LINES]
    print("\n".join(faults) or f"{len(files)} files are of a readable size")
    return 1 if faults else 0


sys.exit(main())
