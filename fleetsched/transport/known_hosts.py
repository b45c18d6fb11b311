# SPDX-License-Identifier: Apache-2.0
"""known_hosts files: which keys a host may show.

paramiko's own reader takes a time that grows with the square of the file's length, and is slow to find hashed
names (5,000 lines: 8 s to read, 0.3 s for each host). This one reads each file once for all connections, and
again when it has changed.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from fleetsched.errors import InputError

_DEFAULT_PORT = 22


class Verdict(Enum):
    """What the known_hosts files say of a key that a host has shown."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key as it stands in the file: its type, and its bytes in base 64."""

    type: str
    base64: str

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint as OpenSSH prints it."""
        digest = hashlib.sha256(base64.b64decode(self.base64)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class _Hashed:
    """A name that is only known by its hash."""

    salt: bytes
    digest: bytes
    key: HostKey

    def is_of(self, name: str) -> bool:
        return hmac.compare_digest(hmac.digest(self.salt, name.encode(), "sha1"), self.digest)


@dataclass(slots=True)
class KnownHostsFile:
    """One file, read."""

    by_name: dict[str, list[HostKey]] = field(default_factory=dict)
    by_pattern: list[tuple[tuple[str, ...], HostKey]] = field(default_factory=list)
    hashed: list[_Hashed] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)

    @classmethod
    def parse(cls, text: str) -> KnownHostsFile:
        """Read the text of a file. Lines that nobody could use are passed over, as OpenSSH does."""
        found = cls()
        for line in text.splitlines():
            found._add(line.split())
        return found

    def keys_of(self, name: str) -> list[HostKey]:
        """Return every key of a host, which is `name` or `[name]:port`."""
        keys = list(self.by_name.get(name.lower(), ()))
        keys += [key for patterns, key in self.by_pattern if _matches(patterns, name.lower())]
        keys += [hashed.key for hashed in self.hashed if hashed.is_of(name)]
        return keys

    def _add(self, words: list[str]) -> None:
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or not _is_base64(words[2]):
            return
        names, key = words[0], HostKey(words[1], words[2])
        if marker == "@revoked":
            self.revoked.add(key.base64)
        elif marker:
            return  # @cert-authority: host certificates are not supported
        elif names.startswith("|1|"):
            self._add_hashed(names, key)
        elif any(character in names for character in "*?!"):
            self.by_pattern.append((tuple(names.lower().split(",")), key))
        else:
            for name in names.lower().split(","):
                self.by_name.setdefault(name, []).append(key)

    def _add_hashed(self, names: str, key: HostKey) -> None:
        try:
            _, _, salt, digest = names.split("|")
            self.hashed.append(_Hashed(base64.b64decode(salt), base64.b64decode(digest), key))
        except (ValueError, binascii.Error):
            return


class KnownHosts:
    """All known_hosts files, shared by all connections. Threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[Path, tuple[tuple[int, int, int], KnownHostsFile]] = {}

    def keys_of(self, name: str, files: Iterable[Path]) -> list[HostKey]:
        """Return every key that the files have for a name (see `entry_name`).

        Raises:
            InputError: a file exists and cannot be read.
        """
        return [key for file in files for key in self._read(file).keys_of(name)]

    def judge(self, name: str, address: str, key: HostKey, files: Sequence[Path]) -> Verdict:
        """Say whether a host may show this key.

        A host that is known by keys of other types only has changed, too: else whoever cannot show the known
        key could get the milder verdict by showing one of another type. An entry of the address without its
        port counts when it has this very key, as in OpenSSH.

        Args:
            name: the host's name in the files (see `entry_name`).
            address: the same without a port.
            key: what the host has shown.
            files: which to look in.

        Raises:
            InputError: a file exists and cannot be read.
        """
        if any(key.base64 in self._read(file).revoked for file in files):
            return Verdict.REVOKED
        known = self.keys_of(name, files)
        if key in known or (not known and key in self.keys_of(address, files)):
            return Verdict.KNOWN
        return Verdict.CHANGED if known else Verdict.UNKNOWN

    def _read(self, file: Path) -> KnownHostsFile:
        with self._lock:
            try:
                stat = file.stat()
                state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                cached = self._files.get(file)
                if cached is None or cached[0] != state:
                    text = file.read_text(encoding="utf-8", errors="replace")
                    cached = self._files[file] = (state, KnownHostsFile.parse(text))
            except FileNotFoundError:
                return KnownHostsFile()
            except OSError as error:
                raise InputError(f"{file} cannot be read: {error.strerror}") from error
            return cached[1]


def entry_name(address: str, port: int) -> str:
    """Return how a host is named in the files: with its port when that is not 22."""
    return address if port == _DEFAULT_PORT else f"[{address}]:{port}"


def _matches(patterns: Iterable[str], name: str) -> bool:
    matched = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if fnmatch.fnmatchcase(name, _escape(pattern[1:])):
                return False
        elif fnmatch.fnmatchcase(name, _escape(pattern)):
            matched = True
    return matched


def _escape(pattern: str) -> str:
    """Only * and ? are special in these files; a bracket is the one of `[name]:port`."""
    return pattern.replace("[", "[[]")


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return True
