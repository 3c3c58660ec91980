"""Real IMAP clients, as people use them; each does something, and what it did is looked for on the disk."""
import contextlib
import imaplib
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from imap import Talk
from posta import DOMAIN, PASSWORD, PATIENCE, as_user, system, until
from test_clients import curl, tool
from test_pop3 import put
from test_transcripts import LIMITS

BOB = f"bob@{DOMAIN}"
HOST = f"mail.{DOMAIN}"


@pytest.fixture(scope="module")
def house():
    with system(users=("alice", "bob", "carol"), sections={"limits": LIMITS}) as s:
        yield s


def fresh(posta, user="bob"):
    """No letters and no folders but the usual ones, all empty."""
    put(posta, user, [])
    c = Talk(posta, user)
    for line in c.ask('LIST "" "*"'):
        name = re.search(rb'"/" "?([^"]*)"?$', line).group(1).decode()
        if name != "INBOX":
            c.ask(f'DELETE "{name}"')
    c.close()


def on_disk(posta, mark, user="bob", folder=""):
    d = posta.maildir(user) / folder
    for _ in range(100):  # imapd may rename what has just been listed
        try:
            return [f for sub in ("new", "cur") if (d / sub).is_dir() for f in (d / sub).iterdir() if mark in f.read_text(errors="replace")]
        except FileNotFoundError:
            continue
    raise AssertionError(f"{d} is never quiet")


def flags(path):
    return set(path.name.split(":2,")[1]) if ":2," in path.name else set()


@contextlib.contextmanager
def home(posta, name):
    d = posta.dir.parent / name
    shutil.rmtree(d, ignore_errors=True)
    d.mkdir()
    yield d


# ---- libraries ----

def test_imaplib(house):
    fresh(house)
    c = imaplib.IMAP4_SSL("127.0.0.1", house.ports["imapd_tls"], ssl_context=house.tls_context())
    c.login(BOB, PASSWORD["bob"])
    assert c.append("INBOX", r"(\Seen)", imaplib.Time2Internaldate(1000000000), b"Subject: by imaplib\r\n\r\nx\r\n")[0] == "OK"
    assert c.create("Work/2026")[0] == "OK" and c.subscribe("Work/2026")[0] == "OK"
    assert c.select("INBOX") == ("OK", [b"1"])
    assert c.search(None, "SUBJECT", '"by imaplib"') == ("OK", [b"1"])
    assert c.copy("1", "Work/2026")[0] == "OK"
    assert c.store("1", "+FLAGS", r"(\Flagged \Deleted)")[0] == "OK"
    kind, data = c.fetch("1", "(RFC822 INTERNALDATE)")
    assert data[0][1] == b"Subject: by imaplib\r\n\r\nx\r\n"
    assert c.expunge() == ("OK", [b"1"])
    c.logout()
    assert on_disk(house, "by imaplib") == []
    (copy,) = on_disk(house, "by imaplib", folder=".Work.2026")
    assert "S" in flags(copy)


def test_imaplib_starttls_and_idle(house):
    c = imaplib.IMAP4("127.0.0.1", house.ports["imapd"])
    c.starttls(ssl_context=house.tls_context())
    c.authenticate("PLAIN", lambda _: f"\0{BOB}\0{PASSWORD['bob']}".encode())
    assert c.select("INBOX", readonly=True)[0] == "OK"
    c.logout()


