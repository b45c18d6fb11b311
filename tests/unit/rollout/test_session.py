# SPDX-License-Identifier: Apache-2.0
"""Installing the helper: which one a host gets, and what is said when there is none for it."""

from __future__ import annotations

import pytest

from fleetsched.errors import BuildError, HelperError
from fleetsched.helper.simulated.host import SimulatedHost
from fleetsched.helper.simulated.transport import SimulatedTransport
from fleetsched.model.inventory import Host
from fleetsched.model.state import Notice
from fleetsched.rollout.session import HelperFiles, HostSession

# e_machine of an ELF header for each architecture.
MACHINES = {"x86_64": 62, "aarch64": 183}


def helper_for(arch: str) -> HelperFiles:
    if arch not in MACHINES:
        raise BuildError(f"there is no helper for {arch}", remedy="build one")
    return HelperFiles(b"\x7fELF\x02\x01" + bytes(12) + bytes([MACHINES[arch], 0]), b"[Service]\n")


def session_with(arch: str) -> HostSession:
    host = SimulatedHost("web-1", arch=arch, installed=False)
    return HostSession(Host("web-1", "web-1"), SimulatedTransport({"web-1": host}), helper_for)


@pytest.mark.parametrize("arch", MACHINES)
@pytest.mark.parametrize("looked", [True, False])
def test_a_host_gets_the_helper_for_its_architecture(arch: str, looked: bool) -> None:
    session = session_with(arch)
    if looked:
        session.look()
    session.install()
    assert session.look().facts is not None


def test_an_architecture_without_a_helper_is_an_obstacle_before_anything_is_done() -> None:
    assert session_with("riscv64").look().obstacle == Notice(
        "wrong-arch",
        "there is no helper for riscv64, only for aarch64 and x86_64",
        "leave the host out of the group",
    )


def test_a_helper_that_cannot_be_built_is_the_hosts_trouble_and_not_the_runs() -> None:
    with pytest.raises(HelperError) as caught:
        session_with("riscv64").install()
    assert str(caught.value) == "web-1: there is no helper for riscv64\n  build one"
