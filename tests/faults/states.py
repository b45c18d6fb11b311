# SPDX-License-Identifier: Apache-2.0
"""Bringing a guest to the moments of the table, each once, and keeping them as snapshots."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from fleetsched.build.policy import compile_policy
from fleetsched.helper.build import build_helper, find_unit
from fleetsched.helper.install import install
from fleetsched.helper.session import NoHelper, open_helper
from fleetsched.inventory.read import read_inventory
from fleetsched.lab.state import Lab
from fleetsched.model.assignment import Assignment
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.faults.guest import Guest, answers
from tests.faults.judge import Look
from tests.faults.rows import ON_TRIAL
from tests.programs import build_scheduler

PROJECT = Path(__file__).resolve().parents[2]
_POLICIES = {
    "fair": PROJECT / "policies/fair",
    "stall": PROJECT / "tests/policies/stall",
    "stalls-late": PROJECT / "tests/policies/stalls-late",
    "exits-late": PROJECT / "tests/policies/exits-late",
    "no-hotplug": PROJECT / "tests/policies/no-hotplug",
}
_BAKED_MS = 10_500  # twice the policies' timeout_ms, and a little
_LATE_MS = 25_000
_PROGRAMS = "/usr/libexec/fleetsched-test"
_ATTEMPTS = 3

# From which moment each is reached, and how.
_WAYS: dict[str, tuple[str, str]] = {
    "first-trial": ("idle", 'try "$TRIAL" 15000'),
    "confirmed": ("idle", f'try "$FAIR" 60000; bake {_BAKED_MS}; confirm'),
    "trial": ("confirmed", 'try "$TRIAL" 15000'),
    "baked": ("confirmed", f'try "$TRIAL" 60000; bake {_BAKED_MS}'),
    "staging": ("confirmed", "quietly half_an_object; until_connected 1"),
    "failing": ("idle", f'try "$EXITS_LATE" 60000; bake {_BAKED_MS}; confirm'),
    "stalling": ("idle", f'try "$STALLS_LATE" 60000; bake {_BAKED_MS}; confirm'),
    "program-trial": ("confirmed", "try_program tried 15000 fair"),
    "program-confirmed": ("idle", f"try_program confirmed 60000 fair; bake {_BAKED_MS}; confirm"),
}
_LIBRARY = Path(__file__).with_name("program.sh").read_text(encoding="utf-8")


def prepare(lab: Lab) -> Guest:
    """Put the helper and all objects on the lab's one host, and keep the moment `idle`."""
    (machine,) = lab.machines
    objects = {name: compile_policy(folder, {}).image for name, folder in _POLICIES.items()}
    program = build_scheduler()
    digests = {
        name: hashlib.sha256(image).hexdigest() for name, image in {**objects, "program": program}.items()
    }
    host = read_inventory([lab.folder / "inventory.yaml"], lab.folder).inventory.hosts[machine.name]
    with SshTransport(SshDefaults(config_file=Path("/nonexistent"))).connect(host) as connection:
        install(connection, host.name, build_helper().read_bytes(), find_unit().read_bytes())
        client = open_helper(connection, host.name)
        assert not isinstance(client, NoHelper)
        with client:
            for name, image in objects.items():
                client.stage(digests[name], image)
        connection.run(["sh", "-c", "cat > /root/foreign.o"], stdin=objects["fair"], timeout_s=60)
        files = {"program": program} | {
            f"{name}.o": objects[name] for name in ("fair", "stall", "no-hotplug")
        }
        connection.run(["mkdir", _PROGRAMS], timeout_s=60)
        for name, content in files.items():
            write = f"cat > {_PROGRAMS}/{name} && chmod 755 {_PROGRAMS}/{name}"
            connection.run(["sh", "-c", write], stdin=content, timeout_s=60)
        connection.run(["sync"], timeout_s=60)  # as a package manager does it; the power will be cut
    guest = Guest(lab, _words(digests))
    guest.run("true")
    guest.save("idle")
    return guest


def reach(guest: Guest, moment: str, kept: set[str], say: Callable[[str], None]) -> None:
    """Keep a snapshot of this moment, and of those on the way, unless there is one.

    Args:
        guest: a prepared one.
        moment: a key of MOMENTS.
        kept: the moments that this guest has; what is reached is added.
        say: told each step.
    """
    if moment in kept:
        return
    before, way = _WAYS[moment]
    reach(guest, before, kept, say)
    say(f"reaching: {moment}")
    for _ in range(_ATTEMPTS):
        guest.restore(before)
        refused = [answer for answer in answers(guest.run(_LIBRARY + way)) if not answer["ok"]]
        guest.save(moment)
        look = guest.look()
        if not refused and is_at(moment, look):
            break
        say(f"not reached, this machine is too busy: {moment}")
    else:
        raise AssertionError((moment, "this machine is too busy", refused, look))
    kept.add(moment)


def is_at(moment: str, look: Look | None) -> bool:
    """Whether a host is as this moment wants it: starved by other work, an emulated one may have gone on."""
    if look is None:
        return False
    on_trial, runs = look.status.trial is not None, look.status.running is not None
    return on_trial == (moment in ON_TRIAL) and runs == (moment != "idle")


def _words(digests: dict[str, str]) -> dict[str, str]:
    """The assignments that the table's scripts name."""

    def wire(policy: str, **parameters: int) -> str:
        return json.dumps(
            Assignment.of(policy, "default", digests[policy], parameters).to_wire(), separators=(",", ":")
        )

    return {
        "FAIR": wire("fair"),
        "TRIAL": wire("fair", slice_us=7000),
        "STALL": wire("stall"),
        "NO_HOTPLUG": wire("no-hotplug"),
        "EXITS_LATE": wire("exits-late", after_ms=_LATE_MS),
        "STALLS_LATE": wire("stalls-late", after_ms=_LATE_MS),
        "FAIR_DIGEST": digests["fair"],
        "PROGRAM_DIGEST": digests["program"],
    }
