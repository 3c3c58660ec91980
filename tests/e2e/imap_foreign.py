"""imap_foreign - sessions that know what they were told, and the Maildir behind them as other programs see it.

A Seer has selected a folder and applies every EXISTS, EXPUNGE and FETCH; the IDLEr does the same without asking. What it knows is
{UID: flags}; it is compared with what must be true, and with what a session says that has just begun (Posta.state).
"""
import os
import re
import smtplib
import socket
import subprocess

from imap import Imap
from posta import DOMAIN, PASSWORD, as_user, until

def text_of(mark, size=0):
    return f"From: a@example.test\r\nTo: b@example.test\r\nSubject: {mark}\r\n\r\n".encode() + b"0123456789abcde\r\n" * (size // 17 + 1)


class House:
    """A posta, one of its users, and that user's Maildir."""

    def __init__(self, posta, user="alice"):
        self.posta, self.user, self.dir = posta, user, posta.maildir(user)

    def dial(self):
        p = self.posta
        return Imap(p.ports["imapd_tls"], p.tls_context()).login(f"{self.user}@{DOMAIN}", PASSWORD[self.user])

    def fill(self, marks, folder="INBOX", flags="", size=0):
        """Appends letters with these subjects; their UIDs."""
        c, uids = self.dial(), []
        for mark in marks:
            a = c.ok(f'APPEND "{folder}" ({flags})', text_of(mark, size))
            uids.append(int(re.search(r"APPENDUID \d+ (\d+)", a.code).group(1)))
        c.close()
        return uids

    def clear(self):
        """Neither letters nor folders of its own; the usual ones stay."""
        c = self.dial()
        usual = {"INBOX", "Drafts", "Sent", "Trash", "Junk", "Archive"}
        names = [str(u[3] if not isinstance(u[3], bytes) else u[3].decode()) for u in c.ok('LIST "" *').untagged if u[0] == "LIST"]
        for name in sorted(set(names) - usual, reverse=True):
            c.ask(f'DELETE "{name}"')
        for name in sorted(usual & set(names)):
            c.ok(f'SELECT "{name}"')
            c.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")
        c.close()
        return self

    def state(self, folder="INBOX"):
        """(UIDVALIDITY, {UID: (subject, flags)}) as a new session has it."""
        c = self.dial()
        a = c.ok(f'EXAMINE "{folder}"')
        validity = int(re.search(r"UIDVALIDITY (\d+)", " ".join(u[1] for u in a.untagged if u[0] == "OK")).group(1))
        letters = {}
        for u in c.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").untagged:
            if u[0] == "FETCH" and (head := next((v for k, v in u[2].items() if k.startswith("BODY[")), None)) is not None:
                uid = int(u[2]["UID"])
                assert uid not in letters, f"UID {uid} twice"
                letters[uid] = (head.decode("latin-1").strip().removeprefix("Subject: "), flags_of(u[2]))
        assert list(letters) == sorted(letters)
        c.close()
        return validity, letters

    def path(self, folder="INBOX"):
        return self.dir if folder == "INBOX" else self.dir / ("." + folder)

    def file(self, uid, folder="INBOX"):
        """The file of a UID; its names change, so it is looked up at each use."""
        found = [f for f in (self.path(folder) / "cur").iterdir() if re.search(rf",P=\d+\.{uid}(?!\d)", f.name)]
        assert len(found) == 1, (uid, found)
        return found[0]

    def own(self, path):
        """What root made belongs to the one posta runs as, as if that one had made it."""
        if self.posta.uid:
            for f in [path, *path.rglob("*")]:
                os.chown(f, self.posta.uid, self.posta.uid, follow_symlinks=False)
        return path

    def run(self, *command, status=0, **more):
        """A program as the user that the Maildir belongs to."""
        r = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, cwd="/", **as_user(self.posta.uid), **more)
        assert status is None or r.returncode == status, f"{command[0]} said {r.returncode}\n{r.stdout}\n{r.stderr}"
        return r.stdout + r.stderr


def flags_of(items):
    return frozenset(str(f) for f in items["FLAGS"]) - {"\\Recent"}


class Seer:
    def __init__(self, house, folder="INBOX", idle=False):
        self.c, self.idling = house.dial(), False
        self.uids, self.flags, self.want_idle = [], {}, idle
        self.hear(self.c.ok(f'SELECT "{folder}"').untagged)
        self.learn()

    def hear(self, untagged):
        for u in untagged:
            if u[0] == "EXISTS":
                assert u[1] >= len(self.uids), f"EXISTS {u[1]} after {len(self.uids)}"
                self.uids += [None] * (u[1] - len(self.uids))
            elif u[0] == "EXPUNGE":
                assert 1 <= u[1] <= len(self.uids), f"EXPUNGE {u[1]} of {len(self.uids)}"
                self.flags.pop(self.uids.pop(u[1] - 1), None)
            elif u[0] == "FETCH" and "FLAGS" in u[2]:
                if "UID" in u[2]:
                    assert self.uids[u[1] - 1] in (None, int(u[2]["UID"])), f"number {u[1]} was UID {self.uids[u[1] - 1]}, is {u[2]['UID']}"
                    self.uids[u[1] - 1] = int(u[2]["UID"])
                if self.uids[u[1] - 1] is not None:
                    self.flags[self.uids[u[1] - 1]] = flags_of(u[2])
            else:
                assert u[0] != "BYE", u

    def learn(self):
        """UIDs of what is new; then IDLE again."""
        while None in self.uids:
            if self.idling:
                self.done()
            self.hear(self.c.ok(f"FETCH {self.uids.index(None) + 1}:* (UID FLAGS)").untagged)
        assert self.uids == sorted(set(self.uids)), self.uids
        if self.want_idle and not self.idling:
            self.tag, self.idling = self.c.start("IDLE"), True
            while not (line := self.c.response()).startswith(b"+"):
                self.hear([self.c.untagged(line)])

    def done(self):
        self.c.send(b"DONE\r\n")
        self.idling = False
        self.hear(self.c.finish(self.tag).untagged)

    def known(self):
        return dict(zip(self.uids, (self.flags.get(u) for u in self.uids)))

    def step(self):
        if self.idling:
            self.hear([self.c.untagged(self.c.response())])
        else:
            self.hear(self.c.ok("NOOP").untagged)
        self.learn()

    def sees(self, want):
        """Until it was told {UID: flags}: one that idles without asking, others by NOOP."""
        want = {uid: frozenset(flags) for uid, flags in want.items()}
        if self.idling:
            while self.known() != want:
                try:
                    self.step()
                except socket.timeout:
                    raise AssertionError(f"IDLE did not tell {want}; it told {self.known()}") from None
        else:
            until(lambda: self.known() == want or self.step(), lambda: f"{want}; told was {self.known()}")

    def close(self):
        self.c.close()


def flags_only(letters):
    return {uid: flags for uid, (_, flags) in letters.items()}


def lmtp(posta, user, marks):
    """Delivers letters with these subjects by LMTP."""
    with smtplib.LMTP("127.0.0.1", posta.ports["lmtp"], timeout=60) as s:
        for mark in marks:
            s.sendmail("x@elsewhere.test", [f"{user}@{DOMAIN}"], text_of(mark))
