#!/usr/bin/python3
"""own_names.py PROFILE USER [REPEAT] - an INBOX whose names are as posta writes them, with index.db deleted while posta is down: what the
first SELECT and the first reading of everything cost. PROFILE is what posta.sh prints; USER's Maildir must hold letters already.
"""
import glob
import os
import socket
import subprocess
import sys
import time

COMMANDS = [("select_cold", "SELECT INBOX"), ("flags", "UID FETCH 1:* (FLAGS)"), ("envelope_bodystructure_cold", "UID FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE)"),
            ("envelope_bodystructure_warm", "UID FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE)"), ("search_subject_warm", "SEARCH SUBJECT saffron")]


def cpu_ms(roots):
    """User and system time of these processes and all below them."""
    total, parent, ticks = 0, {}, {}
    for d in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(d) as f:
                name, rest = f.read().rsplit(")", 1)
        except OSError:
            continue
        pid, fields = int(name.split()[0]), rest.split()
        parent[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    for pid in ticks:
        p = pid
        while p in parent and p not in roots:
            p = parent[p]
        total += ticks[pid] if p in roots else 0
    return total * 1000 / os.sysconf("SC_CLK_TCK")


class Connection:
    def __init__(self, port):
        self.s, self.n = socket.create_connection(("127.0.0.1", port)), 0
        self.s.recv(4096)

    def ask(self, line):
        self.n += 1
        tag = f"t{self.n} ".encode()
        self.s.sendall(tag + line.encode() + b"\r\n")
        tail = b"\r\n"
        while True:
            tail = (tail + self.s.recv(1 << 18))[-4096:]
            at = tail.rfind(b"\r\n" + tag)
            if at >= 0 and tail.endswith(b"\r\n"):
                assert tail[at + 2:].split()[1] == b"OK", tail[at:]
                return


def main():
    profile = dict(line.rstrip("\n").split("=", 1) for line in open(sys.argv[1]) if "=" in line and not line.startswith("#"))
    user, repeat = int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 3
    maildir, name = profile["MAILDIR_FMT"] % user, profile["USER_FMT"] % user

    def connect():
        c = Connection(int(profile["IMAP_PORT"]))
        c.ask(f"LOGIN {name} {profile['PASS']}")
        return c
    connect().ask("SELECT INBOX")  # foreign names get theirs
    for _ in range(repeat):
        subprocess.run(profile["STOP_CMD"], shell=True, check=True, stdout=subprocess.DEVNULL)
        for f in glob.glob(maildir + "/index.db*"):
            os.unlink(f)
        subprocess.run(profile.get("RESTART_CMD", profile["START_CMD"]), shell=True, check=True, stdout=subprocess.DEVNULL)
        roots = {int(x) for x in subprocess.run(profile["ROOT_PIDS_CMD"], shell=True, capture_output=True, text=True, check=True).stdout.split()}
        c = connect()
        for label, command in COMMANDS:
            cpu, at = cpu_ms(roots), time.monotonic()
            c.ask(command)
            print(f"{label} {(time.monotonic() - at) * 1000:.1f} ms, {cpu_ms(roots) - cpu:.0f} ms of CPU", flush=True)


main()
