"""Courier's and Dovecot's POP3 daemons read the same Maildir beside ours, while letters come in."""
import os
import re
import subprocess

import pytest

from imap_peer import unpacked
from posta import DOMAIN, PASSWORD, PATIENCE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the neighbours run in a mount namespace of their own")


def pop3(posta, command, commands, **env):
    """Runs a POP3 daemon that needs no login over our Maildir, with the peers' /usr laid over ours; its answer."""
    script = (f"mount -t overlay -o lowerdir={unpacked()}:/usr overlay /usr && cd {posta.maildir()} && "
              f"cat | exec setpriv --reuid={posta.uid} --regid={posta.uid} --clear-groups {command}")
    r = subprocess.run(["unshare", "-m", "sh", "-c", script], input="".join(c + "\r\n" for c in commands).encode(), capture_output=True,
                       timeout=PATIENCE, env={**os.environ, "HOME": str(posta.dir), **env})
    return r.stdout.replace(b"\r\n", b"\n"), r.stderr.decode("utf-8", "replace")


def fill(posta, n):
    d = posta.dial("mta")
    d.asks("EHLO neighbours.test", "250")
    for k in range(n):
        for command, want in (("MAIL FROM:<x@elsewhere.test>", "250"), (f"RCPT TO:<bob@{DOMAIN}>", "250"), ("DATA", "354"),
                              (f"Subject: letter {k}\r\n\r\n..dot\r\n.", "250")):
            d.asks(command, want)
    posta.drained()


def ours(posta):
    p = posta.dial("pop3d_tls", tls=True)
    p.asks(f"USER bob@{DOMAIN}", "+OK")
    p.asks(f"PASS {PASSWORD['bob']}", "+OK")
    p.asks("LIST", "+OK")
    sizes = sorted(int(line.split()[1]) for line in p.multi())
    p.asks("UIDL", "+OK")
    uidls = sorted(line.split()[1] for line in p.multi())
    letters = []
    for n in range(len(sizes)):
        p.asks(f"RETR {n + 1}", "+OK")
        letters.append(b"\n".join(p.multi()))
    p.asks("QUIT", "+OK")
    return sizes, uidls, sorted(letters)


def theirs(text):
    """Sizes and letters from LIST and RETRs of a transcript."""
    sizes = sorted(int(m) for m in re.findall(rb"(?m)^\d+ (\d+)$", text.split(b"\n.\n", 1)[0]))
    letters = [re.sub(rb"(?m)^\.\.", b".", m) for m in re.findall(rb"(?s)\+OK[^\n]*\n(Return-Path:.*?)\n\.\n", text)]
    return sizes, sorted(letters)


@pytest.mark.parametrize("who", ["dovecot", "courier"])
def test_reads_the_same_letters(posta, who):
    fill(posta, 5)
    count = len(posta.letters())
    commands = ["LIST", *[f"RETR {n + 1}" for n in range(count)], "QUIT"]
    before = ours(posta)
    if who == "dovecot":
        conf = posta.dir / "dovecot.conf"
        conf.write_text(f"mail_location = maildir:{posta.maildir()}\nlog_path = {posta.dir}/dovecot.log\nssl = no\n")
        said, why = pop3(posta, f"/usr/lib/dovecot/pop3 -c {conf}", commands, USER="bob")
    else:
        said, why = pop3(posta, "/usr/lib/courier/courier/courierpop3d .", commands, AUTHENTICATED="bob", MAILDIR=".")
    sizes, letters = theirs(said)
    assert letters == before[2], why
    assert sizes == before[0], why
    fill(posta, 1)
    after = ours(posta)
    assert set(before[1]) < set(after[1]), "UIDLs survive what the neighbour did with the names"
    assert len(after[2]) == count + 1
