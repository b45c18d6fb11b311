# SPDX-License-Identifier: Apache-2.0
"""The page about all policies: what it says, and that the committed one is what the generator gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleetsched.model.dossier import Dossier
from fleetsched.model.evidence import Arm
from fleetsched.model.gate import Gate, GateFinding, GateResult, GateVerdict
from fleetsched.operations.evidence import catalogue_page
from fleetsched.views.catalogue import catalogue_markdown
from tests.unit.dossiers import BARE, FAIR, MEASURED, results
from tests.unit.experiments import EMULATED, evidence, metric

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[3]
REQUESTS = "requests_per_second"


def test_the_page_reads_as_agreed() -> None:
    assert catalogue_markdown([BARE, MEASURED]) == (GOLDEN / "catalogue.md").read_text()


def test_the_committed_page_is_what_the_generator_gives() -> None:
    assert (ROOT / "docs" / "catalogue.md").read_text() == catalogue_page(ROOT), "run `make catalogue`"


def test_a_win_beside_a_broken_guardrail_is_none() -> None:
    broken = evidence(
        [
            metric("wakeup_latency_p99_us", 400, 1600),
            metric(REQUESTS, 500, 1000, unit="1/s", better="maximize", guardrail=0.05),
        ]
    )
    page = catalogue_markdown([replace(MEASURED, evidence=(broken,))])
    assert (
        "| [fair](#fair) | weighted virtual time over one queue; every task gets its share | 0 | 1 |" in page
    )
    assert "| **the kernel's own**: nothing that was tried beats it |" in page
    assert "; but not every guardrail was shown to hold" in page


def test_the_best_of_several_is_named_with_all_that_were_tried() -> None:
    faster = replace(FAIR, name="quick")
    quick = evidence(
        [metric("wakeup_latency_p99_us", 100, 1600)],
        policy="quick",
        arms=(Arm("kernel-default"), Arm("candidate", "quick", "default", "", {})),
    )
    slow = evidence([metric("wakeup_latency_p99_us", 800, 1600)])
    page = catalogue_markdown(
        [replace(MEASURED, evidence=(slow,)), replace(MEASURED, policy=faster, evidence=(quick,))]
    )
    (row,) = [line for line in page.splitlines() if line.startswith("| message-wakeups | wakeup_latency_p99")]
    assert "[quick](#quick)" in row
    assert row.endswith("| fair, quick |")


def test_more_is_better_where_the_metric_says_so() -> None:
    def measured(rate: float, policy: str) -> Dossier:
        made = evidence([metric(REQUESTS, rate, 1000, unit="1/s", better="maximize")], policy=policy)
        return replace(MEASURED, policy=replace(FAIR, name=policy), evidence=(made,))

    page = catalogue_markdown([measured(1500, "some"), measured(3000, "more")])
    (row,) = [line for line in page.splitlines() if line.startswith(f"| message-wakeups | {REQUESTS}")]
    assert "[more](#more)" in row


def test_a_gate_without_a_kernel_speaks_of_every_kernel() -> None:
    inspected = GateResult(Gate.INSPECT, GateVerdict.FAILED, findings=(GateFinding("forbidden-kfunc", "x"),))
    report = replace(MEASURED.gates[0], results=(inspected, *results("7.2.13")))
    page = catalogue_markdown([replace(MEASURED, gates=(report,))])
    assert "| **failed** at inspect: forbidden-kfunc |" in page


def test_text_of_manifests_is_no_markup() -> None:
    page = catalogue_markdown([replace(BARE, policy=replace(BARE.policy, summary="a | b\n# <b>c</b>"))])
    assert "| a \\| b # &lt;b>c&lt;/b> |" in page


def test_one_cpu_says_nothing_of_how_work_is_placed() -> None:
    small = evidence(environment=replace(EMULATED, cpus=1))
    page = catalogue_markdown([replace(MEASURED, evidence=(small,))])
    assert "Unmeasured: energy, caches, numa, how it places work on CPUs, for there was only one." in page
