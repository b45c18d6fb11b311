# SPDX-License-Identifier: Apache-2.0
"""What the gates said of a whole catalogue, and whether that is still about what is locked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.errors import InputError
from fleetsched.fleetrepo.load import load_lock
from fleetsched.fleetrepo.matrix import MATRIX_FILE, Matrix, complaints, read_matrix, write_matrix
from fleetsched.gates.cascade import LAST
from fleetsched.lab.kernels import MATRIX
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.lock import LockedProgram, PolicyLock

PROJECT = Path(__file__).resolve().parents[3]
KERNELS = ("6.18", "7.3")
FAIR = PolicyLock("fair", {"default": "ab" * 32})


def report(*kernels: str, last: GateVerdict = GateVerdict.PASSED, digest: str = "ab" * 32) -> GateReport:
    results = [GateResult(Gate.SCHEMA, GateVerdict.PASSED)]
    for kernel in kernels:
        findings = (GateFinding("gives-up", "it did"),) if last is GateVerdict.FAILED else ()
        results += [
            GateResult(Gate.VERIFY, GateVerdict.PASSED, f"{kernel}.1", 2.5),
            GateResult(Gate.STRESS, last, f"{kernel}.1", 14.25, findings),
        ]
    return GateReport("fair", "default", digest, tuple(results))


MADE = Matrix("c0ffee" + "0" * 34, (report(*KERNELS),))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    assert read_matrix(tmp_path) is None
    write_matrix(tmp_path, MADE)
    assert read_matrix(tmp_path) == MADE
    assert MADE.of("fair") == MADE.reports
    assert MADE.of("other") == ()


def test_it_has_no_logs(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    loud = replace(
        report("6.18"), results=(GateResult(Gate.VERIFY, GateVerdict.PASSED, "6.18.1", log="a lot"),)
    )
    assert "a lot" not in write_matrix(tmp_path, Matrix(MADE.commit, (loud,))).read_text()


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"format": "fleetsched-gates", "version": "9.0", "reports": []}']
)
def test_a_damaged_one_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / MATRIX_FILE).write_text(text)
    with pytest.raises(InputError, match="make test-matrix"):
        read_matrix(tmp_path)


@pytest.mark.parametrize(
    ("made", "locks", "said"),
    [
        (report(*KERNELS), [FAIR], []),
        (report(*KERNELS), [], ["fair/default is no longer there"]),
        (report(*KERNELS), [FAIR, PolicyLock("new", {"large": "cd" * 32})], ["new/large was not judged"]),
        (
            report(*KERNELS, digest="cd" * 32),
            [FAIR],
            ["fair/default: judged was cdcdcdcdcdcd, locked is abababababab"],
        ),
        (report("6.18"), [FAIR], ["fair/default did not come to stress on 7.3"]),
        (report(*KERNELS, last=GateVerdict.FAILED), [FAIR], ["fair/default: failed"]),
    ],
)
def test_it_must_be_about_what_is_locked(made: GateReport, locks: list[PolicyLock], said: list[str]) -> None:
    matrix = Matrix(MADE.commit, (made,))
    assert list(complaints(matrix, {lock.policy: lock for lock in locks}, KERNELS, Gate.STRESS)) == said


def test_a_kernel_may_be_named_to_its_last_number() -> None:
    made = Matrix("", (report("7.2"),))
    said = {
        kernel: list(complaints(made, {"fair": FAIR}, [kernel], Gate.STRESS))
        for kernel in ("7.2.1", "7.2.13")
    }
    assert said == {"7.2.1": [], "7.2.13": ["fair/default did not come to stress on 7.2.13"]}


def test_a_kernel_that_a_policy_does_not_want_is_no_gap() -> None:
    asked = report("7.3")
    skipped = replace(
        asked,
        results=(*asked.results, GateResult(Gate.VERIFY, GateVerdict.SKIPPED, "6.18.1", log="needs more")),
    )
    assert list(complaints(Matrix("", (skipped,)), {"fair": FAIR}, KERNELS, Gate.STRESS)) == []


def test_programs_are_judged_on_hosts() -> None:
    lock = PolicyLock("scx", {"default": "cd" * 32}, program=LockedProgram("/usr/sbin/scx", "1"))
    assert list(complaints(MADE, {"fair": FAIR, "scx": lock}, KERNELS, Gate.STRESS)) == []


def test_the_committed_one_is_about_the_locked_policies() -> None:
    matrix = read_matrix(PROJECT)
    assert matrix is not None, f"{MATRIX_FILE} is missing: run `make test-matrix`"
    locks = {file.parent.name: load_lock(file.parent) for file in PROJECT.glob("policies/*/policy.lock.yaml")}
    assert list(complaints(matrix, locks, MATRIX, LAST)) == [], "run `make test-matrix`"
