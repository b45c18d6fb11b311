# SPDX-License-Identifier: Apache-2.0
"""A process that cleans up after the one that starts a lab, however that one ends.

It reads from a pipe whose only other end the starter holds. When the pipe closes before the starter said that
all is well, be it by an error, Ctrl-C or SIGKILL, it ends the folder's machines and deletes the folder.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from fleetsched.errors import LabError
from fleetsched.lab.state import sweep

_KEEP = b"keep\n"
_SWEEP_S = 60.0


class Guard:
    """While the block runs, its folder belongs to it and goes with it, unless `keep` was called.

    Args:
        folder: what to sweep.
        lock: the descriptor of a lock that must be held until the sweep is over, or None.
    """

    def __init__(self, folder: Path, *, lock: int | None = None) -> None:
        self._folder = folder
        self._lock = lock

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the starter
            pass_fds=[] if self._lock is None else [self._lock],
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(b"")

    def keep(self) -> None:
        """All is well: the folder and its machines stay."""
        self._end(_KEEP)

    def _end(self, word: bytes) -> None:
        if self._process.returncode is not None:
            return
        _, complaint = self._process.communicate(word, timeout=_SWEEP_S)
        if self._process.returncode:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise LabError(f"could not clean up {self._folder}: {last}")


def main() -> None:
    """Wait for the end of the pipe, then sweep the folder or keep it."""
    if sys.stdin.buffer.read() != _KEEP:
        sweep(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
