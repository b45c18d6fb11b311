# SPDX-License-Identifier: Apache-2.0
"""Evidence in a fleet repository: present, stale, wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import InputError, ProblemsError
from fleetsched.fleetrepo.evidence import write_evidence
from fleetsched.fleetrepo.load import load_lock
from fleetsched.fleetrepo.matrix import Matrix, write_matrix
from fleetsched.model.gate import GateReport
from fleetsched.operations.catalogue import add_policy
from fleetsched.operations.evidence import catalogue_page, dossier, dossiers
from fleetsched.operations.validate import validate
from tests.unit.dossiers import results
from tests.unit.experiments import DIGEST, evidence


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "fleetsched.yaml").write_text("apiVersion: fleetsched/v1\n")
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yaml").write_text("web: {hosts: {web-1: }}\n")
    add_policy(tmp_path, "fair")
    return tmp_path


def test_evidence_of_the_locked_object_is_present(root: Path) -> None:
    digest = load_lock(root / "policies" / "fair").variants["default"]
    made = evidence(digest=digest)
    write_evidence(root / "policies" / "fair", made)
    found = dossier(root, "fair")
    assert (found.evidence, found.stale) == ((made,), ())
    assert dossiers(root) == [found]
    assert validate(root).warnings == ()


def test_evidence_of_another_object_is_warned_of_and_never_present(root: Path) -> None:
    file = write_evidence(root / "policies" / "fair", evidence())
    found = dossier(root, "fair")
    assert (found.evidence, found.stale) == ((), (file.name,))
    assert [str(warning) for warning in validate(root).warnings] == [
        f"policies/fair/evidence/{file.name}: is about object {DIGEST[:12]}, which the lock does not have: "
        "it is shown nowhere; measure again (`fleetsched bench fair`), then remove it"
    ]


def test_wrong_evidence_is_a_mistake_among_the_others(root: Path) -> None:
    file = write_evidence(root / "policies" / "fair", evidence())
    file.write_text(file.read_text().replace('"seed": 7', '"seed": -7'))
    (root / "inventory" / "hosts.yaml").write_text("web: [\n")
    with pytest.raises(ProblemsError) as caught:
        validate(root)
    files = [str(problem.file) for problem in caught.value.problems]
    assert files == ["inventory/hosts.yaml", f"policies/fair/evidence/{file.name}"]
    with pytest.raises(ProblemsError):
        dossier(root, "fair")


def test_what_gates_said_of_another_object_is_not_shown(root: Path) -> None:
    digest = load_lock(root / "policies" / "fair").variants["default"]
    reports = tuple(GateReport("fair", "default", each, results("7.2.13")) for each in (digest, DIGEST))
    write_matrix(root, Matrix("c" * 40, reports))
    found = dossier(root, "fair")
    assert ([report.digest for report in found.gates], found.gates_commit) == ([digest], "c" * 40)
    assert f"`{digest[:12]}` | passed stress |" in catalogue_page(root)
    assert DIGEST[:12] not in catalogue_page(root)


def test_an_unknown_policy_gets_the_nearest_name(root: Path) -> None:
    with pytest.raises(InputError) as caught:
        dossier(root, "fare")
    assert caught.value.message == "no policy 'fare'; did you mean \"fair\"?"
