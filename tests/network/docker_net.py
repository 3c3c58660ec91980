"""docker_net - the demo network as docker/compose.yaml has it, with the engine of this machine.

What it makes is called posta-test…; down() takes containers, volumes and networks away, and the images where it built them. POSTA_IMAGE: images that are
there already and stay.

    docker_net.py       says why the tests here do without containers; nothing when they do not
"""
import os
import shutil
import socket
import subprocess
import time

from host_net import free_port, pss, until
from lab import BOXES, PATIENCE, ROOT, SERVICES, Network, numbers

COMPOSE = ROOT / "docker/compose.yaml"
NETWORKS = range(30, 250)  # third octets of the networks that tests take, beside a demo that somebody runs
BUILD_SECONDS, UP_SECONDS = 3000, 300
IMAGES = ("", "-lab", "-client", "-webmail")


def engine():
    """Why there is none; "" when there is."""
    if not shutil.which("docker"):
        return "there is no docker"
    r = subprocess.run(["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    return "" if r.returncode == 0 and r.stdout.strip() else "docker has no engine here: " + (r.stderr.strip().splitlines() or ["?"])[-1]


def compose_command():
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def why_not():
    missing = engine()
    if not missing and not compose_command():
        missing = "there is neither docker compose nor docker-compose"
    if not missing and not os.environ.get("POSTA_DOCKER") and not os.environ.get("POSTA_IMAGE"):
        missing = "building the images takes minutes: ./check --long does it"
    return missing


def docker(*words, timeout=PATIENCE * 2):
    r = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout, check=False)
    assert r.returncode == 0, f"docker {' '.join(words)} said {r.returncode}:\n{r.stdout}{r.stderr}"
    return r.stdout


class DockerNetwork(Network):
    def __init__(self, directory):
        self.dir, self.public = directory, directory / "public"
        self.numbers, self.name = numbers(), f"posta-test-{os.getpid()}"
        self.web, self.ids, self.took = free_port(), {}, {}  # took: what was done, in seconds
        self.own = "POSTA_IMAGE" not in os.environ
        n = NETWORKS[os.getpid() % len(NETWORKS)]
        self.net4, self.net6 = f"172.30.{n}", f"fd70:6f73:7461:{n}"
        self.env = {**os.environ, "LAB_NET4": self.net4, "LAB_NET6": self.net6, "LAB_WEB": str(self.web), "COMPOSE_HTTP_TIMEOUT": str(UP_SECONDS)}
        if self.own:
            self.env |= {"POSTA_IMAGE": self.name, "BASE": self.name + "-base"}

    def compose(self, *words, timeout=UP_SECONDS, check=True, **more):
        r = subprocess.run([*compose_command(), "-p", self.name, "-f", str(COMPOSE), *words], env=self.env, capture_output=True, text=True,
                           timeout=timeout, check=False, **more)
        assert not check or r.returncode == 0, f"docker compose {' '.join(words)} said {r.returncode}:\n{r.stdout[-3000:]}{r.stderr[-3000:]}"
        return r

    # ---- life ----

    def up(self):
        if self.own:
            self.build()
        begun = time.monotonic()
        self.compose("up", "-d", "--no-build")
        for box in ("dns", "webmail", *self.boxes()):
            self.wait_healthy(box)
        self.took["all boxes healthy"] = time.monotonic() - begun
        self.public.mkdir(exist_ok=True)
        for name in ("ca.pem", "anchor.key"):
            (self.public / name).write_text(self.run("client", ["cat", f"/lab/public/{name}"]).stdout)
        return self

    def build(self):
        begun = time.monotonic()
        subprocess.run([ROOT / "docker/base.sh", self.env["BASE"]], check=True, timeout=BUILD_SECONDS)
        self.took["base.sh"] = time.monotonic() - begun
        self.compose("build", timeout=BUILD_SECONDS)
        self.took["all images"] = time.monotonic() - begun - self.took["base.sh"]

    def down(self):
        for box in self.boxes():  # the orderly end of each
            docker("stop", self.container(box))
            code = self.inspect(box, "{{.State.ExitCode}}")
            assert code == "0", f"{box} ended with {code}\n{self.log_of_box(box)}"
        self.forget()

    def forget(self):
        self.compose("down", "-v", "-t", "5", "--remove-orphans", check=False)
        if self.own:
            subprocess.run(["docker", "rmi", "-f", *(self.name + i for i in (*IMAGES, "-base"))], capture_output=True, check=False)
            subprocess.run(["docker", "image", "prune", "-f", "--filter", f"label=posta.build={self.name}"], capture_output=True, check=False)

    # ---- boxes ----

    def container(self, box):
        """Its id, which stays over stop and start."""
        if box not in self.ids:
            out = docker("ps", "-a", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.name}", "--format",
                         '{{.ID}} {{.Label "com.docker.compose.service"}}')
            self.ids = {service: i for i, service in map(str.split, out.splitlines())}
        return self.ids[box]

    def inspect(self, box, what):
        return docker("inspect", "-f", what, self.container(box)).strip()

    def wait_healthy(self, box):
        until(lambda: self.inspect(box, "{{.State.Health.Status}}") == "healthy", lambda: f"{box} to be healthy\n{self.log_of_box(box)}")

    def kill(self, box):
        docker("kill", self.container(box))

    def revive(self, box):
        docker("start", self.container(box))

    def stop(self, domain):
        docker("stop", *(self.container(b) for b in reversed(BOXES[domain])))

    def start(self, domain):
        docker("start", *(self.container(b) for b in BOXES[domain]))
        for box in BOXES[domain]:
            self.wait_healthy(box)

    # ---- use ----

    def connect(self, domain, role, port, timeout=PATIENCE):
        return socket.create_connection((f"{self.net4}.{self.numbers[domain, role]}", port), timeout)

    def run(self, box, argv, input=None, check=True):
        r = subprocess.run(["docker", "exec", "-i", self.container(box), *argv], input=input or "", capture_output=True, text=True,
                           timeout=PATIENCE * 2, check=False)
        assert not check or r.returncode == 0, f"{argv} in {box} said {r.returncode}:\n{r.stdout}{r.stderr}"
        return r

    def typing(self, box, words):
        return ["docker", "exec", "-i", self.container(box), *words]

    def leave(self, box):
        pass

    def as_documented(self, text):
        return text.replace(self.net4, "172.30.25").replace(self.net6, "fd70:6f73:7461:25")

    def posta(self, domain, *args, input=None, check=True):
        return self.run("norte-queue" if domain == "norte" else domain, ["posta", *args], input, check)

    def name_server(self):
        return [f"@{self.net4}.{self.numbers['dns', 'mx']}", "-p", "53"]

    def where(self, domain, service):
        role, port = SERVICES[service]
        return f"{role}.{domain}.example", port

    def at_client(self, name):
        return f"/lab/public/{name}"

    def log_of_box(self, box, *options):
        r = subprocess.run(["docker", "logs", *options, self.container(box)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        return r.stdout

    def log_of(self, domain):
        return "".join(self.log_of_box(b) for b in BOXES[domain])

    def logs(self, lines=40):
        return self.compose("logs", "--no-color", f"--tail={lines}", check=False).stdout

    measures_memory, on_loopback = True, False

    def memory(self):
        """{box: KiB}: what is the container's own, without what the page cache could give back."""
        used = {}
        for box in ("dns", "webmail", "client", *self.boxes()):
            pids = docker("top", self.container(box), "-o", "pid").split()[1:]
            used[box] = sum(pss(int(p)) for p in pids)
        return used

    def figures(self):
        return {**{f"{what}, s": round(s) for what, s in self.took.items()}, **{f"{image}, MB": round(mb, 1) for image, mb in self.image_sizes().items()}}

    def image_sizes(self):
        name = self.env["POSTA_IMAGE"]
        out = docker("image", "inspect", "-f", "{{.Size}}", *(name + i for i in IMAGES))
        return {name + i: int(n) / 1e6 for i, n in zip(IMAGES, out.split())}


if __name__ == "__main__":
    print(why_not(), end="")
