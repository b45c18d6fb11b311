# SPDX-License-Identifier: Apache-2.0
"""What a model may ask for: one list of tools, the same for every model and over MCP.

All of them work on the run's folder and in machines of the lab. None reaches a host, a forge or a branch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from fleetsched.agent.answers import (
    Answer,
    error_answer,
    evidence_answer,
    one_line,
    report_answer,
    tame,
)
from fleetsched.agent.interface import (
    BudgetSpentError,
    Candidate,
    LabLostError,
    Task,
    Tool,
    Toolbox,
    Workbench,
)
from fleetsched.agent.reading import make_tool, object_schema, reading_tools
from fleetsched.errors import FleetschedError, InputError
from fleetsched.model.evidence import Evidence
from fleetsched.model.gate import Gate
from fleetsched.model.suggest import suggestion

FINISH, GIVE_UP = "finish", "give_up"

READING = frozenset(
    {"list_policies", "read_policy", "read_profile", "read_lessons", "read_headers", "compare"}
)
"""Tools that change nothing at all."""
WRITING = frozenset(
    {"choose_policy", "write_policy", "compile", "inspect", "verify", "stress", "benchmark", FINISH, GIVE_UP}
)
"""Tools that write into the run's folder, or end the run. There are no others."""

_GATES = {
    "compile": (Gate.COMPILE, "Check a candidate's folder and compile it. Takes a second."),
    "inspect": (
        Gate.INSPECT,
        "Also inspect its object: programs, maps, the kernel functions it uses. Takes a second.",
    ),
    "verify": (Gate.VERIFY, "Also load it into a real kernel, whose verifier judges it. Takes a minute."),
    "stress": (
        Gate.STRESS,
        "Also attach it and let hogs, forks, changing affinities and leaving CPUs work on it. Takes minutes.",
    ),
}
_TEXT: Mapping[str, Any] = {"type": "string"}
_CANDIDATE: Mapping[str, Any] = {"type": "string", "description": "Such as `c1`."}


def toolbox(bench: Workbench, task: Task) -> Toolbox:
    """The tools for one run, which remember its candidates."""
    return _Tools(bench, task).all()


def call_tool(tools: Toolbox, name: str, arguments: Any) -> Answer:
    """Do what a model asks for. Whatever it does wrong becomes an answer with `error` and `remedy`.

    Args:
        tools: the only ones that there are.
        name: as the model gave it.
        arguments: as the model gave them.

    Returns:
        Texts in it are printable, redacted and bounded. A budget that is used up is named in `budget`; `lab`
        is `lost` when it fails again and again.
    """
    tool = next((each for each in tools if each.name == name), None)
    try:
        if tool is None:
            known = [each.name for each in tools]
            raise InputError(
                f"there is no tool {one_line(str(name), 64)!r}{suggestion(str(name), known)}",
                remedy=f"the tools are: {', '.join(known)}",
            )
        _check_arguments(tool, arguments)
        return tame(tool.run(arguments))
    except BudgetSpentError as error:
        return tame({**error_answer(error), "budget": error.what})
    except LabLostError as error:
        return tame({**error_answer(error), "lab": "lost"})
    except FleetschedError as error:
        return tame(error_answer(error))
    except OSError as error:
        what = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
        return tame({"error": f"{name}: {what}", "remedy": "this says nothing of the policy"})


def _check_arguments(tool: Tool, arguments: Any) -> None:
    takes = f"it takes {', '.join(tool.parameters['properties']) or 'no arguments'}"
    try:
        json.dumps(arguments)
    except (TypeError, ValueError):  # a number of 5,000 digits, for example
        raise InputError(f"{tool.name}: the arguments are no JSON", remedy=takes) from None
    error = best_match(Draft202012Validator(tool.parameters).iter_errors(arguments))
    if error is not None:
        place = "".join(f"{step}: " for step in error.absolute_path)
        raise InputError(
            f"{tool.name}: wrong arguments: {one_line(place + error.message, 300)}", remedy=takes
        )


