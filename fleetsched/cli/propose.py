# SPDX-License-Identifier: Apache-2.0
"""`fleetsched propose`: find a policy for goals, measure it, and open a proposal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fleetsched.cli.complete import complete_goal
from fleetsched.cli.options import Config, Forks, Inventory, Repository, open_access
from fleetsched.cli.say import complain, say
from fleetsched.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from fleetsched.operations.asking import Known
    from fleetsched.operations.fleet import FleetAccess
    from fleetsched.operations.propose import Proposed
    from fleetsched.operations.workshop import BackendName, Workshop


app = typer.Typer()


@app.command()
def propose(
    goals: Annotated[
        list[str] | None,
        typer.Argument(help="Goals; default: all that have no policy.", autocompletion=complete_goal),
    ] = None,
    more_goals: Annotated[
        list[str] | None,
        typer.Option("--goal", help="The same; several times.", autocompletion=complete_goal),
    ] = None,
    backend: Annotated[
        Literal["catalogue", "anthropic"] | None,
        typer.Option("--backend", help="Who chooses or writes; default: agent.backend of the controller."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget-wall", metavar="DURATION", help="Time for each goal, such as 30m."),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option("--budget-candidates", min=1, max=1000, help="Candidates for each goal.")
    ] = None,
    unmeasured: Annotated[
        bool, typer.Option("--unmeasured", help="Measure nothing: choose by what policies declare.")
    ] = False,
    repository: Repository = None,
    inventory: Inventory = None,
    forks: Forks = None,
    config: Config = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Do not ask hosts: take this file of `status --snapshot`."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option("--from", help="Do not ask hosts: take this file of `observe --profile`."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no host.")] = False,
    repropose: Annotated[
        bool, typer.Option("--repropose", help="Also what was closed before, and has not changed.")
    ] = False,
) -> None:
    """Find a policy for goals that have none, measure it, and open a proposal for each."""
    from fleetsched.operations.propose import propose as make

    if sum((state is not None, profile is not None, offline)) > 1:
        raise UsageError("--state, --from and --offline exclude each other")
    access = open_access(repository, inventory, config, forks)
    shop = None if unmeasured else _workshop(access, backend, budget, candidates)
    known = _known(access, state, profile, offline=offline, counts=not unmeasured)
    names = [*(goals or []), *(more_goals or [])]
    results: list[Proposed] = []
    for result in make(access, known, goals=names, inventory=inventory, again=repropose, shop=shop):
        typer.echo("\n" if results else "", nl=False)
        _show(result)
        results.append(result)
    if not results:
        say("every goal of the trusted branch has a policy")
    raise typer.Exit(_worst(results))


def _workshop(
    access: FleetAccess, backend: BackendName | None, budget: str | None, candidates: int | None
) -> Workshop:
    from fleetsched.cli.running import journals
    from fleetsched.cli.values import duration_of
    from fleetsched.operations.workshop import lab_workshop

    agent = access.controller.agent
    changed = agent.budget
    if budget is not None:
        changed = replace(changed, wall_s=duration_of("--budget-wall", budget))
    if candidates is not None:
        changed = replace(changed, candidates=candidates)
    return lab_workshop(replace(agent, budget=changed), journals(), complain, backend)


def _known(
    access: FleetAccess, state: Path | None, profile: Path | None, *, offline: bool, counts: bool
) -> Known:
    from fleetsched.operations.asking import Known
    from fleetsched.operations.observe import look_at, reach
    from fleetsched.operations.profile import read_profile, take_profile
    from fleetsched.operations.snapshot import read_snapshot

    if state is not None:
        return Known(read_snapshot(state).hosts)
    if profile is not None:
        return Known({}, read_profile(profile))
    hosts = [] if offline else list(access.fleet.inventory.hosts.values())
    with reach(hosts, access.transport, access.helper_files, access.forks) as reached:
        observed = look_at(reached)
        return Known(observed, take_profile(reached, observed) if counts else None)


def _show(result: Proposed) -> None:
    from fleetsched.views.drafted import account_text
    from fleetsched.views.proposal import outcome_text
    from fleetsched.views.suitability import suitability_text

    say(f"{suitability_text(result.suitability, decides=result.drafted is None)}\n")
    if result.drafted is not None:
        say(f"{account_text(result.drafted.account)}\n")
    if result.error is None:
        measured = result.drafted is not None
        judgement = result.drafted.account.judgement if result.drafted is not None else None
        had_time = judgement is None or judgement.had_time
        say(outcome_text(result.outcome, result.goal, result.proposal, measured=measured, had_time=had_time))
    else:
        for goal in result.not_started:
            say(f"goal {goal}: not started")
        complain(f"fleetsched: {result.error}")


def _worst(results: list[Proposed]) -> ExitCode:
    """Refused before failed, failed before judged no."""
    codes = [result.error.exit_code for result in results if result.error is not None]
    judged_no = any(
        result.outcome in ("kernel-default", "closed")
        or (result.outcome == "kept" and result.drafted is not None)
        for result in results
    )
    return max(codes) if codes else ExitCode.CHANGES if judged_no else ExitCode.OK
