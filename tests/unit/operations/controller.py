# SPDX-License-Identifier: Apache-2.0
"""A controller of simulated hosts: a real fleet repository with real objects, and the operations on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.revision import Revision
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.controller import Controller as Settings
from fleetsched.model.run import Applied
from fleetsched.operations.apply import apply
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.plan import EVERY_HOST, Selection, plan
from fleetsched.operations.rollback import plan_rollback, retry, rollback
from fleetsched.rollout.signatures import NoSignatures, Signatures
from tests.unit.rollout.test_engine import HELPER

NAMES = ("lab-1", "lab-2", "lab-3")
Actions = dict[str, str]


@dataclass
class Controller:
    """A fleet repository, its simulated hosts, and the operations on them."""

    root: Path
    hosts: dict[str, SimulatedHost]
    signatures: Signatures = field(default_factory=NoSignatures)

    def access(self, *objections: str) -> FleetAccess:
        revision = Revision("c" * 40, objections)
        transport = SimulatedTransport(self.hosts)
        return FleetAccess(
            self.root,
            load_fleet(self.root),
            revision,
            Settings(),
            transport,
            lambda arch: HELPER,
            4,
            self.signatures,
        )

    def actions(self, limit: str | None = None) -> Actions:
        with plan(self.access(), Selection(limit)) as planned:
            return {host.host: host.words for host in planned.plan.hosts}

    def apply(self, only: Selection = EVERY_HOST) -> Applied:
        access = self.access()
        with plan(access, only) as planned:
            return apply(access, planned, journals=self.root.parent / "runs", report=lambda event: None)

    def rollback(self) -> Applied:
        access = self.access()
        with plan(access) as planned:
            undo = plan_rollback(planned, None)
            journals = self.root.parent / "runs"
            return rollback(access, planned, undo, journals=journals, report=lambda event: None)

    def retry(self) -> list[tuple[str, str]]:
        with plan(self.access()) as planned:
            return retry(planned)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def ops(self) -> dict[str, str | None]:
        return {name: host.kernel.ops for name, host in self.hosts.items()}


def all_hosts(action: str) -> Actions:
    return dict.fromkeys(NAMES, action)
