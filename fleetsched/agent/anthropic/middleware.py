# SPDX-License-Identifier: Apache-2.0
"""What every attempt of a request passes: what leaves is redacted, and what HTTP says of it is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fleetsched.agent.anthropic.model import ModelError
from fleetsched.agent.transcript import Transcript
from fleetsched.secrets import redact_values

if TYPE_CHECKING:
    from anthropic import APIResponse
    from anthropic._middleware import CallNext
    from anthropic._request import APIRequest

_LONGEST_WAIT_S = 120.0
LONGEST_SILENCE_S = 300.0  # between two events of a stream; a long thought sends pings meanwhile
_SHORTEST_SILENCE_S = 1.0  # what is asked in the last moment needs the time to get there


class UnansweredError(ModelError):
    """An attempt went out and nothing came back in time. It may have cost something: who asked decides."""


class Attempts:
    """The SDK's middleware; it is called once an attempt, within the SDK's retries.

    Args:
        left_s: seconds that the run has left.
    """

    def __init__(self, transcript: Transcript, left_s: Callable[[], float]) -> None:
        self._transcript, self._left_s = transcript, left_s

    def __call__(self, request: APIRequest, call_next: CallNext) -> APIResponse[Any]:
        """Send one attempt.

        Raises:
            UnansweredError: nothing came back in time; the SDK does not try that again.
            ModelError: the API wants to be left alone for longer than this run can wait, or the run's time
                is over.
        """
        left_s = self._left_s()
        if left_s <= 0:
            raise ModelError("the language model's API gave no answer before this run's time was over")
        silence_s = min(LONGEST_SILENCE_S, max(left_s, _SHORTEST_SILENCE_S))
        try:
            response = call_next(request.copy(body=_redacted(request.json), timeout=silence_s))
        except Exception as error:  # whatever it is: it is recorded here, and raised for those above
            self._transcript.write("attempt", retry=request.retries_taken, error=type(error).__name__)
            if _went_out(error):
                # With its cause the SDK would try again; without, the talk does, within its budgets.
                raise UnansweredError(f"nothing was answered within {silence_s:.0f} s") from None
            raise
        status, headers = response.http_response.status_code, response.http_response.headers
        fields = {
            "retry": request.retries_taken,
            "status": status,
            "request_id": headers.get("request-id", ""),
        }
        wait = _seconds(headers.get("retry-after", ""))
        self._transcript.write("attempt", **fields, **({"retry_after_s": wait} if wait else {}))
        # The SDK waits for as long as it is told to, be it for days.
        longest = max(min(_LONGEST_WAIT_S, self._left_s()), 0)
        if status >= 400 and wait > longest:
            response.http_response.close()
            raise ModelError(
                f"the language model's API (HTTP {status}) wants to be asked again in {wait:.0f} s, "
                f"and this run waits {longest:.0f} s at most",
                remedy="try again later; --backend catalogue works without a language model",
            )
        return response


def _went_out(error: Exception) -> bool:
    """Whether a request timed out after it was sent, as far as one can know."""
    import anthropic
    import httpx2

    not_sent = httpx2.ConnectTimeout | httpx2.PoolTimeout
    return isinstance(error, anthropic.APITimeoutError) and not isinstance(error.__cause__, not_sent)


def _redacted(body: Any) -> Any:
    """What people, hosts and tools said goes without secrets; what the model said goes back as it came."""
    if not isinstance(body, Mapping):
        return body
    messages = [redact_values(each) if each["role"] == "user" else each for each in body.get("messages", ())]
    return {**body, "messages": messages}


def _seconds(header: str) -> float:
    """Seconds of a retry-after header; its other form, a date, is left to the SDK's own limit of tries."""
    try:
        return float(header)
    except ValueError:
        return 0.0
