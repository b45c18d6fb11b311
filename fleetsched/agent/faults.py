# SPDX-License-Identifier: Apache-2.0
"""Faults of the lab: a machine that dies, a full disk, no QEMU. They say nothing of a candidate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fleetsched.agent.interface import LabLostError
from fleetsched.errors import LabError, UnreachableError
from fleetsched.model.gate import GateReport, GateVerdict

MOST_FAULTS = 2
"""In a row: one machine may die, and a second one is tried; then a person has to look at this computer."""

_REMEDY = "see that this computer has QEMU, memory and room on its disk, then propose again"

T = TypeVar("T")


class Faults:
    """Counts faults in a row."""

    def __init__(self) -> None:
        self._in_row = 0

    def of(self, work: Callable[[], T], fault: Callable[[T], str] = lambda done: "") -> T:
        """Do work of the lab.

        Args:
            work: that is done.
            fault: says of what it gave why the lab could not do it; empty = it could.

        Raises:
            LabError: it could not.
            LabLostError: it could not, again.
        """
        try:
            done = work()
        except (LabError, UnreachableError, OSError) as error:
            raise self._one_more(lab_error(error)) from error
        why = fault(done)
        if not why:
            self._in_row = 0
            return done
        found = self._one_more(LabError(why, remedy=_REMEDY))
        if isinstance(found, LabLostError):
            raise found
        return done

    def _one_more(self, error: LabError) -> LabError:
        self._in_row += 1
        if self._in_row < MOST_FAULTS:
            return error
        return LabLostError(
            f"the lab failed {self._in_row} times in a row: {error.message}", remedy=error.remedy
        )


def lab_error(error: LabError | UnreachableError | OSError) -> LabError:
    """The fault as an error of the lab, for a person."""
    if isinstance(error, LabError):
        return error
    if isinstance(error, UnreachableError):
        return LabError(error.message, remedy=error.remedy or _REMEDY)
    return LabError(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), remedy=_REMEDY)


def could_not_run(report: GateReport) -> str:
    """Why a gate could not judge, in a line; empty when all that ran did."""
    broken = next((each for each in report.results if each.verdict is GateVerdict.ERROR), None)
    if broken is None or report.stopped_by is not None:
        return ""
    return f"gate {broken.gate} could not run: {next(iter(broken.log.splitlines()), '')}".rstrip(": ")
