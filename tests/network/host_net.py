"""host_net - the demo network without Docker, on this machine.

    as root      a network namespace for each box, joined by a bridge in one more; nothing of it is seen on the machine's own network
    else         addresses 127.0.1.x, each port plus 2000

norte's programs run each alone, sur and este under their supervisors, all as an unprivileged user. What is made: DIRECTORY, and as root the
namespaces posta-PID-BOX with their folders in /etc/netns, which down() takes away.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading

from lab import BOXES, DOMAINS, LAB, NORTE, PATIENCE, ROOT, SERVICES, Network, numbers

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from posta import BUILD, NOBODY, alive, as_user, free_port, free_ports, until  # noqa: E402, F401

NET4, NET6, LOOPBACK, LOOPBACK_PORTS = "172.30.25", "fd70:6f73:7461:25", "127.0.1", 2000
CLONE_NEWNET = 0x40000000
PROGRAMS = {"norte-authd": "authd/posta-authd", "norte-mda": "mda/posta-mda", "norte-send": "mta/send/posta-mta-send",
            "norte-queue": "mta/queue/posta-mta-queue", "norte-receive": "mta/receive/posta-mta-receive", "norte-msa": "msa/posta-msa",
            "norte-imapd": "imapd/posta-imapd", "norte-pop3d": "pop3d/posta-pop3d"}
LIBC = ctypes.CDLL(None, use_errno=True)


def tell(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout


def open_to(uid, path):
    """May it go there, with no right but everybody's?"""
    return os.geteuid() != 0 or not uid or all(p.stat().st_mode & 1 for p in (path, *path.parents) if p.exists())


def children(pid):
    """Pids of its children."""
    with contextlib.suppress(OSError):
        return [int(c) for t in os.listdir(f"/proc/{pid}/task") for c in open(f"/proc/{pid}/task/{t}/children", encoding="ascii").read().split()]
    return []