def test_perl_mail_imapclient(house):
    fresh(house)
    script = f"""
use strict; use Mail::IMAPClient;
my $c = Mail::IMAPClient->new(Server => '127.0.0.1', Port => {house.ports['imapd_tls']}, User => '{BOB}', Password => '{PASSWORD["bob"]}',
    Ssl => [SSL_ca_file => '{house.dir}/cert.pem', SSL_verifycn_name => '{HOST}'], Uid => 1) or die "login: $@";
my $uid = $c->append_string('INBOX', "Subject: by perl\\r\\n\\r\\nline\\r\\n") or die $c->LastError;
$c->create('Perl') or die $c->LastError;
$c->select('INBOX') or die $c->LastError;
my @found = $c->search('SUBJECT', 'by perl') or die $c->LastError;
die "found @found" unless "@found" eq "$uid";
my $env = $c->get_envelope($uid) or die $c->LastError;
die $env->subject unless $env->subject eq 'by perl';
my $bs = $c->get_bodystructure($uid) or die $c->LastError;
die $bs->bodytype unless lc($bs->bodytype) eq 'text';
$c->set_flag('Answered', $uid) or die $c->LastError;
die "flags" unless grep {{ $_ eq '\\\\Answered' }} @{{$c->flags($uid)}};
$c->move('Perl', $uid) or die $c->LastError;
$c->expunge or die $c->LastError;
$c->logout; print "fine\\n";
"""
    if subprocess.run(["perl", "-MMail::IMAPClient", "-MIO::Socket::SSL", "-e1"], capture_output=True).returncode:
        pytest.skip("Mail::IMAPClient is not installed")
    assert "fine" in tool("perl", "-e", script)
    (moved,) = on_disk(house, "by perl", folder=".Perl")
    assert "R" in flags(moved) and not on_disk(house, "by perl")


# ---- programs ----

def test_curl(house):
    fresh(house)
    eml = house.dir.parent / "curl-imap.eml"
    eml.write_text("From: bob@example.test\r\nSubject: by curl\r\n\r\n.curl\r\n")
    login = ("--user", f"{BOB}:{PASSWORD['bob']}")
    curl(house, "imapd_tls", "imaps", "/INBOX", *login, "--upload-file", str(eml))
    assert len(on_disk(house, "by curl")) == 1
    assert ".curl" in curl(house, "imapd_tls", "imaps", "/INBOX;MAILINDEX=1", *login)
    assert "* SEARCH 1" in curl(house, "imapd", "imap", "/INBOX?SUBJECT%20curl", *login)
    curl(house, "imapd_tls", "imaps", "/INBOX", *login, "-X", r"STORE 1 +Flags \Deleted")
    curl(house, "imapd_tls", "imaps", "/INBOX", *login, "-X", "EXPUNGE")
    assert not on_disk(house, "by curl")


def test_getmail(house):
    fresh(house)
    put(house, "bob", [b"Subject: one for getmail\n\n1\n", b"Subject: two for getmail\n\n2\n"])
    with home(house, "getmail-imap") as h:
        for d in ("cur", "new", "tmp"):
            (h / "box" / d).mkdir(parents=True)
        (h / "getmailrc").write_text(
            f"[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = 127.0.0.1\nport = {house.ports['imapd_tls']}\nusername = {BOB}\npassword = {PASSWORD['bob']}\n"
            f"mailboxes = (\"INBOX\",)\n[destination]\ntype = Maildir\npath = {h}/box/\n[options]\ndelivered_to = false\nreceived = false\ndelete = true\n")
        if os.geteuid() == 0:  # it refuses to deliver as root
            for f in [h, *h.rglob("*")]:
                os.chown(f, house.uid, house.uid)
        tool("getmail", f"--getmaildir={h}", env={"HOME": str(h)}, **as_user(house.uid))
        assert subjects((h / "box/new").iterdir()) == ["one for getmail", "two for getmail"]
    assert not house.letters("bob")


