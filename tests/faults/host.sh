# SPDX-License-Identifier: Apache-2.0
# What the table's scripts can say; put in front of each, after FAIR, TRIAL, STALL, ...: assignments in JSON.
helper=/usr/libexec/fleetsched-host
unit=fleetsched-host.service
group=/sys/fs/cgroup/system.slice/$unit
folder=/var/lib/fleetsched
scx=/sys/kernel/sched_ext

# fault: from here on time is counted. Milliseconds of CLOCK_BOOTTIME.
fault() {
	read -r up _ </proc/uptime
	echo "fault ${up%.*}${up#*.}0"
}

# quietly COMMAND...: in the background, with nothing open that the guest agent would wait for. By `exec`, because of what
# it redirects otherwise the shell keeps a copy.
quietly() { (exec </dev/null >/dev/null 2>&1 && "$@") & }

# ask JSON...: requests to the helper; its answers are the row's.
ask() { printf '%s\n' "$@" | timeout 120 $helper rpc; }
status() { ask '{"id":1,"verb":"status"}'; }

try_request() {
	printf '{"id":1,"verb":"try","assignment":%s,"deadline_ms":%s,"run":"run-2","revision":"abd"%s}' "$1" "$2" "${3-}"
}
# try ASSIGNMENT DEADLINE_MS [MORE_JSON]
try() { ask "$(try_request "$@")"; }

trial_id() { status | sed -n 's/.*"trial":{"id":"\([^"]*\)".*/\1/p'; }
confirm() { ask "{\"id\":1,\"verb\":\"confirm\",\"trial\":\"$(trial_id)\"}"; }
revert_request() { printf '{"id":1,"verb":"revert","trial":"%s","why":"by hand"}' "$(trial_id)"; }
bake() { ask "{\"id\":1,\"verb\":\"watch\",\"interval_ms\":60000,\"for_ms\":$1,\"pressure\":false,\"checks\":[]}" >/dev/null; }

# pids: of the helper, which has a cgroup of its own beside those of programs.
pids() { cat $group/helper/cgroup.procs; }
signal() { kill -"$1" $(pids); }

# until_state WORD: wait for the kernel's state, without starting a process.
until_state() {
	until read -r state <$scx/state && [ "$state" = "$1" ]; do :; done
}

# until_active: the service listens.
until_active() {
	until systemctl is-active --quiet $unit && [ -S /run/fleetsched/host.sock ]; do sleep 0.1; done
}

# fill_disk: to the last block, without writing them all.
fill_disk() {
	mkdir /var/lib/filler
	for size in 1G 100M 10M 1M 64K 4K; do
		while fallocate -l "$size" "$(mktemp /var/lib/filler/XXXXXXXX)" 2>/dev/null; do :; done
	done
	sync
}

# attach_foreign: a scheduler that the helper knows nothing of.
attach_foreign() { mkdir -p /sys/fs/bpf/foreign && bpftool struct_ops register /root/foreign.o /sys/fs/bpf/foreign >/dev/null; }

# good_object: the file of the last known good's object.
good_object() { echo $folder/objects/$FAIR_DIGEST; }

# half_an_object: announces an object of 100,000 bytes, sends a third of it, and waits.
half_an_object() {
	{
		printf '{"id":1,"verb":"stage","digest":"%064d","size":100000}\n' 7
		printf '\000\000\200\000'
		head -c 32768 /dev/zero
		sleep 600
	} | $helper rpc
}

# until_connected N: the helper has at least N connections.
until_connected() {
	until [ "$(awk '$6 == "03" && $8 ~ /host.sock$/' /proc/net/unix | wc -l)" -ge "$1" ]; do sleep 0.1; done
}

# wait_state WORD: as until_state, for a wait of seconds.
wait_state() {
	until read -r state <$scx/state && [ "$state" = "$1" ]; do sleep 0.1; done
}

# until_event NAME: the history on disk has it, since this script began.
events_before=$(cat $folder/history.jsonl 2>/dev/null | wc -l)
until_event() {
	until tail -n +$((events_before + 1)) $folder/history.jsonl | grep -q "\"event\":\"$1\""; do :; done
}

freeze() { echo 1 >$group/cgroup.freeze; }
thaw() { echo 0 >$group/cgroup.freeze; }
cpu1() { echo "$1" >/sys/devices/system/cpu/cpu1/online; }
free_disk() { rm -r /var/lib/filler; }

# edit_state SED: change the record behind the helper's back, on the disk.
edit_state() { sed -i "$1" $folder/state.json; sync; }

flip_bit() { printf '\377' | dd of="$1" bs=1 seek=700 conv=notrunc 2>/dev/null; sync; }
digest_of() { sha256sum <"$1" | cut -d' ' -f1; }

