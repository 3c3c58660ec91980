"""Other programs at work in a Maildir that IMAP sessions have open: mutt, rm, mv, cp, rsync, mbsync, Dovecot's and Courier's imap.

What they do is seen by a session that asks (NOOP), by one that waits (IDLE) and by a new one; nobody else's letter changes its UID.
What breaks files is in test_imap_damage.py.
"""
import os
import pty
import random
import re
import select
import shutil
import socket
import subprocess
import threading
import time

import pytest

from imap_foreign import House, Seer, flags_only, lmtp, text_of
from imap import Imap
from imap_peer import unpacked
from posta import DOMAIN, PASSWORD, PATIENCE, system, until
from test_pop3 import NAMES

SEEN, FLAGGED = "\\Seen", "\\Flagged"


@pytest.fixture(scope="module")
def shared():
    with system(users=("alice", "bob"), top="workers = 2") as s:
        yield s


@pytest.fixture
def house(shared):
    return House(shared).clear()


@pytest.fixture
def watched(house):
    """Five letters, a session that asks and one that idles."""
    uids = house.fill(["one", "two", "three", "four", "five"])
    seers = [Seer(house), Seer(house, idle=True)]
    yield house, uids, seers
    for s in seers:
        s.close()


def needs(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


# ---- mutt ----

def mutt(house, keys):
    """Opens the Maildir, as its owner, and does what the keys say."""
    needs("mutt")
    rc = house.posta.dir / "muttrc"
    rc.write_text(f"set folder={house.posta.dir}\nset delete=yes\nset quit=yes\nset wait_key=no\nset mark_old=no\nset sort=mailbox-order\nset mbox_type=Maildir\nset move=no\n"
                  "set confirmappend=no\nset header_cache=\nset mail_check=1\nset tmpdir=/tmp\nset beep=no\nset pager=builtin\n")
    rc.chmod(0o644)
    pid, fd = pty.fork()
    if pid == 0:
        if house.posta.uid:
            os.setgroups([])
            os.setgid(house.posta.uid)
            os.setuid(house.posta.uid)
        os.chdir("/")
        os.execvpe("mutt", ["mutt", "-n", "-F", str(rc), "-f", str(house.dir), "-e", f'push "{keys}"'],
                   {**os.environ, "TERM": "vt100", "HOME": str(house.posta.dir)})
    end, said = time.monotonic() + PATIENCE, b""
    try:
        while time.monotonic() < end:
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                said += os.read(fd, 65536)
            except OSError:
                return said.decode("utf-8", "replace")
        raise AssertionError("mutt did not come to an end: " + said.decode("utf-8", "replace")[-1500:])
    finally:
        os.close(fd)
        os.waitpid(pid, 0)


def test_mutt_reads_flags_and_deletes(watched):
    house, (one, two, three, four, five), seers = watched
    mutt(house, "<limit>~s one<enter><display-message><exit><limit>~s two<enter><flag-message><limit>~s three<enter><delete-message><limit>all<enter><quit>")
    want = {one: {SEEN}, two: {FLAGGED}, four: set(), five: set()}
    for s in seers:
        s.sees(want)
    assert flags_only(house.state()[1]) == want
    assert b"Subject: one" in house.file(one).read_bytes()


def test_mutt_reads_what_was_just_delivered(watched):
    """It moves a letter from new/ to cur/ itself, before or after posta does."""
    house, uids, seers = watched
    lmtp(house.posta, "alice", ["fresh"])
    mutt(house, "<limit>~s fresh<enter><display-message><exit><flag-message><limit>all<enter><quit>")
    for s in seers:
        until(lambda s=s: len(s.uids) == 6 or s.step(), "the new letter is told")
        new = s.uids[-1]
        assert new > uids[-1]
        s.sees({**{u: set() for u in uids}, new: {SEEN, FLAGGED}})


# ---- rm, mv, cp ----

def test_rm_of_a_letter_in_a_view(watched):
    house, uids, (asking, idling) = watched
    busy = house.dial()
    busy.ok("SELECT INBOX")
    house.run("rm", house.file(uids[1]))
    # by number: it is in the view of the client until EXPUNGE is said, which FETCH may not (RFC 3501 7.4.1, RFC 2180 4.1.2)
    a = busy.ask("FETCH 1:3 (UID BODY.PEEK[])")
    got = [int(u[2]["UID"]) for u in a.untagged if u[0] == "FETCH" and "BODY[]" in u[2]]
    assert a.status == "NO" and got == [uids[0], uids[2]], a
    assert not [u for u in a.untagged if u[0] == "EXPUNGE"], a
    a = busy.ok(f"UID FETCH {uids[1]} (BODY.PEEK[])")
    assert not [u for u in a.untagged if u[0] == "FETCH" and "BODY[]" in u[2]]
    until(lambda: ["EXPUNGE", 2] in a.untagged or ["EXPUNGE", 2] in busy.ok("NOOP").untagged, "EXPUNGE is told")
    for s in (asking, idling):
        s.sees({u: set() for u in uids if u != uids[1]})
    busy.close()


def test_rm_of_all_while_another_fetches(house):
    house.fill([f"large {k}" for k in range(6)], size=300_000)
    c = house.dial()
    c.ok("SELECT INBOX")
    tag = c.start("FETCH 1:* (UID BODY.PEEK[])")
    first = c.untagged(c.response())
    for f in (house.dir / "cur").iterdir():
        f.unlink()
    a = c.finish(tag)
    whole = [u for u in [first, *a.untagged] if u[0] == "FETCH" and "BODY[]" in u[2]]
    assert all(len(u[2]["BODY[]"]) > 300_000 for u in whole), "what is said is whole"
    assert a.status == ("OK" if len(whole) == 6 else "NO"), a.status
    until(lambda: c.ask("NOOP").status == "OK" and c.ok("STATUS INBOX (MESSAGES)").untagged[0][2][1] == "0", "an empty folder")
    c.close()


def test_mv_to_another_folder(house):
    uids = house.fill(["stays", "goes", "stays too"])
    there = house.fill(["was there"], "Archive")
    here, other = Seer(house, idle=True), Seer(house, "Archive", idle=True)
    name = house.file(uids[1]).name
    house.run("mv", house.file(uids[1]), house.path("Archive") / "cur" / name)
    here.sees({uids[0]: set(), uids[2]: set()})
    until(lambda: len(other.uids) == 2 or other.step(), "it is there")
    validity, letters = house.state("Archive")
    assert list(letters)[0] == there[0] and [s for s, _ in letters.values()] == ["was there", "goes"]
    assert f",P={validity}.{list(letters)[1]}" in house.file(list(letters)[1], "Archive").name, "its UID of before means nothing here"
    # and back again: a letter that was told to be gone comes with a new UID
    house.run("mv", house.file(list(letters)[1], "Archive"), house.dir / "cur" / name)
    until(lambda: len(here.uids) == 3 or here.step(), "it is back")
    assert here.uids[2] > uids[2]
    assert [s for s, _ in house.state()[1].values()] == ["stays", "stays too", "goes"]
    here.close()
    other.close()


@pytest.mark.parametrize("copy", [lambda name: "1700000000.copy" + name[10:], lambda name: name + "F", lambda name: "9" + name])
def test_cp_within_a_folder(watched, copy):
    """Two files with one P=, and in the second case with one unique part: the one that was there keeps the UID."""
    house, uids, seers = watched
    f = house.file(uids[2])
    house.run("cp", "-p", f, f.with_name(copy(f.name)))
    for s in seers:
        until(lambda s=s: len(s.uids) == 6 or s.step(), "the copy is told")
        assert s.uids[:5] == uids and s.uids[5] > uids[4]
    letters = house.state()[1]
    assert [s for s, _ in letters.values()] == ["one", "two", "three", "four", "five", "three"]
    assert letters[uids[2]][1] == set()
    assert len({re.search(r",P=(\d+\.\d+)", g.name).group(1) for g in (house.dir / "cur").iterdir()}) == 6, "a P= of its own each"
    # one of them goes: that one and no other
    house.file(list(letters)[5]).unlink()
    for s in seers:
        s.sees({u: set() for u in uids})


def test_cp_while_posta_is_down_and_without_an_index():
    with system(users=("alice",)) as posta:
        house = House(posta)
        uids = house.fill(["one", "two"])
        before = house.state()
        posta.stop()
        f = house.file(uids[0])
        house.run("cp", f, f.with_name("1" + f.name))
        for g in house.dir.glob("index.db*"):
            g.unlink()
        posta.start()
        validity, letters = house.state()
        assert validity == before[0] and {u: letters[u] for u in uids} == before[1]
        assert len(letters) == 3 and letters[max(letters)][0] == "one"
        assert house.state() == (validity, letters)


# ---- folders ----

def test_folders_made_by_hand(house):
    by_hand = house.path("Made.Below")
    for sub in ("cur", "new", "tmp"):
        (by_hand / sub).mkdir(parents=True)
    (by_hand / "new" / f"1700000000.M{next(NAMES)}.elsewhere").write_bytes(b"Subject: by hand\n\nx\n")
    house.path("Bare").mkdir()
    for d in (by_hand, house.path("Bare")):
        house.own(d)
    c = house.dial()
    names = [u[3].decode() if isinstance(u[3], bytes) else str(u[3]) for u in c.ok('LIST "" *').untagged]
    assert "Made/Below" in names
    assert [s for s, _ in house.state("Made/Below")[1].values()] == ["by hand"]
    assert c.ask("SELECT Bare").status in ("OK", "NO")
    assert c.ok("SELECT Made/Below")
    c.close()


def ends_or_answers(c, line):
    """The session lives or says BYE; it is never silent. True: it lives."""
    try:
        a = c.ask(line)
    except AssertionError as e:
        assert "the server closed" in str(e), e
        return False
    return not [u for u in a.untagged if u[0] == "BYE"]


@pytest.mark.parametrize("how", ["rm", "mv"])
def test_a_folder_goes_while_sessions_have_it_open(house, how):
    c = house.dial()
    c.ok("CREATE Open")
    c.close()
    uids = house.fill(["one", "two", "three"], "Open")
    validity, letters = house.state("Open")
    asking, idling = Seer(house, "Open"), Seer(house, "Open", idle=True)
    if how == "rm":
        house.run("rm", "-r", house.path("Open"))
    else:
        house.run("mv", house.path("Open"), house.path("Elsewhere"))
    for line in ("NOOP", "FETCH 1:* (BODY.PEEK[])", "STORE 1 +FLAGS (\\Seen)", "UID SEARCH ALL", "COPY 1 Archive", "EXPUNGE"):
        if not ends_or_answers(asking.c, line):
            break
    else:
        assert asking.c.ask("SELECT INBOX").status == "OK"
    idling.c.send(b"DONE\r\n")
    while (line := idling.c.response()) and not line.startswith((idling.tag.encode(), b"* BYE")):
        pass
    c = house.dial()
    assert c.ask("SELECT Open").status == "NO" and not house.path("Open").exists(), "nobody makes it again"
    assert house.state("Archive")[1] == {}
    if how == "mv":
        assert house.state("Elsewhere") == (validity, letters) and list(letters) == uids
    c.ok("CREATE Open")
    assert house.state("Open")[0] != validity or how == "mv" and house.state("Open")[1] == {}
    c.close()
    asking.close()
    idling.close()


def test_X39_a_folder_is_renamed_while_letters_are_appended(house):
    """Each APPEND that was said OK to is in the folder under one of its names; none comes twice."""
    c = house.dial()
    c.ok("CREATE There")
    done, told = threading.Event(), []

    def rename():
        try:
            while not done.is_set():
                for a, b in (("There", "Away"), ("Away", "There")):
                    os.rename(house.path(a), house.path(b))
        except OSError as e:
            told.append(e)
    t = threading.Thread(target=rename)
    t.start()
    kept = []
    for k in range(60):
        if c.ask("APPEND There", text_of(f"letter {k}")).status == "OK":
            kept.append(f"letter {k}")
    done.set()
    t.join(PATIENCE)
    assert not told, f"posta made a folder of its own: {told}"
    house.own(house.path("There"))
    assert [s for s, _ in house.state("There")[1].values()] == kept
    c.close()


# ---- rsync ----

def rsync(*arguments, status=(0,)):
    needs("rsync")
    r = subprocess.run(["rsync", *[str(a) for a in arguments]], capture_output=True, text=True, timeout=120)
    assert r.returncode in status, r.stdout + r.stderr


def test_X31_away_and_back_without_the_index():
    with system(users=("alice",)) as posta:
        house = House(posta)
        uids = house.fill([f"letter {k}" for k in range(8)])
        c = house.dial()
        c.ok("SELECT INBOX")
        c.ok(f"UID STORE {uids[1]} +FLAGS (\\Seen \\Flagged $Junk word)")
        c.ok(f"UID STORE {uids[2]} +FLAGS (\\Deleted)")
        c.ok(f"UID EXPUNGE {uids[2]}")
        c.ok("CREATE Archive/2026")
        c.ok("UID COPY 1:4 Archive/2026")
        c.close()
        lmtp(posta, "alice", ["in new"])
        before = [house.state(f) for f in ("INBOX", "Archive/2026")]
        posta.stop()
        away = posta.dir / "away"
        rsync("-a", "--exclude", "index.db*", f"{house.dir}/", f"{away}/")
        shutil.rmtree(house.dir)
        rsync("-a", f"{away}/", f"{house.dir}/")
        posta.start()
        assert [house.state(f) for f in ("INBOX", "Archive/2026")] == before
        assert house.fill(["next"])[0] > max(before[0][1])


def test_a_letter_is_restored_while_posta_runs(watched):
    house, uids, seers = watched
    away = house.posta.dir / "backup"
    rsync("-a", "--delete", f"{house.dir}/cur/", f"{away}/")
    house.file(uids[1]).unlink()
    rest = {u: set() for u in uids if u != uids[1]}
    for s in seers:
        s.sees(rest)
    rsync("-a", f"{away}/", f"{house.dir}/cur/")
    for s in seers:
        until(lambda s=s: len(s.uids) == 5 or s.step(), "it is there again")
        assert s.uids[:4] == list(rest) and s.uids[4] > uids[4], "who was told that it has gone is told of a new one"
    letters = house.state()[1]
    assert letters[max(letters)][0] == "two" and len(letters) == 5
    # a whole copy once more: what is there already stays the only one
    rsync("-a", "--ignore-existing", f"{away}/", f"{house.dir}/cur/")
    until(lambda: len(house.state()[1]) in (5, 6), "looked at")
    assert {u: f for u, f in house.state()[1].items() if u in letters} == letters


def test_X38_backup_under_load():
    with system(users=("alice",)) as posta:
        house, done, faults = House(posta), threading.Event(), []
        house.fill([f"first {k}" for k in range(20)])

        def guarded(work):
            try:
                work()
            except BaseException as e:
                faults.append(e)
                raise

        def deliver():
            k = 0
            while not done.is_set():
                lmtp(posta, "alice", [f"load {k + i}" for i in range(5)])
                k += 5

        def change():
            c, r = house.dial(), random.Random(5)
            c.ok("SELECT INBOX")
            while not done.is_set():
                c.ok("NOOP")
                c.ok(f"UID STORE {r.randrange(1, 60)} {r.choice('+-')}FLAGS ({r.choice([SEEN, FLAGGED])})")
            c.close()
        threads = [threading.Thread(target=guarded, args=(w,)) for w in (deliver, change)]
        for t in threads:
            t.start()
        away = posta.dir / "backup"
        for enough in (30, 60):  # 24: some files went away while they were copied; the second run has their new names
            until(lambda n=enough: len(posta.letters("alice")) >= n, "some load")
            rsync("-a", "--delete", "--exclude", "index.db*", f"{house.dir}/", f"{away}/", status=(0, 24))
        until(lambda: len(posta.letters("alice")) >= 80, "more load")
        done.set()
        for t in threads:
            t.join(PATIENCE)
        assert not faults
        validity, truth = house.state()
        posta.stop()
        shutil.rmtree(house.dir)
        rsync("-a", f"{away}/", f"{house.dir}/")
        in_backup = [f for sub in ("new", "cur") for f in (house.dir / sub).iterdir()]
        posta.start()
        again, letters = house.state()
        assert again == validity and len(letters) == len(in_backup)
        numbered = {int(m.group(1)) for f in in_backup if (m := re.search(r",P=\d+\.(\d+)", f.name))}
        assert {u: letters[u][0] for u in letters if u in numbered} == {u: truth[u][0] for u in truth if u in numbered}
        # a letter may have been renamed between its two copies and then stands there under both names
        assert {s for s, _ in letters.values()} <= {s for s, _ in truth.values()}
        assert house.state() == (validity, letters) and house.fill(["next"])[0] > max(letters)


# ---- mbsync ----

def mbsync(house, far):
    """bob by IMAP, alice's Maildir itself."""
    needs("mbsync")
    p, rc = house.posta, house.posta.dir / "mbsyncrc"
    state = house.posta.dir / "sync"
    if not state.exists():
        state.mkdir()
        house.own(state)
    rc.write_text(f"IMAPAccount far\nHost 127.0.0.1\nPort {p.ports['imapd_tls']}\nUser {far.user}@{DOMAIN}\nPass {PASSWORD[far.user]}\n"
                  f"SSLType IMAPS\nCertificateFile {p.dir}/cert.pem\n\nIMAPStore far\nAccount far\n\n"
                  f"MaildirStore near\nInbox {house.dir}\nSubFolders Maildir++\n\n"
                  f"Channel both\nFar :far:\nNear :near:\nPatterns INBOX\nCreate None\nSync All\nExpunge Both\nSyncState {state}/\n")
    rc.chmod(0o600)
    if p.uid:
        os.chown(rc, p.uid, p.uid)
    return house.run("mbsync", "-c", rc, "-a", env={**os.environ, "HOME": str(p.dir)})


def both(*houses):
    return [sorted((s, sorted(f)) for s, f in h.state()[1].values()) for h in houses]


def agree(near, far):
    """Run until both sides hold the same; a change in one tick with posta's own is found a little later."""
    def same():
        mbsync(near, far)
        a, b = both(near, far)
        return a == b and a
    return until(same, lambda: both(near, far))


def test_mbsync_in_postas_own_maildir(house):
    far = House(house.posta, "bob").clear()
    uids = house.fill(["near one", "near two"])
    far.fill(["far one", "far two"])
    seers = [Seer(house), Seer(house, idle=True)]
    mbsync(house, far)
    mbsync(house, far)
    assert [s for s, _ in agree(house, far)] == ["far one", "far two", "near one", "near two"]
    for s in seers:
        until(lambda s=s: len(s.uids) == 4 or s.step(), "four letters are told")
        assert s.uids[:2] == uids
    letters = house.state()[1]
    near = {s: u for u, (s, _) in letters.items()}
    names = [f.name for f in (house.dir / "cur").iterdir()]
    assert len(names) == 4 and all(",U=" in n and ",P=" in n for n in names), names
    # flags and a deletion on each side
    c = house.dial()
    c.ok("SELECT INBOX")
    c.ok(f"UID STORE {near['near one']} +FLAGS (\\Flagged)")
    c.ok(f"UID STORE {near['far two']} +FLAGS (\\Deleted)")
    c.ok("EXPUNGE")
    c.close()
    c = far.dial()
    c.ok("SELECT INBOX")
    there = {s: u for u, (s, _) in far.state()[1].items()}
    c.ok(f"UID STORE {there['far one']} +FLAGS (\\Answered)")
    c.ok(f"UID STORE {there['near two']} +FLAGS (\\Deleted)")
    c.ok("EXPUNGE")
    c.close()
    assert agree(house, far) == [("far one", ["\\Answered"]), ("near one", [FLAGGED])]
    for s in seers:
        s.sees({near["near one"]: {FLAGGED}, near["far one"]: {"\\Answered"}})
        s.close()
    before = sorted(f.name for f in (house.dir / "cur").iterdir())
    mbsync(house, far)
    assert both(house, far)[0] == [("far one", ["\\Answered"]), ("near one", [FLAGGED])]
    assert sorted(f.name for f in (house.dir / "cur").iterdir()) == before, "a run without news changes nothing"


# ---- Dovecot, Courier ----

class Beside(Imap):
    """An IMAP server of others over our Maildir, logged in from the start, spoken to through a socket pair."""

    def __init__(self, house, who):
        p = house.posta
        if who == "dovecot":
            conf = p.dir / "dovecot-imap.conf"
            conf.write_text(f"mail_location = maildir:{house.dir}\nlog_path = {p.dir}/dovecot.log\nssl = no\n")
            command, env = f"/usr/lib/dovecot/imap -c {conf}", {"USER": "alice"}
        else:
            command, env = "/usr/bin/imapd .", {"AUTHENTICATED": "alice", "MAILDIR": ".", "MAILDIRPATH": ".", "IMAP_CAPABILITY": "IMAP4rev1 UIDPLUS",
                                                "IMAP_USELOCKS": "1", "LD_LIBRARY_PATH": "/usr/lib/courier-authlib", "TCPREMOTEIP": "127.0.0.1"}
        script = (f"mount -t overlay -o lowerdir={unpacked()}:/usr overlay /usr && cd {house.dir} && "
                  f"exec setpriv --reuid={p.uid} --regid={p.uid} --clear-groups {command}")
        self.s, theirs = socket.socketpair()
        self.s.settimeout(PATIENCE)
        self.why = open(p.dir / f"{who}.err", "w+b")
        self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdin=theirs, stdout=theirs, stderr=self.why,
                                        env={**os.environ, "HOME": str(p.dir), **env})
        theirs.close()
        self.rest, self.count, self.log, self.waiting = b"", 0, [], False
        self.greeting = self.response()

    def close(self):
        self.s.close()
        self.process.wait(PATIENCE)
        self.why.close()


