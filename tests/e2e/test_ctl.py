"""The supervisor and the command line: start, stop, reload, what dies and what freezes; accounts, the queue, sendmail.

As root most of it runs as an unprivileged user; the tests of walls between the processes need root and are skipped without."""
import contextlib
import json
import os
import pathlib
import pty
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from posta import BUILD, DOMAIN, PASSWORD, alive, as_user, free_port, system, until

PROGRAMS = ["posta-authd", "posta-mda", "posta-mta-send", "posta-mta-queue", "posta-mta-receive", "posta-msa", "posta-imapd", "posta-pop3d"]
FROZEN_PATIENCE = 60
POSTA = str(BUILD / "ctl/posta")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: processes of different users")


@contextlib.contextmanager
def bare(**more):
    """A system that is made and not started."""
    with system(start=False, **more) as s:
        try:
            yield s
        finally:
            s.cli("stop", check=False)


# ---- starting and stopping ----

def test_init_twice_changes_nothing():
    with bare() as s:
        before = {f: f.stat().st_mtime_ns for f in sorted(s.state.rglob("*")) if f.suffix != ".lock"}
        assert "already" in s.cli("init").stdout
        after = {f: f.stat().st_mtime_ns for f in sorted(s.state.rglob("*")) if f.suffix != ".lock"}
        assert before.keys() == after.keys()
        assert before[s.state / "mail"] == after[s.state / "mail"]
        assert s.cli("check").returncode == 0


def test_init_writes_a_first_configuration():
    with system(start=False, users=()) as s:
        conf = s.dir / "sub/own.conf"
        run = lambda *a: subprocess.run([POSTA, "-c", str(conf), *a], env=s.env, capture_output=True, text=True, **as_user(s.uid))  # noqa: E731
        assert "--hostname" in run("init").stderr
        assert run("init", "--hostname", "mail.own.test", "--domain", "own.test").returncode == 0
        if s.uid or os.geteuid() != 0:
            assert str(s.dir / "sub/state") in conf.read_text()
            assert json.loads(run("domain", "list", "--json").stdout) == [{"domain": "own.test", "users": 0}]
        cert = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", str(conf.parent / "tls/cert.pem")],
                              capture_output=True, text=True, check=True).stdout
        assert "DNS:mail.own.test" in cert and "DNS:own.test" in cert


def test_daemon_returns_when_all_serve():
    with bare() as s:
        s.cli("start", "--daemon", "--log", str(s.log_path))
        status = s.json("status")
        assert status["serving"] and {p["process"] for p in status["processes"]} == set(PROGRAMS)
        assert all(p["pid"] and p["state"] == "serving" for p in status["processes"])
        second = s.cli("start", check=False)
        assert second.returncode == 1 and str(status["supervisor"]) in second.stderr
        assert s.json("status") and "127.0.0.1:" in s.cli("status").stdout
        s.cli("stop")
        assert s.cli("status", check=False).returncode == 1
        assert not any(alive(p["pid"]) for p in status["processes"])
        assert not list(s.run.glob("*.sock")) and not list(s.run.glob("*.ctl"))


@pytest.mark.parametrize("wrong", ["port", "config", "certificate", "tree"])
def test_what_cannot_be_had_is_told_and_nothing_starts(wrong):
    with bare() as s:
        with contextlib.ExitStack() as stack:
            if wrong == "port":
                taken = stack.enter_context(socket.create_server(("127.0.0.1", s.ports["pop3d"])))
                assert taken
                want = f"127.0.0.1:{s.ports['pop3d']}"
            elif wrong == "config":
                s.conf.write_text(s.conf.read_text() + "\nnonsense = 5\n")
                want = "nonsense"
            elif wrong == "certificate":
                (s.dir / "key.pem").write_text("no key")
                want = "cert.pem"
            else:
                shutil.rmtree(s.state / "spool/in")
                want = "posta init"
            r = s.cli("start", "--daemon", "--log", str(s.log_path), check=False)
            assert r.returncode == 1 and want in r.stderr, r.stderr
            assert s.cli("status", check=False).returncode == 1
            r = s.cli("check", check=False)
            assert r.returncode == 1 and want.replace("posta init", "spool/in") in r.stdout + r.stderr
            faults = json.loads(s.cli("check", "--json", check=False).stdout)
            assert not faults["good"] and faults["faults"]


