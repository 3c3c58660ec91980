#!/bin/sh
# setup.sh DIRECTORY - makes what the demo network needs before its first letter; called again it keeps keys and certificates.
#
#   DIRECTORY/ca/                   the lab's certificate authority; its key leaves this folder for nowhere
#   DIRECTORY/etc/DOMAIN/           for each domain: posta.conf, cert.pem, key.pem, ca.pem, anchor.key
#   DIRECTORY/zones/                the signed zones, from the root down, their keys, nsd.conf
#   DIRECTORY/public/               what clients trust: ca.pem, anchor.key; muttrc.DOMAIN opens the mailbox of the domain's user
#
# Needs openssl, ldns-keygen and ldns-signzone. Besides the variables of hosts.sh: LAB_ETC, LAB_STATE, LAB_RUN are the folders that posta
# will see, with @ for the domain; LAB_PUBLIC is where clients see public/.
set -eu
here=$(dirname "$0")
. "$here/hosts.sh"
: "${LAB_ETC=/etc/posta}" "${LAB_STATE=/var/lib/posta}" "${LAB_RUN=/run/posta}" "${LAB_ZONES=/lab/zones}"
: "${LAB_PUBLIC=/lab/public}" "${LAB_TMP=$LAB_ZONES}" # where the name server may write
dir=$1
mkdir -p "$dir/ca" "$dir/zones" "$dir/public"
chmod 700 "$dir/ca"