@pytest.mark.parametrize("who", ["dovecot", "courier"])
def test_another_imap_server_in_the_same_maildir(watched, who):
    house, uids, seers = watched
    before = house.state()
    lmtp(house.posta, "alice", ["six"])
    d = Beside(house, who)
    d.ok("SELECT INBOX")
    theirs = {}
    for u in d.ok("FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").untagged:
        if u[0] == "FETCH":
            head = next(v for k, v in u[2].items() if k.startswith("BODY["))
            theirs[head.decode().strip().removeprefix("Subject: ")] = int(u[2]["UID"])
    assert set(theirs) == {"one", "two", "three", "four", "five", "six"}
    d.ok(f"UID STORE {theirs['one']} +FLAGS (\\Seen)")
    d.ok(f"UID STORE {theirs['two']} +FLAGS (\\Flagged \\Answered)")
    d.ok(f"UID FETCH {theirs['six']} BODY[]")
    for s in seers:
        until(lambda s=s: len(s.uids) == 6 or s.step(), "the sixth is told")
    six = seers[0].uids[5]
    want = {**{u: set() for u in uids}, uids[0]: {SEEN}, uids[1]: {FLAGGED, "\\Answered"}, six: {SEEN}}
    for s in seers:
        s.sees(want)
    # both in turn at one letter: no flag is lost
    c = house.dial()
    c.ok("SELECT INBOX")
    c.ok(f"UID STORE {uids[2]} +FLAGS (\\Flagged)")
    d.ok("NOOP")
    d.ok(f"UID STORE {theirs['three']} +FLAGS (\\Answered)")
    c.ok(f"UID STORE {uids[3]} +FLAGS (\\Deleted)")
    until(lambda: d.ok("NOOP") and len(re.findall(":2,[A-Z]*T", " ".join(f.name for f in (house.dir / "cur").iterdir()))) == 1, "named as deleted")
    until(lambda: d.ok("EXPUNGE") and len(list((house.dir / "cur").iterdir())) == 5, "the neighbour expunges it")
    del want[uids[3]]
    want[uids[2]] = {FLAGGED, "\\Answered"}
    for s in seers:
        s.sees(want)
    c.close()
    d.close()
    validity, letters = house.state()
    assert validity == before[0] and flags_only(letters) == want
    assert [s for s, _ in letters.values()] == ["one", "two", "three", "five", "six"]
    assert all(f",P={validity}.{u}" in house.file(u).name for u in letters), "names carry posta's UIDs still"


