"""The pages of the lab book: docs/lab/en/*.md, and docs/lab/es/*.md with the same blocks. Each command and each dialogue of a page is run in the
demo network, in the box that stands before the `$`, and what is answered has to be what the page shows. POSTA_WRITE_DOCS=1 writes the answers
into the pages.
"""
import datetime
import re
import time

import pytest
import typed
from lab import DOMAINS, ROOT, USERS
from posta import until

BOOK = ROOT / "docs/lab"
BLOCK = re.compile(r"```console\n(.*?)```\n", re.S)
ENGINE = re.compile(r"docker compose -f docker/compose\.yaml (stop|start) (sur|este)")
PAGES = sorted(p.name for p in (BOOK / "en").glob("*.md"))
# a person types on a machine with root's right to make the boxes, or in the containers
ON = pytest.mark.parametrize("network", ["namespaces", "docker"], indirect=True, scope="session")


def due(recipient):
    """When the next try is, in seconds."""
    return datetime.datetime.fromisoformat(recipient["next_try"]).timestamp()


class Desk:
    """The boxes of a network, with whom types in them; `host` is the machine on which the network runs."""

    def __init__(self, network):
        self.network, self.rooms, self.away = network, {}, set()

    def room(self, box):
        if box not in self.rooms:
            self.rooms[box] = self.network.room(box)
        return self.rooms[box]

    def close(self):
        for room in self.rooms.values():
            room.close()
        for domain in self.away:
            self.network.start(domain)

    def rest(self):
        """Until every letter is delivered, or waits for who is away, for a second at least: long enough to be looked at."""
        def at_rest(domain):
            if self.network.idle(domain):
                return True
            waiting = [r for letter in self.network.queue(domain) for r in letter["recipients"]]
            soon = [r for r in waiting if r["state"] != "later" or due(r) < time.time() + 1 or r["address"].split("@")[1].split(".")[0] not in self.away]
            return bool(waiting) and not soon
        there = [d for d in DOMAINS if d not in self.away] * 2  # a letter may have gone from one that had not been looked at to one that had
        until(lambda: all(map(at_rest, there)), lambda: f"letters delivered or put off\n{[self.network.queue(d) for d in there]}\n{self.network.logs()}")

    def engine(self, command):
        """What one types outside: a domain goes away, or comes back."""
        verb, domain = ENGINE.fullmatch(command).groups()
        getattr(self.network, verb)(domain)
        (self.away.add if verb == "stop" else self.away.discard)(domain)

    def play(self, block):
        """One block, a command after the other, each when the letters of the one before have come to rest."""
        out = []
        for lines in typed.commands(block):
            box, command = typed.PROMPT.fullmatch(lines[0]).groups()
            if box == "host":
                self.engine(command)
                out.append(lines[0])
            else:
                out += [self.network.as_documented(line) for line in typed.run_block({box: self.room(box)}, lines)]
            if box in ("client", "host"):
                self.rest()
        return out


@pytest.fixture(scope="module")
def desk(network):
    made = Desk(network)
    yield made
    made.close()


@ON
@pytest.mark.parametrize("name", PAGES)
def test_page(network, desk, name):
    path = BOOK / "en" / name
    text = path.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert blocks, "a page of the lab has something to type"
    for block in blocks:
        said = "\n".join(desk.play(block.rstrip("\n").split("\n"))) + "\n"
        text = text.replace(f"```console\n{block}```\n", f"```console\n{said}```\n", 1)
    if typed.WRITE:
        path.write_text(text, encoding="utf-8")
    assert text.split("\n") == path.read_text(encoding="utf-8").split("\n"), "POSTA_WRITE_DOCS=1 writes the answers into the page"


def test_both_books_have_the_same_pages():
    assert PAGES == sorted(p.name for p in BOOK.glob("es/*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_the_spanish_page_has_the_same_blocks(name):
    path, english = BOOK / "es" / name, BLOCK.findall((BOOK / "en" / name).read_text(encoding="utf-8"))
    text = path.read_text(encoding="utf-8")
    if typed.WRITE:
        parts = BLOCK.split(text)
        assert len(parts) == 2 * len(english) + 1, "another number of blocks"
        for n, block in enumerate(english):
            parts[2 * n + 1] = f"```console\n{block}```\n"
        path.write_text("".join(parts), encoding="utf-8")
        text = "".join(parts)
    assert BLOCK.findall(text) == english
    assert text.count("\n## ") == (BOOK / "en" / name).read_text(encoding="utf-8").count("\n## ")


def test_each_page_is_in_the_contents():
    for language in ("en", "es"):
        contents = (BOOK / ("README.md" if language == "en" else "LEEME.md")).read_text(encoding="utf-8")
        assert sorted(set(re.findall(rf"\({language}/([^)]+\.md)\)", contents))) == PAGES
        for domain, (user, password) in USERS.items():
            assert f"{user}@{domain}.example" in contents and f"`{password}`" in contents
