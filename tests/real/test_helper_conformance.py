# SPDX-License-Identifier: Apache-2.0
"""The C helper on a real kernel keeps to the table that the simulated one keeps to."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

import pytest

from fleetsched.build.btf import Kind
from fleetsched.build.policy import compile_policy
from fleetsched.errors import HostError
from fleetsched.helper.build import find_helper, find_unit
from fleetsched.helper.install import install
from fleetsched.helper.session import RPC_COMMAND
from fleetsched.inventory.read import read_inventory
from fleetsched.transport.interface import Channel, Connection
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.conformance.runner import REFUSED, Adapter, Unavailable, case_id, cases
from tests.conformance.signing import GROUP, allowed_signers
from tests.programs import build_scheduler
from tests.real.conftest import PROJECT, RealLab
from tests.real.managed import REMOVE
from tests.real.spread import spread
from tests.unit.build.hostile import with_link

pytestmark = pytest.mark.lab

_ETC = "/etc/fleetsched"
_SSH_KEYGEN = "/usr/bin/ssh-keygen"
_FILLER = "/var/lib/fleetsched-filler"
# Without writing the blocks: gigabytes would keep the computer's disk, and so the host, busy for minutes.
# After the sync, ext4 gives back what it had set aside; then not even a file of one block may fit.
_FILL = f"""
mkdir {_FILLER}
for size in 1G 100M 10M 1M 64K 4K; do
  while fallocate -l $size $(mktemp {_FILLER}/XXXXXXXX) 2>/dev/null; do :; done
done
sync
while head -c 4096 /dev/zero > $(mktemp {_FILLER}/XXXXXXXX) 2>/dev/null; do sync; done
"""
_FOREIGN = "/root/foreign.bpf.o"
_CPU = "/sys/devices/system/cpu/cpu1/online"
_FOREIGN_PIN = "/sys/fs/bpf/foreign"
_PROGRAM_FOLDER = "/usr/libexec/fleetsched-test"
_PROGRAMS = {"program", "program-absent", "program-changed", "program-fails", "program-open"}
_UNTIL_DISABLED = "timeout 60 sh -c 'until grep -q disabled /sys/kernel/sched_ext/state; do sleep 0.1; done'"
_HELPER_BACK_S = 60.0


class LabAdapter(Adapter):
    """The helper of one lab host, over one SSH connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.objects = objects()
        self._acts: dict[str, Callable[[], None]] = {
            "fill-disk": lambda: self.shell(_FILL),
            "free-disk": lambda: self.shell(f"rm -r {_FILLER}; sync"),
            "attach-foreign": self._attach_foreign,
            "detach-foreign": lambda: self.shell(f"rm -rf {_FOREIGN_PIN}; {_UNTIL_DISABLED}"),
            "kill-helper": self._kill_helper,
            "require-signatures": self._require_signatures,
            "lose-group": lambda: self.shell(f"rm {_ETC}/group"),
            "lose-ssh-keygen": lambda: self.shell(f"mv {_SSH_KEYGEN} {_SSH_KEYGEN}.away"),
            "install-programs": self._install_programs,
            "cpu-goes": lambda: self.shell(f"echo 0 > {_CPU}"),
            "cpu-comes": lambda: self.shell(f"echo 1 > {_CPU}"),
        }
        self.acts = frozenset(self._acts)

    def connect(self) -> Channel:
        return self._connection.open(RPC_COMMAND)

    def act(self, name: str) -> None:
        self._acts[name]()

    def restore(self) -> None:
        self.shell(
            f"rm -rf {_FILLER} {_FOREIGN_PIN} {_FOREIGN} {_PROGRAM_FOLDER}"
            f" {_ETC}/allowed_signers {_ETC}/group"
            f" && if test -e {_SSH_KEYGEN}.away; then mv {_SSH_KEYGEN}.away {_SSH_KEYGEN}; fi"
            f"; echo 1 > {_CPU}"
        )

    def shell(self, command: str, stdin: bytes = b"") -> str:
        """Run a command as root on the host."""
        completed = self._connection.run(["sh", "-c", command], stdin=stdin, timeout_s=180)
        assert completed.exit_code == 0, (command, completed)
        return completed.stdout.decode()

    def _require_signatures(self) -> None:
        self.shell(f"mkdir -p {_ETC} && umask 022 && echo {GROUP} > {_ETC}/group")
        self.shell(f"umask 022 && cat > {_ETC}/allowed_signers", allowed_signers().encode())

    def _attach_foreign(self) -> None:
        self.shell(f"cat > {shlex.quote(_FOREIGN)}", self.objects["fair"])
        self.shell(f"mkdir -p {_FOREIGN_PIN} && bpftool struct_ops register {_FOREIGN} {_FOREIGN_PIN}")

    def _install_programs(self) -> None:
        self.shell(f"mkdir -p {_PROGRAM_FOLDER}; cat > {_PROGRAM_FOLDER}/program", build_scheduler())
        self.shell(f"cat > {_PROGRAM_FOLDER}/fair.bpf.o", self.objects["fair"])
        self.shell(
            f"cd {_PROGRAM_FOLDER} && for name in changed fails open; do cp program program-$name; done"
            " && for name in fails open; do printf program-$name >> program-$name; done"
            " && printf program >> program && chmod 755 program* && chmod 757 program-open"
        )

    def _kill_helper(self) -> None:
        before = self.main_pid()
        self.shell("systemctl kill --signal=KILL fleetsched-host.service")
        end = time.monotonic() + _HELPER_BACK_S
        while time.monotonic() < end:
            if self.main_pid() not in ("0", before) and self._is_ready():
                return
            time.sleep(0.2)
        raise AssertionError("the helper's service was not started again")

    def _is_ready(self) -> bool:
        """Whether the service has told systemd that it listens; its process is there a moment earlier."""
        state = "systemctl show --property=ActiveState --value fleetsched-host.service"
        return self.shell(state).strip() == "active"

    def main_pid(self) -> str:
        """Return the process that serves now."""
        return self.shell("systemctl show --property=MainPID --value fleetsched-host.service").strip()


