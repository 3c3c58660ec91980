"""thunderbird - Debian's Thunderbird under Xvfb with a profile made for it, driven through Marionette (its own remote control): what a
person does by mouse is done through the same functions that the windows call.
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from posta import DOMAIN, free_port, until

QUIET = {
    "app.update.enabled": False, "datareporting.policy.dataSubmissionEnabled": False, "mailnews.start_page.enabled": False,
    "mail.rights.version": 1, "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True,
    "mail.shell.checkDefaultClient": False, "mailnews.database.global.indexer.enabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "extensions.update.enabled": False, "services.settings.server": "", "app.donation.eoy.version.viewed": 999,
    "mail.biff.show_alert": False, "mail.chat.enabled": False, "calendar.timezone.useSystemTimezone": True, "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.malware.enabled": False, "mailnews.auto_config.fetchFromISP.enabled": False, "network.dns.disableIPv6": True,
    "mail.inappnotifications.enabled": False, "toolkit.telemetry.enabled": False, "browser.cache.disk.enable": False,
}


def preferences(system, user, marionette):
    imap, smtp = "mail.server.server1.", "mail.smtpserver.smtp1."
    folders = f"imap://{user}%40{DOMAIN}@127.0.0.1/"
    return {
        **QUIET, "marionette.port": marionette,
        "mail.accountmanager.accounts": "account1,account2", "mail.accountmanager.defaultaccount": "account1",
        "mail.accountmanager.localfoldersserver": "server2",
        "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1", "mail.account.account2.server": "server2",
        "mail.server.server2.type": "none", "mail.server.server2.hostname": "Local Folders", "mail.server.server2.userName": "nobody",
        "mail.server.server2.name": "Local Folders",
        imap + "type": "imap", imap + "hostname": "127.0.0.1", imap + "port": system.ports["imapd"], imap + "userName": f"{user}@{DOMAIN}",
        imap + "name": "posta", imap + "socketType": 2, imap + "authMethod": 3, imap + "login_at_startup": False, imap + "check_new_mail": False,
        imap + "delete_model": 1,
        "mail.identity.id1.useremail": f"{user}@{DOMAIN}", "mail.identity.id1.fullName": user.title(), "mail.identity.id1.smtpServer": "smtp1",
        "mail.identity.id1.valid": True, "mail.identity.id1.fcc": True, "mail.identity.id1.fcc_folder": folders + "Sent",
        "mail.identity.id1.compose_html": False,
        "mail.smtpservers": "smtp1", "mail.smtp.defaultserver": "smtp1", smtp + "hostname": "127.0.0.1", smtp + "port": system.ports["msa"],
        smtp + "username": f"{user}@{DOMAIN}", smtp + "authMethod": 3, smtp + "try_ssl": 2,
    }


class Thunderbird:
    def __init__(self, system, user, password):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="posta-thunderbird-"))
        self.port = free_port()
        self.password, self.user, self.system = password, user, system
        profile = self.dir / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in preferences(system, user, self.port).items()]
        (profile / "user.js").write_text("".join(lines))
        read, write = os.pipe()
        self.xvfb = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"], pass_fds=[write],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as f:
            self.display = ":" + f.readline().strip()
        env = {**os.environ, "DISPLAY": self.display, "HOME": str(self.dir), "MOZ_CRASHREPORTER_DISABLE": "1", "NO_AT_BRIDGE": "1",
               "XDG_CACHE_HOME": str(self.dir / "cache"), "LIBGL_ALWAYS_SOFTWARE": "1", "MOZ_DISABLE_CONTENT_SANDBOX": "1"}
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen(["thunderbird", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(profile)], env=env,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.count = 0
        self.s = until(self.connect, lambda: "Thunderbird's remote control\n" + (self.dir / "log").read_text(errors="replace")[-2000:])
        self.packet()
        self.call("WebDriver:NewSession", {"capabilities": {}})
        self.call("Marionette:SetContext", {"value": "chrome"})
        self.call("WebDriver:SetTimeouts", {"script": 120000})

    def connect(self):
        assert self.process.poll() is None, "Thunderbird ended: " + (self.dir / "log").read_text(errors="replace")[-2000:]
        try:
            return socket.create_connection(("127.0.0.1", self.port), timeout=150)
        except OSError:
            return None

    def packet(self):
        digits = b""
        while (c := self.s.recv(1)) != b":":
            assert c, "Thunderbird has gone"
            digits += c
        data, n = b"", int(digits)
        while len(data) < n:
            more = self.s.recv(n - len(data))
            assert more, "Thunderbird has gone"
            data += more
        return json.loads(data)

    def call(self, name, parameters):
        self.count += 1
        text = json.dumps([0, self.count, name, parameters]).encode()
        self.s.sendall(str(len(text)).encode() + b":" + text)
        _, _, error, result = self.packet()
        assert not error, f"{name}: {error.get('error')}: {error.get('message')}\n{error.get('stacktrace', '')[:2000]}"
        return result.get("value") if isinstance(result, dict) else result

    def run(self, script, *args):
        """JavaScript with all rights of the program; `await` may be used, what it returns comes back."""
        whole = """const [args, done] = [Array.from(arguments).slice(0, -1), arguments[arguments.length - 1]];
            const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
            const server = () => MailServices.accounts.getAccount("account1").incomingServer;
            (async () => {""" + script + """})().then(v => done({value: v === undefined ? null : v}), e => done({error: String(e) + " " + (e && e.stack)}));"""
        got = self.call("WebDriver:ExecuteAsyncScript", {"script": whole, "args": list(args), "sandbox": "system", "newSandbox": True})
        assert "error" not in got, got["error"]
        return got["value"]

    def picture(self, path):
        subprocess.run(["import", "-display", self.display, "-window", "root", str(path)], check=False)

    def close(self):
        for p in (self.process, self.xvfb):
            p.terminate()
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
