# SPDX-License-Identifier: Apache-2.0
"""The server over streamable HTTP: for whoever has the token, and nobody else, each in a session of its own.

Candidates belong to a session, and the protocol's revision of 2026-07-28 has none: there every request stands
for itself. So HTTP is served in the revisions before it, which clients fall back to by themselves.
"""

from __future__ import annotations

import hmac

import uvicorn
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fleetsched.mcp.server import make_server
from fleetsched.mcp.sessions import IDLE_S, MOST_SESSIONS, ONLY, Sessions

PATH = "/mcp"
_SCHEME = "bearer "


def make_app(sessions: Sessions, token: str, host: str) -> ASGIApp:
    """The application at `PATH`.

    Args:
        sessions: whose tools are served.
        token: that every request has to bring.
        host: where it listens; on loopback, requests that a browser was made to send are refused, too.
    """
    app = make_server(sessions).streamable_http_app(
        streamable_http_path=PATH, host=host, session_idle_timeout=IDLE_S, max_sessions=MOST_SESSIONS
    )
    return OnlyWithToken(InSessions(app, sessions), token)


class InSessions:
    """Refuses what belongs to no session, and says when one was ended by its client."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app, self._sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        version = headers.get(MCP_PROTOCOL_VERSION_HEADER)
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            await _without_sessions(version)(scope, receive, send)
            return
        await self._app(scope, receive, send)
        if scope["method"] == "DELETE":
            self._sessions.end(headers.get(MCP_SESSION_ID_HEADER, ONLY))


def _without_sessions(version: str) -> JSONResponse:
    supported = list(HANDSHAKE_PROTOCOL_VERSIONS)
    error = {
        "code": UNSUPPORTED_PROTOCOL_VERSION,
        "message": "this server works in sessions, which begin with `initialize`",
        "data": {"supported": supported, "requested": version},
    }
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status_code=400)


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


async def serve_http(sessions: Sessions, token: str, host: str, port: int) -> None:
    """Serve until a signal ends it. Its log goes to standard error."""
    config = uvicorn.Config(
        make_app(sessions, token, host), host=host, port=port, log_level="warning", access_log=False
    )
    await uvicorn.Server(config).serve()
