# SPDX-License-Identifier: Apache-2.0
"""The tree of errors.

    FleetschedError                 message, remedy, exit_code
    ├── UsageError                  64  the command line asks for something impossible
    ├── InputError                  1   a file that a person wrote is wrong
    │   └── ProblemsError           1   many of them, each with its position
    ├── BuildError                  1   a policy does not compile or its lock does not match
    │   └── ObjectError             1   what it compiles to is not allowed: each fault with its code
    ├── LabError                    1   the lab could not do what was asked
    ├── WorkloadError               1   a benchmark failed, took too long or printed no number
    ├── ConflictError               1   somebody else changed the same at the same time
    ├── RefusedError                8   unapproved, unsigned, stale
    ├── LeaseHeldError              7   another run holds the host
    ├── HostError                   4   one host; becomes that host's outcome, never ends a run
    │   ├── UnreachableError        4   no answer, refused, name unknown, authentication failed
    │   │   └── UnsettledError      4   it was lost on the way, and may be changed or not
    │   ├── HostKeyError            4   unknown or changed host key
    │   ├── BecomeError             4   sudo refuses to make us root
    │   └── HelperError             4   the helper answered with an error: carries its code
    └── InterruptedRunError         130 Ctrl-C

Every error says what happened, to which object, and what to do next (`remedy`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What every command returns to its caller. Where several hold: 5 > 3 > 6 > 4 > 2."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    ROLLED_BACK = 3
    UNREACHABLE = 4
    NOT_ROLLED_BACK = 5
    PAUSED = 6
    LEASE_HELD = 7
    REFUSED = 8
    USAGE = 64
    INTERRUPTED = 130


class FleetschedError(Exception):
    """The root of the tree.

    Args:
        message: what happened, to which object, in one line.
        remedy: what the reader can do next; may be empty.
    """

    exit_code = ExitCode.ERROR

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class UsageError(FleetschedError):
    """The command line asks for something impossible."""

    exit_code = ExitCode.USAGE


class InputError(FleetschedError):
    """A file that a person wrote is wrong."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in one file. `line` and `column` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        # What a file says must not reach a terminal as control characters.
        return "".join(letter if letter.isprintable() else "?" for letter in f"{place}: {self.message}")


class ProblemsError(InputError):
    """All mistakes of all files at once, sorted by position."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class BuildError(FleetschedError):
    """A policy does not compile, or its lock does not match what was built."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an object. `code`: stable, in words with hyphens."""

    code: str
    message: str


class ObjectError(BuildError):
    """An object is damaged, holds what no policy may, or is not what its manifest says.

    Args:
        where: what the message begins with.
        faults: all of them, in the order in which they are met.
    """

    def __init__(self, where: str, *faults: Fault, remedy: str = "") -> None:
        super().__init__(where + "; ".join(each.message for each in faults), remedy=remedy)
        self.faults = faults


class LabError(FleetschedError):
    """The lab could not do what was asked."""


class WorkloadError(FleetschedError):
    """A benchmark failed, took too long, or printed no number for one of its metrics."""


class ConflictError(FleetschedError):
    """Somebody else changed the same at the same time: nothing was changed."""


class RefusedError(FleetschedError):
    """Unapproved, unsigned or stale: nothing was changed."""

    exit_code = ExitCode.REFUSED


class LeaseHeldError(FleetschedError):
    """Another run holds the host."""

    exit_code = ExitCode.LEASE_HELD


class HostError(FleetschedError):
    """Something about one host. It becomes that host's outcome and never ends a run."""

    exit_code = ExitCode.UNREACHABLE


class UnreachableError(HostError):
    """No answer, connection refused, name unknown, or authentication failed."""


class UnsettledError(UnreachableError):
    """The answer to a change was lost, and the host could not be asked again: it may be changed or not."""


class HostKeyError(HostError):
    """The host's key is unknown or has changed.

    Args:
        fingerprint: SHA-256 fingerprint of the key that the host showed, as OpenSSH prints it.
    """

    def __init__(self, message: str, *, fingerprint: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.fingerprint = fingerprint


class BecomeError(HostError):
    """sudo refuses to make us root: a password, no permission, or no sudo."""


class HelperError(HostError):
    """The helper on a host answered with an error.

    Args:
        code: the protocol's word for it, for example `no-sched-ext`.
        detail: what the protocol adds for this code, as it came; empty when nothing.
    """

    def __init__(
        self, message: str, *, code: str, remedy: str = "", detail: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.detail: Mapping[str, Any] = detail or {}


class InterruptedRunError(FleetschedError):
    """Ctrl-C; the run stopped at a safe point."""

    exit_code = ExitCode.INTERRUPTED
