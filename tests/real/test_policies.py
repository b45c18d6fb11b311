# SPDX-License-Identifier: Apache-2.0
"""Every policy on a real kernel, loaded by hand: the broken ones fail, each in its own way."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from elftools.elf.elffile import ELFFile

from fleetsched.build.btf import Btf, Kind
from fleetsched.build.declared import ops_name
from fleetsched.build.policy import compile_policy
from fleetsched.inventory.read import read_inventory
from fleetsched.transport.interface import Connection
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.real.conftest import PROJECT, RealLab, wait_until

pytestmark = pytest.mark.lab

CATALOGUE = sorted(f"policies/{source.parent.name}" for source in (PROJECT / "policies").glob("*/*.bpf.c"))
BROKEN = "tests/policies"
CHURN = (
    "stress-ng --quiet --timeout 20 --cpu 4 --fork 2 --switch 2 --pipe 2 --nanosleep 2"
    " --affinity 2 --affinity-rand --affinity-delay 1000000"
)


@dataclass(frozen=True)
class Kernel:
    """What /sys/kernel/sched_ext says."""

    state: str
    ops: str
    enable_seq: int


@dataclass(frozen=True)
class Host:
    """A host on which no helper holds a policy; by one connection, because each costs seconds."""

    connection: Connection

    def run(self, command: str, *, stdin: bytes = b"", check: bool = True) -> str:
        done = self.connection.run(["sh", "-c", command], stdin=stdin, timeout_s=120)
        assert not check or done.exit_code == 0, (command, done)
        return done.stdout.decode()

    def kernel(self) -> Kernel:
        said = self.run("cd /sys/kernel/sched_ext; cat enable_seq state; cat root/ops 2>/dev/null || echo")
        seq, state, ops = said.split("\n")[:3]
        return Kernel(state, ops, int(seq))

    def attach(self, policy: Path) -> str:
        """Load and attach with bpftool; return what it printed."""
        image = compile_policy(policy, {}).image
        self.run(f"mkdir -p /tmp/o; cat > /tmp/o/{policy.name}.bpf.o", stdin=image)
        self.run(f"dmesg -C; mkdir -p {self._pins(policy)}")
        return self.run(
            f"bpftool struct_ops register /tmp/o/{policy.name}.bpf.o {self._pins(policy)} 2>&1", check=False
        )

    def detach(self, policy: Path) -> None:
        pins = self._pins(policy)
        self.run(
            f"for pin in {pins}/*; do bpftool link detach pinned $pin; rm -f $pin; done; rmdir {pins}",
            check=False,
        )

    def exit_record(self, policy: Path) -> dict[str, Any]:
        """The policy's own record of its end; it is written a moment after the state changes."""
        name = f"{ops_name(policy.name)[:8]}.data"
        maps = json.loads(self.run("bpftool -j map list"))
        (data,) = (each["id"] for each in maps if each.get("name") == name)

        def read() -> dict[str, Any] | None:
            (entry,) = json.loads(self.run(f"bpftool -j map dump id {data}"))
            variables = entry["formatted"]["value"][".data"]
            (record,) = (each["uei"] for each in variables if "uei" in each)
            return record if record["kind"] else None

        found = wait_until(read, within_s=10, what=f"{policy.name} records its end")
        assert isinstance(found, dict)
        return found

    @staticmethod
    def _pins(policy: Path) -> str:
        return f"/sys/fs/bpf/{policy.name}"


@pytest.fixture(scope="module")
def host(lab: RealLab) -> Iterator[Host]:
    """The last host, its helper stopped for as long as these tests run."""
    host = read_inventory([lab.inventory], lab.inventory.parent).inventory.hosts[lab.hosts[-1]]
    with SshTransport(SshDefaults(config_file=Path("/nonexistent"))).connect(host) as connection:
        found = Host(connection)
        found.run("systemctl stop fleetsched-host.service", check=False)
        wait_until(lambda: found.kernel().state == "disabled", within_s=30, what="the helper lets go")
        yield found
        found.run("systemctl start fleetsched-host.service", check=False)


@pytest.fixture
def attached(host: Host, request: pytest.FixtureRequest) -> Iterator[tuple[Host, Path, Kernel]]:
    """A policy attached; with the kernel as it was before."""
    policy = PROJECT / request.param
    before = host.kernel()
    assert before.state == "disabled"
    try:
        host.attach(policy)
        yield host, policy, before
    finally:
        host.detach(policy)
        wait_until(lambda: host.kernel().state == "disabled", within_s=30, what=f"{policy.name} is detached")


