# SPDX-License-Identifier: Apache-2.0
"""The simulated helper as the runner sees it: bytes with scenarios in place of policies."""

from __future__ import annotations

from collections.abc import Callable

from fleetsched.helper.session import RPC_COMMAND
from fleetsched.helper.simulated import (
    EXIT_BPF,
    EXIT_ERROR,
    Behaviour,
    Exit,
    SimulatedHost,
    SimulatedTransport,
)
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Channel
from tests.conformance.runner import Adapter
from tests.conformance.signing import GROUP, allowed_signers

BEHAVIOURS = {
    "fair": Behaviour(parameters={"slice_us": "u64"}),
    "stall": Behaviour(parameters={}, ejected_after_ms=6_000),
    "init-fails": Behaviour(parameters={}, init_exit=EXIT_ERROR),
    "verifier-rejects": Behaviour(parameters={}, load_log="R1 invalid mem access 'scalar'"),
    "no-hotplug": Behaviour(parameters={}, follows_hotplug=False),
    "exits-late": Behaviour(parameters={"after_ms": "u64"}, ejected_after_ms=20_000, exit=EXIT_BPF),
    "noise": Behaviour(refused="the object is no ELF file"),
    "pins-a-map": Behaviour(refused="the object is refused: map stays is pinned"),
    "sends-signals": Behaviour(refused="the object is refused: BPF helper 109 in struct_ops, instruction 6"),
    "second-program": Behaviour(
        refused="the object is refused: section kprobe/do_exit holds a program"
        " that is no callback of a scheduler"
    ),
    "strange-kfunc": Behaviour(
        refused="the object is refused: kernel function or variable bpf_task_from_pid"
    ),
    "circular": Behaviour(refused="the object is refused: not a readable BPF object: type 2 leads nowhere"),
    "program": Behaviour(ops="fair"),
    "program-fails": Behaviour(
        init_exit=Exit(1024, "ERROR", "the program ended with status 1", "told to fail")
    ),
    "program-changed": Behaviour(program_digest="c" * 64),
    "program-absent": Behaviour(program_rule="missing"),
    "program-open": Behaviour(program_rule="not-roots"),
}


class SimulatedAdapter(Adapter):
    """A new simulated host."""

    objects = {name: name.encode() * 30_000 for name in BEHAVIOURS}  # noqa: RUF012  read only

    def __init__(self) -> None:
        self.host = SimulatedHost("simulated", behaviours=BEHAVIOURS)
        self._acts: dict[str, Callable[[], None]] = {
            "fill-disk": self._fill_disk,
            "free-disk": lambda: setattr(self.host, "disk_full", False),
            "attach-foreign": lambda: self.host.attach_foreign("scx_rusty"),
            "detach-foreign": self.host.detach_foreign,
            "kill-helper": self.host.kill_helper,
            "require-signatures": self._require_signatures,
            "lose-group": lambda: setattr(self.host, "group", None),
            "lose-ssh-keygen": lambda: setattr(self.host, "ssh_keygen", False),
            "install-programs": lambda: None,  # what a host has of them is in their behaviours
            "cpu-goes": lambda: self._hotplug("0"),
            "cpu-comes": lambda: self._hotplug("0-1"),
        }
        self.acts = frozenset(self._acts)

    def connect(self) -> Channel:
        transport = SimulatedTransport({self.host.name: self.host})
        return transport.connect(Host(self.host.name, "simulated")).open(RPC_COMMAND)

    def act(self, name: str) -> None:
        self._acts[name]()

    def _require_signatures(self) -> None:
        self.host.allowed_signers, self.host.group = allowed_signers(), GROUP

    def _hotplug(self, cpus: str) -> None:
        self.host.cpus = cpus
        self.host.hotplug()

    def _fill_disk(self) -> None:
        self.host.disk_full = True
