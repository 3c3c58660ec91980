"""ENVELOPE, BODYSTRUCTURE and BODY of each letter of the corpus and of tests/letters, beside what Dovecot says of it.

Where posta differs, it does so on purpose: the letter stands in DIFFERS with the reason. What is compared are values, as a client reads
them: white space in a string is one space (Dovecot shortens it where it sends a literal, posta where a line is folded), and
parameters are in the order of their names (RFC 2045 5.1: "parameters are not order sensitive"; Dovecot puts joined ones last).
"""
import email
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

import imap_peer
from imap import Talk
from posta import ROOT, system
from test_pop3 import put
from test_transcripts import LIMITS

CORPUS = pathlib.Path(os.environ.get("POSTA_CORPUS", ROOT.parent / "shared/corpus"))
LETTERS = ROOT / "tests/letters"
TOOL = pathlib.Path(os.environ.get("POSTA_BUILD", ROOT / "build-gcc")) / "tests/structure-tool"  # never run as another user
ITEMS = ("ENVELOPE", "BODYSTRUCTURE", "BODY")

# Why posta says something else than Dovecot.
NO_PARTS = "RFC 3501 9 has no multipart without a part. Dovecot makes up an empty one, and the text cannot be seen; here it is text/plain (RFC 2045 5.2)"
TYPE = "a broken Content-Type is text/plain (RFC 2045 5.2), or what stands before its fault; Dovecot sends empty types"
VALUE = "a parameter's value with spaces goes on to the semicolon, a missing quote or semicolon is supplied, an unclear parameter skipped: names are shown whole"
FIRST = "of a field that comes twice the first counts (RFC 5322 3.6 allows one), as in Python; Dovecot takes the last"
EMPTY = "an empty Content-Disposition is none (RFC 2183 2)"
NULLS = "empty places in an address list are nothing (RFC 5322 4.4)"
OBSOLETE = "spaces around the dots of a local part and a domain (RFC 5322 4.4)"
GOES_ON = "addresses behind a broken one are told too"
NO_DOMAIN = "what has no domain is told as MISSING_DOMAIN, never SYNTAX_ERROR"
LINE_END = "the line end before a delimiter is the delimiter's, also behind an inner one (RFC 2046 5.1.1)"
CASE = "types as they are written in the letter (Dovecot has message/rfc822 small)"
ESCAPED = "octets that are no attribute-char are encoded where pieces are joined (RFC 2231 7)"
LONG = "boundaries of more than 80 octets are compared as a whole"

