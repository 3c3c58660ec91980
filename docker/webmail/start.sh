#!/bin/sh
# start.sh - the webmail's first start makes its database and the key that its sessions are kept with; then the web server.
set -eu
umask 077
cd /var/lib/webmail
[ -s key ] || { head -c 18 /dev/urandom | base64 >key.new && mv key.new key; } # 24 letters
if [ ! -s roundcube.db ]; then
    rm -f new.db
    php -r '$d = new PDO("sqlite:new.db"); $d->exec(file_get_contents("/usr/share/roundcube/SQL/sqlite.initial.sql"));'
    mv new.db roundcube.db
fi
mkdir -p /tmp/roundcube
exec lighttpd -D -f /etc/webmail/lighttpd.conf
