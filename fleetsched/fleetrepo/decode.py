# SPDX-License-Identifier: Apache-2.0
"""Documents that fit their schema, to the model's values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetsched.documents.node import Node
from fleetsched.model.goal import Evaluation, Guardrail, Objective, PolicyBinding, WorkloadGoal
from fleetsched.model.group import HostGroup
from fleetsched.model.lock import LockedProgram, PolicyLock
from fleetsched.model.policy import DEFAULT_TIMEOUT_S, Parameter, Policy, Provenance, Topology
from fleetsched.model.program import Program
from fleetsched.model.requires import Requires
from fleetsched.model.strategy import (
    BUILT_IN_STRATEGY,
    Count,
    FailureBudget,
    HealthCheck,
    HostCheck,
    Percent,
    PressureCheck,
    RolloutStrategy,
    RunQueueCheck,
    SchedulerCheck,
    Step,
)
from fleetsched.model.tasks import Tasks
from fleetsched.model.workload import Workload, WorkloadMetric

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_CONDITION = re.compile(r" *(>=|<=|==|<|>) *([0-9.]+) *")


def duration(text: str) -> float:
    """Read `15s`, `2m` or `1h`, and where the schema lets it stand `7d`, to seconds."""
    return float(text[:-1]) * _SECONDS[text[-1]]


def amount(value: int | str) -> Count | Percent:
    """Read a number of hosts or a share of them."""
    return Percent(percent(value)) if isinstance(value, str) else Count(int(value))


def percent(text: str) -> float:
    """Read `10%`, which fits the schema, as a number of percent."""
    return float(text.removesuffix("%"))


def _name(node: Node) -> Node:
    return node.at("metadata", "name")


def requires(value: Mapping[str, Any]) -> Requires:
    """Read what a host must have."""
    conditions = []
    for condition in value.get("kernel", "").split(","):
        match = _CONDITION.fullmatch(condition)
        if match is not None:
            numbers = [int(number) for number in match[2].split(".")]
            conditions.append((match[1], (numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 0)))
    return Requires(kernel=tuple(conditions), arch=tuple(value.get("arch", ())))


def host_group(node: Node) -> HostGroup:
    """Read a HostGroup."""
    spec = node.value["spec"]
    return HostGroup(
        name=_name(node).value,
        hosts=spec["hosts"],
        labels=node.value["metadata"].get("labels", {}),
        requires=requires(spec.get("requires", {})),
        heal=spec.get("heal", True),
        prune=spec.get("prune", True),
        source=_name(node).position,
        hosts_source=node.at("spec", "hosts").position,
    )


def workload_goal(node: Node, default_strategy: str) -> WorkloadGoal:
    """Read a WorkloadGoal; one that names no strategy gets the default."""
    spec = node.value["spec"]
    binding = None
    if "policy" in spec:
        policy = spec["policy"]
        binding = PolicyBinding(
            name=policy["name"],
            variant=policy.get("variant", "default"),
            parameters={name: int(value) for name, value in policy.get("parameters", {}).items()},
            source=node.at("spec", "policy", "name").position,
        )
    return WorkloadGoal(
        name=_name(node).value,
        host_group=spec["hostGroup"],
        rollout=spec.get("rollout", default_strategy),
        policy=binding,
        description=spec.get("description", ""),
        tasks=Tasks(**spec.get("tasks", {})),
        objective=Objective(**spec["objective"]) if "objective" in spec else None,
        guardrails=tuple(map(_guardrail, spec.get("guardrails", ()))),
        evaluation=_evaluation(spec.get("evaluation", {})),
        depends_on=tuple(spec.get("dependsOn", ())),
        source=_name(node).position,
    )


def _guardrail(value: Mapping[str, Any]) -> Guardrail:
    accepted = value.get("unmeasured") == "accept"
    return Guardrail(value["metric"], percent(value["maxRegression"]), accepted)


def _evaluation(value: Mapping[str, Any]) -> Evaluation:
    return Evaluation(tuple(value.get("workloads", ())), tuple(value.get("holdOut", ())))


def workload(node: Node, programs: Mapping[str, str]) -> Workload:
    """Read a Workload; `programs`: the sources that it names, read already."""
    spec = node.value["spec"]
    return Workload(
        name=_name(node).value,
        command=tuple(spec["command"]),
        metrics={name: _workload_metric(metric) for name, metric in spec["metrics"].items()},
        description=spec.get("description", ""),
        packages=tuple(spec.get("packages", ())),
        files=spec.get("files", {}),
        programs=programs,
        tasks=Tasks(**spec.get("tasks", {})),
        set_up=tuple(map(tuple, spec.get("setUp", ()))),
        background=tuple(map(tuple, spec.get("background", ()))),
        tear_down=tuple(map(tuple, spec.get("tearDown", ()))),
        time_limit_s=seconds(spec, "timeLimit", 60.0),
        source=_name(node).position,
    )


def _workload_metric(value: Mapping[str, Any]) -> WorkloadMetric:
    path = value.get("jsonPath", [])
    return WorkloadMetric(
        unit=value["unit"],
        better=value["better"],
        regex=value.get("regex", ""),
        json_path=tuple(path.split(".") if isinstance(path, str) else map(str, path)),
        scale=float(value.get("scale", 1.0)),
    )


def rollout_strategy(node: Node) -> RolloutStrategy:
    """Read a RolloutStrategy; the scheduler's check is always there and comes first."""
    spec = node.value["spec"]
    budget = spec.get("failureBudget", {})
    checks = [health_check(check) for check in spec.get("health", [])]
    scheduler = [check for check in checks if isinstance(check, SchedulerCheck)] or [SchedulerCheck()]
    others = [check for check in checks if not isinstance(check, SchedulerCheck)]
    return RolloutStrategy(
        name=_name(node).value,
        steps=tuple(_step(step) for step in spec["steps"]),
        health=(*scheduler, *others),
        failure_budget=FailureBudget(
            failed=amount(budget.get("failed", 0)), unreachable=amount(budget.get("unreachable", 0))
        ),
        on_failure=spec.get("onFailure", BUILT_IN_STRATEGY.on_failure),
        trial_deadline_s=seconds(spec, "trialDeadline", BUILT_IN_STRATEGY.trial_deadline_s),
        source=_name(node).position,
    )


