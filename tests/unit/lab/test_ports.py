# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from fleetsched.errors import LabError
from fleetsched.lab import ports
from fleetsched.lab.ports import RANGE, free_ports


def occupied(monkeypatch: pytest.MonkeyPatch, *taken: int) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda port: port not in taken)


def test_occupied_ports_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    occupied(monkeypatch, 20001, 20002)
    assert sorted(free_ports(2, candidates=range(20000, 20004))) == [20000, 20003]


def test_too_few_ports_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    occupied(monkeypatch, 20001)
    with pytest.raises(LabError) as caught:
        free_ports(2, candidates=range(20000, 20002))
    assert str(caught.value) == "only 1 of 2 ports 20000 to 20001 of 127.0.0.1 are free"


def test_outgoing_connections_never_get_a_labs_port() -> None:
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:  # noqa: PTH123
        lowest = int(file.read().split()[0])
    assert RANGE[-1] < max(lowest, 32768)
