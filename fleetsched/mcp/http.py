# SPDX-License-Identifier: Apache-2.0
"""The server over streamable HTTP: for whoever has the token, and nobody else."""

from __future__ import annotations

import hmac

import uvicorn
from mcp.server.lowlevel import Server
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/mcp"
_SCHEME = "bearer "


def make_app(server: Server, token: str, host: str) -> ASGIApp:
    """The application at `PATH`.

    Args:
        server: what is served.
        token: that every request has to bring.
        host: where it listens; on loopback, requests that a browser was made to send are refused, too.
    """
    return OnlyWithToken(server.streamable_http_app(streamable_http_path=PATH, host=host), token)


class OnlyWithToken:
    """Lets requests through that bring the token; the others get 401 and learn nothing."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] == "http" and not self._is_known(Headers(scope=scope)):
            refusal = JSONResponse(
                {"error": "a bearer token is needed, and this is none"},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_known(self, headers: Headers) -> bool:
        given = headers.get("authorization", "")
        if given[: len(_SCHEME)].lower() != _SCHEME:
            return False
        # In the same time wherever they begin to differ.
        return hmac.compare_digest(given[len(_SCHEME) :].encode(), self._token)


async def serve_http(server: Server, token: str, host: str, port: int) -> None:
    """Serve until a signal ends it. Its log goes to standard error."""
    config = uvicorn.Config(
        make_app(server, token, host), host=host, port=port, log_level="warning", access_log=False
    )
    await uvicorn.Server(config).serve()
