"""What posta-msa and posta-mta-receive decide about letters and clients, against the running programs: rows of HOSTILE.md
that no dialogue can hold, because they need time, several connections, or another box that fails."""
import base64
import contextlib
import os
import signal
import socket
import ssl
import subprocess

import pytest

from posta import BUILD, DOMAIN, PASSWORD, Dialogue, System, as_user, system, until

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


def plain(user, password):
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def submitter(posta, user="alice"):
    d = posta.dial("msa_tls", tls=True)
    d.asks("EHLO x.test", "250")
    d.asks(plain(f"{user}@{DOMAIN}", PASSWORD[user]), "235 2.7.0")
    return d


def stranger(posta, sender="x@elsewhere.test", recipients=(BOB,)):
    d = posta.dial("mta")
    d.asks("EHLO mx.elsewhere.test", "250")
    d.asks(f"MAIL FROM:<{sender}>", "250")
    for r in recipients:
        d.asks(f"RCPT TO:<{r}>", "250")
    return d


def letter_with(posta, mark, user="bob"):
    found = until(lambda: [f for f in posta.letters(user) if f"Subject: {mark}\n".encode() in f.read_bytes()], f"letter {mark}")
    assert len(found) == 1
    return found[0].read_bytes()


def coming_in(posta):
    return [f for f in (posta.state / "spool/in").rglob("*") if f.is_file()]


@pytest.fixture(scope="module")
def tight():
    """A system whose limits can be reached."""
    limits = 'recipients = 100 hops = 10 header_bytes = "4K" letter_bytes = "64K" command_seconds = 1 data_seconds = 1 ' \
             "data_bytes_per_second = 100000 handshake_seconds = 1 auth_delay_ms_max = 1"
    with system(sections={"limits": limits}) as s:
        yield s


# ---- clients ----
def test_C12_who_speaks_before_the_greeting(posta):
    workers = posta.pids("posta-mta-receive")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        d = Dialogue(posta.ports["mta"], greet=False)
        d.say("EHLO early.test")
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert d.hear().startswith("521 5.5.1")
    assert d.closed()


def test_C11_a_command_has_its_time_as_a_whole(tight):
    d = tight.dial("mta")
    d.send(b"NOO")
    assert d.hear().startswith("421 4.4.2")
    assert d.closed()


def test_R03_a_letter_that_does_not_come(tight):
    d = stranger(tight)
    d.asks("DATA", "354")
    d.send(b"Subject: x\r\n")
    assert d.hear().startswith("421 4.4.2")
    assert d.closed()
    assert not coming_in(tight)


def test_T13_a_handshake_that_does_not_come(tight):
    assert Dialogue(tight.ports["msa_tls"], greet=False).closed()
    d = tight.dial("mta")
    d.asks("EHLO x.test", "250")
    d.asks("STARTTLS", "220")
    assert d.closed()


def test_T07_garbage_in_the_place_of_a_handshake(posta):
    d = posta.dial("mta")
    d.asks("EHLO x.test", "250")
    d.asks("STARTTLS", "220")
    d.send(b"GARBAGE\r\n")
    with contextlib.suppress(ConnectionResetError):
        said = d.s.recv(4096)
        assert said == b"" or said[0] == 21, "an alert or nothing, and never clear text"


def test_T06_all_is_forgotten_after_starttls(posta):
    d = stranger(posta)
    d.asks("RSET", "250")
    d.starttls(posta.tls_context())
    d.asks("MAIL FROM:<x@elsewhere.test>", "503 5.5.1")
    d.asks(f"RCPT TO:<{BOB}>", "503 5.5.1")


# ---- letters ----
def test_C16_one_recipient_too_many(tight):
    d = tight.dial("mta")
    d.asks("EHLO x.test", "250")
    d.asks("MAIL FROM:<x@elsewhere.test>", "250")
    d.send(b"".join(f"RCPT TO:<bob+{i}@{DOMAIN}>\r\n".encode() for i in range(101)))
    assert [d.hear()[:3] for _ in range(100)] == ["250"] * 100
    assert d.hear().startswith("452 4.5.3")
    d.asks("DATA", "354")
    d.asks("Subject: hundred\r\n\r\n.", "250 2.0.0")
    tight.drained()
    assert len([f for f in tight.letters("bob") if b"Subject: hundred\n" in f.read_bytes()]) == 1, "one mailbox, one copy"


