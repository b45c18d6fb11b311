# SPDX-License-Identifier: Apache-2.0
"""plan, apply, status and release as a shell sees them, over simulated hosts and a merged revision."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fleetsched import schemas
from fleetsched.cli.main import main
from fleetsched.errors import UnreachableError
from fleetsched.fleetrepo.load import load_lock
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.operations.init import init
from tests.unit.git_repository import git
from tests.unit.rollout.test_engine import HELPER

NAMES = ("lab-1", "lab-2")


@dataclass
class Shell:
    """Runs commands in the folder of a fleet repository."""

    folder: Path
    hosts: dict[str, SimulatedHost]
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        """A command's exit code, output and errors."""
        code = main(list(words))
        return int(code), *self.capture.readouterr()

    def records(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        """A command's exit code and records; there is nothing else on standard output."""
        code, out, _ = self.run(*words, "--json")
        records = [json.loads(line) for line in out.splitlines()]
        validator = Draft202012Validator(schemas.load("plan-records"))
        assert [error.message for record in records for error in validator.iter_errors(record)] == []
        assert records[0]["type"] == "version"
        return code, records

    def publish(self) -> None:
        """Merge what lies in the folder."""
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-m", "more")
        git(self.folder, "push", "origin", "HEAD:main")


@pytest.fixture
def shell(
    tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    folder = tmp_path / "fleet"
    init(folder)
    lines = "".join(f"        {name}:\n" for name in NAMES)
    (folder / "inventory" / "lab.yaml").write_text(f"all:\n  children:\n    lab:\n      hosts:\n{lines}")
    git(tmp_path, "init", "--bare", "origin.git")
    git(folder, "remote", "add", "origin", str(tmp_path / "origin.git"))
    hosts = {name: SimulatedHost(name, installed=False) for name in NAMES}
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("fleetsched.transport.by_host.ByHostTransport", lambda *_: SimulatedTransport(hosts))
    monkeypatch.setattr("fleetsched.operations.fleet._helper_files", lambda arch: HELPER)
    made = Shell(folder, hosts, capsys)
    made.publish()
    return made


def kinds(records: list[dict[str, Any]]) -> list[str]:
    """The kinds of records in their order, each once."""
    return list(dict.fromkeys(record["type"] for record in records))


def test_apply_streams_records_and_ends_with_a_summary(shell: Shell) -> None:
    code, records = shell.records("apply", "--yes")

    assert code == 0
    assert kinds(records) == ["version", "revision", "host", "plan", "event", "result", "summary"]
    assert (records[-1]["verdict"], records[-1]["changed"]) == ("done", True)
    assert [record["phase"] for record in records if record["type"] == "result"] == ["confirmed"] * 2
    assert kinds(shell.records("apply", "--yes")[1]) == ["version", "revision", "host", "plan", "summary"]


def test_json_does_not_ask(shell: Shell) -> None:
    assert shell.run("apply", "--json") == (
        64,
        "",
        "fleetsched: --json asks nothing\n  add --yes\n  see `fleetsched apply --help`\n",
    )


def test_check_changes_nothing_and_tells_the_steps(shell: Shell) -> None:
    code, out, _ = shell.run("apply", "--check")

    assert code == 0
    assert out.splitlines()[-5:] == [
        "Check: no host was changed. A run would begin like this:",
        "  goal lab-fairness:",
        "    step 1: lab-1, each watched for 15 s",
        "    step 2: lab-2, each watched for 15 s",
        "Objects built, inspected and found as locked: 1.",
    ]
    assert [host.installed for host in shell.hosts.values()] == [False, False]
    assert kinds(shell.records("apply", "--check")[1])[-2:] == ["outlook", "summary"]


def test_check_of_what_is_not_approved_is_refused(shell: Shell) -> None:
    (shell.folder / "manifests" / "more.yaml").write_text("# more\n")
    assert shell.run("apply", "--check")[0] == 8


def test_saved_plan_is_applied_without_asking_and_not_twice(shell: Shell) -> None:
    code, out, _ = shell.run("plan", "--limit", "lab-1", "--out", "../saved.json")
    assert (code, out.splitlines()[-1]) == (
        0,
        "Saved: `fleetsched apply ../saved.json` carries out this plan while it holds.",
    )

    assert shell.run("apply", "../saved.json")[0] == 0
    assert [host.kernel.ops for host in shell.hosts.values()] == ["fair", None]

    code, out, said = shell.run("apply", "../saved.json")
    assert (code, out) == (8, "")
    assert said.startswith(
        "fleetsched: refused: the saved plan no longer holds: lab-1: action install-helper, attach -> none, "
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("apply", "x", "--limit", "lab-1"), "a saved plan names its hosts: it takes no --limit, "),
        (("plan", "--state", "x", "--out", "y"), "--state and --out exclude each other"),
    ],
)
def test_what_excludes_each_other_is_a_usage_error(shell: Shell, words: tuple[str, ...], said: str) -> None:
    code, _, error = shell.run(*words)
    assert code == 64
    assert said in error


