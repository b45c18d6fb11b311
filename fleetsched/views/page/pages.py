# SPDX-License-Identifier: Apache-2.0
"""Every view of the status page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from fleetsched.model.dossier import Dossier
from fleetsched.model.plan import describe
from fleetsched.model.standing import NO_GROUP, Condition, GroupStanding, HostStanding, Standing
from fleetsched.model.state import Status
from fleetsched.views.page.render import MARKS, pages, render
from fleetsched.views.plan import short

_BAR = 240


def overview_page(standing: Standing) -> str:
    """Groups, how their hosts stand and what they run; and the newest events."""
    groups = [(group, Markup(_bar(group))) for group in standing.groups]  # noqa: S704 nothing foreign is in it
    return render("overview", standing, "Overview", groups=groups, events=standing.events[:10])


def _bar(group: GroupStanding) -> str:
    """Shares of conditions as a bar; the words beside it say the same."""
    left, parts = 0.0, []
    for condition, count in group.conditions:
        width = _BAR * count / len(group.hosts)
        parts.append(
            f'<rect class="{MARKS[condition][1]}" x="{left:.1f}" y="0" width="{width:.1f}" height="10"/>'
        )
        left += width
    return (
        f'<svg class="bar" viewBox="0 0 {_BAR} 10" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def group_page(standing: Standing, name: str, page: int) -> str | None:
    """One group's hosts, a page of them; None = there is no such group."""
    group = standing.group(name)
    if group is None:
        return None
    title = "Hosts of no group" if name == NO_GROUP else f"Group {name}"
    return _hosts_page(
        standing, title, [standing.hosts[host] for host in group.hosts], page, f"/groups/{name}"
    )


def condition_page(standing: Standing, condition: Condition, page: int) -> str:
    """All hosts that stand so, whatever their group."""
    title, path = {Condition.DRIFT: ("Drift", "/drift"), Condition.HELD: ("Held", "/held")}[condition]
    return _hosts_page(standing, title, standing.within(condition), page, path)


def _hosts_page(standing: Standing, title: str, hosts: Sequence[HostStanding], page: int, path: str) -> str:
    part = pages(len(hosts), page)
    shown = hosts[part["begin"] : part["end"]]
    return render("hosts", standing, title, hosts=shown, total=len(hosts), part=part, path=path)


def host_page(standing: Standing, name: str) -> str | None:
    """Everything about one host; None = there is no such host."""
    host = standing.hosts.get(name)
    if host is None:
        return None
    events = [event for event in standing.events if name in event.hosts][:20]
    status = host.observed.status
    held = status.held if status else ()
    return render("host", standing, f"Host {name}", host=host, facts=_facts(host), held=held, events=events)


def _facts(host: HostStanding) -> list[tuple[str, str]]:
    seen, plan = host.observed, host.plan
    known = seen.facts
    found = [
        ("Goal", plan.desired.goal or "none"),
        ("Runs", plan.before),
        ("Wanted", describe(plan.desired.assignment)),
        ("Next", plan.words if plan.changes else "nothing to do"),
        ("Why", plan.reason),
        ("Obstacle", plan.problem),
        ("To do", plan.remedy),
        *(_states(seen.status) if seen.status else ()),
    ]
    if known:
        found += [
            ("Kernel", known.kernel_release),
            ("System", known.distribution),
            ("CPUs", f"{known.cpu_count} ({known.cpus_online}), {known.arch}"),
            ("Warnings", "; ".join(notice.message for notice in known.warnings)),
        ]
    if seen.helper:
        found.append(("Helper", f"{seen.helper.version}, protocol {seen.helper.protocol}"))
    return [(name, text) for name, text in found if text]


def _states(status: Status) -> list[tuple[str, str]]:
    record, trial = status.last_known_good, status.trial
    return [
        ("Kernel says", f"{status.kernel.state}, enable_seq {status.kernel.enable_seq}"),
        (
            "Last known good",
            f"{record.assignment}, since {record.confirmed_at}, "
            f"revision {short(record.revision)}, run {record.run}"
            if record
            else "none",
        ),
        ("Parameters", _parameters(record.assignment.parameters) if record else ""),
        ("On trial", f"{trial.assignment} by {trial.run}" if trial else ""),
        ("Voided", f"{status.voided.assignment}: {status.voided_exit}" if status.voided else ""),
        ("Leased to", status.lease.owner if status.lease else ""),
    ]


def _parameters(parameters: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters)


def rollouts_page(standing: Standing, page: int) -> str:
    """The rollout in progress, host by host."""
    part = pages(len(standing.live), page)
    shown = standing.live[part["begin"] : part["end"]]
    return render("rollouts", standing, "Rollouts", hosts=shown, part=part, path="/rollouts")


def history_page(standing: Standing, page: int) -> str:
    """What has happened, newest first."""
    part = pages(len(standing.events), page)
    shown = standing.events[part["begin"] : part["end"]]
    return render("history", standing, "History", events=shown, part=part, path="/history")


def policies_page(standing: Standing, dossiers: Mapping[str, Dossier]) -> str:
    """The repository's policies: which goals they are bound to, and what was measured of them."""
    goals = standing.fleet.goals.values() if standing.fleet else ()
    bound: dict[str, list[str]] = {}
    for goal in goals:
        if goal.policy is not None:
            bound.setdefault(goal.policy.name, []).append(goal.name)
    return render("policies", standing, "Policies", dossiers=list(dossiers.values()), bound=bound)


Pages = Callable[[Standing, int], str]

LISTS: Mapping[str, Pages] = {
    "/": lambda standing, page: overview_page(standing),
    "/rollouts": rollouts_page,
    "/drift": lambda standing, page: condition_page(standing, Condition.DRIFT, page),
    "/held": lambda standing, page: condition_page(standing, Condition.HELD, page),
    "/history": history_page,
}
"""The views that need nothing but the page's number, by path."""


def missing_page(standing: Standing, what: Any) -> str:
    """Say that there is no such thing."""
    return render("missing", standing, "Not found", what=str(what))
