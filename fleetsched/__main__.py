# SPDX-License-Identifier: Apache-2.0
"""Where `fleetsched` starts and ends, whatever the shell made of its streams and signals."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn, TextIO

from fleetsched.errors import ExitCode


def run() -> NoReturn:
    """Run one command and leave with its exit code; no interruption ends in a traceback."""
    try:
        signal.signal(signal.SIGTERM, _as_interrupt)
        _prepare_streams()
        from fleetsched.cli.main import main  # here, so that Ctrl-C while it loads is caught, too

        code = main()
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    # From here on only Python's own end is left, which Ctrl-C would litter with tracebacks.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not (_flush(sys.stdout) and _flush(sys.stderr)):
        code = code or ExitCode.ERROR
    sys.exit(int(code))


def _as_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """A polite kill stops a run at the same safe point as Ctrl-C."""
    raise KeyboardInterrupt


def _prepare_streams() -> None:
    """Give every standard stream somewhere to go, and print what its encoding lacks as escapes."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Closed by the caller: left so, the next file or connection would become standard output.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # it is a TextIOWrapper


def _flush(stream: TextIO) -> bool:
    """Write what is left. What nobody can take any more is dropped, or Python's end would complain of it."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


if __name__ == "__main__":
    run()
