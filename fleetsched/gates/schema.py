# SPDX-License-Identifier: Apache-2.0
"""The schema gate: the folder of a policy is what it should be, as far as can be seen without building it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleetsched.errors import ProblemsError
from fleetsched.fleetrepo.load import load_policy
from fleetsched.gates.outcome import Outcome
from fleetsched.model.gate import GateFinding
from fleetsched.model.policy import Policy

README = "README.md"

_FOR_TESTS = "test"
"""The origin of policies that are no offer to anybody, and need not explain themselves."""

_EXPLAINED = "a policy is chosen by what its files say of it: see docs/gates.md"


def schema(folder: Path) -> tuple[Policy | None, Outcome]:
    """Judge a policy's folder; the policy is None when it cannot be read."""
    try:
        policy = load_policy(folder)
    except ProblemsError as error:
        findings = tuple(
            GateFinding(
                "invalid-manifest",
                each.message,
                f"policies/{folder.name}/{Path(each.file).name}:{each.line}:{each.column}",
                "`fleetsched explain policy` says what may stand there",
            )
            for each in error.problems
        )
        return None, Outcome(findings)
    return policy, Outcome(tuple(_missing(policy)))


def _missing(policy: Policy) -> Iterator[GateFinding]:
    if policy.provenance.origin == _FOR_TESTS:
        return
    place = f"policies/{policy.name}/policy.yaml"
    readme = policy.folder / README
    if not readme.is_file() or not readme.read_bytes().strip():
        yield GateFinding("no-readme", "it has no README.md", f"policies/{policy.name}", _EXPLAINED)
    said = {
        "algorithm": policy.algorithm,
        "suitability": policy.suitability,
        "requires.kernel": policy.requires.kernel,
        "cost": policy.cost,
        "failureModes": policy.failure_modes,
        "provenance.origin": policy.provenance.origin,
    }
    if policy.program is not None:
        del said["requires.kernel"]
    for field, value in said.items():
        if not value:
            yield GateFinding("incomplete-metadata", f"`{field}` is missing", place, _EXPLAINED)
    for name, parameter in policy.parameters.items():
        if not parameter.doc:
            yield GateFinding("incomplete-metadata", f"parameter {name} has no `doc`", place, _EXPLAINED)
