# SPDX-License-Identifier: Apache-2.0
"""Proposals that were measured: what is proposed, what is not, and what stays of it either way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetsched.agent.catalogue_backend import CatalogueBackend
from fleetsched.agent.interface import Candidate, Draft, LabLostError, Task
from fleetsched.errors import BuildError, ExitCode, HelperError, InputError, LabError, WorkloadError
from fleetsched.fleetrepo.lessons import read_lessons
from fleetsched.fleetrepo.load import load_fleet, load_lock
from fleetsched.model.controller import AgentAccess
from fleetsched.model.evidence import CANDIDATE, INCUMBENT, KERNEL_DEFAULT_ARM, Arm, Evidence
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.goal import PolicyBinding
from fleetsched.model.lesson import Lesson
from fleetsched.model.lock import PolicyLock
from fleetsched.model.suitability import rank
from fleetsched.operations.asking import Known, task_for
from fleetsched.operations.catalogue import catalogue
from fleetsched.operations.final import FINAL_SEED
from fleetsched.operations.workshop import Run, Workloads, Workshop
from fleetsched.shipped import shipped_root
from tests.unit.experiments import evidence, metric
from tests.unit.git_repository import git
from tests.unit.operations.test_propose import BOUND, LATENCY, MANIFEST, Fleet, fleet, template
from tests.unit.workbenches import GOAL, FakeLab, workbench

__all__ = ["fleet", "template"]

P99 = "wakeup_latency_p99_us"
FINAL = """  evaluation: {workloads: [interactive-under-hogs], holdOut: [message-wakeups]}
"""


@dataclass
class Shop:
    """A workshop whose lab measures what a test says.

    Attributes:
        candidates: of the search, which finds all of them equally good: the first is drafted.
        finals: the candidate's p99 in the final comparison by workload, or by policy and workload, where the
            kernel's own has 1000.
        tasks: those that were drafted for.
        seeds: of final comparisons.
        choose: instead of the catalogue backend's draft.
        eject: in the final comparison.
        broken: by workload, or by policy and workload, what the final comparison on it ends with.
        lab: of the search.
        seconds: that each experiment of it takes.
        runs_of_each: arm of the final comparison, before there is no time for more.
    """

    runs: Path
    candidates: int = 1
    finals: dict[str, float] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    choose: Callable[[Draft, Task], Draft] = lambda draft, task: draft
    eject: bool = False
    broken: dict[str, BaseException] = field(default_factory=dict)
    lab: FakeLab = field(default_factory=FakeLab)
    seconds: float = 0.0
    runs_of_each: int = 10
    now_s: float = 0.0

    def open(
        self, agent: AgentAccess, runs: Path, say: Callable[[str], None], backend: str | None = None
    ) -> Workshop:
        return Workshop(
            "catalogue",
            self.runs,
            replace(agent.budget, candidates=self.candidates),
            self.draft,
            self.gates,
            self.measure,
            say,
            clock=lambda: self.now_s,
            utc=lambda: datetime(2026, 1, 2, tzinfo=UTC),
        )

    def draft(self, known: Workloads, run: Run, task: Task) -> Draft:
        self.tasks.append(task)
        bench = workbench(run.folder, self.lab, asked=task, meter=run.meter)
        made = CatalogueBackend(run.meter, run.day).draft(task, bench, lambda line: None)
        return self.choose(made, task)

    def gates(self, known: Workloads, task: Task, candidate: Candidate) -> GateReport:
        found = FakeLab().gates(candidate, Gate.STRESS)
        return replace(found, digest=locked(candidate.policy).variants["default"])

    def measure(
        self, known: Workloads, task: Task, candidate: Candidate, repeats: int, seed: int, budget_s: float
    ) -> Evidence:
        if self.eject:
            raise HelperError("candidate interactive: runnable task stall (in block 3)", code="ejected")
        for each in (task.workload, f"{candidate.policy} {task.workload}"):
            if each in self.broken:
                raise self.broken[each]
        self.seeds.append(seed)
        self.now_s += self.seconds
        ours = self.finals.get(f"{candidate.policy} {task.workload}", self.finals.get(task.workload, 400.0))
        bound = task.goal.policy
        arms = [Arm(KERNEL_DEFAULT_ARM)]
        if bound is not None:
            arms.append(Arm(INCUMBENT, bound.name, bound.variant, "ab" * 32, dict(bound.parameters)))
        parameters = dict(candidate.parameters)
        arms.append(Arm(CANDIDATE, candidate.policy, candidate.variant, candidate.digest, parameters))
        incumbent = 900 if bound is not None else None
        measured = metric(P99, ours, 1000, incumbent=incumbent, count=self.runs_of_each)
        found = evidence(
            [measured], workload=task.workload, arms=arms, policy=candidate.policy, digest=candidate.digest
        )
        return replace(found, seed=seed)


def locked(policy: str) -> PolicyLock:
    return load_lock(shipped_root() / "policies" / policy)


@pytest.fixture
def shop(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(tmp_path / "runs")
    monkeypatch.setattr("fleetsched.operations.workshop.lab_workshop", made.open)
    fleet.commit((LATENCY, LATENCY + FINAL))
    return made


def branch_file(fleet: Fleet, path: str) -> str:
    git(fleet.folder, "fetch", "origin")
    return git(fleet.folder, "show", f"origin/fleetsched/proposal/lab-fairness:{path}")


def test_what_is_better_is_proposed_with_its_evidence_and_lessons(fleet: Fleet, shop: Shop) -> None:
    said = fleet.run("propose", "--offline", "--goal", "lab-fairness")
    digest = locked("interactive").variants["default"][:12]
    assert fleet.proposed_files() == [
        "A\tlessons/lab-fairness.yaml",
        f"M\t{MANIFEST}",
        "A\tpolicies/interactive/README.md",
        f"A\tpolicies/interactive/evidence/{digest}-interactive-under-hogs-7.2.json",
        f"A\tpolicies/interactive/evidence/{digest}-message-wakeups-7.2.json",
        "A\tpolicies/interactive/interactive.bpf.c",
        "A\tpolicies/interactive/policy.lock.yaml",
        "A\tpolicies/interactive/policy.yaml",
    ]
    assert fleet.proposed_lines() == ["+  policy: {name: interactive}"]
    assert shop.seeds == [FINAL_SEED, FINAL_SEED]
    assert '"outcome": "better"' in branch_file(fleet, "lessons/lab-fairness.yaml")
    assert "proposal for goal lab-fairness opened" in said
    shown = fleet.run("review", "show", "lab-fairness")
    for part in (
        "How it was found: backend catalogue, no language model",
        "What it loses: nothing that was shown.",
        "message-wakeups (held out: no search has seen it), 10 runs of each",
        "emulated: an interpreter ran it",
    ):
        assert part in shown, shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_proposal_that_was_measured_passes_its_own_review(fleet: Fleet, shop: Shop) -> None:
    fleet.run("propose", "--offline")
    git(fleet.folder, "fetch", "origin")
    git(fleet.folder, "switch", "--detach", "origin/fleetsched/proposal/lab-fairness")
    said = fleet.run("review", "check")
    assert "| `changed files` | good | `8, all of them a policy's, manifests or lessons` |" in said


def tuned(draft: Draft, task: Task) -> Draft:
    assert draft.candidate is not None
    parameters = {"slice_us": 700, "preempt_us": 0}
    return replace(draft, candidate=replace(draft.candidate, parameters=parameters))


def test_parameters_go_into_the_goals_binding(fleet: Fleet, shop: Shop) -> None:
    shop.choose = tuned
    fleet.run("propose", "--offline")
    assert fleet.proposed_lines() == [
        "+  policy: {name: interactive, parameters: {slice_us: 700, preempt_us: 0}}"
    ]


def test_for_want_of_time_nothing_is_proposed_and_nobody_is_told_to_settle_for_it(
    fleet: Fleet, shop: Shop
) -> None:
    shop.runs_of_each = 3
    said = fleet.run("propose", "--offline", code=ExitCode.CHANGES)
    assert "3 runs of each can show nothing, and there was no time for more" in " ".join(said.split())
    assert "nothing is proposed, for want of time; to go on: a longer --budget-wall\n" in said
    assert "kernel-default}" not in said


def test_what_is_not_shown_to_be_better_is_not_proposed_and_is_a_lesson(fleet: Fleet, shop: Shop) -> None:
    shop.finals = {"interactive-under-hogs": 1000.0}
    said = fleet.run("propose", "--offline", code=ExitCode.CHANGES)
    assert "goal lab-fairness: nothing is proposed; to say so: policy: {name: kernel-default}" in said
    assert "Not proposed:" in said
    assert fleet.run("review", "list") == "no proposals\n"
    (run,) = shop.runs.iterdir()
    lessons = (run / "lessons.yaml").read_text()
    assert '"outcome": "better"' not in lessons
    assert str(run) in said
    assert sorted(file.name for file in run.glob("final-*.json")) == [
        "final-interactive-under-hogs.json",
        "final-message-wakeups.json",
    ]
    assert json.loads((run / "final-message-wakeups.json").read_text())["seed"] == FINAL_SEED


def test_who_loses_on_what_was_held_out_is_not_proposed(fleet: Fleet, shop: Shop) -> None:
    shop.finals = {"message-wakeups": 3000.0}
    said = fleet.run("propose", "--offline", code=ExitCode.CHANGES)
    assert "held out," in said
    assert fleet.run("review", "list") == "no proposals\n"


def test_when_the_draft_loses_on_what_was_held_out_the_next_best_is_compared(
    fleet: Fleet, shop: Shop
) -> None:
    shop.candidates, shop.finals = 2, {"interactive message-wakeups": 3000.0}
    fleet.run("propose", "--offline")
    assert fleet.proposed_lines() == ["+  policy: {name: deadline}"]
    # Each has a seed of its own, so that the second is not chosen by what was measured of the first.
    assert shop.seeds == [FINAL_SEED, FINAL_SEED, FINAL_SEED + 1, FINAL_SEED + 1]
    shown = " ".join(fleet.run("review", "show", "lab-fairness").split())
    for part in (
        "2 candidates stood in line, the best of the search first; compared: 2. "
        '"better" is corrected for all 2. '
        "- not proposed: interactive (its defaults): wakeup_latency_p99_us on message-wakeups, ",
        "against kernel-default: held out, and worse",
        "The words that follow are about the search, which preferred interactive (its defaults).",
    ):
        assert part in shown, shown
    (run,) = shop.runs.iterdir()
    assert sorted(file.name for file in run.glob("final-*.json")) == [
        "final-2-interactive-under-hogs.json",
        "final-2-message-wakeups.json",
        "final-interactive-under-hogs.json",
        "final-message-wakeups.json",
    ]
    lessons = branch_file(fleet, "lessons/lab-fairness.yaml")
    assert [line.split('"outcome": ')[1][:8] for line in lessons.splitlines() if "outcome" in line] == [
        '"worse",',
        '"better"',
    ]


def test_what_is_not_better_is_not_seen_on_the_hold_out_while_another_waits(fleet: Fleet, shop: Shop) -> None:
    shop.candidates, shop.finals = 3, {"interactive-under-hogs": 1000.0}
    said = fleet.run("propose", "--offline", code=ExitCode.CHANGES)
    assert shop.seeds == [FINAL_SEED, FINAL_SEED + 1, FINAL_SEED + 2, FINAL_SEED + 2]
    assert "3 candidates stood in line, the best of the search first; compared: 3." in said
    assert said.count("not proposed: ") == 2


def test_without_time_for_as_much_again_the_next_best_is_not_compared(fleet: Fleet, shop: Shop) -> None:
    shop.candidates, shop.finals, shop.seconds = 2, {"interactive message-wakeups": 3000.0}, 600.0
    said = fleet.run("propose", "--offline", code=ExitCode.CHANGES)
    assert shop.seeds == [FINAL_SEED, FINAL_SEED]
    assert "compared: 1. There was no time for more." in " ".join(said.split())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            LabError("the machine is lost", remedy="look at it"),
            "fleetsched: the machine is lost\n  look at it\n",
        ),
        (OSError(28, "No space left on device"), "fleetsched: No space left on device\n"),
        (WorkloadError("workload pgbench: it failed"), "fleetsched: workload pgbench: it failed\n"),
        (BuildError("fair does not compile"), "fleetsched: fair does not compile\n"),
    ],
)
def test_a_final_comparison_that_breaks_off_is_an_error_and_loses_neither_numbers_nor_lessons(
    fleet: Fleet, shop: Shop, error: Exception, said: str
) -> None:
    shop.candidates, shop.broken = 2, {"message-wakeups": error}
    text = fleet.run("propose", "--offline", code=ExitCode.ERROR)
    assert said in text
    assert "The comparison broke off: message-wakeups: " in text
    assert shop.seeds == [FINAL_SEED]
    (run,) = shop.runs.iterdir()
    assert sorted(file.name for file in run.iterdir() if file.name.startswith(("final", "lessons"))) == [
        "final-interactive-under-hogs.json",
        "lessons.yaml",
    ]


def test_a_final_comparison_without_the_objective_breaks_off_and_keeps_the_lessons(
    fleet: Fleet, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = Lesson("message-wakeups", "6.18", "deadline", "failed", "gate stress: stalls", "2026-01-02")
    shop.choose = lambda draft, task: replace(draft, lessons=(lesson,))
    measured = Shop.measure

    def without_objective(shop: Shop, *asked: Any) -> Evidence:
        found = measured(shop, *asked)
        return replace(found, measured=(), comparisons=())

    monkeypatch.setattr(Shop, "measure", without_objective)
    text = " ".join(fleet.run("propose", "--offline", code=ExitCode.ERROR).split())
    assert f"workload interactive-under-hogs: not every run gave a number for {P99}" in text
    assert "The comparison broke off: " in text
    assert fleet.run("review", "list") == "no proposals\n"
    (run,) = shop.runs.iterdir()
    assert "gate stress: stalls" in (run / "lessons.yaml").read_text()


def test_a_lab_that_is_lost_before_there_is_a_draft_is_an_error(fleet: Fleet, shop: Shop) -> None:
    lesson = Lesson("message-wakeups", "6.18", "deadline", "failed", "gate stress: stalls", "2026-01-02")
    lost = LabLostError("the lab failed 2 times in a row: no QEMU", remedy="install it")
    shop.choose = lambda draft, task: replace(
        draft, candidate=None, runners_up=(), ended="lab", error=lost, lessons=(lesson,)
    )
    text = fleet.run("propose", "--offline", code=ExitCode.ERROR)
    assert "until the lab failed." in text.replace("\n ", "")
    assert "fleetsched: the lab failed 2 times in a row: no QEMU\n  install it\n" in text
    (run,) = shop.runs.iterdir()
    assert "gate stress: stalls" in (run / "lessons.yaml").read_text()


def test_a_lab_that_is_lost_late_ends_with_the_best_so_far(fleet: Fleet, shop: Shop) -> None:
    shop.choose = lambda draft, task: replace(draft, ended="lab", error=LabLostError("gone"))
    assert "opened" in fleet.run("propose", "--offline")


GUARDED = "  guardrails: [{metric: cpu_some_avg10, maxRegression: 5%%%s}]\n"


def test_a_guardrail_that_nothing_measures_is_refused_before_anything_is_measured(
    fleet: Fleet, shop: Shop
) -> None:
    fleet.commit((FINAL, FINAL + GUARDED % ""))
    said = fleet.run("propose", "--offline", code=ExitCode.ERROR)
    assert "none of its workloads measures the guardrail cpu_some_avg10" in said
    assert "write `unmeasured: accept` beside it" in said
    assert (shop.tasks, shop.seeds) == ([], [])


def test_a_goal_that_accepts_it_gets_a_proposal_that_says_not_measured(fleet: Fleet, shop: Shop) -> None:
    fleet.commit((FINAL, FINAL + GUARDED % ", unmeasured: accept"))
    fleet.run("propose", "--offline")
    shown = " ".join(fleet.run("review", "show", "lab-fairness").split())
    assert "Not measured: cpu_some_avg10, a guardrail. No workload of the goal gives a number for it" in shown


def test_who_is_ejected_in_the_final_comparison_is_not_proposed(fleet: Fleet, shop: Shop) -> None:
    shop.eject = True
    said = fleet.run("propose", "--offline", code=ExitCode.CHANGES)
    assert "runnable task stall (in block 3)" in said.replace("\n  ", " ")
    (run,) = shop.runs.iterdir()
    assert '"outcome": "failed"' in (run / "lessons.yaml").read_text()


def test_an_incumbent_must_be_beaten_too(fleet: Fleet, shop: Shop) -> None:
    fleet.commit((LATENCY + FINAL, LATENCY + FINAL + BOUND))
    shop.finals = {"interactive-under-hogs": 890.0}
    said = fleet.run("propose", "--offline", "lab-fairness", code=ExitCode.CHANGES)
    assert "nothing was shown to beat the policy that it has" in said
    shop.finals = {}
    assert "opened" in fleet.run("propose", "--offline", "lab-fairness")


def test_the_draft_that_the_goal_has_already_is_kept_without_measuring(fleet: Fleet, shop: Shop) -> None:
    fleet.run("propose", "--offline")
    fleet.run("review", "approve", "lab-fairness")
    fleet.run("review", "merge", "lab-fairness")
    shop.seeds.clear()
    said = fleet.run("propose", "--offline", "lab-fairness", code=ExitCode.CHANGES)
    assert "the draft is what the goal has already" in said
    assert shop.seeds == []
    assert [lesson.outcome for lesson in shop.tasks[-1].lessons] == ["better"]


def test_lessons_are_added_to_those_that_there_are(fleet: Fleet, shop: Shop) -> None:
    old = '- {at: "2025-01-01", workload: hackbench, kernel: "6.18", policy: fair, outcome: worse, why: x}\n'
    (fleet.folder / "lessons").mkdir()
    (fleet.folder / "lessons/lab-fairness.yaml").write_text(old)
    git(fleet.folder, "add", "lessons")
    fleet.commit(("# The lab's hosts", "# These are the lab's hosts"))
    fleet.run("propose", "--offline")
    git(fleet.folder, "fetch", "origin")
    git(fleet.folder, "switch", "--detach", "origin/fleetsched/proposal/lab-fairness")
    lessons, problems = read_lessons(fleet.folder)
    assert problems == []
    assert [lesson.policy for lesson in lessons["lab-fairness"]] == ["fair", "interactive"]


def test_the_same_again_is_unchanged_whatever_was_measured(fleet: Fleet, shop: Shop) -> None:
    fleet.run("propose", "--offline")
    shop.finals = {"interactive-under-hogs": 410.0}
    assert "proposal for goal lab-fairness unchanged" in fleet.run("propose", "--offline")


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        ((LATENCY, ""), "fleetsched: goal lab-fairness has no objective, so nothing can be measured for it"),
        (
            ("[interactive-under-hogs]", "[no-such]"),
            "no Workload",
        ),
    ],
)
def test_what_cannot_be_measured_says_what_to_write(
    fleet: Fleet, shop: Shop, replaced: tuple[str, str], said: str
) -> None:
    fleet.commit(replaced)
    assert said in fleet.run("propose", "--offline", code=ExitCode.ERROR)


def test_sources_of_what_is_known_exclude_each_other(fleet: Fleet) -> None:
    said = fleet.run("propose", "--offline", "--from", "profile.json", code=ExitCode.USAGE)
    assert said.startswith("fleetsched: --state, --from and --offline exclude each other\n")


def written(folder: Path, draft: Draft, task: Task) -> Draft:
    """As a language model would leave it: a policy of its own, which comes to be in the run's folder."""
    source = (shipped_root() / "policies/fair/fair.bpf.c").read_text().replace("fair", "fairer")
    bench = workbench(folder, asked=task)
    candidate = bench.write("fairer", source, "A copy.")
    return replace(draft, candidate=candidate, backend="anthropic", model="a-model", transcript="ab" * 32)


