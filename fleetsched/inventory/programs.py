# SPDX-License-Identifier: Apache-2.0
"""Inventories that are programs: run without a shell, with bounds on their time and output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path

from fleetsched.documents.node import Node
from fleetsched.documents.reader import Limits
from fleetsched.errors import Problem
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.json_nodes import read_json
from fleetsched.inventory.listing import META, read_host, read_listing
from fleetsched.inventory.tree import Tree

_LIMIT_S = 60.0
_LIMITS = Limits(bytes=64 << 20, values=4_000_000)
_MOST_ERROR = 300


class _FailedError(Exception):
    """The program did not do what an inventory program does; the message says so to a person."""


def read_program(file: Path, name: str, tree: Tree, findings: Findings) -> None:
    """Run an inventory program as Ansible does, and put what it prints into the tree.

    Without `_meta` in its answer to `--list` it is asked for every host by `--host`, until it fails.
    """
    listing = _ask(file, name, ("--list",), findings)
    if listing is None:
        return
    hosts = read_listing(listing, tree, findings)
    for host in hosts if META not in listing.children else ():
        answer = _ask(file, name, ("--host", host), findings)
        if answer is None:
            return
        read_host(host, answer, tree, findings)


def _ask(file: Path, name: str, arguments: tuple[str, ...], findings: Findings) -> Node | None:
    """Run the program once; None when it fails, which is a problem then."""
    asked = f"{name} {' '.join(arguments)}"
    try:
        data = _output(file, arguments)
        if not data.strip() and arguments == ("--list",):
            raise _FailedError("printed nothing")
    except _FailedError as error:
        findings.problems.append(Problem(asked, 0, 0, str(error)))
        return None
    # About a host it may print nothing.
    reading = read_json(data if data.strip() else b"{}", asked, limits=_LIMITS)
    findings.problems.extend(reading.problems)
    return reading.documents[0] if reading.documents else None


def _output(file: Path, arguments: tuple[str, ...]) -> bytes:
    command = [str(file.absolute()), *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=file.absolute().parent,
            start_new_session=True,  # so that what it starts ends with it
        )
    except OSError as error:
        raise _FailedError(f"cannot be run: {error.strerror or error}") from error
    with process:
        try:
            out, err = _collect(process)
        except BaseException:
            with contextlib.suppress(OSError):  # it has just ended
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        said = err.decode(errors="replace").strip().replace("\n", " ")[-_MOST_ERROR:]
        raise _FailedError(f"ended with exit code {process.returncode}: {said or 'it said nothing'}")
    return out


def _collect(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Read both streams to their ends, and wait for the program's; only the last of its errors is kept."""
    assert process.stdout is not None
    assert process.stderr is not None
    deadline = time.monotonic() + _LIMIT_S
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        while selector.get_map():
            ready = selector.select(deadline - time.monotonic())
            if time.monotonic() > deadline:
                raise _FailedError(f"did not end within {_LIMIT_S:g} s")
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            if len(out) > _LIMITS.bytes:
                raise _FailedError(f"printed more than {_LIMITS.bytes:,} bytes")
            del err[: -4 * _MOST_ERROR]
    try:
        process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired as error:
        raise _FailedError(f"did not end within {_LIMIT_S:g} s") from error
    return bytes(out), bytes(err)