def seconds(value: Mapping[str, Any], field: str, default: float) -> float:
    """Read a field that is a duration."""
    return duration(value[field]) if field in value else default


def _step(step: Mapping[str, Any]) -> Step:
    bake_s = duration(step["bake"])
    if "hosts" in step:
        return Step("hosts", int(step["hosts"]), bake_s)
    return Step("percent", percent(step["percent"]), bake_s)


def health_check(check: Mapping[str, Any]) -> HealthCheck:
    """Read one health check."""
    timing: dict[str, Any] = {}
    for field, name in (("interval", "interval_s"), ("initialDelay", "initial_delay_s")):
        if field in check:
            timing[name] = duration(check[field])
    if "failures" in check:
        timing["failures"] = int(check["failures"])
    if "pressure" in check:
        return PressureCheck(cpu_some_avg10_below=float(check["pressure"]["cpuSomeAvg10Below"]), **timing)
    if "runQueueLatency" in check:
        return _run_queue(check["runQueueLatency"], timing)
    if "hostCheck" in check:
        return HostCheck(name=check["hostCheck"], **timing)
    return SchedulerCheck(**timing)


def _run_queue(value: Mapping[str, Any], timing: Mapping[str, Any]) -> RunQueueCheck:
    if "p99BelowMs" in value:
        return RunQueueCheck(p99_below_ms=float(value["p99BelowMs"]), **timing)
    return RunQueueCheck(p99_max_regression=percent(value["p99MaxRegression"]), **timing)


def policy(node: Node, folder: Path) -> Policy:
    """Read a Policy; its parameters must have been checked."""
    spec = node.value["spec"]
    return Policy(
        name=_name(node).value,
        folder=folder,
        summary=spec["summary"],
        algorithm=spec.get("algorithm", ""),
        suitability=spec.get("suitability", {}),
        requires=requires(spec.get("requires", {})),
        topology=_topology(spec.get("topology", {})),
        cost=spec.get("cost", ""),
        failure_modes=tuple(spec.get("failureModes", ())),
        parameters={name: _parameter(value) for name, value in spec.get("parameters", {}).items()},
        variants=spec.get("variants", {"default": {}}),
        timeout_s=seconds(spec, "timeout", DEFAULT_TIMEOUT_S),
        provenance=_provenance(spec.get("provenance", {})),
        program=_program(spec["program"]) if "program" in spec else None,
        source=_name(node).position,
    )


def _topology(value: Mapping[str, Any]) -> Topology:
    return Topology(tuple(value.get("needs", ())), value.get("note", ""))


def _program(value: Mapping[str, Any]) -> Program:
    return Program(value["path"], tuple(value.get("arguments", ())))


def _provenance(value: Mapping[str, Any]) -> Provenance:
    cost = value.get("cost", {})
    plain = {name: text for name, text in value.items() if name != "cost"}
    return Provenance(cost_usd=cost.get("usd"), cost_tokens=cost.get("tokens"), **plain)


def _parameter(value: Mapping[str, Any]) -> Parameter:
    return Parameter(
        type=value["type"],
        default=int(value["default"]),
        minimum=int(value.get("min", 0)),
        maximum=int(value.get("max", 1)),
        unit=value.get("unit", ""),
        doc=value.get("doc", ""),
    )


def policy_lock(node: Node) -> PolicyLock:
    """Read a policy's lock."""
    spec = node.value["spec"]
    return PolicyLock(
        policy=_name(node).value,
        variants=spec["variants"],
        compiler=spec["compiler"]["name"] if "compiler" in spec else "",
        compiler_version=spec["compiler"]["version"] if "compiler" in spec else "",
        flags=tuple(spec.get("flags", ())),
        hashes=spec.get("hashes", {}),
        program=LockedProgram(**spec["program"]) if "program" in spec else None,
        source=_name(node).position,
    )