def test_a_policy_that_was_written_comes_with_its_folder_and_lock(
    fleet: Fleet, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.choose = lambda draft, task: written(shop.runs / "written", draft, task)
    monkeypatch.setattr(Shop, "gates", gates_of_written)
    fleet.run("propose", "--offline")
    assert [name for name in fleet.proposed_files() if "fairer" in name and "evidence" not in name] == [
        "A\tpolicies/fairer/README.md",
        "A\tpolicies/fairer/fairer.bpf.c",
        "A\tpolicies/fairer/policy.lock.yaml",
        "A\tpolicies/fairer/policy.yaml",
    ]
    assert fleet.proposed_lines() == ["+  policy: {name: fairer}"]
    assert "backend: anthropic" in branch_file(fleet, "policies/fairer/policy.yaml")
    shown = fleet.run("review", "show", "lab-fairness")
    assert f"Transcript: SHA-256 {'ab' * 8}" in shown


def gates_of_written(shop: Shop, known: Workloads, task: Task, candidate: Candidate) -> GateReport:
    found = FakeLab(real=True).gates(candidate, Gate.INSPECT)
    assert found.verdict == "passed", found
    return replace(found, results=(*found.results, GateResult(Gate.STRESS, GateVerdict.PASSED, "6.18.2")))


def test_what_the_gates_do_not_let_pass_is_not_compared_whatever_the_backend_says(
    fleet: Fleet, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    stall = GateFinding("runnable-task-stall", "a task did not run for 5 s")
    failing = FakeLab(stops={"c1": (Gate.STRESS, stall)})
    monkeypatch.setattr(Shop, "gates", lambda shop, known, task, one: failing.gates(one, Gate.STRESS))
    said = fleet.run("propose", "--offline", code=ExitCode.CHANGES)
    assert "the gates did not let it pass: failed" in said
    assert shop.seeds == []


def test_what_no_kernel_has_loaded_is_not_compared(
    fleet: Fleet, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left_out(shop: Shop, known: Workloads, task: Task, candidate: Candidate) -> GateReport:
        skipped = GateResult(
            Gate.VERIFY, GateVerdict.SKIPPED, "6.18.2", log="needs kernel >=7.0, runs 6.18.2"
        )
        found = FakeLab().gates(candidate, Gate.INSPECT)
        return replace(found, results=(*found.results, skipped))

    monkeypatch.setattr(Shop, "gates", left_out)
    said = fleet.run("propose", "--offline", code=ExitCode.CHANGES)
    assert "no gate has loaded it: needs kernel >=7.0, runs 6.18.2" in " ".join(said.split())
    assert shop.seeds == []


def test_a_program_that_a_goal_runs_cannot_be_beaten_here(fleet: Fleet, shop: Shop) -> None:
    known = Known({})
    bound = replace(GOAL, policy=PolicyBinding("scx-lavd"), host_group="lab")
    fleet_now = load_fleet(fleet.folder)
    with pytest.raises(InputError, match="which only hosts have: nothing can be compared with it here"):
        task_for(bound, rank("g", None, [], []), fleet_now, catalogue(), known)
