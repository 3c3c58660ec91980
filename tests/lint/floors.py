"""floors.py - code stands on floors and includes only from floors below; each foreign header in one folder only."""
import pathlib
import re
import subprocess
import sys

FLOORS = {
    "common/base": 0,
    "common/wire": 1, "common/mail": 1, "common/smtp": 1,
    "common/tls": 2, "common/sasl": 2, "common/db": 2, "common/dns": 2,
    "common/sys": 3, "common/users": 3, "common/spool": 3, "common/store": 3,
    "common/net": 4, "common/intake": 4, "common/access": 4,
    "msa": 5, "mta/receive": 5, "mta/queue": 5, "mta/send": 5, "mda": 5, "imapd": 5, "pop3d": 5, "authd": 5, "ctl": 5,
}
# On one floor, who may see whom.
NEIGHBOURS = {
    "common/mail": {"common/wire"},
    "common/smtp": {"common/wire", "common/mail"},
    "common/users": {"common/sys"},
    "common/spool": {"common/sys"},
    "common/store": {"common/sys", "common/users", "common/spool"},
    "common/intake": {"common/net", "common/access"},
    "common/access": {"common/net"},
    # the hash of passwords is OpenSSL's: both wrap a foreign library, neither knows the other's
    "common/sasl": {"common/tls"},
}
FOREIGN = {
    "uv.h": "common/net", "openssl/": "common/tls", "sasl/": "common/sasl", "sqlite3.h": "common/db",
    "unbound.h": "common/dns", "confuse.h": "common/sys", "crypt.h": "common/sasl",
    "iconv.h": "common/mail", "unicase.h": "common/mail", "uninorm.h": "common/mail", "idn2.h": "common/mail",
}
OURS = {path.split("/")[-1] if path.startswith("common/") else path: path for path in FLOORS}
PURE = {"pop3d/session.c", "imapd/session.c"}
IO_HEADERS = {"fcntl.h", "sys/socket.h", "sys/stat.h", "time.h", "unistd.h", "sys/types.h", "pthread.h", "signal.h"}


def folder_of(path):
    best = [f for f in FLOORS if str(path).startswith(f + "/")]
    return max(best, key=len) if best else None


def target_of(header):
    """The folder that a quoted include names, as seen from the root or from common/."""
    parent = str(pathlib.PurePosixPath(header).parent)
    if parent in FLOORS:
        return parent
    return OURS.get(parent)


def check(path, faults):
    mine = folder_of(path)
    if mine is None:
        return
    pure = FLOORS[mine] <= 1 or str(path) in PURE
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not m:
            continue
        where, header = f"{path}:{number}", m.group(2)
        if m.group(1) == '"':
            theirs = target_of(header)
            if theirs is None:
                faults.append(f'{where}: "{header}" is in no known folder; write the path from the root or from common/')
            elif theirs != mine and FLOORS[theirs] >= FLOORS[mine] and theirs not in NEIGHBOURS.get(mine, ()):
                faults.append(f"{where}: {mine} (floor {FLOORS[mine]}) may not include from {theirs} (floor {FLOORS[theirs]})")
            continue
        for foreign, home in FOREIGN.items():
            if header.startswith(foreign) and mine != home:
                faults.append(f"{where}: <{header}> belongs into {home} alone")
        if pure and header in IO_HEADERS and str(path) not in ("common/base/defer.h", "common/base/banned.h"):
            faults.append(f"{where}: <{header}>: floors 0 and 1 and the sessions do no I/O and read no clock")


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    faults = []
    import os
    os.chdir(root)
    for f in files:
        if not f.startswith("tests/") and os.path.exists(f):
            check(pathlib.PurePosixPath(f), faults)
    print("\n".join(faults) or f"{len(files)} files stand where they should")
    return 1 if faults else 0


sys.exit(main())
