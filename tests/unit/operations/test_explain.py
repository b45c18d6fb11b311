# SPDX-License-Identifier: Apache-2.0
"""What explain says comes from the schemas, for every field that there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fleetsched.errors import InputError
from fleetsched.operations.explain import KINDS, explain, kinds
from fleetsched.views.explain import features_text, field_text, kinds_text, metrics_text
from fleetsched.views.plan import WIDTH


def text(path: str) -> str:
    found = explain(path)
    return field_text(found.path, found.schema, required=found.required)


def test_a_field_reads_as_agreed() -> None:
    assert (
        text("strategy.health")
        == """\
RolloutStrategy.spec.health <list of mapping>

  Checks that every host in trial must pass; `scheduler` is always on.

fields:
  scheduler <mapping>
      Always on: enabled, our policy, attached once, no new fault events.
  pressure <mapping>
      The host's CPU pressure (PSI).
  hostCheck <string>
      A program of the operator's on the host, root-owned, that exits with 0.
  runQueueLatency <mapping>
      How long the host's tasks wait for a CPU, by the helper's observer, since
      the host was last looked at.
  http <mapping>, not yet
      A request from the controller.
  tcp <mapping>, not yet
      A connection from the controller.
  prometheus <mapping>, not yet
      A query of the controller's.
  command <mapping>, not yet
      Any command on the host; only where the fleet's key may run commands.
  interval <string>
      Between two looks; 5s unless given.
  failures <integer>
      How many in a row make it fail.
  initialDelay <string>
      Before the first look; 0s unless given."""
    )


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("Goal", "WorkloadGoal <mapping> required"),
        ("workloadgoal.spec.policy.name", "WorkloadGoal.spec.policy.name <string> required"),
        ("goal.policy", "WorkloadGoal.spec.policy <mapping>"),
        ("policy.parameters.min", "Policy.spec.parameters.min <integer>"),
        ("strategy.failureBudget.failed", "RolloutStrategy.spec.failureBudget.failed <integer | string>"),
        ("fleetsched.yaml.defaults", "fleet.defaults <mapping>"),
        ("controller.trust.branch", "controller.trust.branch <string>"),
    ],
)
def test_kinds_have_short_names_and_spec_may_be_left_out(path: str, first: str) -> None:
    assert text(path).splitlines()[0] == first


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gaol", "no kind 'gaol'; did you mean \"goal\"?"),
        ("goal.polcy", "WorkloadGoal.spec has no field 'polcy'; did you mean \"policy\"?"),
        ("goal.policy.name.x", "WorkloadGoal.spec.policy.name has no field 'x'"),
    ],
)
def test_a_field_that_is_not_there_is_named(path: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        explain(path)
    assert caught.value.message == message


def paths(prefix: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in schema.get("properties", {}):
        path = f"{prefix}.{name}"
        found = explain(path).schema
        yield path, found
        items = found.get("items", found.get("additionalProperties"))
        yield from paths(path, found if "properties" in found else items if isinstance(items, dict) else {})


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described_in_eighty_columns(kind: str) -> None:
    fields = list(paths(kind, explain(kind).schema))
    assert fields
    for path, schema in fields:
        assert schema.get("description"), path
        assert max(map(len, text(path).splitlines())) <= WIDTH, path


def test_lists_fit_the_terminal() -> None:
    for listing in (kinds_text(kinds()), metrics_text(), features_text()):
        assert max(map(len, listing.splitlines())) <= WIDTH
