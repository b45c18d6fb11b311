# SPDX-License-Identifier: Apache-2.0
"""A second run beside one with long bakes: whatever the first one does just now, its hosts are its own."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import pytest

from fleetsched.errors import ExitCode, FleetschedError, InterruptedRunError, LeaseHeldError, UnreachableError
from fleetsched.helper.simulated import Behaviour, SimulatedHost
from fleetsched.model.rollout import Phase
from fleetsched.model.run import Applied
from fleetsched.operations.apply import apply
from fleetsched.operations.plan import EVERY_HOST, Selection, plan
from fleetsched.rollout import leases
from fleetsched.rollout.run import HostEvent
from tests.unit.operations.controller import NAMES, Controller
from tests.unit.operations.test_goal_order import with_two_goals

TTL_S = 120  # of the strategy's trials, and 30 s
LIMIT_S = 20.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts' clocks are simulated: to the keeper, every lease is always due."""
    monkeypatch.setattr(leases, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(leases, "DUE", 0.0)
    monkeypatch.setattr(leases, "DUE_AGAIN", 0.0)


def apply_telling(controller: Controller, report: Callable[[HostEvent], None]) -> Applied:
    access = controller.access()
    with plan(access, EVERY_HOST) as planned:
        return apply(access, planned, journals=controller.root.parent / "runs", report=report)


class During:
    """Does something once, in the worker's thread, when a host is first told to be baking."""

    def __init__(self, host: str, act: Callable[[], None]) -> None:
        self._host = host
        self._act = act
        self._done = False

    def __call__(self, event: HostEvent) -> None:
        if (event.host, event.word) == (self._host, "baking") and not self._done:
            self._done = True
            self._act()


def bake_long(*hosts: SimulatedHost) -> None:
    """Let three leases' time pass on hosts that nobody works on, and give the keeper the time to renew."""
    until = time.monotonic() + LIMIT_S
    for _ in range(6):
        for host in hosts:
            with host.lock:
                host.clock.advance(TTL_S * 500)
        for host in hosts:
            while time.monotonic() < until and not is_fresh(host):
                time.sleep(0.001)


def is_fresh(host: SimulatedHost) -> bool:
    with host.lock:
        return host.lease is not None and host.lease[2] - host.clock.now_ms() == TTL_S * 1000


def refusal(controller: Controller, limit: str) -> FleetschedError | None:
    """What a second run is told that is about these hosts alone."""
    try:
        controller.apply(Selection(limit))
    except FleetschedError as error:
        return error
    return None


def changed(controller: Controller) -> None:
    """All hosts run the policy with another parameter than it has now."""
    controller.apply()
    controller.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")


def test_second_run_on_hosts_that_still_wait_is_refused_in_mid_bake(controller: Controller) -> None:
    changed(controller)
    refused: list[FleetschedError | None] = []

    def long_bake() -> None:
        bake_long(controller.hosts["lab-2"], controller.hosts["lab-3"])
        refused.extend(refusal(controller, limit) for limit in ("lab-2", "lab-3"))

    applied = apply_telling(controller, During("lab-1", long_bake))

    for host, error in zip(("lab-2", "lab-3"), refused, strict=True):
        assert isinstance(error, LeaseHeldError)
        assert error.exit_code is ExitCode.LEASE_HELD
        owner = rf"{host}: the lease is held by \S+@\S+ \(pid \d+\), run {applied.run} for another \d+ s"
        assert re.fullmatch(owner, error.message), error.message
    assert applied.exit_code is ExitCode.OK
    assert [host.disk.trials for host in controller.hosts.values()] == [2, 2, 2]
    assert [host.lease for host in controller.hosts.values()] == [None] * len(NAMES)


def test_second_run_is_refused_on_hosts_that_may_still_be_rolled_back(controller: Controller) -> None:
    changed(controller)
    controller.hosts["lab-3"].behaviours = {"fair": Behaviour(ejected_after_ms=12_000)}
    refused: list[FleetschedError | None] = []

    def long_bake() -> None:
        bake_long(controller.hosts["lab-1"])
        controller.edit("manifests/lab.yaml", "slice_us: 7000", "slice_us: 9000")
        refused.append(refusal(controller, "lab-1"))

    applied = apply_telling(controller, During("lab-3", long_bake))

    assert isinstance(refused[0], LeaseHeldError)
    assert applied.exit_code is ExitCode.ROLLED_BACK
    phases = {result.host: result.phase for result in applied.hosts}
    assert (phases["lab-1"], phases["lab-3"]) == (Phase.ROLLED_BACK, Phase.FAILED)


def test_host_that_is_lost_between_does_not_end_the_run_of_the_others(controller: Controller) -> None:
    changed(controller)
    lost = controller.hosts["lab-3"]
    told = threading.Event()

    def gone_for_a_moment() -> None:
        lost.connect_error = UnreachableError("lab-3: no route to host")
        assert told.wait(LIMIT_S)
        lost.connect_error = None

    report = During("lab-1", gone_for_a_moment)

    def noted(event: HostEvent) -> None:
        if (event.host, event.word) == ("lab-3", "lease not renewed"):
            told.set()
        report(event)

    applied = apply_telling(controller, noted)

    assert applied.exit_code is ExitCode.OK
    assert [result.phase for result in applied.hosts] == [Phase.CONFIRMED] * len(NAMES)
    assert lost.lease is None


def test_ctrl_c_leaves_no_thread_and_leases_that_end_by_themselves(controller: Controller) -> None:
    changed(controller)

    def leave(event: HostEvent) -> None:
        if event.word == "confirmed":  # told by the main thread, where the signal is
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError):
        apply_telling(controller, leave)

    assert not [each.name for each in threading.enumerate() if each.name.startswith("lease")]
    assert controller.hosts["lab-3"].lease is not None
    for host in controller.hosts.values():
        host.clock.advance(TTL_S * 1000)
    assert controller.apply().exit_code is ExitCode.OK


def test_goal_that_is_done_is_free_while_the_next_one_bakes(controller: Controller) -> None:
    with_two_goals(controller)
    changed(controller)
    controller.edit("manifests/second.yaml", "{name: fair}", "{name: fair, parameters: {slice_us: 7000}}")
    held: list[bool] = []
    names = ("lab-1", "lab-2", "lab-3")

    apply_telling(
        controller,
        During("lab-3", lambda: held.extend(controller.hosts[name].lease is not None for name in names)),
    )

    assert held == [False, False, True]
