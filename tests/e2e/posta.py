"""posta - a whole posta system in a temporary directory, and the means to talk to it by hand.

Everything listens on 127.0.0.1. As root, the system runs as an unprivileged user (uid 65534), as a lab does; tests of rights and
walls ask for root themselves. Processes are ended by their pid. Tests wait for conditions (until), never for time.
"""
import atexit
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("POSTA_BUILD", ROOT / "build-gcc"))
NOBODY = 65534


def open_to_all(build):
    """The programs where an ordinary user reaches them: a copy of those below a folder closed to others (/root, say)."""
    if os.geteuid() != 0 or all(p.stat().st_mode & 1 for p in (build, *build.parents) if p.exists()):
        return build
    copy = pathlib.Path(tempfile.mkdtemp(prefix="posta-build-"))
    os.chmod(copy, 0o755)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for folder in ("ctl", "msa", "mta/receive", "mta/queue", "mta/send", "mda", "imapd", "pop3d", "authd"):
        (copy / folder).mkdir(parents=True)
        for program in (build / folder).glob("posta*"):
            if program.is_file():
                shutil.copy2(program, copy / folder)
    return copy


BUILD = open_to_all(BUILD)
PATIENCE = int(os.environ.get("POSTA_PATIENCE", 60))  # seconds until a condition that does not come true is a failure
PASSWORD = {"alice": "wonderland", "bob": "builder", "carol": "singer"}
DOMAIN = "example.test"