# ---- certificates: an authority that may speak for names below .example alone, and one certificate a domain ----
days=3650 month=2592000
if [ ! -s "$dir/ca/ca.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/ca/ca.key" -out "$dir/ca/new.pem" -days $days \
        -subj "/CN=posta lab CA" -addext "nameConstraints=critical,permitted;DNS:example" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
    mv "$dir/ca/new.pem" "$dir/ca/ca.pem"
fi
cp "$dir/ca/ca.pem" "$dir/public/ca.pem"

certificate() { # DOMAIN: the key stays when the certificate is renewed, and with it the TLSA record
    etc=$dir/etc/$1
    [ -s "$etc/key.pem" ] || (umask 077; openssl ecparam -name prime256v1 -genkey -noout -out "$etc/key.new" && mv "$etc/key.new" "$etc/key.pem")
    cp "$dir/ca/ca.pem" "$etc/ca.pem"
    ! openssl x509 -in "$etc/cert.pem" -noout -checkend $month >/dev/null 2>&1 || return 0
    names=DNS:$1.example
    for role in mail mx smtp imap pop3; do names=$names,DNS:$role.$1.example; done
    openssl req -new -key "$etc/key.pem" -subj "/CN=mail.$1.example" -addext "subjectAltName=$names" -addext "extendedKeyUsage=serverAuth" \
        -out "$dir/ca/request" 2>/dev/null
    openssl x509 -req -in "$dir/ca/request" -CA "$dir/ca/ca.pem" -CAkey "$dir/ca/ca.key" -CAcreateserial -days 800 -copy_extensions copy \
        -out "$dir/ca/new.pem" 2>/dev/null
    cat "$dir/ca/new.pem" "$dir/ca/ca.pem" >"$etc/cert.pem"
}

key_hash() { # RFC 6698 2.1: the SHA-256 of the key in the certificate
    openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1
}

for d in $LAB_DOMAINS; do
    mkdir -p "$dir/etc/$d"
    certificate "$d"
done

# ---- names: the root, example, a zone for each domain and the ways back from addresses, each signed with a key of its own ----
serial=$(date +%s)
until=$(date -u -d "@$((serial + 86400 * 365))" +%Y%m%d%H%M%S)

soa() { printf '$TTL 300\n%s 300 IN SOA ns.example. hostmaster.example. %s 3600 600 86400 60\n%s 300 IN NS ns.example.\n' "$1" "$serial" "$1"; }
aaaa() { [ -z "$LAB_NET6" ] || echo "$1 IN AAAA $LAB_NET6::$2"; }

# key ZONE: the name of its key's files, made the first time
key() {
    file=$dir/zones/${1}key
    if [ ! -s "$file" ]; then
        made=$(cd "$dir/zones" && ldns-keygen -a ECDSAP256SHA256 -k "$1")
        echo "$made" >"$file"
    fi
    cat "$file"
}

# sign ZONE: the text on standard input becomes the zone's file
sign() {
    k=$(key "$1")
    cat >"$dir/zones/${1}text"
    (cd "$dir/zones" && ldns-signzone -o "$1" -e "$until" -f "${1}zone" "${1}text" "$k")
}

# below ZONE...: what a parent says of them
below() {
    for zone in "$@"; do
        echo "$zone 300 IN NS ns.example."
        k=$(key "$zone")
        cat "$dir/zones/$k.ds"
    done
}

# nibbles PREFIX: the digits of an IPv6 address's start, backwards: fd70:6f73:7461:25 -> 5.2.0.0.1.6.4.7 …
nibbles() {
    echo "$1" | tr : '\n' | while read -r group; do printf '%04x' "0x$group"; done | sed 's/./&\n/g' | sed -n '1!G;h;$p' | paste -sd. | sed 's/^\.*//;s/\.\.*/./g'
}

reverse4=$(echo "$LAB_NET4" | awk -F. '{ print $3 "." $2 "." $1 ".in-addr.arpa." }')
reverse6=
[ -z "$LAB_NET6" ] || reverse6=$(nibbles "$LAB_NET6").ip6.arpa.
zones="norte.example. sur.example. este.example."

for d in $LAB_DOMAINS; do
    {
        soa "$d.example."
        echo "$d.example. IN MX 10 mx.$d.example."
        echo "$d.example. IN TXT \"v=spf1 a:mail.$d.example -all\""
        for role in mail mx smtp imap pop3; do
            n=$(host "$d" "$role")
            echo "$role.$d.example. IN A $LAB_NET4.$n"
            aaaa "$role.$d.example." "$n"
        done
        echo "_25._tcp.mx.$d.example. IN TLSA 3 1 1 $(key_hash "$dir/etc/$d/cert.pem")"
    } | sign "$d.example."
done
{
    soa example.
    echo "ns.example. IN A $LAB_NET4.$(host dns)"
    aaaa ns.example. "$(host dns)"
    echo "client.example. IN A $LAB_NET4.$(host client)"
    aaaa client.example. "$(host client)"
    # two domains that are names and nothing else: one with two servers, of which neither exists, and one that takes no mail (RFC 7505)
    printf 'isla.example. IN MX %s\n' '10 mx.isla.example.' '20 backup.isla.example.'
    echo "mx.isla.example. IN A $LAB_NET4.41"
    echo "backup.isla.example. IN A $LAB_NET4.42"
    echo 'oeste.example. IN MX 0 .'
    # shellcheck disable=SC2086
    below $zones
} | sign example.
{
    soa "$reverse4"
    echo "$(host dns).$reverse4 IN PTR ns.example."
    echo "$(host client).$reverse4 IN PTR client.example."
    for d in $LAB_DOMAINS; do
        for role in smtp mx imap pop3 mail; do echo "$(host "$d" $role).$reverse4 IN PTR $role.$d.example."; done
    done | awk '{ last[$1] = $0 } END { for (a in last) print last[a] }' # one name an address: mail where there is one for all
} | sign "$reverse4"
[ -z "$reverse6" ] || {
    soa "$reverse6"
    for d in dns client $LAB_DOMAINS; do
        for role in smtp mx imap pop3 mail; do
            n=$(host "$d" $role)
            name=$role.$d.example.
            case $d in dns) name=ns.example. ;; client) name=client.example. ;; esac
            # the interface's half of the address: its last digits are read as hexadecimal
            echo "$(printf '%04x' "0x$n" | sed 's/./&\n/g' | sed -n '1!G;h;$p' | paste -sd. | sed 's/^\.*//').0.0.0.0.0.0.0.0.0.0.0.0.$reverse6 IN PTR $name"
        done
    done | awk '{ last[$1] = $0 } END { for (a in last) print last[a] }'
} | sign "$reverse6"
{
    soa .
    # shellcheck disable=SC2086
    below example. $reverse4 $reverse6
    echo "ns.example. 300 IN A $LAB_NET4.$(host dns)"
} | sign .
cp "$dir/zones/$(key .).key" "$dir/public/anchor.key"

