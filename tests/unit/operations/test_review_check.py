# SPDX-License-Identifier: Apache-2.0
"""What review check says of good and bad proposals, with real Git and the real compiler."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode, RefusedError
from fleetsched.model.controller import Trust
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict, Judged
from fleetsched.model.verdict import Result, Verdict
from fleetsched.operations.init import init
from fleetsched.operations.review_check import review_check
from fleetsched.views.plan import plan_text
from fleetsched.views.verdict import verdict_markdown
from tests.unit.fleetrepo.trees import crossed
from tests.unit.git_repository import git

GOLDEN = Path(__file__).parent / "golden"
PROJECT = Path(__file__).resolve().parents[3]
PASSED = "1c1c1c1c1c1c passed"


@pytest.fixture
def fleet(tmp_path: Path, own_git: None) -> Path:
    """A published fleet repository, with a branch for a proposal checked out."""
    folder = tmp_path / "fleet"
    init(folder)
    git(tmp_path, "init", "--bare", "origin.git")
    git(folder, "remote", "add", "origin", str(tmp_path / "origin.git"))
    manifest = folder / "manifests" / "lab.yaml"
    text = manifest.read_text().replace(
        "    name: fair\n    parameters: {slice_us: 5000}", "    name: fair\n   "
    )
    manifest.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "first")
    git(folder, "push", "origin", "HEAD:main")
    git(folder, "switch", "-c", "proposal")
    return folder


def judged(fleet: Path) -> Verdict:
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "proposal")
    return review_check(fleet, Trust(), show_plan=plan_text)


def bind_interactive(fleet: Path) -> None:
    shutil.copytree(PROJECT / "policies" / "interactive", fleet / "policies" / "interactive")
    edit(fleet, "manifests/lab.yaml", "    name: fair\n", "    name: interactive\n")


def edit(fleet: Path, file: str, old: str, new: str) -> None:
    text = (fleet / file).read_text()
    assert old in text
    (fleet / file).write_text(text.replace(old, new))


def write(fleet: Path, file: str, text: str = "x\n") -> None:
    (fleet / file).parent.mkdir(parents=True, exist_ok=True)
    (fleet / file).write_text(text)


def test_a_good_proposal_reads_as_agreed(fleet: Path) -> None:
    bind_interactive(fleet)
    verdict = judged(fleet)
    text = verdict_markdown(verdict).replace(verdict.base[:12], "BASE").replace(verdict.head[:12], "HEAD")
    digest = next(c.finding for c in verdict.checks if c.name == "build interactive").split()[-1]
    assert verdict.good
    assert text.replace(digest, "DIGEST") + "\n" == (GOLDEN / "verdict-good.md").read_text()


def a_link(fleet: Path) -> None:
    (fleet / "policies" / "fair" / "more.h").symlink_to("/etc/passwd")


def a_program(fleet: Path) -> None:
    write(fleet, "policies/fair/run")
    (fleet / "policies" / "fair" / "run").chmod(0o755)


def a_renamed_file(fleet: Path) -> None:
    git(fleet, "mv", "README.md", "policies/fair/NOTES.md")


def two_policies(fleet: Path) -> None:
    bind_interactive(fleet)
    write(fleet, "policies/fair/NOTES.md")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda fleet: write(fleet, ".github/workflows/ci.yml"), '".github/workflows/ci.yml" is neither'),
        (lambda fleet: write(fleet, "inventory/more.yaml", "web: {}\n"), '"inventory/more.yaml" is neither'),
        (lambda fleet: write(fleet, ".gitattributes", "* filter=x\n"), '".gitattributes" is neither'),
        (lambda fleet: write(fleet, "policies/fair/.hidden"), '"policies/fair/.hidden" is neither'),
        (lambda fleet: write(fleet, "policies/README.md"), '"policies/README.md" is neither'),
        (lambda fleet: write(fleet, "policies/fair/big", "x" * 2_000_000), "has 2,000,000 bytes; 1,048,576"),
        (a_link, '"policies/fair/more.h" is no plain file (mode 120000)'),
        (a_program, '"policies/fair/run" is no plain file (mode 100755)'),
        (a_renamed_file, '"README.md" is neither in a policy\'s folder, nor a manifest, nor'),
        (two_policies, "more than one policy: fair, interactive"),
    ],
)
def test_files_that_no_proposal_may_touch_are_named(
    fleet: Path, change: Callable[[Path], None], said: str
) -> None:
    change(fleet)
    verdict = judged(fleet)
    paths = verdict.checks[0]
    assert (paths.name, paths.result) == ("changed files", Result.BAD)
    assert any(said in line for line in paths.details), paths.details


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("bake: 15s}\n    - {percent", "bake: 16s}\n    - {percent", "RolloutStrategy lab is changed"),
        ("  hosts: lab #", "  hosts: all #", "HostGroup lab is changed"),
        ("metadata: {name: lab-fairness}", "metadata: {name: other}", "WorkloadGoal lab-fairness is gone"),
        ("  rollout: lab\n", "  rollout: default\n", "WorkloadGoal lab-fairness is changed"),
    ],
)
def test_manifests_that_say_more_than_a_binding_are_named(fleet: Path, old: str, new: str, said: str) -> None:
    edit(fleet, "manifests/lab.yaml", old, new)
    meaning = next(check for check in judged(fleet).checks if check.name == "what manifests say")
    assert meaning.result is Result.BAD
    assert said in meaning.details


def test_a_lock_that_does_not_match_its_source_is_bad(fleet: Path) -> None:
    edit(fleet, "policies/fair/fair.bpf.c", " * fair: ", " * fair, changed: ")
    check = next(check for check in judged(fleet).checks if check.name == "build fair")
    assert check.result is Result.BAD
    assert check.details[0].startswith("policy 'fair': its lock does not match: source or header fair.bpf.c")


def test_an_object_that_is_not_allowed_is_bad(fleet: Path) -> None:
    source = 'SEC("kprobe/do_exit") int probe(void *context)\n{\n\treturn 0;\n}\n\nFLEETSCHED_OPS_DEFINE'
    edit(fleet, "policies/fair/fair.bpf.c", "FLEETSCHED_OPS_DEFINE", source)
    checks = {check.name: check for check in judged(fleet).checks}
    assert checks["inspect fair"].result is Result.BAD
    assert "section kprobe/do_exit holds a program" in checks["inspect fair"].details[0]


def test_mistakes_in_files_are_all_shown(fleet: Path) -> None:
    edit(fleet, "manifests/lab.yaml", "    name: fair\n", "    name: fiar\n")
    check = judged(fleet).checks[1]
    assert (check.name, check.result) == ("validate", Result.BAD)
    assert check.details == ('manifests/lab.yaml:16:11: no policy "fiar"; did you mean "fair"?',)


def test_what_a_proposal_says_cannot_become_markup(fleet: Path) -> None:
    write(fleet, "x`|@here <b>", "x")
    write(fleet, "```\n# y", "x")
    text = verdict_markdown(judged(fleet))
    assert "@here" not in "".join(line for line in text.splitlines() if line.startswith(("|", "#")))
    assert [line for line in text.splitlines() if line.startswith("```")] == ["````text", "````"]


def test_without_a_commit_of_its_own_there_is_nothing_to_judge(fleet: Path) -> None:
    verdict = review_check(fleet, Trust(), show_plan=plan_text)
    assert verdict.checks[0].finding == "nothing is changed: there is nothing to judge"
    write(fleet, "more")
    with pytest.raises(RefusedError, match="there are changes that are not committed"):
        review_check(fleet, Trust(), show_plan=plan_text)


def test_workflows_inventory_and_a_policy_at_once_are_all_named(fleet: Path) -> None:
    bind_interactive(fleet)
    write(fleet, ".github/workflows/apply.yml")
    write(fleet, "inventory/more.yaml", "lab: {hosts: {evil: }}\n")
    verdict = judged(fleet)
    assert not verdict.good
    assert [line.split(" ")[0] for line in verdict.checks[0].details] == [
        '".github/workflows/apply.yml"',
        '"inventory/more.yaml"',
    ]


def test_a_base_that_was_moved_off_the_trusted_branch_is_refused(fleet: Path) -> None:
    bind_interactive(fleet)
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "proposal")
    git(fleet, "tag", "reviewed")
    write(fleet, "policies/interactive/NOTES.md")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "more")
    with pytest.raises(RefusedError, match=r"--base reviewed: .* was a tag or branch moved\?"):
        review_check(fleet, Trust(), base="reviewed", show_plan=plan_text)
    git(fleet, "tag", "--force", "reviewed", "origin/main")
    assert review_check(fleet, Trust(), base="reviewed", show_plan=plan_text).good


def test_a_tag_named_like_the_trusted_branch_does_not_stand_for_it(fleet: Path) -> None:
    write(fleet, ".github/workflows/apply.yml")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "proposal")
    for name in ("main", "origin/main"):
        git(fleet, "tag", name)
        git(fleet, "push", "origin", f"refs/tags/{name}")
    assert not review_check(fleet, Trust(), show_plan=plan_text).good


def test_what_a_merge_takes_back_is_judged_though_the_branch_left_main_without_it(fleet: Path) -> None:
    _, branch = crossed(fleet, {"inventory/more.yaml": "lab: {hosts: {evil: {}}}\n"})
    git(fleet, "reset", "--hard", branch)
    verdict = review_check(fleet, Trust(), show_plan=plan_text)
    assert verdict.checks[0].details == (
        "\"inventory/more.yaml\" is neither in a policy's folder, nor a manifest, nor a goal's lessons",
    )


def test_main_merged_into_a_proposal_is_no_change_of_the_proposals(fleet: Path) -> None:
    bind_interactive(fleet)
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "proposal")
    git(fleet, "switch", "--detach", "origin/main")
    write(fleet, ".github/workflows/ci.yml")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "main goes on")
    git(fleet, "push", "origin", "HEAD:main")
    git(fleet, "switch", "proposal")
    behind = review_check(fleet, Trust(), show_plan=plan_text)
    git(fleet, "merge", "origin/main")
    assert (behind.good, review_check(fleet, Trust(), show_plan=plan_text).good) == (True, True)


def test_what_conflicts_is_not_judged_further(fleet: Path) -> None:
    bind_interactive(fleet)
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "proposal")
    git(fleet, "switch", "--detach", "origin/main")
    edit(fleet, "manifests/lab.yaml", "    name: fair\n", "    name: batch\n")
    git(fleet, "commit", "-am", "main goes on")
    git(fleet, "push", "origin", "HEAD:main")
    git(fleet, "switch", "proposal")
    (check,) = review_check(fleet, Trust(), show_plan=plan_text).checks
    assert (check.result, check.finding) == (
        Result.BAD,
        "the proposal conflicts with what was merged since it was made: merge the trusted branch into it, or"
        " propose again",
    )


def gated(fleet: Path, *verdicts: GateVerdict) -> tuple[Verdict, list[tuple[str, str, Mapping[str, int]]]]:
    asked: list[tuple[str, str, Mapping[str, int]]] = []

    def gates(judged: Sequence[Judged], kernels: tuple[str, ...]) -> list[GateReport]:
        asked.extend((each.folder.name, each.variant, each.parameters) for each in judged)
        finding = GateFinding("runnable-task-stall", "a task did not run for 2.1 s", "@mallory")
        results = tuple(
            GateResult(
                Gate.VERIFY if said == "skipped" else Gate.STRESS,
                said,
                f"6.1{place}.2-amd64",
                findings=(finding,) if said == "failed" else (),
                log="needs kernel >=7.0, runs 6.16.2" if said == "skipped" else "",
            )
            for place, said in enumerate(verdicts, 6)
        )
        return [
            GateReport(each.folder.name, each.variant, "1c" * 32, results, each.parameters) for each in judged
        ]

    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "proposal")
    return review_check(fleet, Trust(), gates=gates, show_plan=plan_text), asked


@pytest.mark.parametrize(
    ("verdicts", "result", "finding"),
    [
        (("passed", "passed"), Result.GOOD, f"{PASSED} 2 gates on Linux 6.16, 6.17"),
        (("passed", "failed"), Result.BAD, "stress failed on Linux 6.17"),
        (("error", "passed"), Result.BAD, "stress could not run on Linux 6.16"),
        (("skipped", "passed"), Result.GOOD, f"{PASSED} 1 gate on Linux 6.17; it is not for Linux 6.16"),
        (("skipped", "skipped"), Result.BAD, "no kernel has loaded it: needs kernel >=7.0, runs 6.16.2"),
        ((), Result.BAD, "it did not come to stress"),
    ],
)
def test_gates_are_run_on_what_changed_and_one_that_cannot_run_is_no_pass(
    fleet: Path, verdicts: tuple[str, ...], result: Result, finding: str
) -> None:
    bind_interactive(fleet)
    verdict, asked = gated(fleet, *map(GateVerdict, verdicts))
    check = next(check for check in verdict.checks if check.name == "gates interactive")
    assert (check.result, check.finding) == (result, finding)
    assert asked == [("interactive", "default", {})]
    assert "@mallory" not in verdict_markdown(verdict).replace("(at)mallory", "")
    assert "but the compiler, and its policies in virtual machines." in verdict_markdown(verdict)


def tune_fair(fleet: Path) -> None:
    edit(fleet, "manifests/lab.yaml", "    name: fair\n", "    name: fair\n    parameters: {slice_us: 700}\n")


def test_parameters_that_goals_get_are_what_is_judged(fleet: Path) -> None:
    tune_fair(fleet)
    verdict, asked = gated(fleet, GateVerdict.PASSED)
    assert asked == [("fair", "default", {"slice_us": 700})]
    check = next(check for check in verdict.checks if check.name == "gates fair, slice_us 700")
    assert (check.result, check.finding) == (Result.GOOD, f"{PASSED} 1 gate on Linux 6.16")
    assert "and its policies in virtual machines." in verdict_markdown(verdict)


def test_a_changed_policy_is_judged_as_it_is_bound(fleet: Path) -> None:
    tune_fair(fleet)
    write(fleet, "policies/fair/NOTES.md")
    _, asked = gated(fleet, GateVerdict.PASSED)
    assert asked == [("fair", "default", {"slice_us": 700})]


def test_a_policy_that_no_goal_is_bound_to_is_judged_by_its_defaults(fleet: Path) -> None:
    shutil.copytree(PROJECT / "policies" / "interactive", fleet / "policies" / "interactive")
    _, asked = gated(fleet, GateVerdict.PASSED)
    assert asked == [("interactive", "default", {})]


def test_where_nothing_else_would_run_no_gate_does(fleet: Path) -> None:
    edit(fleet, "manifests/lab.yaml", "    name: fair\n", "    name: kernel-default\n")
    verdict, asked = gated(fleet, GateVerdict.PASSED)
    assert asked == []
    gates = next(check for check in verdict.checks if check.name == "gates")
    assert (gates.result, gates.finding) == (
        Result.NOT_DONE,
        "no policy that is built here is changed, or bound otherwise",
    )


def test_who_leaves_out_the_gates_by_its_requirements_is_told_what_to_do(fleet: Path) -> None:
    bind_interactive(fleet)
    verdict, _ = gated(fleet, GateVerdict.SKIPPED)
    assert not verdict.good
    check = next(check for check in verdict.checks if check.name == "gates interactive")
    (what_to_do,) = check.details
    assert what_to_do.startswith("`kernels` in the trusted branch's fleetsched.yaml")


def test_what_other_checks_refuse_is_not_run_on_machines(fleet: Path) -> None:
    bind_interactive(fleet)
    write(fleet, "Makefile")
    verdict, asked = gated(fleet, GateVerdict.PASSED)
    assert asked == []
    gates = next(check for check in verdict.checks if check.name == "gates")
    assert (gates.result, gates.finding) == (Result.NOT_DONE, "what is bad above comes first")


def test_the_command_says_no_by_its_exit_code(
    fleet: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(fleet)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    bind_interactive(fleet)
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "proposal")
    assert main(["review", "check"]) == ExitCode.OK
    write(fleet, "Makefile")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "more")
    assert main(["review", "check", "--json"]) == ExitCode.CHANGES
    assert main(["review", "check", "--base", "--output=x"]) == ExitCode.ERROR
    assert "--base --output=x: no such commit" in capsys.readouterr().err
