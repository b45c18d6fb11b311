# SPDX-License-Identifier: Apache-2.0
"""What the simulated helper does beyond single exchanges: late ejections, restarts, reboots, time."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from fleetsched.errors import HelperError, UnreachableError
from fleetsched.helper.client import HelperClient, WatchEnd
from fleetsched.helper.session import open_helper
from fleetsched.helper.signing import sign
from fleetsched.helper.simulated import EXIT_STALL, EXIT_SYSRQ, Behaviour, SimulatedHost, SimulatedTransport
from fleetsched.model.assignment import Assignment
from fleetsched.model.inventory import Host
from fleetsched.model.statement import NAMESPACE, Signed, Statement
from tests.conformance.signing import allowed_signers, key

OBJECT = b"an object"
FAIR = Assignment.of("fair", "default", hashlib.sha256(OBJECT).hexdigest(), {"slice_us": 3000})
OTHER = Assignment.of("fair", "default", FAIR.digest, {"slice_us": 4000})


def connect(host: SimulatedHost) -> HelperClient:
    client = open_helper(SimulatedTransport({host.name: host}).connect(Host(host.name, "sim")), host.name)
    assert isinstance(client, HelperClient)
    return client


def attach(client: HelperClient, assignment: Assignment = FAIR) -> str:
    client.stage(FAIR.digest, OBJECT)
    return client.try_(assignment, deadline_s=60, run="run-1", revision="abc").trial.id


def confirm(client: HelperClient, assignment: Assignment = FAIR) -> None:
    trial = attach(client, assignment)
    list(client.watch(interval_s=10, for_s=10))
    client.confirm(trial)


def events(client: HelperClient) -> list[str]:
    return [entry.event for entry in client.history()]


def test_an_ejection_after_confirm_voids_the_last_known_good_and_nothing_attaches_it_again() -> None:
    host = SimulatedHost("web-1", behaviours={"fair": Behaviour(ejected_after_ms=3_600_000)})
    client = connect(host)
    confirm(client)
    host.clock.advance(3_600_000)
    status = client.status()
    assert (status.kernel.state, status.running, status.last_known_good) == ("disabled", None, None)
    assert status.voided is not None
    assert (status.voided.assignment, str(status.voided_exit)) == (
        FAIR,
        f"{EXIT_STALL.reason}: {EXIT_STALL.message}",
    )
    assert [held.assignment for held in status.held] == [FAIR]
    host.kill_helper()
    assert connect(host).status().running is None
    assert events(connect(host))[-5:] == ["confirm", "ejected", "voided", "held", "service-start"]


def test_what_an_administrator_turned_off_is_not_blamed() -> None:
    host = SimulatedHost("web-1")
    client = connect(host)
    confirm(client)
    host.eject(EXIT_SYSRQ)
    status = client.status()
    assert status.running is None
    assert status.last_known_good is not None
    assert (status.voided, status.held) == (None, ())


def test_a_helper_that_dies_on_trial_loses_it_and_restores_the_last_known_good() -> None:
    host = SimulatedHost("web-1")
    client = connect(host)
    confirm(client)
    attach(client, OTHER)
    host.kill_helper()
    with pytest.raises(UnreachableError, match=r"^web-1: the connection ended before the answer to `status`"):
        client.status()
    status = connect(host).status()
    assert status.running is not None
    assert status.running.assignment == FAIR
    assert status.last_trial is not None
    assert (status.last_trial.assignment, status.last_trial.outcome) == (OTHER, "lost")
    assert status.held == ()


def test_a_reboot_comes_back_with_the_last_known_good_and_without_the_lease() -> None:
    host = SimulatedHost("web-1")
    client = connect(host)
    confirm(client)
    client.lease("anna", 3600)
    boot = client.status().boot_id
    host.reboot()
    status = connect(host).status()
    assert status.boot_id != boot
    assert status.running is not None
    assert (status.running.assignment, status.running.enable_seq, status.lease) == (FAIR, 1, None)


def test_another_kernel_does_not_get_the_last_known_good() -> None:
    host = SimulatedHost("web-1")
    confirm(connect(host))
    host.reboot(kernel_release="7.3.4")
    status = connect(host).status()
    assert (status.running, status.kernel.state) == (None, "disabled")
    assert status.last_known_good is not None


def test_a_trial_goes_on_without_its_controller_and_ends_at_its_deadline() -> None:
    host = SimulatedHost("web-1")
    client = connect(host)
    attach(client)
    client.close()
    host.clock.advance(59_999)
    assert connect(host).status().trial is not None
    host.clock.advance(1)
    status = connect(host).status()
    assert status.last_trial is not None
    assert (status.trial, status.last_trial.outcome) == (None, "expired")


def test_what_happened_while_nobody_looked_is_told_with_its_own_time() -> None:
    host = SimulatedHost("web-1", behaviours={"fair": Behaviour(ejected_after_ms=7_000)})
    client = connect(host)
    attach(client)
    attached_ms = client.history()[-1].boottime_ms
    host.clock.advance(600_000)
    ejected = next(entry for entry in client.history() if entry.event == "ejected")
    assert ejected.boottime_ms == attached_ms + 7_000


def test_waiting_for_one_host_does_not_move_the_time_of_another() -> None:
    hosts = {name: SimulatedHost(name) for name in ("web-1", "web-2")}
    clients = {name: connect(host) for name, host in hosts.items()}
    list(clients["web-1"].watch(interval_s=10, for_s=60))
    assert hosts["web-1"].clock.now_ms() - hosts["web-2"].clock.now_ms() == 60_000


def test_a_watch_stops_at_the_moment_of_the_ejection() -> None:
    host = SimulatedHost("web-1", behaviours={"fair": Behaviour(ejected_after_ms=7_250)})
    client = connect(host)
    attach(client)
    *samples, end = client.watch(interval_s=5, for_s=60)
    assert [sample.elapsed_ms for sample in samples if not isinstance(sample, WatchEnd)] == [0, 5000, 7250]
    assert isinstance(end, WatchEnd)
    assert end.ended == "trial"


def test_a_host_without_sched_ext_says_so_in_its_facts_and_to_a_trial() -> None:
    client = connect(SimulatedHost("web-1", sched_ext=False, kernel_release="6.12.107"))
    facts = client.facts()
    assert (facts.sched_ext, [problem.code for problem in facts.problems]) == (False, ["no-sched-ext"])
    with pytest.raises(HelperError, match=r"^web-1: the kernel 6.12.107 has no sched_ext") as raised:
        attach(client)
    assert raised.value.code == "no-sched-ext"


def test_old_objects_are_dropped_unless_a_record_names_them() -> None:
    host = SimulatedHost("web-1")
    client = connect(host)
    confirm(client)
    digests = []
    for number in range(20):
        data = f"object {number}".encode()
        digests.append(hashlib.sha256(data).hexdigest())
        client.stage(digests[-1], data)
    assert list(host.disk.objects) == [FAIR.digest, *digests[-16:]]


@pytest.mark.parametrize(("late_s", "refused"), [(-60, ""), (299, ""), (301, "expired-statement")])
def test_the_clocks_of_signer_and_host_may_differ_by_five_minutes(late_s: int, refused: str) -> None:
    host = SimulatedHost("web-1", allowed_signers=allowed_signers(), group="web")
    client = connect(host)
    client.stage(FAIR.digest, OBJECT)
    until = host.clock.time(host.now()) - timedelta(seconds=late_s)
    text = Statement(FAIR, "web", "abc", until, 1).text()
    signed = Signed(text, sign(text.encode(), key("known"), NAMESPACE))
    code = ""
    try:
        client.try_(FAIR, deadline_s=60, run="run-1", revision="abc", signed=signed)
    except HelperError as error:
        code = error.code
    assert code == refused
