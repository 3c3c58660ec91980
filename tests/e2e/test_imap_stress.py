"""Several clients at random against the model of imap_stress.py; bounded here, for longer by hand (see there)."""
import pytest

from imap import Imap
from imap_stress import Stress
from posta import DOMAIN, PASSWORD, system

STEPS = 400


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_clients_see_what_is_true(seed):
    with system(users=("alice",)) as posta:
        def dial(log):
            return Imap(posta.ports["imapd_tls"], posta.tls_context(), log).login("alice@" + DOMAIN, PASSWORD["alice"])
        s = Stress(dial, seed, lmtp=posta.ports["lmtp"], maildir=posta.maildir("alice"), uid=posta.uid)
        try:
            while s.count < STEPS:
                s.step()
            s.end()
        except BaseException:
            print("\n".join(s.lines[-80:]))
            raise
        # the index is a cache: without it the same letters have the same UIDs and flags
        posta.stop()
        for f in posta.maildir("alice").glob("index.db*"):
            f.unlink()
        posta.start()
        again = Stress.__new__(Stress)
        again.__dict__.update(s.__dict__, auditor=dial(s.lines), clients=[])
        for folder in again.folders.values():
            for letter in folder.letters.values():
                letter.modseq, letter.above = None, folder.highest
        again.end()
