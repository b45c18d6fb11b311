# SPDX-License-Identifier: Apache-2.0
"""`fleetsched bench`: measure a policy on a workload."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetsched.cli.complete import complete_hosts
from fleetsched.cli.options import Json, ReachOptions, repository_around, with_fleet_options
from fleetsched.cli.say import complain, say
from fleetsched.cli.values import duration_of, guardrails_of, pairs_of
from fleetsched.errors import ExitCode, UsageError

app = typer.Typer()


_KERNEL, _TOPOLOGY = "6.18", "flat"


@app.command()
@with_fleet_options
def bench(
    fleet: ReachOptions,
    policy: Annotated[
        str | None, typer.Argument(metavar="[POLICY]", help="A policy's name, or its folder.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the workloads and exit.")] = False,
    workload: Annotated[
        str | None, typer.Option("--workload", "-w", metavar="NAME", help="What is run.")
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="POLICY",
            help="A policy to compare with, beside the kernel's own scheduler, which is always there.",
        ),
    ] = "default",
    variant: Annotated[str, typer.Option("--variant", metavar="NAME", help="Of the policy.")] = "default",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameters", "-p", metavar="NAME=VALUE", help="Of the policy; several times."),
    ] = None,
    guardrails: Annotated[
        list[str] | None,
        typer.Option(
            "--guardrail", metavar="METRIC=PERCENT", help="How much worse a metric may be; several times."
        ),
    ] = None,
    kernel: Annotated[str, typer.Option("--kernel", metavar="VERSION", help="Of the machine.")] = _KERNEL,
    topology: Annotated[
        str, typer.Option("--topology", help="flat, smt, two-llc or two-node; caches are not emulated.")
    ] = _TOPOLOGY,
    cpus: Annotated[
        int | None,
        typer.Option("--cpus", min=1, max=16, help="Of the machine; as few as the topology has."),
    ] = None,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, max=1000, help="Runs of each scheduler, at most.")
    ] = 10,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="DURATION", help="Time for everything, such as 10m.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of order and randomness.")] = 1,
    save: Annotated[bool, typer.Option("--save", help="Write the evidence beside the policy.")] = False,
    host: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="HOST",
            help="Measure on this real host, where the controller's file lists its group under experiments.",
            autocompletion=complete_hosts,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            metavar="N",
            min=1,
            max=60,
            help="With --on: instead of a workload, watch the host's own work for so long in each run.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a policy on a workload, in an emulated machine or on a real host.

    It is compared with the kernel's own scheduler; on a host that runs a policy, with that.
    """
    from fleetsched.operations import bench as operation

    root = repository_around(fleet.repository)
    if list_all:
        from fleetsched.views.bench import workloads_records, workloads_text

        known = operation.workloads(root)
        if as_json:
            from fleetsched.cli.running import print_records

            print_records(workloads_records(known))
        else:
            say(workloads_text(known))
        return
    if policy is None or (workload is None) is (seconds is None):
        raise UsageError("a POLICY and --workload are needed", remedy="see `fleetsched bench --list`")
    if seconds is not None and host is None:
        raise UsageError("--seconds is about a real host", remedy="name it with --on HOST")
    if host is not None and (kernel, topology, cpus) != (_KERNEL, _TOPOLOGY, None):
        raise UsageError("--kernel, --topology and --cpus are those of a machine of the lab, not of a host")
    request = operation.Request(
        policy=policy,
        workload=workload or "",
        against=against,
        variant=variant,
        parameters=pairs_of("--parameters", parameters),
        guardrails=guardrails_of(guardrails),
        repeats=repeats,
        budget_s=duration_of("--budget", budget) if budget is not None else None,
        seed=seed,
        kernel=kernel,
        topology=topology,
        cpus=cpus or 0,
    )
    from fleetsched.bench.interface import EndedError

    try:
        if host is None:
            evidence = operation.bench(root, request, complain)
        else:
            from fleetsched.operations.experiment import bench_on

            evidence = bench_on(fleet.open(), host, request, complain, seconds=seconds)
    except EndedError as error:
        complain(f"the experiment ended: {error}")
        raise typer.Exit(ExitCode.CHANGES) from error  # judged: no
    if as_json:
        from fleetsched.fleetrepo.evidence import evidence_text as evidence_json

        say(evidence_json(evidence).rstrip())
    else:
        from fleetsched.views.evidence import evidence_text

        say(evidence_text(evidence))
    if save:
        complain(f"wrote {operation.save(root, request, evidence)}")