DIFFERS = {
    "apache-james-mime4j/mimetools-testmsgs__badbound.msg.eml": NO_PARTS,
    "apache-james-mime4j/mimetools-testmsgs__double-semicolon.msg.eml": VALUE,
    "apache-james-mime4j/mimetools-testmsgs__hdr-fakeout.msg.eml": FIRST,
    "apache-james-mime4j/mimetools-testmsgs__multi-digest.msg.eml": TYPE,
    "apache-james-mime4j/testmsgs__missing-boundary.msg.eml": NO_PARTS,
    "apache-james-mime4j/testmsgs__missing-inner-boundary.msg.eml": NO_PARTS,
    "apache-james-mime4j/testmsgs__missing-inner-start-boundary.msg.eml": NO_PARTS,
    "apache-james-mime4j/testmsgs__multipartnopart.msg.eml": NO_PARTS,
    "jhillyerd-enmime/barren-content-type.raw.eml": TYPE,
    "jhillyerd-enmime/ctype-invalid-characters.raw.eml": TYPE,
    "jhillyerd-enmime/empty-ctype-bad-content.raw.eml": TYPE,
    "jhillyerd-enmime/header-only.raw.eml": NO_PARTS,
    "jhillyerd-enmime/inlinemultipart.raw.eml": FIRST,
    "jhillyerd-enmime/malformed-multiple-address-header-values.raw.eml": FIRST,
    "jhillyerd-enmime/mime-bad-content-type.raw.eml": TYPE,
    "jhillyerd-enmime/mime-blank-media-name.raw.eml": TYPE,
    "jhillyerd-enmime/mime-unquoted-tspecials-param.raw.eml": VALUE,
    "jhillyerd-enmime/missing-closing-param-quote.raw.eml": VALUE,
    "jhillyerd-enmime/multipart-wo-boundary.raw.eml": NO_PARTS,
    "jhillyerd-enmime/unquoted-ctype-param-special.raw.eml": VALUE,
    "jstedfast-MimeKit/empty-multipart.txt.eml": NO_PARTS,
    "jstedfast-MimeKit/feedback-report.txt.eml": NO_DOMAIN,
    "jstedfast-MimeKit/missing-subtype.txt.eml": TYPE,
    "jstedfast-MimeKit/rfc2060.txt.eml": LINE_END + "; " + CASE,
    "mikel-mail/attachment_emails__attachment_message_rfc822_inline_image.eml": NO_PARTS + "; " + LINE_END,
    "mikel-mail/attachment_emails__attachment_with_unquoted_name.eml": VALUE,
    "mikel-mail/error_emails__bad_date_header2.eml": NO_PARTS,
    "mikel-mail/error_emails__empty_in_reply_to.eml": NO_PARTS,
    "mikel-mail/error_emails__missing_body.eml": NO_PARTS + "; " + NO_DOMAIN,
    "mikel-mail/error_emails__missing_content_disposition.eml": EMPTY,
    "mikel-mail/error_emails__multiple_invalid_content_dispositions.eml": EMPTY,
    "mikel-mail/error_emails__must_supply_encoding.eml": NO_PARTS,
    "mikel-mail/error_emails__weird_to_header.eml": NULLS,
    "mikel-mail/mime_emails__raw_email_with_binary_encoded.eml": VALUE + "; " + FIRST,
    "mikel-mail/mime_emails__raw_email_with_illegal_boundary.eml": VALUE,
    "mikel-mail/mime_emails__raw_email_with_multipart_mixed_quoted_boundary.eml": FIRST,
    "mikel-mail/plain_emails__raw_email_bad_time.eml": VALUE,
    "mikel-mail/plain_emails__raw_email_with_at_display_name.eml": GOES_ON,
    "mikel-mail/rfc2822__example11.eml": OBSOLETE + "; " + NULLS,
    "python-test-email/msg_14.txt.eml": TYPE,
    "python-test-email/msg_16.txt.eml": CASE,
    "python-test-email/msg_17.txt.eml": NO_PARTS,
    "python-test-email/msg_25.txt.eml": NO_PARTS,
    "python-test-email/msg_29.txt.eml": ESCAPED,
    "python-test-email/msg_31.txt.eml": NO_PARTS,
    "python-test-email/msg_33.txt.eml": NO_PARTS,
    "python-test-email/msg_41.txt.eml": NO_PARTS,
    "python-test-email/msg_42.txt.eml": NO_PARTS,
    "sisimai-set-of-emails-odd/lhost-mfilter-05.eml": NULLS,
    "sisimai-set-of-emails-odd/lhost-office365-08.eml": NO_PARTS,
    "stalwartlabs-mail-parser/malformed__001.eml": NO_PARTS,
    "stalwartlabs-mail-parser/malformed__002.eml": NO_PARTS,
    "stalwartlabs-mail-parser/malformed__007.eml": NO_PARTS,
    "stalwartlabs-mail-parser/malformed__016.eml": LONG,
    "stalwartlabs-mail-parser/malformed__017.eml": TYPE,
    "stalwartlabs-mail-parser/malformed__019.eml": FIRST,
    "stalwartlabs-mail-parser/malformed__022.eml": LINE_END,
    "stalwartlabs-mail-parser/rfc__001.eml": VALUE,
    "stalwartlabs-mail-parser/rfc__008.eml": LINE_END,
    "stalwartlabs-mail-parser/thirdparty__007.eml": LINE_END,
    "stalwartlabs-mail-parser/thirdparty__010.eml": VALUE,
    "stalwartlabs-mail-parser/thirdparty__015.eml": NO_PARTS + "; " + LINE_END,
    "addresses.eml": OBSOLETE,
    "broken-types.eml": TYPE + "; " + VALUE,
    "no-parts.eml": NO_PARTS,
}


