# SPDX-License-Identifier: Apache-2.0
"""Policies of kind program: what their files become, and their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import ProblemsError
from fleetsched.fleetrepo.load import load_policy
from fleetsched.fleetrepo.policies import read_lock
from fleetsched.fleetrepo.programs import lock_mismatch, renewal
from fleetsched.model.lock import LockedProgram, PolicyLock
from fleetsched.model.policy import Policy
from fleetsched.model.program import Program

RUSTY = """\
apiVersion: fleetsched/v1
kind: Policy
metadata: {name: rusty}
spec:
  kind: program
  summary: load balancing between cache domains
  program:
    path: /usr/bin/scx_rusty
    arguments: [--slice-us-underutil, "{{ parameters.slice_us }}", "--perf={{parameters.perf}}"]
  parameters:
    slice_us: {type: u64, default: 20000, min: 250, max: 100000}
    perf: {type: bool, default: false}
"""
DIGEST = "a" * 64


def written(folder: Path, text: str = RUSTY) -> Path:
    (folder / "rusty").mkdir()
    (folder / "rusty" / "policy.yaml").write_text(text)
    return folder / "rusty"


def test_parameters_are_put_into_the_arguments(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path))
    assert policy.program == Program(
        "/usr/bin/scx_rusty",
        ("--slice-us-underutil", "{{ parameters.slice_us }}", "--perf={{parameters.perf}}"),
    )
    assert policy.started({"perf": 1}) == Program(
        "/usr/bin/scx_rusty", ("--slice-us-underutil", "20000", "--perf=true")
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "{{ parameters.slice_us }}",
            "{{ parameters.slice }}",
            [
                '9:39: there is no parameter "slice"; did you mean "slice_us"?',
                '11:15: "slice_us" is in none of the program\'s arguments: it would do nothing',
            ],
        ),
        (
            "--perf={{parameters.perf}}",
            "{{ parameters.perf }}{{ host.name }}",
            ["9:68: only `{{ parameters.NAME }}` may stand between double braces"],
        ),
        (
            "  parameters:\n",
            "  variants: {default: {}, wide: {}}\n  parameters:\n",
            [
                "10:33: a program has no variants, nothing of it is built here: "
                "use parameters in its arguments"
            ],
        ),
        (
            "/usr/bin/scx_rusty",
            "usr/bin/scx_rusty",
            ['8:11: expected an absolute path without `.`, `..` and blanks, got "usr/bin/scx_rusty"'],
        ),
        (
            "/usr/bin/scx_rusty",
            "/usr/bin/../bin/scx_rusty",
            ['8:11: expected an absolute path without `.`, `..` and blanks, got "/usr/bin/../bin/scx_rusty"'],
        ),
        (
            "  kind: program\n",
            "",
            ["6:3: `program` is only for `kind: program`: write that, or remove it"],
        ),
    ],
)
def test_mistakes_of_a_program(tmp_path: Path, before: str, after: str, expected: list[str]) -> None:
    assert before in RUSTY
    folder = written(tmp_path, RUSTY.replace(before, after))
    with pytest.raises(ProblemsError) as caught:
        load_policy(folder)
    assert [
        f"{problem.line}:{problem.column}: {problem.message}" for problem in caught.value.problems
    ] == expected


def test_a_lock_says_which_program_it_is(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "policy.lock.yaml").write_text(
        "apiVersion: fleetsched/v1\nkind: PolicyLock\nmetadata: {name: rusty}\nspec:\n"
        f'  program: {{path: /usr/bin/scx_rusty, version: "1.0.14"}}\n  variants: {{default: {DIGEST}}}\n'
    )
    assert read_lock(folder, "lock") == (
        PolicyLock("rusty", {"default": DIGEST}, program=LockedProgram("/usr/bin/scx_rusty", "1.0.14")),
        [],
    )


OBJECT = Policy("fair", Path("fair"), "fair")
PROGRAM = Policy("rusty", Path("rusty"), "rusty", program=Program("/usr/bin/scx_rusty"))


@pytest.mark.parametrize(
    ("policy", "program", "expected"),
    [
        (PROGRAM, LockedProgram("/usr/bin/scx_rusty", "1"), ""),
        (OBJECT, None, ""),
        (PROGRAM, None, "the lock is of an object, the policy is not"),
        (OBJECT, LockedProgram("/usr/bin/scx_rusty", "1"), "the lock is of a program, the policy is not"),
        (
            PROGRAM,
            LockedProgram("/opt/scx_rusty", "1"),
            "the lock is of /opt/scx_rusty, the policy says /usr/bin/scx_rusty",
        ),
    ],
)
def test_a_lock_must_be_of_the_policys_program(
    policy: Policy, program: LockedProgram | None, expected: str
) -> None:
    assert lock_mismatch(policy, PolicyLock(policy.name, {"default": DIGEST}, program=program)) == expected


def test_who_has_to_lock_a_program_is_told_how() -> None:
    assert [renewal(OBJECT), renewal(PROGRAM)] == [
        "fleetsched lock fair",
        "fleetsched lock rusty --program FILE --program-version VERSION",
    ]
