#!/bin/sh
# users.sh DOMAIN - posta init, the domain DOMAIN.example and its users, where they are not there yet. POSTA is the program with its configuration
# ("posta -c FILE"), else posta. Besides the user of hosts.sh come the lab book's, all with the password sesame: a mailbox for each page that
# shows one.
set -eu
. "$(dirname "$0")/hosts.sh"
posta=${POSTA:-posta}
domain=$1.example
set -- "$(user "$1")"
$posta init
$posta domain list | grep -qw "$domain" || $posta domain add "$domain"
$posta alias list | grep -q "postmaster@$domain" || master=${1%%:*}@$domain
case $domain in
norte.example) set -- "$@" gina:sesame katia:sesame ;;
sur.example) set -- "$@" blanca:sesame carlos:sesame elena:sesame fede:sesame hugo:sesame ines:sesame juan:sesame luis:sesame marta:sesame ;;
esac
there=$($posta user list)
for user in "$@"; do
    echo "$there" | grep -q "^${user%%:*}@$domain" || echo "${user%%:*}@$domain ${user#*:}"
done | $posta user add --batch
[ -z "${master-}" ] || $posta alias add "postmaster@$domain" "$master"
