"""What is broken under IMAP's feet: index.db, posta-folder, letters, names that are none, a full disk (X31, X32, F01-F03).

The Maildir alone is enough: UIDs, flags and UIDVALIDITY come back from names, and no session is lost by it.
"""
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess

import pytest

from disk import fill_up, small_disk
from imap_foreign import House, Seer, flags_only, lmtp, text_of
from posta import alive, system, until

SEEN, FLAGGED, DELETED = "\\Seen", "\\Flagged", "\\Deleted"


@pytest.fixture(scope="module")
def shared():
    with system(users=("alice", "bob"), top="workers = 2") as s:
        yield s


@pytest.fixture
def house(shared):
    if not shared.process:  # left so by a test that failed
        shared.start()
    shutil.rmtree(shared.maildir("alice") / "index.db.broken", ignore_errors=True)
    return House(shared).clear()


# ---- index.db (X31) ----

def noise(f):
    with open(f, "r+b") as at:
        at.write(random.Random(7).randbytes(f.stat().st_size))


def noise_inside(f):
    """The first page stays: it opens, and is broken."""
    with open(f, "r+b") as at:
        at.seek(8192)
        at.write(random.Random(8).randbytes(max(f.stat().st_size - 8192, 0)))


def cut(share):
    def do(f):
        os.truncate(f, int(f.stat().st_size * share))
    return do


def remove(f):
    f.unlink()


def files_of(f):
    return [g for g in (f, f.with_name(f.name + "-wal"), f.with_name(f.name + "-shm")) if g.exists()]


def remove_all(f):
    for g in files_of(f):
        g.unlink()


def make_read_only(f):
    for g in files_of(f):
        g.chmod(0o400)


def forbid(f):
    f.chmod(0)


def make_directory(f):
    remove_all(f)
    f.mkdir()
    (f / "not ours").write_text("x")
    for g in (f, f / "not ours"):
        os.chown(g, f.parent.stat().st_uid, f.parent.stat().st_gid)


def make_link(f):
    remove_all(f)
    f.symlink_to("nowhere/at/all")


def another_database(f):
    remove_all(f)
    subprocess.run(["sqlite3", str(f), "CREATE TABLE message (id TEXT); INSERT INTO message VALUES ('x'); PRAGMA user_version = 2;"], check=True)
    os.chown(f, f.parent.stat().st_uid, f.parent.stat().st_gid)


def noise_in_wal(f):
    wal = f.with_name(f.name + "-wal")
    if wal.exists():
        noise(wal)


DAMAGES = {"noise": noise, "noise-inside": noise_inside, "empty": cut(0), "half": cut(0.5), "gone": remove, "all-gone": remove_all,
           "read-only": make_read_only, "forbidden": forbid, "directory": make_directory, "link": make_link, "another": another_database,
           "wal-noise": noise_in_wal}


def prepared(house):
    """Two folders with flags and a hole; what must be true of them from then on."""
    uids = house.fill([f"letter {k}" for k in range(12)])
    c = house.dial()
    c.ok("SELECT INBOX")
    c.ok(f"UID STORE {uids[0]} +FLAGS (\\Seen)")
    c.ok(f"UID STORE {uids[1]} +FLAGS (\\Flagged \\Answered $Junk)")
    c.ok(f"UID STORE {uids[4]} +FLAGS (\\Deleted)")
    c.ok("EXPUNGE")
    c.ok("COPY 1:3 Archive")
    c.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")
    c.close()
    return {f: house.state(f) for f in ("INBOX", "Archive")}


def still(house, before):
    def same():
        try:
            return {f: house.state(f) for f in before} == before
        except AssertionError as e:
            assert "NO '" in str(e), e  # said so, and lives
            return False
    until(same, lambda: {f: house.state(f) for f in before})