@cache
def objects() -> Mapping[str, bytes]:
    """What the table's cases stage, by name."""
    folders = [PROJECT / "policies" / "fair", *(PROJECT / "tests" / "policies").iterdir(), *REFUSED.iterdir()]
    compiled = {folder.name: folder for folder in folders if folder.name in _OBJECTS}
    found = {name: compile_policy(folder, {}).image for name, folder in compiled.items()}
    found["noise"] = os.urandom(100_000)
    found["circular"] = with_link(found["fair"], Kind.CONST, lambda number: number)
    # A static program does not mind what stands after its end.
    return found | {name: build_scheduler() + name.encode() for name in _OBJECTS if name in _PROGRAMS}


_OBJECTS = {name for case in cases() for key in ("objects", "objects_at_hand") for name in case.get(key, [])}


@pytest.fixture(scope="module")
def files() -> tuple[bytes, bytes]:
    """The helper and its unit, the same for all tests."""
    return find_helper().read_bytes(), find_unit().read_bytes()


@pytest.fixture(scope="module")
def connections(lab: RealLab) -> Iterator[list[Connection]]:
    """To every host of the lab."""
    known = read_inventory([lab.inventory], lab.inventory.parent).inventory.hosts
    transport = SshTransport(SshDefaults(config_file=Path("/nonexistent")))
    with ExitStack() as stack:
        yield [stack.enter_context(transport.connect(known[host])) for host in lab.hosts]


@pytest.fixture(scope="module")
def adapters(
    lab: RealLab, connections: list[Connection], files: tuple[bytes, bytes]
) -> Iterator[list[LabAdapter]]:
    for connection in connections:
        install(connection, "host", *files)
    adapters = [LabAdapter(connection) for connection in connections]
    yield adapters
    lab.ssh_everywhere(REMOVE)


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, adapters: list[LabAdapter]) -> Iterator[dict[str, Future[None]]]:
    """What comes of each case that was chosen."""
    chosen = [item.callspec.params["case"] for item in request.session.items if is_case(item)]
    with spread(chosen, adapters) as futures:
        yield futures


def is_case(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and item.originalname == test_helper.__name__


@pytest.mark.parametrize("case", cases(), ids=case_id)
def test_helper(case: dict[str, Any], results: dict[str, Future[None]]) -> None:
    try:
        results[case["name"]].result()
    except Unavailable as error:
        pytest.skip(str(error))


def test_the_second_installation_changes_nothing(
    adapters: list[LabAdapter], connections: list[Connection], files: tuple[bytes, bytes]
) -> None:
    adapter, connection = adapters[0], connections[0]
    before = adapter.main_pid()
    assert install(connection, "host", *files) is False
    assert adapter.main_pid() == before


def test_a_helper_does_not_fit_on_a_full_disk(
    adapters: list[LabAdapter], connections: list[Connection], files: tuple[bytes, bytes]
) -> None:
    adapter, connection = adapters[0], connections[0]
    binary, unit = files
    adapter.act("fill-disk")
    try:
        with pytest.raises(HostError, match=r"^host has a full disk: no room for the helper in /usr/libexec"):
            install(connection, "host", binary + b"\0", unit)
    finally:
        adapter.restore()
    assert adapter.shell("ls -A /usr/libexec | grep -c fleetsched") == "1\n"
