#!/bin/sh
# nsd.sh DIRECTORY - the name server nsd, unpacked below DIRECTORY: installed as a package it would begin to serve on port 53. Prints
# the path of the program. What is already there is kept; one that is installed is taken as it is.
set -eu
for installed in /usr/sbin/nsd /usr/local/sbin/nsd; do
    [ ! -x $installed ] || { echo $installed; exit 0; }
done
mkdir -p "$1"
cd "$1"
if [ ! -f complete ]; then
    apt-get download -qq nsd >/dev/null 2>&1 || { apt-get update -qq; apt-get download -qq nsd; } >/dev/null
    for deb in *.deb; do dpkg -x "$deb" .; done
    rm -f ./*.deb
    touch complete
fi
echo "$PWD/usr/sbin/nsd"
