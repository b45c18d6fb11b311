# SPDX-License-Identifier: Apache-2.0
"""The emulated GitHub on a port of loopback: its API below /api/v3, and Git over HTTP beside it."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.github_emulator.api import Api
from tests.github_emulator.contract import Operation, contract
from tests.github_emulator.repository import Refusal, Repository, User

_PREFIX = "/api/v3"


class GitHubEmulator:
    """A running emulator.

    Attributes:
        repository: what it knows; tests look and change here what people would on its pages.
        requests: method and path of each request, in order.
        wrong: what did not fit GitHub's own description; a test ends by finding it empty.
        fail: answers of these statuses, with headers, are given first, instead of doing anything.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.requests: list[str] = []
        self.wrong: list[str] = []
        self.fail: list[tuple[int, dict[str, str]]] = []
        self.lock = threading.Lock()
        emulator = self

        class Handler(_Handler):
            github = emulator

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self._server.server_address[1]}"
        self.api = Api(repository, f"http://{self.host}{_PREFIX}")

    @property
    def api_url(self) -> str:
        """What the controller's own file names as forge.url."""
        return self.api.base

    def git_url(self, user: User) -> str:
        """The repository's URL for Git, with a user's token."""
        return f"http://{user.login}:{user.token}@{self.host}/{self.repository.full_name}.git"

    def serve(self) -> None:
        """Answer until it is closed."""
        self._server.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running(path: Path, full_name: str = "acme/fleet") -> Iterator[GitHubEmulator]:
    """Serve a bare repository, `full_name`.git below a folder."""
    emulator = GitHubEmulator(Repository(path / f"{full_name}.git", full_name))
    thread = threading.Thread(target=emulator.serve)
    thread.start()
    try:
        yield emulator
    finally:
        emulator.close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Hangs up on clients that keep their connection, and waits for its threads."""

    daemon_threads = False

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for request in list(self._open):
            with suppress(OSError):  # it has hung up already
                request.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    github: GitHubEmulator

    def log_message(self, *arguments: Any) -> None:
        """Say nothing on the terminal."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        url = urlsplit(self.path)
        if url.path.startswith(_PREFIX):
            with self.github.lock:
                status, answer, headers = self._api(url.path.removeprefix(_PREFIX), url.query, content)
            self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json", **headers})
        else:
            self._git(url.path, url.query, content)

    do_GET = do_POST = do_PATCH = do_PUT = _handle  # noqa: N815 - names of the base class

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _user(self, token: str) -> User | None:
        return next((user for user in self.github.repository.users if user.token == token), None)

    def _api(self, path: str, query: str, content: bytes) -> tuple[int, Any, dict[str, str]]:
        github = self.github
        github.requests.append(f"{self.command} {path}")
        if github.fail:
            status, headers = github.fail.pop(0)
            return status, {"message": "as the test wants it"}, headers
        user = self._user(self.headers.get("Authorization", "").rpartition(" ")[2])
        if user is None:
            return 401, {"message": "Bad credentials"}, {}
        operation = contract().find(self.command, path)
        if operation is None:
            github.wrong.append(f"{self.command} {path}: GitHub has no such operation")
            return 404, {"message": "Not Found"}, {}
        body = json.loads(content) if content else None
        asked = dict(parse_qsl(query))
        self._note(operation, contract().wrong_request(operation, asked, body))
        github.repository.settle()
        try:
            status, known = github.api.answer(operation.name, user, operation.values, asked, body)
        except Exception as error:
            if not isinstance(error, Refusal):
                github.wrong.append(f"{operation.name}: {error!r}")
                return 500, {"message": "the emulator failed"}, {}
            refusal = error
            self._note(operation, contract().wrong_answer(operation, refusal.status, refusal.body))
            return refusal.status, refusal.body, {}
        headers = {}
        if isinstance(known, list):
            known, headers = self._page(known, path, asked)
        least = contract().sample(operation, status)
        answer = [_over(least, each) for each in known] if isinstance(known, list) else _over(least, known)
        self._note(operation, contract().wrong_answer(operation, status, answer))
        github.repository.settle()
        return status, answer, headers

    def _note(self, operation: Operation, wrong: list[str]) -> None:
        self.github.wrong += [f"{operation.name}: {each}" for each in wrong]

    def _page(self, known: list[Any], path: str, asked: dict[str, str]) -> tuple[list[Any], dict[str, str]]:
        size, page = int(asked.get("per_page", "30")), int(asked.get("page", "1"))
        headers = {}
        if len(known) > size * page:
            more = "&".join(f"{name}={value}" for name, value in {**asked, "page": str(page + 1)}.items())
            headers["Link"] = f'<{self.github.api.base}{path}?{more}>; rel="next"'
        return known[size * (page - 1) : size * page], headers

    def _git(self, path: str, query: str, content: bytes) -> None:
        """Let Git's own program answer; who may not write may fetch."""
        scheme, _, coded = self.headers.get("Authorization", "").partition(" ")
        token = base64.b64decode(coded).decode().partition(":")[2] if scheme == "Basic" else ""
        user = self._user(token)
        if user is None:
            self._send(401, b"", {"WWW-Authenticate": 'Basic realm="Git"'})
            return
        if not user.writes and "git-receive-pack" in self.path:
            self._send(403, b"", {})
            return
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.github.repository.path.parents[1]),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(content)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": user.login,
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=content, env=environment, capture_output=True, check=False
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self._send(int(headers.pop("Status", "200").split()[0]), body, headers)


def _over(least: Any, known: Any) -> Any:
    """The known fields laid over the least that a schema wants; lists of mappings keep their least, too."""
    if not isinstance(known, dict):
        return known
    begun = least if isinstance(least, dict) else {}
    return {**begun, **{name: _over(begun.get(name), value) for name, value in known.items()}}
