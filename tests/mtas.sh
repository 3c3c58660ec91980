#!/bin/sh
# mtas.sh DIRECTORY postfix|exim|courier|dovecot ... - the packages of each, unpacked below DIRECTORY/NAME with the libraries that only they
# need: they conflict with each other and would serve when installed. What is there is kept, until the list of packages changes.
set -eu
packages_of() {
    case $1 in
    postfix) echo "postfix libdb5.3 libicu72 libnsl2 libtirpc3" ;;
    exim) echo "exim4-daemon-light exim4-base libdb5.3 libidn12 libgnutls-dane0 libgnutls30 libnsl2 libtirpc3 libpcre2-8-0" ;;
    courier) echo "courier-imap courier-pop courier-base courier-authlib courier-authdaemon libcourier-unicode4 libidn12 gamin libgamin0 libglib2.0-0 libltdl7 libgdbm6 libpcre3
        libgnutls30" ;;
    dovecot) echo "dovecot-core dovecot-lmtpd dovecot-imapd dovecot-pop3d libexttextcat-2.0-0 liblua5.4-0 libstemmer0d libunwind8 libsodium23 libtirpc3 libwrap0" ;;
    *) echo "mtas.sh: nobody is called $1" >&2; exit 2 ;;
    esac
}
mkdir -p "$1"
root=$(cd "$1" && pwd)
shift
for name in "$@"; do
    packages=$(packages_of "$name")
    mkdir -p "$root/$name"
    cd "$root/$name"
    [ "$(cat complete 2>/dev/null)" != "$packages" ] || continue
    # shellcheck disable=SC2086
    apt-get download -qq $packages >/dev/null 2>&1 || { apt-get update -qq; apt-get download -qq $packages; } >/dev/null
    for deb in *.deb; do dpkg -x "$deb" .; done
    rm -f ./*.deb
    # /lib and /sbin are links into /usr where these trees are laid
    for d in lib sbin bin; do
        [ ! -d $d ] || { mkdir -p usr/$d && cp -a $d/. usr/$d/ && rm -r $d; }
    done
    mkdir -p usr etc var
    echo "$packages" >complete
done