def paths_of(where):
    return sorted(where.rglob("*.eml"))


def kept(letter):
    """As posta keeps it: with LF where its first line has LF (a CR before a later one would be text, and go over the wire as one)."""
    first = letter.find(b"\n")
    return letter if first > 0 and letter[first - 1:first] == b"\r" else letter.replace(b"\r\n", b"\n")


def told(letters):
    """What posta's reader finds in each letter: items as bytes, sections and letters as offsets."""
    with tempfile.TemporaryDirectory(prefix="posta-letters-") as d:
        for k, letter in enumerate(letters):
            (pathlib.Path(d) / f"{k:06}").write_bytes(letter)
        out = subprocess.run([str(TOOL), *sorted(map(str, pathlib.Path(d).iterdir()))], capture_output=True, check=True).stdout
    answers, at, now = [], 0, {"PART": {}, "LETTER": {}}
    while at < len(out):
        end = out.index(b"\n", at)
        word, *rest = out[at:end].decode().split()
        at = end + 1
        if word == "END":
            answers.append(now)
            now = {"PART": {}, "LETTER": {}}
        elif word in now and isinstance(now[word], dict):
            now[word][rest[0]] = [int(n) for n in rest[1:]]
        else:
            now[word] = out[at:at + int(rest[0])]
            at += int(rest[0]) + 1
    return answers


def plain(value):
    """As a client reads it (see above)."""
    if isinstance(value, bytes):
        return re.sub(rb"[ \t\r\n]+", b" ", value).strip()
    if not isinstance(value, list):
        return value
    value = [plain(v) for v in value]
    if value and len(value) % 2 == 0 and all(isinstance(v, bytes) for v in value):
        return sorted(zip(value[::2], value[1::2]))
    return value


def shape(body):
    """The tree alone: "type/subtype"; [[kids], subtype] of multipart; ["message/rfc822", what is inside]."""
    n = next(i for i, item in enumerate(body) if not isinstance(item, list))
    if n:
        return [[shape(kid) for kid in body[:n]], body[n].decode("latin-1").lower()]
    kind = b"/".join(body[:2]).decode("latin-1").lower()
    return [kind, shape(body[8])] if kind == "message/rfc822" else kind


def python_shape(part):
    kind = part.get_content_type()
    if not part.is_multipart():
        return kind
    kids = [python_shape(p) for p in part.get_payload()]
    return [kind, kids[0]] if kind == "message/rfc822" else [kids, kind.partition("/")[2]]


class Case:
    """One letter, and the answers about it."""

    def __init__(self, name, letter, ours):
        self.name, self.letter = name, letter
        self.ours = {item: imap_peer.whole(ours[item]) for item in ITEMS}
        self.parts, self.letters = ours["PART"], ours["LETTER"]
        self.theirs = None

    def sections(self):
        """{section: octets} of each part, by our offsets, as IMAP sends them (Dovecot has 0x80 in the place of NUL)."""
        out = {}
        for names, parts in ((("{}.MIME", "{}"), self.parts), (("{}.HEADER", "{}.TEXT"), self.letters)):
            for number, (header_at, body_at, body_end, header_wire, body_wire) in parts.items():
                for name, octets, size in ((names[0], self.letter[header_at:body_at], header_wire),
                                           (names[1], self.letter[body_at:body_end], body_wire)):
                    octets = re.sub(rb"(?<!\r)\n", b"\r\n", octets)
                    assert len(octets) == size, (self.name, name, number)
                    out[f"BODY[{name.format(number).removeprefix('0.')}]"] = octets.replace(b"\0", b"\x80")
        return out


def cases_of(where):
    imap_peer.unpacked()
    paths = paths_of(where)
    letters = [kept(path.read_bytes()) for path in paths]
    cases = [Case(str(path.relative_to(where)), letter, ours) for path, letter, ours in zip(paths, letters, told(letters))]
    commands = ["FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY)"]
    commands += [f"FETCH {k} ({' '.join(name.replace('[', '.PEEK[') for name in case.sections())})" for k, case in enumerate(cases, 1)]
    theirs = imap_peer.ask([case.letter for case in cases], commands)
    for k, case in enumerate(cases, 1):
        case.theirs = theirs[k]
    return cases