def test_R01_connections_want_descriptors():
    """More than the system gives: told where it is read, and posta starts all the same."""
    with system(sections={"limits": "connections = 1000000"}) as s:
        warnings = json.loads(s.cli("check", "--json").stdout)["warnings"]
        assert any("descriptors" in w and "LimitNOFILE" in w for w in warnings), warnings
        assert "descriptors" in s.log()
        hard = pathlib.Path(f"/proc/{s.pids('posta-imapd')[0]}/limits").read_text()
        soft, hard = re.search(r"Max open files\s+(\d+)\s+(\d+)", hard).groups()
        assert soft == hard


def test_stop_says_goodbye_within_its_time():
    with system(sections={"limits": "drain_seconds = 1"}) as s:
        d = s.dial("mta")
        d.asks("EHLO x.test", "250")
        begun = time.monotonic()
        s.process.send_signal(signal.SIGTERM)
        assert d.hear().startswith("421")
        assert s.process.wait(30) == 0
        assert time.monotonic() - begun < 10
        s.process = None
        s.complaints()


def half_a_letter(s, mark):
    """A session on port 25 that has sent all of a letter but its end."""
    d = s.dial("mta")
    d.asks("EHLO x.test", "250")
    d.asks("MAIL FROM:<x@elsewhere.test>", "250")
    d.asks(f"RCPT TO:<bob@{DOMAIN}>", "250")
    d.asks("DATA", "354")
    return d.say(f"Subject: {mark}\r\n\r\nhalf")


def test_a_letter_under_way_is_taken_while_posta_stops():
    with system(sections={"limits": "drain_seconds = 30"}) as s:
        d = half_a_letter(s, "drained")
        s.process.send_signal(signal.SIGTERM)
        until(lambda: not listens(s.ports["mta"]), "the end of listening")
        d.asks(".", "250")
        assert s.process.wait(60) == 0
        s.process = None
        s.start()
        newest(s, "bob", "Subject: drained")


def test_a_start_waits_for_what_a_killed_supervisor_left():
    with system(sections={"limits": "drain_seconds = 30"}) as s:
        d = half_a_letter(s, "left behind")
        children = s.pids()
        s.process.kill()
        s.process.wait()
        until(lambda: not listens(s.ports["mta"]), "the end of listening")
        s.process = subprocess.Popen([POSTA, "-c", str(s.conf), "start"], env=s.env, stdin=subprocess.DEVNULL, stderr=open(s.log_path, "ab"),
                                     **as_user(s.uid))
        until(lambda: (s.run / "posta.pid").read_text() == f"{s.process.pid}\n", "the new supervisor")
        assert not s.pids() and [pid for pid in children if alive(pid)]
        with contextlib.suppress(BrokenPipeError):
            assert d.ask(".")[:3] in ("250", "451")
        s.cli("status", "--wait", "60")
        assert not [pid for pid in children if alive(pid)]


def test_children_do_not_outlive_the_supervisor():
    with system() as s:
        children = s.pids()
        assert len(children) >= len(PROGRAMS)
        s.process.kill()
        s.process.wait()
        s.process = None
        for pid in children:
            until(lambda pid=pid: not alive(pid), f"end of process {pid}")
        s.start()  # the lock of the dead one holds nobody up


# ---- what dies and what freezes ----

def back(s, name):
    """All processes of that name have been started again, and serve."""
    r = s.cli("status", "--json", check=False)
    return r.returncode == 0 and all(p["restarts"] >= 1 for p in json.loads(r.stdout)["processes"] if p["process"] == name)


def test_X01_what_is_killed_is_there_again():
    with system() as s:
        for name in PROGRAMS:
            for pid in s.pids(name):
                os.kill(pid, signal.SIGKILL)
            until(lambda name=name: back(s, name), f"{name} again")
        d = s.dial("mta")
        d.asks("EHLO x.test", "250")


