# SPDX-License-Identifier: Apache-2.0
"""`fleetsched mcp`: the tools for programs. Standard output carries the protocol and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetsched.cli.complete import complete_goal
from fleetsched.cli.options import Config, Forks, Inventory, Repository, open_access, repository_around
from fleetsched.cli.say import complain
from fleetsched.errors import FleetschedError, UsageError

if TYPE_CHECKING:
    from fleetsched.mcp.sessions import Sessions

app = typer.Typer()

TOKEN = "FLEETSCHED_MCP_TOKEN"  # noqa: S105 (the name of a variable)
_SHORTEST_TOKEN = 16


@app.command()
def mcp(
    goal: Annotated[
        str | None,
        typer.Option("--goal", help="Work for this goal; default: none.", autocompletion=complete_goal),
    ] = None,
    kernel: Annotated[
        str, typer.Option("--kernel", metavar="VERSION", help="Of the machines for gates and measurements.")
    ] = "6.18",
    workload: Annotated[
        str | None,
        typer.Option("--workload", "-w", metavar="NAME", help="To measure on; default: the goal's first."),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            "--http", metavar="HOST:PORT", help=f"Serve HTTP, with the token in {TOKEN}; default: stdio."
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help=f"The file with the token, instead of {TOKEN}.")
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option("--from", help="What hosts do: a file of `observe --profile`, for `read_profile`."),
    ] = None,
    repository: Repository = None,
    inventory: Inventory = None,
    forks: Forks = None,
    config: Config = None,
) -> None:
    """Serve the agent's tools, and plan, status and history, over the Model Context Protocol.

    Policies are made, judged and measured on this computer. No tool changes a host or a branch.
    """
    if token_file is not None and http is None:
        raise UsageError("--token-file is for --http")
    address = _address(http) if http is not None else None
    token = _token(token_file) if http is not None else ""
    root = repository_around(repository)
    sessions = _sessions(root, goal, kernel, workload, profile, inventory, forks, config)
    _serve(sessions, address, token)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"--http {text}: expected HOST:PORT, such as 127.0.0.1:8765")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _token(file: Path | None) -> str:
    from fleetsched.errors import InputError
    from fleetsched.fleetrepo.secret import resolve_secret
    from fleetsched.model.controller import SecretReference

    try:
        reference = SecretReference(file=str(file)) if file is not None else SecretReference(env=TOKEN)
        token = resolve_secret(reference)
    except InputError as error:
        raise UsageError(
            f"over HTTP a token is needed: {error.message}",
            remedy=error.remedy or f"put a random one into a file, for --token-file, or into {TOKEN}",
        ) from error
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"the token is too simple: at least {_SHORTEST_TOKEN} printable ASCII characters, without spaces",
            remedy="`openssl rand -hex 32` makes a good one",
        )
    return token


def _sessions(
    root: Path | None,
    goal: str | None,
    kernel: str,
    workload: str | None,
    profile: Path | None,
    inventory: list[Path] | None,
    forks: int | None,
    config: Path | None,
) -> Sessions:
    from dataclasses import replace

    from fleetsched.agent.budget import Meter
    from fleetsched.cli.running import journals
    from fleetsched.fleetrepo.controller import load_controller
    from fleetsched.mcp.session import BACKEND, Offered, offered
    from fleetsched.mcp.sessions import Sessions
    from fleetsched.operations.bench import workloads
    from fleetsched.operations.profile import read_profile
    from fleetsched.operations.running import new_run_id
    from fleetsched.operations.task import open_task
    from fleetsched.operations.workbench import open_workbench

    open_fleet = (lambda: open_access(root, inventory, config, forks)) if root is not None else None
    fleet = open_fleet().fleet if open_fleet is not None else None
    seen = read_profile(profile) if profile is not None else None
    task = open_task(fleet, goal, kernel=kernel, workload=workload, profile=seen)
    # Clients spend their own money and wait as long as they like; candidates of each session are bounded.
    budget = replace(load_controller(config).agent.budget, wall_s=float("inf"))

    def say(text: str) -> None:
        from fleetsched.mcp.server import tell

        complain(text)
        tell(text)

    known = workloads(root)

    def open_tools() -> tuple[Offered, ...]:
        folder = journals() / new_run_id()
        bench = open_workbench(None, task, folder, Meter(budget), say, backend=BACKEND, known=known)
        return offered(bench, task, folder, open_fleet)

    return Sessions(open_tools)


def _serve(sessions: Sessions, address: tuple[str, int] | None, token: str) -> None:
    try:
        import anyio

        from fleetsched.mcp.http import PATH, serve_http
        from fleetsched.mcp.server import make_server, serve_stdio
    except ImportError as error:
        raise _not_installed(error) from error
    if address is None:
        anyio.run(serve_stdio, make_server(sessions))
        return
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    complain(f"serving http://{shown}:{port}{PATH}; Ctrl-C ends it")
    anyio.run(serve_http, sessions, token, host, port)


def _not_installed(error: ImportError) -> FleetschedError:
    return FleetschedError(
        f"the Model Context Protocol needs {error.name}, which is not installed",
        remedy="pip install 'fleetsched[mcp]'",
    )
