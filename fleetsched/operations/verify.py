# SPDX-License-Identifier: Apache-2.0
"""`fleetsched verify`: send a policy through the gates on this computer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fleetsched.errors import ExitCode, InputError, UsageError
from fleetsched.model.gate import Gate, GateReport, GateVerdict
from fleetsched.model.suggest import suggestion

_UNTIL = (Gate.SCHEMA, Gate.COMPILE, Gate.INSPECT, Gate.VERIFY, Gate.ATTACH, Gate.STRESS, Gate.SOAK)


def verify(
    root: Path | None,
    policy: str,
    say: Callable[[str], None],
    *,
    kernels: str | None = None,
    variant: str | None = None,
    until: str | None = None,
    cached: bool = True,
) -> list[GateReport]:
    """Send a policy through the gates.

    Args:
        root: the fleet repository; None = `policy` must be a folder.
        policy: its name, or its folder (with a `/`).
        say: told what takes long.
        kernels: such as `6.18,7.3`, or `all`; None = one that is well known.
        variant: None = all of them.
        until: the last gate; None = stress.
        cached: whether an earlier verdict about exactly this counts.

    Returns:
        A report a variant.

    Raises:
        UsageError: no such gate, or `kernels` is no list of versions.
        InputError: no such policy or variant.
    """
    from fleetsched.gates.cascade import LAST, Wanted, run_gates

    wanted = Wanted(_kernels(kernels), LAST if until is None else _gate(until), variant, cached)
    folder = _folder(root, policy)
    if variant is not None:
        _check_variant(folder, variant)
    return run_gates([folder], wanted, say)


def gates_on(
    folders: Sequence[Path], kernels: tuple[str, ...], say: Callable[[str], None]
) -> list[GateReport]:
    """Send policies' folders through the gates on these kernels; none = on one that is well known."""
    from fleetsched.gates.cascade import Wanted, run_gates
    from fleetsched.gates.machines import DEFAULT_KERNELS

    return run_gates(list(folders), Wanted(kernels or DEFAULT_KERNELS), say)


def exit_code(reports: Sequence[GateReport]) -> ExitCode:
    """What `verify` returns: judged no comes before could not be judged."""
    said = {report.verdict for report in reports}
    if GateVerdict.FAILED in said:
        return ExitCode.CHANGES
    return ExitCode.ERROR if GateVerdict.ERROR in said else ExitCode.OK


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


def _folder(root: Path | None, policy: str) -> Path:
    if "/" in policy:
        folder = Path(policy)
        if not (folder / "policy.yaml").is_file():
            raise InputError(f"{folder} is no policy: it has no policy.yaml")
        return folder.resolve()
    if root is None:
        raise UsageError("no fleet repository here", remedy="name the policy's folder, with a `/`")
    found = {file.parent.name: file.parent for file in sorted(root.glob("policies/*/policy.yaml"))}
    if policy not in found:
        raise InputError(
            f"no policy {policy!r} under {root / 'policies'}{suggestion(policy, found)}",
            remedy=f"a policy is a folder with a policy.yaml: policies/{policy}/policy.yaml",
        )
    return found[policy]


def _check_variant(folder: Path, variant: str) -> None:
    """Refuse a variant that the manifest lacks. A manifest that cannot be read is for the schema gate."""
    from fleetsched.errors import ProblemsError
    from fleetsched.fleetrepo.load import load_policy

    try:
        variants = load_policy(folder).variants
    except ProblemsError:
        return
    if variant not in variants:
        raise InputError(
            f"policy {folder.name} has no variant {variant!r}{suggestion(variant, variants)}",
            remedy=f"it has: {', '.join(variants)}",
        )
