# SPDX-License-Identifier: Apache-2.0
"""Writing files so that nobody ever reads half of one."""

from __future__ import annotations

import threading
from pathlib import Path


def replace_file(file: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all; what has its name, a link too, is replaced.

    Any number of threads and processes may write the same file at once: one of them wins.

    Raises:
        OSError: it cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{threading.get_native_id()}")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
