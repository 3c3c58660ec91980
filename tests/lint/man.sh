#!/usr/bin/env bash
# man.sh - the manual pages are clean roff, tell of every command, and the systemd units are understood.
cd "$(dirname "$0")/../.." || exit 1
bad=0
for page in docs/*.[1-8]; do
    words=$(man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null) || bad=1
    [ -z "$words" ] || { echo "$page: $words"; bad=1; }
done
# The table of commands is in ctl/main.c: {"queue list", …
while read -r words; do
    grep -Fq "posta $words" docs/posta.1 || { echo "docs/posta.1 does not tell of: posta $words"; bad=1; }
done < <(sed -n 's/^    {"\([a-z ]*\)", ".*/\1/p' ctl/main.c)
if command -v systemd-analyze >/dev/null; then
    dir=$(mktemp -d)
    for unit in config/systemd/*; do
        sed 's,/usr/bin/posta,/bin/true,; s,/usr/libexec/posta/[a-z0-9-]*,/bin/true,; /^Documentation=/d' "$unit" >"$dir/${unit##*/}"
    done
    words=$(systemd-analyze verify "$dir"/* 2>&1 | grep -F "$dir")
    [ -z "$words" ] || { echo "$words"; bad=1; }
    rm -r "$dir"
    # Each process has its unit, and none is let loose on the machine (0 is the tightest, 100 no walls at all).
    while read -r program; do
        unit=config/systemd/$program.service
        [ -f "$unit" ] || { echo "$unit is missing"; bad=1; continue; }
        words=$(systemd-analyze security --offline=true --threshold=20 --no-pager "$unit" 2>&1) || { tail -1 <<<"$words"; bad=1; }
    done < <(sed -n 's/^    {\.name = "\(posta-[a-z-]*\)",$/\1/p' ctl/services.c)
    words=$(systemd-analyze security --offline=true --threshold=45 --no-pager config/systemd/posta.service 2>&1) || { tail -1 <<<"$words"; bad=1; }
fi
exit $bad
