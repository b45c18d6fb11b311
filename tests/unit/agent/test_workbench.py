# SPDX-License-Identifier: Apache-2.0
"""The workbench of a run: which candidates there are, what is kept of them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.agent.budget import Meter
from fleetsched.agent.generated import SOURCE_LIMIT
from fleetsched.agent.interface import BudgetSpentError, Candidate
from fleetsched.agent.workbench import SEARCH_SEED
from fleetsched.errors import InputError
from fleetsched.fleetrepo.evidence import read_evidence
from fleetsched.fleetrepo.load import load_policy
from fleetsched.gates.schema import schema
from fleetsched.model.controller import Budget
from fleetsched.model.evidence import Scalar
from fleetsched.model.gate import Gate, GateFinding, GateVerdict
from fleetsched.model.gate_records import report_from
from fleetsched.model.policy import Parameter, Provenance
from fleetsched.model.suitability import rank
from tests.unit.workbenches import GOAL, SOURCE, FakeLab, digest, task, workbench

BROKEN = GateFinding("verifier-refused", "invalid mem access", "fair_enqueue", "check the pointer")


def test_the_same_choice_is_the_same_candidate_and_costs_nothing(tmp_path: Path) -> None:
    meter = Meter(Budget(candidates=2))
    bench = workbench(tmp_path, meter=meter)
    first = bench.choose("fair", "default", {"slice_us": 2000})
    assert bench.choose("fair", "default", {"slice_us": 2000}) is first
    assert bench.choose("fair", "default", {"slice_us": 2000, "credit_us": 5000}) is first  # its default
    other = bench.choose("fair", "default", {"slice_us": 2001})
    assert (first.id, other.id) == ("c1", "c2")
    assert meter.spent().candidates == 2


def test_a_written_policy_can_be_given_another_name_or_description(tmp_path: Path) -> None:
    bench = workbench(tmp_path)
    written = [
        bench.write("shortfirst", SOURCE, "short ones first"),
        bench.write("short-first", SOURCE, "short ones first"),
        bench.write("short-first", SOURCE, "who ran least goes first"),
    ]
    assert [(each.id, each.policy) for each in written] == [
        ("c1", "shortfirst"),
        ("c2", "short-first"),
        ("c3", "short-first"),
    ]
    assert "who ran least goes first" in (written[2].folder / "policy.yaml").read_text()


def test_what_was_written_before_is_the_same_candidate_and_costs_nothing(tmp_path: Path) -> None:
    bench = workbench(tmp_path, budget=Budget(candidates=2))
    first = bench.write("short-first", SOURCE, "short ones first")
    assert bench.write("short-first", SOURCE, "short ones first") is first
    mended = bench.write("short-first", SOURCE + "\n", "short ones first")
    assert (first.id, mended.id) == ("c1", "c2")
    with pytest.raises(BudgetSpentError) as raised:
        bench.write("short-first", SOURCE + "\n\n", "short ones first")
    assert raised.value.what == "candidates"
    assert sorted(folder.name for folder in (tmp_path / "candidates").iterdir()) == ["c1", "c2"]


def test_a_choice_has_the_object_and_the_folder_of_its_policy(tmp_path: Path) -> None:
    asked = task()
    folder = asked.policies["fair"].folder
    assert workbench(tmp_path, asked=asked).choose("fair", "default", {"slice_us": 2000}) == Candidate(
        "c1", "fair", folder, "default", {"slice_us": 2000}, digest("fair/default")
    )


def test_a_parameter_has_the_type_that_the_manifest_declares(tmp_path: Path) -> None:
    asked = task("fair")
    fair = replace(asked.policies["fair"], parameters={"eager": Parameter("bool", 0, 0, 1)})
    bench = workbench(tmp_path, asked=replace(asked, policies={"fair": fair}))
    assert bench.choose("fair", "default", {"eager": 1}).parameters == {"eager": True}


@pytest.mark.parametrize(
    ("policy", "variant", "parameters", "message"),
    [
        ("fare", "default", {}, """no policy 'fare'; did you mean "fair"?"""),
        ("../fair", "default", {}, "no policy '../fair'"),
        ("fair", "large", {}, "policy fair has no variant 'large'"),
        ("fair", "default", {"slice": 1}, """policy fair has no parameter 'slice'"""),
        ("fair", "default", {"slice_us": 1}, "policy fair: slice_us is 250 to 20000 us, got 1"),
        ("scx-rusty", "default", {}, "policy scx-rusty is a program that hosts have installed"),
    ],
)
def test_what_cannot_be_chosen(
    tmp_path: Path, policy: str, variant: str, parameters: dict[str, Scalar], message: str
) -> None:
    meter = Meter(Budget())
    with pytest.raises(InputError) as raised:
        workbench(tmp_path, meter=meter).choose(policy, variant, parameters)
    assert raised.value.message.startswith(message)
    assert raised.value.remedy
    assert meter.spent().candidates == 0


def test_what_no_host_can_use_cannot_be_chosen(tmp_path: Path) -> None:
    asked = task("fair")
    suitability = rank(
        "web-latency", None, asked.policies.values(), [], unusable={"fair": "it is not locked"}
    )
    bench = workbench(tmp_path, asked=replace(asked, suitability=suitability))
    with pytest.raises(InputError, match="policy fair cannot be used: it is not locked"):
        bench.choose("fair", "default", {})


def test_a_written_policy_is_a_folder_that_the_schema_gate_takes(tmp_path: Path) -> None:
    made = workbench(tmp_path).write("short-first", SOURCE, "short ones first")
    assert made.folder == tmp_path / "candidates" / "c1" / "short-first"
    assert (made.generated, made.digest) == (True, "")
    policy, outcome = schema(made.folder)
    assert policy is not None
    assert outcome.passed
    assert policy.provenance == Provenance("generated", "anthropic", "a-model")
    assert (policy.parameters, policy.requires.unmet("6.18.1", "x86_64")) == ({}, "")
    assert policy.requires.unmet("6.16.1", "x86_64")
    assert policy.suitability == {"cpu_utilisation": 1, "mean_slice_us": -1, "wake_rate": 1}
    assert (made.folder / "short-first.bpf.c").read_bytes() == SOURCE.encode()


def test_what_a_model_says_is_data_in_manifest_and_readme_and_never_in_the_source(tmp_path: Path) -> None:
    said = (
        "first\n---\nspec: {timeout: 30s}\n# <script>x</script>\x1b[2J sk-ant-api03-0123456789abcdef "
        + "y" * 500
    )
    made = workbench(tmp_path).write("short-first", SOURCE, said)
    shown = load_policy(made.folder).summary
    assert shown.startswith("first --- spec: {timeout: 30s} # <script>x</script>?[2J [redacted] yyy")
    assert len(shown) == 200
    readme = (made.folder / "README.md").read_text()
    assert [line for line in readme.splitlines() if "script" in line] == ["    " + shown]
    assert (made.folder / "short-first.bpf.c").read_bytes() == SOURCE.encode()


@pytest.mark.parametrize(
    ("name", "source", "description", "message"),
    [
        ("../../etc/cron.d/x", SOURCE, "d", "'../../etc/cron.d/x' is no name of a policy"),
        ("/etc/passwd", SOURCE, "d", "'/etc/passwd' is no name of a policy"),
        ("a\nb", SOURCE, "d", "'a b' is no name of a policy"),
        ("a\n", SOURCE, "d", "'a' is no name of a policy"),
        ("", SOURCE, "d", "'' is no name of a policy"),
        ("Short", SOURCE, "d", "'Short' is no name of a policy"),
        ("a" * 64, SOURCE, "d", f"'{'a' * 64}' is no name of a policy"),
        ("fair", SOURCE, "d", "the name fair is taken"),
        ("kernel-default", SOURCE, "d", "the name kernel-default is taken"),
        ("short", "", "d", "the source has 0 bytes"),
        ("short", "x" * (SOURCE_LIMIT + 1), "d", f"the source has {SOURCE_LIMIT + 1} bytes"),
        ("short", "\ud800", "d", "the source is no UTF-8 text"),
        ("short", SOURCE, " \n", "the description is empty"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, name: str, source: str, description: str, message: str
) -> None:
    meter = Meter(Budget())
    with pytest.raises(InputError) as raised:
        workbench(tmp_path / "run", meter=meter).write(name, source, description)
    assert raised.value.message.startswith(message)
    assert raised.value.remedy
    assert (meter.spent().candidates, list(tmp_path.iterdir())) == (0, [])


def test_gates_give_a_candidate_its_object_and_are_kept(tmp_path: Path) -> None:
    lab = FakeLab()
    bench = workbench(tmp_path, lab)
    made = bench.write("short-first", SOURCE, "d")
    report = bench.check(made, Gate.COMPILE)
    assert lab.checked == [("c1", Gate.COMPILE)]
    assert bench.candidate("c1").digest == report.digest == digest("short-first")
    assert report_from(json.loads((tmp_path / "gates" / "c1-compile.json").read_text())) == report


@pytest.mark.parametrize("until", [None, Gate.COMPILE, Gate.ATTACH, Gate.STRESS])
def test_nothing_is_measured_that_has_not_passed_the_gates_up_to_stress(
    tmp_path: Path, until: Gate | None
) -> None:
    lab = FakeLab({"c1": (Gate.STRESS, BROKEN)})
    bench = workbench(tmp_path, lab)
    made = bench.choose("fair", "default", {})
    if until is not None:
        bench.check(made, until)
    with pytest.raises(InputError, match="candidate c1 has not passed the gates up to stress"):
        bench.benchmark(made, 6)
    assert lab.measured == []


def test_a_measurement_has_the_search_seed_and_the_time_that_is_left_and_is_kept(tmp_path: Path) -> None:
    lab = FakeLab()
    meter = Meter(Budget(wall_s=100.0), lambda: 7.0)
    bench = workbench(tmp_path, lab, meter=meter)
    made = bench.choose("fair", "default", {})
    assert bench.check(made, Gate.STRESS).verdict is GateVerdict.PASSED
    measured = bench.benchmark(made, 6)
    bench.benchmark(made, 8)
    assert bench.seed == SEARCH_SEED
    assert lab.measured == [("c1", 6, SEARCH_SEED, 100.0), ("c1", 8, SEARCH_SEED, 100.0)]
    files = sorted((tmp_path / "evidence").iterdir())
    assert [file.name for file in files] == ["c1-1.json", "c1-2.json"]
    assert read_evidence(files[0], "it") == (measured, [])


def test_without_a_workload_nothing_is_measured(tmp_path: Path) -> None:
    lab = FakeLab()
    bench = workbench(tmp_path, lab, asked=replace(task("fair"), workload=""))
    made = bench.choose("fair", "default", {})
    bench.check(made, Gate.STRESS)
    with pytest.raises(InputError, match="there is no workload to measure on"):
        bench.benchmark(made, 6)
    assert lab.measured == []


@pytest.mark.parametrize("repeats", [-1, 0, 21])
def test_measurements_are_bounded(tmp_path: Path, repeats: int) -> None:
    bench = workbench(tmp_path)
    made = bench.choose("fair", "default", {})
    bench.check(made, Gate.STRESS)
    with pytest.raises(InputError, match=f"repeats is 1 to 20, got {repeats}"):
        bench.benchmark(made, repeats)


def test_nothing_goes_on_when_the_time_is_over(tmp_path: Path) -> None:
    now_s = [0.0]
    lab = FakeLab()
    bench = workbench(tmp_path, lab, meter=Meter(Budget(wall_s=10.0), lambda: now_s[0]))
    made = bench.choose("fair", "default", {})
    now_s[0] = 10.0
    for attempt in (
        lambda: bench.check(made, Gate.COMPILE),
        lambda: bench.choose("deadline", "default", {}),
        lambda: bench.write("short-first", SOURCE, "d"),
    ):
        with pytest.raises(BudgetSpentError, match="10 s"):
            attempt()
    assert (lab.checked, list(tmp_path.iterdir())) == ([], [])


def test_a_candidate_of_another_run_is_none_here(tmp_path: Path) -> None:
    other = Candidate("c9", "fair", tmp_path)
    with pytest.raises(InputError, match="no candidate 'c9'"):
        workbench(tmp_path).check(other, Gate.COMPILE)


def test_reading_gives_a_policys_own_files(tmp_path: Path) -> None:
    bench = workbench(tmp_path)
    assert list(bench.read("fair")) == ["policy.yaml", "fair.bpf.c", "README.md"]
    assert "fair_enqueue" in bench.read("fair")["fair.bpf.c"]
    assert list(bench.read("scx-rusty")) == ["policy.yaml", "README.md"]


def test_reading_follows_no_links(tmp_path: Path) -> None:
    asked = task("fair")
    folder = tmp_path / "fair"
    folder.mkdir()
    (folder / "policy.yaml").write_text("kind: Policy\n")
    (folder / "README.md").symlink_to("/etc/passwd")
    linked = replace(asked, policies={"fair": replace(asked.policies["fair"], folder=folder)})
    assert workbench(tmp_path, asked=linked).read("fair") == {"policy.yaml": "kind: Policy\n"}


def test_the_headers_are_those_that_a_policy_may_include(tmp_path: Path) -> None:
    headers = workbench(tmp_path).headers()
    assert "bpf/include/fleetsched/policy.bpf.h" in headers
    assert all(name.endswith(".bpf.h") for name in headers)


def test_a_goal_that_says_nothing_still_gives_a_written_policy_something_that_it_suits(
    tmp_path: Path,
) -> None:
    asked = task("fair", goal=replace(GOAL, objective=None))
    silent = replace(asked, suitability=replace(asked.suitability, values={}))
    made = workbench(tmp_path, asked=silent).write("short-first", SOURCE, "d")
    assert load_policy(made.folder).suitability == {"cpu_utilisation": 1}
