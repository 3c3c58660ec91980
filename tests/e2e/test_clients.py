"""Real clients, as people use them: swaks, curl and msmtp send; curl, fetchmail, getmail, mutt and mail read."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from posta import DOMAIN, PASSWORD, PATIENCE, as_user, until

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


def tool(*command, input=None, env=None, status=0, **more):
    """Runs a client; what it printed. The test is skipped where the client is not installed."""
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    r = subprocess.run([str(c) for c in command], input=input, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=PATIENCE, **more)
    assert status is None or r.returncode == status, f"{command[0]} said {r.returncode}\n{r.stdout}\n{r.stderr}"
    return r.stdout + r.stderr


def arrived(posta, mark, user="bob"):
    def look():
        return [f for f in posta.letters(user) if mark in f.read_text(errors="replace")]
    mine = until(look, f"a letter with {mark} for {user}")
    assert len(mine) == 1
    return mine[0].read_text(errors="replace")


def test_swaks_with_tls_and_plain(posta):
    said = tool("swaks", "--server", f"127.0.0.1:{posta.ports['msa']}", "-tls", "--auth", "PLAIN", "--auth-user", ALICE, "--auth-password",
                PASSWORD["alice"], "--from", ALICE, "--to", BOB, "--header-X-Test", "swaks-587", "--helo", "student.test")
    assert re.search(r"<~  250 2\.0\.0 .*queued as", said)
    assert "X-Test: swaks-587\n" in arrived(posta, "X-Test: swaks-587")


def test_swaks_with_login_mechanism(posta):
    tool("swaks", "--server", f"127.0.0.1:{posta.ports['msa_tls']}", "-tlsc", "--auth", "LOGIN", "--auth-user", ALICE, "--auth-password",
         PASSWORD["alice"], "--from", ALICE, "--to", BOB, "--header-X-Test", "swaks-465", "--helo", "student.test")
    arrived(posta, "X-Test: swaks-465")


def test_swaks_to_25_without_authentication(posta):
    tool("swaks", "--server", f"127.0.0.1:{posta.ports['mta']}", "--from", "x@elsewhere.test", "--to", BOB, "--header-X-Test", "swaks-25",
         "--helo", "mx.elsewhere.test")
    text = arrived(posta, "X-Test: swaks-25")
    assert "with ESMTP id" in text and "Return-Path: <x@elsewhere.test>" in text


def test_swaks_wrong_password(posta):
    said = tool("swaks", "--server", f"127.0.0.1:{posta.ports['msa']}", "-tls", "--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", "wrong",
                "--from", ALICE, "--to", BOB, "--helo", "student.test", status=28)
    assert "535 5.7.8" in said


def curl(posta, port, scheme, path, *more):
    name = "mail." + DOMAIN
    return tool("curl", "-sS", "--resolve", f"{name}:{posta.ports[port]}:127.0.0.1", "--cacert", posta.dir / "cert.pem", "--ssl-reqd",
                f"{scheme}://{name}:{posta.ports[port]}{path}", *more)


def test_curl_sends_and_reads(posta):
    letter = posta.dir.parent / "curl.eml"
    letter.write_text(f"From: {ALICE}\r\nTo: {BOB}\r\nSubject: by curl\r\n\r\n.curl\r\n")
    curl(posta, "msa", "smtp", "", "--user", f"{ALICE}:{PASSWORD['alice']}", "--mail-from", ALICE, "--mail-rcpt", BOB, "--upload-file", str(letter))
    arrived(posta, "Subject: by curl")
    listing = curl(posta, "pop3d_tls", "pop3s", "", "--user", f"{BOB}:{PASSWORD['bob']}")
    texts = [curl(posta, "pop3d_tls", "pop3s", f"/{line.split()[0]}", "--user", f"{BOB}:{PASSWORD['bob']}") for line in listing.splitlines() if line.strip()]
    assert sum("Subject: by curl" in t and "\n.curl" in t for t in texts) == 1


def test_msmtp(posta):
    rc = posta.dir.parent / "msmtprc"
    rc.write_text(f"account default\nhost 127.0.0.1\nport {posta.ports['msa']}\nauth on\nuser {ALICE}\npassword {PASSWORD['alice']}\nfrom {ALICE}\n"
                  f"tls on\ntls_starttls on\ntls_trust_file {posta.dir}/cert.pem\ntls_host_override mail.{DOMAIN}\n")
    rc.chmod(0o600)
    tool("msmtp", "-C", rc, BOB, input=f"From: {ALICE}\nTo: {BOB}\nSubject: by msmtp\n\nhello\n")
    arrived(posta, "Subject: by msmtp")


def deliver(posta, mark):
    tool("swaks", "--server", f"127.0.0.1:{posta.ports['mta']}", "--from", "x@elsewhere.test", "--to", BOB, "--header-X-Test", mark, "--helo", "mx.elsewhere.test")
    arrived(posta, f"X-Test: {mark}")


def test_fetchmail(posta):
    deliver(posta, "for-fetchmail")
    rc, got = posta.dir.parent / "fetchmailrc", posta.dir.parent / "fetched"
    rc.write_text(f'poll 127.0.0.1 protocol POP3 port {posta.ports["pop3d_tls"]} user "{BOB}" password "{PASSWORD["bob"]}" ssl no sslcertck '
                  f'keep fetchall mda "tee -a {got}"\n')
    rc.chmod(0o600)
    tool("fetchmail", "-f", rc, "--nodetach", "--nosyslog", "--pidfile", posta.dir.parent / "fetchmail.pid", "-i", posta.dir.parent / "fetchids",
         env={"HOME": str(posta.dir.parent)})
    assert "X-Test: for-fetchmail" in got.read_text(errors="replace")
    assert any("for-fetchmail" in f.read_text() for f in posta.letters("bob")), "kept on the server"


def test_getmail(posta):
    deliver(posta, "for-getmail")
    home = posta.dir.parent / "getmail"
    for d in ("cur", "new", "tmp"):
        (home / "box" / d).mkdir(parents=True, exist_ok=True)
    (home / "getmailrc").write_text(
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = 127.0.0.1\nport = {posta.ports['pop3d_tls']}\nusername = {BOB}\npassword = {PASSWORD['bob']}\n"
        f"[destination]\ntype = Maildir\npath = {home}/box/\n[options]\ndelivered_to = false\nreceived = false\nread_all = true\n")
    if os.geteuid() == 0:  # it refuses to deliver as root
        for f in [home, *home.rglob("*")]:
            os.chown(f, posta.uid, posta.uid)
    tool("getmail", f"--getmaildir={home}", env={"HOME": str(home)}, **as_user(posta.uid))
    got = [f.read_bytes() for f in (home / "box/new").iterdir()]
    theirs = {f.read_bytes() for f in posta.letters("bob")}
    assert len(got) == len(theirs) and set(got) == theirs, "byte-identical with what lies in the Maildir"


def mutt(posta, name, *arguments):
    """Opens a mailbox in mutt, pipes its last letter into a file by the keys a person presses; what the file holds."""
    if not shutil.which("mutt"):
        pytest.skip("mutt is not installed")
    out, rc = posta.dir.parent / (name + ".out"), posta.dir.parent / (name + ".rc")
    rc.write_text(f'set folder="{posta.dir.parent}"\nset certificate_file="{posta.dir}/cert.pem"\nset ssl_verify_host=no\nset pop_delete=no\nset quit=yes\nset wait_key=no\n'
                  f'set sort=mailbox-order\nset pop_pass="{PASSWORD["bob"]}"\nset pipe_decode=no\n')
    keys = [(lambda seen: b"[Msgs:" in seen, b"*|"), (lambda seen: b"Pipe to command:" in seen, f"cat > {out}\r".encode()),
            (lambda seen: out.exists() and out.stat().st_size, b"q")]
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("mutt", ["mutt", "-n", "-F", str(rc), *arguments], {**os.environ, "TERM": "vt100", "HOME": str(posta.dir.parent)})
    end, seen = time.monotonic() + PATIENCE, b""
    try:
        while time.monotonic() < end:
            if keys and keys[0][0](seen):
                os.write(fd, keys.pop(0)[1])
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                seen += os.read(fd, 65536)
            except OSError:
                break
    finally:
        os.close(fd)
        os.waitpid(pid, 0)
    assert not keys, seen.decode("utf-8", "replace")[-1500:]
    return out.read_text(errors="replace")


def test_mutt_by_pop3(posta):
    deliver(posta, "for-mutt")
    user = BOB.replace("@", "%40")
    assert "Subject: test" in mutt(posta, "mutt-pop", "-f", f"pops://{user}@127.0.0.1:{posta.ports['pop3d_tls']}/")


def test_mutt_reads_the_maildir(posta):
    deliver(posta, "for-mutt-maildir")
    copy = posta.dir.parent / "mutt-box"
    shutil.copytree(posta.maildir(), copy)
    for old in [f for f in copy.rglob("*") if f.is_file() and "for-mutt-maildir" not in f.read_text(errors="replace")]:
        old.unlink()
    assert "X-Test: for-mutt-maildir" in mutt(posta, "mutt-dir", "-f", str(copy))


def test_mailutils_reads_the_maildir(posta):
    deliver(posta, "for-mail")
    copy = posta.dir.parent / "mail-box"
    shutil.copytree(posta.maildir(), copy)
    said = tool("mail", "-N", "-f", f"maildir://{copy}", input="print *\nexit\n", env={"HOME": str(posta.dir.parent), "TERM": "dumb", "PAGER": "cat"}, status=None)
    assert "for-mail" in said
