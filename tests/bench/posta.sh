#!/bin/bash
# posta.sh start|boot|stop|profile - posta as a peer of the mail server benchmark: 1,000 users at bench.test, everything on
# 127.0.0.1 and below one directory. `start` prints the path of a profile (KEY=VALUE lines) for the load driver.
#
# BENCH_PORT_BASE moves the ports (14000); POSTA_BUILD names the build (default build-run, optimised); PEER_BASE the directory; USERS how many;
# CONNECTIONS how many a port of a worker takes (4000).
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
build=${POSTA_BUILD:-$here/build-run}
B=${PEER_BASE:-${TMPDIR:-/tmp}/bench-posta}
USERS=${USERS:-1000}
MUID=${MAIL_UID:-5001}
base=${BENCH_PORT_BASE:-14000}
P25=$((base + 25)) P587=$((base + 587)) P465=$((base + 465)) P143=$((base + 143)) P993=$((base + 993)) P110=$((base + 110)) P995=$((base + 995)) PLMTP=$((base + 24)) SINK=12600

as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=$MUID --regid=$MUID --clear-groups "$@"; else "$@"; fi; }
posta() { as "$build/ctl/posta" -c "$B/posta.conf" "$@"; }

# What leaves goes to the driver's own sinks: d0.relay.test … d9.relay.test.
routes() {
    for ((i = 0; i < 10; i++)); do echo "  route \"d$i.relay.test\" { to = \"127.0.0.1:$((SINK + i))\" tls = \"may\" }"; done
}

make_system() {
    mkdir -p "$B/run"
    [ "$(id -u)" != 0 ] || chown $MUID:$MUID "$B" "$B/run"
    cat >"$B/posta.conf" <<CONF
hostname  = "mx.bench.test"
state_dir = "$B/state"
run_dir   = "$B/run"
tls   { certificate = "$B/cert.pem"   key = "$B/key.pem" }
log   { level = "${LOG_LEVEL:-info}" }
msa   { listen = {"127.0.0.1:$P587"}   listen_tls = {"127.0.0.1:$P465"} }
mta   { listen = {"127.0.0.1:$P25"}   relay_from = {"127.0.0.0/8"}
$(routes) }
mda   { lmtp = {"127.0.0.1:$PLMTP"} }
imapd { listen = {"127.0.0.1:$P143"}   listen_tls = {"127.0.0.1:$P993"} }
pop3d { listen = {"127.0.0.1:$P110"}   listen_tls = {"127.0.0.1:$P995"} }
lab    { clear_auth = true }
dns    { servers = {"127.0.0.1@1"} }
limits { connections = ${CONNECTIONS:-4000}   connections_per_address = 20000   letter_bytes = "50M" ${LIMITS:-} }
CONF
    posta init >/dev/null
    posta domain list | grep -q bench.test && return
    posta domain add bench.test
    for ((i = 0; i < USERS; i++)); do printf 'u%04d@bench.test bench\n' $i; done | posta user add --batch >/dev/null
    for ((i = 0; i < USERS; i++)); do
        printf -v d '%s/state/mail/bench.test/u%04d' "$B" $i
        as mkdir -p -m 700 "$d/cur" "$d/new" "$d/tmp"
    done
}

profile() {
    cat <<CONF
NAME=posta
HOST=127.0.0.1
SMTP_PORT=$P25
SUBMISSION_PORT=$P587
SMTPS_PORT=$P465
IMAP_PORT=$P143
IMAPS_PORT=$P993
POP3_PORT=$P110
POP3S_PORT=$P995
LMTP_PORT=$PLMTP
USERS=$USERS
USER_FMT=u%04d@bench.test
RCPT_FMT=u%04d@bench.test
PASS=bench
MAILDIR_FMT=$B/state/mail/bench.test/u%04d
MAIL_UID=$MUID
MAIL_GID=$MUID
SINK_BASE=$SINK
RELAY_FMT=x@d%d.relay.test
ROOT_PIDS_CMD=cat $B/run/posta.pid
FLUSH_CMD=$build/ctl/posta -c $B/posta.conf queue delete --all --yes; $build/ctl/posta -c $B/posta.conf queue flush
START_CMD=env PEER_BASE=$B POSTA_BUILD=$build $here/tests/bench/posta.sh start
RESTART_CMD=env PEER_BASE=$B POSTA_BUILD=$build $here/tests/bench/posta.sh boot
STOP_CMD=env PEER_BASE=$B POSTA_BUILD=$build $here/tests/bench/posta.sh stop
BINARIES=$build/ctl/posta $build/msa/posta-msa $build/mta/receive/posta-mta-receive $build/mta/queue/posta-mta-queue $build/mta/send/posta-mta-send $build/mda/posta-mda $build/imapd/posta-imapd $build/pop3d/posta-pop3d $build/authd/posta-authd
CONF
}

case ${1:-} in
start | boot)
    [ "$1" = boot ] || make_system
    ulimit -n 65536 2>/dev/null || true
    as setsid "$build/ctl/posta" -c "$B/posta.conf" start </dev/null >/dev/null 2>>"$B/log" &
    posta status --wait 60 >/dev/null
    profile >"$B/profile"
    echo "$B/profile" ;;
stop) posta stop >/dev/null ;;
profile) profile ;;
*) echo "usage: $0 start|boot|stop|profile" >&2; exit 2 ;;
esac