def pss(pid):
    """KiB: a process's proportional set size."""
    with contextlib.suppress(OSError):
        for line in open(f"/proc/{pid}/smaps_rollup", encoding="ascii"):
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def namespaces_work():
    """Root alone makes them, and not in every container."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, check=False).returncode == 0


class HostNetwork(Network):
    def __init__(self, directory, namespaces=None, build=BUILD, name=None):
        self.dir, self.build = directory, build
        self.namespaces = namespaces_work() if namespaces is None else namespaces
        self.net6 = NET6 if self.namespaces and os.path.exists("/proc/sys/net/ipv6") else ""
        self.name = name or f"posta-{os.getpid()}"
        self.net4, self.ports = (NET4, 0) if self.namespaces else (LOOPBACK, LOOPBACK_PORTS)
        self.public = directory / "lab/public"
        self.numbers = numbers()
        self.processes, self.typists = {}, {}
        self.uid = NOBODY if os.geteuid() == 0 else 0
        self.env = {**os.environ, "LAB_NET4": self.net4, "LAB_NET6": self.net6, "LAB_PORTS": str(self.ports),
                    "LAB_ANY": "yes" if self.namespaces else "no", "LAB_ETC": f"{directory}/lab/etc/@", "LAB_STATE": f"{directory}/@/state",
                    "LAB_RUN": f"{directory}/@/run", "LAB_ZONES": f"{directory}/lab/zones", "LAB_PUBLIC": str(self.public),
                    "ASAN_OPTIONS": f"detect_leaks=1:abort_on_error=1:log_path={directory}/asan",
                    "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={directory}/ubsan"}

    # ---- life ----

    def up(self):
        self.make()
        if self.namespaces:
            self.make_namespaces()
        self.revive("dns")
        for d in DOMAINS:
            self.start(d)
        return self

    def reachable(self, path):
        """The file, or a copy where it lies in a folder that is closed to others (root's home, say)."""
        if open_to(self.uid, path):
            return str(path)
        (self.dir / "bin").mkdir(exist_ok=True)
        return shutil.copy2(path, self.dir / "bin")

    def make(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        assert open_to(self.uid, self.dir), f"{self.dir} is not open to all"
        self.reachable(LAB / "hosts.sh")
        for d in (*DOMAINS, "student"):
            (self.dir / d).mkdir(exist_ok=True)
            if self.uid:
                os.chown(self.dir / d, self.uid, self.uid)
        if self.uid:
            os.chown(self.dir, self.uid, self.uid)
        subprocess.run([self.reachable(LAB / "setup.sh"), self.dir / "lab"], env=self.env, cwd="/", check=True, timeout=PATIENCE, **as_user(self.uid))
        for d in DOMAINS:
            subprocess.run([self.reachable(LAB / "users.sh"), d], check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL, cwd="/",
                           env={**self.env, "POSTA": f"{self.build}/ctl/posta -c {self.conf(d)}"}, **as_user(self.uid))

    def down(self):
        for d in DOMAINS:
            self.stop(d)
            if self.posta(d, "status", check=False).returncode == 0:  # somebody has started it by hand
                self.posta(d, "stop")
        self.end("dns")
        self.complaints()
        self.forget()

    def forget(self):
        """Processes that are left and namespaces."""
        for box in list(self.typists):
            self.leave(box)
        for box in list(self.processes):
            self.kill(box)
        if self.namespaces:
            for line in tell("ip", "netns", "list").splitlines():
                name = line.split()[0]
                if name.startswith(self.name + "-"):
                    for pid in tell("ip", "netns", "pids", name).split():  # a shell, or a posta that was started by hand
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(int(pid), signal.SIGKILL)
                    tell("ip", "netns", "delete", name)
                    shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)

    def complaints(self):
        found = [f.read_text(errors="replace") for pattern in ("asan.*", "ubsan.*") for f in self.dir.glob(pattern)]
        found = [text[:6000] for text in found if "ERROR:" in text or "runtime error" in text]
        assert not found, "\n".join(found)

    # ---- the wires ----

    def address_of(self, box):
        if box == "dns":
            return self.numbers["dns", "mx"]
        if box == "client":
            return self.numbers["client", "mx"]
        role = NORTE[box] if box in NORTE else "mail"
        return self.numbers[box.split("-")[0], role] if role else None

    def make_namespaces(self):
        wire = self.name + "-wire"
        tell("ip", "netns", "add", wire)
        tell("ip", "-n", wire, "link", "add", "wire", "type", "bridge")
        tell("ip", "-n", wire, "link", "set", "wire", "up")
        for i, box in enumerate(("dns", "client", *self.boxes())):
            ns, n = f"{self.name}-{box}", self.address_of(box)
            tell("ip", "netns", "add", ns)
            tell("ip", "-n", ns, "link", "set", "lo", "up")
            if n is None:
                continue
            # what a container's processes may: ports below 1024 without root
            tell("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0")
            tell("ip", "-n", wire, "link", "add", f"p{i}", "type", "veth", "peer", "name", "eth0", "netns", ns)
            tell("ip", "-n", wire, "link", "set", f"p{i}", "master", "wire", "up")
            tell("ip", "-n", ns, "address", "add", f"{NET4}.{n}/24", "dev", "eth0")
            if self.net6:
                tell("ip", "-n", ns, "address", "add", f"{self.net6}::{n}/64", "dev", "eth0", "nodad")
            tell("ip", "-n", ns, "link", "set", "eth0", "up")
            os.makedirs(f"/etc/netns/{ns}", exist_ok=True)
            with open(f"/etc/netns/{ns}/resolv.conf", "w", encoding="ascii") as f:
                f.write(f"nameserver {NET4}.{self.numbers['dns', 'mx']}\n")

    def inside(self, box):
        return ["ip", "netns", "exec", f"{self.name}-{box}"] if self.namespaces else []

    # ---- boxes ----

    def conf(self, domain):
        return self.dir / "lab/etc" / domain / "posta.conf"

    def log_path(self, box):
        return self.dir / f"{box}.log"

    def argv(self, box):
        if box == "dns":
            nsd = tell(str(ROOT / "tests/nsd.sh"), str(ROOT / "build-check/nsd")).strip()
            return [self.reachable(pathlib.Path(nsd)), "-d", "-c", str(self.dir / "lab/zones/nsd.conf")]
        if box in PROGRAMS:
            return [str(self.build / PROGRAMS[box]), "-c", str(self.conf("norte"))]
        return [str(self.build / "ctl/posta"), "-c", str(self.conf(box)), "start"]

    def revive(self, box):
        """Starts it and waits until it serves."""
        drop = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if self.uid else []
        with open(self.log_path(box), "ab") as log:
            self.processes[box] = subprocess.Popen([*self.inside(box), "setpriv", "--pdeathsig=TERM", *drop, *self.argv(box)], env=self.env, cwd="/", stdin=subprocess.DEVNULL,
                                                   stdout=log, stderr=log, start_new_session=True)
        until(lambda: self.serves(box), lambda: f"{box} to serve\n{self.log_path(box).read_text(errors='replace')[-3000:]}")

    def serves(self, box):
        assert self.processes[box].poll() is None, f"{box} ended\n{self.log_path(box).read_text(errors='replace')[-3000:]}"
        if box in DOMAINS:
            return self.posta(box, "status", check=False).returncode == 0
        if box == "dns":
            with contextlib.suppress(OSError):
                return self.connect("dns", "mx", 53).close() is None
            return False
        socks = {"norte-authd": "auth.sock", "norte-mda": "mda.sock", "norte-send": "send.sock", "norte-queue": "queue.sock"}
        with contextlib.suppress(OSError):
            if box in socks:  # looked for in the list of its namespace: a caller that is none of theirs would be logged
                with open(f"/proc/{self.processes[box].pid}/net/unix", encoding="utf-8") as f:
                    return any(line.rstrip().endswith(f"/norte/run/{socks[box]}") and " 00010000 " in line for line in f)
            return [self.connect("norte", r, port).close() for r, port in SERVICES.values() if r == NORTE[box]] != []
        return False

    def end(self, box):
        """The orderly end."""
        p = self.processes.pop(box, None)
        if p and p.poll() is None:
            p.terminate()
            try:
                p.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.processes[box] = p
                self.kill(box)
                raise AssertionError(f"{box} did not stop\n{self.log_path(box).read_text(errors='replace')[-3000:]}") from None
            assert box == "dns" or p.returncode == 0, f"{box} ended with {p.returncode}\n{self.log_path(box).read_text(errors='replace')[-3000:]}"

    def kill(self, box):
        """All its processes at once, as a power cut would."""
        p = self.processes.pop(box, None)
        if not p:
            return
        below = children(p.pid)
        p.kill()
        p.wait()
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in below:
            until(lambda pid=pid: not alive(pid), f"end of process {pid}")

    def stop(self, domain):
        for box in reversed(BOXES[domain]):
            self.end(box)

    def start(self, domain):
        for box in BOXES[domain]:
            self.revive(box)

    # ---- use ----

    def connect(self, domain, role, port, timeout=PATIENCE):
        where = (f"{self.net4}.{self.numbers[domain, role]}", self.ports + port)
        if not self.namespaces:
            return socket.create_connection(where, timeout)
        found = []

        def there():  # a thread can be in another namespace than its process, and its sockets stay there
            try:
                with open(f"/run/netns/{self.name}-client", "rb") as ns:
                    if LIBC.setns(ns.fileno(), CLONE_NEWNET) < 0:
                        raise OSError(ctypes.get_errno(), "setns")
                found.append(socket.create_connection(where, timeout))
            except OSError as e:
                found.append(e)
        t = threading.Thread(target=there)
        t.start()
        t.join()
        if isinstance(found[0], OSError):
            raise found[0]
        return found[0]

    def run(self, box, argv, input=None, check=True):
        """A program in a box; for "client" as whoever calls."""
        return subprocess.run([*self.inside(box), *argv], input=input, capture_output=True, text=True, timeout=PATIENCE * 2, env=self.env, cwd="/", check=check)

    def person(self, box, *words):
        """What has to be run for a program to run as a person in that box would run it; with namespaces the box's files are where the
        containers have them."""
        if not self.namespaces:
            return [*words]
        return [*self.inside(box), "unshare", "-mu", "--propagation=unchanged", str(ROOT / "tests/network/box.sh"), str(self.dir), str(self.build), box,
                str(self.uid), *words]

    def typing(self, box, words):
        """As person(), in files that are laid out once for all that is typed there."""
        if box not in self.typists:
            p = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *self.person(box, "sh", "-c", "echo ready && exec sleep infinity")], env=self.env, cwd="/",
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            self.typists[box] = p
            assert p.stdout.readline() == b"ready\n", f"no files of its own for {box}"
        drop = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        env = ["env", "-i", "PATH=/run/build/ctl:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=dumb", "HOME=" + ("/student" if box == "client" else "/"),
               *(f"{k}={self.env[k]}" for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS"))]
        return ["nsenter", "-t", str(self.typists[box].pid), "-m", "-n", "-u", "-r", "-w", *drop, *env, *words]

    def leave(self, box):
        p = self.typists.pop(box, None)
        if p:
            p.kill()
            p.wait(PATIENCE)
            p.stdout.close()

    def idle(self, domain):
        return not any((self.dir / domain / "state/spool/msg").iterdir()) or super().idle(domain)

    def posta(self, domain, *args, input=None, check=True):
        r = subprocess.run([str(self.build / "ctl/posta"), "-c", str(self.conf(domain)), *args], input=input, capture_output=True, text=True,
                           timeout=PATIENCE * 2, env=self.env, cwd="/", **as_user(self.uid))
        assert not check or r.returncode == 0, f"posta {' '.join(args)} said {r.returncode}:\n{r.stdout}{r.stderr}"
        return r

    def name_server(self):
        """As dig's arguments."""
        return [f"@{self.net4}.{self.numbers['dns', 'mx']}", "-p", str(self.ports + 53)]

    def where(self, domain, service):
        """Name and port for a program in the client box; where names cannot be looked up, the address."""
        role, port = SERVICES[service]
        name = f"{role}.{domain}.example" if self.namespaces else f"{self.net4}.{self.numbers[domain, role]}"
        return name, self.ports + port

    def at_client(self, name):
        """The path of a file of `public` in the client box."""
        return str(self.public / name)

    def log_of(self, domain):
        return "".join(self.log_path(b).read_text(errors="replace") for b in BOXES[domain])

    @property
    def on_loopback(self):
        return not self.namespaces

    @property
    def measures_memory(self):
        return not (self.build / "tests").exists()  # what is built with tests is built with sanitizers, as a rule

    def logs(self, lines=40):
        return "".join(f"---- {f.name} ----\n" + "\n".join(f.read_text(errors="replace").splitlines()[-lines:]) + "\n" for f in sorted(self.dir.glob("*.log")))

    def memory(self):
        """{box: KiB of proportional set size}."""
        return {box: sum(pss(q) for q in (p.pid, *children(p.pid))) for box, p in self.processes.items()}
