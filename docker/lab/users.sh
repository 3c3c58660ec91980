#!/bin/sh
# users.sh DOMAIN NAME:PASSWORD... - posta init, the domain DOMAIN.example and its users, where they are not there yet. POSTA is the program with
# its configuration ("posta -c FILE"), else posta.
set -eu
posta=${POSTA:-posta}
domain=$1.example
shift
$posta init
$posta domain list | grep -qw "$domain" || $posta domain add "$domain"
for user in "$@"; do
    $posta user list | grep -q "${user%%:*}@$domain" || printf '%s\n' "${user#*:}" | $posta user add "${user%%:*}@$domain" --password-stdin
done
$posta alias list | grep -q "postmaster@$domain" || $posta alias add "postmaster@$domain" "${1%%:*}@$domain"
