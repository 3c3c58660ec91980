"""foreign - other mail systems of Debian's, each in a Room of its own, with users that are accounts there: Postfix, Exim, Dovecot's LMTP."""
from posta import until


class House:
    """What all have in common. `domain` is theirs, `server` their name, boxes are Maildirs in the users' homes."""

    def __init__(self, room, domain, users):
        self.room, self.domain, self.server = room, domain, f"mx.{domain}"
        # PAM waits two seconds after a wrong password
        room.run("sed -i 's/pam_unix\\.so/& nodelay/' /etc/pam.d/common-auth")
        for user in users:
            room.run(f"useradd -m -s /bin/sh {user} && printf '%s:secret-%s\\n' {user} {user} | chpasswd")
        room.run(f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={self.server} "
                 "-keyout /etc/key.pem -out /etc/cert.pem")

    def letters(self, user):
        box = self.room.path("home", user, "Maildir")
        return [f for sub in ("new", "cur") if (box / sub).is_dir() for f in (box / sub).iterdir()]


def system_user(room, name, group=None):
    room.run(f"getent group {group or name} >/dev/null || groupadd -r {group or name}; "
             f"getent passwd {name} >/dev/null || useradd -r -M -g {group or name} {name}")


class Postfix(House):
    """The packages' own master.cf, without its chroots (which the package fills when it is installed), and a short main.cf."""

    def __init__(self, room, domain, users=(), networks="127.0.0.1", more="", master="", start=True):
        system_user(room, "postfix")
        system_user(room, "postdrop")
        super().__init__(room, domain, users)
        room.write("/etc/postfix/main.cf", f"""compatibility_level = 3.6
maillog_file = /var/log/postfix.log
myhostname = {self.server}
mydomain = {domain}
myorigin = {domain}
mydestination = {domain}
mynetworks = {networks}
inet_protocols = ipv4
alias_maps =
alias_database =
home_mailbox = Maildir/
smtpd_tls_cert_file = /etc/cert.pem
smtpd_tls_key_file = /etc/key.pem
smtpd_tls_security_level = may
smtp_tls_security_level = may
{more}""")
        room.run("cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf && mkdir -p /var/spool/postfix /var/lib/postfix && "
                 "chown postfix: /var/lib/postfix && chown root:postdrop /usr/sbin/postdrop /usr/sbin/postqueue && "
                 "chmod 2755 /usr/sbin/postdrop /usr/sbin/postqueue")
        if master:
            room.write("/etc/postfix/master.add", master)
            room.run("cat /etc/postfix/master.add >>/etc/postfix/master.cf")
        room.run("postconf -F '*/*/chroot = n' && postconf -M -e postlog/unix-dgram='postlog unix-dgram n - n - 1 postlogd'")
        if start:
            room.run("postfix start")

    def log(self):
        return self.room.run("cat /var/log/postfix.log", status=None)


EXIM = r"""primary_hostname = {server}
domainlist local_domains = {domain}
hostlist relay_from_hosts = {networks}
acl_smtp_rcpt = rcpt
tls_certificate = /etc/cert.pem
tls_privatekey = /etc/key.pem
tls_advertise_hosts = *
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_queue_per_connection = 0
queue_run_max = 5
begin acl
rcpt:
  accept domains = +local_domains
  accept hosts = +relay_from_hosts
  deny message = relay not permitted
begin routers
elsewhere:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote_smtp
  no_more
here:
  driver = accept
  check_local_user
  transport = maildir
begin transports
remote_smtp:
  driver = smtp
  hosts_try_dane =
maildir:
  driver = appendfile
  directory = $home/Maildir
  maildir_format
  return_path_add
begin retry
* * F,1h,1s
"""


class Courier:
    """IMAP and POP3 beside whoever delivers, with the accounts of the machine (authpam); as installed, but for the certificate."""

    def __init__(self, room):
        system_user(room, "courier")
        room.run("ln -s makedat.courier /usr/bin/makedat && ln -s maildirmake.courier /usr/bin/maildirmake && "
                 "install -d -o courier -g courier /run/courier /run/courier/authdaemon && "
                 "cat /etc/key.pem /etc/cert.pem >/etc/courier/imapd.pem && cp /etc/courier/imapd.pem /etc/courier/pop3d.pem")


class Exim(House):
    def __init__(self, room, domain, users=(), networks="127.0.0.1"):
        system_user(room, "Debian-exim")
        super().__init__(room, domain, users)
        room.write("/etc/exim4/exim4.conf", EXIM.format(server=self.server, domain=domain, networks=networks), 0o640)
        room.run("mkdir -p /var/spool/exim4 /var/log/exim4 && chown Debian-exim: /var/spool/exim4 /var/log/exim4 && "
                 "chown root:Debian-exim /etc/exim4/exim4.conf /etc/key.pem && chmod 640 /etc/key.pem && chmod 4755 /usr/sbin/exim4")
        room.run("exim4 -bd -q2s")

    def log(self):
        return self.room.run("cat /var/log/exim4/*log", status=None)


class DovecotLmtp(House):
    """LMTP on port 24, and nothing else."""

    def __init__(self, room, domain, users=()):
        for name in ("dovecot", "dovenull"):
            system_user(room, name)
        super().__init__(room, domain, users)
        room.write("/etc/dovecot/dovecot.conf", """protocols = lmtp
log_path = /var/log/dovecot.log
ssl = no
mail_location = maildir:~/Maildir
auth_username_format = %n
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
service lmtp {
  inet_listener lmtp {
    port = 24
  }
}
""")
        room.run("dovecot >/var/log/dovecot.start 2>&1")  # its children keep what it writes to

    def log(self):
        return self.room.run("cat /var/log/dovecot.*", status=None)


def listens(house, port):
    """Until somebody takes connections there."""
    def there():
        said = house.room.run(f"ss -Hltn sport = :{port}", status=None)
        return said if f":{port}" in said else None
    return until(there, lambda: f"port {port} of {house.server}\n{house.log()[-3000:]}")
