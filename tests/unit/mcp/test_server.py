# SPDX-License-Identifier: Apache-2.0
"""The server as the official client sees it: in this process, and over HTTP on loopback."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server
from mcp_types import CallToolResult

from fleetsched.agent.interface import Candidate
from fleetsched.helper.simulated import SimulatedHost
from fleetsched.mcp.http import PATH, make_app
from fleetsched.mcp.server import make_server, tell
from fleetsched.mcp.session import Offered, offered
from fleetsched.mcp.sessions import IDLE_S, MOST_SESSIONS, Sessions
from fleetsched.model.gate import Gate, GateReport
from fleetsched.model.lesson import Lesson
from fleetsched.model.profile import Profile
from fleetsched.operations.init import init
from tests.unit.operations.controller import Controller
from tests.unit.workbenches import SOURCE, FakeLab, task, workbench

TOKEN = "0123456789abcdef0123456789abcdef"
ACCEPTED = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "one-too-many", "version": "1"},
    },
}
READERS = [
    "list_policies",
    "read_policy",
    "read_profile",
    "read_lessons",
    "read_headers",
    "compare",
    "plan",
    "status",
    "history",
]
CHANGES_NOTHING_IT_SHOULD_NOT = {"run", "stop", "apply", "rollback", "propose", "confirm", "merge", "release"}

Talk = Callable[[Client], Awaitable[None]]


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    root = tmp_path / "fleet"
    init(root)
    lines = "".join(f"        {name}:\n" for name in ("lab-1", "lab-2"))
    (root / "inventory" / "lab.yaml").write_text(f"all:\n  children:\n    lab:\n      hosts:\n{lines}")
    hosts = {"lab-1": SimulatedHost("lab-1"), "lab-2": SimulatedHost("lab-2", installed=False)}
    return Controller(root, hosts)


def sessions(run: Path, *, lab: FakeLab | None = None, fleet: Controller | None = None) -> Sessions:
    """Sessions of which the first has the folder `run`, the others `run` with a number."""
    asked, count = task(), itertools.count()

    def open_tools() -> tuple[Offered, ...]:
        number = next(count)
        folder = run if not number else run.with_name(f"{run.name}-{number}")
        return offered(workbench(folder, lab, asked=asked), asked, folder, fleet.access if fleet else None)

    return Sessions(open_tools)


def server(run: Path, *, lab: FakeLab | None = None, fleet: Controller | None = None) -> Server:
    return make_server(sessions(run, lab=lab, fleet=fleet))


def talk(served: Server, what: Talk) -> None:
    async def go() -> None:
        async with Client(served) as client:
            await what(client)

    anyio.run(go)


def answer(result: CallToolResult) -> dict[str, Any]:
    """The answer, which is the same as text and as a value."""
    (content,) = result.content
    assert content.type == "text"
    assert json.loads(content.text) == result.structured_content
    assert result.is_error == ("error" in result.structured_content)
    found: dict[str, Any] = result.structured_content
    return found


def test_a_client_goes_from_the_list_of_policies_to_a_candidate_that_was_measured(tmp_path: Path) -> None:
    async def what(client: Client) -> None:
        listed = answer(await client.call_tool("list_policies", {}))["policies"]
        usable = [each["policy"] for each in listed if "cannot_be_used" not in each]
        chosen = {"policy": usable[0], "variant": "default", "parameters": []}
        assert answer(await client.call_tool("choose_policy", chosen))["candidate"] == "c1"
        said = answer(await client.call_tool("stress", {"candidate": "c1"}))
        assert (said["verdict"], said["passed"][-1]) == ("passed", "stress")
        measured = answer(await client.call_tool("benchmark", {"candidate": "c1", "repeats": 6}))
        assert measured["comparisons"][0]["finding"] == "better"
        ended = await client.call_tool("finish", {"candidate": "c1", "explanation": "shorter\x1b[2J waits"})
        kept = answer(ended)["kept_in"]
        assert Path(kept) == tmp_path / "ended.json"
        record = json.loads(Path(kept).read_text())
        assert (record["policy"], record["explanation"]) == (usable[0], "shorter?[2J waits")

    talk(server(tmp_path), what)


def test_a_client_is_told_how_far_a_call_is_and_others_are_not(tmp_path: Path) -> None:
    class Talking(FakeLab):
        def gates(self, candidate: Candidate, until: Gate) -> GateReport:
            tell("booting\x1b[2J a machine")
            tell("on 6.18")
            return super().gates(candidate, until)

    async def what(client: Client) -> None:
        heard: list[tuple[float, str | None]] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append((progress, message))

        chosen = {"policy": "fair", "variant": "default", "parameters": []}
        await client.call_tool("choose_policy", chosen, progress_callback=hear)
        assert heard == []
        await client.call_tool("verify", {"candidate": "c1"}, progress_callback=hear)
        assert heard == [(1, "booting?[2J a machine"), (2, "on 6.18")]
        assert answer(await client.call_tool("verify", {"candidate": "c1"}))["verdict"] == "passed"

    talk(server(tmp_path, lab=Talking()), what)


def test_a_written_policy_is_compiled_and_its_first_error_comes_back(tmp_path: Path) -> None:
    async def what(client: Client) -> None:
        source = SOURCE + "int f(void) { return nothing; }\n"
        written = {"name": "short", "source": source, "description": "d"}
        assert answer(await client.call_tool("write_policy", written))["candidate"] == "c1"
        said = answer(await client.call_tool("compile", {"candidate": "c1"}))
        assert said["stopped_by"] == "compile"
        assert said["findings"][0]["place"] == "policies/short/short.bpf.c:4:22"

    talk(server(tmp_path, lab=FakeLab(real=True)), what)


def test_every_tool_says_whether_it_only_reads_and_none_destroys(
    tmp_path: Path, controller: Controller
) -> None:
    async def what(client: Client) -> None:
        tools = (await client.list_tools()).tools
        hints = {tool.name: tool.annotations for tool in tools}
        assert [name for name, hint in hints.items() if hint is not None and hint.read_only_hint] == READERS
        assert {hint.destructive_hint for hint in hints.values() if hint is not None} == {False}
        asking = {name for name, hint in hints.items() if hint is not None and hint.open_world_hint}
        assert asking == {"plan", "status", "history"}
        assert not CHANGES_NOTHING_IT_SHOULD_NOT & hints.keys()
        assert all(tool.description for tool in tools)

    talk(server(tmp_path, fleet=controller), what)


def test_profile_and_lessons_of_the_task_can_be_read(tmp_path: Path) -> None:
    lesson = Lesson("message-wakeups", "6.18", "fair", "worse", "p99 +40 %", "2026-01-02")
    asked = replace(task(), profile=Profile(("web-1",), 5.0, {"wake_rate": 900.0}), lessons=(lesson,))

    async def what(client: Client) -> None:
        seen = answer(await client.call_tool("read_profile", {}))
        assert (seen["hosts"], seen["features"]) == (1, {"wake_rate": 900.0})
        (known,) = answer(await client.call_tool("read_lessons", {}))["lessons"]
        assert (known["policy"], known["why"]) == ("fair", "p99 +40 %")

    tools = offered(workbench(tmp_path, asked=asked), asked, tmp_path, None)
    talk(make_server(Sessions(lambda: tools)), what)


def test_without_a_fleet_repository_nothing_of_a_fleet_is_offered(tmp_path: Path) -> None:
    async def what(client: Client) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert not {"plan", "status", "history"} & names

    talk(server(tmp_path), what)


def test_plan_status_and_history_read_the_hosts_and_change_nothing(
    tmp_path: Path, controller: Controller
) -> None:
    assert controller.apply().exit_code == 0
    before = {name: deepcopy(host.disk) for name, host in controller.hosts.items()}

    async def what(client: Client) -> None:
        (root,) = [answer(await client.call_tool("plan", {"limit": "all"}))["records"]]
        hosts = {record["host"]: record["action"] for record in root if record["type"] == "host"}
        assert hosts == {"lab-1": "none", "lab-2": "none"}
        seen = answer(await client.call_tool("status", {"limit": "lab-1"}))["records"]
        assert [record["host"] for record in seen if record["type"] == "host"] == ["lab-1"]
        (remembered,) = answer(await client.call_tool("history", {"limit": "lab-1"}))["hosts"]
        events = [entry["event"] for entry in remembered["entries"]]
        assert events == ["confirm", "attached", "try", "stage", "service-start"]
        assert remembered["error"] == ""

    talk(server(tmp_path / "run", fleet=controller), what)
    assert {name: host.disk for name, host in controller.hosts.items()} == before


def test_what_a_client_does_wrong_is_an_answer_with_a_remedy(tmp_path: Path, controller: Controller) -> None:
    async def what(client: Client) -> None:
        for name, arguments in (
            ("apply", {}),
            ("stress", {}),
            ("stress", {"candidate": "c7"}),
            ("plan", {"limit": "nowhere"}),
            ("plan", {"limit": "all", "yes": True}),
        ):
            said = answer(await client.call_tool(name, arguments))
            assert said["error"], name
            assert said.get("remedy", "") or name == "plan", name

    talk(server(tmp_path / "run", fleet=controller), what)


@contextmanager
def over_http(served: Sessions) -> Iterator[str]:
    """The server on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(make_app(served, TOKEN, "127.0.0.1"), log_level="critical", lifespan="on")
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}"
        finally:
            running.should_exit = True
            thread.join()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """The official client, as it is by default."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def test_two_clients_at_once_have_candidates_of_their_own(tmp_path: Path) -> None:
    served = sessions(tmp_path / "run", lab=FakeLab())

    async def go(url: str) -> None:
        async with connected(url) as first, connected(url) as second:
            for client, name in ((first, "fair"), (second, "deadline")):
                chosen = {"policy": name, "variant": "default", "parameters": []}
                assert answer(await client.call_tool("choose_policy", chosen)) == {
                    "candidate": "c1",
                    "policy": name,
                }
            for client in (first, second):
                assert answer(await client.call_tool("stress", {"candidate": "c1"}))["verdict"] == "passed"
            assert (
                answer(await first.call_tool("benchmark", {"candidate": "c1", "repeats": 6}))["candidate"]
                == "c1"
            )
            assert len(answer(await first.call_tool("compare", {}))["measured"]) == 1
            assert answer(await second.call_tool("compare", {})) == {"measured": []}
            said = answer(await second.call_tool("finish", {"candidate": "c1", "explanation": "because"}))
            assert "was not measured" in said["error"]
            assert len(served) == 2

    with over_http(served) as url:
        anyio.run(go, url)
    # Both were ended by their clients; what they wrote stays.
    assert len(served) == 0
    assert {file.parents[1].name for file in tmp_path.glob("*/gates/c1-stress.json")} == {"run", "run-1"}


def test_there_are_so_many_sessions_and_no_more_and_one_that_ends_makes_room(tmp_path: Path) -> None:
    async def go(url: str) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(MOST_SESSIONS - 1):
                await stack.enter_async_context(connected(url))
            async with connected(url):
                reply = httpx2.post(url, json=INITIALIZE, headers=ACCEPTED)
                assert (reply.status_code, reply.json()["error"]["message"]) == (
                    503,
                    "Too many open sessions",
                )
            async with connected(url) as client:
                assert (await client.list_tools()).tools

    with over_http(sessions(tmp_path)) as url:
        anyio.run(go, url)


def test_a_session_without_calls_is_forgotten_and_one_with_a_call_is_not(tmp_path: Path) -> None:
    now_s = 0.0
    kept = Sessions(tuple, clock=lambda: now_s)
    with kept.using("busy"):
        with kept.using("idle"):
            pass
        now_s = IDLE_S + 1
        with kept.using("new"):
            assert len(kept) == 2
        kept.end("new")
        kept.end("never was")
        assert len(kept) == 1


def test_requests_that_belong_to_no_session_are_told_which_revisions_do(tmp_path: Path) -> None:
    headers = ACCEPTED | {"MCP-Protocol-Version": "2026-07-28"}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    with over_http(sessions(tmp_path)) as url:
        reply = httpx2.post(url, json=request, headers=headers)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["message"] == "this server works in sessions, which begin with `initialize`"
    assert "2025-11-25" in error["data"]["supported"]


def test_who_has_the_token_is_served_over_http(tmp_path: Path) -> None:
    async def go(url: str) -> None:
        async with connected(url) as client:
            assert len((await client.list_tools()).tools) == 15
            chosen = {"policy": "fair", "variant": "default", "parameters": []}
            assert answer(await client.call_tool("choose_policy", chosen))["candidate"] == "c1"

    with over_http(sessions(tmp_path)) as url:
        anyio.run(go, url)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}0"},
        {"Authorization": "Bearer \u00e4".encode()},
    ],
)
def test_without_the_token_nothing_is_served(tmp_path: Path, headers: dict[str, str]) -> None:
    with over_http(sessions(tmp_path)) as url:
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        for path in (url, url.replace(PATH, "/"), url.replace(PATH, "/nothing")):
            reply = httpx2.post(path, json=request, headers=headers)
            assert reply.status_code == 401
            assert reply.json() == {"error": "a bearer token is needed, and this is none"}
            assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_a_page_in_a_browser_cannot_use_the_server_on_loopback(tmp_path: Path) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    with over_http(sessions(tmp_path)) as url:
        reply = httpx2.post(url, json=request, headers=ACCEPTED | {"Origin": "http://evil.example"})
        assert reply.status_code == 403