def test_X15_a_frozen_process_is_replaced():
    with system(sections={"log": ""}) as s:
        frozen = s.pids("posta-authd")[0]
        os.kill(frozen, signal.SIGSTOP)
        assert s.cli("status", check=False).returncode == 1  # it does not answer
        until(lambda: not alive(frozen), "the end of the frozen process", FROZEN_PATIENCE)
        s.cli("status", "--wait", "20")
        assert s.pids("posta-authd")[0] != frozen
        assert "frozen" in s.log()


# ---- reload ----

def pop3_login(s):
    d = s.dial("pop3d_tls", tls=True)
    d.asks(f"USER alice@{DOMAIN}", "+OK")
    d.asks(f"PASS {PASSWORD['alice']}", "+OK")
    return d


def test_X25_reload_takes_over_and_drops_no_session():
    with system() as s:
        d = pop3_login(s)
        children = sorted(s.pids())
        old, s.ports["mta"] = s.ports["mta"], free_port()
        s.write_conf()
        s.cli("reload")
        assert s.dial("mta").greeting.startswith("220")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", old))
        s.process.send_signal(signal.SIGHUP)
        until(lambda: s.log().count(" reloaded ") >= 2, "the second reload")
        assert sorted(s.pids()) == children
        d.asks("STAT", "+OK")
        d.asks("QUIT", "+OK")


@pytest.mark.parametrize("wrong", ["syntax", "certificate", "port", "place"])
def test_X25_a_bad_configuration_changes_nothing(wrong):
    with system() as s:
        good, key = s.conf.read_text(), (s.dir / "key.pem").read_text()
        ports, before = dict(s.ports), [p["pid"] for p in s.json("status")["processes"]]
        if wrong == "syntax":
            s.conf.write_text(good + "\nmsa { listen = {\n")
        elif wrong == "certificate":
            (s.dir / "key.pem").write_text("no key")
        elif wrong == "port":
            taken = socket.create_server(("127.0.0.1", 0))
            s.ports["pop3d"], s.ports["mta"] = taken.getsockname()[1], free_port()
            s.write_conf()
        else:
            s.conf.write_text(good.replace(str(s.state), str(s.dir / "elsewhere")))
        r = s.cli("reload", check=False)
        assert r.returncode == 1 and r.stderr
        s.process.send_signal(signal.SIGHUP)
        until(lambda: "reload-refused" in s.log(), "the refusal in the log")
        s.conf.write_text(good)
        (s.dir / "key.pem").write_text(key)
        new_mta, s.ports = s.ports["mta"], ports
        assert s.dial("mta").greeting.startswith("220")
        if wrong == "port":
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", new_mta))
        assert [p["pid"] for p in s.json("status")["processes"]] == before
        s.cli("reload")


def test_reload_changes_the_number_of_workers():
    with system(top="workers = 1") as s:
        assert len(s.pids("posta-msa")) == 1
        s.top = "workers = 3"
        s.write_conf()
        s.cli("reload")
        s.cli("status", "--wait", "20")
        assert len(s.pids("posta-msa")) == 3
        s.top = "workers = 1"
        s.write_conf()
        s.cli("reload")
        until(lambda: len(s.pids("posta-msa")) == 1, "one worker again")
        assert s.dial("msa").greeting.startswith("220")


def test_reload_while_processes_die():
    with system(top="workers = 3") as s:
        for n in (1, 3, 2, 4, 1, 2) * 2:
            s.top = f"workers = {n}"
            s.write_conf()
            for pid in s.pids("posta-msa") + s.pids("posta-pop3d"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert s.cli("reload", check=False).returncode in (0, 1)
        s.cli("status", "--wait", "30")
        until(lambda: len(s.pids("posta-msa")) == 2 and len(s.pids("posta-pop3d")) == 2, "two workers each")


def test_the_death_of_one_that_is_wanted_no_more_ends_a_reload():
    """All are frozen when the reload comes to them, then die one after the other: the last answer is the death of a surplus one."""
    with system(top="workers = 3") as s:
        pids = [p["pid"] for p in s.json("status")["processes"]]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        s.top = "workers = 1"
        s.write_conf()
        s.process.send_signal(signal.SIGHUP)
        until(lambda: " reload " in s.log(), "the reload")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: "reload-refused" in s.log(), "the end of the reload")
        s.cli("status", "--wait", "30")
        assert len(s.pids("posta-pop3d")) == 1


