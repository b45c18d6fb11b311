# SPDX-License-Identifier: Apache-2.0
"""policies/matrix.json: what the gates said of every policy of a repository, on every kernel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import InputError
from fleetsched.model.gate import Gate, GateReport, GateVerdict
from fleetsched.model.gate_records import FORMAT, VERSION, report_from, report_record
from fleetsched.model.lock import PolicyLock

MATRIX_FILE = "policies/matrix.json"


@dataclass(frozen=True, slots=True)
class Matrix:
    """All of it.

    Attributes:
        commit: what was judged, 40 hex digits.
        reports: a report a variant, without logs.
    """

    commit: str
    reports: tuple[GateReport, ...]

    def of(self, policy: str) -> tuple[GateReport, ...]:
        """The reports of one policy."""
        return tuple(report for report in self.reports if report.policy == policy)


def read_matrix(root: Path) -> Matrix | None:
    """Read the file of the repository in `root`; None when it has none.

    Raises:
        InputError: it is damaged, or of another version.
    """
    file = root / MATRIX_FILE
    if not file.is_file():
        return None
    try:
        value = json.loads(file.read_bytes())
        if (value["format"], value["version"]) != (FORMAT, VERSION):
            raise ValueError(f"version {value['version']}")
        return Matrix(value["commit"], tuple(map(report_from, value["reports"])))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{MATRIX_FILE} cannot be read: {error!r}", remedy="write it anew with `make test-matrix`"
        ) from error


def write_matrix(root: Path, matrix: Matrix) -> Path:
    """Write the file: the same bytes for the same verdicts, but for how long they took."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "commit": matrix.commit,
        "reports": [report_record(each, log=False) for each in matrix.reports],
    }
    file = root / MATRIX_FILE
    file.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return file


def complaints(
    matrix: Matrix, locks: Mapping[str, PolicyLock], kernels: Sequence[str], last: Gate
) -> Iterator[str]:
    """Say what keeps the matrix from being true of what is locked: one line each.

    Args:
        matrix: what was recorded.
        locks: of the policies that are built, by name.
        kernels: such as `6.18` or `6.18.15`, each of which must have been asked.
        last: the gate that each must have passed on each kernel.
    """
    known = {(report.policy, report.variant): report for report in matrix.reports}
    for name, lock in sorted(locks.items()):
        if lock.program is not None:
            continue
        for variant, digest in sorted(lock.variants.items()):
            report = known.pop((name, variant), None)
            if report is None:
                yield f"{name}/{variant} was not judged"
            elif report.digest != digest:
                yield f"{name}/{variant}: judged was {report.digest[:12]}, locked is {digest[:12]}"
            else:
                yield from _gaps(report, kernels, last)
    for name, variant in sorted(known):
        yield f"{name}/{variant} is no longer there"


def _gaps(report: GateReport, kernels: Sequence[str], last: Gate) -> Iterator[str]:
    name = f"{report.policy}/{report.variant}"
    if report.verdict is not GateVerdict.PASSED:
        yield f"{name}: {report.verdict}"
        return
    for kernel in kernels:
        such = re.compile(rf"{re.escape(kernel)}(?!\d)")
        on = [each for each in report.results if such.match(each.kernel)]
        if not any(each.verdict is GateVerdict.SKIPPED or each.gate is last for each in on):
            yield f"{name} did not come to {last} on {kernel}"
