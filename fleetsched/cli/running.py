# SPDX-License-Identifier: Apache-2.0
"""What commands that change hosts share: the question before, the progress, and the wish to stop."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fleetsched.cli.say import say, say_record
from fleetsched.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from fleetsched.model.run import Applied
    from fleetsched.rollout.run import HostEvent, StopRequest


def ask(yes: bool, question: str) -> None:
    """Ask before hosts are changed; only `yes` goes on."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", remedy="add --yes")
    if input(f"{question} Only `yes` is accepted: ").strip() != "yes":
        say("nothing was changed")
        raise typer.Exit(ExitCode.ERROR)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """The first Ctrl-C or SIGTERM asks the run to stop at a safe point; the second leaves at once."""
    from fleetsched.rollout.run import StopRequest

    stop = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.request()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def with_progress(
    work: Callable[[Callable[[HostEvent], None]], Applied], *, as_json: bool = False
) -> Applied:
    """Do `work`, which reports what hosts do: shown live, or as JSON records."""
    from fleetsched.cli.progress import EventRecords, Progress, RunConsole

    progress = EventRecords(sys.stdout) if as_json else Progress(RunConsole())
    with progress.running():
        return work(progress.report)


def journals() -> Path:
    """Where the journals of this user's runs are."""
    import platformdirs

    return platformdirs.user_state_path("fleetsched") / "runs"


def print_records(records: Iterable[dict[str, Any]]) -> None:
    """Print JSON records, one a line."""
    for record in records:
        say_record(record)