# ---- accounts ----

def test_accounts_with_and_without_the_system(posta):
    for running in (True, False):
        posta.cli("user", "add", "carol@" + DOMAIN, "--password-stdin", input="first\n")
        assert posta.cli("user", "add", "carol@" + DOMAIN, "--password-stdin", input="x\n", check=False).returncode == 1
        posta.cli("user", "passwd", "carol@" + DOMAIN, "--password-stdin", input="second word\n")
        posta.cli("user", "quota", "carol@" + DOMAIN, "2G", "--letters", "10")
        assert (posta.maildir("carol") / "new").is_dir(), "other programs find the Maildir at once"
        row = [u for u in posta.json("user", "list") if u["address"] == "carol@" + DOMAIN][0]
        assert row["quota_bytes"] == 2 << 30 and row["quota_letters"] == 10
        posta.cli("alias", "add", "info@" + DOMAIN, "carol@" + DOMAIN, "bob@" + DOMAIN)
        assert len(posta.json("alias", "list")) == 2
        assert posta.cli("domain", "del", DOMAIN, check=False).returncode == 1
        if running:
            until(lambda: knows(posta, "second word"), "the new password")
            assert not knows(posta, "first")
        posta.cli("alias", "del", "info@" + DOMAIN)
        posta.cli("user", "del", "carol@" + DOMAIN)
        assert posta.json("alias", "list") == []
        if running:
            assert not knows(posta, "second word")
            posta.stop()
    posta.start()


def knows(s, password):
    d = s.dial("pop3d_tls", tls=True)
    d.asks(f"USER carol@{DOMAIN}", "+OK")
    return d.ask("PASS " + password).startswith("+OK")


def test_batch_tells_what_it_could_not_add(posta):
    r = posta.cli("user", "add", "--batch", input=f"b1@{DOMAIN} pw one\n\n# remark\nb2@else.test x\nalone\nb3@{DOMAIN} pw\n", check=False)
    assert r.returncode == 1 and "2 users added" in r.stdout
    assert "else.test" in r.stderr and "ADDRESS PASSWORD" in r.stderr
    assert {f"b1@{DOMAIN}", f"b3@{DOMAIN}"} <= {u["address"] for u in posta.json("user", "list")}
    posta.cli("user", "del", f"b1@{DOMAIN}", f"b3@{DOMAIN}")


