#!/usr/bin/python3
"""idle_sessions.py PROFILE [N] [LETTERS] - what an idle IMAP session over TLS costs: N users (1,000), each with LETTERS letters (100), log in,
SELECT INBOX, fetch flags, envelopes and a few bodies, and then say nothing. Prints the growth of PSS of all of posta's processes, by program.
PROFILE is what posta.sh prints. Needs to be root.
"""
import glob
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

SETTLED_S = 20


def pss_kib(roots):
    """By program, of these processes and all below them."""
    parent = {}
    for d in glob.glob("/proc/[0-9]*/stat"):
        with open(d) as f:
            name, rest = f.read().rsplit(")", 1)
        parent[int(name.split()[0])] = int(rest.split()[1])
    out = {}
    for pid in parent:
        p = pid
        while p in parent and p not in roots:
            p = parent[p]
        if p in roots:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                kib = next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            with open(f"/proc/{pid}/comm") as f:
                comm = f.read().strip()
            out[comm] = out.get(comm, 0) + kib
    return out


def fill(profile, user, letters):
    maildir = profile["MAILDIR_FMT"] % user
    shutil.rmtree(maildir, ignore_errors=True)
    for sub in ("cur", "new", "tmp"):
        os.makedirs(f"{maildir}/{sub}")
    for i in range(letters):
        with open(f"{maildir}/new/{1700000000 + i}.M{i}P{user}.elsewhere", "w") as f:
            f.write(f"From: a@bench.test\nTo: u{user}@bench.test\nSubject: letter {i}\nMessage-ID: <{i}.{user}@bench.test>\n\n" + "text of a letter\n" * 100)
    subprocess.run(["chown", "-R", f"{profile['MAIL_UID']}:{profile['MAIL_GID']}", maildir], check=True)


def session(profile, user):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", int(profile["IMAPS_PORT"]))))
    s.recv(4096)
    for i, line in enumerate((f"LOGIN {profile['USER_FMT'] % user} {profile['PASS']}", "SELECT INBOX", "FETCH 1:* (UID FLAGS ENVELOPE)", "FETCH 90:* BODY.PEEK[]")):
        s.sendall(f"t{i} {line}\r\n".encode())
        data = b""
        while f"t{i} OK".encode() not in data:
            more = s.recv(65536)
            assert more, data[-200:]
            data = data[-200:] + more
    return s


def main():
    profile = dict(line.rstrip("\n").split("=", 1) for line in open(sys.argv[1]) if "=" in line and not line.startswith("#"))
    n, letters = int((sys.argv[2:] + [1000])[0]), int((sys.argv[3:] + [100])[0])
    roots = {int(x) for x in subprocess.run(profile["ROOT_PIDS_CMD"], shell=True, capture_output=True, text=True, check=True).stdout.split()}
    for user in range(n):
        fill(profile, user, letters)
    before = pss_kib(roots)
    sessions = []
    for user in range(n):
        sessions.append(session(profile, user))
    time.sleep(SETTLED_S)
    after = pss_kib(roots)
    for name in sorted(after):
        print(f"{name}: {before.get(name, 0)} KiB before, {after[name]} after")
    grown = sum(after.values()) - sum(before.values())
    print(f"{len(sessions)} sessions: {grown} KiB, {grown / len(sessions):.1f} KiB each; imapd alone {(after['posta-imapd'] - before['posta-imapd']) / len(sessions):.1f} KiB each")


main()
