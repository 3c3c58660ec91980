"""`posta queue list`: what letters wait for, in words; which are shown; how it looks on a terminal. `posta explain`."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from posta import DOMAIN, as_user, free_ports, system, until
from smtp_liar import SILENT, Liar

ALICE = f"alice@{DOMAIN}"
WORDS = "450 4.7.1 greylisted, come again in a while; we are sorry for all the trouble that this may mean to you"


@pytest.fixture(scope="module")
def house():
    """a.test says come again, b.test never greets, c.test is not there; one letter to a.test at a time."""
    a, b, c = free_ports(3)
    mta = " ".join(f'route "{d}.test" {{ to = "127.0.0.1:{p}" }}' for d, p in zip("abc", (a, b, c)))
    limits = 'free_bytes = "1M" free_inodes = 10 send_connections_per_destination = 1 retry_first_seconds = 3000 retry_max_seconds = 3000'
    with Liar({"RCPT": WORDS}, port=a), Liar({"greeting": SILENT}, port=b) as silent, system(sections={"mta": mta, "limits": limits}) as posta:
        send(posta, ALICE, "x@a.test")
        send(posta, "bob@" + DOMAIN, "y@a.test", "z@c.test")
        send(posta, ALICE, "a-name-that-is-longer-than-its-column@a.test")
        until(lambda: all(r["state"] == "later" for r in recipients(posta)), lambda: f"all to wait: {recipients(posta)}")
        posta.silent = silent
        yield posta


def send(posta, sender, *to):
    posta.cli("sendmail", "-i", "-f", sender, *to, input="Subject: x\n\nhello\n")


def recipients(posta, *options):
    return [r for letter in posta.json("queue", "list", *options) for r in letter["recipients"]]


def why(posta, address):
    return next(r["why"] for r in recipients(posta) if r["address"] == address)


def test_words(house):
    assert re.fullmatch(r"next try in \d+ min; 127\.0\.0\.1 said: " + re.escape(WORDS), why(house, "x@a.test"))
    assert re.fullmatch(r"waits: 127\.0\.0\.1: 451 4\.4\.1 .*; next try in \d+ min", why(house, "z@c.test"))
    shown = house.cli("queue", "list").stdout
    assert f"x@a.test{' ' * 26}next try in " in shown and "greylisted" in shown and "3 letters, " in shown


def test_being_tried_and_its_turn(house):
    send(house, ALICE, "p@b.test")
    until(lambda: why(house, "p@b.test") == "being tried now", "the try")
    send(house, ALICE, "q@b.test")
    until(lambda: why(house, "q@b.test") == "waits for its turn: 1 letter to b.test under way", lambda: why(house, "q@b.test"))
    held = next(q["id"] for q in house.json("queue", "list", "--to", "q@b.test"))
    house.cli("queue", "hold", held)
    assert why(house, "q@b.test") == "held by you"
    house.cli("queue", "delete", *[q["id"] for q in house.json("queue", "list", "--to", "b.test")])
    house.silent.closing.set()  # it hangs up: what was tried and deleted ends
    until(lambda: not recipients(house, "--to", "b.test"), "the letters to b.test gone")


def test_which(house):
    def shown(*options):
        return sorted(r["address"] for r in recipients(house, *options))
    long = "a-name-that-is-longer-than-its-column@a.test"
    assert shown("--to", "c.test") == shown("--from", "bob@" + DOMAIN) == ["y@a.test", "z@c.test"]
    assert shown("--to", "A.test") == sorted([long, "x@a.test", "y@a.test", "z@c.test"]) == shown("--from", DOMAIN)
    assert shown("--to", "x@a.test") == ["x@a.test"] and shown("--from", "<>") == [] == shown("--from", ALICE, "--to", "c.test")
    assert house.cli("queue", "list", "--to", "nowhere.test").stdout == "no such letter is in the queue\n"
    assert house.cli("queue", "list", "--to", "x" * 2000, check=False).returncode == 2


def test_sum(house):
    a, c = house.json("queue", "list", "--sum")
    assert (a["domain"], a["recipients"], a["letters"], c["domain"], c["recipients"]) == ("a.test", 3, 3, "c.test", 1)
    assert "greylisted" in a["why"] and a["oldest"] >= 0
    one, = house.json("queue", "list", "--sum", "--to", "c.test")
    assert one == {**c, "oldest": one["oldest"], "why": one["why"]}
    shown = house.cli("queue", "list", "--sum").stdout.splitlines()
    assert shown[0].split() == ["DESTINATION", "RECIPIENTS", "LETTERS", "OLDEST"] and shown[1].split()[:3] == ["a.test", "3", "3"]
    assert shown[2].startswith("  next try in ") and shown[-1].startswith("3 letters, ")


def on_terminal(posta, columns, *words):
    """What is shown on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    p = subprocess.Popen([str(posta.build / "ctl/posta"), "-c", str(posta.conf), *words], stdin=subprocess.DEVNULL, stdout=theirs,
                         env={**posta.env, "TERM": "xterm"}, cwd="/", **as_user(posta.uid))
    os.close(theirs)
    shown = b""
    try:
        while more := os.read(ours, 65536):
            shown += more
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert p.wait() == 0
    return shown.decode()


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("sum", [(), ("--sum",)])
def test_it_fits_the_terminal(house, columns, sum):
    shown = on_terminal(house, columns, "queue", "list", *sum)
    lines = re.sub(r"\x1b\[\d*m", "", shown).splitlines()
    assert "\x1b[" in shown and max(len(line) for line in lines) <= columns, lines
    text = re.sub(r"\s+", " ", " ".join(lines))
    assert "trouble that this may mean to you" in text, "nothing is left out"


# ---- explain ----

def explain(posta, *words):
    return json.loads(posta.cli("explain", *words, "--json").stdout)


def test_codes_are_explained(house):
    told = explain(house, "450", "4.7.1")
    assert [c["code"] for c in told["codes"]] == ["450", "4.7.1"] and told["codes"][1]["where"] == "RFC 3463 3.8"
    assert told["next"].startswith("Not now")
    line = "550-5.7.26 Your email has been blocked because the sender is unauthenticated. - gsmtp"
    told = explain(house, line)
    assert [c["where"] for c in told["codes"]] == ["RFC 5321 4.2.3", "RFC 7372 3.4"] and told["what"] and told["advice"] and told["next"].startswith("No")
    shown = house.cli("explain", line).stdout
    assert shown.startswith("550 ") and "What to do" in shown and "(RFC 7372 3.4)" in shown
    assert "tries again" in house.cli("explain", "451 4.7.500 Server busy. Please try again later from [192.0.2.1]").stdout
    assert "x.7 " in house.cli("explain", "4.7.500").stdout
    assert "CREATE would make it (RFC 3501 7.1)" in house.cli("explain", "a1", "NO", "[TRYCREATE]", "no").stdout
    assert "another session" in house.cli("explain", "--", "-ERR [IN-USE] locked").stdout
    assert "nothing has to be done" in house.cli("explain", "250").stdout
    r = house.cli("explain", "hello there", check=False)
    assert r.returncode == 1 and "no code" in r.stderr and not r.stdout


def test_a_waiting_letters_words_are_explained(house):
    assert explain(house, recipients(house, "--to", "x@a.test")[0]["reply"])["codes"][0]["code"] == "450"
