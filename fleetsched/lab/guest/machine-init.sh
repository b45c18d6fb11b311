#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Process 1 of a machine for gates and benchmarks: no services, nothing that runs by itself.
set -eu
# Off rather than a panic, whose report would hide the reason at the end of the console.
trap 'echo o > /proc/sysrq-trigger; sleep 60' EXIT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8

mount -t proc proc /proc
mount -t sysfs sysfs /sys
if grep -q fleetsched.probe /proc/cmdline; then
    echo fleetsched-probe-ok
    exit
fi
mount -t devtmpfs -o mode=755 devtmpfs /dev
# It may be full up to here with half of the memory.
mount -o remount,size=90% /
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    # Some are refused here, depending on the kernel.
    echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control 2> /dev/null || true
done
mkdir -p /run/lock /var/lib
ip link set lo up
hostname machine

/usr/libexec/machine-agent &
# A shell that waits for one child collects all that have lost their parents, too.
wait $!
