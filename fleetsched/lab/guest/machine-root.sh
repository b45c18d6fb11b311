# SPDX-License-Identifier: Apache-2.0
# Runs once inside the new root file system of all machines for gates and benchmarks, whose files are in memory.

# stress-ng brings what draws pictures along: 200 MB. LLVM stays where something else needs it.
unneeded() { dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2> /dev/null | sed -n 's/^ii *//p'; }
for package in $(unneeded 'mesa-libgallium'); do dpkg --purge --force-depends "$package"; done
for package in $(unneeded 'libllvm*' 'libz3-4'); do dpkg --purge "$package" || true; done

rm -f /etc/resolv.conf # there is no network
rm -rf /usr/share/doc /usr/share/man /usr/share/locale /var/lib/apt/lists/* /var/cache/apt/*
echo machine > /etc/hostname
printf '127.0.0.1 localhost machine\n' > /etc/hosts
