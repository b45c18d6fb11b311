# SPDX-License-Identifier: Apache-2.0
"""What `validate` takes as a deadline is what a run can ask a host for."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import ExitCode
from fleetsched.fleetrepo import crosscheck
from fleetsched.helper.simulated import SimulatedHost
from fleetsched.model.strategy import RolloutStrategy, SchedulerCheck, Step
from fleetsched.rollout.run import LEASE_MARGIN_S
from tests.unit.rollout.test_engine import NEW, Fleet, policy


@pytest.mark.parametrize(("more_s", "code"), [(0, ExitCode.OK), (1, ExitCode.ROLLED_BACK)])
def test_longest_deadline_that_is_taken_is_the_longest_that_a_host_grants(
    tmp_path: Path, more_s: float, code: ExitCode
) -> None:
    deadline_s = crosscheck.LONGEST_DEADLINE_S + more_s
    steps = (Step("percent", 100, 15),)
    strategy = RolloutStrategy("long", steps, (SchedulerCheck(),), trial_deadline_s=deadline_s)

    outcome = Fleet(tmp_path, {"a": SimulatedHost("a")}).apply(policy("new", NEW), strategy)

    assert crosscheck.LEASE_MARGIN_S == LEASE_MARGIN_S
    assert outcome.exit_code is code
