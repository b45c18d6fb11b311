# SPDX-License-Identifier: Apache-2.0
"""What the API's errors mean for the person who started the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetsched.agent.anthropic.model import ModelError
from fleetsched.agent.foreign import bounded

if TYPE_CHECKING:
    import anthropic

_KEY = "correct agent.key in the controller's file, or the environment variable that it names"
_LATER = "try again later; --backend catalogue works without a language model"
_BY_STATUS = {
    400: ("it refuses the request", "update anthropic and fleetsched; a gateway may be older than they are"),
    401: ("it does not take the key", _KEY),
    402: ("the account cannot pay for it", "see to the account's credit, or use --backend catalogue"),
    403: ("the key may not do this", "use a key that may use the model, or another agent.model"),
    404: ("it knows no such model or path", "correct agent.model or agent.url in the controller's file"),
    413: ("the request is too large for it", "lower agent.budget, so that a run ends earlier"),
    429: ("it still asks to wait after several tries", _LATER),
    529: ("it is overloaded", _LATER),
}
_SERVER = ("it fails", _LATER)


def explained(error: anthropic.APIError, url: str) -> ModelError:
    """Say what an error of the SDK means. `url` is the API's base, which is not secret."""
    import anthropic

    where = f"the language model's API at {url}"
    if isinstance(error, anthropic.APIStatusError):
        what, remedy = _BY_STATUS.get(
            error.status_code, _SERVER if error.status_code >= 500 else _BY_STATUS[400]
        )
        request = f", request {bounded(error.request_id)}" if error.request_id else ""
        said = bounded(error.api_message or error.message)
        return ModelError(f"{where}: {what} (HTTP {error.status_code}{request}): {said}", remedy=remedy)
    if isinstance(error, anthropic.APITimeoutError):
        return ModelError(f"{where} does not answer in time", remedy=_LATER)
    if isinstance(error, anthropic.APIConnectionError):
        cause = bounded(str(error.__cause__ or error))
        return ModelError(
            f"{where} cannot be reached: {cause}", remedy="check the network, agent.url and proxies"
        )
    return ModelError(f"{where} answers what is no answer: {bounded(str(error))}", remedy=_BY_STATUS[400][1])
