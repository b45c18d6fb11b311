# SPDX-License-Identifier: Apache-2.0
"""Evidence on disk: what is written is read again, and what contradicts itself is refused with its place."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import ProblemsError
from fleetsched.fleetrepo.evidence import evidence_from, evidence_text, recorded, write_evidence
from fleetsched.model.evidence import Arm
from tests.unit.experiments import DIGEST, EMULATED, evidence, metric

FULL = evidence(distributions=True)


def test_what_is_written_is_read_again_and_written_the_same() -> None:
    text = evidence_text(FULL)
    found, problems = evidence_from(text.encode(), "e.json")
    assert (found, problems) == (FULL, [])
    assert found is not None
    assert evidence_text(found) == text


def test_the_file_is_for_people_too() -> None:
    lines = evidence_text(FULL).splitlines()
    assert '  "labels": ["emulated", "icount"],' in lines
    assert '  "unmeasured": ["energy", "caches", "numa"],' in lines
    samples = ", ".join(map(str, FULL.measured[0].samples["candidate"]))
    assert f'        "candidate": [{samples}]' in lines


def test_what_cannot_be_said_as_a_number_is_said_in_a_word() -> None:
    few = evidence(
        [
            replace(
                metric("errors", 1, 1, unit="1", count=3),
                samples={"kernel-default": (0.0, 0.0, 0.0), "candidate": (1.0, 1.0, 2.0)},
            )
        ]
    )
    text = evidence_text(few)
    assert '"change": "inf"' in text
    assert '"interval": ["-inf", "inf"]' in text
    assert evidence_from(text.encode(), "e.json") == (few, [])
    assert few.comparisons[0].change == math.inf


def test_evidence_lies_beside_its_policy_under_the_name_of_its_object(tmp_path: Path) -> None:
    folder = tmp_path / "policies" / "fair"
    folder.mkdir(parents=True)
    file = write_evidence(folder, FULL)
    assert file == folder / "evidence" / "f1f1f1f1f1f1-message-wakeups-7.2.json"
    found = recorded(folder, "policies/fair", [DIGEST])
    assert (found.present, found.stale, found.problems) == ({file.name: FULL}, (), ())
    again = write_evidence(folder, replace(FULL, seconds=1.0))
    assert [path.name for path in file.parent.iterdir()] == [again.name]


def test_evidence_of_an_object_that_is_gone_is_stale_and_not_present(tmp_path: Path) -> None:
    folder = tmp_path / "fair"
    folder.mkdir()
    file = write_evidence(folder, FULL)
    found = recorded(folder, "policies/fair", ["a" * 64])
    assert (found.present, found.stale, found.problems) == ({}, (file.name,), ())


def test_nothing_wrong_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "quick"
    folder.mkdir()
    with pytest.raises(ProblemsError) as caught:
        write_evidence(folder, FULL)
    assert [problem.message for problem in caught.value.problems] == [
        'is about policy "fair", in the folder of "quick"'
    ]
    assert list(folder.iterdir()) == []


def test_a_file_under_another_name_is_a_mistake(tmp_path: Path) -> None:
    folder = tmp_path / "fair"
    folder.mkdir()
    write_evidence(folder, FULL).rename(folder / "evidence" / "best.json")
    assert [str(problem) for problem in recorded(folder, "policies/fair", [DIGEST]).problems] == [
        "policies/fair/evidence/best.json: expected the name f1f1f1f1f1f1-message-wakeups-7.2.json, "
        "after what is in it"
    ]


def changed(change: Any) -> list[str]:
    document = json.loads(evidence_text(evidence()))
    change(document)
    found, problems = evidence_from(json.dumps(document, indent=1).encode(), "e.json")
    assert found is None
    return [problem.message for problem in problems]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.pop("seed"), "field `seed` is missing"),
        (lambda d: d.update(sede=1), 'unknown field "sede"; did you mean "seed"?'),
        (lambda d: d.update(ended="bored"), 'expected precise or budget or repeats, got "bored"'),
        (lambda d: d.update(labels=[]), "expected emulated, icount, as the environment has it"),
        (lambda d: d["environment"].update(accelerator="none"), "expected icount, as the environment has it"),
        (lambda d: d.update(policy="quick"), 'expected the candidate\'s, "fair"'),
        (lambda d: d["arms"].pop(), "there is no candidate: evidence is about one"),
        (lambda d: d["arms"].append(d["arms"][0]), "an arm is there twice"),
        (lambda d: d["measured"][0]["samples"]["candidate"].pop(), "equally long"),
        (
            lambda d: d["measured"][0]["samples"].update(incumbent=[1.0] * 10),
            'there is no arm "incumbent"',
        ),
        (lambda d: d["comparisons"][0].update(against="incumbent"), "no samples of"),
        (lambda d: d["comparisons"][0].update(medians=[1, 2]), "the medians of the samples"),
        (lambda d: d["comparisons"][0].update(effect=2), "expected 1 or less, got 2"),
        (lambda d: d["comparisons"][0].update(change="huge"), "expected a number, or `inf` or `-inf`"),
    ],
)
def test_a_contradiction_is_named(change: Any, expected: str) -> None:
    assert any(expected in message for message in changed(change)), changed(change)


def test_both_arms_may_be_the_kernels_own_scheduler() -> None:
    made = replace(evidence(), policy="kernel-default", arms=(Arm("kernel-default"), Arm("candidate")))
    assert evidence_from(evidence_text(made).encode(), "e.json") == (made, [])


def test_a_mistake_has_its_line() -> None:
    text = evidence_text(evidence()).replace('"tcg"', '"tgc"')
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "tgc" in each)
    _, problems = evidence_from(text.encode(), "policies/fair/evidence/e.json")
    assert [str(problem) for problem in problems] == [
        f"policies/fair/evidence/e.json:{line}:20: "
        'expected tcg or kvm or none, got "tgc"; did you mean "tcg"?'
    ]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"seed": 1e999}', b"null"])
def test_what_is_no_evidence_is_a_mistake_and_no_traceback(data: bytes) -> None:
    found, problems = evidence_from(data, "e.json")
    assert found is None
    assert problems


@pytest.mark.parametrize(
    ("accelerator", "clock", "labels"),
    [("tcg", "icount", ("emulated", "icount")), ("tcg", "real", ("emulated",)), ("none", "real", ())],
)
def test_labels_follow_from_the_environment(accelerator: Any, clock: Any, labels: tuple[str, ...]) -> None:
    assert replace(EMULATED, accelerator=accelerator, clock=clock).labels == labels
