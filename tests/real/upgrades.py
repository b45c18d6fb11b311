# SPDX-License-Identifier: Apache-2.0
"""Helpers to upgrade to: good ones, and one that is broken in a chosen way."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from fleetsched.helper import build

# What a broken helper does is what its last byte says: one build serves for all.
EXITS, HANGS, BABBLES, LISTENS = b"e", b"h", b"b", b"l"

_BROKEN_MAIN = r"""
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listener(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, argc == 6 ? argv[3] : "/run/fleetsched/host.sock");
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	char how = 0;
	int self = open("/proc/self/exe", O_RDONLY), fd;

	lseek(self, -1, SEEK_END);
	if (read(self, &how, 1) != 1 || how == 'e')
		return 7;
	fd = how == 'h' ? -1 : listener(argc, argv);
	while (how == 'b') {
		int client = accept(fd, 0, 0);

		if (write(client, "no\nsuch\nprotocol\n", 17) != 17)
			return 8;
		close(client);
	}
	for (;;)
		pause();
}
"""


def build_variant(folder: Path, version: str, *, broken: bool = False) -> bytes:
    """Build the helper with another version, or as one that is broken; in an empty folder."""
    toolchain = build.find_toolchain("x86_64")
    sources = folder / "bpf"
    shutil.copytree(toolchain.sources, sources)
    header = sources / "helper" / "util.h"
    text = header.read_text(encoding="utf-8")
    before = '#define FLEETSCHED_VERSION "0.1.0"'
    assert before in text
    header.write_text(text.replace(before, f'#define FLEETSCHED_VERSION "{version}"'), encoding="utf-8")
    if broken:
        (sources / "helper" / "main.c").write_text(_BROKEN_MAIN, encoding="utf-8")
    target = folder / "out"
    target.mkdir()
    build.compile_helper(replace(toolchain, sources=sources), "x86_64", target)
    return (target / build.BINARY).read_bytes()
