# SPDX-License-Identifier: Apache-2.0
"""A real host that takes only signed assignments, by the commands that a user types."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetsched.errors import HelperError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.session import open_helper
from fleetsched.inventory.read import read_inventory
from fleetsched.model.statement import Signed, Statement
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.conformance.signing import allowed_signers, key
from tests.real.conftest import RealLab
from tests.real.test_main_job import FleetRepository

pytestmark = pytest.mark.lab

# Of no other test, because one of them is held in the end.
FIRST_US, SECOND_US = 6100, 6200


@pytest.fixture(scope="module")
def host(lab: RealLab) -> Iterator[str]:
    """A host of the group `lab` with an allowed signer."""
    name = lab.hosts[0]
    folder = "/etc/fleetsched"
    lab.ssh(
        name,
        f"umask 022 && mkdir -p {folder} && echo lab > {folder}/group"
        f" && printf %s {shlex.quote(allowed_signers())} > {folder}/allowed_signers",
    )
    yield name
    lab.ssh(name, f"rm -f {folder}/group {folder}/allowed_signers")


@pytest.fixture(scope="module")
def fleet(lab: RealLab, tmp_path_factory: pytest.TempPathFactory) -> FleetRepository:
    repository = FleetRepository(tmp_path_factory.mktemp("signed") / "fleet", lab)
    repository.write_binding(slice_us=FIRST_US)
    repository.publish()
    return repository


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a controller that has the key."""
    file = tmp_path_factory.mktemp("controller") / "config.yaml"
    file.write_text(f"sign: {{key: {key('known')}}}\n", encoding="utf-8")
    file.chmod(0o600)
    return str(file)


def client(lab: RealLab, name: str) -> HelperClient:
    """The fleet's own way to the host, without the controller's manners."""
    found = read_inventory([lab.inventory], lab.inventory.parent).inventory.hosts[name]
    connection = SshTransport(SshDefaults(config_file=Path("/nonexistent"))).connect(found)
    opened = open_helper(connection, name)
    assert isinstance(opened, HelperClient)
    return opened


def runs(fleet: FleetRepository, host: str) -> int:
    """The parameter of what the host has recorded."""
    record = fleet.status()[host]["last_known_good"]
    value = record["assignment"]["parameters"]["slice_us"]
    assert isinstance(value, int)
    return value


def test_a_signed_assignment_runs_and_no_other_does(
    lab: RealLab, host: str, fleet: FleetRepository, config: str, tmp_path: Path
) -> None:
    unsigned = fleet.run("apply", "--yes", "--limit", host, expect=3)
    assert "takes only signed assignments: there is no key to sign with" in unsigned.stdout

    fleet.run("apply", "--yes", "--limit", host, "--config", config)
    assert runs(fleet, host) == FIRST_US
    first = tmp_path / "first.json"
    fleet.run("sign", str(first), "--key", str(key("known")))

    # Another person signs what comes next, and whoever applies it has no key.
    fleet.write_binding(slice_us=SECOND_US)
    fleet.publish()
    second = tmp_path / "second.json"
    fleet.run("sign", str(second), "--for", "1h", "--config", config)
    fleet.run("apply", "--yes", "--limit", host, "--signatures", str(second))
    assert runs(fleet, host) == SECOND_US

    # Who has the fleet's key, and what was signed before, cannot bring the old assignment back.
    (old,) = json.loads(first.read_text(encoding="utf-8"))["statements"]
    statement = Statement.read(old["statement"])
    with client(lab, host) as helper:
        for signed, code in ((Signed(**old), "replayed"), (None, "unsigned")):
            with pytest.raises(HelperError) as refused:
                helper.try_(
                    statement.assignment,
                    deadline_s=60,
                    run="replay",
                    revision=statement.revision,
                    signed=signed,
                )
            assert refused.value.code == code
        assert helper.status().trial is None

    refused_rollback = fleet.run("rollback", "--yes", "--limit", host, expect=8)
    assert "takes only signed assignments, also to go back" in refused_rollback.stderr
    fleet.run("rollback", "--yes", "--limit", host, "--config", config)
    assert runs(fleet, host) == FIRST_US
