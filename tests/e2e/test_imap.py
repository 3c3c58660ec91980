"""IMAP against the running program: logging in, IDLE and who sees what when, hostile clients, restarts, the other boxes beside it."""
import base64
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import warnings

import pytest

from imap import Talk, search
from posta import DOMAIN, PASSWORD, PATIENCE, Dialogue, alive, system, until
from test_corpus import CORPUS, without_return_path
from test_pop3 import memory, pop3, put
from test_transcripts import LIMITS

BOB = f"bob@{DOMAIN}"
KIB = 1024


@pytest.fixture(scope="module")
def house():
    with system(users=("alice", "bob", "carol"), sections={"limits": LIMITS}, top="workers = 3") as s:
        yield s


def smtp(posta, text, to=BOB):
    """Delivers by port 25; the words of the 250."""
    d = posta.dial("mta")
    for line, want in (("EHLO x.test", "250"), ("MAIL FROM:<x@elsewhere.test>", "250"), (f"RCPT TO:<{to}>", "250"), ("DATA", "354")):
        d.asks(line, want)
    d.send(re.sub(rb"(?m)^\.", b"..", text))
    said = d.asks(".", "250")
    d.asks("QUIT", "221")
    return said


def letter(n, size=0):
    return b"From: a@example.test\r\nSubject: letter %d\r\n\r\n" % n + b"0123456789abcde\r\n" * (size // 17 + 1)


def fill(posta, user, n, size=0):
    put(posta, user, [letter(i, size).replace(b"\r\n", b"\n") for i in range(1, n + 1)])


def kill_imapd(posta):
    pids = posta.pids("posta-imapd")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        until(lambda pid=pid: not alive(pid), "the end of an imapd")
    return until(lambda: try_login(posta), "imapd comes back")


def try_login(posta, user="bob"):
    try:
        return Talk(posta, user)
    except (OSError, AssertionError):
        return None


# ---- logging in ----

def test_greeting_and_what_is_offered(house):
    clear = Talk(house, tls=False, login=False)
    said = b" ".join(clear.ask("CAPABILITY"))
    for word in (b"IMAP4rev1", b"STARTTLS", b"LOGINDISABLED"):
        assert word in said
    assert b"AUTH=PLAIN" not in said
    tls = Talk(house, login=False)
    said = b" ".join(tls.ask("CAPABILITY"))
    assert b"AUTH=PLAIN" in said and b"STARTTLS" not in said and b"LOGINDISABLED" not in said
    tls.ask(f"LOGIN {BOB} {PASSWORD['bob']}")
    assert b"IDLE" in b" ".join(tls.ask("CAPABILITY"))
    tls.ask("LOGOUT")
    assert tls.line() == b""


def test_starttls(house):
    c = Talk(house, tls=False, login=False).starttls(house.tls_context())
    assert b"LOGINDISABLED" not in b" ".join(c.ask("CAPABILITY"))
    c.ask(f"LOGIN {BOB} {PASSWORD['bob']}")
    c.select()
    c.ask("LOGOUT")


@pytest.mark.parametrize("initial", [True, False])
def test_authenticate_plain(house, initial):
    c = Talk(house, login=False)
    words = base64.b64encode(f"\0{BOB}\0{PASSWORD['bob']}".encode()).decode()
    if initial:
        c.ask("AUTHENTICATE PLAIN " + words)
    else:
        tag = c.say("AUTHENTICATE PLAIN")
        c.until(b"+", b"")
        c.send(words.encode() + b"\r\n")
        c.until(tag)
    c.select()
    c.ask("LOGOUT")


def test_authenticate_cancelled(house):
    c = Talk(house, login=False)
    tag = c.say("AUTHENTICATE PLAIN")
    c.until(b"+", b"")
    c.send(b"*\r\n")
    c.until(tag, b"BAD")
    c.ask(f"LOGIN {BOB} {PASSWORD['bob']}")
    c.close()


def test_wrong_passwords_end_the_session(house):
    c = Talk(house, login=False)
    for _ in range(2):
        c.ask(f"LOGIN {BOB} wrong", "NO [AUTHENTICATIONFAILED]")
    tag = c.say(f"LOGIN nobody@{DOMAIN} wrong")
    seen = [c.line(), c.line()]
    assert any(line.startswith(tag + b"NO") for line in seen) and any(line.startswith(b"* BYE") for line in seen), seen
    assert c.line() == b""
    assert "PLAIN from 127.0.0.1 with TLS" in house.log()


def test_T20_no_password_in_clear(house):
    c = Talk(house, tls=False, login=False)
    c.ask(f"LOGIN {BOB} verysecretword", "NO [PRIVACYREQUIRED]")
    c.ask("AUTHENTICATE PLAIN " + base64.b64encode(b"\0bob\0verysecretword").decode(), "NO [PRIVACYREQUIRED]")
    c.close()
    assert "verysecretword" not in house.log()


def test_T02_what_follows_starttls_in_clear_is_nobodys(house):
    d = Dialogue(house.ports["imapd"], greet=False)
    d.line()
    d.send(b"a STARTTLS\r\nb LOGIN " + f"{BOB} {PASSWORD['bob']}\r\n".encode())
    assert d.line().startswith((b"a OK", b"a BAD"))
    d.s.settimeout(PATIENCE)
    try:
        d.s = house.tls_context().wrap_socket(d.s, server_hostname="mail." + DOMAIN)
    except (ssl.SSLError, OSError):
        return
    d.rest = b""
    d.send(b"c NOOP\r\n")
    assert d.line().startswith(b"c OK"), "b was never answered"
    d.close()


def test_T05_T06_starttls_once_and_what_was_known_is_forgotten(house):
    c = Talk(house, tls=False, login=False)
    c.ask("ID NIL")
    c.starttls(house.tls_context())
    c.ask("STARTTLS", "BAD")
    c.ask(f"LOGIN {BOB} {PASSWORD['bob']}")
    c.ask("STARTTLS", "BAD")
    c.close()


def test_T07_T18_other_protocols(house):
    for port, noise in (("imapd_tls", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("imapd_tls", b"SSH-2.0-x\r\n"),
                        ("imapd_tls", b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00")):
        s = socket.create_connection(("127.0.0.1", house.ports[port]), timeout=PATIENCE)
        s.sendall(noise)
        got = b""
        try:
            while more := s.recv(4096):
                got += more
        except ConnectionResetError:
            pass
        assert b"* " not in got
    c = Talk(house, tls=False, login=False)
    c.ask("STARTTLS")
    c.send(b"GARBAGE\r\n" * 100)
    try:
        while more := c.s.recv(4096):
            assert b"BAD" not in more and b"* " not in more
    except ConnectionResetError:
        pass


def test_T09_alpn(house):
    for name, good in (("imap", True), ("http/1.1", False), ("pop3", False)):
        context = house.tls_context()
        context.set_alpn_protocols([name])
        try:
            s = context.wrap_socket(socket.create_connection(("127.0.0.1", house.ports["imapd_tls"]), timeout=PATIENCE), server_hostname="mail." + DOMAIN)
            assert good and s.selected_alpn_protocol() == "imap" and s.recv(4) == b"* OK"
            s.close()
        except ssl.SSLError:
            assert not good


def test_T11_old_tls(house):
    warnings.simplefilter("ignore", DeprecationWarning)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(socket.create_connection(("127.0.0.1", house.ports["imapd_tls"]), timeout=PATIENCE))


def test_many_log_in_at_once(house):
    answers = []

    def one(i):
        c = Talk(house, login=False)
        tag = c.say(f"LOGIN {BOB} " + (PASSWORD["bob"] if i % 2 else "wrong"))
        while not (line := c.line()).startswith(tag):
            assert line
        answers.append((i % 2, line[len(tag):]))
        c.close()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE)
    assert len(answers) == 40
    for right, words in answers:
        assert words.startswith(b"OK" if right else b"NO [AUTHENTICATIONFAILED]"), words


def test_x22_authd_down(house):
    (pid,) = house.pids("posta-authd")
    c = Talk(house)
    os.kill(pid, signal.SIGKILL)
    c.select()
    other = Talk(house, login=False)
    tag = other.say(f"LOGIN {BOB} {PASSWORD['bob']}")
    while not (line := other.line()).startswith(tag):
        assert line
    assert line[len(tag):].startswith((b"NO [UNAVAILABLE]", b"OK")), line
    until(lambda: try_login(house), "authd comes back").ask("LOGOUT")


# ---- letters in, letters out ----

def test_usual_folders_are_there_and_marked(house):
    c = Talk(house, "carol")
    said = b"\n".join(c.ask('LIST "" "*"'))
    for name, use in ((b"Sent", rb"\\Sent"), (b"Drafts", rb"\\Drafts"), (b"Trash", rb"\\Trash"), (b"Junk", rb"\\Junk")):
        assert re.search(rb"\* LIST \([^)]*" + use + rb"[^)]*\) \"/\" \"?" + name, said), said
    c.close()


def test_delivered_by_smtp_and_fetched(house):
    put(house, "bob", [])
    text = letter(1, 100000) + b".dots\r\n..\r\n"
    smtp(house, text)
    house.wait_letters(1)
    c = Talk(house)
    assert c.select() == 1
    body = c.body(1)
    assert body.endswith(text) and body.startswith(b"Return-Path: <x@elsewhere.test>\r\n")
    assert int(re.search(rb"RFC822.SIZE (\d+)", c.fetch(1, "(RFC822.SIZE)")[1]).group(1)) == len(body)
    c.close()


def test_corpus_appended_and_fetched_byte_identical(house):
    if not CORPUS.is_dir():
        pytest.skip("no corpus here")
    c = Talk(house, "carol")
    c.ask("CREATE corpus")
    sent = {}
    for path in sorted(CORPUS.rglob("*.eml")):
        raw = path.read_bytes()
        if b"\0" in raw or not raw:
            continue
        wire = re.sub(rb"\r?\n", b"\r\n", raw)
        sent[c.append(wire, "corpus")] = (path.name, wire)
    assert len(sent) > 450
    assert c.select("corpus") == len(sent)
    for uid, (name, wire) in sent.items():
        assert c.body(uid, uid=True) == wire, name
    c.fetch("1:*", "(ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE FLAGS)")
    c.close()


def test_append_large_and_its_flags(house):
    c = Talk(house, "carol")
    text = letter(1, 3 << 20)
    uid = c.append(text, "Drafts", r' (\Seen \Draft $Work) "17-Jul-1996 02:44:25 -0700"')
    c.select("Drafts")
    assert c.body(uid, uid=True) == text
    (got,) = c.fetch(uid, "(FLAGS INTERNALDATE)", uid=True).values()
    assert b'"17-Jul-1996' in got and all(f in got for f in (rb"\Seen", rb"\Draft", b"$Work"))
    c.close()


def test_pop3_and_imap_on_one_mailbox(house):
    fill(house, "bob", 3)
    c = Talk(house)
    assert c.select() == 3
    c.ask(r"STORE 2 +FLAGS (\Seen)")
    c.idle()
    p = pop3(house, "bob")
    p.asks("STAT", "+OK 3 ")
    p.asks("DELE 1", "+OK")
    p.asks("QUIT", "+OK")
    c.hear(rb"^\* 1 EXPUNGE")
    c.done()
    assert rb"\Seen" in c.flags(1)
    c.ask(r"STORE 1 +FLAGS (\Deleted)")
    c.ask("EXPUNGE")
    p = pop3(house, "bob")
    p.asks("STAT", "+OK 1 ")
    p.asks("QUIT", "+OK")
    c.close()


# ---- who sees what when ----

def test_idle_hears_of_a_delivered_letter(house):
    put(house, "bob", [])
    c = Talk(house)
    c.select()
    c.idle()
    for n in (1, 2, 3):
        smtp(house, letter(n))
        c.hear(rb"^\* %d EXISTS" % n)
    c.done()
    assert search(c.ask("SEARCH ALL")) == [1, 2, 3]
    c.close()


def test_idle_in_another_mailbox_in_one_breath(house):
    put(house, "bob", [])
    c, other = Talk(house), Talk(house)
    c.select()
    c.idle()
    c.send(b"DONE\r\nx SELECT Drafts\r\ny IDLE\r\n")
    c.until(b"x ")
    c.until(b"+", b"")
    other.append(letter(1), "Drafts")
    c.hear(rb"^\* 1 EXISTS")
    c.close()
    other.close()


def test_changes_are_seen_across_workers(house):
    """More sessions than workers, all idling; one of them changes."""
    fill(house, "bob", 3)
    others = [Talk(house) for _ in range(8)]
    for c in others:
        assert c.select() == 3
        c.idle()
    one = Talk(house)
    one.select()
    one.ask(r"STORE 2 +FLAGS.SILENT (\Flagged)")
    for c in others:
        c.hear(rb"^\* 2 FETCH .*\\Flagged")
    one.ask(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    one.ask("EXPUNGE")
    for c in others:
        c.hear(rb"^\* 1 EXPUNGE")
    one.append(letter(9))
    for c in others:
        c.hear(rb"^\* 3 EXISTS")
        c.done()
        assert c.flags(1) >= {rb"\Flagged"}
        c.close()


def test_what_other_programs_do_is_seen_in_idle(house):
    fill(house, "bob", 3)
    c = Talk(house)
    c.select()
    c.idle()
    first, second = [f for f in house.letters("bob") if f.parent.name == "cur"][:2]
    first.unlink()
    c.hear(rb"^\* \d EXPUNGE")
    second.rename(second.with_name(second.name.split(":2,")[0] + ":2,F"))
    c.hear(rb"FETCH .*\\Flagged")
    new = house.maildir("bob") / "new" / "1700000999.M1P1.elsewhere"
    new.write_bytes(b"Subject: by hand\n\nx\n")
    if house.uid:
        os.chown(new, house.uid, house.uid)
    c.hear(rb"^\* 3 EXISTS")
    c.done()
    c.close()


def test_a_folder_deleted_under_an_idling_session(house):
    c, other = Talk(house), Talk(house)
    c.ask("CREATE gone")
    c.select("gone")
    c.idle()
    other.ask("DELETE gone")
    other.ask("CREATE gone")
    c.send(b"DONE\r\n")
    while (line := c.line()) and not line.startswith((c.tag, b"* BYE")):
        pass
    assert line, "told, one way or the other"
    other.ask("DELETE gone")
    other.close()
    c.close()


def test_letters_come_while_many_look(house):
    """Letters delivered by SMTP while sessions idle, fetch and store: each sees each letter once, numbers without gaps."""
    put(house, "bob", [])
    watchers = [Talk(house) for _ in range(4)]
    for c in watchers:
        c.select()
        c.idle()
    for n in range(20):
        smtp(house, letter(n))
    for c in watchers:
        c.hear(rb"^\* 20 EXISTS")
        c.done()
        uids = [int(re.search(rb"UID (\d+)", t).group(1)) for t in c.fetch("1:*", "(UID)").values()]
        assert len(uids) == 20 and uids == sorted(set(uids))
        c.close()


# ---- hostile clients ----

def test_I22_pipelined_fetches_that_are_never_read(house):
    fill(house, "bob", 50, 2000)
    pids = house.pids("posta-imapd")
    before = {p: memory(p) for p in pids}
    c = Talk(house)
    c.select()
    c.s.settimeout(2)
    sent = 0
    try:
        for i in range(100):
            c.send(b"".join(b"x%d FETCH 1:* (BODY.PEEK[])\r\n" % (i * 1000 + k) for k in range(1000)))
            sent += 1000
    except (socket.timeout, ssl.SSLError):
        pass
    assert sent < 100000, "at some time it is not read from"
    other = Talk(house, "alice")
    other.select()
    other.ask("NOOP")
    other.close()
    assert all(memory(p) - before[p] < 64 * KIB for p in pids), "KiB"
    c.close()


def test_I23_idle_and_nonsense(house):
    c = Talk(house)
    c.select()
    tag = c.idle().tag
    c.send(b"FOO\r\n")
    c.until(tag, b"BAD")
    c.ask("NOOP")
    c.idle()
    try:
        for _ in range(1000):
            c.send(b"x" * (1 << 20))
        cut = False
    except OSError:
        cut = True
    assert cut
    c.close()


def test_I28_other_peoples_mailboxes(house):
    c = Talk(house)
    names = ("Other Users/alice", "user.alice", "#user/alice", "alice", f"user/{DOMAIN}/alice", "~alice", "../alice", "Other Users/alice/INBOX")
    for name in names:
        for command in (f'SELECT "{name}"', f'STATUS "{name}" (MESSAGES)', f'EXAMINE "{name}"'):
            c.ask(command, "NO")
    c.ask('SELECT "nosuchfolder"', "NO")
    missing = c.status
    c.ask('SELECT "Other Users/alice"', "NO")
    assert c.status == missing, "as a folder that is not there"
    c.close()


def test_I29_logout_in_a_literal_and_a_reset_in_a_fetch(house):
    put(house, "bob", [b"Subject: big\n\n" + b"x" * 70 + b"\n" * (20 << 20)])
    c = Talk(house, login=False)
    c.send(b"a LOGIN {10}\r\n")
    c.until(b"+", b"")
    c.send(b"a LOGOUT\r\n")
    c.close()
    pids = house.pids("posta-imapd")
    for _ in range(5):
        c = Talk(house)
        c.select()
        c.say("FETCH 1 (BODY.PEEK[])")
        c.s.recv(1000)
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.close()
    c = Talk(house)
    c.send(b"a APPEND INBOX {1000000}\r\n")
    c.until(b"+", b"")
    c.send(b"x" * 500000)
    c.close()
    until(lambda: sessions(house) == 0, "no session is left")
    assert house.pids("posta-imapd") == pids
    until(lambda: not list((house.maildir("bob") / "tmp").iterdir()), "no half letter is left in tmp/")
    put(house, "bob", [])


def sessions(posta):
    return sum(p["counters"]["sessions"] for p in posta.json("status")["processes"] if p["process"] == "posta-imapd")


def test_a_long_command_keeps_nobody_waiting(house):
    """Sessions that ask for much and read slowly; another one comes in and is served between their steps."""
    fill(house, "bob", 300, 20000)
    busy = [Talk(house) for _ in range(6)]
    for c in busy:
        c.select()
        for _ in range(20):
            c.say("FETCH 1:* (BODY.PEEK[] ENVELOPE BODYSTRUCTURE)")
    other = Talk(house, "alice")
    other.select()
    other.append(letter(1))
    other.close()
    for c in busy:
        c.close()


def test_a_slow_stranger_is_sent_away():
    with system(sections={"limits": LIMITS + " command_seconds = 1 handshake_seconds = 1"}) as posta:
        c = Talk(posta, tls=False, login=False)
        assert c.line().startswith(b"* BYE") and c.line() == b""
        s = socket.create_connection(("127.0.0.1", posta.ports["imapd_tls"]), timeout=PATIENCE)
        assert s.recv(100) == b""
        c = Talk(posta)
        c.idle()
        c.done()
        c.ask("NOOP")
        c.close()


# ---- starting, stopping ----

def test_killed_and_the_same_uids_again(house):
    fill(house, "bob", 5)
    c = Talk(house)
    c.select()
    validity = re.search(rb"UIDVALIDITY (\d+)", b" ".join(c.ask("STATUS INBOX (UIDVALIDITY)"))).group(1)
    before = c.fetch("1:*", "(UID)")
    c.ask(r"STORE 2 +FLAGS (\Answered)")
    c = kill_imapd(house)
    assert validity in b" ".join(c.ask("STATUS INBOX (UIDVALIDITY)"))
    c.select()
    assert c.fetch("1:*", "(UID)") == before and rb"\Answered" in c.flags(2)
    c.idle()
    smtp(house, letter(7))
    c.hear(rb"^\* 6 EXISTS")
    c.close()
    # each new one, however late it starts, has its own
    until(lambda: len(list((house.run / "change").iterdir())) == len(house.pids("posta-imapd")), "no socket of the dead is left")


def test_reload_drops_no_session(house):
    c = Talk(house)
    c.select()
    c.idle()
    house.cli("reload")
    smtp(house, letter(8))
    c.hear(rb"EXISTS")
    c.done()
    c.close()


def test_drain_says_goodbye():
    with system() as posta:
        idling, quiet, busy = Talk(posta), Talk(posta), Talk(posta)
        for c in (idling, quiet, busy):
            c.select()
        idling.idle()
        tag = busy.say("APPEND INBOX {20}")
        busy.until(b"+", b"")
        posta.process.terminate()
        for c in (idling, quiet):
            assert c.hear(rb"^\* BYE") and c.line() == b""
        busy.send(b"Subject: last\r\n\r\nx\r\n\r\n")
        busy.until(tag)
        assert busy.hear(rb"^\* BYE")
        posta.process.wait(PATIENCE)
        posta.process = None
        assert len(posta.letters("bob")) == 1
        assert not list((posta.run / "change").iterdir())


def test_transcripts_without_secrets():
    with system(sections={"log": "transcript = true"}) as posta:
        c = Talk(posta)
        c.select()
        c.ask("LOGOUT")
        c = Talk(posta, login=False)
        c.ask("AUTHENTICATE PLAIN " + base64.b64encode(f"\0{BOB}\0{PASSWORD['bob']}".encode()).decode())
        c.ask("LOGOUT")
        until(lambda: posta.log().count(f"session user={BOB}") == 2, "both sessions in the log")
        log = posta.log()
        assert re.search(r"line imapd-\d+ < a2 SELECT", log) and re.search(r"line imapd-\d+ > a2 OK", log)
        assert PASSWORD["bob"] not in log and base64.b64encode(PASSWORD["bob"].encode()).decode()[:8] not in log
        assert re.search(rf"session user={BOB} peer=127.0.0.1 tls=TLS1_3 commands=\d+ in=\d+ out=\d+", log)


def test_alone_with_authd():
    """Each process runs by itself, as in a container: authd and imapd without a supervisor."""
    with system(start=False) as s:
        from posta import BUILD, as_user
        children = [subprocess.Popen([str(BUILD / p), "-c", str(s.conf)], env=s.env, **as_user(s.uid)) for p in ("authd/posta-authd", "imapd/posta-imapd")]
        try:
            c = until(lambda: try_login(s), "the two processes")
            c.append(letter(1))
            c.close()
        finally:
            for p in reversed(children):
                p.terminate()
                assert p.wait(PATIENCE) == 0


def test_u19_no_secret_in_the_log(house):
    assert not [p for p in PASSWORD.values() if p in house.log()]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file to another user")
@pytest.mark.parametrize("what", ["ENVELOPE", "BODY.PEEK[]", "BODYSTRUCTURE", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
def test_a_letter_that_cannot_be_read_is_not_passed_over_in_silence(house, what):
    put(house, "alice", [b"Subject: one\n\nx\n", b"Subject: two\n\ny\n"])
    c = Talk(house, "alice")
    c.ask("SELECT INBOX")
    first = min(house.letters("alice"), key=lambda f: int(re.search(r",P=\d+\.(\d+)", f.name).group(1)))
    os.chown(first, 0, 0)
    os.chmod(first, 0o600)
    seen = c.ask(f"UID FETCH 1:* (UID {what})", "NO [UNAVAILABLE]")
    assert len(seen) == 1 and seen[0].startswith(b"* 2 FETCH"), seen
    assert "cannot be read" in house.log()
    os.chown(first, house.uid, house.uid)
    assert len(c.ask(f"UID FETCH 1:* (UID {what})")) == 2
