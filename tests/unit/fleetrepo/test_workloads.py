# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.workloads import shipped_workloads
from tests.unit.fleetrepo.repository import problems, write

DOCUMENT = """\
apiVersion: fleetsched/v1
kind: Workload
metadata: {name: mine}
spec:
  programs: {load: load.c}
  command: [load, "{{ seed }}"]
  metrics: {score: {jsonPath: score, unit: "1", better: maximize}}
"""


def repository(root: Path, document: str = DOCUMENT) -> Path:
    return write(root, {"manifests/load/w.yaml": document})


def test_what_is_shipped_is_right_and_says_what_it_does() -> None:
    shipped = shipped_workloads()

    assert {"message-wakeups", "interactive-under-hogs", "long-tail-batch", "hackbench", "pgbench"} <= set(
        shipped
    )
    assert all(workload.description for workload in shipped.values())
    assert all(text.startswith("/* SPDX") for each in shipped.values() for text in each.programs.values())


def test_a_repositorys_workload_brings_its_source_along(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "manifests" / "load" / "load.c").write_text("int main(void) { return 0; }\n")

    workloads = load_fleet(root).workloads

    assert workloads["mine"].programs == {"load": "int main(void) { return 0; }\n"}
    assert "hackbench" in workloads


def test_a_source_that_is_not_there_is_a_problem_with_its_place(tmp_path: Path) -> None:
    assert problems(repository(tmp_path)) == [
        'manifests/load/w.yaml:5:20: "load.c" cannot be read: there is no such file'
    ]


def test_a_source_outside_the_repository_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.c"
    outside.write_text("int main(void) { return 0; }\n")
    (tmp_path / "repository").mkdir()
    root = repository(tmp_path / "repository")
    (root / "manifests" / "load" / "load.c").symlink_to(outside)

    assert problems(root) == ['manifests/load/w.yaml:5:20: "load.c" leads out of the fleet repository']


@pytest.mark.parametrize("name", ["../load.c", "/etc/load.c", "load.h", ".load.c"])
def test_a_source_is_a_c_file_beside_the_document(tmp_path: Path, name: str) -> None:
    (found,) = problems(repository(tmp_path, DOCUMENT.replace("load.c", name)))

    assert "expected a C source beside the document, such as `load.c`" in found
