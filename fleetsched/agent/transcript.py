# SPDX-License-Identifier: Apache-2.0
"""The record of a talk with a language model: JSON lines in the run's folder, readable by its owner alone.

One record an attempt (what HTTP said), a request (what is new in it), a reply and a call of a tool. Secrets
are redacted before they get here and once more when they are written; the API's key never comes near it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from fleetsched.errors import InputError
from fleetsched.secrets import redact_values

FILE = "transcript.jsonl"


class Record(Protocol):
    """What a talk is written to."""

    @property
    def digest(self) -> str:
        """SHA-256 of what is written so far, 64 hex digits."""
        ...

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record."""
        ...


class Transcript:
    """One run's file, begun anew.

    Raises:
        OSError: it cannot be written, or there is one already.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / FILE
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._stream = os.fdopen(os.open(self.file, flags, 0o600), "w", encoding="utf-8")
        self._digest = hashlib.sha256()

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record; it is in the file when this returns.

        Raises:
            OSError: it cannot be written.
        """
        line = json.dumps(redact_values({"kind": kind, **fields})) + "\n"
        self._stream.write(line)
        self._stream.flush()
        self._digest.update(line.encode())

    @property
    def digest(self) -> str:
        """SHA-256 of what is written so far, 64 hex digits."""
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # what could not be written was said when it was
            self._stream.close()


def replies(file: Path) -> Iterator[dict[str, Any]]:
    """The replies of a transcript, in order.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        found = [record["message"] for record in records if record["kind"] == "reply"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is no transcript: {error}") from error
    return iter(found)
