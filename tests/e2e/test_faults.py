"""Disks that are full or broken, descriptors that run out, signals at bad moments (rows X.. of the fault list)."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

import disk
from posta import DOMAIN, PASSWORD, alive, as_user, system, until

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")


def greet(posta, port="mta"):
    d = posta.dial(port)
    d.asks("EHLO faults.test", "250")
    return d


def letter(d, mark, size=1000):
    """The reply to the end of one letter; a refusal before it is returned as it is."""
    for command in ("MAIL FROM:<x@elsewhere.test>", f"RCPT TO:<bob@{DOMAIN}>", "DATA"):
        got = d.ask(command)
        if got[0] not in "23":
            return got
    return d.ask(b"Subject: " + mark.encode() + b"\r\n\r\n" + (b"x" * 76 + b"\r\n") * (size // 78) + b".")


def has(posta, mark):
    return [f for f in posta.letters() if f"Subject: {mark}\n" in f.read_text(errors="replace")]


@contextlib.contextmanager
def small_disk(posta, folder, options):
    """`folder` of the state directory becomes a small file system of its own, with what was in it."""
    path = posta.state / folder
    kept = posta.dir / "kept"
    shutil.copytree(path, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},uid={posta.uid},gid={posta.uid},mode=0755", "tmpfs", str(path)], check=True)
    try:
        for item in kept.rglob("*"):
            to = path / item.relative_to(kept)
            to.mkdir(exist_ok=True) if item.is_dir() else shutil.copy2(item, to)
        for item in [path, *path.rglob("*")]:
            os.chown(item, posta.uid, posta.uid)
        yield path
    finally:
        if posta.process:
            posta.stop()
        subprocess.run(["umount", "-l", str(path)], check=True)


@ROOT_ONLY
def test_X04_spool_full():
    with system(start=False, sections={"limits": 'free_bytes = "256K" free_inodes = 20'}) as posta, small_disk(posta, "spool", "size=12m,nr_inodes=400") as spool:
        posta.start()
        d = greet(posta)
        assert letter(d, "fits").startswith("250")
        posta.drained()
        got = letter(d, "grows", 30 << 20)  # known too late: the disk fills while the letter comes
        assert got.startswith(("452 4.3.1", "451 4.3.0", "552")), got
        until(lambda: not list((spool / "in").glob("*/*")), "the partial letter to be removed")
        ballast = spool / "ballast"
        with open(ballast, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(b"\0" * 65536)

        def refused():
            e = greet(posta)
            return e.ask("MAIL FROM:<x@elsewhere.test>").startswith("452 4.3.1")
        until(refused, "452 at MAIL when the disk is full")
        ballast.unlink()
        until(lambda: letter(greet(posta), "fits again").startswith("250"), "letters to be taken again")
        posta.drained()
        assert len(has(posta, "fits")) == 1 and has(posta, "fits again")
        for n in range(350):  # inodes
            with contextlib.suppress(OSError):
                (spool / f"inode{n}").touch()
        until(refused, "452 at MAIL when the inodes are used up")


@ROOT_ONLY
def test_X05_maildir_full():
    with system(start=False, sections={"limits": "retry_first_seconds = 1 retry_max_seconds = 1"}) as posta, small_disk(posta, "mail", "size=4m") as mail:
        posta.start()
        assert letter(greet(posta), "first").startswith("250")
        posta.drained()
        ballast = mail / "ballast"
        with open(ballast, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(b"\0" * 4096)
        assert letter(greet(posta), "waits", 100_000).startswith("250")
        until(lambda: re.search(r"deferred.*452|452.*deferred", posta.log()), lambda: "the delivery to be deferred\n" + posta.log()[-2000:])
        assert not has(posta, "waits")
        assert "452" in posta.cli("queue", "list").stdout
        ballast.unlink()
        until(lambda: has(posta, "waits"), "the letter to arrive when there is room")
        posta.drained()
        assert len(has(posta, "waits")) == 1


def test_X06_full_disk_at_the_start():
    """Who hosts mail comes back from a full disk: posta starts on it, users log in, read and make room; what would change accounts is refused."""
    with disk.small_disk("32m") as posta:
        posta.stop()
        ballast = disk.fill_up(posta.state)
        posta.start()
        c = posta.dial("pop3d_tls", tls=True)
        c.asks("USER alice@" + DOMAIN, "+OK")
        c.asks("PASS " + PASSWORD["alice"], "+OK")
        c.close()
        refused = posta.cli("user", "passwd", f"alice@{DOMAIN}", "--password-stdin", input="another-one-1\n", check=False)
        assert refused.returncode != 0 and "full" in refused.stderr + refused.stdout, refused
        ballast.unlink()
        posta.cli("user", "passwd", f"alice@{DOMAIN}", "--password-stdin", input="another-one-1\n")


@contextlib.contextmanager
def injected(pid, *what):
    """strace at work in one process: its -e arguments."""
    arguments = ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(pid)]
    for w in what:
        arguments += ["-e", w]
    s = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    until(lambda: re.search(r"TracerPid:\t[1-9]", open(f"/proc/{pid}/status").read()), "strace to be attached")
    try:
        yield s
    finally:
        s.send_signal(signal.SIGINT)
        s.wait()
        s.stderr.close()


@pytest.fixture(scope="module")
def one():
    """One worker each, so that a fault hits the process that is looked at."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    with system(top="workers = 1") as posta:
        assert letter(greet(posta), "warm").startswith("250")
        yield posta


