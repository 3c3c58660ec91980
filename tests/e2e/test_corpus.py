"""Every letter of the corpus that SMTP can carry goes in by port 25 and comes out by POP3 byte for byte."""
import os
import pathlib
import poplib
import re

import pytest

from posta import DOMAIN, PASSWORD, ROOT, system

CORPUS = pathlib.Path(os.environ.get("POSTA_CORPUS", ROOT.parent / "shared/corpus"))
HOPS = 100


def wire(raw):
    """The letter with CRLF ends, or None where SMTP cannot carry it (bare CR, NUL)."""
    text = raw.replace(b"\r\n", b"\n")
    if b"\r" in text or b"\0" in text:
        return None
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text.replace(b"\n", b"\r\n")


def without_return_path(letter):
    """Final delivery takes a foreign Return-Path away (RFC 5321 4.4)."""
    head, sep, body = letter.partition(b"\r\n\r\n")
    head = re.sub(rb"(?mi)^Return-Path:[^\n]*(\n|\Z)([ \t][^\n]*(\n|\Z))*", b"", head + b"\r\n")
    return head[:-2] + sep + body if sep else letter


def hops(letter):
    return len(re.findall(rb"(?mi)^Received:", letter.partition(b"\r\n\r\n")[0]))


@pytest.fixture(scope="module")
def carried():
    if not CORPUS.is_dir():
        pytest.skip("no corpus here")
    with system(users=("bob",)) as posta:
        sent = {}
        d = posta.dial("mta")
        d.asks("EHLO corpus.test", "250")
        for path in sorted(CORPUS.rglob("*.eml")):
            letter = wire(path.read_bytes())
            if letter is None or hops(letter) > HOPS:
                continue
            d.asks("MAIL FROM:<x@elsewhere.test> BODY=8BITMIME", "250")
            d.asks(f"RCPT TO:<bob@{DOMAIN}>", "250")
            d.asks("DATA", "354")
            d.send(re.sub(rb"(?m)^\.", b"..", letter))
            sent[d.asks(".", "250 2.0.0").split()[-1]] = (path.name, letter)
        d.asks("QUIT", "221")
        posta.drained()
        p = poplib.POP3_SSL("127.0.0.1", posta.ports["pop3d_tls"], context=posta.tls_context())
        poplib._MAXLINE = 1 << 24
        p.user(f"bob@{DOMAIN}")
        p.pass_(PASSWORD["bob"])
        got = []
        for i in range(p.stat()[0]):
            size = int(p.list(i + 1).split()[2])
            lines = p.retr(i + 1)[1]
            got.append((size, b"".join(line + b"\r\n" for line in lines)))
        p.quit()
        yield sent, got


def test_all_arrive_once(carried):
    sent, got = carried
    assert len(sent) > 450
    assert len(got) == len(sent)


def test_byte_identical(carried):
    sent, got = carried
    for size, text in got:
        assert len(text) == size, "LIST told the size in octets"
        top = re.match(rb"Return-Path: <x@elsewhere\.test>\r\nDelivered-To: [^\r]*\r\n(Received: from corpus\.test [^\n]*\n(?:[ \t][^\n]*\n)*)", text)
        assert top, text[:300]
        name, letter = sent[re.search(rb" id ([0-9a-z]{23})", top.group(1)).group(1).decode()]
        assert without_return_path(letter) == text[top.end():], name
