# SPDX-License-Identifier: Apache-2.0
"""What a run may use, and what it has used."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from fleetsched.agent.interface import BudgetSpentError, Spent
from fleetsched.model.controller import Budget
from fleetsched.model.wording import counted

BUDGETS = ("usd", "tokens", "wall", "candidates")
"""Every `BudgetSpentError.what`."""

_REMEDY = "what is there so far counts; `agent.budget` in the controller's file sets more"


@dataclass(frozen=True, slots=True)
class Left:
    """What a run may still use; never below 0. Units as in `Budget`."""

    usd: Decimal
    tokens: int
    wall_s: float
    candidates: int


class Meter:
    """Counts what a run uses. Its time begins when it is made.

    Args:
        budget: what the run may use.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._usd_budget = Decimal(str(budget.usd))  # 0.1 is meant as it is written
        self._clock, self._began_s = clock, clock()
        self._usd = Decimal(0)
        self._in = self._out = self._cached = self._candidates = 0

    def tokens(self, tokens_in: int, tokens_out: int, cached: int, usd: Decimal) -> None:
        """Count a reply of a language model, also one that goes beyond the budget: it is paid for.

        Args:
            tokens_in: that were read anew.
            tokens_out: that it wrote.
            cached: that were read from a cache.
            usd: what all of them cost.
        """
        self._in += tokens_in
        self._out += tokens_out
        self._cached += cached
        self._usd += usd

    def candidate(self) -> None:
        """Count one more candidate.

        Raises:
            BudgetSpentError: that would be one too many; it is not counted.
        """
        if not self.left.candidates:
            most = counted(self._budget.candidates, "candidate")
            raise self._error("candidates", f"the budget of {most} is spent")
        self._candidates += 1

    def end_by(self, wall_s: float) -> None:
        """Let the time end so many seconds after it began, unless it ends sooner anyway."""
        self._budget = replace(self._budget, wall_s=min(self._budget.wall_s, max(wall_s, 0.0)))

    def check(self) -> None:
        """Go on only while there is money, time and a token left. Of candidates it says nothing.

        Raises:
            BudgetSpentError: one of them is used up.
        """
        left = self.left
        if left.usd <= 0:
            raise self._error("usd", f"the budget of ${self._usd_budget} is spent")
        if left.tokens <= 0:
            raise self._error("tokens", f"the budget of {counted(self._budget.tokens, 'token')} is spent")
        if left.wall_s <= 0:
            raise self._error("wall", f"the budget of {self._budget.wall_s:.0f} s is spent")

    @property
    def left(self) -> Left:
        """What may still be used."""
        budget, spent = self._budget, self.spent()
        tokens = spent.tokens_in + spent.tokens_out + spent.tokens_cached
        return Left(
            usd=max(self._usd_budget - spent.usd, Decimal(0)),
            tokens=max(budget.tokens - tokens, 0),
            wall_s=max(budget.wall_s - spent.wall_s, 0.0),
            candidates=max(budget.candidates - spent.candidates, 0),
        )

    def spent(self) -> Spent:
        """What was used so far."""
        wall_s = self._clock() - self._began_s
        return Spent(self._usd, self._in, self._out, self._cached, wall_s, self._candidates)

    @staticmethod
    def _error(what: str, message: str) -> BudgetSpentError:
        return BudgetSpentError(message, what=what, remedy=_REMEDY)
