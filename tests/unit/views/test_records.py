# SPDX-License-Identifier: Apache-2.0
"""Every stream of JSON records is what its published schema says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from fleetsched import schemas
from fleetsched.errors import ExitCode
from fleetsched.model.diff import PolicyDiff
from fleetsched.model.rollout import Batch, Phase
from fleetsched.model.run import Applied, HostResult, Outlook
from fleetsched.views.records import (
    Record,
    event_record,
    nothing_records,
    observation_records,
    opening_records,
    outlook_records,
    plan_records,
    run_records,
    state_record,
    status_records,
)
from tests.unit.views.test_observation_view import HOSTS
from tests.unit.views.test_plan_view import EVERY_ACTION, FAIR, make
from tests.unit.views.test_status_view import OBSERVED

APPLIED = Applied(
    "run-1",
    ExitCode.ROLLED_BACK,
    (
        HostResult("web-1", "web", Phase.FAILED, "stalled", tried=True),
        HostResult("web-2", None, Phase.WAITING, "-"),
    ),
    Path("/state/run-1.jsonl"),
    ("db",),
)
OPENING = [*opening_records(make(EVERY_ACTION))]
STREAMS = {
    "plan": [
        *plan_records(
            make(EVERY_ACTION, "dirty: x"),
            [PolicyDiff("web", "fair", "c" * 40, ("-a", "+b"))],
            state_record("2026-01-02T03:04:05+00:00", 61.7),
        )
    ],
    "apply": [
        *OPENING,
        event_record("2026-01-02T03:04:05Z", "web-1", "baking", "5 s"),
        *run_records(APPLIED),
    ],
    "apply-check": [
        *OPENING,
        *outlook_records([Outlook(None, (Batch(("a",), 15.0),)), Outlook("web", (), "why")], ExitCode.PAUSED),
    ],
    "apply-nothing": [*OPENING, *nothing_records(ExitCode.OK)],
    "observe": [*observation_records(HOSTS)],
    "status": [*status_records(OBSERVED | {"db-1": EVERY_ACTION["web-7"]})],
}


@pytest.mark.parametrize("name", STREAMS)
def test_stream_opens_with_its_version_and_is_as_published(name: str) -> None:
    records: Iterable[Record] = [json.loads(json.dumps(record)) for record in STREAMS[name]]
    first, *_ = records
    assert first == {"type": "version", "format": f"fleetsched-{name.split('-')[0]}", "version": "1.0"}
    validator = Draft202012Validator(schemas.load("plan-records"))
    assert [error.message for record in records for error in validator.iter_errors(record)] == []


@pytest.mark.parametrize("name", ["plan", "apply", "apply-check", "apply-nothing"])
def test_plan_and_run_end_with_a_summary(name: str) -> None:
    assert [index for index, record in enumerate(STREAMS[name]) if record["type"] == "summary"] == [
        len(STREAMS[name]) - 1
    ]


def test_host_of_a_plan_names_its_assignments_as_the_protocol_does() -> None:
    host = STREAMS["plan"][3]
    assert (host["host"], host["action"], host["install_helper"]) == ("web-1", "attach", True)
    assert host["desired"] == FAIR.to_wire()


def test_parameters_and_events_are_mappings() -> None:
    status = STREAMS["status"][1]["status"]
    assert status["running"]["assignment"]["parameters"] == {"slice_us": 3000}
    assert status["kernel"]["events"] == {}


def test_summary_of_a_run_tells_what_the_command_returns() -> None:
    assert STREAMS["apply"][-1] == {
        "type": "summary",
        "exit_code": 3,
        "verdict": "FAILED and rolled back: every host runs what it ran before",
        "run": "run-1",
        "changed": True,
        "not_started": ["db"],
        "journal": "/state/run-1.jsonl",
    }
