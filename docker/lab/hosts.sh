# hosts.sh - who stands where in the demo network; read by the other scripts here (and kept equal to compose.yaml by a test).
#
#   LAB_NET4    the first three octets of the network        LAB_NET6    the first 64 bits, "" for none
#   LAB_PORTS   added to each port: 0, or 2000 where ports below 1024 are not to be had
#   LAB_ANY     "yes": each box has an address of its own and listens on all that it has; "no": on its address alone
: "${LAB_NET4=172.30.25}" "${LAB_NET6=fd70:6f73:7461:25}" "${LAB_PORTS=0}" "${LAB_ANY=yes}"
LAB_DOMAINS="norte sur este"

# host DOMAIN ROLE: the last number of its address. norte has a box for each role; sur and este have one for all.
host() {
    case $1-${2-} in
    dns-*) echo 2 ;;
    client-*) echo 5 ;;
    norte-smtp) echo 11 ;; # posta-msa
    norte-mx) echo 12 ;;   # posta-mta-receive
    norte-mail) echo 13 ;; # posta-mta-send: the address that letters come from has the name that is said in EHLO
    norte-imap) echo 14 ;;
    norte-pop3) echo 15 ;;
    sur-*) echo 21 ;;
    este-*) echo 31 ;;
    *) echo "no such host: $1 $2" >&2; return 1 ;;
    esac
}

# user DOMAIN: its first user and the password that is in every textbook
user() {
    case $1 in
    norte) echo alice:wonderland ;;
    sur) echo bob:builder ;;
    este) echo carol:singer ;;
    esac
}
