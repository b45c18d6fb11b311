# SPDX-License-Identifier: Apache-2.0
"""Holds a helper to the table, from the command line.

    python -m tests.conformance --command "ssh root@host fleetsched-host rpc" --objects DIR
    python -m tests.conformance --socket /run/fleetsched/host.sock --objects DIR --only trial

DIR has the policies' objects, NAME.bpf.o: fair, stall, init-fails, verifier-rejects, exits-late. They are
run for real.
"""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import sys
import time
from pathlib import Path

from fleetsched.errors import UnreachableError
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Channel
from fleetsched.transport.local import LocalTransport
from tests.conformance.runner import Adapter, MismatchError, Unavailable, cases, run_case


class SocketChannel(Channel):
    """A unix socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(60.0)
            self._socket.sendall(data)
        except OSError as error:
            raise UnreachableError(f"the socket was closed: {error}") from error

    def receive(self, timeout_s: float) -> bytes:
        self._socket.settimeout(timeout_s)
        try:
            return self._socket.recv(65_536)
        except ConnectionResetError:
            return b""

    def stderr_tail(self) -> str:
        return ""

    def close(self) -> None:
        self._socket.close()


class CommandLineAdapter(Adapter):
    """A helper behind a command or a socket; nothing can be done to its host from outside."""

    def __init__(self, command: str | None, path: str | None, objects: Path) -> None:
        self.objects = load_objects(objects)
        self._command = shlex.split(command) if command else []
        self._path = path

    def connect(self) -> Channel:
        if self._path:
            return SocketChannel(self._path)
        return LocalTransport().connect(Host("helper", "local", become=False)).open(self._command)


def load_objects(folder: Path) -> dict[str, bytes]:
    """Read a folder's objects; `noise` is made up anew each time, so that no host has it yet."""
    suffix = ".bpf.o"
    objects = {path.name.removesuffix(suffix): path.read_bytes() for path in folder.glob(f"*{suffix}")}
    return {**objects, "noise": os.urandom(100_000)}


def main() -> int:
    """Run the cases and say how each went; 1 when one went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--command", help="a command whose standard streams are the helper's connection")
    where.add_argument("--socket", help="the helper's unix socket")
    parser.add_argument("--objects", type=Path, required=True, help="folder of NAME.bpf.o")
    parser.add_argument("--only", default="", help="run only the cases whose name contains this")
    options = parser.parse_args()
    adapter = CommandLineAdapter(options.command, options.socket, options.objects)
    failed = 0
    for case in cases():
        if options.only not in case["name"]:
            continue
        begun = time.monotonic()
        try:
            run_case(case, adapter)
            outcome = "ok"
        except Unavailable as error:
            outcome = f"skipped: {error}"
        except (MismatchError, UnreachableError, TimeoutError) as error:
            failed += 1
            outcome = f"FAILED: {error!s}" if str(error) else f"FAILED: {error!r}"
        sys.stdout.write(f"{time.monotonic() - begun:6.1f} s  {case['name']}: {outcome}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