@pytest.fixture(scope="module", params=["corpus", "letters"])
def cases(request):
    where = {"corpus": CORPUS, "letters": LETTERS}[request.param]
    if not where.is_dir():
        pytest.skip("no corpus here")
    return cases_of(where)


def test_as_dovecot_says(cases):
    assert len(cases) > 10
    for case in cases:
        differ = [item for item in ITEMS if plain(case.ours[item]) != plain(case.theirs[item])]
        if case.name in DIFFERS:
            assert differ, f"{case.name} does not differ any more: {DIFFERS[case.name]}"
            continue
        for item in differ:
            assert plain(case.ours[item]) == plain(case.theirs[item]), case.name


def test_the_tree_where_python_and_dovecot_agree(cases):
    """No letter is an exception here."""
    agreed = 0
    for case in cases:
        theirs = shape(case.theirs["BODY"])
        if python_shape(email.message_from_bytes(case.letter)) == theirs:
            agreed += 1
            assert shape(case.ours["BODY"]) == theirs, case.name
            assert shape(case.ours["BODYSTRUCTURE"]) == theirs, case.name
    assert agreed > len(cases) // 2


def test_the_octets_of_each_part(cases):
    compared = 0
    for case in cases:
        if shape(case.ours["BODY"]) != shape(case.theirs["BODY"]):
            assert case.name in DIFFERS
            continue
        for name, octets in case.sections().items():
            if case.theirs[name] != octets:
                # LINE_END: Dovecot counts it to what the inner delimiter, or the head of a letter without an end, belongs to
                assert case.theirs[name] == octets + b"\r\n", (case.name, name)
                assert not name[:-1].endswith(("MIME", "HEADER")), (case.name, name)
            compared += 1
    assert compared > 3 * len(cases)


@pytest.mark.parametrize("path", paths_of(LETTERS), ids=lambda p: p.name)
def test_as_it_was(path):
    """What is said of tests/letters without Dovecot: `build-gcc/tests/structure-tool x.eml` is x.want."""
    said = subprocess.run([str(TOOL), str(path)], capture_output=True, check=True).stdout
    assert said == path.with_suffix(".want").read_bytes()


@pytest.mark.parametrize("where", [CORPUS, LETTERS], ids=["corpus", "letters"])
def test_line_ends_do_not_matter(where):
    """A letter kept with LF and one kept with CRLF are the same on the wire."""
    letters = [path.read_bytes() for path in paths_of(where)]
    letters = [letter for letter in letters if b"\r" not in letter]
    if not letters:
        pytest.skip("no corpus here")
    for letter, lf, crlf in zip(letters, told(letters), told([letter.replace(b"\n", b"\r\n") for letter in letters])):
        assert [lf[item] for item in ITEMS] == [crlf[item] for item in ITEMS], letter[:200]
        for kind in ("PART", "LETTER"):
            assert {n: at[3:] for n, at in lf[kind].items()} == {n: at[3:] for n, at in crlf[kind].items()}, letter[:200]


# ---- through imapd ----

@pytest.fixture(scope="module")
def house():
    with system(users=("alice", "bob", "carol"), sections={"limits": LIMITS}) as posta:
        yield posta


def asked(house, letters):
    """What imapd says of these letters, twice: found out, and kept."""
    put(house, "bob", letters)
    c = Talk(house)
    assert c.select() == len(letters)
    first, again = (imap_peer.fetched(b"\r\n".join(c.ask("FETCH 1:* (BODYSTRUCTURE ENVELOPE BODY)")) + b"\r\n") for _ in range(2))
    c.close()
    assert sorted(first) == list(range(1, len(letters) + 1))
    assert first == again
    return first


