"""imap_stress - several clients at one user's folders, commands at random, and a model of what each must see.

The model knows every letter (UID, flags, which text), and for each client which letters it has been told of, in which order, and with
which flags. Commands run one after another over different connections, so that the model knows what is true at every moment; every
response is compared: EXISTS, EXPUNGE, FETCH, RECENT, SEARCH, COPYUID, APPENDUID, MODIFIED, STATUS, HIGHESTMODSEQ.

By hand:  imap_stress.py --port 2143 --user alice@example.test --password secret [--seconds 1800] [--seed N] [--clients 5] [--lmtp PORT]
                         [--maildir PATH]
"""
import argparse
import os
import pathlib
import random
import re
import smtplib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from imap import Answer, Imap, quote, sequence_set, uids  # noqa: E402

SYSTEM_FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"]
KEYWORDS = ["$Forwarded", "$Junk", "work", "later"]
WORDS = ["saffron", "anise", "cumin", "sumac"]
FOLDERS = ["INBOX", "Archive", "Archive/2026", "Entw\u00fcrfe"]
LETTERS_MAX = 60  # a folder is thinned out above it
MAILDIR_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}


class Letter:
    def __init__(self, uid, word, number, flags=()):
        self.uid, self.word, self.number, self.flags = uid, word, number, frozenset(flags)
        self.modseq, self.above = None, 0  # as last told; it is above this


class Folder:
    def __init__(self, name):
        self.name, self.letters = name, {}
        self.uidvalidity, self.last_uid, self.highest = None, 0, 0
        self.recent_to = {}  # uid -> client that was told \Recent

    def alive(self):
        return sorted(self.letters)

    def change(self, letter, flags):
        if letter.flags != frozenset(flags):
            letter.flags, letter.modseq, letter.above = frozenset(flags), None, self.highest

    def add(self, uid, letter):
        assert uid > self.last_uid, f"UID {uid} given after {self.last_uid}"
        self.last_uid, letter.uid, letter.above = uid, uid, self.highest
        self.letters[uid] = letter


class Client:
    def __init__(self, name, imap):
        self.name, self.imap = name, imap
        self.folder, self.read_only, self.condstore, self.idling = None, False, False, False
        self.view, self.known = [], {}

    def forget(self):
        self.folder, self.view, self.known = None, [], {}


