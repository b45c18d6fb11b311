# SPDX-License-Identifier: Apache-2.0
# Puts the helper on this host and starts its service. Started as root by fleetsched as
#   sh -c THIS_FILE fleetsched-install DIGEST SIZE_KIB ARCH UNIT_TEXT MODE < BINARY
# MODE is `replace`, or `keep`: a helper that answers is left as it is, whichever it is.
# Says one word on its first line of output (installed, unchanged, kept, or a code of failure), details after it.
# Nothing is half-written: each file is complete, checked and on the disk before it gets its name.
set -u
umask 022
LC_ALL=C
export LC_ALL

digest=$1 size_kib=$2 arch=$3 unit_text=$4 mode=$5
binary=/usr/libexec/fleetsched-host
unit=/etc/systemd/system/fleetsched-host.service
socket=/run/fleetsched/host.sock

fail() {
	printf '%s\n' "$@"
	exit 1
}

new_binary= new_unit=
trap 'rm -f "$new_binary" "$new_unit"' EXIT
trap 'exit 1' HUP INT TERM

# free DIR KIB: whether the file system of DIR has KIB to spare.
free() {
	[ "$(df -Pk "$1" | awk 'NR == 2 { print $4 }')" -ge "$2" ]
}

# put NEW TARGET: onto the disk, with its labels, under its name.
put() {
	chown 0:0 "$1" && sync "$1" && mv -f "$1" "$2" && sync "${2%/*}" || fail write-failed "$2"
	if command -v restorecon >/dev/null 2>&1; then
		restorecon "$2"
	fi
}

has_digest() {
	[ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$digest" ]
}

answers() {
	[ -S "$socket" ] && systemctl is-active --quiet fleetsched-host.service
}

[ "$(id -u)" = 0 ] || fail not-root "$(id -un)"
[ -d /run/systemd/system ] || fail no-systemd
[ "$(uname -m)" = "$arch" ] || fail wrong-arch "$(uname -m)"

# One after the other: a second one would restart the service that the first one's controller talks to already.
command -v flock >/dev/null 2>&1 || fail no-tool flock
exec 9<"${unit%/*}" && flock -w 120 9 || fail busy
if [ "$mode" = keep ] && [ -x "$binary" ] && answers; then
	cat >/dev/null
	printf 'kept\n'
	exit 0
fi

changed=
if [ ! -x "$binary" ] || ! has_digest "$binary"; then
	mkdir -p /usr/libexec || fail write-failed /usr/libexec
	free /usr/libexec $((size_kib + 1024)) || fail disk-full /usr/libexec
	new_binary=$(mktemp "$binary.XXXXXX") || fail write-failed /usr/libexec
	cat >"$new_binary" || fail disk-full /usr/libexec
	has_digest "$new_binary" || fail damaged
	chmod 0755 "$new_binary"
	put "$new_binary" "$binary"
	changed=yes
else
	cat >/dev/null
fi
if ! printf '%s' "$unit_text" | cmp -s - "$unit"; then
	free /etc 64 || fail disk-full /etc
	new_unit=$(mktemp "$unit.XXXXXX") || fail write-failed /etc/systemd/system
	printf '%s' "$unit_text" >"$new_unit" || fail disk-full /etc
	chmod 0644 "$new_unit"
	put "$new_unit" "$unit"
	changed=yes
fi
if [ -z "$changed" ] && answers && systemctl is-enabled --quiet fleetsched-host.service; then
	printf 'unchanged\n'
	exit 0
fi

mkdir -p /var/lib/fleetsched || fail write-failed /var/lib/fleetsched
free /var/lib/fleetsched 4096 || fail disk-full /var/lib/fleetsched
systemctl daemon-reload || fail not-started daemon-reload
systemctl --quiet enable fleetsched-host.service || fail not-started enable
systemctl --no-block restart fleetsched-host.service || fail not-started restart

# Started without waiting, so that a service that never gets ready is still reported, with its own words.
left=120
while ! answers; do
	left=$((left - 1))
	if [ "$left" = 0 ] || systemctl is-failed --quiet fleetsched-host.service; then
		fail not-started "$(journalctl -u fleetsched-host.service -n 5 --no-pager -o cat 2>&1)"
	fi
	sleep 0.5
done
printf 'installed\n'
