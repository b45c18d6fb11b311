# SPDX-License-Identifier: Apache-2.0
"""What a forge's answers mean for the user: its status codes as errors with a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from fleetsched.errors import ConflictError, FleetschedError, RefusedError
from fleetsched.model.timestamp import rfc3339
from fleetsched.views.proposal import line_of

_MOST_SAID = 200


def trouble(
    forge: str, repository: str, doing: str, status: int, said: str, headers: Mapping[str, str]
) -> FleetschedError:
    """The error that an answer of a forge amounts to.

    Args:
        forge: its name.
        repository: which of its repositories.
        doing: what was asked, such as `open a pull request`.
        status: of HTTP; 0 = there was no answer.
        said: the forge's own words, foreign text.
        headers: of the answer.
    """
    low = {name.lower(): value for name, value in headers.items()}
    because = f": {line_of(said, _MOST_SAID)}" if said else ""
    what = f"{forge}, {repository}: cannot {doing}"
    limited = status == 429 or (
        status == 403 and (low.get("x-ratelimit-remaining") == "0" or "retry-after" in low)
    )
    if limited:
        return FleetschedError(
            f"{what}: too many requests{_until(low)}", remedy="wait until then, then run it again"
        )
    match status:
        case 0:
            return FleetschedError(
                f"{what}: no answer{because}",
                remedy="check the network and forge.url in the controller's own file",
            )
        case 401:
            return FleetschedError(
                f"{what}: the token is not accepted{because}",
                remedy="it may have expired: make another, and see forge.token in the controller's own file",
            )
        case 403:
            return FleetschedError(
                f"{what}: the token may not{because}",
                remedy="docs/forges.md says what it must be allowed to do",
            )
        case 404:
            return FleetschedError(
                f"{what}: no such repository or thing, or the token may not see it{because}",
                remedy="check forge.repository and forge.token in the controller's own file",
            )
        case 405 | 406:
            return RefusedError(
                f"{what}: the forge's rules do not let it be{because}",
                remedy="see on its page what is missing: a check, a review, or a conflict",
            )
        case 409:
            return ConflictError(
                f"{what}: it changed at the same time{because}", remedy="look at it, then run it again"
            )
        case 400 | 422:
            return RefusedError(f"{what}: refused{because}", remedy="see its page on the forge")
    return FleetschedError(
        f"{what}: the forge failed (HTTP {status}){because}", remedy="try again in some minutes"
    )


def unanswered(error: OSError) -> str:
    """What kept an answer from coming; of the network's errors only their kind: they name addresses."""
    # requests raises a plain OSError where a file of certificates of the environment is not there.
    return str(error) if type(error) is OSError else type(error).__name__


def no_library(forge: str, library: str) -> FleetschedError:
    """What to do where the library that speaks to a forge is not installed."""
    return FleetschedError(
        f"the library that speaks to {forge} ({library}) is not installed",
        remedy="pip install 'fleetsched[forge]'",
    )


def _until(headers: Mapping[str, str]) -> str:
    after = headers.get("retry-after", "")
    reset = headers.get("x-ratelimit-reset", "") or headers.get("ratelimit-reset", "")
    if after.isdecimal():
        return f", for {after} s more"
    if reset.isdecimal():
        return f", until {rfc3339(datetime.fromtimestamp(int(reset), UTC))}"
    return ""
