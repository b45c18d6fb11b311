# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleetsched.agent.prices import Prices, Usage, prices_of
from fleetsched.errors import InputError
from fleetsched.model.controller import Price

MILLION = 1_000_000
_tokens = st.integers(0, 200_000)


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("claude-sonnet-5-5", Usage(input=MILLION), "2"),
        ("claude-sonnet-5-5", Usage(output=MILLION), "10"),
        ("claude-sonnet-5-5", Usage(cache_write=MILLION), "2.5"),
        ("claude-sonnet-5-5", Usage(cache_read=MILLION), "0.1"),
        ("claude-opus-5-5", Usage(1, 1, 1, 1), "0.0000292"),
        ("claude-haiku-5-5", Usage(input=100_000, output=1000), "0.0105"),
        ("claude-haiku-5-5", Usage(input=100_001, output=1000), "0.0525005"),
        ("claude-haiku-5-5", Usage(input=1, cache_read=100_000), "0.0050005"),
    ],
)
def test_a_reply_costs_what_the_table_says(model: str, usage: Usage, usd: str) -> None:
    assert prices_of(model, None).cost(usage) == Decimal(usd)


def test_the_controllers_own_price_outranks_the_table() -> None:
    own = Price(input=1, output=2, cache_write=3, cache_read=0.1)
    prices = prices_of("claude-sonnet-5-5", own)
    assert prices.cost(Usage(MILLION, MILLION, MILLION, MILLION)) == Decimal("6.1")
    assert prices.as_of == ""


@pytest.mark.parametrize(("price", "usd", "enough"), [(0, 0, True), (1, 1, True), (1, 0, False)])
def test_output_that_costs_nothing_is_not_bounded_by_money(price: float, usd: int, enough: bool) -> None:
    prices = prices_of("mine", Price(input=price, output=0, cache_write=price, cache_read=price))
    room = prices.output_for(Decimal(usd), 1000)
    assert room > MILLION if enough else room < 0


def test_a_model_without_a_price_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        prices_of("gpt-9", None)
    assert caught.value.message == (
        "agent.model is gpt-9, and its price is unknown, so that no budget could be kept"
    )
    assert caught.value.remedy.startswith(
        "write agent.price in the controller's file, or use one of claude-fable-5-1, claude-haiku-5-5, "
    )


@given(st.sampled_from(["claude-sonnet-5-5", "claude-haiku-5-5"]), st.decimals("0", "5", places=4), _tokens)
@example("claude-sonnet-5-5", Decimal(0), 1)
def test_what_money_is_enough_for_costs_no_more(model: str, usd: Decimal, prompt: int) -> None:
    prices = prices_of(model, None)
    output = prices.output_for(usd, prompt)
    if output >= 0:
        worst = (
            Usage(prompt, output),
            Usage(0, output, cache_write=prompt),
            Usage(0, output, cache_read=prompt),
        )
        assert max(prices.cost(usage) for usage in worst) <= usd


@given(_tokens, _tokens, _tokens, _tokens)
def test_more_tokens_never_cost_less(fresh: int, output: int, written: int, read: int) -> None:
    prices: Prices = prices_of("claude-haiku-5-5", None)
    usage = Usage(fresh, output, written, read)
    assert prices.cost(Usage(fresh + 1, output + 1, written + 1, read + 1)) > prices.cost(usage)
