# SPDX-License-Identifier: Apache-2.0
"""Tools that read the fleet: `plan`, `status` and `history`. Each reads the repository anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetsched.agent.interface import Tool, Toolbox
from fleetsched.model.state import HistoryEntry
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.history import history
from fleetsched.operations.plan import Selection, plan
from fleetsched.operations.status import status
from fleetsched.views.records import plan_records, status_records

_MOST_ENTRIES = 20
_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "limit": {
            "type": "string",
            "description": "An Ansible pattern over the inventory's hosts and groups; `all` = every host.",
        }
    },
    "required": ["limit"],
    "additionalProperties": False,
}


def fleet_tools(open_fleet: Callable[[], FleetAccess]) -> Toolbox:
    """The tools over the fleet repository that `open_fleet` loads."""

    def make_plan(given: Mapping[str, Any]) -> Mapping[str, Any]:
        with plan(open_fleet(), Selection(limit=given["limit"])) as planned:
            return {"records": list(plan_records(planned.plan))}

    def look(given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"records": list(status_records(status(open_fleet(), Selection(limit=given["limit"]))))}

    def recall(given: Mapping[str, Any]) -> Mapping[str, Any]:
        found = history(open_fleet(), Selection(limit=given["limit"]), most=_MOST_ENTRIES)
        return {
            "hosts": [
                {"host": name, "error": host.error, "entries": [*map(_entry, reversed(host.entries))]}
                for name, host in found.items()
            ]
        }

    return (
        Tool(
            "plan",
            "Show what `fleetsched apply` would change on hosts, and why. Changes nothing.",
            _PARAMETERS,
            make_plan,
        ),
        Tool("status", "Show what hosts run now, from their own kernels.", _PARAMETERS, look),
        Tool(
            "history",
            f"Show the last {_MOST_ENTRIES} entries of hosts' own histories, the newest first: what was "
            "attached, confirmed, ejected, and why.",
            _PARAMETERS,
            recall,
        ),
    )


def _entry(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "event": entry.event,
        "assignment": str(entry.assignment or ""),
        "run": entry.run or "",
        "exit": str(entry.exit or ""),
        "detail": entry.detail,
    }
