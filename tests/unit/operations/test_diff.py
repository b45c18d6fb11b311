# SPDX-License-Identifier: Apache-2.0
"""How policies differ from what hosts have recorded, as a reviewer reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.revision import Revision
from fleetsched.model.assignment import Assignment
from fleetsched.model.plan import Claim, Desired, Observed, Plan, plan_hosts
from fleetsched.operations.diff import policy_diffs
from fleetsched.operations.init import init
from fleetsched.views.plan import diff_text
from tests.unit.builders import assignment, confirmed, facts, record
from tests.unit.git_repository import git

HEADER = "bpf/include/fleetsched/policy.bpf.h"
LOCK = Path("policies/fair/policy.lock.yaml")
WANTED = assignment("fair", "b", slice_us=7000)
WANTED_BEFORE = assignment("fair", slice_us=7000)


@pytest.fixture
def root(tmp_path: Path, own_git: None) -> Path:
    """A fleet repository with one commit."""
    folder = tmp_path / "fleet"
    init(folder)
    commit(folder)
    return folder


def commit(root: Path) -> str:
    git(root, "add", "-A")
    git(root, "commit", "--allow-empty", "-m", "more")
    return git(root, "rev-parse", "HEAD")


def edit(root: Path, file: Path | str, old: str, new: str) -> None:
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))


def shown(
    root: Path,
    recorded: Assignment | None = None,
    revision: str | None = None,
    wanted: Assignment = WANTED,
) -> str:
    """What `plan --diff` prints when one host has `recorded`."""
    what = recorded or assignment("fair", slice_us=5000)
    since = replace(record(what), revision=revision or git(root, "rev-parse", "HEAD"))
    seen = Observed(replace(confirmed(what), last_known_good=since), facts())
    desired = Desired(Claim.GOAL, "web", "lab", wanted)
    plan = Plan(Revision("d" * 40).label, plan_hosts({"lab-1": desired}, {"lab-1": seen}))
    text = diff_text(policy_diffs(root, load_fleet(root), plan))
    return text.replace(since.revision[:12], "(since)")


def test_changed_parameters_and_source_are_shown_as_a_diff(root: Path) -> None:
    edit(root, "policies/fair/fair.bpf.c", " * fair: weighted", " * fair: changed")

    lines = shown(root).splitlines()

    assert lines[:5] == [
        "Goal web, policy fair, since (since):",
        "-slice_us 5000",
        "+slice_us 7000",
        "--- (since)/policies/fair/fair.bpf.c",
        "+++ policies/fair/fair.bpf.c",
    ]
    assert [line for line in lines[6:] if line[0] in "+-"] == [
        "- * fair: weighted virtual time over one queue",
        "+ * fair: changed virtual time over one queue",
    ]


def test_changed_header_that_the_repository_does_not_carry_is_named(root: Path) -> None:
    edit(root, LOCK, load_fleet(root).locks["fair"].hashes[HEADER], "f" * 64)

    assert shown(root, WANTED_BEFORE).splitlines()[1:] == [
        f"header {HEADER} changed; this repository does not carry its text"
    ]


def test_changed_header_of_the_repository_is_shown(root: Path) -> None:
    (root / HEADER).parent.mkdir(parents=True)
    (root / HEADER).write_text("old\n")
    commit(root)
    (root / HEADER).write_text("new\n")
    edit(root, LOCK, load_fleet(root).locks["fair"].hashes[HEADER], "f" * 64)

    assert shown(root, WANTED_BEFORE).splitlines()[1:] == [
        f"header {HEADER} changed",
        f"--- (since)/{HEADER}",
        f"+++ {HEADER}",
        "@@ -1 +1 @@",
        "-old",
        "+new",
    ]


def test_other_declarations_of_parameters_are_shown(root: Path) -> None:
    edit(
        root, "policies/fair/policy.yaml", "max: 20000\n      doc: longest", "max: 30000\n      doc: longest"
    )

    changed = [line for line in shown(root, WANTED_BEFORE).splitlines()[4:] if line[0] in "+-"]
    assert changed == ["-      max: 20000", "+      max: 30000"]


def test_source_that_is_gone_is_shown_as_removed(root: Path) -> None:
    (root / "policies/fair/fair.bpf.c").rename(root / "policies/fair/fair.bpf.c.j2")
    edit(root, LOCK, "    fair.bpf.c:", "    fair.bpf.c.j2:")

    lines = shown(root, WANTED_BEFORE).splitlines()

    assert [line for line in lines if line.startswith(("---", "+++"))] == [
        "--- (since)/policies/fair/fair.bpf.c",
        "+++ policies/fair/fair.bpf.c",
        "--- (since)/policies/fair/fair.bpf.c.j2",
        "+++ policies/fair/fair.bpf.c.j2",
    ]


@pytest.mark.parametrize("revision", ["d" * 40, "none", "--output=x", "HEAD", "../../x"])
def test_revision_that_git_does_not_know_is_told_in_one_line(root: Path, revision: str) -> None:
    text = shown(root, WANTED_BEFORE, revision)

    assert text.splitlines()[1:] == ["revision (since) is not in this repository: no source to compare with"]


def test_another_policy_is_named_with_its_parameters(root: Path) -> None:
    assert shown(root, assignment("batch", burst=3)).splitlines()[1:] == [
        "another policy: batch before",
        "-burst 3",
        "+slice_us 7000",
    ]


def test_diff_is_bounded(root: Path) -> None:
    file = root / "policies/fair/fair.bpf.c"
    file.write_text(file.read_text() + "/* more */\n" * 2000)

    lines = shown(root).splitlines()

    assert len(lines) == 502
    assert lines[-1].startswith("... and 1,5")


def test_link_out_of_the_repository_is_not_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    fleet = load_fleet(root)
    file = root / "policies/fair/fair.bpf.c"
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    desired = Desired(Claim.GOAL, "web", "lab", WANTED)
    seen = Observed(confirmed(assignment("fair")), facts())
    plan = Plan("x", plan_hosts({"lab-1": desired}, {"lab-1": seen}))

    assert "secret" not in diff_text(policy_diffs(root, fleet, plan))


def test_hosts_that_have_what_is_wanted_have_no_difference(root: Path) -> None:
    assert shown(root, WANTED) == "No policy changed since what the hosts have recorded."
