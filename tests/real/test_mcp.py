# SPDX-License-Identifier: Apache-2.0
"""The MCP server as a client's configuration starts it, down to the verifier of a real kernel."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult

from tests.real.conftest import FLEETSCHED, PROJECT

pytestmark = pytest.mark.lab


def answer(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    return found


@pytest.mark.timeout(1800)
def test_from_the_list_of_policies_to_a_candidate_that_a_real_kernel_verified(tmp_path: Path) -> None:
    arguments = ["mcp", "-C", str(PROJECT), "--kernel", "6.18", "--workload", "message-wakeups"]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    started = StdioServerParameters(command=str(FLEETSCHED), args=arguments, env=environment, cwd=tmp_path)

    async def go() -> None:
        async with Client(started) as client:
            listed = answer(await client.call_tool("list_policies", {}))["policies"]
            assert "fair" in [each["policy"] for each in listed]
            source = answer(await client.call_tool("read_policy", {"policy": "fair"}))["fair.bpf.c"]
            written = {"name": "even-handed", "source": renamed(source), "description": "shares, in turn"}
            made = answer(await client.call_tool("write_policy", written))
            said = answer(await client.call_tool("verify", {"candidate": made["candidate"]}))
            assert said["verdict"] == "passed", said
            assert said["passed"] == ["schema", "compile", "inspect", "verify"]

    anyio.run(go)
    (report,) = [json.loads(file.read_text()) for file in tmp_path.glob("**/gates/c1-verify.json")]
    verified = report["results"][-1]
    assert (verified["gate"], verified["cached"]) == ("verify", False)
    assert verified["kernel"].startswith("6.18")


def renamed(source: str) -> str:
    """The same policy by another name, and, so that no verdict of before counts, with another constant."""
    changed = source.replace("fair_", "even_handed_").replace("(fair,", "(even_handed,")
    before = "#define DEBT_NS (100 * NSEC_PER_MSEC)"
    assert before in changed
    return changed.replace(before, f"{before[:-1]} + {secrets.randbelow(1_000_000)})")
