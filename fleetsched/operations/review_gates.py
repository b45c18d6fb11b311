# SPDX-License-Identifier: Apache-2.0
"""The gates as a part of `fleetsched review check`: what they say of the policies that a proposal changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fleetsched.fleetrepo.changes import Change
from fleetsched.model.evidence import kernel_version
from fleetsched.model.fleet import Fleet
from fleetsched.model.gate import GateReport, GateResult, GateVerdict
from fleetsched.model.verdict import Check, Result
from fleetsched.model.wording import counted


def judged_by_gates(
    fleet: Fleet,
    changes: Sequence[Change],
    gates: Callable[[Sequence[Path], tuple[str, ...]], list[GateReport]],
    kernels: tuple[str, ...],
    *,
    all_good: bool,
) -> Iterator[Check]:
    """A check a variant of each changed policy; a gate that could not run is no pass.

    Args:
        fleet: of the proposal.
        changes: its files.
        gates: runs them.
        kernels: on which.
        all_good: what the other checks say; nothing that they refuse is run on a machine.
    """
    names = sorted({change.policy for change in changes} & fleet.policies.keys())
    folders = [fleet.policies[name].folder for name in names if not fleet.policies[name].program]
    if not folders:
        yield Check("gates", Result.NOT_DONE, "no policy that is built here is changed")
    elif not all_good:
        yield Check("gates", Result.NOT_DONE, "what is bad above comes first")
    else:
        yield from map(_check, gates(folders, kernels))


def _check(report: GateReport) -> Check:
    variant = "" if report.variant in ("", "default") else f" {report.variant}"
    wrong = [each for each in report.results if each.verdict in (GateVerdict.FAILED, GateVerdict.ERROR)]
    kernels = list(dict.fromkeys(kernel_version(each.kernel) for each in report.results if each.kernel))
    gates = counted(len(report.results), "gate")
    passed = f"{report.digest[:12]} passed {gates} on Linux {', '.join(kernels)}"
    finding = passed if not wrong else "; ".join(map(_said, wrong))
    details = [line for each in wrong for line in _details(each)]
    result = Result.GOOD if report.verdict is GateVerdict.PASSED else Result.BAD
    return Check(f"gates {report.policy}{variant}", result, finding, tuple(details))


def _said(result: GateResult) -> str:
    how = "failed" if result.verdict is GateVerdict.FAILED else "could not run"
    return f"{result.gate} {how}" + (f" on Linux {kernel_version(result.kernel)}" if result.kernel else "")


def _details(result: GateResult) -> Iterator[str]:
    for finding in result.findings:
        place = f"{finding.place}: " if finding.place else ""
        yield f"{_said(result)}: {place}{finding.message}"
    if not result.findings:
        yield from result.log.splitlines()[-20:]
