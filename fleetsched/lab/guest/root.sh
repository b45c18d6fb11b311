# SPDX-License-Identifier: Apache-2.0
# Runs once inside the new root file system of all lab hosts: a plain Debian server, less what only costs time.
# No key of any kind stays in it; each host gets its own when it is made.

rm -f /etc/ssh/ssh_host_*
mkdir -p /etc/systemd/system/ssh.service.d
# The snapshot is taken before a host has its keys.
printf '[Unit]\nConditionPathExists=/etc/ssh/ssh_host_ed25519_key\n' > /etc/systemd/system/ssh.service.d/lab.conf
systemctl enable --quiet ssh.service systemd-networkd.service
systemctl mask --quiet sshd-keygen.service

printf '[Match]\nName=eth*\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n' > /etc/systemd/network/lab.network
rm -f /etc/resolv.conf
echo 'nameserver 10.0.2.3' > /etc/resolv.conf # the resolver that QEMU offers every guest
echo '/dev/vda / ext4 errors=remount-ro 0 1' > /etc/fstab

# ops may become root, nosudo may not; both get the lab's key.
for user in ops nosudo; do useradd --create-home --shell /bin/bash --password '*' "$user"; done
echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops

# Timers would fire all at once when a restored host's clock jumps to the present.
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all e2scrub_reap fstrim logrotate man-db; do
    systemctl mask --quiet "$timer.timer"
done
systemctl mask --quiet e2scrub_reap.service getty@tty1.service serial-getty@ttyS0.service \
    systemd-networkd-wait-online.service systemd-pstore.service

# A constant, so that the first boot of the template is not a "first boot"; each host gets its own.
echo 00000000000000000000000000000001 > /etc/machine-id
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id
echo lab-template > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 lab-template\n' > /etc/hosts
