# SPDX-License-Identifier: Apache-2.0
"""When a row may run beside those of other processes, and when it has this machine for itself."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = Path(__file__).resolve().parents[2] / "build" / "fault-turns"


@contextmanager
def turn(*, alone: bool, folder: Path = _FOLDER) -> Iterator[None]:
    """Wait for this row's turn, which lasts as long as the block; with `alone`, no other's meanwhile.

    Who waits to be alone is next: nobody begins until then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rows").open("a") as running:
        with (folder / "next").open("a") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)
            fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