def test_X09_fsync_fails_once(one):
    pid = one.pids("posta-mta-receive")[0]
    d = greet(one)
    with injected(pid, "trace=fsync,fdatasync", "inject=fsync,fdatasync:error=EIO:when=1"):
        got = letter(d, "unsafe")
    assert got.startswith("451"), got
    assert not list((one.state / "spool/in").glob("*/*"))
    assert letter(greet(one), "safe").startswith("250")
    one.drained()
    assert has(one, "safe") and not has(one, "unsafe")


@pytest.mark.parametrize("box", ["posta-mta-queue", "posta-mda"])
def test_X09_fsync_fails_behind(one, box):
    """In the queue: 451, nothing kept. In mda: the letter waits in the queue and arrives once."""
    mark = f"eio-{box}"
    pid = one.pids(box)[0]
    with injected(pid, "trace=fsync,fdatasync", "inject=fsync,fdatasync:error=EIO:when=1"):
        got = letter(greet(one), mark)
        if box == "posta-mda":
            until(lambda: "deferred" in one.log(), lambda: "deferred\n" + one.log()[-2000:])
    if got.startswith("250"):
        one.cli("queue", "flush")
        until(lambda: has(one, mark), lambda: f"{mark} to arrive\n" + one.log()[-2000:])
    else:
        assert got.startswith("451"), got
        until(lambda: one.pids(box), f"{box} to serve")
        until(lambda: letter(greet(one), "after " + mark).startswith("250"), "letters to be taken again")
    one.drained()
    assert len(has(one, mark)) == (1 if got.startswith("250") else 0)


def limits(posta, pid, soft=""):
    """The soft limit of open files of one process; sets it when one is given."""
    r = subprocess.run(["prlimit", f"--pid={pid}", *([f"--nofile={soft}:"] if soft else ["--nofile", "--output=SOFT", "--noheadings"])],
                       capture_output=True, text=True, check=True, **as_user(posta.uid))
    return r.stdout.strip()


def test_X11_descriptors_run_out(one):
    pid = one.pids("posta-mta-receive")[0]
    d = greet(one)
    used = len(os.listdir(f"/proc/{pid}/fd"))
    was = limits(one, pid)
    limits(one, pid, used)
    crowd = [one.dial("mta", greet=False) for _ in range(8)]
    assert letter(d, "while full").startswith(("250", "451", "452")), "the session that was there lives"
    for c in crowd:
        c.s.settimeout(0.5)
        with contextlib.suppress(OSError):
            said = c.line()
            assert said[:3] in (b"", b"421", b"220"), said
        c.close()
    limits(one, pid, was)
    until(lambda: letter(greet(one), "after").startswith("250"), "new sessions")
    assert alive(pid)


def test_X14_slow_disk_holds_nobody_else(one):
    pid = one.pids("posta-mta-receive")[0]
    slow, quick = greet(one), greet(one)
    with injected(pid, "trace=fsync,fdatasync", "inject=fsync,fdatasync:delay_enter=3000000:when=1"):
        done = []
        t = threading.Thread(target=lambda: done.append(letter(slow, "slow")))
        t.start()
        until(lambda: list((one.state / "spool/in").glob("*/*")), "the slow letter to be at its flush")
        for _ in range(20):
            quick.asks("NOOP", "250")
        quick.asks("MAIL FROM:<x@elsewhere.test>", "250")
        quick.asks(f"RCPT TO:<bob@{DOMAIN}>", "250")
        quick.asks("DATA", "354")
        assert not done, "the other session went on while the letter waited for the disk"
        quick.asks("Subject: quick\r\n\r\n.", "250")
        t.join()
    assert done[0].startswith("250")
    one.drained()
    assert has(one, "slow") and has(one, "quick")


def test_X36_second_start_is_refused(one):
    r = one.cli("start", check=False)
    assert r.returncode == 1 and str(one.process.pid) in r.stderr
    assert letter(greet(one), "still here").startswith("250")


def test_X40_reload_under_load_drops_nothing(one):
    over, bad = threading.Event(), []

    def flow():
        d = greet(one)
        while not over.is_set():
            got = letter(d, "reload")
            if not got.startswith("250"):
                bad.append(got)
                return
    t = threading.Thread(target=flow)
    t.start()
    try:
        for _ in range(20):
            one.cli("reload")
        for _ in range(20):
            one.process.send_signal(signal.SIGHUP)
    finally:
        over.set()
        t.join()
    assert not bad
    good = one.conf.read_text()
    one.conf.write_text(good + "\nnonsense = 1\n")
    r = one.cli("reload", check=False)
    assert r.returncode == 1 and "nonsense" in r.stderr + r.stdout
    one.conf.write_text(good)
    assert letter(greet(one), "after a bad configuration").startswith("250")


def test_X40_stop_at_any_moment():
    for n in range(4):
        with system() as posta:
            over, acknowledged = threading.Event(), []

            def flow():
                k = 0
                with contextlib.suppress(OSError, AssertionError, IndexError):
                    d = greet(posta)
                    while not over.is_set():
                        k += 1
                        if letter(d, f"stop-{k}").startswith("250"):
                            acknowledged.append(f"stop-{k}")
            t = threading.Thread(target=flow)
            t.start()
            until(lambda: len(acknowledged) >= 5 * n, "letters")
            posta.stop(patience=20)
            over.set()
            t.join()
            posta.start()
            posta.drained()
            for mark in acknowledged:
                assert len(has(posta, mark)) == 1
