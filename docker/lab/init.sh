#!/bin/sh
# init.sh - the first service of compose.yaml: setup.sh, and to whom each file belongs. Runs as root, without a network.
set -eu
/lab/bin/setup.sh /lab
chmod 755 /lab/etc/* /lab/zones /lab/public
chmod 644 /lab/etc/*/posta.conf /lab/etc/*/*.pem /lab/etc/*/anchor.key /lab/public/*
# norte's boxes have a user each: those who show the certificate are in the group posta-keys
chown 0:910 /lab/etc/norte/key.pem
chmod 640 /lab/etc/norte/key.pem
chown 900:900 /lab/etc/sur/key.pem /lab/etc/este/key.pem
chmod 600 /lab/etc/sur/key.pem /lab/etc/este/key.pem