def keys(program, arguments, steps, env):
    """Runs a program in a terminal: each step waits for what the screen (or the disk) shows, then presses keys."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(program, [program, *arguments], {**os.environ, "TERM": "vt100", **env})
    end, seen, steps = time.monotonic() + PATIENCE, b"", list(steps)
    try:
        while time.monotonic() < end:
            if steps and steps[0][0](seen):
                os.write(fd, steps.pop(0)[1])
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                seen += os.read(fd, 65536)
            except OSError:
                break
    finally:
        os.close(fd)
        os.waitpid(pid, 0)
    assert not steps, seen.decode("utf-8", "replace")[-1500:]


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt(house, program):
    """Flags a letter, copies it to a new folder, deletes another one, and quits."""
    fresh(house)
    put(house, "bob", [b"From: a@example.test\nSubject: keep this\n\n1\n", b"From: a@example.test\nSubject: drop this\n\n2\n"])
    user = BOB.replace("@", "%40")
    with home(house, program) as h:
        (h / "rc").write_text(
            f'set folder="imaps://{user}@127.0.0.1:{house.ports["imapd_tls"]}/"\nset spoolfile="+INBOX"\nset imap_pass="{PASSWORD["bob"]}"\nset imap_user="{BOB}"\n'
            f'set certificate_file="{house.dir}/cert.pem"\nset ssl_verify_host=no\nset quit=yes\nset delete=yes\nset wait_key=no\nset sort=mailbox-order\nset confirmcreate=no\nset confirmappend=no\n'
            f'set header_cache=""\nset move=no\nset mark_old=no\nset resolve=no\n')
        steps = [(lambda seen: b"drop this" in seen, b"1\rF"),
                 (lambda seen: True, b":exec copy-message\r"),
                 (lambda seen: b"Copy to mailbox" in seen, b"\x01\x0b=Kept\r"),
                 (lambda seen: on_disk(house, "keep this", folder=".Kept"), b"2\rd"),
                 (lambda seen: True, b"$"),
                 (lambda seen: not on_disk(house, "drop this"), b"q")]
        keys(program, ["-n", "-F", str(h / "rc")], steps, {"HOME": str(h)})
    (kept,) = on_disk(house, "keep this")
    assert "F" in flags(kept)
    assert len(on_disk(house, "keep this", folder=".Kept")) == 1


class Mbsync:
    """isync between our server and a Maildir of its own."""

    def __init__(self, posta, h, user="bob"):
        self.posta, self.home, self.box = posta, h, h / "box"
        self.box.mkdir()
        self.rc = h / "mbsyncrc"
        self.rc.write_text(
            f"IMAPAccount posta\nHost 127.0.0.1\nPort {posta.ports['imapd_tls']}\nUser {user}@{DOMAIN}\nPass {PASSWORD[user]}\nSSLType IMAPS\n"
            f"CertificateFile {posta.dir}/cert.pem\n"
            f"\nIMAPStore far\nAccount posta\n\nMaildirStore near\nPath {self.box}/\nInbox {self.box}/INBOX\nSubFolders Verbatim\n"
            f"\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSync All\nSyncState *\n")

    def run(self):
        return tool("mbsync", "-q", "-c", self.rc, "all", env={"HOME": str(self.home)}, cwd=self.home)

    def letters(self, folder="INBOX"):
        d = self.box / folder
        return sorted(f for sub in ("new", "cur") if (d / sub).is_dir() for f in (d / sub).iterdir())


def subjects(paths):
    return sorted(re.search(r"Subject: (.*)", f.read_text(errors="replace")).group(1) for f in paths)


def test_mbsync_both_ways(house):
    """1,000 letters; then flags and deletions on each side; and what is in step stays as it is."""
    if not shutil.which("mbsync"):
        pytest.skip("mbsync is not installed")
    fresh(house)
    put(house, "bob", [b"From: a@example.test\nMessage-Id: <%d@x>\nSubject: letter %04d\n\ntext\n" % (i, i) for i in range(1000)])
    with home(house, "mbsync") as h:
        m = Mbsync(house, h)
        m.run()
        assert len(m.letters()) == 1000 and subjects(m.letters()) == subjects(house.letters("bob"))
        before = [f.name for f in m.letters()], [f.name for f in house.letters("bob")]
        m.run()
        assert (before[0] == [f.name for f in m.letters()]) and before[1] == [f.name for f in house.letters("bob")], "no duplicates, no changes"

        near = {re.search(r"letter (\d+)", f.read_text()).group(1): f for f in m.letters()}
        for n in ("0001", "0002"):  # here: two flagged and seen, one away, one new
            f = near[n]
            (f.parent.parent / "cur").mkdir(exist_ok=True)
            f.rename(f.parent.parent / "cur" / (f.name.split(":2,")[0] + ":2,FS"))
        near["0003"].unlink()
        (m.box / "INBOX/new/1700000000.local.here").write_text("From: b@example.test\nSubject: letter 1001 from here\n\nx\n")
        c = Talk(house)  # there: two answered, one away, one new, and a folder
        c.select()
        numbers = {n: int(re.search(rb"SEARCH (\d+)", c.ask(f'SEARCH SUBJECT "letter {n}"')[0]).group(1)) for n in ("0004", "0005", "0006")}
        c.ask(rf"STORE {numbers['0004']},{numbers['0005']} +FLAGS.SILENT (\Answered)")
        c.ask(rf"STORE {numbers['0006']} +FLAGS.SILENT (\Deleted)")
        c.ask("EXPUNGE")
        c.append(b"Subject: letter 1002 from there\r\n\r\nx\r\n")
        c.ask("CREATE Elsewhere")
        c.append(b"Subject: in a folder\r\n\r\nx\r\n", "Elsewhere")
        c.close()
        m.run()

        assert subjects(m.letters()) == subjects(house.letters("bob"))
        assert len(m.letters()) == 1000
        for side in (m.letters(), house.letters("bob")):
            by = {re.search(r"letter (\d+)", f.read_text()).group(1): flags(f) for f in side}
            assert by["0001"] >= {"F", "S"} and by["0002"] >= {"F", "S"} and "R" in by["0004"] and "R" in by["0005"]
            assert "0003" not in by and "0006" not in by and "1001" in by and "1002" in by
        assert subjects(m.letters("Elsewhere")) == ["in a folder"]
        before = [f.name for f in m.letters()], [f.name for f in house.letters("bob")]
        m.run()
        assert (before[0] == [f.name for f in m.letters()]) and before[1] == [f.name for f in house.letters("bob")]


def test_offlineimap(house):
    if not shutil.which("offlineimap"):
        pytest.skip("offlineimap is not installed")
    fresh(house)
    put(house, "bob", [b"From: a@example.test\nSubject: letter %d\n\ntext\n" % i for i in range(20)])
    with home(house, "offlineimap") as h:
        (h / "rc").write_text(
            f"[general]\naccounts = posta\nmetadata = {h}/meta\nui = quiet\n[Account posta]\nlocalrepository = near\nremoterepository = far\n"
            f"[Repository near]\ntype = Maildir\nlocalfolders = {h}/box\n"
            f"[Repository far]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = {house.ports['imapd_tls']}\nssl = yes\n"
            f"cert_fingerprint = {fingerprint(house)}\nremoteuser = {BOB}\nremotepass = {PASSWORD['bob']}\n")

        def run():
            tool("offlineimap", "-c", h / "rc", "-o", "-1", env={"HOME": str(h)}, cwd=h)
        run()
        near = h / "box/INBOX"
        got = [f for sub in ("new", "cur") for f in (near / sub).iterdir()]
        assert subjects(got) == subjects(house.letters("bob")) and len(got) == 20
        one = got[0]
        mark = re.search(r"Subject: .*", one.read_text()).group(0) + "\n"
        one.rename(near / "cur" / (one.name.split(":2,")[0] + ":2,FS"))
        got[1].unlink()
        run()
        assert len(house.letters("bob")) == 19
        (there,) = on_disk(house, mark)
        assert flags(there) >= {"F", "S"}
        names = sorted(f.name for sub in ("new", "cur") for f in (near / sub).iterdir())
        run()
        assert names == sorted(f.name for sub in ("new", "cur") for f in (near / sub).iterdir()) and len(house.letters("bob")) == 19


def fingerprint(posta):
    said = tool("openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in", posta.dir / "cert.pem")
    return said.split("=")[1].strip().replace(":", "").lower()