class Stress:
    def __init__(self, dial, seed, clients=4, lmtp=None, maildir=None, address="alice@example.test", uid=0, lenient=False):
        self.random = random.Random(seed)
        self.lines, self.count, self.number, self.lenient = [], 0, 0, lenient
        self.folders = {name: Folder(name) for name in FOLDERS}
        self.lmtp, self.maildir, self.address, self.uid = lmtp, pathlib.Path(maildir) if maildir else None, address, uid
        self.auditor = dial(self.lines)
        for name in FOLDERS[1:]:
            self.auditor.ask(f"CREATE {self.wire(name)}")
        self.clients = [Client(f"c{i}", dial(self.lines)) for i in range(clients)]
        for f in self.folders.values():
            self.learn(f)
            assert not f.letters, f"{f.name} is not empty"
        self.done = {}

    @staticmethod
    def wire(name):
        return quote(name.replace("\u00fc", "&APw-"))

    # ---- what the server says ----
    def modseq_of(self, folder, letter, value):
        if letter.modseq is not None:
            assert value == letter.modseq, f"UID {letter.uid}: MODSEQ {value}, was told {letter.modseq} and nothing has changed"
        assert value > letter.above, f"UID {letter.uid}: MODSEQ {value}, changed since HIGHESTMODSEQ was {letter.above}"
        letter.modseq = value
        folder.highest = max(folder.highest, value)

    def heard_fetch(self, c, n, items):
        assert 1 <= n <= len(c.view), f"FETCH of {n}, EXISTS is {len(c.view)}"
        uid = c.view[n - 1]
        if "UID" in items:
            assert int(items["UID"]) == uid, f"{n} is UID {items['UID']}, was told to be {uid}"
        letter = c.folder.letters.get(uid)
        if letter is None:
            return uid
        if "FLAGS" in items:
            flags = {str(f) for f in items["FLAGS"]}
            if "\\Recent" in flags:
                flags.discard("\\Recent")
                if not c.read_only:
                    first = c.folder.recent_to.setdefault(uid, c.name)
                    assert first == c.name, f"UID {uid} is recent to {c.name} and was to {first}"
            # in IDLE it may be of a moment ago; in the end the last one counts
            assert c.idling or flags == letter.flags, f"UID {uid}: flags {flags}, should be {set(letter.flags)}"
            c.known[uid] = frozenset(flags)
        if "MODSEQ" in items and not c.idling:
            self.modseq_of(c.folder, letter, int(items["MODSEQ"][0]))
        for name, value in items.items():
            if name.startswith("BODY[HEADER.FIELDS"):
                assert value == f"Subject: {letter.word} {letter.number}\r\n\r\n".encode(), f"UID {uid}: {value!r}"
            elif name == "BODY[]":
                assert value == self.text(letter) or value.endswith(self.text(letter)), f"UID {uid}: {value!r}"
        return uid

    def heard(self, c, answer, expunge):
        """The untagged responses of one command; returns those about letters and others for the command itself."""
        told = []
        for u in answer.untagged:
            if u[0] == "EXISTS":
                fresh = [x for x in c.folder.alive() if not c.view or x > c.view[-1]]
                fresh = [x for x in fresh if x > max(c.view, default=0)]
                if c.idling:  # a step on the way
                    fresh = fresh[:u[1] - len(c.view)]
                assert u[1] == len(c.view) + len(fresh), f"EXISTS {u[1]}: {len(c.view)} are known, new are {fresh}"
                c.view += fresh
            elif u[0] == "EXPUNGE":
                assert expunge, "EXPUNGE where it is not allowed"
                assert 1 <= u[1] <= len(c.view), f"EXPUNGE {u[1]} of {len(c.view)}"
                uid = c.view.pop(u[1] - 1)
                assert uid not in c.folder.letters, f"EXPUNGE of UID {uid}, which is there"
                c.known.pop(uid, None)
            elif u[0] == "FETCH":
                told.append((self.heard_fetch(c, u[1], u[2]), u[2]))
            elif u[0] == "BYE":
                raise AssertionError(f"BYE {u[1]}")
        return told

    def settle(self, c, expunge):
        alive = c.folder.alive()
        if expunge and not self.lenient:
            assert c.view == alive, f"{c.name} sees {c.view}, there are {alive}"
        else:
            missing = set(alive) - set(c.view)
            assert not missing, f"{c.name} was not told of {missing}"
        for uid in alive:
            assert c.known.get(uid, c.folder.letters[uid].flags) == c.folder.letters[uid].flags, \
                f"{c.name} was not told that UID {uid} has {set(c.folder.letters[uid].flags)}, knows {set(c.known[uid])}"

    def command(self, c, line, expunge=True, want="OK", literal=None):
        self.lines.append(f"-- {c.name}: {line}")
        answer = c.imap.ask(line, literal)
        assert answer.status in want.split("|"), f"{line}: {answer}"
        told = self.heard(c, answer, expunge) if c.folder else []
        if c.folder:
            self.settle(c, expunge)
        return answer, told

    # ---- the truth, asked anew ----
    def learn(self, folder):
        """Letters whose UID nobody told us; and everything else is compared."""
        a = self.auditor.ok(f"EXAMINE {self.wire(folder.name)} (CONDSTORE)")
        codes = " ".join(u[1] for u in a.untagged if u[0] == "OK")
        validity = int(re.search(r"UIDVALIDITY (\d+)", codes).group(1))
        assert folder.uidvalidity in (None, validity), f"UIDVALIDITY {validity}, was {folder.uidvalidity}"
        folder.uidvalidity = validity
        highest = int(re.search(r"HIGHESTMODSEQ (\d+)", codes).group(1))
        a = self.auditor.ok("UID FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        seen = []
        for u in a.untagged:
            if u[0] != "FETCH":
                continue
            items = u[2]
            uid = int(items["UID"])
            seen.append(uid)
            subject = next(v for k, v in items.items() if k.startswith("BODY[")).decode().split()
            if uid not in folder.letters:
                folder.add(uid, Letter(uid, subject[1], int(subject[2]), {str(f) for f in items["FLAGS"]} - {"\\Recent"}))
            letter = folder.letters[uid]
            assert (letter.word, letter.number) == (subject[1], int(subject[2])), f"UID {uid} is another letter: {subject}"
            flags = {str(f) for f in items["FLAGS"]} - {"\\Recent"}
            assert flags == letter.flags, f"audit of {folder.name}: UID {uid} has {flags}, should have {set(letter.flags)}"
            self.modseq_of(folder, letter, int(items["MODSEQ"][0]))
            assert letter.modseq <= highest, f"UID {uid}: MODSEQ {letter.modseq} above HIGHESTMODSEQ {highest}"
        assert seen == folder.alive(), f"audit of {folder.name}: there are {seen}, should be {folder.alive()}"
        folder.highest = max(folder.highest, highest)

    # ---- letters ----
    def text(self, letter):
        return (f"From: a@example.test\r\nSubject: {letter.word} {letter.number}\r\n\r\n"
                f"body of {letter.number}\r\nwith {letter.word}\r\n").encode()

    def new_letter(self):
        self.number += 1
        return Letter(0, self.random.choice(WORDS), self.number)

    def some_flags(self):
        return self.random.sample(SYSTEM_FLAGS + KEYWORDS, self.random.choice((0, 1, 1, 2, 3)))

    def some(self, items):
        items = list(items)
        n = self.random.choice((1, 1, 2, 3, len(items)))
        return sorted(self.random.sample(items, min(n, len(items))))

    def pick(self, c):
        """(set as text, uids meant, "UID " or "")"""
        if self.random.random() < 0.5:
            numbers = self.some(range(1, len(c.view) + 1))
            text = sequence_set(numbers)
            if numbers and numbers[-1] == len(c.view) and self.random.random() < 0.3:
                text = re.sub(r"\d+$", "*", text)
            return text, [c.view[n - 1] for n in numbers], ""
        chosen = self.some(c.view)
        return sequence_set(chosen), chosen, "UID "

    def dead(self, c, chosen):
        return [u for u in chosen if u not in c.folder.letters]

    # ---- commands ----
    def do_select(self, c):
        name = self.random.choice(FOLDERS)
        examine = self.random.random() < 0.2
        if c.folder:
            c.forget()
        condstore = self.random.random() < 0.3
        folder = self.folders[name]
        c.condstore |= condstore
        self.lines.append(f"-- {c.name}: select {name}")
        a = c.imap.ok(f"{'EXAMINE' if examine else 'SELECT'} {self.wire(name)}{' (CONDSTORE)' if condstore else ''}")
        c.folder, c.read_only = folder, examine
        exists = [u[1] for u in a.untagged if u[0] == "EXISTS"]
        assert exists == [len(folder.letters)], f"{name}: EXISTS {exists}, there are {len(folder.letters)}"
        assert not [u for u in a.untagged if u[0] in ("EXPUNGE", "FETCH")], a
        c.view = folder.alive()
        codes = " ".join(u[1] for u in a.untagged if u[0] == "OK")
        assert f"UIDVALIDITY {folder.uidvalidity}]" in codes
        assert int(re.search(r"UIDNEXT (\d+)", codes).group(1)) > folder.last_uid
        unseen = [i + 1 for i, u in enumerate(c.view) if "\\Seen" not in folder.letters[u].flags]
        told = re.search(r"UNSEEN (\d+)", codes)
        assert (int(told.group(1)) if told else None) == (unseen[0] if unseen else None), f"UNSEEN: {codes}; {unseen}"
        highest = int(re.search(r"HIGHESTMODSEQ (\d+)", codes).group(1))
        assert highest >= folder.highest
        assert ("READ-ONLY" if examine else "READ-WRITE") in a.code, a
        folder.highest = highest

    def do_fetch(self, c):
        text, chosen, uid = self.pick(c)
        what = self.random.choice(("FLAGS", "(FLAGS UID)", "(UID FLAGS MODSEQ)", "(BODY.PEEK[HEADER.FIELDS (Subject)] FLAGS)", "BODY.PEEK[]",
                                   "(RFC822.SIZE ENVELOPE INTERNALDATE BODYSTRUCTURE)", "BODY[]", "ALL"))
        c.condstore |= "MODSEQ" in what
        if "BODY[]" in what and not c.read_only:
            for u in chosen:
                if u in c.folder.letters:
                    letter = c.folder.letters[u]
                    c.folder.change(letter, letter.flags | {"\\Seen"})
        dead = self.dead(c, chosen)
        _, told = self.command(c, f"{uid}FETCH {text} {what}", bool(uid), "OK|NO" if dead and not uid else "OK")
        have = {u for u, items in told if set(items) - {"FLAGS", "UID", "MODSEQ"} or what.strip("(").startswith(("FLAGS", "UID"))}
        assert set(chosen) - set(dead) <= have, f"asked for {chosen}, got {have}"

    def do_fetch_since(self, c):
        self.learn(c.folder)
        c.condstore = True
        letters = [c.folder.letters[u] for u in c.view if u in c.folder.letters]
        since = self.random.choice([x.modseq for x in letters] or [1])
        want = {x.uid for x in letters if x.modseq > since}
        _, told = self.command(c, f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})")
        got = {u for u, items in told if "MODSEQ" in items}
        assert want <= got, f"changed since {since}: {want}, got {got}"
        assert all("MODSEQ" in items for u, items in told if u in want)

    def do_store(self, c):
        if c.read_only:
            return
        text, chosen, uid = self.pick(c)
        how, flags = self.random.choice("+- "), self.some_flags()
        silent = self.random.random() < 0.4
        dead = self.dead(c, chosen)
        modifier, left_alone = "", []
        if self.random.random() < 0.2:
            self.learn(c.folder)
            c.condstore = True
            known = [x.modseq for x in c.folder.letters.values()] or [1]
            since = self.random.choice(known)
            modifier = f"(UNCHANGEDSINCE {since}) "
            left_alone = [u for u in chosen if u in c.folder.letters and c.folder.letters[u].modseq > since]
        for u in chosen:
            if u not in c.folder.letters or u in left_alone:
                continue
            letter = c.folder.letters[u]
            new = {"+": letter.flags | set(flags), "-": letter.flags - set(flags), " ": frozenset(flags)}[how]
            c.folder.change(letter, new)
            if silent:
                c.known[u] = letter.flags
        line = f"{uid}STORE {text} {modifier}{how.strip()}FLAGS{'.SILENT' if silent else ''} ({' '.join(flags)})"
        a, told = self.command(c, line, bool(uid), "OK|NO" if dead and not uid else "OK")
        modified = re.search(r"MODIFIED ([\d:,]+)", a.code)
        got = uids(modified.group(1)) if modified else []
        if left_alone and a.status == "OK":
            by = {u: u for u in left_alone} if uid else {c.view.index(u) + 1: u for u in left_alone if u in c.view}
            assert set(by) <= set(got), f"{line}: MODIFIED {got}, should be {by}"
        if not silent and a.status == "OK" and not self.lenient:
            have = {u for u, items in told if "FLAGS" in items}
            assert set(chosen) - set(dead) - set(left_alone) <= have, f"{line}: told {have}"

    def do_search(self, c):
        uid = self.random.choice(("", "UID "))
        word, flag = self.random.choice(WORDS), self.random.choice(SYSTEM_FLAGS)
        keyword = self.random.choice(KEYWORDS)
        low = self.random.choice(c.view) if c.view else 1
        keys = {
            f"SUBJECT {word.upper()}": lambda x: x.word == word,
            f"BODY {word}": lambda x: x.word == word,
            flag[1:].upper(): lambda x: flag in x.flags,
            "UN" + flag[1:].upper(): lambda x: flag not in x.flags,
            f"KEYWORD {keyword}": lambda x: keyword in x.flags,
            f"UNKEYWORD {keyword}": lambda x: keyword not in x.flags,
            f"UID {low}:*": lambda x: x.uid >= low or x.uid == max(c.view, default=0),
            f"NOT UID 1:{low}": lambda x: x.uid > low,
            "ALL": lambda x: True,
        }
        a, b = self.random.sample(sorted(keys), 2)
        form = self.random.choice(("one", "and", "or", "not"))
        line, test = {
            "one": (a, keys[a]), "and": (f"{a} ({b})", lambda x: keys[a](x) and keys[b](x)),
            "or": (f"OR {a} ({b})", lambda x: keys[a](x) or keys[b](x)), "not": (f"NOT ({a} {b})", lambda x: not (keys[a](x) and keys[b](x))),
        }[form]
        extended = self.random.random() < 0.3
        before = list(c.view)
        want = {u for u in before if u in c.folder.letters and test(c.folder.letters[u])}
        answer, _ = self.command(c, f"{uid}SEARCH {'RETURN (ALL COUNT) ' if extended else ''}{line}", bool(uid))
        replies = [u for u in answer.untagged if u[0] in ("SEARCH", "ESEARCH")]
        assert len(replies) == 1, answer
        words = [str(w) for w in replies[0][1:] if not isinstance(w, list)]
        if extended:
            assert words[words.index("COUNT") + 1] == str(len(uids(words[words.index("ALL") + 1])) if "ALL" in words else 0), words
            found = uids(words[words.index("ALL") + 1]) if "ALL" in words else []
        else:
            found = [int(w) for w in words]
        # letters that have come since this client was last told may be in it by UID
        got = {u for u in found if u in before} if uid else {before[n - 1] for n in found}
        assert {u for u in got if u in c.folder.letters} == want, f"{uid}SEARCH {line}: {got}, should be {want}"

    def do_expunge(self, c):
        if c.read_only:
            return
        self.command(c, "NOOP")  # what has not been told yet is not expunged either
        if self.random.random() < 0.4 and c.view:
            chosen = self.some(c.view)
            line = f"UID EXPUNGE {sequence_set(chosen)}"
        else:
            chosen, line = c.folder.alive(), "EXPUNGE"
        for u in chosen:
            if u in c.folder.letters and "\\Deleted" in c.folder.letters[u].flags:
                del c.folder.letters[u]
        self.command(c, line)

    def do_copy(self, c):
        text, chosen, uid = self.pick(c)
        move = self.random.random() < 0.4 and not c.read_only
        to = self.folders[self.random.choice(FOLDERS)]
        if move and to is c.folder:
            return
        dead = self.dead(c, chosen)
        line = f"{uid}{'MOVE' if move else 'COPY'} {text} {self.wire(to.name)}"
        self.lines.append(f"-- {c.name}: {line}")
        a = c.imap.ask(line)
        assert a.status == "OK" or (dead and a.status == "NO"), f"{line}: {a}"
        code = a.code or " ".join(u[1] for u in a.untagged if u[0] == "OK")
        m = re.search(r"COPYUID (\d+) ([\d:,]+) ([\d:,]+)", code)
        alive = [u for u in chosen if u in c.folder.letters]
        if m:
            assert int(m.group(1)) == to.uidvalidity
            pairs = list(zip(uids(m.group(2)), uids(m.group(3)), strict=True))
            assert [p[0] for p in pairs] == alive, f"{line}: {a}, alive are {alive}"
            for old, new in pairs:
                letter = c.folder.letters[old]
                copy = Letter(new, letter.word, letter.number, letter.flags)
                to.add(new, copy)
                if move:
                    del c.folder.letters[old]
        else:
            assert a.status == "NO" or not alive, f"{line}: no COPYUID in {a}"
        self.heard(c, a, True)
        self.settle(c, True)

    def do_append(self, c):
        folder = self.folders[self.random.choice(FOLDERS)]
        letter = self.new_letter()
        letter.flags = frozenset(self.some_flags())
        self.lines.append(f"-- {c.name}: append {letter.number} to {folder.name}")
        a = c.imap.ask(f"APPEND {self.wire(folder.name)} ({' '.join(sorted(letter.flags))})", self.text(letter))
        assert a.status == "OK", a
        validity, uid = re.search(r"APPENDUID (\d+) (\d+)", a.code).groups()
        assert int(validity) == folder.uidvalidity
        folder.add(int(uid), letter)
        if c.folder:
            self.heard(c, a, True)
            self.settle(c, True)

    def do_noop(self, c):
        self.command(c, self.random.choice(("NOOP", "NOOP", "CHECK")))

    def do_idle(self, c):
        """Another client changes something while this one idles."""
        if sum(not x.idling for x in self.clients) < 2:
            return
        tag = c.imap.start("IDLE")
        while not (data := c.imap.response()).startswith(b"+"):
            self.heard(c, Answer("", "", [c.imap.untagged(data)]), True)
        c.idling = True
        self.follow()
        for _ in range(self.random.choice((1, 1, 2, 5))):
            self.step(self.random.choice([x for x in self.clients if not x.idling]))
            self.follow()
        c.imap.send(b"DONE\r\n")
        a = c.imap.finish(tag)
        self.heard(c, a, True)
        c.idling = False
        if not self.settled(c):  # what it knew before it idled had come true again when follow() looked
            self.command(c, "NOOP")

    def follow(self):
        """Who idles is told without asking."""
        for c in self.clients:
            while c.idling and not self.settled(c):
                self.heard(c, Answer("", "", [c.imap.untagged(c.imap.response())]), True)

    def settled(self, c):
        try:
            self.settle(c, True)
        except AssertionError:
            return False
        return True

    def do_close(self, c):
        if self.random.random() < 0.5:
            line = "UNSELECT"
        else:
            line = "CLOSE"
            self.command(c, "NOOP")
            if not c.read_only:
                for u in c.folder.alive():
                    if "\\Deleted" in c.folder.letters[u].flags:
                        del c.folder.letters[u]
        c.forget()
        self.command(c, line)

    def do_status(self, c):
        folder = self.folders[self.random.choice(FOLDERS)]
        a, _ = self.command(c, f"STATUS {self.wire(folder.name)} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)")
        items = next(u[2] for u in a.untagged if u[0] == "STATUS")
        got = dict(zip(items[::2], (int(v) for v in items[1::2])))
        assert got["MESSAGES"] == len(folder.letters), got
        assert got["UNSEEN"] == sum("\\Seen" not in x.flags for x in folder.letters.values()), got
        assert got["UIDNEXT"] > folder.last_uid and got["UIDVALIDITY"] == folder.uidvalidity and got["HIGHESTMODSEQ"] >= folder.highest, got
        folder.highest = got["HIGHESTMODSEQ"]

    def do_audit(self, c):
        self.learn(self.random.choice(list(self.folders.values())))

    def do_deliver(self, c):
        if not self.lmtp:
            return
        letter = self.new_letter()
        with smtplib.LMTP("127.0.0.1", self.lmtp) as s:
            s.sendmail("a@example.test", [self.address], self.text(letter))
        self.learn(self.folders["INBOX"])

    def do_foreign(self, c):
        """Another program at work in INBOX: changes flags in a name, removes a file, or puts one there."""
        if not self.maildir:
            return
        folder, cur = self.folders["INBOX"], self.maildir / "cur"
        self.learn(folder)
        by_uid = {int(m.group(1)): f for f in cur.iterdir() if (m := re.search(r",P=\d+\.(\d+)", f.name))}
        what = self.random.choice(("flag", "remove", "add"))
        chosen = self.random.choice(folder.alive()) if folder.letters else None
        self.lines.append(f"-- foreign {what} {chosen}")
        if what == "add" or chosen is None:
            letter = self.new_letter()
            f = self.maildir / "new" / f"{int(time.time())}.M{self.number}P{os.getpid()}.elsewhere"
            f.write_bytes(self.text(letter).replace(b"\r\n", b"\n"))
            if self.uid:
                os.chown(f, self.uid, self.uid)
            fits = None
        elif what == "remove":
            by_uid[chosen].unlink()
            del folder.letters[chosen]
        else:
            base, _, info = by_uid[chosen].name.partition(":2,")
            letter = self.random.choice("DFRST")
            info = "".join(sorted(set(info) ^ {letter}))
            by_uid[chosen].rename(cur / f"{base}:2,{info}")
            flags = folder.letters[chosen].flags
            folder.change(folder.letters[chosen], flags ^ {MAILDIR_FLAGS[letter]})
        end = time.monotonic() + 30
        while True:  # a change in the same tick as one of the server's own is found a little later
            try:
                state = {u: (x.flags, x.modseq, x.above) for u, x in folder.letters.items()}
                self.learn(folder)
                fits = what != "add" or any(x.number == self.number for x in folder.letters.values())
                if fits:
                    return
            except AssertionError:
                for u, (flags, modseq, above) in state.items():
                    folder.letters[u].flags, folder.letters[u].modseq, folder.letters[u].above = flags, modseq, above
                if time.monotonic() > end or self.auditor.waiting:
                    raise
            assert time.monotonic() < end, f"foreign {what}: not seen"
            time.sleep(0.05)

    WEIGHTS = {"fetch": 20, "fetch_since": 3, "store": 20, "search": 12, "expunge": 5, "copy": 8, "append": 10, "noop": 6, "idle": 4, "close": 2,
               "status": 3, "audit": 2, "select": 3, "deliver": 3, "foreign": 2}

    def step(self, c=None):
        c = c or self.random.choice(self.clients)
        what = self.random.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
        if c.folder is None and what not in ("append", "status", "audit", "deliver", "foreign"):
            what = "select"
        if c.folder and not c.view and what in ("fetch", "store", "copy", "search", "fetch_since"):
            what = "append"
        crowded = [f for f in self.folders.values() if len(f.letters) > LETTERS_MAX]
        if crowded and c.folder in crowded and not c.read_only:
            return self.thin(c)
        self.count += 1
        self.done[what] = self.done.get(what, 0) + 1
        getattr(self, "do_" + what)(c)

    def thin(self, c):
        self.command(c, "NOOP")
        chosen = c.folder.alive()[:LETTERS_MAX // 2]
        for u in chosen:
            del c.folder.letters[u]
        self.heard(c, c.imap.ok(f"UID STORE {sequence_set(chosen)} +FLAGS.SILENT (\\Deleted)"), True)
        self.lines.append(f"-- {c.name}: thin out")
        a = c.imap.ok(f"UID EXPUNGE {sequence_set(chosen)}")
        self.heard(c, a, True)
        self.settle(c, True)

    def end(self):
        for f in self.folders.values():
            self.learn(f)
        for c in self.clients:
            if c.folder:
                self.command(c, "NOOP")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--user", required=True)
    p.add_argument("--password", required=True)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--steps", type=int, default=0)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--clients", type=int, default=4)
    p.add_argument("--lmtp", type=int)
    p.add_argument("--maildir")
    p.add_argument("--lenient", action="store_true", help="a server that tells only of flags that have changed by STORE")
    o = p.parse_args()
    s = Stress(lambda log: Imap(o.port, log=log).login(o.user, o.password), o.seed, o.clients, o.lmtp, o.maildir, o.user, lenient=o.lenient)
    end = time.monotonic() + o.seconds
    try:
        while time.monotonic() < end and (not o.steps or s.count < o.steps):
            s.step()
            del s.lines[:-400]
        s.end()
    except BaseException:
        print("\n".join(s.lines[-60:]))
        print(f"seed {o.seed}, step {s.count}")
        raise
    print(f"seed {o.seed}: {s.count} commands, no difference: {s.done}")


if __name__ == "__main__":
    main()