def type_password(s, *lines):
    """`posta user passwd` on a terminal of its own; what the terminal showed, and the exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        if s.uid:
            os.setgroups([])
            os.setgid(s.uid)
            os.setuid(s.uid)
        os.execve(POSTA, [POSTA, "-c", str(s.conf), "user", "passwd", f"bob@{DOMAIN}"], s.env)
    shown = b""
    for prompt, line in zip((b"New password: ", b"Once more: "), lines):
        while prompt not in shown and b"posta: " not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, line)
    with contextlib.suppress(OSError):
        while data := os.read(terminal, 4096):
            shown += data
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return shown, status


def test_a_password_is_typed_unseen(posta):
    shown, status = type_password(posta, b"terminal\n", b"terminal\n")
    assert status == 0 and b"terminal" not in shown
    shown, status = type_password(posta, b"one\n", b"other\n")
    assert status == 1 and b"not the same" in shown
    assert type_password(posta, b"half\x03")[1] == 1
    posta.cli("user", "passwd", f"bob@{DOMAIN}", "--password-stdin", input=PASSWORD["bob"] + "\n")


# ---- the command line ----

def test_usage_errors_are_2_and_help_is_0(posta):
    for args in (["nothing"], ["user"], ["user", "ad"], ["user", "add"], ["queue", "retry"], ["queue", "delete", "--all"], ["queue", "show", "x"],
                 ["status", "--wait", "soon"], ["start", "--fast"], ["user", "quota", "a@b", "1Q"], ["trace"], []):
        r = posta.cli(*args, check=False)
        assert r.returncode == 2, (args, r.stdout, r.stderr)
    everything = posta.cli("--help").stdout
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", everything, re.M)
    assert len(commands) > 20
    for words in commands:
        assert "usage: posta " + words in posta.cli(*words.split(), "--help").stdout
    assert posta.cli("queue", "--help").stdout.count("posta queue") == 7
    assert re.match(r"posta \d", posta.cli("--version").stdout)


def test_the_queue_is_shown_and_changed(posta):
    r = posta.cli("sendmail", "-i", "-f", f"alice@{DOMAIN}", "someone@elsewhere.test", input="Subject: far\n\nx\n")
    assert r.stdout == ""
    row = until(lambda: [q for q in posta.json("queue", "list") if q["recipients"][0]["state"] not in ("due", "trying")], "the letter that waits")[0]
    letter = row["id"]
    assert row["sender"] == f"alice@{DOMAIN}" and row["recipients"][0]["address"] == "someone@elsewhere.test" and row["size"] > 0
    assert letter in posta.cli("queue", "list").stdout and "1 letter" in posta.cli("queue", "list").stdout
    assert "Subject: far" in posta.cli("queue", "show", letter).stdout
    assert json.loads(posta.cli("queue", "show", letter, "--json").stdout)["id"] == letter
    hops = posta.json("trace", letter)
    assert hops[0]["box"] == "sendmail" and all(h["time"] for h in hops)
    assert "queued from" in posta.cli("trace", letter).stdout
    for verb in ("hold", "release", "retry"):
        assert "1 letter" in posta.cli("queue", verb, letter).stdout
    assert posta.cli("queue", "flush").returncode == 0
    assert posta.cli("queue", "hold", "--all", "--yes").returncode == 0
    assert posta.json("queue", "list")[0]["held"]
    assert "1 letter" in posta.cli("queue", "delete", letter).stdout
    until(lambda: posta.json("queue", "list") == [], "an empty queue")
    assert posta.cli("queue", "delete", letter, check=False).returncode == 1
    assert "empty" in posta.cli("queue", "list").stdout
    assert posta.cli("trace", "0" * 23, check=False).returncode == 1


def test_output_to_a_reader_that_leaves(posta):
    r = subprocess.run(f"{POSTA} -c {posta.conf} --help | head -1", shell=True, capture_output=True, text=True, env=posta.env, **as_user(posta.uid))
    assert r.stdout.startswith("posta - ") and not r.stderr


# ---- sendmail ----

def sendmail(s, *args, text="Subject: x\n\nhello\n", **more):
    return subprocess.run([POSTA, "-c", str(s.conf), "sendmail", *args], input=text, text=True, capture_output=True, env=s.env,
                          **as_user(s.uid), **more)


def newest(s, user, mark):
    return until(lambda: [f for f in s.letters(user) if mark in f.read_text()], f"letter {mark}")[0].read_text()


def test_sendmail_takes_recipients_from_the_head(posta):
    r = sendmail(posta, "-t", "-oi", text=f"To: Bob <bob@{DOMAIN}>\nBcc: alice\nSubject: from-head\n\n.\nend\n")
    assert r.returncode == 0, r.stderr
    for user in ("bob", "alice"):
        text = newest(posta, user, "from-head")
        assert "Bcc" not in text and text.endswith("\n.\nend\n") and "\nDate: " in text and "\nMessage-ID: <" in text


def test_sendmail_by_its_other_names(posta):
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        names = {n: os.path.join(d, n) for n in ("sendmail", "mailq", "newaliases")}
        for path in names.values():
            os.symlink(POSTA, path)
        env = {**posta.env, "POSTA_CONF": str(posta.conf)}
        run = lambda *a, **k: subprocess.run(a, env=env, capture_output=True, text=True, **as_user(posta.uid), **k)  # noqa: E731
        assert run(names["sendmail"], "-i", f"bob@{DOMAIN}", input="Subject: by-name\n\nx\n").returncode == 0
        waiting = run(names["mailq"]).stdout  # asked once: the letter may be gone the next moment
        assert "empty" in waiting or "letter" in waiting
        assert run(names["newaliases"]).returncode == 0
        p = subprocess.Popen([names["sendmail"], "-bs"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **as_user(posta.uid))
        assert p.stdout.readline().startswith(b"220 ")
        for line, want in ((b"HELO x.test", b"250 "), (f"MAIL FROM:<alice@{DOMAIN}>".encode(), b"250 "), (f"RCPT TO:<bob@{DOMAIN}>".encode(), b"250 "),
                           (b"DATA", b"354 "), (b"Subject: by-hand\r\n\r\nx\r\n.", b"250 "), (b"QUIT", b"221 ")):
            p.stdin.write(line + b"\r\n")
            p.stdin.flush()
            assert p.stdout.readline().startswith(want), line
        assert p.stdout.read() == b"" and p.wait() == 0
    newest(posta, "bob", "by-name")
    newest(posta, "bob", "by-hand")


def test_F06_sendmail_refuses_and_leaves_nothing(posta):
    before = len(posta.letters("bob"))
    bob = f"bob@{DOMAIN}"
    assert sendmail(posta, "-f", "a@b.test\nRCPT TO:<x@y.test>", bob).returncode == 65
    assert sendmail(posta, "a@b.test\r\nDATA").returncode == 65
    assert sendmail(posta, "-bd").returncode == 64
    assert sendmail(posta).returncode == 64
    assert sendmail(posta, "-t", text="Subject: nobody\n\nx\n").returncode == 64
    assert sendmail(posta, "-i", bob, text="Subject: nul\n\na\0b\n").returncode != 0
    # Descriptors 0 to 2 closed: no letter can be read, and none is sent.
    closed = f"exec '{POSTA}' -c '{posta.conf}' sendmail -i {bob} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", closed], env=posta.env, **as_user(posta.uid)).returncode == 66
    # A huge command line.
    many = [f"u{i}@{DOMAIN}" for i in range(20000)]
    assert sendmail(posta, *many).returncode == 65
    # No file is written, so its limit does not matter.
    r = subprocess.run(["sh", "-c", f"ulimit -f 0; '{POSTA}' -c '{posta.conf}' sendmail -i {bob}"], input="Subject: limit\n\nx\n", text=True,
                       env=posta.env, **as_user(posta.uid))
    assert r.returncode == 0
    newest(posta, "bob", "Subject: limit")
    posta.drained()
    assert len(posta.letters("bob")) == before + 1 and not list((posta.state / "spool/in").glob("?/*"))


def test_F06_sendmail_killed_before_the_end_leaves_nothing(posta):
    before = len(posta.letters("bob"))
    for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP):
        p = subprocess.Popen([POSTA, "-c", str(posta.conf), "sendmail", "-i", f"bob@{DOMAIN}"], stdin=subprocess.PIPE, env=posta.env,
                             stderr=subprocess.DEVNULL, preexec_fn=lambda sig=sig: sig == signal.SIGKILL or signal.signal(sig, signal.SIG_DFL), **as_user(posta.uid))
        p.stdin.write(b"Subject: half\n\nonly half of it")
        p.stdin.flush()
        p.send_signal(sig)
        assert p.wait() != 0
        p.stdin.close()
    posta.drained()
    assert len(posta.letters("bob")) == before


def test_sendmail_tells_who_was_refused_and_when_to_come_back(posta):
    r = sendmail(posta, "-i", f"nobody-here@{DOMAIN}", f"bob@{DOMAIN}")
    assert r.returncode in (0, 67)
    if r.returncode:
        assert "nobody-here" in r.stderr
    with bare() as s:
        r = sendmail(s, "-i", f"bob@{DOMAIN}")
        assert r.returncode == 75 and "queue.sock" in r.stderr


# ---- one process alone ----

def test_a_process_alone_binds_for_itself():
    with bare() as s:
        authd, pop3d = (subprocess.Popen([str(BUILD / p), "-c", str(s.conf)], env=s.env, **as_user(s.uid))
                        for p in ("authd/posta-authd", "pop3d/posta-pop3d"))
        try:
            until(lambda: (s.run / "auth.sock").exists() and listens(s.ports["pop3d_tls"]), "the two processes")
            pop3_login(s).asks("QUIT", "+OK")
        finally:
            for p in (pop3d, authd):
                p.terminate()
                assert p.wait(30) == 0
        s.complaints()


def test_socket_activation_of_one_process():
    with bare() as s:
        authd = subprocess.Popen([str(BUILD / "authd/posta-authd"), "-c", str(s.conf)], env=s.env, **as_user(s.uid))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            # As systemd does: the socket is descriptor 3, the names follow the unit's.
            sh = f"exec 3<&{listening.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=pop3d-tls exec {BUILD}/pop3d/posta-pop3d -c {s.conf}"
            pop3d = subprocess.Popen(["bash", "-c", sh], env=s.env, pass_fds=[listening.fileno()], **as_user(s.uid))
            s.ports["pop3d_tls"] = listening.getsockname()[1]
            try:
                until(lambda: (s.run / "auth.sock").exists(), "auth.sock")
                pop3_login(s).asks("QUIT", "+OK")
            finally:
                for p in (pop3d, authd):
                    p.terminate()
                    assert p.wait(30) == 0
        s.complaints()


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


# ---- walls ----

@root_only
def test_each_process_has_its_own_user_and_its_own_files():
    with system(uid=0) as s:
        users = {"posta-authd": "posta-auth", "posta-mda": "posta-mail", "posta-mta-queue": "posta-queue", "posta-mta-send": "posta-send",
                 "posta-mta-receive": "posta-receive", "posta-msa": "posta-msa", "posta-imapd": "posta-mail",
                 "posta-pop3d": "posta-mail"}
        for name, user in users.items():
            for pid in s.pids(name):
                words = pathlib.Path(f"/proc/{pid}/status").read_text()
                ids = set(re.search(r"^Uid:\s+(.*)", words, re.M)[1].split())
                assert ids == {str(pwd.getpwnam(user).pw_uid)}, name
                assert re.search(r"^Groups:\s*(\d*)\s*$", words, re.M), name
        assert (s.maildir() / "new").owner() == "posta-mail", "made by `user add`"
        d = s.dial("mta")
        d.asks("EHLO x.test", "250")
        d.asks("MAIL FROM:<x@elsewhere.test>", "250")
        d.asks(f"RCPT TO:<bob@{DOMAIN}>", "250")
        d.asks("DATA", "354")
        d.asks("Subject: through the walls\r\n\r\nx\r\n.", "250")
        assert len(s.wait_letters(1)) == 1
        assert sendmail(s, "-i", f"bob@{DOMAIN}").returncode == 0
        s.wait_letters(2)

        def may(user, path, write=False):
            what = f"test -{'w' if write else 'r'} '{path}'"
            return subprocess.run(["setpriv", f"--reuid={user}", "--regid=posta", "--clear-groups", "sh", "-c", what]).returncode == 0

        assert may("posta-msa", s.state / "pub/users.db") and not may("posta-msa", s.state / "pub/users.db", write=True)
        assert not may("posta-msa", s.state / "spool/queue.db") and not may("posta-msa", s.state / "mail")
        assert not may("posta-msa", s.state / "auth/auth.db") and not may("posta-queue", s.state / "auth/auth.db")
        assert not may("posta-queue", s.state / "mail") and not may("posta-mail", s.state / "spool/queue.db")
        assert may("posta-receive", s.state / "spool/in/0", write=True) and not may("posta-receive", s.state / "spool/msg", write=True)
        assert not may("posta-msa", s.dir / "key.pem") and not may("posta-msa", s.state / "users.db")


@root_only
def test_who_may_command_the_supervisor():
    with system(uid=0) as s:
        def ask(command):
            r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", POSTA, "-c", str(s.conf), command],
                               capture_output=True, text=True, env=s.env)
            return r
        assert ask("status").returncode == 0
        for command in ("stop", "reload"):
            r = ask(command)
            assert r.returncode == 1 and "only root" in r.stderr
        s.cli("status")


def test_F04_strangers_at_posta_ctl(posta):
    for junk in (b"\0" * 1000, b"x" * 100000, b"STATUS" * 100 + b"\n", os.urandom(5000)):
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(str(posta.run / "posta.ctl"))
            with contextlib.suppress(OSError):
                c.sendall(junk)
                c.shutdown(socket.SHUT_WR)
                while c.recv(65536):
                    pass
    assert posta.json("status")["serving"]

