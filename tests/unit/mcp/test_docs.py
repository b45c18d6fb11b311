# SPDX-License-Identifier: Apache-2.0
"""docs/mcp.md names the tools that there are, and what each of them may do."""

from __future__ import annotations

import re
from pathlib import Path

from fleetsched.mcp.session import Offered, offered
from tests.unit.workbenches import task, workbench

PAGE = Path(__file__).resolve().parents[3] / "docs" / "mcp.md"
ROW = re.compile(r"\| `(?P<name>\w+)` \| (?P<arguments>[\w, ]*)\| [^|]+ \| (?P<writes>[^|]+) \|")


def never_called() -> None:
    raise AssertionError


def writes(each: Offered) -> str:
    if not each.reads:
        return "the run's folder"
    return "nothing; asks hosts" if each.asks_hosts else "nothing"


def test_the_page_has_every_tool_with_its_arguments_and_what_it_writes(tmp_path: Path) -> None:
    asked = task()
    tools = offered(workbench(tmp_path, asked=asked), asked, tmp_path, never_called)  # type: ignore[arg-type]
    expected = [
        (each.tool.name, ", ".join(each.tool.parameters["properties"]), writes(each)) for each in tools
    ]
    section = PAGE.read_text().split("## Tools")[1].split("## Compared")[0]
    found = [(row["name"], row["arguments"].strip(), row["writes"]) for row in ROW.finditer(section)]
    assert found == expected
