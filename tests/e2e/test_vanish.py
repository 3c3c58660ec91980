"""A client that vanishes at each point of the dialogue leaves nothing (X19)."""
import base64
import socket
import struct

import pytest

from posta import DOMAIN, PASSWORD, until

HEAD = f"EHLO gone.test\r\nMAIL FROM:<x@elsewhere.test>\r\nRCPT TO:<bob@{DOMAIN}>\r\nDATA\r\n".encode()
BODY = b"Subject: gone\r\n\r\n..\r\nthe end\r\n.\r"


def cut(posta, port, steps, hard):
    """Plays whole steps (each waits for its reply), then the last bytes, then goes: with a FIN or with a RST."""
    d = posta.dial(port)
    for step in steps[:-1]:
        d.send(step)
        d.hear()
    d.send(steps[-1])
    if hard:
        d.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    d.close()


def nothing_left(posta):
    until(lambda: not list((posta.state / "spool/in").glob("*/*")), "an empty spool/in")
    posta.drained()


@pytest.mark.parametrize("hard", [False, True], ids=["FIN", "RST"])
def test_X19_smtp(posta, hard):
    lines = [line + b"\r\n" for line in HEAD.split(b"\r\n")[:-1]]
    for n in range(len(lines)):
        for at in (0, 1, len(lines[n]) - 1):
            cut(posta, "mta", [*lines[:n], lines[n][:at]], hard)
    for at in range(0, len(BODY) + 1):
        cut(posta, "mta", [*lines, BODY[:at]], hard)
    nothing_left(posta)
    assert not any("Subject: gone" in f.read_text() for f in posta.letters())


def test_X19_a_large_letter_cut(posta):
    lines = [line + b"\r\n" for line in HEAD.split(b"\r\n")[:-1]]
    for size in (100_000, 300_000, 2_000_000):  # in memory, and streamed into a file
        cut(posta, "mta", [*lines, b"Subject: gone\r\n\r\n" + (b"x" * 76 + b"\r\n") * (size // 78)], hard=False)
    nothing_left(posta)


def test_X19_submission(posta):
    plain = base64.b64encode(f"\0alice@{DOMAIN}\0{PASSWORD['alice']}".encode()).decode()
    for last in (b"", b"MAIL", f"MAIL FROM:<alice@{DOMAIN}>\r\n".encode(), b"AUTH LOGIN\r\n", b"AUTH PLAIN\r\n"):
        d = posta.dial("msa")
        d.asks("EHLO gone.test", "250")
        d.starttls(posta.tls_context())
        d.asks("EHLO gone.test", "250")
        if not last.startswith(b"AUTH"):
            d.asks("AUTH PLAIN " + plain, "235")
        d.send(last)
        d.close()
    nothing_left(posta)


@pytest.mark.parametrize("hard", [False, True], ids=["FIN", "RST"])
def test_X19_imap(posta, hard):
    """A login and an APPEND cut at each octet: the letter is there only when its command was whole."""
    letter = b"Subject: gone\r\n\r\nthe end\r\n"
    login = f"a LOGIN alice@{DOMAIN} {PASSWORD['alice']}\r\n".encode()
    append = b"b APPEND INBOX {%d+}\r\n%s\r\n" % (len(letter), letter)

    def cut_at(said):
        d = posta.dial("imapd_tls", tls=True)
        d.send(said)
        if hard:
            d.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        d.close()

    def gone():
        return [f for f in (posta.state / "mail").rglob("*") if "index.db" not in f.name and f.is_file() and b"Subject: gone" in f.read_bytes()]

    for at in range(1, len(login)):
        cut_at(login[:at])
    for at in range(1, len(append) - 1):
        cut_at(login + append[:at])
    until(lambda: sum(p["counters"]["sessions"] for p in posta.json("status")["processes"] if p["process"] == "posta-imapd") == 0, "the end of all sessions")
    until(lambda: not gone(), lambda: f"no trace of it; there is {gone()}")
    d = posta.dial("imapd_tls", tls=True)
    d.send(login + append)
    until(lambda: len(gone()) == 1, "the whole one")
    d.close()
    gone()[0].unlink()


def test_P05_pop3_without_quit(posta):
    d = posta.dial("mta")
    d.asks("EHLO keeps.test", "250")
    for command, want in (("MAIL FROM:<x@elsewhere.test>", "250"), (f"RCPT TO:<bob@{DOMAIN}>", "250"), ("DATA", "354"), ("Subject: stays\r\n\r\n.", "250")):
        d.asks(command, want)
    posta.drained()
    before = len(posta.letters())
    p = posta.dial("pop3d_tls", tls=True)
    p.asks(f"USER bob@{DOMAIN}", "+OK")
    p.asks(f"PASS {PASSWORD['bob']}", "+OK")
    p.asks("DELE 1", "+OK")
    p.close()

    def again():
        q = posta.dial("pop3d_tls", tls=True)
        q.asks(f"USER bob@{DOMAIN}", "+OK")
        if not q.ask(f"PASS {PASSWORD['bob']}").startswith("+OK"):
            return None  # the first session is just being closed
        return q
    q = until(again, "the mailbox to be free again")
    assert q.asks("STAT", "+OK").split()[1] == str(before)
    q.asks("QUIT", "+OK")
    assert len(posta.letters()) == before
