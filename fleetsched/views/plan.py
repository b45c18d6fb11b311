# SPDX-License-Identifier: Apache-2.0
"""A plan as text for 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from fleetsched.model.diff import PolicyDiff
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import Action, Claim, HostPlan, Plan
from fleetsched.model.wording import counted, printable

WIDTH = 80
JSON_VERSION = "1.0"

_MARKS = {
    Action.ATTACH: "+",
    Action.REPLACE: "~",
    Action.REMOVE: "-",
    Action.HEAL: "~",
    Action.ADOPT: "!",
    Action.HELD: "!",
    Action.NONE: " ",
    Action.UNKNOWN: "?",
}


_TO_DO = ("install-helper", Action.ATTACH, Action.REPLACE, Action.REMOVE, Action.HEAL)
_OTHERWISE = ("cannot", Action.ADOPT, Action.HELD, "drifted", Action.UNKNOWN, "unbound")


def plan_text(plan: Plan, fleet: Fleet) -> str:
    """The whole plan: a block a goal, a line a host with the reason under it, and the sums."""
    lines = [f"Revision {short(plan.revision)}{'' if plan.not_approved else ', approved'}"]
    lines += [wrap(f"NOT APPROVED: {why}", "  ") for why in plan.not_approved]
    for goal, hosts in groupby(plan.hosts, key=lambda host: host.desired.goal):
        lines += ["", _heading(goal, fleet)]
        lines += [line for host in hosts for line in _host_lines(host)]
    return printable("\n".join([*lines, "", summary(plan)]))


def short(revision: str) -> str:
    """A revision for people: 12 digits of the commit, and what follows it."""
    commit, sep, rest = revision.partition("+")
    return (commit[:12] if len(commit) == 40 else commit) + sep + rest


def _heading(goal: str | None, fleet: Fleet) -> str:
    if goal is None:
        return "Hosts that no goal claims"
    manifest = fleet.goals[goal]
    policy = manifest.policy.name if manifest.policy else "no policy yet"
    after = f", after {' and '.join(manifest.depends_on)}" if manifest.depends_on else ""
    text = f"Goal {goal}: {policy} on group {manifest.host_group}, strategy {manifest.rollout}{after}"
    return wrap(text, "  ")


def _host_lines(host: HostPlan) -> Iterator[str]:
    mark = "!" if host.drifted else _MARKS[host.action]
    yield wrap(f"  {mark} {host.host}: {_what(host)}", "      ")
    if host.reason:
        yield wrap(f"      {host.reason}", "      ")
    if host.problem:
        yield wrap(f"      cannot: {host.problem}", "        ")
    if host.remedy:
        yield wrap(f"      do: {host.remedy}", "        ")
    if host.remark:
        yield wrap(f"      note: {host.remark}", "        ")


def _what(host: HostPlan) -> str:
    if host.drifted:
        return f"drifted: {host.before} stays, {host.after} is wanted"
    if host.action is Action.NONE:
        return host.before
    if host.action is Action.UNKNOWN:
        wants_nothing = host.desired.claim in (Claim.UNBOUND, Claim.KEPT)
        return "unknown" if wants_nothing else f"unknown, wants {host.after}"
    if host.action is Action.HELD:
        return f"held: {host.before} stays, {host.after} is not tried"
    if host.before == host.after:
        return f"{host.words} {host.after}"
    return f"{host.words}: {host.before} -> {host.after}"


def wrap(text: str, indent: str) -> str:
    """Fill lines of 80 columns; those after the first begin with `indent`."""
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def summary(plan: Plan) -> str:
    """The last line: how many hosts each action concerns."""
    counts = plan.counts()
    if not plan.has_changes and not counts.keys() - {"none"}:
        return f"No changes: {counted(counts['none'], 'host')} as the revision wants."
    parts = [f"{counts[name]} to {name}" for name in _TO_DO if counts[name]]
    parts += [f"{counts[name]} {name}" for name in _OTHERWISE if counts[name]]
    parts.append(f"{counts['none']} unchanged")
    return wrap(f"Plan: {', '.join(parts)}.", "  ")


def diff_text(diffs: Sequence[PolicyDiff]) -> str:
    """What changed in each goal's policy since the revision that its hosts have recorded."""
    if not diffs:
        return "No policy changed since what the hosts have recorded."
    blocks = [
        "\n".join([f"Goal {diff.goal}, policy {diff.policy}, since {short(diff.since)}:", *diff.lines])
        for diff in diffs
    ]
    return printable("\n\n".join(blocks))


def age_text(file: str, age_s: float) -> str:
    """How old a state file is, in its largest unit."""
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if age_s >= seconds:
            return f"State of {file}, taken {age_s // seconds:.0f} {unit} ago; no host was asked"
    return f"State of {file}, taken {max(age_s, 0):.0f} s ago; no host was asked"
