"""Thunderbird: opens the account, lists folders, reads, flags, moves and deletes a letter, sends one and keeps it in Sent."""
import base64
import contextlib
import re
import shutil
import smtplib

import pytest

from posta import DOMAIN, PASSWORD, system, until
from thunderbird import Thunderbird

pytestmark = pytest.mark.skipif(not shutil.which("thunderbird") or not shutil.which("Xvfb"), reason="needs thunderbird and xvfb")

TRUST = """
    const overrides = Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService);
    const cert = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).constructX509FromBase64(args[0]);
    for (const port of args[1]) overrides.rememberValidityOverride("127.0.0.1", port, {}, cert, true);
"""
LOGIN = """
    for (const origin of ["imap://127.0.0.1", "smtp://127.0.0.1"]) {
        const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
        login.init(origin, null, origin, args[0], args[1], "", "");
        await Services.logins.addLoginAsync(login);
    }
"""
COMMON = """
    const win = Services.wm.getMostRecentWindow("mail:3pane");
    const root = server().rootFolder;
    const folder = name => root.descendants.find(f => decodeURIComponent(f.URI).endsWith("/" + name));
    const sleep = ms => new Promise(ok => win.setTimeout(ok, ms));
    const until = async (condition, what) => {
        for (let i = 0; i < 1200; i++) { const v = await condition(); if (v) return v; await sleep(50); }
        throw new Error("did not come true: " + what);
    };
    const finished = begin => new Promise((ok, no) => begin({
        QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
        OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { status ? no(new Error("status " + status.toString(16))) : ok(); },
        onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
        onStopCopy(status) { status ? no(new Error("status " + status.toString(16))) : ok(); },
    }));
    const update = async f => { await finished(l => f.QueryInterface(Ci.nsIMsgImapMailFolder) && f.updateFolderWithListener(win.msgWindow, l)); return f; };
    const headers = f => [...f.messages];
    const header = (f, subject) => headers(f).find(h => h.mime2DecodedSubject == subject);
"""


def letter(subject, body):
    return f"From: Bob <bob@{DOMAIN}>\r\nTo: alice@{DOMAIN}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\n{body}\r\n"


def disk(posta, user, folder=""):
    """The flags of each letter, by its subject. A file that is renamed while we look is looked for again."""
    d = posta.maildir(user) / folder
    while True:
        with contextlib.suppress(FileNotFoundError):
            return {re.search(rb"^Subject: (.*?)\r?$", f.read_bytes(), re.M).group(1).decode(): f.name.partition(":2,")[2]
                    for sub in ("new", "cur") for f in (d / sub).iterdir()}


@pytest.fixture(scope="module")
def both():
    with system() as posta:
        with smtplib.LMTP("127.0.0.1", posta.ports["lmtp"]) as s:
            for subject in ("read-me", "flag-me", "move-me", "delete-me"):
                s.sendmail(f"bob@{DOMAIN}", [f"alice@{DOMAIN}"], letter(subject, f"the body of {subject}"))
        t = Thunderbird(posta, "alice", PASSWORD["alice"])
        try:
            pem = (posta.dir / "cert.pem").read_text()
            der = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.S).group(1)
            t.run(TRUST, base64.b64encode(base64.b64decode(der)).decode(), [posta.ports["imapd"], posta.ports["msa"]])
            t.run(LOGIN, f"alice@{DOMAIN}", PASSWORD["alice"])
            yield posta, t
        finally:
            t.close()


