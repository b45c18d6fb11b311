# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleetsched.errors import ExitCode
from fleetsched.model.plan import Action, Claim, Desired, Observed, Plan, plan_host, plan_hosts
from fleetsched.model.requires import Requires
from fleetsched.model.state import Notice
from tests.unit.builders import (
    STALL,
    assignment,
    confirmed,
    enabled,
    facts,
    held,
    record,
    running,
    status,
    trial,
)

FAIR = assignment("fair")
BATCH = assignment("batch")
WANTS_FAIR = Desired(Claim.GOAL, "web", "web", FAIR)
WANTS_KERNEL = Desired(Claim.KERNEL_DEFAULT, "web", "web")
PRUNED = Desired(Claim.PRUNED)
KEPT = Desired(Claim.KEPT, group="web")
UNBOUND = Desired(Claim.UNBOUND, "web", "web")
UNHEALED = Desired(Claim.GOAL, "web", "web", FAIR, heal=False)
FOREIGN = {"foreign": "scx_rusty", "kernel": enabled("scx_rusty")}


@pytest.mark.parametrize(
    ("desired", "state", "action", "reason"),
    [
        (WANTS_FAIR, status(), Action.ATTACH, "new here"),
        (WANTS_FAIR, confirmed(FAIR), Action.NONE, ""),
        (WANTS_FAIR, confirmed(BATCH), Action.REPLACE, "policy batch -> fair"),
        (
            WANTS_FAIR,
            confirmed(assignment("fair", "b")),
            Action.REPLACE,
            "object bbbbbbbb -> aaaaaaaa",
        ),
        (
            WANTS_FAIR,
            status(last_known_good=record(FAIR)),
            Action.HEAL,
            "drift: the kernel's scheduler runs, not fair@aaaaaaaa",
        ),
        (
            WANTS_FAIR,
            status(last_known_good=record(FAIR), foreign="scx_rusty", kernel=enabled("scx_rusty")),
            Action.ADOPT,
            "drift: scx_rusty runs, not fair@aaaaaaaa",
        ),
        (
            WANTS_FAIR,
            status(foreign="scx_rusty", kernel=enabled("scx_rusty")),
            Action.ADOPT,
            "drift: scx_rusty runs, not the kernel's scheduler",
        ),
        (
            WANTS_FAIR,
            status(trial=trial(FAIR), running=running(FAIR)),
            Action.ATTACH,
            "a trial of fair@aaaaaaaa by run-1 is on",
        ),
        (
            WANTS_FAIR,
            status(voided=record(BATCH), voided_exit=STALL),
            Action.ATTACH,
            f"batch@aaaaaaaa was ejected: {STALL}",
        ),
        (WANTS_KERNEL, status(), Action.NONE, ""),
        (WANTS_KERNEL, confirmed(FAIR), Action.REMOVE, "goal web asks for the kernel's scheduler"),
        (PRUNED, confirmed(FAIR), Action.REMOVE, "no goal claims it"),
        (PRUNED, status(), Action.NONE, ""),
        (
            PRUNED,
            status(foreign="scx_rusty", kernel=enabled("scx_rusty")),
            Action.NONE,
            "not managed; runs scx_rusty",
        ),
        (KEPT, confirmed(FAIR), Action.NONE, "no goal claims it, and group web says prune: false"),
        (
            UNBOUND,
            confirmed(FAIR),
            Action.NONE,
            "unbound: goal web has no policy yet; `fleetsched propose web`",
        ),
        (
            PRUNED,
            status(last_known_good=record(FAIR), **FOREIGN),
            Action.REMOVE,
            "no goal claims it; scx_rusty, which fleetsched did not start, stays",
        ),
        (
            WANTS_FAIR,
            status(last_known_good=record(FAIR), trial=trial(FAIR), running=running(FAIR)),
            Action.HEAL,
            "a trial of fair@aaaaaaaa by run-1 is on",
        ),
        (
            UNHEALED,
            status(last_known_good=record(FAIR)),
            Action.NONE,
            "drift: the kernel's scheduler runs, not fair@aaaaaaaa; group web says heal: false",
        ),
        (
            UNHEALED,
            status(last_known_good=record(FAIR), **FOREIGN),
            Action.NONE,
            "drift: scx_rusty runs, not fair@aaaaaaaa; group web says heal: false",
        ),
        (UNHEALED, status(**FOREIGN), Action.ADOPT, "drift: scx_rusty runs, not the kernel's scheduler"),
        (UNHEALED, confirmed(BATCH), Action.REPLACE, "policy batch -> fair"),
        (
            replace(WANTS_KERNEL, heal=False),
            status(**FOREIGN),
            Action.NONE,
            "drift: scx_rusty runs, not the kernel's scheduler; group web says heal: false",
        ),
    ],
)
def test_action_follows_from_desired_recorded_and_running(
    desired: Desired, state: Any, action: Action, reason: str
) -> None:
    plan = plan_host("web-1", desired, Observed(state, facts()))

    assert (plan.action, plan.reason) == (action, reason)


