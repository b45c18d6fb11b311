# SPDX-License-Identifier: Apache-2.0
"""What a server offers: the agent's tools for one goal, or for none, and what reads the fleet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fleetsched.agent.answers import tame
from fleetsched.agent.interface import Task, Tool, Toolbox
from fleetsched.agent.tools import FINISH, GIVE_UP, READING, toolbox
from fleetsched.agent.workbench import RunWorkbench
from fleetsched.files import replace_file
from fleetsched.mcp.fleet import fleet_tools
from fleetsched.operations.fleet import FleetAccess

BACKEND = "mcp"
"""The backend that the provenance of written policies names: whoever the client is, it is not known."""

_FINISH = (
    "End with this candidate, which was measured. Nothing is proposed by it: the choice is written into the "
    "run's folder, from which a person takes it."
)


@dataclass(frozen=True, slots=True)
class Offered:
    """One tool as it is offered.

    Attributes:
        reads: it changes nothing, anywhere.
        repeatable: the same again changes nothing more.
        asks_hosts: it reaches hosts of the fleet, to read.
    """

    tool: Tool
    reads: bool
    repeatable: bool
    asks_hosts: bool = False


def offered(
    bench: RunWorkbench, task: Task, folder: Path, open_fleet: Callable[[], FleetAccess] | None
) -> tuple[Offered, ...]:
    """Everything that a server offers.

    Args:
        bench: where candidates are made, judged and measured.
        task: what it is for.
        folder: of the run.
        open_fleet: loads the fleet repository as it is now; None = there is none around.
    """
    agent = [_finishing(tool, bench, folder) for tool in toolbox(bench, task)]
    found = [Offered(tool, tool.name in READING, tool.name != "benchmark") for tool in agent]
    readers: Toolbox = fleet_tools(open_fleet) if open_fleet else ()
    return (*found, *(Offered(tool, True, True, asks_hosts=True) for tool in readers))


def _finishing(tool: Tool, bench: RunWorkbench, folder: Path) -> Tool:
    """The tool; when it ends a run, it keeps what was said, for nobody else does here."""
    if tool.name not in (FINISH, GIVE_UP):
        return tool

    def run(given: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = dict(tool.run(given))
        if tool.name == FINISH:
            chosen = bench.candidate(given["candidate"])
            answer |= {
                "policy": chosen.policy,
                "variant": chosen.variant,
                "parameters": dict(chosen.parameters),
                "digest": chosen.digest,
                "folder": str(chosen.folder),
            }
        file = folder / "ended.json"
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(file, (json.dumps(tame({**answer, **given}), indent=1) + "\n").encode())
        return answer | {"kept_in": str(file)}

    return replace(tool, run=run, description=_FINISH if tool.name == FINISH else tool.description)
