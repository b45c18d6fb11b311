# SPDX-License-Identifier: Apache-2.0
"""Plans, runs and hosts' states as JSON records, one a line. Their schema is schemas/plan-records.json.

A stream opens with its version. A later minor version only adds; a reader refuses another major one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleetsched.errors import ExitCode
from fleetsched.model.assignment import Assignment
from fleetsched.model.diff import PolicyDiff
from fleetsched.model.observation import Observation
from fleetsched.model.plan import HostPlan, Observed, Plan
from fleetsched.model.run import Applied, Outlook
from fleetsched.views.plan import JSON_VERSION
from fleetsched.views.run import verdict

Record = dict[str, Any]


def plan_records(
    plan: Plan, diffs: Sequence[PolicyDiff] = (), state: Record | None = None
) -> Iterator[Record]:
    """A plan: the revision, a record a host, what changed in policies, and the sums.

    Args:
        plan: the plan.
        diffs: of the policies, when they were asked for.
        state: `state_record` of the file that it was made from; None = live hosts.
    """
    yield _version("plan")
    yield _revision(plan)
    if state is not None:
        yield state
    yield from map(_host, plan.hosts)
    for diff in diffs:
        yield {"type": "diff", **dataclasses.asdict(diff), "lines": [*diff.lines]}
    yield {"type": "summary", **_sums(plan)}


def state_record(taken_at: str, age_s: float) -> Record:
    """When the state was taken that a plan was made from."""
    return {"type": "state", "taken_at": taken_at, "age_s": round(age_s)}


def opening_records(plan: Plan) -> Iterator[Record]:
    """What `apply` says before it does anything: the plan."""
    yield _version("apply")
    yield _revision(plan)
    yield from map(_host, plan.hosts)
    yield {"type": "plan", **_sums(plan)}


def event_record(at: str, host: str, word: str, detail: str) -> Record:
    """What a host does now; `host` is empty for the run itself."""
    return {"type": "event", "at": at, "host": host, "word": word, "detail": detail}


def outlook_records(outlooks: Sequence[Outlook], code: ExitCode) -> Iterator[Record]:
    """What `apply --check` found, a record a goal, and the closing summary."""
    for outlook in outlooks:
        steps = [{"hosts": [*batch.hosts], "bake_s": batch.bake_s} for batch in outlook.batches]
        yield {"type": "outlook", "goal": outlook.goal, "steps": steps, "obstacle": outlook.obstacle}
    yield _end(code, "no host was changed")


def nothing_records(code: ExitCode) -> Iterator[Record]:
    """The closing summary where nothing was to be done."""
    yield _end(code, "nothing to do")


def run_records(applied: Applied) -> Iterator[Record]:
    """How a run ended: a record a host, and the closing summary."""
    for result in applied.hosts:
        yield {"type": "result", **dataclasses.asdict(result), "phase": str(result.phase)}
    yield _end(applied.exit_code, verdict(applied)) | {
        "run": applied.run,
        "changed": applied.tried,
        "not_started": [*applied.not_started],
        "journal": str(applied.journal),
    }


def status_records(observed: Mapping[str, Observed]) -> Iterator[Record]:
    """A record a host with everything that it said."""
    yield _version("status")
    for host, seen in observed.items():
        yield {"type": "host", "host": host, **_plain(seen)}


def observation_records(hosts: Sequence[tuple[str, Observation | None, str]]) -> Iterator[Record]:
    """A record a host: what it counted, or why it did not."""
    yield _version("observe")
    for host, seen, error in hosts:
        yield {"type": "observation", "host": host, "error": error, "observation": _plain(seen)}


def _version(command: str) -> Record:
    return {"type": "version", "format": f"fleetsched-{command}", "version": JSON_VERSION}


def _revision(plan: Plan) -> Record:
    return {"type": "revision", "revision": plan.revision, "not_approved": [*plan.not_approved]}


def _host(host: HostPlan) -> Record:
    return {
        "type": "host",
        "host": host.host,
        "goal": host.desired.goal,
        "group": host.desired.group,
        "claim": str(host.desired.claim),
        "action": str(host.action),
        "install_helper": host.install_helper,
        "drifted": host.drifted,
        "before": host.before,
        "after": host.after,
        "desired": _plain(host.desired.assignment),
        "recorded": _plain(host.recorded.assignment) if host.recorded else None,
        "recorded_revision": host.recorded.revision if host.recorded else None,
        "reason": host.reason,
        "problem": host.problem,
        "remedy": host.remedy,
        "remark": host.remark,
    }


def _sums(plan: Plan) -> Record:
    return {"changes": plan.has_changes, "counts": dict(sorted(plan.counts().items()))}


def _end(code: ExitCode, words: str) -> Record:
    return {
        "type": "summary",
        "exit_code": int(code),
        "verdict": words,
        "run": None,
        "changed": False,
        "not_started": [],
        "journal": None,
    }


def _plain(value: Any) -> Any:
    """Values of the model as JSON has them; pairs that are a mapping become one."""
    if isinstance(value, Assignment):
        return value.to_wire()
    if dataclasses.is_dataclass(value):
        return {each.name: _field(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)}
    return [*map(_plain, value)] if isinstance(value, tuple) else value


def _field(name: str, value: Any) -> Any:
    return dict(value) if name in ("events", "events_baseline") else _plain(value)
