# SPDX-License-Identifier: Apache-2.0
"""Policies of kind program through the operations: locked, planned, applied and rolled back."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import BuildError, ExitCode, InputError
from fleetsched.fleetrepo.load import load_policy
from fleetsched.helper.simulated import Behaviour
from fleetsched.model.lock import LockedProgram, PolicyLock
from fleetsched.model.verdict import Check, Result
from fleetsched.operations.lock import lock, lock_program
from fleetsched.operations.review_check import _policy
from tests.unit.operations.controller import NAMES, Controller, all_hosts

PROJECT = Path(__file__).resolve().parents[3]
BINARY = b"\x7fELF a scheduler"
DIGEST = hashlib.sha256(BINARY).hexdigest()
RUSTY = """\
apiVersion: fleetsched/v1
kind: Policy
metadata: {name: rusty}
spec:
  kind: program
  summary: load balancing between cache domains
  program: {path: /usr/bin/scx_rusty, arguments: [--slice-us, "{{ parameters.slice_us }}"]}
  parameters:
    slice_us: {type: u64, default: 20000, min: 250, max: 100000}
"""


def add_rusty(root: Path) -> Path:
    """Write the policy; a copy of its program lies beside the repository."""
    (root / "policies" / "rusty").mkdir(parents=True)
    (root / "policies" / "rusty" / "policy.yaml").write_text(RUSTY)
    copy = root.parent / "scx_rusty"
    copy.write_bytes(BINARY)
    return copy


def test_a_program_that_nobody_locked_is_said_and_no_error(tmp_path: Path) -> None:
    add_rusty(tmp_path / "fleet")

    (seen,) = lock(tmp_path / "fleet", [], check=True)

    assert str(seen) == "rusty: /usr/bin/scx_rusty of the hosts (not locked)"


def test_a_program_is_locked_by_a_copy_and_in_its_owners_words(tmp_path: Path) -> None:
    copy = add_rusty(tmp_path / "fleet")

    first = lock_program(tmp_path / "fleet", "rusty", copy, "1.0.14")

    assert first.lock == PolicyLock(
        "rusty", {"default": DIGEST}, program=LockedProgram("/usr/bin/scx_rusty", "1.0.14")
    )
    assert str(first) == f"rusty: default {DIGEST[:12]} (written)"
    assert lock_program(tmp_path / "fleet", "rusty", copy, "1.0.14").outcome == "unchanged"
    (seen,) = lock(tmp_path / "fleet", [], check=True)
    assert (seen.lock.program, seen.lock.variants) == (first.lock.program, first.lock.variants)


def test_without_a_copy_a_program_cannot_be_locked(tmp_path: Path) -> None:
    add_rusty(tmp_path / "fleet")
    with pytest.raises(BuildError) as caught:
        lock(tmp_path / "fleet", ["rusty"], check=False)
    assert str(caught.value) == (
        "policy 'rusty': policy rusty is not locked; a program is not built here\n"
        "  give a copy of the hosts' program: fleetsched lock rusty --program FILE --program-version VERSION"
    )


def test_a_program_that_moved_is_locked_anew(tmp_path: Path) -> None:
    root = tmp_path / "fleet"
    lock_program(root, "rusty", add_rusty(root), "1.0.14")
    (root / "policies/rusty/policy.yaml").write_text(RUSTY.replace("/usr/bin", "/opt"))
    with pytest.raises(BuildError) as caught:
        lock(root, [], check=True)
    assert caught.value.message == (
        "policy 'rusty': the lock is of /usr/bin/scx_rusty, the policy says /opt/scx_rusty; "
        "a program is not built here"
    )


def test_a_script_is_no_program(tmp_path: Path) -> None:
    copy = add_rusty(tmp_path / "fleet")
    copy.write_text("#!/bin/sh\n")
    with pytest.raises(InputError) as caught:
        lock_program(tmp_path / "fleet", "rusty", copy, "1")
    assert caught.value.message == f"{copy} is no ELF program: hosts would refuse it"


def test_what_is_built_here_needs_no_copy(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "policies" / "fair", tmp_path / "policies" / "fair")
    with pytest.raises(InputError) as caught:
        lock_program(tmp_path, "fair", tmp_path / "x", "1")
    assert str(caught.value) == "policy fair is no program: it is built here\n  fleetsched lock fair"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--program", "scx_rusty"],
        ["rusty", "--program", "scx_rusty"],
        ["rusty", "--program-version", "1"],
        ["rusty", "fair", "--program", "scx_rusty", "--program-version", "1"],
        ["rusty", "--check", "--program", "scx_rusty", "--program-version", "1"],
    ],
)
def test_a_copy_has_a_version_and_is_of_one_policy(
    arguments: list[str], controller: Controller, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["lock", "--repository", str(controller.root), *arguments])
    assert (code, capsys.readouterr().err) == (
        ExitCode.USAGE,
        "fleetsched: --program and --program-version go together, with one policy, without --check\n"
        "  see `fleetsched lock --help`\n",
    )


@pytest.fixture
def bound(controller: Controller) -> Controller:
    """The goal's hosts run `fair`; then the goal is bound to a program."""
    controller.apply()
    lock_program(controller.root, "rusty", add_rusty(controller.root), "1.0.14")
    bind(controller, "name: fair\n    parameters: {slice_us: 5000}", "name: rusty")
    return controller


