"""TLS under IMAP, by STARTTLS on 143 and at once on 993: names, renegotiation, handshakes that do not come (T10, T12, T13)."""
import select
import socket
import ssl
import subprocess

import pytest

from imap import Talk
from posta import DOMAIN, PATIENCE, Dialogue, system
from test_pop3 import memory
from test_transcripts import LIMITS

NAMES = 300
GROWTH_KIB = 4096
DOORS = ["imapd", "imapd_tls"]


@pytest.fixture(scope="module")
def house():
    with system(sections={"limits": LIMITS + " handshake_seconds = 2"}, start=False) as s:
        s.env["ASAN_OPTIONS"] = s.env.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"  # what was freed is given back
        s.start()
        yield s


def knock(posta, door):
    """A socket on which the server waits for a ClientHello."""
    if door == "imapd_tls":
        return socket.create_connection(("127.0.0.1", posta.ports[door]), timeout=PATIENCE)
    d = Dialogue(posta.ports[door], greet=False)
    assert d.line().startswith(b"* OK")
    d.send(b"a STARTTLS\r\n")
    assert d.line().startswith(b"a OK")
    return d.s


def client_hello(posta, name):
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = posta.tls_context().wrap_bio(into, out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def answer(s, data):
    """The first octets of what comes; b"" for none."""
    try:
        s.sendall(data)
        return s.recv(4096)
    except (ConnectionResetError, BrokenPipeError):
        return b""


def is_flight(data):
    return data[:1] == b"\x16"


def is_refused(data):
    return data[:1] in (b"", b"\x15")


def works(posta):
    c = Talk(posta)
    c.ask("NOOP")
    c.close()


@pytest.mark.parametrize("door", DOORS)
def test_T10_names_of_servers(house, door):
    """Any name gets the one certificate, and no name stays in memory."""
    context, before = house.tls_context(), None
    for n in range(NAMES):
        s = context.wrap_socket(knock(house, door), server_hostname=f"host{n}.{'x' * (n % 60 + 1)}.example")
        s.sendall(b"a CAPABILITY\r\n")
        assert s.recv(4096)
        s.close()
        if n == NAMES // 3:
            before = sum(map(memory, house.pids("posta-imapd")))
    assert sum(map(memory, house.pids("posta-imapd"))) < before + GROWTH_KIB
    long = ".".join(["y" * 62] * 4)
    hello = client_hello(house, long)
    at = hello.index(long.encode())
    for name in (b"\0" + b"y" * 250, b"mail.example.test\0.evil.example".ljust(251, b"y"), b"\xff" * 251, b"." * 251, b"*" * 251):
        s = knock(house, door)
        data = answer(s, hello[:at] + name + hello[at + len(name):])
        assert is_flight(data) or is_refused(data), data
        s.close()
    # a name of 300 octets, by the lengths of all that is around it
    more = 300 - len(long)
    grown = bytearray(hello[:at] + b"y" * 300 + hello[at + len(long):])

    def add(offset, octets):
        value = int.from_bytes(grown[offset:offset + octets], "big") + more
        grown[offset:offset + octets] = value.to_bytes(octets, "big")
    for offset, octets in ((3, 2), (6, 3), (at - 2, 2), (at - 5, 2), (at - 7, 2)):
        add(offset, octets)
    extensions = 5 + 4 + 2 + 32
    extensions += 1 + grown[extensions]
    extensions += 2 + int.from_bytes(grown[extensions:extensions + 2], "big")
    extensions += 1 + grown[extensions]
    add(extensions, 2)
    s = knock(house, door)
    data = answer(s, bytes(grown))
    assert is_refused(data), data
    works(house)


@pytest.mark.parametrize("door", DOORS)
def test_T12_renegotiation_is_refused(house, door):
    c = ["openssl", "s_client", "-connect", f"127.0.0.1:{house.ports[door]}", "-tls1_2", "-CAfile", str(house.dir / "cert.pem")]
    p = subprocess.Popen(c + (["-starttls", "imap"] if door == "imapd" else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seen = b""
    while b"Verify return code" not in seen or (door == "imapd_tls" and b"* OK" not in seen):
        more = p.stdout.read1(4096)
        assert more, seen
        seen += more
    p.stdin.write(b"R\n")
    p.stdin.flush()
    try:
        rest, _ = p.communicate(timeout=PATIENCE)
    finally:
        p.kill()
    assert b"RENEGOTIATING" in rest and b"no renegotiation" in rest, rest
    works(house)


@pytest.mark.parametrize("door", DOORS)
def test_T13_a_handshake_of_single_bytes(house, door):
    """Its time ends, however steadily they come, and nobody else waits."""
    hello, s, other = client_hello(house, "mail." + DOMAIN), knock(house, door), Talk(house)
    gone, sent = False, 0
    while not gone:
        assert sent < len(hello) - 1, "it was to end before"
        try:
            s.sendall(hello[sent:sent + 1])
            sent += 1
            if select.select([s], [], [], 0.05)[0]:
                gone = is_refused(s.recv(4096))
                assert gone
        except (ConnectionResetError, BrokenPipeError):
            gone = True
        other.ask("NOOP")
    other.close()


@pytest.mark.parametrize("door", DOORS)
def test_T13_records_of_one_octet(house, door):
    message = client_hello(house, "mail." + DOMAIN)[5:]
    tiny = b"".join(b"\x16\x03\x01\x00\x01" + message[i:i + 1] for i in range(len(message)))
    assert is_flight(answer(knock(house, door), tiny))
    works(house)


@pytest.mark.parametrize("door", DOORS)
def test_T13_a_client_hello_of_64_kib(house, door):
    """Whole or only announced: refused as soon as its length is known."""
    whole = b"\x01\x00\xff\xf0\x03\x03" + bytes(0xfff0 - 2)
    records = [b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in (whole[i:i + 16384] for i in range(0, len(whole), 16384))]
    for data in (b"".join(records), records[0]):
        s = knock(house, door)
        got = answer(s, data)
        assert is_refused(got), got
        s.close()
    works(house)
