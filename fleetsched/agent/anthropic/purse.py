# SPDX-License-Identifier: Apache-2.0
"""What the next reply may cost, and what the last one did."""

from __future__ import annotations

from decimal import Decimal

from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import BudgetSpentError, Spent
from fleetsched.agent.prices import Prices, Usage

MOST_REPLY = 32_000
LEAST_REPLY = 2_000
"""Tokens of one reply. A policy of 250 lines has some 5,000; below the least it is not worth asking."""


class Purse:
    """A run's budgets, as far as a language model spends them."""

    def __init__(self, meter: Meter, prices: Prices) -> None:
        self._meter, self._prices = meter, prices

    def room(self, prompt: int) -> int:
        """How long the next reply may be, so that the budgets hold whatever is answered, in tokens.

        Args:
            prompt: tokens that go in, rather too many than too few.

        Raises:
            BudgetSpentError: there is no room for one that is worth asking for.
        """
        self._meter.check()
        left = self._meter.left
        affordable = self._prices.output_for(left.usd, prompt)
        allowed = left.tokens - prompt
        if min(affordable, allowed) < LEAST_REPLY:
            what = "usd" if affordable < LEAST_REPLY else "tokens"
            raise BudgetSpentError(
                f"what is left of the budget in {what} is not enough for another reply",
                what=what,
                remedy=f"what is there so far counts; agent.budget.{what} in the controller's file sets more",
            )
        return min(affordable, allowed, MOST_REPLY)

    def charge(self, usage: Usage) -> Decimal:
        """Count what a reply has used; gives what it cost, in US dollars."""
        usd = self._prices.cost(usage)
        self._meter.tokens(usage.input + usage.cache_write, usage.output, usage.cache_read, usd)
        return usd

    @property
    def spent(self) -> Spent:
        """What was used so far."""
        return self._meter.spent()

    def left_s(self) -> float:
        """Seconds that the run has left."""
        return self._meter.left.wall_s
