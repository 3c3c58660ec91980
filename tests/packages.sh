#!/bin/sh
# packages.sh run|network|check|containers - installs what building (run), the demo network without Docker (network), testing (check) and testing
# in containers (containers) need, where it is missing. Debian 12.
set -eu
build="gcc libc6-dev meson ninja-build pkg-config libuv1-dev libssl-dev libsqlite3-dev libsasl2-dev libsasl2-modules
 libcrypt-dev libconfuse-dev libunistring-dev libidn2-dev libunbound-dev dns-root-data python3 openssl util-linux"
tests="libcmocka-dev clang clang-format llvm libclang-rt-14-dev ccache python3-pytest strace swaks libnet-ssleay-perl libauthen-sasl-perl curl msmtp fetchmail getmail6 rsync mutt neomutt isync offlineimap3
 libmail-imapclient-perl libio-socket-ssl-perl thunderbird xvfb mailutils procps sqlite3 man-db mandoc iproute2 util-linux acl faketime telnet"
network="ldnsutils iproute2 procps libevent-2.1-7 libfstrm0 libprotobuf-c1 swaks bind9-dnsutils"
case ${1:-run} in
run) want=$build ;;
network) want="$build $network" ;;
containers) # the engine itself is the machine's own affair
    want="debootstrap chromium chromium-driver python3-selenium python3-pytest"
    docker compose version >/dev/null 2>&1 || want="$want docker-compose"
    ;;
check) want="$build $network $tests" ;;
*) echo "usage: packages.sh run|network|check|containers" >&2; exit 2 ;;
esac
missing=
for p in $want; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
done
# What would serve, or conflicts, when installed is only unpacked: see there. What check adds needs root to be run at all.
unpack() {
    [ "${1:-run}" != run ] || return 0
    here=$(dirname "$0")
    "$here/nsd.sh" "$here/../build-check/nsd" >/dev/null
    [ "${1:-run}" != check ] || [ "$(id -u)" -ne 0 ] || "$here/mtas.sh" "$here/../build-check/mtas" postfix exim courier dovecot
}
[ -n "$missing" ] || { unpack "$@"; exit 0; }
echo "installing:$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing and there is no sudo: as root, run: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null
unpack "$@"
