# SPDX-License-Identifier: Apache-2.0
"""What hosts say about themselves, as text for 80 columns."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Mapping

from fleetsched.model.assignment import Assignment
from fleetsched.model.plan import Observed, running_now
from fleetsched.model.state import Status
from fleetsched.model.wording import printable
from fleetsched.views.plan import WIDTH, short


def status_text(observed: Mapping[str, Observed]) -> str:
    """A few lines a host: what the kernel runs, then what is recorded where it differs or matters."""
    width = max((len(host) for host in observed), default=0)
    lines = (
        textwrap.fill(
            line,
            WIDTH,
            subsequent_indent=" " * (width + 4),
            break_on_hyphens=False,
            break_long_words=False,
        )
        for host, seen in observed.items()
        for line in _host(host.ljust(width), seen)
    )
    return printable("\n".join(lines))


def _host(host: str, seen: Observed) -> Iterator[str]:
    if seen.helper_missing:
        yield f"{host}  no helper"
        return
    if seen.status is None:
        yield f"{host}  unknown: {seen.error}"
        return
    status, kernel = seen.status, seen.status.kernel
    ops = f" {kernel.ops}" if kernel.ops else ""
    yield f"{host}  {kernel.state}{ops}, enable_seq {kernel.enable_seq}: {running_now(status)}"
    for line in _details(status):
        yield f"{' ' * len(host)}  {line}"


def _details(status: Status) -> Iterator[str]:
    record = status.last_known_good
    if record:
        yield f"last known good {record.assignment}, revision {short(record.revision)}"
        yield f"confirmed by run {record.run}"
        if record.program:
            yield f"program {shlex.join([record.program.path, *record.program.args])}"
    if status.foreign:
        yield f"foreign scheduler: {status.foreign}"
    if status.trial:
        left = status.trial.deadline_in_ms / 1000
        yield f"on trial {status.trial.assignment}, ends by itself in {left:.0f} s"
    if status.voided:
        yield f"voided {status.voided.assignment}: {status.voided_exit}"
    for held in status.held:
        yield f"held {held.assignment}{_parameters(held.assignment)}: {held.exit or held.why}"
    if status.lease:
        yield f"leased to {status.lease.owner} for {status.lease.expires_in_ms / 1000:.0f} s"


def _parameters(assignment: Assignment) -> str:
    """Its parameters: an assignment may be held while the same object with others runs."""
    values = ", ".join(f"{name} {value}" for name, value in assignment.parameters)
    return f" ({values})" if values else ""