def test_account_as_a_person_uses_it(both):
    posta, t = both
    # folders, with what they are for
    found = t.run(COMMON + """
        await finished(l => MailServices.imap.discoverAllFolders(root, l, win.msgWindow));
        const F = Ci.nsMsgFolderFlags;
        const uses = {Inbox: F.Inbox, Sent: F.SentMail, Drafts: F.Drafts, Trash: F.Trash, Junk: F.Junk, Archive: F.Archive};
        return await until(() => {
            const names = root.descendants.map(f => f.name);
            return names.length >= 6 && Object.fromEntries(Object.entries(uses).map(([n, flag]) => [n, (root.getFolderWithFlags(flag) || {}).name || ""]));
        }, "folders");""")
    assert {k: v.lower() for k, v in found.items()} == {k: k.lower() for k in found}, found

    # the inbox, and a letter read in the window
    text = t.run(COMMON + """
        const inbox = await update(folder("INBOX"));
        await until(() => headers(inbox).length == 4, "four letters");
        const about = await until(() => { const a = win.document.getElementById("tabmail").currentAbout3Pane; return a && a.displayFolder && a; }, "window");
        about.displayFolder(inbox);
        await until(() => about.gDBView && about.gDBView.rowCount >= 4, "list of letters");
        about.threadTree.selectedIndex = about.gDBView.findIndexOfMsgHdr(header(inbox, "read-me"), true);
        return await until(() => {
            const browser = about.messageBrowser.contentWindow.getMessagePaneBrowser();
            const text = browser && browser.contentDocument && browser.contentDocument.body ? browser.contentDocument.body.textContent : "";
            return text.includes("body of") && text;
        }, "text in the window");""")
    assert "the body of read-me" in text
    until(lambda: disk(posta, "alice").get("read-me") == "S", lambda: f"\\Seen on disk: {disk(posta, 'alice')}")

    # flag, move, delete
    t.run(COMMON + """const inbox = folder("INBOX"); inbox.markMessagesFlagged([header(inbox, "flag-me")], true);""")
    until(lambda: "F" in disk(posta, "alice").get("flag-me", ""), lambda: f"\\Flagged on disk: {disk(posta, 'alice')}")
    t.run(COMMON + """const inbox = folder("INBOX");
        await finished(l => MailServices.copy.copyMessages(inbox, [header(inbox, "move-me")], folder("Archive"), true, l, win.msgWindow, false));""")
    until(lambda: "move-me" in disk(posta, "alice", ".Archive"), "the moved letter in Archive")
    until(lambda: "move-me" not in disk(posta, "alice"), "the moved letter gone from INBOX")
    t.run(COMMON + """const inbox = folder("INBOX");
        await finished(l => inbox.deleteMessages([header(inbox, "delete-me")], win.msgWindow, false, false, l, false));""")
    until(lambda: "delete-me" in disk(posta, "alice", ".Trash"), "the deleted letter in Trash")

    # write, send, and find it in Sent
    t.run(COMMON + """
        const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
        const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
        fields.to = args[0]; fields.subject = "sent-by-thunderbird"; fields.body = "written in its window\\n";
        params.composeFields = fields; params.format = Ci.nsIMsgCompFormat.PlainText; params.type = Ci.nsIMsgCompType.New;
        params.identity = MailServices.accounts.getAccount("account1").defaultIdentity;
        MailServices.compose.OpenComposeWindowWithParams(null, params);
        const compose = await until(() => { const w = Services.wm.getMostRecentWindow("msgcompose"); return w && w.gMsgCompose && w.document.readyState == "complete" && w; }, "compose window");
        await until(() => !compose.gWindowLocked && compose.gMsgCompose.editor, "its editor");
        await sleep(200);
        compose.GenericSendMessage(Ci.nsIMsgCompDeliverMode.Now);
        await until(() => compose.closed, "the letter to be sent");""", f"bob@{DOMAIN}")
    posta.wait_letters(1, "bob")
    assert "written in its window" in posta.letters("bob")[0].read_text()
    until(lambda: "sent-by-thunderbird" in disk(posta, "alice", ".Sent"), "the letter in Sent")
    assert "S" in disk(posta, "alice", ".Sent")["sent-by-thunderbird"]

    # a letter that comes while it looks on
    with smtplib.LMTP("127.0.0.1", posta.ports["lmtp"]) as s:
        s.sendmail(f"bob@{DOMAIN}", [f"alice@{DOMAIN}"], letter("came-later", "news"))
    t.run(COMMON + """const inbox = folder("INBOX"); await until(() => header(inbox, "came-later"), "the new letter by IDLE");""")
