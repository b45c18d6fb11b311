# SPDX-License-Identifier: Apache-2.0
"""Serves the status page, the metrics and the webhook, in a thread. Nothing here changes a host."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from fleetsched.errors import FleetschedError
from fleetsched.reconcile.board import Board, text_of
from fleetsched.reconcile.metrics import Metrics
from fleetsched.reconcile.webhook import MOST_BYTES, is_genuine
from fleetsched.secrets import redact
from fleetsched.views.page import pages
from fleetsched.views.report import report_html

_POLICY = (
    "default-src 'none'; style-src {style}; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_MOST_LISTENERS = 50
_POLL_S = 1.0
_ALIVE_EVERY = 15  # polls without news until a comment keeps the connection open


class Site:
    """The answers.

    Args:
        board: what is shown.
        metrics: what is counted.
        wake: called when a forge says that something was pushed.
        secret: of webhooks; empty = none is taken.
    """

    def __init__(self, board: Board, metrics: Metrics, wake: Callable[[], None], secret: str) -> None:
        self._board = board
        self._metrics = metrics
        self._wake = wake
        self._secret = secret
        self._listeners = 0
        self.closing = False

    def app(self) -> Starlette:
        """The application."""
        routes = [Route(path, self._list) for path in pages.LISTS]
        routes += [
            Route("/groups/{name:path}", self._group),
            Route("/hosts/{name:path}", self._host),
            Route("/policies", self._policies),
            Route("/policies/{name}", self._policy),
            Route("/style.css", self._file("style.css", "text/css")),
            Route("/live.js", self._file("live.js", "text/javascript")),
            Route("/events", self._events),
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route("/metrics", self._numbers),
            Route("/webhook", self._webhook, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={404: self._missing})

    async def _list(self, request: Request) -> Response:
        return _html(pages.LISTS[request.url.path](self._board.standing(), _page(request)))

    async def _group(self, request: Request) -> Response:
        name = request.path_params["name"]
        return self._one(pages.group_page(self._board.standing(), name, _page(request)), f"group {name}")

    async def _host(self, request: Request) -> Response:
        name = request.path_params["name"]
        return self._one(pages.host_page(self._board.standing(), name), f"host {name}")

    def _policies(self, request: Request) -> Response:
        return _html(pages.policies_page(self._board.standing(), self._board.dossiers()))

    def _policy(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = self._board.dossiers().get(name)
        return self._one(report_html(found, home="/policies") if found else None, f"policy {name}")

    def _one(self, text: str | None, what: str) -> Response:
        if text is None:
            return _html(pages.missing_page(self._board.standing(), what), 404)
        return _html(text)

    async def _missing(self, request: Request, error: Exception) -> Response:
        return _html(pages.missing_page(self._board.standing(), "such page"), 404)

    def _file(self, name: str, kind: str) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return Response(text_of(name), media_type=kind, headers=_HEADERS)

        return answer

    async def _events(self, request: Request) -> Response:
        if self._listeners >= _MOST_LISTENERS:
            raise HTTPException(503, "too many listeners")
        return StreamingResponse(self._news(), media_type="text/event-stream", headers=_HEADERS)

    async def _news(self) -> AsyncIterator[str]:
        """The serial, whenever it is another; a comment now and then, so that a broken connection is seen."""
        with self._listening():
            told, silent = -1, 0
            while not self.closing:
                silent += 1
                if self._board.serial != told:
                    told, silent = self._board.serial, 0
                    yield f"data: {told}\n\n"
                elif silent >= _ALIVE_EVERY:
                    silent = 0
                    yield ": still here\n\n"
                await asyncio.sleep(_POLL_S)

    @contextmanager
    def _listening(self) -> Any:
        self._listeners += 1
        try:
            yield
        finally:
            self._listeners -= 1

    async def _health(self, request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_HEADERS)

    async def _ready(self, request: Request) -> Response:
        fresh = self._board.is_fresh()
        return PlainTextResponse("ok\n" if fresh else "no fresh cycle\n", 200 if fresh else 503, _HEADERS)

    async def _numbers(self, request: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4", headers=_HEADERS)

    async def _webhook(self, request: Request) -> Response:
        if not self._secret:
            raise HTTPException(404)
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise HTTPException(413, "too large")
        except ClientDisconnect:
            return Response(status_code=400)
        if not is_genuine(request.headers, bytes(body), self._secret):
            raise HTTPException(401, "not signed by this repository's forge")
        self._wake()  # what it says does not matter: the remote is asked
        return PlainTextResponse("thank you\n", 202, _HEADERS)


def _page(request: Request) -> int:
    text = request.query_params.get("page", "1")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 1


def _html(text: str, code: int = 200) -> Response:
    text = redact(text)
    own = _STYLE.search(text)
    digest = base64.b64encode(hashlib.sha256(own[1].encode()).digest()).decode() if own else ""
    style = f"'sha256-{digest}'" if own else "'self'"
    return HTMLResponse(text, code, {**_HEADERS, "Content-Security-Policy": _POLICY.format(style=style)})


class Server:
    """Serves a site in a thread, until the block ends.

    Args:
        site: what is served.
        listen: `HOST:PORT`; port 0 = any that is free.

    Raises:
        FleetschedError: nothing can be served there.
    """

    def __init__(self, site: Site, listen: str) -> None:
        import uvicorn

        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, int(port)), family=family)
        except (OSError, OverflowError) as error:
            raise FleetschedError(
                f"cannot serve on {listen}: {error}", remedy="choose another `reconcile.listen`"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._site = site
        self._server = uvicorn.Server(
            uvicorn.Config(
                site.app(),
                log_level="error",
                access_log=False,
                server_header=False,
                limit_concurrency=200,
                timeout_graceful_shutdown=2,
                lifespan="off",
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="status-page", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._site.closing = True
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
