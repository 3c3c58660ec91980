#!/bin/sh
# box.sh DIRECTORY BUILD BOX UID COMMAND... - what a person sees in a box of the demo network: the machine's files, and at the places where its container
# has them the box's own: /etc/posta, /var/lib/posta, /run/posta and the program posta, or the client's /lab and /student. Needs root in the box's network namespace and
# in a mount and UTS namespace of its own (unshare -mu): all that is mounted and written to /etc and /var goes with it. UID 0 keeps the caller's.
set -eu
dir=$1 build=$2 box=$3 uid=$4
shift 4
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
root=/run/root
mkdir -p $root/run
for d in /*; do
    case $d in
    /run | '/*') ;;
    /etc | /var)
        mkdir -p "$root$d" "/run/up$d" "/run/work$d"
        mount -t overlay -o "lowerdir=$d,upperdir=/run/up$d,workdir=/run/work$d" overlay "$root$d"
        ;;
    *) if [ -L "$d" ]; then cp -P "$d" "$root$d"; elif [ -d "$d" ]; then mkdir "$root$d" && mount --rbind "$d" "$root$d"; fi ;;
    esac
done
at() { # FOLDER PATH: the folder is seen there
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
}
at "$dir" "$dir"
resolver=$(sed -n 's/^nameserver //p' /etc/resolv.conf)
rm -f $root/etc/resolv.conf
printf 'nameserver %s\n' "$resolver" >$root/etc/resolv.conf
printf '127.0.0.1 localhost\n::1 localhost\n' >$root/etc/hosts
home=/
case $box in
client)
    hostname client.example
    home=/student
    at "$dir/lab/public" /lab/public
    at "$(dirname "$0")/../../docker/client" /lab/examples
    at "$dir/student" /student
    ;;
dns) hostname dns ;;
*)
    hostname "$box"
    at "$dir/lab/etc/${box%%-*}" /etc/posta
    at "$dir/${box%%-*}/state" /var/lib/posta
    at "$dir/${box%%-*}/run" /run/posta
    at "$build" /run/build # it may lie in a folder that is closed to others
    PATH=/run/build/ctl:$PATH
    ;;
esac
[ "$uid" = 0 ] || set -- setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
HOME=$home exec chroot $root sh -c 'cd "$HOME" && exec "$@"' box "$@"