@pytest.mark.parametrize("where", [CORPUS, LETTERS], ids=["corpus", "letters"])
def test_imapd_says_what_the_reader_finds(house, where):
    letters = [kept(path.read_bytes()) for path in paths_of(where)]
    if not letters:
        pytest.skip("no corpus here")
    said = asked(house, letters)
    for k, (letter, ours) in enumerate(zip(letters, told(letters)), 1):
        for item in ITEMS:
            assert said[k][item] == imap_peer.whole(ours[item]), letter[:200]


MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n"
HOSTILE = {
    "M01 multiparts": b"".join(b"Content-Type: multipart/mixed; boundary=%d-\n\n--%d-\n" % (n, n) for n in range(100000)),
    "M01 letters": b"Content-Type: message/rfc822\n\n" * 100000,
    "M02 parts": MULTIPART + b"--b\n\nx\n" * 9998 + b"--b\nContent-Type: message/rfc822\n\nSubject: last\n\nx\n--b--\n",
    "M02 digest": b"Content-Type: multipart/digest; boundary=b\n\n" + b"--b\n\nSubject: s\nFrom: a@b\n\nx\n" * 30000,
    "M03 one field": b"X: " + b"x" * (10 << 20) + b"\nSubject: behind\n\nbody\n",
    "M03 many fields": b"X: y\n" * 1000000 + b"\nbody\n",
    "M04 addresses": b"To: " + b"a@b," * 150000 + b"\nCc: " + b"g:;" * 100000 + b"\n\nbody\n",
    "M04 fields": b"To: a@b\n" * 100000 + b"\nbody\n",
    "M06 parameters": b"Content-Type: text/plain" + b"".join(b"; name*%d*=x" % n for n in range(70000)) + b"; name*99999=y\n\n",
    "M06 comments": b"Content-Type: text/plain" + b";x(" * 300000 + b"\n\n",
    "M07 none": b"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n",
    "M07 long": b"Content-Type: multipart/mixed; boundary=" + b"b" * 1000000 + b"\n\n--" + b"b" * 1000000 + b"\n\nx\n",
    "M07 alike": b"".join(b"Content-Type: multipart/mixed; boundary=%s%d-\n\n--%s%d-\n" % (b"b" * 240, n, b"b" * 240, n) for n in range(100))
    + (b"--" + b"b" * 240 + b"\n") * 40000,
    "M10": b" folded first\nno colon\n: no name\nA\0b: c\n\x80: x\nSubject : s\0s\nContent-ID: \x80\n\nbody\n",
    **{f"M05 {n}": b"From: " + text * (900000 // len(text)) + b"\n\nbody\n"
       for n, text in enumerate((b"(", b"<", b"\"", b"\\", b"(\\", b"\"a\\", b"<@", b"@a,", b"a:", b":;", b"a.", b"[", b"<("))},
    **{f"M05 short {n}": b"From: " + text + b"\n\nbody\n"
       for n, text in enumerate((b"((((", b"<<<<", b"(\\", b":;:;:;", b"\"", b"g: a@b", b"", b"\"\\"))},
}


def test_I27_all_hostile_letters_are_answered(house):
    said = asked(house, list(HOSTILE.values()))
    by_name = {name: said[k] for k, name in enumerate(HOSTILE, 1)}
    depth, body = 0, by_name["M01 multiparts"]["BODY"]
    while isinstance(body[0], list):
        depth, body = depth + 1, body[0]
    assert depth == 100 and body[:2] == [b"application", b"octet-stream"]
    assert len(by_name["M02 parts"]["BODY"]) == 10000  # 9999 parts and the subtype
    assert by_name["M03 one field"]["ENVELOPE"] == [None] * 10
    assert len(by_name["M04 addresses"]["ENVELOPE"][5]) == len(by_name["M04 addresses"]["ENVELOPE"][6]) == 10000
    assert len(by_name["M06 parameters"]["BODY"][2][1]) == 100
    assert by_name["M10"]["ENVELOPE"][1] == b"ss"
    for n, want in enumerate((None, None, None, None, None, "group", None, "words")):
        assert bool(by_name[f"M05 short {n}"]["ENVELOPE"][2]) == bool(want)
