# SPDX-License-Identifier: Apache-2.0
"""Proposals: review list, show, check, approve, merge, close."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetsched.cli.complete import complete_goal
from fleetsched.cli.group import Group
from fleetsched.cli.options import (
    Config,
    FleetOptions,
    Json,
    Repository,
    find_repository,
    with_fleet_options,
)
from fleetsched.cli.say import complain, say, say_record
from fleetsched.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from fleetsched.model.controller import Controller
    from fleetsched.model.fleet import Fleet
    from fleetsched.model.plan import Plan
    from fleetsched.operations.review_check import Planner

app = typer.Typer()
review = typer.Typer(
    cls=Group, help="Look at proposals, approve and merge or close them.", no_args_is_help=True
)
app.add_typer(review, name="review")

Goal = Annotated[str, typer.Argument(help="The goal that it is for.", autocompletion=complete_goal)]


@review.command("list")
def list_(repository: Repository = None, config: Config = None, as_json: Json = False) -> None:
    """List proposals."""
    from fleetsched.operations.proposals import proposals
    from fleetsched.views.proposal import line_of, list_text

    found = proposals(*_place(repository, config))
    if as_json:
        for proposal in found.proposals:
            say_record(proposal.to_wire())
    else:
        say(list_text(found.proposals))
    for line in found.ignored:
        complain(f"fleetsched: ignored: {line_of(line, 200)}")


@review.command()
def show(
    goal: Goal,
    repository: Repository = None,
    config: Config = None,
    diff: Annotated[bool, typer.Option("--diff", "-D", help="Also what it changes.")] = False,
) -> None:
    """Show a proposal: what, why, and who approved it."""
    from fleetsched.operations import proposals as operation
    from fleetsched.views.proposal import diff_text, show_text

    proposal, changes = operation.show(*_place(repository, config), goal, diff=diff)
    say(show_text(proposal))
    if diff:
        say(f"\n{diff_text(changes)}")


@review.command()
def approve(goal: Goal, repository: Repository = None, config: Config = None) -> None:
    """Approve exactly what a proposal is now."""
    from fleetsched.operations import proposals as operation
    from fleetsched.views.proposal import approved_text

    say(approved_text(operation.approve(*_place(repository, config), goal)))


@review.command()
def merge(goal: Goal, repository: Repository = None, config: Config = None) -> None:
    """Merge an approved proposal into the trusted branch."""
    from fleetsched.operations import proposals as operation

    root, controller = _place(repository, config)
    branch = controller.trust.branch
    merged = operation.merge(root, controller, goal)
    say(f"proposal for goal {goal} merged into {branch} as {merged.proposal.merged_as[:12]}")
    if merged.checked_out:
        say(f"this checkout of {branch} was brought to it\nnext: fleetsched plan")
    else:
        say("next: git pull, then fleetsched plan")


@review.command()
def close(
    goal: Goal,
    repository: Repository = None,
    config: Config = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; the record keeps it.")] = "",
) -> None:
    """Close a proposal: the same is not proposed again."""
    from fleetsched.operations import proposals as operation

    proposal = operation.close(*_place(repository, config), goal, reason)
    say(f"proposal for goal {goal} is {proposal.state}")


@review.command()
@with_fleet_options
def check(
    fleet: FleetOptions,
    base: Annotated[
        str | None, typer.Option("--base", help="Compare with this commit, not with the trusted branch.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="Plan from this file of `status --snapshot`.")
    ] = None,
    hosts: Annotated[bool, typer.Option("--hosts", help="Plan by asking the hosts.")] = False,
    gates: Annotated[
        bool,
        typer.Option(
            "--gates", help="Also run the gates on what is changed or bound anew, in virtual machines."
        ),
    ] = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Also tell the forge: a check and one comment of its pull request."),
    ] = False,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Also write it to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Judge the proposal that is checked out; 0 = good, 2 = not."""
    from fleetsched.fleetrepo.controller import load_controller
    from fleetsched.operations.proposals import report as tell
    from fleetsched.operations.review_check import review_check
    from fleetsched.operations.verify import gates_on
    from fleetsched.views.plan import plan_text
    from fleetsched.views.verdict import verdict_markdown, verdict_record

    if state is not None and hosts:
        raise UsageError("--state and --hosts exclude each other")
    root, controller = find_repository(fleet.repository), load_controller(fleet.config)
    verdict = review_check(
        root,
        controller.trust,
        base=base,
        inventory=fleet.inventory,
        plan=_planner(fleet, state, hosts),
        gates=(lambda judged, kernels: gates_on(judged, kernels, complain)) if gates else None,
        show_plan=plan_text,
    )
    text = verdict_markdown(verdict)
    if markdown is not None:
        markdown.write_text(text + "\n", encoding="utf-8")
    if as_json:
        say_record(verdict_record(verdict))
    else:
        say(text)
    if report:
        place = tell(root, controller, verdict, text)
        complain(f"reported on {place}" if place else "no forge to report to (docs/forges.md): printed only")
    if not verdict.good:
        raise typer.Exit(ExitCode.CHANGES)


def _planner(fleet: FleetOptions, state: Path | None, hosts: bool) -> Planner | None:
    from dataclasses import replace

    from fleetsched.fleetrepo.revision import Revision
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.operations.plan import select
    from fleetsched.operations.snapshot import plan_snapshot, read_snapshot

    if state is not None:
        snapshot = read_snapshot(state)
        return lambda loaded, commit: plan_snapshot(
            loaded, Revision(commit), snapshot, select(loaded, fleet.selection)
        )
    if not hosts:
        return None

    def ask(loaded: Fleet, commit: str) -> Plan:
        access = replace(fleet.open(), fleet=loaded, revision=Revision(commit))
        with make_plan(access, fleet.selection) as planned:
            return planned.plan

    return ask


def _place(repository: Path | None, config: Path | None) -> tuple[Path, Controller]:
    from fleetsched.fleetrepo.controller import load_controller

    return find_repository(repository), load_controller(config)