@pytest.mark.parametrize("size,reply", [(65535, "250"), (65536, "250"), (65537, "552 5.3.4")])
def test_M16_the_largest_letter(tight, size, reply):
    head = f"Subject: size {size}\r\n\r\n".encode()
    d = stranger(tight)
    d.asks("DATA", "354")
    body = b"x" * 998 + b"\r\n"
    rest = size - len(head)
    text = head + body * (rest // 1000)
    left = size - len(text)
    text += b"y" * (left - 2) + b"\r\n" if left >= 2 else b""
    if left == 1:
        text = text[:-2] + b"z\r\n"
    assert len(text) == size
    d.send(text)
    d.asks(".", reply)
    if reply == "250":
        assert letter_with(tight, f"size {size}").replace(b"\n", b"\r\n").endswith(text)
    assert not coming_in(tight)


def test_M16_said_before(tight):
    d = tight.dial("mta")
    assert "SIZE 65536" in d.asks("EHLO x.test", "250")
    d.asks("MAIL FROM:<x@elsewhere.test> SIZE=65537", "552 5.3.4")
    d.asks("MAIL FROM:<x@elsewhere.test> SIZE=65536", "250")


def test_M03_a_head_too_large(tight):
    for size, reply in ((4096, "250"), (4097, "552 5.3.4")):
        d = stranger(tight)
        d.asks("DATA", "354")
        d.send(b"Subject: head\nX: ".replace(b"\n", b"\r\n") + b"x" * (size - len("Subject: head\nX: \n\n")) + b"\r\n\r\nbody\r\n")
        d.asks(".", reply)
        d.asks("QUIT", "221")
    assert not coming_in(tight)


def test_M13_too_many_hops(tight):
    for hops, reply in ((10, "250"), (11, "554 5.4.6")):
        d = stranger(tight)
        d.asks("DATA", "354")
        d.send(b"Received: from a by b; Sun, 22 Nov 2026 21:50:17 +0000\r\n" * hops)
        d.asks("Subject: hops\r\n\r\n.", reply)


def test_M15_blind_copies_and_missing_fields(posta):
    d = submitter(posta)
    d.asks(f"MAIL FROM:<{ALICE}>", "250")
    d.asks(f"RCPT TO:<{BOB}>", "250")
    d.asks("DATA", "354")
    d.asks("Subject: blind\r\nBcc: eve@example.test,\r\n mallory@example.test\r\nTo: bob\r\n\r\nBcc: stays\r\n.", "250 2.0.0")
    text = letter_with(posta, "blind")
    assert b"eve@" not in text and b"mallory@" not in text
    assert text.endswith(b"Subject: blind\nTo: bob\n\nBcc: stays\n")
    assert text.count(b"\nDate: ") == 1 and text.count(b"\nMessage-ID: <") == 1


def test_a_letter_from_25_is_not_mended(posta):
    d = stranger(posta)
    d.asks("DATA", "354")
    d.asks("Subject: as it is\r\nBcc: eve@example.test\r\n\r\nx\r\n.", "250 2.0.0")
    text = letter_with(posta, "as it is")
    assert text.endswith(b"\nSubject: as it is\nBcc: eve@example.test\n\nx\n")
    assert b"\nDate: " not in text and b"\nMessage-ID: " not in text


@pytest.mark.parametrize("octets", [256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 3 << 20])
def test_letters_kept_in_memory_and_streamed(posta, octets):
    head = f"Subject: long {octets}\n\n".encode()
    body = (b"0123456789" * 7 + b"\n") * (octets // 71)
    body += b"e" * (octets - len(head) - len(body) - 1) + b"\n" if octets - len(head) - len(body) > 1 else b""
    d = submitter(posta)
    d.asks(f"MAIL FROM:<{ALICE}>", "250")
    d.asks(f"RCPT TO:<{BOB}>", "250")
    d.asks("DATA", "354")
    d.send((head + body).replace(b"\n", b"\r\n"))
    d.asks(".", "250 2.0.0")
    text = letter_with(posta, f"long {octets}")
    assert text.endswith(head + body) and text.count(b"\nReceived: ") == 1


# ---- who may what ----
def test_U18_own_addresses_alone(posta):
    d = submitter(posta)
    d.asks(f"MAIL FROM:<{BOB}>", "553 5.7.1")
    d.asks("MAIL FROM:<someone@elsewhere.test>", "553 5.7.1")
    d.asks("MAIL FROM:<ALICE+lists@EXAMPLE.test>", "250")
    d.asks("RSET", "250")
    d.asks("MAIL FROM:<>", "250")


def test_U18_an_alias_that_leads_to_one_alone():
    with system() as s:
        s.cli("alias", "add", f"info@{DOMAIN}", ALICE)
        s.cli("alias", "add", f"team@{DOMAIN}", ALICE, BOB)
        d = submitter(s)
        until(lambda: d.ask(f"MAIL FROM:<info@{DOMAIN}>").startswith("250") or d.ask("RSET") is None, "the alias to be known")
        d.asks("RSET", "250")
        d.asks(f"MAIL FROM:<team@{DOMAIN}>", "553 5.7.1")


def test_587_knows_its_own_and_takes_letters_for_others(posta):
    d = submitter(posta)
    d.asks(f"MAIL FROM:<{ALICE}>", "250")
    d.asks(f"RCPT TO:<nobody@{DOMAIN}>", "550 5.1.1")
    d.asks("RCPT TO:<y@third.test>", "250")


def test_U07_three_failures_a_session(posta):
    d = posta.dial("msa_tls", tls=True)
    d.asks("EHLO x.test", "250")
    for _ in range(3):
        d.asks(plain(ALICE, "wrong"), "535 5.7.8")
    assert d.hear().startswith("421 4.7.0")
    assert d.closed()
    submitter(posta).asks("QUIT", "221")


def test_A23_unknown_recipients_make_no_bounce(posta):
    before = len(list((posta.state / "spool/msg").iterdir()))
    for _ in range(5):
        d = posta.dial("mta")
        d.asks("EHLO x.test", "250")
        d.asks(f"MAIL FROM:<{BOB}>", "250")
        d.send(f"RCPT TO:<nobody@{DOMAIN}>\r\n".encode() * 21)
        assert [d.hear()[:9] for _ in range(20)] == ["550 5.1.1"] * 20
        assert d.hear().startswith("421 4.7.0")
        assert d.closed()
    assert len(list((posta.state / "spool/msg").iterdir())) == before


def test_U19_no_secret_is_logged():
    with system(sections={"log": "transcript = true"}) as s:
        d = s.dial("msa_tls", tls=True)
        d.asks("EHLO x.test", "250")
        d.asks(plain(ALICE, PASSWORD["alice"] + "not"), "535")
        d.asks("AUTH LOGIN", "334")
        d.asks(base64.b64encode(ALICE.encode()).decode(), "334")
        d.asks(base64.b64encode(PASSWORD["alice"].encode()).decode(), "235")
        d.asks("QUIT", "221")
        log = until(lambda: "235 2.7.0" in s.log() and s.log(), "the dialogue in the log")
        assert "AUTH LOGIN" in log and "EHLO x.test" in log
        for secret in (PASSWORD["alice"], base64.b64encode(PASSWORD["alice"].encode()).decode(), base64.b64encode(f"\0{ALICE}\0".encode()).decode()[:20]):
            assert secret not in log


# ---- other boxes ----
def stop_all(posta, name):
    for pid in posta.pids(name):
        os.kill(pid, signal.SIGSTOP)


def go_on(posta, name):
    for pid in posta.pids(name):
        os.kill(pid, signal.SIGCONT)


def test_X22_authd_is_away(posta):
    known = submitter(posta)
    d = posta.dial("msa_tls", tls=True)
    d.asks("EHLO x.test", "250")
    d.asks("AUTH LOGIN", "334")
    stop_all(posta, "posta-authd")
    d.say(base64.b64encode(ALICE.encode()).decode())
    for pid in posta.pids("posta-authd"):
        os.kill(pid, signal.SIGKILL)
    assert d.hear().startswith("454 4.7.0")
    known.asks(f"MAIL FROM:<{ALICE}>", "250")
    known.asks(f"RCPT TO:<{BOB}>", "250")
    known.asks("DATA", "354")
    known.asks("Subject: without authd\r\n\r\n.", "250 2.0.0")
    until(lambda: posta.pids("posta-authd"), "authd again")
    until(lambda: d.ask(plain(ALICE, PASSWORD["alice"]))[:3] == "235", "a login again")


def test_X01_the_queue_dies_with_a_letter_in_its_hands(posta):
    """Killed after XSPOOL and before its answer: 451, and the file is nobody's but the queue's."""
    d = stranger(posta)
    d.asks("DATA", "354")
    stop_all(posta, "posta-mta-queue")
    d.say("Subject: orphan\r\n\r\n.")
    until(lambda: coming_in(posta), "the letter in spool/in")
    for pid in posta.pids("posta-mta-queue"):
        os.kill(pid, signal.SIGKILL)
    said = d.hear()
    assert said[:3] in ("250", "451"), said  # 250: the line was not written yet, and was given to the next queue
    until(lambda: posta.pids("posta-mta-queue"), "the queue again")


def test_a_client_waits_for_a_queue_that_is_started_again(posta):
    d = stranger(posta)
    d.asks("DATA", "354")
    for pid in posta.pids("posta-mta-queue"):
        os.kill(pid, signal.SIGKILL)
    d.say("Subject: patience\r\n\r\n.")
    assert d.hear()[:3] in ("250", "451")


def test_drain_says_good_bye(posta):
    """One worker is told to end: idle clients hear 421, a letter under way is finished."""
    with system() as s:
        idle, busy = s.dial("mta"), stranger(s)
        busy.asks("DATA", "354")
        for pid in s.pids("posta-mta-receive"):
            os.kill(pid, signal.SIGTERM)
        assert idle.hear().startswith("421 4.3.2")
        assert idle.closed()
        busy.asks("Subject: drained\r\n\r\n.", "250 2.0.0")
        assert busy.hear().startswith("421 4.3.2")
        assert busy.closed()
        letter_with(s, "drained")


def test_status_counts(posta):
    d = stranger(posta)
    d.asks("QUIT", "221")
    said = str(posta.json("status"))
    for member in ("sessions_total", "accepted", "recipients_refused", "bytes", "logins_failed"):
        assert member in said


def test_a_new_certificate_is_taken_by_new_sessions(posta):
    """T19, X25: what runs goes on with the old one."""
    old, trusted = stranger(posta), posta.tls_context()

    def offered():
        with socket.create_connection(("127.0.0.1", posta.ports["msa_tls"])) as raw:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(raw) as s:
                return s.getpeercert(True)
    before = offered()
    other = System(posta.dir / "other", uid=posta.uid, build=posta.build).make(users=())
    for name in ("cert.pem", "key.pem"):
        os.replace(other.dir / name, posta.dir / name)
    posta.cli("reload")
    until(lambda: offered() != before, "the new certificate")
    old.asks("RSET", "250")
    old.starttls(trusted)
    old.asks("EHLO x.test", "250")


def test_T19_a_certificate_that_became_empty_changes_nothing():
    """msa alone reads the files itself: what it refuses is refused for all its ports."""
    with system(users=(), start=False) as s:
        msa = subprocess.Popen([str(BUILD / "msa/posta-msa"), "-c", str(s.conf)], env=s.env, stderr=open(s.log_path, "ab"), **as_user(s.uid))
        try:
            until(lambda: "220" in greeting(s.ports["msa"]), "the greeting")
            context = s.tls_context()
            (s.dir / "cert.pem").write_text("")
            msa.send_signal(signal.SIGHUP)
            until(lambda: "needs a certificate" in s.log(), s.log)
            with contextlib.closing(s.dial("msa")) as d:
                d.asks("EHLO x.test", "250")
                d.starttls(context)
                d.asks("EHLO x.test", "250")
        finally:
            msa.terminate()
            assert msa.wait(60) == 0, s.log()[-3000:]


def greeting(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as c:
        return c.recv(1000).decode()
    return ""


def test_a_reload_while_it_drains_is_refused():
    with system({"limits": 'drain_seconds = "1m"'}, users=(), start=False) as s:
        receive = subprocess.Popen([str(BUILD / "mta/receive/posta-mta-receive"), "-c", str(s.conf)], env=s.env,
                                   stderr=open(s.log_path, "ab"), **as_user(s.uid))
        try:
            until(lambda: "220" in greeting(s.ports["mta"]), "the greeting")
            d = s.dial("mta")
            d.asks("EHLO x.test", "250")
            d.asks("MAIL FROM:<>", "250")
            receive.terminate()
            until(lambda: greeting(s.ports["mta"]) == "", "a port that is closed")
            receive.send_signal(signal.SIGHUP)
            until(lambda: "it is ending" in s.log(), s.log, 10)
            d.asks("RCPT TO:<nobody@elsewhere.test>", "554")
            d.asks("QUIT", "221")
            assert receive.wait(60) == 0, s.log()[-3000:]
        finally:
            receive.kill()
            receive.wait()
