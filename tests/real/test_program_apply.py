# SPDX-License-Identifier: Apache-2.0
"""A scheduler program on every host of a group, by the commands that a user types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetsched.build.policy import compile_policy
from fleetsched.inventory.read import read_inventory
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.programs import build_scheduler
from tests.real.conftest import PROJECT, RealLab
from tests.real.managed import REMOVE
from tests.real.test_main_job import FleetRepository

pytestmark = pytest.mark.lab

_FOLDER = "/usr/libexec/fleetsched-test"
_POLICY = f"""\
apiVersion: fleetsched/v1
kind: Policy
metadata: {{name: program}}
spec:
  kind: program
  summary: the fair policy with a loader of its own, for tests
  program:
    path: {_FOLDER}/program
    arguments: [--object, {_FOLDER}/fair.bpf.o, --slice-us, "{{{{ parameters.slice_us }}}}"]
  parameters:
    slice_us: {{type: u64, default: 4000, min: 250, max: 50000}}
"""


@pytest.fixture
def hosts(lab: RealLab) -> Iterator[RealLab]:
    """The lab, with the program installed on every host."""
    files = {"program": build_scheduler(), "fair.bpf.o": compile_policy(PROJECT / "policies/fair", {}).image}
    found = read_inventory([lab.inventory], lab.inventory.parent).inventory.hosts
    for name in lab.hosts:
        with SshTransport(SshDefaults(config_file=Path("/nonexistent"))).connect(found[name]) as connection:
            for file, content in files.items():
                put = f"mkdir -p {_FOLDER} && cat > {_FOLDER}/{file} && chmod 755 {_FOLDER}/{file}"
                assert connection.run(["sh", "-c", put], stdin=content, timeout_s=120).exit_code == 0
    yield lab
    lab.ssh_everywhere(f"{REMOVE}\nrm -rf {_FOLDER}")


def test_apply_brings_an_installed_program_to_a_group(hosts: RealLab, tmp_path: Path) -> None:
    repository = FleetRepository(tmp_path / "fleet", hosts)
    folder = repository.folder / "policies" / "program"
    folder.mkdir()
    (folder / "policy.yaml").write_text(_POLICY, encoding="utf-8")
    (tmp_path / "copy").write_bytes(build_scheduler())
    repository.run("lock", "program", "--program", str(tmp_path / "copy"), "--program-version", "1")
    repository.write_binding("program")
    repository.publish()

    repository.run("validate")
    repository.run("apply", "--yes")

    wanted = {
        "path": f"{_FOLDER}/program",
        "args": ["--object", f"{_FOLDER}/fair.bpf.o", "--slice-us", "4000"],
    }
    for name, status in repository.status().items():
        assert (status["running"]["ops"], status["last_known_good"]["program"]) == ("fair", wanted), name
    assert repository.actions() == dict.fromkeys(hosts.hosts, "none")
