# SPDX-License-Identifier: Apache-2.0
"""Files that people name on the command line, to be read or written."""

from __future__ import annotations

from pathlib import Path

from fleetsched.errors import InputError
from fleetsched.files import replace_file


def read_bounded(file: Path, most: int) -> bytes:
    """Read a file, or a pipe, of at most so many bytes.

    Raises:
        InputError: it cannot be read, or has more.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    if len(data) > most:
        raise InputError(f"{file} is larger than {most:,} bytes")
    return data


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all. Pipes and devices are written to as they are.

    Raises:
        OSError: it cannot be written.
    """
    if file.exists() and not file.is_file():
        file.write_bytes(content)
        return
    replace_file(file.resolve(), content)  # a link stays one
