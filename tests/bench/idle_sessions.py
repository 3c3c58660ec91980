#!/usr/bin/python3
"""idle_sessions.py PROFILE [N] [LETTERS] - what an idle IMAP session over TLS costs: N sessions (1,000) of as many users, or of all there are in turn,
each with LETTERS letters (100), log in, SELECT INBOX, fetch flags, envelopes and a few bodies, and then IDLE. Prints the growth of PSS of all of posta's
processes, by program; the CPU they use while nothing happens; and how long a letter takes from the 250 of port 25 to the session that idles.
PROFILE is what posta.sh prints. Needs to be root, and descriptors for N sessions (ulimit -n).
"""
import glob
import os
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time

SETTLED_S = 20
DELIVERIES = 50
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


def by_program(roots, read):
    """read(pid) summed by program, of these processes and all below them."""
    parent = {}
    for d in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(d) as f:
                name, rest = f.read().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        parent[int(name.split()[0])] = int(rest.split()[1])
    out = {}
    for pid in parent:
        p = pid
        while p in parent and p not in roots:
            p = parent[p]
        if p in roots:
            with open(f"/proc/{pid}/comm") as f:
                comm = f.read().strip()
            out[comm] = out.get(comm, 0) + read(pid)
    return out


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat") as f:
        return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) * 1000 // os.sysconf("SC_CLK_TCK")


def fill(profile, user, letters):
    maildir = profile["MAILDIR_FMT"] % user
    shutil.rmtree(maildir, ignore_errors=True)
    for sub in ("cur", "new", "tmp"):
        os.makedirs(f"{maildir}/{sub}")
    for i in range(letters):
        with open(f"{maildir}/new/{1700000000 + i}.M{i}P{user}.elsewhere", "w") as f:
            f.write(f"From: a@bench.test\nTo: u{user}@bench.test\nSubject: letter {i}\nMessage-ID: <{i}.{user}@bench.test>\n\n" + "text of a letter\n" * 100)
    subprocess.run(["chown", "-R", f"{profile['MAIL_UID']}:{profile['MAIL_GID']}", maildir], check=True)


def say(s, tag, line, end):
    s.sendall(f"{tag} {line}\r\n".encode())
    data = b""
    while end not in data:
        more = s.recv(65536)
        assert more, data[-200:]
        data = data[-200:] + more


def session(profile, user):
    s = CONTEXT.wrap_socket(socket.create_connection(("127.0.0.1", int(profile["IMAPS_PORT"]))))
    s.recv(4096)
    for i, line in enumerate((f"LOGIN {profile['USER_FMT'] % user} {profile['PASS']}", "SELECT INBOX", "FETCH 1:* (UID FLAGS ENVELOPE)", "FETCH 90:* BODY.PEEK[]")):
        say(s, f"t{i}", line, f"t{i} OK".encode())
    say(s, "t", "IDLE", b"+ ")
    return s


def deliver(profile, user):
    """When the letter was taken."""
    s = socket.create_connection(("127.0.0.1", int(profile["SMTP_PORT"])))
    f = s.makefile("rwb")
    for line in (None, "EHLO x.test", "MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{profile['USER_FMT'] % user}>", "DATA", "Subject: x\r\n\r\nx\r\n."):
        if line:
            f.write(line.encode() + b"\r\n")
            f.flush()
        while re.match(rb"\d\d\d-", answer := f.readline()):
            pass
        assert answer[:1] in b"23", (line, answer)
    taken = time.monotonic()
    s.close()
    return taken


def main():
    profile = dict(line.rstrip("\n").split("=", 1) for line in open(sys.argv[1]) if "=" in line and not line.startswith("#"))
    n, letters = int((sys.argv[2:] + [1000])[0]), int((sys.argv[3:] + [100])[0])
    users = min(n, int(profile["USERS"]))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    roots = {int(x) for x in subprocess.run(profile["ROOT_PIDS_CMD"], shell=True, capture_output=True, text=True, check=True).stdout.split()}
    for user in range(users):
        fill(profile, user, letters)
    before = by_program(roots, pss_kib)
    sessions = [session(profile, k % users) for k in range(n)]
    time.sleep(SETTLED_S)
    after = by_program(roots, pss_kib)
    for name in sorted(after):
        print(f"{name}: {before.get(name, 0)} KiB before, {after[name]} after")
    grown = sum(after.values()) - sum(before.values())
    print(f"{n} sessions of {users} users: {grown} KiB, {grown / n:.1f} KiB each; imapd alone {(after['posta-imapd'] - before['posta-imapd']) / n:.1f} KiB each")
    began = by_program(roots, cpu_ms)
    time.sleep(SETTLED_S)
    ended = by_program(roots, cpu_ms)
    print(f"at rest, {SETTLED_S} s: " + ", ".join(f"{name} {ended[name] - began[name]} ms" for name in sorted(ended)))
    took = []
    for k in range(DELIVERIES):
        user = k * users // DELIVERIES
        taken = deliver(profile, user)
        while b" EXISTS" not in sessions[user].recv(4096):
            pass
        took.append((time.monotonic() - taken) * 1000)
    print(f"from 250 to EXISTS, {DELIVERIES} letters: median {statistics.median(took):.1f} ms, worst {max(took):.1f} ms")


main()
