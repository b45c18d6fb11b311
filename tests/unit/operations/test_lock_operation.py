# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from fleetsched.errors import BuildError, InputError, ProblemsError
from fleetsched.operations.lock import lock

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("init-fails", "stall"):
        shutil.copytree(PROJECT / "tests" / "policies" / name, tmp_path / "policies" / name)
        (tmp_path / "policies" / name / "policy.lock.yaml").unlink()
    return tmp_path


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_all_policies_are_locked_in_the_order_of_their_names(repository: Path) -> None:
    first = [str(result) for result in lock(repository, [], check=False)]
    assert [re.sub(r"[0-9a-f]{12}", "DIGEST", line) for line in first] == [
        "init-fails: default DIGEST (written)",
        "stall: default DIGEST (written)",
    ]
    second = lock(repository, [], check=False)
    assert [str(result) for result in second] == [line.replace("written", "unchanged") for line in first]
    assert lock(repository, [], check=True) == second


def test_only_the_named_policies_are_locked(repository: Path) -> None:
    assert [result.lock.policy for result in lock(repository, ["stall"], check=False)] == ["stall"]
    assert not (repository / "policies" / "init-fails" / "policy.lock.yaml").exists()


def test_unknown_policy_gets_a_suggestion(repository: Path) -> None:
    with pytest.raises(InputError) as caught:
        lock(repository, ["stal"], check=False)
    assert str(caught.value) == (
        f"no policy 'stal' under {repository}/policies; did you mean \"stall\"?\n"
        "  a policy is a folder with a policy.yaml: policies/stal/policy.yaml"
    )


def test_check_writes_nothing_and_asks_for_a_lock(repository: Path) -> None:
    with pytest.raises(InputError) as caught:
        lock(repository, ["stall"], check=True)
    assert str(caught.value) == "policy stall is not locked\n  run `fleetsched lock stall`"
    assert not (repository / "policies" / "stall" / "policy.lock.yaml").exists()


def test_every_policy_that_fails_is_named_at_once(repository: Path) -> None:
    lock(repository, [], check=False)
    edit(repository / "policies" / "stall" / "stall.bpf.c", "NOWHERE = 0", "NOWHERE = 1")
    edit(repository / "policies" / "init-fails" / "init-fails.bpf.c", "-EINVAL;", "EVERYTHING;")
    with pytest.raises(BuildError) as caught:
        lock(repository, [], check=True)
    first, second = caught.value.message.split("\n")
    assert first == (
        "policies/init-fails/init-fails.bpf.c:13:9: error: use of undeclared identifier 'EVERYTHING'"
    )
    assert second.startswith(
        "policy 'stall': its lock does not match: source or header stall.bpf.c changed ("
    )
    assert caught.value.remedy == "look at the change, then renew the lock: fleetsched lock stall"


def test_manifest_and_source_must_agree(repository: Path) -> None:
    edit(repository / "policies" / "stall" / "policy.yaml", "timeout: 5s", "timeout: 6s")
    with pytest.raises(BuildError) as caught:
        lock(repository, ["stall"], check=False)
    assert caught.value.message == (
        "policy 'stall': its timeout_ms is 5000, policy.yaml says 6000 (`timeout`)"
    )
    assert not (repository / "policies" / "stall" / "policy.lock.yaml").exists()


def test_mistakes_of_manifests_come_first_and_all_at_once(repository: Path) -> None:
    for name in ("init-fails", "stall"):
        edit(repository / "policies" / name / "policy.yaml", "summary:", "sumary:")
    with pytest.raises(ProblemsError) as caught:
        lock(repository, [], check=False)
    assert {Path(problem.file).parent.name for problem in caught.value.problems} == {"init-fails", "stall"}
