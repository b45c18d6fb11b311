# SPDX-License-Identifier: Apache-2.0
"""Where the signatures of a run come from, which some hosts want: a key, or a file that somebody signed."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleetsched.errors import FleetschedError, HelperError
from fleetsched.helper.signing import sign
from fleetsched.model.assignment import Assignment
from fleetsched.model.program import Program
from fleetsched.model.statement import NAMESPACE, Signed, Statement

Clock = Callable[[], datetime]

GIVE_ONE = "name a key (`sign: {key: ...}` in the controller's file), or give --signatures FILE"
SIGN_THE_WAY_BACK = (
    "hosts on trial go back by themselves; for the others `fleetsched rollback` with a key (sign.key), "
    "or revert the commit, then `fleetsched sign FILE` and `fleetsched apply --signatures FILE`"
)
_BRIEF = timedelta(minutes=10)


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be signed: that hosts of `group` may run this."""

    group: str
    assignment: Assignment
    revision: str
    program: Program | None = None


class Signatures(ABC):
    """Gives the signatures of one run. Any thread may use it."""

    @abstractmethod
    def missing(self, wish: Wish) -> str:
        """Why there is none for this; empty when there is, or can be."""

    @abstractmethod
    def _signed(self, wish: Wish, *, brief: bool) -> Signed:
        """Make or find it; `missing` had nothing to say."""

    def signed(self, wish: Wish, *, brief: bool = False) -> Signed:
        """The signed statement.

        Args:
            wish: what is to be signed.
            brief: for one host now, to go back to what it ran: good for some minutes only.

        Raises:
            HelperError: there is none, and the host takes nothing without; code `unsigned`.
        """
        if not wish.group:
            raise HelperError(
                f"{wish.assignment} cannot be signed: no HostGroup holds the host", code="unsigned"
            )
        why = self.missing(wish)
        if why and brief:
            raise HelperError(
                f"it keeps what it runs, for it takes only signed assignments, also to go back: {why}",
                code="unsigned",
                remedy=SIGN_THE_WAY_BACK,
            )
        if why:
            raise HelperError(f"it takes only signed assignments: {why}", code="unsigned", remedy=GIVE_ONE)
        try:
            return self._signed(wish, brief=brief)
        except FleetschedError as error:
            raise HelperError(error.message, code="unsigned", remedy=error.remedy) from error


class NoSignatures(Signatures):
    """There are none."""

    def missing(self, wish: Wish) -> str:
        """There is nothing to sign with."""
        return "there is no key to sign with"

    def _signed(self, wish: Wish, *, brief: bool) -> Signed:
        raise AssertionError("there is none")


class KeySignatures(Signatures):
    """Signs with a key when asked: a host takes only what was signed last for its group, or later.

    So the hosts of a group share a statement for as long as no other is made for that group.

    Args:
        key: as `sign` takes it.
        valid_s: how long a statement is good.
    """

    def __init__(self, key: Path, valid_s: float, clock: Clock = now) -> None:
        self._key = key
        self._valid = timedelta(seconds=valid_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._serial = 0
        self._last: dict[str, tuple[Wish, Statement, Signed]] = {}  # by group

    def missing(self, wish: Wish) -> str:
        """Whether the key is there."""
        return "" if self._key.is_file() else f"the key {self._key} is not there"

    def _signed(self, wish: Wish, *, brief: bool) -> Signed:
        valid = min(self._valid, _BRIEF) if brief else self._valid
        with self._lock:
            last = self._last.get(wish.group)
            if last and last[0] == wish and last[1].not_after - self._clock() > valid / 2:
                return last[2]
            statement = self._statement(wish, valid)
            text = statement.text()
            signed = Signed(text, sign(text.encode("ascii"), self._key, NAMESPACE))
            self._last[wish.group] = wish, statement, signed
            return signed

    def _statement(self, wish: Wish, valid: timedelta) -> Statement:
        moment = self._clock()
        self._serial = max(self._serial + 1, round(moment.timestamp() * 1000))
        until = (moment + valid).replace(microsecond=0)
        return Statement(wish.assignment, wish.group, wish.revision, until, self._serial, wish.program)


class GivenSignatures(Signatures):
    """Those that somebody else has made.

    Args:
        given: all of them.
        source: where they were read, for messages.
    """

    def __init__(self, given: Sequence[Signed], source: str, clock: Clock = now) -> None:
        self._source = source
        self._clock = clock
        self._by_wish: dict[Wish, tuple[Statement, Signed]] = {}
        for signed in given:
            statement = Statement.read(signed.statement)
            wish = Wish(statement.group, statement.assignment, statement.revision, statement.program)
            self._by_wish[wish] = statement, signed

    def missing(self, wish: Wish) -> str:
        """Whether there is one that is still good."""
        found = self._by_wish.get(wish)
        if found is None:
            return f"{self._source} has nothing for {wish.assignment}, group {wish.group}, at this revision"
        until = found[0].not_after
        return (
            f"what {self._source} says was good until {until:%Y-%m-%dT%H:%M:%SZ}"
            if until < self._clock()
            else ""
        )

    def _signed(self, wish: Wish, *, brief: bool) -> Signed:
        return self._by_wish[wish][1]