def test_plan_from_a_state_file_tells_its_age_and_asks_no_host(shell: Shell) -> None:
    shell.run("status", "--snapshot", "../state.json", "--limit", "lab-1")
    for host in shell.hosts.values():
        host.connect_error = UnreachableError("asked")

    code, out, _ = shell.run("plan", "--state", "../state.json")
    assert code == 4  # lab-2 is not in it
    assert out.splitlines()[0].startswith("State of ../state.json, taken ")
    assert "  + lab-1: install-helper, attach: the kernel's scheduler -> fair@" in out
    assert "is not in the state file" in out
    assert kinds(shell.records("plan", "--state", "../state.json")[1])[2] == "state"


def test_status_is_records_alone(shell: Shell) -> None:
    assert kinds(shell.records("status")[1]) == ["version", "host"]


def test_diff_is_part_of_the_records(shell: Shell) -> None:
    shell.run("apply", "--yes")
    file = shell.folder / "manifests" / "lab.yaml"
    file.write_text(file.read_text().replace("slice_us: 5000", "slice_us: 7000"))

    records = shell.records("plan", "--diff")[1]

    assert kinds(records) == ["version", "revision", "host", "diff", "summary"]
    assert records[-2]["lines"] == ["-slice_us 5000", "+slice_us 7000"]


@pytest.mark.parametrize(
    ("variables", "words", "hosts"),
    [
        ({}, (), ["lab-1", "lab-2"]),
        ({"FLEETSCHED_LIMIT": "lab-1"}, (), ["lab-1"]),
        ({"FLEETSCHED_LIMIT": "lab-1"}, ("--limit", "lab-2"), ["lab-2"]),
        ({"FLEETSCHED_EXCLUDE": "lab-1"}, (), ["lab-2"]),
        ({"FLEETSCHED_GROUP": "lab"}, ("--exclude", "lab-2"), ["lab-1"]),
        ({"FLEETSCHED_LIMIT": ""}, (), ["lab-1", "lab-2"]),
    ],
)
def test_flags_outrank_the_environment(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    words: tuple[str, ...],
    hosts: list[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    records = shell.records("plan", *words)[1]
    assert [record["host"] for record in records if record["type"] == "host"] == hosts


def test_several_inventories_come_from_one_variable(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (shell.folder / "a.yaml").write_text("lab: {hosts: {a-1: }}\n")
    (shell.folder / "b.yaml").write_text("lab: {hosts: {b-1: }}\n")
    monkeypatch.setenv("FLEETSCHED_INVENTORY", "a.yaml:b.yaml")
    records = shell.records("plan")[1]
    assert [record["host"] for record in records if record["type"] == "host"] == ["a-1", "b-1"]


def test_release_tells_what_it_does_and_is_done_once(shell: Shell) -> None:
    shell.run("apply", "--yes")
    file = shell.folder / "manifests" / "lab.yaml"
    file.write_text(file.read_text().replace("  hosts: lab #", "  hosts: lab:!lab-2 #"))

    code, out, _ = shell.run("release", "lab-2", "--yes")
    digest = load_lock(shell.folder / "policies" / "fair").variants["default"]
    assert (code, out.splitlines()[0]) == (0, f"lab-2: fair@{digest[:8]} -> the kernel's scheduler")
    assert shell.run("release", "lab-2")[:2] == (0, "lab-2 is not managed: nothing was changed\n")
    assert shell.run("release", "lab-1")[0] == 8
