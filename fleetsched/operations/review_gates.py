# SPDX-License-Identifier: Apache-2.0
"""The gates as a part of `fleetsched review check`: what they say of the policies that a proposal changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set

from fleetsched.fleetrepo.changes import Change
from fleetsched.model.evidence import kernel_version
from fleetsched.model.fleet import Fleet
from fleetsched.model.gate import Gate, GateReport, GateResult, GateVerdict, Judged
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.verdict import Check, Result
from fleetsched.model.wording import counted


def judged_by_gates(
    old: Fleet | None,
    fleet: Fleet,
    changes: Sequence[Change],
    gates: Callable[[Sequence[Judged], tuple[str, ...]], list[GateReport]],
    kernels: tuple[str, ...],
    *,
    all_good: bool,
) -> Iterator[Check]:
    """A check of each policy that is changed or bound otherwise, for each way in which goals run it.

    A gate that could not run, or was left out, is no pass.

    Args:
        old: before the proposal; None = it has mistakes.
        fleet: of the proposal.
        changes: its files.
        gates: runs them.
        kernels: on which.
        all_good: what the other checks say; nothing that they refuse is run on a machine.
    """
    judged = list(_judged(old, fleet, {change.policy for change in changes}))
    if not judged:
        yield Check("gates", Result.NOT_DONE, "no policy that is built here is changed, or bound otherwise")
    elif not all_good:
        yield Check("gates", Result.NOT_DONE, "what is bad above comes first")
    else:
        yield from map(_check, gates(judged, kernels))


def _judged(old: Fleet | None, fleet: Fleet, changed: Set[str]) -> Iterator[Judged]:
    """What the proposal makes hosts run, with the parameters that they get; each once.

    Of a changed policy these are all variants: as they are bound, and as they are where nothing binds them.
    """
    for name, policy in sorted(fleet.policies.items()):
        if policy.program:
            continue
        bindings = [
            goal.policy
            for goal in fleet.goals.values()
            if goal.policy and goal.policy.name == name and (name in changed or _is_rebound(old, goal))
        ]
        for variant in policy.variants:
            bound = [policy.unlike_defaults(each.parameters) for each in bindings if each.variant == variant]
            ways = bound or ([{}] if name in changed else [])
            for place, parameters in enumerate(ways):
                if parameters not in ways[:place]:
                    yield Judged(policy.folder, variant, parameters)


def _is_rebound(old: Fleet | None, goal: WorkloadGoal) -> bool:
    before = old.goals.get(goal.name) if old else None
    return before is None or before.policy != goal.policy


def _check(report: GateReport) -> Check:
    variant = "" if report.variant in ("", "default") else f" {report.variant}"
    given = "".join(f", {name} {value}" for name, value in report.parameters.items())
    wrong = [each for each in report.results if each.verdict in (GateVerdict.FAILED, GateVerdict.ERROR)]
    name, result = f"gates {report.policy}{variant}{given}", Result.BAD
    if wrong:
        finding = "; ".join(map(_said, wrong))
        return Check(name, result, finding, tuple(line for each in wrong for line in _details(each)))
    if not report.passes(Gate.STRESS):
        return Check(name, result, *_unjudged(report))
    return Check(name, Result.GOOD, _passed(report))


def _passed(report: GateReport) -> str:
    """Which object passed how many gates where; and where it was not judged, since it is not for that."""
    passed = [each for each in report.results if each.verdict is GateVerdict.PASSED]
    skipped = [each for each in report.results if each.verdict is GateVerdict.SKIPPED]
    finding = f"{report.digest[:12]} passed {counted(len(passed), 'gate')} on Linux {_kernels(passed)}"
    return finding + (f"; it is not for Linux {_kernels(skipped)}" if skipped else "")


def _unjudged(report: GateReport) -> tuple[str, tuple[str, ...]]:
    """Nobody has run it: who may say for which kernels a policy is could leave out the gates by that."""
    left_out = report.left_out
    if left_out is None:
        return f"it did not come to {Gate.STRESS}", ()
    what_to_do = (
        "`kernels` in the trusted branch's fleetsched.yaml says where it is judged: name one that it is for"
    )
    return f"no kernel has loaded it: {left_out.log}", (what_to_do,)


def _kernels(results: Sequence[GateResult]) -> str:
    return ", ".join(dict.fromkeys(kernel_version(each.kernel) for each in results if each.kernel))


def _said(result: GateResult) -> str:
    how = "failed" if result.verdict is GateVerdict.FAILED else "could not run"
    return f"{result.gate} {how}" + (f" on Linux {kernel_version(result.kernel)}" if result.kernel else "")


def _details(result: GateResult) -> Iterator[str]:
    for finding in result.findings:
        place = f"{finding.place}: " if finding.place else ""
        yield f"{_said(result)}: {place}{finding.message}"
    if not result.findings:
        yield from result.log.splitlines()[-20:]