def every(*parameters: object, policy: str) -> ParameterSet:
    """A case of every run for these two; for the others, where the results of gates are made anew."""
    marks = () if policy in ("policies/fair", f"{BROKEN}/forbidden-cpu") else (pytest.mark.matrix,)
    return pytest.param(policy, *parameters, id=Path(policy).name, marks=marks)


@pytest.mark.parametrize("attached", [every(policy=policy) for policy in CATALOGUE], indirect=True)
def test_catalogue_policy_survives_affinity_churn_and_detaches(attached: tuple[Host, Path, Kernel]) -> None:
    host, policy, before = attached
    running = Kernel("enabled", policy.name, before.enable_seq + 1)
    assert host.kernel() == running
    host.run(CHURN)
    assert host.kernel() == running, host.run("dmesg | tail -30")
    host.detach(policy)
    assert host.kernel() == replace(running, state="disabled", ops="")
    assert f'"{policy.name}" disabled (unregistered from user space)' in host.run("dmesg")


UP = {1}
# The kernel counts a scheduler when it has taken over every task. One that breaks a rule with the first
# of them may be thrown out before, or just after.
UP_OR_NOT = {0, 1}


@pytest.mark.parametrize(
    ("attached", "counted", "record"),
    [
        every(UP, (1026, "runnable task stall", "failed to run for"), policy=f"{BROKEN}/stall"),
        every(UP_OR_NOT, (1024, "runtime error", "not allowed for"), policy=f"{BROKEN}/forbidden-cpu"),
        every(UP, (1025, "scx_bpf_error", "exits late, as it was made to"), policy=f"{BROKEN}/exits-late"),
    ],
    indirect=["attached"],
)
def test_broken_policy_ends_in_its_own_way(
    attached: tuple[Host, Path, Kernel], counted: set[int], record: tuple[int, str, str]
) -> None:
    host, policy, before = attached
    wait_until(lambda: host.kernel().state == "disabled", within_s=60, what=f"{policy.name} ends")
    assert host.kernel().enable_seq - before.enable_seq in counted
    found = host.exit_record(policy)
    assert (found["kind"], found["reason"]) == record[:2]
    assert record[2] in found["msg"]
    assert f'"{ops_name(policy.name)}" disabled ({record[1]})' in host.run("dmesg")


@pytest.mark.parametrize("attached", [f"{BROKEN}/init-fails"], indirect=True)
def test_policy_whose_init_fails_never_comes_up_and_says_why(attached: tuple[Host, Path, Kernel]) -> None:
    host, policy, before = attached
    assert host.kernel() == before
    found = host.exit_record(policy)
    assert (found["kind"], found["reason"], found["msg"]) == (
        1024,
        "runtime error",
        "ops.init() failed (-22)",
    )


def test_verifier_says_what_it_rejects(host: Host) -> None:
    before = host.kernel()
    policy = PROJECT / BROKEN / "verifier-rejects"
    try:
        said = host.attach(policy)
    finally:
        host.detach(policy)
    assert "invalid mem access 'map_value_or_null'" in said
    assert host.kernel() == before


def test_headers_agree_with_the_running_kernel(host: Host) -> None:
    """The kernel refuses a field that it lacks, or has of another kind, only where a policy uses it."""
    kernel = Btf(base64.b64decode(host.run("base64 -w0 /sys/kernel/btf/vmlinux")))
    differences = set()
    for policy in CATALOGUE:
        image = compile_policy(PROJECT / policy, {}).image
        ours = Btf(ELFFile(io.BytesIO(image)).get_section_by_name(".BTF").data())
        for record in ours.types:
            # The loader drops "___" and what follows: two of our types may stand for one of the kernel's.
            name = record.name.split("___")[0]
            theirs = kernel.find(name, record.kind) if name else None
            if theirs is None or record.kind not in (Kind.STRUCT, Kind.ENUM, Kind.ENUM64):
                continue
            for item in record.items:
                found = theirs.item(item.name)
                if found is None:
                    differences.add(f"{record.name}.{item.name} is missing")
                elif ours.resolve(item.type).kind is not kernel.resolve(found.type).kind:
                    differences.add(f"{record.name}.{item.name} is of another kind")
    assert differences == set()
