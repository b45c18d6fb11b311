# SPDX-License-Identifier: Apache-2.0
"""Plain requests to a forge's API, where no client library is to be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetsched.errors import FleetschedError
from fleetsched.forge.trouble import no_library, trouble, unanswered
from fleetsched.model.controller import ForgeAccess

if TYPE_CHECKING:
    from requests import PreparedRequest, Response


class _Signing:
    """Puts a token into each request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"token {self._token}"
        return request


class Rest:
    """A way to one forge.

    Args:
        forge: its name for people.
        access: the controller's own settings.
        token: sent with every request.
        example: a URL as such a forge has it, for whoever has set none.
        timeout_s: seconds that one answer may take.

    Raises:
        FleetschedError: requests is not installed, or no URL is set.
    """

    def __init__(
        self, forge: str, access: ForgeAccess, token: str, *, example: str, timeout_s: float
    ) -> None:
        try:
            import requests
        except ImportError as error:
            raise no_library(forge, "requests") from error
        if not access.url:
            raise FleetschedError(
                f"forge {access.kind}: its URL is not set",
                remedy=f"set forge.url in the controller's own file, such as {example}",
            )
        self.url = access.url.rstrip("/")
        self._session = requests.Session()
        # Not a header of the session: what .netrc knows of the host, for Git, would replace it.
        self._session.auth = _Signing(token)
        self._forge, self._name, self._timeout_s = forge, access.repository, timeout_s

    def send(self, doing: str, method: str, path: str, **body: Any) -> Response:
        """Ask; whatever it answers.

        Args:
            doing: what is asked for, such as `open a pull request`.
            method: of HTTP.
            path: below the forge's URL.
            body: `json` or `data`, as requests takes them.

        Raises:
            FleetschedError: there was no answer.
        """
        try:
            return self._session.request(method, self.url + path, timeout=self._timeout_s, **body)
        except OSError as error:
            raise trouble(self._forge, self._name, doing, 0, unanswered(error), {}) from error
