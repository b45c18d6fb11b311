# SPDX-License-Identifier: Apache-2.0
"""Values of options that are more than a word or a number."""

from __future__ import annotations

from collections.abc import Sequence

from fleetsched.errors import UsageError


def pairs_of(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """Read an option that is given several times, each NAME=VALUE.

    Raises:
        UsageError: one is not.
    """
    pairs = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{option} {each!r}: expected NAME=VALUE")
        pairs[name] = value
    return pairs


def guardrails_of(given: Sequence[str] | None) -> dict[str, float]:
    """Read `--guardrail METRIC=PERCENT`, given several times: the largest regression, as a share, by metric.

    Raises:
        UsageError: one is not that.
    """
    return {name: _share(text) for name, text in pairs_of("--guardrail", given).items()}


def duration_of(option: str, text: str) -> float:
    """Read an option's duration, in seconds.

    Raises:
        UsageError: it is none.
    """
    from fleetsched.fleetrepo.decode import duration

    try:
        return duration(text)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{option}: expected a duration such as 90s, 10m or 1h, got {text!r}") from None


def _share(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / 100
    except ValueError:
        raise UsageError(f"--guardrail: expected a percentage such as 5%, got {text!r}") from None
