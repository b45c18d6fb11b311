# SPDX-License-Identifier: Apache-2.0
"""Files that people name on the command line to be written."""

from __future__ import annotations

from pathlib import Path

from fleetsched.files import replace_file


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all. Pipes and devices are written to as they are.

    Raises:
        OSError: it cannot be written.
    """
    if file.exists() and not file.is_file():
        file.write_bytes(content)
        return
    replace_file(file.resolve(), content)  # a link stays one