def works(house, before):
    """Everything that writes does, and UIDs go up."""
    c = house.dial()
    c.ok("SELECT INBOX")
    first, last = min(before["INBOX"][1]), max(before["INBOX"][1])
    c.ok(f"UID STORE {first} +FLAGS (\\Draft)")
    c.ok(f"UID STORE {first} -FLAGS (\\Draft)")
    for folder in before:
        uid = house.fill(["fresh"], folder)[0]
        assert uid > max(before[folder][1]), "no UID comes twice"
        c.ok(f"SELECT {folder}")
        c.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
        c.ok(f"UID EXPUNGE {uid}")
    c.close()
    assert last
    still(house, before)


@pytest.mark.parametrize("damage", DAMAGES)
def test_X31_index_while_posta_runs(house, damage):
    before = prepared(house)
    seers = [Seer(house), Seer(house, idle=True)]
    truth = flags_only(before["INBOX"][1])
    DAMAGES[damage](house.dir / "index.db")
    still(house, before)
    c = house.dial()
    until(lambda: c.ask("SELECT INBOX").status == "OK", "it can be selected")
    uid = max(truth)
    until(lambda: c.ask(f"UID STORE {uid} +FLAGS (\\Flagged)").status == "OK", "it can be changed")
    truth[uid] = truth[uid] | {FLAGGED}
    for s in seers:
        s.sees(truth)
        s.close()
    c.ok(f"UID STORE {uid} -FLAGS (\\Flagged)")
    c.close()
    works(house, before)


@pytest.mark.parametrize("damage", DAMAGES)
def test_X31_index_while_posta_is_down(shared, house, damage):
    before = prepared(house)
    shared.stop()
    DAMAGES[damage](house.dir / "index.db")
    shared.start()
    still(house, before)
    works(house, before)


# ---- posta-folder (X31) ----

FOLDER_DAMAGES = {"gone": remove, "noise": noise, "empty": cut(0), "half": cut(0.5)}


@pytest.mark.parametrize("running", [True, False], ids=["up", "down"])
@pytest.mark.parametrize("damage", FOLDER_DAMAGES)
def test_X31_posta_folder_with_an_index(shared, house, damage, running):
    before = prepared(house)
    seer = Seer(house)
    if not running:
        seer.close()
        shared.stop()
    FOLDER_DAMAGES[damage](house.dir / "posta-folder")
    if running:
        seer.sees(flags_only(before["INBOX"][1]))
        seer.close()
    else:
        shared.start()
    still(house, before)
    works(house, before)


@pytest.mark.parametrize("damage", FOLDER_DAMAGES)
def test_X31_both_lost(shared, house, damage):
    """Then, and only then, another UIDVALIDITY, once; the letters and their flags are there, and the other folder is as it was."""
    before = prepared(house)
    shared.stop()
    log = len(shared.log())
    FOLDER_DAMAGES[damage](house.dir / "posta-folder")
    remove_all(house.dir / "index.db")
    shared.start()
    assert house.state("Archive") == before["Archive"]
    validity, letters = house.state()
    assert validity > before["INBOX"][0]
    # keywords had their words in posta-folder
    # and those of one moment may change places
    assert sorted((s, sorted(f - {"$Junk"})) for s, f in letters.values()) == sorted((s, sorted(f - {"$Junk"})) for s, f in before["INBOX"][1].values())
    assert house.state() == (validity, letters), "once"
    assert len(re.findall(r"folder-file", shared.log()[log:])) == 1, shared.log()[log:]
    assert house.fill(["next"])[0] > max(letters)


@pytest.mark.parametrize("damage", FOLDER_DAMAGES)
def test_posta_user_lost(shared, house, damage):
    """Subscriptions go with it; no letter, UID or UIDVALIDITY does, and a new folder has a higher one."""
    before = prepared(house)
    shared.stop()
    FOLDER_DAMAGES[damage](house.dir / "posta-user")
    shared.start()
    still(house, before)
    c = house.dial()
    c.ok('LIST "" *')
    c.ok('LSUB "" *')
    c.ok("SUBSCRIBE Archive")
    c.ok("CREATE Afterwards")
    assert house.state("Afterwards")[0] > max(validity for validity, _ in before.values())
    c.close()
    works(house, before)


