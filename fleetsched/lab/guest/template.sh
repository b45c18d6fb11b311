# SPDX-License-Identifier: Apache-2.0
# Runs in the booted template, just before its state is saved.

state=$(systemctl is-system-running --wait) || true
if [ "$state" != running ]; then
    echo "systemd says $state: $(systemctl --failed --no-legend --plain | tr '\n' ' ')" >&2
    exit 1
fi

# Start the SSH server once, so that its pages are in memory already when a host starts it, and leave nothing of it.
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
systemctl start ssh.service
systemctl stop ssh.service
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed
sync
