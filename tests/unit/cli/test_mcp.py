# SPDX-License-Identifier: Apache-2.0
"""`fleetsched mcp`: who may be served, and that standard output carries the protocol alone."""

from __future__ import annotations

import builtins
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.operations.init import init
from tests.unit.workbenches import SOURCE

TOKEN = "FLEETSCHED_MCP_TOKEN"
PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.delenv(f"{TOKEN}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "token", "message"),
    [
        (
            ["--http", "127.0.0.1:8765"],
            None,
            f"over HTTP a token is needed: the environment variable {TOKEN}",
        ),
        (["--http", "127.0.0.1:8765"], "short", "the token is too simple: at least 16 printable"),
        (["--http", "127.0.0.1:8765"], "with spaces in it all over", "the token is too simple"),
        (["--http", "127.0.0.1:8765", "--token-file", "none"], None, "over HTTP a token is needed: none"),
        (["--http", "8765"], "0123456789abcdef", "--http 8765: expected HOST:PORT"),
        (["--http", "127.0.0.1:http"], "0123456789abcdef", "--http 127.0.0.1:http: expected HOST:PORT"),
        (["--http", "127.0.0.1:0"], "0123456789abcdef", "--http 127.0.0.1:0: expected HOST:PORT"),
        (["--token-file", "none"], None, "--token-file is for --http"),
        (["--kernel", "banana"], None, "--kernel banana: expected a version such as 6.18"),
        (["--goal", "web-latency"], None, "no fleet repository here"),
    ],
)
def test_what_is_not_served(
    words: list[str],
    token: str | None,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if token is not None:
        monkeypatch.setenv(TOKEN, token)
    assert main(["mcp", *words]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.err.startswith(f"fleetsched: {message}")
    assert said.out == ""
    assert token is None or len(token) < 16 or token not in said.err


def test_a_token_that_others_can_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\n")
    file.chmod(0o644)
    assert main(["mcp", "--http", "127.0.0.1:8765", "--token-file", str(file)]) == ExitCode.USAGE
    assert "others can read it\n  chmod go= " in capsys.readouterr().err


def test_a_goal_that_there_is_not_is_named_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path / "fleet")
    assert main(["mcp", "-C", str(tmp_path / "fleet"), "--goal", "lab-fairnes"]) == ExitCode.USAGE
    assert 'no goal "lab-fairnes"; did you mean "lab-fairness"?' in capsys.readouterr().err


def test_without_the_library_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "fleetsched.mcp.http":
            raise ModuleNotFoundError("No module named 'mcp'", name="mcp")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert main(["mcp"]) == ExitCode.ERROR
    assert capsys.readouterr().err == (
        "fleetsched: the Model Context Protocol needs mcp, which is not installed\n"
        "  pip install 'fleetsched[mcp]'\n"
    )


def test_a_client_is_served_over_standard_streams(tmp_path: Path) -> None:
    init(tmp_path / "fleet")
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "fleetsched", "mcp", "-C", str(tmp_path / "fleet"), "--goal", "lab-fairness"],
        env=environment,
        cwd=tmp_path,
    )

    async def go() -> None:
        async with Client(started) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names[-3:] == ["plan", "status", "history"]
            written = {"name": "short-first", "source": SOURCE, "description": "short ones first"}
            made = await client.call_tool("write_policy", written)
            assert made.structured_content == {"candidate": "c1", "policy": "short-first"}
            said = (await client.call_tool("inspect", {"candidate": "c1"})).structured_content
            assert (said["verdict"], said["passed"]) == ("failed", ["schema", "compile"])
            assert said["findings"][0]["code"]
            refused = await client.call_tool("benchmark", {"candidate": "c1", "repeats": 6})
            assert refused.structured_content["error"].startswith("candidate c1 has not passed the gates")

    anyio.run(go)
    (manifest,) = tmp_path.glob("fleetsched/runs/*/candidates/c1/short-first/policy.yaml")
    assert "origin: generated\n    backend: mcp\n" in manifest.read_text()
