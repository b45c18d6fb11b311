# SPDX-License-Identifier: Apache-2.0
"""What a language model's tokens cost: exact decimal US dollars, from a dated table (`prices.yaml`)."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources

import msgspec
import yaml

from fleetsched.errors import InputError
from fleetsched.model.controller import Price

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one reply, by what they cost: `input` were neither written to the cache nor read from it."""

    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0

    @property
    def prompt(self) -> int:
        """All tokens that went in."""
        return self.input + self.cache_write + self.cache_read


class _Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    input: Decimal
    output: Decimal
    cache_write: Decimal
    cache_read: Decimal
    up_to: int | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """The rates of one model, the shortest prompts' first.

    Attributes:
        as_of: day of the table, `2026-11-26`; empty = of the controller's own file.
    """

    model: str
    rates: tuple[_Rate, ...]
    as_of: str

    def cost(self, usage: Usage) -> Decimal:
        """What one reply costs, in US dollars, exact."""
        rate = self._rate(usage.prompt)
        millionths = (
            usage.input * rate.input
            + usage.output * rate.output
            + usage.cache_write * rate.cache_write
            + usage.cache_read * rate.cache_read
        )
        return millionths / _MILLION

    def output_for(self, usd: Decimal, prompt: int) -> int:
        """How many tokens of output this much money is enough for, after a prompt of which nothing is cached.

        Below 0 when it is not even enough for the prompt.
        """
        rate = self._rate(prompt)
        left = usd * _MILLION - prompt * max(rate.input, rate.cache_write)
        if not rate.output:  # of a gateway of one's own; other budgets say how much it is
            return -1 if left < 0 else sys.maxsize
        return math.floor(left / rate.output)  # `//` of decimals cuts, so that a debt would become 0

    def _rate(self, prompt: int) -> _Rate:
        return next(rate for rate in self.rates if rate.up_to is None or prompt <= rate.up_to)


def prices_of(model: str, own: Price | None) -> Prices:
    """Find a model's prices: those of the controller's file, else the table's.

    Raises:
        InputError: nobody knows what it costs, so that a budget in money could not be kept.
    """
    if own is not None:
        given = (own.input, own.output, own.cache_write, own.cache_read)
        fresh, output, write, read = (Decimal(str(each)) for each in given)
        rate = _Rate(input=fresh, output=output, cache_write=write, cache_read=read)
        return Prices(model, (rate,), "")
    day, models = _table()
    if model not in models:
        raise InputError(
            f"agent.model is {model}, and its price is unknown, so that no budget could be kept",
            remedy=f"write agent.price in the controller's file, or use one of {', '.join(sorted(models))}",
        )
    return Prices(model, models[model], day)


@cache
def _table() -> tuple[str, dict[str, tuple[_Rate, ...]]]:
    text = resources.files(__package__).joinpath("prices.yaml").read_text(encoding="utf-8")
    table = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - it makes nothing but texts, so that 0.1 stays exact
    return table["asOf"], msgspec.convert(table["models"], dict[str, tuple[_Rate, ...]], strict=False)