@dataclass(slots=True)
class _Tools:
    """The tools over one workbench."""

    bench: Workbench
    task: Task
    candidates: dict[str, Candidate] = field(default_factory=dict)
    measured: dict[str, Evidence] = field(default_factory=dict)

    def all(self) -> tuple[Tool, ...]:
        return (
            *reading_tools(self.bench, self.task),
            *self._makers(),
            *map(self._gate, _GATES),
            *self._judges(),
            *self._ends(),
        )

    def _makers(self) -> Sequence[Tool]:
        parameter = object_schema({"name": _TEXT, "value": {"type": "integer"}})
        return (
            make_tool(
                "choose_policy",
                "Make a candidate of a policy of the list, with parameters; those not named keep their "
                "defaults. Of a bool the value is 0 or 1.",
                {
                    "policy": {"type": "string", "enum": sorted(self.task.policies)},
                    "variant": {"type": "string", "description": "Usually `default`."},
                    "parameters": {"type": "array", "items": parameter},
                },
                self._choose,
            ),
            make_tool(
                "write_policy",
                "Make a candidate of new C source. Its ops are named as the policy, with `_` for `-`.",
                {
                    "name": {"type": "string", "description": "New, such as `short-first`."},
                    "source": _TEXT,
                    "description": {"type": "string", "description": "What it does, in one line."},
                },
                self._write,
            ),
        )

    def _gate(self, name: str) -> Tool:
        until, description = _GATES[name]

        def run(given: Mapping[str, Any]) -> Answer:
            candidate = self._find(given)
            return report_answer(candidate.id, self.bench.check(candidate, until))

        return make_tool(name, description, {"candidate": _CANDIDATE}, run)

    def _judges(self) -> Sequence[Tool]:
        repeats = {"type": "integer", "description": "Up to 20; fewer than 6 can show nothing for certain."}
        return (
            make_tool(
                "benchmark",
                "Measure a candidate that passed `stress`, against the kernel's own scheduler and the goal's "
                "present policy. Takes minutes; the most expensive of all.",
                {"candidate": _CANDIDATE, "repeats": repeats},
                self._benchmark,
            ),
            make_tool(
                "compare",
                "Show all that was measured so far, side by side. Runs nothing.",
                {},
                lambda _: {"measured": [evidence_answer(*each) for each in self.measured.items()]},
            ),
        )

    def _ends(self) -> Sequence[Tool]:
        return (
            make_tool(
                FINISH,
                "End: propose this candidate, which was measured. People review it.",
                {
                    "candidate": _CANDIDATE,
                    "explanation": {
                        "type": "string",
                        "description": "For the reviewer: why it helps, what it costs, where it does badly.",
                    },
                },
                self._finish,
            ),
            make_tool(
                GIVE_UP,
                "End: propose nothing. Right when nothing beats what runs now.",
                {"reason": _TEXT},
                lambda given: {"ended": "gave-up"},
            ),
        )

    def _choose(self, given: Mapping[str, Any]) -> Answer:
        parameters = {each["name"]: each["value"] for each in given["parameters"]}
        return self._made(self.bench.choose(given["policy"], given["variant"], parameters))

    def _write(self, given: Mapping[str, Any]) -> Answer:
        return self._made(self.bench.write(given["name"], given["source"], given["description"]))

    def _made(self, candidate: Candidate) -> Answer:
        known = candidate.id in self.candidates
        self.candidates[candidate.id] = candidate
        answer: Answer = {"candidate": candidate.id, "policy": candidate.policy}
        return answer | ({"note": "the same as before; it costs no budget"} if known else {})

    def _benchmark(self, given: Mapping[str, Any]) -> Answer:
        candidate = self._find(given)
        evidence = self.measured[candidate.id] = self.bench.benchmark(candidate, int(given["repeats"]))
        known = {each.metric for each in evidence.measured}
        unmeasured = [each.metric for each in self.task.goal.guardrails if each.metric not in known]
        answer = evidence_answer(candidate.id, evidence)
        return answer | ({"guardrails_not_measured": unmeasured} if unmeasured else {})

    def _finish(self, given: Mapping[str, Any]) -> Answer:
        candidate = self._find(given)
        if candidate.id not in self.measured:
            raise InputError(
                f"candidate {candidate.id} was not measured: nobody can review it",
                remedy="benchmark it first, or give up",
            )
        return {"ended": "finished", "candidate": candidate.id}

    def _find(self, given: Mapping[str, Any]) -> Candidate:
        identity = given["candidate"]
        if identity not in self.candidates:
            known = suggestion(identity, self.candidates)
            raise InputError(
                f"there is no candidate {one_line(identity, 64)!r}{known}",
                remedy="make one with choose_policy or write_policy",
            )
        return self.candidates[identity]