{
    printf 'server:\n  username: ""\n  zonesdir: "%s"\n  database: ""\n  pidfile: ""\n  xfrdfile: ""\n  zonelistfile: "%s/zone.list"\n  xfrdir: "%s"\n' \
        "$LAB_ZONES" "$LAB_TMP" "$LAB_TMP"
    printf '  server-count: 1\n  xfrd-tcp-max: 1\n  xfrd-tcp-pipeline: 1\n  tcp-count: 50\n  rrl-size: 100\n  rrl-ratelimit: 0\n  hide-version: yes\n  port: %s\n' $((LAB_PORTS + 53))
    [ "$LAB_ANY" = yes ] || printf '  ip-address: %s.%s\n' "$LAB_NET4" "$(host dns)"
    printf 'remote-control:\n  control-enable: no\n'
    for zone in . example. $zones $reverse4 $reverse6; do printf 'zone:\n  name: "%s"\n  zonefile: "%szone"\n' "$zone" "$zone"; done
} >"$dir/zones/nsd.conf"

# ---- posta.conf ----
at() { # DOMAIN ROLE PORT
    if [ "$LAB_ANY" = yes ]; then echo "{\"*:$((LAB_PORTS + $3))\"}"; else echo "{\"$LAB_NET4.$(host "$1" "$2"):$((LAB_PORTS + $3))\"}"; fi
}
for d in $LAB_DOMAINS; do
    etc=$(echo "$LAB_ETC" | sed "s/@/$d/g") clear=
    [ "$d" != norte ] || clear='   clear_auth = true' # so that a login can be typed into telnet and seen on the wire; the others show how it should be
    cp "$dir/public/anchor.key" "$dir/etc/$d/anchor.key"
    cat >"$dir/etc/$d/posta.conf" <<CONF
# $d.example of the demo network: see docker/README.md. Written by docker/lab/setup.sh at each start.
hostname  = "mail.$d.example"
state_dir = "$(echo "$LAB_STATE" | sed "s/@/$d/g")"
run_dir   = "$(echo "$LAB_RUN" | sed "s/@/$d/g")"
workers   = 1
tls   { certificate = "$etc/cert.pem"   key = "$etc/key.pem"   authorities = "$etc/ca.pem" }
msa   { listen = $(at "$d" smtp 587)   listen_tls = $(at "$d" smtp 465) }
mta   { listen = $(at "$d" mx 25)   port = $((LAB_PORTS + 25))   names = "all" }
imapd { listen = $(at "$d" imap 143)   listen_tls = $(at "$d" imap 993) }
pop3d { listen = $(at "$d" pop3 110)   listen_tls = $(at "$d" pop3 995) }
# the lab's own Internet: its name server, and the key of its root
dns   { servers = {"$LAB_NET4.$(host dns)@$((LAB_PORTS + 53))"}   trust_anchor = "$etc/anchor.key" }
# a class does not wait five minutes for the second attempt
limits { retry_first_seconds = 2s   retry_max_seconds = 15s   send_connect_seconds = 5s }
lab   { loopback_mx = $([ "$LAB_ANY" = yes ] && echo false || echo true)$clear }
CONF
done

# ---- mutt: `mutt -F public/muttrc.norte` is alice's ----
for d in $LAB_DOMAINS; do
    login=$(user "$d")
    name=${login%%:*}@$d.example
    cat >"$dir/public/muttrc.$d" <<MUTT
set ssl_force_tls=yes ssl_ca_certificates_file="$LAB_PUBLIC/ca.pem" certificate_file="" tmpdir=/tmp
set imap_user="$name" imap_pass="${login#*:}" smtp_pass="${login#*:}" from="$name" use_from=yes realname="" hostname="client.example"
set folder="imaps://imap.$d.example:$((LAB_PORTS + 993))/" spoolfile="imaps://imap.$d.example:$((LAB_PORTS + 993))/INBOX" record="=Sent" postponed="=Drafts"
set smtp_url="smtps://$name@smtp.$d.example:$((LAB_PORTS + 465))" header_cache="" abort_nosubject=no confirmappend=no
MUTT
done
