# SPDX-License-Identifier: Apache-2.0
"""How long `--help` of every command takes, as a whole process: median of five runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleetsched.cli.main import command

RUNS = 5
PROGRAM = Path(sys.executable).with_name("fleetsched")


def commands(at: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group, by the words that name it."""
    yield path
    for name, member in getattr(at, "commands", {}).items():
        yield from commands(member, (*path, name))


def seconds(path: tuple[str, ...]) -> float:
    """The median time of one command's help."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([PROGRAM, *path, "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    results = {path: seconds(path) for path in commands(command())}
    for path, median in sorted(results.items(), key=lambda item: -item[1]):
        print(f"{median * 1000:6.0f} ms  fleetsched {' '.join(path)}")
