# SPDX-License-Identifier: Apache-2.0
# Makes a restored template one particular host. The controller puts these in front:
#   name, machine_id, boot_id, entropy (hexadecimal), clock_step_ns, authorized_key, host_keys (a tar archive in base64)

# Clock and random numbers first: what follows uses both. Calls are x86-64's: 228 and 227 get and set a clock.
perl -e '
    my ($step, $entropy) = @ARGV;
    my $now = pack("qq", 0, 0);
    syscall(228, 0, $now) == 0 or die "clock_gettime: $!\n";
    my ($seconds, $nanoseconds) = unpack("qq", $now);
    my $total = $seconds * 1_000_000_000 + $nanoseconds + $step;
    $now = pack("qq", int($total / 1_000_000_000), $total % 1_000_000_000);
    syscall(227, 0, $now) == 0 or die "clock_settime: $!\n";
    open(my $random, "+<", "/dev/urandom") or die "/dev/urandom: $!\n";
    my $bytes = pack("H*", $entropy);
    my $pool = pack("iia*", 8 * length($bytes), length($bytes), $bytes);
    ioctl($random, 0x40085203, $pool) or die "RNDADDENTROPY: $!\n";
    ioctl($random, 0x5207, 0) or die "RNDRESEEDCRNG: $!\n";
' -- "$clock_step_ns" "$entropy"

echo "$name" > /etc/hostname
hostname "$name"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" > /etc/hosts

echo "$machine_id" > /etc/machine-id
# The kernel made its boot_id before the snapshot; until the next boot, this host's own lies over it, as in a container.
echo "$boot_id" > /run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
mount -o remount,bind,ro /proc/sys/kernel/random/boot_id
rm -rf /var/log/journal/* /run/log/journal/*
systemctl restart systemd-journald.service

umask 077
for user in root ops nosudo; do
    home=$(getent passwd "$user" | cut -d: -f6)
    mkdir -p "$home/.ssh"
    echo "$authorized_key" > "$home/.ssh/authorized_keys"
    chown -R "$user:" "$home/.ssh"
done
printf %s "$host_keys" | base64 -d | tar -C /etc/ssh --no-same-owner -xf -
systemctl start ssh.service
sync