def until(condition, what, patience=PATIENCE):
    """The first true value of condition(); an AssertionError when it does not come."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not come true in {patience} s: {what() if callable(what) else what}")
        time.sleep(0.01)


def free_ports(n):
    """n different ones, below those that the system gives to who connects: nobody takes one before it is used."""
    with contextlib.ExitStack() as stack:
        chosen = []
        while len(chosen) < n:
            s = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", random.randrange(10000, 32000)))
                chosen.append(s.getsockname()[1])
        return chosen


def free_port():
    return free_ports(1)[0]


def as_user(uid):
    """Arguments for subprocess that make the child an unprivileged user; none where we are one already."""
    return {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 and uid else {}


class System:
    """One posta: System(directory).make().start() … stop(). `sections`: text that goes into posta.conf's sections."""

    def __init__(self, directory, sections=None, top="", uid=NOBODY, build=BUILD, authorities=""):
        self.dir = pathlib.Path(directory)
        self.uid = uid if os.geteuid() == 0 else 0
        self.build = pathlib.Path(build)
        self.state, self.run = self.dir / "state", self.dir / "run"
        self.conf, self.log_path = self.dir / "posta.conf", self.dir / "log"
        names = ("mta", "msa", "msa_tls", "imapd", "imapd_tls", "pop3d", "pop3d_tls", "lmtp")
        self.ports = dict(zip(names, free_ports(len(names))))
        # names are asked of a port where nobody is: no test looks anything up in the world
        self.sections = {"dns": 'servers = {"127.0.0.1@1"}', "mta": "", "msa": "", "imapd": "", "pop3d": "", "mda": "", "limits": "", "lab": "", "log": "", **(sections or {})}
        self.top, self.authorities = top, authorities
        self.process = None
        self.env = {**os.environ, "ASAN_OPTIONS": f"detect_leaks=1:abort_on_error=1:log_path={self.dir}/asan",
                    "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={self.dir}/ubsan"}

    # ---- life ----
    def write_conf(self):
        p, s = self.ports, self.sections
        self.conf.write_text(
            f'hostname = "mail.{DOMAIN}"\nstate_dir = "{self.state}"\nrun_dir = "{self.run}"\n{self.top}\n'
            f'tls {{ certificate = "{self.dir}/cert.pem" key = "{self.dir}/key.pem" authorities = "{self.authorities}" }}\n'
            f'log {{ {s["log"]} }}\n'
            f'msa {{ listen = {{"127.0.0.1:{p["msa"]}"}} listen_tls = {{"127.0.0.1:{p["msa_tls"]}"}} {s["msa"]} }}\n'
            f'mta {{ listen = {{"127.0.0.1:{p["mta"]}"}} {s["mta"]} }}\n'
            f'mda {{ lmtp = {{"127.0.0.1:{p["lmtp"]}"}} {s["mda"]} }}\n'
            f'imapd {{ listen = {{"127.0.0.1:{p["imapd"]}"}} listen_tls = {{"127.0.0.1:{p["imapd_tls"]}"}} {s["imapd"]} }}\n'
            f'pop3d {{ listen = {{"127.0.0.1:{p["pop3d"]}"}} listen_tls = {{"127.0.0.1:{p["pop3d_tls"]}"}} {s["pop3d"]} }}\n'
            f'dns {{ {s["dns"]} }}\n'
            f'limits {{ {s["limits"]} }}\nlab {{ {s["lab"]} }}\n')

    def make(self, users=("alice", "bob")):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.run.mkdir(exist_ok=True)
        if self.uid:
            for d in (self.dir, self.run):
                os.chown(d, self.uid, self.uid)
        self.write_conf()
        self.cli("init")
        self.cli("domain", "add", DOMAIN)
        if users:
            self.cli("user", "add", "--batch", input="".join(f"{u}@{DOMAIN} {PASSWORD.get(u, 'secret')}\n" for u in users))
        return self

    def start(self, wrap=()):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*wrap, str(self.build / "ctl/posta"), "-c", str(self.conf), "start"], env=self.env, cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, **as_user(self.uid))
        r = self.cli("status", "--wait", str(PATIENCE), check=False)
        assert r.returncode == 0, f"posta did not start:\n{r.stdout}{r.stderr}\n{self.log()[-4000:]}"
        return self

    def stop(self, patience=PATIENCE):
        """SIGTERM and the orderly end; then no sanitizer may have complained."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("posta did not stop\n" + self.log()[-3000:]) from None
        self.process = None
        self.complaints()

    def kill(self):
        """The whole system at once, as a power cut would."""
        children = self.pids()
        if self.process:
            self.process.kill()
            self.process.wait()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            until(lambda pid=pid: not alive(pid), f"end of process {pid}")
        self.process = None

    def complaints(self):
        found = [f.read_text(errors="replace") for pattern in ("asan.*", "ubsan.*") for f in self.dir.glob(pattern)]
        # a process that is killed while it looks for leaks says so, which is no complaint
        found = [text[:6000] for text in found if "ERROR:" in text or "runtime error" in text]
        assert not found, "\n".join(found)

    # ---- processes ----
    def pids(self, name=None):
        """Pids of our children; of one program when its name is given ("posta-mda")."""
        found = []
        for d in pathlib.Path("/proc").iterdir():
            if not d.name.isdigit() or not self.process:
                continue
            with contextlib.suppress(OSError):
                parent = int((d / "stat").read_text().rsplit(")", 1)[1].split()[1])
                program = (d / "cmdline").read_text().split("\0")[0].rsplit("/", 1)[-1]
                if parent == self.process.pid and name in (None, program):
                    found.append(int(d.name))
        return found

    def cli(self, *args, input=None, check=True):
        r = subprocess.run([str(self.build / "ctl/posta"), "-c", str(self.conf), *args], input=input, env=self.env, cwd="/",
                           capture_output=True, text=True, timeout=PATIENCE * 2, **as_user(self.uid))
        if check:
            assert r.returncode == 0, f"posta {' '.join(args)} said {r.returncode}:\n{r.stdout}{r.stderr}"
        return r

    def json(self, *args):
        return json.loads(self.cli(*args, "--json").stdout)

    # ---- what is on disk ----
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def maildir(self, user="bob", domain=DOMAIN):
        return self.state / "mail" / domain / user

    def letters(self, user="bob"):
        d = self.maildir(user)
        return sorted(f for sub in ("new", "cur") if (d / sub).is_dir() for f in (d / sub).iterdir())

    def letters_at(self, user, domain):
        d = self.maildir(user, domain) / "new"
        return sorted(d.iterdir()) if d.is_dir() else []

    def wait_letters(self, n, user="bob"):
        until(lambda: len(self.letters(user)) >= n, lambda: f"{n} letters for {user}; there are {len(self.letters(user))}\n{self.log()[-2000:]}")
        return self.letters(user)

    def drained(self):
        until(lambda: not list((self.state / "spool/msg").iterdir()), lambda: "an empty queue\n" + self.log()[-2000:])

    # ---- talking ----
    def tls_context(self):
        c = ssl.create_default_context(cafile=str(self.dir / "cert.pem"))
        c.check_hostname = False
        return c

    def dial(self, port, tls=False, greet=True):
        return Dialogue(self.ports[port], self.tls_context() if tls else None, greet)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Dialogue:
    """A socket spoken by hand: say() a line, hear() a reply."""

    def __init__(self, port, context=None, greet=True, host="127.0.0.1"):
        self.s = socket.create_connection((host, port), timeout=PATIENCE)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.s = context.wrap_socket(self.s, server_hostname="mail." + DOMAIN)
        self.rest = b""
        self.greeting = self.hear() if greet else None

    def send(self, data):
        self.s.sendall(data)

    def say(self, line):
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self

    def line(self):
        """One line without CRLF; b"" at the end of the connection."""
        while b"\r\n" not in self.rest:
            try:
                more = self.s.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                more = b""
            if not more:
                return b""
            self.rest += more
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def hear(self):
        """An SMTP reply (all its lines joined by \\n) or a POP3 status line; "" when the peer closed."""
        lines = []
        while True:
            lines.append(self.line().decode("utf-8", "replace"))
            if not re.match(r"\d\d\d-", lines[-1]):
                return "\n".join(lines)

    def ask(self, line):
        return self.say(line).hear()

    def asks(self, line, want):
        got = self.ask(line)
        assert got.startswith(want), f"{line!r}: wanted {want!r}, got {got!r}"
        return got

    def multi(self):
        """POP3: the lines up to the lone dot, unstuffed."""
        lines = []
        while (line := self.line()) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        return lines

    def closed(self):
        """True when the peer closes without saying more."""
        return self.rest == b"" and self.line() == b""

    def starttls(self, context, command="STARTTLS", want="220"):
        self.asks(command, want)
        self.s = context.wrap_socket(self.s, server_hostname="mail." + DOMAIN)
        return self

    def close(self):
        self.s.close()


@contextlib.contextmanager
def system(sections=None, users=("alice", "bob"), start=True, **more):
    directory = tempfile.mkdtemp(prefix="posta-test-")
    os.chmod(directory, 0o755)
    s = System(pathlib.Path(directory) / "s", sections, **more)
    try:
        s.make(users)
        if start:
            s.start()
        yield s
        s.stop()
    except BaseException:
        print("---- log ----\n" + s.log()[-6000:])
        if s.process:
            s.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)
