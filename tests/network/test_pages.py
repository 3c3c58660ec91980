"""The pages of the lab book: docs/lab/en/*.md, and docs/lab/es/*.md with the same blocks. Each command and each dialogue of a page is run on a
small network (norte.example and sur.example, each with a posta as installed, a DNS, a pupil's computer), and what is answered has to be what the
page shows. POSTA_WRITE_DOCS=1 writes the answers into the pages.
"""
import json
import os
import pathlib
import re
import shutil
import tempfile

import pytest

import lab
from lan import SANITIZED, Lan, Names, Room, complaints, posta_tree
from posta import ROOT, until

BOOK = ROOT / "docs/lab"
HOSTS = {"norte": "192.0.2.10", "sur": "192.0.2.20", "pupil": "192.0.2.100"}
ZONES = {"example": "".join(f"{d} IN MX 10 mx.{d}\nmx.{d} IN A {a}\n" for d, a in (("norte", "192.0.2.10"), ("sur", "192.0.2.20"), ("este", "192.0.2.30")))
                    + "este IN MX 20 backup.este\nbackup.este IN A 192.0.2.31\noeste IN MX 0 .\nns IN A 192.0.2.53\npupil IN A 192.0.2.100\n",
         "2.0.192.in-addr.arpa": "10 IN PTR mx.norte.example.\n20 IN PTR mx.sur.example.\n100 IN PTR pupil.example.\n"}
USERS = {"norte": ("alice", "gina", "katia"), "sur": ("bob", "carlos", "elena", "fede", "hugo", "ines", "juan", "luis")}
# What lies in the pupil's folder.
FILES = {"client.py": '''import smtplib
import ssl
from email.message import EmailMessage

letter = EmailMessage()
letter["From"] = "alice@norte.example"
letter["To"] = "luis@sur.example"
letter["Subject"] = "By a program"
letter.set_content("Hello Luis.")
letter.add_attachment(b"1,2,3\\n", maintype="text", subtype="csv",
                      filename="numbers.csv")
trusted = ssl.create_default_context(cafile="norte.pem")
with smtplib.SMTP("mx.norte.example", 587) as server:
    server.starttls(context=trusted)
    server.login("alice@norte.example", "sesame")
    print("refused:", server.send_message(letter))
''', "reader.py": '''import email
import email.policy
import imaplib
import ssl

trusted = ssl.create_default_context(cafile="sur.pem")
with imaplib.IMAP4_SSL("mx.sur.example", ssl_context=trusted) as box:
    box.login("luis@sur.example", "sesame")
    box.select("INBOX")
    answer, data = box.fetch("1", "(BODY.PEEK[])")
    letter = email.message_from_bytes(data[0][1], policy=email.policy.default)
    print(letter["From"], "|", letter["Subject"])
    for part in letter.walk():
        print(part.get_content_type(), part.get_filename())
'''}
BLOCK = re.compile(r"```console\n(.*?)```\n", re.S)


def install(town, host):
    """The lab's posta: as init leaves it, with the lab's DNS; norte takes passwords in clear, so that they can be typed by hand."""
    town.env = SANITIZED
    town.run(f"posta init --hostname mx.{host}.example --domain {host}.example")
    more = 'workers = 1\ndns { servers = {"192.0.2.53"} insecure = {"."} }\n' + ("lab { clear_auth = true }\n" if host == "norte" else "")
    conf = town.run("cat /etc/posta/posta.conf")
    town.write("/etc/posta/posta.conf", conf + more)
    town.run("posta", "user", "add", "--batch", input="".join(f"{u}@{host}.example sesame\n" for u in USERS[host]))
    town.run("posta start --daemon")


class World:
    def __init__(self, directory):
        self.lan, self.names, self.rooms = Lan(HOSTS), None, {}
        try:
            self.names = Names(self.lan, directory / "names", ZONES)
            (directory / "tree").mkdir()
            tree = posta_tree(directory / "tree")
            for host in ("norte", "sur"):
                self.rooms[host] = Room(self.lan, host, f"mx.{host}.example", trees=[tree])
                install(self.rooms[host], host)
            pupil = self.rooms["pupil"] = Room(self.lan, "pupil", "pupil.example")
            for name, text in FILES.items():
                pupil.write(f"/tmp/{name}", text)
            for host in ("norte", "sur"):
                pupil.write(f"/tmp/{host}.pem", self.rooms[host].run("cat /etc/posta/tls/fullchain.pem"))
        except BaseException:
            self.close()
            raise

    def settle(self):
        """Until every letter is delivered, or waits because somebody said so."""
        for host in ("norte", "sur"):
            room = self.rooms[host]
            msg = room.path("var/lib/posta/spool/msg")

            def tried(room=room, msg=msg):
                if not any(msg.iterdir()):
                    return True
                said = room.run("posta queue list --json", status=None)
                return not said.startswith("[") or all(r["state"] == "later" for letter in json.loads(said) for r in letter["recipients"])
            until(tried, lambda room=room: "letters delivered or put off\n" + room.run("posta queue list; tail -20 /var/lib/posta/posta.log", status=None))

    def play(self, block):
        """One block, a command after the other, each when the letters of the one before have come to rest."""
        out = []
        for lines in lab.commands(block):
            out += lab.run_block(self.rooms, lines)
            self.settle()
        return out

    def close(self):
        if self.names:
            self.names.close()
        self.lan.close()


@pytest.fixture(scope="module")
def world():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-pages-"))
    os.chmod(directory, 0o755)
    try:
        made = World(directory)
        try:
            yield made
            for host in ("norte", "sur"):
                made.rooms[host].run("posta stop")
                assert not complaints(made.rooms[host])
        finally:
            made.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


PAGES = sorted(p.name for p in (BOOK / "en").glob("*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_page(world, name):
    path = BOOK / "en" / name
    text = path.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert blocks, "a page of the lab has something to type"
    for block in blocks:
        said = "\n".join(world.play(block.rstrip("\n").split("\n"))) + "\n"
        text = text.replace(f"```console\n{block}```\n", f"```console\n{said}```\n", 1)
    if lab.WRITE:
        path.write_text(text, encoding="utf-8")
    assert text.split("\n") == path.read_text(encoding="utf-8").split("\n"), "POSTA_WRITE_DOCS=1 writes the answers into the page"


def test_both_books_have_the_same_pages():
    assert PAGES == sorted(p.name for p in BOOK.glob("es/*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_the_spanish_page_has_the_same_blocks(name):
    path, english = BOOK / "es" / name, BLOCK.findall((BOOK / "en" / name).read_text(encoding="utf-8"))
    text = path.read_text(encoding="utf-8")
    if lab.WRITE:
        parts = BLOCK.split(text)
        assert len(parts) == 2 * len(english) + 1, "another number of blocks"
        for n, block in enumerate(english):
            parts[2 * n + 1] = f"```console\n{block}```\n"
        path.write_text("".join(parts), encoding="utf-8")
        text = "".join(parts)
    assert BLOCK.findall(text) == english