# send FILE DIGEST [VERB [MORE_JSON]]: stage a file of less than 64 KiB, or whatever else the verb does with it.
send() {
	size=$(stat -c %s "$1")
	{
		printf '{"id":1,"verb":"%s","digest":"%s","size":%d%s}\n' "${3-stage}" "$2" "$size" "${4-}"
		printf "\\000\\000\\$(printf %03o $((size / 256)))\\$(printf %03o $((size % 256)))"
		cat "$1"
	} | timeout 60 $helper rpc
}

# fork_bomb NAME SECONDS: up to 250 processes that do nothing but fork.
fork_bomb() {
	systemd-run --quiet --collect --unit "bomb-$1" -p TasksMax=250 -p RuntimeMaxSec="$2" perl -e 'while (1) { fork }'
}

# hog CPU SECONDS: nothing but a real-time task of a higher priority runs there meanwhile.
hog() {
	quietly taskset -c "$1" chrt -f 50 perl -e 'alarm shift; 1 while 1' "$2"
}

# eat_memory: until the kernel kills who does. In a unit of its own: systemd stops the unit that it happens in.
eat_memory() {
	systemd-run --quiet --wait --collect perl -e 'my @x; push @x, "x" x 4_000_000 while 1' || true
}

link_id() { bpftool link list | sed -n 's/^\([0-9]*\): struct_ops.*/\1/p'; }

# half_a_line: and never the other half.
half_a_line() { { printf '{"id":1,"ver'; sleep 600; } | $helper rpc; }

# connections N SECONDS: open them all and hold them.
connections() (
	ulimit -n 2000
	perl -MSocket -e '
		my ($n, $seconds) = @ARGV; my @held;
		for (1 .. $n) {
			socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
			connect($s, sockaddr_un("/run/fleetsched/host.sock")) or die "connect: $!"; push @held, $s;
		}
		sleep $seconds' "$1" "$2"
)

# want_signatures: from now on this host, of the group web, takes only what /root/signer has signed.
want_signatures() {
	umask 022
	mkdir -p /etc/fleetsched
	for key in signer stranger; do ssh-keygen -q -t ed25519 -N '' -C "$key" -f "/root/$key"; done
	printf 'signer namespaces="fleetsched-assignment" %s\n' "$(cat /root/signer.pub)" >/etc/fleetsched/allowed_signers
	echo web >/etc/fleetsched/group
}

# statement GROUP SERIAL NOT_AFTER: about the assignment of the trial; NOT_AFTER is what `date` understands.
statement() {
	printf '{"assignment":%s,"group":"%s","notAfter":"%s","revision":"abd","serial":%s}' \
		"$TRIAL" "$1" "$(date -u -d "$3" +%Y-%m-%dT%H:%M:%SZ)" "$2"
}

# try_signed KEY STATEMENT [STATEMENT_SENT]
try_signed() {
	printf %s "$2" >/root/statement
	rm -f /root/statement.sig
	ssh-keygen -q -Y sign -f "/root/$1" -n fleetsched-assignment /root/statement 2>/dev/null
	signature=$(awk '{ printf "%s\\n", $0 }' /root/statement.sig)
	sent=$(printf %s "${3:-$2}" | sed 's/"/\\"/g')
	try "$TRIAL" 20000 ",\"statement\":\"$sent\",\"signature\":\"$signature\""
}

# upgrade_to FILE VERSION
upgrade_to() { send "$1" "$(digest_of "$1")" upgrade ",\"version\":\"$2\""; }

# broken_helper: the file of a static program for x86-64 that ends at once with an error: exit(1) in 132 bytes.
broken_helper() {
	base64 -d >/root/broken <<-END
		f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAA
		AAAAAAAAAAAAAEAAAAAAAAAAQAAAAAAAhAAAAAAAAACEAAAAAAAAAAAQAAAAAAAAvwEAAAC4PAAAAA8F
	END
	echo /root/broken
}

# watch_off: from now on look for the end of the policy, whatever else runs; say_off waits for it and says when it was.
# It starts no process: the kernel lets nobody fork while it ends a policy.
watch_off() {
	rm -f /root/off
	quietly chrt -f 99 perl -e '
		mkdir("/root/watching");
		sub first { open(my $f, "<", shift) or return ""; scalar(<$f>) }
		select(undef, undef, undef, 0.02) until first($ARGV[0]) =~ /^disabled/;
		open(my $off, ">", "/root/off.new"); print $off first("/proc/uptime"); close($off);
		rename("/root/off.new", "/root/off")' $scx/state
	until [ -d /root/watching ]; do sleep 0.1; done
}
say_off() {
	until [ -s /root/off ]; do sleep 0.1; done
	read -r up _ </root/off
	echo "off ${up%.*}${up#*.}0"
}
