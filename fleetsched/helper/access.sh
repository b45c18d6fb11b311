# SPDX-License-Identifier: Apache-2.0
# Gives the fleet's SSH key its way to the helper of this host, or takes all of that away. Started as root by
# fleetsched as
#   sh -c THIS_FILE fleetsched-access MODE USER KEYS SIGNERS GROUP OWNER
# MODE: look (say what `make` would do), make, try (go the way; the greeting is on standard input),
# look-remove (say what `remove` would do), remove; claim (before a change) and release (after it): no other OWNER claims
# the host in between. KEYS: public keys, one a line. SIGNERS, GROUP: texts of two files.
# Each line of output is a word, a tab, and what it is about. A refusal is the last one: refused, its code, details.
# What is made is written down in the manifest beforehand, so that `remove` also undoes what was interrupted.
set -u
umask 022
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
cd /

mode=$1 user=$2 keys=$3 signers=$4 group=$5 owner=$6
etc=/etc/fleetsched
manifest=$etc/bootstrap
home=$etc/home
binary=/usr/libexec/fleetsched-host
service=fleetsched-host.service
unit=/etc/systemd/system/$service
state=/var/lib/fleetsched
claim=/run/fleetsched-bootstrap
claim_s=600 # longer than a whole bootstrap of one host takes; then a controller that went away no longer counts

say() {
	printf '%s\t%s\n' "$1" "$2"
}

fail() {
	printf 'refused\t%s\t%s\n' "$1" "${2-}"
	exit 1
}

new=
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM

exists() {
	[ -e "$1" ] || [ -L "$1" ]
}

# roots PATH: root's, and writable for nobody else.
roots() {
	case $(stat -c '%u %A' "$1") in
	'0 '?????-??-?) ;;
	*) return 1 ;;
	esac
}

# ours THING: whether an earlier run has made it.
ours() {
	[ -f "$manifest" ] && grep -qxF -- "$1" "$manifest"
}

record() {
	ours "$1" || { printf '%s\n' "$1" >>"$manifest" && sync "$manifest"; } || fail write-failed "$manifest"
}

label() {
	if command -v restorecon >/dev/null 2>&1; then
		restorecon "$1"
	fi
}

# folder PATH. The manifest lies in the first one, so that a folder is written down after it is made: interrupted in
# between, an empty folder stays.
folder() {
	if exists "$1"; then
		[ -d "$1" ] && [ ! -L "$1" ] && roots "$1" || fail in-the-way "$1"
		return
	fi
	say make "folder $1"
	[ "$mode" = make ] || return 0
	mkdir -m 0755 "$1" || fail write-failed "$1"
	record "folder $1"
	label "$1"
}

