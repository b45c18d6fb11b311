# SPDX-License-Identifier: Apache-2.0
# Runs once inside the new root file system of all machines for gates and benchmarks. The caller puts the files
# /sbin/init and /usr/libexec/machine-agent in afterwards.

rm -f /etc/resolv.conf # there is no network
rm -rf /usr/share/doc /usr/share/man /usr/share/locale /var/lib/apt/lists /var/cache/apt
echo machine > /etc/hostname
printf '127.0.0.1 localhost machine\n' > /etc/hosts
mkdir -p /usr/libexec
