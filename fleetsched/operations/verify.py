# SPDX-License-Identifier: Apache-2.0
"""`fleetsched verify`: send a policy through the gates on this computer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fleetsched.errors import ExitCode, InputError, UsageError
from fleetsched.model.gate import Gate, GateReport, GateVerdict, Judged
from fleetsched.model.suggest import suggestion
from fleetsched.operations.policies import find_policy, parameters_of, policy_folder

if TYPE_CHECKING:
    from fleetsched.gates.benchmark import Benchmark

_UNTIL = (Gate.SCHEMA, Gate.COMPILE, Gate.INSPECT, Gate.VERIFY, Gate.ATTACH, Gate.STRESS, Gate.SOAK)
_BEFORE_BENCHMARK = (Gate.STRESS, Gate.SOAK)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the benchmark gate is asked for.

    Attributes:
        workload: by its name.
        against: a policy beside the kernel's own scheduler; None = none.
        guardrails: the largest regression that is tolerated, as a share, by metric; the workload's own
            metrics have one without being named.
        repeats: runs of each scheduler, at most.
    """

    workload: str
    against: str | None = None
    guardrails: Mapping[str, float] = field(default_factory=dict, hash=False)
    repeats: int = 10


def verify(
    root: Path | None,
    policy: str,
    say: Callable[[str], None],
    *,
    kernels: str | None = None,
    variant: str | None = None,
    until: str | None = None,
    cached: bool = True,
    measured: Measured | None = None,
    parameters: Mapping[str, str] | None = None,
) -> list[GateReport]:
    """Send a policy through the gates.

    Args:
        root: the fleet repository around, if there is one: its policies and workloads come first.
        policy: its name, or its folder (with a `/`).
        say: told what takes long.
        kernels: such as `6.18,7.3`, or `all`; None = one that is well known.
        variant: None = all of them.
        until: the last gate; None = stress.
        cached: whether an earlier verdict about exactly this counts.
        measured: None = the benchmark gate is left out.
        parameters: as text, checked against the policy's manifest; None = those that it has by itself.

    Returns:
        A report a variant.

    Raises:
        UsageError: no such gate, or `kernels` is no list of versions.
        InputError: no such policy, variant, parameter or workload.
        BuildError: the policy to compare with does not compile.
    """
    from fleetsched.gates.cascade import LAST, Wanted, run_gates

    last = LAST if until is None else _gate(until)
    if measured is not None and last not in _BEFORE_BENCHMARK:
        raise UsageError(f"--benchmark: only what has passed stress is measured, not what ends at {last}")
    versions, folder = _kernels(kernels), policy_folder(root, policy)
    values = _checked(folder, variant, parameters or {})
    benchmark = None if measured is None else _benchmark(root, measured)
    return run_gates([folder], Wanted(versions, last, variant, cached, benchmark, values), say)


def gates_on(
    judged: Sequence[Judged], kernels: tuple[str, ...], say: Callable[[str], None]
) -> list[GateReport]:
    """Send policies through the gates on these kernels; none = on one that is well known.

    Returns:
        A report each, in their order.
    """
    from fleetsched.gates.cascade import LAST, Wanted, run_gates
    from fleetsched.gates.machines import DEFAULT_KERNELS

    # What is set alike shares its machines.
    alike: dict[tuple[str, str], list[int]] = {}
    for place, each in enumerate(judged):
        alike.setdefault((each.variant, repr(sorted(each.parameters.items()))), []).append(place)
    reports: dict[int, GateReport] = {}
    for places in alike.values():
        first = judged[places[0]]
        wanted = Wanted(kernels or DEFAULT_KERNELS, LAST, first.variant, parameters=first.parameters)
        found = run_gates([judged[place].folder for place in places], wanted, say)
        reports |= dict(zip(places, found, strict=True))
    return [reports[place] for place in range(len(judged))]


def exit_code(reports: Sequence[GateReport]) -> ExitCode:
    """What `verify` returns: judged no comes before could not be judged."""
    said = {report.verdict for report in reports}
    if GateVerdict.FAILED in said:
        return ExitCode.CHANGES
    return ExitCode.ERROR if GateVerdict.ERROR in said else ExitCode.OK


def _benchmark(root: Path | None, measured: Measured) -> Benchmark:
    from fleetsched.gates.benchmark import Benchmark, guardrails_of
    from fleetsched.model.evaluation import check_measures
    from fleetsched.model.evidence import INCUMBENT
    from fleetsched.operations.bench import arm_image, find_workload

    workload = find_workload(root, measured.workload)
    check_measures(workload, measured.guardrails)
    return Benchmark(
        workload,
        guardrails_of(workload, measured.guardrails),
        None if measured.against is None else arm_image(INCUMBENT, find_policy(root, measured.against)),
        measured.repeats,
    )


def _kernels(text: str | None) -> tuple[str, ...]:
    from fleetsched.gates.machines import DEFAULT_KERNELS
    from fleetsched.lab.kernels import MATRIX, is_version

    if text is None:
        return DEFAULT_KERNELS
    if text == "all":
        return MATRIX
    versions = tuple(dict.fromkeys(each.strip() for each in text.split(",")))
    for version in versions:
        if not is_version(version):
            raise UsageError(
                f"--kernels {text}: {version!r} is no version",
                remedy=f"`all` ({', '.join(MATRIX)}), or versions such as 6.18,7.3",
            )
    return versions


def _gate(text: str) -> Gate:
    if text not in set(_UNTIL):
        raise UsageError(f"--until {text}: expected one of {', '.join(_UNTIL)}")
    return Gate(text)


def _checked(folder: Path, variant: str | None, parameters: Mapping[str, str]) -> dict[str, int]:
    """Refuse what the manifest lacks. A manifest that cannot be read is for the schema gate."""
    from fleetsched.errors import ProblemsError
    from fleetsched.fleetrepo.load import load_policy

    try:
        policy = load_policy(folder)
    except ProblemsError:
        return {}
    if variant is not None and variant not in policy.variants:
        raise InputError(
            f"policy {folder.name} has no variant {variant!r}{suggestion(variant, policy.variants)}",
            remedy=f"it has: {', '.join(policy.variants)}",
        )
    return parameters_of(policy, parameters)