def test_changed_parameter_is_a_replace_that_names_it() -> None:
    wanted = Desired(Claim.GOAL, "web", "web", assignment("fair", slice_us=3000))

    plan = plan_host("web-1", wanted, Observed(confirmed(assignment("fair", slice_us=20000)), facts()))

    assert (plan.action, plan.reason) == (Action.REPLACE, "slice_us 20000 -> 3000")


def test_unreachable_host_is_unknown_and_keeps_its_error() -> None:
    plan = plan_host("web-1", WANTS_FAIR, Observed(error="web-1: connection refused", remedy="is sshd up?"))

    assert (plan.action, plan.reason, plan.remedy) == (
        Action.UNKNOWN,
        "web-1: connection refused",
        "is sshd up?",
    )
    assert Plan("abc", (plan,)).exit_code(detailed=False) is ExitCode.UNREACHABLE


def test_host_without_helper_gets_one_only_when_a_policy_is_wanted() -> None:
    missing = Observed(helper_missing=True)

    assert plan_host("web-1", WANTS_FAIR, missing).words == "install-helper, attach"
    assert plan_host("web-1", WANTS_KERNEL, missing).changes is False


def test_host_that_cannot_run_policies_is_refused_with_its_own_reason() -> None:
    notice = Notice("no-sched-ext", "kernel 6.12 has no sched_ext", "boot a kernel with it")

    plan = plan_host("web-1", WANTS_FAIR, Observed(status(), facts(notice)))

    assert (plan.action, plan.problem, plan.remedy) == (
        Action.ATTACH,
        "kernel 6.12 has no sched_ext",
        "boot a kernel with it",
    )


def test_host_below_the_required_kernel_is_refused() -> None:
    wanted = Desired(Claim.GOAL, "web", "web", FAIR, (Requires(kernel=((">=", (7, 3, 0)),)),))

    plan = plan_host("web-1", wanted, Observed(status(), facts()))

    assert plan.problem == "needs kernel >=7.3, runs 7.2.13-cloud-amd64"


def test_host_that_cannot_measure_what_its_strategy_asks_for_is_refused() -> None:
    wanted = replace(WANTS_FAIR, measures_run_queue=True)

    plan = plan_host("web-1", wanted, Observed(status(), facts()))

    assert (plan.action, plan.problem, plan.remedy) == (
        Action.ATTACH,
        "a health check is runQueueLatency, which this host's helper or kernel cannot measure",
        "leave the host out of the group, or use pressure or hostCheck in its strategy",
    )
    measured = Observed(status(), replace(facts(), observer=True))
    assert plan_host("web-1", wanted, measured).problem == ""


def test_drift_that_is_not_healed_is_counted_and_not_as_wanted() -> None:
    plan = Plan(
        "abc", (plan_host("web-1", UNHEALED, Observed(status(last_known_good=record(FAIR)), facts())),)
    )

    assert dict(plan.counts()) == {"drifted": 1}
    assert (plan.has_changes, plan.hosts[0].as_wanted) == (False, False)


def test_what_failed_on_the_canary_is_held_on_every_host_of_its_goal() -> None:
    other = Desired(Claim.GOAL, "db", "db", FAIR)
    plans = plan_hosts(
        {"web-1": WANTS_FAIR, "web-2": WANTS_FAIR, "web-3": WANTS_FAIR, "db-1": other},
        {
            "web-1": Observed(status(held=(held(FAIR),)), facts()),
            "web-2": Observed(confirmed(BATCH), facts()),
            "web-3": Observed(helper_missing=True),
            "db-1": Observed(status(), facts()),
        },
    )

    assert [(plan.host, plan.action) for plan in plans] == [
        ("web-1", Action.HELD),
        ("web-2", Action.HELD),
        ("web-3", Action.HELD),
        ("db-1", Action.ATTACH),
    ]
    assert plans[1].reason == f"failed on web-1: {STALL}"


def test_host_that_runs_a_held_assignment_well_is_left_alone() -> None:
    plans = plan_hosts(
        {"web-1": WANTS_FAIR, "web-2": WANTS_FAIR},
        {
            "web-1": Observed(status(held=(held(FAIR),)), facts()),
            "web-2": Observed(confirmed(FAIR), facts()),
        },
    )

    assert [plan.action for plan in plans] == [Action.HELD, Action.NONE]


@pytest.mark.parametrize(
    ("state", "plain", "detailed"),
    [
        (confirmed(FAIR), ExitCode.OK, ExitCode.OK),
        (status(), ExitCode.OK, ExitCode.CHANGES),
        (status(held=(held(FAIR),)), ExitCode.OK, ExitCode.OK),
    ],
)
def test_exit_code_tells_changes_only_when_asked(state: Any, plain: ExitCode, detailed: ExitCode) -> None:
    plan = Plan("abc", plan_hosts({"web-1": WANTS_FAIR}, {"web-1": Observed(state, facts())}))

    assert plan.exit_code(detailed=False) is plain
    assert plan.exit_code(detailed=True) is detailed
