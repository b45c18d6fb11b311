# SPDX-License-Identifier: Apache-2.0
"""Trials that are never confirmed, one after the other on one host, under its lease.

Without a trial the host runs its last known good, and nothing here changes that. A trial ends by `revert`,
or, whatever becomes of this controller, at its own deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleetsched.errors import HelperError, RefusedError
from fleetsched.model.assignment import Assignment
from fleetsched.model.state import Facts, Status, Trial
from fleetsched.rollout.run import LEASE_MARGIN_S
from fleetsched.rollout.session import HostSession

EJECTED = "ejected"
"""Code of the error when the kernel ended the policy on trial."""

_SETTLE_S = 30.0
_LOOK_S = 0.5
_WHY = "a run of an experiment is over"


@dataclass(frozen=True, slots=True)
class Order:
    """How the host knows these trials.

    Attributes:
        owner: of the lease, for whoever is refused by it.
        run, revision: for the host's history.
        deadline_s: how long each lasts at most; at most an hour.
    """

    owner: str
    run: str
    revision: str
    deadline_s: float


class UnconfirmedTrials:
    """The trials of one experiment on one host.

    Args:
        session: the way to the host; the caller closes it.
        order: how the host knows them.
        pause: waits for so many seconds.
    """

    def __init__(self, session: HostSession, order: Order, pause: Callable[[float], None]) -> None:
        self.known_good: Assignment | None = None
        self._session = session
        self._order = order
        self._pause = pause
        self._trial: Trial | None = None
        self._begun = False  # and its end was not seen
        self._ruling: object = None

    def open(self) -> Facts:
        """Take the lease, look at the host, and remember its last known good.

        Raises:
            RefusedError: a trial is on, or it runs something else than its last known good, or it takes only
                signed assignments.
            LeaseHeldError: another run has it.
            HostError: it cannot be asked.
        """
        self._take_lease()
        helper, name = self._session.helper(), self._session.host.name
        facts, status = helper.facts(), helper.status()
        if facts.signatures:
            raise RefusedError(
                f"{name} takes only signed assignments, and experiments are not signed",
                remedy="measure on a host that has no allowed signers",
            )
        if status.trial:
            raise RefusedError(
                f"{name}: {status.trial.assignment} is on trial there, for run {status.trial.run}",
                remedy="try again when that run is over",
            )
        record = status.last_known_good
        self.known_good = record.assignment if record else None
        if not self._at_rest(status):
            raise RefusedError(
                f"{name} does not run its last known good", remedy="see `fleetsched plan`; `apply` heals it"
            )
        return facts

    def begin(self, assignment: Assignment | None, image: bytes | None) -> None:
        """Put a policy on trial; None = leave the host to its last known good. The lease is renewed.

        Raises:
            LeaseHeldError: it ran out, and another run has the host.
            HelperError: the policy was refused or did not attach.
            UnreachableError: the connection was lost.
        """
        token = self._take_lease()
        helper = self._session.helper()
        self._begun = True
        if assignment is not None and image is not None:
            helper.stage(assignment.digest, image)
            self._trial = helper.try_(
                assignment,
                deadline_s=self._order.deadline_s,
                run=self._order.run,
                revision=self._order.revision,
                token=token,
            ).trial
        self._ruling = _ruling(helper.status())

    def check_ruling(self) -> None:
        """Look whether the scheduler of `begin` rules still.

        Raises:
            HelperError: `ejected`, with why the policy did not stay; `changed`.
            UnreachableError: the connection was lost.
        """
        status = self._session.helper().status()
        if _ruling(status) == self._ruling:
            return
        trial, last = self._trial, status.last_trial
        if trial is not None and last is not None and last.id == trial.id:
            why = str(last.exit) if last.exit else f"its trial was {last.outcome}"
            raise HelperError(f"{trial.assignment} did not stay: {why}", code=EJECTED)
        now = status.kernel.ops or "the kernel's own"
        raise HelperError(
            f"{self._session.host.name}: its scheduler changed during the run, to {now}",
            code="changed",
            remedy="measure again when nobody else attaches schedulers there",
        )

    def end(self) -> None:
        """End the trial, if one is on, and see the host back on its last known good. Nothing is held.

        Raises:
            HelperError: `not-restored`.
            UnreachableError: the connection was lost; the trial ends at its deadline.
        """
        helper = self._session.helper()
        status = helper.status()
        if status.trial is not None and status.trial.run == self._order.run:
            try:
                status = helper.revert(status.trial.id, _WHY, self._session.token, hold=False)
            except HelperError as error:
                if error.code != "no-trial":  # it came to its end meanwhile
                    raise
        self._settle(status)
        self._trial, self._begun = None, False

    def close(self) -> None:
        """End what is left of a trial, and give the lease back; errors as `end` has them."""
        try:
            if self._begun:
                # Something may be under way on the old channel: its answers are nobody's any more.
                self._session.reconnect()
                self.end()
        finally:
            self._session.drop_lease()

    def _take_lease(self) -> int:
        return self._session.take_lease(self._order.owner, self._order.deadline_s + LEASE_MARGIN_S)

    def _settle(self, status: Status) -> None:
        """Wait until the host is back: after an ejection that takes it a moment."""
        waited_s = 0.0
        while not self._at_rest(status):
            if waited_s >= _SETTLE_S:
                raise HelperError(
                    f"{self._session.host.name} does not run its last known good after the experiment",
                    code="not-restored",
                    remedy="see `fleetsched plan`; `apply` heals it",
                )
            self._pause(_LOOK_S)
            waited_s += _LOOK_S
            status = self._session.helper().status()

    def _at_rest(self, status: Status) -> bool:
        record, running = status.last_known_good, status.running
        known = record.assignment if record else None
        runs = running.assignment if running else None
        return status.trial is None and status.foreign is None and known == runs == self.known_good


def _ruling(status: Status) -> tuple[object, ...]:
    """What must be the same at both ends of a run."""
    kernel, trial = status.kernel, status.trial
    return kernel.state, kernel.ops, kernel.enable_seq, trial and trial.id