# ---- letters (X32, F03) ----

def blanked(f):
    size = f.stat().st_size
    with open(f, "r+b") as at:
        at.write(b"\0" * size)


LETTER_DAMAGES = {"zeroed": blanked, "cut": cut(0.5), "empty": cut(0), "noise": noise}


def as_it_is(data):
    """On the wire: a file whose first line ends in CRLF has such line ends, and a NUL cannot be in a literal."""
    crlf = b"\n" in data and data[:data.index(b"\n")].endswith(b"\r")
    return re.sub(rb"(?<!\r)\n" if crlf else rb"\n", b"\r\n", data).replace(b"\0", b"\x80")


def damaged(posta, program):
    """What status counts."""
    return sum(p["counters"]["damaged"] for p in posta.json("status")["processes"] if p["process"] == program)


@pytest.mark.parametrize("read_before", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("size", [100, 500_000])
@pytest.mark.parametrize("damage", LETTER_DAMAGES)
def test_X32_a_broken_letter(house, damage, size, read_before):
    bob = House(house.posta, "bob").clear()
    bob.fill(["a secret of bob"])
    uids = house.fill(["before", "broken", "behind"], size=size)
    c = house.dial()
    c.ok("SELECT INBOX")
    if read_before:
        c.ok("FETCH 1:* (RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
    LETTER_DAMAGES[damage](house.file(uids[1]))
    counted, log = damaged(house.posta, "posta-imapd"), len(house.posta.log())
    for what in ("BODY.PEEK[]", "BODY.PEEK[TEXT]", "BODY.PEEK[1]", "(RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "BODY.PEEK[]<40.60>"):
        a = c.ask(f"FETCH 1:* ({what.strip('()')} UID)")
        assert a.status in ("OK", "NO"), a
        got = {int(u[2]["UID"]): u[2] for u in a.untagged if u[0] == "FETCH"}
        assert {uids[0], uids[2]} <= set(got)
        assert b"secret" not in repr(a).encode()
    for _ in range(2):
        (one,) = c.ok(f"UID FETCH {uids[1]} (RFC822.SIZE BODY.PEEK[])").untagged
        assert one[2]["BODY[]"] == as_it_is(house.file(uids[1]).read_bytes())
        assert int(one[2]["RFC822.SIZE"]) == len(one[2]["BODY[]"])
    alarms = re.findall(r"damaged (\S+) folder=INBOX uid=(\d+):", house.posta.log()[log:])
    assert [(pathlib.Path(p).name, int(u)) for p, u in alarms] == [("alice", uids[1])], "told once, however often it is read"
    assert damaged(house.posta, "posta-imapd") == counted + 1
    c.ok(f"UID STORE {uids[1]} +FLAGS (\\Flagged)")
    c.ok(f"UID COPY {uids[1]} Archive")
    assert house.state()[1][uids[1]][1] == {FLAGGED}, "its name can be changed"
    assert house.state("Archive")[1]
    for u, mark in ((uids[0], b"before"), (uids[2], b"behind")):
        (one,) = [x for x in c.ok(f"UID FETCH {u} (BODY.PEEK[])").untagged if x[0] == "FETCH"]
        assert one[2]["BODY[]"] == text_of(mark.decode(), size)
    assert c.ask("SEARCH TEXT secret").status in ("OK", "NO")
    c.ok(f"UID STORE {uids[1]} +FLAGS (\\Deleted)")
    c.ok("EXPUNGE")
    assert list(house.state()[1]) == [uids[0], uids[2]]
    c.close()


@pytest.mark.parametrize("what", ["shrinks", "grows", "vanishes", "is emptied"])
def test_F03_a_file_that_changes_in_the_middle_of_a_fetch(house, what):
    size = 24_000_000
    uid, other = house.fill(["large"], size=size)[0], house.fill(["small"])[0]
    text = text_of("large", size)
    c = house.dial()
    c.ok("SELECT INBOX")
    tag = c.start("FETCH 1:2 (UID BODY.PEEK[])")
    while len(c.rest) < 100_000:  # it is under way, and far from its end: the rest waits for us
        c.more()
    f = house.file(uid)
    if what == "shrinks":
        os.truncate(f, size // 4)
    elif what == "is emptied":
        os.truncate(f, 0)
    elif what == "grows":
        with open(f, "ab") as at:
            at.write(b"more\n" * 100_000)
    else:
        f.unlink()
    a = c.finish(tag)
    got = {int(u[2]["UID"]): u[2]["BODY[]"] for u in a.untagged if u[0] == "FETCH" and "BODY[]" in u[2]}
    assert len(got[uid]) == len(text), "a literal is as long as it says"
    assert got[other] == text_of("small")
    if what in ("grows", "vanishes"):
        assert got[uid] == text
    else:
        assert a.status == "NO", a.text
        # what was sent is the letter, then nothing of anybody's
        same = len(os.path.commonprefix([got[uid], text]))
        assert not got[uid][same:].strip(b" \r\n\0\x80"), got[uid][same:same + 80]
    c.ok("NOOP")
    c.close()


def test_F03_sparse_file_of_a_terabyte(house):
    uids = house.fill(["one", "two"])
    for sub in ("new", "cur"):
        f = house.dir / sub / f"1700000000.Sparse{sub}.elsewhere{':2,' if sub == 'cur' else ''}"
        f.write_bytes(b"Subject: sparse\n\nx\n")
        os.truncate(f, 1 << 40)
        house.own(f)
    c = house.dial()
    c.ok("SELECT INBOX")
    until(lambda: (c.ok("NOOP"), len(c.ok("UID SEARCH ALL").untagged[0]) == 5)[1], "four letters")
    for line in ("FETCH 1:* (UID FLAGS RFC822.SIZE)", "FETCH 1:* (UID ENVELOPE BODYSTRUCTURE)", "FETCH 1:* (UID BODY.PEEK[]<0.100>)", "FETCH 1:* (UID BODY.PEEK[HEADER])",
                 "SEARCH BODY nothing", "STATUS INBOX (MESSAGES UNSEEN SIZE)"):
        a = c.ask(line)
        assert a.status in ("OK", "NO"), a
        if line.startswith("FETCH"):
            assert set(uids) <= {int(u[2]["UID"]) for u in a.untagged if u[0] == "FETCH"}
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    assert house.state()[1] == {} and not list((house.dir / "cur").iterdir())
    c.close()


# ---- what is no letter (F01, F02) ----

def strange(directory, secret):
    """Everything that is no letter, by its name in this directory."""
    made = {}

    def at(name):
        made[name] = directory / name
        return made[name]
    os.mkfifo(at("1700000000.fifo.x"))
    s = socket.socket(socket.AF_UNIX)
    here = os.open(directory, os.O_RDONLY)
    s.bind(f"/proc/self/fd/{here}/1700000001.socket.x")
    os.close(here)
    s.close()
    at("1700000001.socket.x")
    at("1700000002.dir.x").mkdir()
    (at("1700000003.dir.x") / "cur").mkdir(parents=True)
    at("1700000004.link.x").symlink_to(secret)
    at("1700000005.link.x").symlink_to("nowhere")
    at("1700000006.link.x").symlink_to("/dev/zero")
    at("1700000007.link.x").symlink_to(".")
    at("1700000008." + "y" * 244).write_bytes(b"Subject: 255 octets\n\n")
    at("1700000009.new\nline.x").write_bytes(b"Subject: a line end\n\n")
    at("1700000010.\x01\x7f.x").write_bytes(b"Subject: control\n\n")
    at(".1700000011.dot.x").write_bytes(b"Subject: a dot\n\n")
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.mknod(at("1700000012.zero.x"), 0o20666, os.makedev(1, 5))
    return made


def test_F02_what_is_no_letter(house):
    bob = House(house.posta, "bob").clear()
    bob.fill(["a secret of bob"])
    (secret,) = (bob.dir / "cur").iterdir()
    uids = house.fill(["one", "two"])
    seers = [Seer(house), Seer(house, idle=True)]
    made = {sub: strange(house.dir / sub, secret) for sub in ("new", "cur")}
    house.own(house.dir)
    lmtp(house.posta, "alice", ["three"])
    for s in seers:
        until(lambda s=s: len(s.uids) == 3 or s.step(), "the third is told, and nothing else")
    c = house.dial()
    c.ok("SELECT INBOX")
    text = repr(c.ok("FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE BODY.PEEK[])").untagged)
    assert "secret" not in text and text.count("'UID'") == 3
    c.ok("STATUS INBOX (MESSAGES SIZE)")
    c.ok("COPY 1:* Archive")
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    assert house.state()[1] == {} and len(house.state("Archive")[1]) == 3
    for sub, entries in made.items():
        assert {f.name for f in (house.dir / sub).iterdir()} == {n for n in entries if os.path.lexists(entries[n])}, "left alone, under its name"
    assert [s for s, _ in bob.state()[1].values()] == ["a secret of bob"]
    for f in [f for entries in made.values() for f in entries.values()]:
        shutil.rmtree(f) if f.is_dir() and not f.is_symlink() else f.unlink(missing_ok=True)
    assert uids
    for s in seers:
        s.sees({})
        s.close()
    c.close()


def test_F01_folders_that_are_links(house):
    """Neither read nor written through, and nothing of what they point to is shown."""
    bob = House(house.posta, "bob").clear()
    bob.fill(["a secret of bob"])
    house.path("Whole").symlink_to(bob.dir)
    house.path("Half").mkdir()
    (house.path("Half") / "tmp").mkdir()
    for sub in ("cur", "new"):
        (house.path("Half") / sub).symlink_to(bob.dir / sub)
    house.own(house.path("Half"))
    before = sorted(str(f) for f in bob.dir.rglob("*") if "index.db" not in f.name)
    c = house.dial()
    for folder in ("Whole", "Half"):
        for line in (f"SELECT {folder}", f"EXAMINE {folder}", f"STATUS {folder} (MESSAGES)", f"DELETE {folder}"):
            a = c.ask(line)
            if line.startswith("DELETE"):
                assert a.status in ("OK", "NO"), a
            else:
                assert a.status == "NO", a
        a = c.ask(f"APPEND {folder}", text_of("to whom"))
        assert a.status == "NO", a
    c.ok("SELECT INBOX")
    c.close()
    assert sorted(str(f) for f in bob.dir.rglob("*") if "index.db" not in f.name) == before
    house.path("Whole").unlink(missing_ok=True)
    shutil.rmtree(house.path("Half"), ignore_errors=True)


def test_F01_cur_is_swapped_under_a_session(house):
    bob = House(house.posta, "bob").clear()
    bob.fill(["a secret of bob"])
    c = house.dial()
    c.ok("CREATE Swap")
    house.fill(["one", "two"], "Swap")
    before = house.state("Swap")
    c.ok("SELECT Swap")
    cur = house.path("Swap") / "cur"
    cur.rename(cur.with_name("aside"))
    cur.symlink_to(bob.dir / "cur")
    names = sorted(f.name for f in (bob.dir / "cur").iterdir())
    for line in ("FETCH 1:* (BODY.PEEK[])", "NOOP", "STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE", "COPY 1:* Archive"):
        a = c.ask(line)
        assert a.status in ("OK", "NO") and "secret" not in repr(a), a
        assert not [u for u in a.untagged if u[0] == "EXPUNGE"], "nothing has gone for good"
    assert c.ask("APPEND Swap", text_of("to whom")).status == "NO"
    assert sorted(f.name for f in (bob.dir / "cur").iterdir()) == names
    cur.unlink()
    cur.with_name("aside").rename(cur)
    until(lambda: c.ask("SELECT Swap").status == "OK", "back again")
    assert house.state("Swap") == before
    c.close()


# ---- a full disk ----

def test_full_disk_without_an_index():
    """Whose index.db has been lost, or was never there, can come in all the same, read, and make room: for that mail/.reserve is kept."""
    with small_disk("64m") as posta:
        house, reserve = House(posta), posta.state / "mail/.reserve"
        uids = house.fill([f"letter {k}" for k in range(20)], size=20_000)
        truth = house.state()
        assert reserve.stat().st_blocks * 512 == reserve.stat().st_size == 1 << 20
        remove_all(house.dir / "index.db")
        holders = posta.pids("posta-imapd")
        for pid in holders:  # they have it open
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in holders), "their end")
        ballast = fill_up(posta.state)

        def state():
            try:
                return house.state()
            except OSError:
                return None
        until(lambda: state() == truth, "imapd is back, and shows what there was")
        assert not reserve.exists() and posta.log().count("disk-full") == 1
        fill_up(posta.state)
        c = house.dial()
        c.ok("SELECT INBOX")
        got = {int(u[2]["UID"]): u[2]["BODY[]"] for u in c.ok("UID FETCH 1:* (UID BODY.PEEK[])").untagged if u[0] == "FETCH"}
        assert got == {u: text_of(truth[1][u][0], 20_000) for u in uids}
        c.ok("UID STORE 1:* +FLAGS (\\Deleted)")
        c.ok("EXPUNGE")
        assert house.state()[1] == {}
        ballast.unlink()
        until(lambda: c.ok("NOOP") and reserve.exists(), "there is room again")
        c.close()


def test_full_disk():
    """Mail can be read and deleted, which makes room; what needs room says NO."""
    with small_disk("64m") as posta:
        house = House(posta)
        uids = house.fill([f"letter {k}" for k in range(20)], size=20_000)
        truth = house.state()[1]
        old = Seer(house)
        ballast = fill_up(posta.state)
        for c in (old.c, house.dial()):
            if c is not old.c:
                c.ok("SELECT INBOX")
            a = c.ok("UID FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE BODY.PEEK[])")
            got = {int(u[2]["UID"]): u[2]["BODY[]"] for u in a.untagged if u[0] == "FETCH"}
            assert got == {u: text_of(truth[u][0], 20_000) for u in uids}
            for _ in range(3):
                fill_up(posta.state)
                a = c.ask("APPEND INBOX", text_of("too much", 1_000_000))
                assert a.status == "NO" and a.code == "OVERQUOTA", a
            fill_up(posta.state)
            for line in ("COPY 1:* Archive", "CREATE Another/One", "STORE 1:* +FLAGS ($New)"):
                a = c.ask(line)
                assert a.status in ("OK", "NO"), a
            c.ok("NOOP")
        gone = uids[:5]
        a = c.ok(f"UID STORE {gone[0]}:{gone[-1]} +FLAGS (\\Deleted)")
        a = c.ok("UID EXPUNGE " + f"{gone[0]}:{gone[-1]}")
        assert [u[0] for u in a.untagged].count("EXPUNGE") == 5, a
        assert list(house.state()[1]) == uids[5:]
        ballast.unlink()
        until(lambda: c.ask("APPEND INBOX", text_of("room again", 100_000)).status == "OK", "room again")
        until(lambda: c.ask("COPY 1 Archive").status == "OK", "and for copies")
        lmtp(posta, "alice", ["delivered"])
        until(lambda: [s for s, _ in house.state()[1].values()][-2:] == ["room again", "delivered"], lambda: house.state())
        validity = house.state()
        posta.stop()
        remove_all(house.dir / "index.db")
        posta.start()
        assert house.state() == validity
        c.close()