# file PATH MODE TEXT: with exactly this text.
file() {
	if exists "$1"; then
		if [ ! -L "$1" ] && printf '%s\n' "$3" | cmp -s - "$1" && [ "$(stat -c '%u:%g %a' "$1")" = "0:0 $2" ]; then
			return
		fi
		ours "file $1" || fail in-the-way "$1"
		say change "file $1"
	else
		say make "file $1"
	fi
	[ "$mode" = make ] || return 0
	record "file $1"
	# The point in its name keeps sudo from reading it.
	new=$(mktemp "${1%/*}/.${1##*/}.XXXXXX") && printf '%s\n' "$3" >"$new" && chmod "$2" "$new" || fail write-failed "$1"
	case $1 in
	/etc/sudoers.d/*) visudo -cqf "$new" || fail sudoers-refused "$1" ;;
	esac
	chown 0:0 "$new" && sync "$new" && mv -f "$new" "$1" && sync "${1%/*}" || fail write-failed "$1"
	label "$1"
}

# What the installer will make, if it makes it: the binary, its service and its state.
helper() {
	folder /usr/libexec
	if exists "$binary" && ! exists "$unit" && ! ours "file $binary"; then
		fail in-the-way "$binary"
	fi
	coming "tree $state" "$state"
	coming "file $binary" "$binary"
	coming "service $service" "$unit"
	if ! exists "$binary" || ! exists "$unit" || { ours "service $service" && ! systemctl -q is-enabled $service; }; then
		say helper missing
	fi
}

coming() {
	if ! exists "$2"; then
		say make "$1"
		[ "$mode" != make ] || record "$1"
	fi
}

# A password that nobody has. It is no `!`, with which sshd takes the account for locked where it does without PAM.
account() {
	other=$([ ! -f "$manifest" ] || sed -n 's/^user //p' "$manifest")
	[ "${other:-$user}" = "$user" ] || fail other-user "$other"
	if id -u "$user" >/dev/null 2>&1; then
		ours "user $user" || fail user-exists "$user"
		return
	fi
	if getent group "$user" >/dev/null; then
		fail group-exists "$user"
	fi
	say make "user $user"
	[ "$mode" = make ] || return 0
	record "user $user"
	useradd --system --user-group --no-create-home --home-dir "$home" --shell /bin/sh --password '*' "$user" ||
		fail write-failed /etc/passwd
}

# setting NAME: what sshd says about logins of this user; empty when it says nothing.
setting() {
	printf '%s\n' "$sshd_says" | awk -v name="$1" '$1 == name { for (i = 2; i <= NF; i++) printf "%s%s", s++ ? " " : "", $i }'
}

# Where sshd looks for keys first. sshd insists that all on the way there is root's or the user's; it is root's.
find_keys_file() {
	first=$(setting authorizedkeysfile)
	first=${first%% *}
	[ "$first" != none ] || fail sshd-forbids 'AuthorizedKeysFile none'
	keys_file=$(printf '%s\n' "${first:-.ssh/authorized_keys}" | sed "s|%h|$home|g; s|%u|$user|g")
	case $keys_file in
	*%*) fail sshd-forbids "AuthorizedKeysFile $first" ;;
	/*) ;;
	*) keys_file=$home/$keys_file ;;
	esac
}

ask_sshd() {
	sshd_says=$(sshd -T -C "user=$user,host=localhost,addr=127.0.0.1" 2>/dev/null)
	[ "$(setting pubkeyauthentication)" != no ] || fail sshd-forbids 'PubkeyAuthentication no'
	case $(setting forcecommand) in
	'' | none) ;;
	*) fail sshd-forbids ForceCommand ;;
	esac
	for name in allowusers allowgroups denyusers denygroups; do
		value=$(setting $name)
		[ -z "$value" ] || say note "sshd limits who may log in ($name $value): does it let $user?"
	done
	find_keys_file
}

key_lines() {
	# shellcheck disable=SC2016 # the quoted word is no command of this shell
	printf '# Written by `fleetsched bootstrap`. It is root'\''s, so that %s cannot add keys.\n' "$user"
	printf '%s\n' "$keys" | while IFS= read -r key; do
		printf 'restrict,command="%s -n %s rpc" %s\n' "$sudo" "$binary" "$key"
	done
}

# The order counts: it is undone backwards, the keys first. The first folder has the manifest.
make() {
	for tool in useradd userdel runuser; do
		command -v $tool >/dev/null 2>&1 || fail no-tool $tool
	done
	command -v sshd >/dev/null 2>&1 || fail no-sshd
	command -v visudo >/dev/null 2>&1 && [ -n "$sudo" ] && [ -d /etc/sudoers.d ] || fail no-sudo
	[ -z "$signers" ] || command -v ssh-keygen >/dev/null 2>&1 || fail no-tool ssh-keygen
	ask_sshd
	folder $etc
	helper
	folder $etc/checks.d
	[ -z "$group" ] || file $etc/group 644 "$group"
	[ -z "$signers" ] || file $etc/allowed_signers 644 "$signers"
	folder $home
	account
	# shellcheck disable=SC2016
	file "/etc/sudoers.d/$user" 440 "# Written by \`fleetsched bootstrap\`: all that $user may do as somebody else.
$user ALL=(root) NOPASSWD: $binary rpc"
	folder "${keys_file%/*}"
	file "$keys_file" 644 "$(key_lines)"
}

# Ends all that the account has running, so that it can go; its number is nobody else's.
leave() {
	uid=$(id -u "$1" 2>/dev/null) || return 0
	systemctl stop "user-$uid.slice" 2>/dev/null
	for process in $(stat -c '%u %n' /proc/[0-9]* 2>/dev/null | sed -n "s|^$uid /proc/||p"); do
		kill -KILL "$process" 2>/dev/null
	done
	left=50
	until userdel "$1" 2>/dev/null; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || fail write-failed "/etc/passwd ($1)"
		sleep 0.1
	done
	if getent group "$1" >/dev/null; then
		groupdel "$1"
	fi
}

# undo KIND NAME: a line of the manifest.
undo() {
	case $1 in
	user) id -u "$2" >/dev/null 2>&1 || return 0 ;;
	service) exists "$unit" || return 0 ;;
	*) exists "$2" || return 0 ;;
	esac
	say remove "$1 $2"
	[ "$mode" = remove ] || return 0
	case $1 in
	user) leave "$2" ;;
	service)
		systemctl -q disable --no-reload --now "$2" 2>/dev/null
		rm -f "$unit" || fail write-failed "$unit"
		systemctl daemon-reload
		;;
	tree) rm -rf "$2" || fail write-failed "$2" ;;
	file)
		rm -f "$2" || fail write-failed "$2"
		[ "$2" != $binary ] || rm -f $binary.* # an upgrade keeps the helper that it replaced beside it
		;;
	folder)
		if ! rmdir "$2" 2>/dev/null; then
			say left "$2: $(ls -A "$2" | tr '\n' ' ')"
		fi
		;;
	esac
}

remove() {
	exists "$manifest" || return 0
	roots "$manifest" || fail in-the-way "$manifest"
	grep -vxF "folder $etc" "$manifest" | tac | while read -r kind name; do
		undo "$kind" "$name"
	done || exit 1
	made_etc=no
	if ours "folder $etc"; then
		made_etc=yes
	fi
	undo file $manifest
	[ $made_etc = no ] || undo folder $etc
}

# Runs a function while no other script of ours does. The folder is locked, so that the file itself can go.
alone() {
	command -v flock >/dev/null 2>&1 || fail no-tool flock
	exec 9</run && flock -w 30 9 || fail write-failed /run
	"$@"
	exec 9<&-
}

# A claim's file has two lines: the second of uptime at which it ends, and whose it is.
take_claim() {
	read -r now _ </proc/uptime
	until=0 other=
	if [ -f $claim ]; then
		{ read -r until; IFS= read -r other; } <$claim
	fi
	[ "${until:-0}" -le "${now%.*}" ] || [ "$other" = "$owner" ] || fail busy "$other"
	printf '%s\n%s\n' $((${now%.*} + claim_s)) "$owner" >$claim || fail write-failed $claim
}

drop_claim() {
	if [ "$(sed -n 2p $claim 2>/dev/null)" = "$owner" ]; then
		rm -f $claim
	fi
}

[ "$(id -u)" = 0 ] || fail not-root "$(id -un)"
[ -d /run/systemd/system ] || fail no-systemd
sudo=$(command -v sudo)
[ "$mode" != try ] || exec runuser -u "$user" -- "$sudo" -n $binary rpc
say arch "$(uname -m)"
case $mode in
claim) alone take_claim ;;
release) alone drop_claim ;;
look | make) make ;;
look-remove | remove) remove ;;
esac
