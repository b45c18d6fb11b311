# SPDX-License-Identifier: Apache-2.0
"""Writing to a known_hosts file: whole or not at all, and one writer at a time."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock
import platformdirs

from fleetsched.errors import InputError
from fleetsched.transport.known_hosts import HostKey, KnownHostsFile

_LOCK_S = 30.0


def add_key(file: Path, name: str, key: HostKey, *, replace: bool) -> None:
    """Write down that the host called `name` has this key.

    Args:
        file: made when it does not exist, readable by its owner only.
        name: as `entry_name` gives it.
        key: what the host may show from now on.
        replace: whether all other keys of this name are taken out.

    Raises:
        InputError: it cannot be written or is no file (/dev/null), or a pattern in it gives the host another
            key, which is not ours to take out.
    """
    target = Path(os.path.realpath(file))
    if target.exists() and not target.is_file():
        raise InputError(f"{file} is no file to keep keys in", remedy="name another UserKnownHostsFile")
    try:
        with filelock.FileLock(_lock_of(target), timeout=_LOCK_S):
            text = target.read_text(encoding="utf-8", errors="surrogateescape") if target.exists() else ""
            lines = list(_without(text, name)) if replace else text.splitlines()
            if replace and (left := KnownHostsFile.parse("\n".join(lines)).keys_of(name)):
                raise InputError(
                    f"{file} has another key for {name} by a pattern: {left[0].type} {left[0].fingerprint}",
                    remedy="change that line by hand",
                )
            _write(target, "\n".join([*lines, f"{name} {key.type} {key.base64}", ""]))
    except (OSError, filelock.Timeout) as error:
        raise InputError(f"{file} cannot be written: {error}") from error


def _without(text: str, name: str) -> Iterator[str]:
    """Yield the lines with the name taken out, and not those that then have no name."""
    for line in text.splitlines():
        words = line.split(maxsplit=1)
        if len(words) < 2 or words[0].startswith(("#", "@")):
            yield line
        elif words[0].startswith("|1|"):
            if not KnownHostsFile.parse(line).keys_of(name):
                yield line
        else:
            names = [one for one in words[0].split(",") if one.lower() != name.lower()]
            if names:
                yield f"{','.join(names)} {words[1]}"


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as output:
            output.write(text)
            output.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _lock_of(target: Path) -> Path:
    """Return a lock that is not beside the file: a folder like ~/.ssh stays as it is."""
    folder = platformdirs.user_cache_path("fleetsched") / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"known-hosts-{hashlib.sha256(str(target).encode()).hexdigest()[:16]}.lock"
