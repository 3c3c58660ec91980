"""A letter crosses the house: by hand, line by line, as a student types it."""
import base64
import poplib
import smtplib
import ssl
import subprocess

import pytest

from posta import DOMAIN, PASSWORD, PATIENCE, until


def b64(text):
    return base64.b64encode(text.encode()).decode()


def auth_login(d, user="alice"):
    """The lab's dialogue, with the very lines of the lab text."""
    d.asks("AUTH LOGIN", "334 VXNlcm5hbWU6")
    d.asks(b64(f"{user}@{DOMAIN}"), "334 UGFzc3dvcmQ6")
    assert "successful" in d.asks(b64(PASSWORD[user]), "235 2.7.0 ")


def send(d, mark, recipients=("bob",), sender="alice"):
    d.asks(f"MAIL FROM:<{sender}@{DOMAIN}>", "250")
    for r in recipients:
        d.asks(f"RCPT TO:<{r}@{DOMAIN}>", "250")
    d.asks("DATA", "354")
    got = d.asks(f"From: {sender}@{DOMAIN}\r\nTo: {recipients[0]}@{DOMAIN}\r\nSubject: {mark}\r\n\r\nHello.\r\n.", "250 2.0.0 ")
    assert "queued as" in got
    return got.split()[-1]


def found(posta, mark, user):
    """The one letter of `user` that carries the mark."""
    mine = until(lambda: [f for f in posta.letters(user) if f"Subject: {mark}\n" in f.read_text()], f"letter {mark} for {user}")
    assert len(mine) == 1
    return mine[0].read_text()


def test_by_hand_with_starttls_on_587(posta):
    d = posta.dial("msa")
    d.asks("EHLO student.test", "250")
    d.starttls(posta.tls_context())
    d.asks("EHLO student.test", "250")
    auth_login(d)
    letter = send(d, "by-hand", ("alice", "bob"))
    d.asks("QUIT", "221")
    for user in ("alice", "bob"):
        text = found(posta, "by-hand", user)
        assert text.startswith(f"Return-Path: <alice@{DOMAIN}>\nDelivered-To: {user}@{DOMAIN}\nReceived: from student.test")
        assert f"with ESMTPSA id {letter}" in text and "(version=TLS1_3" in text
        assert "\nMessage-ID: <" in text and "\nDate: " in text


@pytest.mark.parametrize("port", ["msa", "mta"])
def test_by_hand_in_clear_where_the_lab_allows_it(lab, port):
    d = lab.dial(port)
    assert "AUTH" in d.asks("EHLO student.test", "250")
    auth_login(d)
    send(d, f"clear-{port}", ("alice", "bob"))
    d.asks("QUIT", "221")
    assert "with ESMTPA id" in found(lab, f"clear-{port}", "bob")
    found(lab, f"clear-{port}", "alice")


def test_465(posta):
    d = posta.dial("msa_tls", tls=True)
    d.asks("EHLO student.test", "250")
    auth_login(d)
    send(d, "implicit-tls")
    found(posta, "implicit-tls", "bob")


def test_25_takes_letters_for_us_and_relays_for_nobody(posta):
    d = posta.dial("mta")
    assert "AUTH" not in d.asks("EHLO mx.elsewhere.test", "250")
    d.asks("MAIL FROM:<x@elsewhere.test>", "250")
    d.asks(f"RCPT TO:<nobody@{DOMAIN}>", "550 5.1.1")
    d.asks("RCPT TO:<y@third.test>", "554 5.7.1")
    d.asks(f"RCPT TO:<bob@{DOMAIN}>", "250")
    d.asks("DATA", "354")
    d.asks("Subject: from outside\r\n\r\nHi\r\n.", "250")
    assert "Return-Path: <x@elsewhere.test>" in found(posta, "from outside", "bob")


def test_smtplib_and_poplib(posta):
    with smtplib.SMTP("127.0.0.1", posta.ports["msa"]) as c:
        c.starttls(context=posta.tls_context())
        c.login(f"alice@{DOMAIN}", PASSWORD["alice"])
        c.sendmail(f"alice@{DOMAIN}", [f"bob@{DOMAIN}"], "Subject: python\r\n\r\n.dot\r\nend\r\n")
    found(posta, "python", "bob")
    p = poplib.POP3_SSL("127.0.0.1", posta.ports["pop3d_tls"], context=posta.tls_context())
    p.user(f"bob@{DOMAIN}")
    p.pass_(PASSWORD["bob"])
    count = p.stat()[0]
    texts = [b"\n".join(p.retr(i + 1)[1]) for i in range(count)]
    assert sum(b"Subject: python\n" in t and t.endswith(b"\n.dot\nend") for t in texts) == 1
    uidls = [line.split()[1] for line in p.uidl()[1]]
    assert len(set(uidls)) == count
    p.quit()


def test_587_wants_tls_before_auth_and_auth_before_mail(posta):
    d = posta.dial("msa")
    assert "AUTH" not in d.asks("EHLO student.test", "250")
    d.asks("AUTH PLAIN AGEAYQ==", "538")
    d.asks(f"MAIL FROM:<alice@{DOMAIN}>", "530 5.7.0")
    d.starttls(posta.tls_context())
    d.asks("EHLO student.test", "250")
    d.asks(f"MAIL FROM:<alice@{DOMAIN}>", "530 5.7.0")


def test_tls_1_1_is_refused(posta):
    c = posta.tls_context()
    c.minimum_version = ssl.TLSVersion.TLSv1
    c.maximum_version = ssl.TLSVersion.TLSv1_1
    c.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        c.wrap_socket(posta.dial("msa_tls", greet=False).s)


def test_by_hand_with_openssl(posta):
    """openssl s_client is the student's telnet once TLS is asked for."""
    s = subprocess.Popen(["openssl", "s_client", "-quiet", "-crlf", "-starttls", "smtp", "-connect", f"127.0.0.1:{posta.ports['msa']}",
                          "-CAfile", str(posta.dir / "cert.pem")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def ask(line, want):
        s.stdin.write(line.encode() + b"\n")
        s.stdin.flush()
        while (got := s.stdout.readline().decode())[3:4] == "-":
            pass
        assert got.startswith(want), (line, got)
    for line, want in (("EHLO student.test", "250"), ("AUTH LOGIN", "334 VXNlcm5hbWU6"), (b64(f"alice@{DOMAIN}"), "334 UGFzc3dvcmQ6"),
                       (b64(PASSWORD["alice"]), "235 2.7.0"), (f"MAIL FROM:<alice@{DOMAIN}>", "250"), (f"RCPT TO:<bob@{DOMAIN}>", "250"),
                       (f"RCPT TO:<alice@{DOMAIN}>", "250"), ("DATA", "354"), ("Subject: openssl\n\nHello.\n.", "250 2.0.0"), ("QUIT", "221")):
        ask(line, want)
    s.stdin.close()
    s.wait(PATIENCE)
    s.stdout.close()
    found(posta, "openssl", "bob")
