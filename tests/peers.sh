#!/bin/sh
# peers.sh DIRECTORY - Dovecot's and Courier's POP3 and IMAP daemons, unpacked below DIRECTORY (the packages conflict with each other and
# would start services when installed). What is already there is kept, until the list of packages changes.
set -eu
packages="dovecot-core dovecot-pop3d dovecot-imapd libexttextcat-2.0-0 liblua5.4-0 libstemmer0d libunwind8 libsodium23 libtirpc3 libwrap0
    courier-pop courier-imap courier-base courier-authlib libcourier-unicode4 libidn12 libgamin0"
mkdir -p "$1"
cd "$1"
[ "$(cat complete 2>/dev/null)" = "$packages" ] && exit 0
# shellcheck disable=SC2086
apt-get download $packages
for deb in *.deb; do dpkg -x "$deb" .; done
rm -f ./*.deb
mv lib/x86_64-linux-gnu/* usr/lib/x86_64-linux-gnu/ 2>/dev/null || true
echo "$packages" >complete
