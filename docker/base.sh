#!/bin/sh
# base.sh IMAGE - makes the base of posta's images where no registry is reached: a Debian 12 of debootstrap's, from the mirror that this
# machine's apt uses, imported as IMAGE. What builds on it asks the same mirror. Needs root (or sudo), debootstrap and an engine.
#
#   docker/base.sh posta-base && docker build --build-arg BASE=posta-base --target posta -t posta -f docker/Dockerfile .
#   docker/base.sh posta-base && BASE=posta-base docker compose -f docker/compose.yaml up -d
set -eu
image=${1:?base.sh IMAGE}
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' | head -n 1; }
[ -n "$(mirror)" ] || $as_root apt-get update -qq
tree=$(mktemp -d)
trap '$as_root rm -rf "$tree"' EXIT
trap 'exit 1' INT TERM
# without what nobody reads in a container, as Debian's own slim images
$as_root debootstrap --variant=minbase bookworm "$tree/base" "$(mirror)" >"$tree/log" 2>&1 || { tail -n 20 "$tree/log" >&2; exit 1; }
printf 'path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\npath-exclude /usr/share/info/*\n' |
    $as_root tee "$tree/base/etc/dpkg/dpkg.cfg.d/slim" >/dev/null
$as_root rm -rf "$tree/base/usr/share/doc" "$tree/base/usr/share/man" "$tree/base/usr/share/locale" "$tree/base/usr/share/info" \
    "$tree"/base/var/cache/apt/* "$tree"/base/var/lib/apt/lists/* "$tree"/base/var/log/*
# apt inside asks whom apt here asks for Debian
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | sort -u |
    $as_root tee "$tree/base/etc/apt/sources.list" >/dev/null
apt-config dump --format '%f "%v";%n' Acquire::http Acquire::https Acquire::Check-Valid-Until Acquire::Check-Date |
    $as_root tee "$tree/base/etc/apt/apt.conf.d/90mirror" >/dev/null
$as_root tar -C "$tree/base" --one-file-system -c . | docker import - "$image" >/dev/null
docker image inspect -f '{{.Size}}' "$image" | awk -v i="$image" '{ printf "%s: %.0f MB\n", i, $1 / 1e6 }'