# ---- all at once ----

def test_X33_deliverers_sessions_and_foreign_flags_at_once(house):
    """Two deliver, three sessions give every letter a flag each, a foreign program gives it one more: none is lost."""
    posta, each, faults = house.posta, 100, []
    marks = [[f"{who} {k}" for k in range(each)] for who in ("first", "second")]
    complete, subjects = threading.Event(), [{}, {}, {}]

    def session(n, mine):
        c, given = house.dial(), set()
        c.ok("SELECT INBOX")
        while True:
            last = complete.is_set()
            a = c.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            todo = []
            for u in a.untagged:
                if u[0] != "FETCH" or not (head := next((v for k, v in u[2].items() if k.startswith("BODY[")), None)):
                    continue
                uid = int(u[2]["UID"])
                assert subjects[n].setdefault(uid, head) == head, f"UID {uid} is another letter"
                if uid not in given:
                    todo.append(uid)
            for uid in todo:
                c.ok(f"UID STORE {uid} +FLAGS (\\Draft)")  # given and taken away again: what others gave stays
                c.ok(f"UID STORE {uid} -FLAGS.SILENT (\\Draft)")
                c.ok(f"UID STORE {uid} +FLAGS ({mine})")
            given |= set(todo)
            if last and len(given) == 2 * each:
                break
        c.close()

    def foreign():
        given = set()
        while len(given) < 2 * each:
            for sub in ("new", "cur"):
                for f in sorted((house.dir / sub).iterdir()):
                    unique = f.name.split(",")[0].split(":")[0]
                    base, _, info = f.name.partition(":2,")
                    if unique in given or f.parent.name == "new":
                        continue
                    try:
                        f.rename(f.with_name(f"{base}:2,{''.join(sorted(set(info) | {'R'}))}"))
                        given.add(unique)
                    except FileNotFoundError:
                        pass  # renamed by posta meanwhile: at the next look

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except BaseException as e:
            faults.append(e)
            complete.set()
            raise

    deliverers = [threading.Thread(target=guarded, args=(lmtp, posta, "alice", m)) for m in marks]
    others = [threading.Thread(target=guarded, args=(session, n, f)) for n, f in enumerate((SEEN, FLAGGED, "keyword"))]
    others.append(threading.Thread(target=guarded, args=(foreign,), daemon=True))
    for t in deliverers + others:
        t.start()
    for t in deliverers:
        t.join(4 * PATIENCE)
    complete.set()
    for t in others:
        t.join(4 * PATIENCE)
    assert not faults and not [t for t in deliverers + others if t.is_alive()], faults
    want = sorted(sum(marks, []))

    def settled():
        letters = house.state()[1]
        return sorted(s for s, _ in letters.values()) == want and all(f == {SEEN, FLAGGED, "keyword", "\\Answered"} for _, f in letters.values())
    until(settled, lambda: [x for x in house.state()[1].items() if x[1][1] != {SEEN, FLAGGED, "keyword", "\\Answered"}][:9])
    letters = house.state()[1]
    for told in subjects:
        assert {u: h.decode().strip().removeprefix("Subject: ") for u, h in told.items()} == {u: s for u, (s, _) in letters.items()}
    assert len(list((house.dir / "cur").iterdir())) == 2 * each and not list((house.dir / "new").iterdir())
