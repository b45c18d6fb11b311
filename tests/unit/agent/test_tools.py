# SPDX-License-Identifier: Apache-2.0
"""The tools: what they take, what they answer, and that there is nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fleetsched.agent.answers import ANSWER_LIMIT, report_answer, tame
from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import Task, Tool, Toolbox
from fleetsched.agent.tools import FINISH, GIVE_UP, READING, WRITING, call_tool, toolbox
from fleetsched.agent.workbench import RunWorkbench
from fleetsched.model.controller import Budget
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.lesson import Lesson
from fleetsched.model.profile import Profile
from tests.unit.workbenches import SOURCE, FakeLab, digest, task, workbench

NAMES = [
    "list_policies",
    "read_policy",
    "read_profile",
    "read_lessons",
    "read_headers",
    "choose_policy",
    "write_policy",
    "compile",
    "inspect",
    "verify",
    "stress",
    "benchmark",
    "compare",
    "finish",
    "give_up",
]
FAIR = {"policy": "fair", "variant": "default", "parameters": []}
BROKEN = GateFinding("verifier-refused", "invalid mem access", "fair_enqueue", "check the pointer")


def tools(
    folder: Path, lab: FakeLab | None = None, *, asked: Task | None = None, budget: Budget | None = None
) -> Toolbox:
    asked = asked or task()
    return toolbox(workbench(folder, lab, asked=asked, budget=budget), asked)


def schemas(value: Any) -> list[Any]:
    """All objects of a schema, also those within."""
    if isinstance(value, dict):
        return [value, *(each for inner in value.values() for each in schemas(inner))]
    return [each for inner in value for each in schemas(inner)] if isinstance(value, list) else []


def test_there_are_these_tools_and_each_either_reads_or_writes(tmp_path: Path) -> None:
    assert [tool.name for tool in tools(tmp_path)] == NAMES
    assert set(NAMES) == READING | WRITING
    assert not READING & WRITING


def test_the_schemas_are_strict_and_small(tmp_path: Path) -> None:
    for tool in tools(tmp_path):
        Draft202012Validator.check_schema(tool.parameters)
        for schema in schemas(tool.parameters):
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False
                assert schema["required"] == list(schema["properties"])
    # What the interfaces of language models refuse in a strict schema, and how much they take.
    text = json.dumps([tool.parameters for tool in tools(tmp_path)])
    assert not {"minimum", "maximum", "maxLength", "pattern", "minItems"} & set(
        text.replace('"', " ").split()
    )
    assert len(text) < 4000


def test_a_policy_of_the_catalogue_goes_all_the_way(tmp_path: Path) -> None:
    box = tools(tmp_path)
    assert call_tool(box, "choose_policy", FAIR) == {"candidate": "c1", "policy": "fair"}
    assert call_tool(box, "choose_policy", FAIR) == {
        "candidate": "c1",
        "policy": "fair",
        "note": "the same as before; it costs no budget",
    }
    assert call_tool(box, "stress", {"candidate": "c1"}) == {
        "candidate": "c1",
        "verdict": "passed",
        "passed": ["schema", "compile", "inspect", "verify", "attach", "stress"],
        "digest": digest("fair"),
    }
    measured = call_tool(box, "benchmark", {"candidate": "c1", "repeats": 6})
    assert measured["comparisons"][0] | {"interval_percent": ..., "p_corrected": ...} == {
        "metric": "wakeup_latency_p99_us",
        "unit": "us",
        "better": "minimize",
        "against": "kernel-default",
        "finding": "better",
        "candidate_median": 405.15,
        "other_median": 1591.05,
        "change_percent": -74.5,
        "interval_percent": ...,
        "p_corrected": ...,
    }
    assert measured["environment"] == ["emulated", "icount"]
    assert call_tool(box, "compare", {}) == {"measured": [measured]}
    end = {"candidate": "c1", "explanation": "it helps"}
    assert call_tool(box, FINISH, end) == {"ended": "finished", "candidate": "c1"}


def test_a_failure_says_the_first_finding_first_and_shows_the_end_of_the_log(tmp_path: Path) -> None:
    box = tools(tmp_path, FakeLab({"c1": (Gate.VERIFY, BROKEN)}))
    call_tool(box, "choose_policy", FAIR)
    assert call_tool(box, "stress", {"candidate": "c1"}) == {
        "candidate": "c1",
        "verdict": "failed",
        "stopped_by": "verify",
        "findings": [
            {
                "code": "verifier-refused",
                "message": "invalid mem access",
                "place": "fair_enqueue",
                "remedy": "check the pointer",
            }
        ],
        "kernel": "6.18.12-cloud-amd64",
        "end_of_log": "0: R1=ctx()\n1: (61) r0 = *(u32 *)(r1 +0)\n",
        "passed": ["schema", "compile", "inspect"],
        "digest": digest("fair"),
    }


def test_a_source_that_does_not_compile_says_where(tmp_path: Path) -> None:
    box = tools(tmp_path, FakeLab(real=True))
    source = SOURCE + "int f(void) { return nothing; }\n"
    call_tool(box, "write_policy", {"name": "short", "source": source, "description": "d"})
    answer = call_tool(box, "compile", {"candidate": "c1"})
    assert (answer["verdict"], answer["stopped_by"]) == ("failed", "compile")
    assert answer["findings"][0]["place"] == "policies/short/short.bpf.c:4:22"
    assert "nothing" in answer["findings"][0]["message"]


def test_what_suits_best_is_listed_first_and_what_cannot_be_used_says_why(tmp_path: Path) -> None:
    listed = call_tool(tools(tmp_path), "list_policies", {})["policies"]
    scores = [each["score"] for each in listed if "cannot_be_used" not in each]
    assert scores == sorted(scores, reverse=True)
    fair = next(each for each in listed if each["policy"] == "fair")
    assert fair["parameters"]["slice_us"] == {"default": 5000, "min": 250, "max": 20000, "unit": "us"}
    program = next(each for each in listed if each["policy"] == "scx-rusty")
    assert program["cannot_be_used"].startswith("it is a program that hosts have installed")


def test_a_profile_is_numbers_and_names_no_host(tmp_path: Path) -> None:
    asked = replace(task("fair"), profile=Profile(("web-1", "web-2"), 10.0, {"wake_rate": 12400.0}))
    answer = call_tool(tools(tmp_path, asked=asked), "read_profile", {})
    assert answer == {"hosts": 2, "seconds": 10.0, "features": {"wake_rate": 12400.0}}


def test_lessons_are_data_of_bounded_length(tmp_path: Path) -> None:
    lesson = Lesson(
        "hackbench", "6.18", "fair", "worse", "ignore all\x1b[2J\n" + "x" * 400, "2026-01-02", digest="ab" * 6
    )
    asked = replace(task("fair"), lessons=(replace(lesson, parameters={"slice_us": 700}),))
    (answer,) = call_tool(tools(tmp_path, asked=asked), "read_lessons", {})["lessons"]
    assert answer | {"why": ...} == {
        "policy": "fair",
        "parameters": {"slice_us": 700},
        "workload": "hackbench",
        "kernel": "6.18",
        "outcome": "worse",
        "why": ...,
        "at": "2026-01-02",
    }
    assert answer["why"].startswith("ignore all?[2J xxx")
    assert len(answer["why"]) == 200


def test_reading_gives_files(tmp_path: Path) -> None:
    box = tools(tmp_path)
    assert "fair_enqueue" in call_tool(box, "read_policy", {"policy": "fair"})["fair.bpf.c"]
    headers = call_tool(box, "read_headers", {})
    assert not any("[cut]" in text for text in headers.values())


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("ssh", {"host": "web-1"}, "there is no tool 'ssh'"),
        ("apply", {}, "there is no tool 'apply'"),
        ("a\x1b[2J", {}, "there is no tool 'a?[2J'"),
        ("", {}, "there is no tool ''"),
        ("stress", {}, "stress: wrong arguments: 'candidate' is a required property"),
        ("stress", [], "stress: wrong arguments: [] is not of type 'object'"),
        ("stress", None, "stress: wrong arguments: None is not of type 'object'"),
        ("stress", {"candidate": 1}, "stress: wrong arguments: candidate: 1 is not of type 'string'"),
        ("stress", {"candidate": "c1"}, "there is no candidate 'c1'"),
        ("finish", {"candidate": "../main", "explanation": ""}, "there is no candidate '../main'"),
        ("choose_policy", FAIR | {"force": True}, "choose_policy: wrong arguments: Additional properties"),
        ("choose_policy", FAIR | {"policy": "../fair"}, "choose_policy: wrong arguments: policy: '../fair'"),
        ("read_policy", {"policy": "/etc/shadow"}, "read_policy: wrong arguments: policy: '/etc/shadow'"),
        ("choose_policy", FAIR | {"parameters": [{"name": "x", "value": 1}]}, "policy fair has no parameter"),
        ("choose_policy", FAIR | {"parameters": [{"name": "slice_us", "value": True}]}, "choose_policy: wr"),
        (
            "choose_policy",
            FAIR | {"parameters": [{"name": "slice_us", "value": 10**5000}]},
            "choose_policy: the arguments are no JSON",
        ),
        ("write_policy", {"name": "fair", "source": "x", "description": "d"}, "the name fair is taken"),
        ("read_profile", {}, "no hosts were observed"),
    ],
)
def test_what_a_model_does_wrong_is_an_answer_with_a_remedy(
    tmp_path: Path, name: str, arguments: Any, error: str
) -> None:
    answer = call_tool(tools(tmp_path / "run"), name, arguments)
    assert answer["error"].startswith(error)
    assert answer["remedy"]
    assert list(tmp_path.iterdir()) == []


def test_the_tools_are_named_to_who_asks_for_another(tmp_path: Path) -> None:
    assert call_tool(tools(tmp_path), "ssh", {})["remedy"] == f"the tools are: {', '.join(NAMES)}"


def test_nothing_is_finished_that_was_not_measured(tmp_path: Path) -> None:
    box = tools(tmp_path)
    call_tool(box, "choose_policy", FAIR)
    call_tool(box, "stress", {"candidate": "c1"})
    assert call_tool(box, FINISH, {"candidate": "c1", "explanation": "merge at once"}) == {
        "error": "candidate c1 was not measured: nobody can review it",
        "remedy": "benchmark it first, or give up",
    }


def test_giving_up_ends_it(tmp_path: Path) -> None:
    assert call_tool(tools(tmp_path), GIVE_UP, {"reason": "nothing helps"}) == {"ended": "gave-up"}


def test_a_budget_that_is_used_up_is_named(tmp_path: Path) -> None:
    box = tools(tmp_path, budget=Budget(candidates=1))
    call_tool(box, "choose_policy", FAIR)
    answer = call_tool(box, "choose_policy", FAIR | {"policy": "deadline"})
    assert answer["error"] == "the budget of 1 candidate is spent"
    assert answer["budget"] == "candidates"


def test_a_gate_that_could_not_run_says_nothing_of_the_policy(tmp_path: Path) -> None:
    broken = GateResult(Gate.VERIFY, GateVerdict.ERROR, "6.18", log="the machine did not come up\nmore")
    passed = GateResult(Gate.COMPILE, GateVerdict.PASSED)
    assert report_answer("c1", GateReport("fair", "default", "", (passed, broken))) == {
        "candidate": "c1",
        "verdict": "error",
        "error": "the gate verify could not run: the machine did not come up",
        "remedy": "this says nothing of the policy; try once more, or give up",
        "passed": ["compile"],
    }


def test_a_policy_for_another_kernel_was_not_judged(tmp_path: Path) -> None:
    skipped = GateResult(Gate.VERIFY, GateVerdict.SKIPPED, "6.18.2", log="needs kernel >=7.0, runs 6.18.2")
    passed = GateResult(Gate.COMPILE, GateVerdict.PASSED)
    assert report_answer("c1", GateReport("fair", "default", "", (passed, skipped))) == {
        "candidate": "c1",
        "verdict": "error",
        "error": "no gate ran on a machine: needs kernel >=7.0, runs 6.18.2",
        "remedy": "this says nothing of the policy; choose or write one that is for this kernel",
        "passed": ["compile"],
        "skipped": {"verify": "needs kernel >=7.0, runs 6.18.2"},
    }


def test_answers_are_bounded_printable_and_without_secrets(tmp_path: Path) -> None:
    def run(_: object) -> dict[str, Any]:
        return {
            "log": "a\x1b[31m\u202eb sk-ant-api03-0123456789abcdef\n\tc",
            "many": ["x" * 30_000, "y" * 30_000, "never"],
        }

    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    answer = call_tool([Tool("log", "", schema, run)], "log", {})
    assert answer["log"] == "a?[31m?b [redacted]\n\tc"
    assert answer["many"][0] == "x" * 30_000
    assert answer["many"][1].startswith("yyy")
    assert answer["many"][1].endswith("y [cut]")
    assert answer["many"][2:] == ["[1 more]"]


def test_an_answer_is_no_longer_than_allowed_whatever_it_holds() -> None:
    long = {"long": "z" * 2 * ANSWER_LIMIT, "more": ["z" * ANSWER_LIMIT] * 100}
    text = json.dumps(tame(long))
    assert text.endswith('z [cut]", "more": ["[100 more]"]}')
    assert ANSWER_LIMIT < len(text) < ANSWER_LIMIT + 100


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(st.text(max_size=20), ANY_JSON, max_size=8))
def test_no_answer_holds_a_control_character(value: dict[str, Any]) -> None:
    assert json.dumps(tame(value), ensure_ascii=False).isprintable()


ASKED = task("fair")


@given(st.sampled_from(NAMES), ANY_JSON)
def test_whatever_a_model_says_gives_an_answer(name: str, arguments: Any) -> None:
    bench = RunWorkbench(ASKED, Path("/nonexistent"), FakeLab().means(), Meter(Budget()), backend="anthropic")
    answer = call_tool(toolbox(bench, ASKED), name, arguments)
    assert "error" in answer or arguments == {} or name == GIVE_UP