def bind(controller: Controller, before: str, after: str) -> None:
    controller.edit("manifests/lab.yaml", before, after)


def everywhere(*args: str) -> dict[str, object]:
    return {name: {"path": "/usr/bin/scx_rusty", "args": [*args]} for name in NAMES}


def programs(controller: Controller) -> dict[str, object]:
    records = {name: host.disk.last_known_good for name, host in controller.hosts.items()}
    return {name: record and record.get("program") for name, record in records.items()}


def test_a_program_is_applied_without_staging_and_remembered_with_its_arguments(bound: Controller) -> None:
    objects = {name: set(host.disk.objects) for name, host in bound.hosts.items()}
    assert bound.actions() == all_hosts("replace")

    assert bound.apply().exit_code is ExitCode.OK

    assert bound.actions() == all_hosts("none")
    assert bound.ops() == dict.fromkeys(NAMES, "rusty")
    assert {name: set(host.disk.objects) for name, host in bound.hosts.items()} == objects
    assert programs(bound) == everywhere("--slice-us", "20000")


def test_another_parameter_and_another_argument_are_replaced_and_rolled_back(bound: Controller) -> None:
    bound.apply()
    bind(bound, "name: rusty", "name: rusty\n    parameters: {slice_us: 9000}")
    bound.apply()
    bound.edit("policies/rusty/policy.yaml", "[--slice-us,", "[--verbose, --slice-us,")
    assert bound.actions() == all_hosts("replace")
    bound.apply()
    assert bound.actions() == all_hosts("none")
    assert programs(bound) == everywhere("--verbose", "--slice-us", "9000")

    assert bound.rollback().exit_code is ExitCode.OK

    assert programs(bound) == everywhere("--slice-us", "9000")


def test_a_host_with_another_program_fails_and_goes_on_as_it_was(bound: Controller) -> None:
    bound.hosts["lab-1"].behaviours = {"rusty": Behaviour(program_digest="b" * 64)}

    applied = bound.apply()

    assert applied.exit_code is ExitCode.ROLLED_BACK
    assert applied.hosts[0].detail == (
        "lab-1: the program /usr/bin/scx_rusty is not the one of the lock: its SHA-256 is bbbbbbbbbbbb, "
        f"not {DIGEST[:12]}"
    )
    assert bound.ops() == dict.fromkeys(NAMES, "fair")


def test_review_cannot_rebuild_a_program_and_says_so(bound: Controller) -> None:
    assert list(_policy(load_policy(bound.root / "policies" / "rusty"))) == [
        Check(
            "program rusty",
            Result.NOT_DONE,
            f"/usr/bin/scx_rusty 1.0.14, {DIGEST[:12]}: not built here, hosts compare its digest",
        )
    ]
