# SPDX-License-Identifier: Apache-2.0
"""A state file holds what hosts said, without addresses, and is planned from like the hosts themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import InputError
from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.revision import Revision
from fleetsched.model.plan import Observed
from fleetsched.model.state import HeldBy
from fleetsched.operations.plan import EVERY_HOST, Selection, select
from fleetsched.operations.snapshot import plan_snapshot, read_snapshot, write_snapshot
from tests.unit.builders import assignment, confirmed, enabled, facts, held, running, status, trial
from tests.unit.fleetrepo.repository import write

FAIR = assignment("fair", slice_us=4000, strict=0)
OBSERVED = {
    "web-1": Observed(confirmed(FAIR), facts()),
    "web-2": Observed(
        status(
            kernel=enabled("fair", 2, SCX_EV_X=3),
            running=running(FAIR),
            trial=trial(FAIR),
            held=(held(assignment("batch")),),
            lease=HeldBy("ann@10.1.2.3 (pid 7)", 90_000),
        ),
        facts(),
    ),
    "web-3": Observed(error="connection to 10.1.2.3 port 22 refused", remedy="ssh ann@10.1.2.3"),
    "db-1": Observed(helper_missing=True, kernel_release="6.18.1", arch="x86_64"),
}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_snapshot(file, OBSERVED)
    hosts = read_snapshot(file).hosts
    assert hosts["web-1"] == OBSERVED["web-1"]
    assert hosts["db-1"] == OBSERVED["db-1"]
    assert hosts["web-2"].status is not None
    assert hosts["web-2"].status.trial == trial(FAIR)
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


def test_no_address_user_or_owner_is_written(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "state.json", OBSERVED)
    text = (tmp_path / "state.json").read_text()
    assert not any(word in text for word in ("10.1.2.3", "ann", "pid"))


def test_the_plan_from_it_is_the_plan_from_the_hosts(tmp_path: Path) -> None:
    fleet = load_fleet(write(tmp_path / "fleet"))
    write_snapshot(tmp_path / "state.json", {name: OBSERVED[name] for name in ("web-1", "web-3")})
    made = plan_snapshot(
        fleet, Revision("c" * 40), read_snapshot(tmp_path / "state.json"), select(fleet, EVERY_HOST)
    )
    assert [(host.host, str(host.action), host.reason) for host in made.hosts if host.host != "web-1"] == [
        ("web-2", "unknown", "is not in the state file"),
        ("web-3", "unknown", "could not be reached when the state was taken"),
        ("db-1", "unknown", "is not in the state file"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no state of hosts: Input data was truncated"),
        ("{}", "is no state of hosts: Object missing required field `format`"),
        (
            '{"format":"x","version":1,"taken_at":"2026-01-01T00:00:00+00:00","hosts":{}}',
            "is no fleetsched-state of version 1",
        ),
        (
            '{"format":"fleetsched-state","version":1,"taken_at":"yesterday","hosts":{}}',
            "is no state of hosts: Invalid isoformat string: 'yesterday'",
        ),
        (
            '{"format":"fleetsched-state","version":1,"taken_at":"2026-01-01T00:00:00+00:00","hosts":{"a":7}}',
            "is no state of hosts: Expected `object`, got `int` - at `$.hosts[...]`",
        ),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_snapshot(file)
    assert caught.value.message == f"{file} {message}"


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (EVERY_HOST, ["web-1", "web-2", "web-3", "db-1"]),
        (Selection(limit="web[0:1]"), ["web-1", "web-2"]),
        (Selection(exclude="web-1"), ["web-2", "web-3", "db-1"]),
        (Selection(group="web"), ["web-1", "web-2", "web-3"]),
        (Selection(limit="all", exclude="web-3:db", group="web"), ["web-1", "web-2"]),
    ],
)
def test_hosts_are_selected_by_pattern_exclusion_and_group(
    tmp_path: Path, only: Selection, names: list[str]
) -> None:
    assert [host.name for host in select(load_fleet(write(tmp_path)), only)] == names


def test_an_unknown_group_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        select(load_fleet(write(tmp_path)), Selection(group="wbe"))
    assert caught.value.message == 'no HostGroup "wbe"; did you mean "web"?'
